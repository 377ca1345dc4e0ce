#pragma once

/*
 * Messages from other threads to a loop.  A mailbox outlives its loop as long as somebody may still
 * post: an answer that comes after the loop has ended finds it closed.
 */

#include <stdbool.h>

#include <h2o.h>
#include <h2o/multithread.h>

struct loop;
struct mailbox;

struct message {
	h2o_multithread_message_t link; /* first */
	/* On the loop's thread; loop NULL: it has ended, on the poster's thread.  Owns the message.
	 */
	void (*run)(struct loop *loop, struct message *message);
};

struct mailbox *mailbox_new(struct loop *loop); /* aborts when out of memory, as libh2o does */
struct mailbox *mailbox_ref(struct mailbox *mailbox);
void mailbox_unref(struct mailbox *mailbox); /* accepts NULL */

/* Before the loop's thread starts and after its context is made. */
void mailbox_open(struct mailbox *mailbox, h2o_multithread_queue_t *queue);
/* On the loop's thread; what was posted before has to be run still, see mailbox_empty(). */
void mailbox_close(struct mailbox *mailbox);
bool mailbox_empty(struct mailbox *mailbox);
/* After mailbox_close(), when it is empty and before the context goes. */
void mailbox_detach(struct mailbox *mailbox);

/* Any thread. */
void mailbox_post(struct mailbox *mailbox, struct message *message);
/* Any thread: makes the loop turn once. */
void mailbox_wake(struct mailbox *mailbox);

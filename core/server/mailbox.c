#include "server/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct mailbox {
	h2o_multithread_receiver_t receiver;
	struct loop *loop;
	atomic_int refs;
	pthread_mutex_t lock; /* of open: a post ends before a close begins */
	bool open;
};

struct mailbox *mailbox_new(struct loop *loop)
{
	struct mailbox *mailbox = h2o_mem_alloc(sizeof(*mailbox));

	*mailbox = (struct mailbox){ .loop = loop, .lock = PTHREAD_MUTEX_INITIALIZER };
	atomic_store(&mailbox->refs, 1);
	return mailbox;
}

struct mailbox *mailbox_ref(struct mailbox *mailbox)
{
	atomic_fetch_add(&mailbox->refs, 1);
	return mailbox;
}

void mailbox_unref(struct mailbox *mailbox)
{
	if (!mailbox || atomic_fetch_sub(&mailbox->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&mailbox->lock);
	free(mailbox);
}

static void received(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
	struct mailbox *mailbox = H2O_STRUCT_FROM_MEMBER(struct mailbox, receiver, receiver);

	while (!h2o_linklist_is_empty(messages)) {
		struct message *message =
		    H2O_STRUCT_FROM_MEMBER(struct message, link.link, messages->next);
		h2o_linklist_unlink(&message->link.link);
		message->run(mailbox->loop, message);
	}
}

void mailbox_open(struct mailbox *mailbox, h2o_multithread_queue_t *queue)
{
	h2o_multithread_register_receiver(queue, &mailbox->receiver, received);
	pthread_mutex_lock(&mailbox->lock);
	mailbox->open = true;
	pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_close(struct mailbox *mailbox)
{
	pthread_mutex_lock(&mailbox->lock);
	mailbox->open = false;
	pthread_mutex_unlock(&mailbox->lock);
}

bool mailbox_empty(struct mailbox *mailbox)
{
	/* Nobody posts any more, and only this thread takes out. */
	return h2o_linklist_is_empty(&mailbox->receiver._messages);
}

void mailbox_detach(struct mailbox *mailbox)
{
	h2o_multithread_unregister_receiver(mailbox->receiver.queue, &mailbox->receiver);
}

void mailbox_post(struct mailbox *mailbox, struct message *message)
{
	message->link = (h2o_multithread_message_t){ { NULL, NULL } };
	pthread_mutex_lock(&mailbox->lock);
	const bool open = mailbox->open;
	if (open)
		h2o_multithread_send_message(&mailbox->receiver, &message->link);
	pthread_mutex_unlock(&mailbox->lock);
	if (!open)
		message->run(NULL, message);
}

void mailbox_wake(struct mailbox *mailbox)
{
	pthread_mutex_lock(&mailbox->lock);
	if (mailbox->open)
		h2o_multithread_send_message(&mailbox->receiver, NULL);
	pthread_mutex_unlock(&mailbox->lock);
}

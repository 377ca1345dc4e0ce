#pragma once

/*
 * Claims tasks, starts runners, reads how they end, stops them when asked.  One thread that never
 * waits for OpenPR or a policy: launch threads do, and hand back what is ready.
 */

#include "pipeline/parts.h"

struct dispatcher *dispatcher_new(struct pipeline *pipeline, struct err *err);
int dispatcher_start(struct dispatcher *dispatcher, struct err *err);
/* There may be something to claim or to cancel.  From any thread, never blocks. */
void dispatcher_wake(struct dispatcher *dispatcher);
/* Nothing new is started from now on. */
void dispatcher_drain(struct dispatcher *dispatcher);
bool dispatcher_draining(const struct dispatcher *dispatcher);
size_t dispatcher_running(struct dispatcher *dispatcher);
/* Interrupts what runs; returns when nothing is left. */
void dispatcher_interrupt(struct dispatcher *dispatcher);
/* After dispatcher_interrupt(): joins the threads. */
void dispatcher_stop(struct dispatcher *dispatcher);
void dispatcher_free(struct dispatcher *dispatcher); /* accepts NULL */

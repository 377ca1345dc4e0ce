#pragma once

/*
 * Delivers reports: takes outbox rows, asks the callback policy what a run's end means, and speaks
 * to OpenPR.  A few threads, one conversation each; rows of one issue stay in order because the
 * store hands out one at a time.
 */

#include "pipeline/parts.h"

struct reporter *reporter_new(struct pipeline *pipeline, struct err *err);
int reporter_start(struct reporter *reporter, struct err *err);
/* There may be something to deliver.  From any thread, never blocks long. */
void reporter_wake(struct reporter *reporter);
/* Tokens may be good again (reload): bots that were paused are tried again. */
void reporter_resume(struct reporter *reporter);
/* How many bots' reports wait for a good token. */
size_t reporter_paused(struct reporter *reporter);
/* pipeline->stop must be true: ends the conversations and joins the threads. */
void reporter_stop(struct reporter *reporter);
void reporter_free(struct reporter *reporter); /* accepts NULL */

#pragma once

/*
 * Takes verified bodies: parse, decide, store, answer.  Webhook events and AI tasks have threads of
 * their own, because an AI task may have to ask OpenPR first.  A further thread decides what was
 * stored undecided.
 */

#include "pipeline/parts.h"

struct intake *intake_new(struct pipeline *pipeline, struct err *err);
int intake_start(struct intake *intake, struct err *err);
void intake_submit(struct intake *intake, const void *body, size_t len, pipeline_answer_fn *answer,
		   void *ctx);
int intake_dispatch(struct intake *intake, const json_t *payload, pipeline_dispatched_fn *done,
		    void *ctx, struct err *err);
/* Answers what is queued and joins the threads. */
void intake_stop(struct intake *intake);
void intake_free(struct intake *intake); /* accepts NULL */

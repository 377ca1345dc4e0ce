#pragma once

/*
 * What gateways answer, read without trust.  Bytes from outside: fuzzed by
 * tests/fuzz/fuzz_gateway.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

/* Texts are borrowed from `root`, which answer_done() frees; NULL where there is none. */

/*
 * OpenClaw's answer to POST /hooks/agent (docs/gateway/config-hooks.md of OpenClaw 2026.9):
 * {ok, runId, completion: {status, replyDisposition, delivered, deliveryError}}.
 */
struct openclaw_answer {
	json_t *root;
	const char *run_id;
	const char *status;	 /* of a completion: "ok", "error", "skipped" */
	const char *disposition; /* "visible", "silent", "empty" */
	const char *delivery_error;
	bool delivered;
};
void openclaw_read(const char *body, size_t len, struct openclaw_answer *answer);

/*
 * PRX's answers (src/gateway of openprx/prx): to POST /webhook {status: "accepted", job_id}, or at
 * once, and when a finished request is repeated, {response}; a refused repetition is {status:
 * "processing", ...}; GET /api/jobs/ID is {status, result: {response}, http_status, error,
 * elapsed_ms}.
 */
struct openprx_answer {
	json_t *root;
	const char *job_id; /* only letters, digits, "-", "_" and ".": it goes into a URL */
	const char *status; /* of the job, or of a refusal */
	const char *response;
	size_t response_len;
	const char *error;
	int64_t http_status; /* of a job that has ended; 0: none */
	int64_t elapsed;     /* ms; -1: not told */
};
void openprx_read(const char *body, size_t len, struct openprx_answer *answer);

/* What a repetition was refused for: the `status` beside a 409. */
enum openprx_conflict {
	CONFLICT_UNKNOWN,
	CONFLICT_PROCESSING, /* the first one is being worked on */
	CONFLICT_REQUEST,    /* the first one had another body */
	CONFLICT_NO_REPLAY,  /* it succeeded, but its answer is not kept */
	CONFLICT_NO_RETRY,   /* it failed */
};
enum openprx_conflict openprx_conflict(const struct openprx_answer *answer);

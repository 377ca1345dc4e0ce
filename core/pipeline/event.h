#pragma once

/*
 * Either envelope that OpenPR posts, or a dispatch of the tunnel that carries one or anything else,
 * understood: which kind of work it asks for, its join key, its
 * time (openpr-contract 1, 2). Owns the body.  Bytes from outside: fuzzed by
 * tests/fuzz/fuzz_event.c.
 */

#include <stddef.h>

#include "base/err.h"
#include "store/store.h"

struct event;

/* EVENT_DISPATCH: a dispatch that carries neither. */
enum event_shape { EVENT_WEBHOOK, EVENT_AI_TASK, EVENT_UNKNOWN, EVENT_DISPATCH };

/*
 * Parses a verified body (copied).  NULL: ERR_INVALID, not JSON or a webhook event without a valid
 * timestamp or id.  Unknown shapes are no error.  received_at: wall ms.
 */
struct event *event_parse(const void *body, size_t len, int64_t received_at, struct err *err);
/* The payload of a task.dispatch, which may be any JSON value (copied).  NULL: ERR_INVALID (a
 * run_id or an issue id that nobody can have), ERR_NOMEM. */
struct event *event_parse_dispatch(const json_t *payload, int64_t received_at, struct err *err);

/* A body as a webhook brings it or as the store keeps it, whichever way that came. */
struct event *event_parse_kept(const void *body, size_t len, int64_t received_at, struct err *err);

/* What the store kept of one, for deciding it again. */
struct event *event_restore(const struct store_event *stored, struct err *err);
void event_free(struct event *event); /* accepts NULL */

enum event_shape event_shape(const struct event *event);

/* What the store is given; borrowed from the event. */
const struct store_event *event_stored(const struct event *event);

/* A dispatch that says nothing to do: no body, no issue. */
bool event_is_empty(const struct event *event);

/* By what its sender knows it, for logs: the delivery's id, or "ai:<task>:<attempt>"; borrowed. */
const char *event_delivery(const struct store_event *stored);

/* JSON of what REST told about it, for policies and the store; copied.  Once for each event. */
int event_complete(struct event *event, const char *completion, struct err *err);

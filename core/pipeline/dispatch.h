#pragma once

/*
 * The payload of a task.dispatch as it is kept: {"dispatch": {run_id, issue_id, agent, body, plain,
 * text}}, which no webhook can look like (pipeline/event.c).  plain: the body is neither an event
 * nor an AI task of OpenPR's; text: its words, for a prompt.  lua/openpr/event.lua reads it too.
 */

#include "base/err.h"
#include "base/json.h"
#include "pipeline/event.h"

#define DISPATCH_NAME "tunnel.dispatch" /* of an event whose body is plain */

/*
 * Any JSON value; what is no {run_id?, issue_id?, agent?, body?} is taken for the body whole.
 * Without a run_id it gets one.  JSON text that the caller frees; NULL with ERR_NOMEM.
 */
char *dispatch_wrap(const json_t *payload, struct err *err);

/* Which envelope this is; EVENT_DISPATCH: neither. */
enum event_shape dispatch_shape(const json_t *body);

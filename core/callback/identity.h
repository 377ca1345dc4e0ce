#pragma once

/*
 * Which token speaks for which bot: openpr.token for the identity it belongs to (asked once of
 * OpenPR), openpr.bots[NAME].token for a bot of that name.  Shared by threads.
 */

#include <stddef.h>

#include "callback/openpr.h"
#include "config/config.h"

struct identity;

struct identity *identity_new(void);
void identity_free(struct identity *identity);

/* Asks OpenPR whose tokens these are, where not known yet for this config.  Cheap when known.
 * Unreachable: stays unknown, asked again later (at most every 5 s).  Takes 3 s at most, for all
 * tokens, when OpenPR is silent; threads that come meanwhile wait for the answer. */
void identity_refresh(struct identity *identity, struct openpr *openpr,
		      const struct config *config);

/* Forget all (reload). */
void identity_forget(struct identity *identity);

/*
 * The token for this bot, borrowed from config; NULL: there is none (openpr.token is known to be
 * another's). While openpr.token's owner is unknown it is taken to be the bot's.
 */
const char *identity_token(struct identity *identity, const struct config *config,
			   const char *bot_id, const char *bot_name);

/* Ids we write as, as far as known: a JSON array of strings; json_decref(). */
json_t *identity_ours(struct identity *identity);

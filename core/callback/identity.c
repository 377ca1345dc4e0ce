#include "callback/identity.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

#define ASK_AGAIN 5000 /* ms */

/* A token and whose it is. */
struct owner {
	char *token;
	char *id;	  /* NULL: not known */
	int64_t asked_at; /* clock_mono() ms of the last answer */
	struct owner *next;
};

struct identity {
	/* Held while OpenPR is asked, so that others wait for the answer instead of going on with a
	 * token that may be another bot's. */
	pthread_mutex_t asking;
	pthread_mutex_t lock; /* guards what follows; never held while waiting */
	struct owner *owners;
	/* Before then nobody is asked, for any token: an OpenPR that is silent costs one refresh
	 * one timeout, however many bots there are. */
	int64_t silent_until; /* clock_mono() ms */
};

struct identity *identity_new(void)
{
	struct identity *identity = calloc(1, sizeof(*identity));

	if (!identity)
		return NULL;
	pthread_mutex_init(&identity->asking, NULL);
	pthread_mutex_init(&identity->lock, NULL);
	return identity;
}

static void free_owners(struct owner *owner)
{
	while (owner) {
		struct owner *next = owner->next;
		free(owner->token);
		free(owner->id);
		free(owner);
		owner = next;
	}
}

void identity_free(struct identity *identity)
{
	if (!identity)
		return;
	free_owners(identity->owners);
	pthread_mutex_destroy(&identity->asking);
	pthread_mutex_destroy(&identity->lock);
	free(identity);
}

void identity_forget(struct identity *identity)
{
	pthread_mutex_lock(&identity->lock);
	struct owner *owners = identity->owners;
	identity->owners = NULL;
	identity->silent_until = 0;
	pthread_mutex_unlock(&identity->lock);
	free_owners(owners);
}

/* ---- under lock ---- */

static struct owner *find(const struct identity *identity, const char *token)
{
	struct owner *owner = identity->owners;

	while (owner && strcmp(owner->token, token) != 0)
		owner = owner->next;
	return owner;
}

static const char *owner_id(const struct identity *identity, const char *token)
{
	const struct owner *owner = find(identity, token);

	return owner ? owner->id : NULL;
}

static struct owner *add(struct identity *identity, const char *token)
{
	struct owner *owner = calloc(1, sizeof(*owner));

	if (owner)
		owner->token = strdup(token);
	if (!owner || !owner->token) {
		free(owner);
		return NULL;
	}
	owner->next = identity->owners;
	identity->owners = owner;
	return owner;
}

/* ---- asking ---- */

static bool is_due(struct identity *identity, const char *token)
{
	const int64_t now = clock_mono();

	pthread_mutex_lock(&identity->lock);
	const struct owner *owner = find(identity, token);
	const bool due = now >= identity->silent_until &&
			 (!owner || (!owner->id && now - owner->asked_at >= ASK_AGAIN));
	pthread_mutex_unlock(&identity->lock);
	return due;
}

/* Takes id, which may be NULL. */
static void remember(struct identity *identity, const char *token, char *id)
{
	struct owner *owner = find(identity, token);

	if (!owner)
		owner = add(identity, token);
	if (!owner) {
		free(id);
		return;
	}
	free(owner->id);
	owner->id = id;
	owner->asked_at = clock_mono();
}

static void ask(struct identity *identity, struct openpr *openpr, const struct config *config,
		const char *token)
{
	struct err why;
	char *id = NULL;
	const openpr_result result = openpr_whoami(openpr, config, token, &id, &why);

	pthread_mutex_lock(&identity->lock);
	if (result == OPENPR_RETRY || result == OPENPR_UNKNOWN)
		identity->silent_until = clock_mono() + ASK_AGAIN;
	else
		remember(identity, token, id);
	pthread_mutex_unlock(&identity->lock);
}

static void ask_if_due(struct identity *identity, struct openpr *openpr,
		       const struct config *config, const char *token)
{
	if (!token || !token[0] || !is_due(identity, token))
		return;
	pthread_mutex_lock(&identity->asking);
	if (is_due(identity, token))
		ask(identity, openpr, config, token);
	pthread_mutex_unlock(&identity->asking);
}

void identity_refresh(struct identity *identity, struct openpr *openpr, const struct config *config)
{
	if (!config->openpr.api_url)
		return;
	ask_if_due(identity, openpr, config, config->openpr.token);
	for (size_t i = 0; i < config->openpr.bot_count; i++)
		ask_if_due(identity, openpr, config, config->openpr.bots[i].token);
	for (size_t i = 0; i < config->agent_count; i++)
		ask_if_due(identity, openpr, config, config->agents[i].mcp_token);
}

/* ---- telling ---- */

static bool may_speak(const struct identity *identity, const char *token, const char *bot_id)
{
	const char *id = token && token[0] ? owner_id(identity, token) : NULL;

	return token && token[0] && (!id || !bot_id || strcmp(id, bot_id) == 0);
}

static bool surely_speaks(const struct identity *identity, const char *token, const char *bot_id)
{
	const char *id = token && bot_id ? owner_id(identity, token) : NULL;

	return id && strcmp(id, bot_id) == 0;
}

static const char *choose(const struct identity *identity, const struct config *config,
			  const char *bot_id, const char *bot_name)
{
	const struct config_bot *bots = config->openpr.bots;
	const size_t count = config->openpr.bot_count;

	if (surely_speaks(identity, config->openpr.token, bot_id))
		return config->openpr.token;
	for (size_t i = 0; i < count; i++)
		if (surely_speaks(identity, bots[i].token, bot_id))
			return bots[i].token;
	for (size_t i = 0; bot_name && i < count; i++)
		if (strcasecmp(bots[i].name, bot_name) == 0 &&
		    may_speak(identity, bots[i].token, bot_id))
			return bots[i].token;
	return may_speak(identity, config->openpr.token, bot_id) ? config->openpr.token : NULL;
}

const char *identity_token(struct identity *identity, const struct config *config,
			   const char *bot_id, const char *bot_name)
{
	pthread_mutex_lock(&identity->lock);
	const char *token = choose(identity, config, bot_id, bot_name);
	pthread_mutex_unlock(&identity->lock);
	return token;
}

json_t *identity_ours(struct identity *identity)
{
	json_t *ours = json_array();

	pthread_mutex_lock(&identity->lock);
	for (const struct owner *owner = identity->owners; owner; owner = owner->next)
		if (owner->id)
			json_array_append_new(ours, json_string(owner->id));
	pthread_mutex_unlock(&identity->lock);
	return ours;
}

#include "gateway/gateway.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "exec/run_result.h"
#include "gateway/talk.h"
#include "gateway/talk_state.h"

/* ---- types ---- */

static const struct {
	const char *type;
	const char *mode; /* NULL: whatever it is */
	const struct talk_type *talk;
} types[] = {
	{ "openclaw", "agent", &talk_openclaw }, { "openclaw", "message", &talk_openclaw_message },
	{ "openprx", "agent", &talk_openprx },	 { "openprx", "signal", &talk_openprx_signal },
	{ "webhook", NULL, &talk_webhook },
};

#define TYPES (sizeof(types) / sizeof(types[0]))

/* TYPES: none. */
static size_t type_of(const struct config_agent *agent)
{
	size_t i = 0;

	while (i < TYPES &&
	       (strcmp(types[i].type, agent->type) != 0 ||
		(types[i].mode && agent->mode && strcmp(types[i].mode, agent->mode) != 0)))
		i++;
	return i;
}

bool gateway_speaks(const struct config_agent *agent)
{
	return type_of(agent) < TYPES;
}

static const struct talk_type *talk_of(const struct gateway_spec *spec)
{
	const size_t i = spec->http ? TYPES : type_of(spec->agent);

	return i < TYPES ? types[i].talk : &talk_webhook;
}

json_t *gateway_describe(const struct gateway_spec *spec, struct err *err)
{
	struct request request = { 0 };
	json_t *shown =
	    talk_of(spec)->ask(spec, &request, err) == 0 ? request_describe(&request, err) : NULL;

	request_done(&request);
	return shown;
}

/* ---- the life of one ---- */

static void *converse(void *arg)
{
	struct gateway *talk = arg;

	talk_run(talk);
	talk_tell(talk, TOLD_OVER);
	return NULL;
}

struct gateway *gateway_start(const struct gateway_spec *spec, struct err *err)
{
	struct gateway *gateway = calloc(1, sizeof(*gateway));

	if (!gateway) {
		err_set(err, ERR_NOMEM, "no memory for a conversation");
		return NULL;
	}
	gateway->spec = *spec;
	gateway->type = talk_of(spec);
	gateway->deadline = clock_mono() + spec->timeout;
	gateway->start = clock_mono();
	gateway->retry_after = -1;
	run_result_init(&gateway->result);
	pthread_mutex_init(&gateway->lock, NULL);
	pthread_condattr_t clock;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&gateway->changed, &clock);
	pthread_condattr_destroy(&clock);
	gateway->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	gateway->http = gateway->wake < 0 ? NULL : http_new(&gateway->stop, err);
	if (gateway->wake < 0)
		err_set(err, ERR_IO, "eventfd: %s", strerror(errno));
	if (gateway->http && pthread_create(&gateway->thread, NULL, converse, gateway) != 0)
		err_set(err, ERR_IO, "no thread for a conversation");
	else
		gateway->started = gateway->http != NULL;
	if (gateway->started)
		return gateway;
	gateway_free(gateway);
	return NULL;
}

int gateway_fd(const struct gateway *gateway)
{
	return gateway->wake;
}

void gateway_stop(struct gateway *gateway, enum run_stop why)
{
	pthread_mutex_lock(&gateway->lock);
	if (!atomic_load(&gateway->stop))
		gateway->why = why;
	atomic_store(&gateway->stop, true);
	pthread_cond_broadcast(&gateway->changed);
	pthread_mutex_unlock(&gateway->lock);
}

void gateway_free(struct gateway *gateway)
{
	if (!gateway)
		return;
	if (gateway->started) {
		gateway_stop(gateway, RUN_STOP_INTERRUPT);
		pthread_join(gateway->thread, NULL);
	}
	http_free(gateway->http);
	if (gateway->wake >= 0)
		close(gateway->wake);
	run_result_done(&gateway->result);
	buf_done(&gateway->notes);
	free(gateway->reason);
	free(gateway->session);
	pthread_cond_destroy(&gateway->changed);
	pthread_mutex_destroy(&gateway->lock);
	free(gateway);
}

/* ---- news ---- */

static void drain(const struct gateway *gateway)
{
	uint64_t seen;
	const ssize_t n = read(gateway->wake, &seen, sizeof(seen));

	(void)n; /* nothing was there */
}

static enum gateway_event over(struct gateway *gateway, struct gateway_news *news)
{
	if (gateway->later) {
		news->retry_after = gateway->retry_after;
		news->reason = gateway->reason ? gateway->reason : "out of memory";
		return GATEWAY_LATER;
	}
	*news->result = gateway->result;
	run_result_init(&gateway->result);
	return GATEWAY_ENDED;
}

enum gateway_event gateway_read(struct gateway *gateway, struct gateway_news *news)
{
	static const struct {
		unsigned bit;
		enum gateway_event event;
	} order[] = {
		{ TOLD_TAKEN, GATEWAY_TAKEN },
		{ TOLD_SESSION, GATEWAY_SESSION },
		{ TOLD_OVER, GATEWAY_ENDED },
	};
	enum gateway_event event = GATEWAY_NOTHING;

	pthread_mutex_lock(&gateway->lock);
	drain(gateway);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (gateway->told & order[i].bit) {
			gateway->told &= ~order[i].bit;
			event = order[i].event;
			break;
		}
	news->session = gateway->session;
	if (event == GATEWAY_ENDED)
		event = over(gateway, news);
	pthread_mutex_unlock(&gateway->lock);
	return event;
}

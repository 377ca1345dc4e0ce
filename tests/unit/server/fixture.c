#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "client.h"

static char listen_address[] = "127.0.0.1:0";
static char secret[] = FIXTURE_SECRET, older_secret[] = "older";
static char *secrets[] = { secret, older_secret };

void fixture_defaults(struct fixture *fixture)
{
	*fixture = (struct fixture){
		.config.webhook = {
			.listen = listen_address,
			.secrets = secrets,
			.secret_count = 2,
			.max_body = 64 << 10,
			.max_connections = 64,
			.head_timeout = 30000,
			.max_unverified = 1 << 20,
		},
	};
}

void fixture_start(struct fixture *fixture, int loops)
{
	struct err err = { 0 };
	fixture->pipeline = stand_in_new();
	fixture->server = server_start(&fixture->config, fixture->pipeline, loops, &err);
	if (!fixture->server)
		fail_msg("%s", err.text);
	fixture->port = server_port(fixture->server);
}

void fixture_up(struct fixture *fixture)
{
	fixture_defaults(fixture);
	fixture_start(fixture, 2);
}

void fixture_down(struct fixture *fixture)
{
	stand_in_hold(fixture->pipeline, false);
	server_stop(fixture->server);
	server_free(fixture->server);
	stand_in_free(fixture->pipeline);
}

int64_t fixture_count(struct fixture *fixture, const char *path, int64_t least)
{
	const int64_t until = clock_mono() + CLIENT_PATIENCE;
	int64_t count;

	for (;;) {
		json_t *counters = server_counters(fixture->server);
		count = json_int(counters, path, -1);
		json_decref(counters);
		if (count >= least || clock_mono() > until)
			return count;
		usleep(2000);
	}
}

/* Other secrets while requests come in. */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "fixture.h"

static int setup(void **state)
{
	static struct fixture fixture;

	fixture_up(&fixture);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	fixture_down(*state);
	return 0;
}

static int post(struct fixture *fixture, const char *secret, struct client_answer *answer)
{
	size_t len;
	char *request = client_webhook(secret, "{}", 2, "", &len);
	const int fd = client_connect(fixture->port);

	client_send(fd, request, len);
	client_read(fd, answer);
	close(fd);
	free(request);
	return answer->status;
}

struct sender {
	struct fixture *fixture;
	pthread_t thread;
	atomic_bool stop;
	int good, refused;
};

static void *send_on(void *data)
{
	struct sender *sender = data;
	struct client_answer *answer = malloc(sizeof(*answer));
	size_t len;
	char *request = client_webhook(FIXTURE_SECRET, "{}", 2, "", &len);
	const int fd = client_connect(sender->fixture->port);

	while (!atomic_load(&sender->stop)) {
		client_send(fd, request, len);
		client_read(fd, answer);
		if (answer->status == 202)
			sender->good++;
		else if (answer->status == 401)
			sender->refused++;
	}
	close(fd);
	free(request);
	free(answer);
	return NULL;
}

static void test_reload_while_serving(void **state)
{
	struct fixture *fixture = *state;
	static char fresh[] = "fresh", both[] = FIXTURE_SECRET;
	static char *only_fresh[] = { fresh }, *with_both[] = { fresh, both };
	struct config config = fixture->config;
	struct sender senders[4] = { 0 };
	struct client_answer answer;
	struct err err;

	for (int i = 0; i < 4; i++) {
		senders[i].fixture = fixture;
		assert_int_equal(pthread_create(&senders[i].thread, NULL, send_on, &senders[i]), 0);
	}
	for (int round = 0; round < 50; round++) {
		config.webhook.secrets = with_both;
		config.webhook.secret_count = 2;
		assert_int_equal(server_reload(fixture->server, &config, &err), 0);
		/* In force from now on, on every loop. */
		assert_int_equal(post(fixture, FIXTURE_SECRET, &answer), 202);
		assert_int_equal(post(fixture, "fresh", &answer), 202);
		config.webhook.secrets = only_fresh;
		config.webhook.secret_count = 1;
		assert_int_equal(server_reload(fixture->server, &config, &err), 0);
		assert_int_equal(post(fixture, FIXTURE_SECRET, &answer), 401);
		assert_int_equal(post(fixture, "fresh", &answer), 202);
	}
	for (int i = 0; i < 4; i++) {
		atomic_store(&senders[i].stop, true);
		pthread_join(senders[i].thread, NULL);
		assert_true(senders[i].good > 0);
		assert_true(senders[i].refused > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reload_while_serving, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

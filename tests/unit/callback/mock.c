#include "mock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "http/http.h"

#define START_TRIES 1000 /* of 20 ms */

extern char **environ;

struct mock {
	pid_t pid;
	int hold; /* the other end of its standard input */
	char url[64];
	struct http *http;
};

static void spawn_mock(struct mock *mock, const char *port_file)
{
	char *const argv[] = { "lua5.4", TEST_SOURCE_DIR "/tests/support/openpr.lua",
			       (char *)port_file, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
	assert_int_equal(posix_spawnp(&mock->pid, "lua5.4", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[0]);
	mock->hold = ends[1];
}

static int read_port(const char *port_file)
{
	FILE *file = fopen(port_file, "re");
	int port = 0;

	if (file) {
		if (fscanf(file, "%d", &port) != 1)
			port = 0;
		fclose(file);
	}
	return port;
}

struct mock *mock_start(void)
{
	struct mock *mock = calloc(1, sizeof(*mock));
	char folder[] = "/tmp/opw-mock-XXXXXX", port_file[64];
	struct err err;
	int port = 0;

	assert_non_null(mkdtemp(folder));
	snprintf(port_file, sizeof(port_file), "%s/port", folder);
	spawn_mock(mock, port_file);
	for (int i = 0; i < START_TRIES && port == 0; i++) {
		usleep(20000);
		port = read_port(port_file);
	}
	assert_int_not_equal(port, 0);
	unlink(port_file);
	rmdir(folder);
	snprintf(mock->url, sizeof(mock->url), "http://127.0.0.1:%d", port);
	mock->http = http_new(NULL, &err);
	assert_non_null(mock->http);
	return mock;
}

void mock_stop(struct mock *mock)
{
	close(mock->hold);
	waitpid(mock->pid, NULL, 0);
	http_free(mock->http);
	free(mock);
}

const char *mock_url(const struct mock *mock)
{
	return mock->url;
}

static json_t *ask(struct mock *mock, const char *method, const char *path, const char *body)
{
	struct http_response response;
	struct err err;
	char url[128];

	snprintf(url, sizeof(url), "%s%s", mock->url, path);
	const struct http_request request = {
		.method = method,
		.url = url,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.timeout = 60000,
		.max_response = 256 * 1024 * 1024,
	};
	if (http_call(mock->http, &request, &response, &err) < 0)
		fail_msg("the stand-in: %s", err.text);
	if (response.status != 200)
		fail_msg("the stand-in: %s", response.body.bytes);
	json_t *answer = json_parse(response.body.bytes, response.body.len, &err);
	assert_non_null(answer);
	http_response_done(&response);
	return answer;
}

void mock_control(struct mock *mock, const char *fmt, ...)
{
	char *body = NULL;
	va_list args;

	va_start(args, fmt);
	const int len = vasprintf(&body, fmt, args);
	va_end(args);
	assert_true(len > 0);
	json_decref(ask(mock, "POST", "/_control", body));
	free(body);
}

json_t *mock_state(struct mock *mock)
{
	return ask(mock, "GET", "/_control/state", NULL);
}

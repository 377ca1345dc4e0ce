/* Paths, parameters and error codes of the admin API; the transport is admin_test.c's. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/admin_api.h"
#include "stand_in.h"

#define RUN "0192aaaa-0000-7000-8000-000000000001"
#define UPPER "0192AAAA-0000-7000-8000-000000000001"

static struct admin_api api;
static int reload_rc;

static int on_reload(void *ctx, struct buf *mistakes, struct err *err)
{
	assert_ptr_equal(ctx, &reload_rc);
	if (reload_rc == 0)
		return 0;
	buf_appendf(mistakes, "agents.x.cli: not one of codex\n\nwebhook.listen: missing\n");
	return err_set(err, ERR_CONFIG, "2 mistakes");
}

static json_t *on_counters(void *ctx)
{
	assert_ptr_equal(ctx, &reload_rc);
	return json_pack("{s:{s:i}}", "server", "requests", 4);
}

static int setup(void **state)
{
	*state = NULL;
	memset(&stand_in_fails, 0, sizeof(stand_in_fails));
	stand_in_last[0] = '\0';
	reload_rc = 0;
	api = (struct admin_api){
		.pipeline = stand_in_new(),
		.hooks = { .reload = on_reload, .counters = on_counters, .ctx = &reload_rc },
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stand_in_free(api.pipeline);
	return 0;
}

/* The answer's text; the caller frees. */
static char *call(const char *method, const char *path, int *status)
{
	struct admin_answer answer = admin_api_call(&api, method, path);
	char *text = json_text(answer.body);

	assert_non_null(text);
	*status = answer.status;
	if ((answer.status == 405) != (answer.allow != NULL))
		fail_msg("Allow with %d", answer.status);
	json_decref(answer.body);
	return text;
}

static void does(const char *method, const char *path, const char *expected, const char *body)
{
	int status;
	char *text = call(method, path, &status);

	if (status != 200)
		fail_msg("%d for %s: %s", status, path, text);
	assert_string_equal(stand_in_last, expected);
	assert_string_equal(text, body);
	free(text);
}

static void test_each_verb(void **state)
{
	(void)state;
	does("GET", "/api/runs", "runs 50", "[{\"run_id\":\"r1\"}]");
	does("GET", "/api/runs?limit=7", "runs 7", "[{\"run_id\":\"r1\"}]");
	does("GET", "/api/runs?limit=1000", "runs 1000", "[{\"run_id\":\"r1\"}]");
	does("GET", "/api/runs/" RUN, "show " RUN, "{\"run_id\":\"" RUN "\"}");
	does("GET", "/api/runs/" UPPER, "show " RUN, "{\"run_id\":\"" RUN "\"}");
	does("POST", "/api/runs/" RUN "/cancel", "cancel " RUN, "{\"run_id\":\"" RUN "\"}");
	does("POST", "/api/runs/" RUN "/retry", "retry " RUN,
	     "{\"run_id\":\"0192aaaa-0000-7000-8000-00000000000f\"}");
	does("POST", "/api/runs/" RUN "/retry-report", "retry-report " RUN,
	     "{\"run_id\":\"" RUN "\"}");
	does("GET", "/api/events", "events all 50", "[]");
	does("GET", "/api/events?status=held&limit=3", "events held 3", "[]");
	does("GET", "/api/events?limit=3&status=no_agent", "events no_agent 3", "[]");
	does("POST", "/api/events/" RUN "/release", "release " RUN, "{\"status\":\"dispatched\"}");
	does("POST", "/api/events/" RUN "/discard", "discard " RUN, "{\"event_id\":\"" RUN "\"}");
	does("POST", "/api/reload", "discard " RUN, "{\"status\":\"reloaded\"}");
	assert_false(stand_in_drained(api.pipeline));
	does("POST", "/api/drain", "discard " RUN, "{\"status\":\"draining\",\"running\":3}");
	assert_true(stand_in_drained(api.pipeline));
}

static void test_status_tells_everything(void **state)
{
	int status;
	char *text;
	struct err err;

	(void)state;
	for (int unready = 0; unready < 2; unready++) {
		stand_in_unready(api.pipeline, unready ? "the disk is full" : NULL);
		text = call("GET", "/api/status", &status);
		assert_int_equal(status, 200);
		json_t *all = json_parse(text, strlen(text), &err);
		assert_string_equal(json_str(all, "version"), OPW_VERSION);
		assert_int_equal(json_int(all, "pid", 0), getpid());
		assert_int_equal(json_is_false(json_at(all, "ready")), unready);
		if (unready)
			assert_string_equal(json_str(all, "reason"), "the disk is full");
		else
			assert_true(json_is_null(json_at(all, "reason")));
		assert_int_equal(json_array_size(json_at(all, "reasons")), 1 + unready);
		assert_true(json_is_false(json_at(all, "draining")));
		assert_int_equal(json_int(all, "running", 0), 3);
		assert_int_equal(json_int(all, "counts.waiting", 0), 2);
		assert_int_equal(json_int(all, "counters.pipeline.received", 0), 7);
		assert_int_equal(json_int(all, "counters.server.requests", 0), 4);
		json_decref(all);
		free(text);
	}
}

static void test_ready_gives_all_reasons(void **state)
{
	int status;
	char *text;

	(void)state;
	text = call("GET", "/api/ready", &status);
	assert_int_equal(status, 200); /* wrong signatures come from outside: they turn nothing */
	assert_string_equal(text, "{\"ready\":true,\"reasons\":[{\"reason\":\"signatures_failing\","
				  "\"turns\":false,\"text\":\"the last 7 were wrong\"}]}");
	free(text);
	stand_in_unready(api.pipeline, "no room");
	text = call("GET", "/api/ready", &status);
	assert_int_equal(status, 503);
	assert_string_equal(text, "{\"ready\":false,\"reasons\":[{\"reason\":\"disk_full\","
				  "\"turns\":true,\"text\":\"no room\"},"
				  "{\"reason\":\"signatures_failing\",\"turns\":false,"
				  "\"text\":\"the last 7 were wrong\"}]}");
	free(text);
}

static void test_metrics_are_text(void **state)
{
	struct admin_answer answer = admin_api_call(&api, "GET", "/metrics");

	(void)state;
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.type, "text/plain; version=0.0.4; charset=utf-8");
	assert_null(answer.body);
	assert_non_null(strstr(answer.text, "\nopenpr_webhook_ready 1\n"));
	assert_non_null(
	    strstr(answer.text, "\nopenpr_webhook_trouble{reason=\"signatures_failing\"} 1\n"));
	assert_non_null(strstr(answer.text, "\nopenpr_webhook_tasks{state=\"waiting\"} 2\n"));
	assert_non_null(strstr(answer.text, "\nbelow 1\n"));
	free(answer.text);
	/* The queue cannot be asked: the rest is still there. */
	err_set(&stand_in_fails, ERR_IO, "gone");
	answer = admin_api_call(&api, "GET", "/metrics");
	assert_int_equal(answer.status, 200);
	assert_null(strstr(answer.text, "openpr_webhook_tasks"));
	assert_non_null(strstr(answer.text, "\nbelow 1\n"));
	free(answer.text);
	stand_in_fails.code = 0;
}

static void is_refused(const char *method, const char *path, int expected)
{
	int status;
	char *text = call(method, path, &status);
	struct err err;
	json_t *body = json_parse(text, strlen(text), &err);

	if (status != expected)
		fail_msg("%d and not %d for %s", status, expected, path);
	assert_non_null(json_str(body, "error"));
	json_decref(body);
	free(text);
}

static void test_refuses_what_is_not_there(void **state)
{
	char longer[2048];

	(void)state;
	is_refused("GET", "/", 404);
	is_refused("GET", "/api", 404);
	is_refused("GET", "/api/runs/", 404);
	is_refused("GET", "/api/runsx", 404);
	is_refused("GET", "/api/runs/" RUN "/", 404);
	is_refused("GET", "/api/runs/" RUN "/log", 404);
	is_refused("POST", "/api/runs//cancel", 404);
	is_refused("POST", "/api/runs/" RUN "/x/cancel", 404);
	is_refused("GET", "//api/runs", 404);
	is_refused("GET", "", 404);
	is_refused("GET", "*", 404);
	is_refused("DELETE", "/api/runs/" RUN, 405);
	is_refused("POST", "/api/runs", 405);
	is_refused("GET", "/api/reload", 405);
	is_refused("GET", "/api/runs/" RUN "/cancel", 405);
	is_refused("get", "/api/status", 405);
	memset(longer, 'a', sizeof(longer));
	memcpy(longer, "/api/runs/", 10);
	longer[sizeof(longer) - 1] = '\0';
	is_refused("GET", longer, 404);
	longer[300] = '\0';
	is_refused("GET", longer, 400);
	assert_string_equal(stand_in_last, "");
}

static void test_refuses_bad_parameters(void **state)
{
	static const char *const bad[] = {
		"/api/runs/nonsense",
		"/api/runs/0192aaaa-0000-7000-8000-00000000000",
		"/api/runs/0192aaaa-0000-7000-8000-0000000000011",
		"/api/runs/%30192aaa-0000-7000-8000-000000000001",
		"/api/runs?limit=0",
		"/api/runs?limit=1001",
		"/api/runs?limit=",
		"/api/runs?limit=-1",
		"/api/runs?limit=+1",
		"/api/runs?limit=%201",
		"/api/runs?limit=1x",
		"/api/runs?limit=99999999999999999999999",
		"/api/runs?limit",
		"/api/runs?nonsense=1",
		"/api/runs?",
		"/api/runs?limit=1&",
		"/api/events?status=",
		"/api/events?status=HELD",
		"/api/events?status=held'",
		"/api/events?status=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_refused("GET", bad[i], 400);
	is_refused("POST", "/api/events/1/release", 400);
	assert_string_equal(stand_in_last, "");
}

static void test_gives_each_error_its_status(void **state)
{
	static const struct {
		enum err_code code;
		int status;
	} codes[] = {
		{ ERR_NOTFOUND, 404 }, { ERR_CONFLICT, 409 }, { ERR_INVALID, 400 },
		{ ERR_CONFIG, 400 },   { ERR_IO, 500 },	      { ERR_FULL, 500 },
		{ ERR_NOMEM, 500 },    { ERR_TIMEOUT, 500 },  { ERR_POLICY, 500 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		err_set(&stand_in_fails, codes[i].code, "because");
		is_refused("GET", "/api/runs", codes[i].status);
		is_refused("GET", "/api/runs/" RUN, codes[i].status);
		is_refused("GET", "/api/events", codes[i].status);
		is_refused("GET", "/api/status", codes[i].status);
		is_refused("POST", "/api/runs/" RUN "/cancel", codes[i].status);
		is_refused("POST", "/api/runs/" RUN "/retry", codes[i].status);
		is_refused("POST", "/api/runs/" RUN "/retry-report", codes[i].status);
		is_refused("POST", "/api/events/" RUN "/release", codes[i].status);
		is_refused("POST", "/api/events/" RUN "/discard", codes[i].status);
	}
}

static void test_a_bad_reload_lists_the_mistakes(void **state)
{
	int status;

	(void)state;
	reload_rc = -1;
	char *text = call("POST", "/api/reload", &status);
	assert_int_equal(status, 400);
	assert_string_equal(text, "{\"error\":\"2 mistakes\",\"mistakes\":"
				  "[\"agents.x.cli: not one of codex\","
				  "\"webhook.listen: missing\"]}");
	free(text);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_each_verb),
		CASE(test_status_tells_everything),
		CASE(test_refuses_what_is_not_there),
		CASE(test_refuses_bad_parameters),
		CASE(test_ready_gives_all_reasons),
		CASE(test_metrics_are_text),
		CASE(test_gives_each_error_its_status),
		CASE(test_a_bad_reload_lists_the_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

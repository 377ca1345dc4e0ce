/* The verbs that look at or steer runs and events. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "command/admin_client.h"
#include "command/check.h"
#include "command/command.h"
#include "command/print.h"
#include "store/store.h"

#define DEFAULT_LIMIT 50

typedef json_t *offline_fn(struct store *store, const struct command_line *line, struct err *err);

static size_t limit_of(const struct command_line *line)
{
	return line->limit > 0 ? (size_t)line->limit : DEFAULT_LIMIT;
}

static json_t *offline_runs(struct store *store, const struct command_line *line, struct err *err)
{
	return store_runs(store, limit_of(line), err);
}

static json_t *offline_show(struct store *store, const struct command_line *line, struct err *err)
{
	return store_show(store, line->argument, err);
}

static json_t *offline_events(struct store *store, const struct command_line *line, struct err *err)
{
	return store_events(store, line->status, limit_of(line), err);
}

/* Without a daemon the file's owner may still look. */
static json_t *look_offline(const struct config *config, const struct command_line *line,
			    offline_fn *offline, struct err *err)
{
	struct store *store = NULL;

	if (store_open_reader(config->queue.path, &store, err) < 0) {
		err_prefix(err, "no daemon answers on %s, and", config->admin.listen);
		return NULL;
	}
	json_t *answer = offline(store, line, err);
	store_close(store);
	return answer;
}

/* The answer of GET path, or of the file when no daemon runs; NULL after saying why. */
static json_t *look(const struct command_line *line, const char *path, offline_fn *offline,
		    int *code)
{
	struct config *config = check_config_for_client(line, code);
	json_t *answer = NULL;
	struct err err;

	if (!config)
		return NULL;
	const enum admin_reply reply = admin_call(config, "GET", path, &answer, &err);
	if (reply == ADMIN_REFUSED) {
		json_decref(answer);
		answer = NULL;
	}
	if (reply == ADMIN_NO_DAEMON)
		answer = look_offline(config, line, offline, &err);
	config_unref(config);
	if (!answer)
		*code = command_fail(EXIT_FAILED, "%s", err.text);
	return answer;
}

/* A task that waits for a person says so, and why. */
static void mark_held(json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		if (json_is_true(json_at(row, "held")))
			json_object_set_new(row, "state", json_string("held"));
	}
}

/* Where nothing came through the tunnel, nothing is said of it. */
static bool any_tunnel(json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		if (json_str(row, "tunnel"))
			return true;
	}
	return false;
}

static void print_runs(json_t *rows)
{
	static const struct print_column columns[] = {
		{ "RUN", "run_id", false },	 { "STATE", "state", true },
		{ "OUTCOME", "outcome", true },	 { "REPORT", "report", true },
		{ "AGENT", "agent", false },	 { "ISSUE", "issue_key", false },
		{ "ATTEMPT", "attempt", false }, { "RULE", "rule", false },
		{ "NOTE", "note", false },	 { "TUNNEL", "tunnel", false },
	};
	const size_t count = sizeof(columns) / sizeof(columns[0]);

	mark_held(rows);
	print_table(rows, columns, any_tunnel(rows) ? count : count - 1, "no runs yet");
}

int command_runs(const struct command_line *line)
{
	char path[64];
	int code = EXIT_OK;

	snprintf(path, sizeof(path), "/api/runs?limit=%zu", limit_of(line));
	json_t *rows = look(line, path, offline_runs, &code);
	if (!rows)
		return code;
	if (line->json)
		code = print_json(rows);
	else
		print_runs(rows);
	json_decref(rows);
	return code;
}

int command_events(const struct command_line *line)
{
	static const struct print_column columns[] = {
		{ "EVENT", "event_id", false }, { "STATUS", "status", true },
		{ "NAME", "name", false },	{ "RULE", "rule", false },
		{ "GATE", "gate", false },	{ "REASON", "reason", false },
	};
	char path[128];
	int code = EXIT_OK;

	if (line->status &&
	    strspn(line->status, "abcdefghijklmnopqrstuvwxyz_") != strlen(line->status))
		return command_fail(EXIT_USAGE, "no status \"%s\"", line->status);
	snprintf(path, sizeof(path), "/api/events?limit=%zu%s%.32s", limit_of(line),
		 line->status ? "&status=" : "", line->status ? line->status : "");
	json_t *rows = look(line, path, offline_events, &code);
	if (!rows)
		return code;
	if (line->json)
		code = print_json(rows);
	else
		print_table(rows, columns, sizeof(columns) / sizeof(columns[0]), "no such events");
	json_decref(rows);
	return code;
}

static bool is_id(const struct command_line *line)
{
	if (id_valid(line->argument))
		return true;
	command_fail(EXIT_USAGE,
		     "\"%s\" is not an id; `openpr-webhook runs` lists run ids, `events` event ids",
		     line->argument);
	return false;
}

int command_show(const struct command_line *line)
{
	char path[64];
	int code = EXIT_OK;

	if (!is_id(line))
		return EXIT_USAGE;
	snprintf(path, sizeof(path), "/api/runs/%s", line->argument);
	json_t *run = look(line, path, offline_show, &code);
	if (!run)
		return code;
	if (line->json)
		code = print_json(run);
	else
		print_page(run);
	json_decref(run);
	return code;
}

/* What the daemon said no with; mistakes in the configuration have an exit code of their own. */
static int say_refused(const struct command_line *line, const json_t *answer, const struct err *err)
{
	const json_t *mistakes = json_at(answer, "mistakes");

	if (line->json && answer)
		print_json(answer);
	for (size_t i = 0; i < json_array_size(mistakes); i++)
		fprintf(stderr, "%s\n", json_string_value(json_array_get(mistakes, i)));
	return command_fail(json_array_size(mistakes) > 0 ? EXIT_USAGE : EXIT_FAILED, "%s",
			    err->text);
}

/* POST path, and print what came back. */
static int steer(const struct command_line *line, const char *path)
{
	int code = EXIT_OK;
	struct config *config = check_config_for_client(line, &code);
	json_t *answer = NULL;
	struct err err;

	if (!config)
		return code;
	switch (admin_call(config, "POST", path, &answer, &err)) {
	case ADMIN_OK:
		if (line->json)
			code = print_json(answer);
		else
			print_page(answer);
		break;
	case ADMIN_REFUSED:
		code = say_refused(line, answer, &err);
		break;
	case ADMIN_NO_DAEMON:
		code = command_fail(EXIT_FAILED,
				    "no daemon answers on %s; start one with `openpr-webhook`",
				    config->admin.listen);
		break;
	}
	json_decref(answer);
	config_unref(config);
	return code;
}

static int steer_id(const struct command_line *line, const char *kind, const char *what)
{
	char path[128];

	if (!is_id(line))
		return EXIT_USAGE;
	snprintf(path, sizeof(path), "/api/%s/%s/%s", kind, line->argument, what);
	return steer(line, path);
}

int command_cancel(const struct command_line *line)
{
	return steer_id(line, "runs", "cancel");
}

int command_retry(const struct command_line *line)
{
	return steer_id(line, "runs", line->report ? "retry-report" : "retry");
}

int command_release(const struct command_line *line)
{
	return steer_id(line, "events", line->discard ? "discard" : "release");
}

int command_reload(const struct command_line *line)
{
	return steer(line, "/api/reload");
}

int command_drain(const struct command_line *line)
{
	return steer(line, "/api/drain");
}

/* `logs`: what an agent printed, through the daemon or from the file. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/follow.h"
#include "base/id.h"
#include "command/admin_client.h"
#include "command/check.h"
#include "command/command.h"
#include "command/plain.h"
#include "command/print.h"
#include "store/store.h"

#define LOOK_EVERY 300 /* ms */

struct output {
	bool json, plain; /* plain: onto a terminal, which what is printed must not steer */
	bool ended;	  /* the end was told */
	char last;	  /* character */
};

static void put_text(struct output *output, const char *text)
{
	const size_t len = strlen(text);

	if (output->plain)
		plain_text(stdout, text);
	else
		fwrite(text, 1, len, stdout);
	if (len > 0)
		output->last = text[len - 1];
	fflush(stdout);
}

static void put_json(const char *kind, const json_t *object)
{
	json_t *line = json_pack("{s:s}", "event", kind);

	json_object_update_missing(line, (json_t *)object);
	print_json(line);
	json_decref(line);
	fflush(stdout);
}

/* An event of the daemon's, or of read_file(). */
static void tell(void *ctx, const char *kind, const char *data)
{
	struct output *output = ctx;
	struct err ignored;
	json_t *object = json_parse(data, strlen(data), &ignored);
	const char *text = object ? json_str(object, "text") : NULL;

	if (strcmp(kind, "end") == 0)
		output->ended = true;
	if (output->json && object)
		put_json(kind, object);
	else if (!output->json && text)
		put_text(output, text);
	json_decref(object);
}

/* ---- without a daemon ---- */

static void tell_object(struct output *output, const char *kind, json_t *object)
{
	_cleanup_free_ char *text = object ? json_text(object) : NULL;

	json_decref(object);
	if (text)
		tell(output, kind, text);
}

/* All there is now.  0, or -1. */
static int read_on(struct follow *follow, bool ended, struct output *output, struct err *err)
{
	struct buf text = { 0 };
	int rc;

	while ((rc = follow_read(follow, ended, &text, err)) > 0) {
		tell_object(output, "log", json_pack("{s:s}", "text", text.bytes));
		buf_clear(&text);
	}
	buf_done(&text);
	return rc;
}

/* Opened anew each time: without its daemon the file may be read as it was when it was opened. */
static json_t *brief(const struct config *config, const char *run_id, struct err *err)
{
	struct store *store = NULL;

	if (store_open_reader(config->queue.path, &store, err) < 0) {
		err_prefix(err, "no daemon answers on %s, and", config->admin.listen);
		return NULL;
	}
	json_t *run = store_brief(store, run_id, err);
	store_close(store);
	return run;
}

static int open_log(const json_t *run, struct follow **follow, struct err *err)
{
	const char *path = json_str(run, "log_path");

	if (*follow || !path)
		return 0;
	*follow = follow_open(path, err);
	if (*follow)
		return 0;
	if (err->code == ERR_NOTFOUND)
		err_set(err, ERR_NOTFOUND, "its log is not kept any more (queue.keep_days)");
	return -1;
}

/* One look: 1 when there is nothing to wait for any more. */
static int look(const struct config *config, const struct command_line *line,
		struct follow **follow, struct output *output, struct err *err)
{
	/* Before the run is looked at: a daemon that ends meanwhile has written all it will. */
	const bool held = store_is_held(config->queue.path);
	json_t *run = brief(config, line->argument, err);
	const char *state = json_str(run, "state");
	const bool ended = state && strcmp(state, "ended") == 0;
	int rc = run ? open_log(run, follow, err) : -1;

	if (rc == 0 && *follow)
		rc = read_on(*follow, ended, output, err);
	if (rc == 0 && !*follow && (ended || !line->follow))
		rc = err_set(err, ERR_NOTFOUND,
			     ended ? "it ended before it started: there is no log"
				   : "it has not started: there is no log yet");
	if (rc == 0 && (ended || !line->follow)) {
		tell_object(output, "end",
			    json_pack("{s:O?, s:O?}", "state", json_at(run, "state"), "outcome",
				      json_at(run, "outcome")));
		rc = 1;
	}
	if (rc == 0 && !held)
		rc = err_set(err, ERR_CONFLICT,
			     "no daemon runs, so this run does not go on; start one with "
			     "`openpr-webhook`");
	json_decref(run);
	return rc;
}

static int read_file(const struct config *config, const struct command_line *line,
		     struct output *output, struct err *err)
{
	struct follow *follow = NULL;
	int rc;

	while ((rc = look(config, line, &follow, output, err)) == 0)
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_EVERY * 1000000L }, NULL);
	follow_free(follow);
	return rc < 0 ? -1 : 0;
}

/* ---- the verb ---- */

static int print_log(const struct config *config, const struct command_line *line,
		     struct output *output, struct err *err)
{
	char path[96];

	snprintf(path, sizeof(path), "/api/runs/%s/log?follow=%d", line->argument, line->follow);
	switch (admin_listen(config, path, tell, output, err)) {
	case ADMIN_OK:
		if (output->ended)
			return 0;
		return err_set(err, ERR_IO,
			       "the daemon ended; after its restart, `openpr-webhook logs -f` goes "
			       "on");
	case ADMIN_REFUSED:
		return -1;
	case ADMIN_NO_DAEMON:
		break;
	}
	return read_file(config, line, output, err);
}

int command_logs(const struct command_line *line)
{
	struct output output = {
		.json = line->json,
		.plain = isatty(STDOUT_FILENO),
		.last = '\n',
	};
	int code = EXIT_OK;
	struct err err;

	if (!id_valid(line->argument))
		return command_fail(EXIT_USAGE,
				    "\"%s\" is not an id; `openpr-webhook runs` lists run ids",
				    line->argument);
	struct config *config = check_config_for_client(line, &code);
	if (!config)
		return code;
	if (print_log(config, line, &output, &err) < 0)
		code = EXIT_FAILED;
	if (output.plain && output.last != '\n')
		putchar('\n');
	if (code != EXIT_OK)
		command_fail(code, "%s", err.text);
	config_unref(config);
	return code;
}

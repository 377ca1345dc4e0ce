#pragma once

/* The command line: `openpr-webhook [--config PATH] [VERB [ARGUMENT]]`. */

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "config/config.h"

/* Exit codes (design 8). */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command_line {
	const char *config;   /* NULL: the default places */
	const char *verb;     /* NULL: serve */
	const char *argument; /* of the verb; NULL */
	bool json, report, discard, verbose, follow;
	const char *status;	  /* --status of `events` */
	long limit;		  /* --limit; 0: the verb's own */
	const char *to, *example; /* --to and --example of `send` */
	bool print;
	long timeout;		/* --timeout of `test`, s; 0: its own */
	long coverage_min;	/* --coverage-min of `test`, percent */
	const char *policies;	/* --policies of `rules`, `explain`, `replay` */
	const char *since;	/* --since and --last of `replay` */
	long last;		/* 0: all */
	const char *issue, *at; /* --issue and --at of `explain` */
};

typedef int command_fn(const struct command_line *line);

/* One function a verb; each returns an exit code and has said why on standard error. */
command_fn command_serve, command_check, command_print_config, command_whitelist, command_runs,
    command_show, command_events, command_cancel, command_logs, command_retry, command_release,
    command_reload, command_drain, command_reference, command_send, command_completion,
    command_test, command_explain, command_doctor, command_rules, command_replay;

/* The whole program behind main(): parses, finds the verb, runs it. */
int command_main(int argc, char **argv);

/* "openpr-webhook: ..." on standard error; returns `code`. */
__attribute__((format(printf, 2, 3))) int command_fail(int code, const char *fmt, ...);

/*
 * The verbs, for `completion`: an array of {name, argument, help, options: [{name, value, help}]};
 * argument and value are missing where there is none.  json_decref() it.
 */
json_t *command_table(void);

/* The whitelist as config_load() takes it; static. */
const struct config_whitelist *command_names(void);

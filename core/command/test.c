#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "command/command.h"
#include "command/print.h"
#include "command/test_coverage.h"
#include "command/test_run.h"
#include "config/config_find.h"

#define PATIENCE 60 /* s without a word from the specs */

/* ---- what is tested ---- */

/*
 * Where there is no config.lua: ./policies and ./templates, the limits that config.lua has by
 * default (lua/openpr/config.lua), and one agent as in openpr.testing.
 */
static struct config *config_of_none(void)
{
	static struct config_agent agent = {
		.name = (char *)"default",
		.type = (char *)"cli",
		.cli = (char *)"claude-code",
		.prompt_template = (char *)"default.txt",
		.mention_template = (char *)"mention.txt",
		.timeout = 900000,
	};
	static struct config config = {
		.agents = &agent,
		.agent_count = 1,
		.policies = { .dir = (char *)"policies",
			      .time_limit = 50,
			      .memory_limit = 16u << 20 },
		.templates_dir = (char *)"templates",
	};

	if (!config.share_dir)
		config.share_dir = config_find_share();
	return config.share_dir ? &config : NULL;
}

/* NULL when it has said why not.  *own: it is to be given back by config_unref(). */
static struct config *find_config(const struct command_line *line, bool *own)
{
	const struct config_options options = {
		.path = line->config,
		.unset_env_is_warning = true,
		.whitelist = command_names(),
	};
	struct buf mistakes = { 0 }, warnings = { 0 };
	struct config *config = NULL;
	struct err err;

	*own = true;
	if (config_load(&options, &config, &mistakes, &warnings, &err) < 0) {
		*own = false;
		if (!line->config && err.code == ERR_NOTFOUND)
			config = config_of_none();
		else
			fputs(mistakes.len ? mistakes.bytes : "", stderr);
		if (!config)
			command_fail(0, "%s", err.text);
	}
	buf_done(&mistakes);
	buf_done(&warnings);
	return config;
}

static bool found_spec;

static int look(const char *path, const struct stat *info, int type, struct FTW *at)
{
	static const char tail[] = "_spec.lua";
	const size_t len = strlen(path);

	(void)info;
	(void)at;
	found_spec = type == FTW_F && len >= sizeof(tail) - 1 &&
		     strcmp(path + len - (sizeof(tail) - 1), tail) == 0;
	return found_spec;
}

static bool holds_specs(const char *folder)
{
	found_spec = false;
	nftw(folder, look, 16, FTW_PHYS);
	return found_spec;
}

/* What a first spec looks like.  It passes with the shipped policies. */
static int explain_specs(const char *folder, const struct config *config)
{
	const char *agent = config->agent_count > 0 ? config->agents[0].name : "default";

	command_fail(EXIT_USAGE,
		     "no specs in %s.  A spec is a file NAME_spec.lua there, for example:\n",
		     folder);
	fprintf(
	    stderr,
	    "local testing = require \"openpr.testing\"\n"
	    "local policies = testing.deploy()\n"
	    "describe(\"our policies\", function() it(\"give %s what its bot gets\", function()\n"
	    "  local decision = policies.decide(testing.assigned { bot = { name = \"%s\" } })\n"
	    "  assert.equal(\"%s\", decision.targets[1].agent) end) end)\n\n"
	    "docs/policies.md tells what else a spec can ask.\n",
	    agent, agent, agent);
	return EXIT_USAGE;
}

/* ---- what came of it ---- */

struct tally {
	size_t passed, failed, errors, pending;
};

static struct tally count(const json_t *results)
{
	struct tally tally = { 0 };

	for (size_t i = 0; i < json_array_size(results); i++) {
		const char *status = json_str(json_array_get(results, i), "status");
		if (!status || strcmp(status, "error") == 0)
			tally.errors++;
		else if (strcmp(status, "failure") == 0)
			tally.failed++;
		else if (strcmp(status, "pending") == 0)
			tally.pending++;
		else
			tally.passed++;
	}
	return tally;
}

/* What a spec or a policy wrote must not move the cursor of the operator's terminal. */
static void print_line(const char *text, size_t len)
{
	fputs("         ", stdout);
	for (size_t i = 0; i < len; i++) {
		const unsigned char byte = (unsigned char)text[i];
		putchar((byte < 0x20 && byte != '\t') || byte == 0x7f ? '?' : byte);
	}
	putchar('\n');
}

static void print_test(const json_t *test)
{
	const char *status = json_str(test, "status"), *file = json_str(test, "file");
	const char *name = json_str(test, "name"), *message = json_str(test, "message");
	const bool good =
	    status && (strcmp(status, "success") == 0 || strcmp(status, "pending") == 0);

	printf("%-8s %s\n",
	       !status				? "error"
	       : strcmp(status, "success") == 0 ? "ok"
						: status,
	       name ? name : "?");
	if (good) {
		fflush(stdout);
		return;
	}
	if (file)
		printf("         %s:%lld\n", file, (long long)json_int(test, "line", 0));
	for (const char *at = message; at && *at;) {
		const size_t len = strcspn(at, "\n");
		print_line(at, len);
		at += len + (at[len] == '\n');
	}
	fflush(stdout);
}

/* Lines that did not run, and rules that did not decide. */
static void print_missed(const json_t *file)
{
	const json_t *missed = json_object_get(file, "missed");
	const json_t *never = json_object_get(file, "never_decided");

	for (size_t i = 0; i < json_array_size(missed); i++) {
		const json_t *range = json_array_get(missed, i);
		const json_int_t first = json_integer_value(json_array_get(range, 0));
		const json_int_t last = json_integer_value(json_array_get(range, 1));
		printf("%s%lld", i > 0 ? ", " : "  not run: ", (long long)first);
		if (last != first)
			printf("-%lld", (long long)last);
	}
	for (size_t i = 0; i < json_array_size(never); i++)
		printf("%s\"%s\"",
		       i > 0			 ? ", "
		       : json_array_size(missed) ? "; never decided: "
						 : "  never decided: ",
		       json_string_value(json_array_get(never, i)));
	putchar('\n');
}

static void print_coverage(const json_t *coverage)
{
	int width = 6;

	for (size_t i = 0; i < json_array_size(coverage); i++) {
		const int len = (int)strlen(json_str(json_array_get(coverage, i), "file"));
		width = len > width ? len : width;
	}
	if (json_array_size(coverage) > 0)
		printf("\n%-*s  lines  covered\n", width, "policy");
	for (size_t i = 0; i < json_array_size(coverage); i++) {
		const json_t *file = json_array_get(coverage, i);
		const char *why = json_str(file, "error");
		printf("%-*s", width, json_str(file, "file"));
		if (why) {
			printf("  %s\n", why);
			continue;
		}
		printf("  %5lld  %7lld  %5.1f %%", (long long)json_int(file, "lines", 0),
		       (long long)json_int(file, "covered", 0),
		       json_number_value(json_object_get(file, "percent")));
		print_missed(file);
	}
}

static int report(const struct command_line *line, const struct test_session *session,
		  const json_t *coverage)
{
	const json_t *results = test_session_results(session);
	const struct tally tally = count(results);
	const long total = test_coverage_total(coverage);
	const bool enough = total >= line->coverage_min * 10;
	const bool good = tally.failed + tally.errors == 0 && tally.passed > 0;

	if (line->json) {
		json_t *all = json_pack(
		    "{s:b, s:I, s:I, s:I, s:I, s:f, s:O, s:O}", "ok", good && enough, "passed",
		    (json_int_t)tally.passed, "failed", (json_int_t)tally.failed, "errors",
		    (json_int_t)tally.errors, "pending", (json_int_t)tally.pending,
		    "coverage_percent", (double)total / 10, "tests", results, "coverage", coverage);
		print_json(all);
		json_decref(all);
	} else {
		print_coverage(coverage);
		printf("\n%zu passed, %zu failed, %zu errors, %zu pending\n", tally.passed,
		       tally.failed, tally.errors, tally.pending);
	}
	fflush(stdout);
	if (tally.passed + tally.failed + tally.errors == 0)
		return command_fail(EXIT_FAILED, "the specs hold no test that ran");
	if (good && !enough)
		return command_fail(EXIT_FAILED, "%ld.%ld %% of the lines ran, fewer than %ld %%",
				    total / 10, total % 10, line->coverage_min);
	return good ? EXIT_OK : EXIT_FAILED;
}

static int run_specs(const struct command_line *line, struct policy_host *host,
		     const struct config *config, const char *specs)
{
	const struct test_run run = {
		.specs = specs,
		.share = config->share_dir,
		.patience = (line->timeout > 0 ? line->timeout : PATIENCE) * 1000,
		.quiet = line->json,
	};
	struct err err;
	struct test_session *session =
	    test_session_new(host, config, line->json ? NULL : print_test, &err);

	if (!session)
		return command_fail(EXIT_FAILED, "%s", err.text);
	int code = EXIT_OK;
	if (test_run(session, &run, &err) < 0) {
		code = command_fail(err.code == ERR_NOTFOUND ? EXIT_USAGE : EXIT_FAILED, "%s",
				    err.text);
	} else {
		json_t *coverage = test_session_coverage(session, !line->argument);
		code = coverage ? report(line, session, coverage)
				: command_fail(EXIT_FAILED, "out of memory");
		json_decref(coverage);
	}
	test_session_free(session);
	return code;
}

int command_test(const struct command_line *line)
{
	_cleanup_free_ char *specs = NULL;
	struct err err;
	bool own = false;
	int code = EXIT_USAGE;
	struct policy_host *host = policy_host_start(&err);

	if (!host)
		return command_fail(EXIT_FAILED, "%s", err.text);
	struct config *config = find_config(line, &own);
	if (config && (line->argument ? !(specs = strdup(line->argument))
				      : asprintf(&specs, "%s/spec", config->policies.dir) < 0))
		code = command_fail(EXIT_FAILED, "out of memory");
	else if (config && line->argument && access(specs, R_OK) < 0)
		code = command_fail(EXIT_USAGE, "%s: %s", specs, strerror(errno));
	else if (config && !holds_specs(specs))
		code = explain_specs(test_coverage_shown(specs), config);
	else if (config)
		code = run_specs(line, host, config, test_coverage_shown(specs));
	if (own)
		config_unref(config);
	policy_host_free(host);
	return code;
}

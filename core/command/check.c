#include "command/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "command/print.h"
#include "exec/run.h"
#include "exec/whitelist.h"

/* Each line of `text` as one log line or one line on standard error. */
static void each_line(const struct buf *text, void (*say)(const char *line))
{
	const char *at = text->bytes;

	while (at && *at) {
		const size_t len = strcspn(at, "\n");
		char *line = strndup(at, len);
		if (line && len > 0)
			say(line);
		free(line);
		at += len + (at[len] == '\n');
	}
}

static void say_mistake(const char *line)
{
	fprintf(stderr, "%s\n", line);
}

static void say_warning(const char *line)
{
	fprintf(stderr, "warning: %s\n", line);
}

static void log_warning(const char *line)
{
	log_event(LOG_LEVEL_WARN, "config", "why", line, NULL);
}

static struct config *load(const struct config_options *options, struct buf *mistakes,
			   struct buf *warnings)
{
	struct config *config = NULL;
	struct err err;

	if (config_load(options, &config, mistakes, warnings, &err) < 0) {
		each_line(mistakes, say_mistake);
		command_fail(EXIT_USAGE, "%s", err.text);
	}
	return config;
}

struct config *check_config_for_client(const struct command_line *line, int *code)
{
	const struct config_options options = {
		.path = line->config,
		.unset_env_is_warning = true,
		.tolerant = true,
		.whitelist = command_names(),
	};
	struct buf mistakes = { 0 }, warnings = { 0 };
	struct config *config = load(&options, &mistakes, &warnings);

	if (config && mistakes.len > 0)
		command_fail(0, "%s has mistakes, `openpr-webhook check` lists them", config->path);
	buf_done(&mistakes);
	buf_done(&warnings);
	if (!config)
		*code = EXIT_USAGE;
	return config;
}

void check_log(const struct config *config, const struct command_line *line)
{
	log_set_json(config->log.json);
	log_set_level(line->verbose ? LOG_LEVEL_DEBUG : config->log.level);
}

struct config *check_config_for_serving(const struct command_line *line)
{
	const struct config_options options = {
		.path = line->config,
		.whitelist = command_names(),
	};
	struct buf mistakes = { 0 }, warnings = { 0 };
	struct config *config = load(&options, &mistakes, &warnings);

	if (config) {
		check_log(config, line);
		each_line(&warnings, log_warning);
	}
	buf_done(&mistakes);
	buf_done(&warnings);
	return config;
}

int check_policies(struct policy_pool *pool, const struct config *config, struct buf *mistakes,
		   struct err *err)
{
	struct policy_bundle *bundle = NULL;

	if (policy_bundle_load(config, &bundle, err) < 0)
		return -1;
	if (policy_pool_use(pool, bundle, mistakes, err) == 0)
		return 0;
	policy_bundle_free(bundle);
	return -1;
}

/* ---- the verb ---- */

struct findings {
	struct buf mistakes, warnings;
	json_t *files; /* where each policy and template was found */
};

static json_t *lines_of(const struct buf *text)
{
	json_t *lines = json_array();
	const char *at = text->bytes;

	while (at && *at) {
		const size_t len = strcspn(at, "\n");
		if (len > 0)
			json_array_append_new(lines, json_stringn(at, len));
		at += len + (at[len] == '\n');
	}
	return lines;
}

static void find_programs(const struct config *config, struct buf *warnings)
{
	for (size_t i = 0; i < config->agent_count; i++) {
		const struct config_agent *agent = &config->agents[i];
		const struct executor *executor = agent->cli ? whitelist_find(agent->cli) : NULL;
		if (executor && !run_find_program(executor, config->executor.path, NULL))
			buf_appendf(warnings, "agents.%s.cli: no program \"%s\" in %s\n",
				    agent->name, executor->program, config->executor.path);
	}
}

static void find_policies(struct policy_host *host, const struct config *config,
			  struct findings *findings)
{
	struct policy_bundle *bundle = NULL;
	struct err err;
	struct policy_pool *pool = policy_pool_new(host, 1, &err);

	if (!pool || policy_bundle_load(config, &bundle, &err) < 0) {
		buf_appendf(&findings->mistakes, "%s\n", err.text);
	} else {
		findings->files = json_deep_copy(policy_bundle_files(bundle));
		if (policy_pool_check(pool, bundle, &findings->mistakes, &err) < 0 &&
		    findings->mistakes.len == 0)
			buf_appendf(&findings->mistakes, "%s\n", err.text);
	}
	policy_bundle_free(bundle);
	policy_pool_free(pool);
}

static void print_files(const json_t *files)
{
	const char *name;
	json_t *path;

	json_object_foreach((json_t *)files, name, path)
	{
		printf("%-24s %s\n", name, json_string_value(path));
	}
}

static int report(const struct command_line *line, const struct findings *findings)
{
	const bool good = findings->mistakes.len == 0;

	if (line->json) {
		json_t *all = json_pack("{s:b, s:o, s:o, s:O?}", "ok", good, "mistakes",
					lines_of(&findings->mistakes), "warnings",
					lines_of(&findings->warnings), "files", findings->files);
		print_json(all);
		json_decref(all);
		return good ? EXIT_OK : EXIT_USAGE;
	}
	if (findings->files)
		print_files(findings->files);
	fflush(stdout);
	each_line(&findings->warnings, say_warning);
	each_line(&findings->mistakes, say_mistake);
	puts(good ? "ok" : "not ok: nothing would be started with this");
	return good ? EXIT_OK : EXIT_USAGE;
}

int command_check(const struct command_line *line)
{
	const struct config_options options = {
		.path = line->config,
		.unset_env_is_warning = true,
		.whitelist = command_names(),
	};
	struct findings findings = { 0 };
	struct config *config = NULL;
	struct err err;
	struct policy_host *host = policy_host_start(&err);

	if (!host)
		return command_fail(EXIT_FAILED, "%s", err.text);
	if (config_load(&options, &config, &findings.mistakes, &findings.warnings, &err) == 0) {
		find_programs(config, &findings.warnings);
		find_policies(host, config, &findings);
	} else if (findings.mistakes.len == 0) {
		buf_appendf(&findings.mistakes, "%s\n", err.text);
	}
	const int code = report(line, &findings);

	config_unref(config);
	policy_host_free(host);
	buf_done(&findings.mistakes);
	buf_done(&findings.warnings);
	json_decref(findings.files);
	return code;
}

/* ---- its neighbours ---- */

static int print_text(int rc, struct buf *text, const struct err *err)
{
	if (rc == 0)
		fputs(text->bytes ? text->bytes : "", stdout);
	buf_done(text);
	return rc == 0 ? EXIT_OK : command_fail(EXIT_FAILED, "%s", err->text);
}

int command_print_config(const struct command_line *line)
{
	const struct config_options options = {
		.path = line->config,
		.unset_env_is_warning = true,
		.whitelist = command_names(),
	};
	struct buf mistakes = { 0 }, warnings = { 0 }, text = { 0 };
	struct config *config = load(&options, &mistakes, &warnings);
	struct err err;

	buf_done(&mistakes);
	buf_done(&warnings);
	if (!config)
		return EXIT_USAGE;
	const int code = print_text(config_print(config, &text, &err), &text, &err);
	config_unref(config);
	return code;
}

int command_reference(const struct command_line *line)
{
	struct buf text = { 0 };
	struct err err;

	(void)line;
	return print_text(config_reference(&text, &err), &text, &err);
}

int command_whitelist(const struct command_line *line)
{
	struct buf text = { 0 };
	struct err err = { .text = "out of memory" };

	(void)line;
	return print_text(whitelist_print(&text), &text, &err);
}

#pragma once

/* A folder of its own with a config.lua in it, and what config_load() makes of that. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/redact.h"
#include "config/config.h"

#define SECRET "correct-horse-battery"

/* A section that every valid file needs. */
#define WEBHOOK "webhook = { secret = env 'OPW_TEST_SECRET' }, "

struct trial {
	char folder[PATH_MAX], path[PATH_MAX + 32];
	struct config *config;
	struct buf mistakes, warnings;
	struct err err;
	int rc;
};

static struct trial trial;

static void trial_forget(void)
{
	config_unref(trial.config);
	trial.config = NULL;
	buf_done(&trial.mistakes);
	buf_done(&trial.warnings);
	memset(&trial.err, 0, sizeof(trial.err));
}

static int trial_setup(void **state)
{
	char folder[] = "/tmp/opw-config-XXXXXX";

	(void)state;
	umask(022);
	assert_non_null(mkdtemp(folder));
	assert_non_null(realpath(folder, trial.folder));
	snprintf(trial.path, sizeof(trial.path), "%s/config.lua", trial.folder);
	setenv("OPW_TEST_SECRET", SECRET, 1);
	unsetenv("OPW_TEST_UNSET");
	unsetenv("OPENPR_WEBHOOK_SAFE_MODE");
	unsetenv("CREDENTIALS_DIRECTORY");
	redact_clear();
	return 0;
}

static int trial_teardown(void **state)
{
	char command[PATH_MAX + 32];

	(void)state;
	trial_forget();
	redact_clear();
	snprintf(command, sizeof(command), "rm -rf '%s'", trial.folder);
	return system(command);
}

/* Writes a file into the folder; returns its path, which the next call reuses. */
__attribute__((unused)) static const char *trial_file(const char *name, const char *text,
						      mode_t mode)
{
	static char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", trial.folder, name);
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

__attribute__((unused)) static void trial_folder(const char *name)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", trial.folder, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static int trial_read(const char *path, bool client)
{
	static const char *const executors[] = { "codex", "claude-code", "opencode", NULL };
	static const char *const variables[] = { "LD_*", "NODE_OPTIONS", NULL };
	static const struct config_whitelist whitelist = { executors, executors, variables };
	const struct config_options options = { .path = path,
						.unset_env_is_warning = client,
						.whitelist = &whitelist };

	trial_forget();
	trial.rc =
	    config_load(&options, &trial.config, &trial.mistakes, &trial.warnings, &trial.err);
	assert_int_equal(trial.rc == 0, trial.config != NULL);
	return trial.rc;
}

/* Loads `return { <lua> }` from a file that only its owner can read. */
static int trial_load(const char *lua)
{
	static char text[1 << 16];

	snprintf(text, sizeof(text), "return { %s }\n", lua);
	trial_file("config.lua", text, 0600);
	return trial_read(trial.path, false);
}

__attribute__((unused)) static const char *trial_mistakes(void)
{
	return trial.mistakes.bytes ? trial.mistakes.bytes : "";
}

__attribute__((unused)) static const char *trial_warnings(void)
{
	return trial.warnings.bytes ? trial.warnings.bytes : "";
}

/* Must load. */
__attribute__((unused)) static const struct config *trial_good(const char *lua)
{
	if (trial_load(lua) < 0)
		fail_msg("%s\n%s\nfor: %s", trial.err.text, trial_mistakes(), lua);
	return trial.config;
}

__attribute__((unused)) static void holds(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

/* Must be refused with exactly these mistakes. */
__attribute__((unused)) static void trial_bad(const char *lua, const char *mistakes)
{
	assert_int_equal(trial_load(lua), -1);
	assert_string_equal(trial_mistakes(), mistakes);
	assert_int_equal(trial.err.code, ERR_CONFIG);
}

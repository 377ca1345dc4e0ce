/* `doctor`: looks at everything that a run needs, and says what is wrong with it and what helps. */

#include "command/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/redact.h"
#include "command/command.h"
#include "command/plain.h"
#include "command/print.h"

/* ---- what is found ---- */

/* Texts of programs and peers are in them: whatever they hold, no secret and no broken UTF-8. */
static json_t *clean_text(const char *text)
{
	char *redacted = redact(text, strlen(text), NULL);
	json_t *value = json_string(redacted ? redacted : "");

	if (!value)
		value = json_string("(not UTF-8)");
	free(redacted);
	return value;
}

__attribute__((format(printf, 5, 0))) static void add(struct doctor *doctor, const char *result,
						      const char *name, const char *remedy,
						      const char *fmt, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, args);
	json_t *check =
	    json_pack("{s:s, s:s, s:o}", "result", result, "name", name, "text", clean_text(text));
	if (remedy)
		json_object_set_new(check, "remedy", clean_text(remedy));
	json_array_append_new(doctor->checks, check);
}

void doctor_ok(struct doctor *doctor, const char *name, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(doctor, "ok", name, NULL, fmt, args);
	va_end(args);
}

void doctor_warn(struct doctor *doctor, const char *name, const char *remedy, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(doctor, "warning", name, remedy, fmt, args);
	va_end(args);
}

void doctor_fail(struct doctor *doctor, const char *name, const char *remedy, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(doctor, "failure", name, remedy, fmt, args);
	va_end(args);
	doctor->failed = true;
}

/* ---- config.lua ---- */

static void add_lines(struct doctor *doctor, const struct buf *lines, bool mistakes)
{
	const char *at = lines->bytes;

	while (at && *at) {
		const int len = (int)strcspn(at, "\n");
		if (len > 0 && mistakes)
			doctor_fail(doctor, "config.lua",
				    "correct it; `openpr-webhook print-reference` has every option",
				    "%.*s", len, at);
		else if (len > 0)
			doctor_warn(doctor, "config.lua", NULL, "%.*s", len, at);
		at += len + (at[len] == '\n');
	}
}

static struct config *read_config(struct doctor *doctor, const struct command_line *line)
{
	const struct config_options options = {
		.path = line->config,
		.tolerant = true,
		.whitelist = command_names(),
	};
	struct buf mistakes = { 0 }, warnings = { 0 };
	struct config *config = NULL;
	struct err err;

	if (config_load(&options, &config, &mistakes, &warnings, &err) < 0)
		doctor_fail(doctor, "config.lua", "name the file with --config", "%s", err.text);
	else if (mistakes.len == 0)
		doctor_ok(doctor, "config.lua", "%s", config->path);
	add_lines(doctor, &mistakes, true);
	add_lines(doctor, &warnings, false);
	buf_done(&mistakes);
	buf_done(&warnings);
	return config;
}

/* ---- the verb ---- */

static const char *colour_of(const char *result)
{
	return strcmp(result, "ok") == 0 ? "32" : strcmp(result, "warning") == 0 ? "33" : "31";
}

/* What a stranger wrote must not move the cursor of the operator's terminal. */
static void put_line(const char *text)
{
	for (const char *c = text; *c; c++)
		putchar((unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c);
	putchar('\n');
}

static void print_check(const json_t *check, bool coloured)
{
	const char *result = json_str(check, "result"), *remedy = json_str(check, "remedy");
	const char *text = json_str(check, "text");

	if (coloured)
		printf("\033[%sm%-7s\033[0m  %s: ", colour_of(result), result,
		       json_str(check, "name"));
	else
		printf("%-7s  %s: ", result, json_str(check, "name"));
	put_line(text ? text : "");
	if (remedy) {
		printf("%9s-> ", "");
		put_line(remedy);
	}
}

static int report(const struct doctor *doctor, bool json)
{
	size_t i;
	json_t *check;

	if (json) {
		json_t *all =
		    json_pack("{s:b, s:O}", "ok", !doctor->failed, "checks", doctor->checks);
		print_json(all);
		json_decref(all);
	} else {
		const bool coloured = plain_colours();
		json_array_foreach(doctor->checks, i, check)
		{
			print_check(check, coloured);
		}
	}
	return doctor->failed ? EXIT_FAILED : EXIT_OK;
}

int command_doctor(const struct command_line *line)
{
	struct doctor doctor = { .checks = json_array() };
	struct config *config = read_config(&doctor, line);

	if (config) {
		doctor.config = config;
		doctor_daemon(&doctor);
		doctor_host(&doctor);
		doctor_agents(&doctor);
		doctor_checkouts(&doctor);
		doctor_openpr(&doctor);
	}
	const int code = report(&doctor, line->json);
	json_decref(doctor.checks);
	config_unref(config);
	return code;
}

/* What a run would be, told instead of done. */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "exec/argv.h"
#include "exec/program.h"
#include "exec/run_parts.h"
#include "exec/scratch.h"
#include "exec/spec.h"

static json_t *text_value(const char *text)
{
	return json_string(text); /* NULL where it is not UTF-8 */
}

static json_t *list_of(const struct strings *list)
{
	json_t *values = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(values, text_value(list->items[i]));
	return values;
}

/* Names alone: what they stand for may be secret. */
static json_t *names_of(const struct strings *environment)
{
	json_t *names = json_array();

	for (size_t i = 0; i < environment->count; i++) {
		const char *item = environment->items[i];
		json_array_append_new(names, json_stringn(item, strcspn(item, "=")));
	}
	return names;
}

static json_t *stdin_of(const struct executor *executor, const struct spec *spec)
{
	struct buf text = { 0 };
	const char *guard = argv_prompt_guard(executor, spec->prompt, spec->prompt_len);
	json_t *value = NULL;

	if (buf_append(&text, guard, strlen(guard)) == 0 &&
	    buf_append(&text, spec->prompt, spec->prompt_len) == 0)
		value = json_stringn(text.bytes, text.len);
	buf_done(&text);
	return value;
}

/* A program that is not there is a problem already; its arguments are told all the same. */
static int find_argv(const struct executor *executor, const struct spec *spec, bool *found,
		     struct strings *argv, struct err *err)
{
	struct err why;

	*found = argv_of(executor, spec, argv, &why) == 0;
	if (*found)
		return 0;
	strings_done(argv);
	*argv = (struct strings){ 0 };
	return argv_build(executor, executor->program, spec, argv, err);
}

static json_t *describe(const struct executor *executor, const struct spec *spec, struct err *err)
{
	struct strings argv = { 0 };
	json_t *plan = NULL;
	bool found;

	if (find_argv(executor, spec, &found, &argv, err) == 0) {
		plan = json_pack("{s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:I}", "program",
				 found ? text_value(argv.items[0]) : json_null(), "argv",
				 list_of(&argv), "environment", names_of(&spec->environment),
				 "stdin", stdin_of(executor, spec), "working_dir",
				 spec->working_dir, "tmp_dir", spec->tmp_dir, "log", spec->log_path,
				 "timeout", (json_int_t)spec->timeout);
		if (!plan)
			err_set(err, ERR_NOMEM, "no memory to tell of a run");
	}
	strings_done(&argv);
	return plan;
}

json_t *run_plan(const struct run_spec *spec, struct err *err)
{
	const struct executor *executor = whitelist_find(spec->executor);
	_cleanup_free_ char *tmp_dir = scratch_path(spec->log_path, spec->run_id);
	json_t *problems = json_array();
	struct spec read = { 0 };
	struct err why;
	json_t *plan = NULL;

	if (run_check(spec, executor, &why) < 0)
		json_array_append_new(problems, json_string(why.text));
	if (!executor || !tmp_dir) {
		err_set(err, executor ? ERR_NOMEM : ERR_INVALID, "%s",
			executor ? "no memory for a path" : why.text);
	} else {
		_cleanup_close_ int file = run_write_spec(spec, executor, tmp_dir, err);
		if (file >= 0 && spec_read(file, &read, err) == 0)
			plan = describe(executor, &read, err);
	}
	spec_done(&read);
	if (plan)
		json_object_set(plan, "problems", problems);
	json_decref(problems);
	return plan;
}

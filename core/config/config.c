#include "config/config.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/redact.h"
#include "config/config_check.h"
#include "config/config_find.h"
#include "config/config_read.h"
#include "script/vm.h"

#define MEMORY_LIMIT ((size_t)64 << 20)
#define TIME_LIMIT 5000 /* ms */

struct place {
	char *path, *folder; /* absolute */
};

/* ---- where it is ---- */

static const char *default_path(void)
{
	static const char *const paths[] = { "config.lua", "/etc/openpr-webhook/config.lua" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (access(paths[i], F_OK) == 0)
			return paths[i];
	return NULL;
}

/* The folder's links are followed, the file's own is not: relative paths begin where it was named.
 */
static int find_place(const char *path, struct place *place, struct err *err)
{
	char of_folder[PATH_MAX], of_name[PATH_MAX];

	if (!path)
		return err_set(err, ERR_NOTFOUND,
			       "there is no config.lua here and no /etc/openpr-webhook/config.lua: "
			       "name one with --config PATH");
	if (strlen(path) >= PATH_MAX || access(path, F_OK) < 0)
		return err_set(err, ERR_NOTFOUND,
			       "%s: %s: name a config.lua with --config PATH, or start from the "
			       "shipped one",
			       path, strlen(path) >= PATH_MAX ? "too long" : strerror(errno));
	strcpy(of_folder, path);
	strcpy(of_name, path);
	place->folder = realpath(dirname(of_folder), NULL);
	if (!place->folder)
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	if (asprintf(&place->path, "%s/%s", strcmp(place->folder, "/") ? place->folder : "",
		     basename(of_name)) < 0) {
		place->path = NULL;
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	return 0;
}

/* ---- what it says ---- */

static json_t *names(const char *const *list)
{
	json_t *array = json_array();

	for (; list && *list; list++)
		json_array_append_new(array, json_string(*list));
	return array;
}

static char *request_text(const struct config_options *options, const struct place *place)
{
	static const struct config_whitelist empty;
	const struct config_whitelist *list = options->whitelist ? options->whitelist : &empty;
	json_t *request = json_pack("{s:s, s:s, s:b, s:o, s:o, s:o}", "path", place->path, "folder",
				    place->folder, "client", options->unset_env_is_warning,
				    "executors", names(list->executors), "reporters",
				    names(list->reporters), "variables", names(list->variables));
	char *text = request ? json_text(request) : NULL;

	json_decref(request);
	return text;
}

static int run_loader(const char *request, struct buf *answer, struct err *err)
{
	const struct vm_limits limits = { .memory = MEMORY_LIMIT, .deadline = TIME_LIMIT };
	struct vm *vm = vm_new(VM_CONFIG, &limits, err);

	if (!vm)
		return -1;
	const int rc =
	    vm_call(vm, "openpr.config_loader", "load", request, strlen(request), answer, err);

	vm_free(vm);
	return rc;
}

/* The machine says "config.lua:3: took longer than ..." or, for want of a line, only what it needs.
 */
static void word_overrun(const struct place *place, struct err *err)
{
	if (!strstr(err->text, strrchr(place->path, '/') + 1))
		err_prefix(err, "%s", place->path);
	if (err->code == ERR_TIMEOUT || err->code == ERR_NOMEM)
		err_set(err, ERR_CONFIG, "%s; it should hold plain data", err->text);
}

/* What the loader makes of the file, or NULL when it cannot be read or run. */
static json_t *load_report(const struct config_options *options, const struct place *place,
			   struct err *err)
{
	_cleanup_free_ char *request = request_text(options, place);
	struct buf answer = { 0 };
	json_t *report = NULL;

	if (!request) {
		err_set(err, ERR_CONFIG, "%s: the path is not UTF-8 text", place->path);
		return NULL;
	}
	if (run_loader(request, &answer, err) < 0) {
		word_overrun(place, err);
		goto out;
	}
	report = json_parse(answer.bytes, answer.len, err);
	if (!report)
		err_prefix(err, "%s", place->path);
	const char *failure = json_str(report, "failure");

	if (failure) {
		err_set(err, ERR_CONFIG, "%s", failure);
		json_decref(report);
		report = NULL;
	}
out:
	if (answer.bytes)
		explicit_bzero(answer.bytes, answer.len);
	buf_done(&answer);
	return report;
}

static void hide_secrets(const json_t *report)
{
	const json_t *secrets = json_at(report, "secrets");

	for (size_t i = 0; i < json_array_size(secrets); i++)
		redact_add(json_string_value(json_array_get(secrets, i)));
}

static struct config *make_config(const json_t *report, const struct place *place, struct err *err)
{
	struct config *config = config_read(json_at(report, "config"), err);
	const char *printed = json_str(report, "printed");

	if (!config)
		return NULL;
	config->path = strdup(place->path);
	config->folder = strdup(place->folder);
	config->share_dir = config_find_share();
	config->printed = strdup(printed ? printed : "");
	atomic_init(&config->refs, 1);
	if (config->path && config->folder && config->share_dir && config->printed)
		return config;
	config_read_free(config);
	err_set(err, ERR_NOMEM, "out of memory");
	return NULL;
}

/* ---- what is said about it ---- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a),
		      json_string_value(*(json_t *const *)b));
}

/* Sorted by path, one a line, without secrets that got into them. */
static int write_lines(const json_t *texts, struct buf *out)
{
	const size_t count = json_array_size(texts);
	_cleanup_free_ json_t **sorted = calloc(count + 1, sizeof(json_t *));
	int rc = sorted ? 0 : -1;

	for (size_t i = 0; sorted && i < count; i++)
		sorted[i] = json_array_get(texts, i);
	if (sorted)
		qsort(sorted, count, sizeof(json_t *), compare_texts);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		const char *text = json_string_value(sorted[i]);
		_cleanup_free_ char *safe = redact(text, strlen(text), NULL);

		rc = safe ? buf_appendf(out, "%s\n", safe) : -1;
	}
	return rc;
}

static int judge(json_t *report, const struct config *config, bool client, struct buf *mistakes,
		 struct buf *warnings, struct err *err)
{
	json_t *bad = json_array(), *doubtful = json_array();
	int rc = -1;

	json_array_extend(bad, json_at(report, "mistakes"));
	json_array_extend(doubtful, json_at(report, "warnings"));
	config_check(config, report, client, bad, doubtful);
	const size_t count = json_array_size(bad) + (size_t)json_int(report, "dropped", 0);

	if (write_lines(bad, mistakes) < 0 || write_lines(doubtful, warnings) < 0)
		err_set(err, ERR_NOMEM, "out of memory");
	else if (count > 0)
		err_set(err, ERR_CONFIG, "%s: %zu mistake%s", config->path, count,
			count == 1 ? "" : "s");
	else
		rc = 0;
	json_decref(bad);
	json_decref(doubtful);
	return rc;
}

/* ---- the whole ---- */

int config_load(const struct config_options *options, struct config **config, struct buf *mistakes,
		struct buf *warnings, struct err *err)
{
	struct place place = { 0 };
	struct config *loaded = NULL;
	json_t *report = NULL;
	int rc = -1;

	if (find_place(options->path ? options->path : default_path(), &place, err) < 0)
		goto out;
	report = load_report(options, &place, err);
	if (!report)
		goto out;
	hide_secrets(report);
	loaded = make_config(report, &place, err);
	if (!loaded)
		goto out;
	rc = judge(report, loaded, options->unset_env_is_warning, mistakes, warnings, err);
	if (rc < 0 && options->tolerant && (loaded->admin.socket || loaded->admin.address) &&
	    loaded->queue.path)
		rc = 0;
	if (rc == 0) {
		*config = loaded;
		loaded = NULL;
	}
out:
	config_unref(loaded);
	json_decref(report);
	free(place.path);
	free(place.folder);
	return rc;
}

struct config *config_ref(struct config *config)
{
	atomic_fetch_add(&config->refs, 1);
	return config;
}

void config_unref(struct config *config)
{
	if (config && atomic_fetch_sub(&config->refs, 1) == 1)
		config_read_free(config);
}

bool config_hands_over(const struct config_agent *agent)
{
	if (strcmp(agent->type, "openclaw") == 0 && !agent->wait)
		return true;
	return strcmp(agent->type, "webhook") == 0 ||
	       (agent->mode && strcmp(agent->mode, "agent") != 0);
}

const struct config_agent *config_agent(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->agent_count; i++)
		if (strcmp(config->agents[i].name, name) == 0)
			return &config->agents[i];
	return NULL;
}

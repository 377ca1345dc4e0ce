#include "exec/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int write_all(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		const ssize_t n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static size_t environment_size(const struct strings *environment)
{
	size_t size = 0;

	for (size_t i = 0; i < environment->count; i++)
		size += strlen(environment->items[i]) + 1;
	return size;
}

static json_t *arguments_json(const struct run_spec *spec)
{
	json_t *list = json_array();

	for (size_t i = 0; i < spec->argument_count; i++)
		if (json_array_append_new(list, json_string(spec->arguments[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* NULL when a string is not UTF-8 or memory is short. */
static char *head_text(const struct run_spec *spec, const struct strings *environment,
		       const char *tmp_dir)
{
	json_t *head = json_pack(
	    "{s:s, s:s, s:s, s:s, s:s?, s:s?, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:o}",
	    "run", spec->run_id, "executor", spec->executor, "search_path", spec->search_path,
	    "working_dir", spec->working_dir, "model", spec->model, "mcp_url", spec->mcp_url, "log",
	    spec->log_path, "lock", spec->lock_path, "tmp_dir", tmp_dir, "full",
	    spec->permissions == PERMISSIONS_FULL, "trust_repository", spec->trust_repository,
	    "timeout", (json_int_t)spec->timeout, "max_output", (json_int_t)spec->max_output,
	    "environment", (json_int_t)environment_size(environment), "prompt",
	    (json_int_t)spec->prompt_len, "arguments", arguments_json(spec));
	char *text = head ? json_text(head) : NULL;

	json_decref(head);
	return text;
}

static int write_parts(int file, const char *head, const struct strings *environment,
		       const struct run_spec *spec)
{
	if (write_all(file, head, strlen(head) + 1) < 0)
		return -1;
	for (size_t i = 0; i < environment->count; i++)
		if (write_all(file, environment->items[i], strlen(environment->items[i]) + 1) < 0)
			return -1;
	return write_all(file, spec->prompt, spec->prompt_len);
}

int spec_write(const struct run_spec *spec, const struct strings *environment, const char *tmp_dir,
	       struct err *err)
{
	_cleanup_free_ char *head = head_text(spec, environment, tmp_dir);
	_cleanup_close_ int file = -1;

	if (!head)
		return err_set(err, ERR_INVALID, "a path or name of the run is not UTF-8");
	file = memfd_create("openpr-webhook run", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (file < 0 || write_parts(file, head, environment, spec) < 0 ||
	    fcntl(file, F_ADD_SEALS, SEALS) < 0)
		return err_set(err, ERR_IO, "cannot write the spec: %s", strerror(errno));
	return TAKE_FD(file);
}

/* ---- the runner's side ---- */

static int read_environment(struct spec *spec, const char *bytes, size_t len)
{
	if (len > 0 && bytes[len - 1] != '\0')
		return -1;
	for (size_t at = 0; at < len; at += strlen(bytes + at) + 1)
		if (strings_add(&spec->environment, bytes + at) < 0)
			return -1;
	return 0;
}

static int read_arguments(struct spec *spec)
{
	const json_t *list = json_at(spec->head, "arguments");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		const char *text = json_string_value(item);
		if (!text || strlen(text) != json_string_length(item) ||
		    strings_add(&spec->arguments, text) < 0)
			return -1;
	}
	return json_is_array(list) ? 0 : -1;
}

static int read_head(struct spec *spec)
{
	const json_t *head = spec->head;

	spec->run_id = json_str(head, "run");
	spec->executor = json_str(head, "executor");
	spec->search_path = json_str(head, "search_path");
	spec->working_dir = json_str(head, "working_dir");
	spec->model = json_str(head, "model");
	spec->mcp_url = json_str(head, "mcp_url");
	spec->log_path = json_str(head, "log");
	spec->lock_path = json_str(head, "lock");
	spec->tmp_dir = json_str(head, "tmp_dir");
	spec->full = json_is_true(json_at(head, "full"));
	spec->trust_repository = json_is_true(json_at(head, "trust_repository"));
	spec->timeout = json_int(head, "timeout", -1);
	const int64_t most = json_int(head, "max_output", -1);
	if (!spec->run_id || !spec->executor || !spec->search_path || !spec->working_dir ||
	    !spec->log_path || !spec->lock_path || !spec->tmp_dir || spec->timeout < 0 || most < 0)
		return -1;
	spec->max_output = (size_t)most;
	return read_arguments(spec);
}

static int map_file(int file, struct spec *spec)
{
	struct stat stat;

	if (fstat(file, &stat) < 0 || !S_ISREG(stat.st_mode) || stat.st_size <= 0)
		return -1;
	/* Sealed, so that nobody can shrink it under the mapping. */
	if ((fcntl(file, F_GET_SEALS) & SEALS) != SEALS)
		return -1;
	void *map = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (map == MAP_FAILED)
		return -1;
	spec->map = map;
	spec->map_len = (size_t)stat.st_size;
	return 0;
}

int spec_read(int file, struct spec *spec, struct err *err)
{
	*spec = (struct spec){ 0 };
	if (map_file(file, spec) < 0) {
		err_set(err, ERR_INVALID, "the spec's file is not one");
		goto fail;
	}
	const char *bytes = spec->map;
	const size_t head_len = strnlen(bytes, spec->map_len);
	if (head_len == spec->map_len || !(spec->head = json_parse(bytes, head_len, err)) ||
	    read_head(spec) < 0) {
		err_set(err, ERR_INVALID, "the spec's head is not one");
		goto fail;
	}

	const size_t rest = spec->map_len - head_len - 1;
	const int64_t environment = json_int(spec->head, "environment", -1);
	const int64_t prompt = json_int(spec->head, "prompt", -1);
	if (environment < 0 || prompt < 0 || (uint64_t)environment > rest ||
	    (uint64_t)prompt != rest - (uint64_t)environment ||
	    read_environment(spec, bytes + head_len + 1, (size_t)environment) < 0) {
		err_set(err, ERR_INVALID, "the spec's parts do not add up");
		goto fail;
	}
	spec->prompt = bytes + head_len + 1 + environment;
	spec->prompt_len = (size_t)prompt;
	return 0;
fail:
	spec_done(spec);
	return -1;
}

void spec_done(struct spec *spec)
{
	json_decref(spec->head);
	strings_done(&spec->arguments);
	strings_done(&spec->environment);
	if (spec->map)
		munmap(spec->map, spec->map_len);
	*spec = (struct spec){ 0 };
}

#include "tunnel/progress.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "base/utf8.h"
#include "store/dispatch.h"

#define LIMIT 256	  /* dispatches that are watched */
#define OUTPUT_EVERY 3000 /* ms between two looks at a run's output */
#define WINDOW 65536	  /* bytes of a log that are looked at for whole lines */

/* What was told of one dispatch. */
struct told {
	char run_id[STORE_DISPATCH_ID + 1];
	uint64_t state, output; /* hashes */
	int64_t output_at;	/* monotonic ms of the last look */
	bool alive, running;
};

struct progress {
	struct told told[LIMIT];
	size_t count;
	json_t *pending; /* array */
};

struct progress *progress_new(void)
{
	struct progress *progress = calloc(1, sizeof(*progress));

	if (progress)
		progress->pending = json_array();
	if (progress && progress->pending)
		return progress;
	free(progress);
	return NULL;
}

void progress_free(struct progress *progress)
{
	if (!progress)
		return;
	json_decref(progress->pending);
	free(progress);
}

/* ---- output ---- */

/* Only whole lines, so that no secret is cut in two and missed. */
static char *whole_lines(char *text, size_t len, bool from_start)
{
	char *first = from_start ? text : memchr(text, '\n', len);
	char *last = memrchr(text, '\n', len);

	if (!first || !last || first >= last)
		return NULL;
	first += !from_start;
	return redact(first, (size_t)(last - first), NULL);
}

char *progress_tail(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *window = malloc(WINDOW);
	struct stat file;

	if (fd < 0 || !window || fstat(fd, &file) < 0 || !S_ISREG(file.st_mode))
		return NULL;
	const off_t from = file.st_size > WINDOW ? file.st_size - WINDOW : 0;
	const ssize_t n = pread(fd, window, WINDOW, from);
	_cleanup_free_ char *lines = n > 0 ? whole_lines(window, (size_t)n, from == 0) : NULL;
	if (!lines)
		return NULL;

	const size_t len = strlen(lines);
	const char *part = len > PROGRESS_OUTPUT ? lines + len - PROGRESS_OUTPUT : lines;
	while (part > lines && ((unsigned char)*part & 0xc0) == 0x80)
		part++;
	return utf8_repair(part, strlen(part), NULL);
}

/* ---- what is new ---- */

/* FNV-1a: a change that goes unnoticed once in 2^64 is noticed with the next one. */
static uint64_t hash(uint64_t seed, const char *text)
{
	uint64_t value = seed ^ 14695981039346656037U;

	for (; text && *text; text++)
		value = (value ^ (unsigned char)*text) * 1099511628211U;
	return value;
}

static struct told *find(struct progress *progress, const char *run_id)
{
	for (size_t i = 0; i < progress->count; i++)
		if (strcmp(progress->told[i].run_id, run_id) == 0)
			return &progress->told[i];
	return NULL;
}

static struct told *find_or_add(struct progress *progress, const char *run_id)
{
	struct told *told = find(progress, run_id);

	if (told || progress->count == LIMIT || strlen(run_id) > STORE_DISPATCH_ID)
		return told;
	told = &progress->told[progress->count++];
	*told = (struct told){ .state = 0 };
	memcpy(told->run_id, run_id, strlen(run_id) + 1);
	return told;
}

static bool state_is_new(struct told *told, const json_t *dispatch)
{
	uint64_t state =
	    hash((uint64_t)json_int(dispatch, "attempt", 0), json_str(dispatch, "state"));

	state = hash(state, json_str(dispatch, "note"));
	state = hash(state, json_str(dispatch, "agent"));
	if (state == told->state)
		return false;
	told->state = state;
	return true;
}

/* NULL when it is the same as before, or was looked at a moment ago. */
static char *new_output(struct told *told, const json_t *dispatch, int64_t now)
{
	const char *path = json_str(dispatch, "log_path");

	if (!path || now < told->output_at)
		return NULL;
	told->output_at = now + OUTPUT_EVERY;
	char *tail = progress_tail(path);
	const uint64_t output = hash(0, tail);
	if (tail && output != told->output) {
		told->output = output;
		return tail;
	}
	free(tail);
	return NULL;
}

static void look(struct progress *progress, json_t *dispatch, int64_t now)
{
	const char *run_id = json_str(dispatch, "run_id");
	struct told *told = run_id ? find_or_add(progress, run_id) : NULL;

	/* Several tasks of one dispatch: the first that does something speaks. */
	if (!told || told->alive)
		return;
	told->alive = true;
	told->running = json_str(dispatch, "log_path") != NULL;
	const bool changed = state_is_new(told, dispatch);
	_cleanup_free_ char *output = new_output(told, dispatch, now);
	if (!changed && !output)
		return;
	json_object_del(dispatch, "log_path");
	if (output)
		json_object_set_new(dispatch, "output", json_string(output));
	if (json_array_size(progress->pending) < LIMIT)
		json_array_append(progress->pending, dispatch);
}

static void drop_ended(struct progress *progress)
{
	size_t kept = 0;

	for (size_t i = 0; i < progress->count; i++)
		if (progress->told[i].alive)
			progress->told[kept++] = progress->told[i];
	progress->count = kept;
}

void progress_refresh(struct progress *progress, struct store *store, int64_t now)
{
	json_t *list = NULL;
	struct err err;

	if (store_dispatches(store, LIMIT, &list, &err) < 0)
		return;
	for (size_t i = 0; i < progress->count; i++)
		progress->told[i].alive = false;
	for (size_t i = 0; i < json_array_size(list); i++)
		look(progress, json_array_get(list, i), now);
	json_decref(list);
	drop_ended(progress);
}

json_t *progress_take(struct progress *progress)
{
	json_t *payload = json_incref(json_array_get(progress->pending, 0));

	if (payload)
		json_array_remove(progress->pending, 0);
	return payload;
}

void progress_over(struct progress *progress, const char *run_id)
{
	for (size_t i = json_array_size(progress->pending); i > 0; i--) {
		const char *pending = json_str(json_array_get(progress->pending, i - 1), "run_id");
		if (pending && strcmp(pending, run_id) == 0)
			json_array_remove(progress->pending, i - 1);
	}
}

void progress_forget(struct progress *progress)
{
	progress->count = 0;
	json_array_clear(progress->pending);
}

bool progress_is_running(const struct progress *progress)
{
	for (size_t i = 0; i < progress->count; i++)
		if (progress->told[i].running)
			return true;
	return false;
}

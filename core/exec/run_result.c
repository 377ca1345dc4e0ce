#include "exec/run_result.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "base/utf8.h"
#include "exec/output.h"
#include "exec/stream.h"

#define TAIL_MOST (8u * 1024)
#define CAUSE_MOST 2000

void run_result_init(struct run_result *result)
{
	*result = (struct run_result){
		.exit_code = -1, .input_tokens = -1, .output_tokens = -1, .cost_usd = -1
	};
}

void run_result_done(struct run_result *result)
{
	free(result->cause);
	free(result->final_text);
	free(result->tail);
	free(result->session_id);
	run_result_init(result);
}

char *run_result_text(const char *text, size_t len, size_t most)
{
	size_t clean_len;
	_cleanup_free_ char *clean = redact(text, len, &clean_len);

	if (!clean)
		return NULL;
	if (most > 0 && clean_len > most)
		clean_len = utf8_clip(clean, clean_len, most);
	return utf8_repair(clean, clean_len, NULL);
}

/* The last TAIL_MOST bytes, beginning at a character. */
static char *end_of(const char *text, size_t len)
{
	size_t clean_len;
	_cleanup_free_ char *clean = redact(text, len, &clean_len);

	if (!clean)
		return NULL;
	size_t from = clean_len > TAIL_MOST ? clean_len - TAIL_MOST : 0;
	while (from > 0 && from < clean_len && ((unsigned char)clean[from] & 0xc0) == 0x80)
		from++;
	return utf8_repair(clean + from, clean_len - from, NULL);
}

static char *text_at(const json_t *end, const char *name, size_t most)
{
	const json_t *value = json_object_get(end, name);

	if (!json_is_string(value) || json_string_length(value) == 0)
		return NULL;
	return run_result_text(json_string_value(value), json_string_length(value), most);
}

int run_result_read(struct run_result *result, const json_t *end)
{
	const enum outcome outcome = outcome_parse(json_str(end, "outcome"));
	const json_t *tail = json_object_get(end, "tail");
	const json_t *cost = json_object_get(end, "cost_usd");

	if (outcome == OUTCOME_NONE)
		return -1;
	run_result_done(result);
	result->outcome = outcome;
	result->exit_code = (int)json_int(end, "exit_code", -1);
	result->signal = (int)json_int(end, "signal", 0);
	result->duration = json_int(end, "duration", 0);
	result->cause = text_at(end, "cause", CAUSE_MOST);
	result->final_text = text_at(end, "final_text", STREAM_TEXT_MOST);
	result->session_id = text_at(end, "session", 0);
	if (json_is_string(tail) && json_string_length(tail) > 0)
		result->tail = end_of(json_string_value(tail), json_string_length(tail));
	result->input_tokens = json_int(end, "input_tokens", -1);
	result->output_tokens = json_int(end, "output_tokens", -1);
	result->cost_usd = json_is_number(cost) ? json_number_value(cost) : -1;
	result->truncated = json_is_true(json_object_get(end, "truncated"));
	return 0;
}

char *run_result_tail(const char *log_path)
{
	char bytes[TAIL_SIZE];
	_cleanup_close_ int fd = open(log_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	const off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
	const off_t from = size > (off_t)sizeof(bytes) ? size - (off_t)sizeof(bytes) : 0;
	const ssize_t len = size > 0 ? pread(fd, bytes, sizeof(bytes), from) : 0;

	return len > 0 ? end_of(bytes, (size_t)len) : NULL;
}

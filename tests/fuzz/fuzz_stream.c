/* What the CLIs print: their own lines, and whatever an agent makes them print. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "exec/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t most)
{
	if (text && (strlen(text) > most || text[0] == '\0'))
		abort();
}

/* The first three bytes say the format, the exit code and the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream_verdict verdict;

	if (size < 3)
		return 0;
	struct stream *stream = stream_new((enum stream_kind)(data[0] % 4));
	const int exit_code = data[1] % 4;
	const size_t piece = data[2];
	if (!stream)
		return 0;
	for (size_t at = 3; at < size; at += piece + 1) {
		const size_t left = size - at;
		stream_feed(stream, (const char *)data + at, left < piece + 1 ? left : piece + 1);
	}
	stream_hint(stream, (const char *)data, size);
	stream_judge(stream, exit_code, 0, &verdict);

	if (verdict.success != (verdict.cause == NULL) || (exit_code != 0 && verdict.success))
		abort();
	check_text(verdict.cause, 1200);
	check_text(verdict.session_id, 200);
	/* A repaired byte takes three. */
	check_text(verdict.final_text, 3 * (STREAM_TEXT_MOST + STREAM_TEXT_SLACK));
	check_text(stream_trouble(stream), 1200);
	if (verdict.final_text && !utf8_valid(verdict.final_text, strlen(verdict.final_text)))
		abort();
	if (verdict.input_tokens < -1 || verdict.output_tokens < -1 || !isfinite(verdict.cost_usd))
		abort();
	stream_free(stream);
	return 0;
}

/*
 * The raw head of a request, from anybody.  Whatever the bytes are: the verdict does not depend on
 * how they are cut, and what passes is what libh2o's parser takes too, with the same end.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/head.h"

/* picohttpparser, which libh2o exports without a header. */
struct phr_header {
	const char *name;
	size_t name_len;
	const char *value;
	size_t value_len;
};
int phr_parse_request(const char *bytes, size_t len, const char **method, size_t *method_len,
		      const char **path, size_t *path_len, int *minor_version,
		      struct phr_header *headers, size_t *count, size_t last_len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In pieces of `step` bytes, each in a buffer of exact size. */
static struct head in_pieces(const char *bytes, size_t size, size_t step)
{
	struct head head = { 0 };

	for (size_t len = step; head.state == HEAD_INCOMPLETE; len += step) {
		const size_t now = len < size ? len : size;
		char *copy = malloc(now ? now : 1);

		memcpy(copy, bytes, now);
		head_check(&head, copy, now);
		free(copy);
		if (now == size)
			break;
	}
	return head;
}

static int library_end(const char *bytes, size_t size)
{
	struct phr_header headers[HEAD_FIELDS];
	size_t count = HEAD_FIELDS, method_len, path_len;
	const char *method, *path;
	int minor;

	return phr_parse_request(bytes, size, &method, &method_len, &path, &path_len, &minor,
				 headers, &count, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;

	if (size == 0)
		return 0;
	const struct head whole = in_pieces(bytes, size - 1, size);
	const struct head pieces = in_pieces(bytes, size - 1, 1 + data[0] % 61);
	if (whole.state != pieces.state || whole.len != pieces.len ||
	    whole.status != pieces.status || whole.content_length != pieces.content_length)
		abort();
	if (whole.state == HEAD_COMPLETE && library_end(bytes, size - 1) != (int)whole.len)
		abort();
	/* Nor may libh2o see an end where we still wait for one. */
	if (whole.state == HEAD_INCOMPLETE && size > 1 && library_end(bytes, size - 1) >= 0)
		abort();
	return 0;
}

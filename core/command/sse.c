#include "command/sse.h"

#include <string.h>

/* The value of a `name: value` line when it is that field. */
static const char *value_of(const struct buf *line, const char *name)
{
	const size_t len = strlen(name);

	if (!line->bytes || strncmp(line->bytes, name, len) != 0 || line->bytes[len] != ':')
		return NULL;
	return line->bytes + len + 1 + (line->bytes[len + 1] == ' ');
}

static int take_line(struct sse *sse, sse_fn *tell, void *ctx)
{
	const char *event = value_of(&sse->line, "event");
	const char *data = value_of(&sse->line, "data");
	int rc = 0;

	if (sse->line.len == 0) {
		if (sse->data.len > 0 && !sse->skip)
			tell(ctx, sse->event.len > 0 ? sse->event.bytes : "message",
			     sse->data.bytes);
		buf_clear(&sse->event);
		buf_clear(&sse->data);
		sse->skip = 0;
		return 0;
	}
	if (event) {
		buf_clear(&sse->event);
		rc = buf_append(&sse->event, event, strlen(event));
	}
	if (data && sse->data.len > 0)
		rc = buf_append(&sse->data, "\n", 1);
	if (data && rc == 0)
		rc = buf_append(&sse->data, data, strlen(data));
	if (sse->data.len > SSE_LONGEST)
		sse->skip = 1;
	if (sse->skip)
		buf_clear(&sse->data);
	buf_clear(&sse->line);
	return rc;
}

int sse_take(struct sse *sse, const char *bytes, size_t len, sse_fn *tell, void *ctx)
{
	while (len > 0) {
		const char *end = memchr(bytes, '\n', len);
		const size_t n = end ? (size_t)(end - bytes) : len;

		if (sse->line.len + n > SSE_LONGEST)
			sse->skip = 1;
		else if (buf_append(&sse->line, bytes, n) < 0)
			return -1;
		bytes += n;
		len -= n;
		if (!end)
			break;
		bytes++;
		len--;
		if (take_line(sse, tell, ctx) < 0)
			return -1;
	}
	return 0;
}

void sse_done(struct sse *sse)
{
	buf_done(&sse->line);
	buf_done(&sse->event);
	buf_done(&sse->data);
}

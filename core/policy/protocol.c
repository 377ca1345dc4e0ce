#include "policy/protocol.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/lines.h"
#include "base/log.h"
#include "script/vm.h"

#define LOAD_LEAST 1000 /* ms */
#define WALL_LEAST 2000 /* ms */

int64_t protocol_time(enum frame_kind kind, int64_t time_limit)
{
	switch (kind) {
	case FRAME_LOAD:
	case FRAME_RULES:
		return time_limit * 10 > LOAD_LEAST ? time_limit * 10 : LOAD_LEAST;
	case FRAME_DECIDE:
	case FRAME_EXPLAIN:
		return time_limit * 2;
	default:
		return time_limit;
	}
}

int64_t protocol_kill_time(enum frame_kind kind, int64_t time_limit)
{
	const int64_t soft = protocol_time(kind, time_limit);

	return soft + (soft / 4 > 20 ? soft / 4 : 20);
}

int64_t protocol_wall_time(enum frame_kind kind, int64_t time_limit)
{
	const int patience =
	    kind == FRAME_LOAD ? 30 : 10; /* no event waits while a bundle is loaded */
	const int64_t wall = protocol_time(kind, time_limit) * patience;

	return wall > WALL_LEAST ? wall : WALL_LEAST;
}

void protocol_head(char head[PROTOCOL_HEAD], enum frame_kind kind, size_t len)
{
	const uint32_t length = (uint32_t)len;

	memcpy(head, &length, sizeof(length));
	head[4] = (char)kind;
}

static bool worker_may_send(enum frame_kind kind, size_t len)
{
	switch (kind) {
	case FRAME_ANSWER:
	case FRAME_LAST:
		return len <= PROTOCOL_MOST;
	case FRAME_FAILED:
		return len >= 1 && len <= 1 + sizeof(((struct err *)NULL)->text);
	case FRAME_LOG:
		return len >= 1 && len <= 1 + VM_LOG_BYTES;
	case FRAME_NOTE:
		return len <= VM_NOTE_BYTES;
	case FRAME_LINES:
		return len >= 1 && len <= 1 + LINES_MOST / 8 + 1;
	default:
		return false;
	}
}

int protocol_scan(const char *bytes, size_t len, struct frame *frame, size_t *used)
{
	uint32_t length;

	if (len < PROTOCOL_HEAD)
		return 0;
	memcpy(&length, bytes, sizeof(length));
	const enum frame_kind kind = (enum frame_kind)(unsigned char)bytes[4];
	if (!worker_may_send(kind, length))
		return -1;
	if (len - PROTOCOL_HEAD < length)
		return 0;
	*frame = (struct frame){ .kind = kind, .bytes = bytes + PROTOCOL_HEAD, .len = length };
	*used = PROTOCOL_HEAD + length;
	return 1;
}

static int read_all(int fd, char *bytes, size_t len)
{
	while (len > 0) {
		const ssize_t n = read(fd, bytes, len);
		if (n <= 0 && !(n < 0 && errno == EINTR))
			return -1;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int protocol_read(int fd, enum frame_kind *kind, struct buf *bytes)
{
	char head[PROTOCOL_HEAD], piece[65536];
	uint32_t length;

	if (read_all(fd, head, sizeof(head)) < 0)
		return -1;
	memcpy(&length, head, sizeof(length));
	*kind = (enum frame_kind)(unsigned char)head[4];
	buf_clear(bytes);
	while (length > 0) {
		const size_t n = length < sizeof(piece) ? length : sizeof(piece);
		if (read_all(fd, piece, n) < 0 || buf_append(bytes, piece, n) < 0)
			return -1;
		length -= (uint32_t)n;
	}
	return 0;
}

int protocol_write(int fd, enum frame_kind kind, const void *bytes, size_t len)
{
	char small[4096]; /* one call, and one awakening at the other end; seccomp lets no writev()
			   */

	protocol_head(small, kind, len);
	if (len > sizeof(small) - PROTOCOL_HEAD)
		return write_all(fd, small, PROTOCOL_HEAD) < 0 ? -1 : write_all(fd, bytes, len);
	if (len > 0)
		memcpy(small + PROTOCOL_HEAD, bytes, len);
	return write_all(fd, small, PROTOCOL_HEAD + len);
}

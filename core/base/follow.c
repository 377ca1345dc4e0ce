#include "base/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "base/utf8.h"

#define PIECE (64u << 10)
/* What may be kept back: secrets that overlap without end are replaced in parts. */
#define ROOM (2 * PIECE)

struct follow {
	int fd;
	size_t len; /* read and not given out */
	char bytes[ROOM];
};

struct follow *follow_open(const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0) {
		err_set(err, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "cannot read %s: %s", path,
			strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		err_set(err, ERR_IO, "%s is no file", path);
		return NULL;
	}
	struct follow *follow = malloc(sizeof(*follow));
	if (!follow) {
		err_set(err, ERR_NOMEM, "no memory for a log");
		return NULL;
	}
	follow->len = 0;
	follow->fd = TAKE_FD(fd);
	return follow;
}

void follow_free(struct follow *follow)
{
	if (!follow)
		return;
	close(follow->fd);
	explicit_bzero(follow->bytes, follow->len);
	free(follow);
}

static ssize_t fill(struct follow *follow)
{
	const size_t room = ROOM - follow->len;
	ssize_t n;

	do
		n = read(follow->fd, follow->bytes + follow->len, room < PIECE ? room : PIECE);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		follow->len += (size_t)n;
	return n;
}

/* Less a character at the end that is not whole yet. */
static size_t whole(const char *text, size_t len)
{
	for (size_t n = 1; n <= 3 && n <= len; n++) {
		const unsigned char byte = (unsigned char)text[len - n];
		const size_t size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
		if ((byte & 0xc0) != 0x80)
			return size > n ? len - n : len;
	}
	return len;
}

static int give(struct follow *follow, size_t ready, struct buf *out, struct err *err)
{
	size_t len = 0, safe_len = 0;
	_cleanup_free_ char *safe = redact(follow->bytes, ready, &safe_len);
	_cleanup_free_ char *text = safe ? utf8_repair(safe, safe_len, &len) : NULL;

	if (!text || buf_append(out, text, len) < 0)
		return err_set(err, ERR_NOMEM, "no memory for a log");
	memmove(follow->bytes, follow->bytes + ready, follow->len - ready);
	follow->len -= ready;
	return 1;
}

int follow_read(struct follow *follow, bool ended, struct buf *out, struct err *err)
{
	for (;;) {
		const ssize_t n = fill(follow);
		if (n < 0)
			return err_set(err, ERR_IO, "cannot read the log: %s", strerror(errno));
		if (n == 0)
			return ended && follow->len > 0 ? give(follow, follow->len, out, err) : 0;
		size_t ready = whole(follow->bytes, redact_ready(follow->bytes, follow->len));
		if (ready == 0 && follow->len == ROOM)
			ready = follow->len;
		if (ready > 0)
			return give(follow, ready, out, err);
	}
}

#include "exec/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CHUNK 16384

int control_pair(int ends[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, ERR_IO, "no socket for the runner: %s", strerror(errno));
	return 0;
}

union ancillary {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int control_send_file(int fd, int file, struct err *err)
{
	char mark = 'F';
	union ancillary ancillary = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = &mark, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = ancillary.bytes,
				  .msg_controllen = sizeof(ancillary.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &file, sizeof(file));
	if (sendmsg(fd, &message, MSG_NOSIGNAL) != 1)
		return err_set(err, ERR_IO, "cannot hand the spec over: %s", strerror(errno));
	return 0;
}

int control_receive_file(int fd, struct err *err)
{
	char mark = 0;
	int file = -1;
	ssize_t got;
	union ancillary ancillary;
	struct iovec iov = { .iov_base = &mark, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = ancillary.bytes,
				  .msg_controllen = sizeof(ancillary.bytes) };

	do {
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);

	const struct cmsghdr *header = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&file, CMSG_DATA(header), sizeof(file));
	if (file < 0)
		return err_set(err, ERR_INVALID, "no spec came");
	return file;
}

int control_send(int fd, const json_t *frame, bool wait)
{
	_cleanup_free_ char *text = json_text(frame);
	struct buf bytes = { 0 };
	int ret = -1;

	if (!text)
		return -1;
	const uint32_t len = (uint32_t)strlen(text);
	if (len > CONTROL_MOST || buf_append(&bytes, &len, sizeof(len)) < 0 ||
	    buf_append(&bytes, text, len) < 0)
		goto out;
	for (size_t sent = 0; sent < bytes.len;) {
		const ssize_t n = send(fd, bytes.bytes + sent, bytes.len - sent,
				       MSG_NOSIGNAL | (wait || sent > 0 ? 0 : MSG_DONTWAIT));
		if (n < 0 && errno != EINTR)
			goto out;
		sent += n > 0 ? (size_t)n : 0;
	}
	ret = 0;
out:
	buf_done(&bytes);
	return ret;
}

/* Forgets what was taken, so that the buffer holds one frame and a chunk at most. */
static void compact(struct control_reader *reader)
{
	if (reader->used == 0)
		return;
	memmove(reader->bytes.bytes, reader->bytes.bytes + reader->used,
		reader->bytes.len - reader->used);
	reader->bytes.len -= reader->used;
	reader->used = 0;
}

/* One frame out of the buffer, or NULL. */
static json_t *next_frame(struct control_reader *reader)
{
	const size_t have = reader->bytes.len - reader->used;
	struct err err;
	uint32_t len;

	if (have < sizeof(len))
		return NULL;
	memcpy(&len, reader->bytes.bytes + reader->used, sizeof(len));
	if (len > CONTROL_MOST) {
		reader->broken = true;
		return NULL;
	}
	if (have - sizeof(len) < len)
		return NULL;

	json_t *frame = json_parse(reader->bytes.bytes + reader->used + sizeof(len), len, &err);
	reader->used += sizeof(len) + len;
	if (frame && json_is_object(frame))
		return frame;
	json_decref(frame);
	reader->broken = true;
	return NULL;
}

json_t *control_read(struct control_reader *reader, int fd)
{
	char chunk[CHUNK];

	while (!reader->broken && !reader->over) {
		json_t *frame = next_frame(reader);
		if (frame || reader->broken)
			return frame;
		compact(reader);

		const ssize_t n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return NULL;
		if (n <= 0)
			reader->over = true;
		else if (buf_append(&reader->bytes, chunk, (size_t)n) < 0)
			reader->broken = true;
	}
	return NULL;
}

void control_done(struct control_reader *reader)
{
	buf_done(&reader->bytes);
	*reader = (struct control_reader){ 0 };
}

#include "exec/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CHUNK (64u * 1024)

struct output {
	int file, ring; /* ring: -1 until the head is full */
	char *folder;
	size_t head, ring_size; /* bytes that each may hold */
	uint64_t total;
	bool refused; /* by the disk */
};

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
}

struct output *output_open(const char *path, size_t most, struct err *err)
{
	struct output *output = calloc(1, sizeof(*output));

	if (!output || !(output->folder = folder_of(path))) {
		err_set(err, ERR_NOMEM, "no memory for the log");
		goto fail;
	}
	output->ring = -1;
	output->head = most - most / 2;
	output->ring_size = most / 2;
	output->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (output->file < 0 || fchmod(output->file, 0600) < 0) {
		err_set(err, ERR_IO, "cannot write the log %s: %s", path, strerror(errno));
		goto fail;
	}
	return output;
fail:
	if (output && output->file > 0)
		close(output->file);
	free(output ? output->folder : NULL);
	free(output);
	return NULL;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static bool pwrite_all(int fd, const char *bytes, size_t len, off_t at)
{
	while (len > 0) {
		const ssize_t n = pwrite(fd, bytes, len, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
		at += n;
	}
	return true;
}

static int nameless_file(const char *folder)
{
	_cleanup_free_ char *path = NULL;
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || asprintf(&path, "%s/.ring-XXXXXX", folder) < 0)
		return fd;
	fd = mkostemp(path, O_CLOEXEC); /* a file system without O_TMPFILE */
	if (fd >= 0)
		unlink(path);
	return fd;
}

static void write_ring(struct output *output, const char *bytes, size_t len)
{
	const size_t skip = len > output->ring_size ? len - output->ring_size : 0;

	if (output->ring < 0 && (output->ring = nameless_file(output->folder)) < 0) {
		output->refused = true;
		return;
	}
	uint64_t at = (output->total - output->head + skip) % output->ring_size;
	for (bytes += skip, len -= skip; len > 0;) {
		const size_t room = output->ring_size - (size_t)at;
		const size_t n = len < room ? len : room;
		if (!pwrite_all(output->ring, bytes, n, (off_t)at))
			output->refused = true;
		bytes += n;
		len -= n;
		at = 0;
	}
}

void output_write(struct output *output, const char *bytes, size_t len)
{
	if (output->total < output->head) {
		const size_t room = output->head - (size_t)output->total;
		const size_t n = len < room ? len : room;
		if (!write_all(output->file, bytes, n))
			output->refused = true;
		output->total += n;
		bytes += n;
		len -= n;
	}
	if (len > 0 && output->ring_size > 0)
		write_ring(output, bytes, len);
	output->total += len;
}

/* Copies a stretch of the ring behind the log. */
static bool append_ring(struct output *output, uint64_t at, uint64_t len)
{
	_cleanup_free_ char *bytes = malloc(CHUNK);

	while (len > 0 && bytes) {
		const ssize_t n =
		    pread(output->ring, bytes, len < CHUNK ? (size_t)len : CHUNK, (off_t)at);
		if (n <= 0 || !write_all(output->file, bytes, (size_t)n))
			return false;
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return len == 0;
}

static bool append_cut(struct output *output, uint64_t cut)
{
	char line[96];
	const int len = snprintf(line, sizeof(line), "\n[openpr-webhook: %llu bytes cut here]\n",
				 (unsigned long long)cut);

	return write_all(output->file, line, (size_t)len);
}

/* True when the log lacks something. */
static bool complete(struct output *output)
{
	const uint64_t behind = output->total > output->head ? output->total - output->head : 0;
	const uint64_t cut = behind > output->ring_size ? behind - output->ring_size : 0;
	const uint64_t start = cut > 0 && output->ring_size > 0 ? behind % output->ring_size : 0;

	if (cut > 0 && !append_cut(output, cut))
		output->refused = true;
	if (output->ring >= 0 &&
	    (!append_ring(output, start, (cut > 0 ? output->ring_size : behind) - start) ||
	     !append_ring(output, 0, start)))
		output->refused = true;
	return cut > 0 || output->refused;
}

bool output_close(struct output *output)
{
	const bool lacks = complete(output);

	if (output->ring >= 0)
		close(output->ring);
	close(output->file);
	free(output->folder);
	free(output);
	return lacks;
}

void tail_add(struct tail *tail, const char *bytes, size_t len)
{
	if (len >= TAIL_SIZE) {
		bytes += len - TAIL_SIZE;
		len = TAIL_SIZE;
	}
	const size_t drop = tail->len + len > TAIL_SIZE ? tail->len + len - TAIL_SIZE : 0;
	memmove(tail->bytes, tail->bytes + drop, tail->len - drop);
	memcpy(tail->bytes + tail->len - drop, bytes, len);
	tail->len += len - drop;
}

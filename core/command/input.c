#include "command/input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MOST (256 * 1024 * 1024)

static int read_all(FILE *file, const char *name, struct buf *bytes, struct err *err)
{
	char chunk[65536];
	size_t got;

	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0) {
		if (bytes->len + got > MOST)
			return err_set(err, ERR_FULL, "%s is larger than 256 MiB", name);
		if (buf_append(bytes, chunk, got) < 0)
			return err_set(err, ERR_NOMEM, "out of memory");
	}
	return ferror(file) ? err_set(err, ERR_IO, "%s: %s", name, strerror(errno)) : 0;
}

int input_read(const char *path, struct buf *bytes, struct err *err)
{
	if (strcmp(path, "-") == 0)
		return read_all(stdin, "standard input", bytes, err);
	FILE *file = fopen(path, "rbe");
	if (!file)
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	const int rc = read_all(file, path, bytes, err);
	fclose(file);
	return rc;
}

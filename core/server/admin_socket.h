#pragma once

/* A unix socket that only its owner can speak to. */

#include <sys/stat.h>
#include <time.h>

#include "base/err.h"

struct admin_socket {
	int fd;
	dev_t device;
	ino_t inode; /* may be given again, hence: */
	struct timespec made;
};

/*
 * Listens at `path`, mode 0600.  A stale socket (nobody answers on it) is replaced; a socket where
 * somebody answers and any other kind of file is refused (ERR_CONFLICT).  Missing folders are made,
 * 0700.
 */
int admin_socket_open(const char *path, struct admin_socket *sock, struct err *err);

/* Removes the file if it is still this socket's.  Does not close fd. */
void admin_socket_remove(const char *path, const struct admin_socket *sock);

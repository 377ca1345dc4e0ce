#pragma once

/* The files around the database: folders, permissions, the lock that keeps a second daemon out. */

#include <stdbool.h>

#include "base/err.h"

/* Makes the missing folders above path, 0700. */
int file_make_folders(const char *path, struct err *err);

/*
 * Locks PATH.lock, which names the holder's pid.  Returns its descriptor (closing it unlocks); -1
 * with a text that names the file and the pid when another daemon has it.
 */
int file_lock(const char *path, struct err *err);
void file_unlock(int lock); /* accepts -1 */
/* Whether anybody has the lock now. */
bool file_is_locked(const char *path);

/* Makes the file, 0600, when it is not there.  Refuses what is no regular file. */
int file_make(const char *path, struct err *err);
/* Takes the rights of others away. */
int file_make_private(const char *path, struct err *err);

#include "exec/litter.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACES 2

/* The path of a piece; false when it is too long or there is no such piece. */
static bool path_of(const struct executor *executor, const char *working_dir, unsigned piece,
		    char path[PATH_MAX])
{
	const char *const places[PLACES] = { working_dir, "/tmp" };
	const char *const *names = executor->litter;
	unsigned count = 0;

	while (names && names[count])
		count++;
	if (piece >= count * PLACES || piece >= sizeof(piece) * CHAR_BIT)
		return false;
	const int len =
	    snprintf(path, PATH_MAX, "%s/%s", places[piece % PLACES], names[piece / PLACES]);
	return len > 0 && len < PATH_MAX;
}

unsigned litter_look(const struct executor *executor, const char *working_dir)
{
	char path[PATH_MAX];
	struct stat info;
	unsigned missing = 0;

	for (unsigned i = 0; path_of(executor, working_dir, i, path); i++)
		if (lstat(path, &info) < 0 && errno == ENOENT)
			missing |= 1u << i;
	return missing;
}

void litter_remove(const struct executor *executor, const char *working_dir, unsigned missing)
{
	char path[PATH_MAX];

	for (unsigned i = 0; path_of(executor, working_dir, i, path); i++)
		if (missing & (1u << i))
			rmdir(path); /* refuses what is not an empty folder */
}

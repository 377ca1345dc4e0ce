#pragma once

/*
 * Scope-bound cleanup.  Not for core/script/: a Lua error jumps over these.
 */

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_free_ __attribute__((cleanup(cleanup_free)))
#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))

/* Hands out a pointer or descriptor that a cleanup variable holds. */
#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *_take = &(p);                                                       \
		__typeof__(p) _taken = *_take;                                                     \
		*_take = NULL;                                                                     \
		_taken;                                                                            \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *_take = &(fd);                                                                \
		int _taken = *_take;                                                               \
		*_take = -1;                                                                       \
		_taken;                                                                            \
	})

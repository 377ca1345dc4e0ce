#pragma once

/*
 * What a worker may do: compute, and talk over the descriptors it has.  Nothing here applies to the
 * daemon.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct cage;

/*
 * False in a build with a sanitizer: address and thread sanitizers need the address space and
 * system calls that a cage takes away (tried), so cage_enter() does neither there.
 */
bool cage_is_real(void);

/* Made once in the zygote, so that starting a worker stays cheap. */
struct cage *cage_new(struct err *err);
void cage_free(struct cage *cage); /* accepts NULL */

/*
 * For ever: no more address space than the process has now, plus twice `memory`, plus what buffers
 * need; no core dump, no new descriptor, no file, and a seccomp list of the system calls that
 * remain: any other kills.  The caller has set PR_SET_NO_NEW_PRIVS.
 */
int cage_enter(const struct cage *cage, size_t memory, struct err *err);

#pragma once

#include <sys/types.h>

#include "policy/cage.h"

/*
 * The life of a worker, in the process that the zygote has just forked: takes both descriptors,
 * shuts itself in, reads the bundle, answers questions one at a time until the daemon closes the
 * socket.
 */
_Noreturn void worker_run(const struct cage *cage, pid_t zygote, int socket, int bundle);

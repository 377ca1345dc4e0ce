#pragma once

/*
 * A Lua state that cannot hurt its host: capped memory, a deadline, no libraries but the ones a
 * policy may have, and the embedded modules of lua/openpr/ behind require().
 *
 * Everything crosses as bytes: one function of one embedded module gets a string and returns a
 * string (JSON on both sides).  So no other folder needs a Lua header, and nothing of C's is ever
 * garbage-collected. One vm belongs to one thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct vm;

struct vm_limits {
	size_t memory;	  /* bytes the state may hold at once */
	int64_t deadline; /* ms a single vm_call() may take, by the clock; 0: none */
};

/*
 * What the embedded Lua may ask of its host, as a table `host` given to the module function.
 * VM_CONFIG adds host.getenv(name) and host.readfile(path) -> text | nil, why, mode (config.lua's
 * env and file). Both kinds have host.log(level, text), host.now() (wall seconds),
 * host.json_decode, host.json_encode.
 */
enum vm_kind { VM_POLICY, VM_CONFIG };

/* A new vm, or NULL with err filled. */
struct vm *vm_new(enum vm_kind kind, const struct vm_limits *limits, struct err *err);
void vm_free(struct vm *vm); /* accepts NULL */

/*
 * Calls require(module)[function](input, host) in protected mode under the limits; it must return a
 * string, which is appended to output.  -1: ERR_POLICY (raised; the text is Lua's message with file
 * and line), ERR_TIMEOUT or ERR_NOMEM.  The state is usable afterwards unless ERR_NOMEM or
 * ERR_TIMEOUT came back: then free it.
 */
int vm_call(struct vm *vm, const char *module, const char *function, const void *input,
	    size_t input_len, struct buf *output, struct err *err);

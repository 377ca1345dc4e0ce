#pragma once

/*
 * A Lua state that cannot hurt its host: capped memory, a deadline, no libraries but the ones a
 * policy may have, and the embedded modules of lua/openpr/ behind require().
 *
 * Everything crosses as bytes: one function of one embedded module gets a string and returns a
 * string (JSON on both sides).  So no other folder needs a Lua header, and nothing of C's is ever
 * garbage-collected. One vm belongs to one thread.
 *
 * The deadline stops Lua code, not a C function of Lua's that runs for long (a string pattern,
 * string.rep, table.move: measured).  Who runs strangers' code needs a process that can be killed
 * around the vm, as policy/ has.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

struct vm;

struct vm_limits {
	size_t memory; /* bytes the state may hold at once */
	int64_t
	    deadline; /* ms of the thread's CPU time that a single vm_call() may take; 0: none */
};

/*
 * What the embedded Lua may ask of its host, as a table `host` given to the module function.  Both
 * kinds have
 *   host.log(level, text)     level is debug, info, warn or error; to vm_listener
 *   host.note(text)           what is being done now ("policies/route.lua"); to vm_listener
 *   host.now()                wall seconds, with a fraction
 *   host.json_decode(text)    raises when it is not JSON; null is nil, whole numbers are integers
 *   host.json_encode(value)   raises for what JSON cannot say; an empty table is {}
 *   host.json_array(table)    marks the table, so that it is encoded as [] even when empty
 * VM_CONFIG adds, for config.lua's env and file,
 *   host.getenv(name)         text or nil
 *   host.readfile(path)       text, nil, mode (an integer, 420 is 0644); or nil, why
 * and takes the methods from texts: there, only string.rep(...) can be called, not ("x"):rep(...).
 */
enum vm_kind { VM_POLICY, VM_CONFIG };

/* A new vm, or NULL with err filled. */
struct vm *vm_new(enum vm_kind kind, const struct vm_limits *limits, struct err *err);
void vm_free(struct vm *vm); /* accepts NULL */

/* For the calls to come, in ms; 0: none. */
void vm_set_deadline(struct vm *vm, int64_t deadline);

#define VM_LOG_LINES 20	  /* a call; further ones are dropped */
#define VM_LOG_BYTES 500  /* a line; the rest is cut */
#define VM_NOTES 64	  /* a call */
#define VM_NOTE_BYTES 100 /* a note */

/*
 * Hears host.log, host.note and lines while vm_call() runs, on its thread.  The text is any bytes,
 * not NUL-terminated, and borrowed.  None may call the vm.  Without a listener all are dropped.
 */
struct vm_listener {
	void (*log)(void *ctx, enum log_level level, const char *text, size_t len);
	void (*note)(void *ctx, const char *text, size_t len);
	/* A line of a chunk, e.g. "@policies/route.lua", is about to run.  Costs time at each line
	 * of Lua, runtime modules included, so that nobody but `test` sets it. */
	void (*line)(void *ctx, const char *chunk, long line);
	void *ctx;
};
void vm_listen(struct vm *vm, const struct vm_listener *listener);

/* Adds a module that require() finds before the embedded ones; for tests. */
int vm_add_module(struct vm *vm, const char *name, const char *text, struct err *err);

/*
 * Calls require(module)[function](input, host) in protected mode under the limits; it must return a
 * string, which is appended to output.  -1: ERR_POLICY (raised; the text is Lua's message with file
 * and line), ERR_TIMEOUT or ERR_NOMEM.  The state is usable afterwards unless ERR_NOMEM or
 * ERR_TIMEOUT came back: then free it.
 */
int vm_call(struct vm *vm, const char *module, const char *function, const void *input,
	    size_t input_len, struct buf *output, struct err *err);

/*
 * True once a memory error was raised, even if the Lua code caught it: lua-cjson may have leaked as
 * much as the text it was reading (measured on 2.1.0), so a worker should end after this call.
 */
bool vm_worn(const struct vm *vm);

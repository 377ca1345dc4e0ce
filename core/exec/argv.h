#pragma once

/*
 * The arguments of each executor, as the CLIs take them today.  The prompt is never among them: it
 * goes in by standard input (no 128 KiB limit, not in `ps`, no option injection).
 */

#include "base/buf.h"
#include "base/err.h"
#include "exec/spec.h"
#include "exec/strings.h"
#include "exec/whitelist.h"

/* argv[0] is the absolute path of the program.  0, or -1 with argv as it was left: strings_done().
 */
int argv_build(const struct executor *executor, const char *program, const struct spec *spec,
	       struct strings *argv, struct err *err);

/* argv_build() with the program as it is found now: what a run starts. */
int argv_of(const struct executor *executor, const struct spec *spec, struct strings *argv,
	    struct err *err);

/*
 * What goes in before the prompt's own bytes; "" mostly.  claude runs a prompt that begins with a
 * known slash command ("/cost") by itself and asks no model; a leading newline stops that.
 */
const char *argv_prompt_guard(const struct executor *executor, const char *prompt, size_t len);

/* Appends a TOML basic string, as codex reads it behind -c. */
int argv_toml(struct buf *out, const char *text);

/* A model's name that could be taken for an option is refused. */
int argv_check_model(const char *model, struct err *err);

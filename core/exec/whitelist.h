#pragma once

/*
 * The only programs that an agent can be, compiled in (agents.md holds the facts).  Asked when the
 * config is loaded and again by the runner right before exec.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum stream_kind { STREAM_CODEX, STREAM_CLAUDE, STREAM_OPENCODE, STREAM_PLAIN };

/* What stands behind an argument: in the next one, or after "=". */
enum argument_value {
	ARGUMENT_ALONE,	  /* nothing */
	ARGUMENT_NUMBER,  /* "12", "0.5" */
	ARGUMENT_WORD,	  /* letters, digits, ".", "_", "-" */
	ARGUMENT_TEXT,	  /* anything that does not begin with "-" */
	ARGUMENT_SETTING, /* KEY=WORD, with a key of harmless_settings */
};

struct argument {
	const char *name; /* "--max-turns"; NULL ends a list */
	enum argument_value value;
};

struct executor {
	const char *name;    /* "claude-code" */
	const char *program; /* "claude" */
	enum stream_kind stream;
	int stop_signal; /* sent first when a run must end */
	/* Empty folders that it leaves in the working directory and in /tmp when it is stopped in
	 * the middle of a command: NULL, or their names and NULL. */
	const char *const *litter;
	/* Arguments that change neither what a run may do nor whose settings are loaded; all others
	 * need permissions = "full" (exec/permit.h).  NULL: none is known. */
	const struct argument *harmless;
	const char *const *harmless_settings; /* NULL, or keys and NULL */
};

/* NULL when the name is not on the list. */
const struct executor *whitelist_find(const char *name);
const struct executor *whitelist_at(size_t index); /* NULL behind the last */

/* "codex, claude-code, opencode" */
int whitelist_names(struct buf *out);
/* What `openpr-webhook whitelist` prints. */
int whitelist_print(struct buf *out);

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

struct executor {
	const char *name;    /* "claude-code" */
	const char *program; /* "claude" */
	enum stream_kind stream;
	int stop_signal; /* sent first when a run must end */
	/* Empty folders that it leaves in the working directory and in /tmp when it is stopped in
	 * the middle of a command: NULL, or their names and NULL. */
	const char *const *litter;
};

/* NULL when the name is not on the list. */
const struct executor *whitelist_find(const char *name);
const struct executor *whitelist_at(size_t index); /* NULL behind the last */

/* "codex, claude-code, opencode" */
int whitelist_names(struct buf *out);
/* What `openpr-webhook whitelist` prints. */
int whitelist_print(struct buf *out);

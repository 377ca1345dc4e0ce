#pragma once

/*
 * The only writer of logs: one line a fact on stderr, logfmt, safe from any
 * thread.  Secrets known to base/redact.h are replaced, control characters
 * escaped, values longer than 1 KiB cut.
 *
 *   log_event(LOG_LEVEL_INFO, "started", "run", run_id, "issue", issue_id, NULL);
 *   ts=2026-11-24T06:00:00.000Z level=info msg=started run=... issue=...
 */

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_set_level(enum log_level least);

/* Key, value pairs of strings; a NULL value leaves its pair out; a NULL key ends. */
__attribute__((sentinel)) void log_event(enum log_level level, const char *message, ...);

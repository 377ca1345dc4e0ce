#pragma once

/*
 * The only writer of logs: one line a fact on stderr, safe from any thread.  Secrets known to
 * base/redact.h are replaced, control characters escaped, values longer than 1 KiB cut.
 *
 *   log_event(LOG_LEVEL_INFO, "started", "run", run_id, "issue", issue_id, NULL);
 *
 *   logfmt   ts=2026-11-24T06:00:00.000Z level=info msg=started run=... issue=...
 *   json     {"ts":"2026-11-24T06:00:00.000Z","level":"info","msg":"started","run":"...",...}
 *
 * In the journal, which has time and priority of its own, a line begins with the priority as
 * sd-daemon(3) has it (<3> to <7>) and holds neither `ts` nor `level`.
 */

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Until then: info, logfmt. */
void log_set_level(enum log_level least);
void log_set_json(bool json);
/* "debug", "info", "warn" or "error"; false, and *level untouched, for another word. */
bool log_parse_level(const char *word, enum log_level *level);

/* Whether stderr is the journal's, as systemd.exec(5) says of $JOURNAL_STREAM; asked once, at
 * start. */
void log_find_journal(void);

/*
 * What this thread works on: every line it writes carries these ids unless it names them itself.
 * Borrowed until the next call; NULL: nothing.
 */
struct log_ids {
	const char *event, *run, *issue, *delivery; /* NULL: not known */
};
void log_about(const struct log_ids *ids);

/* Key, value pairs of strings; a NULL value leaves its pair out; a NULL key ends. */
__attribute__((sentinel)) void log_event(enum log_level level, const char *message, ...);

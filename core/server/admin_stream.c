#include "server/admin_stream.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/follow.h"
#include "base/id.h"
#include "pipeline/news.h"
#include "server/reply.h"

#define EVENTS "text/event-stream"
#define TEXT "text/plain; charset=utf-8"
#define BEAT ": still here\n\n"
#define FACTS 64 /* at most, in one piece */

static void refuse(struct conn *conn, const struct err *err)
{
	reply_error(conn,
		    err->code == ERR_NOTFOUND	? 404
		    : err->code == ERR_CONFLICT ? 409
						: 500,
		    err->text);
}

/* ---- news ---- */

/* Numbers mean something only to the daemon that gave them. */
struct watcher {
	struct news *news;
	uint64_t at;
	bool begun, lost;
};

static enum stream_state next_news(void *ctx, struct buf *out)
{
	struct watcher *watcher = ctx;
	const char *kind = NULL;

	if (!watcher->begun)
		buf_appendf(out, "retry: 2000\n\n");
	watcher->begun = true;
	for (int i = 0; i < FACTS; i++) {
		_cleanup_free_ char *text = NULL;
		const enum news_found found =
		    watcher->lost ? NEWS_LOST
				  : news_next(watcher->news, &watcher->at, &kind, &text);
		if (found == NEWS_NONE)
			break;
		if (found == NEWS_LOST)
			buf_appendf(out, "event: lost\ndata: {}\n\n");
		else
			buf_appendf(out, "id: %s-%" PRIu64 "\nevent: %s\ndata: %s\n\n",
				    news_name(watcher->news), watcher->at, kind, text);
		watcher->lost = false;
	}
	return STREAM_MORE;
}

/* Goes on behind the fact that a client saw last. */
static void resume(struct watcher *watcher, const char *last, size_t len)
{
	const char *name = news_name(watcher->news);
	const size_t before = strlen(name);
	char number[24], *end;

	if (len <= before + 1 || len - before >= sizeof(number) ||
	    memcmp(last, name, before) != 0 || last[before] != '-') {
		watcher->lost = true;
		return;
	}
	snprintf(number, sizeof(number), "%.*s", (int)(len - before - 1), last + before + 1);
	errno = 0;
	const uint64_t at = strtoull(number, &end, 10);
	if (errno || *end || !isdigit((unsigned char)number[0]))
		watcher->lost = true;
	else
		watcher->at = at;
}

static void serve_news(const struct admin_api *api, struct streams *streams, struct conn *conn,
		       const char *last, size_t len)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));
	struct err err;

	if (!watcher) {
		err_set(&err, ERR_NOMEM, "out of memory");
		refuse(conn, &err);
		return;
	}
	watcher->news = pipeline_news(api->pipeline);
	watcher->at = news_last(watcher->news);
	if (last)
		resume(watcher, last, len);
	stream_start(streams, conn,
		     &(struct stream_source){ next_news, free, watcher, EVENTS, BEAT });
}

/* ---- the log of a run ---- */

struct reader {
	struct store *store;
	struct follow *follow; /* NULL: the run has not started */
	char run_id[ID_SIZE];
	bool events, wait; /* as events; until the run has ended */
};

static void reader_free(void *ctx)
{
	struct reader *reader = ctx;

	follow_free(reader->follow);
	free(reader);
}

static bool has_ended(const json_t *run)
{
	const char *state = json_str(run, "state");

	return state && strcmp(state, "ended") == 0;
}

static void append_event(struct buf *out, const char *kind, json_t *object)
{
	_cleanup_free_ char *text = object ? json_text(object) : NULL;

	json_decref(object);
	if (text)
		buf_appendf(out, "event: %s\ndata: %s\n\n", kind, text);
}

/* Before the run is asked about again: what ends between the two is read at the next turn. */
static int read_more(struct reader *reader, bool ended, struct buf *out)
{
	struct buf text = { 0 };
	struct err err;
	const int rc = reader->follow ? follow_read(reader->follow, ended, &text, &err) : 0;

	if (rc > 0 && reader->events)
		append_event(out, "log", json_pack("{s:s}", "text", text.bytes));
	else if (rc > 0)
		buf_append(out, text.bytes, text.len);
	buf_done(&text);
	return rc;
}

/* The file is there as soon as the run has started. */
static void open_late(struct reader *reader, const json_t *run)
{
	const char *path = json_str(run, "log_path");
	struct err ignored;

	if (!reader->follow && path)
		reader->follow = follow_open(path, &ignored);
}

static enum stream_state next_log(void *ctx, struct buf *out)
{
	struct reader *reader = ctx;
	struct err err;
	json_t *run = store_brief(reader->store, reader->run_id, &err);
	const bool ended = !run || has_ended(run);

	open_late(reader, run);
	const int rc = read_more(reader, ended, out);
	const bool over = rc < 0 || (rc == 0 && (ended || !reader->wait));
	if (over && reader->events && run)
		append_event(out, "end",
			     json_pack("{s:O?, s:O?}", "state", json_at(run, "state"), "outcome",
				       json_at(run, "outcome")));
	json_decref(run);
	return over ? STREAM_ENDS : STREAM_MORE;
}

/* NULL with 0: it is not there yet and is waited for. */
static int open_log(const json_t *run, bool wait, struct follow **follow, struct err *err)
{
	const char *path = json_str(run, "log_path");

	*follow = path ? follow_open(path, err) : NULL;
	if (*follow || (wait && !has_ended(run) && (!path || err->code == ERR_NOTFOUND)))
		return 0;
	if (!path && has_ended(run))
		return err_set(err, ERR_NOTFOUND, "it ended before it started: there is no log");
	if (!path)
		return err_set(err, ERR_CONFLICT,
			       "it has not started yet: `openpr-webhook logs -f RUN` waits for it");
	if (err->code == ERR_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "its log is not kept any more");
	return -1;
}

static int make_reader(const struct admin_api *api, const char *run_id, bool wait,
		       struct reader **made, struct err *err)
{
	json_t *run = store_brief(api->store, run_id, err);
	struct reader *reader = calloc(1, sizeof(*reader));
	int rc = run ? 0 : -1;

	if (rc == 0 && !reader)
		rc = err_set(err, ERR_NOMEM, "out of memory");
	if (rc == 0)
		rc = open_log(run, wait, &reader->follow, err);
	json_decref(run);
	if (rc < 0) {
		free(reader);
		return -1;
	}
	reader->store = api->store;
	reader->wait = wait;
	snprintf(reader->run_id, sizeof(reader->run_id), "%s", run_id);
	*made = reader;
	return 0;
}

static void serve_log(const struct admin_api *api, struct streams *streams, struct conn *conn,
		      const char *run_id, bool events, bool wait)
{
	struct reader *reader = NULL;
	struct err err;

	if (make_reader(api, run_id, wait, &reader, &err) < 0) {
		refuse(conn, &err);
		return;
	}
	reader->events = events;
	stream_start(streams, conn,
		     &(struct stream_source){ next_log, reader_free, reader, events ? EVENTS : TEXT,
					      events ? BEAT : NULL });
}

/* ---- which ---- */

/* "/api/runs/RUN/log" with an id, in lower case; what follows is the query, or NULL. */
static bool is_log(const char *path, char run_id[ID_SIZE], const char **query)
{
	static const char before[] = "/api/runs/", behind[] = "/log";
	const char *at = path + sizeof(before) - 1;

	if (strncmp(path, before, sizeof(before) - 1) != 0 || strlen(at) < ID_SIZE - 1 ||
	    strncmp(at + ID_SIZE - 1, behind, sizeof(behind) - 1) != 0)
		return false;
	const char *end = at + ID_SIZE - 1 + sizeof(behind) - 1;
	if (*end && *end != '?')
		return false;
	for (int i = 0; i < ID_SIZE - 1; i++)
		run_id[i] = (char)tolower((unsigned char)at[i]);
	run_id[ID_SIZE - 1] = '\0';
	*query = *end ? end + 1 : NULL;
	return id_valid(run_id);
}

bool admin_stream_serve(const struct admin_api *api, struct streams *streams, struct conn *conn,
			const char *method, const char *path, const char *last_event_id, size_t len)
{
	char run_id[ID_SIZE];
	const char *query = NULL;

	if (strcmp(method, "GET") != 0)
		return false;
	if (strcmp(path, "/api/stream") == 0) {
		serve_news(api, streams, conn, last_event_id, len);
		return true;
	}
	if (!is_log(path, run_id, &query))
		return false;
	if (query && strcmp(query, "follow=0") != 0 && strcmp(query, "follow=1") != 0) {
		reply_error(conn, 400, "follow is 0 or 1, and there is no other parameter");
		return true;
	}
	serve_log(api, streams, conn, run_id, query != NULL,
		  query && strcmp(query, "follow=1") == 0);
	return true;
}

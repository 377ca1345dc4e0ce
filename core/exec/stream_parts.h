#pragma once

/* What the readers of the three formats share; private to stream*.c. */

#include "base/buf.h"
#include "base/json.h"
#include "exec/output.h"
#include "exec/stream.h"

#define CAUSE_SIZE 1024
#define SHOWN_MOST 2048u

struct stream {
	enum stream_kind kind;
	struct buf line;
	bool skipping;	  /* inside a line that was too long */
	bool recognised;  /* one line of the format was seen */
	struct buf plain; /* the end of what was printed, until recognised */

	char *session, *final_text;
	int64_t input_tokens, output_tokens;
	double cost_usd;

	bool ended;    /* the event that ends a good run was the last of its kind */
	char *reason;  /* opencode: of the last step_finish; claude: subtype of the last result */
	int64_t turns; /* claude */
	bool is_error; /* claude */
	struct tail shown;
	struct buf step;	  /* opencode: texts of the step */
	char failure[CAUSE_SIZE]; /* "" or what went wrong for good, in the CLI's words */
	char denied[CAUSE_SIZE];  /* claude: tools it was not allowed, "Bash, Write" */
	char trouble[CAUSE_SIZE]; /* "" or what went wrong for now */
	char hint[CAUSE_SIZE];
	char cause[CAUSE_SIZE + 64];
};

/* One line of the format.  True when it is one. */
bool stream_codex_line(struct stream *stream, const json_t *line);
bool stream_claude_line(struct stream *stream, const json_t *line);
bool stream_opencode_line(struct stream *stream, const json_t *line);

/* NULL for success, else the words after "PROGRAM: "; may use stream->failure.  Only called with
 * exit code 0 or without a failure of its own: see stream.c. */
const char *stream_codex_judge(struct stream *stream, int exit_code);
const char *stream_claude_judge(struct stream *stream, int exit_code);
const char *stream_opencode_judge(struct stream *stream, int exit_code);

/* Fills one of the CAUSE_SIZE texts: white space squeezed, no control characters, cut. */
__attribute__((format(printf, 2, 3))) void stream_say(char text[CAUSE_SIZE], const char *fmt, ...);

/* Adds a line to what people are shown: a mark ("$ ", "") and the last SHOWN_MOST bytes of a JSON
 * string; nothing happens for other values. */
void stream_show(struct stream *stream, const char *mark, const json_t *value);

/* Replaces *text by a bounded copy of a JSON string; nothing happens for other values. */
void stream_keep(char **text, const json_t *value);
/* The first id of the run that was told. */
void stream_keep_session(struct stream *stream, const char *id);

/* Sums where -1 means "not told". */
void stream_count(int64_t *sum, int64_t more);
void stream_cost(struct stream *stream, double more);

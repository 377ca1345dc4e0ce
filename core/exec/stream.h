#pragma once

/*
 * Reads a CLI's machine-readable output as it comes and judges the end (agents.md 4).  Memory is
 * bounded whatever comes: lines over the cap are skipped, texts are cut.  Bytes from outside:
 * fuzzed by tests/fuzz/fuzz_stream.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exec/whitelist.h"

/* Texts are kept a little longer than they are told, so that a secret across the cut is found. */
#define STREAM_TEXT_MOST (64u * 1024)
#define STREAM_TEXT_SLACK (4u * 1024)
#define STREAM_LINE_MOST (1024u * 1024)

struct stream;

struct stream *stream_new(enum stream_kind kind); /* NULL: no memory */
void stream_free(struct stream *stream);	  /* accepts NULL */
void stream_feed(struct stream *stream, const char *bytes, size_t len);

struct stream_verdict {
	bool success;		/* by the stream and the exit code together */
	bool recognised;	/* false: not the expected format, judged by exit code alone */
	const char *cause;	/* NULL on success */
	const char *final_text; /* NULL: none; what was printed, when not recognised */
	const char *session_id; /* NULL: none yet */
	int64_t input_tokens, output_tokens; /* -1: not told */
	double cost_usd;		     /* < 0: not told */
	const char *shown; /* the end of the conversation as people read it: texts, commands and
			      what they printed; NULL when not recognised */
	size_t shown_len;
};

/* NULL until the stream told it. */
const char *stream_session(const struct stream *stream);

/* The last trouble that the CLI itself still hoped to overcome ("api retry 3 of 10 ..."), for a run
 * that had to be stopped; NULL: none. */
const char *stream_trouble(const struct stream *stream);

/* What the CLI said on stderr last, for a failure that its stream does not explain. */
void stream_hint(struct stream *stream, const char *text, size_t len);

/* exit_code -1 with a signal when killed.  Strings are borrowed from the stream. */
void stream_judge(struct stream *stream, int exit_code, int signal, struct stream_verdict *verdict);

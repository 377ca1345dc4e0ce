#pragma once

/* The words of a run's life, the same in the store, in answers, logs, reports and policies. */

enum outcome {
	OUTCOME_NONE, /* not ended */
	OUTCOME_SUCCESS,
	OUTCOME_FAILURE,
	OUTCOME_TIMEOUT,
	OUTCOME_CANCELLED,
	OUTCOME_INTERRUPTED, /* cut off by our own crash, kill or drain */
};

const char *outcome_name(enum outcome outcome); /* "success"...; NULL for NONE */
enum outcome outcome_parse(const char *name);	/* NONE for NULL or an unknown name */

#pragma once

/*
 * Prometheus' text format, version 0.0.4.  A family is opened once and its samples follow at once,
 * as the format demands.  Zero-initialise, then read `text`; buf_done(&exposition.text).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/histogram.h"

struct exposition {
	struct buf text;
	bool failed;	    /* no memory: the text is not whole */
	const char *family; /* that is open; borrowed until the next one */
};

enum exposition_kind { EXPOSITION_COUNTER, EXPOSITION_GAUGE, EXPOSITION_HISTOGRAM };

/* Names and label names are ours; label values may be anything: made UTF-8 and escaped. */
void exposition_open(struct exposition *exposition, const char *family, enum exposition_kind kind,
		     const char *help);
void exposition_number(struct exposition *exposition, int64_t number);
/* Of up to two labels; the second one's name may be NULL. */
struct exposition_label {
	const char *name, *value;
};
void exposition_labelled(struct exposition *exposition, struct exposition_label first,
			 struct exposition_label second, int64_t number);
/* label.name NULL: none. */
void exposition_histogram(struct exposition *exposition, struct exposition_label label,
			  struct histogram *histogram);

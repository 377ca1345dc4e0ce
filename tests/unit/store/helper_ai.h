#pragma once

/* What the tests of AI tasks share beyond helper.h. */

#include "helper.h"

/* The one row that ends an AI task; delivers all before it. */
static inline struct store_report *take_ai_end(struct store *store)
{
	struct store_report *report;

	while ((report = take(store)) && report->kind != REPORT_AI_COMPLETE &&
	       report->kind != REPORT_AI_FAIL) {
		if (report->kind == REPORT_FORMAT)
			ok(store_expand_report(store, report->id, NULL, 0, &err));
		else
			ok(store_report_delivered(store, report->id, &err));
		store_report_free(report);
	}
	return report;
}

static inline void assert_text(const char *json, const char *path, const char *expected)
{
	struct err err;
	json_t *body = json_parse(json, strlen(json), &err);

	assert_non_null(body);
	assert_string_equal(json_str(body, path), expected);
	json_decref(body);
}

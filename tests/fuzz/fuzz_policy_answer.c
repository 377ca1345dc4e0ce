/*
 * What a policy worker sends: the first byte chooses whether the rest is a stream of frames or the
 * answer to one of the questions.  No crash, and outputs stay within their bounds.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "policy/answer.h"
#include "policy/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_text(const char *text, size_t size)
{
	const size_t len = strnlen(text, size);

	check(len < size && utf8_valid(text, len));
}

static void scan_frames(const char *bytes, size_t len)
{
	struct frame frame;
	size_t used;

	while (protocol_scan(bytes, len, &frame, &used) > 0) {
		check(used >= PROTOCOL_HEAD && used <= len);
		check(frame.bytes == bytes + PROTOCOL_HEAD && frame.len == used - PROTOCOL_HEAD);
		check(frame.kind >= FRAME_ANSWER && frame.kind <= FRAME_LINES);
		check(frame.len > 0 || frame.kind <= FRAME_LAST || frame.kind == FRAME_NOTE);
		bytes += used;
		len -= used;
	}
}

static void read_decision(const char *text, size_t len)
{
	struct policy_decision decision;
	struct err err;

	if (answer_decide(text, len, &decision, &err) < 0)
		return;
	check_text(decision.rule, sizeof(decision.rule));
	check_text(decision.filter_rule, sizeof(decision.filter_rule));
	check_text(decision.reason, sizeof(decision.reason));
	check(decision.target_count <= POLICY_TARGETS);
	check((decision.action == POLICY_ACCEPT) == (decision.target_count > 0));
	for (size_t i = 0; i < decision.target_count; i++) {
		check_text(decision.targets[i].agent, sizeof(decision.targets[i].agent));
		check(decision.targets[i].agent[0] && decision.targets[i].timeout >= 0);
	}
}

static void read_texts(const char *text, size_t len)
{
	struct buf out = { 0 };
	struct err err;
	char *comment, *state;
	enum policy_rendered kind = RENDERED_TEXT;
	size_t count = 0;

	if (answer_render(text, len, &out, &kind, &err) == 0)
		check(kind == RENDERED_NEEDS_ISSUE || kind == RENDERED_EVENT ||
		      (out.len > 0 && strlen(out.bytes) == out.len));
	buf_clear(&out);
	if (answer_rules(text, len, &out, &err) == 0 && out.bytes)
		check(utf8_valid(out.bytes, out.len));
	buf_clear(&out);
	if (answer_load(text, len, &out, &count, &err) == 0)
		check(count > 0 || out.len == 0);
	buf_done(&out);
	json_t *told = answer_told(text, len, &err);
	check(!told || json_is_array(json_at(told, "policies")));
	json_decref(told);
	if (answer_callback(text, len, &comment, &state, &err) == 0) {
		check(!comment || utf8_valid(comment, strlen(comment)));
		check(!state || strlen(state) <= 64 * 3);
		free(comment);
		free(state);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = (const char *)data + 1;

	if (size == 0)
		return 0;
	if (data[0] == 'f') {
		scan_frames(rest, size - 1);
	} else {
		read_decision(rest, size - 1);
		read_texts(rest, size - 1);
	}
	return 0;
}

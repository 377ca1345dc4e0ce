#include "policy/question.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/protocol.h"

static int put(struct buf *out, const char *text)
{
	return buf_append(out, text, strlen(text));
}

/* ,"name":value */
static int put_json(struct buf *out, const char *name, const json_t *value)
{
	_cleanup_free_ char *text = value ? json_text(value) : NULL;

	if (!value)
		return 0;
	return text && buf_appendf(out, ",\"%s\":", name) == 0 ? put(out, text) : -1;
}

static int put_agent(struct buf *out, const char *agent)
{
	json_t *value = agent ? json_string(agent) : NULL;
	const int rc = agent && !value ? -1 : put_json(out, "agent", value);

	json_decref(value);
	return rc;
}

int question_write(struct buf *out, const struct policy_event *event, const char *agent,
		   const json_t *run, struct err *err)
{
	const int64_t now = event->now;

	if (event->body_len > PROTOCOL_MOST / 2)
		return err_set(err, ERR_POLICY, "the event is too large for a policy");
	if (buf_appendf(out, "{\"now\":%" PRId64 ".%03d", now / 1000, (int)(now % 1000)) < 0 ||
	    put_json(out, "ours", event->ours) < 0 || put_agent(out, agent) < 0 ||
	    put_json(out, "run", run) < 0 ||
	    (event->skip_filter && put(out, ",\"skip_filter\":true") < 0))
		goto nomem;
	if (event->completion &&
	    (put(out, ",\"completion\":") < 0 || put(out, event->completion) < 0))
		goto nomem;
	if (put(out, ",\"body\":") < 0 || buf_append(out, event->body, event->body_len) < 0 ||
	    put(out, "}") < 0)
		goto nomem;
	if (out->len > PROTOCOL_MOST)
		return err_set(err, ERR_POLICY, "the event is too large for a policy");
	return 0;
nomem:
	return err_set(err, ERR_NOMEM, "no memory to ask a policy");
}

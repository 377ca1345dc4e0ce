#include "gateway/answers.h"

#include <string.h>

#define JOB_ID_MOST 128

/* NULL for what is no object. */
static json_t *object(const char *body, size_t len)
{
	struct err err;
	json_t *root = len > 0 ? json_parse(body, len, &err) : NULL;

	if (json_is_object(root))
		return root;
	json_decref(root);
	return NULL;
}

void openclaw_read(const char *body, size_t len, struct openclaw_answer *answer)
{
	json_t *root = object(body, len);

	*answer = (struct openclaw_answer){
		.root = root,
		.run_id = json_str(root, "runId"),
		.status = json_str(root, "completion.status"),
		.disposition = json_str(root, "completion.replyDisposition"),
		.delivery_error = json_str(root, "completion.deliveryError"),
		.delivered = json_is_true(json_at(root, "completion.delivered")),
	};
}

static const char *checked_id(const char *id)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

	if (!id || !id[0] || id[0] == '.' || strlen(id) > JOB_ID_MOST ||
	    id[strspn(id, allowed)] != '\0')
		return NULL;
	return id;
}

void openprx_read(const char *body, size_t len, struct openprx_answer *answer)
{
	json_t *root = object(body, len);
	const json_t *response = json_at(root, "result.response");
	const char *error = json_str(root, "error");

	if (!json_is_string(response))
		response = json_at(root, "response");
	if (!json_is_string(response) && json_is_string(json_at(root, "result")))
		response = json_at(root, "result");
	*answer = (struct openprx_answer){
		.root = root,
		.job_id = checked_id(json_str(root, "job_id")),
		.status = json_str(root, "status"),
		.response = json_string_value(response),
		.response_len = json_is_string(response) ? json_string_length(response) : 0,
		.error = error ? error : json_str(root, "result.error"),
		.http_status = json_int(root, "http_status", 0),
		.elapsed = json_int(root, "elapsed_ms", -1),
	};
}

enum openprx_conflict openprx_conflict(const struct openprx_answer *answer)
{
	static const char *const words[] = {
		[CONFLICT_PROCESSING] = "processing",
		[CONFLICT_REQUEST] = "request_conflict",
		[CONFLICT_NO_REPLAY] = "replay_unavailable",
		[CONFLICT_NO_RETRY] = "retry_unavailable",
	};

	for (int i = CONFLICT_PROCESSING; answer->status && i <= CONFLICT_NO_RETRY; i++)
		if (strcmp(answer->status, words[i]) == 0)
			return (enum openprx_conflict)i;
	return CONFLICT_UNKNOWN;
}

#include "callback/judge.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "base/utf8.h"

#define QUOTE_MAX 200 /* bytes of a message or page that we repeat */

enum { NO_CODE = -1 };

/* A part of what OpenPR said, on one line, fit for a log. */
static void quote(const char *text, size_t len, char out[QUOTE_MAX + 1])
{
	const size_t most = len > 4 * QUOTE_MAX ? 4 * QUOTE_MAX : len;
	_cleanup_free_ char *repaired = utf8_repair(text, most, NULL);
	_cleanup_free_ char *redacted = repaired ? redact(repaired, strlen(repaired), NULL) : NULL;
	size_t used = redacted ? utf8_clip(redacted, strlen(redacted), QUOTE_MAX) : 0;

	for (size_t i = 0; i < used; i++)
		out[i] = iscntrl((unsigned char)redacted[i]) ? ' ' : redacted[i];
	while (used > 0 && out[used - 1] == ' ')
		used--;
	out[used] = '\0';
}

static openpr_result by_code(int64_t code)
{
	if (code == 401 || code == 403)
		return OPENPR_DENIED;
	if (code == 404)
		return OPENPR_GONE;
	if (code == 408 || code == 425 || code == 429)
		return OPENPR_RETRY;
	/* A 500 may come after the comment was committed (OpenPR makes AI tasks of its mentions
	 * afterwards). */
	return code >= 400 && code <= 499 ? OPENPR_REFUSED : OPENPR_UNKNOWN;
}

/* OpenPR's own verdicts come as codes, so a bare status is a proxy's, or says that the URL is not
 * OpenPR's: a bare 404 or redirect does not mean that the issue is gone. */
static openpr_result by_status(long status)
{
	if (status == 404 || status == 410 || (status >= 300 && status <= 399))
		return OPENPR_RETRY;
	return by_code(status);
}

static openpr_result refuse_status(long status, const char *body, size_t len, struct err *err)
{
	const openpr_result result = by_status(status);
	char said[QUOTE_MAX + 1];

	quote(body, len, said);
	err_set(err, ERR_INVALID, "HTTP %ld%s%s%s", status,
		status >= 200 && status <= 299 ? " and no answer of OpenPR's"
		: result == OPENPR_RETRY       ? ", not from OpenPR's API (is the URL right?)"
					       : "",
		said[0] ? ": " : "", said);
	return result;
}

/* `code` as a number, also where it is written as a string. */
static int64_t code_of(const json_t *envelope)
{
	const json_t *code = json_object_get(envelope, "code");
	const char *text = json_string_value(code);
	char *end;

	if (json_is_integer(code) && json_integer_value(code) >= 0)
		return json_integer_value(code);
	if (!text || !isdigit((unsigned char)text[0]) || strlen(text) > 4)
		return NO_CODE;
	const long value = strtol(text, &end, 10);
	return *end == '\0' ? value : NO_CODE;
}

static openpr_result refuse_code(const json_t *envelope, int64_t code, struct err *err)
{
	const json_t *message = json_object_get(envelope, "message");
	char said[QUOTE_MAX + 1] = "";

	if (json_is_string(message))
		quote(json_string_value(message), json_string_length(message), said);
	err_set(err,
		code == 404		     ? ERR_NOTFOUND
		: code == 400 || code == 409 ? ERR_CONFLICT
					     : ERR_INVALID,
		"OpenPR answered code %lld%s%s", (long long)code, said[0] ? ": " : "", said);
	return by_code(code);
}

openpr_result judge_rest(long status, const char *body, size_t len, json_t **data, struct err *err)
{
	struct err unread;

	body = body ? body : "";
	json_t *envelope = json_parse(body, len, &unread);
	const int64_t code = code_of(envelope);
	openpr_result result;

	if (code == NO_CODE || (code == 0 && (status < 200 || status > 299))) {
		result = refuse_status(status, body, len, err);
	} else if (code != 0) {
		result = refuse_code(envelope, code, err);
	} else {
		json_t *found = json_object_get(envelope, "data");
		*data = found ? json_incref(found) : json_null();
		result = OPENPR_OK;
	}
	json_decref(envelope);
	return result;
}

/* The three digits of the first "API error 404 from /" or "HTTP 502 " (the MCP server's own words,
 * OpenPR client/mod.rs; everything behind is somebody's message), with by_code or by_status. */
static openpr_result by_hint(const char *text)
{
	static const struct {
		const char *before, *after;
		bool is_code;
	} hints[] = { { "API error ", " from /", true }, { "HTTP ", " ", false } };
	const char *first = NULL;
	openpr_result result = OPENPR_UNKNOWN;

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		const char *at = strstr(text, hints[i].before);
		const char *digits = at ? at + strlen(hints[i].before) : NULL;

		if (!at || (first && at > first) || strspn(digits, "0123456789") != 3 ||
		    strncmp(digits + 3, hints[i].after, strlen(hints[i].after)) != 0)
			continue;
		const int number = atoi(digits);
		first = at;
		result = hints[i].is_code ? by_code(number) : by_status(number);
	}
	return result;
}

static openpr_result refuse_rpc(const json_t *error, struct err *err)
{
	const int64_t code = json_int(error, "code", 0);
	const json_t *message = json_object_get(error, "message");
	char said[QUOTE_MAX + 1] = "";

	if (json_is_string(message))
		quote(json_string_value(message), json_string_length(message), said);
	err_set(err, ERR_CONFLICT, "the MCP server answered error %lld%s%s", (long long)code,
		said[0] ? ": " : "", said);
	/* JSON-RPC 2.0: parse error, invalid request, no such method, invalid params.  The rest
	 * are troubles of the server, perhaps half-way. */
	const bool ours = code == -32700 || (code <= -32600 && code >= -32602);
	return ours ? OPENPR_REFUSED : OPENPR_UNKNOWN;
}

static const json_t *text_of(const json_t *result)
{
	const json_t *content = json_object_get(result, "content");
	size_t i;
	json_t *item;

	json_array_foreach(content, i, item)
	{
		const json_t *text = json_object_get(item, "text");
		if (json_is_string(text))
			return text;
	}
	return NULL;
}

static openpr_result judge_result(const json_t *result, json_t **data, struct err *err)
{
	const json_t *is_error = json_object_get(result, "isError");
	const json_t *text = text_of(result);
	char said[QUOTE_MAX + 1] = "";

	if (!is_error || json_is_false(is_error) || json_is_null(is_error)) {
		if (text)
			return judge_rest(200, json_string_value(text), json_string_length(text),
					  data, err);
		err_set(err, ERR_INVALID, "the MCP server's answer has no text");
		return OPENPR_UNKNOWN;
	}
	if (text)
		quote(json_string_value(text), json_string_length(text), said);
	err_set(err, ERR_CONFLICT, "MCP tool failed%s%s", said[0] ? ": " : "", said);
	return text ? by_hint(json_string_value(text)) : OPENPR_UNKNOWN;
}

openpr_result judge_mcp(long status, const char *body, size_t len, const char *id, json_t **data,
			struct err *err)
{
	struct err unread;

	body = body ? body : "";
	json_t *answer = json_parse(body, len, &unread);
	const json_t *error = json_object_get(answer, "error");
	const json_t *result = json_object_get(answer, "result");
	const char *answered = json_str(answer, "id");
	openpr_result verdict;

	if (status < 200 || status > 299 || (!json_is_object(error) && !json_is_object(result))) {
		verdict = refuse_status(status, body, len, err);
	} else if (json_is_object(error)) {
		verdict = refuse_rpc(error, err);
	} else if (!answered || strcmp(answered, id) != 0) {
		err_set(err, ERR_INVALID, "the MCP server answered another request");
		verdict = OPENPR_UNKNOWN;
	} else {
		verdict = judge_result(result, data, err);
	}
	json_decref(answer);
	return verdict;
}

openpr_result judge_silence(bool sent, enum err_code reason, bool reading)
{
	if (reason == ERR_FULL && reading)
		return OPENPR_REFUSED; /* it will be as large the next time */
	return sent ? OPENPR_UNKNOWN : OPENPR_RETRY;
}

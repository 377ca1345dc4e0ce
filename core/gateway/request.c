#include "gateway/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "base/utf8.h"

void request_done(struct request *request)
{
	free(request->url);
	strings_done(&request->headers);
	free(request->body);
	*request = (struct request){ 0 };
}

int request_url(struct request *request, const char *base, const char *path, struct err *err)
{
	free(request->url);
	if (asprintf(&request->url, "%s%s", base, path) >= 0)
		return 0;
	request->url = NULL;
	return err_set(err, ERR_NOMEM, "no memory for a request");
}

int request_header(struct request *request, struct err *err, const char *fmt, ...)
{
	_cleanup_free_ char *line = NULL;
	va_list args;

	va_start(args, fmt);
	const int len = vasprintf(&line, fmt, args);
	va_end(args);
	if (len < 0)
		line = NULL;
	if (line && strings_add(&request->headers, line) == 0)
		return 0;
	return err_set(err, ERR_NOMEM, "no memory for a request");
}

int request_json(struct request *request, json_t *object, struct err *err)
{
	free(request->body);
	request->body = object ? json_text(object) : NULL;
	request->body_len = request->body ? strlen(request->body) : 0;
	json_decref(object);
	return request->body ? 0 : err_set(err, ERR_NOMEM, "no memory for a request");
}

void request_origin(const char *url, char origin[ORIGIN_SIZE])
{
	const char *host = url ? strstr(url, "://") : NULL;

	origin[0] = '\0';
	if (host)
		snprintf(origin, ORIGIN_SIZE, "%.*s",
			 (int)((size_t)(host + 3 - url) + strcspn(host + 3, "/?#")), url);
}

static json_t *clean_text(const char *text, size_t len)
{
	size_t clean_len = 0;
	_cleanup_free_ char *clean = text ? redact(text, len, &clean_len) : NULL;

	if (!clean || !utf8_valid(clean, clean_len))
		return json_null();
	return json_stringn(clean, clean_len);
}

json_t *request_describe(const struct request *request, struct err *err)
{
	json_t *names = json_array();

	json_array_append_new(names, json_string("Content-Type"));
	if (request->bearer)
		json_array_append_new(names, json_string("Authorization"));
	for (size_t i = 0; i < request->headers.count; i++)
		json_array_append_new(names, json_stringn(request->headers.items[i],
							  strcspn(request->headers.items[i], ":")));
	json_t *shown = json_pack("{s:s, s:o, s:o, s:o}", "method", request->method, "url",
				  clean_text(request->url, strlen(request->url)), "headers", names,
				  "body", clean_text(request->body, request->body_len));
	if (!shown)
		err_set(err, ERR_NOMEM, "no memory to describe a request");
	return shown;
}

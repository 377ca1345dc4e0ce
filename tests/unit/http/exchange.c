#include "exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct result call(struct http *http, struct http_request request, const char *base,
		   const char *path)
{
	struct result result = { 0 };
	char url[256];

	snprintf(url, sizeof(url), "%s%s", base, path);
	request.url = url;
	if (!request.method)
		request.method = "GET";
	if (!request.timeout)
		request.timeout = 20000;
	if (!request.max_response)
		request.max_response = 1 << 20;
	result.rc = http_call(http, &request, &result.response, &result.err);
	return result;
}

void done(struct result *result)
{
	http_response_done(&result->response);
}

struct http *new_http(const atomic_bool *stop)
{
	struct err err;
	struct http *http = http_new(stop, &err);

	assert_non_null(http);
	return http;
}

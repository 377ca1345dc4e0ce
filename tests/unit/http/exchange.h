#pragma once

/* One http_call() with what most tests want. */

#include "http/http.h"
#include "peer.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

struct result {
	int rc;
	struct http_response response;
	struct err err;
};

/* GET, 20 s and 1 MiB where the request says nothing.  done() in any case. */
struct result call(struct http *http, struct http_request request, const char *base,
		   const char *path);
void done(struct result *result);

/* Never NULL; http_free(). */
struct http *new_http(const atomic_bool *stop);

#pragma once

/* One request that owns all its parts, so that it can be sent twice, or only be described. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "exec/strings.h"
#include "http/http.h"

struct request {
	const char *method; /* borrowed */
	char *url;
	const char *bearer;	/* borrowed; NULL: none */
	struct strings headers; /* "Name: value" */
	char *body;		/* NULL: none */
	size_t body_len;
	const char *content_type; /* borrowed; NULL: JSON */
	bool public_only;
	int64_t timeout; /* ms for an answer */
};

void request_done(struct request *request);

/* Both fill err with ERR_NOMEM on -1. */
int request_url(struct request *request, const char *base, const char *path, struct err *err);
__attribute__((format(printf, 3, 4))) int request_header(struct request *request, struct err *err,
							 const char *fmt, ...);
/* Takes the object, also on failure. */
int request_json(struct request *request, json_t *object, struct err *err);

/* "https://host:port" of a URL, or "" for none: what may be shown of it.  A path may be a secret.
 */
#define ORIGIN_SIZE 272
void request_origin(const char *url, char origin[ORIGIN_SIZE]);

/* gateway_describe() of it. */
json_t *request_describe(const struct request *request, struct err *err);

#pragma once

/* The opening handshake of RFC 6455 section 4, the client's side: bytes only. */

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

#define UPGRADE_KEY_SIZE 25   /* of Sec-WebSocket-Key, with its NUL */
#define UPGRADE_MAX_HEAD 8192 /* bytes of the answer's head */

int upgrade_make_key(char key[UPGRADE_KEY_SIZE], struct err *err); /* ERR_NOMEM */

/* The request.  ERR_CONFIG when a part cannot stand in a header, ERR_NOMEM. */
int upgrade_request(const char *host, const char *target, const char *token, const char *key,
		    struct buf *out, struct err *err);

/* Bytes of the answer's head with the empty line behind it; 0 while more has to come, -1
 * (ERR_INVALID) when it is longer than UPGRADE_MAX_HEAD. */
ssize_t upgrade_end(const char *bytes, size_t len, struct err *err);

/*
 * Judges a whole head.  0: the connection is a WebSocket now.  -1: err says why not, in the words
 * of an operator; ERR_CONFIG where the control plane refuses us as we are (401, 403, 404, ...),
 * ERR_INVALID where it speaks no WebSocket.
 */
int upgrade_judge(const char *head, size_t len, const char *key, struct err *err);

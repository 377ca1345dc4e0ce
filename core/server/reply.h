#pragma once

/* Answers: JSON or text, with exact length. */

#include <stdbool.h>
#include <stddef.h>

#include <h2o.h>

struct conn;

struct reply {
	int status;
	const char *type; /* NULL: application/json */
	const char *body; /* copied */
	size_t len;
	int retry_after;   /* s; 0: no such header */
	const char *allow; /* 405: the methods there are; NULL: no such header */
	bool bearer;	   /* 401: asks for a token */
	bool close;
};

/* Answers the connection's request; nothing of it may be used afterwards. */
void reply_send(struct conn *conn, const struct reply *reply);
/* {"error": text} */
void reply_error(struct conn *conn, int status, const char *text);

/* A whole last answer as bytes, {"error": text}, which the caller frees.  `text` needs no escaping.
 */
char *reply_raw(int status, const char *text, size_t *len);

/* Makes libh2o's own error answers (broken chunks) look like ours. */
void reply_register(h2o_pathconf_t *path);

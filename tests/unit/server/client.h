#pragma once

/* A client that sends exactly the bytes it is given. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_PATIENCE 20000 /* ms; far more than any answer needs */

int client_connect(uint16_t port);
int client_connect_path(const char *path); /* a unix socket; -1 when refused */

/* Fails the test when not everything could be sent. */
void client_send(int fd, const void *bytes, size_t len);
void client_say(int fd, const char *text);
/* Sends what the server takes; false as soon as it has closed. */
bool client_try(int fd, const void *bytes, size_t len);

struct client_answer {
	int status; /* 0: closed without an answer */
	char head[4096];
	char body[65536];
	size_t len;
	char value[256]; /* of client_header() */
};

/* Reads one answer and no byte more. */
void client_read(int fd, struct client_answer *answer);
/* The value of a header (any case), in answer->value, or NULL. */
const char *client_header(struct client_answer *answer, const char *name);

/* True when the server closes within CLIENT_PATIENCE; what comes before is thrown away. */
bool client_closed(int fd);
/* True when nothing comes and nothing closes for `ms`. */
bool client_quiet(int fd, int ms);

/* Sends on a connection of its own, reads one answer, closes.  Returns the status. */
int client_ask(uint16_t port, const char *request, struct client_answer *answer);

/* A whole POST /webhook, signed; the caller frees.  `extra` are header lines with CRLF, or "". */
char *client_webhook(const char *secret, const char *body, size_t body_len, const char *extra,
		     size_t *len);
/* "sha256=" and 64 hex digits. */
void client_sign(const char *secret, const void *body, size_t len, char out[72]);

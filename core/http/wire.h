#pragma once

/*
 * A raw stream of bytes to a host, by libcurl's CONNECT_ONLY: name resolution, HTTP proxy
 * (CONNECT), TLS with certificate and host name verified.  What is spoken on it is the caller's.
 * Opening blocks, all else does not.  A `struct wire` belongs to one thread.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct wire;

struct wire_target {
	const char *url;	 /* https:// or http://; only its host and port count */
	const char *ca_file;	 /* PEM; NULL: the system's store.  Either, never both */
	const char *client_cert; /* PEM; NULL: none is shown */
	const char *client_key;	 /* PEM; NULL: it is in client_cert */
	const char *proxy;	 /* http://...; NULL: as the environment says; "": none */
	bool loopback;		 /* only to an address of this machine, and past any proxy */
	int64_t timeout;	 /* ms, for all of opening */
	const atomic_bool *stop; /* may be NULL; once true, opening ends with ERR_CONFLICT */
};

/* NULL with err filled: ERR_CONFLICT (stopped), ERR_TIMEOUT, ERR_NOMEM, ERR_CONFIG (a file cannot
 * be used), else ERR_IO.  When it is not NULL and the URL is https://, the peer is verified. */
struct wire *wire_open(const struct wire_target *target, struct err *err);
void wire_free(struct wire *wire); /* accepts NULL */

int wire_fd(const struct wire *wire); /* to poll; borrowed */

/* Bytes read, 0 when there are none now, or -1: the peer has closed (ERR_NOTFOUND) or it failed
 * (ERR_IO).  TLS keeps bytes that poll() does not see: read until 0. */
ssize_t wire_read(struct wire *wire, void *bytes, size_t size, struct err *err);

/* Bytes taken over for sending, which may be fewer than given and 0 while earlier ones wait; -1. */
ssize_t wire_write(struct wire *wire, const void *bytes, size_t len, struct err *err);

/* Sends what was taken over and waits.  0: all of it is gone to the kernel, or has to wait
 * (wire_waiting()); -1. */
int wire_flush(struct wire *wire, struct err *err);
bool wire_waiting(const struct wire *wire);

/* The host, and the port when it is not the scheme's own, as a Host header has it; then path and
 * query of a URL of http, https, ws or wss.  Each is the caller's to free. */
int wire_split_url(const char *url, char **host, char **target, struct err *err);

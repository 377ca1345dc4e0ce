#pragma once

/* A server for tests that answers with given bytes, however broken, and remembers what it got. */

#include <stdbool.h>
#include <stddef.h>

struct peer;

/* What it does with one request, in the order in which they come in, whatever the connection. */
struct peer_step {
	const char *answer; /* NULL: none */
	bool close;	    /* then closes; else goes on reading that connection */
	size_t repeat;	    /* sends the answer so many more times */
};

/* On a free loopback port, or at `unix_path` when that is not NULL. Past the last step it closes.
 */
struct peer *peer_start(const char *unix_path, const struct peer_step *steps, size_t count);
void peer_stop(struct peer *peer);

const char *peer_url(const struct peer *peer);	    /* http://127.0.0.1:PORT */
int peer_requests(struct peer *peer);		    /* whole requests so far */
const char *peer_request(struct peer *peer, int n); /* text of the nth, from 0 */
int peer_connections(struct peer *peer);

#pragma once

/* A real server over the stand-in, on a free port of the loopback interface. */

#include "server/server.h"
#include "stand_in.h"

#define FIXTURE_SECRET "s3cret"

struct fixture {
	struct config config;
	struct pipeline *pipeline;
	struct server *server;
	uint16_t port;
};

/* Defaults: two loops, 64 KiB bodies, 64 connections, 1 MiB unverified, 30 s. */
void fixture_defaults(struct fixture *fixture);
void fixture_start(struct fixture *fixture, int loops);
/* fixture_defaults() and fixture_start() with two loops. */
void fixture_up(struct fixture *fixture);
void fixture_down(struct fixture *fixture);

/* server_counters(): the count at "rejected.bad_head", ...; waits until it is at least `least`. */
int64_t fixture_count(struct fixture *fixture, const char *path, int64_t least);

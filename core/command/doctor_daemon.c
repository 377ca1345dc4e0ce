/* Whether a daemon runs, which, and how it fares; else whether one could listen. */

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "command/admin_client.h"
#include "command/doctor.h"

/* ---- one that runs ---- */

/* The daemon's folder in /proc is root's, for it is not dumpable; its status is for all to read. */
static long uid_of(int64_t pid)
{
	char path[64], line[256];
	long uid = -1;

	snprintf(path, sizeof(path), "/proc/%lld/status", (long long)pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "Uid:", 4) == 0)
			uid = strtol(line + 4, NULL, 10);
	if (file)
		fclose(file);
	return uid;
}

static void check_user(struct doctor *doctor, const json_t *status)
{
	const long uid = uid_of(json_int(status, "pid", -1));

	if (uid >= 0 && uid != (long)getuid())
		doctor_warn(doctor, "daemon",
			    "run doctor as the daemon's user and with its HOME and environment: "
			    "logins and rights are looked up as who asks",
			    "the daemon runs as uid %ld, you are uid %ld", uid, (long)getuid());
}

/* Reports that were given up, or a peer that has another secret: seen here first. */
static void check_counts(struct doctor *doctor, const json_t *status)
{
	const int64_t dead = json_int(status, "counts.reports_dead", 0);
	const int64_t held = json_int(status, "counts.held", 0);
	const int64_t bad = json_int(status, "counters.server.rejected.bad_signature", 0);

	if (dead > 0)
		doctor_warn(
		    doctor, "reports",
		    "`openpr-webhook runs` shows them; `retry --report RUN` sends one again",
		    "%lld were given up", (long long)dead);
	if (held > 0)
		doctor_warn(doctor, "queue",
			    "`openpr-webhook events --status held` shows them, `release EVENT` "
			    "decides one again",
			    "%lld held events or tasks wait for you", (long long)held);
	if (bad > 0)
		doctor_warn(doctor, "signatures",
			    "if nothing arrives: the secret of OpenPR's webhook is not "
			    "webhook.secret",
			    "%lld requests were refused for their signature since the start",
			    (long long)bad);
}

static void check_running(struct doctor *doctor, const json_t *status)
{
	const char *version = json_str(status, "version"), *reason = json_str(status, "reason");
	const long long pid = json_int(status, "pid", 0);

	if (json_is_false(json_at(status, "ready")))
		doctor_fail(doctor, "daemon", "its log says more", "pid %lld is not ready: %s", pid,
			    reason ? reason : "no reason given");
	else if (version && strcmp(version, OPW_VERSION) != 0)
		doctor_warn(doctor, "daemon", "restart it", "pid %lld is version %s, this is %s",
			    pid, version, OPW_VERSION);
	else
		doctor_ok(doctor, "daemon", "pid %lld runs and is ready", pid);
	check_user(doctor, status);
	check_counts(doctor, status);
}

/* ---- none ---- */

/* 0, or why nobody could listen there. */
static int try_listen(const char *address)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;
	struct addrinfo *found = NULL;
	char host[256];
	const int on = 1;

	if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	}
	if (!colon || len >= sizeof(host))
		return EINVAL;
	memcpy(host, address, len);
	host[len] = '\0';
	if (getaddrinfo(len ? host : NULL, colon + 1, &hints, &found) != 0)
		return EADDRNOTAVAIL;
	_cleanup_close_ int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error = 0;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 1) < 0)
		error = errno;
	freeaddrinfo(found);
	return error;
}

static void check_port(struct doctor *doctor)
{
	const char *address = doctor->config->webhook.listen;
	const int error = try_listen(address);

	doctor_warn(doctor, "daemon", "start it: `openpr-webhook`, or the service",
		    "none answers on %s", doctor->config->admin.listen);
	if (error == 0)
		doctor_ok(doctor, "webhook.listen", "%s is free", address);
	else
		doctor_fail(doctor, "webhook.listen",
			    error == EADDRINUSE
				? "another program listens there (`ss -ltnp` names it): end it, or "
				  "change webhook.listen"
				: "change webhook.listen",
			    "%s: %s", address, strerror(error));
}

void doctor_daemon(struct doctor *doctor)
{
	json_t *status = NULL;
	struct err err;

	switch (admin_call(doctor->config, "GET", "/api/status", &status, &err)) {
	case ADMIN_OK:
		check_running(doctor, status);
		break;
	case ADMIN_REFUSED:
		doctor_fail(doctor, "daemon",
			    "look at its log, and at admin.token where it has one",
			    "what answers on %s says: %s", doctor->config->admin.listen, err.text);
		break;
	case ADMIN_NO_DAEMON:
		check_port(doctor);
		break;
	}
	json_decref(status);
}

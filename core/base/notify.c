#include "base/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define MAX_STATUS 256

static int open_socket(const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(address.sun_path))
		return err_set(err, ERR_INVALID, "NOTIFY_SOCKET: \"%s\" is no address of a socket",
			       path);
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';

	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* An abstract name has no end but the address's length. */
	const socklen_t size =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, size) == 0)
		return fd;
	err_set(err, ERR_IO, "NOTIFY_SOCKET: %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ms; 0 when none is wanted, or of another process. */
static int64_t read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end = NULL;

	if (!usec || (pid && strtoimax(pid, NULL, 10) != getpid()))
		return 0;
	errno = 0;
	const intmax_t value = strtoimax(usec, &end, 10);
	if (errno || end == usec || *end || value <= 0 || value == INTMAX_MAX)
		return 0;
	return value < 2000 ? 1 : value / 2000;
}

int notify_open(struct notify *notify, struct err *err)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int rc = 0;

	*notify = (struct notify){ .fd = -1 };
	if (path && path[0]) {
		notify->fd = open_socket(path, err);
		rc = notify->fd < 0 ? -1 : 0;
	}
	if (notify->fd >= 0)
		notify->watchdog = read_watchdog();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return rc;
}

void notify_close(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	*notify = (struct notify){ .fd = -1 };
}

static void say(const struct notify *notify, const char *state)
{
	/* Nobody to tell when this fails: the manager is the one who does not listen. */
	if (notify->fd >= 0)
		(void)!send(notify->fd, state, strlen(state), MSG_NOSIGNAL);
}

/* `status` on one line: a line break would begin another assignment. */
static void say_with(const struct notify *notify, const char *state, const char *status)
{
	char text[MAX_STATUS];

	snprintf(text, sizeof(text), "%s\nSTATUS=%s", state, status);
	for (char *at = text + strlen(state) + 1; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	say(notify, text);
}

void notify_ready(const struct notify *notify, const char *status)
{
	say_with(notify, "READY=1", status);
}

void notify_reloading(const struct notify *notify)
{
	char text[MAX_STATUS];

	snprintf(text, sizeof(text),
		 "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reading config.lua and policies",
		 clock_mono() * 1000);
	say(notify, text);
}

void notify_stopping(const struct notify *notify, const char *status)
{
	say_with(notify, "STOPPING=1", status);
}

void notify_alive(const struct notify *notify)
{
	say(notify, "WATCHDOG=1");
}

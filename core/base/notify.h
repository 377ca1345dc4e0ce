#pragma once

/*
 * What a service manager is told, by the datagrams of sd_notify(3) on $NOTIFY_SOCKET.  Without that
 * variable every function does nothing.  Safe from any thread once opened.
 */

#include <stdint.h>

#include "base/err.h"

struct notify {
	int fd;		  /* connected; -1: nobody is told */
	int64_t watchdog; /* ms between two signs of life; 0: none are wanted */
};

/*
 * Reads $NOTIFY_SOCKET ("/path" or "@abstract"), $WATCHDOG_USEC and $WATCHDOG_PID, and takes them
 * out of the environment, so that no child speaks for us.  `watchdog` is half of what the manager
 * allows.  Call it before there are threads.  On -1 nobody is told, but the variables are gone.
 */
int notify_open(struct notify *notify, struct err *err);
void notify_close(struct notify *notify);

/* Each sends `status`, one line of text for people, along.  None blocks: what the manager does not
 * take is lost. */
void notify_ready(const struct notify *notify, const char *status);
void notify_reloading(const struct notify *notify); /* notify_ready() has to follow, also after a
						       refusal */
void notify_stopping(const struct notify *notify, const char *status);
void notify_alive(const struct notify *notify); /* the watchdog's sign of life */

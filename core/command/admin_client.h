#pragma once

/* Speaks to the running daemon over its admin socket. */

#include "base/json.h"
#include "config/config.h"

enum admin_reply {
	ADMIN_OK,
	ADMIN_REFUSED,	 /* the daemon said no: err has its words */
	ADMIN_NO_DAEMON, /* nobody answers on the socket */
};

/* `answer` is json_decref()'d by the caller on ADMIN_OK; may be NULL when it is not wanted. */
enum admin_reply admin_call(const struct config *config, const char *method, const char *path,
			    json_t **answer, struct err *err);

#pragma once

/* What `doctor` looks at, a file for each part of the host; private to core/command/doctor*.c. */

#include "base/json.h"
#include "config/config.h"

struct doctor {
	const struct config *config; /* borrowed */
	json_t *checks;		     /* array of {name, result, text, remedy} */
	bool failed;
};

/* `remedy` may be NULL. */
__attribute__((format(printf, 3, 4))) void doctor_ok(struct doctor *doctor, const char *name,
						     const char *fmt, ...);
__attribute__((format(printf, 4, 5))) void doctor_warn(struct doctor *doctor, const char *name,
						       const char *remedy, const char *fmt, ...);
__attribute__((format(printf, 4, 5))) void doctor_fail(struct doctor *doctor, const char *name,
						       const char *remedy, const char *fmt, ...);

/* Each says something in any case; none takes longer than its own bounds. */
void doctor_daemon(struct doctor *doctor);    /* running, or its port free */
void doctor_host(struct doctor *doctor);      /* containment, modes of files, disk */
void doctor_agents(struct doctor *doctor);    /* CLIs, their versions and logins */
void doctor_checkouts(struct doctor *doctor); /* working directories and git's view of them */
void doctor_openpr(struct doctor *doctor);    /* the API and the MCP server, with each token */

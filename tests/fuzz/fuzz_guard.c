/*
 * Headers of a request to the admin listener, from anybody: Host, Origin, Authorization, a line
 * each; an empty line is no such header.  In comes exactly who has the token and no Origin, under a
 * Host that is not a stranger's name.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/admin_guard.h"

#define TOKEN "0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct admin_value line(const char **at, const char *end)
{
	const char *stop = memchr(*at, '\n', (size_t)(end - *at));
	struct admin_value value = { *at, (size_t)((stop ? stop : end) - *at) };

	*at = stop ? stop + 1 : end;
	if (value.len == 0)
		value.text = NULL;
	return value;
}

static bool is_token(struct admin_value value)
{
	return value.text && value.len == sizeof("Bearer " TOKEN) - 1 &&
	       strncasecmp(value.text, "Bearer ", 7) == 0 &&
	       memcmp(value.text + 7, TOKEN, sizeof(TOKEN) - 1) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct admin_guard *guard;
	const char *at = (const char *)data, *end = at + size, *why = NULL;
	struct err err;

	if (!guard)
		guard = admin_guard_new("127.0.0.1:8092", TOKEN, false, &err);
	if (!guard)
		abort();
	if (size == 0)
		return 0;
	const struct admin_value host = line(&at, end), origin = line(&at, end);
	const struct admin_value authorization = line(&at, end);
	const int status = admin_guard_check(guard, host, origin, authorization, &why);

	if (status == 0 && (origin.text || !host.text || !is_token(authorization)))
		abort();
	if (status != 0 && (!why || (status != 401 && status != 403)))
		abort();
	if (status == 401 && is_token(authorization))
		abort();
	/* A name has a letter that is in neither an address nor "localhost". */
	if (status != 403 && host.text && memchr(host.text, 'z', host.len))
		abort();
	return 0;
}

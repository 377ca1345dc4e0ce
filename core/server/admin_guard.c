#include "server/admin_guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/hmac.h"

#define HOST_SIZE 256

struct admin_guard {
	bool tcp, any_host;
	char host[HOST_SIZE]; /* that is listened on, without port and brackets */
	struct hmac *hmac;    /* under a key of this process alone */
	unsigned char expected[HMAC_SIZE];
};

/* The host of "host:port", "host" or "[v6]:port"; -1 when it is none of these. */
static int host_of(struct admin_value value, char host[HOST_SIZE])
{
	const char *at = value.text, *end = at + value.len;
	const bool brackets = value.len > 0 && *at == '[';
	const char *stop = memchr(at, brackets ? ']' : ':', value.len);

	at += brackets;
	if (brackets && !stop)
		return -1;
	if (!stop)
		stop = end;
	const char *rest = stop + brackets;
	if (stop == at || (size_t)(stop - at) >= HOST_SIZE || memchr(at, 0, (size_t)(stop - at)))
		return -1;
	if (rest < end && *rest++ != ':')
		return -1;
	for (; rest < end; rest++)
		if (*rest < '0' || *rest > '9')
			return -1;
	memcpy(host, at, (size_t)(stop - at));
	host[stop - at] = '\0';
	return 0;
}

/* A name can be made to mean this machine by whoever owns it; an address or our own name not. */
static bool host_is_ours(const struct admin_guard *guard, struct admin_value value)
{
	unsigned char address[sizeof(struct in6_addr)];
	char host[HOST_SIZE];

	if (guard->any_host)
		return true;
	if (!value.text || host_of(value, host) < 0)
		return false;
	return strcasecmp(host, guard->host) == 0 || strcasecmp(host, "localhost") == 0 ||
	       inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Under HMAC, neither length nor content of the token can be told from the time this takes. */
static bool token_is_good(struct admin_guard *guard, struct admin_value value)
{
	static const char scheme[] = "Bearer ";
	const size_t before = sizeof(scheme) - 1;
	unsigned char given[HMAC_SIZE];
	struct err err;

	if (!value.text || value.len < before || strncasecmp(value.text, scheme, before) != 0)
		return false;
	if (hmac_sign(guard->hmac, value.text + before, value.len - before, given, &err) < 0)
		return false;
	return hmac_equal(given, guard->expected);
}

int admin_guard_check(struct admin_guard *guard, struct admin_value host, struct admin_value origin,
		      struct admin_value authorization, const char **why)
{
	if (origin.text) {
		*why = "requests of web pages are not taken";
		return 403;
	}
	if (!guard->tcp)
		return 0;
	if (!host_is_ours(guard, host)) {
		*why = "Host is none of this machine; name it by its address";
		return 403;
	}
	if (!token_is_good(guard, authorization)) {
		*why = "Authorization: Bearer with admin.token is required";
		return 401;
	}
	return 0;
}

static int learn(struct admin_guard *guard, const char *address, const char *token, struct err *err)
{
	const struct admin_value value = { address, strlen(address) };
	unsigned char key[HMAC_SIZE];

	if (!token || !token[0])
		return err_set(err, ERR_CONFIG,
			       "admin.token is required with admin.listen = \"%s\"", address);
	if (host_of(value, guard->host) < 0)
		return err_set(err, ERR_CONFIG, "admin.listen: \"%s\" is not host:port", address);
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return err_set(err, ERR_IO, "getrandom: %s", strerror(errno));
	guard->tcp = true;
	guard->hmac = hmac_new(key, sizeof(key), err);
	return guard->hmac ? hmac_sign(guard->hmac, token, strlen(token), guard->expected, err)
			   : -1;
}

struct admin_guard *admin_guard_new(const char *address, const char *token, bool any_host,
				    struct err *err)
{
	struct admin_guard *guard = calloc(1, sizeof(*guard));

	if (!guard) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	guard->any_host = any_host;
	if (!address || learn(guard, address, token, err) == 0)
		return guard;
	admin_guard_free(guard);
	return NULL;
}

void admin_guard_free(struct admin_guard *guard)
{
	if (!guard)
		return;
	hmac_free(guard->hmac);
	free(guard);
}

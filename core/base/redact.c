#include "base/redact.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define SHORTEST 4

static const char marker[] = "[secret]";

struct secret {
	char *text;
	size_t len;
};

/* The process-wide set; longest first. */
static struct {
	pthread_rwlock_t lock;
	struct secret *secrets;
	size_t count;
	bool starts[256]; /* first bytes that occur, so that most text is passed over quickly */
} known = { .lock = PTHREAD_RWLOCK_INITIALIZER };

static bool holds(const char *text, size_t len)
{
	for (size_t i = 0; i < known.count; i++)
		if (known.secrets[i].len == len && memcmp(known.secrets[i].text, text, len) == 0)
			return true;
	return false;
}

static void add_form(const char *text, size_t len)
{
	if (holds(text, len))
		return;
	struct secret *secrets = reallocarray(known.secrets, known.count + 1, sizeof(*secrets));
	char *copy = secrets ? malloc(len + 1) : NULL;

	if (secrets)
		known.secrets = secrets;
	/* A secret that cannot be remembered would be printed: stop instead. */
	if (!copy)
		abort();
	memcpy(copy, text, len + 1);
	size_t at = known.count++;

	for (; at > 0 && secrets[at - 1].len < len; at--)
		secrets[at] = secrets[at - 1];
	secrets[at] = (struct secret){ .text = copy, .len = len };
	known.starts[(unsigned char)text[0]] = true;
}

/* As a JSON writer puts it between quotes; some also escape the slash. */
static int json_form(struct buf *out, const char *text, bool escape_slash)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	int rc = 0;

	for (; *text && rc == 0; text++) {
		const char *special = strchr(from, *text);

		if (special)
			rc = buf_appendf(out, "\\%c", to[special - from]);
		else if (*text == '/' && escape_slash)
			rc = buf_append(out, "\\/", 2);
		else if ((unsigned char)*text < 0x20)
			rc = buf_appendf(out, "\\u%04X", (unsigned)(unsigned char)*text);
		else
			rc = buf_append(out, text, 1);
	}
	return rc;
}

static void add_json_form(const char *secret, bool escape_slash)
{
	struct buf form = { 0 };

	if (json_form(&form, secret, escape_slash) < 0)
		abort();
	add_form(form.bytes, form.len);
	explicit_bzero(form.bytes, form.len);
	buf_done(&form);
}

void redact_add(const char *secret)
{
	if (!secret || strlen(secret) < SHORTEST)
		return;
	pthread_rwlock_wrlock(&known.lock);
	add_form(secret, strlen(secret));
	add_json_form(secret, false);
	add_json_form(secret, true);
	pthread_rwlock_unlock(&known.lock);
}

void redact_clear(void)
{
	pthread_rwlock_wrlock(&known.lock);
	for (size_t i = 0; i < known.count; i++) {
		explicit_bzero(known.secrets[i].text, known.secrets[i].len);
		free(known.secrets[i].text);
	}
	free(known.secrets);
	known.secrets = NULL;
	known.count = 0;
	memset(known.starts, 0, sizeof(known.starts));
	pthread_rwlock_unlock(&known.lock);
}

/* Length of the longest secret that begins here, or 0. */
static size_t match(const char *text, size_t left)
{
	if (!known.starts[(unsigned char)*text])
		return 0;
	for (size_t i = 0; i < known.count; i++) {
		const struct secret *secret = &known.secrets[i];

		if (secret->len <= left && memcmp(secret->text, text, secret->len) == 0)
			return secret->len;
	}
	return 0;
}

/* Where the covered stretch that begins at `at` ends: secrets that overlap are one stretch. */
static size_t stretch_end(const char *text, size_t len, size_t at)
{
	size_t end = at + match(text + at, len - at);

	for (; at < end; at++) {
		const size_t further = at + match(text + at, len - at);

		if (further > end)
			end = further;
	}
	return end;
}

static int replace(struct buf *out, const char *text, size_t len)
{
	size_t kept = 0, at = 0;

	while (at < len) {
		const size_t end = stretch_end(text, len, at);

		if (end == at) {
			at++;
			continue;
		}
		if (buf_append(out, text + kept, at - kept) < 0 ||
		    buf_append(out, marker, sizeof(marker) - 1) < 0)
			return -1;
		kept = at = end;
	}
	return buf_append(out, text + kept, len - kept);
}

/* How many of the last bytes are the beginning of a secret. */
static size_t begun(const char *text, size_t len)
{
	size_t most = 0;

	for (size_t i = 0; i < known.count; i++) {
		const struct secret *secret = &known.secrets[i];
		size_t n = secret->len - 1 < len ? secret->len - 1 : len;

		while (n > most && memcmp(text + len - n, secret->text, n) != 0)
			n--;
		if (n > most)
			most = n;
	}
	return most;
}

size_t redact_ready(const char *text, size_t len)
{
	pthread_rwlock_rdlock(&known.lock);
	size_t ready = len - begun(text, len);
	for (size_t at = 0; at < ready;) {
		const size_t end = stretch_end(text, len, at);
		if (end > ready)
			ready = at;
		at = end > at ? end : at + 1;
	}
	pthread_rwlock_unlock(&known.lock);
	return ready;
}

char *redact(const char *text, size_t len, size_t *out_len)
{
	struct buf out = { 0 };

	pthread_rwlock_rdlock(&known.lock);
	const int rc = replace(&out, text, len);
	pthread_rwlock_unlock(&known.lock);
	if (rc < 0) {
		buf_done(&out);
		return NULL;
	}
	return buf_take(&out, out_len);
}

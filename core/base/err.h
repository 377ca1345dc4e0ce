#pragma once

/*
 * One error, worded once, by the function that knows what went wrong.
 *
 * A function that can fail returns 0 or -1 and takes a `struct err *` last.
 * On -1 the err is filled; on 0 it is untouched.  Nobody below the pipeline
 * logs: the caller that gives up does.
 */

enum err_code {
	ERR_NOMEM = 1,
	ERR_IO,	     /* the system refused: file, socket, process */
	ERR_INVALID, /* bytes from outside that are not what they should be */
	ERR_CONFIG,  /* config.lua, a policy or a template is wrong */
	ERR_POLICY,  /* a policy raised, answered nonsense or died */
	ERR_TIMEOUT,
	ERR_NOTFOUND,
	ERR_CONFLICT, /* the thing exists, but not in a state that allows this; ERR_STATE is
			 OpenSSL's */
	ERR_FULL,     /* a bound was reached, or the disk is full */
};

struct err {
	enum err_code code;
	char text[512];
};

/*
 * Fills err and always returns -1, so a caller writes `return err_set(err, ...)`.  The text is cut
 * to fit and is always valid UTF-8: bytes that are not become '?'.
 */
__attribute__((format(printf, 3, 4))) int err_set(struct err *err, enum err_code code,
						  const char *fmt, ...);

/* Puts `prefix: ` before the text that err already holds.  Always returns -1. */
__attribute__((format(printf, 2, 3))) int err_prefix(struct err *err, const char *fmt, ...);

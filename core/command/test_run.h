#pragma once

/* Runs busted beside us and answers what its specs ask. */

#include "command/test_session.h"

struct test_run {
	const char *specs; /* a folder or a file */
	const char *share; /* where lua/openpr/testing.lua lies */
	int64_t patience;  /* ms without a word from the specs until they hang */
	bool quiet;	   /* what specs print goes to standard error */
};

/*
 * 0 once busted has ended or was ended: whatever went wrong is a failure in the session.  -1: it
 * could not be started; the text says what to install.  ERR_CONFLICT: a signal asked us to stop.
 */
int test_run(struct test_session *session, const struct test_run *run, struct err *err);

#pragma once

/*
 * What `openpr-webhook test` knows while its specs run: the policies they have deployed, how each
 * test ended, and which lines ran.
 */

#include "base/json.h"
#include "config/config.h"
#include "policy/policy.h"

struct test_session;

/* Host and config are borrowed and outlive the session.  `ended`, which may be NULL, is told of
 * each test as `end` below tells it. */
struct test_session *test_session_new(struct policy_host *host, const struct config *config,
				      void (*ended)(const json_t *test), struct err *err);
void test_session_free(struct test_session *session); /* accepts NULL */

/*
 * One line of a spec (lua/openpr/testing_wire.lua), without its end:
 *   begin {name, file, line}                   a test begins
 *   end {name, file, line, status, message}    it ended; a file that does not load, too
 *   done {}                                    busted has come to its end
 *   deploy {dir, policies, templates, agents, labels}
 *   decide ID {...}, render, callback, rules   a question to deployed policies
 * The last two are answered: one line of JSON with its end is appended to `reply`.  -1: the line is
 * nothing that the helper says, or memory is short.
 */
int test_session_hear(struct test_session *session, const char *line, size_t len, struct buf *reply,
		      struct err *err);

/* The tests that have ended, in their order, as `end` tells them; borrowed. */
const json_t *test_session_results(const struct test_session *session);

/* The test that began and has not ended, as `begin` tells it; NULL: none.  Borrowed. */
const json_t *test_session_running(const struct test_session *session);

/* Whether busted has said that it came to its end. */
bool test_session_done(const struct test_session *session);

/* A failure that busted could not tell: of the test that runs, or of none. */
void test_session_fail(struct test_session *session, const char *why);

/*
 * Coverage of the policies that specs deployed from their own folder (`dir`, else policies.dir),
 * and with `all` of those in policies.dir that none did: [{file, lines, covered, percent, missed:
 * [[first, last], ...], rules, never_decided: [name, ...]}] by name; the last two where a file
 * returns rules.  A file that does not compile has "error" instead.  The caller owns it; NULL when
 * memory is short.
 */
json_t *test_session_coverage(struct test_session *session, bool all);

#pragma once

/* The stand-in for OpenPR (tests/support/openpr.lua) as a child of the test. */

#include <jansson.h>

struct mock;

struct mock *mock_start(void);
void mock_stop(struct mock *mock);

const char *mock_url(const struct mock *mock); /* http://127.0.0.1:PORT */

/* POST /_control with JSON text (printf-style); fails the test when it is refused. */
__attribute__((format(printf, 2, 3))) void mock_control(struct mock *mock, const char *fmt, ...);

/* GET /_control/state; json_decref(). */
json_t *mock_state(struct mock *mock);

#pragma once

/* The calls to OpenPR against the stand-in, over REST and over MCP. */

#include "callback/openpr.h"
#include "mock.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define BOT "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f"
#define ANN "9d2c4b6a-8e0f-4d1c-b2a3-c4d5e6f70819"
#define ISSUE "a1b2c3d4-1111-4222-8333-444455556666"
#define NO_ISSUE "a1b2c3d4-1111-4222-8333-444455556667"
#define TASK "4d5e6f70-8192-4d3e-af40-5b6c7d8e9fa0"
#define TOKEN "opr_one"
#define OTHER "opr_two"

struct fixture {
	struct mock *mock;
	struct openpr *openpr;
	struct config config;
	char mcp_url[80];
};

extern struct err err; /* of the last call */

int start_mock(void **state);
int stop_mock(void **state);
int over_rest(void **state); /* *state is a struct fixture then */
int over_mcp(void **state);
int tear_down(void **state);

#define BOTH(test)                                                                                 \
	{ #test " (rest)", test, over_rest, tear_down, NULL },                                     \
	{                                                                                          \
#test " (mcp)", test, over_mcp, tear_down, NULL                                    \
	}

openpr_result comment(struct fixture *f, const char *token, const char *issue, const char *text);
openpr_result set_state(struct fixture *f, const char *issue, const char *state);
openpr_result ai_end(struct fixture *f, const char *token, bool complete, const char *body);

/* The nth of a list in mock_state(); borrowed. */
json_t *nth(json_t *state, const char *list, size_t n);
size_t count_comments(struct fixture *f);

/* Fails unless the nth comment has this text, is the bot's, and mentions so many. */
void expect_comment(struct fixture *f, size_t n, const char *text, size_t mentions);

/* What gateways answer: OpenClaw, PRX, and whoever says in words what is wrong. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "gateway/answers.h"
#include "gateway/talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_claw(const char *text, size_t size)
{
	struct openclaw_answer answer;

	openclaw_read(text, size, &answer);
	check(answer.root || (!answer.run_id && !answer.status && !answer.delivered));
	json_decref(answer.root);
}

static void check_prx(const char *text, size_t size)
{
	struct openprx_answer answer;

	openprx_read(text, size, &answer);
	check(answer.root || (!answer.job_id && !answer.response));
	check(!answer.job_id ||
	      (!strpbrk(answer.job_id, "/?#%@ \r\n") && strlen(answer.job_id) <= 128));
	check(!answer.response || utf8_valid(answer.response, answer.response_len));
	(void)openprx_conflict(&answer);
	json_decref(answer.root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size > 0 ? (const char *)data : "";
	char words[TALK_WORDS];

	check_claw(text, size);
	check_prx(text, size);
	talk_words(text, size, words);
	check(strlen(words) < TALK_WORDS && !strpbrk(words, "\r\n\t"));
	return 0;
}

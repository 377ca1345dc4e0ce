/* What an answer means that does not take the work. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "gateway/talk.h"

enum fate { FAIL, LATER };

/* What is told apart; the rest goes by the hundreds. */
static const struct {
	long status;
	enum fate fate;
	const char *meaning; /* "" or words behind the number */
} meanings[] = {
	{ 401, FAIL, "the token or secret is not accepted there" },
	{ 403, FAIL, "this is not allowed with that token" },
	{ 404, FAIL, "there is nothing under that address" },
	{ 405, FAIL, "that address does not take this method" },
	{ 408, LATER, "the request took too long" },
	{ 410, FAIL, "it does not want these any more" },
	{ 413, FAIL, "the request is too large for it" },
	{ 425, LATER, "" },
	{ 429, LATER, "too many requests" },
	{ 501, FAIL, "" },
	{ 505, FAIL, "" },
};

void talk_words(const char *body, size_t len, char words[TALK_WORDS])
{
	static const char *const places[] = { "error.message", "error", "message", "detail" };
	struct err ignored;
	json_t *root = len > 0 ? json_parse(body, len, &ignored) : NULL;
	const char *said = NULL;
	size_t n = 0;

	words[0] = '\0';
	for (size_t i = 0; root && !said && i < sizeof(places) / sizeof(places[0]); i++)
		said = json_str(root, places[i]);
	/* Of plain text its beginning; a page is no message. */
	if (!root && len > 0 && body[0] != '<' && body[0] != '{')
		said = body;
	const size_t most = !said ? 0 : said == body ? len : strlen(said);
	for (size_t i = 0; i < most && n < TALK_WORDS - 1; i++) {
		const bool space =
		    isspace((unsigned char)said[i]) || iscntrl((unsigned char)said[i]);
		if (!space)
			words[n++] = said[i];
		else if (n > 0 && words[n - 1] != ' ')
			words[n++] = ' ';
	}
	while (n > 0 && words[n - 1] == ' ')
		n--;
	words[utf8_clip(words, n, n)] = '\0';
	json_decref(root);
}

void talk_refused(struct gateway *talk, const struct http_response *response)
{
	const long status = response->status;
	const char *meaning = "";
	enum fate fate = status >= 500 ? LATER : FAIL;
	char words[TALK_WORDS];

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].status == status) {
			fate = meanings[i].fate;
			meaning = meanings[i].meaning;
		}
	if (status >= 300 && status < 400)
		meaning = "redirects are not followed";
	talk_words(response->body.bytes, response->body.len, words);
	const char *colon = meaning[0] ? ": " : "";
	const char *open = words[0] ? " (" : "";
	const char *close = words[0] ? ")" : "";
	if (fate == LATER)
		talk_later(talk, response->retry_after, "%s answered %ld%s%s%s%s%s",
			   talk_name(talk), status, colon, meaning, open, words, close);
	else
		talk_fail(talk, "%s answered %ld%s%s%s%s%s", talk_name(talk), status, colon,
			  meaning, open, words, close);
}

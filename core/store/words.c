#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "store/internal.h"

static const char *const statuses[] = {
	[STATUS_DISPATCHED] = "dispatched",
	[STATUS_JOINED] = "joined",
	[STATUS_HELD] = "held",
	[STATUS_IGNORED] = "ignored",
	[STATUS_DUPLICATE] = "duplicate",
	[STATUS_OBSERVED] = "observed",
	[STATUS_NO_AGENT] = "no_agent",
	[STATUS_DISABLED] = "disabled",
};
static const char *const sources[] = {
	[SOURCE_WEBHOOK] = "webhook",
	[SOURCE_AI_TASK] = "ai_task",
	[SOURCE_TUNNEL] = "tunnel",
};
static const char *const kinds[] = {
	[KIND_NONE] = "none",
	[KIND_ASSIGNMENT] = "assignment",
	[KIND_MENTION] = "mention",
	[KIND_OTHER] = "other",
};
static const char *const reports[] = {
	[REPORT_FORMAT] = "format",   [REPORT_COMMENT] = "comment",
	[REPORT_STATE] = "state",     [REPORT_AI_COMPLETE] = "ai_complete",
	[REPORT_AI_FAIL] = "ai_fail",
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static size_t find(const char *const *list, size_t count, const char *word)
{
	for (size_t i = 0; word && i < count; i++)
		if (strcmp(list[i], word) == 0)
			return i;
	return 0;
}

const char *store_status_name(enum store_status status)
{
	return statuses[status];
}

const char *word_source(enum store_source source)
{
	return sources[source];
}

const char *word_kind(enum store_kind kind)
{
	return kinds[kind];
}

const char *word_report(enum store_report_kind kind)
{
	return reports[kind];
}

enum store_source word_to_source(const char *word)
{
	return (enum store_source)find(sources, COUNT(sources), word);
}

enum store_kind word_to_kind(const char *word)
{
	return (enum store_kind)find(kinds, COUNT(kinds), word);
}

enum store_status word_to_status(const char *word)
{
	return (enum store_status)find(statuses, COUNT(statuses), word);
}

enum store_report_kind word_to_report(const char *word)
{
	return (enum store_report_kind)find(reports, COUNT(reports), word);
}

/* Where a text of at most `limit` bytes begins that ends where this one does. */
static const char *tail_of(const char *text, size_t len, size_t limit)
{
	const char *from = len > limit ? text + len - limit : text;

	while (from > text && ((unsigned char)*from & 0xc0) == 0x80)
		from++;
	return from;
}

/* Cut before the repair, which can make a text three times as long, and after it. */
char *text_bounded(const char *text, size_t limit, bool from_end)
{
	if (!text)
		return NULL;

	size_t len = strlen(text);
	const char *part = from_end ? tail_of(text, len, limit) : text;
	len = strlen(part) > limit ? utf8_clip(part, strlen(part), limit) : strlen(part);
	char *out = utf8_repair(part, len, &len);
	if (!out || len <= limit)
		return out;
	if (from_end) {
		const char *from = tail_of(out, len, limit);
		memmove(out, from, strlen(from) + 1);
	} else {
		out[utf8_clip(out, len, limit)] = '\0';
	}
	return out;
}

void text_copy(char *out, size_t size, const char *text)
{
	const size_t len = text ? strlen(text) : 0;
	const size_t kept = len < size ? len : utf8_clip(text, len, size - 1);

	if (kept > 0)
		memcpy(out, text, kept);
	out[kept] = '\0';
}

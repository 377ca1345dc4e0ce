#include "exec/whitelist.h"

#include <signal.h>
#include <string.h>

#include "exec/whitelist_extra.h" /* made by CMake from OPENPR_WEBHOOK_EXTRA_EXECUTORS */

#define EXTRA(extra_name, extra_program)                                                           \
	{ .name = extra_name,                                                                      \
	  .program = extra_program,                                                                \
	  .stream = STREAM_PLAIN,                                                                  \
	  .stop_signal = SIGTERM },

/* What codex mounts over in its sandbox, so that no command can make them. */
static const char *const codex_litter[] = { ".git", ".codex", ".agents", ".aws", NULL };

/*
 * Harmless is what only says how the model works, and how much.  What names files, folders,
 * settings, tools, permissions, sessions, servers or programs is not here.
 */
static const struct argument codex_harmless[] = {
	{ "--ephemeral", ARGUMENT_ALONE },
	{ "-c", ARGUMENT_SETTING },
	{ "--config", ARGUMENT_SETTING },
	{ NULL, ARGUMENT_ALONE },
};
static const char *const codex_settings[] = { "model_reasoning_effort", "model_reasoning_summary",
					      "model_verbosity", NULL };

static const struct argument claude_harmless[] = {
	{ "--max-turns", ARGUMENT_NUMBER },
	{ "--max-budget-usd", ARGUMENT_NUMBER },
	{ "--effort", ARGUMENT_WORD },
	{ "--fallback-model", ARGUMENT_WORD },
	{ "--append-system-prompt", ARGUMENT_TEXT },
	{ NULL, ARGUMENT_ALONE },
};

static const struct argument opencode_harmless[] = {
	{ "--title", ARGUMENT_TEXT },
	{ "--variant", ARGUMENT_WORD },
	{ NULL, ARGUMENT_ALONE },
};

static const struct executor executors[] = { { .name = "codex",
					       .program = "codex",
					       .stream = STREAM_CODEX,
					       .stop_signal = SIGINT,
					       .litter = codex_litter,
					       .harmless = codex_harmless,
					       .harmless_settings = codex_settings },
					     { .name = "claude-code",
					       .program = "claude",
					       .stream = STREAM_CLAUDE,
					       .stop_signal = SIGTERM,
					       .harmless = claude_harmless },
					     { .name = "opencode",
					       .program = "opencode",
					       .stream = STREAM_OPENCODE,
					       .stop_signal = SIGTERM,
					       .harmless = opencode_harmless },
					     WHITELIST_EXTRA };

static const size_t executor_count = sizeof(executors) / sizeof(executors[0]);

static const char *stream_words(enum stream_kind stream)
{
	switch (stream) {
	case STREAM_CODEX:
		return "codex JSON lines";
	case STREAM_CLAUDE:
		return "claude stream-json";
	case STREAM_OPENCODE:
		return "opencode JSON lines";
	case STREAM_PLAIN:
		break;
	}
	return "plain text";
}

const struct executor *whitelist_find(const char *name)
{
	for (size_t i = 0; name && i < executor_count; i++)
		if (strcmp(executors[i].name, name) == 0)
			return &executors[i];
	return NULL;
}

const struct executor *whitelist_at(size_t index)
{
	return index < executor_count ? &executors[index] : NULL;
}

int whitelist_names(struct buf *out)
{
	for (size_t i = 0; i < executor_count; i++)
		if (buf_appendf(out, "%s%s", i > 0 ? ", " : "", executors[i].name) < 0)
			return -1;
	return 0;
}

int whitelist_print(struct buf *out)
{
	if (buf_appendf(out, "%-20s %-20s %s\n", "NAME", "PROGRAM", "OUTPUT") < 0)
		return -1;
	for (size_t i = 0; i < executor_count; i++)
		if (buf_appendf(out, "%-20s %-20s %s\n", executors[i].name, executors[i].program,
				stream_words(executors[i].stream)) < 0)
			return -1;
	return 0;
}

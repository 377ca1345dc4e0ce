#include "exec/permit.h"

#include <ctype.h>
#include <string.h>

#include "base/utf8.h"

/* What puts foreign code into the program itself, before its own first line. */
static const char *const loaders[] = {
	"LD_*",		"GLIBC_TUNABLES", "GCONV_PATH", "NODE_OPTIONS", "BUN_OPTIONS",
	"BUN_INSPECT*", "BASH_ENV",	  "ENV",	"BASH_FUNC_*",	NULL,
};

/* What says whose settings are loaded, which programs are found, and which guards are off. */
static const char *const settings[] = {
	"PATH",	       "HOME",	     "TMPDIR",	    "SHELL",	 "XDG_*",    "CODEX_*",
	"CLAUDE*",     "OPENCODE*",  "ANTHROPIC_*", "OPENAI_*",	 "MCP_*",    "IS_SANDBOX",
	"DISABLE_*",   "ENABLE_*",   "GIT_*",	    "NODE_*",	 "BUN_*",    "NPM_*",
	"npm_*",       "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY",
	"HTTPS_PROXY", "ALL_PROXY",  "NO_PROXY",    "OPENPR_*",	 NULL,
};

const char *const *permit_variables(void)
{
	return loaders;
}

static bool is_on(const char *const *patterns, const char *name)
{
	for (; *patterns; patterns++) {
		const size_t len = strlen(*patterns);
		const bool prefix = (*patterns)[len - 1] == '*';
		if (prefix ? strncmp(name, *patterns, len - 1) == 0 : strcmp(name, *patterns) == 0)
			return true;
	}
	return false;
}

static bool is_name(const char *name)
{
	if (!isalpha((unsigned char)name[0]) && name[0] != '_')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '_')
			return false;
	return true;
}

int permit_variable(const char *name, enum permit_source source, bool full, struct err *err)
{
	if (!is_name(name))
		return err_set(err, ERR_INVALID, "\"%.100s\" is not a variable's name", name);
	if (full)
		return 0;
	if (is_on(loaders, name))
		return err_set(err, ERR_INVALID,
			       "the variable %.100s puts foreign code into the program: it needs "
			       "permissions = \"full\"",
			       name);
	if (source == PERMIT_HANDLER && is_on(settings, name))
		return err_set(err, ERR_INVALID,
			       "the variable %.100s changes what the program may do or loads: from "
			       "a handler it needs permissions = \"full\"",
			       name);
	return 0;
}

/* ---- arguments ---- */

static bool is_number(const char *text)
{
	const size_t whole = strspn(text, "0123456789");
	const char *rest = text + whole;

	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	return whole > 0 && whole <= 9 && *rest == '\0' && strlen(text) <= 16;
}

static bool is_word(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	const size_t len = strspn(text, letters);

	return text[len] == '\0' && len <= 64 && isalnum((unsigned char)text[0]);
}

static bool is_setting(const struct executor *executor, const char *text)
{
	const char *equals = strchr(text, '=');

	for (const char *const *key = executor->harmless_settings; equals && key && *key; key++)
		if (strlen(*key) == (size_t)(equals - text) &&
		    strncmp(text, *key, (size_t)(equals - text)) == 0)
			return is_word(equals + 1);
	return false;
}

static bool is_value(const struct executor *executor, enum argument_value kind, const char *text)
{
	switch (kind) {
	case ARGUMENT_ALONE:
		break;
	case ARGUMENT_NUMBER:
		return is_number(text);
	case ARGUMENT_WORD:
		return is_word(text);
	case ARGUMENT_TEXT:
		return text[0] != '\0' && text[0] != '-';
	case ARGUMENT_SETTING:
		return is_setting(executor, text);
	}
	return false;
}

/* How many arguments, beginning with the first of these, are one that is harmless; 0: it is not. */
static size_t harmless(const struct executor *executor, const char *const *arguments, size_t count)
{
	for (const struct argument *known = executor->harmless; known && known->name; known++) {
		const size_t len = strlen(known->name);
		const char *rest = arguments[0] + len;

		if (strncmp(arguments[0], known->name, len) != 0)
			continue;
		if (known->value == ARGUMENT_ALONE && *rest == '\0')
			return 1;
		/* "-c=x" is no spelling that all programs read alike. */
		if (known->name[1] == '-' && *rest == '=' &&
		    is_value(executor, known->value, rest + 1))
			return 1;
		if (*rest == '\0' && count > 1 && is_value(executor, known->value, arguments[1]))
			return 2;
	}
	return 0;
}

static int check_text(const char *argument, struct err *err)
{
	const size_t len = strlen(argument);

	if (len > PERMIT_ARGUMENT_MOST)
		return err_set(err, ERR_INVALID, "an argument is longer than %d bytes",
			       PERMIT_ARGUMENT_MOST);
	if (!utf8_valid(argument, len))
		return err_set(err, ERR_INVALID, "an argument is not UTF-8 text");
	return 0;
}

int permit_arguments(const struct executor *executor, const char *const *arguments, size_t count,
		     bool full, struct err *err)
{
	if (count > PERMIT_ARGUMENTS)
		return err_set(err, ERR_INVALID, "more than %d arguments", PERMIT_ARGUMENTS);
	for (size_t i = 0; i < count; i++)
		if (check_text(arguments[i], err) < 0)
			return -1;
	for (size_t i = 0, used; !full && i < count; i += used) {
		used = harmless(executor, arguments + i, count - i);
		if (used == 0)
			return err_set(err, ERR_INVALID,
				       "the argument \"%.100s\" of %s is not on the list of "
				       "harmless ones: it needs permissions = \"full\"",
				       arguments[i], executor->name);
	}
	return 0;
}

/* `completion`: the script of a shell, made from the table of verbs (lua/openpr/completion.lua). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "command/command.h"
#include "script/vm.h"

static char *table_text(void)
{
	json_t *table = command_table();
	char *text = table ? json_text(table) : NULL;

	json_decref(table);
	return text;
}

int command_completion(const struct command_line *line)
{
	const struct vm_limits limits = { .memory = 16 << 20, .deadline = 5000 };
	const char *shell = line->argument;
	_cleanup_free_ char *table = table_text();
	struct buf script = { 0 };
	struct err err = { .text = "out of memory" };

	if (strcmp(shell, "bash") != 0 && strcmp(shell, "zsh") != 0)
		return command_fail(EXIT_USAGE, "completion knows bash and zsh, not \"%s\"", shell);
	struct vm *vm = table ? vm_new(VM_CONFIG, &limits, &err) : NULL;
	const int rc =
	    vm ? vm_call(vm, "openpr.completion", shell, table, strlen(table), &script, &err) : -1;
	if (rc == 0)
		fwrite(script.bytes, 1, script.len, stdout);
	buf_done(&script);
	vm_free(vm);
	return rc == 0 ? EXIT_OK : command_fail(EXIT_FAILED, "%s", err.text);
}

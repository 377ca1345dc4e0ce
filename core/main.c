/* openpr-webhook: signed OpenPR events become runs of coding agents.  All of it is in command/ and
 * below. */

#include <string.h>

#include "command/command.h"
#include "exec/runner.h"

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], RUNNER_VERB) == 0)
		return runner_main();
	return command_main(argc, argv);
}

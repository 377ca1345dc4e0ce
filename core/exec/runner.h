#pragma once

/* The runner's own main: `openpr-webhook` started with RUNNER_VERB by run_start(), spec on
 * descriptor 3.  Never returns an error to a person. */

#define RUNNER_VERB "--internal-runner"

int runner_main(void);

#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "exec/runner.h"

static char run_id[ID_SIZE];

int fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture)
		return -1;
	id_make(run_id);
	strcpy(fixture->folder, "/tmp/exec-test-XXXXXX");
	if (!mkdtemp(fixture->folder))
		return -1;
	snprintf(fixture->work, sizeof(fixture->work), "%s/work", fixture->folder);
	snprintf(fixture->log, sizeof(fixture->log), "%s/run.log", fixture->folder);
	snprintf(fixture->lock, sizeof(fixture->lock), "%s/lock", fixture->folder);
	snprintf(fixture->tmp, sizeof(fixture->tmp), "%s/%s.tmp", fixture->folder, run_id);
	snprintf(fixture->mark, sizeof(fixture->mark), "RUN_MARK=%s", run_id);
	snprintf(fixture->search_path, sizeof(fixture->search_path), "%s/tests/support/agents",
		 TEST_SOURCE_DIR);
	mkdir(fixture->work, 0700);
	fixture->spec = (struct run_spec){
		.run_id = run_id,
		.executor = "codex",
		.search_path = fixture->search_path,
		.working_dir = fixture->work,
		.permissions = PERMISSIONS_WORKSPACE,
		.timeout = 60000,
		.log_path = fixture->log,
		.max_output = 64u << 20,
		.lock_path = fixture->lock,
	};
	fixture_env(fixture, "RUN_MARK", run_id);
	fixture_prompt(fixture, "Fix the parser");
	*state = fixture;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", fixture->folder);
	const int rc = system(command);
	free(fixture);
	return rc == 0 ? 0 : -1;
}

void fixture_env(struct fixture *fixture, char *name, char *value)
{
	assert_true(fixture->env_count < sizeof(fixture->env) / sizeof(fixture->env[0]));
	fixture->env[fixture->env_count++] = (struct config_pair){ name, value };
	fixture->spec.env = fixture->env;
	fixture->spec.env_count = fixture->env_count;
}

void fixture_prompt(struct fixture *fixture, const char *prompt)
{
	fixture->spec.prompt = prompt;
	fixture->spec.prompt_len = strlen(prompt);
}

struct run *fixture_start(struct fixture *fixture)
{
	struct err err = { .text = "" };

	struct run *run = run_start(&fixture->spec, &err);
	if (!run)
		fail_msg("run_start: %s", err.text);
	return run;
}

void fixture_finish(struct run *run, int seconds, struct run_result *result)
{
	const int64_t until = clock_mono() + seconds * 1000;
	const char *session;

	while (run_read(run, &session, result) != RUN_ENDED) {
		struct pollfd news = { .fd = run_fd(run), .events = POLLIN };
		if (clock_mono() > until)
			fail_msg("the run did not end within %d s", seconds);
		poll(&news, 1, 100);
	}
	run_free(run);
}

void fixture_run(struct fixture *fixture, struct run_result *result)
{
	fixture_finish(fixture_start(fixture), 60, result);
}

char *fixture_read_path(const char *path, size_t *len)
{
	FILE *file = fopen(path, "rb");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	FILE *copy = open_memstream(&text, &size);
	char chunk[65536];
	size_t n;
	while (copy && (n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		fwrite(chunk, 1, n, copy);
	fclose(file);
	if (copy)
		fclose(copy);
	if (len)
		*len = size;
	return text;
}

char *fixture_read(const struct fixture *fixture, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture->work, name);
	return fixture_read_path(path, NULL);
}

bool fixture_wait_for(const struct fixture *fixture, const char *name, int seconds)
{
	const int64_t until = clock_mono() + seconds * 1000;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture->work, name);
	while (access(path, F_OK) < 0) {
		if (clock_mono() > until)
			return false;
		poll(NULL, 0, 20);
	}
	return true;
}

static bool carries_mark(const char *pid, const char *mark)
{
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%.16s/environ", pid);
	char *text = fixture_read_path(path, &len);
	const bool found = text && len > 0 && memmem(text, len, mark, strlen(mark)) != NULL;
	free(text);
	return found;
}

int fixture_survivors(const struct fixture *fixture)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	int count = 0;

	while (proc && (entry = readdir(proc)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
		    carries_mark(entry->d_name, fixture->mark))
			count++;
	if (proc)
		closedir(proc);
	return count;
}

int fixture_survivors_after(const struct fixture *fixture, int seconds)
{
	const int64_t until = clock_mono() + seconds * 1000;
	int count;

	while ((count = fixture_survivors(fixture)) > 0 && clock_mono() < until)
		poll(NULL, 0, 50);
	return count;
}

bool fixture_lock_is_free(const struct fixture *fixture)
{
	const int fd = open(fixture->lock, O_RDWR | O_CLOEXEC);
	const bool is_free = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd >= 0)
		close(fd);
	return is_free;
}

void fixture_be_runner(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], RUNNER_VERB) == 0)
		exit(runner_main());
}

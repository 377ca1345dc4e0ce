#include "policy_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "policy/cage.h"

#define MEMORY (16u << 20)

/* Runs act() in a child that is in its cage: its status. */
static int caged(void (*act)(void))
{
	struct err err;
	struct cage *cage = cage_new(&err);
	int status;

	assert_non_null(cage);
	const pid_t pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    cage_enter(cage, MEMORY, &err) < 0)
			_exit(99);
		act();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	cage_free(cage);
	return status;
}

static void act_open(void)
{
	open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static void act_socket(void)
{
	socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void act_execve(void)
{
	char *const argv[] = { (char *)"/bin/true", NULL };

	execve("/bin/true", argv, environ);
}

static void act_fork(void)
{
	fork();
}

static void act_kill(void)
{
	kill(getppid(), SIGTERM);
}

static void act_ptrace(void)
{
	syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void act_memfd(void)
{
	syscall(SYS_memfd_create, "x", 0);
}

static void act_prctl(void)
{
	prctl(PR_SET_DUMPABLE, 1);
}

static void act_make_code(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void act_sleep(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1 }, NULL);
}

static void forbidden_calls_kill(void **state)
{
	static void (*const acts[])(void) = { act_open,	     act_socket, act_execve, act_fork,
					      act_kill,	     act_ptrace, act_memfd,  act_prctl,
					      act_make_code, act_sleep };

	(void)state;
	if (!cage_is_real()) {
		print_message("SKIP: no seccomp in a build with a sanitizer\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		const int status = caged(acts[i]);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("act %zu ended with status %x", i, (unsigned)status);
	}
}

/* What a worker does all day. */
static void act_honestly(void)
{
	char *large = malloc(32u << 20);
	struct timespec ts;

	if (!large)
		_exit(1);
	memset(large, 1, 32u << 20);
	large = realloc(large, 48u << 20);
	free(large);
	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) < 0 || time(NULL) < 1000)
		_exit(2);
	if (write(STDERR_FILENO, "", 0) < 0)
		_exit(3);
}

static void honest_work_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(caged(act_honestly), 0);
}

static void act_greedily(void)
{
	size_t total = 0;

	while (total < (1u << 30)) {
		char *volatile piece = malloc(1u << 20); /* volatile: else it is left out */
		if (!piece)
			_exit(total > MEMORY ? 7 : 8);
		memset(piece, 1, 1u << 20);
		total += 1u << 20;
	}
}

/* Also memory that Lua does not count, which lua-cjson takes by malloc(). */
static void memory_ends(void **state)
{
	(void)state;
	if (!cage_is_real()) {
		print_message("SKIP: no RLIMIT_AS in a build with a sanitizer\n");
		skip();
	}
	const int status = caged(act_greedily);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forbidden_calls_kill),
		cmocka_unit_test(honest_work_is_allowed),
		cmocka_unit_test(memory_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "policy_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "policy/bundle.h"
#include "policy/cage.h"
#include "policy/host.h"

#define SECRET "hunter2-of-the-host-test"

struct fixture {
	struct place place;
	struct policy_bundle *bundle;
	struct policy_host *host;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct err err;

	fixture->host = policy_host_start(&err);
	if (!fixture->host)
		fail_msg("%s", err.text);
	place_make(&fixture->place);
	fixture->bundle = place_bundle(&fixture->place);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	policy_bundle_free(fixture->bundle);
	place_remove(&fixture->place);
	policy_host_free(fixture->host);
	free(fixture);
	return 0;
}

static pid_t spawn(const struct fixture *fixture, int *fd)
{
	struct err err;
	pid_t pid;

	if (host_spawn(fixture->host, bundle_fd(fixture->bundle), &pid, fd, &err) < 0)
		fail_msg("%s", err.text);
	return pid;
}

/* Bytes of a file in /proc/PID/, -1: not allowed. */
static ssize_t read_proc(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	const ssize_t n = read(fd, out, size - 1);
	close(fd);
	if (n >= 0)
		out[n] = '\0';
	return n;
}

static bool environment_has_secret(pid_t pid)
{
	char bytes[65536];
	const ssize_t n = read_proc(pid, "environ", bytes, sizeof(bytes));

	return n > 0 && memmem(bytes, (size_t)n, SECRET, strlen(SECRET)) != NULL;
}

static void secrets_stay_with_the_daemon(void **state)
{
	struct fixture *fixture = *state;
	int fd;
	const pid_t pid = spawn(fixture, &fd);

	assert_true(environment_has_secret(getpid())); /* so the look can find it */
	assert_false(environment_has_secret(policy_host_pid(fixture->host)));
	assert_false(environment_has_secret(pid));
	assert_string_equal(getenv("OPW_HOST_TEST_SECRET"), SECRET);
	close(fd);
	host_end(fixture->host, pid);
}

/* Waits until the worker has shut itself in: it answers the frame it cannot know by ending. */
static void wait_until_serving(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	const char unknown[5] = { 0, 0, 0, 0, 99 };

	assert_int_equal(write(fd, unknown, sizeof(unknown)), sizeof(unknown));
	assert_int_equal(poll(&ready, 1, 30000), 1);
}

static void has_line(pid_t pid, const char *file, const char *line)
{
	char bytes[8192];

	assert_true(read_proc(pid, file, bytes, sizeof(bytes)) > 0);
	if (!strstr(bytes, line))
		fail_msg("no '%s' in /proc/%d/%s:\n%s", line, (int)pid, file, bytes);
}

static int count_descriptors(pid_t pid)
{
	char path[64];
	int count = -2; /* . and .. */

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *folder = opendir(path);
	if (!folder)
		return -1;
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static void the_zygote_is_confined(void **state)
{
	struct fixture *fixture = *state;
	const pid_t pid = policy_host_pid(fixture->host);
	char path[64];
	struct stat st;

	has_line(pid, "status", "NoNewPrivs:\t1");
	if (cage_is_real()) /* the thread sanitizer has a thread of its own */
		has_line(pid, "status", "Threads:\t1");
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0); /* root's: not dumpable, so its memory is nobody's */
	if (geteuid() == 0)
		assert_int_equal(count_descriptors(pid), 4);
}

static void a_worker_is_confined(void **state)
{
	struct fixture *fixture = *state;
	char bytes[8192];
	int fd;
	const pid_t pid = spawn(fixture, &fd);

	/* A question makes it shut itself in first; then it waits for the next one. */
	assert_int_equal(write(fd, "\0\0\0\0\0", 5), 5);
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&ready, 1, 30000), 1);
	assert_true(read(fd, bytes, sizeof(bytes)) > 0);

	has_line(pid, "status", "NoNewPrivs:\t1");
	has_line(pid, "limits", "Max core file size        0                    0");
	if (cage_is_real()) {
		has_line(pid, "status", "Seccomp:\t2");
		has_line(pid, "limits", "Max open files            0                    0");
		assert_true(read_proc(pid, "limits", bytes, sizeof(bytes)) > 0);
		assert_null(strstr(bytes, "Max address space         unlimited"));
	}
	if (geteuid() == 0)
		assert_int_equal(count_descriptors(pid), 4);
	close(fd);
	host_end(fixture->host, pid);
}

static void a_worker_that_runs_is_killed(void **state)
{
	struct fixture *fixture = *state;
	int fd;
	const pid_t pid = spawn(fixture, &fd);
	const int status = host_end(fixture->host, pid);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(kill(pid, 0), -1);
	close(fd);
}

static void the_end_of_a_worker_is_told(void **state)
{
	struct fixture *fixture = *state;
	int fd;
	pid_t pid = spawn(fixture, &fd);

	wait_until_serving(fd);
	int status = host_end(fixture->host, pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(fd);

	pid = spawn(fixture, &fd);
	assert_int_equal(kill(pid, SIGUSR2), 0); /* ignored */
	assert_int_equal(kill(pid, SIGSEGV), 0);
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&ready, 1, 30000), 1);
	status = host_end(fixture->host, pid);
	assert_true(cage_is_real() ? WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV
				   : status != 0);
	close(fd);
}

static void a_worker_without_a_bundle_says_so(void **state)
{
	struct fixture *fixture = *state;
	char bytes[1024];
	struct err err;
	pid_t pid;
	int fd;
	const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(host_spawn(fixture->host, null, &pid, &fd, &err), 0);
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n;
	do { /* until it has ended */
		assert_int_equal(poll(&ready, 1, 30000), 1);
		n = read(fd, bytes + len, sizeof(bytes) - len);
		assert_true(n >= 0);
		len += (size_t)n;
	} while (n > 0);
	assert_non_null(memmem(bytes, len, "a worker got no policies", 24));
	close(fd);
	close(null);
	host_end(fixture->host, pid);
}

/* A terminal sends ^C to all; only the daemon decides. */
static void signals_are_for_the_daemon(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE };
	struct fixture *fixture = *state;
	int fd;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		assert_int_equal(kill(policy_host_pid(fixture->host), signals[i]), 0);
	const pid_t pid = spawn(fixture, &fd);
	assert_true(pid > 0);
	close(fd);
	host_end(fixture->host, pid);
}

static void without_a_zygote_nothing_hangs(void **state)
{
	struct fixture *fixture = *state;
	struct err err;
	pid_t pid;
	int fd, other;
	const pid_t worker = spawn(fixture, &other);

	assert_int_equal(kill(policy_host_pid(fixture->host), SIGKILL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    host_spawn(fixture->host, bundle_fd(fixture->bundle), &pid, &fd, &err), -1);
		assert_int_equal(err.code, ERR_IO);
		assert_int_equal(host_end(fixture->host, worker), -1);
	}
	/* the worker goes with its zygote */
	char byte;
	struct pollfd ready = { .fd = other, .events = POLLIN };
	assert_int_equal(poll(&ready, 1, 30000), 1);
	assert_int_equal(read(other, &byte, 1), 0);
	close(other);
}

/* A daemon that dies at once leaves neither zygote nor worker. */
static void nothing_outlives_the_daemon(void **state)
{
	struct fixture *fixture = *state;
	int ends[2], status;
	pid_t pids[2];

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	const pid_t daemon = fork();
	if (daemon == 0) {
		struct err err;
		int fd;
		struct policy_host *host = policy_host_start(&err);

		if (!host || host_spawn(host, bundle_fd(fixture->bundle), &pids[1], &fd, &err) < 0)
			_exit(1);
		pids[0] = policy_host_pid(host);
		if (write(ends[1], pids, sizeof(pids)) != sizeof(pids))
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], pids, sizeof(pids)), sizeof(pids));
	close(ends[0]);
	kill(daemon, SIGKILL);
	assert_int_equal(waitpid(daemon, &status, 0), daemon);
	for (int i = 0; i < 2; i++) /* ours now; the test hangs if one goes on */
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(secrets_stay_with_the_daemon, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_zygote_is_confined, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_worker_is_confined, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_worker_that_runs_is_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_of_a_worker_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_worker_without_a_bundle_says_so, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(signals_are_for_the_daemon, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_a_zygote_nothing_hangs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_outlives_the_daemon, set_up, tear_down),
	};

	(void)argc;
	if (!getenv(
		"OPW_HOST_TEST_SECRET")) { /* in the environment that exec gives, as a real one */
		setenv("OPW_HOST_TEST_SECRET", SECRET, 1);
		execv("/proc/self/exe", argv);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

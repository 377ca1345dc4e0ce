#include "policy/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Questions and answers in both directions (policy/protocol.h), and what malloc wastes. */
#define BUFFERS ((rlim_t)96 << 20)

struct cage {
	scmp_filter_ctx filter;
	rlim_t address_space; /* bytes the zygote has */
};

/* Memory, time, the two ends of the socket, and the end. */
static const char *const allowed[] = {
	"read",	  "write",	  "exit",      "exit_group", "brk",
	"munmap", "mremap",	  "madvise",   "futex",	     "clock_gettime",
	"time",	  "gettimeofday", "setitimer", "getrandom",  "rt_sigreturn",
};

/* Allowed without PROT_EXEC in the third argument. */
static const char *const allowed_data[] = { "mmap", "mprotect" };

bool cage_is_real(void)
{
	return !SANITIZED;
}

static int add_rules(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		const int number = seccomp_syscall_resolve_name(allowed[i]);
		if (number >= 0 && seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0) < 0)
			return -1; /* a negative number: this machine has no such call */
	}
	for (size_t i = 0; i < sizeof(allowed_data) / sizeof(allowed_data[0]); i++) {
		const int number = seccomp_syscall_resolve_name(allowed_data[i]);
		if (number >= 0 && seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
						    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) < 0)
			return -1;
	}
	return 0;
}

static rlim_t address_space(void)
{
	char text[64] = "";
	_cleanup_close_ const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	const unsigned long long pages = n > 0 ? strtoull(text, NULL, 10) : 0;

	/* Without /proc: the program with all of its libraries has about 100 MiB. */
	return pages > 0 ? (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) : (rlim_t)256 << 20;
}

struct cage *cage_new(struct err *err)
{
	struct cage *cage = calloc(1, sizeof(*cage));

	if (!cage) {
		err_set(err, ERR_NOMEM, "no memory for a seccomp filter");
		return NULL;
	}
	cage->address_space = address_space();
	cage->filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!cage->filter || add_rules(cage->filter) < 0) {
		err_set(err, ERR_IO, "cannot make a seccomp filter");
		cage_free(cage);
		return NULL;
	}
	return cage;
}

void cage_free(struct cage *cage)
{
	if (!cage)
		return;
	if (cage->filter)
		seccomp_release(cage->filter);
	free(cage);
}

static int limit(__rlimit_resource_t resource, rlim_t value, struct err *err)
{
	const struct rlimit limits = { value, value };

	if (setrlimit(resource, &limits) < 0)
		return err_set(err, ERR_IO, "cannot limit a worker: %s", strerror(errno));
	return 0;
}

int cage_enter(const struct cage *cage, size_t memory, struct err *err)
{
	if (limit(RLIMIT_CORE, 0, err) < 0 || limit(RLIMIT_FSIZE, 0, err) < 0)
		return -1;
	if (SANITIZED)
		return 0;
	if (limit(RLIMIT_NOFILE, 0, err) < 0 || limit(RLIMIT_NPROC, 0, err) < 0 ||
	    limit(RLIMIT_AS, cage->address_space + 2 * (rlim_t)memory + BUFFERS, err) < 0)
		return -1;
	const int rc = seccomp_load(cage->filter);
	if (rc < 0)
		return err_set(err, ERR_IO, "cannot load the seccomp filter: %s", strerror(-rc));
	return 0;
}

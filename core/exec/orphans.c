#include "exec/orphans.h"

#include <pthread.h>
#include <stdlib.h>

#include "exec/run.h"
#include "exec/tree.h"

/* The children of a process are its own, so there is one list a process. */
static struct {
	pthread_mutex_t lock;
	pid_t *pids;
	size_t count, cap;
} known = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The caller of these two holds the lock. */
static int make_room(struct err *err)
{
	if (known.count < known.cap)
		return 0;
	const size_t cap = known.cap ? 2 * known.cap : 16;
	pid_t *pids = realloc(known.pids, cap * sizeof(*pids));
	if (!pids)
		return err_set(err, ERR_NOMEM, "no memory to know a child by");
	known.pids = pids;
	known.cap = cap;
	return 0;
}

static bool is_known(pid_t pid, void *context)
{
	(void)context;
	for (size_t i = 0; i < known.count; i++)
		if (known.pids[i] == pid)
			return true;
	return false;
}

int run_know_pid(pid_t pid, struct err *err)
{
	pthread_mutex_lock(&known.lock);
	const int rc = make_room(err);
	if (rc == 0 && !is_known(pid, NULL))
		known.pids[known.count++] = pid;
	pthread_mutex_unlock(&known.lock);
	return rc;
}

void run_forget_pid(pid_t pid)
{
	pthread_mutex_lock(&known.lock);
	for (size_t i = 0; i < known.count; i++) {
		if (known.pids[i] == pid) {
			known.pids[i] = known.pids[--known.count];
			break;
		}
	}
	if (known.count == 0) {
		free(known.pids);
		known.pids = NULL;
		known.cap = 0;
	}
	pthread_mutex_unlock(&known.lock);
}

pid_t orphans_start_known(pid_t (*start)(void *context, struct err *err), void *context,
			  struct err *err)
{
	pid_t pid = -1;

	pthread_mutex_lock(&known.lock);
	if (make_room(err) == 0)
		pid = start(context, err);
	if (pid > 0)
		known.pids[known.count++] = pid;
	pthread_mutex_unlock(&known.lock);
	return pid;
}

bool orphans_kill(int64_t until)
{
	pthread_mutex_lock(&known.lock);
	const bool gone = tree_kill(is_known, NULL, NULL, until);
	pthread_mutex_unlock(&known.lock);
	return gone;
}

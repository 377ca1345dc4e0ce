/*
 * What one decision costs, by hand: script/bench --policies.  The shipped policies of the working
 * directory, one worker, nobody else; CPU time of this process and of the worker.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "policy/policy.h"

static double cpu(int who)
{
	struct rusage used;

	getrusage(who, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* The body of a recorded request, behind its head. */
static const char *body_of(const char *path, size_t *len)
{
	static char bytes[1 << 20];
	FILE *file = fopen(path, "rbe");

	if (!file)
		return NULL;
	const size_t all = fread(bytes, 1, sizeof(bytes) - 1, file);
	fclose(file);
	const char *end = strstr(bytes, "\r\n\r\n");
	const char *body = end ? end + 4 : bytes;
	*len = all - (size_t)(body - bytes);
	return body;
}

static int measure(struct policy_pool *pool, const char *path, int count, struct err *err)
{
	struct policy_decision decision = { 0 };
	struct policy_event event = { .body = body_of(path, &event.body_len),
				      .now = 1790756401000 };

	if (!event.body)
		return err_set(err, ERR_NOTFOUND, "cannot read %s", path);
	const int64_t start = clock_mono();
	const double used = cpu(RUSAGE_SELF);
	for (int i = 0; i < count; i++)
		if (policy_decide(pool, &event, 10000, &decision, err) < 0)
			return -1;
	printf("%-20s %8.1f %12.1f", decision.rule, (double)(clock_mono() - start) * 1e3 / count,
	       (cpu(RUSAGE_SELF) - used) / count);
	return 0;
}

/* In a zygote of its own: only what has ended is counted among children. */
static int bench(const struct config *config, const char *path, int count, struct err *err)
{
	const double before = cpu(RUSAGE_CHILDREN);
	struct policy_host *host = policy_host_start(err);
	struct policy_pool *pool = host ? policy_pool_new(host, 1, err) : NULL;
	struct policy_bundle *bundle = NULL;
	struct buf mistakes = { 0 };
	int rc = -1;

	if (pool && policy_bundle_load(config, &bundle, err) == 0)
		rc = policy_pool_use(pool, bundle, &mistakes, err);
	if (rc < 0)
		policy_bundle_free(bundle);
	else
		rc = measure(pool, path, count, err);
	buf_done(&mistakes);
	policy_pool_free(pool);
	policy_host_free(host);
	if (rc == 0)
		printf(" %14.1f\n", (cpu(RUSAGE_CHILDREN) - before) / count);
	return rc;
}

int main(int argc, char **argv)
{
	struct config_agent agent = {
		.name = (char *)"default",
		.type = (char *)"cli",
		.cli = (char *)"claude-code",
		.prompt_template = (char *)"default.txt",
		.mention_template = (char *)"mention.txt",
		.timeout = 900000,
	};
	const struct config config = {
		.agents = &agent,
		.agent_count = 1,
		.policies = { .dir = (char *)"policies",
			      .time_limit = 50,
			      .memory_limit = 16u << 20 },
		.templates_dir = (char *)"templates",
		.share_dir = (char *)".",
	};
	struct err err;

	printf("%-20s %8s %12s %14s\n", "us a decision", "wall", "our CPU", "worker's CPU");
	for (int i = 2; i < argc; i++)
		if (bench(&config, argv[i], atoi(argv[1]), &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
	return argc > 2 ? 0 : 2;
}

#include "policy_test.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"

#define PATIENCE                                                                                   \
	60000 /* ms; far more than any call takes, so that a busy machine is no failure            \
	       */

struct fixture {
	struct place place;
	struct policy_host *host;
	struct policy_pool *pool;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct err err;

	fixture->host = policy_host_start(&err);
	if (!fixture->host)
		fail_msg("%s", err.text);
	fixture->pool = policy_pool_new(fixture->host, 2, &err);
	assert_non_null(fixture->pool);
	place_make(&fixture->place);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	policy_pool_free(fixture->pool);
	policy_host_free(fixture->host);
	place_remove(&fixture->place);
	free(fixture);
	return 0;
}

/* A filter that does this for events named "boom" and accepts all others. */
static void use_filter(const struct fixture *fixture, const char *body)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "return function(event)\n  if event.name ~= \"boom\" then return accept end\n"
		 "  do %s end\n  return accept\nend\n",
		 body);
	place_write(&fixture->place, "policies/filter.lua", text);
	place_use(&fixture->place, fixture->pool);
}

static int decide(struct policy_pool *pool, const char *name, int64_t patience,
		  struct policy_decision *decision, struct err *err)
{
	char body[1024];
	const struct policy_event event = test_event(body, sizeof(body), name);

	return policy_decide(pool, &event, patience, decision, err);
}

static void works(const struct fixture *fixture)
{
	struct policy_decision decision;
	struct err err;

	if (decide(fixture->pool, "calm", PATIENCE, &decision, &err) < 0)
		fail_msg("the next call failed: %s", err.text);
	assert_int_equal(decision.action, POLICY_ACCEPT);
	assert_string_equal(decision.targets[0].agent, "one");
}

static struct err boom(const struct fixture *fixture)
{
	struct policy_decision decision;
	struct err err = { 0 };

	if (decide(fixture->pool, "boom", PATIENCE, &decision, &err) == 0)
		err.code = 0;
	return err;
}

/* ---- what a policy can do to its worker ---- */

struct attack {
	const char *body;
	enum err_code code;
};

static void attacks_end(const struct fixture *fixture, const struct attack *attacks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		use_filter(fixture, attacks[i].body);
		const struct err err = boom(fixture);
		/* a slow build may run out of time before it runs out of memory */
		const bool slow = attacks[i].code == ERR_NOMEM && err.code == ERR_TIMEOUT;
		if (err.code != attacks[i].code && !slow)
			fail_msg("%s: code %d: %s", attacks[i].body, (int)err.code, err.text);
		if (!strstr(err.text, "policies/filter.lua"))
			fail_msg("%s: does not name the file: %s", attacks[i].body, err.text);
		works(fixture);
	}
}

#define ATTACKS_END(state, attacks)                                                                \
	attacks_end(*(state), attacks, sizeof(attacks) / sizeof((attacks)[0]))

static void loops_in_lua_end(void **state)
{
	static const struct attack attacks[] = {
		{ "while true do end", ERR_TIMEOUT },
		{ "while true do pcall(function() while true do end end) end", ERR_TIMEOUT },
		{ "local function f() pcall(f) f() end f()", ERR_TIMEOUT },
		{ "local x <close> = setmetatable({}, { __close = function() while true do end end "
		  "})",
		  ERR_TIMEOUT },
		{ "local t = {} for i = 1, 1e9 do table.insert(t, 1, i) if i > 1e4 then t = {} end "
		  "end",
		  ERR_TIMEOUT },
		{ "local t = {} for i = 1, 1e3 do t[i] = i end while true do json.encode(t) end",
		  ERR_TIMEOUT },
		{ "local s = '[' .. ('1,'):rep(1e4) .. '1]' while true do json.decode(s) end",
		  ERR_TIMEOUT },
		{ "while true do local s = ('x'):rep(1e6) end", ERR_TIMEOUT },
		{ "table.sort({ 3, 1, 2 }, function() while true do end end)", ERR_TIMEOUT },
	};

	ATTACKS_END(state, attacks);
}

/* No Lua instruction is run in these, so no hook sees them: the worker's timer kills it. */
static void loops_in_c_end(void **state)
{
	static const struct attack attacks[] = {
		{ "('a'):rep(262144):find('.-b')", ERR_TIMEOUT },
		{ "('a'):rep(20000):find('.-.-b')", ERR_TIMEOUT },
		{ "('a'):rep(28):find(('a?'):rep(28) .. ('a'):rep(28))", ERR_TIMEOUT },
		{ "('a'):rep(3000):find('a*a*a*a*b')", ERR_TIMEOUT },
		{ "('('):rep(1048576):find('%b()')", ERR_TIMEOUT },
		{ "(''):rep(1e15)", ERR_TIMEOUT },
		{ "table.move({}, 1, 1e12, 2)", ERR_TIMEOUT },
		{ "pcall(table.move, {}, 1, 1e12, 2)", ERR_TIMEOUT },
		{ "('x'):rep(1e5):gsub('.', function() return ('a'):rep(1e5):find('.-b') end)",
		  ERR_TIMEOUT },
	};

	ATTACKS_END(state, attacks);
}

static void memory_bombs_end(void **state)
{
	static const struct attack attacks[] = {
		{ "return ('x'):rep(1e9)", ERR_NOMEM },
		{ "local s = 'x' while true do s = s .. s end", ERR_NOMEM },
		{ "local t = {} while true do t = { t, t } end", ERR_NOMEM },
		{ "json.decode('[' .. ('{},'):rep(1e6) .. '1]')", ERR_NOMEM },
		{ "local t = {} for _ = 1, 60 do t = { t, t } end json.encode(t)", ERR_NOMEM },
		{ "local function f() return 1 + f() end f()", ERR_NOMEM },
	};

	ATTACKS_END(state, attacks);
}

/* Names that would let a policy run where no hook looks, or out of its machine. */
static void ways_out_are_closed(void **state)
{
	static const struct attack attacks[] = {
		{ "xpcall(error, function() while true do end end)", ERR_POLICY },
		{ "setmetatable({}, { __gc = function() while true do end end })", ERR_POLICY },
		{ "coroutine.wrap(function() while true do end end)()", ERR_POLICY },
		{ "load('while true do end')()", ERR_POLICY },
		{ "require('openpr.worker')", ERR_POLICY },
		{ "string.dump(function() end)", ERR_POLICY },
		{ "('').dump(function() end)", ERR_POLICY },
		{ "io.open('/etc/passwd')", ERR_POLICY },
		{ "os.exit()", ERR_POLICY },
		{ "debug.sethook()", ERR_POLICY },
		{ "collectgarbage('stop')", ERR_POLICY },
		{ "getmetatable('').__index.format = nil", ERR_POLICY },
		{ "error({})", ERR_POLICY },
		{ "error(setmetatable({}, { __tostring = function() while true do end end }))",
		  ERR_POLICY },
		{ "return setmetatable({}, { __index = function() while true do end end })",
		  ERR_POLICY },
		{ "undefined_name()", ERR_POLICY },
		{ "made_up = 1", ERR_POLICY },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		use_filter(fixture, attacks[i].body);
		const struct err err = boom(fixture);
		if (err.code != attacks[i].code)
			fail_msg("%s: code %d: %s", attacks[i].body, (int)err.code, err.text);
		works(fixture);
	}
}

/* Nothing that one call does to what it was given is there in the next. */
static void calls_share_nothing(void **state)
{
	struct fixture *fixture = *state;

	use_filter(fixture,
		   "string.format = nil; text.clip = nil; math.floor = nil; table.concat = nil");
	boom(fixture);
	place_write(&fixture->place, "policies/filter.lua",
		    "seen = seen\nreturn function() return accept end\n");
	struct policy_bundle *bundle = place_bundle(&fixture->place);
	struct buf mistakes = { 0 };
	struct err err;
	assert_int_equal(policy_pool_check(fixture->pool, bundle, &mistakes, &err), -1);
	policy_bundle_free(bundle);
	buf_done(&mistakes);
	works(fixture);
}

/* ---- many at once ---- */

struct crowd {
	struct policy_pool *pool;
	bool sends_bombs;
	int good, wrong;
	int bombs, ended;
	char why[512];
};

static void *join_crowd(void *arg)
{
	struct crowd *crowd = arg;
	struct policy_decision decision;
	struct err err;

	for (int i = 0; i < 20; i++) {
		if (decide(crowd->pool, "calm", PATIENCE, &decision, &err) == 0 &&
		    decision.action == POLICY_ACCEPT) {
			crowd->good++;
		} else {
			crowd->wrong++;
			snprintf(crowd->why, sizeof(crowd->why), "%s", err.text);
		}
		if (!crowd->sends_bombs || i % 5 != 0)
			continue;
		crowd->bombs++;
		if (decide(crowd->pool, "boom", PATIENCE, &decision, &err) < 0 &&
		    err.code == ERR_TIMEOUT)
			crowd->ended++;
	}
	return NULL;
}

static void all_good_events_are_answered_among_bad_ones(void **state)
{
	struct fixture *fixture = *state;
	struct crowd crowd[4] = { { 0 } };
	pthread_t threads[4];
	uint64_t kills, starts;

	use_filter(fixture, "('a'):rep(262144):find('.-b')");
	for (size_t i = 0; i < 4; i++) {
		crowd[i].pool = fixture->pool;
		crowd[i].sends_bombs = i == 0;
		assert_int_equal(pthread_create(&threads[i], NULL, join_crowd, &crowd[i]), 0);
	}
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < 4; i++) {
		if (crowd[i].wrong > 0)
			fail_msg("%d good calls failed: %s", crowd[i].wrong, crowd[i].why);
		assert_int_equal(crowd[i].good, 20);
	}
	assert_int_equal(crowd[0].ended, crowd[0].bombs);
	policy_pool_counts(fixture->pool, &kills, &starts);
	assert_int_equal(kills, crowd[0].bombs);
	assert_in_range(starts, kills, kills + 3);
}

static void *decide_much(void *arg)
{
	struct crowd *crowd = arg;
	struct policy_decision decision;
	struct err err;

	for (int i = 0; i < 100; i++) {
		if (decide(crowd->pool, "calm", PATIENCE, &decision, &err) == 0)
			crowd->good++;
		else
			snprintf(crowd->why, sizeof(crowd->why), "%s", err.text);
	}
	return NULL;
}

static void a_reload_loses_no_call(void **state)
{
	struct fixture *fixture = *state;
	struct crowd crowd[2] = { { .pool = fixture->pool }, { .pool = fixture->pool } };
	pthread_t threads[2];

	place_use(&fixture->place, fixture->pool);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, decide_much, &crowd[i]), 0);
	for (int i = 0; i < 20; i++)
		place_use(&fixture->place, fixture->pool);
	for (size_t i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		if (crowd[i].good != 100)
			fail_msg("%d of 100: %s", crowd[i].good, crowd[i].why);
	}
}

/* ---- workers that die ---- */

/* The workers of this host, through /proc. */
static size_t find_workers(const struct policy_host *host, pid_t *pids, size_t most)
{
	DIR *folder = opendir("/proc");
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)) && count < most) {
		char path[300], line[512] = "", task_state;
		int pid, parent;

		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		FILE *file =
		    entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		if (!file)
			continue;
		if (fgets(line, sizeof(line), file) &&
		    sscanf(line, "%d (%*[^)]) %c %d", &pid, &task_state, &parent) == 3 &&
		    parent == policy_host_pid(host) && task_state != 'Z')
			pids[count++] = pid;
		fclose(file);
	}
	closedir(folder);
	return count;
}

/* Dead to its last thread, so that its socket is closed too. */
static bool is_gone(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	return stat(path, &st) < 0 || st.st_nlink <= 3; /* . and .. and the zombie */
}

static void kill_workers(const struct policy_host *host)
{
	pid_t pids[8], left[8];
	const size_t count = find_workers(host, pids, 8);

	assert_true(count > 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(kill(pids[i], SIGKILL), 0);
	while (find_workers(host, left, 8) > 0)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	for (size_t i = 0; i < count; i++)
		while (!is_gone(pids[i]))
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void kill_when_it_speaks(void *ctx, enum log_level level, const char *text)
{
	struct fixture *fixture = ctx;

	assert_int_equal(level, LOG_LEVEL_INFO);
	assert_string_equal(text, "policies/filter.lua: here I am");
	kill_workers(fixture->host);
}

static void a_worker_killed_in_mid_call(void **state)
{
	struct fixture *fixture = *state;

	fixture->place.config.policies.time_limit = 30000;
	policy_pool_on_log(fixture->pool, kill_when_it_speaks, fixture);
	use_filter(fixture, "log.info 'here I am' while true do end");
	const struct err err = boom(fixture);
	assert_int_equal(err.code, ERR_POLICY);
	assert_non_null(strstr(err.text, "killed by signal 9"));
	works(fixture);
}

static void a_worker_killed_while_idle_is_nobodys_loss(void **state)
{
	struct fixture *fixture = *state;

	place_use(&fixture->place, fixture->pool);
	for (int i = 0; i < 5; i++) {
		works(fixture);
		kill_workers(fixture->host);
	}
	works(fixture);
}

static void a_worker_that_ran_out_of_memory_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	uint64_t kills, starts;

	use_filter(fixture, "pcall(string.rep, 'x', 1e9)");
	assert_int_equal(boom(fixture).code, 0); /* caught: the answer counts */
	works(fixture);
	policy_pool_counts(fixture->pool, &kills, &starts);
	assert_int_equal(starts, 2);
	assert_int_equal(kills, 0);
}

/* Policies that loaded once and never again: no storm of processes, and the reason is told. */
static void workers_that_do_not_start_are_not_tried_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct policy_decision decision;
	struct err err;
	char text[256];
	uint64_t kills, starts, before;
	const int64_t until = clock_wall() + 3000;

	snprintf(
	    text, sizeof(text),
	    "if now() > %lld.%03d then error 'too late' end\nreturn function() return accept end\n",
	    (long long)(until / 1000), (int)(until % 1000));
	place_write(&fixture->place, "policies/filter.lua", text);
	place_use(&fixture->place, fixture->pool);
	works(fixture);
	while (clock_wall() <= until)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	kill_workers(fixture->host);
	policy_pool_counts(fixture->pool, &kills, &before);

	const int64_t start = clock_mono();
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(decide(fixture->pool, "calm", 0, &decision, &err), -1);
		assert_int_equal(err.code, ERR_FULL);
	}
	assert_non_null(strstr(err.text, "policies/filter.lua:1: too late"));
	policy_pool_counts(fixture->pool, &kills, &starts);
	/* one at once, and then at most each time that the wait, doubled, was over */
	int allowed = 1;
	for (int64_t wait = 100, spent = clock_mono() - start; spent >= wait; wait *= 2) {
		spent -= wait;
		allowed++;
	}
	assert_in_range(starts - before, 1, allowed);

	place_write(&fixture->place, "policies/filter.lua",
		    "return function() return accept end\n");
	place_use(&fixture->place, fixture->pool); /* a good bundle ends the wait */
	works(fixture);
}

static void without_a_zygote_events_are_kept(void **state)
{
	struct fixture *fixture = *state;
	struct policy_decision decision;
	struct err err;

	place_use(&fixture->place, fixture->pool);
	assert_int_equal(kill(policy_host_pid(fixture->host), SIGKILL), 0);
	int rc = 0;
	for (int i = 0; i < 1000 && rc == 0; i++) { /* until the worker has followed it */
		rc = decide(fixture->pool, "calm", 100, &decision, &err);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	assert_int_equal(rc, -1);
	rc = decide(fixture->pool, "calm", 100, &decision, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_FULL);
	assert_non_null(strstr(err.text, "zygote"));
}

/* ---- taking turns ---- */

struct inner {
	struct fixture *fixture;
	int rc;
	struct err err;
};

static void ask_when_it_speaks(void *ctx, enum log_level level, const char *text)
{
	struct inner *inner = ctx;
	struct policy_decision decision;

	(void)level;
	(void)text;
	inner->rc = decide(inner->fixture->pool, "calm", 50, &decision, &inner->err);
}

/* Asked from inside of a call, while the only worker is at work. */
static void a_saturated_pool_says_so(void **state)
{
	struct fixture *fixture = *state;
	struct inner inner = { .fixture = fixture };
	struct err err;

	policy_pool_free(fixture->pool);
	fixture->pool = policy_pool_new(fixture->host, 1, &err);
	assert_non_null(fixture->pool);
	policy_pool_on_log(fixture->pool, ask_when_it_speaks, &inner);
	use_filter(fixture, "log.info 'busy'");
	assert_int_equal(boom(fixture).code, 0);
	assert_int_equal(inner.rc, -1);
	assert_int_equal(inner.err.code, ERR_FULL);
	assert_string_equal(inner.err.text, "the policy workers are busy");
	works(fixture);
}

static void a_pool_without_policies_says_so(void **state)
{
	struct fixture *fixture = *state;
	struct policy_decision decision;
	struct err err;

	assert_int_equal(decide(fixture->pool, "calm", 10, &decision, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
}

/* ---- loading ---- */

static void mistakes_of(const struct fixture *fixture, struct buf *mistakes)
{
	struct policy_bundle *bundle = place_bundle(&fixture->place);
	struct err err;

	assert_int_equal(policy_pool_check(fixture->pool, bundle, mistakes, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	policy_bundle_free(bundle);
}

static void expect_mistake(const struct fixture *fixture, const char *needle)
{
	struct buf mistakes = { 0 };

	mistakes_of(fixture, &mistakes);
	if (!strstr(mistakes.bytes, needle))
		fail_msg("no '%s' in: %s", needle, mistakes.bytes);
	buf_done(&mistakes);
}

static void mistakes_are_told_all_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct buf mistakes = { 0 };

	place_write(&fixture->place, "policies/filter.lua", "return functoin() end\n");
	place_write(&fixture->place, "policies/route.lua",
		    "\nreturn rules { { \"x\", when.always, to \"three\" } }\n");
	place_write(&fixture->place, "templates/default.txt", "one\n{{no_such}}\n");
	mistakes_of(fixture, &mistakes);
	assert_non_null(strstr(mistakes.bytes, "policies/filter.lua:1: "));
	assert_non_null(strstr(mistakes.bytes, "policies/route.lua:2: no agent \"three\""));
	assert_non_null(strstr(mistakes.bytes, "templates/default.txt:2: "));
	buf_done(&mistakes);
}

static void policies_that_overrun_while_loading(void **state)
{
	struct fixture *fixture = *state;

	place_write(&fixture->place, "policies/route.lua", "\nwhile true do end\n");
	expect_mistake(fixture, "policies/route.lua:2: took longer than 1000 ms");
	place_write(&fixture->place, "policies/route.lua",
		    "pcall(function() while true do end end)\n");
	expect_mistake(fixture, "policies/route.lua:1: took longer than 1000 ms");
	place_write(&fixture->place, "policies/route.lua", "('a'):rep(1e6):find('.-b')\n");
	expect_mistake(fixture, "policies/route.lua: took longer than 1000 ms");
	place_write(&fixture->place, "policies/route.lua",
		    "local s = 'x' while true do s = s .. s end\n");
	expect_mistake(fixture, "policies/route.lua: needs more memory");
}

static void a_bad_bundle_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct policy_decision decision;
	struct buf mistakes = { 0 };
	struct err err;

	place_use(&fixture->place, fixture->pool);
	works(fixture);
	place_write(&fixture->place, "policies/route.lua",
		    "return function() return to \"two\" end\n");
	place_use(&fixture->place, fixture->pool);
	assert_int_equal(decide(fixture->pool, "calm", PATIENCE, &decision, &err), 0);
	assert_string_equal(decision.targets[0].agent, "two");

	place_write(&fixture->place, "policies/route.lua", "return nothing\n");
	struct policy_bundle *bundle = place_bundle(&fixture->place);
	assert_int_equal(policy_pool_use(fixture->pool, bundle, &mistakes, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	policy_bundle_free(bundle);
	buf_done(&mistakes);
	assert_int_equal(decide(fixture->pool, "calm", PATIENCE, &decision, &err), 0);
	assert_string_equal(decision.targets[0].agent, "two");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(loops_in_lua_end),
		TEST(loops_in_c_end),
		TEST(memory_bombs_end),
		TEST(ways_out_are_closed),
		TEST(calls_share_nothing),
		TEST(all_good_events_are_answered_among_bad_ones),
		TEST(a_reload_loses_no_call),
		TEST(a_worker_killed_in_mid_call),
		TEST(a_worker_killed_while_idle_is_nobodys_loss),
		TEST(a_worker_that_ran_out_of_memory_is_replaced),
		TEST(workers_that_do_not_start_are_not_tried_at_once),
		TEST(without_a_zygote_events_are_kept),
		TEST(a_saturated_pool_says_so),
		TEST(a_pool_without_policies_says_so),
		TEST(mistakes_are_told_all_at_once),
		TEST(policies_that_overrun_while_loading),
		TEST(a_bad_bundle_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

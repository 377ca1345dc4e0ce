#include "pool_fixture.h"

/* What a policy can do to its worker: each ends with a clean error or a killed worker, and the next
 * call works. */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(loops_in_lua_end),	   TEST(loops_in_c_end),      TEST(memory_bombs_end),
		TEST(ways_out_are_closed), TEST(calls_share_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

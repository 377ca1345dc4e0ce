#include "lua_test.h"

static void input_and_output_are_bytes(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(
	    vm_add_module(vm, "m", "return { f = function(s) return s .. s end }", &err), 0);
	assert_int_equal(buf_append(&output, "before ", 7), 0);
	assert_int_equal(vm_call(vm, "m", "f", "\0\xff", 2, &output, &err), 0);
	assert_int_equal(output.len, 11);
	assert_memory_equal(output.bytes, "before \0\xff\0\xff", 11);
	assert_int_equal(vm_call(vm, "m", "f", NULL, 0, &output, &err), 0);
	assert_int_equal(output.len, 11);
	buf_done(&output);
	vm_free(vm);
}

static void a_call_can_fail_and_the_next_one_works(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	for (int i = 0; i < 100; i++) {
		buf_clear(&output);
		assert_int_equal(test_run(vm, "error('bad day')", "", &output, &err), -1);
		assert_int_equal(err.code, ERR_POLICY);
		assert_non_null(strstr(err.text, ".lua:1: bad day"));
		assert_int_equal(output.len, 0);
		assert_int_equal(test_run(vm, "return 'good'", "", &output, &err), 0);
		assert_string_equal(output.bytes, "good");
	}
	buf_done(&output);
	vm_free(vm);
}

static void only_a_string_may_come_back(void **state)
{
	(void)state;
	test_fails("", "", ERR_POLICY, "returned a nil");
	test_fails("return 42", "", ERR_POLICY, "returned a number");
	test_fails("return {}", "", ERR_POLICY, "returned a table");
}

static void errors_may_be_any_value(void **state)
{
	(void)state;
	test_fails("error({})", "", ERR_POLICY, "not a text");
	test_fails("error()", "", ERR_POLICY, "not a text");
	test_fails("error(setmetatable({}, { __tostring = function() while true do end end }))", "",
		   ERR_POLICY, "not a text");
	test_fails("error(('\xc3\xa9'):rep(4000))", "", ERR_POLICY, "\xc3\xa9");
}

static void unknown_names_are_errors(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(vm_call(vm, "nowhere", "f", "", 0, &output, &err), -1);
	assert_non_null(strstr(err.text, "'nowhere' is not part of this binary"));
	assert_int_equal(vm_add_module(vm, "m", "return {}", &err), 0);
	assert_int_equal(vm_call(vm, "m", "f", "", 0, &output, &err), -1);
	assert_string_equal(err.text, "module m has no function f");
	assert_int_equal(vm_add_module(vm, "n", "return 'x'", &err), 0);
	assert_int_equal(vm_call(vm, "n", "len", "", 0, &output, &err), -1);
	vm_free(vm);
}

/* Lua code that would not end by itself: each is ended by the hook. */
static void loops_end(void **state)
{
	static const char *const bodies[] = {
		"while true do end",
		"while true do pcall(function() while true do end end) end",
		"local function f() pcall(f) f() end f()",
		"local function f() return f() end f()",
		"while true do coroutine.wrap(function() while true do end end)() end",
		"while true do pcall(coroutine.wrap(function() while true do end end)) end",
		"local c = coroutine.wrap(function() while true do coroutine.yield() end end) "
		"while true do c() end",
		"local t <close> = setmetatable({}, { __close = function() while true do end end "
		"})",
		"local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) "
		"while true do pcall(function() return t[1] end) end",
		"for _ = 1, math.huge do table.concat(setmetatable({}, { __index = function() "
		"return 'x' end, __len = function() return 10 end })) end",
		"while true do pcall(error) end",
		"goto a ::a:: goto a",
		"while true do local s = ('x'):rep(1000) end",
		"table.sort({ 3, 1, 2 }, function() while true do end end)",
		"('x'):rep(10):gsub('x', function() while true do end end)",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 30);
		struct buf output = { 0 };
		struct err err = { 0 };

		if (test_run(vm, bodies[i], "", &output, &err) == 0)
			fail_msg("%s: came back", bodies[i]);
		if (err.code != ERR_TIMEOUT)
			fail_msg("%s: %s", bodies[i], err.text);
		assert_non_null(strstr(err.text, "took longer than 30 ms"));
		vm_free(vm);
	}
}

/* A swallowed trip is still a trip: coroutine.close() gives the error back as a value. */
static void a_swallowed_overrun_is_reported(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 30);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(
	    test_run(vm,
		     "local co = coroutine.create(function() local x <close> = "
		     "setmetatable({}, { __close = function() while true do end end }) "
		     "coroutine.yield() end) coroutine.resume(co) coroutine.close(co) "
		     "return 'fine'",
		     "", &output, &err),
	    -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
	assert_int_equal(output.len, 0);
	vm_free(vm);
}

static void the_policy_is_named_and_not_the_runtime(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 30);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(
	    vm_add_module(vm, "openpr.spin", "return function(f) while true do f() end end", &err),
	    0);
	assert_int_equal(test_run(vm,
				  "load('local spin = ...\\n\\nspin(function() end)', "
				  "'@policies/filter.lua')(require 'openpr.spin')",
				  "", &output, &err),
			 -1);
	assert_string_equal(err.text, "policies/filter.lua:3: took longer than 30 ms");
	vm_free(vm);
}

static void each_call_has_the_whole_deadline(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 200);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	for (int i = 0; i < 40; i++) /* takes more than the limit in all, far less each */
		if (test_run(vm, "for _ = 1, 100000 do end return ''", "", &output, &err) < 0)
			fail_msg("%s", err.text);
	vm_set_deadline(vm, 10);
	assert_int_equal(test_run(vm, "while true do end", "", &output, &err), -1);
	assert_non_null(strstr(err.text, "10 ms"));
	buf_done(&output);
	vm_free(vm);
}

static void without_a_deadline_nothing_is_cut(void **state)
{
	struct vm *vm = test_vm(VM_CONFIG, TEST_MEMORY, 0);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(test_run(vm, "for _ = 1, 3000000 do end return 'done'", "", &output, &err),
			 0);
	assert_string_equal(output.bytes, "done");
	buf_done(&output);
	vm_free(vm);
}

static void memory_bombs_end(void **state)
{
	static const char *const bodies[] = {
		"return ('x'):rep(1e9)",
		"local s = 'x' while true do s = s .. s end",
		"local t = {} for i = 1, 1e9 do t[i] = {} end",
		"local t = {} while true do t = { t } end",
		"return table.concat(table.pack(('x'):rep(4000000), ('y'):rep(4000000)))",
		"local t = {} for i = 1, 1e9 do t[i .. ''] = i end",
		"local function f() return 1 + f() end f()",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		test_fails(bodies[i], "", ERR_NOMEM, "needs more memory than the 8192 KiB");
}

static void input_larger_than_the_cap_is_an_error(void **state)
{
	const size_t len = TEST_MEMORY + 1;
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;
	char *big = calloc(1, len);

	(void)state;
	assert_non_null(big);
	assert_int_equal(vm_add_module(vm, "m", "return { f = function(s) return s end }", &err),
			 0);
	assert_int_equal(vm_call(vm, "m", "f", big, len, &output, &err), -1);
	assert_int_equal(err.code, ERR_NOMEM);
	free(big);
	vm_free(vm);
}

static void a_caught_refusal_is_remembered(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(test_run(vm, "return 'calm'", "", &output, &err), 0);
	assert_false(vm_worn(vm));
	assert_int_equal(test_run(vm, "pcall(string.rep, 'x', 1e9) return ''", "", &output, &err),
			 0);
	assert_true(vm_worn(vm));
	assert_int_equal(test_run(vm, "error('unrelated')", "", &output, &err), -1);
	assert_int_equal(err.code, ERR_POLICY);
	buf_done(&output);
	vm_free(vm);
}

/* Garbage of one call does not make the next one fail. */
static void garbage_is_no_burden(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	for (int i = 0; i < 50; i++)
		if (test_run(vm, "local s = ('x'):rep(3000000) return #s .. ''", "", &output,
			     &err) < 0)
			fail_msg("call %d: %s", i, err.text);
	assert_false(vm_worn(vm));
	buf_done(&output);
	vm_free(vm);
}

static void a_state_that_does_not_fit_is_refused(void **state)
{
	struct vm_limits limits = { .deadline = 100 };
	struct err err = { 0 };

	(void)state;
	for (limits.memory = 0; limits.memory < 24 * 1024; limits.memory += 512) {
		struct vm *vm = vm_new(VM_POLICY, &limits, &err);
		if (!vm)
			assert_int_equal(err.code, ERR_NOMEM);
		vm_free(vm);
	}
	assert_int_equal(err.code, ERR_NOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_and_output_are_bytes),
		cmocka_unit_test(a_call_can_fail_and_the_next_one_works),
		cmocka_unit_test(only_a_string_may_come_back),
		cmocka_unit_test(errors_may_be_any_value),
		cmocka_unit_test(unknown_names_are_errors),
		cmocka_unit_test(loops_end),
		cmocka_unit_test(a_swallowed_overrun_is_reported),
		cmocka_unit_test(the_policy_is_named_and_not_the_runtime),
		cmocka_unit_test(each_call_has_the_whole_deadline),
		cmocka_unit_test(without_a_deadline_nothing_is_cut),
		cmocka_unit_test(memory_bombs_end),
		cmocka_unit_test(input_larger_than_the_cap_is_an_error),
		cmocka_unit_test(a_caught_refusal_is_remembered),
		cmocka_unit_test(garbage_is_no_burden),
		cmocka_unit_test(a_state_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

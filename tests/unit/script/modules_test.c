#include "lua_test.h"

#include <glob.h>

#include "script/modules.h"

/* The binary holds every file of lua/openpr/, byte for byte, and nothing else. */
static void every_lua_file_is_embedded(void **state)
{
	glob_t files;
	size_t count = 0;

	(void)state;
	/* But for testing.lua and what belongs to it, which run in busted. */
	if (glob(TEST_SOURCE_DIR "/lua/openpr/testing*.lua", 0, NULL, &files) == 0)
		count = files.gl_pathc;
	globfree(&files);
	if (glob(TEST_SOURCE_DIR "/lua/openpr/*.lua", 0, NULL, &files) != 0)
		files.gl_pathc = 0;
	for (const struct module *module = modules_embedded; module->name; module++, count++) {
		char path[512], *text;
		FILE *file;

		assert_int_equal(strncmp(module->name, "openpr.", 7), 0);
		snprintf(path, sizeof(path), TEST_SOURCE_DIR "/lua/openpr/%s.lua",
			 module->name + 7);
		file = fopen(path, "re");
		if (!file)
			fail_msg("%s is embedded, %s is not there", module->name, path);
		text = malloc(module->len + 1);
		assert_non_null(text);
		assert_int_equal(fread(text, 1, module->len + 1, file), module->len);
		assert_memory_equal(text, module->text, module->len);
		free(text);
		fclose(file);
	}
	assert_int_equal(count, files.gl_pathc);
	if (files.gl_pathc > 0)
		globfree(&files);
}

static void every_embedded_module_compiles(void **state)
{
	(void)state;
	for (const struct module *module = modules_embedded; module->name; module++) {
		struct vm *vm = test_vm(VM_POLICY, 32u << 20, 5000);
		struct buf output = { 0 };
		struct err err;

		if (test_run(vm, "require(input) return 'loaded'", module->name, &output, &err) < 0)
			fail_msg("%s: %s", module->name, err.text);
		assert_string_equal(output.bytes, "loaded");
		buf_done(&output);
		vm_free(vm);
	}
}

static void add(struct vm *vm, const char *name, const char *text)
{
	struct err err;

	assert_int_equal(vm_add_module(vm, name, text, &err), 0);
}

static void a_module_is_loaded_once(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	add(vm, "count", "loads = (loads or 0) + 1 return { name = ... }");
	add(vm, "silent", "silent_ran = true");
	assert_int_equal(test_run(vm,
				  "local a, b = require 'count', require 'count' "
				  "return tostring(a == b) .. loads .. a.name .. "
				  "tostring(require 'silent') .. tostring(silent_ran)",
				  "", &output, &err),
			 0);
	assert_string_equal(output.bytes, "true1counttruetrue");
	buf_done(&output);
	vm_free(vm);
}

static void require_knows_nothing_else(void **state)
{
	(void)state;
	test_fails("require 'socket' return ''", "", ERR_POLICY,
		   "module 'socket' is not part of this binary");
	test_fails("require 'openpr/../x' return ''", "", ERR_POLICY, "not part");
	test_fails("require {} return ''", "", ERR_POLICY, "string expected");
}

static void a_circle_is_an_error(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	add(vm, "a", "return require 'b'");
	add(vm, "b", "return require 'a'");
	assert_int_equal(test_run(vm, "require 'a' return ''", "", &output, &err), -1);
	assert_non_null(strstr(err.text, "requires itself"));
	vm_free(vm);
}

static void mistakes_name_file_and_line(void **state)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;

	(void)state;
	add(vm, "openpr.broken", "\nlocal x = = 1");
	assert_int_equal(test_run(vm, "require 'openpr.broken' return ''", "", &output, &err), -1);
	assert_non_null(strstr(err.text, "lua/openpr/broken.lua:2: "));
	vm_free(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_lua_file_is_embedded),
		cmocka_unit_test(every_embedded_module_compiles),
		cmocka_unit_test(a_module_is_loaded_once),
		cmocka_unit_test(require_knows_nothing_else),
		cmocka_unit_test(a_circle_is_an_error),
		cmocka_unit_test(mistakes_name_file_and_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#pragma once

/* Runs a piece of Lua in a vm: what these tests share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/vm.h"

#define TEST_MEMORY (8u << 20)

static inline struct vm *test_vm(enum vm_kind kind, size_t memory, int64_t deadline)
{
	const struct vm_limits limits = { .memory = memory, .deadline = deadline };
	struct err err;
	struct vm *vm = vm_new(kind, &limits, &err);

	if (!vm)
		fail_msg("%s", err.text);
	return vm;
}

/* Calls function(input, host) BODY end.  The module is a new one each time. */
static inline int test_run(struct vm *vm, const char *body, const char *input, struct buf *output,
			   struct err *err)
{
	static int serial;
	char name[32], *text = NULL;

	snprintf(name, sizeof(name), "test.m%d", ++serial);
	assert_true(
	    asprintf(&text, "local M = {} function M.f(input, host) %s end return M", body) > 0);
	int rc = vm_add_module(vm, name, text, err);
	free(text);
	if (rc == 0)
		rc = vm_call(vm, name, "f", input, strlen(input), output, err);
	return rc;
}

/* ... in a vm of its own, and the string it returns is this. */
static inline void test_gives(const char *body, const char *input, const char *expected)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err;

	if (test_run(vm, body, input, &output, &err) < 0)
		fail_msg("%s: %s", body, err.text);
	assert_string_equal(output.bytes, expected);
	buf_done(&output);
	vm_free(vm);
}

/* ... and it fails with this code and with this in the text. */
static inline void test_fails(const char *body, const char *input, enum err_code code,
			      const char *needle)
{
	struct vm *vm = test_vm(VM_POLICY, TEST_MEMORY, 5000);
	struct buf output = { 0 };
	struct err err = { 0 };

	assert_int_equal(test_run(vm, body, input, &output, &err), -1);
	if (!strstr(err.text, needle))
		fail_msg("%s: no '%s' in: %s", body, needle, err.text);
	assert_int_equal(err.code, code);
	assert_int_equal(output.len, 0);
	buf_done(&output);
	vm_free(vm);
}

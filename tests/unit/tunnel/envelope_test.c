#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/id.h"
#include "tunnel/envelope.h"

#define TS 1710000000
/* docs/tunnel.md shows this one. */
#define DISPATCH                                                                                   \
	"{\"id\":\"6f9619ff-8b86-4011-b42d-00c04fc964ff\",\"type\":\"task.dispatch\",\"ts\":"      \
	"1710000000,"                                                                              \
	"\"agent_id\":\"vano-qa\",\"payload\":{\"body\":{\"data\":{\"issue\":{\"id\":"             \
	"\"a1b2c3d4-1111-4222-8333-444455556666\",\"title\":\"\xc3\xa9/x\"}}},\"issue_id\":"       \
	"\"a1b2c3d4-1111-4222-8333-444455556666\",\"run_id\":\"r1\"}"
#define SIG "sha256=ed8129b7520a45f75abf21defc3cceec60e8730c58fcd7e8967f528d354470f1"

static struct envelope_rules rules;

static int start(void **state)
{
	struct err err;

	(void)state;
	rules = (struct envelope_rules){ .agent_id = "vano-qa",
					 .hmac = hmac_new("shared", 6, &err),
					 .seen = seen_new(&err) };
	return 0;
}

static int stop(void **state)
{
	(void)state;
	hmac_free(rules.hmac);
	seen_free(rules.seen);
	return 0;
}

/* "" when it is taken. */
static const char *verdict(const char *text, int64_t now)
{
	struct envelope envelope;
	const char *reason = "no reason";
	struct err err = { 0 };

	if (envelope_read(&rules, text, strlen(text), now, &envelope, &reason, &err) == 0)
		reason = "";
	else
		assert_true(err.text[0] != '\0');
	envelope_done(&envelope);
	return reason;
}

static void the_published_vector_is_taken(void **state)
{
	static const char text[] = DISPATCH ",\"sig\":\"" SIG "\"}";
	struct envelope envelope;
	const char *reason;
	struct err err;

	(void)state;
	assert_int_equal(envelope_read(&rules, text, strlen(text), TS, &envelope, &reason, &err),
			 0);
	assert_string_equal(envelope.id, "6f9619ff-8b86-4011-b42d-00c04fc964ff");
	assert_string_equal(envelope.type, "task.dispatch");
	assert_string_equal(json_str(envelope.payload, "body.data.issue.title"), "\xc3\xa9/x");
	envelope_done(&envelope);
}

/* Whoever writes a control plane begins with it. */
static void the_documentation_shows_it(void **state)
{
	char *line = NULL;
	size_t size = 0;
	int found = 0;

	(void)state;
	FILE *file = fopen(TEST_SOURCE_DIR "/docs/tunnel.md", "re");

	assert_non_null(file);
	while (getline(&line, &size, file) >= 0) {
		if (strncmp(line, "{\"id\":", 6) != 0)
			continue;
		assert_string_equal(verdict(line, TS), "");
		found++;
	}
	free(line);
	fclose(file);
	assert_int_equal(found, 1);
}

static void it_may_be_written_otherwise(void **state)
{
	(void)state;
	assert_string_equal(
	    verdict("{ \"sig\":\"" SIG "\", \"unknown\":1.50, \"payload\":{\"run_id\":\"r\\u0031\","
		    "\"issue_id\":\"a1b2c3d4-1111-4222-8333-444455556666\",\"body\":{\"data\":"
		    "{\"issue\":{\"title\":\"\\u00e9\\/x\",\"id\":1,\"id\":"
		    "\"a1b2c3d4-1111-4222-8333-444455556666\"}}}}, \"agent_id\":\"vano-qa\","
		    "\"ts\":1710000000,\"type\":\"task.dispatch\",\"id\":"
		    "\"6f9619ff-8b86-4011-b42d-00c04fc964ff\"}",
		    TS),
	    "");
}

static void each_fault_has_its_reason_and_the_first_counts(void **state)
{
	(void)state;
	assert_string_equal(verdict("", TS), "invalid_json");
	assert_string_equal(verdict("nothing", TS), "invalid_json");
	assert_string_equal(verdict("[]", TS), "invalid_json");
	assert_string_equal(verdict(DISPATCH "}", TS + 9999), "missing_signature");
	assert_string_equal(verdict(DISPATCH ",\"sig\":null}", TS), "missing_signature");
	assert_string_equal(verdict(DISPATCH ",\"sig\":\"\"}", TS), "bad_signature");
	assert_string_equal(verdict(DISPATCH ",\"sig\":7}", TS), "bad_signature");
	assert_string_equal(verdict(DISPATCH ",\"x\":1,\"sig\":\"" SIG "0\"}", TS),
			    "bad_signature");
	assert_string_equal(verdict(DISPATCH ",\"payload\":{},\"sig\":\"" SIG "\"}", TS),
			    "bad_signature");
	rules.agent_id = "another";
	assert_string_equal(verdict(DISPATCH ",\"sig\":\"" SIG "\"}", TS + 9999), "wrong_agent");
	rules.agent_id = "vano-qa";
	assert_string_equal(verdict(DISPATCH ",\"sig\":\"" SIG "\"}", TS + 301), "stale_ts");
	assert_string_equal(verdict(DISPATCH ",\"sig\":\"" SIG "\"}", TS - 301), "stale_ts");
	assert_string_equal(verdict(DISPATCH ",\"sig\":\"" SIG "\"}", TS + 300), "");
	assert_string_equal(verdict(DISPATCH ",\"sig\":\"" SIG "\"}", TS), "repeated_id");
}

static void each_part_must_be_what_it_should(void **state)
{
	static const char *const parts[] = { "\"id\":\"i\"", "\"type\":\"t\"", "\"ts\":5",
					     "\"agent_id\":\"vano-qa\"", "\"payload\":null" };
	static const char *const bad[] = {
		"\"id\":5",
		"\"id\":\"\"",
		"\"type\":null",
		"\"ts\":\"5\"",
		"\"ts\":5.0",
		"\"ts\":5e0",
		"\"ts\":1e30",
		"\"agent_id\":[]",
		"\"id\":\"a\\u0000\"",
		"\"payload\":{\"\\u0000\":1}",
	};
	char text[512];

	(void)state;
	hmac_free(rules.hmac);
	rules.hmac = NULL;
	for (int without = -1; without < 5; without++) {
		strcpy(text, "{\"sig\":null");
		for (int i = 0; i < 5; i++)
			if (i != without)
				sprintf(text + strlen(text), ",%s", parts[i]);
		strcat(text, "}");
		assert_string_equal(verdict(text, TS), without < 0 ? "" : "invalid_json");
	}
	for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		sprintf(text, "{%s,%s,%s,%s,%s,%s}", parts[0], parts[1], parts[2], parts[3],
			parts[4], bad[n]);
		if (strcmp(verdict(text, TS), "invalid_json") != 0)
			fail_msg("%s is taken", bad[n]);
	}
	sprintf(text, "{%s,%s,%s,%s,\"id\":\"%0129d\"}", parts[1], parts[2], parts[3], parts[4], 1);
	assert_string_equal(verdict(text, TS), "invalid_json");
}

static void what_is_written_can_be_read(void **state)
{
	json_t *payload =
	    json_pack("{s:s, s:[i,f], s:{s:n}}", "z", "\xc3\xa9\n", "list", 1, 0.5, "a", "b");
	struct buf text = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(envelope_write(&rules, "task.ack", payload, TS, &text, &err), 0);
	json_decref(payload);
	/* {"id":"UUID", */
	char id[ID_SIZE];

	memcpy(id, text.bytes + 7, ID_SIZE - 1);
	id[ID_SIZE - 1] = '\0';
	assert_true(id_valid(id));
	const char *rest = text.bytes + 7 + ID_SIZE - 1;
	const char expected[] =
	    "\",\"type\":\"task.ack\",\"ts\":1710000000,\"agent_id\":\"vano-qa\","
	    "\"payload\":{\"a\":{\"b\":null},\"list\":[1,0.5],\"z\":\"\xc3\xa9\\n"
	    "\"},\"sig\":\"sha256=";

	assert_memory_equal(rest, expected, strlen(expected));
	assert_string_equal(verdict(text.bytes, TS), "");
	assert_string_equal(verdict(text.bytes, TS), "repeated_id");
	char *digit = strstr(text.bytes, "[1,") + 1;

	*digit = '2';
	assert_string_equal(verdict(text.bytes, TS), "bad_signature");
	buf_done(&text);
}

static void without_a_secret_nothing_is_signed_or_checked(void **state)
{
	struct buf text = { 0 };
	struct err err;
	json_t *payload = json_object();

	(void)state;
	hmac_free(rules.hmac);
	rules.hmac = NULL;
	assert_int_equal(envelope_write(&rules, "heartbeat", payload, TS, &text, &err), 0);
	json_decref(payload);
	assert_null(strstr(text.bytes, "sig"));
	assert_string_equal(verdict(text.bytes, TS + 99999), "");
	assert_string_equal(verdict(text.bytes, TS), "");
	buf_done(&text);
	assert_string_equal(verdict(DISPATCH ",\"sig\":\"wrong\"}", TS), "");
	rules.agent_id = "another";
	assert_string_equal(verdict(DISPATCH "}", TS), "wrong_agent");
}

static void the_id_is_known_where_it_can_be_answered(void **state)
{
	static const char text[] = DISPATCH ",\"sig\":\"no\"}";
	struct envelope envelope;
	const char *reason;
	struct err err;

	(void)state;
	assert_int_equal(envelope_read(&rules, text, strlen(text), TS, &envelope, &reason, &err),
			 -1);
	assert_string_equal(envelope.id, "6f9619ff-8b86-4011-b42d-00c04fc964ff");
	assert_string_equal(envelope.type, "task.dispatch");
	envelope_done(&envelope);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_published_vector_is_taken),
		TEST(the_documentation_shows_it),
		TEST(it_may_be_written_otherwise),
		TEST(each_fault_has_its_reason_and_the_first_counts),
		TEST(each_part_must_be_what_it_should),
		TEST(what_is_written_can_be_read),
		TEST(without_a_secret_nothing_is_signed_or_checked),
		TEST(the_id_is_known_where_it_can_be_answered),
	};

	return cmocka_run_group_tests_name("tunnel/envelope", tests, NULL, NULL);
}

#include "command/example.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "script/vm.h"

#define IDS 4 /* an example needs no more */

static const char *bot_of(const struct config *config)
{
	if (config->agent_count == 0 || config_agent(config, "default"))
		return "default";
	return config->agents[0].name;
}

static char *make_input(const struct config *config, const char *name)
{
	json_t *ids = json_array();
	char id[ID_SIZE], now[CLOCK_TEXT_SIZE];

	for (int i = 0; i < IDS; i++) {
		id_make(id);
		json_array_append_new(ids, json_string(id));
	}
	clock_format(clock_wall(), now);
	json_t *input = json_pack("{s:s, s:s, s:s, s:o}", "name", name, "bot", bot_of(config),
				  "now", now, "ids", ids);
	char *text = input ? json_text(input) : NULL;
	json_decref(input);
	return text;
}

/* What OpenPR sends as null, which Lua's tables cannot hold. */
static void put_nulls(json_t *event)
{
	json_t *issue = json_at(event, "data.issue");

	if (json_at(event, "event") && !json_at(event, "bot_context"))
		json_object_set_new(event, "bot_context", json_null());
	if (json_at(issue, "priority"))
		json_object_set_new(issue, "sprint_id", json_null());
}

/* In an order that stays the same, for people and for diffs. */
static int write_sorted(const struct buf *text, const char *name, struct buf *out, struct err *err)
{
	json_t *answer = json_parse(text->bytes, text->len, err);
	json_t *event = json_at(answer, "event");
	int rc = -1;

	if (answer && !event) {
		err_set(err, ERR_NOTFOUND, "no example \"%s\"; there are %s", name,
			json_str(answer, "names"));
	} else if (event) {
		put_nulls(event);
		_cleanup_free_ char *sorted = json_dumps(event, JSON_INDENT(2) | JSON_SORT_KEYS);
		rc = sorted ? buf_append(out, sorted, strlen(sorted)) : -1;
		if (rc < 0)
			err_set(err, ERR_NOMEM, "out of memory");
	}
	json_decref(answer);
	return rc;
}

int example_make(const struct config *config, const char *name, struct buf *out, struct err *err)
{
	const struct vm_limits limits = { .memory = 16 << 20, .deadline = 5000 };
	_cleanup_free_ char *input = make_input(config, name);
	struct buf text = { 0 };

	if (!input)
		return err_set(err, ERR_INVALID, "no example of this name");
	struct vm *vm = vm_new(VM_CONFIG, &limits, err);
	int rc = vm ? vm_call(vm, "openpr.example", "make", input, strlen(input), &text, err) : -1;
	if (rc == 0)
		rc = write_sorted(&text, name, out, err);
	vm_free(vm);
	buf_done(&text);
	return rc;
}

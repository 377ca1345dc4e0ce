#include "pipeline/meters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OTHER "(other)"

void meters_init(struct meters *meters)
{
	pthread_mutex_init(&meters->lock, NULL);
}

void meters_done(struct meters *meters)
{
	pthread_mutex_destroy(&meters->lock);
	free(meters->rules);
}

void meters_took(struct meters *meters, enum meter which, int64_t micros)
{
	histogram_add(&meters->took[which], micros);
}

/* With the lock held; NULL: there is no room for one more. */
static struct meters_rule *find(struct meters *meters, enum store_status status, const char *rule)
{
	for (size_t i = 0; i < meters->rule_count; i++)
		if (meters->rules[i].status == status && strcmp(meters->rules[i].rule, rule) == 0)
			return &meters->rules[i];
	if (!meters->rules)
		meters->rules = calloc(METERS_RULES, sizeof(*meters->rules));
	if (!meters->rules || meters->rule_count == METERS_RULES)
		return NULL;

	struct meters_rule *made = &meters->rules[meters->rule_count++];
	made->status = status;
	snprintf(made->rule, sizeof(made->rule), "%s", rule);
	return made;
}

void meters_ruled(struct meters *meters, enum store_status status, const char *rule)
{
	pthread_mutex_lock(&meters->lock);
	struct meters_rule *found = find(meters, status, rule);
	if (found)
		found->count++;
	else
		meters->other[status]++;
	pthread_mutex_unlock(&meters->lock);
}

static void expose_rules(struct meters *meters, struct exposition *out)
{
	exposition_open(out, "openpr_webhook_rules_total", EXPOSITION_COUNTER,
			"Events by the rule that decided and the answer.");
	pthread_mutex_lock(&meters->lock);
	for (size_t i = 0; i < meters->rule_count; i++) {
		const struct meters_rule *rule = &meters->rules[i];
		exposition_labelled(
		    out, (struct exposition_label){ "status", store_status_name(rule->status) },
		    (struct exposition_label){ "rule", rule->rule }, (int64_t)rule->count);
	}
	for (size_t i = 0; i < sizeof(meters->other) / sizeof(meters->other[0]); i++)
		if (meters->other[i] > 0)
			exposition_labelled(out,
					    (struct exposition_label){
						"status", store_status_name((enum store_status)i) },
					    (struct exposition_label){ "rule", OTHER },
					    (int64_t)meters->other[i]);
	pthread_mutex_unlock(&meters->lock);
}

void meters_expose(struct meters *meters, struct exposition *out)
{
	static const struct {
		enum meter which;
		const char *family, *help, *hook;
	} all[] = {
		{ METER_ANSWER, "openpr_webhook_answer_seconds",
		  "From a verified body to its answer.", NULL },
		{ METER_DECIDE, "openpr_webhook_policy_seconds",
		  "Calls of policies, with the wait for a worker.", "decide" },
		{ METER_RENDER, NULL, NULL, "render" },
		{ METER_CALLBACK, NULL, NULL, "callback" },
		{ METER_WAIT, "openpr_webhook_run_wait_seconds",
		  "From a run that was queued to its start.", NULL },
		{ METER_RUN, "openpr_webhook_run_seconds", "From a run's start to its end.", NULL },
		{ METER_REPORT, "openpr_webhook_report_seconds",
		  "From a report that was owed to its delivery.", NULL },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i].family)
			exposition_open(out, all[i].family, EXPOSITION_HISTOGRAM, all[i].help);
		exposition_histogram(
		    out, (struct exposition_label){ all[i].hook ? "hook" : NULL, all[i].hook },
		    &meters->took[all[i].which]);
	}
	expose_rules(meters, out);
}

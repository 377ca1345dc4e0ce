#include "command/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/permit.h"
#include "exec/whitelist.h"

struct verb {
	const char *name, *argument; /* argument NULL: takes none; "[...]": may be left out */
	const char *options;	     /* letters of the options it takes, besides c and h */
	command_fn *run;
	const char *help;
};

static const struct verb verbs[] = {
	{ "serve", NULL, "v", command_serve, "receive events and run agents (the default)" },
	{ "check", NULL, "j", command_check,
	  "list every mistake in config.lua, policies and templates" },
	{ "print-config", NULL, "", command_print_config,
	  "print config.lua with its defaults, secrets hidden" },
	{ "print-reference", NULL, "", command_reference,
	  "print the reference of every option of config.lua" },
	{ "test", "[DIR]", "jmw", command_test,
	  "run the specs of the policies, and say which lines ran" },
	{ "whitelist", NULL, "", command_whitelist, "print the programs that an agent can be" },
	{ "send", "[EVENT.json]", "jtxp", command_send,
	  "sign an event and post it as OpenPR does; - is standard input" },
	{ "doctor", NULL, "j", command_doctor,
	  "look at CLIs, checkouts, OpenPR, files and disk, and say what helps" },
	{ "rules", NULL, "jP", command_rules,
	  "print filter and route as they are written, with hits of each rule" },
	{ "explain", "[EVENT]", "jPiax", command_explain,
	  "tell why an event is decided as it is, and what would run; starts nothing" },
	{ "replay", NULL, "jPlSn", command_replay,
	  "put stored events through other policies; exit 1 if a decision changes" },
	{ "runs", NULL, "jn", command_runs, "list runs, newest first" },
	{ "show", "RUN", "j", command_show,
	  "show one run with its event, output tail and reports" },
	{ "logs", "RUN", "jf", command_logs, "print what the agent of a run printed" },
	{ "events", NULL, "jns", command_events, "list events and what was decided, newest first" },
	{ "cancel", "RUN", "j", command_cancel, "stop a run, or end a task that waits" },
	{ "retry", "RUN", "jr", command_retry,
	  "run an ended task again, or send its report again" },
	{ "release", "EVENT", "jd", command_release,
	  "decide a held, disabled or observed event again, or end it" },
	{ "reload", NULL, "j", command_reload,
	  "make the daemon read config.lua and policies again" },
	{ "drain", NULL, "j", command_drain, "make the daemon start nothing new" },
	{ "completion", "SHELL", "", command_completion,
	  "print the completion script of bash or zsh" },
};

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "json", no_argument, NULL, 'j' },
	{ "limit", required_argument, NULL, 'n' },
	{ "status", required_argument, NULL, 's' },
	{ "report", no_argument, NULL, 'r' },
	{ "discard", no_argument, NULL, 'd' },
	{ "follow", no_argument, NULL, 'f' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "to", required_argument, NULL, 't' },
	{ "example", required_argument, NULL, 'x' },
	{ "print", no_argument, NULL, 'p' },
	{ "coverage-min", required_argument, NULL, 'm' },
	{ "timeout", required_argument, NULL, 'w' },
	{ "policies", required_argument, NULL, 'P' },
	{ "issue", required_argument, NULL, 'i' },
	{ "at", required_argument, NULL, 'a' },
	{ "last", required_argument, NULL, 'l' },
	{ "since", required_argument, NULL, 'S' },
	{ NULL, 0, NULL, 0 },
};

static const struct {
	char letter;
	const char *value; /* NULL: takes none */
	const char *help;
} option_help[] = {
	{ 'j', NULL, "print JSON, for machines" },
	{ 'n', "N", "at most N of them (default 50)" },
	{ 's', "STATUS", "only events answered so: held, disabled, observed, ignored, ..." },
	{ 'r', NULL, "do not run it again, send its report again" },
	{ 'd', NULL, "end it for good instead of deciding it again" },
	{ 'f', NULL, "go on until the run has ended (also -f)" },
	{ 'v', NULL, "log ignored events too" },
	{ 't', "URL", "post it there instead of to the config's own webhook.listen" },
	{ 'x', "NAME",
	  "make an event with fresh ids and time instead of reading one:\n"
	  "issue.assigned, issue.unassigned, issue.created, issue.updated,\n"
	  "issue.state_changed, issue.deleted, comment.created, label.added,\n"
	  "ai-task.issue_assigned or ai-task.comment_requested" },
	{ 'p', NULL, "print the example instead of sending it" },
	{ 'm', "N", "fail unless N percent of the lines of the policies ran" },
	{ 'w', "N", "seconds without a word from the specs until they hang (default 60)" },
	{ 'P', "DIR", "with the policies there in the place of those in policies.dir" },
	{ 'i', "FILE", "what OpenPR tells of the issue, where the event does not" },
	{ 'a', "TIME", "as if it came then, such as 2026-09-30T08:20:00Z" },
	{ 'l', "N", "the newest N events alone" },
	{ 'S', "TIME", "those since then alone: 7d, 36h, 90m or 2026-09-30T08:20:00Z" },
};

int command_fail(int code, const char *fmt, ...)
{
	va_list args;

	fputs("openpr-webhook: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int print_help(void)
{
	puts("openpr-webhook turns signed OpenPR events into runs of coding agents.\n\n"
	     "Usage: openpr-webhook [--config PATH] [VERB [ARGUMENT] [OPTION]...]\n\n"
	     "Without --config: ./config.lua, then /etc/openpr-webhook/config.lua.\n\nVerbs:");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		printf("  %-15s %-12s %s\n", verbs[i].name,
		       verbs[i].argument ? verbs[i].argument : "", verbs[i].help);
	puts("\n`openpr-webhook VERB --help` lists the options of a verb.\n"
	     "Exit: 0 done, 1 failed, 2 wrong usage or configuration.");
	return EXIT_OK;
}

static const char *option_name(char letter)
{
	const struct option *option = options;

	while (option->val != letter)
		option++;
	return option->name;
}

/* One option, its help beside it on lines of its own column. */
static void print_option(size_t i)
{
	const char *name = option_name(option_help[i].letter), *value = option_help[i].value;
	char left[32];

	snprintf(left, sizeof(left), "--%s%s%s", name, value ? " " : "", value ? value : "");
	printf("  %-16s  ", left);
	for (const char *c = option_help[i].help; *c; c++)
		*c == '\n' ? printf("\n%20s", "") : putchar(*c);
	putchar('\n');
}

static int print_verb_help(const struct verb *verb)
{
	printf("Usage: openpr-webhook [--config PATH] %s%s%s%s\n\n%s\n", verb->name,
	       verb->argument ? " " : "", verb->argument ? verb->argument : "",
	       verb->options[0] ? " [OPTION]..." : "", verb->help);
	if (verb->options[0])
		putchar('\n');
	for (size_t i = 0; i < sizeof(option_help) / sizeof(option_help[0]); i++)
		if (strchr(verb->options, option_help[i].letter))
			print_option(i);
	return EXIT_OK;
}

static int set_number(long *out, const char *option, long least, long most)
{
	char *end = NULL;
	const long number = strtol(optarg, &end, 10);

	if (!*optarg || *end || number < least || number > most)
		return command_fail(-1, "%s wants a number from %ld to %ld, not \"%s\"", option,
				    least, most, optarg);
	*out = number;
	return 0;
}

static int set_option(struct command_line *line, int letter)
{
	switch (letter) {
	case 'c':
		line->config = optarg;
		return 0;
	case 'j':
		line->json = true;
		return 0;
	case 'r':
		line->report = true;
		return 0;
	case 'd':
		line->discard = true;
		return 0;
	case 'f':
		line->follow = true;
		return 0;
	case 's':
		line->status = optarg;
		return 0;
	case 't':
		line->to = optarg;
		return 0;
	case 'x':
		line->example = optarg;
		return 0;
	case 'p':
		line->print = true;
		return 0;
	case 'P':
		line->policies = optarg;
		return 0;
	case 'i':
		line->issue = optarg;
		return 0;
	case 'a':
		line->at = optarg;
		return 0;
	case 'S':
		line->since = optarg;
		return 0;
	case 'v':
		line->verbose = true;
		return 0;
	case 'n':
		return set_number(&line->limit, "--limit", 1, 100000);
	case 'l':
		return set_number(&line->last, "--last", 1, 1000000000);
	case 'm':
		return set_number(&line->coverage_min, "--coverage-min", 0, 100);
	case 'w':
		return set_number(&line->timeout, "--timeout", 1, 86400);
	default:
		return -1; /* getopt_long() has said it */
	}
}

/* 0, or an exit code + 1. */
static int parse(int argc, char **argv, struct command_line *line, const struct verb **verb)
{
	char used[16] = { 0 };
	bool help = false;
	int letter;

	while ((letter = getopt_long(argc, argv, "c:fhV", options, NULL)) != -1) {
		if (letter == 'V') {
			puts("openpr-webhook " OPW_VERSION);
			return EXIT_OK + 1;
		}
		if (letter == 'h')
			help = true;
		else if (set_option(line, letter) < 0)
			return EXIT_USAGE + 1;
		else if (letter != 'c' && !strchr(used, letter) && strlen(used) < sizeof(used) - 1)
			used[strlen(used)] = (char)letter;
	}
	line->verb = optind < argc ? argv[optind++] : NULL;
	line->argument = optind < argc ? argv[optind++] : NULL;
	if (help && !line->verb)
		return print_help() + 1;

	*verb = find_verb(line->verb ? line->verb : "serve");
	if (!*verb)
		return command_fail(EXIT_USAGE, "no verb \"%s\"; see openpr-webhook --help",
				    line->verb) +
		       1;
	if (help)
		return print_verb_help(*verb) + 1;
	if (optind < argc || (line->argument && !(*verb)->argument))
		return command_fail(EXIT_USAGE,
				    "%s: too many arguments; see openpr-webhook %s --help",
				    (*verb)->name, (*verb)->name) +
		       1;
	if (!line->argument && (*verb)->argument && (*verb)->argument[0] != '[')
		return command_fail(EXIT_USAGE, "%s wants a %s; see openpr-webhook %s --help",
				    (*verb)->name, (*verb)->argument, (*verb)->name) +
		       1;
	for (const char *c = used; *c; c++)
		if (!strchr((*verb)->options, *c))
			return command_fail(EXIT_USAGE,
					    "%s does not take this option; see "
					    "openpr-webhook %s --help",
					    (*verb)->name, (*verb)->name) +
			       1;
	return 0;
}

static json_t *options_of(const struct verb *verb)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(option_help) / sizeof(option_help[0]); i++)
		if (strchr(verb->options, option_help[i].letter))
			json_array_append_new(list, json_pack("{s:s, s:s*, s:s}", "name",
							      option_name(option_help[i].letter),
							      "value", option_help[i].value, "help",
							      option_help[i].help));
	return list;
}

json_t *command_table(void)
{
	json_t *table = json_array();

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		json_array_append_new(table,
				      json_pack("{s:s, s:s*, s:s, s:o}", "name", verbs[i].name,
						"argument", verbs[i].argument, "help",
						verbs[i].help, "options", options_of(&verbs[i])));
	return table;
}

int command_main(int argc, char **argv)
{
	struct command_line line = { 0 };
	const struct verb *verb = NULL;
	const int early = parse(argc, argv, &line, &verb);

	return early ? early - 1 : verb->run(&line);
}

const struct config_whitelist *command_names(void)
{
	static const char *executors[64], *reporters[64];
	static struct config_whitelist names = { executors, reporters, NULL };
	const struct executor *executor;
	size_t count = 0;

	for (size_t i = 0; i < 63 && (executor = whitelist_at(i)); i++) {
		executors[i] = executor->name;
		if (executor->stream != STREAM_PLAIN)
			reporters[count++] = executor->name;
	}
	names.variables = permit_variables();
	return &names;
}

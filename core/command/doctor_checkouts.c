/*
 * Working directories: there, writable, and what git says of them.  This is the only place that
 * runs git, in folders that agents and strangers write to: nothing that such a folder's
 * configuration names may be executed.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "command/doctor.h"
#include "exec/probe.h"
#include "exec/strings.h"

#define GIT_TIMEOUT 20000	      /* ms */
#define GIT_OUTPUT ((size_t)16 << 20) /* bytes: a hundred thousand files and more */
#define FILTERS_MOST 200

/* ---- git, with its hands bound ---- */

struct git {
	struct strings env;
	size_t overrides; /* GIT_CONFIG_COUNT so far */
};

static int override(struct git *git, const char *key, const char *value)
{
	char name[64];
	int rc = 0;

	/* By environment: `-c` would split a key that has a "=" in it. */
	snprintf(name, sizeof(name), "GIT_CONFIG_KEY_%zu", git->overrides);
	rc |= strings_set(&git->env, name, key);
	snprintf(name, sizeof(name), "GIT_CONFIG_VALUE_%zu", git->overrides);
	rc |= strings_set(&git->env, name, value);
	snprintf(name, sizeof(name), "%zu", ++git->overrides);
	rc |= strings_set(&git->env, "GIT_CONFIG_COUNT", name);
	return rc;
}

/*
 * From nothing: no GIT_* of ours, no configuration of the host's or the user's.  Locks that are
 * optional are not taken, so the index is not written and no hook runs; nothing is fetched that a
 * partial clone lacks, by no transport.  The owner of the folder need not be us: what that guards
 * against, its configuration, is what is taken away here.
 */
static int bind_hands(struct git *git)
{
	static const char *const fixed[] = {
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"HOME=/nonexistent",
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_PAGER=cat",
		"GIT_NO_LAZY_FETCH=1",
		"GIT_ALLOW_PROTOCOL=none",
		"GIT_ATTR_NOSYSTEM=1",
	};
	static const char *const keys[][2] = {
		{ "core.fsmonitor", "false" },
		{ "core.hooksPath", "/dev/null" },
		{ "core.pager", "cat" },
		{ "core.attributesFile", "/dev/null" },
		{ "core.untrackedCache", "false" },
		{ "core.sshCommand", "false" },
		{ "protocol.allow", "never" },
		{ "safe.directory", "*" },
		{ "gpg.program", "false" },
		{ "diff.external", "" },
		{ "submodule.recurse", "false" },
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		rc |= strings_add(&git->env, fixed[i]);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		rc |= override(git, keys[i][0], keys[i][1]);
	return rc;
}

static const char *find_git(void)
{
	static const char *const places[] = { "/usr/bin/git", "/usr/local/bin/git", "/bin/git" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

static int run_git(const struct git *git, const char *const *argv, struct buf *out, int *code,
		   struct err *err)
{
	const struct probe probe = { .argv = argv,
				     .env = (const char *const *)git->env.items,
				     .timeout = GIT_TIMEOUT,
				     .max_output = GIT_OUTPUT };
	struct buf said = { 0 };
	const int rc = probe_run(&probe, out, &said, code, err);

	if (rc == 0 && *code != 0)
		err_set(err, ERR_INVALID, "git: %.*s",
			said.bytes ? (int)strcspn(said.bytes, "\n") : 0,
			said.bytes ? said.bytes : "");
	buf_done(&said);
	return rc;
}

/* "filter.NAME.clean" and the like are programs that git starts for the files of the tree. */
static int disarm(struct git *git, const char *key, struct err *err)
{
	const char *last = strrchr(key, '.');

	if (strncmp(key, "filter.", 7) != 0 || last == key + 6)
		return 0;
	if (git->overrides > FILTERS_MOST)
		return err_set(err, ERR_FULL,
			       "its configuration has more filters than are looked at");
	const char *value = strcmp(last, ".required") == 0 ? "false" : "";
	return override(git, key, value) < 0 ? err_set(err, ERR_NOMEM, "out of memory") : 0;
}

/* Reading the configuration starts nothing. */
static int disarm_filters(struct git *git, const char *program, const char *folder, struct err *err)
{
	const char *const argv[] = { program, "-C",	     folder,   "config", "--includes",
				     "-z",    "--name-only", "--list", NULL };
	struct buf out = { 0 };
	int code = 0, rc = run_git(git, argv, &out, &code, err);

	for (size_t at = 0; rc == 0 && code == 0 && at < out.len; at += strlen(out.bytes + at) + 1)
		rc = disarm(git, out.bytes + at, err);
	buf_done(&out);
	return rc < 0 ? -1 : code;
}

/* ---- what it says ---- */

struct tree {
	char branch[128];
	size_t changed, untracked;
	char first[128]; /* a file of them */
};

/* `status --porcelain=v2 -z`: "# branch.head NAME", "1 ... PATH", "u ... PATH", "? PATH". */
static void read_status(const struct buf *out, struct tree *tree)
{
	for (size_t at = 0; at < out->len; at += strlen(out->bytes + at) + 1) {
		const char *line = out->bytes + at;
		const char *name = strrchr(line, ' ');

		if (strncmp(line, "# branch.head ", 14) == 0)
			snprintf(tree->branch, sizeof(tree->branch), "%s", line + 14);
		if (line[0] == '?')
			tree->untracked++;
		else if (line[0] == '1' || line[0] == '2' || line[0] == 'u')
			tree->changed++;
		else
			continue;
		if (!tree->first[0])
			snprintf(tree->first, sizeof(tree->first), "%s", name ? name + 1 : line);
	}
}

static int look(const char *program, const char *folder, struct tree *tree, struct err *err)
{
	const char *const argv[] = { program,
				     "-C",
				     folder,
				     "status",
				     "-z",
				     "--porcelain=v2",
				     "--branch",
				     "--no-renames",
				     "--untracked-files=normal",
				     "--ignore-submodules=all",
				     NULL };
	struct git git = { 0 };
	struct buf out = { 0 };
	int code = 0;
	int rc = bind_hands(&git) < 0 ? err_set(err, ERR_NOMEM, "out of memory")
				      : disarm_filters(&git, program, folder, err);

	if (rc == 0)
		rc = run_git(&git, argv, &out, &code, err);
	if (rc == 0 && code == 0)
		read_status(&out, tree);
	buf_done(&out);
	strings_done(&git.env);
	return rc < 0 ? -1 : rc > 0 ? rc : code;
}

static void check_tree(struct doctor *doctor, const char *name, const char *folder)
{
	const char *program = find_git();
	struct tree tree = { .branch = "" };
	struct err err;
	char dot[4200];

	if (!program) {
		doctor_ok(doctor, name, "%s is writable; no git here to look at it", folder);
		return;
	}
	const int rc = look(program, folder, &tree, &err);
	snprintf(dot, sizeof(dot), "%s/.git", folder);
	if (rc != 0 && access(dot, F_OK) < 0 && strstr(err.text, "not a git repository"))
		doctor_ok(doctor, name, "%s is writable, and no git checkout", folder);
	else if (rc != 0)
		doctor_warn(doctor, name, "try `git status` there", "%s: %s", folder, err.text);
	else if (tree.changed + tree.untracked > 0)
		doctor_warn(doctor, name,
			    "a run starts on the tree as it is: commit, stash or remove what "
			    "should not be in its way",
			    "%s on %s is not clean: %zu changed, %zu untracked, such as %s", folder,
			    tree.branch, tree.changed, tree.untracked, tree.first);
	else
		doctor_ok(doctor, name, "%s on %s is clean and writable", folder, tree.branch);
}

static bool seen_before(const struct config *config, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (config->agents[i].working_dir &&
		    strcmp(config->agents[i].working_dir, config->agents[index].working_dir) == 0)
			return true;
	return false;
}

void doctor_checkouts(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	char name[128];
	struct stat st;

	for (size_t i = 0; i < config->agent_count; i++) {
		const char *folder = config->agents[i].working_dir;

		if (!folder || seen_before(config, i))
			continue;
		snprintf(name, sizeof(name), "checkout of %.100s", config->agents[i].name);
		if (stat(folder, &st) < 0)
			doctor_fail(doctor, name, "make it: `git clone` what agents shall work on",
				    "%s: %s", folder, strerror(errno));
		else if (!S_ISDIR(st.st_mode))
			doctor_fail(doctor, name, "name a folder", "%s is not a folder", folder);
		else if (access(folder, R_OK | W_OK | X_OK) < 0)
			doctor_fail(doctor, name,
				    "give it to the daemon's user: `chown -R`, and ReadWritePaths= "
				    "in the unit",
				    "%s may not be written by uid %ld", folder, (long)getuid());
		else
			check_tree(doctor, name, folder);
	}
}

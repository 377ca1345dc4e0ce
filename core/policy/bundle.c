#include "policy/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "policy/image.h"

struct policy_bundle {
	atomic_int refs;
	int fd; /* policy/image.h */
	int64_t time_limit;
	json_t *paths; /* what policy_bundle_files() gives */
};

const char *const bundle_hooks[BUNDLE_HOOKS] = {
	[HOOK_FILTER] = "filter.lua",
	[HOOK_ROUTE] = "route.lua",
	[HOOK_RENDER] = "render.lua",
	[HOOK_CALLBACK] = "callback.lua",
};

/* A bundle while its files are being read. */
struct making {
	const struct config *config;
	const struct bundle_changes *changes; /* NULL: none */
	json_t *files, *templates;	      /* name -> text */
	json_t *paths;			      /* "templates/" name -> where it was found */
	size_t total, count;
};

static int no_memory(const char *path, struct err *err)
{
	return err_set(err, ERR_NOMEM, "no memory for %s", path);
}

static int read_text(int fd, const char *path, struct buf *text, struct err *err)
{
	char piece[65536];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		if (text->len + (size_t)n > BUNDLE_FILE_MOST)
			return err_set(err, ERR_CONFIG, "%s: larger than %u KiB", path,
				       BUNDLE_FILE_MOST >> 10);
		if (buf_append(text, piece, (size_t)n) < 0)
			return err_set(err, ERR_NOMEM, "no memory for %s", path);
	}
	if (n < 0)
		return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
	if (!utf8_valid(text->len ? text->bytes : "", text->len))
		return err_set(err, ERR_CONFIG, "%s: not UTF-8 text", path);
	return 0;
}

static json_t *read_file(struct making *making, const char *path, struct err *err)
{
	struct buf text = { 0 };
	struct stat st;
	json_t *value = NULL;
	_cleanup_close_ const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(err, ERR_CONFIG, "%s: not a regular file", path);
		return NULL;
	}
	if (read_text(fd, path, &text, err) == 0) {
		making->total += text.len;
		if (making->total > BUNDLE_MOST)
			err_set(err, ERR_CONFIG,
				"%s: policies and templates together are larger "
				"than %u MiB",
				path, BUNDLE_MOST >> 20);
		else if (!(value = json_stringn(text.len ? text.bytes : "", text.len)))
			err_set(err, ERR_NOMEM, "no memory for %s", path);
	}
	buf_done(&text);
	return value;
}

/* Takes `name` from `changed` or reads kind/name, into `into` under `key`; notes where it was
 * found. */
static int add_file(struct making *making, const char *own, const char *kind, const char *name,
		    const json_t *changed, json_t *into, const char *key, struct err *err)
{
	_cleanup_free_ char *label = NULL;
	json_t *given = json_object_get(changed, name);
	if (json_is_string(given))
		return json_object_set(into, key, given) == 0 ? 0 : no_memory(name, err);
	_cleanup_free_ char *path = config_find(making->config, own, kind, name, err);

	if (!path)
		return -1;
	json_t *text = read_file(making, path, err);
	if (!text)
		return -1;
	if (json_object_set_new(into, key, text) < 0 || asprintf(&label, "%s/%s", kind, name) < 0 ||
	    json_object_set_new(making->paths, label, json_string(path)) < 0)
		return no_memory(path, err);
	return 0;
}

/* "policies/agents/NAME.lua" of each custom agent, searched like the policies. */
static int add_handlers(struct making *making, const char *dir, struct err *err)
{
	const struct config *config = making->config;
	_cleanup_free_ char *own = NULL;

	if (dir && asprintf(&own, "%s/agents", dir) < 0)
		return no_memory("the handlers", err);
	for (size_t i = 0; i < config->agent_count; i++) {
		const char *handler = config->agents[i].handler;
		if (!handler || json_object_get(making->files, handler))
			continue;
		if (add_file(making, own, "policies/agents", handler + strlen("policies/agents/"),
			     NULL, making->files, handler, err) < 0)
			return err_prefix(err, "agents.%s.handler", config->agents[i].name);
	}
	return 0;
}

static int add_policies(struct making *making, struct err *err)
{
	const struct bundle_changes *changes = making->changes;
	const char *dir =
	    changes && changes->policies_dir ? changes->policies_dir : making->config->policies.dir;
	char key[32];

	for (size_t i = 0; i < BUNDLE_HOOKS; i++) {
		snprintf(key, sizeof(key), "policies/%s", bundle_hooks[i]);
		if (add_file(making, dir, "policies", bundle_hooks[i],
			     changes ? changes->policies : NULL, making->files, key, err) < 0)
			return -1;
	}
	return add_handlers(making, dir, err);
}

static int add_template(struct making *making, const char *name, struct err *err)
{
	if (json_object_get(making->templates, name))
		return 0;
	if (strchr(name, '/') || name[0] == '.')
		return err_set(err, ERR_CONFIG,
			       "\"%s\" is not the name of a file in the templates folder", name);
	if (++making->count > BUNDLE_FILES)
		return err_set(err, ERR_CONFIG, "more than %d templates", BUNDLE_FILES);
	return add_file(making, making->config->templates_dir, "templates", name,
			making->changes ? making->changes->templates : NULL, making->templates,
			name, err);
}

static bool is_template(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot && (strcmp(dot, ".txt") == 0 || strcmp(dot, ".md") == 0) &&
	       utf8_valid(name, strlen(name));
}

/* Every template of a folder, so that a policy can use it; no folder, none. */
static int add_folder(struct making *making, const char *path, struct err *err)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	int rc = 0;

	if (!folder && errno != ENOENT && errno != ENOTDIR)
		return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
	while (folder && rc == 0 && (entry = readdir(folder)))
		if (is_template(entry->d_name))
			rc = add_template(making, entry->d_name, err);
	if (folder)
		closedir(folder);
	return rc;
}

static int add_changed_templates(struct making *making, struct err *err)
{
	const char *name;
	json_t *text;

	json_object_foreach((json_t *)making->changes->templates, name, text)
	{
		if (add_template(making, name, err) < 0)
			return -1;
	}
	return 0;
}

static int add_templates(struct making *making, struct err *err)
{
	const struct config *config = making->config;
	_cleanup_free_ char *shared = NULL;

	if (add_template(making, "default.txt", err) < 0 ||
	    add_template(making, "mention.txt", err) < 0)
		return -1;
	if (making->changes && add_changed_templates(making, err) < 0)
		return -1;
	for (size_t i = 0; i < config->agent_count; i++) {
		const struct config_agent *agent = &config->agents[i];
		if ((agent->prompt_template &&
		     add_template(making, agent->prompt_template, err) < 0) ||
		    (agent->mention_template &&
		     add_template(making, agent->mention_template, err) < 0))
			return err_prefix(err, "agents.%s", agent->name);
	}
	if (asprintf(&shared, "%s/templates", config->share_dir) < 0)
		return err_set(err, ERR_NOMEM, "no memory for a path");
	if (config->templates_dir && add_folder(making, config->templates_dir, err) < 0)
		return -1;
	return add_folder(making, shared, err);
}

/* What policies may know of an agent; never its environment. */
static json_t *public_fields(const struct config_agent *agent)
{
	json_t *bots = json_array();

	for (size_t i = 0; i < agent->bot_count; i++)
		json_array_append_new(bots, json_string(agent->bots[i]));
	return json_pack("{s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:s, s:b, s:o, s:f}", "type",
			 agent->type, "cli", agent->cli, "handler", agent->handler, "mode",
			 agent->mode, "prompt_template", agent->prompt_template, "mention_template",
			 agent->mention_template, "reports", agent->reports ? "agent" : "daemon",
			 "hands_over", config_hands_over(agent), "bots", bots, "timeout",
			 (double)agent->timeout / 1000);
}

static json_t *agents_of(const struct config *config)
{
	json_t *agents = json_object();

	for (size_t i = 0; i < config->agent_count; i++)
		json_object_set_new(agents, config->agents[i].name,
				    public_fields(&config->agents[i]));
	return agents;
}

static json_t *labels_of(const struct config *config)
{
	json_t *labels = json_object();

	for (size_t i = 0; i < config->label_count; i++)
		json_object_set_new(labels, config->labels[i].name,
				    json_string(config->labels[i].value));
	return labels;
}

static json_t *load_input(struct making *making)
{
	const struct config *config = making->config;
	const struct bundle_changes *changes = making->changes;
	json_t *agents =
	    changes && changes->agents ? json_incref((json_t *)changes->agents) : agents_of(config);
	json_t *labels =
	    changes && changes->labels ? json_incref((json_t *)changes->labels) : labels_of(config);

	return json_pack("{s:O, s:O, s:o, s:o, s:f}", "files", making->files, "templates",
			 making->templates, "agents", agents, "labels", labels, "time_limit",
			 (double)config->policies.time_limit / 1000);
}

static int make(const struct config *config, const struct bundle_changes *changes,
		struct policy_bundle **out, struct err *err)
{
	struct making making = {
		.config = config,
		.changes = changes,
		.files = json_object(),
		.templates = json_object(),
		.paths = json_object(),
	};
	struct policy_bundle *bundle = calloc(1, sizeof(*bundle));
	_cleanup_free_ char *text = NULL;
	json_t *input = NULL;
	int rc = -1;

	err_set(err, ERR_NOMEM, "no memory for the policies");
	if (!bundle || !making.files || !making.templates || !making.paths)
		goto out;
	bundle->fd = -1;
	if (add_policies(&making, err) < 0 || add_templates(&making, err) < 0)
		goto out;
	if (!(input = load_input(&making)) || !(text = json_text(input))) {
		err_set(err, ERR_NOMEM, "no memory for the policies");
		goto out;
	}
	const struct image image = {
		.text = text,
		.len = strlen(text),
		.memory_limit = config->policies.memory_limit,
		.time_limit = config->policies.time_limit,
		.on_trial = changes != NULL,
	};
	rc = image_seal(&image, &bundle->fd, err);
out:
	if (rc == 0) {
		atomic_init(&bundle->refs, 1);
		bundle->time_limit = config->policies.time_limit;
		bundle->paths = json_incref(making.paths);
		*out = bundle;
	} else {
		free(bundle);
	}
	json_decref(input);
	json_decref(making.files);
	json_decref(making.templates);
	json_decref(making.paths);
	return rc;
}

int policy_bundle_load(const struct config *config, struct policy_bundle **out, struct err *err)
{
	return make(config, NULL, out, err);
}

int bundle_on_trial(const struct config *config, const struct bundle_changes *changes,
		    struct policy_bundle **out, struct err *err)
{
	return make(config, changes, out, err);
}

struct policy_bundle *bundle_ref(struct policy_bundle *bundle)
{
	atomic_fetch_add(&bundle->refs, 1);
	return bundle;
}

void policy_bundle_free(struct policy_bundle *bundle)
{
	if (!bundle || atomic_fetch_sub(&bundle->refs, 1) > 1)
		return;
	close(bundle->fd);
	json_decref(bundle->paths);
	free(bundle);
}

const json_t *policy_bundle_files(const struct policy_bundle *bundle)
{
	return bundle->paths;
}

int bundle_fd(const struct policy_bundle *bundle)
{
	return bundle->fd;
}

int64_t bundle_time_limit(const struct policy_bundle *bundle)
{
	return bundle->time_limit;
}

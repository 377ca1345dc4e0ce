#include "policy/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/utf8.h"

struct policy_bundle {
	atomic_int refs;
	int fd; /* struct head, then the JSON */
	int64_t time_limit;
	json_t *paths; /* what policy_bundle_files() gives */
};

struct head {
	uint64_t len, memory_limit;
	int64_t time_limit;
};

/* A bundle while its files are being read. */
struct making {
	const struct config *config;
	json_t *files, *templates; /* name -> text */
	json_t *paths;		   /* "templates/" name -> where it was found */
	size_t total, count;
};

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

/* Reads kind/name into `into` under `key`, and notes where it was found. */
static int add_file(struct making *making, const char *own, const char *kind, const char *name,
		    json_t *into, const char *key, struct err *err)
{
	_cleanup_free_ char *label = NULL;
	_cleanup_free_ char *path = config_find(making->config, own, kind, name, err);

	if (!path)
		return -1;
	json_t *text = read_file(making, path, err);
	if (!text)
		return -1;
	if (json_object_set_new(into, key, text) < 0 || asprintf(&label, "%s/%s", kind, name) < 0 ||
	    json_object_set_new(making->paths, label, json_string(path)) < 0)
		return err_set(err, ERR_NOMEM, "no memory for %s", path);
	return 0;
}

static int add_policies(struct making *making, struct err *err)
{
	static const char *const names[] = { "filter.lua", "route.lua", "render.lua",
					     "callback.lua" };
	char key[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(key, sizeof(key), "policies/%s", names[i]);
		if (add_file(making, making->config->policies.dir, "policies", names[i],
			     making->files, key, err) < 0)
			return -1;
	}
	return 0;
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
	return add_file(making, making->config->templates_dir, "templates", name, making->templates,
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

static int add_templates(struct making *making, struct err *err)
{
	const struct config *config = making->config;
	_cleanup_free_ char *shared = NULL;

	if (add_template(making, "default.txt", err) < 0 ||
	    add_template(making, "mention.txt", err) < 0)
		return -1;
	for (size_t i = 0; i < config->agent_count; i++) {
		const struct config_agent *agent = &config->agents[i];
		if (add_template(making, agent->prompt_template, err) < 0 ||
		    add_template(making, agent->mention_template, err) < 0)
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
	return json_pack("{s:s, s:s?, s:s, s:s, s:o, s:f}", "type", agent->type, "cli", agent->cli,
			 "prompt_template", agent->prompt_template, "mention_template",
			 agent->mention_template, "bots", bots, "timeout",
			 (double)agent->timeout / 1000);
}

static json_t *load_input(struct making *making)
{
	const struct config *config = making->config;
	json_t *agents = json_object(), *labels = json_object();

	for (size_t i = 0; i < config->agent_count; i++)
		json_object_set_new(agents, config->agents[i].name,
				    public_fields(&config->agents[i]));
	for (size_t i = 0; i < config->label_count; i++)
		json_object_set_new(labels, config->labels[i].name,
				    json_string(config->labels[i].value));
	return json_pack("{s:O, s:O, s:o, s:o, s:f}", "files", making->files, "templates",
			 making->templates, "agents", agents, "labels", labels, "time_limit",
			 (double)config->policies.time_limit / 1000);
}

static int write_all(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		const ssize_t n = write(fd, at, len);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Puts the whole into a memfd that nobody can change any more. */
static int seal(const struct making *making, const char *text, int *out, struct err *err)
{
	const struct head head = {
		.len = strlen(text),
		.memory_limit = making->config->policies.memory_limit,
		.time_limit = making->config->policies.time_limit,
	};
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	_cleanup_close_ int fd = memfd_create("policies", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write_all(fd, &head, sizeof(head)) < 0 || write_all(fd, text, head.len) < 0 ||
	    fcntl(fd, F_ADD_SEALS, seals) < 0)
		return err_set(err, ERR_IO, "cannot keep the policies in memory: %s",
			       strerror(errno));
	*out = TAKE_FD(fd);
	return 0;
}

int policy_bundle_load(const struct config *config, struct policy_bundle **out, struct err *err)
{
	struct making making = {
		.config = config,
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
	rc = seal(&making, text, &bundle->fd, err);
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

int bundle_open(int fd, struct bundle_image *image, struct err *err)
{
	struct stat st;
	struct head head;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(head))
		return err_set(err, ERR_IO, "a worker got no policies");
	const char *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, ERR_IO, "cannot map the policies: %s", strerror(errno));
	memcpy(&head, map, sizeof(head));
	if (head.len != (size_t)st.st_size - sizeof(head))
		return err_set(err, ERR_IO, "a worker got broken policies");
	*image = (struct bundle_image){
		.text = map + sizeof(head),
		.len = head.len,
		.memory_limit = head.memory_limit,
		.time_limit = head.time_limit,
	};
	return 0;
}

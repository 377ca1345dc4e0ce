#include "tunnel/canonical.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tunnel/canonical_tree.h"

static const char short_escapes[32] = {
	['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
};

static int append_escape(struct buf *out, unsigned char c)
{
	const char quoted[2] = { '\\', c >= 0x20 ? (char)c : short_escapes[c] };

	return quoted[1] ? buf_append(out, quoted, 2) : buf_appendf(out, "\\u%04x", c);
}

int canonical_quote(const char *text, size_t len, struct buf *out)
{
	size_t from = 0;

	if (buf_append(out, "\"", 1) < 0)
		return -1;
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		if (buf_append(out, text + from, i - from) < 0 || append_escape(out, c) < 0)
			return -1;
		from = i + 1;
	}
	return buf_append(out, text + from, len - from) < 0 ? -1 : buf_append(out, "\"", 1);
}

/* ---- order ---- */

static int compare_names(const struct canonical_tree *tree, const struct canonical_node *a,
			 const struct canonical_node *b)
{
	const size_t least = a->name_len < b->name_len ? a->name_len : b->name_len;
	const int order = least > 0 ? memcmp(tree->names.bytes + a->name_at,
					     tree->names.bytes + b->name_at, least)
				    : 0;

	if (order != 0)
		return order;
	return (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

/* Of equal names the later one, which is the larger index, stands behind. */
static int compare_members(const void *a, const void *b, void *arg)
{
	const struct canonical_tree *tree = arg;
	const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	const int order = compare_names(tree, &tree->nodes[left], &tree->nodes[right]);

	return order != 0 ? order : (left > right) - (left < right);
}

static uint32_t count_children(const struct canonical_tree *tree, uint32_t parent)
{
	uint32_t count = 0;

	for (uint32_t i = tree->nodes[parent].child; i != CANONICAL_NONE; i = tree->nodes[i].next)
		count++;
	return count;
}

/* The members that count, sorted; the caller frees. */
static uint32_t *sort_members(struct canonical_tree *tree, uint32_t parent, uint32_t *count)
{
	const uint32_t all = count_children(tree, parent);
	uint32_t *members = calloc(all + 1U, sizeof(*members)), used = 0;

	if (!members)
		return NULL;
	for (uint32_t i = tree->nodes[parent].child; i != CANONICAL_NONE; i = tree->nodes[i].next)
		members[used++] = i;
	qsort_r(members, all, sizeof(*members), compare_members, tree);
	used = 0;
	for (uint32_t i = 0; i < all; i++)
		if (i + 1 == all || compare_names(tree, &tree->nodes[members[i]],
						  &tree->nodes[members[i + 1]]) != 0)
			members[used++] = members[i];
	*count = used;
	return members;
}

/* ---- writing ---- */

static int write_node(struct canonical_tree *tree, uint32_t index, struct buf *out);

static int write_array(struct canonical_tree *tree, uint32_t parent, struct buf *out)
{
	int rc = buf_append(out, "[", 1);

	for (uint32_t i = tree->nodes[parent].child; rc == 0 && i != CANONICAL_NONE;
	     i = tree->nodes[i].next) {
		if (i != tree->nodes[parent].child)
			rc = buf_append(out, ",", 1);
		if (rc == 0)
			rc = write_node(tree, i, out);
	}
	return rc < 0 ? -1 : buf_append(out, "]", 1);
}

static int write_object(struct canonical_tree *tree, uint32_t parent, struct buf *out)
{
	uint32_t count = 0;
	_cleanup_free_ uint32_t *members = sort_members(tree, parent, &count);
	int rc = members ? buf_append(out, "{", 1) : -1;

	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		const struct canonical_node *node = &tree->nodes[members[i]];
		const char *name = node->name_len > 0 ? tree->names.bytes + node->name_at : "";

		if (i > 0)
			rc = buf_append(out, ",", 1);
		if (rc == 0)
			rc = canonical_quote(name, node->name_len, out);
		if (rc == 0)
			rc = buf_append(out, ":", 1);
		if (rc == 0)
			rc = write_node(tree, members[i], out);
	}
	return rc < 0 ? -1 : buf_append(out, "}", 1);
}

static int write_node(struct canonical_tree *tree, uint32_t index, struct buf *out)
{
	const struct canonical_node *node = &tree->nodes[index];

	switch (node->kind) {
	case CANONICAL_ARRAY:
		return write_array(tree, index, out);
	case CANONICAL_OBJECT:
		return write_object(tree, index, out);
	case CANONICAL_SCALAR:
		break;
	}
	return buf_append(out, tree->texts.bytes + node->text_at, node->text_len);
}

int canonical_write(const char *text, size_t len, struct buf *out, struct err *err)
{
	struct canonical_tree tree = { 0 };
	int rc = canonical_tree_read(&tree, text, len, err);

	if (rc == 0 && write_node(&tree, 0, out) < 0)
		rc = err_set(err, ERR_NOMEM, "out of memory");
	canonical_tree_done(&tree);
	return rc;
}

/* ---- an object's members ---- */

static int write_member(struct canonical_tree *tree, struct canonical_member *member)
{
	const size_t len = strlen(member->name);
	uint32_t found = CANONICAL_NONE;

	for (uint32_t i = tree->nodes[0].child; i != CANONICAL_NONE; i = tree->nodes[i].next) {
		const struct canonical_node *node = &tree->nodes[i];

		if (node->name_len == len && len > 0 &&
		    memcmp(tree->names.bytes + node->name_at, member->name, len) == 0)
			found = i; /* the last counts */
	}
	return found == CANONICAL_NONE ? 0 : write_node(tree, found, &member->text);
}

int canonical_read(const char *text, size_t len, struct canonical_member *members, size_t count,
		   struct err *err)
{
	struct canonical_tree tree = { 0 };
	int rc = canonical_tree_read(&tree, text, len, err);

	if (rc == 0 && tree.nodes[0].kind != CANONICAL_OBJECT)
		rc = err_set(err, ERR_INVALID, "it is no JSON object");
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (write_member(&tree, &members[i]) < 0)
			rc = err_set(err, ERR_NOMEM, "out of memory");
	canonical_tree_done(&tree);
	return rc;
}

#pragma once

/* JSON text as a tree, in two growing pieces of memory.  Private to canonical.c. */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum canonical_kind { CANONICAL_SCALAR, CANONICAL_ARRAY, CANONICAL_OBJECT };

#define CANONICAL_NONE UINT32_MAX

struct canonical_node {
	enum canonical_kind kind;
	uint32_t child, next;	    /* nodes; CANONICAL_NONE: there is none */
	uint32_t name_at, name_len; /* of a member: its name in `names`, escapes undone */
	uint32_t text_at, text_len; /* of a scalar: its canonical text in `texts` */
};

struct canonical_tree {
	struct canonical_node *nodes; /* [0] is the root; members of one object in their order */
	uint32_t count, room;
	struct buf names, texts;
};

/* Zero-initialise before; canonical_tree_done() in any case. */
int canonical_tree_read(struct canonical_tree *tree, const char *text, size_t len, struct err *err);
void canonical_tree_done(struct canonical_tree *tree);

/* Appends a string between quotes, escaped as serde_json does it. */
int canonical_quote(const char *text, size_t len, struct buf *out);

#include "tunnel/canonical_tree.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tunnel/canonical.h"
#include "tunnel/canonical_number.h"

struct reader {
	const char *at, *end;
	struct canonical_tree *tree;
	struct buf plain; /* a string with its escapes undone */
	int depth;
	struct err *err;
};

static int wrong(struct reader *reader, const char *why)
{
	return err_set(reader->err, ERR_INVALID, "not JSON: %s", why);
}

static int no_memory(struct reader *reader)
{
	return err_set(reader->err, ERR_NOMEM, "out of memory");
}

static void skip_space(struct reader *reader)
{
	while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at)
		reader->at++;
}

static bool take(struct reader *reader, char c)
{
	skip_space(reader);
	if (reader->at == reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

/* ---- nodes ---- */

static int add_node(struct reader *reader, enum canonical_kind kind, uint32_t *index)
{
	struct canonical_tree *tree = reader->tree;

	if (tree->count == CANONICAL_MAX_VALUES)
		return err_set(reader->err, ERR_INVALID, "JSON has more than %d values",
			       CANONICAL_MAX_VALUES);
	if (tree->count == tree->room) {
		const uint32_t room = tree->room ? tree->room * 2 : 32;
		struct canonical_node *nodes =
		    realloc(tree->nodes, room * sizeof(struct canonical_node));

		if (!nodes)
			return no_memory(reader);
		tree->nodes = nodes;
		tree->room = room;
	}
	tree->nodes[tree->count] = (struct canonical_node){ .kind = kind,
							    .child = CANONICAL_NONE,
							    .next = CANONICAL_NONE };
	*index = tree->count++;
	return 0;
}

/* ---- strings ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u, or -1. */
static int32_t read_unit(struct reader *reader)
{
	int32_t unit = 0;

	if (reader->end - reader->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		const int digit = hex_digit(*reader->at++);

		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

static size_t encode(int32_t code, char out[4])
{
	const unsigned c = (unsigned)code;

	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	const size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = 0; i < len; i++)
		out[i] = (char)((c >> (6 * (len - 1 - i)) & 0x3f) | 0x80);
	out[0] = (char)(lead[len] | c >> (6 * (len - 1)));
	return len;
}

static int read_unicode(struct reader *reader)
{
	int32_t code = read_unit(reader);
	char bytes[4];

	if (code >= 0xd800 && code < 0xdc00 && reader->end - reader->at >= 2 &&
	    reader->at[0] == '\\' && reader->at[1] == 'u') {
		reader->at += 2;
		const int32_t low = read_unit(reader);

		code = low >= 0xdc00 && low < 0xe000
			   ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
			   : -1;
	}
	if (code < 0 || (code >= 0xd800 && code < 0xe000))
		return wrong(reader, "a bad \\u escape");
	return buf_append(&reader->plain, bytes, encode(code, bytes)) < 0 ? no_memory(reader) : 0;
}

static int read_escape(struct reader *reader)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char c = reader->at < reader->end ? *reader->at++ : '\0';
	const char *known = c ? strchr(from, c) : NULL;

	if (c == 'u')
		return read_unicode(reader);
	if (!known)
		return wrong(reader, "a bad escape");
	return buf_append(&reader->plain, &to[known - from], 1) < 0 ? no_memory(reader) : 0;
}

/* What stands from the opening quote on, into `plain`. */
static int read_string(struct reader *reader)
{
	if (!take(reader, '"'))
		return wrong(reader, "a string was expected");
	buf_clear(&reader->plain);
	while (reader->at < reader->end && *reader->at != '"') {
		const char *from = reader->at;

		while (reader->at < reader->end && *reader->at != '"' && *reader->at != '\\') {
			if ((unsigned char)*reader->at < 0x20)
				return wrong(reader, "a control character in a string");
			reader->at++;
		}
		if (buf_append(&reader->plain, from, (size_t)(reader->at - from)) < 0)
			return no_memory(reader);
		if (reader->at < reader->end && *reader->at == '\\') {
			reader->at++;
			if (read_escape(reader) < 0)
				return -1;
		}
	}
	return take(reader, '"') ? 0 : wrong(reader, "a string has no end");
}

/* ---- values ---- */

static int add_text(struct reader *reader, size_t from)
{
	struct canonical_tree *tree = reader->tree;
	uint32_t index;

	if (add_node(reader, CANONICAL_SCALAR, &index) < 0)
		return -1;
	tree->nodes[index].text_at = (uint32_t)from;
	tree->nodes[index].text_len = (uint32_t)(tree->texts.len - from);
	return 0;
}

static int read_word(struct reader *reader, const char *word)
{
	struct buf *texts = &reader->tree->texts;
	const size_t len = strlen(word), from = texts->len;

	if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
		return wrong(reader, "an unknown word");
	reader->at += len;
	return buf_append(texts, word, len) < 0 ? no_memory(reader) : add_text(reader, from);
}

static bool skip_digits(struct reader *reader)
{
	const char *from = reader->at;

	while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
		reader->at++;
	return reader->at > from;
}

static bool skip_number(struct reader *reader)
{
	if (*reader->at == '-')
		reader->at++;
	if (reader->at < reader->end && *reader->at == '0')
		reader->at++;
	else if (!skip_digits(reader))
		return false;
	if (reader->at < reader->end && *reader->at == '.') {
		reader->at++;
		if (!skip_digits(reader))
			return false;
	}
	if (reader->at < reader->end && (*reader->at | 0x20) == 'e') {
		reader->at++;
		if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-'))
			reader->at++;
		return skip_digits(reader);
	}
	return true;
}

static int read_number(struct reader *reader)
{
	struct buf *texts = &reader->tree->texts;
	const char *from = reader->at;
	const size_t at = texts->len;
	char text[CANONICAL_NUMBER_SIZE];

	if (!skip_number(reader))
		return wrong(reader, "a bad number");
	if (canonical_number(from, (size_t)(reader->at - from), text, reader->err) < 0)
		return -1;
	return buf_append(texts, text, strlen(text)) < 0 ? no_memory(reader) : add_text(reader, at);
}

static int read_text(struct reader *reader)
{
	const size_t from = reader->tree->texts.len;

	if (read_string(reader) < 0)
		return -1;
	if (canonical_quote(reader->plain.bytes ? reader->plain.bytes : "", reader->plain.len,
			    &reader->tree->texts) < 0)
		return no_memory(reader);
	return add_text(reader, from);
}

static int read_value(struct reader *reader);

/* One element or member, which becomes node `*index`. */
static int read_child(struct reader *reader, bool member, uint32_t *index)
{
	struct canonical_tree *tree = reader->tree;
	const size_t name_at = tree->names.len;

	if (member && read_string(reader) < 0)
		return -1;
	if (member && !take(reader, ':'))
		return wrong(reader, "a colon was expected");
	if (member && buf_append(&tree->names, reader->plain.bytes ? reader->plain.bytes : "",
				 reader->plain.len) < 0)
		return no_memory(reader);
	const size_t name_len = tree->names.len - name_at;

	*index = tree->count;
	if (read_value(reader) < 0)
		return -1;
	tree->nodes[*index].name_at = (uint32_t)name_at;
	tree->nodes[*index].name_len = (uint32_t)name_len;
	return 0;
}

static int read_children(struct reader *reader, bool object)
{
	struct canonical_tree *tree = reader->tree;
	const char close = object ? '}' : ']';
	uint32_t parent, last = CANONICAL_NONE, child = CANONICAL_NONE;

	if (add_node(reader, object ? CANONICAL_OBJECT : CANONICAL_ARRAY, &parent) < 0)
		return -1;
	reader->at++;
	if (take(reader, close))
		return 0;
	do {
		if (read_child(reader, object, &child) < 0)
			return -1;
		if (last == CANONICAL_NONE)
			tree->nodes[parent].child = child;
		else
			tree->nodes[last].next = child;
		last = child;
	} while (take(reader, ','));
	return take(reader, close) ? 0 : wrong(reader, "an array or object has no end");
}

static int read_nested(struct reader *reader, bool object)
{
	if (++reader->depth > CANONICAL_MAX_DEPTH)
		return err_set(reader->err, ERR_INVALID, "JSON is nested deeper than %d",
			       CANONICAL_MAX_DEPTH);
	const int rc = read_children(reader, object);

	reader->depth--;
	return rc;
}

static int read_value(struct reader *reader)
{
	skip_space(reader);
	if (reader->at == reader->end)
		return wrong(reader, "it ends too early");
	switch (*reader->at) {
	case '{':
		return read_nested(reader, true);
	case '[':
		return read_nested(reader, false);
	case '"':
		return read_text(reader);
	case 't':
		return read_word(reader, "true");
	case 'f':
		return read_word(reader, "false");
	case 'n':
		return read_word(reader, "null");
	default:
		return read_number(reader);
	}
}

int canonical_tree_read(struct canonical_tree *tree, const char *text, size_t len, struct err *err)
{
	struct reader reader = { .at = text, .end = text + len, .tree = tree, .err = err };
	int rc = -1;

	if (len > UINT32_MAX / 8) /* an escape makes six bytes of one */
		err_set(err, ERR_INVALID, "JSON of %zu bytes", len);
	else if (!utf8_valid(text, len))
		wrong(&reader, "no UTF-8");
	else if (read_value(&reader) == 0) {
		skip_space(&reader);
		rc = reader.at == reader.end ? 0 : wrong(&reader, "more behind its end");
	}
	buf_done(&reader.plain);
	return rc;
}

void canonical_tree_done(struct canonical_tree *tree)
{
	free(tree->nodes);
	buf_done(&tree->names);
	buf_done(&tree->texts);
	*tree = (struct canonical_tree){ 0 };
}

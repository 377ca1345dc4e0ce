#include "command/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "command/command.h"

#define CELL_SIZE 64

int print_json(const json_t *value)
{
	_cleanup_free_ char *text = json_text(value);

	if (!text)
		return command_fail(EXIT_FAILED, "out of memory");
	puts(text);
	return EXIT_OK;
}

/* What a stranger wrote must not move the cursor of the operator's terminal. */
static void put_char(char c, FILE *out)
{
	const unsigned char byte = (unsigned char)c;

	fputc((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f ? '?' : c, out);
}

static void cell_text(const json_t *value, char out[CELL_SIZE])
{
	if (json_is_string(value))
		snprintf(out, CELL_SIZE, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(out, CELL_SIZE, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(out, CELL_SIZE, "%.4g", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(out, CELL_SIZE, "%s", json_is_true(value) ? "yes" : "no");
	else
		snprintf(out, CELL_SIZE, "-");
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

static int width_of(const json_t *rows, const struct print_column *column)
{
	size_t width = strlen(column->title);
	char cell[CELL_SIZE];

	for (size_t i = 0; i < json_array_size(rows); i++) {
		cell_text(json_at(json_array_get(rows, i), column->path), cell);
		if (strlen(cell) > width)
			width = strlen(cell);
	}
	return (int)width;
}

void print_table(const json_t *rows, const struct print_column *columns, size_t count,
		 const char *none)
{
	int widths[16];
	char cell[CELL_SIZE];

	if (json_array_size(rows) == 0) {
		puts(none);
		return;
	}
	for (size_t c = 0; c < count; c++)
		printf("%-*s%s", widths[c] = width_of(rows, &columns[c]), columns[c].title,
		       c + 1 < count ? "  " : "\n");
	for (size_t i = 0; i < json_array_size(rows); i++)
		for (size_t c = 0; c < count; c++) {
			cell_text(json_at(json_array_get(rows, i), columns[c].path), cell);
			printf("%-*s%s", widths[c], cell, c + 1 < count ? "  " : "\n");
		}
}

static void indent(int depth)
{
	printf("%*s", depth * 2, "");
}

static void print_value(const char *name, const json_t *value, int depth);

static void print_text(const char *name, const char *text, int depth)
{
	indent(depth);
	if (strlen(text) < 100 && !strchr(text, '\n')) {
		printf("%s: ", name);
		for (const char *c = text; *c; c++)
			put_char(*c, stdout);
		putchar('\n');
		return;
	}
	printf("%s:\n", name);
	indent(depth + 1);
	for (const char *c = text; *c; c++) {
		put_char(*c, stdout);
		if (*c == '\n' && c[1])
			indent(depth + 1);
	}
	if (text[0] && text[strlen(text) - 1] != '\n')
		putchar('\n');
}

static void print_members(const json_t *object, int depth)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
	{
		print_value(name, value, depth);
	}
}

static void print_value(const char *name, const json_t *value, int depth)
{
	char cell[CELL_SIZE];

	if (json_is_null(value))
		return;
	if (json_is_string(value)) {
		print_text(name, json_string_value(value), depth);
	} else if (json_is_object(value)) {
		indent(depth);
		printf("%s:\n", name);
		print_members(value, depth + 1);
	} else if (json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value); i++)
			print_value(name, json_array_get(value, i), depth);
	} else {
		cell_text(value, cell);
		indent(depth);
		printf("%s: %s\n", name, cell);
	}
}

void print_page(const json_t *object)
{
	print_members(object, 0);
}

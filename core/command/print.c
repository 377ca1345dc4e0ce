#include "command/print.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "command/command.h"
#include "command/plain.h"

#define CELL_SIZE 64

int print_json(const json_t *value)
{
	_cleanup_free_ char *text = json_text(value);

	if (!text)
		return command_fail(EXIT_FAILED, "out of memory");
	puts(text);
	return EXIT_OK;
}

static void cell_text(const json_t *value, char out[CELL_SIZE])
{
	const char *text = json_string_value(value);

	if (text)
		snprintf(out, CELL_SIZE, "%.*s", (int)utf8_clip(text, strlen(text), CELL_SIZE - 1),
			 text);
	else if (json_is_integer(value))
		snprintf(out, CELL_SIZE, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(out, CELL_SIZE, "%.4g", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(out, CELL_SIZE, "%s", json_is_true(value) ? "yes" : "no");
	else
		snprintf(out, CELL_SIZE, "-");
}

/* Words of states, outcomes, reports and answers, by what they ask of the reader. */
static const char *colour_of(const char *word)
{
	static const struct {
		const char *colour, *words;
	} colours[] = {
		{ "32", " success delivered dispatched joined " },
		{ "31", " failure timeout dead " },
		{ "33", " held interrupted cancelled disabled observed no_agent pending " },
		{ "36", " running " },
	};
	char wanted[CELL_SIZE + 2];

	snprintf(wanted, sizeof(wanted), " %s ", word);
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strstr(colours[i].words, wanted))
			return colours[i].colour;
	return NULL;
}

static int width_of(const json_t *rows, const struct print_column *column)
{
	int width = (int)strlen(column->title);
	char cell[CELL_SIZE];

	for (size_t i = 0; i < json_array_size(rows); i++) {
		cell_text(json_at(json_array_get(rows, i), column->path), cell);
		if (plain_width(cell) > width)
			width = plain_width(cell);
	}
	return width;
}

/* The last one of a line is not padded. */
static void print_cell(const char *text, const char *colour, int width, bool last)
{
	if (colour)
		printf("\033[%sm", colour);
	plain_line(stdout, text);
	if (colour)
		fputs("\033[0m", stdout);
	if (last)
		putchar('\n');
	else
		printf("%*s", width - plain_width(text) + 2, "");
}

void print_table(const json_t *rows, const struct print_column *columns, size_t count,
		 const char *none)
{
	const bool coloured = plain_colours();
	int widths[16];
	char cell[CELL_SIZE];

	if (json_array_size(rows) == 0) {
		puts(none);
		return;
	}
	for (size_t c = 0; c < count; c++) {
		widths[c] = width_of(rows, &columns[c]);
		print_cell(columns[c].title, coloured ? "1" : NULL, widths[c], c + 1 == count);
	}
	for (size_t i = 0; i < json_array_size(rows); i++)
		for (size_t c = 0; c < count; c++) {
			cell_text(json_at(json_array_get(rows, i), columns[c].path), cell);
			print_cell(cell, coloured && columns[c].word ? colour_of(cell) : NULL,
				   widths[c], c + 1 == count);
		}
}

static void indent(int depth)
{
	printf("%*s", depth * 2, "");
}

static void print_value(const char *name, const json_t *value, int depth);

static void print_text(const char *name, const char *text, int depth)
{
	char margin[64];

	indent(depth);
	if (strlen(text) < 100 && !strchr(text, '\n')) {
		printf("%s: ", name);
		plain_line(stdout, text);
		putchar('\n');
		return;
	}
	printf("%s:\n", name);
	snprintf(margin, sizeof(margin), "%*s", (depth + 1) * 2, "");
	plain_block(stdout, text, margin, SIZE_MAX);
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

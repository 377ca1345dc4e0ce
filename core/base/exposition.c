#include "base/exposition.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

static const struct exposition_label none;

static void append(struct exposition *exposition, const char *text, size_t len)
{
	if (buf_append(&exposition->text, text, len) < 0)
		exposition->failed = true;
}

__attribute__((format(printf, 2, 3))) static void appendf(struct exposition *exposition,
							  const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	append(exposition, text, strlen(text));
}

static void append_label(struct exposition *exposition, struct exposition_label label, char before)
{
	size_t len = 0;
	_cleanup_free_ char *value = utf8_repair(label.value, strlen(label.value), &len);

	if (!value)
		exposition->failed = true;
	appendf(exposition, "%c%s=\"", before, label.name);
	for (size_t i = 0; value && i < len; i++) {
		const char *escaped = value[i] == '\\'	 ? "\\\\"
				      : value[i] == '"'	 ? "\\\""
				      : value[i] == '\n' ? "\\n"
							 : NULL;
		append(exposition, escaped ? escaped : &value[i], escaped ? 2 : 1);
	}
	append(exposition, "\"", 1);
}

/* A sample up to its value. */
static void begin(struct exposition *exposition, const char *suffix, struct exposition_label first,
		  struct exposition_label second)
{
	append(exposition, exposition->family, strlen(exposition->family));
	append(exposition, suffix, strlen(suffix));
	if (first.name)
		append_label(exposition, first, '{');
	if (second.name)
		append_label(exposition, second, first.name ? ',' : '{');
	if (first.name || second.name)
		append(exposition, "}", 1);
}

void exposition_open(struct exposition *exposition, const char *family, enum exposition_kind kind,
		     const char *help)
{
	static const char *const kinds[] = {
		[EXPOSITION_COUNTER] = "counter",
		[EXPOSITION_GAUGE] = "gauge",
		[EXPOSITION_HISTOGRAM] = "histogram",
	};

	exposition->family = family;
	appendf(exposition, "# HELP %s ", family);
	append(exposition, help, strlen(help));
	appendf(exposition, "\n# TYPE %s %s\n", family, kinds[kind]);
}

void exposition_labelled(struct exposition *exposition, struct exposition_label first,
			 struct exposition_label second, int64_t number)
{
	begin(exposition, "", first, second);
	appendf(exposition, " %" PRId64 "\n", number);
}

void exposition_number(struct exposition *exposition, int64_t number)
{
	exposition_labelled(exposition, none, none, number);
}

/* The counts are read once each: what is added meanwhile must not make +Inf differ from _count. */
void exposition_histogram(struct exposition *exposition, struct exposition_label label,
			  struct histogram *histogram)
{
	const uint64_t micros = atomic_load(&histogram->micros);
	uint64_t so_far = 0;
	char bound[32];

	for (int i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		so_far += atomic_load(&histogram->counts[i]);
		if (i < HISTOGRAM_BOUNDS)
			snprintf(bound, sizeof(bound), "%g", (double)histogram_bounds[i] / 1e6);
		else
			strcpy(bound, "+Inf");
		begin(exposition, "_bucket", label, (struct exposition_label){ "le", bound });
		appendf(exposition, " %" PRIu64 "\n", so_far);
	}
	begin(exposition, "_sum", label, none);
	appendf(exposition, " %.6f\n", (double)micros / 1e6);
	begin(exposition, "_count", label, none);
	appendf(exposition, " %" PRIu64 "\n", so_far);
}

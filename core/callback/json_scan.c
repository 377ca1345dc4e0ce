#include "callback/json_scan.h"

#include <string.h>

static bool in_object(const struct json_scan *scan)
{
	return scan->depth > 0 && (scan->objects & (1u << (scan->depth - 1)));
}

/* Keeps what fits; a longer one is remembered as none. */
static void add_to_word(struct json_scan *scan, unsigned char byte)
{
	if (scan->word_len < SCAN_WORD_MAX)
		scan->word[scan->word_len] = (char)byte;
	scan->word_len++;
}

static const char *end_word(struct json_scan *scan)
{
	scan->word[scan->word_len <= SCAN_WORD_MAX ? scan->word_len : 0] = '\0';
	scan->word_len = 0;
	return scan->word;
}

static void add_to_string(struct json_scan *scan, unsigned char byte)
{
	if (scan->is_key)
		add_to_word(scan, byte);
	else
		scan->handler.byte(scan->handler.arg, scan, byte);
}

static void end_string(struct json_scan *scan)
{
	scan->state = SCAN_BETWEEN;
	if (scan->is_key)
		memcpy(scan->key, end_word(scan), sizeof(scan->key));
	else
		scan->handler.string(scan->handler.arg, scan);
}

static void open_level(struct json_scan *scan, bool object)
{
	if (scan->depth == SCAN_MAX_DEPTH || (scan->depth == 0 && scan->started)) {
		scan->broken = true;
		return;
	}
	scan->handler.open(scan->handler.arg, scan, object);
	scan->started = true;
	scan->depth++;
	const uint32_t bit = 1u << (scan->depth - 1);
	scan->objects = object ? scan->objects | bit : scan->objects & ~bit;
	scan->want_key = object;
	scan->key[0] = '\0';
}

static void close_level(struct json_scan *scan, bool object)
{
	if (scan->depth == 0 || in_object(scan) != object) {
		scan->broken = true;
		return;
	}
	scan->depth--;
	scan->want_key = false;
	scan->key[0] = '\0';
}

static void start_value(struct json_scan *scan, char c)
{
	if (scan->depth == 0) {
		scan->broken = true;
		return;
	}
	if (c == '"') {
		scan->is_key = scan->want_key;
		scan->state = SCAN_STRING;
		return;
	}
	scan->state = SCAN_WORD;
	add_to_word(scan, (unsigned char)c);
}

static void between(struct json_scan *scan, char c)
{
	switch (c) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		break;
	case '{':
	case '[':
		open_level(scan, c == '{');
		break;
	case '}':
	case ']':
		close_level(scan, c == '}');
		break;
	case ':':
		scan->want_key = false;
		break;
	case ',':
		scan->want_key = in_object(scan);
		scan->key[0] = '\0';
		break;
	default:
		start_value(scan, c);
	}
}

static void escape(struct json_scan *scan, char c)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *known = c ? strchr(from, c) : NULL;

	scan->state = SCAN_STRING;
	if (c == 'u') {
		scan->state = SCAN_HEX;
		scan->hex = 0;
		scan->hex_left = 4;
		return;
	}
	add_to_string(scan, (unsigned char)(known ? to[known - from] : c));
}

static void hex_digit(struct json_scan *scan, char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

	if (!digit) {
		scan->broken = true;
		return;
	}
	scan->hex = scan->hex * 16 + (unsigned)(digit - digits);
	if (--scan->hex_left > 0)
		return;
	scan->state = SCAN_STRING;
	add_to_string(scan, scan->hex < 0x80 ? (unsigned char)scan->hex : 0xff);
}

static bool ends_word(char c)
{
	return c && strchr(" \t\r\n,:]}", c);
}

static void step(struct json_scan *scan, char c)
{
	if (scan->state == SCAN_WORD && ends_word(c)) {
		scan->state = SCAN_BETWEEN;
		scan->handler.word(scan->handler.arg, scan, end_word(scan));
	}
	switch (scan->state) {
	case SCAN_BETWEEN:
		between(scan, c);
		break;
	case SCAN_STRING:
		if (c == '\\')
			scan->state = SCAN_ESCAPE;
		else if (c == '"')
			end_string(scan);
		else
			add_to_string(scan, (unsigned char)c);
		break;
	case SCAN_ESCAPE:
		escape(scan, c);
		break;
	case SCAN_HEX:
		hex_digit(scan, c);
		break;
	case SCAN_WORD:
		add_to_word(scan, (unsigned char)c);
		break;
	}
}

void json_scan_feed(struct json_scan *scan, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && !scan->broken; i++)
		step(scan, bytes[i]);
}

bool json_scan_whole(const struct json_scan *scan)
{
	return scan->started && scan->depth == 0 && !scan->broken && scan->state == SCAN_BETWEEN;
}

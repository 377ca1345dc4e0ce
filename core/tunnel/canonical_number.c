#include "tunnel/canonical_number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MOST_DIGITS 17	/* with these every double reads back */
#define INTEGER_SIZE 20 /* bytes of -9223372036854775808 and of 18446744073709551615 */

/* ---- integers ---- */

/* An integer of 64 bits, of either kind, stays as it is; leading zeros are no JSON. */
static bool fits_64_bits(const char *text, size_t len)
{
	const bool negative = text[0] == '-';
	const char *most = negative ? "-9223372036854775808" : "18446744073709551615";

	for (size_t i = negative; i < len; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	if (negative && len == 2 && text[1] == '0')
		return false; /* only a double has a negative zero */
	return len < INTEGER_SIZE || (len == INTEGER_SIZE && memcmp(text, most, len) <= 0);
}

/* ---- doubles ---- */

struct decimal {
	char digits[MOST_DIGITS + 1]; /* without zeros at its end */
	int count, exponent;	      /* the value is 0.DIGITS * 10^exponent */
};

static double value_of(const struct decimal *decimal)
{
	char text[48];

	snprintf(text, sizeof(text), "0.%se%d", decimal->digits, decimal->exponent);
	return strtod(text, NULL);
}

static void round_to(double value, int count, struct decimal *decimal)
{
	char text[48];

	snprintf(text, sizeof(text), "%.*e", count - 1, value);
	decimal->digits[0] = text[0];
	memcpy(decimal->digits + 1, text + 2, (size_t)count - 1);
	decimal->digits[count] = '\0';
	decimal->count = count;
	decimal->exponent = atoi(strchr(text, 'e') + 1) + 1;
}

/* The next larger one of as many digits. */
static void step_up(struct decimal *decimal)
{
	int i = decimal->count - 1;

	while (i >= 0 && decimal->digits[i] == '9')
		decimal->digits[i--] = '0';
	if (i >= 0) {
		decimal->digits[i]++;
		return;
	}
	decimal->digits[0] = '1';
	decimal->exponent++;
}

static void drop_zeros(struct decimal *decimal)
{
	while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0')
		decimal->digits[--decimal->count] = '\0';
}

/*
 * The fewest digits that read back as the value.  The nearest decimal of that many is tried first;
 * below a power of two doubles lie closer than above, so there the next larger one may do where the
 * nearest does not.
 */
static void find_shortest(double value, struct decimal *decimal)
{
	for (int count = 1; count <= MOST_DIGITS; count++) {
		round_to(value, count, decimal);
		if (value_of(decimal) == value)
			break;
		step_up(decimal);
		if (value_of(decimal) == value)
			break;
	}
	drop_zeros(decimal);
}

/* The forms of the Rust crate ryu, `format_finite`: src/pretty/mod.rs. */
static void write_decimal(const struct decimal *decimal, bool negative, char *out)
{
	const char *digits = decimal->digits, *sign = negative ? "-" : "";
	const int count = decimal->count, point = decimal->exponent;
	const size_t size = CANONICAL_NUMBER_SIZE;

	if (point >= count && point <= 16)
		snprintf(out, size, "%s%s%.*s.0", sign, digits, point - count, "0000000000000000");
	else if (point > 0 && point <= 16)
		snprintf(out, size, "%s%.*s.%s", sign, point, digits, digits + point);
	else if (point > -5 && point <= 0)
		snprintf(out, size, "%s0.%.*s%s", sign, -point, "0000", digits);
	else if (count == 1)
		snprintf(out, size, "%s%se%d", sign, digits, point - 1);
	else
		snprintf(out, size, "%s%c.%se%d", sign, digits[0], digits + 1, point - 1);
}

int canonical_number(const char *text, size_t len, char out[CANONICAL_NUMBER_SIZE], struct err *err)
{
	struct decimal decimal;

	if (fits_64_bits(text, len)) {
		memcpy(out, text, len);
		out[len] = '\0';
		return 0;
	}
	_cleanup_free_ char *copy = strndup(text, len);
	if (!copy)
		return err_set(err, ERR_NOMEM, "out of memory");
	const double value = strtod(copy, NULL);
	if (isinf(value))
		return err_set(err, ERR_INVALID, "a number is too large");
	if (value == 0) {
		snprintf(out, CANONICAL_NUMBER_SIZE, "%s", signbit(value) ? "-0.0" : "0.0");
		return 0;
	}
	find_shortest(fabs(value), &decimal);
	write_decimal(&decimal, value < 0, out);
	return 0;
}

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_micros(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Days before the first of the month in a year that begins in March, so that the leap day is last.
 */
static int64_t days_before(int month)
{
	return (153 * ((month + 9) % 12) + 2) / 5;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; year >= 0. */
static int64_t days_since_epoch(int64_t year, int month, int day)
{
	const int64_t y = month <= 2 ? year - 1 : year;

	/* 719468: from 0000-03-01.  y is at least -1, whose century counts down. */
	const int64_t leaps = y >= 0 ? y / 4 - y / 100 + y / 400 : -1;

	return y * 365 + leaps + days_before(month) + day - 1 - 719468;
}

static int days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Exactly `count` digits at *text, which moves behind them. */
static bool digits(const char **text, int count, int *value)
{
	int sum = 0;

	for (int i = 0; i < count; i++) {
		const char c = (*text)[i];

		if (c < '0' || c > '9')
			return false;
		sum = sum * 10 + (c - '0');
	}
	*text += count;
	*value = sum;
	return true;
}

static bool literal(const char **text, char upper, char lower)
{
	if (**text != upper && **text != lower)
		return false;
	(*text)++;
	return true;
}

/* ".123456789": 1 to 9 digits, what is finer than a millisecond is cut. */
static bool fraction(const char **text, int64_t *ms)
{
	int64_t value = 0;
	int count = 0;

	*ms = 0;
	if (**text != '.')
		return true;
	for (++*text; **text >= '0' && **text <= '9'; ++*text, count++)
		if (count < 3)
			value = value * 10 + (**text - '0');
	if (count < 1 || count > 9)
		return false;
	for (; count < 3; count++)
		value *= 10;
	*ms = value;
	return true;
}

static bool offset(const char **text, int64_t *ms)
{
	const char sign = **text;
	int hours, minutes;

	if (literal(text, 'Z', 'z')) {
		*ms = 0;
		return true;
	}
	if (!literal(text, '+', '-') || !digits(text, 2, &hours) || !literal(text, ':', ':') ||
	    !digits(text, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ms = (int64_t)(hours * 60 + minutes) * 60000;
	if (sign == '-')
		*ms = -*ms;
	return true;
}

int clock_parse(const char *text, int64_t *ms)
{
	int year, month, day, hour, minute, second;
	int64_t part, shift;

	if (!text || !digits(&text, 4, &year) || !literal(&text, '-', '-') ||
	    !digits(&text, 2, &month) || !literal(&text, '-', '-') || !digits(&text, 2, &day) ||
	    !literal(&text, 'T', 't') || !digits(&text, 2, &hour) || !literal(&text, ':', ':') ||
	    !digits(&text, 2, &minute) || !literal(&text, ':', ':') || !digits(&text, 2, &second) ||
	    !fraction(&text, &part) || !offset(&text, &shift) || *text != '\0')
		return -1;
	/* Second 60 is a leap second; it reads as the first of the next minute. */
	if (month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 ||
	    minute > 59 || second > 60)
		return -1;
	const int64_t seconds =
	    days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;

	*ms = seconds * 1000 + part - shift;
	return 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0 ? 1 : 0);
}

void clock_format(int64_t ms, char out[CLOCK_TEXT_SIZE])
{
	const time_t seconds = (time_t)floor_div(ms, 1000);
	struct tm parts;

	if (!gmtime_r(&seconds, &parts) || parts.tm_year < -1900 || parts.tm_year > 8099) {
		snprintf(out, CLOCK_TEXT_SIZE, "%s",
			 ms < 0 ? "0000-01-01T00:00:00.000Z" : "9999-12-31T23:59:59.999Z");
		return;
	}
	/* Not strftime(): its %Y does not pad. */
	snprintf(out, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
		 (unsigned)(parts.tm_year + 1900) % 10000, (unsigned)(parts.tm_mon + 1) % 100,
		 (unsigned)parts.tm_mday % 100, (unsigned)parts.tm_hour % 100,
		 (unsigned)parts.tm_min % 100, (unsigned)parts.tm_sec % 100,
		 (unsigned)(ms - (int64_t)seconds * 1000) % 1000);
}

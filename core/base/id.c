#include "base/id.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"

/* RFC 9562 section 5.7, with section 6.2 method 3: the 12 bits behind the milliseconds hold the
 * fraction of the millisecond, so that ids made within one still sort. */
void id_make(char out[ID_SIZE])
{
	unsigned char random[8];
	struct timespec now;

	random_fill(random, sizeof(random));
	clock_gettime(CLOCK_REALTIME, &now);
	const uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	const uint64_t fraction = ((uint64_t)now.tv_nsec % 1000000) * 4096 / 1000000;

	snprintf(out, ID_SIZE, "%08x-%04x-7%03x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 (unsigned)((ms >> 16) & 0xffffffff), (unsigned)(ms & 0xffff), (unsigned)fraction,
		 (random[0] & 0x3fU) | 0x80U, random[1], random[2], random[3], random[4], random[5],
		 random[6], random[7]);
}

int64_t id_time(const char id[ID_SIZE])
{
	char digits[13];

	memcpy(digits, id, 8);
	memcpy(digits + 8, id + 9, 4);
	digits[12] = '\0';
	return (int64_t)strtoull(digits, NULL, 16);
}

bool id_valid(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (!text)
		return false;
	for (size_t i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == '-' ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	return text[sizeof(form) - 1] == '\0';
}

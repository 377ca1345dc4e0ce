#pragma once

/* UUIDs as lower-case text.  Ours are version 7 (RFC 9562): they sort by time of making. */

#include <stdbool.h>

#define ID_SIZE 37

void id_make(char out[ID_SIZE]);

/* Any UUID in the 8-4-4-4-12 form, either case. */
bool id_valid(const char *text);

#pragma once

/* UUIDs as lower-case text.  Ours are version 7 (RFC 9562): they sort by time of making. */

#include <stdbool.h>
#include <stdint.h>

#define ID_SIZE 37

void id_make(char out[ID_SIZE]);

/* When an id of ours was made, in wall ms. */
int64_t id_time(const char id[ID_SIZE]);

/* Any UUID in the 8-4-4-4-12 form, either case. */
bool id_valid(const char *text);

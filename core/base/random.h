#pragma once

/* Bytes from the kernel that nobody can guess. */

#include <stddef.h>

#define RANDOM_MOST 256 /* bytes at a time; the kernel gives that many whole or not at all */

/* Ends the process when the kernel gives none: what is made of them must not repeat. */
void random_fill(void *bytes, size_t len);

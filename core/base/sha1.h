#pragma once

/* SHA-1, for the one place that wants it: the handshake of RFC 6455, where it guards nothing. */

#include <stddef.h>

#include "base/err.h"

#define SHA1_SIZE 20

int sha1(const void *data, size_t len, unsigned char out[SHA1_SIZE], struct err *err);

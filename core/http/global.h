#pragma once

/* libcurl's own start, once for the process. */

#include <curl/curl.h>

/* A handle, or NULL. */
CURL *global_handle(void);

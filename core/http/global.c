#include "http/global.h"

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode started;

static void start(void)
{
	started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

CURL *global_handle(void)
{
	pthread_once(&once, start);
	return started == CURLE_OK ? curl_easy_init() : NULL;
}

#include "tunnel/backoff.h"

#include "base/random.h"

void backoff_reset(struct backoff *backoff, int64_t first)
{
	backoff->first = first;
	backoff->next = first;
}

int64_t backoff_take(struct backoff *backoff)
{
	const int64_t most = backoff->first > BACKOFF_MOST ? backoff->first : BACKOFF_MOST;
	const int64_t step = backoff->next, spread = step * 2 / 5;
	uint32_t random;

	random_fill(&random, sizeof(random));
	backoff->next = step * 2 < most ? step * 2 : most;
	const int64_t wait = step - spread / 2 + (int64_t)(random % (uint64_t)(spread + 1));
	return wait < most ? wait : most;
}

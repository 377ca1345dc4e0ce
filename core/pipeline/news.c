#include "pipeline/news.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"

struct fact {
	const char *kind;
	char *text;
};

struct news {
	pthread_mutex_t lock;
	char name[9];
	uint64_t last; /* number; the first is 1 */
	struct fact facts[NEWS_KEPT];
};

struct news *news_new(void)
{
	struct news *news = calloc(1, sizeof(*news));
	char id[ID_SIZE];

	if (!news)
		return NULL;
	pthread_mutex_init(&news->lock, NULL);
	id_make(id);
	memcpy(news->name, id + ID_SIZE - 9, 8); /* random */
	return news;
}

void news_free(struct news *news)
{
	if (!news)
		return;
	for (size_t i = 0; i < NEWS_KEPT; i++)
		free(news->facts[i].text);
	pthread_mutex_destroy(&news->lock);
	free(news);
}

void news_add(struct news *news, const char *kind, json_t *object)
{
	char *text = object ? json_text(object) : NULL;

	json_decref(object);
	if (!text)
		return;
	pthread_mutex_lock(&news->lock);
	struct fact *fact = &news->facts[++news->last % NEWS_KEPT];
	char *old = fact->text;
	*fact = (struct fact){ kind, text };
	pthread_mutex_unlock(&news->lock);
	free(old);
}

const char *news_name(const struct news *news)
{
	return news->name;
}

uint64_t news_last(struct news *news)
{
	pthread_mutex_lock(&news->lock);
	const uint64_t last = news->last;
	pthread_mutex_unlock(&news->lock);
	return last;
}

enum news_found news_next(struct news *news, uint64_t *at, const char **kind, char **text)
{
	enum news_found found = NEWS_NONE;

	pthread_mutex_lock(&news->lock);
	if (*at > news->last || news->last - *at > NEWS_KEPT) {
		found = NEWS_LOST;
		*at = news->last;
	} else if (*at < news->last) {
		const struct fact *fact = &news->facts[(*at + 1) % NEWS_KEPT];
		*kind = fact->kind;
		*text = strdup(fact->text);
		found = *text ? NEWS_FOUND : NEWS_NONE;
		*at += *text != NULL;
	}
	pthread_mutex_unlock(&news->lock);
	return found;
}

#include "pipeline/lane.h"

#include <stdlib.h>

void submission_free(struct submission *submission)
{
	event_free(submission->event);
	free(submission->body);
	free(submission);
}

void lane_put(struct lane *lane, struct submission *submission)
{
	pthread_mutex_lock(&lane->lock);
	submission->next = NULL;
	*lane->last = submission;
	lane->last = &submission->next;
	pthread_cond_signal(&lane->more);
	pthread_mutex_unlock(&lane->lock);
}

struct submission *lane_take(struct lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	while (!lane->first && !lane->stop)
		pthread_cond_wait(&lane->more, &lane->lock);
	struct submission *submission = lane->first;
	if (submission) {
		lane->first = submission->next;
		if (!lane->first)
			lane->last = &lane->first;
	}
	pthread_mutex_unlock(&lane->lock);
	return submission;
}

void lane_init(struct lane *lane, struct intake *intake)
{
	lane->intake = intake;
	lane->last = &lane->first;
	pthread_mutex_init(&lane->lock, NULL);
	pthread_cond_init(&lane->more, NULL);
}

int lane_start(struct lane *lane, void *(*run)(void *), struct err *err)
{
	for (; lane->started < LANE_THREADS; lane->started++)
		if (pthread_create(&lane->threads[lane->started], NULL, run, lane) != 0)
			return err_set(err, ERR_IO, "cannot start an intake thread");
	return 0;
}

void lane_stop(struct lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	lane->stop = true;
	pthread_cond_broadcast(&lane->more);
	pthread_mutex_unlock(&lane->lock);
	for (; lane->started > 0; lane->started--)
		pthread_join(lane->threads[lane->started - 1], NULL);
}

void lane_done(struct lane *lane)
{
	pthread_mutex_destroy(&lane->lock);
	pthread_cond_destroy(&lane->more);
}

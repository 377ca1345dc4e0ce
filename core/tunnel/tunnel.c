#include "tunnel/tunnel.h"

#include <stdlib.h>

#include "tunnel/traffic.h"

struct tunnel {
	struct traffic *traffic;
	struct link *link;
};

struct tunnel *tunnel_start(struct config *config, struct pipeline *pipeline, struct store *store,
			    struct err *err)
{
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));

	if (!tunnel) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	tunnel->traffic = traffic_new(pipeline, store, err);
	if (tunnel->traffic) {
		const struct link_traffic traffic = traffic_callbacks(tunnel->traffic);

		tunnel->link = link_start(config, &traffic, err);
	}
	if (!tunnel->link) {
		tunnel_free(tunnel);
		return NULL;
	}
	traffic_attach(tunnel->traffic, tunnel->link);
	return tunnel;
}

void tunnel_reload(struct tunnel *tunnel, struct config *config)
{
	link_reload(tunnel->link, config);
}

bool tunnel_trouble(struct tunnel *tunnel, char why[LINK_WHY_SIZE])
{
	return link_trouble(tunnel->link, why);
}

void tunnel_stop(struct tunnel *tunnel)
{
	traffic_attach(tunnel->traffic, NULL);
	link_stop(tunnel->link);
}

void tunnel_free(struct tunnel *tunnel)
{
	if (!tunnel)
		return;
	if (tunnel->link)
		tunnel_stop(tunnel);
	link_free(tunnel->link);
	traffic_free(tunnel->traffic);
	free(tunnel);
}

#pragma once

/*
 * The tunnel as the daemon sees it: the link (tunnel/link.h), and what goes over it.
 */

#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"
#include "pipeline/pipeline.h"
#include "store/store.h"
#include "tunnel/link.h"

struct tunnel;

/* config is shared, the rest borrowed.  Also without a tunnel in the configuration: a reload may
 * bring one. */
struct tunnel *tunnel_start(struct config *config, struct pipeline *pipeline, struct store *store,
			    struct err *err);
void tunnel_reload(struct tunnel *tunnel, struct config *config);
/* As link_trouble(). */
bool tunnel_trouble(struct tunnel *tunnel, char why[LINK_WHY_SIZE]);
/* Before pipeline_stop(): nothing comes in any more. */
void tunnel_stop(struct tunnel *tunnel);
/* After pipeline_stop(): what was dispatched answers until then.  Accepts NULL. */
void tunnel_free(struct tunnel *tunnel);

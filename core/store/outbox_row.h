#pragma once

/* Reading one row of the outbox whole. */

#include "store/db.h"
#include "store/store.h"

/* store_report_free(); ERR_NOTFOUND. */
int outbox_load(struct db *db, const char *id, struct store_report **report, struct err *err);

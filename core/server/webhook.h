#pragma once

/* POST /webhook: the signature is checked before anything is parsed, the answer comes later. */

#include <h2o.h>

#include "pipeline/pipeline.h"
#include "server/signature.h"

struct conn;
struct loop;

/* loop->local is its struct signature. */
void webhook_serve(struct loop *loop, struct conn *conn, h2o_req_t *req, struct pipeline *pipeline);

/* Gives the loop other secrets, which it then owns; returns when they are in force. */
void webhook_secrets(struct loop *loop, struct signature *signature);

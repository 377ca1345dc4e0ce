-- What the stand-in gateways do; set by POST /_control.

return {
  token = "gateway-token", -- hooks.token, the gateway's own and PRX's
  takes = 0,               -- seconds that an agent works
  reply = "The gateway's agent says: done.",
  status = "ok",           -- how OpenClaw's agent ends: ok, error, skipped
  job = "succeeded",       -- how PRX's job ends: succeeded, failed, cancelled
  http_status = 200,       -- what a succeeded job had to answer
  allowed = true,          -- OpenClaw's message tool
}

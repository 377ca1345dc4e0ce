-- Configuration of the service, /etc/openpr-webhook/config.lua.  openpr-webhook.service names the secrets
-- (LoadCredential) and must name every working_dir (ReadWritePaths).  After a change:
--
--   openpr-webhook check && systemctl reload openpr-webhook

return {
  webhook = {
    listen = "0.0.0.0:8091",
    secret = file "/run/credentials/openpr-webhook.service/webhook-secret",
  },

  features = {
    cli_executor = false, -- true lets agents start; until then events are received and recorded only
  },

  executor = {
    working_dir = "/opt/repos", -- the checkout that agents work in; belongs to the user openpr-webhook
    timeout_secs = 900,
    max_concurrent = 2,
    drain_secs = 60, -- with 15 more it is the unit's TimeoutStopSec
  },

  openpr = {
    api_url = "http://127.0.0.1:8081",
    token = file "/run/credentials/openpr-webhook.service/bot-token",
  },

  agents = {
    default = { type = "cli", cli = "claude-code" }, -- or "codex", "opencode"
  },

  queue = { path = "/var/lib/openpr-webhook/queue.db" },
  admin = { listen = "unix:/run/openpr-webhook/admin.sock" },
}

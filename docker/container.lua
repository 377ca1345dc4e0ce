-- Configuration in the image, /etc/openpr-webhook/config.lua; mount your own over it.  Secrets come as files in
-- /run/secrets, state and checkouts lie in volumes, all else is read-only.

return {
  webhook = {
    listen = "0.0.0.0:8091", -- docker/healthcheck asks this port
    secret = file "/run/secrets/webhook-secret",
  },

  features = {
    cli_executor = true,
  },

  executor = {
    working_dir = "/opt/repos",
    timeout_secs = 900,
    max_concurrent = 2,
    drain_secs = 60, -- with 15 more it is the stop period of compose.yaml
  },

  openpr = {
    api_url = env "OPENPR_API_URL",
    token = file "/run/secrets/bot-token",
  },

  -- The CLIs are in the image when it was built with CLIS=npm.
  agents = {
    default = { type = "cli", cli = "claude-code", env = { ANTHROPIC_API_KEY = file "/run/secrets/anthropic-key" } },
  },

  queue = { path = "/var/lib/openpr-webhook/queue.db" },
  admin = { listen = "unix:/var/lib/openpr-webhook/admin.sock" },
}

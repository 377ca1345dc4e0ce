-- What `script/serve` serves with.  docs/config.md has every option, its default and its meaning.
--
--   openpr-webhook check           every mistake, by path; starts nothing
--   openpr-webhook print-config    this table with its defaults, secrets hidden
--
-- Secrets come from the environment (env "NAME") or from private files (file "PATH").

return {
  webhook = {
    listen = "0.0.0.0:8091",
    secret = env "OPENPR_WEBHOOK_SECRET", -- the secret that OpenPR's webhook was made with
  },

  features = {
    cli_executor = false, -- true lets agents start; until then events are received and recorded only
  },

  executor = {
    working_dir = "/opt/repos", -- the checkout that agents work in
    timeout_secs = 900,
    max_concurrent = 2,
  },

  openpr = {
    api_url = "http://127.0.0.1:8081",
    token = env "OPENPR_BOT_TOKEN", -- of the bot that issues are assigned to
  },

  -- The agent that is called like the bot gets its issues, else "default".
  agents = {
    default = { type = "cli", cli = "claude-code" }, -- or "codex", "opencode"
  },
}

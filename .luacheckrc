std = "lua54"
max_line_length = 120

-- The globals of a policy and nothing else: lua/openpr/sandbox.lua, held to it by tests/spec/openpr/sandbox_spec.lua.
stds.policy = { read_globals = {
  "accept", "agents", "assert", "cancel", "drop", "error", "getmetatable", "hours", "ignore", "ipairs", "json", "KiB",
  "labels", "log", "math", "MiB", "milliseconds", "minutes", "next", "now", "pairs", "pcall", "rawequal", "rawget",
  "rawlen", "rules", "seconds", "select", "setmetatable", "string", "table", "template", "text", "to", "tonumber",
  "tostring", "type", "utf8", "when",
} }
-- The globals of config.lua: lua/openpr/config_loader.lua
stds.config = { read_globals = { "env", "file", "GiB", "hours", "KiB", "MiB", "milliseconds", "minutes", "seconds" } }

files["policies"].std = "policy"
files["policies/examples/spec"].std = "lua54+busted"
files["config.lua"].std = "min+config"
files["docker/config.lua"].std = "min+config"
files["docker/container.lua"].std = "min+config"
files["lua/meta"] = { std = "lua54", ignore = { "111", "112", "113", "121", "122", "131", "142", "143", "212" } }
files["tests/spec"].std = "lua54+busted"
files["tests/integration"].std = "lua54+busted"
files["tests/container"].std = "lua54+busted"

std = "lua54"
max_line_length = 120

-- The globals of a policy: lua/openpr/sandbox.lua
stds.policy = { read_globals = { "accept", "agents", "cancel", "drop", "hours", "ignore", "json", "KiB", "labels", "log",
                                 "MiB", "milliseconds", "minutes", "now", "rules", "seconds", "template", "text", "to",
                                 "when" } }
-- The globals of config.lua: lua/openpr/loader.lua
stds.config = { read_globals = { "env", "file", "GiB", "hours", "KiB", "MiB", "milliseconds", "minutes", "seconds" } }

files["policies"].std = "min+policy"
files["config.lua"].std = "min+config"
files["tests/spec"].std = "lua54+busted"
files["tests/integration"].std = "lua54+busted"

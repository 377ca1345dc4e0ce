std = "lua54"
max_line_length = 120

stds.policy = dofile "lua/luacheck/policy.lua"
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
files["tests/bare"].std = "lua54+busted"

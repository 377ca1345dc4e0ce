-- Shows that every lint fails on what it is for, and passes on what is right: a lint that cannot fail is none.
--
--   lua5.4 tests/lint/selftest.lua

local line = "x\n"
local cases = {
  -- lint, file, its text, what must be said (nil: nothing)
  { "layers", "core/base/a.c", '#include "store/store.h"\n', "base may not include store/store.h" },
  { "layers", "core/store/a.c", '#include "exec/run.h"\n', "store may not include exec/run.h" },
  { "layers", "core/pipeline/a.c", "#include <lua.h>\n", "only core/script/ may include <lua.h>" },
  { "layers", "core/policy/a.c", '#include "lauxlib.h"\n', "only core/script/ may include <lauxlib.h>" },
  { "layers", "core/command/a.c", "#include <h2o.h>\n", "only core/server/ may include <h2o.h>" },
  { "layers", "core/pipeline/a.c", "#include <sqlite3.h>\n", "only core/store/ may include <sqlite3.h>" },
  { "layers", "core/server/a.c", "# include <curl/curl.h>\n", "only core/http/ may include <curl/curl.h>" },
  { "layers", "core/store/a.c", "#include <jansson.h>\n", "only core/base/json.h may include <jansson.h>" },
  { "layers", "core/attic/a.c", "int x;\n", "there is no layer attic" },
  { "layers", "core/base/a.c", '#include "err.h"\n', "write the layer too" },
  { "layers", "core/server/a.c", '#include "pipeline/pipeline.h"\n#include <h2o.h>\n' },
  { "sizes", "core/base/a.c", line:rep(401), "401 lines" },
  { "sizes", "core/base/a.c", "int f(void)\n{\n" .. ("\tx();\n"):rep(69) .. "}\n", "a function of 71 lines" },
  { "sizes", "lua/a.lua", "local function f()\n" .. ("  x()\n"):rep(69) .. "end\n", "a function of 71 lines" },
  { "sizes", "core/base/a.c", "int f(void)\n{\n" .. ("\tx();\n"):rep(68) .. "}\n" .. line:rep(300) },
  { "words", "core/base/a.c", "/* TO" .. "DO: finish */\n", "TO" .. "DO" },
  { "words", "README.md", "This is not " .. "implemented.\n", "not " .. "implemented" },
  { "words", "script/x", "cat /wo" .. "rk/shared/x\n", "a path of somebody's machine" },
  { "words", "core/base/a.c", 'mkdtemp("run' .. ("X"):rep(6) .. '"); open("/workspaces/");\n' },
  { "docs", "docs/a.md", "See [x](nowhere.md).\n", "there is no docs/nowhere.md" },
  { "docs", "README.md", "# Title\n\nSee [x](#titel).\n", "has no heading #titel" },
  { "docs", "docs/a.md", "# One two\n\nSee [x](../docs/a.md#one-two), [y](https://example.com/).\n" },
  { "format", "core/base/a.c", "int  x;\n", "clang-formatted" },
  { "format", "core/base/a.c", "int x;\n" },
  { "luacheck", "lua/a.lua", "local unused = 1\n", "unused" },
  { "luacheck", "lua/a.lua", "return 1\n" },
  { "luacheck", "policies/a.lua", "return io\n", "W113" },
  { "luacheck", "policies/a.lua", "return text.clipp('', 1)\n", "W143" },
  { "luacheck", "policies/a.lua", "return function(e) return when.label(e) end\n" },
}

local function run(command)
  local out = io.popen(command .. " 2>&1")
  local said = out:read "a"
  return out:close() == true, said
end

local function write(path, text)
  assert(os.execute("mkdir -p '" .. path:match "^(.*)/" .. "'"))
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local all_good = true
for n, case in ipairs(cases) do
  local lint, path, text, expected = table.unpack(case, 1, 4)
  local root = assert(io.popen("mktemp -d"):read "l")
  write(root .. "/" .. path, text)
  os.execute("cp --parents .clang-format .luacheckrc lua/luacheck/policy.lua '" .. root .. "' 2>/dev/null")
  local passed, said = run(("lua5.4 tests/lint/%s.lua '%s'"):format(lint, root))
  os.execute("rm -rf '" .. root .. "'")

  local good
  if expected then good = not passed and said:find(expected, 1, true) ~= nil else good = passed end
  print(("%s %d - %s %s"):format(good and "ok" or "not ok", n, lint, expected and "refuses: " .. expected or "accepts"))
  if not good then print("# said: " .. said:gsub("\n", "\n# ")) end
  all_good = all_good and good
end
os.exit(all_good)

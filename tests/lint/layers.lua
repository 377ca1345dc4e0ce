-- Fails when a file of core/ includes something above or beside its own layer, or a library's header outside of the
-- one folder that may know it.
--
--   lua5.4 tests/lint/layers.lua ROOT

package.path = "tests/lint/?.lua;" .. package.path
local report = require "report"
local root = arg[1]

-- Lowest first; layers of one line stand beside each other and may not include one another.
local order = {
  { "base" },
  { "script", "http" },
  { "config" },
  { "store", "exec", "callback" },
  { "policy", "gateway" },
  { "pipeline" },
  { "server", "tunnel" },
  { "command" },
}

-- A header's name, as a pattern, and the only files that may include it.
local private = {
  { "^lua",           "^core/script/" },
  { "^lualib%.h$",    "^core/script/" },
  { "^lauxlib%.h$",   "^core/script/" },
  { "^h2o",           "^core/server/" },
  { "^picohttpparser", "^core/server/" },
  { "^sqlite3",       "^core/store/" },
  { "^curl/",         "^core/http/" },
  { "^wslay/",        "^core/tunnel/" },
  { "^jansson",       "^core/base/json%.h$" },
  { "^openssl/",      "^core/base/" },
  { "^seccomp",       "^core/policy/" },
}

local rank = {}
for height, beside in ipairs(order) do
  for _, layer in ipairs(beside) do rank[layer] = height end
end

local function check_own(path, line, mine, header)
  local other = header:match "^([%w_]+)/"
  if not other then
    report.complain("%s:%d: write the layer too: #include \"LAYER/%s\"", path, line, header)
  elseif not rank[other] and not header:match "^exec/whitelist_extra" then
    report.complain("%s:%d: there is no layer %s", path, line, other)
  elseif mine and other ~= mine and rank[other] >= rank[mine] then
    report.complain("%s:%d: %s may not include %s", path, line, mine, header)
  end
end

local function check_library(path, line, header)
  for _, rule in ipairs(private) do
    if header:match(rule[1]) and not path:match(rule[2]) then
      report.complain("%s:%d: only %s may include <%s>", path, line, rule[2]:gsub("[%^%%$]", ""), header)
    end
  end
end

for _, path in ipairs(report.files(root, "^core/.*%.[ch]$")) do
  local mine = path:match "^core/([%w_]+)/"
  if mine and not rank[mine] then report.complain("%s: there is no layer %s", path, mine) end
  local n = 0
  for line in io.lines(root .. "/" .. path) do
    n = n + 1
    local own, library = line:match '^%s*#%s*include%s+"([^"]+)"', line:match "^%s*#%s*include%s+<([^>]+)>"
    if own then
      check_own(path, n, rank[mine] and mine, own)
      check_library(path, n, own)
    elseif library then
      check_library(path, n, library)
    end
  end
end

report.finish "core/ keeps its layers"

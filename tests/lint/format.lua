-- Fails when clang-format would change a C file.
--
--   lua5.4 tests/lint/format.lua ROOT

package.path = "tests/lint/?.lua;" .. package.path
local report = require "report"
local root = arg[1]

local paths = report.files(root, "^core/.*%.[ch]$", "^tests/.*%.[ch]$")
for n, path in ipairs(paths) do paths[n] = "'" .. path .. "'" end
local command = "cd '%s' && clang-format --style=file --dry-run -Werror %s 2>&1"
local out = io.popen(command:format(root, table.concat(paths, " ")))
local seen = {}
for line in out:lines() do
  local path = line:match "^(.-):%d+:%d+: error"
  if path and not seen[path] then
    seen[path] = true
    report.complain("%s", line)
  end
end
if not out:close() and #report.complaints == 0 then report.complain "clang-format failed" end

report.finish "clang-format would change nothing"

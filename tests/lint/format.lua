-- Fails when clang-format would change a C file.
--
--   lua5.4 tests/lint/format.lua ROOT

package.path = "tests/lint/?.lua;" .. package.path
local report = require "report"
local root = arg[1]

for _, path in ipairs(report.files(root, "^core/.*%.[ch]$", "^tests/.*%.[ch]$")) do
  local out = io.popen(("cd '%s' && clang-format --style=file --dry-run -Werror '%s' 2>&1"):format(root, path))
  local first = out:read "l"
  if not out:close() then report.complain("%s", first or path .. ": clang-format failed") end
end

report.finish "clang-format would change nothing"

-- Fails when luacheck has something to say about a Lua file.
--
--   lua5.4 tests/lint/luacheck.lua ROOT

package.path = "tests/lint/?.lua;" .. package.path
local report = require "report"
local root = arg[1]

local paths = report.files(root, "%.lua$")
for n, path in ipairs(paths) do paths[n] = "'" .. path .. "'" end
local command = "cd '%s' && luacheck --no-color --codes --formatter plain -q %s 2>&1"
local out = io.popen(command:format(root, table.concat(paths, " ")))
local said = out:read "a"
if not out:close() then
  for line in said:gmatch "[^\n]+" do
    if line:match "%S" then report.complain("%s", line) end
  end
  if #report.complaints == 0 then report.complain "luacheck failed" end
end

report.finish "luacheck has no complaint"

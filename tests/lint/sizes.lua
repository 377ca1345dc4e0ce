-- Fails when a source file is longer than 400 lines or a function longer than 70.
--
--   lua5.4 tests/lint/sizes.lua ROOT
--
-- A function of C is what stands between a brace in the first column and the next closing one there; of Lua, between a
-- line that opens a function and the `end` of the same indentation.

package.path = "tests/lint/?.lua;" .. package.path
local report = require "report"
local root = arg[1]

local longest_file, longest_function = 400, 70

local function opens_lua(line)
  local indent = line:match "^(%s*)local function%f[%W]" or line:match "^(%s*)function%f[%W]" or
    line:match "^(%s*)[%w_.%[%]\"]+ = function%f[%W]" or line:match "^(%s*)return function%f[%W]"
  if indent and not line:match "%f[%w]end[%s,)]*$" then return indent end
end

local function check_c(path, lines)
  local start
  for n, line in ipairs(lines) do
    if line:match "^{" then
      start = n
    elseif line:match "^}" and start then
      if n - start + 1 > longest_function then
        report.complain("%s:%d: a function of %d lines (at most %d)", path, start, n - start + 1, longest_function)
      end
      start = nil
    end
  end
end

-- A spec's describe() is no function to be kept short: its tests are.
local function check_lua(path, lines)
  local open = {}
  for n, line in ipairs(lines) do
    local indent, closes = opens_lua(line), line:match "^(%s*)end%f[%W]"
    if indent then
      open[indent] = n
    elseif closes and open[closes] then
      local length = n - open[closes] + 1
      if length > longest_function then
        report.complain("%s:%d: a function of %d lines (at most %d)", path, open[closes], length, longest_function)
      end
      open[closes] = nil
    end
  end
end

for _, path in ipairs(report.files(root, "%.[ch]$", "%.lua$", "^script/", "^%.ci/")) do
  local lines = {}
  for line in io.lines(root .. "/" .. path) do lines[#lines + 1] = line end
  if #lines > longest_file then
    report.complain("%s: %d lines (at most %d)", path, #lines, longest_file)
  end
  if path:match "%.[ch]$" then check_c(path, lines) elseif path:match "%.lua$" then check_lua(path, lines) end
end

report.finish "files and functions are short enough"

-- Fails on marks of unfinished work, and on paths of the place where somebody happened to work.
--
--   lua5.4 tests/lint/words.lua ROOT

package.path = "tests/lint/?.lua;" .. package.path
local report = require "report"
local root = arg[1]

-- Written in two parts, so that this file does not hold them.
local marks = { "TO" .. "DO", "FIX" .. "ME", "X" .. "XX", "HA" .. "CK" }
local phrases = { "not " .. "implemented", "not yet " .. "implemented", "coming " .. "soon" }
local folders = { "wo" .. "rk", "fa" .. "rm" }
local private = { "%.lib" .. "rary/", "/tmp/br" .. "ief", "before%-st" .. "op" }

local function check(path, n, line)
  for _, mark in ipairs(marks) do
    if line:match("%f[%w_]" .. mark .. "%f[^%w_]") then report.complain("%s:%d: %s", path, n, mark) end
  end
  for _, phrase in ipairs(phrases) do
    if line:lower():find(phrase, 1, true) then report.complain("%s:%d: %s", path, n, phrase) end
  end
  for _, folder in ipairs(folders) do
    if line:match("%f[%w_/]/" .. folder .. "/") then
      report.complain("%s:%d: a path of somebody's machine: /%s/", path, n, folder)
    end
  end
  for _, pattern in ipairs(private) do
    if line:match(pattern) then report.complain("%s:%d: a path of somebody's machine", path, n) end
  end
end

for _, path in ipairs(report.files(root, ".")) do
  if path ~= "LICENSE" and not path:match "^tests/fixtures/recorded/" and not path:match "^tests/fuzz/corpus/" then
    local n = 0
    for line in io.lines(root .. "/" .. path) do
      n = n + 1
      check(path, n, line)
    end
  end
end

report.finish "no unfinished marks, no private paths"

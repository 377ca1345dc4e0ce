-- Fails when a document links to a file or a heading that is not there.
--
--   lua5.4 tests/lint/docs.lua ROOT

package.path = "tests/lint/?.lua;" .. package.path
local report = require "report"
local root = arg[1]

local function slurp(path)
  local file = io.open(root .. "/" .. path)
  local text = file and file:read "a"
  if file then file:close() end
  return text
end

local function exists(path)
  return os.execute(("test -e '%s/%s'"):format(root, path)) == true
end

-- "## How it works" is reached by #how-it-works.
local function anchors(text)
  local found = {}
  for heading in ("\n" .. text):gmatch "\n#+ ([^\n]+)" do
    found[heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")] = true
  end
  return found
end

-- "docs/x.md" and "../README.md" make "README.md".
local function resolve(from, target)
  local path = from:match "^(.*/)" or ""
  path = path .. target
  local n
  repeat path, n = path:gsub("[^/]+/%.%./", "", 1) until n == 0
  return (path:gsub("^%./", ""))
end

local function check(path, n, link)
  if link:match "^%a+:" then return end
  local target, anchor = link:match "^([^#]*)#?(.*)$"
  local file = target == "" and path or resolve(path, target)
  if not exists(file) then
    report.complain("%s:%d: there is no %s", path, n, file)
  elseif anchor ~= "" and not anchors(slurp(file))[anchor] then
    report.complain("%s:%d: %s has no heading #%s", path, n, file, anchor)
  end
end

for _, path in ipairs(report.files(root, "%.md$")) do
  local n = 0
  for line in io.lines(root .. "/" .. path) do
    n = n + 1
    for link in line:gsub("`[^`]*`", ""):gmatch "%]%(([^)%s]+)%)" do check(path, n, link) end
  end
end

report.finish "every link in the documents leads somewhere"

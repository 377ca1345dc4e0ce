-- Counts what the tests said and prints the last line of script/test: "N passed, N failed".
--
--   lua5.4 tests/summary.lua DIRECTORY
--
-- Every test speaks TAP; ctest gathers it in DIRECTORY/*.xml, script/test writes DIRECTORY/*.tap.  A
-- program that ends badly without a "not ok" of its own (a crash, a time-out) counts as one failure.

local passed, failed, skipped = 0, 0, 0

local function count(text, where)
  local bad, seen = 0, 0
  for line in text:gmatch "[^\n]+" do
    local no, rest = line:match "^(n?o?t? ?)ok%f[%W](.*)"
    if no == "" or no == "not " then
      seen = seen + 1
      if rest:match "# [Ss][Kk][Ii][Pp]" then
        skipped = skipped + 1
      elseif no == "" then
        passed = passed + 1
      else
        bad, failed = bad + 1, failed + 1
        print(("failed: %s:%s"):format(where, rest:gsub("^ %d+", "")))
      end
    end
  end
  return bad, seen
end

local function unescape(text)
  return (text:gsub("&(%w+);", { lt = "<", gt = ">", quot = '"', apos = "'", amp = "&" }))
end

local function count_ctest(path)
  local file = assert(io.open(path))
  local build = path:match "([^/]+)%.xml$"
  for head, body in file:read("a"):gmatch "<testcase (.-)>(.-)</testcase>" do
    local name, status = head:match 'name="([^"]*)"', head:match 'status="([^"]*)"'
    local where = ("%s (%s build)"):format(name, build)
    local bad, seen = count(unescape(body:match "<system%-out>(.-)</system%-out>" or ""), where)
    if status == "notrun" or status == "disabled" then
      skipped = skipped + 1
    elseif status ~= "run" and bad == 0 then
      failed = failed + 1
      print(("failed: %s: ended badly (%s)"):format(where, body:match 'message="([^"]*)"' or status))
    elseif status == "run" and seen == 0 then
      failed = failed + 1
      print(("failed: %s: ran no test"):format(where))
    end
  end
  file:close()
end

for path in io.popen("ls " .. arg[1] .. "/*.tap " .. arg[1] .. "/*.xml 2>/dev/null"):lines() do
  if path:match "%.xml$" then
    count_ctest(path)
  else
    local file = assert(io.open(path))
    count(file:read "a", "script/test")
    file:close()
  end
end

local line = ("%d passed, %d failed"):format(passed, failed)
if skipped > 0 then line = ("%s, %d skipped"):format(line, skipped) end
print(line)
os.exit(failed == 0 and passed > 0)

-- Helpers for text that comes from strangers.  Each takes time linear in its input, and nil reads as "".

local find, gmatch, gsub, rep, sub = string.find, string.gmatch, string.gsub, string.rep, string.sub

local text = {}

local REPLACEMENT = "\u{FFFD}"

local function str(value)
  if value == nil then return "" end
  if type(value) == "string" then return value end
  if type(value) == "number" then return tostring(value) end
  error(("expected a text, got a %s"):format(type(value)), 3)
end

function text.contains(s, plain) return find(str(s), str(plain), 1, true) ~= nil end
function text.starts(s, plain) return sub(str(s), 1, #plain) == plain end
function text.ends(s, plain) return plain == "" or sub(str(s), -#plain) == plain end

-- text.split("a,b", ",") -> { "a", "b" }
function text.split(s, plain)
  s = str(s)
  if plain == "" then error("text.split() needs something to split at", 2) end
  local parts, from = {}, 1
  while true do
    local at, last = find(s, plain, from, true)
    parts[#parts + 1] = sub(s, from, (at or #s + 1) - 1)
    if not at then return parts end
    from = last + 1
  end
end

function text.replace(s, plain, with) return table.concat(text.split(str(s), plain), with) end

function text.trim(s)
  s = str(s)
  local first, last = find(s, "%S"), #s
  if not first then return "" end
  while find(s, "^%s", last) do last = last - 1 end
  return sub(s, first, last)
end

-- True when a character begins at byte `at`; what is no UTF-8 begins anywhere.
local function begins(s, at)
  local byte = s:byte(at)
  return not byte or byte & 0xC0 ~= 0x80
end

-- The first n bytes, cut between two characters.  `mark` is added where something was cut off; it is "…" unless given.
function text.clip(s, n, mark)
  s = str(s)
  if #s <= n then return s end
  local last = math.max(n, 0) // 1 | 0
  for _ = 1, 3 do
    if last > 0 and not begins(s, last + 1) then last = last - 1 end
  end
  return sub(s, 1, last) .. (mark or "…")
end

-- The last n bytes, beginning with a character.
function text.tail(s, n, mark)
  s = str(s)
  if #s <= n then return s end
  local first = #s - (math.max(n, 0) // 1 | 0) + 1
  for _ = 1, 3 do
    if not begins(s, first) then first = first + 1 end
  end
  return (mark or "…") .. sub(s, first)
end

-- One line: line breaks, tabs and other control characters become single blanks.
function text.line(s)
  s = gsub(str(s), "%c", " ")
  for _, separator in ipairs { "\u{85}", "\u{2028}", "\u{2029}" } do s = gsub(s, separator, " ") end
  return text.trim((gsub(s, " +", " ")))
end

-- Of runs of backticks that are at least as long as `least`, which is not empty; 0 when there is none.
local function longest_run(s, least)
  local longest, from = 0, 1
  while true do
    local at = find(s, least, from, true)
    if not at then return longest end
    local _, last = find(s, "^`+", at)
    longest, from = math.max(longest, last - at + 1), last + 1
  end
end

-- A stranger's words within a line of ours, as Markdown code that they cannot close.
function text.code(s)
  s = text.line(str(s))
  local ticks = rep("`", longest_run(s, "`") + 1)
  local pad = (s == "" or find(s, "^`") or find(s, "`$")) and " " or ""
  return ticks .. pad .. s .. pad .. ticks
end

-- A stranger's words as a block that they cannot close: its fence is longer than any run of backticks inside.
function text.fence(s)
  s = str(s)
  local fence = rep("`", math.max(longest_run(s, "```"), 2) + 1)
  return fence .. "text\n" .. s .. (find(s, "\n$") and "" or "\n") .. fence
end

local LONGEST_FENCE = 256 -- bytes; a longer one is closed by nobody, for closing it would double the text

-- Markdown whose last code block is open gets it closed, so that what we add behind it is no part of it.
function text.balance(s)
  s = str(s)
  local open
  for line in gmatch(s, "[^\r\n]+") do
    local run, rest = line:match "^%s*(```+)([^`]*)$"
    if not run then run, rest = line:match "^%s*(~~~+)(.*)$" end
    if run and not open then
      open = #run <= LONGEST_FENCE and run or nil
    elseif run and sub(run, 1, #open) == open and not find(rest, "%S") then
      open = nil
    end
  end
  if not open then return s end
  return s .. (find(s, "\n$") and "" or "\n") .. open
end

-- What can leave this program: no NUL, and U+FFFD for each byte that is no UTF-8.
function text.clean(s)
  s = str(s)
  if find(s, "\0", 1, true) then s = gsub(s, "\0", REPLACEMENT) end
  if utf8.len(s) then return s end
  local parts, from = {}, 1
  while true do
    local _, bad = utf8.len(s, from)
    if not bad then break end
    parts[#parts + 1] = sub(s, from, bad - 1) .. REPLACEMENT
    from = bad + 1
    if from > #s then break end
  end
  return table.concat(parts) .. sub(s, from)
end

return text

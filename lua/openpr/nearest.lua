-- The name that somebody may have meant who wrote `name`: for messages about mistakes.
--
-- Functions of string are called by their names: where config.lua runs, texts have no methods.

local byte, lower = string.byte, string.lower

local LONGEST = 64 -- bytes; nobody misspells a longer name, and the work grows with the square

-- How many letters must be changed, added, left out or swapped with their neighbour to get from a to b.
local function distance(a, b)
  local before, last
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    before, last, row = last, row, { [0] = i }
    for j = 1, #b do
      local same = byte(a, i) == byte(b, j)
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      local swapped = i > 1 and j > 1 and byte(a, i) == byte(b, j - 1) and byte(a, i - 1) == byte(b, j)
      if swapped then row[j] = math.min(row[j], before[j - 2] + 1) end
    end
  end
  return row[#b]
end

-- names: a list.  nil when none of them is near.
return function(name, names)
  if type(name) ~= "string" or #name > LONGEST then return nil end
  local best, least = nil, 1 + math.max(1, #name // 3)
  for _, candidate in ipairs(names) do
    local steps = #candidate <= LONGEST and distance(lower(name), lower(candidate)) or math.huge
    if steps < least then best, least = candidate, steps end
  end
  return best
end

-- In working hours people wait for an answer: the fast agent.  At night and at the weekend the thorough one has time.
-- now() is UTC; put your own hours' distance from it here.  OpenPR never repeats an event, so nothing is ignored.

local OFFSET = 2 * hours
local FIRST, LAST = 8, 18

local function working_hours()
  local time = now() + OFFSET
  local hour = time // hours % 24
  local day = time // (24 * hours) % 7 -- 0 is a Thursday, as 1970 began; 2 and 3 are the weekend
  return hour >= FIRST and hour < LAST and day ~= 2 and day ~= 3
end

return rules {
  { "working hours", working_hours, to "fast" },
  { "off hours",     when.always,   to("thorough", { timeout = 2 * hours }) },
}

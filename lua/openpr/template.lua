-- Templates of prompts: text with {{placeholders}}, no logic.  One whose first line is {{legacy = true}} also knows
-- the {placeholders} of the Rust openpr-webhook; what else stands in single braces is text.
--
-- A value is what a stranger wrote, so it is put in as data and never expanded again.  Alone on its line, a longer
-- text (title, description, comment) becomes a fenced block and stands there unchanged; within a line a value becomes
-- one line of code, or stands as it is when it is a single plain word.

local nearest = require "openpr.nearest"
local text = require "openpr.text"

local find, sub = string.find, string.sub

local M = {}

M.LARGEST_PROMPT = 512 * 1024
M.LARGEST_TEMPLATE = 64 * 1024

local SLACK = 64 -- bytes of a prompt kept for each placeholder: what its fence and its mark take at least

local function first(...)
  for n = 1, select("#", ...) do
    local value = select(n, ...)
    if value ~= nil and value ~= "" then return value end
  end
  return nil
end

local function name_of(thing) return first(thing.name, thing.key, thing.id) end

-- {{name}}: what it stands for.  `long`: it may be a block.  `most`: bytes of it that are used.
local VALUES = {
  project_name = { get = function(e) return name_of(e.project) end },
  project_key = { get = function(e) return first(e.project.key, e.project.id) end },
  workspace_name = { get = function(e) return name_of(e.workspace) end },
  issue_number = { get = function(e) return first(e.issue.key, e.issue.id) end },
  issue_key = { get = function(e) return first(e.issue.key, e.issue.id) end },
  issue_id = { get = function(e) return e.issue.id end },
  issue_title = { long = true, most = 4 * 1024, get = function(e) return e.issue.title end },
  issue_description = { long = true, most = 256 * 1024, get = function(e) return e.issue.description end },
  issue_state = { get = function(e) return e.issue.state end },
  issue_priority = { get = function(e) return e.issue.priority end },
  issue_labels = { most = 1024, get = function(e) return table.concat(e.issue.labels or {}, ", ") end },
  actor_name = { get = function(e) return first(e.actor.name, "somebody") end },
  comment_text = { long = true, most = 128 * 1024, get = function(e) return e.comment.body end },
  comment_author = { get = function(e) return first(e.comment.author, e.actor.name, "somebody") end },
  dispatch_text = { long = true, most = 128 * 1024, get = function(e) return e.dispatch.text end },
  agent_name = { get = function(_, agent) return agent.name end },
  bot_name = { get = function(e) return first(e.bot.name, e.bot.id) end },
  event_name = { get = function(e) return e.name end },
  reason = { get = function(e) return e.reason end },
}

M.NAMES = {}
for name in pairs(VALUES) do M.NAMES[#M.NAMES + 1] = name end
table.sort(M.NAMES)

-- {name}, where a template asks for it.  `missing`: what the original said when there was nothing.
local LEGACY = {
  issue_id = { missing = "", get = VALUES.issue_id.get },
  title = { missing = "untitled", long = true, most = 4 * 1024, get = VALUES.issue_title.get },
  reason = { missing = "unknown", get = VALUES.reason.get },
  event = { missing = "unknown", get = VALUES.event_name.get },
  key = { missing = "", get = function(e) return e.issue.key end },
  actor = { missing = "unknown", get = function(e) return e.actor.name end },
  workspace = { missing = "", get = VALUES.workspace_name.get },
  project = { missing = "", get = VALUES.project_name.get },
  state = { missing = "", get = VALUES.issue_state.get },
  priority = { missing = "", get = VALUES.issue_priority.get },
  url = { missing = "", get = function(e) return e.issue.id and "issue/" .. e.issue.id end },
}

-- A text of my_NAME is the policy's own and goes in as it is.
local function is_own(name) return find(name, "^my_") ~= nil end

-- True when nothing but blanks stands beside source[from..to] on its line.
local function is_alone(source, from, to)
  local before = from - 1
  while before > 0 and find(source, "^[ \t]", before) do before = before - 1 end
  if before > 0 and sub(source, before, before) ~= "\n" then return false end
  return find(source, "^[ \t]*\r?\n", to + 1) ~= nil or find(source, "^[ \t]*$", to + 1) ~= nil
end

local function mistake_in(name)
  if not name then return "a placeholder is {{name}}; two braces as such are \\{{" end
  if VALUES[name] or is_own(name) then return nil end
  local near = nearest(name, M.NAMES)
  return ("no placeholder {{%s}} (%s)"):format(name, near and ("did you mean {{%s}}?"):format(near)
    or "have: " .. table.concat(M.NAMES, ", ") .. "; and my_... given by a policy")
end

-- Where the next placeholder, or what looks like one, begins; of a {legacy} one also its end and its name.
local function next_placeholder(source, from, legacy)
  if not legacy then return find(source, "{{", from, true) end
  while true do
    local at = find(source, "{", from, true)
    if not at or sub(source, at, at + 1) == "{{" then return at end
    local _, to, name = find(source, "^{([%w_]+)}", at)
    if LEGACY[name] then return at, to, name end
    from = at + 1
  end
end

-- The piece for what stands in source[at..to], and the text since `from` that is left in front of it, and its end.
local function placeholder(source, from, at, to, name, entry, line)
  local block = entry and entry.long and is_alone(source, at, to) or false
  local before = sub(source, from, at - 1)
  if block then
    before = before:gsub("[ \t]+$", "")
    to = select(2, find(source, "^[ \t]*", to + 1))
  end
  return name and { name = name, entry = entry, block = block, line = line }, before, to
end

-- The pieces of a template: texts, and { name, entry, block, line } for placeholders.  Mistakes go to
-- complain(line, why).
function M.parse(source, complain)
  local pieces, line, counted = {}, 1, 1
  local legacy = select(2, find(source, "^{{[ \t]*legacy[ \t]*=[ \t]*true[ \t]*}}[ \t]*\r?\n"))
  local from = legacy and legacy + 1 or 1
  while true do
    local at, to, name = next_placeholder(source, from, legacy)
    if not at then break end
    for _ in source:sub(counted, at - 1):gmatch "\n" do line = line + 1 end
    counted = at
    local entry, braces = LEGACY[name], name and "{" or "{{"
    if at > from and sub(source, at - 1, at - 1) == "\\" then
      pieces[#pieces + 1] = sub(source, from, at - 2) .. braces
      from = at + #braces
    else
      if not name then
        local _
        _, to, name = find(source, "^{{[ \t]*([%w_]+)[ \t]*}}", at)
        local why = mistake_in(name)
        if why then complain(line, why) end
        entry, to = VALUES[name], to or at + 1
      end
      local piece, before, last = placeholder(source, from, at, to, name, entry, line)
      pieces[#pieces + 1] = before
      pieces[#pieces + 1] = piece
      from = last + 1
    end
  end
  pieces[#pieces + 1] = sub(source, from)
  return pieces
end

-- As much of `value` as `room` bytes hold once shape() has dressed it, and whether that is all.  A text of nothing but
-- backticks triples by being fenced.
local function fitted(value, shape, most, room)
  local cut = text.clip(value, math.min(most, room), "")
  local shaped = shape(cut)
  if #shaped > room then
    cut = text.clip(cut, math.max(0, room - SLACK) // 3, "")
    shaped = shape(cut)
  end
  return shaped, #cut
end

local function is_word(value) return #value <= 40 and find(value, "^%w[%w._-]*$") ~= nil end

local function dressed(value, entry, block, room)
  if value == "" then return "(none)" end
  if is_word(value) and not block then return value end
  local shaped, used = fitted(value, block and text.fence or text.code, entry.most or 256, room)
  if used == #value then return shaped end
  return shaped .. (block and "\n" or " ") .. ("(cut: the first %d of %d bytes)"):format(used, #value)
end

local function own_value(name, piece, vars)
  local value = vars[piece.name]
  if type(value) == "string" or type(value) == "number" then return tostring(value) end
  error(("templates/%s:%d: {{%s}} is a text that the policy must give: template(%q, { %s = ... })"):format(
    name, piece.line, piece.name, name, piece.name), 0)
end

-- The text of a parsed template.  vars: texts for its my_... placeholders.
function M.fill(name, pieces, event, agent, vars)
  local parts, room = {}, M.LARGEST_PROMPT - SLACK
  for _, piece in ipairs(pieces) do room = room - (type(piece) == "string" and #piece or SLACK) end
  room = math.max(0, room)
  for n, piece in ipairs(pieces) do
    if type(piece) == "string" then
      parts[n] = piece
    else
      local entry = piece.entry
      local value = entry and tostring(entry.get(event, agent) or "")
      if value == "" and entry.missing then parts[n] = entry.missing
      else parts[n] = entry and dressed(value, entry, piece.block, room) or own_value(name, piece, vars) end
      room = math.max(0, room - #parts[n])
    end
  end
  return table.concat(parts)
end

local function check_vars(vars, policy)
  if vars == nil then return {} end
  if type(vars) ~= "table" then policy.fail "the second argument of template() is a table of my_... texts" end
  for name in pairs(vars) do
    if type(name) ~= "string" or not is_own(name) then
      policy.fail(("template(): names of your own begin with my_, %q does not"):format(tostring(name)))
    end
  end
  return vars
end

-- The `template` of one policy.  templates: name -> pieces.
function M.new(policy, templates)
  return function(name, vars)
    local pieces = type(name) == "string" and templates[name]
    if not pieces then
      local names = {}
      for known in pairs(templates) do names[#names + 1] = known end
      table.sort(names)
      policy.fail(("no template %q (have: %s)"):format(tostring(name), table.concat(names, ", ")))
    end
    if not policy.event then policy.fail "template() works inside of the policy's function, where there is an event" end
    return M.fill(name, pieces, policy.event, policy.agent or {}, check_vars(vars, policy))
  end
end

return M

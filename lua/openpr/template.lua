-- Templates of prompts: text with {{placeholders}}, no logic.
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
  agent_name = { get = function(_, agent) return agent.name end },
  bot_name = { get = function(e) return first(e.bot.name, e.bot.id) end },
  event_name = { get = function(e) return e.name end },
  reason = { get = function(e) return e.reason end },
}

M.NAMES = {}
for name in pairs(VALUES) do M.NAMES[#M.NAMES + 1] = name end
table.sort(M.NAMES)

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

-- The pieces of a template: texts, and { name, block, line } for placeholders.  Mistakes go to complain(line, why).
function M.parse(source, complain)
  local pieces, from, line, counted = {}, 1, 1, 1
  while true do
    local at = find(source, "{{", from, true)
    if not at then break end
    for _ in source:sub(counted, at - 1):gmatch "\n" do line = line + 1 end
    counted = at
    local _, to, name = find(source, "^{{[ \t]*([%w_]+)[ \t]*}}", at)
    if at > from and sub(source, at - 1, at - 1) == "\\" then
      pieces[#pieces + 1] = sub(source, from, at - 2) .. "{{"
      from = at + 2
    else
      local why = mistake_in(name)
      if why then complain(line, why) end
      to = to or at + 1
      local block = name and VALUES[name] and VALUES[name].long and is_alone(source, at, to)
      local before = sub(source, from, at - 1)
      if block then to = select(2, find(source, "^[ \t]*", to + 1)) end
      pieces[#pieces + 1] = block and before:gsub("[ \t]+$", "") or before
      if name then pieces[#pieces + 1] = { name = name, block = block, line = line } end
      from = to + 1
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
      local entry = VALUES[piece.name]
      local value = entry and tostring(entry.get(event, agent) or "")
      parts[n] = entry and dressed(value, entry, piece.block, room) or own_value(name, piece, vars)
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

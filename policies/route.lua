-- Which agent gets an accepted event.
--
-- Rules are tried from the top.  The first whose condition holds decides, unless its action is a function that
-- returns nil: then the next one is tried.  When no rule decides, OpenPR is answered `no_agent`.

local names = {}
for name in pairs(agents) do names[#names + 1] = name end
table.sort(names)

-- The first agent, by name, that fits.
local function first(fits)
  for _, name in ipairs(names) do
    if fits(name, agents[name]) then return to(name) end
  end
end

local function by_bot_name(event)
  if agents[event.bot.name] then return to(event.bot.name) end
  local wanted = event.bot.name:lower()
  return first(function(name) return name:lower() == wanted end)
end

local function by_bot_id(event)
  local wanted = event.bot.id:lower()
  return first(function(_, agent)
    for _, id in ipairs(agent.bots) do
      if id:lower() == wanted then return true end
    end
  end)
end

local function by_bot_type(event)
  return first(function(_, agent) return agent.type == event.bot.type end)
end

local function default_agent() return agents.default and to "default" end

return rules {
  -- Your rules, tried before the others.  For example:
  --   { "security",    when.label "security",                          to "reviewer" },
  --   { "large work",  when.label "refactor",                          to("codex", { timeout = 1 * hours }) },
  --   { "frontend",    when.project "WEB" & ~when.kind "mention",      to { "codex", "opencode" } },


  { "bot name",       when.field "bot.name",  by_bot_name },    -- the bot is called as an agent is
  { "bot id",         when.field "bot.id",    by_bot_id },      -- agents.X.bots lists the bot
  { "bot type",       when.field "bot.type",  by_bot_type },    -- bot_agent_type is an agent's type
  { "default agent",  when.always,            default_agent },  -- agents.default
}

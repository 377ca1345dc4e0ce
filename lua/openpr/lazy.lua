-- Tables whose members are made when they are first asked for, and that look as if they had been there all the time.
--
-- A policy gets tables of its own for each call, and most calls use a few of their members: making all of them was half
-- of what a call cost.

local M = {}

-- The names of a table, sorted.
function M.names(makers)
  local names = {}
  for name in next, makers do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- makers: name -> a function of `owner` that makes the member.  missing(table, name) is called for other names,
-- set(table, name, value) for new ones.
function M.new(makers, owner, missing, set)
  return setmetatable({}, {
    sealed = true,
    makers = makers,
    owner = owner,
    __index = function(self, name)
      local make = makers[name]
      if not make then return missing(self, name) end
      local value = make(owner)
      rawset(self, name, value)
      return value
    end,
    __newindex = set,
    __pairs = function(self)
      M.fill(self)
      return next, self, nil
    end,
  })
end

-- Makes all that was not asked for yet, where `value` is such a table: for who looks past metatables.
function M.fill(value)
  local meta = type(value) == "table" and getmetatable(value)
  if type(meta) ~= "table" or not meta.makers then return end
  for name, make in next, meta.makers do
    if rawget(value, name) == nil then rawset(value, name, make(meta.owner)) end
  end
  meta.makers, meta.__pairs = nil, nil
end

return M

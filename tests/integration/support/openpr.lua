-- The stand-in OpenPR (tests/support/openpr.lua) as a process beside the daemon.

local event = require "support.event"
local http = require "support.http"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

local openpr = {}
openpr.__index = openpr

-- Starts one that knows the usual bot and its token.
function openpr.start()
  local this = setmetatable({ token = "opr_" .. ("5"):rep(64) }, openpr)
  this.dir = assert(uv.fs_mkdtemp "/tmp/openpr-XXXXXX")
  this.child = process.spawn({ "lua5.4", "tests/support/openpr.lua", this.dir .. "/port" },
                             { PATH = os.getenv "PATH" }, this.dir .. "/log")
  this.port = wait.eventually("the stand-in OpenPR listens", function()
    local file = io.open(this.dir .. "/port")
    local port = file and file:read "n"
    if file then file:close() end
    return port
  end)
  this.url = "http://127.0.0.1:" .. this.port
  this:control { users = { { id = event.bot.id, name = event.bot.name, token = this.token } } }
  return this
end

-- Asks something of the stand-in itself: tests/support/openpr/control.lua.
function openpr:control(asked)
  local response = assert(http.request(self.port, "POST", "/_control", {}, event.json.encode(asked)))
  assert(response.status == 200, response.body)
  return response.json
end

function openpr:state()
  return assert(http.request(self.port, "GET", "/_control/state")).json
end

-- Makes it know the issue, and the AI tasks of these ids.
function openpr:knows(issue, ...)
  local tasks = {}
  for n, id in ipairs { ... } do tasks[n] = { id = id, bot = issue.bot.id, issue = issue.id } end
  self:control { issues = { { id = issue.id, title = issue.made.title, description = issue.made.description,
                              state = issue.made.state, assignee_id = issue.bot.id } }, tasks = tasks }
  return issue
end

-- Makes answers fail: tests/support/openpr/faults.lua.
function openpr:fails(fault)
  self:control { faults = { fault } }
end

local function by_id(list, id)
  for _, item in ipairs(list) do
    if item.id == id then return item end
  end
end

function openpr:issue(id) return by_id(self:state().issues, id) end
function openpr:task(id) return by_id(self:state().tasks, id) end

-- The requests that it got, in order, of this method and with this text in the path.
function openpr:requests(method, text)
  local found = {}
  for _, request in ipairs(self:state().requests) do
    if request.method == method and request.path:find(text, 1, true) then found[#found + 1] = request end
  end
  return found
end

-- A state that a person sets.
function openpr:person_sets(id, state)
  self:control { issues = { { id = id, state = state } } }
end

function openpr:stop()
  self.child:kill "sigkill"
  self.child:wait()
  process.run({ "rm", "-rf", self.dir }, { PATH = "/usr/bin:/bin" })
end

return openpr

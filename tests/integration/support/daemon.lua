-- The real program with a config.lua of its own in a temporary folder:
--
--   repo/   the agents' working directory        bin/    the stand-ins under the names of the CLIs
--   home/   HOME                                 state/  the queue
--
-- Everything in it and everything it starts carries the folder's name in environment or arguments, so that what it
-- leaves behind is found.

local cjson = require "cjson"
local uv = require "luv"
local http = require "support.http"
local process = require "support.process"
local sign = require "support.sign"
local wait = require "support.wait"

local daemon = {}
daemon.__index = daemon

local build = os.getenv "OPW_BUILD" or "build/dev"
daemon.program = assert(uv.fs_realpath(build .. "/bin/openpr-webhook"), "no program in " .. build)
daemon.secret = "s3cret"
-- Whether this build's processes hold what a sanitizer needs, which is not what a released one does.
daemon.sanitized = io.open(build .. "/CMakeCache.txt"):read("a"):match "OPW_SANITIZE:STRING=(%w)" ~= nil

local raw = {} -- Lua source in a table of configuration
function daemon.source(text) return setmetatable({ text }, raw) end

local function literal(value)
  if getmetatable(value) == raw then return value[1] end
  if type(value) ~= "table" then return ("%q"):format(value):gsub("\n", "n") end
  local parts = {}
  for _, item in ipairs(value) do parts[#parts + 1] = literal(item) end
  for name, item in pairs(value) do
    if math.type(name) ~= "integer" then parts[#parts + 1] = ("[%q] = %s"):format(name, literal(item)) end
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

local function merge(base, over)
  for name, value in pairs(over or {}) do
    local both = type(value) == "table" and type(base[name]) == "table"
      and getmetatable(value) ~= raw and getmetatable(base[name]) ~= raw
    base[name] = both and merge(base[name], value) or value
  end
  return base
end

function daemon.write(path, text, mode)
  local fd = assert(uv.fs_open(path, "w", mode or 384)) -- 0600
  assert(uv.fs_write(fd, text))
  uv.fs_close(fd)
end

-- A folder with everything in it but a running program.  `over` is laid over the configuration below; `openpr` is a
-- stand-in OpenPR (support.openpr) or nil.
function daemon.prepare(over, openpr)
  local this = setmetatable({ dir = assert(uv.fs_mkdtemp "/tmp/opw-XXXXXX") }, daemon)
  for _, name in ipairs { "repo", "bin", "home" } do assert(uv.fs_mkdir(this.dir .. "/" .. name, 448)) end
  for _, name in ipairs { "claude", "codex", "opencode" } do
    local stand_in = uv.fs_realpath("tests/support/agents/" .. name)
    if stand_in then assert(uv.fs_symlink(stand_in, this.dir .. "/bin/" .. name)) end
  end
  this.env = { PATH = os.getenv "PATH", HOME = this.dir .. "/home", LANG = "C.UTF-8", OPW_MARK = this.dir,
               -- Finding leaks needs to trace a process that has made itself untraceable: only root may.
               ASAN_OPTIONS = "abort_on_error=0:detect_leaks=" .. (uv.getuid() == 0 and 1 or 0),
               LSAN_OPTIONS = "print_suppressions=0:suppressions=" .. uv.fs_realpath "tests/lsan.supp" }
  this.config = merge({
    webhook = { listen = "127.0.0.1:0", secret = daemon.secret },
    features = { cli_executor = true },
    executor = { working_dir = this.dir .. "/repo", path = this.dir .. "/bin:/usr/local/bin:/usr/bin:/bin" },
    openpr = openpr and { api_url = openpr.url, mcp_url = openpr.url .. "/mcp/rpc", token = openpr.token },
    agents = { default = { type = "cli", cli = "claude-code", env = { OPW_MARK = this.dir } } },
    queue = { path = "state/queue.db" },
  }, over)
  this:configure()
  return this
end

-- Writes config.lua anew, with `over` laid over it.
function daemon:configure(over)
  merge(self.config, over)
  daemon.write(self.dir .. "/config.lua", "return " .. literal(self.config) .. "\n")
end

function daemon:start()
  self.log_from = #self:log()
  local argv = { daemon.program, "--config", self.dir .. "/config.lua" }
  self.child = process.spawn(argv, self.env, self.dir .. "/log", "/")
  self.port = wait.eventually(function() return "the daemon listens:\n" .. self:log() end, function()
    assert(not self.child:ended(), self:log())
    return self:log():sub(self.log_from + 1):match "msg=listening address=127%.0%.0%.1:(%d+)"
  end, 30)
  self.port = tonumber(self.port)
  return self
end

function daemon:log()
  local file = io.open(self.dir .. "/log")
  local text = file and file:read "a" or ""
  if file then file:close() end
  return text
end

-- Posts a body with its signature; `headers` may replace any.
function daemon:post(body, headers)
  local all = { ["content-type"] = "application/json",
                ["x-webhook-signature"] = "sha256=" .. sign.hmac(daemon.secret, body) }
  for name, value in pairs(headers or {}) do all[name] = value or nil end
  local response, why = http.request(self.port, "POST", "/webhook", all, body)
  return assert(response, why)
end

-- Runs a verb; returns exit code, standard output, standard error.
function daemon:verb(...)
  return process.run({ daemon.program, "--config", self.dir .. "/config.lua", ... }, self.env, "/", 60)
end

-- What a verb prints with --json.
function daemon:json(...)
  local code, out, err = self:verb(...)
  assert(code == 0, err)
  return cjson.decode(out)
end

-- The newest run that `wanted` accepts, when there is one.
function daemon:run(wanted)
  for _, run in ipairs(self:json("runs", "--json")) do
    if wanted(run) then return run end
  end
end

-- Waits until the run has ended and, unless `silent`, until its report is delivered.
function daemon:ended(run_id, silent)
  local last
  return wait.eventually(function() return ("run %s ends: %s\n%s"):format(run_id, cjson.encode(last), self:log()) end,
    function()
      last = self:json("show", "--json", run_id)
      return last.state == "ended" and (silent or last.report ~= "pending") and last
    end, 40)
end

function daemon:kill9()
  self.child:kill "sigkill"
  self.child:wait()
end

-- Ends it as an operator would; its exit code (a sanitizer that found something makes it another than 0).
function daemon:stop()
  self.child:kill "sigterm"
  return (self.child:wait(40))
end

-- Stops what runs, and fails when the daemon ended badly or something of it is left; removes the folder.
function daemon:close()
  local code = 0
  if self.child then code = self:stop() end
  local left = process.marked(self.dir)
  for _, line in ipairs(left) do uv.kill(tonumber(line:match "^%d+"), "sigkill") end
  local log = self:log()
  process.run({ "rm", "-rf", self.dir }, { PATH = "/usr/bin:/bin" })
  if #left > 0 then error("left behind:\n" .. table.concat(left, "\n") .. "\n" .. log) end
  if code ~= 0 and not self.killed then error(("the daemon ended with %d:\n%s"):format(code, log)) end
end

return daemon

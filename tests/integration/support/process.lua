-- Starting, stopping and finding processes, without a shell between.

local uv = require "luv"
local wait = require "support.wait"

local process = {}
local child = {}
child.__index = child

-- Daemon and runners keep others of their own user from looking into them; only root sees their descriptors.
process.sees_all = uv.getuid() == 0

local function strings(env)
  local list = {}
  for name, value in pairs(env) do list[#list + 1] = name .. "=" .. value end
  return list
end

-- Starts argv[1] with the environment `env` and nothing else; standard input is empty, what it says goes to the file
-- `log`.
function process.spawn(argv, env, log, cwd)
  local out = assert(uv.fs_open(log, "a", 384)) -- 0600
  local this = setmetatable({ name = argv[1] }, child)
  local handle, pid = uv.spawn(argv[1], {
    args = { table.unpack(argv, 2) },
    env = strings(env),
    cwd = cwd,
    stdio = { nil, out, out },
  }, function(code, signal)
    this.code, this.signal = code, signal
    this.handle:close()
  end)
  uv.fs_close(out)
  assert(handle, pid)
  this.handle, this.pid = handle, pid
  return this
end

function child:ended()
  uv.run "nowait"
  return self.code ~= nil
end

function child:kill(signal)
  if not self:ended() then self.handle:kill(signal) end
end

-- Its exit code and the signal that ended it (0: none).
function child:wait(seconds)
  wait.eventually(("%s (pid %d) ends"):format(self.name, self.pid), function() return self:ended() end, seconds)
  return self.code, self.signal
end

-- Runs it to its end; returns its exit code, what it wrote on standard output, and what on standard error.
function process.run(argv, env, cwd, seconds)
  local said, pipes = { "", "" }, { uv.new_pipe(false), uv.new_pipe(false) }
  local code
  local handle, pid
  handle, pid = uv.spawn(argv[1], { args = { table.unpack(argv, 2) }, env = strings(env), cwd = cwd,
                                    stdio = { nil, pipes[1], pipes[2] } },
                         function(status, signal) code = signal > 0 and 128 + signal or status handle:close() end)
  assert(handle, pid)
  local open = 2
  for n, pipe in ipairs(pipes) do
    pipe:read_start(function(_, bytes)
      if bytes then said[n] = said[n] .. bytes else open = open - 1 pipe:close() end
    end)
  end
  wait.eventually(table.concat(argv, " ") .. " ends", function() return code and open == 0 end, seconds)
  return code, said[1], said[2]
end

local function slurp(path)
  local file = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  return text or ""
end

-- Whether one of its descriptors is a file whose name holds `mark`: a runner has no other trace of whose it is.
local function holds(folder, mark)
  local open = uv.fs_scandir(folder .. "fd") -- nil when it has ended, or is another user's
  local fd = open and uv.fs_scandir_next(open)
  while fd do
    if (uv.fs_readlink(folder .. "fd/" .. fd) or ""):find(mark, 1, true) then return true end
    fd = uv.fs_scandir_next(open)
  end
end

-- The processes whose environment, arguments or open files hold `mark`, as "PID ARGUMENTS"; not this one, and no
-- zombies.
function process.marked(mark)
  local found = {}
  for name in uv.fs_scandir_next, assert(uv.fs_scandir "/proc") do
    local folder = "/proc/" .. name .. "/"
    if name:match "^%d+$" and tonumber(name) ~= uv.os_getpid() then
      local arguments = slurp(folder .. "cmdline")
      local its = (arguments .. slurp(folder .. "environ")):find(mark, 1, true) or holds(folder, mark)
      if its and not slurp(folder .. "stat"):match "%) [ZX] " then
        found[#found + 1] = name .. " " .. arguments:gsub("%z", " ")
      end
    end
  end
  return found
end

function process.alive(pid)
  return slurp("/proc/" .. pid .. "/stat"):match "%) [^ZX] " ~= nil
end

return process

-- What the three stand-in CLIs share: reading the command line, the prompt and its directives.
--
-- A line of the prompt that contains "STAND-IN: VERB [ARGUMENT]" is done, in order; so is each line
-- of the variable STAND_IN, before the prompt is read.  Then the stand-in ends with a success that
-- quotes the first line of the prompt, unless a directive says otherwise.
--
--   sleep SECONDS      waits
--   ignore-term        ignores SIGTERM, SIGINT and SIGHUP from here on
--   double-fork        leaves processes in sessions of their own that ignore those signals
--   re-fork            leaves a process that goes on in ever new ones
--   background         leaves a child that holds standard output open
--   kill-self          SIGKILLs itself
--   kill-runner        SIGKILLs its parent; stop-runner SIGSTOPs it
--   output SIZE        prints that much ("10M") as tool output
--   long-line SIZE     prints one line of the format that is that long
--   stderr TEXT        prints a line to standard error
--   print-env FILE     writes its environment, one variable a line
--   print-argv FILE    writes its arguments, one a line; print-prompt FILE the prompt
--   print-cwd FILE     writes its working directory
--   print-fds FILE     writes which descriptors a child of it inherits
--   print-status FILE  writes /proc/self/status
--   write FILE [TEXT]  writes a file below the working directory
--   mcp-comment TEXT   comments on the work item that the prompt names, through the MCP server it was given
--   scratch            fills TMPDIR with a tree that is hard to remove
--   final TEXT         the text of the final answer
--   fail, api-error, denied, no-result, garbage, length, exit CODE
--                      how the run ends; each CLI does it in its own way
--   no-read            does not read the prompt (only in STAND_IN)

local uv = require "luv"

local M = { uv = uv }

function M.die(code, text)
  io.stderr:write(text, "\n")
  os.exit(code)
end

--- A JSON string.
function M.quote(text)
  return '"' .. text:gsub('[%c"\\\127]', function(c)
    return ("\\u%04x"):format(c:byte())
  end) .. '"'
end

--- Prints one line of the format.
function M.line(fmt, ...)
  io.stdout:write(fmt:format(...), "\n")
  io.stdout:flush()
end

--- A random id in the form of a UUID.
function M.uuid()
  local random = assert(io.open("/dev/urandom", "rb"))
  local hex = random:read(16):gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end)
  random:close()
  return ("%s-%s-4%s-8%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(14, 16), hex:sub(18, 20), hex:sub(21))
end

--- "10M" as a number of bytes.
function M.size(text)
  local number, unit = text:match "^(%d+)([kKmM]?)$"
  local factor = { k = 1024, m = 1024 * 1024 }
  return tonumber(number) * (factor[unit:lower()] or 1)
end

--- Reads options by a table { ["-m"] = "value" | "flag" | "list" }.  The options found, by name
--- (lists joined by newlines), and the other arguments.  `unknown(argument)` must not return.
function M.options(args, known, unknown)
  local found, rest = {}, {}
  local i = 1
  while i <= #args do
    local word = args[i]
    local kind = known[word]
    if kind == "flag" then
      found[word] = true
    elseif kind == "value" or kind == "list" then
      i = i + 1
      if not args[i] then
        unknown(word)
      end
      found[word] = kind == "list" and found[word] and found[word] .. "\n" .. args[i] or args[i]
    elseif word:sub(1, 1) == "-" and word ~= "-" then
      unknown(word)
    else
      rest[#rest + 1] = word
    end
    i = i + 1
  end
  return found, rest
end

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- Each in a session of its own and with no living parent of ours; one holds standard output.
-- Returns when they are up.
local function double_fork()
  local stubborn = "trap '' TERM INT HUP; "
  for i, outlet in ipairs { "</dev/null", "</dev/null >/dev/null 2>&1" } do
    local up = ("%s/up.%d"):format(os.getenv "TMPDIR" or "/tmp", i)
    local forever = stubborn .. ": >'" .. up .. "'; while :; do sleep 1; done"
    os.execute(([[setsid sh -c "%s setsid sh -c \"%s\" &" %s &]]):format(stubborn, forever, outlet))
    while not uv.fs_stat(up) do
      uv.sleep(10)
    end
    os.remove(up)
  end
end

-- Two chains of processes, each of which only starts the next one in a session of its own.
local function re_fork()
  local file = assert(io.open(".again", "w"))
  file:write 'trap "" TERM INT HUP\nsetsid sh .again </dev/null >/dev/null 2>&1 &\n'
  file:close()
  os.execute "sh .again; sh .again"
end

--- { url, authorization } or { url, variable } of the MCP server called openpr; each CLI has its own way.
function M.server() end

local signals = {}

--- What to do on a signal ("sigint") while it sleeps; an earlier answer is replaced.
function M.on_signal(name, act)
  signals[name] = signals[name] or uv.new_signal()
  uv.signal_start(signals[name], name, act)
  uv.unref(signals[name])
end

local function ignore_signals()
  for _, name in ipairs { "sigterm", "sigint", "sighup" } do
    M.on_signal(name, function() end)
  end
end

local function sleep(seconds)
  local timer = uv.new_timer()
  uv.timer_start(timer, math.floor(tonumber(seconds) * 1000), 0, function()
    uv.close(timer)
  end)
  uv.run()
end

local function fill_scratch()
  local top = assert(os.getenv "TMPDIR")
  local deep = top
  for _ = 1, 40 do
    deep = deep .. "/" .. ("d"):rep(90)
  end
  os.execute(([[mkdir -p '%s/plain/er' && mkdir -p '%s' && ln -s / '%s/root' && ln -s "$PWD" '%s/plain/cwd' &&
    touch '%s/-rf' '%s/new
line' && mkdir -m 000 '%s/closed' '%s/plain/er/closed']]):format(top, deep, top, top, top, top, top, top))
end

local function environment_text()
  local names = {}
  local env = uv.os_environ()
  for name in pairs(env) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    names[i] = name .. "=" .. env[name]
  end
  return table.concat(names, "\n") .. "\n"
end

local common = {
  sleep = sleep,
  ["ignore-term"] = ignore_signals,
  ["double-fork"] = double_fork,
  ["re-fork"] = re_fork,
  background = function()
    os.execute "sleep 600 &"
  end,
  ["kill-self"] = function()
    uv.kill(uv.os_getpid(), "sigkill")
  end,
  ["kill-runner"] = function()
    uv.kill(uv.os_getppid(), "sigkill")
  end,
  ["stop-runner"] = function()
    uv.kill(uv.os_getppid(), "sigstop")
  end,
  stderr = function(argument)
    io.stderr:write(argument, "\n")
  end,
  ["print-env"] = function(argument)
    write_file(argument, environment_text())
  end,
  ["print-argv"] = function(argument)
    write_file(argument, table.concat(arg, "\n") .. "\n")
  end,
  ["print-cwd"] = function(argument)
    write_file(argument, uv.cwd() .. "\n")
  end,
  ["print-fds"] = function(argument)
    os.execute(("ls -1 /proc/self/fd >'%s'"):format(argument))
  end,
  ["print-status"] = function(argument)
    local status = assert(io.open "/proc/self/status")
    write_file(argument, status:read "a")
    status:close()
  end,
  ["print-prompt"] = function(argument, run)
    write_file(argument, run.prompt)
  end,
  write = function(argument)
    local path, text = argument:match "^(%S+)%s*(.*)$"
    write_file(path, text .. "\n")
  end,
  ["mcp-comment"] = function(argument, run)
    local server = assert(M.server(), "no MCP server was given")
    local name = server.authorization:match "^Bearer %${(%w[%w_]*)}$" or server.authorization:match "{env:(%w[%w_]*)}"
      or server.variable
    server.authorization = "Bearer " .. assert(os.getenv(name), name .. " is not set")
    require "mcp_client"(server, assert(run.prompt:match "work item (%S+)%."), argument, M.quote)
  end,
  scratch = fill_scratch,
  final = function(argument, run)
    run.final = argument
  end,
  ["no-read"] = function(_, run)
    run.no_read = true
  end,
  garbage = function()
    io.stdout:write("no JSON here\n{\"type\":\n\xff\xfe\0{}[]\n[1,2]\n{\"type\":42}\n{\"kind\":\"other\"}\nthe end\n")
    os.exit(0)
  end,
  exit = function(argument)
    os.exit(tonumber(argument))
  end,
}

local function obey(run, text)
  for line in text:gmatch "[^\n]+" do
    local verb, argument = line:match "^%s*(%S+)%s*(.-)%s*$"
    local act = run.verbs[verb] or common[verb]
    if not act then
      M.die(70, "stand-in: no directive " .. verb)
    end
    act(argument, run)
  end
end

local function directives(prompt)
  local found = {}
  for verb in prompt:gmatch "STAND%-IN:%s*([^\n\r]+)" do
    found[#found + 1] = verb
  end
  return table.concat(found, "\n")
end

--- One run: verbs are the CLI's own directives, called with (argument, run).  Returns run with prompt
--- and final; start(run) is called once the prompt was read.
function M.run(verbs, read, start)
  local run = { verbs = verbs, prompt = "" }
  obey(run, os.getenv "STAND_IN" or "")
  if not run.no_read then
    run.prompt = read()
  end
  run.final = run.final or ('Done: "%s"'):format(run.prompt:match "^%s*([^\n]*)")
  start(run)
  obey(run, directives(run.prompt))
  return run
end

return M

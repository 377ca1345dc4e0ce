-- What a live OpenPR sent, in its order: tests/fixtures/recorded/.  The timestamps are old, so each is stamped and
-- signed anew; AI tasks carry none and are posted as they stand.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local sign = require "support.sign"
local uv = require "luv"

local folder = "tests/fixtures/recorded"

local function recordings()
  local names = {}
  for name in uv.fs_scandir_next, assert(uv.fs_scandir(folder)) do
    if name:match "%.http$" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function read(name)
  local file = assert(io.open(folder .. "/" .. name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- By number: dispatched, or joined to which one.  All others are ignored.
local dispatched = { ["03"] = true, ["11"] = true, ["15"] = true }
local joins = { ["04"] = "03", ["05"] = "03", ["12"] = "11" }

describe("what a live OpenPR sent", function()
  local d
  local answers = {}

  setup(function()
    -- The agents are still at work when the deletion comes.
    d = daemon.prepare({ executor = { drain_secs = 1 }, agents = { default = { env = { STAND_IN = "sleep 300" } } } })
    d:start()
  end)
  teardown(function() d:close() end)

  for _, name in ipairs(recordings()) do
    local number = name:sub(1, 2)
    local wanted = dispatched[number] and "dispatched" or joins[number] and "joined" or "ignored"

    it(name .. " is " .. wanted, function()
      local head, body = read(name):match "^(.-\r\n)\r\n(.*)$"
      local function post() return assert(http.raw(d.port, head .. "connection: close\r\n\r\n" .. body)) end

      if body:find('"timestamp"', 1, true) then
        local old = post() -- the recorded signature holds: it is the age that is refused
        assert.same({ 401, true }, { old.status, old.json.error:find "timestamp" ~= nil }, old.body)
        body = body:gsub('"timestamp":"[^"]*"', '"timestamp":"' .. event.time() .. '"')
        head = head:gsub("sha256=%x+", "sha256=" .. sign.hmac(daemon.secret, body))
        head = head:gsub("content%-length: %d+", "content-length: " .. #body)
      end
      local response = post()
      assert.equal(wanted, response.json.status, response.body)
      answers[number] = response.json
      if joins[number] then assert.equal(answers[joins[number]].run_id, response.json.run_id) end
    end)
  end

  it("made one run for each dispatched one, and the deletion cancelled those of its issue", function()
    local gone = read("23-issue.deleted.bot.assigned.http"):match '"data":{"issue":.-"id":"([^"]*)"'
    local count, cancelled = 0, 0
    for _, run in ipairs(d:json("runs", "--json")) do
      count = count + 1
      if run.issue_id == gone then
        cancelled = cancelled + 1
        assert.equal("cancelled", d:ended(run.run_id, true).outcome)
      end
    end
    assert.equal(3, count)
    assert.is_true(cancelled > 0)
  end)
end)

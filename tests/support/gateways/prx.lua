-- PRX's POST /webhook?mode=async and GET /api/jobs/ID, POST /api/jobs/ID/cancel (src/gateway of openprx/prx).

local json = require "openpr.json"
local loop = require "openpr.loop"
local settings = require "gateways.settings"
local socket = require "socket"

local prx = {}

local jobs, keys, list, count = {}, {}, json.array(), 0

local function reply(status, value)
  return { status = status, headers = { ["content-type"] = "application/json" }, body = json.encode(value) }
end

local function work(job)
  loop.start(function()
    local stop = socket.gettime() + settings.takes
    while socket.gettime() < stop and job.status == "running" do loop.sleep(0.02) end
    if job.status ~= "running" then return end
    job.status = settings.job
    if job.status == "succeeded" then
      job.http_status = settings.http_status
      job.result = settings.http_status < 400
        and { response = settings.reply, model = "stand-in", response_id = "r" .. job.job_id }
        or { error = "the model is not reachable" }
    elseif job.status == "failed" then
      job.error = "the agent ran into a wall"
    end
  end)
end

local function submit(key, body)
  count = count + 1
  local job = { job_id = ("00000000-0000-4000-8000-%012d"):format(count), kind = "webhook", label = "gateway:webhook",
                work_id = tostring(count), status = "running", elapsed_ms = 0, began = socket.gettime() }
  jobs[job.job_id], list[#list + 1] = job, job
  if key then keys[key] = { body = body, job = job } end
  work(job)
  return reply(202, { status = "accepted", job_id = job.job_id, work_id = job.work_id, kind = "webhook",
                      poll_url = "/api/jobs/" .. job.job_id, cancel_url = "/api/jobs/" .. job.job_id .. "/cancel" })
end

local function repeated(known, body)
  if known.body ~= body then return reply(409, { status = "request_conflict", idempotent = true }) end
  if known.job.status == "running" then return reply(409, { status = "processing", idempotent = true }) end
  if known.job.result and known.job.http_status < 400 then
    if #known.job.result.response > 1024 * 1024 then
      return reply(409, { status = "replay_unavailable", idempotent = true })
    end
    return reply(200, known.job.result)
  end
  return reply(409, { status = "retry_unavailable", idempotent = true })
end

local function webhook(request)
  if #request.body > 64 * 1024 then return reply(413, { error = "too large" }) end
  local body = request.body:find "^%s*{" and json.decode(request.body)
  if type(body) ~= "table" or type(body.message) ~= "string" then
    return reply(400, { error = 'Invalid JSON body. Expected: {"message": "..."}' })
  end
  local key = request.headers["x-idempotency-key"]
  if key and keys[key] then return repeated(keys[key], request.body) end
  return submit(key, request.body)
end

local function job_call(request)
  local id, cancel = request.path:match "^/api/jobs/([%w-]+)(.*)$"
  local job = jobs[id]
  if not job then return reply(404, { error = "no such job" }) end
  if request.method == "POST" and cancel == "/cancel" then
    if job.status == "running" then job.status = "cancelled" end
    return reply(200, { status = "cancelled" })
  end
  job.elapsed_ms = math.floor((socket.gettime() - job.began) * 1000)
  return reply(200, job)
end

function prx.answer(request)
  local handler = request.path == "/webhook" and webhook or request.path:find "^/api/jobs/" and job_call
  if not handler then return nil end
  if request.headers.authorization ~= "Bearer " .. settings.token then
    return reply(401, { error = "Unauthorized — pair first via POST /pair" })
  end
  return handler(request)
end

function prx.runs() return count end
function prx.jobs() return list end
function prx.forget() jobs, keys = {}, {} end

return prx

-- For wrk: signed issue.created events of a person, each with an id of its own, or plain GETs.
-- wrk ... -s load.lua URL -- events|get
-- luacheck: std luajit
-- luacheck: globals init request done wrk

local secret = "s3cret"

local template = '{"id":"%s","event":"issue.created","timestamp":"%s",'
  .. '"workspace":{"id":"3067a7b4-ad8b-4b25-8338-06c0446b6fe1","name":"Acme"},'
  .. '"project":{"id":"cda74ff2-3ade-4766-bd69-70eed1008872","name":"Core","key":"CORE"},'
  .. '"actor":{"id":"47d179d3-2fd8-4d4d-80cb-de9b967680b3","name":"Ann","email":"ann@example.com",'
  .. '"entity_type":"human"},"data":{"issue":{"assignee_ids":[],"created_at":"2026-11-23T23:44:07+00:00",'
  .. '"description":"%s","id":"b8784c90-9cfe-4edf-817e-e60eaa7bae70","key":"CORE-B8784C90","label_ids":[],'
  .. '"priority":"medium","sprint_id":null,"state":"backlog","title":"Login fails",'
  .. '"updated_at":"2026-11-23T23:44:07+00:00"}},"bot_context":null}'
local description = ("Steps to reproduce, as a person writes them. "):rep(18)

local function signer()
  local ffi = require "ffi"
  ffi.cdef [[
    const void *EVP_sha256(void);
    unsigned char *HMAC(const void *digest, const void *key, int key_len, const unsigned char *data, size_t len,
      unsigned char *mac, unsigned int *mac_len);
  ]]
  local crypto = ffi.load "libcrypto.so.3" -- wrk's LuaJIT has no SHA-256
  local mac, mac_len = ffi.new "unsigned char[32]", ffi.new "unsigned int[1]"
  return function(body)
    crypto.HMAC(crypto.EVP_sha256(), secret, #secret, body, #body, mac, mac_len)
    return "sha256=" .. (ffi.string(mac, 32):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
  end
end

local function uuid()
  return (("xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx"):gsub("x", function() return ("%x"):format(math.random(0, 15)) end))
end

function init(args)
  if args[1] ~= "events" then
    return
  end
  local file = assert(io.open("/dev/urandom", "rb"))
  local a, b, c = file:read(3):byte(1, 3)
  file:close()
  math.randomseed(a * 65536 + b * 256 + c)
  local sign = signer()
  function request()
    local body = template:format(uuid(), os.date("!%Y-%m-%dT%H:%M:%S+00:00"), description)
    return wrk.format("POST", nil, {
      ["content-type"] = "application/json",
      ["x-webhook-signature"] = sign(body),
    }, body)
  end
end

-- requests, microseconds, errors, median and 99th percentile in microseconds
function done(summary, latency)
  local errors = summary.errors
  print(("result %d %d %d %d %d"):format(
    summary.requests,
    summary.duration,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50),
    latency:percentile(99)
  ))
end

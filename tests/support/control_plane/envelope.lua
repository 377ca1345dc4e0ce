-- Envelopes as docs/tunnel.md describes them, made and read without any code of the daemon's.

local json = require "openpr.json"
local sha256 = require "openpr.sha256"
local state = require "openpr.state"

local envelope = {}

-- The text of { type, payload, id, ts, agent_id } with the signature at its end; options.secret nil: unsigned.
-- `sig` may name another signature, `payload_text` the payload as it is to stand there.
function envelope.make(fields, secret)
  local text = ('{"id":%s,"type":%s,"ts":%s,"agent_id":%s,"payload":%s}'):format(
    json.encode(fields.id or state.uuid()), json.encode(fields.type), fields.ts or os.time(),
    json.encode(fields.agent_id), fields.payload_text or json.encode(fields.payload))
  local sig = fields.sig or (secret and "sha256=" .. sha256.hmac(secret, text))
  if not sig or fields.unsigned then return text end
  return text:sub(1, -2) .. ',"sig":' .. json.encode(sig) .. "}"
end

-- What a text says: its fields, and `signature`: "good", "wrong" or "none".  The text is taken to be in canonical form,
-- as the daemon writes it.
function envelope.read(text, secret)
  local value = json.decode(text)
  if type(value) ~= "table" then return { signature = "none", text = text } end
  local signed, sig = text:match '^(.*),"sig":"([^"]*)"}$'
  value.signature = "none"
  if sig and secret then
    value.signature = sig == "sha256=" .. sha256.hmac(secret, signed .. "}") and "good" or "wrong"
  end
  return value
end

return envelope

-- The names that a policy sees, as a std of luacheck; held to the sandbox by tests/spec/openpr/meta_spec.lua.  In the
-- .luacheckrc beside your policies:
--
--   stds.policy = dofile "/usr/share/openpr-webhook/lua/luacheck/policy.lua"
--   files["policies"].std = "policy"
--   files["policies/spec"].std = "lua54+busted"

local function fields(names)
  local known = {}
  for name in names:gmatch "%S+" do known[name] = {} end
  return { fields = known }
end

local read_globals = {
  agents = { other_fields = true },
  labels = { other_fields = true },
  json = fields "decode encode",
  log = fields "debug info warn",
  text = fields "balance clean clip code contains ends fence line replace split starts tail trim",
  when = fields [[actor added ai_task always assigned bot dispatched event field for_bot gone human kind label mentioned
                  ours own_echo priority project reason removed state unassigned]],
  math = fields [[abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min mininteger modf pi rad
                  random randomseed sin sqrt tan tointeger type ult]],
  string = fields "byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack upper",
  table = fields "concat insert move pack remove sort unpack",
  utf8 = fields "char charpattern codepoint codes len offset",
}

local names = [[accept assert cancel drop error getmetatable hours ignore ipairs KiB MiB milliseconds minutes next now
                pairs pcall rawequal rawget rawlen rules seconds select setmetatable template to tonumber tostring
                type]]
for name in names:gmatch "%S+" do
  read_globals[#read_globals + 1] = name
end

return { read_globals = read_globals }

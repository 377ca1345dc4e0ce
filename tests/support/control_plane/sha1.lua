-- SHA-1 (FIPS 180-4), for the answer to Sec-WebSocket-Key, without any code of the daemon's.

local function rotate(x, n)
  return ((x << n) | (x >> (32 - n))) & 0xffffffff
end

local function mix(n, b, c, d)
  if n <= 20 then return (b & c) | (~b & d), 0x5a827999 end
  if n <= 40 then return b ~ c ~ d, 0x6ed9eba1 end
  if n <= 60 then return (b & c) | (b & d) | (c & d), 0x8f1bbcdc end
  return b ~ c ~ d, 0xca62c1d6
end

local function compress(hash, block)
  local w = { string.unpack((">I4"):rep(16), block) }
  for n = 17, 80 do w[n] = rotate(w[n - 3] ~ w[n - 8] ~ w[n - 14] ~ w[n - 16], 1) end
  local a, b, c, d, e = table.unpack(hash)
  for n = 1, 80 do
    local mixed, constant = mix(n, b, c, d)
    a, b, c, d, e = (rotate(a, 5) + (mixed & 0xffffffff) + e + w[n] + constant) & 0xffffffff, a, rotate(b, 30), c, d
  end
  for n, x in ipairs { a, b, c, d, e } do hash[n] = (hash[n] + x) & 0xffffffff end
end

-- 20 bytes.
return function(text)
  local padded = text .. "\128" .. ("\0"):rep((55 - #text) % 64) .. string.pack(">I8", #text * 8)
  local hash = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 }
  for n = 1, #padded, 64 do compress(hash, padded:sub(n, n + 63)) end
  return string.pack((">I4"):rep(5), table.unpack(hash))
end

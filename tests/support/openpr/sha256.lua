-- SHA-256 (FIPS 180-4) and HMAC (RFC 2104), so that the stand-in signs without any code of the daemon's.

local sha256 = {}

local function primes(count)
  local found, n = {}, 2
  while #found < count do
    local prime = true
    for _, p in ipairs(found) do
      prime = prime and n % p ~= 0
    end
    if prime then
      found[#found + 1] = n
    end
    n = n + 1
  end
  return found
end

-- The first 32 bits of the fraction of a root of n.
local function fraction(n, root)
  local x = n ^ (1 / root)
  return math.floor((x % 1) * 2 ^ 32)
end

local K, H = {}, {}
for i, p in ipairs(primes(64)) do
  K[i] = fraction(p, 3)
  H[i] = i <= 8 and fraction(p, 2) or nil
end

local function rotate(x, n)
  return ((x >> n) | (x << (32 - n))) & 0xffffffff
end

local function schedule(block)
  local w = { string.unpack((">I4"):rep(16), block) }
  for i = 17, 64 do
    local a, b = w[i - 15], w[i - 2]
    local s0 = rotate(a, 7) ~ rotate(a, 18) ~ (a >> 3)
    local s1 = rotate(b, 17) ~ rotate(b, 19) ~ (b >> 10)
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) & 0xffffffff
  end
  return w
end

local function compress(hash, block)
  local w = schedule(block)
  local a, b, c, d, e, f, g, h = table.unpack(hash)
  for i = 1, 64 do
    local s1 = rotate(e, 6) ~ rotate(e, 11) ~ rotate(e, 25)
    local t1 = h + s1 + ((e & f) ~ (~e & g)) + K[i] + w[i]
    local s0 = rotate(a, 2) ~ rotate(a, 13) ~ rotate(a, 22)
    local t2 = s0 + ((a & b) ~ (a & c) ~ (b & c))
    a, b, c, d, e, f, g, h = (t1 + t2) & 0xffffffff, a, b, c, (d + t1) & 0xffffffff, e, f, g
  end
  for i, x in ipairs { a, b, c, d, e, f, g, h } do
    hash[i] = (hash[i] + x) & 0xffffffff
  end
end

-- 32 bytes.
function sha256.digest(text)
  local padded = text .. "\128" .. ("\0"):rep((55 - #text) % 64) .. string.pack(">I8", #text * 8)
  local hash = { table.unpack(H) }
  for i = 1, #padded, 64 do
    compress(hash, padded:sub(i, i + 63))
  end
  return string.pack((">I4"):rep(8), table.unpack(hash))
end

local function xor_all(key, byte)
  return (key:gsub(".", function(c)
    return string.char(c:byte() ~ byte)
  end))
end

-- 64 lower-case hexadecimal digits.
function sha256.hmac(key, text)
  if #key > 64 then
    key = sha256.digest(key)
  end
  key = key .. ("\0"):rep(64 - #key)
  local inner = sha256.digest(xor_all(key, 0x36) .. text)
  local mac = sha256.digest(xor_all(key, 0x5c) .. inner)
  return (mac:gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end))
end

return sha256

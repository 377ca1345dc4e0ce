-- What the tests of this folder share: a Debian made by debootstrap, kept in the build directory (container/base.tar),
-- and whether this machine can do what they need.

local process = require "support.process"
local uv = require "luv"

local base = {}

base.env = { PATH = os.getenv "PATH", HOME = os.getenv "HOME" or "/root", LANG = "C.UTF-8" }
base.build = assert(uv.fs_realpath(os.getenv "OPW_BUILD" or "build/dev"))

-- Runs a command that has to succeed; what it says.
function base.run(seconds, ...)
  local code, out, err = process.run({ ... }, base.env, uv.cwd(), seconds)
  local said = out:sub(-8000) .. err:sub(-8000)
  assert(code == 0, ("%s ends with %d:\n%s"):format(table.concat({ ... }, " "), code, said))
  return out
end

-- Why these programs cannot be used here, or nil.
function base.lacking(...)
  if uv.getuid() ~= 0 then return "not root" end
  for _, name in ipairs { "unshare", "debootstrap", ... } do
    if process.run({ "sh", "-c", "command -v " .. name }, base.env, "/", 10) ~= 0 then return "no " .. name end
  end
  -- As root of a container or of a chroot, one may be let do none of this.
  local needed = "mount -t proc proc /proc && mount -t tmpfs none /mnt && ls /sys/fs/cgroup/*"
  if process.run({ "unshare", "--mount", "--pid", "--fork", "sh", "-ec", needed }, base.env, "/", 30) ~= 0 then
    return "no right to make namespaces, mounts or cgroups"
  end
end

-- The path of base.tar, which is made when it is not there.
function base.make()
  local kept = base.build .. "/container"
  local tar, folder = kept .. "/base.tar", kept .. "/base"
  if uv.fs_stat(tar) then return tar end
  base.run(60, "mkdir", "-p", kept)
  base.run(60, "rm", "-rf", folder)
  base.run(900, "debootstrap", "--variant=minbase", "bookworm", folder)
  local pack = "tar -C '%s' --exclude='./dev/*' --exclude='./var/cache/apt/archives/*.deb' -cf '%s.new' . "
    .. "&& mv '%s.new' '%s'"
  base.run(300, "sh", "-euc", pack:format(folder, tar, tar, tar))
  base.run(60, "rm", "-rf", folder)
  return tar
end

function base.slurp(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

function base.free_port()
  local tcp = uv.new_tcp()
  assert(tcp:bind("127.0.0.1", 0))
  local port = tcp:getsockname().port
  tcp:close()
  return port
end

return base

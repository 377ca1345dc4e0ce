-- Certificates for tests, made anew in a folder by openssl(1): nothing that could expire or be trusted by mistake lies
-- in the tree.
--
--   ca.pem            the authority that a client is told to trust
--   good              for 127.0.0.1, ::1 and localhost
--   other_host        the authority's, for another host name
--   expired           the authority's, no longer valid
--   unknown           for 127.0.0.1, of an authority that nobody is told of
--   client            what a client shows, of the same authority; client-unknown of the other
--
-- Each NAME is NAME.pem with NAME.key.

local certificates = {}

local LOCAL = "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost"

local function openssl(dir, text, ...)
  local command = ("cd '%s' && openssl %s >openssl.log 2>&1"):format(dir, text:format(...))
  if not os.execute(command) then
    local log = io.open(dir .. "/openssl.log")
    error("openssl " .. text:format(...) .. ": " .. (log and log:read "a" or ""))
  end
end

local NEW = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key -out %s.pem "

local function authority(dir, name)
  openssl(dir, NEW .. "-days 2 -subj '/CN=%s'", name, name, name)
end

local function issue(dir, name, by, more, days)
  openssl(dir, NEW .. "-days %s -subj '/CN=%s' -addext '%s' -addext basicConstraints=CA:FALSE -CA %s.pem -CAkey %s.key",
          name, name, days or "2", name, more, by, by)
end

-- openssl 3.0 makes no certificate of the past by `req`; `x509` does, with days below nothing.
local function issue_expired(dir, name, by)
  openssl(dir, "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key -out %s.csr -subj '/CN=%s' "
          .. "-addext '%s'", name, name, name, LOCAL)
  openssl(dir, "x509 -req -in %s.csr -copy_extensions copy -days -1 -CA %s.pem -CAkey %s.key -CAcreateserial "
          .. "-out %s.pem", name, by, by, name)
end

function certificates.make(dir)
  authority(dir, "ca")
  authority(dir, "other-ca")
  issue(dir, "good", "ca", LOCAL)
  issue(dir, "other_host", "ca", "subjectAltName=DNS:elsewhere.example")
  issue(dir, "unknown", "other-ca", LOCAL)
  issue(dir, "client", "ca", "extendedKeyUsage=clientAuth")
  issue(dir, "client-unknown", "other-ca", "extendedKeyUsage=clientAuth")
  issue_expired(dir, "expired", "ca")
end

return certificates

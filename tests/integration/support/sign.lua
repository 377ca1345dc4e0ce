-- Signatures by the stand-in's own SHA-256, so that the daemon's library is not checked with itself.
return dofile "tests/support/openpr/sha256.lua"

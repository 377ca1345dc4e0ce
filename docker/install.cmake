# Run by `cmake --install` with SOURCE, BINDIR and SYSCONFDIR set: the files that name other installed ones, and the
# configuration, which is never overwritten.

macro(absolute variable folder)
  if(IS_ABSOLUTE "${folder}")
    set(${variable} "${folder}")
  else()
    set(${variable} "${CMAKE_INSTALL_PREFIX}/${folder}")
  endif()
endmacro()

absolute(bin "${BINDIR}")
absolute(etc "${SYSCONFDIR}")
# Where the program looks for it, and where it is looked for on Debian.
if(NOT IS_ABSOLUTE "${SYSCONFDIR}" AND CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?/?$")
  set(etc "/etc")
endif()

function(install_text from to)
  set(path "$ENV{DESTDIR}${to}")
  file(READ "${SOURCE}/docker/${from}" text)
  string(REPLACE "/usr/bin/openpr-webhook" "${bin}/openpr-webhook" text "${text}")
  string(REPLACE "/etc/openpr-webhook" "${etc}/openpr-webhook" text "${text}")
  message(STATUS "Installing: ${path}")
  file(WRITE "${path}" "${text}")
  file(CHMOD "${path}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endfunction()

install_text(openpr-webhook.service "${CMAKE_INSTALL_PREFIX}/lib/systemd/system/openpr-webhook.service")
install_text(openpr-webhook.sysusers "${CMAKE_INSTALL_PREFIX}/lib/sysusers.d/openpr-webhook.conf")
if(EXISTS "$ENV{DESTDIR}${etc}/openpr-webhook/config.lua")
  message(STATUS "Kept: $ENV{DESTDIR}${etc}/openpr-webhook/config.lua")
else()
  install_text(config.lua "${etc}/openpr-webhook/config.lua")
endif()

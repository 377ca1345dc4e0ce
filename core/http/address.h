#pragma once

/*
 * Whether an address belongs to the public Internet (IANA's special-purpose registries, RFC 6890).
 */

#include <stdbool.h>
#include <sys/socket.h>

/*
 * False for private, loopback, link-local, unique-local, shared (CGNAT), multicast, documentation
 * and reserved addresses, for IPv6 forms that carry such an IPv4 address (mapped, compatible,
 * NAT64, 6to4; Teredo always), and for anything that is neither IPv4 nor IPv6.
 */
bool address_is_public(const struct sockaddr *address);

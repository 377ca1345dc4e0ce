#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/* All in host order: addresses whose first `bits` are those of `net`. */
static const struct {
	uint32_t net;
	int bits;
} special[] = {
	{ 0x00000000, 8 },  /* 0.0.0.0/8 "this network" */
	{ 0x0a000000, 8 },  /* 10.0.0.0/8 private */
	{ 0x64400000, 10 }, /* 100.64.0.0/10 shared, carrier-grade NAT */
	{ 0x7f000000, 8 },  /* 127.0.0.0/8 loopback */
	{ 0xa9fe0000, 16 }, /* 169.254.0.0/16 link-local */
	{ 0xac100000, 12 }, /* 172.16.0.0/12 private */
	{ 0xc0000000, 24 }, /* 192.0.0.0/24 protocol assignments */
	{ 0xc0000200, 24 }, /* 192.0.2.0/24 documentation */
	{ 0xc0586300, 24 }, /* 192.88.99.0/24 6to4 relays */
	{ 0xc0a80000, 16 }, /* 192.168.0.0/16 private */
	{ 0xc6120000, 15 }, /* 198.18.0.0/15 benchmarks */
	{ 0xc6336400, 24 }, /* 198.51.100.0/24 documentation */
	{ 0xcb007100, 24 }, /* 203.0.113.0/24 documentation */
	{ 0xe0000000, 3 },  /* 224.0.0.0/4 multicast, 240.0.0.0/4 reserved and broadcast */
};

static bool ip4_is_public(uint32_t address)
{
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if ((address ^ special[i].net) >> (32 - special[i].bits) == 0)
			return false;
	return true;
}

static bool starts(const unsigned char *address, const char *prefix, size_t len)
{
	return memcmp(address, prefix, len) == 0;
}

static uint32_t ip4_at(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

/* Only 2000::/3 is given out at all. */
static bool ip6_is_public(const unsigned char *address)
{
	static const char zeros[12] = "";

	if (starts(address, zeros, 10) && (starts(address + 10, "\xff\xff", 2) ||
					   starts(address + 10, zeros, 2))) /* mapped, compatible */
		return ip4_is_public(ip4_at(address + 12));
	if (starts(address, "\0\x64\xff\x9b", 4) && starts(address + 4, zeros, 8)) /* NAT64 */
		return ip4_is_public(ip4_at(address + 12));
	if (address[0] >> 5 != 1)
		return false;
	if (starts(address, "\x20\x02", 2)) /* 6to4 */
		return ip4_is_public(ip4_at(address + 2));
	if (starts(address, "\x20\x01", 2) && address[2] < 2) /* 2001::/23: Teredo and the like */
		return false;
	if (starts(address, "\x20\x01\x0d\xb8", 4)) /* documentation */
		return false;
	return !(starts(address, "\x3f\xff", 2) && address[2] >> 4 == 0); /* documentation */
}

bool address_is_public(const struct sockaddr *address)
{
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;

	switch (address->sa_family) {
	case AF_INET:
		memcpy(&ip4, address, sizeof(ip4));
		return ip4_is_public(ntohl(ip4.sin_addr.s_addr));
	case AF_INET6:
		memcpy(&ip6, address, sizeof(ip6));
		return ip6_is_public(ip6.sin6_addr.s6_addr);
	default:
		return false;
	}
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads and writes them; whoever is on the network writes what is read here. */
#include "agent-dhcp.h"

#include <arpa/inet.h>
#include <string.h>

#define HEAD_SIZE 236u
#define COOKIE 0x63825363u
#define DAY_S 86400u
/* From here on an address is nobody's own. */
#define NOT_A_HOST 0xe0000000u

enum
{
  AT_NUMBER = 4,
  AT_FLAGS = 10,
  AT_CLIENT = 12,
  AT_YOURS = 16,
  AT_HARDWARE = 28,
};

enum
{
  OPTION_PAD = 0,
  OPTION_NETMASK = 1,
  OPTION_ROUTER = 3,
  OPTION_RESOLVERS = 6,
  OPTION_ADDRESS = 50,
  OPTION_SECONDS = 51,
  OPTION_KIND = 53,
  OPTION_SERVER = 54,
  OPTION_WANTED = 55,
  OPTION_END = 255,
};

static void
write_number (uint8_t *at, uint32_t number)
{
  uint32_t wire = htonl (number);

  memcpy (at, &wire, sizeof wire);
}

static uint32_t
read_number (const uint8_t *at)
{
  uint32_t wire;

  memcpy (&wire, at, sizeof wire);
  return ntohl (wire);
}

static uint8_t *
add_option (uint8_t *at, uint8_t option, const void *bytes, uint8_t size)
{
  at[0] = option;
  at[1] = size;
  memcpy (at + 2, bytes, size);
  return at + 2 + size;
}

static uint8_t *
add_address (uint8_t *at, uint8_t option, uint32_t address)
{
  uint8_t bytes[4];

  write_number (bytes, address);
  return add_option (at, option, bytes, sizeof bytes);
}

size_t
berth_agent_dhcp_write (uint8_t out[BERTH_AGENT_DHCP_MAX], BerthAgentDhcpKind kind,
                        const uint8_t mac[6], uint32_t number, const BerthAgentLease *lease,
                        bool is_renewal)
{
  static const uint8_t wanted[] = { OPTION_NETMASK, OPTION_ROUTER, OPTION_RESOLVERS };
  const uint8_t told = (uint8_t)kind;
  uint8_t *at = out + HEAD_SIZE;

  memset (out, 0, BERTH_AGENT_DHCP_MAX);
  memcpy (out, "\1\1\6", 3); /* a question, Ethernet, and how long its addresses are */
  write_number (out + AT_NUMBER, number);
  memcpy (out + AT_HARDWARE, mac, 6);
  if (is_renewal)
    write_number (out + AT_CLIENT, lease->address);
  else
    out[AT_FLAGS] = 0x80; /* to everybody: nobody has the address yet */
  write_number (at, COOKIE);
  at = add_option (at + 4, OPTION_KIND, &told, 1);
  if (kind == BERTH_AGENT_DHCP_REQUEST && !is_renewal)
    {
      at = add_address (at, OPTION_ADDRESS, lease->address);
      at = add_address (at, OPTION_SERVER, lease->server);
    }
  at = add_option (at, OPTION_WANTED, wanted, sizeof wanted);
  *at++ = OPTION_END;
  return (size_t)(at - out);
}

static void
take_option (uint8_t option, const uint8_t *value, size_t size, BerthAgentDhcpKind *kind,
             BerthAgentLease *lease)
{
  if (option == OPTION_KIND && size >= 1)
    *kind = (BerthAgentDhcpKind)value[0];
  if (size < 4)
    return;
  switch (option)
    {
    case OPTION_NETMASK:
      lease->netmask = read_number (value);
      break;
    case OPTION_ROUTER:
      lease->router = read_number (value);
      break;
    case OPTION_SERVER:
      lease->server = read_number (value);
      break;
    case OPTION_SECONDS:
      lease->seconds = read_number (value);
      break;
    case OPTION_RESOLVERS:
      for (size_t i = 0; i < BERTH_AGENT_DHCP_RESOLVERS && 4 * (i + 1) <= size; i++)
        lease->resolvers[i] = read_number (value + 4 * i);
      break;
    default:
      break;
    }
}

/* False: one of them has no end. */
static bool
read_options (const uint8_t *bytes, size_t size, BerthAgentDhcpKind *kind, BerthAgentLease *lease)
{
  for (size_t at = 0; at < size && bytes[at] != OPTION_END;)
    {
      size_t length;

      if (bytes[at] == OPTION_PAD)
        {
          at++;
          continue;
        }
      if (at + 2 > size || at + 2 + bytes[at + 1] > size)
        return false;
      length = bytes[at + 1];
      take_option (bytes[at], bytes + at + 2, length, kind, lease);
      at += 2 + length;
    }
  return true;
}

static uint32_t
get_class (uint32_t address)
{
  return address < 0x80000000u ? 0xff000000u : address < 0xc0000000u ? 0xffff0000u : 0xffffff00u;
}

/* Neither the loopback's, nor everybody's */
static bool
is_host (uint32_t address)
{
  return address >> 24 != 0 && address >> 24 != 127 && address < NOT_A_HOST;
}

bool
berth_agent_dhcp_read (const uint8_t *bytes, size_t size, const uint8_t mac[6], uint32_t number,
                       BerthAgentDhcpKind *out_kind, BerthAgentLease *out_lease)
{
  BerthAgentLease lease = { 0 };
  BerthAgentDhcpKind kind = 0;

  if (size < HEAD_SIZE + 4 || bytes[0] != 2 || read_number (bytes + AT_NUMBER) != number
      || memcmp (bytes + AT_HARDWARE, mac, 6) != 0 || read_number (bytes + HEAD_SIZE) != COOKIE
      || !read_options (bytes + HEAD_SIZE + 4, size - HEAD_SIZE - 4, &kind, &lease))
    return false;
  lease.address = read_number (bytes + AT_YOURS);
  if (kind != BERTH_AGENT_DHCP_NAK
      && ((kind != BERTH_AGENT_DHCP_OFFER && kind != BERTH_AGENT_DHCP_ACK)
          || !is_host (lease.address)))
    return false;
  if (lease.netmask == 0)
    lease.netmask = get_class (lease.address);
  if (lease.seconds == 0)
    lease.seconds = DAY_S;
  *out_kind = kind;
  *out_lease = lease;
  return true;
}

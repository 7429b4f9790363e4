/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of DHCP (RFC 2131), as far as a guest with one network card needs them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BERTH_AGENT_DHCP_SERVER_PORT 67
#define BERTH_AGENT_DHCP_PORT 68
#define BERTH_AGENT_DHCP_MAX 1500u
#define BERTH_AGENT_DHCP_RESOLVERS 3u

typedef enum
{
  BERTH_AGENT_DHCP_DISCOVER = 1,
  BERTH_AGENT_DHCP_OFFER = 2,
  BERTH_AGENT_DHCP_REQUEST = 3,
  BERTH_AGENT_DHCP_ACK = 5,
  BERTH_AGENT_DHCP_NAK = 6,
} BerthAgentDhcpKind;

/* Addresses in the order of this machine; 0: none was told. */
typedef struct
{
  uint32_t address;
  uint32_t netmask;
  uint32_t router;
  uint32_t server;
  uint32_t resolvers[BERTH_AGENT_DHCP_RESOLVERS];
  uint32_t seconds;
} BerthAgentLease;

/* Its size. A REQUEST for what @lease offers, or, @is_renewal, for what it has. */
size_t berth_agent_dhcp_write (uint8_t out[BERTH_AGENT_DHCP_MAX], BerthAgentDhcpKind kind,
                               const uint8_t mac[6], uint32_t number, const BerthAgentLease *lease,
                               bool is_renewal);
/* False: it is no answer to @mac's question @number. An address with no netmask has that of its
 * class of old; one without an end has a day. */
bool
berth_agent_dhcp_read (const uint8_t *bytes, size_t size, const uint8_t mac[6], uint32_t number,
                       BerthAgentDhcpKind *out_kind, BerthAgentLease *out_lease);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names that programs may reach, and the addresses that stand for them in this guest. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent-dns.h"

/* 198.18.0.0/15, which is nobody's (RFC 2544) */
#define BERTH_AGENT_NAMES_NETWORK 0xc6120000u
#define BERTH_AGENT_NAMES_NETMASK 0xfffe0000u
#define BERTH_AGENT_NAMES_COUNT 4096u /* that have an address at a time */

/* An address, of IPv4 as IPv6 has them, and a port of it, in the order of this machine; 0: any */
typedef struct __attribute__ ((packed))
{
  uint8_t address[16];
  uint16_t port;
} BerthAgentEndpoint;

/* SHUT: although the address is open at any port */
typedef enum
{
  BERTH_AGENT_GATE_UNKNOWN,
  BERTH_AGENT_GATE_OPEN,
  BERTH_AGENT_GATE_SHUT,
} BerthAgentGateState;

/* Told of where programs may connect to, and no more. */
typedef struct
{
  void (*set) (void *data, const BerthAgentEndpoint *endpoint,
               BerthAgentGateState state); /* NULL: nobody */
  void *data;
} BerthAgentGate;

typedef struct
{
  const char *name;  /* borrowed */
  const char *ports; /* likewise: "80,443"; "": any */
  bool is_denied;
} BerthAgentNameRule;

typedef struct
{
  char name[BERTH_AGENT_DNS_NAME_MAX + 1]; /* "": none yet */
  uint32_t hash;
  uint32_t lives; /* how many names had the place before */
  uint64_t used;  /* counted up with each use of any */
} BerthAgentNamePlace;

/* All zero: nothing may be reached. */
typedef struct
{
  char *text;                /* owned: of the rules */
  BerthAgentNameRule *rules; /* owned */
  size_t count;
  BerthAgentGate gate;
  BerthAgentNamePlace *places; /* owned; NULL until there are rules */
  uint64_t uses;
} BerthAgentNames;

void berth_agent_names_clear (BerthAgentNames *self);
/* Instead of those that it has: a NUL behind each; a name or an address, and after a space its
 * ports with commas between, if not all are meant; "!" before one that is refused. False: they are
 * no rules, or there is no memory for them; it has none then. */
bool berth_agent_names_set_rules (BerthAgentNames *self, const char *rules, size_t size);
/* Calls @func for each that is an address. */
void
berth_agent_names_each_address (const BerthAgentNames *self,
                                void (*func) (void *data, const uint8_t address[16]), void *data);
/* Fits BerthAgentDnsLookup. */
bool berth_agent_names_get_address (void *self, const char *name, uint32_t *out_address);
/* What a program meant by an address; false: nothing that it was told. */
bool berth_agent_names_get_name (BerthAgentNames *self, const uint8_t address[16],
                                 char out_name[BERTH_AGENT_DNS_NAME_MAX + 1]);

/* An address of IPv4, in the order of this machine, as IPv6 has it, and back; false: it is none. */
void berth_agent_address_map (uint8_t out_address[16], uint32_t address);
bool berth_agent_address_unmap (const uint8_t address[16], uint32_t *out_address);

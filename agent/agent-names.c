/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which address stands for a name. A place is used again when all are taken, the one that
 * nobody asked for longest; the next name in it has another address, so that what a program kept
 * from before leads nowhere, and not to somebody else. */
#include "agent-names.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "berth-protocol.h"

/* Of the network: the first 4096 addresses are for the agent itself, the last are left out, for the
 * very last one is the network's broadcast. */
#define LIVES_MAX 30u

#define MAPPED_SIZE 12u
static const uint8_t mapped[MAPPED_SIZE] = { [10] = 0xff, [11] = 0xff };

void
berth_agent_address_map (uint8_t out_address[16], uint32_t address)
{
  uint32_t wire = htonl (address);

  memcpy (out_address, mapped, MAPPED_SIZE);
  memcpy (out_address + MAPPED_SIZE, &wire, sizeof wire);
}

bool
berth_agent_address_unmap (const uint8_t address[16], uint32_t *out_address)
{
  uint32_t wire;

  if (memcmp (address, mapped, MAPPED_SIZE) != 0)
    return false;
  memcpy (&wire, address + MAPPED_SIZE, sizeof wire);
  *out_address = ntohl (wire);
  return true;
}

/* ---- rules ---- */

void
berth_agent_names_clear (BerthAgentNames *self)
{
  const BerthAgentGate gate = self->gate;

  free (self->text);
  free (self->rules);
  free (self->places);
  *self = (BerthAgentNames){ .gate = gate };
}

/* Of an address that is written in a rule; false: it is a name. */
static bool
read_address (const char *text, uint8_t out_address[16])
{
  struct in_addr old;

  if (inet_pton (AF_INET6, text, out_address) == 1)
    return true;
  if (inet_pton (AF_INET, text, &old) != 1)
    return false;
  berth_agent_address_map (out_address, ntohl (old.s_addr));
  return true;
}

/* False: @rules are none. */
static bool
count_rules (const char *rules, size_t size, size_t *out_count)
{
  *out_count = 0;
  if (size > BERTH_ALLOW_MAX || (size > 0 && rules[size - 1] != '\0'))
    return false;
  for (size_t at = 0; at < size; at += strlen (rules + at) + 1, (*out_count)++)
    {
      const char *rule = rules + at + (rules[at] == '!');
      size_t name = strcspn (rule, " "), ports = strlen (rule) - name;

      if (name == 0 || name > BERTH_AGENT_DNS_NAME_MAX || ports == 1
          || strspn (rule + name, " 0123456789,") != ports)
        return false;
    }
  return true;
}

static void
names_read_rules (BerthAgentNames *self)
{
  char *at = self->text;

  for (size_t i = 0; i < self->count; i++)
    {
      size_t length = strlen (at);
      char *space = strchr (at, ' ');

      if (space != NULL)
        *space = '\0';
      self->rules[i] = (BerthAgentNameRule){ .name = at + (at[0] == '!'),
                                             .ports = space != NULL ? space + 1 : at + length,
                                             .is_denied = at[0] == '!' };
      at += length + 1;
    }
}

/* The host decides again: this is for a quick answer alone. */
static bool
rule_fits (const BerthAgentNameRule *rule, const char *name)
{
  size_t rule_length = strlen (rule->name), length = strlen (name);
  uint8_t address[16];

  /* an address is no name of any pattern */
  if (rule->name[0] != '*' || read_address (name, address))
    return strcmp (rule->name, name) == 0;
  return length + 1 > rule_length && strcmp (rule->name + 1, name + length + 1 - rule_length) == 0;
}

/* At any port */
static bool
is_denied (const BerthAgentNames *self, const char *name)
{
  for (size_t i = 0; i < self->count; i++)
    if (self->rules[i].is_denied && self->rules[i].ports[0] == '\0'
        && rule_fits (&self->rules[i], name))
      return true;
  return false;
}

static bool
is_allowed (const BerthAgentNames *self, const char *name)
{
  for (size_t i = 0; i < self->count; i++)
    if (!self->rules[i].is_denied && rule_fits (&self->rules[i], name))
      return name[0] != '\0' && !is_denied (self, name);
  return false;
}

/* Whether the rule is an address that may be connected to */
static bool
is_literal (const BerthAgentNames *self, const BerthAgentNameRule *rule, uint8_t out_address[16])
{
  return !rule->is_denied && read_address (rule->name, out_address)
         && !is_denied (self, rule->name);
}

void
berth_agent_names_each_address (const BerthAgentNames *self,
                                void (*func) (void *data, const uint8_t address[16]), void *data)
{
  uint8_t address[16];

  for (size_t i = 0; i < self->count; i++)
    if (is_literal (self, &self->rules[i], address))
      func (data, address);
}

/* ---- the gate ---- */

static void
names_set_ports (const BerthAgentNames *self, const uint8_t address[16], const char *ports,
                 BerthAgentGateState state)
{
  BerthAgentEndpoint endpoint = { .port = 0 };
  char *end;

  memcpy (endpoint.address, address, sizeof endpoint.address);
  if (ports[0] == '\0')
    self->gate.set (self->gate.data, &endpoint, state);
  for (; ports[0] != '\0'; ports = end + (end[0] == ','))
    {
      endpoint.port = (uint16_t)strtoul (ports, &end, 10);
      if (end == ports)
        return;
      if (endpoint.port != 0)
        self->gate.set (self->gate.data, &endpoint, state);
    }
}

/* Whoever is called @name has @address. What is refused there is set last, for it holds. */
static void
names_set_gate (const BerthAgentNames *self, const char *name, const uint8_t address[16],
                bool is_open)
{
  if (self->gate.set == NULL || (is_open && is_denied (self, name)))
    return;
  for (size_t i = 0; i < 2 * self->count; i++)
    {
      const BerthAgentNameRule *rule = &self->rules[i % self->count];
      BerthAgentGateState state = rule->is_denied ? BERTH_AGENT_GATE_SHUT : BERTH_AGENT_GATE_OPEN;

      if (rule->is_denied == (i >= self->count) && rule_fits (rule, name))
        names_set_ports (self, address, rule->ports, is_open ? state : BERTH_AGENT_GATE_UNKNOWN);
    }
}

static uint32_t
address_of (const BerthAgentNames *self, const BerthAgentNamePlace *place)
{
  return BERTH_AGENT_NAMES_NETWORK + (1 + place->lives % LIVES_MAX) * BERTH_AGENT_NAMES_COUNT
         + (uint32_t)(place - self->places);
}

static void
names_set_place (const BerthAgentNames *self, const BerthAgentNamePlace *place, bool is_open)
{
  uint8_t address[16];

  berth_agent_address_map (address, address_of (self, place));
  names_set_gate (self, place->name, address, is_open);
}

/* For all that programs know already */
static void
names_set_all (const BerthAgentNames *self, bool is_open)
{
  uint8_t address[16];

  for (size_t i = 0; i < self->count; i++)
    if (is_literal (self, &self->rules[i], address))
      names_set_gate (self, self->rules[i].name, address, is_open);
  for (size_t i = 0; self->places != NULL && i < BERTH_AGENT_NAMES_COUNT; i++)
    if (self->places[i].name[0] != '\0')
      names_set_place (self, &self->places[i], is_open);
}

bool
berth_agent_names_set_rules (BerthAgentNames *self, const char *rules, size_t size)
{
  size_t count;

  names_set_all (self, false);
  free (self->text);
  free (self->rules);
  self->text = NULL;
  self->rules = NULL;
  self->count = 0;
  if (!count_rules (rules, size, &count))
    return false;
  self->text = calloc (1, size + 1);
  self->rules = calloc (count + 1, sizeof *self->rules);
  /* what a program was told of a name stays true */
  if (self->places == NULL)
    self->places = calloc (BERTH_AGENT_NAMES_COUNT, sizeof *self->places);
  if (self->text == NULL || self->rules == NULL || self->places == NULL)
    {
      berth_agent_names_clear (self);
      return false;
    }
  memcpy (self->text, rules, size);
  self->count = count;
  names_read_rules (self);
  names_set_all (self, true);
  return true;
}

/* ---- addresses ---- */

/* FNV-1a */
static uint32_t
hash_of (const char *name)
{
  uint32_t hash = 2166136261u;

  for (; *name != '\0'; name++)
    hash = (hash ^ (uint8_t)*name) * 16777619u;
  return hash;
}

/* The name's own place, else the one that it gets. */
static BerthAgentNamePlace *
find_place (BerthAgentNames *self, const char *name, uint32_t hash)
{
  BerthAgentNamePlace *oldest = self->places;

  for (BerthAgentNamePlace *place = self->places; place < self->places + BERTH_AGENT_NAMES_COUNT;
       place++)
    if (place->name[0] == '\0' || (place->hash == hash && strcmp (place->name, name) == 0))
      return place;
    else if (place->used < oldest->used)
      oldest = place;
  return oldest;
}

bool
berth_agent_names_get_address (void *data, const char *name, uint32_t *out_address)
{
  BerthAgentNames *self = data;
  uint32_t hash = hash_of (name);
  BerthAgentNamePlace *place;

  if (!is_allowed (self, name))
    return false;
  place = find_place (self, name, hash);
  if (strcmp (place->name, name) != 0)
    {
      if (place->name[0] != '\0')
        {
          names_set_place (self, place, false);
          place->lives++;
        }
      place->hash = hash;
      strcpy (place->name, name);
      names_set_place (self, place, true);
    }
  place->used = ++self->uses;
  *out_address = address_of (self, place);
  return true;
}

/* Of a rule that is an address */
static bool
get_literal (const BerthAgentNames *self, const uint8_t address[16],
             char out_name[BERTH_AGENT_DNS_NAME_MAX + 1])
{
  uint8_t other[16];

  for (size_t i = 0; i < self->count; i++)
    if (is_literal (self, &self->rules[i], other) && memcmp (other, address, sizeof other) == 0)
      {
        strcpy (out_name, self->rules[i].name);
        return true;
      }
  return false;
}

bool
berth_agent_names_get_name (BerthAgentNames *self, const uint8_t address[16],
                            char out_name[BERTH_AGENT_DNS_NAME_MAX + 1])
{
  uint32_t old;
  BerthAgentNamePlace *place;

  if (!berth_agent_address_unmap (address, &old)
      || (old & BERTH_AGENT_NAMES_NETMASK) != BERTH_AGENT_NAMES_NETWORK)
    return get_literal (self, address, out_name);
  if (self->places == NULL)
    return false;
  place = self->places + old % BERTH_AGENT_NAMES_COUNT;
  if (place->name[0] == '\0' || address_of (self, place) != old)
    return false;
  place->used = ++self->uses;
  strcpy (out_name, place->name);
  return true;
}

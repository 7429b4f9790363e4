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

void
berth_agent_names_clear (BerthAgentNames *self)
{
  free (self->rules);
  free (self->places);
  *self = (BerthAgentNames){ 0 };
}

static bool
rules_are_valid (const char *rules, size_t size)
{
  if (size > BERTH_ALLOW_MAX || (size > 0 && rules[size - 1] != '\0'))
    return false;
  for (size_t at = 0; at < size; at += strlen (rules + at) + 1)
    if (rules[at] == '\0' || strlen (rules + at) > BERTH_AGENT_DNS_NAME_MAX)
      return false;
  return true;
}

bool
berth_agent_names_set_rules (BerthAgentNames *self, const char *rules, size_t size)
{
  free (self->rules);
  self->rules = NULL;
  if (!rules_are_valid (rules, size))
    return false;
  self->rules = calloc (1, size + 1);
  /* what a program was told of a name stays true */
  if (self->places == NULL)
    self->places = calloc (BERTH_AGENT_NAMES_COUNT, sizeof *self->places);
  if (self->rules == NULL || self->places == NULL)
    {
      berth_agent_names_clear (self);
      return false;
    }
  memcpy (self->rules, rules, size);
  return true;
}

void
berth_agent_names_each_address (const BerthAgentNames *self,
                                void (*func) (void *data, uint32_t address), void *data)
{
  struct in_addr address;

  for (const char *rule = self->rules; rule != NULL && *rule != '\0'; rule += strlen (rule) + 1)
    if (inet_pton (AF_INET, rule, &address) == 1)
      func (data, ntohl (address.s_addr));
}

/* The host decides again, and by ports, too: this is for a quick answer alone. */
static bool
rule_fits (const char *rule, const char *name)
{
  size_t rule_length = strlen (rule), length = strlen (name);

  if (rule[0] != '*')
    return strcmp (rule, name) == 0;
  return length + 1 > rule_length && strcmp (rule + 1, name + length + 1 - rule_length) == 0;
}

static bool
is_allowed (const BerthAgentNames *self, const char *name)
{
  for (const char *rule = self->rules; rule != NULL && *rule != '\0'; rule += strlen (rule) + 1)
    if (rule_fits (rule, name))
      return name[0] != '\0';
  return false;
}

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

static uint32_t
address_of (const BerthAgentNames *self, const BerthAgentNamePlace *place)
{
  return BERTH_AGENT_NAMES_NETWORK + (1 + place->lives % LIVES_MAX) * BERTH_AGENT_NAMES_COUNT
         + (uint32_t)(place - self->places);
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
      place->lives += place->name[0] != '\0';
      place->hash = hash;
      strcpy (place->name, name);
    }
  place->used = ++self->uses;
  *out_address = address_of (self, place);
  return true;
}

bool
berth_agent_names_get_name (BerthAgentNames *self, uint32_t address,
                            char out_name[BERTH_AGENT_DNS_NAME_MAX + 1])
{
  struct in_addr literal = { .s_addr = htonl (address) };
  BerthAgentNamePlace *place;

  if ((address & BERTH_AGENT_NAMES_NETMASK) != BERTH_AGENT_NAMES_NETWORK)
    return inet_ntop (AF_INET, &literal, out_name, BERTH_AGENT_DNS_NAME_MAX + 1) != NULL
           && is_allowed (self, out_name);
  if (self->places == NULL)
    return false;
  place = self->places + address % BERTH_AGENT_NAMES_COUNT;
  if (place->name[0] == '\0' || address_of (self, place) != address)
    return false;
  place->used = ++self->uses;
  strcpy (out_name, place->name);
  return true;
}

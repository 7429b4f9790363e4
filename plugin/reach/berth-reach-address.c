/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which addresses are public: the table says which are not. */
#include "plugin/reach/berth-reach-address.h"

#include <string.h>

#include "pool/berth-error.h"

#define MAPPED_PREFIX "\0\0\0\0\0\0\0\0\0\0\xff\xff"
#define MAPPED_PREFIX_SIZE 12u

/* IANA's registries of special addresses, and what carries one address in another. */
static const struct
{
  const char *network;
  const char *use;
} special[] = {
  { "0.0.0.0/8", "of this network" },
  { "10.0.0.0/8", "private" },
  { "100.64.0.0/10", "of a provider's own network" },
  { "127.0.0.0/8", "loopback" },
  { "168.63.129.16/32", "a cloud's own" },
  { "169.254.0.0/16", "link-local" },
  { "172.16.0.0/12", "private" },
  { "192.0.0.0/24", "reserved" },
  { "192.0.2.0/24", "for documentation" },
  { "192.88.99.0/24", "a relay's" },
  { "192.168.0.0/16", "private" },
  { "198.18.0.0/15", "for benchmarks" },
  { "198.51.100.0/24", "for documentation" },
  { "203.0.113.0/24", "for documentation" },
  { "224.0.0.0/4", "multicast" },
  { "240.0.0.0/4", "reserved" },
  { "2001::/23", "reserved" },
  { "2001:db8::/32", "for documentation" },
  { "2002::/16", "a relay's" },
  { "3fff::/20", "for documentation" },
};

/* All that is not of this network and IPv6: loopback, fc00::/7, fe80::/10, multicast, NAT64, ... */
#define GLOBAL_IPV6 "2000::/3"

/* (transfer full): what is meant by an address of IPv6 that carries one of IPv4 for the kernel */
static GInetAddress *
unmap (GInetAddress *address)
{
  const guint8 *bytes = g_inet_address_to_bytes (address);

  if (g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6
      && memcmp (bytes, MAPPED_PREFIX, MAPPED_PREFIX_SIZE) == 0)
    return g_inet_address_new_from_bytes (bytes + MAPPED_PREFIX_SIZE, G_SOCKET_FAMILY_IPV4);
  return g_object_ref (address);
}

static gboolean
is_in (const char *network, GInetAddress *address)
{
  g_autoptr (GInetAddressMask) mask = g_inet_address_mask_new_from_string (network, NULL);

  return g_inet_address_mask_matches (mask, address);
}

const char *
berth_reach_address_get_use (GInetAddress *address)
{
  g_autoptr (GInetAddress) meant = unmap (address);

  for (guint i = 0; i < G_N_ELEMENTS (special); i++)
    if (is_in (special[i].network, meant))
      return special[i].use;
  if (g_inet_address_get_family (meant) == G_SOCKET_FAMILY_IPV6 && !is_in (GLOBAL_IPV6, meant))
    return "not global";
  return NULL;
}

GPtrArray *
berth_reach_networks_parse (const char *const *texts, GError **error)
{
  g_autoptr (GPtrArray) networks = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; texts != NULL && texts[i] != NULL; i++)
    {
      GInetAddressMask *network = g_inet_address_mask_new_from_string (texts[i], NULL);

      if (network == NULL)
        {
          g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       "'%.100s' is no network: give an address, or ADDRESS/BITS with no bit set "
                       "behind them",
                       texts[i]);
          return NULL;
        }
      g_ptr_array_add (networks, network);
    }
  return g_steal_pointer (&networks);
}

char **
berth_reach_networks_to_texts (const GPtrArray *networks)
{
  char **texts = g_new0 (char *, networks->len + 1);

  for (guint i = 0; i < networks->len; i++)
    texts[i] = g_inet_address_mask_to_string (networks->pdata[i]);
  return texts;
}

static gboolean
is_inside (GInetAddressMask *network, GInetAddressMask *other)
{
  return g_inet_address_mask_get_family (network) == g_inet_address_mask_get_family (other)
         && g_inet_address_mask_get_length (network) >= g_inet_address_mask_get_length (other)
         && g_inet_address_mask_matches (other, g_inet_address_mask_get_address (network));
}

/* Of two that overlap one is in the other. */
GPtrArray *
berth_reach_networks_intersect (const GPtrArray *networks, const GPtrArray *others)
{
  GPtrArray *both = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < networks->len; i++)
    for (guint j = 0; j < others->len; j++)
      if (is_inside (networks->pdata[i], others->pdata[j]))
        g_ptr_array_add (both, g_object_ref (networks->pdata[i]));
      else if (is_inside (others->pdata[j], networks->pdata[i]))
        g_ptr_array_add (both, g_object_ref (others->pdata[j]));
  return both;
}

gboolean
berth_reach_networks_have (const GPtrArray *networks, GInetAddress *address)
{
  g_autoptr (GInetAddress) meant = unmap (address);

  for (guint i = 0; i < networks->len; i++)
    if (g_inet_address_mask_matches (networks->pdata[i], meant))
      return TRUE;
  return FALSE;
}

/* Whether it is there by itself, and not as one of a network's */
static gboolean
have_alone (const GPtrArray *networks, GInetAddress *address)
{
  g_autoptr (GInetAddress) meant = unmap (address);

  for (guint i = 0; i < networks->len; i++)
    if (g_inet_address_mask_get_length (networks->pdata[i])
            == 8 * g_inet_address_get_native_size (meant)
        && g_inet_address_mask_matches (networks->pdata[i], meant))
      return TRUE;
  return FALSE;
}

/* A network of others has one that is this host's, too: who names it does not mean that one. The
 * loopback is nobody else's. */
static gboolean
is_own (GInetAddress *address, const GPtrArray *private, const GPtrArray *own)
{
  g_autoptr (GInetAddress) meant = unmap (address);

  return berth_reach_networks_have (own, address) && !have_alone (private, address)
         && !(g_inet_address_get_is_loopback (meant)
              && berth_reach_networks_have (private, address));
}

char *
berth_reach_address_dup_problem (GInetAddress *address, const GPtrArray *denied,
                                 const GPtrArray *private, const GPtrArray *own)
{
  const char *use = berth_reach_address_get_use (address);

  if (berth_reach_networks_have (denied, address))
    return g_strdup ("network_deny has it, that of its user, or its template");
  if (is_own (address, private, own))
    return g_strdup ("it is this host's own, which network_private does not have by itself");
  if (berth_reach_networks_have (private, address))
    return NULL;
  return use != NULL
             ? g_strdup_printf ("it is not public (%s), and network_private does not have it", use)
             : NULL;
}

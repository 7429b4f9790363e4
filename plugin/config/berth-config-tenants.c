/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the settings say of users and their tenants, and of what these may reach. */
#include "plugin/config/berth-config-private.h"

#include <string.h>
#include <unistd.h>

#include "plugin/reach/berth-reach-policy.h"

static gboolean
split_tenant (const char *entry, char **out_pattern, guint64 *out_value)
{
  const char *equals = strchr (entry, '=');

  if (equals == NULL || !g_ascii_string_to_unsigned (equals + 1, 10, 0, G_MAXINT, out_value, NULL))
    return FALSE;
  *out_pattern = g_strndup (entry, (gsize)(equals - entry));
  return TRUE;
}

gboolean
berth_config_tenants_are_valid (char **entries, gboolean is_of_users, guint64 min, guint64 max)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gboolean (*is_pattern) (const char *pattern)
      = is_of_users ? berth_user_pattern_is_valid : berth_tenant_pattern_is_valid;
  gboolean zero_is_none = min != 1; /* a cap; no weight is 0 */

  for (guint i = 0; entries[i] != NULL; i++)
    {
      g_autofree char *pattern = NULL;
      guint64 value = 0;

      if (!split_tenant (entries[i], &pattern, &value) || !is_pattern (pattern) || value > max
          || (value < min && !(value == 0 && zero_is_none))
          || !g_hash_table_add (seen, g_steal_pointer (&pattern)))
        return FALSE;
    }
  return TRUE;
}

typedef gboolean (*SetLimitFunc) (BerthTenantPolicy *policy, const char *pattern,
                                  BerthPartyField field, guint value);

static void
add_to_policy (BerthTenantPolicy *policy, SetLimitFunc set, BerthPartyField field, char **entries)
{
  for (guint i = 0; entries[i] != NULL; i++)
    {
      g_autofree char *pattern = NULL;
      guint64 value = 0;

      if (split_tenant (entries[i], &pattern, &value))
        set (policy, pattern, field, (guint)value);
    }
}

/**
 * berth_config_dup_tenant_policy:
 * @self: a configuration
 *
 * Root and the user of this process may change the settings, so no part is kept from them that they
 * have not chosen themselves: a host that only its administrator uses is used in full.
 *
 * Returns: (transfer full): users' and tenants' weights and caps
 */
BerthTenantPolicy *
berth_config_dup_tenant_policy (const BerthConfig *self)
{
  BerthTenantPolicy *policy = berth_tenant_policy_new ();
  SetLimitFunc of_user = berth_tenant_policy_set_user;
  SetLimitFunc of_tenant = berth_tenant_policy_set;

  add_to_policy (policy, of_user, BERTH_PARTY_WEIGHT, self->uid_weights);
  add_to_policy (policy, of_user, BERTH_PARTY_MAX_VMS, self->uid_max_vms);
  add_to_policy (policy, of_user, BERTH_PARTY_MEMORY_MB, self->uid_memory_mb);
  add_to_policy (policy, of_tenant, BERTH_PARTY_WEIGHT, self->tenant_weights);
  add_to_policy (policy, of_tenant, BERTH_PARTY_MAX_VMS, self->tenant_max_vms);
  add_to_policy (policy, of_tenant, BERTH_PARTY_MEMORY_MB, self->tenant_memory_mb);
  berth_tenant_policy_set_user_part (policy, self->uid_part);
  berth_tenant_policy_exempt (policy, 0);
  berth_tenant_policy_exempt (policy, (guint32)geteuid ());
  return policy;
}

gboolean
berth_config_network_is_valid (char **entries, gboolean may_be_rules, gboolean may_be_networks)
{
  for (guint i = 0; entries[i] != NULL; i++)
    {
      g_autoptr (BerthReachRule) rule
          = may_be_rules ? berth_reach_rule_parse (entries[i], NULL) : NULL;
      g_autoptr (GInetAddressMask) network
          = may_be_networks ? g_inet_address_mask_new_from_string (entries[i], NULL) : NULL;

      if (rule == NULL && network == NULL)
        return FALSE;
    }
  return TRUE;
}

/* "1000=a": its user is out_user, and what follows is returned; NULL: no user is named */
static const char *
split_user (const char *entry, char **out_user)
{
  const char *equals = strchr (entry, '=');
  g_autofree char *user = equals != NULL ? g_strndup (entry, (gsize)(equals - entry)) : NULL;

  if (user == NULL || !berth_user_pattern_is_valid (user))
    return NULL;
  *out_user = g_steal_pointer (&user);
  return equals + 1;
}

gboolean
berth_config_user_network_is_valid (char **entries, gboolean may_be_rules, gboolean may_be_networks)
{
  for (guint i = 0; entries[i] != NULL; i++)
    {
      g_autofree char *user = NULL;
      char *what[] = { (char *)split_user (entries[i], &user), NULL };

      if (what[0] == NULL
          || (what[0][0] != '\0'
              && !berth_config_network_is_valid (what, may_be_rules, may_be_networks)))
        return FALSE;
    }
  return TRUE;
}

/* (transfer full) (nullable): what is said of just this @user, "1000" or "*" */
static char **
dup_of_pattern (char **entries, const char *wanted)
{
  g_autoptr (GStrvBuilder) values = g_strv_builder_new ();
  gboolean is_named = FALSE;

  for (guint i = 0; entries[i] != NULL; i++)
    {
      g_autofree char *user = NULL;
      const char *value = split_user (entries[i], &user);

      if (!g_str_equal (user, wanted))
        continue;
      is_named = TRUE;
      if (value[0] != '\0')
        g_strv_builder_add (values, value);
    }
  return is_named ? g_strv_builder_end (values) : NULL;
}

/**
 * berth_config_dup_of_user:
 * @entries: of a setting whose entries are "UID=VALUE"
 * @uid: of a user
 *
 * Returns: (transfer full) (nullable): all that is said of @uid, or else of "*"; %NULL: nothing is
 */
char **
berth_config_dup_of_user (char **entries, guint32 uid)
{
  g_autofree char *user = g_strdup_printf ("%u", uid);
  char **values = dup_of_pattern (entries, user);

  return values != NULL ? values : dup_of_pattern (entries, "*");
}

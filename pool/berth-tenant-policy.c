/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which of the administrator's words hold for a user or a tenant. */
#include "berth-tenant-policy.h"

#include <string.h>

#include "berth-request.h"
#include "berth-sync.h"

#define N_FIELDS ((guint)BERTH_PARTY_MEMORY_MB + 1)

/* what one pattern says */
typedef struct
{
  gboolean is_set[N_FIELDS];
  guint value[N_FIELDS];
} PolicyEntry;

struct _BerthTenantPolicy
{
  gatomicrefcount ref_count;
  GHashTable *entries; /* of tenants: pattern (owned) → PolicyEntry (owned) */
  GHashTable *users;   /* likewise */
  GHashTable *exempt;  /* set of uid */
  double user_part;
};

/**
 * berth_tenant_policy_new:
 *
 * Returns: (transfer full): a policy in which everybody weighs the same and has no cap
 */
BerthTenantPolicy *
berth_tenant_policy_new (void)
{
  BerthTenantPolicy *self = g_new0 (BerthTenantPolicy, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->users = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->exempt = g_hash_table_new (NULL, NULL);
  self->user_part = 1;
  return self;
}

/**
 * berth_tenant_policy_ref:
 * @self: a policy
 *
 * Returns: (transfer full): @self
 */
BerthTenantPolicy *
berth_tenant_policy_ref (BerthTenantPolicy *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * berth_tenant_policy_unref:
 * @self: (transfer full): a policy
 */
void
berth_tenant_policy_unref (BerthTenantPolicy *self)
{
  g_return_if_fail (self != NULL);

  BERTH_SYNC_RELEASE (self);
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  BERTH_SYNC_ACQUIRE (self);
  g_hash_table_unref (self->entries);
  g_hash_table_unref (self->users);
  g_hash_table_unref (self->exempt);
  g_free (self);
}

/* @text up to @colon is a user's number, written as it is looked up later */
static gboolean
uid_is_valid (const char *text, const char *colon)
{
  g_autofree char *number = g_strndup (text, (gsize)(colon - text));
  guint64 uid = 0;

  return g_ascii_string_to_unsigned (number, 10, 0, G_MAXUINT32, &uid, NULL)
         && (number[0] != '0' || number[1] == '\0');
}

/**
 * berth_tenant_pattern_is_valid:
 * @pattern: any text
 *
 * Returns: whether it is `NAME`, `*`, `UID:NAME` or `UID:*`
 */
gboolean
berth_tenant_pattern_is_valid (const char *pattern)
{
  const char *colon = strchr (pattern, ':');
  const char *name = colon != NULL ? colon + 1 : pattern;

  if (colon != NULL && !uid_is_valid (pattern, colon))
    return FALSE;
  return strcmp (name, "*") == 0 || berth_request_name_is_valid (name);
}

/**
 * berth_user_pattern_is_valid:
 * @pattern: any text
 *
 * Returns: whether it is `UID` or `*`
 */
gboolean
berth_user_pattern_is_valid (const char *pattern)
{
  return strcmp (pattern, "*") == 0 || uid_is_valid (pattern, pattern + strlen (pattern));
}

static gboolean
set_field (GHashTable *entries, const char *pattern, BerthPartyField field, guint value)
{
  PolicyEntry *entry = g_hash_table_lookup (entries, pattern);

  if (field == BERTH_PARTY_WEIGHT && (value < 1 || value > BERTH_PARTY_WEIGHT_MAX))
    return FALSE;
  if (entry == NULL)
    {
      entry = g_new0 (PolicyEntry, 1);
      g_hash_table_insert (entries, g_strdup (pattern), entry);
    }
  entry->is_set[field] = TRUE;
  entry->value[field] = value;
  return TRUE;
}

/**
 * berth_tenant_policy_set:
 * @self: a policy that nobody else has yet
 * @pattern: for which tenants
 * @field: of what
 * @value: 1 to %BERTH_PARTY_WEIGHT_MAX for a weight; 0 for no cap
 *
 * Returns: %FALSE, and nothing is changed, where @pattern or @value is not allowed
 */
gboolean
berth_tenant_policy_set (BerthTenantPolicy *self, const char *pattern, BerthPartyField field,
                         guint value)
{
  return berth_tenant_pattern_is_valid (pattern)
         && set_field (self->entries, pattern, field, value);
}

/**
 * berth_tenant_policy_set_user:
 * @self: a policy that nobody else has yet
 * @pattern: for which users
 * @field: of what
 * @value: as for berth_tenant_policy_set()
 *
 * Returns: %FALSE, and nothing is changed, where @pattern or @value is not allowed
 */
gboolean
berth_tenant_policy_set_user (BerthTenantPolicy *self, const char *pattern, BerthPartyField field,
                              guint value)
{
  return berth_user_pattern_is_valid (pattern) && set_field (self->users, pattern, field, value);
}

/**
 * berth_tenant_policy_set_user_part:
 * @self: a policy that nobody else has yet
 * @part: of slots, vCPUs, memory and the queue, what a user may have of whose caps nothing is said;
 *   above 0, 1 for all
 */
void
berth_tenant_policy_set_user_part (BerthTenantPolicy *self, double part)
{
  g_return_if_fail (part > 0 && part <= 1);
  self->user_part = part;
}

/**
 * berth_tenant_policy_exempt:
 * @self: a policy that nobody else has yet
 * @uid: a user who may have all there is, unless something is said of its caps
 */
void
berth_tenant_policy_exempt (BerthTenantPolicy *self, guint32 uid)
{
  g_hash_table_add (self->exempt, GUINT_TO_POINTER (uid));
}

/* fields that @pattern says something of, and that nobody before it did */
static void
apply_entry (GHashTable *entries, const char *pattern, PolicyEntry *known)
{
  const PolicyEntry *entry = g_hash_table_lookup (entries, pattern);

  for (guint i = 0; entry != NULL && i < N_FIELDS; i++)
    if (entry->is_set[i] && !known->is_set[i])
      {
        known->is_set[i] = TRUE;
        known->value[i] = entry->value[i];
      }
}

static BerthPartyLimits
limits_of (const PolicyEntry *known, double part)
{
  return (BerthPartyLimits){
    .weight = known->is_set[BERTH_PARTY_WEIGHT] ? known->value[BERTH_PARTY_WEIGHT] : 1,
    .max_vms = known->value[BERTH_PARTY_MAX_VMS],
    .memory_mb = known->value[BERTH_PARTY_MEMORY_MB],
    .part_of_vms = known->is_set[BERTH_PARTY_MAX_VMS] ? 1 : part,
    .part_of_memory = known->is_set[BERTH_PARTY_MEMORY_MB] ? 1 : part,
    .part_of_queue = part,
  };
}

/**
 * berth_tenant_policy_get:
 * @self: a policy
 * @uid: whose tenant
 * @tenant: (nullable): its name
 *
 * Returns: its limits
 */
BerthPartyLimits
berth_tenant_policy_get (BerthTenantPolicy *self, guint32 uid, const char *tenant)
{
  PolicyEntry known = { 0 };

  if (g_hash_table_size (self->entries) > 0)
    {
      g_autofree char *own = g_strdup_printf ("%u:%s", uid, tenant != NULL ? tenant : "");
      g_autofree char *any_of_user = g_strdup_printf ("%u:*", uid);

      apply_entry (self->entries, own, &known);
      apply_entry (self->entries, any_of_user, &known);
      if (tenant != NULL)
        apply_entry (self->entries, tenant, &known);
      apply_entry (self->entries, "*", &known);
    }
  return limits_of (&known, 1);
}

/**
 * berth_tenant_policy_get_user:
 * @self: a policy
 * @uid: who
 *
 * Returns: the limits of all its tenants together
 */
BerthPartyLimits
berth_tenant_policy_get_user (BerthTenantPolicy *self, guint32 uid)
{
  gboolean is_exempt = g_hash_table_contains (self->exempt, GUINT_TO_POINTER (uid));
  PolicyEntry known = { 0 };

  if (g_hash_table_size (self->users) > 0)
    {
      g_autofree char *own = g_strdup_printf ("%u", uid);

      apply_entry (self->users, own, &known);
      apply_entry (self->users, "*", &known);
    }
  return limits_of (&known, is_exempt ? 1 : self->user_part);
}

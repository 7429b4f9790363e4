/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the administrator says of tenants: how much each weighs, and how much each may hold. */
#pragma once

#include "berth-types.h"

G_BEGIN_DECLS

#define BERTH_TENANT_WEIGHT_MAX 1000u

/**
 * BerthTenantLimits:
 * @weight: its share against the others', 1 unless said otherwise
 * @max_vms: VMs that it may have at a time, 0 for no cap
 * @memory_mb: MiB of memory of all of them, 0 for no cap
 */
typedef struct
{
  guint weight;
  guint max_vms;
  guint memory_mb;
} BerthTenantLimits;

/**
 * BerthTenantField:
 * @BERTH_TENANT_WEIGHT: `weight`
 * @BERTH_TENANT_MAX_VMS: `max_vms`
 * @BERTH_TENANT_MEMORY_MB: `memory_mb`
 *
 * One field of #BerthTenantLimits.
 */
typedef enum
{
  BERTH_TENANT_WEIGHT,
  BERTH_TENANT_MAX_VMS,
  BERTH_TENANT_MEMORY_MB,
} BerthTenantField;

/**
 * BerthTenantPolicy:
 *
 * Limits by pattern: `UID:NAME` (that user's tenant of that name), `UID:*` (any of that user's),
 * `NAME` (whosoever), `*` (any). The first of these that says something of a field decides it. Not
 * changed once a pool has it; atomically reference counted; any thread may read it.
 */
BERTH_AVAILABLE BerthTenantPolicy *berth_tenant_policy_new (void);
BERTH_AVAILABLE BerthTenantPolicy *berth_tenant_policy_ref (BerthTenantPolicy *self);
BERTH_AVAILABLE void berth_tenant_policy_unref (BerthTenantPolicy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthTenantPolicy, berth_tenant_policy_unref)

BERTH_AVAILABLE gboolean berth_tenant_pattern_is_valid (const char *pattern);
/* FALSE, and nothing is changed, where @pattern is none, or @value no weight */
BERTH_AVAILABLE gboolean berth_tenant_policy_set (BerthTenantPolicy *self, const char *pattern,
                                                  BerthTenantField field, guint value);
/* @tenant: (nullable) */
BERTH_AVAILABLE BerthTenantLimits berth_tenant_policy_get (BerthTenantPolicy *self, guint32 uid,
                                                           const char *tenant);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the administrator says of users and of their tenants: how much each weighs, and how much
 * each may hold. */
#pragma once

#include "berth-types.h"

G_BEGIN_DECLS

#define BERTH_PARTY_WEIGHT_MAX 1000u

/**
 * BerthPartyLimits:
 * @weight: its share against its peers', 1 unless said otherwise
 * @max_vms: VMs that it may have at a time, 0 for no cap
 * @memory_mb: MiB of memory of all of them, 0 for no cap
 * @part_of_vms: of all slots and vCPUs, what it may hold: above 0, 1 for no bound
 * @part_of_memory: likewise
 * @part_of_queue: likewise, of the places in the queue
 *
 * Of a user, or of a tenant. The parts never keep one that holds nothing from its first VM.
 */
typedef struct
{
  guint weight;
  guint max_vms;
  guint memory_mb;
  double part_of_vms;
  double part_of_memory;
  double part_of_queue;
} BerthPartyLimits;

/**
 * BerthPartyField:
 * @BERTH_PARTY_WEIGHT: `weight`
 * @BERTH_PARTY_MAX_VMS: `max_vms`
 * @BERTH_PARTY_MEMORY_MB: `memory_mb`
 *
 * One field of #BerthPartyLimits.
 */
typedef enum
{
  BERTH_PARTY_WEIGHT,
  BERTH_PARTY_MAX_VMS,
  BERTH_PARTY_MEMORY_MB,
} BerthPartyField;

/**
 * BerthTenantPolicy:
 *
 * Limits of tenants by pattern: `UID:NAME` (that user's tenant of that name), `UID:*` (any one of
 * that user's), `NAME` (whosoever), `*` (any one); of users, for all their tenants together: `UID`
 * or `*`. The first of these that says something of a field decides it. Where nothing is said of
 * the caps of a user, it may hold a part of what there is, so that something is left for others;
 * but for users who are exempt: those who may change the policy anyway.
 *
 * Not changed once a pool has it; atomically reference counted; any thread may read it.
 */
BERTH_AVAILABLE BerthTenantPolicy *berth_tenant_policy_new (void);
BERTH_AVAILABLE BerthTenantPolicy *berth_tenant_policy_ref (BerthTenantPolicy *self);
BERTH_AVAILABLE void berth_tenant_policy_unref (BerthTenantPolicy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthTenantPolicy, berth_tenant_policy_unref)

BERTH_AVAILABLE gboolean berth_tenant_pattern_is_valid (const char *pattern);
/* FALSE, and nothing is changed, where @pattern is none, or @value no weight */
BERTH_AVAILABLE gboolean berth_tenant_policy_set (BerthTenantPolicy *self, const char *pattern,
                                                  BerthPartyField field, guint value);
/* likewise; @pattern: `UID` or `*` */
BERTH_AVAILABLE gboolean berth_tenant_policy_set_user (BerthTenantPolicy *self, const char *pattern,
                                                       BerthPartyField field, guint value);
BERTH_AVAILABLE gboolean berth_user_pattern_is_valid (const char *pattern);
/* of users of whose caps nothing is said, above 0; 1: all */
BERTH_AVAILABLE void berth_tenant_policy_set_user_part (BerthTenantPolicy *self, double part);
BERTH_AVAILABLE void berth_tenant_policy_exempt (BerthTenantPolicy *self, guint32 uid);
BERTH_AVAILABLE BerthPartyLimits berth_tenant_policy_get_user (BerthTenantPolicy *self,
                                                               guint32 uid);
/* @tenant: (nullable) */
BERTH_AVAILABLE BerthPartyLimits berth_tenant_policy_get (BerthTenantPolicy *self, guint32 uid,
                                                          const char *tenant);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An account for each tenant: what it holds, what it has used, and how far it is against others. */
#pragma once

#include "berth-budgets.h"
#include "berth-request.h"
#include "berth-tenant-policy.h"

G_BEGIN_DECLS

typedef struct _BerthTenants BerthTenants;
typedef struct _BerthTenant BerthTenant;

/**
 * BerthTenant:
 * @key: of user and name
 * @uid: whose
 * @name: (nullable): of its requests
 * @limits: that hold for it
 * @held: slots and memory of its VMs that exist
 * @waiting: of BerthWaiter's own links, first come first; BerthWaiters' own
 * @next_mb: memory of the first of them, 0 where nobody waits
 * @aside: of dispatch: what is set aside for its waiters in the pass @pass
 * @aside_now: that of it for which there is room before dying VMs are gone
 * @leaving: of dispatch: what its dying VMs give back, likewise
 * @pass: of dispatch
 * @allowed: for berth_admission_check(): its caps, or what lower ones left above
 */
struct _BerthTenant
{
  char *key;
  guint32 uid;
  char *name;
  BerthTenantLimits limits;
  BerthPlace held;
  GQueue waiting;
  guint next_mb;

  BerthPlace aside;
  BerthPlace aside_now;
  BerthPlace leaving;
  guint64 pass;
  BerthPlace allowed;

  /*< private >*/
  GList link;          /* in those that contend, or in those that have nothing but a debt */
  GQueue *list;        /* which of them, NULL for none */
  guint queued_at;     /* of BerthWaiters: where it is in its list */
  gint64 cost;         /* of all that it holds */
  gint64 level;        /* cost times microseconds, divided by weight */
  gint64 since_us;     /* when level was right */
  guint64 epoch;       /* of level */
  GList *cursor;       /* of the one walk at a time, see BerthWaitersIter */
  gint64 cursor_place; /* where it stands in that walk */
};

BerthTenants *berth_tenants_new (void);
void berth_tenants_free (BerthTenants *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthTenants, berth_tenants_free)

/* the time of everything that follows; never goes back */
void berth_tenants_set_now (BerthTenants *self, gint64 now_us);
void berth_tenants_set_policy (BerthTenants *self, BerthTenantPolicy *policy);
BerthTenantLimits berth_tenants_get_limits (BerthTenants *self, BerthRequest *request);

/* the account of who made @request; it lasts while it waits, holds or owes something */
BerthTenant *berth_tenants_ensure (BerthTenants *self, BerthRequest *request);
/* somebody waits again after nobody did: what was used before that is forgotten */
void berth_tenants_begin (BerthTenants *self);
/* its queue changed: the first one needs @next_mb, 0 where there is none; may free @tenant */
void berth_tenants_note_queue (BerthTenants *self, BerthTenant *tenant, guint next_mb);
/* a VM is its own from now on; @cost as of berth_tenants_cost_of() */
void berth_tenants_take (BerthTenants *self, BerthTenant *tenant, guint memory_mb, gint64 cost);
/* nothing is left of it; may free @tenant */
void berth_tenants_give (BerthTenants *self, BerthTenant *tenant, guint memory_mb, gint64 cost);

/* what a place costs while it is held: its part of the budget that it takes most of */
gint64 berth_tenants_cost_of (const BerthCapacity *capacity, BerthRequest *request);
/* who stands lowest is next */
gint64 berth_tenants_get_standing (BerthTenants *self, BerthTenant *tenant);
/* how much higher it stands for one more VM */
gint64 berth_tenant_get_step (const BerthTenant *tenant, gint64 cost);
/* whether its caps leave room for one more VM, beside what it holds and @more (signed) */
gboolean berth_tenant_has_room (const BerthTenant *tenant, const BerthPlace *more, guint memory_mb);
/* (element-type BerthTenant) (transfer container): all accounts, in no order */
GList *berth_tenants_list (BerthTenants *self);

G_END_DECLS

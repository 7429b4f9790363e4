/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who shares the host: users, and below each its tenants. */
#pragma once

#include "berth-party.h"
#include "berth-request.h"

G_BEGIN_DECLS

typedef struct _BerthTenants BerthTenants;
typedef struct _BerthUser BerthUser;
typedef struct _BerthTenant BerthTenant;

/**
 * BerthUser:
 * @party: against other users
 * @uid: who it is
 * @tenants: its own, against each other
 * @n_tenants: how many are known
 * @walk: of BerthWaiters: the last one that came to its tenants
 */
struct _BerthUser
{
  BerthParty party;
  guint32 uid;
  BerthPeers tenants;
  guint n_tenants;
  guint64 walk;
};

/**
 * BerthTenant:
 * @party: against other tenants of its user
 * @user: (unowned): whose
 * @key: of user and name
 * @name: (nullable): of its requests
 * @waiting: of BerthWaiter's own links, first come first; BerthWaiters' own
 * @next: what the first of them needs; nothing where nobody waits
 * @cursor: of BerthWaiters: the next one in the one walk at a time
 */
struct _BerthTenant
{
  BerthParty party;
  BerthUser *user;
  char *key;
  char *name;
  GQueue waiting;
  BerthPlace next;
  GList *cursor;
};

BerthTenants *berth_tenants_new (void);
void berth_tenants_free (BerthTenants *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthTenants, berth_tenants_free)

/* the time of everything that follows; never goes back */
void berth_tenants_set_now (BerthTenants *self, gint64 now_us);
gint64 berth_tenants_get_now (BerthTenants *self);
void berth_tenants_set_policy (BerthTenants *self, BerthTenantPolicy *policy);
/* of which a user's part is one */
void berth_tenants_set_capacity (BerthTenants *self, const BerthCapacity *capacity);
BerthPartyLimits berth_tenants_get_limits (BerthTenants *self, BerthRequest *request);
BerthPartyLimits berth_tenants_get_user_limits (BerthTenants *self, BerthRequest *request);
/* those that have waiters, and their tenants below them */
BerthPeers *berth_tenants_get_users (BerthTenants *self);

/* before @request joins the queue: where nobody waits, or nobody of its user, what was used is
 * forgotten; may free any of them that neither waits nor holds */
void berth_tenants_begin (BerthTenants *self, BerthRequest *request);
/* who made @request; it lasts while it waits, holds or owes something */
BerthTenant *berth_tenants_ensure (BerthTenants *self, BerthRequest *request);
/* the @joined'th waiter of all is one of @tenant's; berth_tenants_note_queue() follows */
void berth_tenants_join_queue (BerthTenant *tenant, guint64 joined);
void berth_tenants_leave_queue (BerthTenant *tenant);
/* its queue changed: the first one needs @next (%NULL: there is none); may free @tenant */
void berth_tenants_note_queue (BerthTenants *self, BerthTenant *tenant, const BerthPlace *next);
/* a VM is its own from now on; @cost as of berth_tenants_cost_of() */
void
berth_tenants_take (BerthTenants *self, BerthTenant *tenant, const BerthPlace *place, gint64 cost);
/* nothing is left of it; may free @tenant */
void
berth_tenants_give (BerthTenants *self, BerthTenant *tenant, const BerthPlace *place, gint64 cost);

/* what a place costs while it is held: its part of the budget that it takes most of */
gint64 berth_tenants_cost_of (const BerthCapacity *capacity, BerthRequest *request);
/* the same while its VM is paused and takes no vCPU */
gint64 berth_tenants_cost_of_paused (const BerthCapacity *capacity, BerthRequest *request);
/* whether its caps and its user's leave room for @need, beside what they hold */
gboolean berth_tenant_has_room (const BerthTenant *self, const BerthPlace *need);
/* (element-type BerthTenant) (transfer container): all parties, in no order */
GList *berth_tenants_list (BerthTenants *self);
/* (element-type BerthUser) (transfer container): likewise */
GList *berth_tenants_list_users (BerthTenants *self);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Knows users and their tenants, and applies to both what their requests do. */
#include "berth-tenants.h"

/**
 * BerthTenants:
 *
 * Two levels of parties. A user stands against users, with all that its tenants hold and have
 * used; a tenant stands against the others of the same user. A name costs nothing, so it brings
 * nothing: whose turn it is among users does not depend on how many names each has.
 */
struct _BerthTenants
{
  GHashTable *users;   /* uid → BerthUser (owned) */
  GHashTable *tenants; /* key (borrowed from value) → BerthTenant (owned) */
  BerthPeers peers;    /* users */
  BerthTenantPolicy *policy;
  BerthCapacity capacity;
  gint64 now_us;
};

static void
tenant_free (BerthTenant *tenant)
{
  berth_party_clear (&tenant->party);
  tenant->user->n_tenants--;
  g_free (tenant->key);
  g_free (tenant->name);
  g_free (tenant);
}

static void
user_free (BerthUser *user)
{
  berth_party_clear (&user->party);
  berth_peers_clear (&user->tenants);
  g_free (user);
}

BerthTenants *
berth_tenants_new (void)
{
  BerthTenants *self = g_new0 (BerthTenants, 1);

  self->users = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify)user_free);
  self->tenants
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)tenant_free);
  berth_peers_init (&self->peers);
  self->policy = berth_tenant_policy_new ();
  return self;
}

void
berth_tenants_free (BerthTenants *self)
{
  g_hash_table_unref (self->tenants);
  g_hash_table_unref (self->users);
  berth_peers_clear (&self->peers);
  berth_tenant_policy_unref (self->policy);
  g_free (self);
}

void
berth_tenants_set_now (BerthTenants *self, gint64 now_us)
{
  self->now_us = MAX (self->now_us, now_us);
}

gint64
berth_tenants_get_now (BerthTenants *self)
{
  return self->now_us;
}

BerthPeers *
berth_tenants_get_users (BerthTenants *self)
{
  return &self->peers;
}

static void
forget_tenant (BerthTenants *self, BerthParty *party)
{
  g_hash_table_remove (self->tenants, ((BerthTenant *)party)->key);
}

/* with the debts of its tenants: those count only while some of them wait */
static void
forget_user (BerthTenants *self, BerthParty *party)
{
  BerthUser *user = (BerthUser *)party;

  while (user->tenants.owing.length > 0)
    forget_tenant (self, user->tenants.owing.head->data);
  g_assert (user->n_tenants == 0);
  g_hash_table_remove (self->users, GUINT_TO_POINTER (user->uid));
}

typedef void (*ForgetFunc) (BerthTenants *self, BerthParty *party);

/* two at a time, so that each call is cheap and what somebody makes up does not pile up */
static void
forget_some (BerthTenants *self, BerthPeers *peers, ForgetFunc forget)
{
  for (guint i = 0; i < 2; i++)
    {
      BerthParty *party = berth_peers_steal_forgotten (peers, self->now_us);

      if (party != NULL)
        forget (self, party);
    }
}

static gboolean
user_contends (BerthUser *user)
{
  const BerthPlace nothing = { 0 };
  GList *first = user->tenants.contending.head;

  return first != NULL
         && berth_party_has_room (&user->party, &nothing, &((BerthTenant *)first->data)->next);
}

/* puts both parties where they belong, or frees them */
static void
settle (BerthTenants *self, BerthTenant *tenant)
{
  const BerthPlace nothing = { 0 };
  BerthUser *user = tenant->user;
  gboolean contends = !berth_place_is_empty (&tenant->next)
                      && berth_party_has_room (&tenant->party, &nothing, &tenant->next);

  if (!berth_party_settle (&tenant->party, contends, self->now_us))
    forget_tenant (self, &tenant->party);
  if (!berth_party_settle (&user->party, user_contends (user), self->now_us))
    forget_user (self, &user->party);
}

BerthPartyLimits
berth_tenants_get_limits (BerthTenants *self, BerthRequest *request)
{
  return berth_tenant_policy_get (self->policy, request->uid, request->tenant);
}

BerthPartyLimits
berth_tenants_get_user_limits (BerthTenants *self, BerthRequest *request)
{
  return berth_tenant_policy_get_user (self->policy, request->uid);
}

static void
apply_limits (BerthTenants *self, BerthUser *user)
{
  const BerthPartyLimits limits = berth_tenant_policy_get_user (self->policy, user->uid);

  berth_party_set_limits (&user->party, &limits, &self->capacity, self->now_us);
}

static void
apply_tenant_limits (BerthTenants *self, BerthTenant *tenant)
{
  const BerthPartyLimits limits
      = berth_tenant_policy_get (self->policy, tenant->user->uid, tenant->name);

  berth_party_set_limits (&tenant->party, &limits, &self->capacity, self->now_us);
}

static void
apply_all_limits (BerthTenants *self)
{
  g_autoptr (GList) users = berth_tenants_list_users (self);
  g_autoptr (GList) tenants = berth_tenants_list (self);

  for (GList *link = users; link != NULL; link = link->next)
    apply_limits (self, link->data);
  for (GList *link = tenants; link != NULL; link = link->next)
    apply_tenant_limits (self, link->data);
  for (GList *link = tenants; link != NULL; link = link->next)
    {
      BerthTenant *tenant = link->data;

      if (tenant->party.n_waiting > 0) /* the others' places depend on no limit */
        settle (self, tenant);
    }
}

void
berth_tenants_set_policy (BerthTenants *self, BerthTenantPolicy *policy)
{
  berth_tenant_policy_ref (policy);
  berth_tenant_policy_unref (self->policy);
  self->policy = policy;
  apply_all_limits (self);
}

void
berth_tenants_set_capacity (BerthTenants *self, const BerthCapacity *capacity)
{
  self->capacity = *capacity;
  apply_all_limits (self);
}

static BerthUser *
ensure_user (BerthTenants *self, guint32 uid)
{
  BerthUser *user = g_hash_table_lookup (self->users, GUINT_TO_POINTER (uid));

  if (user != NULL)
    return user;
  forget_some (self, &self->peers, forget_user);
  user = g_new0 (BerthUser, 1);
  user->uid = uid;
  berth_party_init (&user->party, &self->peers, self->now_us);
  berth_peers_init (&user->tenants);
  apply_limits (self, user);
  g_hash_table_insert (self->users, GUINT_TO_POINTER (uid), user);
  return user;
}

/* a tenant's name means something only within its user's own namespace */
BerthTenant *
berth_tenants_ensure (BerthTenants *self, BerthRequest *request)
{
  BerthTenant *tenant = g_hash_table_lookup (self->tenants, request->tenant_key);
  BerthUser *user = NULL;

  if (tenant != NULL)
    return tenant;
  user = ensure_user (self, request->uid);
  forget_some (self, &user->tenants, forget_tenant);
  tenant = g_new0 (BerthTenant, 1);
  tenant->user = user;
  tenant->key = g_strdup (request->tenant_key);
  tenant->name = g_strdup (request->tenant);
  g_queue_init (&tenant->waiting);
  berth_party_init (&tenant->party, &user->tenants, self->now_us);
  apply_tenant_limits (self, tenant);
  user->n_tenants++;
  g_hash_table_insert (self->tenants, tenant->key, tenant);
  return tenant;
}

/* The one that comes is the exception: what it owes is void as well, and it is needed at once. */
static void
forget_others (BerthTenants *self, BerthPeers *peers, const BerthParty *comes, ForgetFunc forget)
{
  for (GList *link = peers->owing.head, *next = NULL; link != NULL; link = next)
    {
      next = link->next;
      if (link->data != comes)
        forget (self, link->data);
    }
}

void
berth_tenants_begin (BerthTenants *self, BerthRequest *request)
{
  BerthUser *user = g_hash_table_lookup (self->users, GUINT_TO_POINTER (request->uid));
  BerthTenant *tenant = NULL;

  if (self->peers.queued->len == 0)
    {
      berth_peers_begin (&self->peers, self->now_us);
      forget_others (self, &self->peers, user != NULL ? &user->party : NULL, forget_user);
    }
  if (user == NULL || user->party.n_waiting > 0)
    return;
  tenant = g_hash_table_lookup (self->tenants, request->tenant_key);
  berth_peers_begin (&user->tenants, self->now_us);
  forget_others (self, &user->tenants, tenant != NULL ? &tenant->party : NULL, forget_tenant);
}

void
berth_tenants_join_queue (BerthTenant *tenant, guint64 joined)
{
  berth_party_join_queue (&tenant->party, joined);
  berth_party_join_queue (&tenant->user->party, joined);
}

void
berth_tenants_leave_queue (BerthTenant *tenant)
{
  berth_party_leave_queue (&tenant->party);
  berth_party_leave_queue (&tenant->user->party);
}

void
berth_tenants_note_queue (BerthTenants *self, BerthTenant *tenant, const BerthPlace *next)
{
  tenant->next = next != NULL ? *next : (BerthPlace){ 0 };
  settle (self, tenant);
}

void
berth_tenants_take (BerthTenants *self, BerthTenant *tenant, const BerthPlace *place, gint64 cost)
{
  berth_party_take (&tenant->party, place, cost, self->now_us);
  berth_party_take (&tenant->user->party, place, cost, self->now_us);
  settle (self, tenant);
}

void
berth_tenants_give (BerthTenants *self, BerthTenant *tenant, const BerthPlace *place, gint64 cost)
{
  berth_party_give (&tenant->party, place, cost, self->now_us);
  berth_party_give (&tenant->user->party, place, cost, self->now_us);
  settle (self, tenant);
}

static gint64
cost_of_part (guint need, guint total)
{
  return (gint64)need * BERTH_COST_OF_ALL / MAX (total, 1);
}

gint64
berth_tenants_cost_of (const BerthCapacity *capacity, BerthRequest *request)
{
  gint64 cost = cost_of_part (request->shape.vcpus, capacity->vcpus);

  return CLAMP (MAX (cost, berth_tenants_cost_of_paused (capacity, request)), 1, BERTH_COST_OF_ALL);
}

gint64
berth_tenants_cost_of_paused (const BerthCapacity *capacity, BerthRequest *request)
{
  gint64 cost = cost_of_part (1, capacity->max_vms);

  cost = MAX (cost, cost_of_part (request->shape.memory_mb, capacity->memory_mb));
  return CLAMP (cost, 1, BERTH_COST_OF_ALL);
}

gboolean
berth_tenant_has_room (const BerthTenant *self, const BerthPlace *need)
{
  const BerthPlace nothing = { 0 };

  return berth_party_has_room (&self->party, &nothing, need)
         && berth_party_has_room (&self->user->party, &nothing, need);
}

GList *
berth_tenants_list (BerthTenants *self)
{
  return g_hash_table_get_values (self->tenants);
}

GList *
berth_tenants_list_users (BerthTenants *self)
{
  return g_hash_table_get_values (self->users);
}

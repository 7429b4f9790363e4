/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides how far each tenant is against the others, by what it holds and what it has used. */
#include "berth-tenants.h"

/* The cost of a place that takes all there is of some budget. With it, gint64 holds what a tenant
 * that has everything uses in a year and a half. */
#define COST_OF_ALL 65536

/* A VM that is held counts as this much use ahead: how long one lives is not known before it ends,
 * and of places that come free at the same moment not all shall go to the same tenant. */
#define AHEAD_US (10 * G_TIME_SPAN_SECOND)

/* Nobody pays for longer than the whole host takes for this much use. */
#define DEBT_MAX (COST_OF_ALL * (gint64)(600 * G_TIME_SPAN_SECOND))

/* The floor only rises, so an old one is a little low: a walk over the tenants this often will do.
 */
#define FLOOR_EVERY_US (10 * G_TIME_SPAN_MILLISECOND)

/**
 * BerthTenants:
 *
 * Use is what a tenant's VMs cost (the part of the budget that each takes most of) times how long
 * they exist, from their start to their end: who holds a slot for long pays for it, whether code
 * runs there or not. A tenant's standing is its use, and what it holds now for AHEAD_US more,
 * divided by its weight; the lowest is served next. So tenants that wait all the time use slots and
 * memory as their weights say, and one that comes seldom is served before those that have much.
 *
 * Nobody saves up: a tenant that begins to wait stands no lower than the lowest of those that wait
 * already (the floor). One that its own cap holds back does not wait in this sense. And nothing is
 * owed for what nobody else wanted: use is forgotten whenever nobody waits.
 */
struct _BerthTenants
{
  GHashTable *table; /* key (borrowed from value) → BerthTenant (owned) */
  BerthTenantPolicy *policy;
  GQueue contending; /* of BerthTenant's own links: those whose first waiter their caps allow */
  GQueue owing;      /* likewise: those that neither wait nor hold, but used much */
  gint64 floor;      /* use divided by weight */
  gint64 floor_at_us;
  gint64 now_us;
  gint64 begin_us; /* of this epoch */
  guint64 epoch;
};

static void
tenant_free (BerthTenant *tenant)
{
  g_free (tenant->key);
  g_free (tenant->name);
  g_free (tenant);
}

BerthTenants *
berth_tenants_new (void)
{
  BerthTenants *self = g_new0 (BerthTenants, 1);

  self->table = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)tenant_free);
  self->policy = berth_tenant_policy_new ();
  g_queue_init (&self->contending);
  g_queue_init (&self->owing);
  return self;
}

void
berth_tenants_free (BerthTenants *self)
{
  g_hash_table_unref (self->table);
  berth_tenant_policy_unref (self->policy);
  g_free (self);
}

void
berth_tenants_set_now (BerthTenants *self, gint64 now_us)
{
  self->now_us = MAX (self->now_us, now_us);
}

/* use divided by weight, as of now */
static gint64
tenant_level (BerthTenants *self, const BerthTenant *tenant)
{
  gboolean is_known = tenant->epoch == self->epoch;
  gint64 since_us = is_known ? tenant->since_us : MAX (self->begin_us, tenant->since_us);
  gint64 used = tenant->cost * (self->now_us - since_us);

  return (is_known ? tenant->level : 0) + used / (gint64)tenant->limits.weight;
}

static void
tenant_settle (BerthTenants *self, BerthTenant *tenant)
{
  tenant->level = tenant_level (self, tenant);
  tenant->since_us = self->now_us;
  tenant->epoch = self->epoch;
}

static void
tenant_move (BerthTenant *tenant, GQueue *list)
{
  if (tenant->list == list)
    return;
  if (tenant->list != NULL)
    g_queue_unlink (tenant->list, &tenant->link);
  if (list != NULL)
    g_queue_push_tail_link (list, &tenant->link);
  tenant->list = list;
}

static void
raise_floor (BerthTenants *self)
{
  gint64 lowest = G_MAXINT64;

  if (self->contending.length == 0 || self->now_us < self->floor_at_us)
    return;
  for (GList *link = self->contending.head; link != NULL; link = link->next)
    lowest = MIN (lowest, tenant_level (self, link->data));
  self->floor = MAX (self->floor, lowest);
  self->floor_at_us = self->now_us + FLOOR_EVERY_US;
}

/* begins to wait: with no credit, and with no more debt than anybody remembers */
static void
tenant_join (BerthTenants *self, BerthTenant *tenant)
{
  raise_floor (self);
  tenant_settle (self, tenant);
  tenant->level = CLAMP (tenant->level, self->floor, self->floor + DEBT_MAX);
  tenant_move (tenant, &self->contending);
}

/* those that owe no more than a newcomer would; two at a time, so that each call is cheap and the
 * names that somebody makes up don't pile up */
static void
forget_some (BerthTenants *self)
{
  for (guint i = 0; i < 2 && self->owing.length > 0; i++)
    {
      BerthTenant *tenant = self->owing.head->data;

      tenant_move (tenant, NULL);
      if (tenant_level (self, tenant) <= self->floor)
        g_hash_table_remove (self->table, tenant->key);
      else
        tenant_move (tenant, &self->owing);
    }
}

/* puts @tenant where it belongs, or frees it */
static void
tenant_place (BerthTenants *self, BerthTenant *tenant)
{
  const BerthPlace nothing = { 0 };

  if (tenant->next_mb > 0 && berth_tenant_has_room (tenant, &nothing, tenant->next_mb))
    {
      if (tenant->list != &self->contending)
        tenant_join (self, tenant);
      return;
    }
  tenant_move (tenant, NULL);
  if (tenant->next_mb > 0 || tenant->held.slots > 0)
    return;
  if (tenant_level (self, tenant) > self->floor)
    tenant_move (tenant, &self->owing);
  else
    g_hash_table_remove (self->table, tenant->key);
}

BerthTenantLimits
berth_tenants_get_limits (BerthTenants *self, BerthRequest *request)
{
  return berth_tenant_policy_get (self->policy, request->uid, request->tenant);
}

void
berth_tenants_set_policy (BerthTenants *self, BerthTenantPolicy *policy)
{
  g_autoptr (GList) all = berth_tenants_list (self);

  berth_tenant_policy_ref (policy);
  berth_tenant_policy_unref (self->policy);
  self->policy = policy;
  for (GList *link = all; link != NULL; link = link->next)
    {
      BerthTenant *tenant = link->data;

      tenant_settle (self, tenant); /* by the weight of then */
      tenant->limits = berth_tenant_policy_get (policy, tenant->uid, tenant->name);
      tenant_place (self, tenant);
    }
}

/* a tenant's name means something only within its user's own namespace */
BerthTenant *
berth_tenants_ensure (BerthTenants *self, BerthRequest *request)
{
  BerthTenant *tenant = g_hash_table_lookup (self->table, request->tenant_key);

  if (tenant != NULL)
    return tenant;
  forget_some (self);
  tenant = g_new0 (BerthTenant, 1);
  tenant->key = g_strdup (request->tenant_key);
  tenant->uid = request->uid;
  tenant->name = g_strdup (request->tenant);
  tenant->limits = berth_tenants_get_limits (self, request);
  tenant->link.data = tenant;
  tenant->since_us = self->now_us;
  tenant->epoch = self->epoch;
  g_queue_init (&tenant->waiting);
  g_hash_table_insert (self->table, tenant->key, tenant);
  return tenant;
}

void
berth_tenants_begin (BerthTenants *self)
{
  self->epoch++;
  self->begin_us = self->now_us;
  self->floor = 0;
  self->floor_at_us = self->now_us;
  while (self->owing.length > 0)
    {
      BerthTenant *tenant = self->owing.head->data;

      tenant_move (tenant, NULL);
      g_hash_table_remove (self->table, tenant->key);
    }
}

void
berth_tenants_note_queue (BerthTenants *self, BerthTenant *tenant, guint next_mb)
{
  tenant->next_mb = next_mb;
  tenant_place (self, tenant);
}

void
berth_tenants_take (BerthTenants *self, BerthTenant *tenant, guint memory_mb, gint64 cost)
{
  tenant_settle (self, tenant);
  tenant->held.slots++;
  tenant->held.memory_mb += memory_mb;
  tenant->cost += cost;
  tenant_place (self, tenant);
}

void
berth_tenants_give (BerthTenants *self, BerthTenant *tenant, guint memory_mb, gint64 cost)
{
  tenant_settle (self, tenant);
  tenant->held.slots--;
  tenant->held.memory_mb -= memory_mb;
  tenant->cost -= cost;
  g_assert (tenant->held.slots >= 0 && tenant->held.memory_mb >= 0 && tenant->cost >= 0);
  tenant_place (self, tenant);
}

static gint64
part_of (guint need, guint total)
{
  return (gint64)need * COST_OF_ALL / MAX (total, 1);
}

gint64
berth_tenants_cost_of (const BerthCapacity *capacity, BerthRequest *request)
{
  gint64 cost = part_of (1, capacity->max_vms);

  cost = MAX (cost, part_of (request->memory_mb, capacity->memory_mb));
  cost = MAX (cost, part_of (request->vcpus, capacity->vcpus));
  return CLAMP (cost, 1, COST_OF_ALL);
}

gint64
berth_tenants_get_standing (BerthTenants *self, BerthTenant *tenant)
{
  return tenant_level (self, tenant) + berth_tenant_get_step (tenant, tenant->cost);
}

gint64
berth_tenant_get_step (const BerthTenant *tenant, gint64 cost)
{
  return cost * AHEAD_US / (gint64)tenant->limits.weight;
}

gboolean
berth_tenant_has_room (const BerthTenant *tenant, const BerthPlace *more, guint memory_mb)
{
  const BerthTenantLimits *limits = &tenant->limits;
  gint64 slots = tenant->held.slots + more->slots + 1;
  gint64 total_mb = tenant->held.memory_mb + more->memory_mb + memory_mb;

  return (limits->max_vms == 0 || slots <= limits->max_vms)
         && (limits->memory_mb == 0 || total_mb <= limits->memory_mb);
}

GList *
berth_tenants_list (BerthTenants *self)
{
  return g_hash_table_get_values (self->table);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whose turn it is: by standing between users, then between the tenants of one; first come
 * first served within a tenant. */
#include "berth-waiters.h"

#define EMPTY_KINDS_MAX 16u

struct _BerthWaiters
{
  BerthTenants *tenants;
  GHashTable *kinds;    /* set of BerthWaiterKind (owned), by their shape */
  guint n_kinds;        /* of them that have waiters */
  GSequence *deadlines; /* of BerthWaiter (unowned) that have one, the first deadline first */
  guint64 last_order;
  guint64 last_walk;
  guint length;
  guint n_wakes; /* of them */
};

static int
compare_deadlines (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const BerthWaiter *first = a;
  const BerthWaiter *second = b;

  return (first->deadline_us > second->deadline_us) - (first->deadline_us < second->deadline_us);
}

static void
kind_free (BerthWaiterKind *kind)
{
  berth_shape_clear (&kind->shape);
  g_free (kind);
}

BerthWaiters *
berth_waiters_new (BerthTenants *tenants)
{
  BerthWaiters *self = g_new0 (BerthWaiters, 1);

  self->tenants = tenants;
  self->kinds = g_hash_table_new_full (berth_shape_hash, berth_shape_equal,
                                       (GDestroyNotify)kind_free, NULL);
  self->deadlines = g_sequence_new (NULL);
  return self;
}

void
berth_waiters_free (BerthWaiters *self)
{
  g_hash_table_unref (self->kinds);
  g_sequence_free (self->deadlines);
  g_free (self);
}

/* what its first waiter needs */
static void
note_first (BerthWaiters *self, BerthTenant *tenant)
{
  BerthWaiter *first = g_queue_peek_head (&tenant->waiting);
  BerthPlace next = { 0 };

  if (first != NULL)
    {
      next.slots = berth_request_is_wake (first->request) ? 0 : 1;
      next.memory_mb = first->request->shape.memory_mb;
      next.vcpus = first->request->shape.vcpus;
    }
  berth_tenants_note_queue (self->tenants, tenant, first != NULL ? &next : NULL);
}

static void
join_kind (BerthWaiters *self, BerthWaiter *waiter)
{
  BerthWaiterKind *kind = g_hash_table_lookup (self->kinds, &waiter->request->shape);

  if (kind == NULL)
    {
      kind = g_new0 (BerthWaiterKind, 1);
      kind->shape = berth_shape_copy (&waiter->request->shape);
      g_hash_table_add (self->kinds, kind);
    }
  if (kind->n_waiting++ == 0)
    self->n_kinds++;
  waiter->kind = kind;
}

static gboolean
kind_is_empty (gpointer key, gpointer value, gpointer user_data)
{
  return ((const BerthWaiterKind *)key)->n_waiting == 0;
}

/* A few that nobody is of stay, for there is mostly another request like the last one. */
static void
leave_kind (BerthWaiters *self, BerthWaiter *waiter)
{
  BerthWaiterKind *kind = waiter->kind;

  waiter->kind = NULL;
  if (--kind->n_waiting == 0)
    self->n_kinds--;
  if (g_hash_table_size (self->kinds) > self->n_kinds + EMPTY_KINDS_MAX)
    g_hash_table_foreach_remove (self->kinds, kind_is_empty, NULL);
}

void
berth_waiters_push (BerthWaiters *self, BerthWaiter *waiter)
{
  BerthTenant *tenant = NULL;

  g_assert (!waiter->is_queued);

  berth_tenants_begin (self->tenants, waiter->request);
  tenant = berth_tenants_ensure (self->tenants, waiter->request);
  waiter->tenant = tenant;
  waiter->is_queued = TRUE;
  waiter->order = ++self->last_order;
  waiter->link = (GList){ .data = waiter };
  g_queue_push_tail_link (&tenant->waiting, &waiter->link);
  if (waiter->deadline_us != G_MAXINT64)
    waiter->deadline = g_sequence_insert_sorted (self->deadlines, waiter, compare_deadlines, NULL);
  join_kind (self, waiter);
  self->length++;
  self->n_wakes += berth_request_is_wake (waiter->request) ? 1 : 0;
  berth_tenants_join_queue (tenant, waiter->order);
  note_first (self, tenant);
}

void
berth_waiters_remove (BerthWaiters *self, BerthWaiter *waiter)
{
  BerthTenant *tenant = waiter->tenant;

  g_assert (waiter->is_queued);

  g_queue_unlink (&tenant->waiting, &waiter->link);
  g_clear_pointer (&waiter->deadline, g_sequence_remove);
  leave_kind (self, waiter);
  waiter->is_queued = FALSE;
  self->length--;
  self->n_wakes -= berth_request_is_wake (waiter->request) ? 1 : 0;
  berth_tenants_leave_queue (tenant);
  note_first (self, tenant);
}

guint
berth_waiters_get_length (BerthWaiters *self)
{
  return self->length;
}

guint
berth_waiters_count_wakes (BerthWaiters *self)
{
  return self->n_wakes;
}

guint
berth_waiters_count_kinds (BerthWaiters *self)
{
  return self->n_kinds;
}

/* how many of @peer's come before the waiter of @own that is served when that stands at @place, if
 * each is for @cost */
static guint
count_before_place (const BerthParty *peer, const BerthParty *own, gint64 place, gint64 cost,
                    gint64 now_us)
{
  gint64 step = berth_party_get_step (peer, cost);
  gint64 lead = place - berth_party_get_standing (peer, now_us);
  gint64 count = 0;

  if (lead < 0)
    return 0;
  count = (lead + step - 1) / step; /* that stand lower */
  if (lead % step == 0 && peer->joined < own->joined)
    count++;
  return (guint)MIN (count, peer->n_waiting);
}

/* how many of all @peers come before the waiter of @own that has @before of its own before it */
static guint
count_before (BerthPeers *peers, const BerthParty *own, guint before, gint64 cost, gint64 now_us)
{
  gint64 place = berth_party_get_standing (own, now_us) + before * berth_party_get_step (own, cost);
  guint count = before;

  for (guint i = 0; i < peers->queued->len; i++)
    if (peers->queued->pdata[i] != own)
      count += count_before_place (peers->queued->pdata[i], own, place, cost, now_us);
  return count;
}

guint
berth_waiters_count_before (BerthWaiters *self, BerthWaiter *waiter)
{
  BerthTenant *tenant = waiter->tenant;
  BerthUser *user = tenant->user;
  gint64 now_us = berth_tenants_get_now (self->tenants);
  guint before = 0;

  g_assert (waiter->is_queued);

  before = (guint)g_queue_link_index (&tenant->waiting, &waiter->link);
  before = count_before (&user->tenants, &tenant->party, before, waiter->cost, now_us);
  return count_before (berth_tenants_get_users (self->tenants), &user->party, before, waiter->cost,
                       now_us);
}

BerthWaiter *
berth_waiters_peek_deadline (BerthWaiters *self)
{
  GSequenceIter *first = g_sequence_get_begin_iter (self->deadlines);

  return g_sequence_iter_is_end (first) ? NULL : g_sequence_get (first);
}

/* of those that wait, the one that has most waiters for its weight; @own, if none has more */
static BerthParty *
pick_most (BerthPeers *peers, BerthParty *own)
{
  BerthParty *most = own;

  for (guint i = 0; i < peers->queued->len; i++)
    {
      BerthParty *party = peers->queued->pdata[i];

      if (most == NULL
          || berth_party_count_for_weight (party) > berth_party_count_for_weight (most))
        most = party;
    }
  return most;
}

static BerthWaiter *
pick_newest (BerthUser *user, BerthWaiter *arrived)
{
  BerthParty *own = arrived->tenant->user == user ? &arrived->tenant->party : NULL;
  BerthTenant *most = (BerthTenant *)pick_most (&user->tenants, own);

  return most == arrived->tenant ? arrived : g_queue_peek_tail (&most->waiting);
}

BerthWaiter *
berth_waiters_peek_excess (BerthWaiters *self, BerthWaiter *arrived)
{
  BerthPeers *users = berth_tenants_get_users (self->tenants);

  return pick_newest ((BerthUser *)pick_most (users, &arrived->tenant->user->party), arrived);
}

BerthWaiter *
berth_waiters_peek_own_excess (BerthWaiter *arrived)
{
  return pick_newest (arrived->tenant->user, arrived);
}

void
berth_waiters_iter_init (BerthWaitersIter *iter, BerthWaiters *self)
{
  *iter = (BerthWaitersIter){ .waiters = self, .walk = ++self->last_walk };
  berth_peers_walk (berth_tenants_get_users (self->tenants), berth_tenants_get_now (self->tenants));
}

/* the walk goes to @user: its tenants are looked at when they are needed */
static BerthWaiter *
user_peek (BerthWaitersIter *iter, BerthUser *user)
{
  GPtrArray *queued = user->tenants.queued;

  if (user->walk != iter->walk)
    {
      user->walk = iter->walk;
      berth_peers_walk (&user->tenants, berth_tenants_get_now (iter->waiters->tenants));
      for (guint i = 0; i < queued->len; i++)
        {
          BerthTenant *tenant = queued->pdata[i];

          tenant->cursor = tenant->waiting.head;
        }
    }
  return ((BerthTenant *)berth_peers_walk_peek (&user->tenants))->cursor->data;
}

static void
iter_advance (BerthWaitersIter *iter)
{
  BerthTenant *tenant = iter->last->tenant;
  BerthUser *user = tenant->user;
  gint64 cost = iter->is_passed ? 0 : iter->last->cost;
  gint64 step = cost > 0 ? berth_party_get_step (&tenant->party, cost) : 0;
  gint64 user_step = cost > 0 ? berth_party_get_step (&user->party, cost) : 0;
  gboolean is_at_end = FALSE;

  tenant->cursor = tenant->cursor->next;
  berth_peers_walk_next (&user->tenants, step, tenant->cursor == NULL);
  is_at_end = iter->is_skipping_user || berth_peers_walk_peek (&user->tenants) == NULL;
  berth_peers_walk_next (berth_tenants_get_users (iter->waiters->tenants), user_step, is_at_end);
}

BerthWaiter *
berth_waiters_iter_next (BerthWaitersIter *iter)
{
  BerthUser *user = NULL;

  if (iter->last != NULL)
    iter_advance (iter);
  iter->is_passed = FALSE;
  iter->is_skipping_user = FALSE;
  user = (BerthUser *)berth_peers_walk_peek (berth_tenants_get_users (iter->waiters->tenants));
  iter->last = user != NULL ? user_peek (iter, user) : NULL;
  return iter->last;
}

void
berth_waiters_iter_pass (BerthWaitersIter *iter)
{
  iter->is_passed = TRUE;
}

void
berth_waiters_iter_skip_tenant (BerthWaitersIter *iter)
{
  BerthTenant *tenant = iter->last->tenant;

  tenant->cursor = tenant->waiting.tail;
}

void
berth_waiters_iter_skip_user (BerthWaitersIter *iter)
{
  iter->is_skipping_user = TRUE;
}

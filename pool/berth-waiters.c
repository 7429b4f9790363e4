/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whose turn it is: first come first served within a tenant, round-robin between them. */
#include "berth-waiters.h"

/* A tenant exists here while it has a waiter. Weights come in as a deficit per tenant, topped up by
 * its weight each round; serving one then moves it behind the others only when that is used up. */
struct _BerthTenantQueue
{
  char *key;
  GQueue queue;  /* of BerthWaiter's own links */
  GList link;    /* in the rotation */
  GList *cursor; /* of the one walk at a time, see BerthWaitersIter */
};

struct _BerthWaiters
{
  GHashTable *tenants;  /* key (borrowed from value) → BerthTenantQueue (owned) */
  GQueue rotation;      /* of BerthTenantQueue's own links; the head is next */
  GSequence *deadlines; /* of BerthWaiter (unowned), the first deadline first */
  guint length;
};

static void
tenant_free (BerthTenantQueue *tenant)
{
  g_free (tenant->key);
  g_free (tenant);
}

/* a tenant's name means something only within its user's own namespace */
static char *
tenant_key (BerthRequest *request)
{
  return g_strdup_printf ("%u:%s", request->uid, request->tenant != NULL ? request->tenant : "");
}

static int
compare_deadlines (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const BerthWaiter *first = a;
  const BerthWaiter *second = b;

  return (first->deadline_us > second->deadline_us) - (first->deadline_us < second->deadline_us);
}

BerthWaiters *
berth_waiters_new (void)
{
  BerthWaiters *self = g_new0 (BerthWaiters, 1);

  self->tenants
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)tenant_free);
  g_queue_init (&self->rotation);
  self->deadlines = g_sequence_new (NULL);
  return self;
}

void
berth_waiters_free (BerthWaiters *self)
{
  g_hash_table_unref (self->tenants);
  g_sequence_free (self->deadlines);
  g_free (self);
}

static BerthTenantQueue *
waiters_ensure_tenant (BerthWaiters *self, BerthRequest *request)
{
  g_autofree char *key = tenant_key (request);
  BerthTenantQueue *tenant = g_hash_table_lookup (self->tenants, key);

  if (tenant == NULL)
    {
      tenant = g_new0 (BerthTenantQueue, 1);
      tenant->key = g_steal_pointer (&key);
      tenant->link.data = tenant;
      g_queue_init (&tenant->queue);
      g_hash_table_insert (self->tenants, tenant->key, tenant);
      g_queue_push_tail_link (&self->rotation, &tenant->link);
    }
  return tenant;
}

void
berth_waiters_push (BerthWaiters *self, BerthWaiter *waiter)
{
  g_assert (waiter->tenant == NULL);

  waiter->tenant = waiters_ensure_tenant (self, waiter->request);
  waiter->link = (GList){ .data = waiter };
  g_queue_push_tail_link (&waiter->tenant->queue, &waiter->link);
  waiter->deadline = g_sequence_insert_sorted (self->deadlines, waiter, compare_deadlines, NULL);
  self->length++;
}

void
berth_waiters_remove (BerthWaiters *self, BerthWaiter *waiter, gboolean served)
{
  BerthTenantQueue *tenant = waiter->tenant;

  g_assert (tenant != NULL);

  g_queue_unlink (&tenant->queue, &waiter->link);
  g_sequence_remove (waiter->deadline);
  waiter->deadline = NULL;
  waiter->tenant = NULL;
  self->length--;

  if (served || tenant->queue.length == 0)
    g_queue_unlink (&self->rotation, &tenant->link);
  if (tenant->queue.length == 0)
    g_hash_table_remove (self->tenants, tenant->key);
  else if (served)
    g_queue_push_tail_link (&self->rotation, &tenant->link);
}

guint
berth_waiters_get_length (BerthWaiters *self)
{
  return self->length;
}

guint
berth_waiters_count_before (BerthWaiters *self, BerthWaiter *waiter)
{
  guint index = 0;
  guint before = 0;
  gboolean seen = FALSE;

  g_assert (waiter->tenant != NULL);

  index = (guint)g_queue_link_index (&waiter->tenant->queue, &waiter->link);
  for (GList *link = self->rotation.head; link != NULL; link = link->next)
    {
      BerthTenantQueue *tenant = link->data;

      if (tenant == waiter->tenant)
        seen = TRUE;
      else
        before += MIN (tenant->queue.length, seen ? index : index + 1);
    }
  return before + index;
}

BerthWaiter *
berth_waiters_peek_deadline (BerthWaiters *self)
{
  GSequenceIter *first = g_sequence_get_begin_iter (self->deadlines);

  return g_sequence_iter_is_end (first) ? NULL : g_sequence_get (first);
}

void
berth_waiters_iter_init (BerthWaitersIter *iter, BerthWaiters *self)
{
  iter->waiters = self;
  iter->tenant = self->rotation.head;
  for (GList *link = self->rotation.head; link != NULL; link = link->next)
    {
      BerthTenantQueue *tenant = link->data;

      tenant->cursor = tenant->queue.head;
    }
}

/* Tenants that have no more are passed over; a full round without any is the end. */
BerthWaiter *
berth_waiters_iter_next (BerthWaitersIter *iter)
{
  guint empty = 0;

  while (empty <= iter->waiters->rotation.length)
    {
      BerthTenantQueue *tenant = NULL;

      if (iter->tenant == NULL)
        iter->tenant = iter->waiters->rotation.head;
      if (iter->tenant == NULL)
        return NULL;
      tenant = iter->tenant->data;
      iter->tenant = iter->tenant->next;
      if (tenant->cursor != NULL)
        {
          BerthWaiter *waiter = tenant->cursor->data;

          tenant->cursor = tenant->cursor->next;
          return waiter;
        }
      empty++;
    }
  return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whose turn it is: first come first served within a tenant, by standing between them. */
#include "berth-waiters.h"

struct _BerthWaiters
{
  BerthTenants *tenants;
  GPtrArray *queued;    /* of BerthTenant (unowned): who has waiters, in no order */
  GPtrArray *heap;      /* of the one walk at a time: BerthTenant (unowned), the next one first */
  GSequence *deadlines; /* of BerthWaiter (unowned), the first deadline first */
  guint64 last_order;
  guint length;
};

static int
compare_deadlines (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const BerthWaiter *first = a;
  const BerthWaiter *second = b;

  return (first->deadline_us > second->deadline_us) - (first->deadline_us < second->deadline_us);
}

BerthWaiters *
berth_waiters_new (BerthTenants *tenants)
{
  BerthWaiters *self = g_new0 (BerthWaiters, 1);

  self->tenants = tenants;
  self->queued = g_ptr_array_new ();
  self->heap = g_ptr_array_new ();
  self->deadlines = g_sequence_new (NULL);
  return self;
}

void
berth_waiters_free (BerthWaiters *self)
{
  g_ptr_array_unref (self->queued);
  g_ptr_array_unref (self->heap);
  g_sequence_free (self->deadlines);
  g_free (self);
}

static void
queued_add (BerthWaiters *self, BerthTenant *tenant)
{
  tenant->queued_at = self->queued->len;
  g_ptr_array_add (self->queued, tenant);
}

static void
queued_remove (BerthWaiters *self, BerthTenant *tenant)
{
  g_ptr_array_remove_index_fast (self->queued, tenant->queued_at);
  if (tenant->queued_at < self->queued->len)
    ((BerthTenant *)self->queued->pdata[tenant->queued_at])->queued_at = tenant->queued_at;
}

static guint
first_memory_mb (BerthTenant *tenant)
{
  BerthWaiter *first = g_queue_peek_head (&tenant->waiting);

  return first != NULL ? first->request->memory_mb : 0;
}

void
berth_waiters_push (BerthWaiters *self, BerthWaiter *waiter)
{
  BerthTenant *tenant = NULL;

  g_assert (!waiter->is_queued);

  if (self->length == 0)
    berth_tenants_begin (self->tenants);
  tenant = berth_tenants_ensure (self->tenants, waiter->request);
  if (tenant->waiting.length == 0)
    queued_add (self, tenant);
  waiter->tenant = tenant;
  waiter->is_queued = TRUE;
  waiter->order = ++self->last_order;
  waiter->link = (GList){ .data = waiter };
  g_queue_push_tail_link (&tenant->waiting, &waiter->link);
  waiter->deadline = g_sequence_insert_sorted (self->deadlines, waiter, compare_deadlines, NULL);
  self->length++;
  berth_tenants_note_queue (self->tenants, tenant, first_memory_mb (tenant));
}

void
berth_waiters_remove (BerthWaiters *self, BerthWaiter *waiter)
{
  BerthTenant *tenant = waiter->tenant;

  g_assert (waiter->is_queued);

  g_queue_unlink (&tenant->waiting, &waiter->link);
  g_sequence_remove (waiter->deadline);
  waiter->deadline = NULL;
  waiter->is_queued = FALSE;
  self->length--;
  if (tenant->waiting.length == 0)
    queued_remove (self, tenant);
  berth_tenants_note_queue (self->tenants, tenant, first_memory_mb (tenant));
}

guint
berth_waiters_get_length (BerthWaiters *self)
{
  return self->length;
}

/* how many of @tenant's come before who stands at @place and arrived as @order, each for @cost */
static guint
count_before_place (BerthWaiters *self, BerthTenant *tenant, gint64 place, gint64 cost,
                    guint64 order)
{
  gint64 step = MAX (berth_tenant_get_step (tenant, cost), 1);
  gint64 lead = place - berth_tenants_get_standing (self->tenants, tenant);
  gint64 count = 0;

  if (lead < 0)
    return 0;
  count = (lead + step - 1) / step; /* that stand lower */
  if (lead % step == 0 && count < tenant->waiting.length)
    {
      BerthWaiter *equal = g_queue_peek_nth (&tenant->waiting, (guint)count);

      count += equal->order < order ? 1 : 0;
    }
  return (guint)MIN (count, tenant->waiting.length);
}

guint
berth_waiters_count_before (BerthWaiters *self, BerthWaiter *waiter)
{
  BerthTenant *own = waiter->tenant;
  guint before = 0;
  gint64 place = 0;

  g_assert (waiter->is_queued);

  before = (guint)g_queue_link_index (&own->waiting, &waiter->link);
  place = berth_tenants_get_standing (self->tenants, own)
          + before * MAX (berth_tenant_get_step (own, waiter->cost), 1);
  for (guint i = 0; i < self->queued->len; i++)
    if (self->queued->pdata[i] != own)
      before
          += count_before_place (self, self->queued->pdata[i], place, waiter->cost, waiter->order);
  return before;
}

BerthWaiter *
berth_waiters_peek_deadline (BerthWaiters *self)
{
  GSequenceIter *first = g_sequence_get_begin_iter (self->deadlines);

  return g_sequence_iter_is_end (first) ? NULL : g_sequence_get (first);
}

static guint64
count_for_weight (const BerthTenant *tenant)
{
  return (guint64)tenant->waiting.length * BERTH_TENANT_WEIGHT_MAX / tenant->limits.weight;
}

BerthWaiter *
berth_waiters_peek_excess (BerthWaiters *self, BerthWaiter *arrived)
{
  BerthTenant *most = arrived->tenant;

  for (guint i = 0; i < self->queued->len; i++)
    if (count_for_weight (self->queued->pdata[i]) > count_for_weight (most))
      most = self->queued->pdata[i];
  return most == arrived->tenant ? arrived : g_queue_peek_tail (&most->waiting);
}

static gboolean
comes_before (const BerthTenant *a, const BerthTenant *b)
{
  if (a->cursor_place != b->cursor_place)
    return a->cursor_place < b->cursor_place;
  return ((BerthWaiter *)a->cursor->data)->order < ((BerthWaiter *)b->cursor->data)->order;
}

static void
heap_sift_down (GPtrArray *heap, guint index)
{
  gpointer *items = heap->pdata;

  while (2 * index + 1 < heap->len)
    {
      guint child = 2 * index + 1;
      gpointer item = items[index];

      if (child + 1 < heap->len && comes_before (items[child + 1], items[child]))
        child++;
      if (!comes_before (items[child], item))
        return;
      items[index] = items[child];
      items[child] = item;
      index = child;
    }
}

void
berth_waiters_iter_init (BerthWaitersIter *iter, BerthWaiters *self)
{
  *iter = (BerthWaitersIter){ .waiters = self };
  g_ptr_array_set_size (self->heap, 0);
  for (guint i = 0; i < self->queued->len; i++)
    {
      BerthTenant *tenant = self->queued->pdata[i];

      tenant->cursor = tenant->waiting.head;
      tenant->cursor_place = berth_tenants_get_standing (self->tenants, tenant);
      g_ptr_array_add (self->heap, tenant);
    }
  for (guint i = self->heap->len / 2; i > 0; i--)
    heap_sift_down (self->heap, i - 1);
}

static void
iter_advance (BerthWaitersIter *iter)
{
  GPtrArray *heap = iter->waiters->heap;
  BerthTenant *tenant = heap->pdata[0];
  BerthWaiter *last = tenant->cursor->data;

  if (!iter->is_passed)
    tenant->cursor_place += MAX (berth_tenant_get_step (tenant, last->cost), 1);
  tenant->cursor = tenant->cursor->next;
  if (tenant->cursor == NULL)
    g_ptr_array_remove_index_fast (heap, 0);
  heap_sift_down (heap, 0);
}

BerthWaiter *
berth_waiters_iter_next (BerthWaitersIter *iter)
{
  GPtrArray *heap = iter->waiters->heap;

  if (iter->is_begun && heap->len > 0)
    iter_advance (iter);
  iter->is_begun = TRUE;
  iter->is_passed = FALSE;
  return heap->len > 0 ? ((BerthTenant *)heap->pdata[0])->cursor->data : NULL;
}

void
berth_waiters_iter_pass (BerthWaitersIter *iter)
{
  iter->is_passed = TRUE;
}

void
berth_waiters_iter_skip_tenant (BerthWaitersIter *iter)
{
  BerthTenant *tenant = iter->waiters->heap->pdata[0];

  tenant->cursor = tenant->waiting.tail;
}

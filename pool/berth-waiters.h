/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue of requests that wait for a place: whose turn it is, and who has waited too long. */
#pragma once

#include "berth-request.h"
#include "berth-tenants.h"

G_BEGIN_DECLS

typedef struct _BerthWaiters BerthWaiters;

/**
 * BerthWaiter:
 * @ticket: names it; never 0
 * @request: (owned): what it waits for
 * @arrived_us: when it came
 * @deadline_us: when it gives up waiting; %G_MAXINT64 for never
 * @cost: of its place, see berth_tenants_cost_of()
 * @tenant: (unowned): who asks; from its first push on
 * @is_queued: whether it waits
 *
 * One request on its way to a VM. It is owned by whoever made it; BerthWaiters links it only while
 * it waits.
 */
typedef struct
{
  guint64 ticket;
  BerthRequest *request;
  gint64 arrived_us;
  gint64 deadline_us;
  gint64 cost;
  BerthTenant *tenant;
  gboolean is_queued;

  /*< private >*/
  guint64 order; /* of arrival */
  GList link;
  GSequenceIter *deadline;
} BerthWaiter;

/**
 * BerthWaitersIter:
 *
 * Walks the waiters in the order in which they are served: the first one of the tenant that stands
 * lowest, as if each before it had been served, unless its walker says that it was not. Where two
 * stand equal, who came first. Invalid once the queue was changed. Lives on the stack; one walk at
 * a time.
 */
typedef struct
{
  BerthWaiters *waiters;
  gboolean is_begun;
  gboolean is_passed;
} BerthWaitersIter;

/* @tenants: (unowned): outlives the queue */
BerthWaiters *berth_waiters_new (BerthTenants *tenants);
void berth_waiters_free (BerthWaiters *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthWaiters, berth_waiters_free)

void berth_waiters_push (BerthWaiters *self, BerthWaiter *waiter);
/* if it is served, its tenant has taken its place before; else that may be freed by this */
void berth_waiters_remove (BerthWaiters *self, BerthWaiter *waiter);
guint berth_waiters_get_length (BerthWaiters *self);
/* how many are served before it, if all have the same size */
guint berth_waiters_count_before (BerthWaiters *self, BerthWaiter *waiter);
/* the one whose deadline comes first; NULL if none waits */
BerthWaiter *berth_waiters_peek_deadline (BerthWaiters *self);
/* the newest of the tenant that has most waiters for its weight; @arrived, if its tenant has */
BerthWaiter *berth_waiters_peek_excess (BerthWaiters *self, BerthWaiter *arrived);

void berth_waiters_iter_init (BerthWaitersIter *iter, BerthWaiters *self);
BerthWaiter *berth_waiters_iter_next (BerthWaitersIter *iter);
/* the last one gets nothing: its tenant keeps its turn */
void berth_waiters_iter_pass (BerthWaitersIter *iter);
/* no more of the last one's tenant */
void berth_waiters_iter_skip_tenant (BerthWaitersIter *iter);

G_END_DECLS

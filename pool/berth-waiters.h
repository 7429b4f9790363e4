/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue of requests that wait for a place: whose turn it is, and who has waited too long. */
#pragma once

#include "berth-request.h"
#include "berth-tenants.h"

G_BEGIN_DECLS

typedef struct _BerthWaiters BerthWaiters;

/**
 * BerthWaiterKind:
 * @shape: (owned): of each of its requests; first, so that it is the key of the kinds
 * @n_waiting: how many wait
 * @hopeless_in: of dispatch: the last pass in which one of them got nothing
 *
 * Waiters that the same VM would serve, where it does not matter whose it is. It lasts while one of
 * them waits.
 */
typedef struct
{
  BerthShape shape;
  guint n_waiting;
  guint64 hopeless_in;
} BerthWaiterKind;

/**
 * BerthWaiter:
 * @ticket: names it; never 0
 * @request: (owned): what it waits for
 * @arrived_us: when it came
 * @deadline_us: when it gives up waiting; %G_MAXINT64 for never
 * @cost: of its place, see berth_tenants_cost_of()
 * @tenant: (unowned): who asks; from its first push on
 * @kind: (unowned): while it waits
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
  BerthWaiterKind *kind;
  gboolean is_queued;

  /*< private >*/
  guint64 order; /* of arrival */
  GList link;
  GSequenceIter *deadline; /* NULL for one that waits for ever */
} BerthWaiter;

/**
 * BerthWaitersIter:
 *
 * Walks the waiters in the order in which they are served: of the user that stands lowest, the
 * first one of its tenant that stands lowest, as if each before it had been served, unless its
 * walker says that it was not. Where two stand equal, who began to wait first. Invalid once the
 * queue was changed. Lives on the stack; one walk at a time.
 */
typedef struct
{
  BerthWaiters *waiters;
  guint64 walk;
  BerthWaiter *last;
  gboolean is_passed;
  gboolean is_skipping_user;
} BerthWaitersIter;

/* @tenants: (unowned): outlives the queue */
BerthWaiters *berth_waiters_new (BerthTenants *tenants);
void berth_waiters_free (BerthWaiters *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthWaiters, berth_waiters_free)

void berth_waiters_push (BerthWaiters *self, BerthWaiter *waiter);
/* if it is served, its tenant has taken its place before; else that may be freed by this */
void berth_waiters_remove (BerthWaiters *self, BerthWaiter *waiter);
guint berth_waiters_get_length (BerthWaiters *self);
/* of how many kinds the waiters are */
guint berth_waiters_count_kinds (BerthWaiters *self);
/* of them, those that wait for vCPUs alone */
guint berth_waiters_count_wakes (BerthWaiters *self);
/* how many are served before it, if all have the same size */
guint berth_waiters_count_before (BerthWaiters *self, BerthWaiter *waiter);
/* the one whose deadline comes first; NULL if none has one */
BerthWaiter *berth_waiters_peek_deadline (BerthWaiters *self);
/* of the user that has most waiters for its weight, the newest of its tenant that has; @arrived, if
 * its own have no fewer than any other */
BerthWaiter *berth_waiters_peek_excess (BerthWaiters *self, BerthWaiter *arrived);
/* likewise, of the user of @arrived */
BerthWaiter *berth_waiters_peek_own_excess (BerthWaiter *arrived);

void berth_waiters_iter_init (BerthWaitersIter *iter, BerthWaiters *self);
BerthWaiter *berth_waiters_iter_next (BerthWaitersIter *iter);
/* the last one gets nothing: its user and tenant keep their turn */
void berth_waiters_iter_pass (BerthWaitersIter *iter);
/* no more of the last one's tenant, or of its user */
void berth_waiters_iter_skip_tenant (BerthWaitersIter *iter);
void berth_waiters_iter_skip_user (BerthWaitersIter *iter);

G_END_DECLS

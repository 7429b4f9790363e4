/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue of requests that wait for a place: whose turn it is, and who has waited too long. */
#pragma once

#include "berth-request.h"

G_BEGIN_DECLS

typedef struct _BerthWaiters BerthWaiters;
typedef struct _BerthTenantQueue BerthTenantQueue;

/**
 * BerthWaiter:
 * @ticket: names it; never 0
 * @request: (owned): what it waits for
 * @arrived_us: when it came
 * @deadline_us: when it gives up waiting; %G_MAXINT64 for never
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

  /*< private >*/
  BerthTenantQueue *tenant; /* unowned; NULL while it is not in the queue */
  GList link;
  GSequenceIter *deadline;
} BerthWaiter;

/**
 * BerthWaitersIter:
 *
 * Walks the waiters in the order in which they are served: one of each tenant per round, each
 * tenant's in the order of arrival. Invalid once the queue was changed. Lives on the stack.
 */
typedef struct
{
  BerthWaiters *waiters;
  GList *tenant; /* the tenant to look at next in this round */
} BerthWaitersIter;

BerthWaiters *berth_waiters_new (void);
void berth_waiters_free (BerthWaiters *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthWaiters, berth_waiters_free)

void berth_waiters_push (BerthWaiters *self, BerthWaiter *waiter);
/* @served: its tenant had its turn, and goes behind the others */
void berth_waiters_remove (BerthWaiters *self, BerthWaiter *waiter, gboolean served);
guint berth_waiters_get_length (BerthWaiters *self);
/* how many are served before it, if all have the same size */
guint berth_waiters_count_before (BerthWaiters *self, BerthWaiter *waiter);
/* the one whose deadline comes first; NULL if none waits */
BerthWaiter *berth_waiters_peek_deadline (BerthWaiters *self);

void berth_waiters_iter_init (BerthWaitersIter *iter, BerthWaiters *self);
BerthWaiter *berth_waiters_iter_next (BerthWaitersIter *iter);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A party to the sharing of the host, a user or a tenant: what it holds, what it has used, and how
 * far it is against its peers. */
#pragma once

#include "berth-budgets.h"
#include "berth-tenant-policy.h"

G_BEGIN_DECLS

/* The cost of a place that takes all there is of some budget. With it, gint64 holds what a party
 * that has everything uses in a year and a half. */
#define BERTH_COST_OF_ALL 65536

/**
 * BerthPeers:
 * @queued: (element-type BerthParty): those that have waiters, in no order
 * @heap: (element-type BerthParty): of the one walk at a time: the next one first
 * @contending: of BerthParty's own links: those whose first waiter their caps allow
 * @owing: likewise: those that neither wait nor hold, but used much
 *
 * Parties that stand against each other: all users, or the tenants of one user.
 */
typedef struct
{
  GPtrArray *queued;
  GPtrArray *heap;
  GQueue contending;
  GQueue owing;

  /*< private >*/
  gint64 floor; /* use divided by weight */
  gint64 floor_at_us;
  gint64 begin_us; /* of this epoch */
  guint64 epoch;
} BerthPeers;

/**
 * BerthParty:
 * @limits: that hold for it
 * @held: slots, memory and vCPUs of its VMs that exist
 * @n_waiting: its requests in the queue
 * @aside: of dispatch: what is set aside for its waiters in the pass @pass
 * @aside_now: that of it for which there is room before dying VMs are gone
 * @leaving: of dispatch: what its dying VMs give back, likewise
 * @pass: of dispatch
 * @closed_in: of dispatch: the last pass in which nothing but wakes of it was served any more
 * @allowed: for berth_admission_check(): its caps, or what lower ones left above
 */
typedef struct
{
  BerthPartyLimits limits;
  BerthPlace held;
  guint n_waiting;

  BerthPlace aside;
  BerthPlace aside_now;
  BerthPlace leaving;
  guint64 pass;
  guint64 closed_in;
  BerthPlace allowed;

  /*< private >*/
  BerthPeers *peers;
  BerthPlace caps;     /* of its limits */
  BerthPlace part;     /* likewise, once it holds something */
  GList link;          /* in @list */
  GQueue *list;        /* of its peers: contending, owing, or NULL for neither */
  guint queued_at;     /* where it is in those that have waiters */
  guint64 joined;      /* when it began to wait, counted */
  gint64 cost;         /* of all that it holds */
  gint64 level;        /* cost times microseconds, divided by weight */
  gint64 since_us;     /* when level was right */
  guint64 epoch;       /* of level */
  gint64 cursor_place; /* where it stands in the one walk at a time */
} BerthParty;

void berth_peers_init (BerthPeers *self);
void berth_peers_clear (BerthPeers *self);
/* somebody waits again after nobody did: what was used before that is forgotten */
void berth_peers_begin (BerthPeers *self, gint64 now_us);
/* one that neither waits nor holds and owes no more than a newcomer would, if one is found at once;
 * its owner frees it */
BerthParty *berth_peers_steal_forgotten (BerthPeers *self, gint64 now_us);
/* those that have waiters, for a walk */
void berth_peers_walk (BerthPeers *self, gint64 now_us);
/* NULL at the end of the walk */
BerthParty *berth_peers_walk_peek (BerthPeers *self);
/* the first one goes on, @step higher, or (@is_at_end) leaves the walk */
void berth_peers_walk_next (BerthPeers *self, gint64 step, gboolean is_at_end);

void berth_party_init (BerthParty *self, BerthPeers *peers, gint64 now_us);
/* before it is freed */
void berth_party_clear (BerthParty *self);
void berth_party_set_limits (BerthParty *self, const BerthPartyLimits *limits,
                             const BerthCapacity *capacity, gint64 now_us);
/* of its waiters one came (@joined: the how manieth of all), or one left */
void berth_party_join_queue (BerthParty *self, guint64 joined);
void berth_party_leave_queue (BerthParty *self);
/* puts it where it belongs; @contends: its first waiter would fit. FALSE where nothing of it is to
 * be remembered */
gboolean berth_party_settle (BerthParty *self, gboolean contends, gint64 now_us);
void berth_party_take (BerthParty *self, const BerthPlace *place, gint64 cost, gint64 now_us);
void berth_party_give (BerthParty *self, const BerthPlace *place, gint64 cost, gint64 now_us);
/* who stands lowest is next */
gint64 berth_party_get_standing (const BerthParty *self, gint64 now_us);
/* how much higher it stands for one more VM; above 0 */
gint64 berth_party_get_step (const BerthParty *self, gint64 cost);
/* whether its caps leave room for @need, beside what it holds and @more (signed) */
gboolean
berth_party_has_room (const BerthParty *self, const BerthPlace *more, const BerthPlace *need);
/* waiters, measured by its weight */
guint64 berth_party_count_for_weight (const BerthParty *self);

G_END_DECLS

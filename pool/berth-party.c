/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides how far each party is against its peers, by what it holds and what it has used. */
#include "berth-party.h"

#include <math.h>

/* A VM that is held counts as this much use ahead: how long one lives is not known before it ends,
 * and of places that come free at the same moment not all shall go to the same party. */
#define AHEAD_US (10 * G_TIME_SPAN_SECOND)

/* Nobody pays for longer than the whole host takes for this much use. */
#define DEBT_MAX (BERTH_COST_OF_ALL * (gint64)(600 * G_TIME_SPAN_SECOND))

/* The floor only rises, so an old one is a little low: a walk over the parties this often will do.
 */
#define FLOOR_EVERY_US (10 * G_TIME_SPAN_MILLISECOND)

/* Parties whose debt is remembered; the oldest goes first, however much it owes. */
#define MAX_OWING 1024u

/**
 * BerthParty:
 *
 * Use is what a party's VMs cost (the part of the budget that each takes most of) times how long
 * they exist, from their start to their end: who holds a slot for long pays for it, whether code
 * runs there or not. Its standing is its use, and what it holds now for AHEAD_US more, divided by
 * its weight; the lowest is served next. So parties that wait all the time use slots and memory as
 * their weights say, and one that comes seldom is served before those that have much.
 *
 * Nobody saves up: one that begins to wait stands no lower than the lowest of its peers that wait
 * already (the floor). One that its own cap holds back does not wait in this sense. And nothing is
 * owed for what no peer wanted: use is forgotten whenever none of them waits.
 */

void
berth_peers_init (BerthPeers *self)
{
  *self = (BerthPeers){ .queued = g_ptr_array_new (), .heap = g_ptr_array_new () };
}

void
berth_peers_clear (BerthPeers *self)
{
  g_ptr_array_unref (self->queued);
  g_ptr_array_unref (self->heap);
}

/* use divided by weight, as of @now_us */
static gint64
party_level (const BerthParty *self, gint64 now_us)
{
  gboolean is_known = self->epoch == self->peers->epoch;
  gint64 since_us = is_known ? self->since_us : MAX (self->peers->begin_us, self->since_us);
  gint64 used = self->cost * (now_us - since_us);

  return (is_known ? self->level : 0) + used / (gint64)self->limits.weight;
}

static void
party_note_level (BerthParty *self, gint64 now_us)
{
  self->level = party_level (self, now_us);
  self->since_us = now_us;
  self->epoch = self->peers->epoch;
}

static void
party_move (BerthParty *self, GQueue *list)
{
  if (self->list == list)
    return;
  if (self->list != NULL)
    g_queue_unlink (self->list, &self->link);
  if (list != NULL)
    g_queue_push_tail_link (list, &self->link);
  self->list = list;
}

void
berth_peers_begin (BerthPeers *self, gint64 now_us)
{
  self->epoch++;
  self->begin_us = now_us;
  self->floor = 0;
  self->floor_at_us = now_us;
}

static void
peers_raise_floor (BerthPeers *self, gint64 now_us)
{
  gint64 lowest = G_MAXINT64;

  if (self->contending.length == 0 || now_us < self->floor_at_us)
    return;
  for (GList *link = self->contending.head; link != NULL; link = link->next)
    lowest = MIN (lowest, party_level (link->data, now_us));
  self->floor = MAX (self->floor, lowest);
  self->floor_at_us = now_us + FLOOR_EVERY_US;
}

BerthParty *
berth_peers_steal_forgotten (BerthPeers *self, gint64 now_us)
{
  BerthParty *oldest = g_queue_peek_head (&self->owing);
  gboolean is_too_many = self->owing.length > MAX_OWING;

  if (oldest == NULL)
    return NULL;
  party_move (oldest, NULL);
  if (is_too_many || party_level (oldest, now_us) <= self->floor)
    return oldest;
  party_move (oldest, &self->owing);
  return NULL;
}

/* begins to wait: with no credit, and with no more debt than anybody remembers */
static void
party_contend (BerthParty *self, gint64 now_us)
{
  BerthPeers *peers = self->peers;

  peers_raise_floor (peers, now_us);
  party_note_level (self, now_us);
  self->level = CLAMP (self->level, peers->floor, peers->floor + DEBT_MAX);
  party_move (self, &peers->contending);
}

gboolean
berth_party_settle (BerthParty *self, gboolean contends, gint64 now_us)
{
  if (contends)
    {
      if (self->list != &self->peers->contending)
        party_contend (self, now_us);
      return TRUE;
    }
  party_move (self, NULL);
  if (self->n_waiting > 0 || self->held.slots > 0)
    return TRUE;
  if (party_level (self, now_us) <= self->peers->floor)
    return FALSE;
  party_move (self, &self->peers->owing);
  return TRUE;
}

void
berth_party_init (BerthParty *self, BerthPeers *peers, gint64 now_us)
{
  self->peers = peers;
  self->limits.weight = 1;
  self->link.data = self;
  self->since_us = now_us;
  self->epoch = peers->epoch;
}

void
berth_party_clear (BerthParty *self)
{
  party_move (self, NULL);
}

static gint64
cap_of (guint limit)
{
  return limit != 0 ? limit : G_MAXINT64;
}

/* a part of what there is: at least one, and no bound where it is all */
static gint64
part_of (guint total, double part)
{
  return part < 1 ? (gint64)fmax (floor (total * part + 1e-9), 1) : G_MAXINT64;
}

void
berth_party_set_limits (BerthParty *self, const BerthPartyLimits *limits,
                        const BerthCapacity *capacity, gint64 now_us)
{
  party_note_level (self, now_us); /* by the weight of then */
  self->limits = *limits;
  self->caps = (BerthPlace){
    .slots = cap_of (limits->max_vms),
    .memory_mb = cap_of (limits->memory_mb),
    .vcpus = G_MAXINT64,
  };
  self->part = (BerthPlace){
    .slots = part_of (capacity->max_vms, limits->part_of_vms),
    .memory_mb = part_of (capacity->memory_mb, limits->part_of_memory),
    .vcpus = part_of (capacity->vcpus, limits->part_of_vms),
  };
}

void
berth_party_join_queue (BerthParty *self, guint64 joined)
{
  if (self->n_waiting++ > 0)
    return;
  self->joined = joined;
  self->queued_at = self->peers->queued->len;
  g_ptr_array_add (self->peers->queued, self);
}

void
berth_party_leave_queue (BerthParty *self)
{
  GPtrArray *queued = self->peers->queued;

  if (--self->n_waiting > 0)
    return;
  g_ptr_array_remove_index_fast (queued, self->queued_at);
  if (self->queued_at < queued->len)
    ((BerthParty *)queued->pdata[self->queued_at])->queued_at = self->queued_at;
}

void
berth_party_take (BerthParty *self, const BerthPlace *place, gint64 cost, gint64 now_us)
{
  party_note_level (self, now_us);
  self->held.slots += place->slots;
  self->held.memory_mb += place->memory_mb;
  self->held.vcpus += place->vcpus;
  self->cost += cost;
}

void
berth_party_give (BerthParty *self, const BerthPlace *place, gint64 cost, gint64 now_us)
{
  party_note_level (self, now_us);
  self->held.slots -= place->slots;
  self->held.memory_mb -= place->memory_mb;
  self->held.vcpus -= place->vcpus;
  self->cost -= cost;
  g_assert (self->held.slots >= 0 && self->held.memory_mb >= 0 && self->cost >= 0);
}

gint64
berth_party_get_standing (const BerthParty *self, gint64 now_us)
{
  return party_level (self, now_us) + self->cost * AHEAD_US / (gint64)self->limits.weight;
}

gint64
berth_party_get_step (const BerthParty *self, gint64 cost)
{
  return MAX (cost * AHEAD_US / (gint64)self->limits.weight, 1);
}

gboolean
berth_party_has_room (const BerthParty *self, const BerthPlace *more, const BerthPlace *need)
{
  BerthPlace held = self->held;
  BerthPlace room_of_caps = self->caps;
  BerthPlace room_of_part = self->part;

  berth_place_add (&held, more);
  berth_place_subtract (&room_of_caps, &held);
  berth_place_subtract (&room_of_part, &held);
  /* a part that is set for everybody makes no request impossible: one VM may be of any size, and so
   * may one that runs while the others are paused */
  if (held.slots <= 0)
    room_of_part.slots = room_of_part.memory_mb = G_MAXINT64;
  if (held.vcpus <= 0)
    room_of_part.vcpus = G_MAXINT64;
  room_of_caps.starts = room_of_part.starts = need->starts; /* nobody has a part of those */
  return berth_place_covers (&room_of_caps, need) && berth_place_covers (&room_of_part, need);
}

guint64
berth_party_count_for_weight (const BerthParty *self)
{
  return (guint64)self->n_waiting * BERTH_PARTY_WEIGHT_MAX / self->limits.weight;
}

static gboolean
comes_before (const BerthParty *a, const BerthParty *b)
{
  if (a->cursor_place != b->cursor_place)
    return a->cursor_place < b->cursor_place;
  return a->joined < b->joined;
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
berth_peers_walk (BerthPeers *self, gint64 now_us)
{
  g_ptr_array_set_size (self->heap, (gint)self->queued->len);
  for (guint i = 0; i < self->queued->len; i++)
    {
      BerthParty *party = self->queued->pdata[i];

      party->cursor_place = berth_party_get_standing (party, now_us);
      self->heap->pdata[i] = party;
    }
  for (guint i = self->heap->len / 2; i > 0; i--)
    heap_sift_down (self->heap, i - 1);
}

BerthParty *
berth_peers_walk_peek (BerthPeers *self)
{
  return self->heap->len > 0 ? self->heap->pdata[0] : NULL;
}

void
berth_peers_walk_next (BerthPeers *self, gint64 step, gboolean is_at_end)
{
  BerthParty *first = self->heap->pdata[0];

  first->cursor_place += step;
  if (is_at_end)
    g_ptr_array_remove_index_fast (self->heap, 0);
  heap_sift_down (self->heap, 0);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves the order of the queue: first come first served within a tenant, by standing between them.
 */
#include <stdlib.h>

#include "berth-waiters.h"

#define SECOND G_TIME_SPAN_SECOND
#define COST 1000

static const BerthPlace place = { .slots = 1, .memory_mb = 192, .vcpus = 1 };

typedef struct
{
  BerthTenants *tenants;
  BerthWaiters *waiters;
} Queue;

static Queue *
queue_new (void)
{
  Queue *queue = g_new0 (Queue, 1);

  queue->tenants = berth_tenants_new ();
  queue->waiters = berth_waiters_new (queue->tenants);
  return queue;
}

static void
queue_free (Queue *queue)
{
  berth_waiters_free (queue->waiters);
  berth_tenants_free (queue->tenants);
  g_free (queue);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Queue, queue_free)

static BerthWaiter *
push (Queue *queue, guint64 ticket, guint32 uid, const char *tenant, gint64 deadline_us)
{
  BerthWaiter *waiter = g_new0 (BerthWaiter, 1);

  waiter->ticket = ticket;
  waiter->request
      = berth_request_new (BERTH_SHAPE ("python", 192, 1), tenant, NULL, uid, -1, NULL, NULL, NULL);
  waiter->deadline_us = deadline_us;
  waiter->cost = COST;
  berth_waiters_push (queue->waiters, waiter);
  return waiter;
}

static void
drop (Queue *queue, BerthWaiter *waiter, gboolean served)
{
  if (served)
    berth_tenants_take (queue->tenants, waiter->tenant, &place, COST);
  berth_waiters_remove (queue->waiters, waiter);
  berth_request_unref (waiter->request);
  g_free (waiter);
}

static BerthWaiter *
peek (Queue *queue)
{
  BerthWaitersIter iter;

  berth_waiters_iter_init (&iter, queue->waiters);
  return berth_waiters_iter_next (&iter);
}

static gint64
standing (Queue *queue, BerthTenant *tenant)
{
  return berth_party_get_standing (&tenant->party, berth_tenants_get_now (queue->tenants));
}

static void
set_policy (Queue *queue, const char *pattern, BerthPartyField field, guint value)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();

  g_assert_true (berth_tenant_policy_set (policy, pattern, field, value));
  berth_tenants_set_policy (queue->tenants, policy);
}

/* the tickets, in the order in which they are served */
static char *
serve_all (Queue *queue)
{
  GString *order = g_string_new (NULL);
  BerthWaiter *next = NULL;

  while ((next = peek (queue)) != NULL)
    {
      g_assert_cmpuint (berth_waiters_count_before (queue->waiters, next), ==, 0);
      g_string_append_printf (order, "%" G_GUINT64_FORMAT " ", next->ticket);
      drop (queue, next, TRUE);
    }
  g_assert_cmpuint (berth_waiters_get_length (queue->waiters), ==, 0);
  return g_string_free (order, FALSE);
}

static void
test_fifo_within_tenant (void)
{
  g_autoptr (Queue) queue = queue_new ();
  g_autofree char *order = NULL;

  for (guint64 i = 1; i <= 5; i++)
    push (queue, i, 1000, "acme", G_MAXINT64);
  order = serve_all (queue);
  g_assert_cmpstr (order, ==, "1 2 3 4 5 ");
}

static void
test_turns_between_tenants (void)
{
  g_autoptr (Queue) queue = queue_new ();
  g_autofree char *order = NULL;

  for (guint64 i = 1; i <= 4; i++)
    push (queue, i, 1000, "greedy", G_MAXINT64);
  push (queue, 11, 1000, "modest", G_MAXINT64);
  push (queue, 12, 1000, "modest", G_MAXINT64);
  push (queue, 21, 1000, NULL, G_MAXINT64);
  /* the same name of another user is another tenant, and that user's turn comes first */
  push (queue, 31, 1001, "greedy", G_MAXINT64);
  push (queue, 32, 1001, "greedy", G_MAXINT64);
  order = serve_all (queue);
  g_assert_cmpstr (order, ==, "1 31 11 32 21 2 12 3 4 ");
}

static void
test_walk_is_the_order_of_service (void)
{
  g_autoptr (Queue) queue = queue_new ();
  g_autoptr (GString) walked = g_string_new (NULL);
  g_autofree char *order = NULL;
  BerthWaitersIter iter;
  BerthWaiter *waiter = NULL;
  guint before = 0;

  for (guint64 i = 1; i <= 3; i++)
    push (queue, i, 1000, "a", G_MAXINT64);
  for (guint64 i = 11; i <= 12; i++)
    push (queue, i, 1000, "b", G_MAXINT64);
  for (guint64 i = 21; i <= 25; i++)
    push (queue, i, 1000, "c", G_MAXINT64);
  berth_waiters_iter_init (&iter, queue->waiters);
  while ((waiter = berth_waiters_iter_next (&iter)) != NULL)
    {
      g_assert_cmpuint (berth_waiters_count_before (queue->waiters, waiter), ==, before++);
      g_string_append_printf (walked, "%" G_GUINT64_FORMAT " ", waiter->ticket);
    }
  order = serve_all (queue);
  g_assert_cmpstr (walked->str, ==, order);
}

static void
test_leaving_is_no_turn (void)
{
  g_autoptr (Queue) queue = queue_new ();
  g_autofree char *order = NULL;
  BerthWaiter *first = push (queue, 1, 1000, "a", G_MAXINT64);

  push (queue, 2, 1000, "a", G_MAXINT64);
  push (queue, 11, 1000, "b", G_MAXINT64);
  drop (queue, first, FALSE);
  order = serve_all (queue);
  g_assert_cmpstr (order, ==, "2 11 ");
}

static void
test_deadlines (void)
{
  g_autoptr (Queue) queue = queue_new ();
  BerthWaiter *late = push (queue, 1, 1000, "a", 300);
  BerthWaiter *soon = push (queue, 2, 1000, "a", 100);
  BerthWaiter *never = push (queue, 3, 1000, "b", G_MAXINT64);

  g_assert_true (berth_waiters_peek_deadline (queue->waiters) == soon);
  drop (queue, soon, FALSE);
  g_assert_true (berth_waiters_peek_deadline (queue->waiters) == late);
  drop (queue, late, TRUE);
  g_assert_null (berth_waiters_peek_deadline (queue->waiters));
  g_assert_true (peek (queue) == never);
  drop (queue, never, FALSE);
  g_assert_null (berth_waiters_peek_deadline (queue->waiters));
  g_assert_null (peek (queue));
}

/* 5: three to one, also in the order that a status shows */
static void
test_weights (void)
{
  g_autoptr (Queue) queue = queue_new ();
  g_autofree char *order = NULL;

  set_policy (queue, "heavy", BERTH_PARTY_WEIGHT, 3);
  for (guint64 i = 1; i <= 6; i++)
    push (queue, i, 1000, "heavy", G_MAXINT64);
  push (queue, 11, 1000, "light", G_MAXINT64);
  push (queue, 12, 1000, "light", G_MAXINT64);
  order = serve_all (queue);
  g_assert_cmpstr (order, ==, "1 11 2 3 4 12 5 6 ");
}

/* 5: who holds a slot for long has had more than who gives it back */
static void
test_use_is_charged (void)
{
  g_autoptr (Queue) queue = queue_new ();
  BerthTenant *slow = NULL;
  BerthTenant *quick = NULL;

  push (queue, 1, 1000, "slow", G_MAXINT64);
  push (queue, 2, 1000, "slow", G_MAXINT64);
  push (queue, 11, 1000, "quick", G_MAXINT64);
  for (guint64 i = 12; i <= 14; i++)
    push (queue, i, 1000, "quick", G_MAXINT64);
  slow = peek (queue)->tenant;
  drop (queue, peek (queue), TRUE);
  berth_tenants_set_now (queue->tenants, 10 * SECOND);
  berth_tenants_give (queue->tenants, slow, &place, COST);
  for (guint i = 1; i <= 4; i++)
    {
      quick = peek (queue)->tenant;
      g_assert_cmpuint (peek (queue)->ticket, ==, 10 + i);
      drop (queue, peek (queue), TRUE);
      berth_tenants_set_now (queue->tenants, (10 + i) * SECOND);
      berth_tenants_give (queue->tenants, quick, &place, COST);
    }
  g_assert_cmpuint (peek (queue)->ticket, ==, 2);
  drop (queue, peek (queue), FALSE);
}

/* Nobody saves up by not asking, and no debt is lost by asking again; both only while anybody
 * waits. */
static void
test_no_credit_and_no_escape (void)
{
  g_autoptr (Queue) queue = queue_new ();
  BerthTenant *busy = NULL;
  BerthTenant *other = NULL;

  other = push (queue, 11, 1000, "other", G_MAXINT64)->tenant;
  busy = push (queue, 1, 1000, "busy", G_MAXINT64)->tenant;
  push (queue, 2, 1000, "busy", G_MAXINT64);
  drop (queue, other->waiting.head->data, FALSE);
  drop (queue, busy->waiting.head->data, TRUE);
  berth_tenants_set_now (queue->tenants, 100 * SECOND);
  /* the one that waits is at 100 s: who comes now starts there */
  push (queue, 21, 1000, "late", G_MAXINT64);
  g_assert_cmpint (standing (queue, busy), ==,
                   100 * SECOND * COST + berth_party_get_step (&busy->party, COST));
  g_assert_cmpuint (peek (queue)->ticket, ==, 21);
  g_assert_cmpint (standing (queue, peek (queue)->tenant), ==, 100 * SECOND * COST);
  /* leaving and coming back: still behind */
  drop (queue, busy->waiting.head->data, FALSE);
  push (queue, 3, 1000, "busy", G_MAXINT64);
  g_assert_cmpuint (peek (queue)->ticket, ==, 21);
  drop (queue, peek (queue), FALSE);
  drop (queue, peek (queue), FALSE);
  /* nobody waits: all is forgotten but what is held */
  push (queue, 4, 1000, "busy", G_MAXINT64);
  g_assert_cmpint (standing (queue, busy), ==, berth_party_get_step (&busy->party, COST));
  drop (queue, peek (queue), FALSE);
}

/* random lives: what is counted is what the walk finds, and the parties don't pile up */
static void
test_count_before_is_the_walk (void)
{
  const char *text = g_getenv ("BERTH_SEED");
  guint32 seed = text != NULL ? (guint32)strtoul (text, NULL, 0) : g_random_int ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autoptr (Queue) queue = queue_new ();

  g_test_message ("BERTH_SEED=%u repeats this run", seed);
  set_policy (queue, "t1", BERTH_PARTY_WEIGHT, 7);
  for (guint i = 0; i < 2000; i++)
    {
      g_autofree char *name = g_strdup_printf ("t%d", g_rand_int_range (rand, 0, 8));
      BerthWaitersIter iter;
      BerthWaiter *waiter = NULL;
      guint before = 0;

      berth_tenants_set_now (queue->tenants, i * SECOND);
      push (queue, i + 1, (guint32)g_rand_int_range (rand, 1000, 1004), name, G_MAXINT64);
      if (berth_waiters_get_length (queue->waiters) > 40 || g_rand_boolean (rand))
        {
          BerthTenant *tenant = peek (queue)->tenant;

          drop (queue, peek (queue), TRUE);
          if (g_rand_boolean (rand) || tenant->party.held.slots > 3)
            berth_tenants_give (queue->tenants, tenant, &place, COST);
        }
      berth_waiters_iter_init (&iter, queue->waiters);
      while ((waiter = berth_waiters_iter_next (&iter)) != NULL)
        g_assert_cmpuint (berth_waiters_count_before (queue->waiters, waiter), ==, before++);
    }
  while (peek (queue) != NULL)
    drop (queue, peek (queue), FALSE);
}

static void
test_made_up_names_are_forgotten (void)
{
  g_autoptr (Queue) queue = queue_new ();
  g_autoptr (GList) all = NULL;

  /* somebody waits all the time, so that no debt is forgotten for want of waiters */
  push (queue, 1, 1000, "rest", G_MAXINT64);
  push (queue, 2, 1000, "rest", G_MAXINT64);
  for (guint i = 0; i < 5000; i++)
    {
      g_autofree char *name = g_strdup_printf ("made-up-%u", i);
      BerthWaiter *waiter = push (queue, i + 3, 1000, name, G_MAXINT64);
      BerthTenant *tenant = waiter->tenant;
      BerthTenant *rest = NULL;

      drop (queue, waiter, TRUE);
      rest = peek (queue)->tenant;
      if (rest->party.held.slots == 0)
        berth_tenants_take (queue->tenants, rest, &place, COST);
      berth_tenants_set_now (queue->tenants, i * SECOND);
      berth_tenants_give (queue->tenants, tenant, &place, COST);
    }
  all = berth_tenants_list (queue->tenants);
  g_assert_cmpuint (g_list_length (all), <, 10);
  while (peek (queue) != NULL)
    drop (queue, peek (queue), FALSE);
}

static void
test_excess (void)
{
  g_autoptr (Queue) queue = queue_new ();
  BerthWaiter *arrived = NULL;
  BerthWaiter *newest = NULL;

  push (queue, 1, 1000, "greedy", G_MAXINT64);
  newest = push (queue, 2, 1000, "greedy", G_MAXINT64);
  arrived = push (queue, 11, 1000, "modest", G_MAXINT64);
  g_assert_true (berth_waiters_peek_excess (queue->waiters, arrived) == newest);
  arrived = push (queue, 12, 1000, "modest", G_MAXINT64);
  g_assert_true (berth_waiters_peek_excess (queue->waiters, arrived) == arrived);
  set_policy (queue, "greedy", BERTH_PARTY_WEIGHT, 3);
  arrived = push (queue, 3, 1000, "greedy", G_MAXINT64);
  g_assert_cmpuint (berth_waiters_peek_excess (queue->waiters, arrived)->ticket, ==, 12);
  while (peek (queue) != NULL)
    drop (queue, peek (queue), FALSE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/waiters/5-fifo-within-tenant", test_fifo_within_tenant);
  g_test_add_func ("/waiters/5-turns-between-tenants", test_turns_between_tenants);
  g_test_add_func ("/waiters/5-walk-is-the-order-of-service", test_walk_is_the_order_of_service);
  g_test_add_func ("/waiters/5-leaving-is-no-turn", test_leaving_is_no_turn);
  g_test_add_func ("/waiters/deadlines", test_deadlines);
  g_test_add_func ("/waiters/5-weights", test_weights);
  g_test_add_func ("/waiters/5-use-is-charged", test_use_is_charged);
  g_test_add_func ("/waiters/5-no-credit-and-no-escape", test_no_credit_and_no_escape);
  g_test_add_func ("/waiters/count-before-is-the-walk", test_count_before_is_the_walk);
  g_test_add_func ("/waiters/made-up-names-are-forgotten", test_made_up_names_are_forgotten);
  g_test_add_func ("/waiters/excess", test_excess);
  return g_test_run ();
}

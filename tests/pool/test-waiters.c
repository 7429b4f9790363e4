/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves the order of the queue: first come first served within a tenant, a turn each between them.
 */
#include "berth-waiters.h"

static BerthWaiter *
push (BerthWaiters *waiters, guint64 ticket, guint32 uid, const char *tenant, gint64 deadline_us)
{
  BerthWaiter *waiter = g_new0 (BerthWaiter, 1);

  waiter->ticket = ticket;
  waiter->request = berth_request_new ("python", 192, 1, tenant, NULL, uid, -1, NULL);
  waiter->deadline_us = deadline_us;
  berth_waiters_push (waiters, waiter);
  return waiter;
}

static void
drop (BerthWaiters *waiters, BerthWaiter *waiter, gboolean served)
{
  berth_waiters_remove (waiters, waiter, served);
  berth_request_unref (waiter->request);
  g_free (waiter);
}

static BerthWaiter *
peek (BerthWaiters *waiters)
{
  BerthWaitersIter iter;

  berth_waiters_iter_init (&iter, waiters);
  return berth_waiters_iter_next (&iter);
}

/* the tickets, in the order in which they are served */
static char *
serve_all (BerthWaiters *waiters)
{
  GString *order = g_string_new (NULL);
  BerthWaiter *next = NULL;

  while ((next = peek (waiters)) != NULL)
    {
      g_assert_cmpuint (berth_waiters_count_before (waiters, next), ==, 0);
      g_string_append_printf (order, "%" G_GUINT64_FORMAT " ", next->ticket);
      drop (waiters, next, TRUE);
    }
  g_assert_cmpuint (berth_waiters_get_length (waiters), ==, 0);
  return g_string_free (order, FALSE);
}

static void
test_fifo_within_tenant (void)
{
  g_autoptr (BerthWaiters) waiters = berth_waiters_new ();
  g_autofree char *order = NULL;

  for (guint64 i = 1; i <= 5; i++)
    push (waiters, i, 1000, "acme", G_MAXINT64);
  order = serve_all (waiters);
  g_assert_cmpstr (order, ==, "1 2 3 4 5 ");
}

static void
test_turns_between_tenants (void)
{
  g_autoptr (BerthWaiters) waiters = berth_waiters_new ();
  g_autofree char *order = NULL;

  for (guint64 i = 1; i <= 4; i++)
    push (waiters, i, 1000, "greedy", G_MAXINT64);
  push (waiters, 11, 1000, "modest", G_MAXINT64);
  push (waiters, 12, 1000, "modest", G_MAXINT64);
  push (waiters, 21, 1000, NULL, G_MAXINT64);
  /* the same name of another user is another tenant */
  push (waiters, 31, 1001, "greedy", G_MAXINT64);
  order = serve_all (waiters);
  g_assert_cmpstr (order, ==, "1 11 21 31 2 12 3 4 ");
}

static void
test_walk_is_the_order_of_service (void)
{
  g_autoptr (BerthWaiters) waiters = berth_waiters_new ();
  g_autoptr (GString) walked = g_string_new (NULL);
  g_autofree char *order = NULL;
  BerthWaitersIter iter;
  BerthWaiter *waiter = NULL;
  guint before = 0;

  for (guint64 i = 1; i <= 3; i++)
    push (waiters, i, 1000, "a", G_MAXINT64);
  for (guint64 i = 11; i <= 12; i++)
    push (waiters, i, 1000, "b", G_MAXINT64);
  for (guint64 i = 21; i <= 25; i++)
    push (waiters, i, 1000, "c", G_MAXINT64);
  berth_waiters_iter_init (&iter, waiters);
  while ((waiter = berth_waiters_iter_next (&iter)) != NULL)
    {
      g_assert_cmpuint (berth_waiters_count_before (waiters, waiter), ==, before++);
      g_string_append_printf (walked, "%" G_GUINT64_FORMAT " ", waiter->ticket);
    }
  order = serve_all (waiters);
  g_assert_cmpstr (walked->str, ==, order);
}

static void
test_leaving_is_no_turn (void)
{
  g_autoptr (BerthWaiters) waiters = berth_waiters_new ();
  g_autofree char *order = NULL;
  BerthWaiter *first = push (waiters, 1, 1000, "a", G_MAXINT64);

  push (waiters, 2, 1000, "a", G_MAXINT64);
  push (waiters, 11, 1000, "b", G_MAXINT64);
  drop (waiters, first, FALSE);
  order = serve_all (waiters);
  g_assert_cmpstr (order, ==, "2 11 ");
}

static void
test_deadlines (void)
{
  g_autoptr (BerthWaiters) waiters = berth_waiters_new ();
  BerthWaiter *late = push (waiters, 1, 1000, "a", 300);
  BerthWaiter *soon = push (waiters, 2, 1000, "a", 100);
  BerthWaiter *never = push (waiters, 3, 1000, "b", G_MAXINT64);

  g_assert_true (berth_waiters_peek_deadline (waiters) == soon);
  drop (waiters, soon, FALSE);
  g_assert_true (berth_waiters_peek_deadline (waiters) == late);
  drop (waiters, late, TRUE);
  g_assert_true (berth_waiters_peek_deadline (waiters) == never);
  drop (waiters, never, FALSE);
  g_assert_null (berth_waiters_peek_deadline (waiters));
  g_assert_null (peek (waiters));
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
  return g_test_run ();
}

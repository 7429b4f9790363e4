/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves that a user is a user, whatever names it invents: shares, caps and the queue's places go
 * to users first, and to the names of each after that. BERTH_SEED asks for another run. */
#include <math.h>

#include "core-client.h"

#define SECOND G_TIME_SPAN_SECOND
#define FOREVER BERTH_REQUEST_WAIT_FOREVER

static guint64
acquire (CoreWorld *world, guint32 uid, const char *tenant, guint memory_mb, gint64 wait_us)
{
  g_autoptr (BerthRequest) request = berth_request_new (
      BERTH_SHAPE ("python", memory_mb, 1), tenant, NULL, uid, wait_us, NULL, NULL, NULL);

  return core_world_acquire_request (world, request);
}

/* 5: ten names bring no more than one */
static void
test_names_bring_nothing (void)
{
  const BerthCapacity capacity = core_client_slots (4);
  CoreClient clients[] = {
    { .uid = 1000, .tenant = "one", .memory_mb = 256, .hold_us = SECOND, .backlog = 40 },
    { .uid = 1001, .tenant = "ten", .n_names = 10, .memory_mb = 256, .hold_us = SECOND },
  };

  clients[1].backlog = 40;
  core_clients_run (clients, 2, &capacity, NULL, 100 * SECOND, 1);
  g_test_message ("%u to %u VMs", clients[0].n_served, clients[1].n_served);
  core_client_assert_ratio (clients[0].used, clients[1].used, 1, 0.05);
}

/* a cap of each name is none of who invents names: a user has its own */
static void
test_cap_of_a_user (void)
{
  const BerthCapacity capacity = core_client_slots (4);
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  CoreClient inventor = { .uid = 1001, .tenant = "any", .n_names = 10, .memory_mb = 256 };

  inventor.hold_us = SECOND;
  inventor.backlog = 20;
  berth_tenant_policy_set (policy, "*", BERTH_PARTY_MAX_VMS, 1);
  berth_tenant_policy_set_user (policy, "*", BERTH_PARTY_MAX_VMS, 3);
  core_clients_run (&inventor, 1, &capacity, policy, 10 * SECOND, 1);
  g_assert_cmpuint (inventor.most, ==, 3);
  g_assert_cmpfloat (inventor.used, >=, 3 * 9);
}

/* what nobody says anything of leaves something for others, but keeps nobody from a VM */
static void
test_part_of_a_user (void)
{
  const guint slots[] = { 1, 2, 4, 10, 20 };
  const guint wanted[] = { 1, 1, 3, 9, 18 };
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();

  berth_tenant_policy_set_user_part (policy, 0.9);
  berth_tenant_policy_exempt (policy, 0);
  berth_tenant_policy_exempt (policy, 500);
  berth_tenant_policy_set_user (policy, "700", BERTH_PARTY_MAX_VMS, 0);
  berth_tenant_policy_set_user (policy, "700", BERTH_PARTY_MEMORY_MB, 0);
  for (guint i = 0; i < G_N_ELEMENTS (slots); i++)
    {
      const BerthCapacity capacity = core_client_slots (slots[i]);
      g_autoptr (CoreWorld) world = core_world_new (&capacity);
      const guint32 uids[] = { 1000, 500, 700 };

      core_world_set_tenants (world, policy);
      for (guint j = 0; j < G_N_ELEMENTS (uids); j++)
        {
          CoreClient user = { .uid = uids[j], .tenant = "any", .memory_mb = 128 };

          user.hold_us = SECOND;
          user.backlog = 30;
          core_clients_run (&user, 1, &capacity, policy, 2 * SECOND, 1);
          g_assert_cmpuint (user.most, ==, j == 0 ? wanted[i] : slots[i]);
        }
    }
}

/* the part bounds each budget; one VM may be of any size, and who waits is told what for */
static void
test_part_of_memory (void)
{
  const BerthCapacity capacity = core_client_slots (10);
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  g_autoptr (CoreWorld) world = core_world_new (&capacity);
  guint64 big = 0;
  guint64 small = 0;

  berth_tenant_policy_set_user_part (policy, 0.5);
  core_world_set_tenants (world, policy);
  big = acquire (world, 1000, "big", 2560, FOREVER);
  core_world_destroy (world, core_world_get_vm (world, big));
  big = acquire (world, 1000, "big", 1200, FOREVER);
  core_world_get_vm (world, big);
  small = acquire (world, 1000, "small", 128, BERTH_REQUEST_NO_WAIT);
  core_world_assert_error (world, small, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  g_assert_nonnull (strstr (core_world_get_result (world, small)->error->message,
                            "its user has 1 VM, and no user may have more than"));
  core_world_get_vm (world, acquire (world, 1001, "other", 1200, FOREVER));
}

/* three to one between users, whatever their tenants weigh; within one, as those weigh */
static void
test_weights (void)
{
  const BerthCapacity capacity = core_client_slots (8);
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  CoreClient clients[] = {
    { .uid = 1000, .tenant = "a", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
    { .uid = 1001, .tenant = "heavy", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
    { .uid = 1001, .tenant = "light", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
  };

  berth_tenant_policy_set_user (policy, "1000", BERTH_PARTY_WEIGHT, 3);
  berth_tenant_policy_set (policy, "heavy", BERTH_PARTY_WEIGHT, 4);
  core_clients_run (clients, 3, &capacity, policy, 1000 * SECOND, 1);
  core_client_assert_ratio (clients[0].used, clients[1].used + clients[2].used, 3, 0.05);
  core_client_assert_ratio (clients[1].used, clients[2].used, 4, 0.05);
}

/* one at its cap keeps nothing from other users, and its tenants stay fair to each other */
static void
test_capped_user_beside_others (void)
{
  const BerthCapacity capacity = core_client_slots (10);
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  CoreClient clients[] = {
    { .uid = 1000, .tenant = "a", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
    { .uid = 1000, .tenant = "b", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
    { .uid = 1001, .tenant = "any", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
  };

  berth_tenant_policy_set_user (policy, "1000", BERTH_PARTY_MEMORY_MB, 1100);
  core_clients_run (clients, 3, &capacity, policy, 100 * SECOND, 1);
  g_assert_cmpuint (clients[2].most, ==, 6);
  g_assert_cmpfloat (clients[2].used, >, 6 * 95);
  core_client_assert_ratio (clients[0].used, clients[1].used, 1, 0.05);
  g_assert_cmpfloat (clients[0].used + clients[1].used, >, 4 * 95);
}

/* of a user's requests, smaller ones of any of its names pass one that its cap holds back, until
 * that is old */
static void
test_big_behind_the_cap_of_its_user (void)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  const BerthCapacity capacity = core_client_slots (10);
  g_autoptr (CoreWorld) world = core_world_new (&capacity);
  guint64 held = 0;
  guint64 big = 0;
  guint64 passing = 0;
  guint64 late = 0;

  berth_tenant_policy_set_user (policy, "1000", BERTH_PARTY_MEMORY_MB, 512);
  core_world_set_tenants (world, policy);
  core_world_assert_error (world, acquire (world, 1000, "big", 513, FOREVER), BERTH_ERROR,
                           BERTH_ERROR_INVALID);
  held = acquire (world, 1000, "x", 300, FOREVER);
  big = acquire (world, 1000, "big", 400, FOREVER);
  passing = acquire (world, 1000, "y", 128, FOREVER);
  core_world_get_vm (world, passing);
  core_world_advance (world, 30 * SECOND);
  core_world_destroy (world, core_world_get_vm (world, passing));
  late = acquire (world, 1000, "z", 128, FOREVER);
  core_world_assert_pending (world, late);
  core_world_get_vm (world, acquire (world, 1001, "other", 2000, FOREVER));
  core_world_destroy (world, core_world_get_vm (world, held));
  core_world_get_vm (world, big);
  core_world_assert_pending (world, late);
}

/* forty names throw nobody out of a full queue but each other: the figures of security.md */
static void
test_full_queue (void)
{
  BerthCapacity capacity = core_client_slots (1);
  g_autoptr (CoreWorld) world = NULL;
  guint64 modest[7] = { 0 };
  guint n_left = 0;

  capacity.max_waiters = 8;
  world = core_world_new (&capacity);
  acquire (world, 1002, NULL, 128, FOREVER);
  for (guint i = 0; i < 7; i++)
    modest[i] = acquire (world, 1000, "modest", 128, FOREVER);
  for (guint i = 0; i < 40; i++)
    {
      g_autofree char *name = g_strdup_printf ("name-%u", i);

      acquire (world, 1001, name, 128, FOREVER);
    }
  for (guint i = 0; i < 7; i++)
    n_left += core_world_get_result (world, modest[i]) == NULL;
  /* half of the queue is everybody's due where two want all of it */
  g_assert_cmpuint (n_left, ==, 4);
  for (guint i = 0; i < 4; i++)
    core_world_assert_pending (world, modest[i]);
}

/* a user has a part of the queue, too: beyond it the newest of its own goes, of the name with most
 */
static void
test_part_of_the_queue (void)
{
  BerthCapacity capacity = core_client_slots (1);
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  g_autoptr (CoreWorld) world = NULL;
  guint64 many[5] = { 0 };
  guint64 one = 0;
  guint64 exempt = 0;

  capacity.max_waiters = 10;
  world = core_world_new (&capacity);
  berth_tenant_policy_set_user_part (policy, 0.5);
  berth_tenant_policy_exempt (policy, 0);
  core_world_set_tenants (world, policy);
  acquire (world, 1002, NULL, 128, FOREVER);
  for (guint i = 0; i < 5; i++)
    many[i] = acquire (world, 1000, "many", 128, FOREVER);
  one = acquire (world, 1000, "one", 128, FOREVER);
  core_world_assert_pending (world, one);
  core_world_assert_pending (world, many[3]);
  core_world_assert_error (world, many[4], BERTH_ERROR, BERTH_ERROR_QUEUE_FULL);
  g_assert_nonnull (strstr (core_world_get_result (world, many[4])->error->message,
                            "as many requests of this user wait as may: 5 "));
  for (guint i = 0; i < 5; i++)
    exempt = acquire (world, 0, "root", 128, FOREVER);
  core_world_assert_pending (world, exempt);
  core_world_assert_pending (world, one);
}

/* 5: one greedy user with a hundred names and nine modest ones: each modest one waits no longer
 * than twice what it would with a tenth of the slots to itself */
static void
check_greedy_and_modest (gint64 greedy_hold_us)
{
  const BerthCapacity shared = core_client_slots (10);
  const BerthCapacity tenth = core_client_slots (1);
  const CoreClient modest = {
    .tenant = "modest",
    .memory_mb = 256,
    .hold_us = 5 * SECOND,
    .every_us = 7 * SECOND,
    .is_random = TRUE,
  };
  CoreClient together[10] = { { .uid = 2000, .tenant = "greedy", .n_names = 100 } };
  guint32 seed = core_client_get_seed ();

  together[0].memory_mb = 256;
  together[0].hold_us = greedy_hold_us;
  together[0].backlog = 200;
  together[0].is_random = TRUE;
  for (guint i = 1; i < 10; i++)
    {
      together[i] = modest;
      together[i].uid = 1000 + i;
    }
  core_clients_run (together, 10, &shared, NULL, 3000 * SECOND, seed);
  for (guint i = 1; i < 10; i++)
    {
      CoreClient alone = modest;

      core_clients_run (&alone, 1, &tenth, NULL, 3000 * SECOND, seed + i);
      g_test_message ("user %u waits %.2f s of mean, %.1f s at most; alone %.2f and %.1f s",
                      together[i].uid, core_client_mean_wait_s (&together[i]),
                      (double)together[i].longest_us / SECOND, core_client_mean_wait_s (&alone),
                      (double)alone.longest_us / SECOND);
      g_assert_cmpfloat (core_client_mean_wait_s (&together[i]), <=,
                         2 * core_client_mean_wait_s (&alone));
      g_assert_cmpint (together[i].longest_us, <=, 2 * alone.longest_us);
      g_assert_cmpuint (together[i].n_served, >=, alone.n_served * 9 / 10);
    }
  g_test_message ("greedy had %.0f of %d slot seconds", together[0].used, 30000);
  g_assert_cmpfloat (together[0].used, >, 30000 * 0.2);
}

static void
test_greedy_and_modest (void)
{
  check_greedy_and_modest (5 * SECOND);
}

static void
test_greedy_for_long_and_modest (void)
{
  check_greedy_and_modest (25 * SECOND);
}

#define ADD(name, func) g_test_add_func ("/fairness-users/" name, func)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("5-names-bring-nothing", test_names_bring_nothing);
  ADD ("5-cap-of-a-user", test_cap_of_a_user);
  ADD ("5-part-of-a-user", test_part_of_a_user);
  ADD ("5-part-of-memory", test_part_of_memory);
  ADD ("5-weights", test_weights);
  ADD ("5-capped-user-beside-others", test_capped_user_beside_others);
  ADD ("5-big-behind-the-cap-of-its-user", test_big_behind_the_cap_of_its_user);
  ADD ("5-part-of-the-queue", test_part_of_the_queue);
  ADD ("5-full-queue", test_full_queue);
  ADD ("5-greedy-and-modest", test_greedy_and_modest);
  ADD ("5-greedy-for-long-and-modest", test_greedy_for_long_and_modest);
  return g_test_run ();
}

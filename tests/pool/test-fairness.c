/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what tenants get of a full host, in virtual time: a greedy one beside modest ones,
 * weights, long runs, big ones, caps, and a long queue. BERTH_SEED asks for another run. */
#include <math.h>
#include <stdlib.h>

#include "berth-admission-private.h"
#include "core-client.h"

#define SECOND G_TIME_SPAN_SECOND
#define FOREVER BERTH_REQUEST_WAIT_FOREVER

/* 5: one greedy and nine modest tenants: each modest one waits no longer than twice what it would
 * with a tenth of the slots to itself */
static void
check_greedy_and_modest (gint64 greedy_hold_us)
{
  static const char *const names[] = { "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9" };
  const BerthCapacity shared = core_client_slots (10);
  const BerthCapacity tenth = core_client_slots (1);
  CoreClient together[10] = { { .tenant = "greedy", .memory_mb = 256, .hold_us = greedy_hold_us } };
  guint32 seed = core_client_get_seed ();

  together[0].backlog = 100;
  together[0].is_random = TRUE;
  for (guint i = 0; i < 9; i++)
    together[i + 1] = (CoreClient){
      .tenant = names[i],
      .memory_mb = 256,
      .hold_us = 5 * SECOND,
      .every_us = 7 * SECOND,
      .is_random = TRUE,
    };
  core_clients_run (together, 10, &shared, NULL, 3000 * SECOND, seed);
  for (guint i = 1; i < 10; i++)
    {
      CoreClient alone = { .tenant = names[i - 1], .memory_mb = 256, .hold_us = 5 * SECOND };

      alone.every_us = 7 * SECOND;
      alone.is_random = TRUE;
      core_clients_run (&alone, 1, &tenth, NULL, 3000 * SECOND, seed + i);
      g_test_message ("%s waits %.2f s of mean, %.1f s at most; alone %.2f and %.1f s",
                      alone.tenant, core_client_mean_wait_s (&together[i]),
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

/* 5: three to one in what is served, and in slots and seconds, whatever a run takes */
static void
test_weights (void)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  const guint slots[] = { 1, 3, 8 };

  berth_tenant_policy_set (policy, "heavy", BERTH_PARTY_WEIGHT, 3);
  for (guint i = 0; i < G_N_ELEMENTS (slots); i++)
    {
      const BerthCapacity capacity = core_client_slots (slots[i]);
      CoreClient same[] = {
        { .tenant = "heavy", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
        { .tenant = "light", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
      };
      CoreClient slow[] = {
        { .tenant = "heavy", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
        { .tenant = "light", .memory_mb = 256, .hold_us = 9 * SECOND, .backlog = 20 },
      };

      core_clients_run (same, 2, &capacity, policy, 1000 * SECOND, 1);
      core_client_assert_ratio (same[0].n_served, same[1].n_served, 3, 0.05);
      core_clients_run (slow, 2, &capacity, policy, 2000 * SECOND, 1);
      core_client_assert_ratio (slow[0].used, slow[1].used, 3, 0.05);
    }
}

/* 5: who holds long, and who asks for much memory, does not win */
static void
test_long_and_large (void)
{
  const BerthCapacity capacity = { .max_vms = 16,
                                   .memory_mb = 2048,
                                   .vcpus = 64,
                                   .max_starts = 16,
                                   .big_request_age_us = 30 * SECOND };
  CoreClient length[] = {
    { .tenant = "slow", .memory_mb = 128, .hold_us = 30 * SECOND, .backlog = 20 },
    { .tenant = "quick", .memory_mb = 128, .hold_us = SECOND, .backlog = 20 },
  };
  CoreClient size[] = {
    { .tenant = "large", .memory_mb = 512, .hold_us = 2 * SECOND, .backlog = 20 },
    { .tenant = "small", .memory_mb = 128, .hold_us = 2 * SECOND, .backlog = 20 },
  };

  core_clients_run (length, 2, &capacity, NULL, 2000 * SECOND, 1);
  core_client_assert_ratio (length[0].used, length[1].used, 1, 0.05);
  core_clients_run (size, 2, &capacity, NULL, 1000 * SECOND, 1);
  core_client_assert_ratio (size[0].used * 4, size[1].used, 1, 0.05);
}

/* 5: a request for most of the memory is served soon after its age limit, whatever small ones do */
static void
test_big_is_not_starved (void)
{
  BerthCapacity capacity = core_client_slots (10);
  CoreClient clients[10] = { { .tenant = "big", .memory_mb = 2000, .hold_us = 2 * SECOND } };
  static const char *const names[] = { "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9" };

  clients[0].backlog = 1;
  for (guint i = 1; i < 10; i++)
    clients[i] = (CoreClient){
      .tenant = names[i - 1],
      .memory_mb = 256,
      .hold_us = 5 * SECOND,
      .backlog = 5,
      .is_random = TRUE,
    };
  core_clients_run (clients, 10, &capacity, NULL, 1000 * SECOND, core_client_get_seed ());
  g_test_message ("%u big ones, %.1f s at most", clients[0].n_served,
                  (double)clients[0].longest_us / SECOND);
  g_assert_cmpuint (clients[0].n_served, >, 10);
  g_assert_cmpint (clients[0].longest_us, <, 100 * SECOND);
}

/* 5: caps hold, nobody else waits because of them, and what is left over is used */
static void
test_caps (void)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  const BerthCapacity capacity = core_client_slots (10);
  CoreClient clients[] = {
    { .tenant = "two", .memory_mb = 128, .hold_us = SECOND, .backlog = 50 },
    { .tenant = "three", .memory_mb = 256, .hold_us = SECOND, .backlog = 50 },
    { .tenant = "any", .memory_mb = 256, .hold_us = SECOND, .backlog = 50 },
  };

  berth_tenant_policy_set (policy, "two", BERTH_PARTY_MAX_VMS, 2);
  berth_tenant_policy_set (policy, "three", BERTH_PARTY_MEMORY_MB, 800);
  core_clients_run (clients, 3, &capacity, policy, 100 * SECOND, 1);
  g_assert_cmpuint (clients[0].most, ==, 2);
  g_assert_cmpuint (clients[1].most, ==, 3);
  g_assert_cmpuint (clients[2].most, ==, 5);
  g_assert_cmpfloat (clients[0].used, >, 2 * 95);
  g_assert_cmpfloat (clients[1].used, >, 3 * 95);
  g_assert_cmpfloat (clients[2].used, >, 5 * 95);
}

/* after a stretch at its cap a tenant has no claim to more than its part, nor has a newcomer */
static void
test_no_credit_from_a_cap (void)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  const BerthCapacity capacity = core_client_slots (10);
  CoreClient clients[] = {
    { .tenant = "capped", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
    { .tenant = "any", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
    { .tenant = "new", .memory_mb = 256, .hold_us = SECOND, .backlog = 20 },
  };
  g_autoptr (CoreWorld) world = core_world_new (&capacity);

  berth_tenant_policy_set (policy, "capped", BERTH_PARTY_MAX_VMS, 1);
  core_world_set_tenants (world, policy);
  for (guint i = 0; i < 3; i++)
    core_client_start (&clients[i], i);
  while (world->now_us < 1030 * SECOND)
    {
      if (world->now_us == 1000 * SECOND)
        {
          g_autoptr (BerthTenantPolicy) none = berth_tenant_policy_new ();

          core_world_set_tenants (world, none);
          clients[0].used = clients[1].used = 0;
        }
      for (guint i = 0; i < (world->now_us < 1000 * SECOND ? 2 : 3); i++)
        core_client_step (&clients[i], world);
      core_world_advance (world, CORE_CLIENT_STEP_US);
    }
  core_client_assert_ratio (clients[0].used, clients[1].used, 1, 0.15);
  core_client_assert_ratio (clients[2].used, clients[1].used, 1, 0.15);
  for (guint i = 0; i < 3; i++)
    core_client_stop (&clients[i]);
}

/* one that its own cap could never hold is refused at once; one at its cap waits, or is told why */
static void
test_refused_and_waiting (void)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  const BerthCapacity capacity = core_client_slots (10);
  g_autoptr (CoreWorld) world = core_world_new (&capacity);
  guint64 held = 0;
  guint64 waiting = 0;
  guint64 ticket = 0;

  berth_tenant_policy_set (policy, "*", BERTH_PARTY_MAX_VMS, 1);
  berth_tenant_policy_set (policy, "acme", BERTH_PARTY_MEMORY_MB, 512);
  core_world_set_tenants (world, policy);
  ticket = core_world_acquire (world, "acme", 513, FOREVER);
  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_nonnull (strstr (core_world_get_result (world, ticket)->error->message,
                            "may have 512 (tenant_memory_mb)"));
  held = core_world_acquire (world, "acme", 512, FOREVER);
  waiting = core_world_acquire (world, "acme", 256, FOREVER);
  core_world_assert_pending (world, waiting);
  ticket = core_world_acquire (world, "acme", 256, BERTH_REQUEST_NO_WAIT);
  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  g_assert_nonnull (strstr (core_world_get_result (world, ticket)->error->message,
                            "its tenant has 1 of its 1 VMs (tenant_max_vms), 1 request waits"));
  core_world_get_vm (world, core_world_acquire (world, "other", 256, BERTH_REQUEST_NO_WAIT));
  core_world_get_vm (world, core_world_acquire (world, NULL, 256, BERTH_REQUEST_NO_WAIT));
  /* of the memory that is left: what waits for its own cap takes nothing of it */
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 6);
  core_world_destroy (world, core_world_get_vm (world, held));
  core_world_get_vm (world, waiting);
}

/* a lower cap ends nobody; who waits for what it could never hold is refused */
static void
test_policy_changes (void)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  const BerthCapacity capacity = core_client_slots (3);
  g_autoptr (CoreWorld) world = core_world_new (&capacity);
  guint64 held[3] = { 0 };
  guint64 big = 0;
  guint64 small = 0;

  for (guint i = 0; i < 3; i++)
    held[i] = core_world_acquire (world, "acme", 128, FOREVER);
  big = core_world_acquire (world, "acme", 600, FOREVER);
  small = core_world_acquire (world, "acme", 128, FOREVER);
  berth_tenant_policy_set (policy, "acme", BERTH_PARTY_MAX_VMS, 1);
  berth_tenant_policy_set (policy, "acme", BERTH_PARTY_MEMORY_MB, 256);
  core_world_set_tenants (world, policy);
  core_world_assert_error (world, big, BERTH_ERROR, BERTH_ERROR_INVALID);
  core_world_destroy (world, core_world_get_vm (world, held[0]));
  core_world_destroy (world, core_world_get_vm (world, held[1]));
  core_world_assert_pending (world, small);
  core_world_destroy (world, core_world_get_vm (world, held[2]));
  core_world_get_vm (world, small);
}

/* of a tenant's own requests, smaller ones pass one that its cap holds back, until that is old */
static void
test_big_behind_its_cap (void)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  const BerthCapacity capacity = core_client_slots (10);
  g_autoptr (CoreWorld) world = core_world_new (&capacity);
  guint64 held = 0;
  guint64 big = 0;
  guint64 passing = 0;
  guint64 late = 0;

  berth_tenant_policy_set (policy, "acme", BERTH_PARTY_MEMORY_MB, 512);
  core_world_set_tenants (world, policy);
  held = core_world_acquire (world, "acme", 300, FOREVER);
  big = core_world_acquire (world, "acme", 400, FOREVER);
  passing = core_world_acquire (world, "acme", 128, FOREVER);
  core_world_get_vm (world, passing);
  core_world_advance (world, 30 * SECOND);
  core_world_destroy (world, core_world_get_vm (world, passing));
  late = core_world_acquire (world, "acme", 128, FOREVER);
  core_world_assert_pending (world, late);
  core_world_get_vm (world, core_world_acquire (world, "other", 2000, FOREVER));
  core_world_destroy (world, core_world_get_vm (world, held));
  core_world_get_vm (world, big);
  core_world_assert_pending (world, late);
}

/* who waits for its own dying VM keeps idle nothing that is free */
static void
test_waiting_for_its_own (void)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  BerthCapacity capacity = core_client_slots (3);
  g_autoptr (CoreWorld) world = NULL;
  guint64 held = 0;
  guint64 waiting = 0;

  capacity.memory_mb = 512;
  world = core_world_new (&capacity);
  berth_tenant_policy_set (policy, "capped", BERTH_PARTY_MAX_VMS, 1);
  core_world_set_tenants (world, policy);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, SECOND);
  held = core_world_acquire (world, "capped", 128, FOREVER);
  core_world_get_vm (world, core_world_acquire (world, "other", 128, FOREVER));
  waiting = core_world_acquire (world, "capped", 256, FOREVER);
  core_world_destroy (world, core_world_get_vm (world, held));
  core_world_get_vm (world, core_world_acquire (world, "other", 256, FOREVER));
  core_world_assert_pending (world, waiting);
}

static guint64
acquire_vcpus (CoreWorld *world, const char *tenant, guint memory_mb, guint vcpus)
{
  g_autoptr (BerthRequest) request = berth_request_new (
      BERTH_SHAPE ("python", memory_mb, vcpus), tenant, NULL, 1000, FOREVER, NULL, NULL, NULL);

  return core_world_acquire_request (world, request);
}

/* one that may pass its tenant's first, whose place is on its way, is kept for like any other when
 * it is old and only vCPUs lack */
static void
test_old_behind_its_own (void)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  const BerthCapacity capacity = { 4, 512, 4, 4, 0, G_TIME_SPAN_SECOND / 10 };
  g_autoptr (CoreWorld) world = core_world_new (&capacity);
  guint64 held = 0;
  guint64 waiting = 0;
  guint64 wide = 0;
  guint64 late = 0;

  berth_tenant_policy_set (policy, "capped", BERTH_PARTY_MEMORY_MB, 384);
  berth_tenant_policy_set (policy, "capped", BERTH_PARTY_WEIGHT, 1000); /* it is its turn */
  core_world_set_tenants (world, policy);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, SECOND);
  held = acquire_vcpus (world, "capped", 256, 1);
  core_world_get_vm (world, acquire_vcpus (world, "other", 128, 1));
  waiting = acquire_vcpus (world, "capped", 256, 2);
  wide = acquire_vcpus (world, "capped", 128, 3);
  core_world_advance (world, SECOND);
  core_world_destroy (world, core_world_get_vm (world, held));
  late = acquire_vcpus (world, "other", 128, 1);
  core_world_assert_pending (world, waiting);
  core_world_advance (world, SECOND);
  core_world_assert_pending (world, wide);
  core_world_destroy (world, core_world_get_vm (world, waiting));
  core_world_advance (world, SECOND);
  core_world_get_vm (world, wide);
  core_world_assert_pending (world, late);
}

/* its own dying VM is a place on its way: it need not wait for another */
static void
test_no_wait_at_its_cap (void)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  const BerthCapacity capacity = core_client_slots (1);
  g_autoptr (CoreWorld) world = core_world_new (&capacity);
  guint64 held = 0;
  guint64 next = 0;

  berth_tenant_policy_set (policy, "*", BERTH_PARTY_MAX_VMS, 1);
  core_world_set_tenants (world, policy);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, SECOND);
  held = core_world_acquire (world, "capped", 128, FOREVER);
  core_world_destroy (world, core_world_get_vm (world, held));
  next = core_world_acquire (world, "capped", 128, BERTH_REQUEST_NO_WAIT);
  core_world_assert_pending (world, next);
  core_world_advance (world, SECOND);
  core_world_get_vm (world, next);
}

/* a request that does not fit costs its tenant nothing: a smaller one of it is next */
static void
test_not_served_is_not_charged (void)
{
  BerthCapacity capacity = core_client_slots (3);
  g_autoptr (CoreWorld) world = NULL;
  guint64 other = 0;
  guint64 small = 0;
  guint64 behind = 0;

  capacity.memory_mb = 1024;
  world = core_world_new (&capacity);
  core_world_acquire (world, "x", 600, FOREVER);
  core_world_acquire (world, "b", 128, FOREVER);
  other = core_world_acquire (world, "y", 128, FOREVER);
  core_world_assert_pending (world, core_world_acquire (world, "a", 700, FOREVER));
  behind = core_world_acquire (world, "b", 128, FOREVER);
  small = core_world_acquire (world, "a", 128, FOREVER);
  core_world_destroy (world, core_world_get_vm (world, other));
  core_world_get_vm (world, small);
  core_world_assert_pending (world, behind);
}

static BerthVm *
adopt (CoreWorld *world, const char *id)
{
  g_autoptr (BerthRequest) request = berth_request_new (BERTH_SHAPE ("python", 128, 1), "acme",
                                                        NULL, 1000, FOREVER, NULL, NULL, NULL);
  BerthVm *vm = berth_vm_new_adopted (id, BERTH_SHAPE ("python", 128, 1), NULL, 0);
  BerthMessage message = { .type = BERTH_MESSAGE_ADOPT, .vm = vm, .request = request };

  core_world_send (world, &message);
  return vm;
}

/* VMs of an earlier berthd are their tenant's, even beyond its cap and the capacity */
static void
test_adopted (void)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  const BerthCapacity capacity = core_client_slots (2);
  g_autoptr (CoreWorld) world = core_world_new (&capacity);
  g_autoptr (BerthVm) first = NULL;
  g_autoptr (BerthVm) second = NULL;
  g_autoptr (BerthVm) third = NULL;
  guint64 capped = 0;
  guint64 other = 0;

  berth_tenant_policy_set (policy, "acme", BERTH_PARTY_MAX_VMS, 1);
  core_world_set_tenants (world, policy);
  first = adopt (world, "00000000000000000000000000000001");
  second = adopt (world, "00000000000000000000000000000002");
  third = adopt (world, "00000000000000000000000000000003");
  capped = core_world_acquire (world, "acme", 128, FOREVER);
  other = core_world_acquire (world, "other", 128, FOREVER);
  core_world_destroy (world, first);
  core_world_assert_pending (world, other);
  core_world_destroy (world, second);
  core_world_get_vm (world, other);
  core_world_assert_pending (world, capped);
  core_world_destroy (world, third);
  core_world_get_vm (world, capped);
}

/* the queue's bound meets who fills it */
static void
test_full_queue (void)
{
  BerthCapacity capacity = core_client_slots (1);
  g_autoptr (CoreWorld) world = NULL;
  guint64 greedy[4] = { 0 };
  guint64 modest = 0;

  capacity.max_waiters = 3;
  world = core_world_new (&capacity);
  for (guint i = 0; i < 4; i++)
    greedy[i] = core_world_acquire (world, "greedy", 128, FOREVER);
  modest = core_world_acquire (world, "modest", 128, FOREVER);
  core_world_assert_pending (world, modest);
  core_world_assert_error (world, greedy[3], BERTH_ERROR, BERTH_ERROR_QUEUE_FULL);
  core_world_assert_pending (world, greedy[2]);
}

/* messages while 10,000 wait: of one tenant, of many, and of one at its cap before the others */
static void
time_long_queue (guint n_tenants, BerthTenantPolicy *policy)
{
  g_autoptr (BerthAdmission) core = NULL;
  g_autoptr (GPtrArray) effects
      = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_effect_free);
  g_autoptr (GTimer) timer = g_timer_new ();
  const BerthCapacity capacity = core_client_slots (100);
  BerthMessage message = { .type = BERTH_MESSAGE_SET_TENANTS, .policy = policy };
  double filling = 0;
  guint n_served = 0;

  core = berth_admission_new (&capacity);
  berth_admission_handle (core, &message, 0, effects);
  for (guint i = 0; i < 10100; i++)
    {
      g_autofree char *name = g_strdup_printf ("t%u", i % n_tenants);
      g_autoptr (BerthRequest) request = berth_request_new (
          BERTH_SHAPE (i % 3 == 0 ? "python" : "shell", i % 2 == 0 ? 128 : 256, 1), name, NULL, 0,
          FOREVER, NULL, NULL, NULL);

      message = (BerthMessage){ .type = BERTH_MESSAGE_ACQUIRE, .ticket = i + 1 };
      message.request = request;
      berth_admission_handle (core, &message, i, effects);
    }
  filling = g_timer_elapsed (timer, NULL);
  g_timer_start (timer);
  for (guint i = 0; i < effects->len; i++)
    {
      BerthEffect *effect = effects->pdata[i];

      if (effect->type != BERTH_EFFECT_START || n_served == 300)
        continue;
      message = (BerthMessage){ .type = BERTH_MESSAGE_EVENT, .event = BERTH_HYPERVISOR_GONE };
      message.vm = g_object_ref (effect->vm);
      n_served++;
      berth_admission_handle (core, &message, 20000 + i, effects);
      g_object_unref (message.vm);
    }
  g_test_message ("%u tenants: %.1f us to join, %.1f us to end and serve", n_tenants,
                  filling * 1e6 / 10100, g_timer_elapsed (timer, NULL) * 1e6 / n_served);
  g_assert_cmpuint (n_served, ==, 300);
  g_assert_cmpfloat (g_timer_elapsed (timer, NULL) + filling, <, 20);
}

static void
test_long_queue (void)
{
  g_autoptr (BerthTenantPolicy) none = berth_tenant_policy_new ();
  g_autoptr (BerthTenantPolicy) capped = berth_tenant_policy_new ();

  berth_tenant_policy_set (capped, "t0", BERTH_PARTY_MAX_VMS, 5);
  berth_tenant_policy_set (capped, "t0", BERTH_PARTY_WEIGHT, 1000);
  berth_tenant_policy_set (capped, "t1", BERTH_PARTY_MEMORY_MB, 1000);
  time_long_queue (1, none);
  time_long_queue (10, none);
  time_long_queue (10, capped);
  time_long_queue (10100, none);
}

static guint
find_position (GVariant *waiters, const char *wanted_task)
{
  for (gsize i = 0; i < g_variant_n_children (waiters); i++)
    {
      g_autoptr (GVariant) waiter = g_variant_get_child_value (waiters, i);
      const char *task = NULL;
      guint position = 0;

      g_assert_true (g_variant_lookup (waiter, "position", "u", &position));
      if (g_variant_lookup (waiter, "task", "&s", &task) && g_str_equal (task, wanted_task))
        return position;
    }
  return 0;
}

/* A status tells how many wait, and of a long queue the first ones; where one waits that is asked
 * about is what the status tells. */
static void
test_long_queue_is_told (void)
{
  const BerthCapacity capacity = core_client_slots (1);
  g_autoptr (CoreWorld) world = core_world_new (&capacity);
  g_autoptr (BerthRequest) middle = berth_request_new (BERTH_SHAPE ("python", 128, 1), "b",
                                                       "middle", 1000, FOREVER, NULL, NULL, NULL);
  g_autoptr (BerthRequest) last = berth_request_new (BERTH_SHAPE ("python", 128, 1), "b", "last",
                                                     1000, FOREVER, NULL, NULL, NULL);
  g_autoptr (GVariant) status = NULL;
  g_autoptr (GVariant) waiters = NULL;
  guint n_waiting = 0;

  for (guint i = 0; i < BERTH_STATUS_MAX_WAITERS; i++)
    {
      core_world_acquire (world, i % 3 == 0 ? "b" : "a", 128, FOREVER);
      if (i == BERTH_STATUS_MAX_WAITERS / 2)
        core_world_acquire_request (world, middle);
    }
  core_world_acquire_request (world, last);
  status = berth_admission_dup_status (world->core, world->now_us);
  waiters = g_variant_lookup_value (status, "waiters", G_VARIANT_TYPE ("aa{sv}"));
  g_assert_true (g_variant_lookup (status, "n_waiting", "u", &n_waiting));
  g_assert_cmpuint (n_waiting, ==, BERTH_STATUS_MAX_WAITERS + 1); /* one of them all runs */
  g_assert_cmpuint (g_variant_n_children (waiters), ==, BERTH_STATUS_MAX_WAITERS);
  g_assert_cmpuint (find_position (waiters, "middle"), >, BERTH_STATUS_MAX_WAITERS / 4);
  g_assert_cmpuint (berth_admission_get_position (world->core, middle, world->now_us), ==,
                    find_position (waiters, "middle"));
  g_assert_cmpuint (berth_admission_get_position (world->core, last, world->now_us), >,
                    find_position (waiters, "middle"));
}

#define ADD(name, func) g_test_add_func ("/fairness/" name, func)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("5-greedy-and-modest", test_greedy_and_modest);
  ADD ("5-greedy-for-long-and-modest", test_greedy_for_long_and_modest);
  ADD ("5-weights", test_weights);
  ADD ("5-long-and-large", test_long_and_large);
  ADD ("5-big-is-not-starved", test_big_is_not_starved);
  ADD ("5-caps", test_caps);
  ADD ("5-no-credit-from-a-cap", test_no_credit_from_a_cap);
  ADD ("5-refused-and-waiting", test_refused_and_waiting);
  ADD ("5-policy-changes", test_policy_changes);
  ADD ("5-big-behind-its-cap", test_big_behind_its_cap);
  ADD ("5-waiting-for-its-own", test_waiting_for_its_own);
  ADD ("5-old-behind-its-own", test_old_behind_its_own);
  ADD ("5-no-wait-at-its-cap", test_no_wait_at_its_cap);
  ADD ("5-not-served-is-not-charged", test_not_served_is_not_charged);
  ADD ("5-adopted", test_adopted);
  ADD ("5-full-queue", test_full_queue);
  ADD ("long-queue", test_long_queue);
  ADD ("long-queue-is-told", test_long_queue_is_told);
  return g_test_run ();
}

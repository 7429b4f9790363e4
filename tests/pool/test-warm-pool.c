/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves the warm pool inside admission: hits, misses, eviction, refill, rotation, pressure. */
#include <gio/gio.h>

#include "core-world.h"

#define SECOND G_TIME_SPAN_SECOND
#define MS G_TIME_SPAN_MILLISECOND
#define FOREVER BERTH_REQUEST_WAIT_FOREVER
#define NO_WAIT BERTH_REQUEST_NO_WAIT

static const BerthCapacity four_vms = {
  .max_vms = 4,
  .memory_mb = 2048,
  .vcpus = 4,
  .max_starts = 4,
  .big_request_age_us = 30 * SECOND,
};

static const BerthWarmTarget one = { .min = 1, .memory_mb = 192, .vcpus = 1 };
static const BerthWarmTarget two = { .min = 2, .memory_mb = 192, .vcpus = 1 };
static const BerthWarmTarget none = { 0 };

static CoreWorld *
new_world (guint max_vms)
{
  BerthCapacity capacity = four_vms;
  CoreWorld *world = NULL;

  capacity.max_vms = max_vms;
  world = core_world_new (&capacity);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_START, SECOND);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_CLAIM, MS);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, 200 * MS);
  return world;
}

static guint64
acquire (CoreWorld *world, const char *template_name, guint memory_mb, gint64 wait_us)
{
  g_autoptr (BerthRequest) request = berth_request_new (BERTH_SHAPE (template_name, memory_mb, 1),
                                                        NULL, NULL, 0, wait_us, NULL, NULL, NULL);

  return core_world_acquire_request (world, request);
}

static guint
count_starts (CoreWorld *world)
{
  return berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_START);
}

static guint
count_idle (CoreWorld *world)
{
  return core_world_get_number (world, "slots", "warm");
}

static void
test_hit (void)
{
  g_autoptr (CoreWorld) world = new_world (4);
  guint64 ticket = 0;
  BerthVm *vm = NULL;

  core_world_set_warm (world, "python", &one);
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 4);
  core_world_advance (world, SECOND);
  g_assert_cmpuint (count_idle (world), ==, 1);
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 4);
  g_assert_cmpuint (core_world_get_number (world, "vcpus", "held"), ==, 0);
  g_assert_cmpuint (core_world_get_number (world, "memory_mb", "held"), ==, 192);

  ticket = acquire (world, "python", 192, FOREVER);
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 3);
  core_world_advance (world, MS);
  vm = core_world_get_vm (world, ticket);
  g_assert_true (berth_vm_was_warm (vm));
  g_assert_cmpint (berth_vm_get_admitted_us (vm), ==, SECOND);
  /* its program has the host's CPUs first */
  g_assert_cmpuint (core_world_get_number (world, "slots", "starting"), ==, 0);
  core_world_advance (world, SECOND / 4);
  g_assert_cmpuint (core_world_get_number (world, "slots", "starting"), ==, 1);
  core_world_advance (world, SECOND);
  g_assert_cmpuint (count_idle (world), ==, 1); /* refilled */
  core_world_destroy (world, vm);
  core_world_advance (world, SECOND);
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 4);
}

/* 4: who asks how things are must not take a wake-up with it */
static void
test_status_loses_no_wakeup (void)
{
  g_autoptr (CoreWorld) world = new_world (4);
  g_autoptr (GVariant) status = NULL;
  gint64 later_us;

  core_world_set_warm (world, "python", &one);
  core_world_advance (world, SECOND);
  acquire (world, "python", 192, FOREVER);
  core_world_advance (world, MS);
  later_us = world->now_us + SECOND;
  g_assert_cmpint (berth_admission_next_wakeup_us (world->core), <, later_us); /* the refill */
  status = berth_admission_dup_status (world->core, later_us);
  g_assert_cmpint (berth_admission_next_wakeup_us (world->core), <, later_us);
}

/* 7: only what is exactly asked for */
static void
test_serves_only_its_shape (void)
{
  g_autoptr (CoreWorld) world = new_world (4);
  guint64 other = 0;
  guint64 bigger = 0;

  core_world_set_warm (world, "python", &one);
  core_world_advance (world, SECOND);
  other = acquire (world, "shell", 192, FOREVER);
  bigger = acquire (world, "python", 256, FOREVER);
  core_world_advance (world, SECOND);
  g_assert_false (berth_vm_was_warm (core_world_get_vm (world, other)));
  g_assert_false (berth_vm_was_warm (core_world_get_vm (world, bigger)));
  g_assert_cmpuint (count_idle (world), ==, 1);
}

/* 4: it does not wait while an idle VM of another template holds the slot */
static void
test_evicts_for_a_waiter (void)
{
  g_autoptr (CoreWorld) world = new_world (2);
  guint64 first = 0;
  guint64 second = 0;
  guint64 third = 0;

  core_world_set_warm (world, "python", &two);
  core_world_advance (world, 2 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 2);
  first = acquire (world, "shell", 192, NO_WAIT);
  core_world_assert_pending (world, first);
  g_assert_cmpuint (count_idle (world), ==, 1); /* no more than is needed */
  second = acquire (world, "shell", 192, NO_WAIT);
  third = acquire (world, "shell", 192, NO_WAIT);
  core_world_assert_error (world, third, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  core_world_advance (world, 1200 * MS);
  core_world_get_vm (world, first);
  core_world_get_vm (world, second);
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 0);
}

/* as many as it takes, and none where all of them were not enough */
static void
test_evicts_for_memory (void)
{
  const BerthWarmTarget three = { .min = 3, .memory_mb = 512, .vcpus = 1 };
  g_autoptr (CoreWorld) world = new_world (4);
  guint64 holder = acquire (world, "shell", 256, FOREVER);
  guint64 big = 0;
  guint64 huge = 0;

  core_world_set_warm (world, "python", &three);
  core_world_advance (world, 4 * SECOND);
  core_world_get_vm (world, holder);
  g_assert_cmpuint (count_idle (world), ==, 3);
  huge = acquire (world, "shell", 2000, 10 * MS);
  g_assert_cmpuint (count_idle (world), ==, 3);
  core_world_advance (world, 10 * MS);
  core_world_assert_error (world, huge, BERTH_ERROR, BERTH_ERROR_WAIT_TIMED_OUT);
  big = acquire (world, "shell", 1000, FOREVER);
  g_assert_cmpuint (count_idle (world), ==, 1);
  core_world_advance (world, 1200 * MS);
  core_world_get_vm (world, big);
}

static void
test_evicts_the_least_wanted (void)
{
  g_autoptr (CoreWorld) world = new_world (4);
  guint64 ticket = 0;

  core_world_set_warm (world, "python", &one);
  core_world_set_warm (world, "javascript", &one);
  core_world_advance (world, 2 * SECOND);
  for (guint i = 0; i < 3; i++)
    {
      ticket = acquire (world, "javascript", 192, FOREVER);
      core_world_advance (world, SECOND);
      core_world_destroy (world, core_world_get_vm (world, ticket));
      core_world_advance (world, 2 * SECOND);
    }
  g_assert_cmpuint (count_idle (world), ==, 2);
  acquire (world, "shell", 192, FOREVER);
  acquire (world, "shell", 192, FOREVER);
  g_assert_cmpuint (count_idle (world), ==, 2);
  acquire (world, "shell", 192, FOREVER);
  g_assert_cmpuint (core_world_get_template_number (world, "python", "warm"), ==, 0);
  g_assert_cmpuint (core_world_get_template_number (world, "javascript", "warm"), ==, 1);
  core_world_advance (world, 2 * SECOND);
}

/* 4: a refill under way makes room, too; and one that is for the waiter is waited for */
static void
test_refill_gives_way (void)
{
  g_autoptr (CoreWorld) world = new_world (1);
  guint64 ticket = 0;

  core_world_set_warm (world, "python", &one);
  core_world_advance (world, 500 * MS);
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 1);
  ticket = acquire (world, "shell", 192, NO_WAIT);
  core_world_advance (world, 1200 * MS);
  core_world_destroy (world, core_world_get_vm (world, ticket));
  core_world_advance (world, 700 * MS); /* gone after 200, then a refill began */
  g_assert_cmpuint (core_world_get_template_number (world, "python", "refilling"), ==, 1);
  ticket = acquire (world, "python", 192, NO_WAIT);
  g_assert_cmpuint (count_starts (world), ==, 3);
  core_world_advance (world, 501 * MS);
  g_assert_true (berth_vm_was_warm (core_world_get_vm (world, ticket)));
  g_assert_cmpuint (count_starts (world), ==, 3);
}

/* one refill is one waiter's */
static void
test_refill_is_promised_once (void)
{
  g_autoptr (CoreWorld) world = new_world (1);
  guint64 first = 0;
  guint64 second = 0;

  core_world_set_warm (world, "python", &one);
  first = acquire (world, "python", 192, NO_WAIT);
  second = acquire (world, "python", 192, NO_WAIT);
  core_world_assert_error (world, second, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  core_world_advance (world, SECOND + MS);
  g_assert_true (berth_vm_was_warm (core_world_get_vm (world, first)));
}

/* 4: what a refill held is given on when it is not wanted any more, not only when it is gone */
static void
test_useless_refill_makes_room (void)
{
  BerthCapacity capacity = four_vms;
  g_autoptr (CoreWorld) world = new_world (4);
  guint64 ticket = 0;

  capacity.vcpus = 1;
  core_world_resize (world, &capacity);
  core_world_set_warm (world, "python", &one);
  ticket = acquire (world, "python", 192, FOREVER);
  g_assert_cmpuint (count_starts (world), ==, 1);
  core_world_set_warm (world, "python", &none);
  g_assert_cmpuint (count_starts (world), ==, 2);
  core_world_advance (world, SECOND);
  core_world_get_vm (world, ticket);
}

/* 4: nobody is passed by a refill, and refills leave starts to requests */
static void
test_refill_never_first (void)
{
  BerthCapacity capacity = four_vms;
  g_autoptr (CoreWorld) world = new_world (2);
  guint64 held[2] = { 0 };
  guint64 waiting = 0;

  held[0] = acquire (world, "shell", 192, FOREVER);
  held[1] = acquire (world, "shell", 192, FOREVER);
  waiting = acquire (world, "shell", 192, FOREVER);
  core_world_set_warm (world, "python", &two);
  core_world_advance (world, SECOND);
  core_world_destroy (world, core_world_get_vm (world, held[0]));
  core_world_advance (world, 1200 * MS);
  core_world_get_vm (world, waiting);
  g_assert_cmpuint (count_starts (world), ==, 3);

  core_world_resize (world, &capacity);
  g_assert_cmpuint (core_world_get_template_number (world, "python", "refilling"), ==, 2);
  acquire (world, "shell", 192, FOREVER);
  core_world_advance (world, 5 * SECOND);
}

static void
test_refills_are_bounded (void)
{
  const BerthWarmTarget four = { .min = 4, .memory_mb = 192, .vcpus = 1 };
  g_autoptr (CoreWorld) world = new_world (4);

  core_world_set_warm (world, "python", &four);
  g_assert_cmpuint (core_world_get_template_number (world, "python", "refilling"), ==, 2);
  core_world_advance (world, SECOND);
  g_assert_cmpuint (count_idle (world), ==, 2);
  core_world_advance (world, SECOND);
  g_assert_cmpuint (count_idle (world), ==, 4);
  g_assert_cmpuint (count_starts (world), ==, 4);
}

static void
claims_fail_script (BerthFakeCall call, BerthVm *vm, BerthFakePlan *plan, gpointer user_data)
{
  guint *left = user_data;

  if (call != BERTH_FAKE_CLAIM || *left == 0)
    return;
  (*left)--;
  plan->fail_step = "claim";
  plan->fail_code = BERTH_ERROR_INTERNAL;
}

/* 7: a dead warm VM is nobody's trouble: the next one is used, without a second wait */
static void
test_failed_claim (void)
{
  g_autoptr (CoreWorld) world = new_world (2);
  guint failures = 1;
  guint64 ticket = 0;
  CoreResult *result = NULL;

  core_world_set_warm (world, "python", &two);
  core_world_advance (world, 2 * SECOND);
  berth_fake_hypervisor_set_script (world->fake, claims_fail_script, &failures);
  ticket = acquire (world, "python", 192, FOREVER);
  core_world_advance (world, 2 * MS);
  result = core_world_get_result (world, ticket);
  g_assert_true (berth_vm_was_warm (result->vm));
  g_assert_cmpint (result->at_us, ==, 2 * SECOND + 2 * MS);
  core_world_advance (world, 5 * SECOND);
}

/* nor are two: the third attempt is a start, in a free place at once or in the place that it has */
static void
test_failed_claims_end_in_a_start (void)
{
  for (guint max_vms = 2; max_vms <= 4; max_vms += 2)
    {
      g_autoptr (CoreWorld) world = new_world (max_vms);
      guint failures = 9;
      guint64 ticket = 0;
      CoreResult *result = NULL;

      core_world_set_warm (world, "python", &two);
      core_world_advance (world, 2 * SECOND);
      berth_fake_hypervisor_set_script (world->fake, claims_fail_script, &failures);
      ticket = acquire (world, "python", 192, SECOND);
      core_world_advance (world, 1300 * MS);
      result = core_world_get_result (world, ticket);
      g_assert_false (berth_vm_was_warm (result->vm));
      g_assert_cmpuint (failures, ==, 7);
      g_assert_cmpint (result->at_us, ==, 3 * SECOND + 2 * MS + (max_vms == 2 ? 200 * MS : 0));
      g_assert_cmpuint (core_world_get_template_number (world, "python", "failures"), ==, 2);
    }
}

/* however many there are */
static void
test_last_attempt_is_a_start (void)
{
  const BerthWarmTarget four = { .min = 4, .memory_mb = 192, .vcpus = 1 };
  g_autoptr (CoreWorld) world = new_world (4);
  guint failures = 9;
  guint64 ticket = 0;

  core_world_set_warm (world, "python", &four);
  core_world_advance (world, 3 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 4);
  berth_fake_hypervisor_set_script (world->fake, claims_fail_script, &failures);
  ticket = acquire (world, "python", 192, FOREVER);
  core_world_advance (world, 2 * SECOND);
  g_assert_false (berth_vm_was_warm (core_world_get_vm (world, ticket)));
  core_world_advance (world, SECOND);
}

static void
test_claim_that_is_lost (void)
{
  g_autoptr (CoreWorld) world = new_world (1);
  g_autoptr (GPtrArray) vms = NULL;
  guint64 ticket = 0;

  core_world_set_warm (world, "python", &one);
  core_world_advance (world, SECOND);
  ticket = acquire (world, "python", 192, FOREVER);
  vms = berth_admission_dup_vms (world->core);
  g_assert_cmpint (berth_vm_get_state (vms->pdata[0]), ==, BERTH_VM_STATE_CLAIMED);
  g_assert_true (berth_fake_hypervisor_kill (world->fake, vms->pdata[0]));
  core_world_advance (world, SECOND);
  g_assert_false (berth_vm_was_warm (core_world_get_vm (world, ticket)));
  g_assert_cmpuint (world->gone->len, ==, 0);
}

static void
test_cancel_during_claim (void)
{
  g_autoptr (CoreWorld) world = new_world (1);
  guint64 ticket = 0;

  core_world_set_warm (world, "python", &one);
  core_world_advance (world, SECOND);
  ticket = acquire (world, "python", 192, FOREVER);
  core_world_cancel (world, ticket);
  core_world_assert_error (world, ticket, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  /* 7: what might have seen a tenant is never warm again */
  g_assert_cmpuint (core_world_get_number (world, "slots", "stopping"), ==, 1);
  core_world_advance (world, 3 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 1);
  g_assert_cmpuint (count_starts (world), ==, 2);
}

/* 1: a paused VM uses no vCPU, but to wake it takes one */
static void
test_claim_needs_vcpus (void)
{
  BerthCapacity capacity = four_vms;
  g_autoptr (CoreWorld) world = new_world (4);
  guint64 held = 0;
  guint64 ticket = 0;

  capacity.vcpus = 1;
  core_world_resize (world, &capacity);
  core_world_set_warm (world, "python", &one);
  core_world_advance (world, SECOND);
  held = acquire (world, "shell", 192, FOREVER);
  core_world_advance (world, SECOND);
  ticket = acquire (world, "python", 192, FOREVER);
  core_world_advance (world, SECOND);
  core_world_assert_pending (world, ticket);
  g_assert_cmpuint (count_idle (world), ==, 1); /* to evict it would not help */
  core_world_destroy (world, core_world_get_vm (world, held));
  core_world_advance (world, MS);
  g_assert_true (berth_vm_was_warm (core_world_get_vm (world, ticket)));
}

static void
test_failing_refills_back_off (void)
{
  g_autoptr (CoreWorld) world = new_world (2);
  g_autoptr (GVariant) dict = NULL;
  const char *last_error = NULL;
  guint64 ticket = 0;

  berth_fake_hypervisor_fail_at (world->fake, "agent-hello");
  core_world_set_warm (world, "python", &one);
  core_world_advance (world, 60 * SECOND);
  g_assert_cmpuint (count_starts (world), >=, 4);
  g_assert_cmpuint (count_starts (world), <=, 6);
  dict = core_world_dup_template (world, "python");
  g_assert_true (g_variant_lookup (dict, "last_error", "&s", &last_error));
  g_assert_nonnull (strstr (last_error, "agent-hello"));

  berth_fake_hypervisor_fail_at (world->fake, NULL); /* requests work all the same */
  ticket = acquire (world, "python", 192, FOREVER);
  core_world_advance (world, SECOND);
  core_world_get_vm (world, ticket);
  core_world_tell (world, BERTH_MESSAGE_FILL, "python", FALSE);
  core_world_advance (world, SECOND);
  g_assert_cmpuint (count_idle (world), ==, 1);
  g_assert_cmpuint (core_world_get_template_number (world, "python", "failures"), ==, 0);
}

static void
test_refill_killed_from_outside (void)
{
  g_autoptr (CoreWorld) world = new_world (2);
  g_autoptr (GPtrArray) vms = NULL;

  core_world_set_warm (world, "python", &one);
  vms = berth_admission_dup_vms (world->core);
  g_assert_true (berth_fake_hypervisor_kill (world->fake, vms->pdata[0]));
  core_world_advance (world, 500 * MS);
  g_assert_cmpuint (count_starts (world), ==, 1);
  core_world_advance (world, 2 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 1);
}

static void
test_dead_warm_vm_is_replaced (void)
{
  g_autoptr (CoreWorld) world = new_world (2);
  g_autoptr (GPtrArray) vms = NULL;

  core_world_set_warm (world, "python", &two);
  core_world_advance (world, 2 * SECOND);
  vms = berth_admission_dup_vms (world->core);
  berth_fake_hypervisor_kill (world->fake, vms->pdata[0]);
  berth_fake_hypervisor_say (world->fake, BERTH_HYPERVISOR_FAILED, vms->pdata[1]);
  core_world_advance (world, 10 * MS);
  g_assert_cmpuint (count_idle (world), ==, 0);
  core_world_advance (world, 3 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 2);
  g_assert_cmpuint (world->gone->len, ==, 0); /* nobody had them */
}

static void
test_rotation (void)
{
  const BerthWarmTarget target
      = { .min = 3, .memory_mb = 192, .vcpus = 1, .max_idle_us = 100 * SECOND };
  g_autoptr (CoreWorld) world = new_world (4);
  g_autoptr (GPtrArray) before = NULL;

  core_world_set_warm (world, "python", &target);
  core_world_advance (world, 4 * SECOND);
  before = berth_admission_dup_vms (world->core);
  g_assert_cmpuint (before->len, ==, 3);
  for (guint i = 0; i < 20 * 60; i++)
    {
      core_world_advance (world, 100 * MS);
      g_assert_cmpuint (count_idle (world), >=, 2); /* one at a time */
    }
  for (guint i = 0; i < before->len; i++)
    g_assert_cmpint (berth_vm_get_state (before->pdata[i]), ==, BERTH_VM_STATE_GONE);
  g_assert_cmpuint (count_idle (world), ==, 3);
  g_assert_cmpuint (count_starts (world), ==, 6);
}

/* an outdated VM is given to nobody, be it idle or on its way */
static void
test_template_changed (void)
{
  g_autoptr (CoreWorld) world = new_world (4);
  g_autoptr (GPtrArray) before = NULL;
  guint64 ticket = 0;

  core_world_set_warm (world, "python", &one);
  core_world_advance (world, SECOND);
  core_world_set_warm (world, "python", &two);
  before = berth_admission_dup_vms (world->core);
  g_assert_cmpuint (before->len, ==, 2);
  core_world_tell (world, BERTH_MESSAGE_TEMPLATE_CHANGED, "python", FALSE);
  ticket = acquire (world, "python", 192, FOREVER);
  core_world_advance (world, 3 * SECOND);
  core_world_get_vm (world, ticket);
  for (guint i = 0; i < before->len; i++)
    g_assert_cmpint (berth_vm_get_state (before->pdata[i]), ==, BERTH_VM_STATE_GONE);
  core_world_advance (world, 3 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 2);
}

/* nor is it in the moment in which the gate opens */
static void
test_template_changed_behind_the_gate (void)
{
  g_autoptr (CoreWorld) world = new_world (4);
  guint64 ticket = 0;

  core_world_set_warm (world, "python", &one);
  core_world_advance (world, SECOND);
  core_world_set_open (world, FALSE);
  core_world_tell (world, BERTH_MESSAGE_TEMPLATE_CHANGED, "python", FALSE);
  ticket = acquire (world, "python", 192, FOREVER);
  core_world_set_open (world, TRUE);
  core_world_advance (world, SECOND);
  g_assert_false (berth_vm_was_warm (core_world_get_vm (world, ticket)));
  core_world_advance (world, 2 * SECOND);
}

static void
test_target_changes (void)
{
  const BerthWarmTarget other = { .min = 1, .memory_mb = 256, .vcpus = 1 };
  g_autoptr (CoreWorld) world = new_world (4);

  core_world_set_warm (world, "python", &two);
  core_world_advance (world, SECOND);
  g_assert_cmpuint (count_idle (world), ==, 2);
  core_world_set_warm (world, "python", &one);
  g_assert_cmpuint (count_idle (world), ==, 1);
  core_world_set_warm (world, "python", &other); /* its size, too */
  core_world_advance (world, 2 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 1);
  g_assert_cmpuint (core_world_get_number (world, "memory_mb", "held"), ==, 256);
  core_world_set_warm (world, "python", &none);
  core_world_advance (world, 2 * SECOND);
  g_assert_cmpuint (core_world_get_number (world, "memory_mb", "held"), ==, 0);
}

static void
test_drain_and_fill (void)
{
  g_autoptr (CoreWorld) world = new_world (4);

  core_world_set_warm (world, "python", &one);
  core_world_set_warm (world, "shell", &two);
  core_world_advance (world, SECOND);
  core_world_tell (world, BERTH_MESSAGE_DRAIN, NULL, FALSE);
  core_world_advance (world, 10 * SECOND);
  g_assert_cmpuint (berth_fake_hypervisor_count_domains (world->fake), ==, 0);
  core_world_tell (world, BERTH_MESSAGE_FILL, "python", FALSE);
  core_world_advance (world, 10 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 1);
  core_world_tell (world, BERTH_MESSAGE_FILL, NULL, FALSE);
  core_world_advance (world, 10 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 3);
}

/* None stands by nor comes while nobody may have it, and a pool that was drained for itself stays
 * so. */
static void
test_drained_host (void)
{
  g_autoptr (CoreWorld) world = new_world (4);

  core_world_set_warm (world, "python", &one);
  core_world_set_warm (world, "shell", &two);
  core_world_advance (world, SECOND);
  core_world_tell (world, BERTH_MESSAGE_DRAIN, "python", FALSE);
  core_world_set_admitting (world, FALSE);
  core_world_advance (world, 10 * SECOND);
  g_assert_cmpuint (berth_fake_hypervisor_count_domains (world->fake), ==, 0);
  core_world_set_admitting (world, TRUE);
  core_world_advance (world, 10 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 2);
}

/* warm VMs go one by one, requests are still served, and all comes back after it */
static void
test_pressure (void)
{
  g_autoptr (CoreWorld) world = new_world (4);
  guint64 ticket = 0;

  core_world_set_warm (world, "python", &two);
  core_world_set_warm (world, "shell", &one);
  core_world_advance (world, 3 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 3);
  core_world_tell (world, BERTH_MESSAGE_SET_PRESSURE, NULL, TRUE);
  g_assert_cmpuint (count_idle (world), ==, 2);
  core_world_advance (world, SECOND);
  g_assert_cmpuint (count_idle (world), ==, 1);
  core_world_advance (world, 100 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 0);
  ticket = acquire (world, "python", 192, NO_WAIT);
  core_world_advance (world, SECOND);
  core_world_destroy (world, core_world_get_vm (world, ticket));
  core_world_advance (world, SECOND);
  g_assert_cmpuint (berth_fake_hypervisor_count_domains (world->fake), ==, 0);
  core_world_tell (world, BERTH_MESSAGE_SET_PRESSURE, NULL, FALSE);
  core_world_advance (world, 3 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 3);
}

/* 1: a smaller capacity takes warm VMs first */
static void
test_resize_takes_warm_first (void)
{
  BerthCapacity capacity = four_vms;
  g_autoptr (CoreWorld) world = new_world (4);
  guint64 ticket = acquire (world, "shell", 192, FOREVER);

  core_world_set_warm (world, "python", &two);
  core_world_advance (world, 3 * SECOND);
  capacity.max_vms = 2;
  core_world_resize (world, &capacity);
  core_world_advance (world, SECOND);
  g_assert_cmpuint (count_idle (world), ==, 1);
  g_assert_cmpuint (berth_fake_hypervisor_count_domains (world->fake), ==, 2);
  core_world_get_vm (world, ticket);
}

static void
test_gate_keeps_warm_vms (void)
{
  g_autoptr (CoreWorld) world = new_world (4);
  guint64 ticket = 0;

  core_world_set_warm (world, "python", &one);
  core_world_advance (world, SECOND);
  core_world_set_open (world, FALSE);
  core_world_set_warm (world, "python", &two);
  ticket = acquire (world, "python", 192, FOREVER);
  core_world_advance (world, 100 * SECOND);
  core_world_assert_pending (world, ticket);
  g_assert_cmpuint (berth_fake_hypervisor_count_domains (world->fake), ==, 1);
  core_world_set_open (world, TRUE);
  core_world_advance (world, MS);
  g_assert_true (berth_vm_was_warm (core_world_get_vm (world, ticket)));
  core_world_advance (world, 3 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 2);
}

/* after a burst the pool shrinks again */
static void
test_automatic_target (void)
{
  const BerthWarmTarget range = { .min = 0, .max = 3, .memory_mb = 192, .vcpus = 1 };
  g_autoptr (CoreWorld) world = new_world (4);

  core_world_set_warm (world, "python", &range);
  core_world_advance (world, SECOND);
  g_assert_cmpuint (count_idle (world), ==, 0);
  for (guint i = 0; i < 300; i++)
    {
      guint64 ticket = acquire (world, "python", 192, FOREVER);

      core_world_advance (world, 1500 * MS);
      core_world_destroy (world, core_world_get_vm (world, ticket));
      core_world_advance (world, 500 * MS);
    }
  g_assert_cmpuint (core_world_get_template_number (world, "python", "target"), ==, 1);
  g_assert_cmpuint (count_idle (world), ==, 1);
  core_world_advance (world, 1200 * SECOND);
  g_assert_cmpuint (core_world_get_template_number (world, "python", "target"), ==, 0);
  g_assert_cmpuint (count_idle (world), ==, 0);
}

/* 4: three templates want warm VMs in two slots, and every request of each is served in turn */
static void
test_three_templates_two_slots (void)
{
  static const char *const names[] = { "python", "javascript", "shell" };
  g_autoptr (CoreWorld) world = new_world (2);
  g_autoptr (GArray) tickets = g_array_new (FALSE, FALSE, sizeof (guint64));
  guint served = 0;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    core_world_set_warm (world, names[i], &one);
  for (guint round = 0; round < 400; round++)
    {
      guint64 ticket = acquire (world, names[(round * 7 / 3) % 3], 192, FOREVER);

      g_array_append_val (tickets, ticket);
      core_world_advance (world, 1700 * MS);
      /* each is there after at most one eviction, one start and those before it */
      for (; served < tickets->len; served++)
        {
          CoreResult *result
              = core_world_get_result (world, g_array_index (tickets, guint64, served));

          if (result == NULL)
            break;
          core_world_destroy (world, result->vm);
        }
      g_assert_cmpuint (tickets->len - served, <=, 3);
    }
}

static void
test_shutdown (void)
{
  g_autoptr (CoreWorld) world = new_world (4);
  guint64 shutdown = 0;

  core_world_set_warm (world, "python", &two);
  core_world_advance (world, 1500 * MS);
  acquire (world, "python", 192, FOREVER);
  shutdown = core_world_shutdown (world);
  core_world_advance (world, SECOND);
  g_assert_no_error (core_world_get_result (world, shutdown)->error);
  g_assert_cmpuint (berth_fake_hypervisor_count_domains (world->fake), ==, 0);
  core_world_advance (world, 100 * SECOND);
  g_assert_cmpuint (berth_fake_hypervisor_count_domains (world->fake), ==, 0);
}

#define ADD(name, func) g_test_add_func ("/warm-pool/" name, func)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("hit", test_hit);
  ADD ("7-serves-only-its-shape", test_serves_only_its_shape);
  ADD ("4-evicts-for-a-waiter", test_evicts_for_a_waiter);
  ADD ("4-evicts-for-memory", test_evicts_for_memory);
  ADD ("4-evicts-the-least-wanted", test_evicts_the_least_wanted);
  ADD ("4-refill-gives-way", test_refill_gives_way);
  ADD ("refill-is-promised-once", test_refill_is_promised_once);
  ADD ("4-useless-refill-makes-room", test_useless_refill_makes_room);
  ADD ("4-refill-never-first", test_refill_never_first);
  ADD ("refills-are-bounded", test_refills_are_bounded);
  ADD ("7-failed-claim", test_failed_claim);
  ADD ("7-failed-claims-end-in-a-start", test_failed_claims_end_in_a_start);
  ADD ("7-last-attempt-is-a-start", test_last_attempt_is_a_start);
  ADD ("2-claim-that-is-lost", test_claim_that_is_lost);
  ADD ("7-cancel-during-claim", test_cancel_during_claim);
  ADD ("1-claim-needs-vcpus", test_claim_needs_vcpus);
  ADD ("failing-refills-back-off", test_failing_refills_back_off);
  ADD ("refill-killed-from-outside", test_refill_killed_from_outside);
  ADD ("dead-warm-vm-is-replaced", test_dead_warm_vm_is_replaced);
  ADD ("4-status-loses-no-wakeup", test_status_loses_no_wakeup);
  ADD ("rotation", test_rotation);
  ADD ("7-template-changed", test_template_changed);
  ADD ("7-template-changed-behind-the-gate", test_template_changed_behind_the_gate);
  ADD ("target-changes", test_target_changes);
  ADD ("drain-and-fill", test_drain_and_fill);
  ADD ("drained-host", test_drained_host);
  ADD ("pressure", test_pressure);
  ADD ("1-resize-takes-warm-first", test_resize_takes_warm_first);
  ADD ("gate-keeps-warm-vms", test_gate_keeps_warm_vms);
  ADD ("automatic-target", test_automatic_target);
  ADD ("4-three-templates-two-slots", test_three_templates_two_slots);
  ADD ("3-shutdown", test_shutdown);
  return g_test_run ();
}

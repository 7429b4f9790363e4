/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what becomes of requests: waiting, passing, retrying, giving up, in virtual time. */
#include <gio/gio.h>

#include "core-world.h"

#define SECOND G_TIME_SPAN_SECOND
#define FOREVER BERTH_REQUEST_WAIT_FOREVER
#define NO_WAIT BERTH_REQUEST_NO_WAIT

static const BerthCapacity two_vms = {
  .max_vms = 2,
  .memory_mb = 1024,
  .vcpus = 8,
  .max_starts = 2,
  .big_request_age_us = 30 * SECOND,
};

static void
assert_message (CoreWorld *world, guint64 ticket, const char *part)
{
  const char *message = core_world_get_result (world, ticket)->error->message;

  if (strstr (message, part) == NULL)
    g_error ("'%s' is not in '%s'", part, message);
}

static void
assert_nothing_held (CoreWorld *world)
{
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, world->capacity.max_vms);
  g_assert_cmpuint (core_world_get_number (world, "memory_mb", "held"), ==, 0);
  g_assert_cmpuint (core_world_get_number (world, "vcpus", "held"), ==, 0);
  g_assert_cmpuint (berth_fake_hypervisor_count_domains (world->fake), ==, 0);
}

static void
test_waits_for_every_budget (void)
{
  const BerthCapacity capacities[] = {
    { .max_vms = 1, .memory_mb = 9999, .vcpus = 9, .max_starts = 9, .big_request_age_us = 1 },
    { .max_vms = 9, .memory_mb = 300, .vcpus = 9, .max_starts = 9, .big_request_age_us = 1 },
    { .max_vms = 9, .memory_mb = 9999, .vcpus = 1, .max_starts = 9, .big_request_age_us = 1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (capacities); i++)
    {
      g_autoptr (CoreWorld) world = core_world_new (&capacities[i]);
      guint64 first = core_world_acquire (world, NULL, 192, FOREVER);
      guint64 second = core_world_acquire (world, NULL, 192, FOREVER);

      core_world_assert_pending (world, second);
      core_world_destroy (world, core_world_get_vm (world, first));
      core_world_get_vm (world, second);
    }
}

static void
test_starts_are_bounded (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  guint64 first = 0;
  guint64 second = 0;

  capacity.max_starts = 1;
  world = core_world_new (&capacity);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_START, SECOND);
  first = core_world_acquire (world, NULL, 192, FOREVER);
  /* there is a place for it, so it need not wait for one, only for its start */
  second = core_world_acquire (world, NULL, 192, NO_WAIT);
  g_assert_cmpuint (berth_fake_hypervisor_count_domains (world->fake), ==, 1);
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 0);
  core_world_advance (world, SECOND);
  core_world_get_vm (world, first);
  core_world_assert_pending (world, second);
  core_world_advance (world, SECOND);
  core_world_get_vm (world, second);
}

static void
test_too_big_for_ever (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  g_autoptr (BerthRequest) wide = berth_request_new (BERTH_SHAPE ("python", 192, 9), NULL, NULL, 0,
                                                     FOREVER, NULL, NULL, NULL);
  guint64 ticket = core_world_acquire (world, NULL, 1025, FOREVER);

  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_INVALID);
  assert_message (world, ticket, "1024 (memory_mb)");
  ticket = core_world_acquire_request (world, wide);
  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_INVALID);
  assert_message (world, ticket, "8 (vcpus)");
  core_world_get_vm (world, core_world_acquire (world, NULL, 1024, FOREVER));
}

static void
test_no_wait (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint64 ticket = 0;

  core_world_get_vm (world, core_world_acquire (world, NULL, 192, NO_WAIT));
  core_world_get_vm (world, core_world_acquire (world, NULL, 192, NO_WAIT));
  core_world_acquire (world, "a", 192, FOREVER);
  core_world_acquire (world, "b", 192, FOREVER);
  core_world_acquire (world, "c", 192, FOREVER);
  ticket = core_world_acquire (world, "d", 192, NO_WAIT);
  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  assert_message (world, ticket, "2 of 2 VMs exist, 3 requests wait before this one");
}

static void
test_no_wait_names_memory (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  guint64 ticket = 0;

  capacity.memory_mb = 300;
  world = core_world_new (&capacity);
  core_world_get_vm (world, core_world_acquire (world, NULL, 192, FOREVER));
  ticket = core_world_acquire (world, NULL, 128, NO_WAIT);
  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  assert_message (world, ticket, "192 of 300 MiB are held and this request needs 128");
}

/* 3 */
static void
test_deadline (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint64 ticket = 0;

  core_world_acquire (world, NULL, 192, FOREVER);
  core_world_acquire (world, NULL, 192, FOREVER);
  ticket = core_world_acquire (world, NULL, 192, 5 * SECOND);
  core_world_advance (world, 5 * SECOND - 1);
  core_world_assert_pending (world, ticket);
  core_world_advance (world, 1);
  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_WAIT_TIMED_OUT);
  assert_message (world, ticket, "within 5.0 s: 2 of 2 VMs exist");
  g_assert_cmpint (core_world_get_result (world, ticket)->at_us, ==, 5 * SECOND);
}

/* the deadline bounds the wait, not the start */
static void
test_deadline_ends_with_admission (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint64 ticket = 0;

  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_START, 60 * SECOND);
  ticket = core_world_acquire (world, NULL, 192, SECOND);
  core_world_advance (world, 60 * SECOND);
  core_world_get_vm (world, ticket);
}

static void
test_queue_bound (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  guint64 waiting = 0;
  guint64 refused = 0;

  capacity.max_waiters = 1;
  world = core_world_new (&capacity);
  core_world_acquire (world, NULL, 192, FOREVER);
  core_world_acquire (world, NULL, 192, FOREVER);
  waiting = core_world_acquire (world, NULL, 192, FOREVER);
  refused = core_world_acquire (world, NULL, 192, FOREVER);
  core_world_assert_pending (world, waiting);
  core_world_assert_error (world, refused, BERTH_ERROR, BERTH_ERROR_QUEUE_FULL);
  assert_message (world, refused, "no more than 1 may wait");
  core_world_cancel (world, waiting);
  core_world_assert_pending (world, core_world_acquire (world, NULL, 192, FOREVER));
}

static void
test_cancel_everywhere (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint64 starting = 0;
  guint64 waiting = 0;
  guint64 done = core_world_acquire (world, NULL, 192, FOREVER);

  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_START, SECOND);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, SECOND);
  starting = core_world_acquire (world, NULL, 192, FOREVER);
  waiting = core_world_acquire (world, NULL, 192, FOREVER);
  core_world_cancel (world, waiting);
  core_world_assert_error (world, waiting, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  core_world_cancel (world, starting);
  core_world_assert_error (world, starting, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (core_world_get_number (world, "slots", "stopping"), ==, 1);
  core_world_cancel (world, done);
  core_world_cancel (world, waiting);
  core_world_cancel (world, 4711);
  core_world_advance (world, SECOND);
  core_world_destroy (world, core_world_get_vm (world, done));
  core_world_advance (world, SECOND);
  assert_nothing_held (world);
}

/* fails as many starts as it is told */
static void
fail_some_script (BerthFakeCall call, BerthVm *vm, BerthFakePlan *plan, gpointer user_data)
{
  guint *left = user_data;

  if (call != BERTH_FAKE_START || *left == 0)
    return;
  plan->fail_step = *left % 2 != 0 ? "agent-hello" : "boot-timeout";
  plan->fail_code = *left % 2 != 0 ? BERTH_ERROR_UNAVAILABLE : BERTH_ERROR_START_TIMED_OUT;
  (*left)--;
}

/* 3: a place taken survives retries of the start */
static void
test_retry_keeps_the_place (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  guint failures = 2;
  guint64 first = 0;
  guint64 second = 0;
  CoreResult *result = NULL;

  capacity.max_vms = 1;
  world = core_world_new (&capacity);
  berth_fake_hypervisor_set_script (world->fake, fail_some_script, &failures);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_START, SECOND);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, SECOND);
  first = core_world_acquire (world, "a", 192, 100);
  second = core_world_acquire (world, "b", 192, FOREVER);
  core_world_advance (world, 5 * SECOND);
  result = core_world_get_result (world, first);
  g_assert_nonnull (result->vm);
  g_assert_cmpint (result->at_us, ==, 5 * SECOND);
  g_assert_cmpint (berth_vm_get_admitted_us (result->vm), ==, 0);
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_START), ==, 3);
  core_world_assert_pending (world, second);
  core_world_destroy (world, result->vm);
  core_world_advance (world, 2 * SECOND);
  core_world_get_vm (world, second);
}

static void
test_attempts_end (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint failures = 3;
  guint64 ticket = 0;

  berth_fake_hypervisor_set_script (world->fake, fail_some_script, &failures);
  ticket = core_world_acquire (world, NULL, 192, FOREVER);
  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  assert_message (world, ticket, "agent-hello");
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_START), ==, 3);
  /* a boot that times out twice costs its caller no third time */
  berth_fake_hypervisor_fail_at (world->fake, "boot-timeout");
  ticket = core_world_acquire (world, NULL, 192, FOREVER);
  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_START_TIMED_OUT);
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_START), ==, 5);
  assert_nothing_held (world);
}

/* what no retry can mend is told at once, before its VM is gone */
static void
test_lasting_error_at_once (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint64 ticket = 0;

  berth_fake_hypervisor_fail_at (world->fake, "layer-missing");
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, SECOND);
  ticket = core_world_acquire (world, NULL, 192, FOREVER);
  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_START), ==, 1);
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 1);
  g_assert_cmpuint (core_world_get_number (world, "vcpus", "held"), ==, 0);
  core_world_advance (world, SECOND);
  assert_nothing_held (world);
}

static void
test_gone_while_starting_is_retried (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  g_autoptr (GPtrArray) vms = NULL;
  guint64 ticket = 0;

  berth_fake_hypervisor_hold_starts (world->fake, TRUE);
  ticket = core_world_acquire (world, NULL, 192, FOREVER);
  vms = berth_admission_dup_vms (world->core);
  g_assert_cmpuint (vms->len, ==, 1);
  g_assert_true (berth_fake_hypervisor_kill (world->fake, vms->pdata[0]));
  core_world_advance (world, 0);
  core_world_assert_pending (world, ticket);
  berth_fake_hypervisor_hold_starts (world->fake, FALSE);
  core_world_advance (world, 0);
  g_assert_true (core_world_get_vm (world, ticket) != vms->pdata[0]);
  g_assert_cmpuint (world->gone->len, ==, 0);
}

static void
test_vm_gone_unasked (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  g_autofree char *reason = NULL;
  guint64 first = 0;
  guint64 second = 0;
  BerthVm *vm = NULL;

  capacity.max_vms = 1;
  world = core_world_new (&capacity);
  first = core_world_acquire (world, NULL, 192, FOREVER);
  second = core_world_acquire (world, NULL, 192, FOREVER);
  vm = core_world_get_vm (world, first);
  g_assert_true (berth_fake_hypervisor_kill (world->fake, vm));
  core_world_advance (world, 0);
  core_world_get_vm (world, second);
  g_assert_cmpuint (world->gone->len, ==, 1);
  g_assert_true (world->gone->pdata[0] == vm);
  g_assert_false (berth_vm_holds_slot (vm));
  reason = berth_vm_dup_end_reason (vm);
  g_assert_nonnull (strstr (reason, "destroyed from outside"));
  /* its owner, who hears later, destroys it once more */
  g_assert_no_error (core_world_get_result (world, core_world_destroy (world, vm))->error);
  g_assert_cmpuint (core_world_get_number (world, "slots", "claimed"), ==, 1);
}

/* 6 */
static void
test_late_and_double_events (void)
{
  static const BerthHypervisorEventType types[]
      = { BERTH_HYPERVISOR_STARTED, BERTH_HYPERVISOR_CLAIMED, BERTH_HYPERVISOR_FAILED,
          BERTH_HYPERVISOR_STUCK };
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  BerthVm *vm = core_world_get_vm (world, core_world_acquire (world, NULL, 192, FOREVER));

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    berth_fake_hypervisor_say (world->fake, types[i], vm);
  core_world_advance (world, 0);
  g_assert_cmpint (berth_vm_get_state (vm), ==, BERTH_VM_STATE_CLAIMED);
  core_world_destroy (world, vm);
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    berth_fake_hypervisor_say (world->fake, types[i], vm);
  berth_fake_hypervisor_say (world->fake, BERTH_HYPERVISOR_GONE, vm);
  core_world_advance (world, 0);
  g_assert_cmpint (berth_vm_get_state (vm), ==, BERTH_VM_STATE_GONE);
  assert_nothing_held (world);
}

/* 1, 6: counted while it is stuck, tried again with a rising delay */
static void
test_stuck (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  guint64 first = 0;
  guint64 second = 0;
  guint64 destroy = 0;

  capacity.max_vms = 1;
  world = core_world_new (&capacity);
  first = core_world_acquire (world, NULL, 192, FOREVER);
  second = core_world_acquire (world, NULL, 192, FOREVER);
  berth_fake_hypervisor_stick (world->fake, 3);
  destroy = core_world_destroy (world, core_world_get_vm (world, first));
  core_world_assert_error (world, destroy, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  assert_message (world, destroy, "still exists; berth tries again");
  g_assert_cmpuint (core_world_get_number (world, "slots", "stuck"), ==, 1);
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 0);
  core_world_assert_pending (world, second);
  core_world_advance (world, 7 * SECOND - 1); /* tries after 1 s, 2 s and 4 s more */
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_DESTROY), ==, 3);
  core_world_advance (world, 1);
  core_world_get_vm (world, second);
  g_assert_cmpuint (core_world_get_number (world, "slots", "stuck"), ==, 0);
}

static void
test_stuck_delay_is_bounded (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  BerthVm *vm = core_world_get_vm (world, core_world_acquire (world, NULL, 192, FOREVER));
  guint before = 0;

  berth_fake_hypervisor_stick (world->fake, G_MAXUINT);
  core_world_destroy (world, vm);
  core_world_advance (world, 3600 * SECOND);
  before = berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_DESTROY);
  core_world_advance (world, 600 * SECOND);
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_DESTROY), ==,
                    before + 10);
}

/* its place is not to be had any more, so its waiter hears why its start failed */
static void
test_failed_start_that_sticks (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  guint64 ticket = 0;

  capacity.max_starts = 1;
  world = core_world_new (&capacity);
  berth_fake_hypervisor_fail_at (world->fake, "agent-hello");
  berth_fake_hypervisor_stick (world->fake, 1);
  ticket = core_world_acquire (world, NULL, 192, FOREVER);
  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  assert_message (world, ticket, "agent-hello");
  berth_fake_hypervisor_fail_at (world->fake, NULL);
  core_world_get_vm (world, core_world_acquire (world, NULL, 192, NO_WAIT));
  core_world_advance (world, SECOND);
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 1);
}

static void
test_destroy_while_starting (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  g_autoptr (GPtrArray) vms = NULL;
  guint64 ticket = 0;
  guint64 destroy = 0;

  berth_fake_hypervisor_hold_starts (world->fake, TRUE);
  ticket = core_world_acquire (world, NULL, 192, FOREVER);
  vms = berth_admission_dup_vms (world->core);
  destroy = core_world_destroy (world, vms->pdata[0]);
  core_world_assert_error (world, ticket, BERTH_ERROR, BERTH_ERROR_GONE);
  g_assert_no_error (core_world_get_result (world, destroy)->error);
  assert_nothing_held (world);
}

static void
test_gate (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint64 waiting = 0;
  guint64 impatient = 0;
  guint64 late = 0;
  BerthVm *vm = core_world_get_vm (world, core_world_acquire (world, NULL, 192, FOREVER));

  core_world_set_open (world, FALSE);
  waiting = core_world_acquire (world, NULL, 192, FOREVER);
  late = core_world_acquire (world, NULL, 192, SECOND);
  impatient = core_world_acquire (world, NULL, 192, NO_WAIT);
  core_world_assert_error (world, impatient, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  berth_fake_hypervisor_stick (world->fake, 1);
  core_world_destroy (world, vm);
  core_world_advance (world, 100 * SECOND);
  core_world_assert_pending (world, waiting);
  core_world_assert_error (world, late, BERTH_ERROR, BERTH_ERROR_WAIT_TIMED_OUT);
  assert_message (world, late, "hypervisor is not reachable");
  g_assert_cmpuint (core_world_get_number (world, "slots", "stuck"), ==, 1);
  core_world_set_open (world, TRUE);
  core_world_get_vm (world, waiting);
  g_assert_cmpuint (core_world_get_number (world, "slots", "stuck"), ==, 0);
}

/* Who has a VM keeps it, also one that is on its way; nobody else is given one, and all are served
 * when that is over. */
static void
test_drained_host (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  BerthVm *vm = core_world_get_vm (world, core_world_acquire (world, NULL, 192, FOREVER));
  guint64 on_its_way = 0;
  guint64 waiting = 0;
  guint64 late = 0;
  guint64 impatient = 0;

  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_START, SECOND);
  on_its_way = core_world_acquire (world, NULL, 192, FOREVER);
  core_world_set_admitting (world, FALSE);
  waiting = core_world_acquire (world, NULL, 192, FOREVER);
  late = core_world_acquire (world, NULL, 192, SECOND);
  impatient = core_world_acquire (world, NULL, 192, NO_WAIT);
  core_world_assert_error (world, impatient, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  assert_message (world, impatient, "an administrator drains this host");
  core_world_destroy (world, vm);
  core_world_advance (world, 100 * SECOND);
  core_world_assert_pending (world, waiting);
  core_world_assert_error (world, late, BERTH_ERROR, BERTH_ERROR_WAIT_TIMED_OUT);
  assert_message (world, late, "an administrator drains this host");
  core_world_destroy (world, core_world_get_vm (world, on_its_way));
  core_world_advance (world, SECOND);
  g_assert_cmpuint (berth_fake_hypervisor_count_domains (world->fake), ==, 0);
  core_world_set_admitting (world, TRUE);
  core_world_advance (world, SECOND);
  core_world_get_vm (world, waiting);
}

/* a start that fails because the hypervisor went away keeps its place until it is back */
static void
test_gate_closes_under_a_start (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint64 ticket = 0;

  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_START, SECOND);
  berth_fake_hypervisor_fail_at (world->fake, "channel");
  berth_fake_hypervisor_stick (world->fake, 1);
  ticket = core_world_acquire (world, NULL, 192, SECOND);
  core_world_set_open (world, FALSE);
  core_world_advance (world, 100 * SECOND);
  core_world_assert_pending (world, ticket);
  berth_fake_hypervisor_fail_at (world->fake, NULL);
  core_world_set_open (world, TRUE);
  core_world_advance (world, SECOND);
  core_world_get_vm (world, ticket);
}

static void
test_cancel_while_the_gate_is_closed (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint64 tickets[2] = { 0 };

  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_START, SECOND);
  berth_fake_hypervisor_fail_at (world->fake, "channel");
  tickets[0] = core_world_acquire (world, NULL, 192, SECOND);
  tickets[1] = core_world_acquire (world, NULL, 192, SECOND);
  core_world_set_open (world, FALSE);
  core_world_advance (world, 10 * SECOND); /* failed, gone, and to be started again */
  g_assert_cmpuint (core_world_get_number (world, "slots", "starting"), ==, 2);
  core_world_cancel (world, tickets[0]);
  core_world_assert_error (world, tickets[0], G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (core_world_get_number (world, "slots", "starting"), ==, 1);
  core_world_shutdown (world);
  core_world_assert_error (world, tickets[1], BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN);
  assert_nothing_held (world);
}

/* 5: smaller ones pass a big one, until it is too old for that */
static void
test_big_request (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  guint64 holder = 0;
  guint64 big = 0;
  guint64 passing = 0;
  guint64 late = 0;

  capacity.max_vms = 4;
  world = core_world_new (&capacity);
  holder = core_world_acquire (world, "c", 600, FOREVER);
  big = core_world_acquire (world, "a", 800, FOREVER);
  passing = core_world_acquire (world, "b", 192, FOREVER);
  core_world_get_vm (world, passing);
  core_world_get_vm (world, core_world_acquire (world, "d", 128, FOREVER));
  core_world_assert_pending (world, big);

  core_world_advance (world, 30 * SECOND);
  late = core_world_acquire (world, "b", 100, FOREVER);
  core_world_assert_pending (world, late);
  core_world_destroy (world, core_world_get_vm (world, passing));
  core_world_assert_pending (world, late);
  core_world_destroy (world, core_world_get_vm (world, holder));
  core_world_get_vm (world, big);
  core_world_assert_pending (world, late);
  core_world_destroy (world, core_world_get_vm (world, big));
  core_world_get_vm (world, late);
}

/* 5: but who has more than its part keeps nothing from those that have less, however old it is */
static void
test_old_request_of_a_greedy_tenant (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  guint64 holder = 0;
  guint64 big = 0;

  capacity.max_vms = 4;
  world = core_world_new (&capacity);
  holder = core_world_acquire (world, "greedy", 600, FOREVER);
  big = core_world_acquire (world, "greedy", 800, FOREVER);
  core_world_advance (world, 31 * SECOND);
  core_world_get_vm (world, core_world_acquire (world, "modest", 192, FOREVER));
  core_world_assert_pending (world, big);
  /* what it holds itself is in its way, and nobody gets more than greedy has meanwhile */
  core_world_destroy (world, core_world_get_vm (world, holder));
  core_world_get_vm (world, big);
}

/* 5: nor does a second attempt pass it, in another place than it has */
static void
test_retry_does_not_pass_a_big_request (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  guint failures = 0;
  guint64 holder = 0;
  guint64 retried = 0;
  guint64 big = 0;

  capacity.max_vms = 4;
  world = core_world_new (&capacity);
  berth_fake_hypervisor_set_script (world->fake, fail_some_script, &failures);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_START, 40 * SECOND);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, SECOND);
  holder = core_world_acquire (world, "a", 300, FOREVER);
  failures = 1;
  retried = core_world_acquire (world, "b", 200, FOREVER);
  big = core_world_acquire (world, "c", 800, FOREVER);
  core_world_advance (world, 40 * SECOND); /* it is old, 524 MiB are free, and a start failed */
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_START), ==, 2);
  core_world_advance (world, SECOND);
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_START), ==, 3);
  core_world_destroy (world, core_world_get_vm (world, holder));
  core_world_advance (world, 100 * SECOND);
  core_world_get_vm (world, retried);
  core_world_get_vm (world, big);
}

/* 5: a queue that is merely long makes nobody big: whose turn it is does not depend on age */
static void
test_turns_under_load (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  guint64 greedy[6] = { 0 };
  guint64 modest = 0;

  capacity.max_vms = 1;
  world = core_world_new (&capacity);
  for (guint i = 0; i < G_N_ELEMENTS (greedy); i++)
    greedy[i] = core_world_acquire (world, "greedy", 192, FOREVER);
  core_world_advance (world, 100 * SECOND);
  modest = core_world_acquire (world, "modest", 192, FOREVER);
  core_world_advance (world, 1);
  core_world_destroy (world, core_world_get_vm (world, greedy[0]));
  core_world_get_vm (world, modest);
  core_world_assert_pending (world, greedy[1]);
}

/* 4: a freed place goes to the waiter whose turn it is, not to who comes in that moment */
static void
test_newcomer_does_not_overtake (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;
  guint64 first = 0;
  guint64 waiting = 0;
  guint64 newcomer = 0;

  capacity.max_vms = 1;
  world = core_world_new (&capacity);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, SECOND);
  first = core_world_acquire (world, "c", 192, FOREVER);
  waiting = core_world_acquire (world, "a", 192, FOREVER);
  core_world_destroy (world, core_world_get_vm (world, first));
  newcomer = core_world_acquire (world, "b", 192, NO_WAIT);
  core_world_assert_error (world, newcomer, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  core_world_advance (world, SECOND);
  core_world_get_vm (world, waiting);
}

static void
test_resize (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint64 first = core_world_acquire (world, NULL, 192, FOREVER);
  guint64 second = core_world_acquire (world, NULL, 192, FOREVER);
  guint64 third = core_world_acquire (world, NULL, 192, FOREVER);
  guint64 big = core_world_acquire (world, NULL, 1000, FOREVER);

  capacity.max_vms = 3;
  core_world_resize (world, &capacity);
  core_world_get_vm (world, third);
  capacity.max_vms = 1;
  capacity.memory_mb = 500;
  core_world_resize (world, &capacity);
  core_world_assert_error (world, big, BERTH_ERROR, BERTH_ERROR_INVALID);
  big = core_world_acquire (world, NULL, 500, FOREVER);
  core_world_destroy (world, core_world_get_vm (world, first));
  core_world_destroy (world, core_world_get_vm (world, second));
  core_world_assert_pending (world, big);
  core_world_destroy (world, core_world_get_vm (world, third));
  core_world_get_vm (world, big);
}

static void
test_shutdown (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint64 claimed = core_world_acquire (world, NULL, 192, FOREVER);
  guint64 starting = 0;
  guint64 waiting = 0;
  guint64 shutdown = 0;
  guint64 again = 0;

  berth_fake_hypervisor_hold_starts (world->fake, TRUE);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, SECOND);
  starting = core_world_acquire (world, NULL, 192, FOREVER);
  waiting = core_world_acquire (world, NULL, 192, FOREVER);
  shutdown = core_world_shutdown (world);
  core_world_assert_error (world, waiting, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN);
  core_world_assert_error (world, starting, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN);
  core_world_assert_pending (world, shutdown);
  core_world_assert_error (world, core_world_acquire (world, NULL, 192, FOREVER), BERTH_ERROR,
                           BERTH_ERROR_SHUTTING_DOWN);
  core_world_advance (world, SECOND);
  g_assert_no_error (core_world_get_result (world, shutdown)->error);
  g_assert_false (berth_vm_holds_slot (core_world_get_vm (world, claimed)));
  again = core_world_shutdown (world);
  g_assert_no_error (core_world_get_result (world, again)->error);
  assert_nothing_held (world);
}

static void
test_shutdown_with_a_stuck_vm (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  guint64 shutdown = 0;

  core_world_acquire (world, NULL, 192, FOREVER);
  core_world_acquire (world, NULL, 192, FOREVER);
  berth_fake_hypervisor_stick (world->fake, 1);
  shutdown = core_world_shutdown (world);
  core_world_assert_error (world, shutdown, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  assert_message (world, shutdown, "1 VM could");
  core_world_advance (world, SECOND);
  assert_nothing_held (world);
}

/* what a new request of the smallest size that is known could get, by whichever budget is tightest
 */
static void
test_free_by_budget (void)
{
  BerthCapacity capacity = two_vms;
  g_autoptr (CoreWorld) world = NULL;

  capacity.max_vms = 9;
  world = core_world_new (&capacity);
  core_world_assert_free (world, 8, "vcpus");
  core_world_get_vm (world, core_world_acquire (world, "a", 512, FOREVER));
  core_world_assert_free (world, 1, "memory_mb");
  core_world_get_vm (world, core_world_acquire (world, "a", 128, FOREVER));
  core_world_assert_free (world, 3, "memory_mb");
  core_world_acquire (world, "a", 512, FOREVER); /* may be passed, */
  core_world_assert_free (world, 3, "memory_mb");
  core_world_advance (world, 30 * SECOND); /* but not for ever */
  core_world_assert_free (world, 0, "waiter");
  capacity.max_vms = 2;
  core_world_free (world);
  world = core_world_new (&capacity);
  core_world_assert_free (world, 2, "slots");
}

#define ADD(name, func) g_test_add_func ("/admission/" name, func)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("1-waits-for-every-budget", test_waits_for_every_budget);
  ADD ("1-starts-are-bounded", test_starts_are_bounded);
  ADD ("3-too-big-for-ever", test_too_big_for_ever);
  ADD ("3-no-wait", test_no_wait);
  ADD ("3-no-wait-names-memory", test_no_wait_names_memory);
  ADD ("3-deadline", test_deadline);
  ADD ("3-deadline-ends-with-admission", test_deadline_ends_with_admission);
  ADD ("3-queue-bound", test_queue_bound);
  ADD ("3-cancel-everywhere", test_cancel_everywhere);
  ADD ("2-retry-keeps-the-place", test_retry_keeps_the_place);
  ADD ("2-attempts-end", test_attempts_end);
  ADD ("2-lasting-error-at-once", test_lasting_error_at_once);
  ADD ("2-gone-while-starting-is-retried", test_gone_while_starting_is_retried);
  ADD ("2-vm-gone-unasked", test_vm_gone_unasked);
  ADD ("6-late-and-double-events", test_late_and_double_events);
  ADD ("1-stuck", test_stuck);
  ADD ("1-stuck-delay-is-bounded", test_stuck_delay_is_bounded);
  ADD ("2-failed-start-that-sticks", test_failed_start_that_sticks);
  ADD ("6-destroy-while-starting", test_destroy_while_starting);
  ADD ("gate", test_gate);
  ADD ("drained-host", test_drained_host);
  ADD ("gate-closes-under-a-start", test_gate_closes_under_a_start);
  ADD ("cancel-while-the-gate-is-closed", test_cancel_while_the_gate_is_closed);
  ADD ("5-big-request", test_big_request);
  ADD ("5-old-request-of-a-greedy-tenant", test_old_request_of_a_greedy_tenant);
  ADD ("5-retry-does-not-pass-a-big-request", test_retry_does_not_pass_a_big_request);
  ADD ("5-turns-under-load", test_turns_under_load);
  ADD ("4-newcomer-does-not-overtake", test_newcomer_does_not_overtake);
  ADD ("1-resize", test_resize);
  ADD ("3-shutdown", test_shutdown);
  ADD ("3-shutdown-with-a-stuck-vm", test_shutdown_with_a_stuck_vm);
  ADD ("free-by-budget", test_free_by_budget);
  return g_test_run ();
}

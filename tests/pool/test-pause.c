/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what a paused VM costs and who waits for whom when it is woken. */
#include <gio/gio.h>

#include "core-world.h"

#define MS G_TIME_SPAN_MILLISECOND
#define S G_TIME_SPAN_SECOND
#define FOREVER BERTH_REQUEST_WAIT_FOREVER

static BerthCapacity
capacity_of (guint max_vms, guint vcpus)
{
  return (BerthCapacity){
    .max_vms = max_vms,
    .memory_mb = 4096,
    .vcpus = vcpus,
    .max_starts = 4,
    .big_request_age_us = 10 * S,
  };
}

static CoreWorld *
world_of (guint max_vms, guint vcpus)
{
  BerthCapacity capacity = capacity_of (max_vms, vcpus);

  return core_world_new (&capacity);
}

static BerthVm *
get_vm (CoreWorld *world, const char *tenant)
{
  return core_world_get_vm (world, core_world_acquire (world, tenant, 128, FOREVER));
}

static BerthVm *
get_paused_vm (CoreWorld *world, const char *tenant)
{
  BerthVm *vm = get_vm (world, tenant);

  core_world_assert_done (world, core_world_pause (world, vm));
  g_assert_cmpint (berth_vm_get_state (vm), ==, BERTH_VM_STATE_PAUSED);
  return vm;
}

static guint
held_vcpus (CoreWorld *world)
{
  return core_world_get_number (world, "vcpus", "held");
}

static void
test_vcpu_goes_round (void)
{
  g_autoptr (CoreWorld) world = world_of (3, 1);
  BerthVm *first = get_vm (world, "a");
  guint64 second = core_world_acquire (world, "a", 128, FOREVER);
  guint64 wake = 0;

  core_world_assert_pending (world, second);
  core_world_assert_done (world, core_world_pause (world, first));
  core_world_get_vm (world, second);
  g_assert_cmpuint (held_vcpus (world), ==, 1);
  g_assert_cmpuint (core_world_get_number (world, "slots", "paused"), ==, 1);
  g_assert_cmpuint (core_world_get_number (world, "slots", "claimed"), ==, 1);

  wake = core_world_wake (world, first, FOREVER);
  core_world_assert_pending (world, wake);
  core_world_destroy (world, core_world_get_vm (world, second));
  core_world_assert_done (world, wake);
  g_assert_cmpint (berth_vm_get_state (first), ==, BERTH_VM_STATE_CLAIMED);
  g_assert_cmpuint (held_vcpus (world), ==, 1);
}

static void
test_idempotent (void)
{
  g_autoptr (CoreWorld) world = world_of (2, 2);
  BerthVm *vm = get_paused_vm (world, "a");

  core_world_assert_done (world, core_world_pause (world, vm));
  core_world_assert_done (world, core_world_wake (world, vm, FOREVER));
  core_world_assert_done (world, core_world_wake (world, vm, FOREVER));
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_PAUSE), ==, 1);
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_WAKE), ==, 1);
}

static void
test_wait_ends (void)
{
  g_autoptr (CoreWorld) world = world_of (3, 1);
  BerthVm *sleeper = get_paused_vm (world, "a");
  BerthVm *other = get_vm (world, "b");
  guint64 cancelled = core_world_wake (world, sleeper, FOREVER);
  guint64 late = core_world_wake (world, sleeper, 500 * MS);
  guint64 gone = core_world_wake (world, sleeper, FOREVER);

  core_world_cancel (world, cancelled);
  core_world_assert_error (world, cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  core_world_advance (world, 501 * MS);
  core_world_assert_error (world, late, BERTH_ERROR, BERTH_ERROR_WAIT_TIMED_OUT);
  g_assert_nonnull (
      strstr (core_world_get_result (world, late)->error->message, "1 of 1 vCPUs are held"));
  core_world_assert_pending (world, gone);
  core_world_destroy (world, sleeper);
  core_world_assert_error (world, gone, BERTH_ERROR, BERTH_ERROR_GONE);
  core_world_assert_error (world, core_world_wake (world, sleeper, FOREVER), BERTH_ERROR,
                           BERTH_ERROR_GONE);
  g_assert_cmpint (berth_vm_get_state (other), ==, BERTH_VM_STATE_CLAIMED);
}

/* who waits for one VM is served together, in the order asked */
static void
test_together (void)
{
  g_autoptr (CoreWorld) world = world_of (3, 1);
  BerthVm *sleeper = get_paused_vm (world, "a");
  BerthVm *other = get_vm (world, "b");
  guint64 wakes[3];

  for (guint i = 0; i < G_N_ELEMENTS (wakes); i++)
    wakes[i] = core_world_wake (world, sleeper, FOREVER);
  core_world_destroy (world, other);
  for (guint i = 0; i < G_N_ELEMENTS (wakes); i++)
    {
      core_world_assert_done (world, wakes[i]);
      g_assert_cmpuint (core_world_get_result (world, wakes[i])->order, ==,
                        core_world_get_result (world, wakes[0])->order + i);
    }
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_WAKE), ==, 1);
}

static void
script (BerthFakeCall call, BerthVm *vm, BerthFakePlan *plan, gpointer user_data)
{
  if (call == *(BerthFakeCall *)user_data)
    plan->fail_step = "by the test";
}

static void
test_failures (void)
{
  g_autoptr (CoreWorld) world = world_of (2, 1);
  BerthFakeCall failing = BERTH_FAKE_PAUSE;
  BerthVm *vm = get_vm (world, "a");
  guint64 wake = 0;

  berth_fake_hypervisor_set_script (world->fake, script, &failing);
  core_world_assert_error (world, core_world_pause (world, vm), BERTH_ERROR,
                           BERTH_ERROR_UNAVAILABLE);
  g_assert_cmpuint (held_vcpus (world), ==, 1);
  failing = BERTH_FAKE_WAKE;
  core_world_assert_done (world, core_world_pause (world, vm));
  wake = core_world_wake (world, vm, FOREVER);
  core_world_assert_error (world, wake, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_assert_cmpint (berth_vm_get_state (vm), ==, BERTH_VM_STATE_PAUSED);
  g_assert_cmpuint (held_vcpus (world), ==, 0);
}

/* a request that comes while a VM is being paused waits until it is, and then for its turn */
static void
test_crossing (void)
{
  g_autoptr (CoreWorld) world = world_of (2, 1);
  BerthVm *vm = get_vm (world, "a");
  guint64 pause = 0;
  guint64 wake = 0;

  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_PAUSE, 5 * MS);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_WAKE, 5 * MS);
  pause = core_world_pause (world, vm);
  wake = core_world_wake (world, vm, FOREVER);
  core_world_assert_pending (world, pause);
  core_world_assert_pending (world, wake);
  core_world_assert_error (world, core_world_pause (world, vm), BERTH_ERROR,
                           BERTH_ERROR_UNAVAILABLE);
  core_world_advance (world, 5 * MS);
  core_world_assert_done (world, pause);
  core_world_assert_pending (world, wake);
  core_world_cancel (world, wake);
  pause = core_world_pause (world, vm); /* of one that is being woken for nobody any more */
  core_world_advance (world, 20 * MS);
  core_world_assert_done (world, pause);
  g_assert_cmpint (berth_vm_get_state (vm), ==, BERTH_VM_STATE_PAUSED);
}

/* That it runs may be told late, or by who looks at all of them: what a pause under way has done is
 * told yet, and who came behind it is not sent into a VM that stands still. */
static void
test_late_resumed (void)
{
  g_autoptr (CoreWorld) world = world_of (2, 1);
  BerthVm *vm = get_vm (world, "a");
  guint64 pause = 0;
  guint64 wake = 0;

  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_PAUSE, 5 * MS);
  pause = core_world_pause (world, vm);
  wake = core_world_wake (world, vm, FOREVER);
  berth_fake_hypervisor_say (world->fake, BERTH_HYPERVISOR_RESUMED, vm);
  core_world_advance (world, 0);
  core_world_assert_pending (world, pause);
  core_world_assert_pending (world, wake);
  core_world_advance (world, 5 * MS);
  core_world_assert_done (world, pause);
  core_world_assert_done (world, wake);
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_WAKE), ==, 1);
}

/* virsh suspend, virsh resume */
static void
test_administrator (void)
{
  g_autoptr (CoreWorld) world = world_of (4, 1);
  BerthVm *first = get_vm (world, "a");
  BerthVm *second = NULL;
  guint64 third = 0;

  berth_fake_hypervisor_say (world->fake, BERTH_HYPERVISOR_SUSPENDED, first);
  core_world_advance (world, 0);
  g_assert_cmpint (berth_vm_get_state (first), ==, BERTH_VM_STATE_PAUSED);
  second = get_vm (world, "a");
  berth_fake_hypervisor_say (world->fake, BERTH_HYPERVISOR_RESUMED, first);
  core_world_advance (world, 0);
  g_assert_cmpint (berth_vm_get_state (first), ==, BERTH_VM_STATE_CLAIMED);
  g_assert_cmpuint (held_vcpus (world), ==, 2); /* it runs, so it counts */

  third = core_world_acquire (world, "a", 128, FOREVER);
  core_world_destroy (world, first);
  core_world_assert_pending (world, third);
  core_world_destroy (world, second);
  core_world_get_vm (world, third);
}

/* Who waits for a slot, however long, does not keep those from running who have one. */
static void
test_old_one_waits_for_a_slot (void)
{
  g_autoptr (CoreWorld) world = world_of (2, 2);
  BerthVm *first = get_paused_vm (world, "a");
  BerthVm *second = get_paused_vm (world, "a");
  guint64 third = core_world_acquire (world, "b", 128, FOREVER);

  core_world_advance (world, 11 * S);
  core_world_assert_done (world, core_world_wake (world, first, FOREVER));
  core_world_assert_done (world, core_world_wake (world, second, FOREVER));
  core_world_assert_pending (world, third);
  core_world_destroy (world, second);
  core_world_get_vm (world, third);
}

/* Where vCPUs are what it waits for, they are kept for it. */
static void
test_old_one_waits_for_vcpus (void)
{
  g_autoptr (CoreWorld) world = world_of (4, 2);
  BerthVm *sleeper = get_paused_vm (world, "a");
  BerthVm *running = get_vm (world, "a");
  g_autoptr (BerthRequest) request = berth_request_new (BERTH_SHAPE ("python", 128, 2), "a", NULL,
                                                        1000, FOREVER, NULL, NULL, NULL);
  guint64 big = core_world_acquire_request (world, request);
  guint64 wake = 0;

  core_world_advance (world, 11 * S);
  wake = core_world_wake (world, sleeper, FOREVER);
  core_world_assert_pending (world, wake);
  core_world_destroy (world, running);
  core_world_destroy (world, core_world_get_vm (world, big));
  core_world_assert_done (world, wake);
}

static void
test_beside_a_cap (void)
{
  g_autoptr (CoreWorld) world = world_of (4, 2);
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  BerthVm *sleeper = NULL;
  guint64 held_back = 0;

  berth_tenant_policy_set_user (policy, "*", BERTH_PARTY_MAX_VMS, 1);
  core_world_set_tenants (world, policy);
  sleeper = get_paused_vm (world, "a");
  held_back = core_world_acquire (world, "a", 128, FOREVER);
  core_world_assert_pending (world, held_back);
  core_world_advance (world, 11 * S);
  core_world_assert_done (world, core_world_wake (world, sleeper, FOREVER));
  core_world_assert_pending (world, held_back);
}

/* a user's part of the vCPUs is of those that run */
static void
test_part_of_user (void)
{
  g_autoptr (CoreWorld) world = world_of (8, 2);
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  BerthVm *sleepers[3];
  guint64 wake = 0;

  berth_tenant_policy_set_user_part (policy, 0.5);
  core_world_set_tenants (world, policy);
  for (guint i = 0; i < G_N_ELEMENTS (sleepers); i++)
    sleepers[i] = get_paused_vm (world, "a");
  core_world_assert_done (world, core_world_wake (world, sleepers[0], FOREVER));
  wake = core_world_wake (world, sleepers[1], FOREVER);
  core_world_assert_pending (world, wake);
  core_world_assert_done (world, core_world_pause (world, sleepers[0]));
  core_world_assert_done (world, wake);
}

static void
test_while_drained (void)
{
  g_autoptr (CoreWorld) world = world_of (3, 3);
  BerthVm *vm = get_paused_vm (world, "a");
  guint64 wake = 0;

  core_world_set_admitting (world, FALSE);
  core_world_assert_done (world, core_world_wake (world, vm, FOREVER));
  core_world_assert_done (world, core_world_pause (world, vm));
  core_world_set_open (world, FALSE);
  wake = core_world_wake (world, vm, FOREVER);
  core_world_assert_pending (world, wake);
  core_world_set_open (world, TRUE);
  core_world_assert_done (world, wake);
}

static void
test_adopted (void)
{
  g_autoptr (CoreWorld) world = world_of (2, 1);
  g_autoptr (BerthVm) vm = berth_vm_new_adopted ("00000000000000000000000000000001",
                                                 BERTH_SHAPE ("python", 128, 1), NULL, 0);
  g_autoptr (BerthRequest) request = berth_request_new (BERTH_SHAPE ("python", 128, 1), "a", NULL,
                                                        1000, FOREVER, NULL, NULL, NULL);
  const BerthMessage adopt
      = { .type = BERTH_MESSAGE_ADOPT, .vm = vm, .request = request, .flag = TRUE };

  core_world_send (world, &adopt);
  g_assert_cmpint (berth_vm_get_state (vm), ==, BERTH_VM_STATE_PAUSED);
  g_assert_cmpuint (held_vcpus (world), ==, 0);
  g_assert_cmpuint (core_world_get_number (world, "slots", "paused"), ==, 1);
  core_world_assert_done (world, core_world_wake (world, vm, FOREVER));
  g_assert_cmpuint (held_vcpus (world), ==, 1);
}

/* nobody's VM, and one that is on its way, are not paused */
static void
test_only_an_owners (void)
{
  const BerthWarmTarget target = { .min = 1, .memory_mb = 128, .vcpus = 1 };
  g_autoptr (CoreWorld) world = world_of (2, 2);
  g_autoptr (GPtrArray) vms = NULL;

  core_world_set_warm (world, "python", &target);
  vms = berth_admission_dup_vms (world->core);
  g_assert_cmpuint (vms->len, ==, 1);
  core_world_assert_error (world, core_world_pause (world, vms->pdata[0]), BERTH_ERROR,
                           BERTH_ERROR_GONE);
  berth_fake_hypervisor_say (world->fake, BERTH_HYPERVISOR_SUSPENDED, vms->pdata[0]);
  berth_fake_hypervisor_say (world->fake, BERTH_HYPERVISOR_RESUMED, vms->pdata[0]);
  core_world_advance (world, 0);
  g_assert_cmpint (berth_vm_get_state (vms->pdata[0]), ==, BERTH_VM_STATE_WARM);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/pause/" name, func)
  ADD ("1-vcpu-goes-round", test_vcpu_goes_round);
  ADD ("idempotent", test_idempotent);
  ADD ("3-wait-ends", test_wait_ends);
  ADD ("together", test_together);
  ADD ("failures", test_failures);
  ADD ("crossing", test_crossing);
  ADD ("3-late-resumed", test_late_resumed);
  ADD ("1-administrator", test_administrator);
  ADD ("4-old-one-waits-for-a-slot", test_old_one_waits_for_a_slot);
  ADD ("4-old-one-waits-for-vcpus", test_old_one_waits_for_vcpus);
  ADD ("5-beside-a-cap", test_beside_a_cap);
  ADD ("5-part-of-user", test_part_of_user);
  ADD ("while-drained", test_while_drained);
  ADD ("8-adopted", test_adopted);
  ADD ("7-only-an-owners", test_only_an_owners);
#undef ADD
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what the status tells of requests that wait. */
#include "berth-tenant-policy.h"
#include "core-world.h"

#define SECOND G_TIME_SPAN_SECOND
#define FOREVER BERTH_REQUEST_WAIT_FOREVER

static const BerthCapacity two_vms = {
  .max_vms = 2,
  .memory_mb = 4096,
  .vcpus = 8,
  .max_starts = 2,
  .big_request_age_us = 30 * SECOND,
};

static void
test_status (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  g_autoptr (GVariant) status = NULL;
  g_autoptr (GVariant) waiters = NULL;
  g_autoptr (GVariant) first = NULL;
  const char *tenant = NULL;
  guint position = 0;
  double since = 0;

  core_world_acquire (world, "a", 192, FOREVER);
  core_world_acquire (world, "a", 192, FOREVER);
  core_world_acquire (world, "b", 192, FOREVER);
  core_world_acquire (world, "b", 192, FOREVER);
  core_world_advance (world, 3 * SECOND / 2);
  status = berth_admission_dup_status (world->core, world->now_us);
  waiters = g_variant_lookup_value (status, "waiters", G_VARIANT_TYPE ("aa{sv}"));
  g_assert_cmpuint (g_variant_n_children (waiters), ==, 2);
  first = g_variant_get_child_value (waiters, 0);
  g_assert_true (g_variant_lookup (first, "tenant", "&s", &tenant));
  g_assert_cmpstr (tenant, ==, "b");
  g_assert_true (g_variant_lookup (first, "position", "u", &position));
  g_assert_cmpuint (position, ==, 1);
  g_assert_true (g_variant_lookup (first, "since", "d", &since));
  g_assert_cmpfloat_with_epsilon (since, 1.5, 0.001);
  g_assert_cmpuint (core_world_get_number (world, "slots", "claimed"), ==, 2);
  g_assert_cmpuint (core_world_get_number (world, "slots", "total"), ==, 2);
  g_assert_cmpuint (core_world_get_number (world, "memory_mb", "held"), ==, 384);
}

/* @wanted_s: below 0 where nobody knows */
static void
assert_waits (CoreWorld *world, gsize index, const char *wanted_words, double wanted_s)
{
  g_autoptr (GVariant) status = berth_admission_dup_status (world->core, world->now_us);
  g_autoptr (GVariant) waiters
      = g_variant_lookup_value (status, "waiters", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) waiter = g_variant_get_child_value (waiters, index);
  const char *words = NULL;
  double estimate_s = -1;

  g_assert_true (g_variant_lookup (waiter, "waits_for", "&s", &words));
  if (strstr (words, wanted_words) == NULL)
    g_error ("'%s' is not in '%s'", wanted_words, words);
  g_variant_lookup (waiter, "estimate_s", "d", &estimate_s);
  g_assert_cmpfloat_with_epsilon (estimate_s, wanted_s, 0.001);
}

/* What each waits for, and for how long if others hold their places as long as the last one did */
static void
test_status_explains (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();
  guint64 first = 0;
  guint64 second = 0;
  guint n_capped = 0;

  core_world_advance (world, SECOND);
  first = core_world_acquire (world, "a", 192, FOREVER);
  second = core_world_acquire (world, "b", 192, FOREVER);
  berth_tenant_policy_set (policy, "a", BERTH_PARTY_MAX_VMS, 1);
  core_world_set_tenants (world, policy);
  core_world_acquire (world, "b", 192, FOREVER);
  assert_waits (world, 0, "2 of 2 VMs exist", -1);
  core_world_advance (world, 8 * SECOND);
  core_world_destroy (world, core_world_get_vm (world, second));
  core_world_acquire (world, "a", 192, FOREVER);
  core_world_acquire (world, "b", 192, FOREVER);
  core_world_acquire (world, "a", 192, FOREVER);
  for (gsize i = 0; i < 3; i++)
    {
      g_autoptr (GVariant) status = berth_admission_dup_status (world->core, world->now_us);
      g_autoptr (GVariant) waiters
          = g_variant_lookup_value (status, "waiters", G_VARIANT_TYPE ("aa{sv}"));
      g_autoptr (GVariant) waiter = g_variant_get_child_value (waiters, i);
      const char *tenant = NULL;

      g_assert_true (g_variant_lookup (waiter, "tenant", "&s", &tenant));
      if (g_str_equal (tenant, "a")) /* behind itself alone, in its one slot */
        assert_waits (world, i, "its tenant has 1 of its 1 VMs (tenant_max_vms)", 8 * ++n_capped);
      else
        assert_waits (world, i, "2 of 2 VMs exist", 8.0 / 2 * (double)(i + 1));
    }
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, SECOND);
  core_world_destroy (world, core_world_get_vm (world, first));
  assert_waits (world, 0, "a place that is on its way to it", 8);
  core_world_set_open (world, FALSE);
  assert_waits (world, 0, "the hypervisor is not reachable", -1);
}

/* How long one that an earlier berthd made was held is not known: nothing is said by it. */
static void
test_adopted_says_nothing (void)
{
  g_autoptr (CoreWorld) world = core_world_new (&two_vms);
  g_autoptr (BerthRequest) request = berth_request_new (BERTH_SHAPE ("python", 128, 1), "a", NULL,
                                                        1000, FOREVER, NULL, NULL, NULL);
  g_autoptr (BerthVm) vm = berth_vm_new_adopted ("00000000000000000000000000000001",
                                                 BERTH_SHAPE ("python", 128, 1), NULL, 0);
  const BerthMessage message = { .type = BERTH_MESSAGE_ADOPT, .vm = vm, .request = request };

  core_world_advance (world, SECOND);
  core_world_send (world, &message);
  core_world_advance (world, SECOND);
  core_world_destroy (world, vm);
  for (guint i = 0; i < 3; i++)
    core_world_acquire (world, "a", 128, FOREVER);
  assert_waits (world, 0, "2 of 2 VMs exist", -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/status/waiters", test_status);
  g_test_add_func ("/status/explains", test_status_explains);
  g_test_add_func ("/status/adopted-says-nothing", test_adopted_says_nothing);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Warm VMs that are one tenant's own. */
#include <gio/gio.h>

#include "berth-admission-private.h"
#include "core-world.h"

#define SECOND G_TIME_SPAN_SECOND
#define MS G_TIME_SPAN_MILLISECOND
#define FOREVER BERTH_REQUEST_WAIT_FOREVER

static const BerthWarmTarget one = { .min = 1, .memory_mb = 192, .vcpus = 1 };
static const BerthWarmTarget two = { .min = 2, .memory_mb = 192, .vcpus = 1 };
static const BerthWarmTarget none = { 0 };

static CoreWorld *
new_world (guint max_vms)
{
  const BerthCapacity capacity
      = { .max_vms = max_vms, .memory_mb = 2048, .vcpus = 4, .max_starts = 4 };
  CoreWorld *world = core_world_new (&capacity);

  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_START, SECOND);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_CLAIM, MS);
  return world;
}

static guint
count_idle (CoreWorld *world)
{
  return core_world_get_number (world, "slots", "warm");
}

static guint64
acquire_as (CoreWorld *world, const char *tenant, gint64 wait_us)
{
  g_autoptr (BerthRequest) request = berth_request_new (BERTH_SHAPE ("python", 192, 1), tenant,
                                                        NULL, 7, wait_us, NULL, NULL, NULL);

  return core_world_acquire_request (world, request);
}

/* A snapshot of one tenant's own makes warm VMs that are nobody else's. */
static void
test_tenants_own (void)
{
  g_autoptr (CoreWorld) world = new_world (3);
  guint64 hers = 0, his = 0;

  core_world_set_tenant_warm (world, "python", "7:her", &two);
  core_world_advance (world, 3 * SECOND);
  g_assert_cmpuint (count_idle (world), ==, 2);
  his = acquire_as (world, "him", FOREVER);
  hers = acquire_as (world, "her", FOREVER);
  core_world_advance (world, MS);
  g_assert_true (berth_vm_was_warm (core_world_get_vm (world, hers)));
  core_world_advance (world, SECOND);
  g_assert_false (berth_vm_was_warm (core_world_get_vm (world, his)));
  g_assert_null (berth_vm_get_tenant_key (core_world_get_vm (world, his)));
  g_assert_cmpuint (core_world_get_template_number (world, "python", "warm"), ==, 1);
}

/* Work-conserving all the same: what is idle for one tenant gives way to another. */
static void
test_tenants_own_gives_way (void)
{
  g_autoptr (CoreWorld) world = new_world (2);
  guint64 tickets[2] = { 0 };

  core_world_set_tenant_warm (world, "python", "7:her", &two);
  core_world_advance (world, 3 * SECOND);
  g_assert_cmpuint (core_world_get_number (world, "slots", "free"), ==, 2);
  for (guint i = 0; i < 2; i++)
    tickets[i] = acquire_as (world, "him", FOREVER);
  core_world_advance (world, 2 * SECOND);
  for (guint i = 0; i < 2; i++)
    core_world_get_vm (world, tickets[i]);
}

/* What many tenants leave behind does not pile up. */
static void
test_tenants_are_forgotten (void)
{
  g_autoptr (CoreWorld) world = new_world (2);

  core_world_set_warm (world, "python", &none);
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *key = g_strdup_printf ("7:%u", i);

      core_world_set_tenant_warm (world, "python", key, &one);
      core_world_advance (world, SECOND);
      g_assert_cmpuint (count_idle (world), ==, 1);
      core_world_set_tenant_warm (world, "python", key, &none);
      core_world_advance (world, SECOND);
      g_assert_cmpuint (core_world_get_template_number (world, "python", "warm"), ==, 0);
    }
  g_assert_false (berth_admission_has_tenants_warm (world->core));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/pool/warm-tenants/" name, func)
  ADD ("7-tenants-own", test_tenants_own);
  ADD ("4-tenants-own-gives-way", test_tenants_own_gives_way);
  ADD ("tenants-are-forgotten", test_tenants_are_forgotten);
#undef ADD
  return g_test_run ();
}

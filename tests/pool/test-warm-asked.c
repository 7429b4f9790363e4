/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves that a number of warm VMs that somebody asked for is there before what nobody asked for.
 */
#include <gio/gio.h>

#include "core-world.h"

#define SECOND G_TIME_SPAN_SECOND

static const BerthWarmTarget by_default = { .min = 2, .memory_mb = 192, .vcpus = 1 };
static const BerthWarmTarget named = { .min = 2, .is_named = TRUE, .memory_mb = 192, .vcpus = 1 };

static CoreWorld *
new_world (guint max_vms)
{
  const BerthCapacity capacity = {
    .max_vms = max_vms,
    .memory_mb = 2048,
    .vcpus = 4,
    .max_starts = 4,
    .big_request_age_us = 30 * SECOND,
  };
  CoreWorld *world = core_world_new (&capacity);

  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_START, SECOND);
  berth_fake_hypervisor_set_latency (world->fake, BERTH_FAKE_DESTROY, SECOND);
  return world;
}

static guint64
acquire (CoreWorld *world)
{
  g_autoptr (BerthRequest) request
      = berth_request_new (BERTH_SHAPE ("javascript", 192, 1), NULL, NULL, 0,
                           BERTH_REQUEST_WAIT_FOREVER, NULL, NULL, NULL);

  return core_world_acquire_request (world, request);
}

/* what somebody asked for before what is there by default, whatever was run last */
static void
test_named_target_first (void)
{
  g_autoptr (CoreWorld) world = new_world (2);
  guint64 ticket;

  core_world_set_warm (world, "javascript", &by_default);
  core_world_advance (world, 10 * SECOND);
  g_assert_cmpuint (core_world_get_template_number (world, "javascript", "warm"), ==, 2);

  /* idle ones that nobody asked for go */
  core_world_set_warm (world, "python", &named);
  core_world_advance (world, 10 * SECOND);
  g_assert_cmpuint (core_world_get_template_number (world, "python", "warm"), ==, 2);
  g_assert_cmpuint (core_world_get_template_number (world, "javascript", "warm"), ==, 0);

  /* one that somebody uses does not, and its place is python's after it */
  ticket = acquire (world);
  core_world_advance (world, 10 * SECOND);
  g_assert_cmpuint (core_world_get_template_number (world, "python", "warm"), ==, 1);
  core_world_destroy (world, core_world_get_result (world, ticket)->vm);
  core_world_advance (world, 10 * SECOND);
  g_assert_cmpuint (core_world_get_template_number (world, "python", "warm"), ==, 2);
}

/* numbers that can't all be had: what was asked for is not taken from another who asked */
static void
test_named_targets_beyond_the_capacity (void)
{
  g_autoptr (CoreWorld) world = new_world (3);
  guint starts;

  core_world_set_warm (world, "javascript", &named);
  core_world_advance (world, 10 * SECOND);
  core_world_set_warm (world, "python", &named);
  core_world_advance (world, 10 * SECOND);
  starts = berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_START);
  core_world_advance (world, 100 * SECOND);
  g_assert_cmpuint (core_world_get_template_number (world, "javascript", "warm"), ==, 2);
  g_assert_cmpuint (core_world_get_template_number (world, "python", "warm"), ==, 1);
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_START), ==, starts);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/warm-asked/4-named-target-first", test_named_target_first);
  g_test_add_func ("/warm-asked/4-named-targets-beyond-the-capacity",
                   test_named_targets_beyond_the_capacity);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what goes with a snapshot that ends, or never comes to be: its warm VMs, its files, its
 * timers, its place, and the patience of whoever asked for it. */
#include <glib/gstdio.h>

#include "keeper-world.h"

/* The pool has a thread of its own, and tells nobody of warm VMs. */
#define AWAIT(condition)                                                                           \
  while (!(condition))                                                                             \
    {                                                                                              \
      run_dry ();                                                                                  \
      g_thread_yield ();                                                                           \
    }

static void
be_valid_and_warm (World *world)
{
  fake_host_add_snapshot (world->host, NAME);
  world_start_up (world);
  berth_snapshot_keeper_set_target (world->keeper, NAME, 1, 1);
  AWAIT (count_in_pool (world, "warm") == 1);
}

static void
spoil (World *world)
{
  berth_host_drop_snapshot (BERTH_HOST (world->host), NAME);
  berth_snapshot_keeper_note_spoilt (world->keeper, NAME, "spoilt");
}

/* They are clones of the one before. */
static void
test_warm_vms_go (void)
{
  World world = { 0 };
  BerthFakeHypervisor *hypervisor;

  world_begin (&world, "shared");
  hypervisor = fake_host_get_hypervisor (world.host);
  be_valid_and_warm (&world);
  berth_snapshot_keeper_make_async (world.keeper, NAME, made_cb, &world);
  come_to_rest (&world);
  /* the one that was recorded, and the warm one of before */
  AWAIT (berth_fake_hypervisor_count_calls (hypervisor, BERTH_FAKE_DESTROY) == 2);
  AWAIT (count_in_pool (&world, "warm") == 1);
  world_end (&world);
}

/* None is wanted where there is nothing to clone, until there is again. */
static void
test_no_target_without_one (void)
{
  World world = { 0 };

  world_begin (&world, "shared");
  be_valid_and_warm (&world);
  fake_host_hold (world.host, FAKE_HOST_PREPARE, TRUE);
  spoil (&world);
  g_assert_cmpuint (count_in_pool (&world, "target"), ==, 0);
  berth_snapshot_keeper_retry (world.keeper, NAME);
  spoil (&world); /* while it is made, too */
  g_assert_cmpuint (count_in_pool (&world, "target"), ==, 0);
  come_to_rest (&world);
  g_assert_cmpuint (count_in_pool (&world, "target"), ==, 1);
  world_end (&world);
}

static void
test_removed (void)
{
  World world = { 0 };

  world_begin (&world, "shared");
  be_valid_and_warm (&world);
  berth_snapshot_keeper_remove (world.keeper, NAME);
  g_assert_false (fake_host_has_snapshot (world.host, NAME));
  g_assert_cmpuint (count_in_pool (&world, "target"), ==, 0);
  AWAIT (count_in_pool (&world, "warm") == 0);
  world_end (&world);
}

/* What is removed after a failure is not tried again by itself. */
static void
test_removed_after_failure (void)
{
  World world = { 0 };
  guint looks;

  world_begin (&world, "shared");
  world_start_up (&world);
  fail_once (&world);
  come_to_rest (&world);
  looks = count_looks (&world);
  berth_snapshot_keeper_remove (world.keeper, NAME);
  g_assert_cmpuint (fake_host_count_timers (world.host), ==, 0);
  fake_host_advance (world.host, 20 * G_TIME_SPAN_MINUTE);
  g_assert_cmpuint (count_looks (&world), ==, looks);
  world_end (&world);
}

/* A success is a new beginning: a boot after the next failure is believed. */
static void
test_encouraged_anew (void)
{
  World world = { 0 };
  guint looks;

  world_begin (&world, "shared");
  world_start_up (&world);
  for (guint i = 0; i < 2; i++)
    {
      fake_host_fail (world.host, FAKE_HOST_RECORD, error_new ("no recording"));
      i == 0 ? want (&world, NAME) : spoil (&world);
      come_to_rest (&world);
      looks = count_looks (&world);
      fake_host_fail (world.host, FAKE_HOST_RECORD, NULL);
      berth_snapshot_keeper_note_boot (world.keeper, NAME, TRUE);
      come_to_rest (&world);
      g_assert_cmpuint (count_looks (&world), ==, looks + 1);
      assert_described (&world, "snapshot", "'valid'");
    }
  world_end (&world);
}

/* Settings of before the start are the start's: nothing is looked for twice. */
static void
test_reload_before_start (void)
{
  World world = { 0 };

  world_begin (&world, "shared");
  world.keeper = berth_snapshot_keeper_new (world.config, world.templates, BERTH_HOST (world.host),
                                            world.pool, 4);
  g_assert_true (berth_config_set (world.config, "warm", NAME "=1", "test", NULL));
  berth_snapshot_keeper_reload (world.keeper, 4);
  g_assert_cmpuint (count_looks (&world), ==, 0);
  world_end (&world);
}

/* Who waits for a turn that does not come any more is told. */
static void
test_stopped (void)
{
  World world = { 0 };
  g_autoptr (GError) error = NULL;

  world_begin (&world, "shared");
  world_start_up (&world);
  fake_host_hold (world.host, FAKE_HOST_PREPARE, TRUE);
  want (&world, OTHER);
  berth_snapshot_keeper_make_async (world.keeper, NAME, made_cb, &world);
  berth_snapshot_keeper_stop (world.keeper);
  WAIT_UNTIL (world.made != NULL);
  g_assert_false (berth_snapshot_keeper_make_finish (world.keeper, world.made, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN);
  world_end (&world);
}

/* Nothing is tried again, nor waited for. */
static void
test_stopped_after_failure (void)
{
  World world = { 0 };

  world_begin (&world, "shared");
  world_start_up (&world);
  fail_once (&world);
  come_to_rest (&world);
  g_assert_cmpuint (fake_host_count_timers (world.host), ==, 1);
  berth_snapshot_keeper_stop (world.keeper);
  g_assert_cmpuint (fake_host_count_timers (world.host), ==, 0);
  world_end (&world);
}

/* Its end is that of its keeper. */
static void
test_spoilt_after_stop (void)
{
  World world = { 0 };

  world_begin (&world, "shared");
  be_valid_and_warm (&world);
  berth_snapshot_keeper_stop (world.keeper);
  spoil (&world);
  assert_described (&world, "snapshot", "'valid'");
  assert_described (&world, "last_error", "-");
  world_end (&world);
}

/* However many events a new images.json is, it is one look, a moment later. */
static void
test_images_change (void)
{
  World world = { 0 };
  g_autofree char *path = NULL;
  guint looks;

  world_begin (&world, "shared");
  fake_host_add_snapshot (world.host, NAME);
  world_start_up (&world);
  looks = count_looks (&world);
  path = g_build_filename (world.dir, "images.json", NULL);
  g_assert_true (g_file_set_contents (path, "{}", -1, NULL));
  WAIT_UNTIL (fake_host_count_timers (world.host) > 0);
  g_signal_emit_by_name (world.keeper->images_monitor, "changed", NULL, NULL,
                         G_FILE_MONITOR_EVENT_CHANGED);
  g_assert_cmpuint (fake_host_count_timers (world.host), ==, 1);
  fake_host_advance (world.host, G_TIME_SPAN_SECOND);
  come_to_rest (&world);
  g_assert_cmpuint (count_looks (&world), ==, looks + 1);
  g_unlink (path);
  world_end (&world);
}

static BerthSnapshotEntry *
want_of (World *world, const char *tenant)
{
  g_autoptr (BerthRequest) request = request_of (NAME, tenant, 1000);
  g_autofree char *name = berth_snapshot_make_name (NAME, request->tenant_key);

  berth_snapshot_keeper_want (world->keeper, request);
  return entry_of (world, name);
}

/* Who has to give its place leaves nothing there; who is not done yet, keeps it. */
static void
test_place_given_up (void)
{
  World world = { 0 };
  g_autofree char *first = NULL;

  world_begin (&world, "tenant");
  world.config->tenant_snapshots = 1;
  world_start_up (&world);
  fake_host_hold (world.host, FAKE_HOST_COMMIT, TRUE);
  first = g_strdup (want_of (&world, "a")->name);
  WAIT_UNTIL (fake_host_count_held (world.host, FAKE_HOST_COMMIT) == 1);
  fake_host_advance (world.host, 20 * G_TIME_SPAN_MINUTE);
  g_assert_null (want_of (&world, "b"));
  come_to_rest (&world);
  g_assert_true (fake_host_has_snapshot (world.host, first));
  fake_host_advance (world.host, 20 * G_TIME_SPAN_MINUTE);
  g_assert_nonnull (want_of (&world, "b"));
  g_assert_null (entry_of (&world, first));
  g_assert_false (fake_host_has_snapshot (world.host, first));
  world_end (&world);
}

/* Of a template's many snapshots the best is told, whichever it is. */
static void
test_best_is_told (void)
{
  static const char *const tenants[] = { "a", "b", "c" };

  for (guint best = 0; best < G_N_ELEMENTS (tenants); best++)
    {
      World world = { 0 };

      world_begin (&world, "tenant");
      world_start_up (&world);
      for (guint i = 0; i < G_N_ELEMENTS (tenants); i++)
        {
          fake_host_fail (world.host, FAKE_HOST_RECORD,
                          i != best ? error_new ("no recording") : NULL);
          g_assert_nonnull (want_of (&world, tenants[i]));
          come_to_rest (&world);
        }
      assert_described (&world, "snapshot", "'valid'");
      assert_described (&world, "snapshots", "1");
      assert_described (&world, "snapshot_failures", "2");
      world_end (&world);
    }
}

/* Folders of before that nobody's VMs are cloned from any more */
static void
test_other_scopes_go (void)
{
  World world = { 0 };
  g_autoptr (BerthRequest) request = request_of (NAME, "a", 1000);
  g_autofree char *name = berth_snapshot_make_name (NAME, request->tenant_key);
  g_autofree char *path = NULL;

  world_begin (&world, "shared");
  path = g_strdup_printf ("%s/%s-0123456789abcdef", world.dir, name);
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  world_start_up (&world);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  world_end (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* a snapshot that fails is a warning */
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
  g_test_add_func ("/keeper-ends/warm-vms-go", test_warm_vms_go);
  g_test_add_func ("/keeper-ends/no-target-without-one", test_no_target_without_one);
  g_test_add_func ("/keeper-ends/removed", test_removed);
  g_test_add_func ("/keeper-ends/removed-after-failure", test_removed_after_failure);
  g_test_add_func ("/keeper-ends/encouraged-anew", test_encouraged_anew);
  g_test_add_func ("/keeper-ends/reload-before-start", test_reload_before_start);
  g_test_add_func ("/keeper-ends/stopped", test_stopped);
  g_test_add_func ("/keeper-ends/stopped-after-failure", test_stopped_after_failure);
  g_test_add_func ("/keeper-ends/spoilt-after-stop", test_spoilt_after_stop);
  g_test_add_func ("/keeper-ends/images-change", test_images_change);
  g_test_add_func ("/keeper-ends/place-given-up", test_place_given_up);
  g_test_add_func ("/keeper-ends/best-is-told", test_best_is_told);
  g_test_add_func ("/keeper-ends/other-scopes-go", test_other_scopes_go);
  return g_test_run ();
}

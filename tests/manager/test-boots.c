/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What boots tell the manager of a snapshot that could not be made: the real manager on a host
 * without VMs, whose clock stands still. */
#include <string.h>

#include "manager-world.h"
#include "pool/berth-error.h"

#define LIMIT_US (30 * G_TIME_SPAN_SECOND)

/* Of another size than the template's: it boots, whatever snapshots there are */
static BerthSandboxOptions
booting (guint idle_timeout_ms)
{
  BerthSandboxOptions options = world_options ("python");

  options.memory_mb = 320;
  options.idle_timeout_ms = idle_timeout_ms;
  return options;
}

static gboolean
boot (World *world)
{
  const BerthSandboxOptions options = booting (0);
  g_autofree char *id = world_create (world, &options, NULL);

  if (id == NULL)
    return FALSE;
  g_assert_true (world_destroy (world, id, 1000, NULL, NULL));
  return TRUE;
}

static char *
dup_snapshot_state (World *world)
{
  g_autoptr (GVariant) status = berth_manager_dup_status (world->manager);
  g_autoptr (GVariant) templates = g_variant_lookup_value (status, "templates", NULL);
  g_autoptr (GVariant) python = g_variant_lookup_value (templates, "python", NULL);
  char *state = NULL;

  g_assert_true (g_variant_lookup (python, "snapshot", "s", &state));
  return state;
}

static void
wait_for_snapshot (World *world, const char *state)
{
  gint64 end_us = g_get_monotonic_time () + LIMIT_US;

  for (;;)
    {
      g_autofree char *now = dup_snapshot_state (world);

      if (g_str_equal (now, state))
        return;
      g_assert_cmpint (g_get_monotonic_time (), <, end_us);
      g_main_context_iteration (NULL, FALSE);
      g_thread_yield ();
    }
}

static void
fail_recordings (World *world)
{
  fake_host_fail (world->host, FAKE_HOST_RECORD,
                  g_error_new_literal (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "no"));
}

/* what the host lacked is there again: the first boot says so, and nobody waits for the back-off */
static void
test_success_ends_the_back_off (World *world, gconstpointer data)
{
  fail_recordings (world);
  g_assert_true (boot (world));
  wait_for_snapshot (world, "failed");
  for (guint i = 0; i < 8; i++)
    {
      fake_host_advance (world->host, 20 * G_TIME_SPAN_MINUTE);
      wait_for_snapshot (world, "failed");
    }
  fake_host_fail (world->host, FAKE_HOST_RECORD, NULL);
  g_assert_true (boot (world));
  wait_for_snapshot (world, "valid");
}

/* guests boot and a snapshot can't be made all the same: not each of them costs a boot more */
static void
test_success_is_believed_once (World *world, gconstpointer data)
{
  guint before;

  fail_recordings (world);
  g_assert_true (boot (world));
  wait_for_snapshot (world, "failed");
  g_assert_true (boot (world));
  wait_for_snapshot (world, "failed");
  before = fake_host_count_calls (world->host, FAKE_HOST_RECORD);
  for (guint i = 0; i < 5; i++)
    g_assert_true (boot (world));
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_RECORD), ==, before);
}

/* after a boot that failed, a success says something again */
static void
test_success_after_failure (World *world, gconstpointer data)
{
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);

  fail_recordings (world);
  g_assert_true (boot (world));
  wait_for_snapshot (world, "failed");
  g_assert_true (boot (world));
  wait_for_snapshot (world, "failed");
  berth_fake_hypervisor_fail_at (hypervisor, "boot-timeout");
  g_assert_false (boot (world));
  berth_fake_hypervisor_fail_at (hypervisor, NULL);
  fake_host_fail (world->host, FAKE_HOST_RECORD, NULL);
  g_assert_true (boot (world));
  wait_for_snapshot (world, "valid");
}

/* (nullable): why the sandbox is gone */
static char *
dup_end (World *world, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) end = world_exec (world, id, 1000, &error);

  return g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE) ? g_strdup (error->message) : NULL;
}

/* A sandbox's own idle time, and the administrator's for the others. */
static void
test_idle_time_of_its_own (World *world, gconstpointer data)
{
  BerthSandboxOptions options = booting (20500);
  g_autofree char *own = world_create (world, &options, NULL);
  g_autofree char *usual = NULL;
  g_autofree char *end = NULL;

  options.idle_timeout_ms = 0;
  usual = world_create (world, &options, NULL);
  fake_host_advance (world->host, 20 * G_TIME_SPAN_SECOND);
  g_assert_null (dup_end (world, own));
  fake_host_advance (world->host, 20 * G_TIME_SPAN_SECOND);
  g_assert_null (dup_end (world, own)); /* it was used, so its time has begun anew */
  fake_host_advance (world->host, 21 * G_TIME_SPAN_SECOND);
  end = dup_end (world, own);
  g_assert_nonnull (end);
  g_assert_nonnull (strstr (end, "nobody used it for 20.5 s"));
  g_assert_null (dup_end (world, usual));
  fake_host_advance (world->host, 300 * G_TIME_SPAN_SECOND);
  g_clear_pointer (&end, g_free);
  end = dup_end (world, usual);
  g_assert_nonnull (end);
  g_assert_nonnull (strstr (end, "nobody used it for 300 s"));
}

static void
test_idle_time_beyond_the_administrators (World *world, gconstpointer data)
{
  BerthSandboxOptions options = booting (300 * 1000);
  g_autofree char *longest = world_create (world, &options, NULL);
  g_autofree char *too_long = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (longest);
  options.idle_timeout_ms++;
  too_long = world_create (world, &options, &error);
  g_assert_null (too_long);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "300.001 s is more than the 300 s"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* a snapshot that fails is a warning */
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
#define ADD(name, func)                                                                            \
  g_test_add ("/boots/" name, World, "shared", world_set_up, func, world_tear_down)
  ADD ("success-ends-the-back-off", test_success_ends_the_back_off);
  ADD ("success-is-believed-once", test_success_is_believed_once);
  ADD ("success-after-failure", test_success_after_failure);
  ADD ("idle-time-of-its-own", test_idle_time_of_its_own);
  ADD ("idle-time-beyond-the-administrators", test_idle_time_beyond_the_administrators);
  return g_test_run ();
}

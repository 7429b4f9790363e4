/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What boots tell the manager of a snapshot that could not be made: the real manager on a host
 * without VMs, whose clock stands still. */
#include <string.h>

#include "fake-host.h"
#include "plugin/manager/berth-manager.h"
#include "pool/berth-error.h"

#define LIMIT_US (30 * G_TIME_SPAN_SECOND)

typedef struct
{
  FakeHost *host;
  BerthManager *manager;
  GAsyncResult *result;
} World;

static void
result_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ((World *)user_data)->result = g_object_ref (result);
}

static GAsyncResult *
wait_for_result (World *world)
{
  while (world->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return g_steal_pointer (&world->result);
}

static void
world_set_up (World *world, gconstpointer data)
{
  BerthConfig *config = berth_config_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  config->max_vms = 4;
  config->memory_mb = 4096;
  config->vcpus = 4;
  world->host = fake_host_new ();
  world->manager = berth_manager_new (config, BERTH_HOST (world->host));
  berth_manager_start_async (world->manager, NULL, result_cb, world);
  result = wait_for_result (world);
  berth_manager_start_finish (world->manager, result, &error);
  g_assert_no_error (error);
}

static void
world_tear_down (World *world, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  fake_host_fail (world->host, FAKE_HOST_RECORD, NULL);
  berth_manager_shutdown_async (world->manager, NULL, result_cb, world);
  result = wait_for_result (world);
  berth_manager_shutdown_finish (world->manager, result, &error);
  g_assert_no_error (error);
  g_clear_object (&world->manager);
  g_clear_object (&world->host);
}

/* (transfer full) (nullable): the id of a new sandbox */
static char *
create (World *world, const BerthSandboxOptions *options, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_create_sandbox_async (world->manager, options, NULL, result_cb, world);
  result = wait_for_result (world);
  return berth_manager_create_sandbox_finish (world->manager, result, error);
}

/* another size than the template's: it boots, whatever snapshots there are */
static gboolean
boot (World *world)
{
  const BerthSandboxOptions options
      = { .template_name = "python", .memory_mb = 320, .wait_us = BERTH_REQUEST_WAIT_FOREVER };
  g_autoptr (GAsyncResult) result = NULL;
  g_autofree char *id = create (world, &options, NULL);

  if (id == NULL)
    return FALSE;
  berth_manager_destroy_sandbox_async (world->manager, id, 0, NULL, result_cb, world);
  result = wait_for_result (world);
  g_assert_true (berth_manager_destroy_sandbox_finish (world->manager, result, NULL, NULL));
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
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) code = g_bytes_new_static ("true", 4);
  g_autoptr (BerthResult) end = NULL;

  berth_manager_exec_async (world->manager, id, 0, berth_exec_new (code), NULL, result_cb, world);
  result = wait_for_result (world);
  end = berth_manager_exec_finish (world->manager, result, &error);
  return g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE) ? g_strdup (error->message) : NULL;
}

/* A sandbox's own idle time, and the administrator's for the others. */
static void
test_idle_time_of_its_own (World *world, gconstpointer data)
{
  BerthSandboxOptions options = { .template_name = "python",
                                  .memory_mb = 320,
                                  .wait_us = BERTH_REQUEST_WAIT_FOREVER,
                                  .idle_timeout_ms = 20500 };
  g_autofree char *own = create (world, &options, NULL);
  g_autofree char *usual = NULL;
  g_autofree char *end = NULL;

  options.idle_timeout_ms = 0;
  usual = create (world, &options, NULL);
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
  BerthSandboxOptions options = { .template_name = "python",
                                  .memory_mb = 320,
                                  .wait_us = BERTH_REQUEST_WAIT_FOREVER,
                                  .idle_timeout_ms = 300 * 1000 };
  g_autofree char *longest = create (world, &options, NULL);
  g_autofree char *too_long = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (longest);
  options.idle_timeout_ms++;
  too_long = create (world, &options, &error);
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
  g_test_add ("/manager-boots/" name, World, NULL, world_set_up, func, world_tear_down)
  ADD ("success-ends-the-back-off", test_success_ends_the_back_off);
  ADD ("success-is-believed-once", test_success_is_believed_once);
  ADD ("success-after-failure", test_success_after_failure);
  ADD ("idle-time-of-its-own", test_idle_time_of_its_own);
  ADD ("idle-time-beyond-the-administrators", test_idle_time_beyond_the_administrators);
  return g_test_run ();
}

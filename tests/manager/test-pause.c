/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves when the manager lets a sandbox stand still, and that whatever is asked of it wakes it. */
#include "plugin/manager/berth-sandbox-private.h"
#include "pool/berth-error.h"
#include "tests/host/fake-answer.h"
#include "tests/manager/manager-world.h"

#define PAUSE_US (5 * G_USEC_PER_SEC)
#define FOUND_ID "0123456789abcdef0123456789abcdef"

static char *
create (World *world, guint idle_pause_ms)
{
  BerthSandboxOptions options = world_options (NULL);
  g_autoptr (GError) error = NULL;
  char *id = NULL;

  options.idle_pause_ms = idle_pause_ms;
  id = world_create (world, &options, &error);
  g_assert_no_error (error);
  return id;
}

static BerthSandbox *
find (World *world, const char *id)
{
  return g_hash_table_lookup (world->manager->sandboxes, id);
}

static BerthVmState
state_of (World *world, const char *id)
{
  return berth_vm_get_state (berth_sandbox_get_vm (find (world, id)));
}

/* by pool's thread */
static void
wait_for_state (World *world, const char *id, BerthVmState state)
{
  while (state_of (world, id) != state)
    g_main_context_iteration (NULL, FALSE);
}

static gboolean
set_paused (World *world, const char *id, guint32 uid, gboolean is_paused, GError **error)
{
  g_autoptr (GAsyncResult) answer = NULL;

  berth_manager_set_paused_async (world->manager, id, uid, is_paused, NULL, world_result_cb, world);
  answer = world_wait (world);
  return berth_manager_set_paused_finish (world->manager, answer, error);
}

static void
test_by_hand (World *world, gconstpointer data)
{
  g_autofree char *id = create (world, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;

  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (set_paused (world, id, 1000, TRUE, &error));
      g_assert_no_error (error);
      g_assert_cmpint (state_of (world, id), ==, BERTH_VM_STATE_PAUSED);
    }
  result = world_exec (world, id, 1000, &error);
  g_assert_no_error (error);
  g_assert_cmpint (state_of (world, id), ==, BERTH_VM_STATE_CLAIMED);
  g_assert_true (set_paused (world, id, 1000, TRUE, &error));
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (set_paused (world, id, 1000, FALSE, &error));
      g_assert_no_error (error);
      g_assert_cmpint (state_of (world, id), ==, BERTH_VM_STATE_CLAIMED);
    }
}

/* of others, and of none: one answer */
static void
test_foreign (World *world, gconstpointer data)
{
  g_autofree char *id = create (world, 0);
  const char *const ids[] = { id, FOUND_ID };

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    for (guint is_paused = 0; is_paused < 2; is_paused++)
      {
        g_autoptr (GError) error = NULL;

        g_assert_false (set_paused (world, ids[i], 1001, is_paused != 0, &error));
        g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
        g_assert_nonnull (strstr (error->message, "berth knows none of this id"));
      }
  g_assert_cmpint (state_of (world, id), ==, BERTH_VM_STATE_CLAIMED);
}

/* Unused for its time it is paused, and again when it was used, or when somebody has resumed it. */
static void
test_unused (World *world, gconstpointer data)
{
  g_autofree char *id = create (world, PAUSE_US / 1000);
  g_autoptr (BerthResult) result = NULL;
  BerthVm *vm = berth_sandbox_get_vm (find (world, id));

  fake_host_advance (world->host, PAUSE_US - 1);
  world_run_dry ();
  g_assert_cmpint (state_of (world, id), ==, BERTH_VM_STATE_CLAIMED);
  fake_host_advance (world->host, 1);
  wait_for_state (world, id, BERTH_VM_STATE_PAUSED);
  result = world_exec (world, id, 1000, NULL);
  g_assert_nonnull (result);
  fake_host_advance (world->host, PAUSE_US);
  wait_for_state (world, id, BERTH_VM_STATE_PAUSED);

  berth_fake_hypervisor_say (fake_host_get_hypervisor (world->host), BERTH_HYPERVISOR_RESUMED, vm);
  wait_for_state (world, id, BERTH_VM_STATE_CLAIMED);
  world_run_dry (); /* the pause before has been told */
  fake_host_advance (world->host, PAUSE_US);
  wait_for_state (world, id, BERTH_VM_STATE_PAUSED);
}

static void
note_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_set_object ((GAsyncResult **)user_data, result);
}

/* Who gives up is told so while the guest stands still and can end nothing; what is left of that
 * there keeps the sandbox from nothing, and the next one waits until it is over. */
static void
test_cancelled_while_paused (World *world, gconstpointer data)
{
  g_autofree char *id = create (world, 0);
  g_autoptr (GBytes) code = g_bytes_new_static ("true", 4);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *answers[3] = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;
  BerthSandbox *sandbox = find (world, id);

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  berth_sandbox_exec_async (sandbox, berth_exec_new (code), cancellable, note_cb, &answers[0]);
  berth_sandbox_background_async (sandbox,
                                  berth_background_request_new (BERTH_BACKGROUND_ATTACH, 1),
                                  cancellable, note_cb, &answers[1]);
  world_run_dry ();
  g_assert_true (set_paused (world, id, 1000, TRUE, &error));
  g_assert_true (berth_sandbox_is_used (sandbox));
  g_cancellable_cancel (cancellable);
  world_run_dry ();
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) failure = NULL;

      g_assert_nonnull (answers[i]);
      g_assert_null (g_task_propagate_pointer (G_TASK (answers[i]), &failure));
      g_assert_error (failure, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    }
  g_assert_false (berth_sandbox_is_used (sandbox));
  berth_sandbox_exec_async (sandbox, berth_exec_new (code), NULL, note_cb, &answers[2]);
  wait_for_state (world, id, BERTH_VM_STATE_CLAIMED);
  world_run_dry ();
  g_assert_cmpuint (fake_host_count_held (world->host, FAKE_HOST_EXEC), ==, 1);
  g_assert_true (berth_sandbox_is_used (sandbox));
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, FALSE);
  fake_host_hold (world->host, FAKE_HOST_EXEC, FALSE);
  while (answers[2] == NULL)
    g_main_context_iteration (NULL, TRUE);
  result = berth_sandbox_exec_finish (sandbox, answers[2], &error);
  g_assert_no_error (error);
  g_assert_false (berth_sandbox_is_used (sandbox));
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    g_clear_object (&answers[i]);
}

/* The administrator's setting is the usual, and the most. */
static void
test_settings (World *world, gconstpointer data)
{
  const struct
  {
    gint64 most_s;
    guint asked_ms;
    gint64 is_us;
  } cases[] = { { 0, 0, 0 },
                { 0, 3000, 3 * G_USEC_PER_SEC },
                { 60, 0, 60 * G_USEC_PER_SEC },
                { 60, 3000, 3 * G_USEC_PER_SEC },
                { 2, 3000, 2 * G_USEC_PER_SEC } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *id = NULL;

      world->manager->config->idle_pause_s = cases[i].most_s;
      id = create (world, cases[i].asked_ms);
      g_assert_cmpint (find (world, id)->pause_us, ==, cases[i].is_us);
      g_assert_true (world_destroy (world, id, 1000, NULL, NULL));
    }
}

/* What runs in it keeps it from being paused by itself, and not from being paused by hand. */
static void
test_in_use (World *world, gconstpointer data)
{
  g_autofree char *id = create (world, PAUSE_US / 1000);
  g_autoptr (GError) error = NULL;
  g_autoptr (GAsyncResult) ended = NULL;
  g_autoptr (BerthResult) result = NULL;
  BerthSandbox *sandbox = find (world, id);

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  berth_manager_exec_async (world->manager, id, 1000, world_exec_new ("true"), NULL,
                            world_result_cb, world);
  world_run_dry ();
  g_assert_true (berth_sandbox_is_used (sandbox));
  fake_host_advance (world->host, 10 * PAUSE_US);
  world_run_dry ();
  g_assert_cmpint (state_of (world, id), ==, BERTH_VM_STATE_CLAIMED);
  berth_sandbox_pause_async (sandbox, NULL, NULL, NULL);
  wait_for_state (world, id, BERTH_VM_STATE_PAUSED);
  fake_host_hold (world->host, FAKE_HOST_EXEC, FALSE);
  ended = world_wait (world);
  result = berth_manager_exec_finish (world->manager, ended, &error);
  g_assert_no_error (error);
}

/* Paused, it ends as any other that nobody uses. */
static void
test_idle_time_goes_on (World *world, gconstpointer data)
{
  gint64 idle_us = world->manager->config->idle_timeout_s * G_USEC_PER_SEC;
  g_autofree char *id = create (world, 0);

  fake_host_advance (world->host, idle_us / 2);
  g_assert_true (set_paused (world, id, 1000, TRUE, NULL));
  fake_host_advance (world->host, idle_us - idle_us / 2 - 1);
  g_assert_nonnull (find (world, id));
  fake_host_advance (world->host, 1);
  g_assert_null (find (world, id));
  world_wait_for_vms (world, 0);
}

static void
start_with_paused (World *world, GVariant *execs)
{
  const BerthPurpose purpose = { .is_session = TRUE };
  g_autoptr (BerthRequest) request = berth_purpose_make_request (
      &purpose, BERTH_SHAPE ("python", 192, 1), NULL, NULL, 1000, BERTH_REQUEST_WAIT_FOREVER, NULL);

  if (execs != NULL)
    fake_answer_set_execs (BERTH_HOST (world->host), execs);
  fake_host_leave_vm (world->host, "python", request, TRUE);
  world_begin_start (world);
  world_end_start (world);
  world_run_dry ();
  wait_for_state (world, FOUND_ID, BERTH_VM_STATE_PAUSED);
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_BACKGROUND), ==, 0);
}

/* Found paused it stays so, is asked nothing before somebody wants it, and what runs in it then. */
static void
test_found (World *world, gconstpointer data)
{
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GError) error = NULL;

  start_with_paused (world, NULL);
  result = world_exec (world, FOUND_ID, 1000, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_BACKGROUND), ==, 1);
  g_assert_cmpint (state_of (world, FOUND_ID), ==, BERTH_VM_STATE_CLAIMED);
}

/* An administrator has resumed it meanwhile: what runs in it is asked all the same. */
static void
test_found_and_resumed (World *world, gconstpointer data)
{
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GError) error = NULL;

  start_with_paused (world, NULL);
  berth_fake_hypervisor_say (fake_host_get_hypervisor (world->host), BERTH_HYPERVISOR_RESUMED,
                             berth_sandbox_get_vm (find (world, FOUND_ID)));
  wait_for_state (world, FOUND_ID, BERTH_VM_STATE_CLAIMED);
  result = world_exec (world, FOUND_ID, 1000, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_BACKGROUND), ==, 1);
}

static void
fail_wakes (BerthFakeCall call, BerthVm *vm, BerthFakePlan *plan, gpointer user_data)
{
  if (call == BERTH_FAKE_WAKE)
    plan->fail_step = "by the test";
}

/* Nobody wants it, and it can't be woken: it does not hold its slot for ever. */
static void
test_found_and_stuck (World *world, gconstpointer data)
{
  gint64 idle_us = world->manager->config->idle_timeout_s * G_USEC_PER_SEC;
  BerthFakeHypervisor *fake = fake_host_get_hypervisor (world->host);

  start_with_paused (world, NULL);
  berth_fake_hypervisor_set_script (fake, fail_wakes, NULL);
  for (guint i = 1; i <= 3; i++)
    {
      fake_host_advance (world->host, idle_us);
      while (berth_fake_hypervisor_count_calls (fake, BERTH_FAKE_WAKE) < i
             || berth_sandbox_is_used (find (world, FOUND_ID)))
        g_main_context_iteration (NULL, FALSE);
    }
  fake_host_advance (world->host, idle_us);
  g_assert_null (find (world, FOUND_ID));
  world_wait_for_vms (world, 0);
}

static GVariant *
one_running (void)
{
  GVariantBuilder execs = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  g_variant_builder_open (&execs, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&execs, "{sv}", "exec", g_variant_new_uint32 (1));
  g_variant_builder_add (&execs, "{sv}", "state", g_variant_new_string ("running"));
  g_variant_builder_add (&execs, "{sv}", "kind", g_variant_new_string ("command"));
  g_variant_builder_close (&execs);
  return g_variant_builder_end (&execs);
}

/* Before it ends as unused it is asked whether it is, and stands still again if not. */
static void
test_found_with_a_program (World *world, gconstpointer data)
{
  gint64 idle_us = world->manager->config->idle_timeout_s * G_USEC_PER_SEC;

  start_with_paused (world, one_running ());
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  fake_host_advance (world->host, idle_us);
  while (fake_host_count_held (world->host, FAKE_HOST_BACKGROUND) == 0)
    g_main_context_iteration (NULL, FALSE);
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, FALSE); /* the list is told, */
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);  /* the end is not */
  world_run_dry ();
  wait_for_state (world, FOUND_ID, BERTH_VM_STATE_PAUSED);
  fake_host_advance (world->host, 10 * idle_us);
  world_run_dry ();
  g_assert_nonnull (find (world, FOUND_ID));
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, FALSE);
  world_run_dry ();
}

/* One in which nothing runs ends a little later. */
static void
test_found_unused (World *world, gconstpointer data)
{
  gint64 idle_us = world->manager->config->idle_timeout_s * G_USEC_PER_SEC;

  start_with_paused (world, NULL);
  fake_host_advance (world->host, idle_us);
  wait_for_state (world, FOUND_ID, BERTH_VM_STATE_CLAIMED);
  while (fake_host_count_calls (world->host, FAKE_HOST_BACKGROUND) == 0)
    g_main_context_iteration (NULL, FALSE);
  world_run_dry ();
  fake_host_advance (world->host, idle_us);
  g_assert_null (find (world, FOUND_ID));
  world_wait_for_vms (world, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                                            \
  g_test_add ("/pause/" name, World, NULL, world_set_up, func, world_tear_down)
  ADD ("by-hand", test_by_hand);
  ADD ("foreign", test_foreign);
  ADD ("unused", test_unused);
  ADD ("cancelled-while-paused", test_cancelled_while_paused);
  ADD ("settings", test_settings);
  ADD ("in-use", test_in_use);
  ADD ("idle-time-goes-on", test_idle_time_goes_on);
#undef ADD
#define ADD(name, func) g_test_add ("/pause/" name, World, NULL, world_make, func, world_tear_down)
  ADD ("found", test_found);
  ADD ("found-and-resumed", test_found_and_resumed);
  ADD ("found-and-stuck", test_found_and_stuck);
  ADD ("found-with-a-program", test_found_with_a_program);
  ADD ("found-unused", test_found_unused);
#undef ADD
  return g_test_run ();
}

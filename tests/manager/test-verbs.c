/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what create, exec, destroy and run do with a sandbox in each state that it can be in:
 * waited for, up, busy, destroyed, gone by itself; and who may ask. */
#include <fcntl.h>
#include <string.h>

#include "manager-world.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

#define NEVER_WAS "fedcba98765432100123456789abcdef"

static void
assert_gone (GError *error, const char *reason)
{
  g_autoptr (GError) owned = error;

  g_assert_error (owned, BERTH_ERROR, BERTH_ERROR_GONE);
  if (strstr (owned->message, reason) == NULL)
    g_error ("'%s' does not say '%s'", owned->message, reason);
}

static char *
create (World *world)
{
  const BerthSandboxOptions options = world_options (NULL);
  g_autoptr (GError) error = NULL;
  char *id = world_create (world, &options, &error);

  g_assert_no_error (error);
  return id;
}

static void
assert_exec_gone (World *world, const char *id, guint32 uid, const char *reason)
{
  GError *error = NULL;

  g_assert_null (world_exec (world, id, uid, &error));
  assert_gone (error, reason);
}

/* ---- who asks, and for what ---- */

/* A wrong request costs no VM, and says what is wrong with it. */
static void
test_wrong_requests (World *world, gconstpointer data)
{
  const struct
  {
    BerthSandboxOptions options;
    const char *code;
    const char *text;
  } wrong[] = {
    { { .template_name = "cobol" }, "x", "there is no template cobol; there are " },
    { { .memory_mb = 127 }, "x", "memory of 127 MiB is too small" },
    { { .memory_mb = 8192 }, "x", "8192" },
    { { .tenant = "a b" }, "x", "tenant" },
    { { .idle_timeout_ms = 300 * 1000 + 1 }, "x", "more than the 300 s" },
    { { 0 }, " \n", "code" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BerthResult) result
          = world_run (world, &wrong[i].options, wrong[i].code, NULL, &error);

      g_assert_null (result);
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      if (strstr (error->message, wrong[i].text) == NULL)
        g_error ("'%s' does not say '%s'", error->message, wrong[i].text);
    }
  g_assert_cmpuint (
      berth_fake_hypervisor_count_calls (fake_host_get_hypervisor (world->host), BERTH_FAKE_START),
      ==, 0);
}

/* A template says itself whether it has one; that is known before any VM. */
static void
test_no_entry_point (World *world, gconstpointer data)
{
  const BerthSandboxOptions options = world_options ("shell");
  g_autoptr (GAsyncResult) async_result = NULL;
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GError) error = NULL;
  BerthExec *exec = world_exec_new ("");

  exec->is_entry = TRUE;
  berth_manager_run_async (world->manager, &options, exec, NULL, world_result_cb, world);
  async_result = world_wait (world);
  result = berth_manager_run_finish (world->manager, async_result, &error);
  g_assert_null (result);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "template shell has no entry point"));
}

static void
test_least_memory (World *world, gconstpointer data)
{
  BerthSandboxOptions options = world_options ("shell");
  g_autofree char *id = NULL;

  options.memory_mb = 128;
  id = world_create (world, &options, NULL);
  g_assert_nonnull (id);
}

/* Another user hears of a sandbox what is said of none; root may do all. */
static void
test_whose (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (BerthResult) result = NULL;
  GError *error = NULL;

  assert_exec_gone (world, id, 1001, "berth knows none of this id");
  g_assert_false (world_destroy (world, id, 1001, NULL, &error));
  assert_gone (error, "berth knows none of this id");
  result = world_exec (world, id, 0, NULL);
  g_assert_nonnull (result);
  g_assert_true (world_destroy (world, id, 1000, NULL, NULL));
  assert_exec_gone (world, id, 1001, "berth knows none of this id");
}

static BerthFileResult *
carry (World *world, const char *id, guint32 uid, const char *path, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_file_async (world->manager, id, uid, berth_file_request_new (BERTH_FILE_LIST, path),
                            NULL, world_result_cb, world);
  result = world_wait (world);
  return berth_manager_file_finish (world->manager, result, error);
}

static BerthResult *
exec_code (World *world, const char *id, guint32 uid, const char *code, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_exec_async (world->manager, id, uid, world_exec_new (code), NULL, world_result_cb,
                            world);
  result = world_wait (world);
  return berth_manager_exec_finish (world->manager, result, error);
}

/* (transfer full): all that user 1001 hears of a sandbox, by every verb that takes an id, a request
 * that is wrong in itself among them; the id is taken out */
static char *
hear (World *world, const char *id)
{
  static const char *const paths[] = { ".", "../..", "" };
  g_autoptr (GString) heard = g_string_new (NULL);
  GError *errors[6] = { NULL };
  guint n = 0;

  g_assert_null (world_exec (world, id, 1001, &errors[n++]));
  g_assert_null (exec_code (world, id, 1001, " ", &errors[n++]));
  g_assert_false (world_destroy (world, id, 1001, NULL, &errors[n++]));
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    g_assert_null (carry (world, id, 1001, paths[i], &errors[n++]));
  for (guint i = 0; i < n; i++)
    {
      g_string_append_printf (heard, "%s %d %s\n", g_quark_to_string (errors[i]->domain),
                              errors[i]->code, errors[i]->message);
      g_error_free (errors[i]);
    }
  g_string_replace (heard, id, "ID", 0);
  return g_string_free (g_steal_pointer (&heard), FALSE);
}

/* Nobody can tell whether an id is another user's sandbox, was one, or never was: whichever verb
 * asks, the answer is the same to the letter. */
static void
test_one_answer (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autofree char *of_none = hear (world, NEVER_WAS);
  g_autofree char *of_another = hear (world, id);
  g_autofree char *of_a_dead_one = NULL;

  g_assert_cmpstr (of_another, ==, of_none);
  g_assert_true (world_destroy (world, id, 1000, NULL, NULL));
  of_a_dead_one = hear (world, id);
  g_assert_cmpstr (of_a_dead_one, ==, of_none);
}

/* ---- a session's life ---- */

static void
test_never_was (World *world, gconstpointer data)
{
  GError *error = NULL;

  assert_exec_gone (world, NEVER_WAS, 0, "berth knows none of this id");
  g_assert_false (world_destroy (world, NEVER_WAS, 0, NULL, &error));
  assert_gone (error, "berth knows none of this id");
}

/* Destroyed twice it was gone the second time; its slot is free after the first. */
static void
test_destroy (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  g_assert_cmpuint (world_get_slots (world, "claimed"), ==, 1);
  g_assert_true (world_destroy (world, id, 1000, &first, NULL));
  g_assert_null (first);
  g_assert_cmpuint (world_get_slots (world, "claimed"), ==, 0);
  g_assert_cmpuint (world_get_slots (world, "free"), ==, WORLD_MAX_VMS);
  g_assert_true (world_destroy (world, id, 1000, &second, NULL));
  g_assert_cmpstr (second, ==, "it was destroyed");
  assert_exec_gone (world, id, 1000, "it was destroyed");
}

static void
destroyed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree char *was_gone = NULL;
  g_autoptr (GError) error = NULL;

  berth_manager_destroy_sandbox_finish (BERTH_MANAGER (source), result, &was_gone, &error);
  g_assert_no_error (error);
  g_string_append_printf (user_data, "[%s]", was_gone != NULL ? was_gone : "");
}

/* Both wait for the VM, and only the first has ended the sandbox. */
static void
test_destroyed_twice_at_once (World *world, gconstpointer data)
{
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);
  g_autofree char *id = create (world);
  g_autoptr (GPtrArray) vms = berth_pool_dup_vms (world->manager->pool);
  g_autoptr (GString) heard = g_string_new (NULL);

  berth_fake_hypervisor_set_latency (hypervisor, BERTH_FAKE_DESTROY, G_TIME_SPAN_DAY);
  for (guint i = 0; i < 2; i++)
    berth_manager_destroy_sandbox_async (world->manager, id, 1000, NULL, destroyed_cb, heard);
  while (berth_fake_hypervisor_count_calls (hypervisor, BERTH_FAKE_DESTROY) == 0)
    {
      world_run_dry ();
      g_thread_yield ();
    }
  world_run_dry ();
  g_assert_cmpstr (heard->str, ==, "");
  g_assert_true (berth_fake_hypervisor_kill (hypervisor, vms->pdata[0]));
  while (heard->len < strlen ("[][it was destroyed]"))
    g_main_context_iteration (NULL, TRUE);
  g_assert_nonnull (strstr (heard->str, "[]"));
  g_assert_nonnull (strstr (heard->str, "[it was destroyed]"));
}

/* The end of a VM that nobody asked for is told to whoever asks for its sandbox next. */
static void
test_vm_dies (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GPtrArray) vms = berth_pool_dup_vms (world->manager->pool);
  g_autofree char *was_gone = NULL;

  g_assert_true (
      berth_fake_hypervisor_kill (fake_host_get_hypervisor (world->host), vms->pdata[0]));
  while (g_hash_table_size (world->manager->sandboxes) > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_null (berth_tombstones_find (world->manager->tombstones, id, 0)->vm);
  assert_exec_gone (world, id, 1000, "sandbox");
  g_assert_true (world_destroy (world, id, 1000, &was_gone, NULL));
  g_assert_nonnull (was_gone);
  g_assert_cmpstr (was_gone, !=, "it was destroyed");
}

/* A cancel that comes when the VM is there already is too late: its caller hears the id. */
static void
test_cancelled_too_late (World *world, gconstpointer data)
{
  const BerthSandboxOptions options = world_options (NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;

  berth_manager_create_sandbox_async (world->manager, &options, cancellable, world_result_cb,
                                      world);
  while (world_get_slots (world, "claimed") == 0)
    g_thread_yield ();
  g_cancellable_cancel (cancellable);
  result = world_wait (world);
  id = berth_manager_create_sandbox_finish (world->manager, result, &error);
  g_assert_no_error (error);
  g_assert_nonnull (g_hash_table_lookup (world->manager->sandboxes, id));
}

/* Who reads the boot log sees its end, whether there is a VM in the end or none. */
static void
test_boot_log_ends (World *world, gconstpointer data)
{
  BerthSandboxOptions options = world_options (NULL);

  for (guint i = 0; i <= WORLD_MAX_VMS; i++)
    {
      g_autoptr (GOutputStream) log = g_memory_output_stream_new_resizable ();
      g_autofree char *id = NULL;

      options.boot_log = log;
      options.wait_us = 0;
      id = world_create (world, &options, NULL);
      g_assert_true ((id != NULL) == (i < WORLD_MAX_VMS));
      world_run_dry ();
      g_assert_true (g_output_stream_is_closed (log));
    }
}

static void
test_idle (World *world, gconstpointer data)
{
  BerthSandboxOptions options = world_options (NULL);
  g_autofree char *id = NULL;

  options.idle_timeout_ms = 1500;
  id = world_create (world, &options, NULL);
  fake_host_advance (world->host, 1499999);
  g_assert_nonnull (g_hash_table_lookup (world->manager->sandboxes, id));
  fake_host_advance (world->host, 1);
  assert_exec_gone (world, id, 1000, "nobody used it for 1.5 s");
  world_wait_for_vms (world, 0);
}

/* A session that is restored before the end of its first VM was told is that of the second. */
static void
test_restored_before_its_end (World *world, gconstpointer data)
{
  const BerthShape *shape = BERTH_SHAPE ("python", 192, 1);
  g_autoptr (BerthVm) first = berth_vm_new_adopted (NEVER_WAS, shape, NULL, 0);
  g_autoptr (BerthVm) second = berth_vm_new_adopted (NEVER_WAS, shape, NULL, 0);
  const BerthPurpose purpose = { .is_session = TRUE };
  g_autoptr (BerthRequest) request = berth_purpose_make_request (&purpose, shape, NULL, NULL, 1000,
                                                                 BERTH_REQUEST_WAIT_FOREVER, NULL);
  gpointer key;
  gpointer found;

  berth_manager_add_sandbox (world->manager, first, request);
  berth_manager_add_sandbox (world->manager, second, request);
  g_assert_true (g_hash_table_lookup_extended (world->manager->sandboxes, NEVER_WAS, &key, &found));
  g_assert_true (berth_sandbox_get_vm (found) == second);
  g_assert_true (key == berth_sandbox_get_id (found)); /* not that of one that is gone */
  g_signal_emit_by_name (world->manager->pool, "vm-gone", first);
  g_assert_true (g_hash_table_lookup (world->manager->sandboxes, NEVER_WAS) == found);
  g_signal_emit_by_name (world->manager->pool, "vm-gone", second);
  g_assert_null (g_hash_table_lookup (world->manager->sandboxes, NEVER_WAS));
}

/* A session of an earlier life asked for its idle time when more was allowed, or less, or any. */
static void
test_idle_of_before (World *world, gconstpointer data)
{
  static const struct
  {
    gint64 most_s;
    guint wanted_ms;
    gint64 is_us;
  } times[] = {
    { 60, 300000, 60 * G_TIME_SPAN_SECOND },
    { 60, 59999, 59999 * G_TIME_SPAN_MILLISECOND },
    { 60, 0, 60 * G_TIME_SPAN_SECOND },
    { 0, 300000, 300 * G_TIME_SPAN_SECOND },
    { 0, 0, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    {
      const BerthPurpose purpose = { .is_session = TRUE, .idle_timeout_ms = times[i].wanted_ms };
      const BerthShape *shape = BERTH_SHAPE ("python", 192, 1);
      g_autoptr (BerthVm) vm = berth_vm_new_adopted (NEVER_WAS, shape, NULL, 0);
      g_autoptr (BerthRequest) request = berth_purpose_make_request (
          &purpose, shape, NULL, NULL, 1000, BERTH_REQUEST_WAIT_FOREVER, NULL);
      BerthSandbox *sandbox;

      world->manager->config->idle_timeout_s = times[i].most_s;
      sandbox = berth_manager_add_sandbox (world->manager, vm, request);
      g_assert_cmpint (berth_sandbox_get_idle_us (sandbox), ==, times[i].is_us);
      g_hash_table_remove (world->manager->sandboxes, NEVER_WAS);
    }
}

/* A session of an earlier berthd is not unused while the others' agents are greeted, and then from
 * when it is known what runs in it. */
static void
test_idle_while_adopted (World *world, gconstpointer data)
{
  const BerthPurpose purpose = { .is_session = TRUE };
  g_autoptr (BerthRequest) request = berth_purpose_make_request (
      &purpose, BERTH_SHAPE ("python", 192, 1), NULL, NULL, 1000, BERTH_REQUEST_WAIT_FOREVER, NULL);
  gint64 idle_us = world->manager->config->idle_timeout_s * G_USEC_PER_SEC;

  g_assert_cmpint (idle_us, >, 0);
  fake_host_leave_vm (world->host, "python", request, FALSE);
  fake_host_hold (world->host, FAKE_HOST_ADOPT, TRUE);
  world_begin_start (world);
  world_run_dry ();
  g_assert_cmpuint (g_hash_table_size (world->manager->sandboxes), ==, 1);
  fake_host_advance (world->host, 10 * idle_us);
  world_run_dry ();
  g_assert_cmpuint (g_hash_table_size (world->manager->sandboxes), ==, 1);
  fake_host_hold (world->host, FAKE_HOST_ADOPT, FALSE);
  world_end_start (world);
  world_run_dry ();
  fake_host_advance (world->host, idle_us - 1);
  g_assert_cmpuint (g_hash_table_size (world->manager->sandboxes), ==, 1);
  fake_host_advance (world->host, 1);
  g_assert_cmpuint (g_hash_table_size (world->manager->sandboxes), ==, 0);
  world_wait_for_vms (world, 0);
}

/* An exec of a session keeps the interpreter's state, unless it is a script; a run never does. */
static void
exec_played (BerthVm *vm, BerthExec *exec, GTask *task, gpointer user_data)
{
  g_string_append_printf (user_data, "%d", exec->keeps_state);
  g_task_return_pointer (task, berth_result_new (), (GDestroyNotify)berth_result_free);
  berth_exec_free (exec);
  g_object_unref (task);
}

static void
test_keeps_state (World *world, gconstpointer data)
{
  const FakeHostPlay play = { .exec = exec_played };
  const BerthSandboxOptions options = world_options (NULL);
  g_autoptr (GString) kept = g_string_new (NULL);
  g_autofree char *id = create (world);
  BerthExec *script = world_exec_new ("true");
  g_autoptr (GAsyncResult) answer = NULL;
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (BerthResult) of_script = NULL;
  g_autoptr (BerthResult) of_run = NULL;

  fake_host_set_play (world->host, &play, kept);
  result = world_exec (world, id, 1000, NULL);
  script->is_script = TRUE;
  berth_manager_exec_async (world->manager, id, 1000, script, NULL, world_result_cb, world);
  answer = world_wait (world);
  of_script = berth_manager_exec_finish (world->manager, answer, NULL);
  of_run = world_run (world, &options, "true", NULL, NULL);
  g_assert_cmpstr (kept->str, ==, "100");
}

static void
assert_exec (World *world, const char *id, BerthExec *exec, gint code)
{
  g_autoptr (GAsyncResult) answer = NULL;
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GError) error = NULL;

  berth_manager_exec_async (world->manager, id, 1000, exec, NULL, world_result_cb, world);
  answer = world_wait (world);
  result = berth_manager_exec_finish (world->manager, answer, &error);
  if (code < 0)
    g_assert_no_error (error);
  else
    g_assert_error (error, BERTH_ERROR, code);
}

static BerthExec *
unlimited_exec_new (void)
{
  BerthExec *exec = world_exec_new ("true");

  exec->is_detached = TRUE;
  exec->has_no_limit = TRUE;
  return exec;
}

/* What may not be run comes to no guest, and the sandbox goes on. */
static void
test_wrong_execs (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);

  assert_exec (world, id, world_exec_new (" \n"), BERTH_ERROR_INVALID);
  assert_exec (world, id, unlimited_exec_new (), BERTH_ERROR_DENIED);
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_EXEC), ==, 0);
  world->manager->config->background_unlimited = 1;
  assert_exec (world, id, unlimited_exec_new (), -1);
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_EXEC), ==, 1);
}

/* What outlives berthd is a session's VM; that of a run, and of a caller's own create, does not. */
static void
test_outlives (World *world, gconstpointer data)
{
  BerthSandboxOptions options = world_options (NULL);
  g_autofree char *session = world_create (world, &options, NULL);
  g_autofree char *own = NULL;

  options.ends_with_caller = TRUE;
  own = world_create (world, &options, NULL);
  for (guint i = 0; i < 2; i++)
    {
      BerthSandbox *sandbox
          = g_hash_table_lookup (world->manager->sandboxes, i == 0 ? session : own);
      g_autoptr (BerthRequest) request = berth_vm_dup_request (berth_sandbox_get_vm (sandbox));

      g_assert_cmpint (berth_purpose_of (request)->is_session, ==, i == 0);
    }
}

/* ---- run ---- */

typedef struct
{
  guint done;
  guint refused; /* of them */
} Ends;

static void
command_ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Ends *ends = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) end = berth_manager_exec_finish (BERTH_MANAGER (source), result, &error);

  ends->done++;
  if (end != NULL)
    return;
  ends->refused++;
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  g_assert_nonnull (strstr (error->message, "keeps the output of 24 commands of this user"));
}

static void
begin_command (World *world, const char *id, gboolean is_captured, Ends *ends)
{
  BerthExec *exec = world_exec_new ("true");
  g_autoptr (GBytes) packed = g_bytes_new_static ("true", sizeof "true");

  g_bytes_unref (exec->code);
  exec->code = g_bytes_ref (packed);
  exec->is_command = TRUE;
  exec->stdout_fd = is_captured ? -1 : open ("/dev/null", O_WRONLY | O_CLOEXEC);
  exec->stderr_fd = is_captured ? -1 : open ("/dev/null", O_WRONLY | O_CLOEXEC);
  berth_manager_exec_async (world->manager, id, 1000, exec, NULL, command_ended_cb, ends);
}

/* What berthd keeps of a user's commands has a bound; those with streams of their own are not in
 * it, and a place comes free with each end. */
static void
test_captures_are_bounded (World *world, gconstpointer data)
{
  g_autofree char *first = create (world);
  g_autofree char *second = create (world);
  const char *const ids[] = { first, second };
  Ends ends = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  for (guint i = 0; i < BERTH_LIMIT_CAPTURES_PER_UID; i++)
    begin_command (world, ids[i % 2], TRUE, &ends);
  begin_command (world, ids[0], FALSE, &ends);
  world_run_dry ();
  g_assert_cmpuint (ends.done, ==, 0);
  begin_command (world, ids[0], TRUE, &ends);
  world_run_dry ();
  g_assert_cmpuint (ends.refused, ==, 1);
  fake_host_hold (world->host, FAKE_HOST_EXEC, FALSE);
  while (ends.done < BERTH_LIMIT_CAPTURES_PER_UID + 2)
    g_main_context_iteration (NULL, TRUE);
  begin_command (world, ids[0], TRUE, &ends);
  while (ends.done < BERTH_LIMIT_CAPTURES_PER_UID + 3)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (ends.refused, ==, 1);
}

static void
test_run (World *world, gconstpointer data)
{
  const BerthSandboxOptions options = world_options ("shell");
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = world_run (world, &options, "true", NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (result->template_name, ==, "shell");
  g_assert_cmpstr (result->origin.start, ==, "cold");
  g_assert_cmpint (result->destroy_us, ==, 0);
  g_assert_false (result->destroy_unconfirmed);
  g_assert_cmpint (result->total_us, >=, result->origin.wait_us + result->origin.start_us);
  assert_exec_gone (world, result->sandbox_id, 1000, "its run ended");
  world_wait_for_vms (world, 0);
}

/* The program's failure is told, and its VM ends all the same. */
static void
test_run_fails (World *world, gconstpointer data)
{
  const BerthSandboxOptions options = world_options (NULL);
  g_autoptr (GError) error = NULL;

  fake_host_fail (world->host, FAKE_HOST_EXEC,
                  g_error_new_literal (BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN, "cut"));
  g_assert_null (world_run (world, &options, "true", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN);
  world_wait_for_vms (world, 0);
}

static void
test_run_waits_gone (World *world, gconstpointer data)
{
  BerthSandboxOptions options = world_options (NULL);
  g_autoptr (BerthResult) result = NULL;

  options.waits_gone = TRUE;
  result = world_run (world, &options, "true", NULL, NULL);
  g_assert_false (result->destroy_unconfirmed);
  g_assert_cmpint (result->destroy_us, >, 0);
  g_assert_cmpuint (world_get_slots (world, "free"), ==, WORLD_MAX_VMS);
}

/* A VM that does not end is waited for 15 s, and the answer says that it is not known to be gone.
 */
static void
test_run_waits_in_vain (World *world, gconstpointer data)
{
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);
  BerthSandboxOptions options = world_options (NULL);
  g_autoptr (GAsyncResult) answer = NULL;
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GPtrArray) vms = NULL;

  options.waits_gone = TRUE;
  berth_fake_hypervisor_set_latency (hypervisor, BERTH_FAKE_DESTROY, G_TIME_SPAN_DAY);
  berth_manager_run_async (world->manager, &options, world_exec_new ("true"), NULL, world_result_cb,
                           world);
  while (berth_fake_hypervisor_count_calls (hypervisor, BERTH_FAKE_DESTROY) == 0)
    {
      world_run_dry ();
      g_thread_yield ();
    }
  fake_host_advance (world->host, 15 * G_TIME_SPAN_SECOND - 1);
  world_run_dry ();
  g_assert_null (world->result);
  fake_host_advance (world->host, 1);
  answer = world_wait (world);
  result = berth_manager_run_finish (world->manager, answer, NULL);
  g_assert_true (result->destroy_unconfirmed);
  g_assert_cmpuint (world_get_slots (world, "free"), ==, WORLD_MAX_VMS - 1);
  vms = berth_pool_dup_vms (world->manager->pool);
  g_assert_true (berth_fake_hypervisor_kill (hypervisor, vms->pdata[0]));
  world_wait_for_vms (world, 0);
}

/* ---- waiting ---- */

static char *
get_progress (World *world, BerthManagerCall *call)
{
  g_autoptr (GVariant) progress = berth_manager_dup_progress (world->manager, call);
  const char *state = NULL;
  guint position = 0;

  g_assert_true (g_variant_lookup (progress, "state", "&s", &state));
  g_variant_lookup (progress, "position", "u", &position);
  return g_strdup_printf ("%s %u", state, position);
}

static void
assert_progress (World *world, BerthManagerCall *call, const char *wanted)
{
  for (;;)
    {
      g_autofree char *now = get_progress (world, call);

      if (g_str_equal (now, wanted))
        return;
      world_run_dry ();
      g_thread_yield ();
    }
}

/* Without a place a run waits, and tells its position; withdrawn, it is as if it had not been. */
static void
test_withdrawn_while_waiting (World *world, gconstpointer data)
{
  const BerthSandboxOptions options = world_options (NULL);
  g_autofree char *first = create (world);
  g_autofree char *second = create (world);
  g_autoptr (BerthManagerCall) call = berth_manager_call_new ();
  g_autoptr (GAsyncResult) answer = NULL;
  g_autoptr (GError) error = NULL;

  berth_manager_run_async (world->manager, &options, world_exec_new ("true"), G_CANCELLABLE (call),
                           world_result_cb, world);
  assert_progress (world, call, "waiting 1");
  g_cancellable_cancel (G_CANCELLABLE (call));
  answer = world_wait (world);
  g_assert_null (berth_manager_run_finish (world->manager, answer, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_progress (world, call, "running 0");
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_EXEC), ==, 0);
}

static void
test_progress (World *world, gconstpointer data)
{
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);
  const BerthSandboxOptions options = world_options (NULL);
  g_autoptr (BerthManagerCall) call = berth_manager_call_new ();
  g_autoptr (GAsyncResult) answer = NULL;
  g_autoptr (BerthResult) result = NULL;

  berth_fake_hypervisor_hold_starts (hypervisor, TRUE);
  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  berth_manager_run_async (world->manager, &options, world_exec_new ("true"), G_CANCELLABLE (call),
                           world_result_cb, world);
  assert_progress (world, call, "starting 0");
  berth_fake_hypervisor_hold_starts (hypervisor, FALSE);
  assert_progress (world, call, "running 0");
  fake_host_hold (world->host, FAKE_HOST_EXEC, FALSE);
  answer = world_wait (world);
  result = berth_manager_run_finish (world->manager, answer, NULL);
  g_assert_nonnull (result);
}

/* Who would not wait hears that there is no place. */
static void
test_no_wait (World *world, gconstpointer data)
{
  BerthSandboxOptions options = world_options (NULL);
  g_autofree char *first = create (world);
  g_autofree char *second = create (world);
  g_autoptr (GError) error = NULL;

  options.wait_us = 0;
  g_assert_null (world_create (world, &options, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                                            \
  g_test_add ("/verbs/" name, World, NULL, world_set_up, func, world_tear_down)
  ADD ("wrong-requests", test_wrong_requests);
  ADD ("least-memory", test_least_memory);
  ADD ("no-entry-point", test_no_entry_point);
  ADD ("whose", test_whose);
  ADD ("one-answer", test_one_answer);
  ADD ("never-was", test_never_was);
  ADD ("destroy", test_destroy);
  ADD ("destroyed-twice-at-once", test_destroyed_twice_at_once);
  ADD ("wrong-execs", test_wrong_execs);
  ADD ("vm-dies", test_vm_dies);
  ADD ("cancelled-too-late", test_cancelled_too_late);
  ADD ("boot-log-ends", test_boot_log_ends);
  ADD ("idle", test_idle);
  ADD ("restored-before-its-end", test_restored_before_its_end);
  ADD ("idle-of-before", test_idle_of_before);
  g_test_add ("/verbs/idle-while-adopted", World, NULL, world_make, test_idle_while_adopted,
              world_tear_down);
  ADD ("keeps-state", test_keeps_state);
  ADD ("outlives", test_outlives);
  ADD ("captures-are-bounded", test_captures_are_bounded);
  ADD ("run", test_run);
  ADD ("run-fails", test_run_fails);
  ADD ("run-waits-gone", test_run_waits_gone);
  ADD ("run-waits-in-vain", test_run_waits_in_vain);
  ADD ("withdrawn-while-waiting", test_withdrawn_while_waiting);
  ADD ("progress", test_progress);
  ADD ("no-wait", test_no_wait);
#undef ADD
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what a hibernated sandbox is to the manager: without a VM, and one again when it is used;
 * as it was where that fails; there again after a restart; gone when it is destroyed. */
#include "manager-world.h"

#include <glib/gstdio.h>
#include <string.h>

#include "plugin/host/berth-purpose.h"
#include "pool/berth-error.h"

#define OWNER 1000u

/* What it has begun ends: files are removed behind the answers. */
static void
stop (World *world, gconstpointer data)
{
  while (G_OBJECT (world->manager)->ref_count > 1)
    g_main_context_iteration (NULL, TRUE);
  world_tear_down (world, data);
}

static void
tear_down (World *world, gconstpointer data)
{
  stop (world, data);
  world_remove_kept (world);
}

static char *
create (World *world)
{
  return world_create_named (world, 20000);
}

static gboolean
hibernate (World *world, const char *id, guint32 uid, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_hibernate_async (world->manager, id, uid, NULL, world_result_cb, world);
  result = world_wait (world);
  return berth_manager_hibernate_finish (world->manager, result, error);
}

/* (transfer full) (nullable): as the list tells it, where the id may be only once */
static char *
dup_state (World *world, const char *id)
{
  g_autoptr (GVariant) list = berth_manager_dup_list (world->manager, OWNER);
  GVariantIter iter;
  GVariant *vm;
  char *found = NULL;

  g_variant_iter_init (&iter, list);
  while (g_variant_iter_loop (&iter, "@a{sv}", &vm))
    {
      const char *its_id;

      g_assert_true (g_variant_lookup (vm, "id", "&s", &its_id));
      if (!g_str_equal (its_id, id))
        continue;
      g_assert_true (found == NULL && g_variant_lookup (vm, "state", "s", &found));
    }
  return found;
}

/* A VM that came in vain is listed until libvirt has let go of it. */
static void
assert_state (World *world, const char *id, const char *wanted)
{
  g_autofree char *state = dup_state (world, id);

  while (g_strcmp0 (state, "stopping") == 0 || g_strcmp0 (state, "gone") == 0)
    {
      g_main_context_iteration (NULL, FALSE);
      g_free (state);
      state = dup_state (world, id);
    }
  g_assert_cmpstr (state, ==, wanted);
}

static void
assert_works (World *world, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = world_exec (world, id, OWNER, &error);

  g_assert_no_error (error);
}

static BerthSandbox *
find (World *world, const char *id)
{
  BerthSandbox *sandbox = berth_manager_find (world->manager, id, OWNER, NULL);

  g_assert_nonnull (sandbox);
  return sandbox;
}

/* Whether the VM that it has was the first to go on with what was kept: the fake takes no note. */
static gboolean
was_sole (World *world, const char *id)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (berth_sandbox_get_vm (find (world, id)));

  return berth_fork_is_sole (berth_purpose_of (request)->fork);
}

static char *
dup_path (World *world, const char *id, const char *below)
{
  g_autofree char *name = g_strconcat (id, below, NULL);

  return g_build_filename (world->checkpoint_dir, world->manager->config->instance, name, NULL);
}

static void
restart (World *world, gconstpointer data)
{
  stop (world, data);
  world_set_up (world, data);
}

static void
test_goes_and_comes (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 3; i++)
    {
      assert_works (world, id);
      g_assert_true (hibernate (world, id, OWNER, &error));
      g_assert_no_error (error);
      world_wait_for_vms (world, 0);
      assert_state (world, id, "hibernated");
      g_assert_true (hibernate (world, id, OWNER, &error)); /* it is already */
      fake_host_advance (world->host, 60 * G_USEC_PER_SEC); /* its idle time is not for it */
      assert_works (world, id);
      assert_state (world, id, "claimed");
      world_wait_for_vms (world, 1);
    }
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  assert_state (world, id, NULL);
}

/* Of the one that goes on: whose it is, and what it begins with. */
static void
test_its_request (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (BerthRequest) request = NULL;
  const BerthPurpose *purpose;
  BerthSandbox *sandbox;

  g_assert_true (hibernate (world, id, OWNER, NULL));
  assert_works (world, id);
  sandbox = berth_manager_find (world->manager, id, OWNER, NULL);
  request = berth_vm_dup_request (berth_sandbox_get_vm (sandbox));
  purpose = berth_purpose_of (request);
  g_assert_cmpstr (request->tenant, ==, "acme");
  g_assert_cmpstr (request->task, ==, "42");
  g_assert_cmpuint (request->uid, ==, OWNER);
  g_assert_true (purpose->is_session);
  g_assert_cmpuint (purpose->idle_timeout_ms, ==, 20000);
  g_assert_nonnull (purpose->fork);
  g_assert_cmpstr (berth_vm_get_id (berth_sandbox_get_vm (sandbox)), ==, id);
}

/* Whatever fails on the way there, it goes on. */
static void
test_copy_fails (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GError) error = NULL;

  fake_host_fail (world->host, FAKE_HOST_COPY,
                  g_error_new (BERTH_ERROR, BERTH_ERROR_CONFIG, "the disk is full"));
  g_assert_false (hibernate (world, id, OWNER, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  fake_host_fail (world->host, FAKE_HOST_COPY, NULL);
  assert_state (world, id, "claimed");
  assert_works (world, id);
  g_assert_true (hibernate (world, id, OWNER, NULL));
}

static void
wait_for_copy (World *world)
{
  while (fake_host_count_held (world->host, FAKE_HOST_COPY) == 0)
    g_main_context_iteration (NULL, TRUE);
}

static void
begin_hibernate (World *world, World *other, const char *id)
{
  *other = *world;
  fake_host_hold (world->host, FAKE_HOST_COPY, TRUE);
  berth_manager_hibernate_async (world->manager, id, OWNER, NULL, world_result_cb, other);
  wait_for_copy (world);
}

static gboolean
end_hibernate (World *world, World *other, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  fake_host_hold (world->host, FAKE_HOST_COPY, FALSE);
  result = world_wait (other);
  return berth_manager_hibernate_finish (world->manager, result, error);
}

/* Who comes meanwhile has its code run when it goes on: as it was, or in its next VM. */
static void
check_comes_meanwhile (World *world, gboolean fails)
{
  g_autofree char *id = create (world);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (BerthResult) told = NULL;
  g_autoptr (GError) error = NULL;
  World hibernating;
  World running = *world;

  begin_hibernate (world, &hibernating, id);
  berth_manager_exec_async (world->manager, id, OWNER, world_exec_new ("true"), NULL,
                            world_result_cb, &running);
  world_run_dry ();
  g_assert_null (running.result);
  if (fails)
    fake_host_fail (world->host, FAKE_HOST_COPY,
                    g_error_new (BERTH_ERROR, BERTH_ERROR_CONFIG, "the disk is full"));
  g_assert_true (end_hibernate (world, &hibernating, NULL) == !fails);
  result = world_wait (&running);
  told = berth_manager_exec_finish (world->manager, result, &error);
  g_assert_no_error (error);
  assert_state (world, id, "claimed");
  world_wait_for_vms (world, 1);
}

static void
test_comes_meanwhile (World *world, gconstpointer data)
{
  check_comes_meanwhile (world, FALSE);
}

static void
test_comes_in_vain (World *world, gconstpointer data)
{
  check_comes_meanwhile (world, TRUE);
}

/* Its folder goes between the copy and its commit. */
static void
test_commit_fails (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GError) error = NULL;
  World hibernating;

  begin_hibernate (world, &hibernating, id);
  world_remove_tree (world->checkpoint_dir);
  g_assert_false (end_hibernate (world, &hibernating, &error));
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  assert_state (world, id, "claimed");
  assert_works (world, id);
  g_assert_true (hibernate (world, id, OWNER, NULL));
}

static void
test_no_room (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  BerthCheckpointLimits limits = { .count = 10, .user_count = 0, .bytes = 1 << 20 };
  g_autoptr (GError) error = NULL;

  berth_checkpoint_store_set_limits (world->manager->checkpoints, &limits);
  g_assert_false (hibernate (world, id, OWNER, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  assert_works (world, id);
}

/* Destroyed while it is written, it is not there any more; nor when it was to go on. */
static void
test_destroyed_meanwhile (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autofree char *second = create (world);
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  World hibernating;
  World running = *world;

  begin_hibernate (world, &hibernating, id);
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  g_assert_false (end_hibernate (world, &hibernating, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_clear_error (&error);

  g_assert_true (hibernate (world, second, OWNER, NULL));
  berth_fake_hypervisor_hold_starts (hypervisor, TRUE);
  berth_manager_exec_async (world->manager, second, OWNER, world_exec_new ("true"), NULL,
                            world_result_cb, &running);
  world_wait_for_vms (world, 1);
  g_assert_true (world_destroy (world, second, OWNER, NULL, NULL));
  berth_fake_hypervisor_hold_starts (hypervisor, FALSE);
  result = world_wait (&running);
  g_assert_null (berth_manager_exec_finish (world->manager, result, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_clear_object (&result);
  world_wait_for_vms (world, 0);
  restart (world, data);
  assert_state (world, id, NULL);
  assert_state (world, second, NULL);
}

/* Its next VM does not come up: it stays what it was. */
static void
test_start_fails (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);
  g_autoptr (GError) error = NULL;

  g_assert_true (hibernate (world, id, OWNER, NULL));
  berth_fake_hypervisor_fail_at (hypervisor, berth_fake_hypervisor_get_steps ()[0].name);
  g_assert_null (world_exec (world, id, OWNER, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, "is hibernated and does not go on: "));
  berth_fake_hypervisor_fail_at (hypervisor, NULL);
  assert_state (world, id, "hibernated");
  assert_works (world, id);
  g_assert_true (was_sole (world, id));
}

/* Its next VM ends before that is its own: what was kept is the session still. */
static void
test_ended_as_it_woke (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);
  g_autoptr (GPtrArray) vms = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (hibernate (world, id, OWNER, NULL));
  world_wait_for_vms (world, 0);
  fake_host_hold (world->host, FAKE_HOST_SETTLE, TRUE);
  berth_manager_exec_async (world->manager, id, OWNER, world_exec_new ("true"), NULL,
                            world_result_cb, world);
  while (fake_host_count_held (world->host, FAKE_HOST_SETTLE) == 0)
    g_main_context_iteration (NULL, TRUE);
  vms = berth_pool_dup_vms (world->manager->pool);
  g_assert_true (berth_fake_hypervisor_kill (hypervisor, vms->pdata[0]));
  world_wait_for_vms (world, 0);
  fake_host_hold (world->host, FAKE_HOST_SETTLE, FALSE);
  result = world_wait (world);
  g_assert_null (berth_manager_exec_finish (world->manager, result, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_assert_nonnull (strstr (error->message, "is hibernated and does not go on: "));
  assert_state (world, id, "hibernated");
  assert_works (world, id);
}

/* (transfer full) */
static GVariant *
dup_listed (World *world)
{
  g_autoptr (GVariant) list = berth_manager_dup_list (world->manager, OWNER);

  g_assert_cmpuint (g_variant_n_children (list), ==, 1);
  return g_variant_get_child_value (list, 0);
}

/* What was gone back to is told of it asleep, too, and when it goes on. */
static void
test_rolled_back (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GAsyncResult) kept = NULL;
  g_autoptr (GAsyncResult) back = NULL;
  g_autoptr (GVariant) checkpoint = NULL;

  berth_manager_checkpoint_async (world->manager, id, OWNER, "good", NULL, world_result_cb, world);
  kept = world_wait (world);
  checkpoint = berth_manager_checkpoint_finish (world->manager, kept, NULL);
  g_assert_nonnull (checkpoint);
  berth_manager_rollback_async (world->manager, id, OWNER, "good", BERTH_REQUEST_WAIT_FOREVER, NULL,
                                world_result_cb, world);
  back = world_wait (world);
  g_assert_true (berth_manager_rollback_finish (world->manager, back, NULL));
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GVariant) asleep = NULL;
      g_autoptr (GVariant) awake = NULL;
      const char *name = NULL;

      g_assert_true (hibernate (world, id, OWNER, NULL));
      world_wait_for_vms (world, 0);
      asleep = dup_listed (world);
      g_assert_true (g_variant_lookup (asleep, "checkpoint", "&s", &name));
      g_assert_cmpstr (name, ==, "good");
      g_assert_false (g_variant_lookup (asleep, "parent", "&s", &name));
      assert_works (world, id);
      awake = dup_listed (world);
      g_assert_true (g_variant_lookup (awake, "checkpoint", "&s", &name));
      g_assert_cmpstr (name, ==, "good");
    }
}

static void
test_flipped (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  FILE *file;

  g_assert_true (hibernate (world, id, OWNER, NULL));
  path = dup_path (world, id, ".asleep/state");
  file = fopen (path, "r+");
  g_assert_nonnull (file);
  fputc ('x', file);
  fclose (file);
  g_assert_null (world_exec (world, id, OWNER, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "not what was written"));
  assert_state (world, id, "hibernated");
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  assert_state (world, id, NULL);
}

/* An earlier berthd died while it woke it: a VM may have gone on from there. */
static void
test_died_waking (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autofree char *from = NULL;
  g_autofree char *to = NULL;

  g_assert_true (hibernate (world, id, OWNER, NULL));
  from = dup_path (world, id, ".asleep");
  to = dup_path (world, id, ".waking");
  stop (world, data);
  g_assert_cmpint (g_rename (from, to), ==, 0);
  world_set_up (world, data);
  assert_state (world, id, "hibernated");
  assert_works (world, id);
  g_assert_false (was_sole (world, id));
  g_assert_true (hibernate (world, id, OWNER, NULL)); /* another state, of one VM alone */
  assert_works (world, id);
  g_assert_true (was_sole (world, id));
}

/* What an earlier berthd leaves that died before the VM was gone: its id */
static const char *
leave_both (World *world, gconstpointer data)
{
  const BerthPurpose purpose = { .is_session = TRUE };
  g_autofree char *id = create (world);
  g_autofree char *from = NULL;
  g_autofree char *to = NULL;
  g_autofree char *manifest = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GString) changed = NULL;
  g_autoptr (BerthRequest) request
      = berth_purpose_make_request (&purpose, BERTH_SHAPE ("python", 192, 1), NULL, NULL, OWNER,
                                    BERTH_REQUEST_WAIT_FOREVER, NULL);
  const char *found;

  g_assert_true (hibernate (world, id, OWNER, NULL));
  stop (world, data);
  world_make (world, data);
  found = berth_vm_get_id (fake_host_leave_vm (world->host, "python", request, FALSE));
  from = dup_path (world, id, ".asleep");
  to = dup_path (world, found, ".asleep");
  g_assert_cmpint (g_rename (from, to), ==, 0);
  manifest = g_build_filename (to, "manifest", NULL);
  g_assert_true (g_file_get_contents (manifest, &text, NULL, NULL));
  changed = g_string_new (text);
  g_string_replace (changed, id, found, 0);
  g_assert_true (g_file_set_contents (manifest, changed->str, -1, NULL));
  return found;
}

/* That is what goes on. */
static void
test_died_going (World *world, gconstpointer data)
{
  const char *found = leave_both (world, data);

  world_begin_start (world);
  world_end_start (world);
  assert_state (world, found, "claimed");
  world_run_dry ();
  restart (world, data);
  assert_state (world, found, NULL);
}

/* No place for it: it waits for its turn; who would not wait any more leaves it as it was. */
static void
test_no_place (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) withdrawn = NULL;
  g_autoptr (GAsyncResult) served = NULL;
  g_autoptr (BerthResult) told = NULL;
  g_autoptr (GError) error = NULL;
  World other = *world;

  g_assert_true (hibernate (world, id, OWNER, NULL));
  first = create (world);
  second = create (world);
  berth_manager_exec_async (world->manager, id, OWNER, world_exec_new ("true"), cancellable,
                            world_result_cb, &other);
  g_cancellable_cancel (cancellable);
  withdrawn = world_wait (&other);
  g_assert_null (berth_manager_exec_finish (world->manager, withdrawn, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_state (world, id, "hibernated");

  berth_manager_exec_async (world->manager, id, OWNER, world_exec_new ("true"), NULL,
                            world_result_cb, &other);
  world_run_dry ();
  g_assert_null (other.result);
  g_assert_true (world_destroy (world, first, OWNER, NULL, NULL));
  served = world_wait (&other);
  told = berth_manager_exec_finish (world->manager, served, NULL);
  g_assert_nonnull (told);
  assert_state (world, id, "claimed");
}

/* The next berthd has it. */
static void
test_restart (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);

  assert_works (world, id);
  g_assert_true (hibernate (world, id, OWNER, NULL));
  restart (world, data);
  assert_state (world, id, "hibernated");
  g_assert_cmpuint (fake_host_count_bases (world->host), ==, 1);
  assert_works (world, id);
  g_assert_true (was_sole (world, id));
  g_assert_cmpuint (berth_sandbox_get_exec_count (find (world, id)), ==, 2);
  g_assert_true (hibernate (world, id, OWNER, NULL));
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  restart (world, data);
  assert_state (world, id, NULL);
}

static void
test_of_others_and_of_none (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GError) error = NULL;

  g_assert_false (hibernate (world, id, 1001, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_clear_error (&error);
  g_assert_true (hibernate (world, id, OWNER, NULL));
  g_assert_null (world_exec (world, id, 1001, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
}

/* Sooner than the others, as its maker asked. */
static void
test_sooner (World *world, gconstpointer data)
{
  BerthSandboxOptions options = world_options (NULL);
  g_autofree char *id = NULL;
  g_autofree char *other = NULL;

  world->manager->config->idle_hibernate_s = 60;
  options.idle_hibernate_ms = 5000;
  id = world_create (world, &options, NULL);
  other = create (world);
  fake_host_advance (world->host, 5 * G_USEC_PER_SEC);
  world_wait_for_vms (world, 1);
  assert_state (world, id, "hibernated");
  assert_state (world, other, "claimed");
  restart (world, data);
  assert_works (world, id); /* the next berthd knows of it */
  fake_host_advance (world->host, 5 * G_USEC_PER_SEC);
  world_wait_for_vms (world, 0);
  assert_state (world, id, "hibernated");
}

static void
set_paused (World *world, const char *id)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_set_paused_async (world->manager, id, OWNER, TRUE, NULL, world_result_cb, world);
  result = world_wait (world);
  g_assert_true (berth_manager_set_paused_finish (world->manager, result, NULL));
}

static void
begin_create (World *world, World *other)
{
  BerthSandboxOptions options = world_options (NULL);

  *other = *world;
  berth_manager_create_sandbox_async (world->manager, &options, NULL, world_result_cb, other);
  g_variant_unref (
      berth_pool_dup_status (world->manager->pool)); /* which comes after it is heard */
  world_run_dry ();
}

static char *
end_create_by_room (World *world, World *other)
{
  g_autoptr (GAsyncResult) result = NULL;

  while (world->manager->room == NULL)
    fake_host_advance (world->host, G_USEC_PER_SEC / 4);
  result = world_wait (other);
  return berth_manager_create_sandbox_finish (world->manager, result, NULL);
}

/* Somebody waits, and the administrator allows it: the one goes that is unused for longest. */
static void
test_for_who_waits (World *world, gconstpointer data)
{
  g_autofree char *first = create (world);
  g_autofree char *second = create (world);
  g_autofree char *third = NULL;
  World creating;

  world->manager->config->full_hibernate_s = 10;
  fake_host_advance (world->host, 5 * G_USEC_PER_SEC);
  assert_works (world, first);
  begin_create (world, &creating);
  fake_host_advance (world->host, 4 * G_USEC_PER_SEC);
  g_assert_null (creating.result); /* nobody has been unused for so long */
  third = end_create_by_room (world, &creating);
  g_assert_nonnull (third);
  assert_state (world, first, "claimed");
  assert_state (world, second, "hibernated");
  assert_state (world, third, "claimed");
}

/* One that is paused has to be woken for it, and may wait for that. */
static void
test_for_who_waits_a_paused_one (World *world, gconstpointer data)
{
  g_autofree char *first = create (world);
  g_autofree char *second = create (world);
  g_autofree char *third = NULL;
  World creating;

  world->manager->config->full_hibernate_s = 10;
  set_paused (world, first);
  fake_host_advance (world->host, 5 * G_USEC_PER_SEC);
  assert_works (world, second);
  fake_host_advance (world->host, 10 * G_USEC_PER_SEC);
  begin_create (world, &creating);
  third = end_create_by_room (world, &creating);
  assert_state (world, first, "paused");
  assert_state (world, second, "hibernated");
  begin_create (world, &creating);
  g_free (end_create_by_room (world, &creating));
  assert_state (world, first, "hibernated");
}

/* It ends with its berthd, whatever it is then. */
static void
test_attached (World *world, gconstpointer data)
{
  BerthSandboxOptions options = world_options (NULL);
  g_autofree char *id = NULL;
  g_autoptr (BerthRequest) request = NULL;

  options.ends_with_caller = TRUE;
  id = world_create (world, &options, NULL);
  g_assert_true (hibernate (world, id, OWNER, NULL));
  assert_works (world, id);
  request = berth_vm_dup_request (berth_sandbox_get_vm (find (world, id)));
  g_assert_false (berth_purpose_of (request)->is_session);
  g_assert_true (hibernate (world, id, OWNER, NULL));
  restart (world, data);
  assert_state (world, id, NULL);
}

static gboolean
keep (World *world, const char *id, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) info = NULL;

  berth_manager_checkpoint_async (world->manager, id, OWNER, "before", NULL, world_result_cb,
                                  world);
  result = world_wait (world);
  info = berth_manager_checkpoint_finish (world->manager, result, error);
  return info != NULL;
}

/* Whatever is asked of one of an earlier berthd, it is there. */
static void
test_copied_after_restart (World *world, gconstpointer data)
{
  const BerthForkOptions options = { .count = 1, .wait_us = BERTH_REQUEST_WAIT_FOREVER };
  g_autofree char *id = create (world);
  g_autoptr (GAsyncResult) result = NULL;
  g_auto (GStrv) ids = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (hibernate (world, id, OWNER, NULL));
  restart (world, data);
  keep (world, id, &error);
  g_assert_no_error (error);
  assert_state (world, id, "claimed");
  g_assert_true (hibernate (world, id, OWNER, NULL));
  restart (world, data);
  berth_manager_fork_async (world->manager, id, OWNER, &options, NULL, world_result_cb, world);
  result = world_wait (world);
  ids = berth_manager_fork_finish (world->manager, result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (ids), ==, 1);
}

/* Its VM was on its way when an earlier berthd died, and ends now: what is kept is the session. */
static void
test_died_going_and_gone (World *world, gconstpointer data)
{
  const char *found;

  found = leave_both (world, data);
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  world_begin_start (world);
  world_end_start (world);
  assert_state (world, found, "claimed");
  /* the fake knows no VM that it has not started: pool's word of its end is what counts */
  g_signal_emit_by_name (world->manager->pool, "vm-gone",
                         berth_sandbox_get_vm (find (world, found)));
  fake_host_fail (world->host, FAKE_HOST_BACKGROUND,
                  g_error_new (BERTH_ERROR, BERTH_ERROR_GONE, "the VM ended"));
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, FALSE);
  g_assert_true (berth_sandbox_is_hibernated (find (world, found)));
  fake_host_fail (world->host, FAKE_HOST_BACKGROUND, NULL);
  assert_works (world, found);
  g_assert_false (was_sole (world, found));
}

/* In the moment in which it is marked. */
static void
test_destroyed_at_once (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  World running = *world;

  g_assert_true (hibernate (world, id, OWNER, NULL));
  berth_manager_exec_async (world->manager, id, OWNER, world_exec_new ("true"), NULL,
                            world_result_cb, &running);
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  result = world_wait (&running);
  g_assert_null (berth_manager_exec_finish (world->manager, result, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_clear_object (&result);
  restart (world, data);
  assert_state (world, id, NULL);
}

/* Its owner has it stand still: it does so, too, where it can't be hibernated. */
static void
test_paused_without_room (World *world, gconstpointer data)
{
  const BerthCheckpointLimits limits = { .count = 0 };
  g_autofree char *id = create (world);

  berth_checkpoint_store_set_limits (world->manager->checkpoints, &limits);
  set_paused (world, id);
  g_assert_false (hibernate (world, id, OWNER, NULL));
  while (berth_vm_get_state (berth_sandbox_get_vm (find (world, id))) != BERTH_VM_STATE_PAUSED)
    g_main_context_iteration (NULL, TRUE);
}

/* Who asks for it while it goes waits for the same. */
static void
test_asked_for_twice (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GAsyncResult) result = NULL;
  World first;
  World second = *world;

  begin_hibernate (world, &first, id);
  berth_manager_hibernate_async (world->manager, id, OWNER, NULL, world_result_cb, &second);
  g_assert_true (end_hibernate (world, &first, NULL));
  result = world_wait (&second);
  g_assert_true (berth_manager_hibernate_finish (world->manager, result, NULL));
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_COPY), ==, 1);
  world_wait_for_vms (world, 0);
}

/* One that can't be hibernated ends when its idle time is over all the same. */
static void
test_unused_without_room (World *world, gconstpointer data)
{
  const BerthCheckpointLimits limits = { .count = 0 };
  g_autofree char *id = NULL;

  world->manager->config->idle_hibernate_s = 15;
  berth_checkpoint_store_set_limits (world->manager->checkpoints, &limits);
  id = create (world);
  fake_host_advance (world->host, 15 * G_USEC_PER_SEC);
  world_run_dry ();
  assert_state (world, id, "claimed");
  fake_host_advance (world->host, 20 * G_USEC_PER_SEC);
  world_wait_for_vms (world, 0);
  assert_state (world, id, NULL);
}

/* By itself, and nobody wants it any more. */
static void
test_unused (World *world, gconstpointer data)
{
  g_autofree char *id = NULL;

  world->manager->config->idle_hibernate_s = 15;
  world->manager->config->hibernated_s = 3600;
  id = create (world);
  assert_works (world, id);
  fake_host_advance (world->host, 15 * G_USEC_PER_SEC);
  world_wait_for_vms (world, 0);
  assert_state (world, id, "hibernated");
  fake_host_advance (world->host, G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC);
  world_run_dry ();
  assert_state (world, id, NULL);
}

#define TEST(name, func)                                                                           \
  g_test_add ("/hibernate/" name, World, NULL, world_set_up_kept, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("goes-and-comes", test_goes_and_comes);
  TEST ("its-request", test_its_request);
  TEST ("copy-fails", test_copy_fails);
  TEST ("comes-meanwhile", test_comes_meanwhile);
  TEST ("comes-in-vain", test_comes_in_vain);
  TEST ("commit-fails", test_commit_fails);
  TEST ("no-room", test_no_room);
  TEST ("destroyed-meanwhile", test_destroyed_meanwhile);
  TEST ("start-fails", test_start_fails);
  TEST ("ended-as-it-woke", test_ended_as_it_woke);
  TEST ("rolled-back", test_rolled_back);
  TEST ("flipped", test_flipped);
  TEST ("died-waking", test_died_waking);
  TEST ("died-going", test_died_going);
  TEST ("no-place", test_no_place);
  TEST ("restart", test_restart);
  TEST ("of-others-and-of-none", test_of_others_and_of_none);
  TEST ("copied-after-restart", test_copied_after_restart);
  TEST ("died-going-and-gone", test_died_going_and_gone);
  TEST ("destroyed-at-once", test_destroyed_at_once);
  TEST ("paused-without-room", test_paused_without_room);
  TEST ("asked-for-twice", test_asked_for_twice);
  TEST ("sooner", test_sooner);
  TEST ("attached", test_attached);
  TEST ("for-who-waits", test_for_who_waits);
  TEST ("for-who-waits-a-paused-one", test_for_who_waits_a_paused_one);
  TEST ("unused-without-room", test_unused_without_room);
  TEST ("unused", test_unused);
  return g_test_run ();
}

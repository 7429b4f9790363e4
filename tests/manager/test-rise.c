/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves how a hibernated sandbox goes on: with a VM again, or as it was where that fails; whatever
 * an earlier berthd left of it. */
#include "hibernate-world.h"

#include <glib/gstdio.h>
#include <string.h>

#include "plugin/host/berth-purpose.h"
#include "pool/berth-error.h"

/* Its next VM does not come up: it stays what it was. */
static void
test_start_fails (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);
  g_autoptr (GError) error = NULL;

  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  berth_fake_hypervisor_fail_at (hypervisor, berth_fake_hypervisor_get_steps ()[0].name);
  g_assert_null (world_exec (world, id, OWNER, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, "is hibernated and does not go on: "));
  berth_fake_hypervisor_fail_at (hypervisor, NULL);
  world_assert_state (world, id, "hibernated");
  world_assert_works (world, id);
  g_assert_true (world_was_sole (world, id));
}

/* Its next VM ends before that is its own: what was kept is the session still. */
static void
test_ended_as_it_woke (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);
  g_autoptr (GPtrArray) vms = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (world_hibernate (world, id, OWNER, NULL));
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
  world_assert_state (world, id, "hibernated");
  world_assert_works (world, id);
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
  g_autofree char *id = world_create_session (world);
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

      g_assert_true (world_hibernate (world, id, OWNER, NULL));
      world_wait_for_vms (world, 0);
      asleep = dup_listed (world);
      g_assert_true (g_variant_lookup (asleep, "checkpoint", "&s", &name));
      g_assert_cmpstr (name, ==, "good");
      g_assert_false (g_variant_lookup (asleep, "parent", "&s", &name));
      world_assert_works (world, id);
      awake = dup_listed (world);
      g_assert_true (g_variant_lookup (awake, "checkpoint", "&s", &name));
      g_assert_cmpstr (name, ==, "good");
    }
}

static void
test_flipped (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  FILE *file;

  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  path = world_dup_path (world, id, ".asleep/state");
  file = fopen (path, "r+");
  g_assert_nonnull (file);
  fputc ('x', file);
  fclose (file);
  g_assert_null (world_exec (world, id, OWNER, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "not what was written"));
  world_assert_state (world, id, "hibernated");
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  world_assert_state (world, id, NULL);
}

/* An earlier berthd died while it woke it: a VM may have gone on from there. */
static void
test_died_waking (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
  g_autofree char *from = NULL;
  g_autofree char *to = NULL;

  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  from = world_dup_path (world, id, ".asleep");
  to = world_dup_path (world, id, ".waking");
  world_stop (world, data);
  g_assert_cmpint (g_rename (from, to), ==, 0);
  world_set_up (world, data);
  world_assert_state (world, id, "hibernated");
  world_assert_works (world, id);
  g_assert_false (world_was_sole (world, id));
  g_assert_true (world_hibernate (world, id, OWNER, NULL)); /* another state, of one VM alone */
  world_assert_works (world, id);
  g_assert_true (world_was_sole (world, id));
}

/* What an earlier berthd leaves that died before the VM was gone: its id */
static const char *
leave_both (World *world, gconstpointer data)
{
  const BerthPurpose purpose = { .is_session = TRUE };
  g_autofree char *id = world_create_session (world);
  g_autofree char *from = NULL;
  g_autofree char *to = NULL;
  g_autofree char *manifest = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GString) changed = NULL;
  g_autoptr (BerthRequest) request
      = berth_purpose_make_request (&purpose, BERTH_SHAPE ("python", 192, 1), NULL, NULL, OWNER,
                                    BERTH_REQUEST_WAIT_FOREVER, NULL);
  const char *found;

  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  world_stop (world, data);
  world_make (world, data);
  found = berth_vm_get_id (fake_host_leave_vm (world->host, "python", request, FALSE));
  from = world_dup_path (world, id, ".asleep");
  to = world_dup_path (world, found, ".asleep");
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
  world_assert_state (world, found, "claimed");
  world_run_dry ();
  world_restart (world, data);
  world_assert_state (world, found, NULL);
}

/* No place for it: it waits for its turn; who would not wait any more leaves it as it was. */
static void
test_no_place (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) withdrawn = NULL;
  g_autoptr (GAsyncResult) served = NULL;
  g_autoptr (BerthResult) told = NULL;
  g_autoptr (GError) error = NULL;
  World other = *world;

  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  first = world_create_session (world);
  second = world_create_session (world);
  berth_manager_exec_async (world->manager, id, OWNER, world_exec_new ("true"), cancellable,
                            world_result_cb, &other);
  g_cancellable_cancel (cancellable);
  withdrawn = world_wait (&other);
  g_assert_null (berth_manager_exec_finish (world->manager, withdrawn, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  world_assert_state (world, id, "hibernated");

  berth_manager_exec_async (world->manager, id, OWNER, world_exec_new ("true"), NULL,
                            world_result_cb, &other);
  world_run_dry ();
  g_assert_null (other.result);
  g_assert_true (world_destroy (world, first, OWNER, NULL, NULL));
  served = world_wait (&other);
  told = berth_manager_exec_finish (world->manager, served, NULL);
  g_assert_nonnull (told);
  world_assert_state (world, id, "claimed");
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
  world_assert_state (world, found, "claimed");
  /* the fake knows no VM that it has not started: pool's word of its end is what counts */
  g_signal_emit_by_name (world->manager->pool, "vm-gone",
                         berth_sandbox_get_vm (world_find (world, found)));
  fake_host_fail (world->host, FAKE_HOST_BACKGROUND,
                  g_error_new (BERTH_ERROR, BERTH_ERROR_GONE, "the VM ended"));
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, FALSE);
  g_assert_true (berth_sandbox_is_hibernated (world_find (world, found)));
  fake_host_fail (world->host, FAKE_HOST_BACKGROUND, NULL);
  world_assert_works (world, found);
  g_assert_false (world_was_sole (world, found));
}

#define TEST(name, func)                                                                           \
  g_test_add ("/rise/" name, World, NULL, world_set_up_kept, func, world_tear_down_kept)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("start-fails", test_start_fails);
  TEST ("ended-as-it-woke", test_ended_as_it_woke);
  TEST ("rolled-back", test_rolled_back);
  TEST ("flipped", test_flipped);
  TEST ("died-waking", test_died_waking);
  TEST ("died-going", test_died_going);
  TEST ("no-place", test_no_place);
  TEST ("died-going-and-gone", test_died_going_and_gone);
  return g_test_run ();
}

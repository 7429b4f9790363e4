/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what a checkpoint is to the manager: kept or not there at all, whoever dies; found again;
 * and a sandbox that goes back to one, or is as it was. */
#include "manager-world.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "plugin/host/berth-purpose.h"
#include "pool/berth-error.h"
#include "pool/berth-vm-private.h"

#define OWNER 1000u

static void
tear_down (World *world, gconstpointer data)
{
  world_tear_down (world, data);
  world_remove_kept (world);
}

/* The folder of all that are kept, however many berthds there were */
static guint
count_files (World *world)
{
  g_autoptr (GDir) dir = g_dir_open (world->checkpoint_dir, 0, NULL);
  const char *instance = g_dir_read_name (dir);
  g_autofree char *path
      = instance != NULL ? g_build_filename (world->checkpoint_dir, instance, NULL) : NULL;
  g_autoptr (GDir) all = path != NULL ? g_dir_open (path, 0, NULL) : NULL;
  guint count = 0;

  while (all != NULL && g_dir_read_name (all) != NULL)
    count++;
  return count;
}

static char *
create (World *world)
{
  return world_create_named (world, 0);
}

static gboolean
keep (World *world, const char *id, guint32 uid, const char *name, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) info = NULL;

  berth_manager_checkpoint_async (world->manager, id, uid, name, NULL, world_result_cb, world);
  result = world_wait (world);
  info = berth_manager_checkpoint_finish (world->manager, result, error);
  return info != NULL;
}

static gboolean
forget (World *world, const char *id, guint32 uid, const char *name, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_remove_checkpoint_async (world->manager, id, uid, name, NULL, world_result_cb,
                                         world);
  result = world_wait (world);
  return berth_manager_rollback_finish (world->manager, result, error);
}

static gboolean
go_back (World *world, const char *id, const char *name, gint64 wait_us, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_rollback_async (world->manager, id, OWNER, name, wait_us, NULL, world_result_cb,
                                world);
  result = world_wait (world);
  return berth_manager_rollback_finish (world->manager, result, error);
}

static guint
count (World *world, guint32 uid)
{
  g_autoptr (GVariant) all = berth_manager_dup_checkpoints (world->manager, NULL, uid);

  return (guint)g_variant_n_children (all);
}

static void
assert_works (World *world, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = world_exec (world, id, OWNER, &error);

  g_assert_no_error (error);
}

/* ---- tests ---- */

static void
test_kept (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) all = NULL;
  g_autoptr (GVariant) one = NULL;
  const char *text;
  guint execs;

  assert_works (world, id);
  g_assert_true (keep (world, id, OWNER, "before", &error));
  g_assert_no_error (error);
  assert_works (world, id);
  all = berth_manager_dup_checkpoints (world->manager, id, OWNER);
  one = g_variant_get_child_value (all, 0);
  g_assert_true (g_variant_lookup (one, "name", "&s", &text));
  g_assert_cmpstr (text, ==, "before");
  g_assert_true (g_variant_lookup (one, "sandbox_id", "&s", &text));
  g_assert_cmpstr (text, ==, id);
  g_assert_true (g_variant_lookup (one, "tenant", "&s", &text));
  g_assert_cmpstr (text, ==, "acme");
  g_assert_true (g_variant_lookup (one, "exec_count", "u", &execs));
  g_assert_cmpuint (execs, ==, 1);

  g_assert_cmpuint (count (world, 1001), ==, 0); /* another's */
  g_assert_false (forget (world, id, 1001, "before", NULL));
  g_assert_true (forget (world, id, OWNER, "before", NULL));
  g_assert_cmpuint (count (world, 0), ==, 0);
  g_assert_cmpuint (count_files (world), ==, 0);
  g_assert_cmpuint (fake_host_count_bases (world->host), ==, 0);
}

static void
test_refused (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GError) error = NULL;

  g_assert_true (keep (world, id, OWNER, "before", NULL));
  g_assert_false (keep (world, id, OWNER, "before", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (keep (world, id, OWNER, "../x", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (keep (world, id, 1001, "other", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_clear_error (&error);
  g_assert_false (go_back (world, id, "none", 0, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "it has before"));
  assert_works (world, id);
}

/* Whatever its copy fails for, nothing is left, and the sandbox goes on. */
static void
test_copy_fails (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  guint told = fake_host_count_bases_told (world->host);
  g_autoptr (GError) error = NULL;

  fake_host_fail (world->host, FAKE_HOST_COPY,
                  g_error_new (BERTH_ERROR, BERTH_ERROR_CONFIG, "the disk is full"));
  g_assert_false (keep (world, id, OWNER, "before", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "the disk is full"));
  g_assert_cmpuint (fake_host_count_bases_told (world->host), >, told); /* none is kept for it */
  assert_works (world, id);
  fake_host_fail (world->host, FAKE_HOST_COPY, NULL);
  g_assert_true (keep (world, id, OWNER, "before", NULL));
  g_assert_cmpuint (count (world, OWNER), ==, 1);
}

/* Its sandbox ends while it is copied. */
static void
test_source_dies (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GAsyncResult) result = NULL;
  World other = *world;

  fake_host_hold (world->host, FAKE_HOST_COPY, TRUE);
  berth_manager_checkpoint_async (world->manager, id, OWNER, "before", NULL, world_result_cb,
                                  &other);
  while (fake_host_count_held (world->host, FAKE_HOST_COPY) == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  fake_host_fail (world->host, FAKE_HOST_COPY,
                  g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "the domain is gone"));
  fake_host_hold (world->host, FAKE_HOST_COPY, FALSE);
  result = world_wait (&other);
  g_assert_null (berth_manager_checkpoint_finish (world->manager, result, NULL));
  fake_host_fail (world->host, FAKE_HOST_COPY, NULL);
  g_assert_cmpuint (count (world, 0), ==, 0);
}

static void
script_cb (BerthFakeCall call, BerthVm *vm, BerthFakePlan *plan, gpointer user_data)
{
  BerthVm **out_vm = user_data;

  if (out_vm != NULL && call == BERTH_FAKE_START)
    g_set_object (out_vm, vm);
}

static void
watch_starts (World *world, BerthVm **out_vm)
{
  berth_fake_hypervisor_set_script (fake_host_get_hypervisor (world->host), script_cb, out_vm);
}

static void
test_rolled_back (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (BerthVm) vm = NULL;
  g_autoptr (BerthRequest) request = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (keep (world, id, OWNER, "before", NULL));
  assert_works (world, id);
  watch_starts (world, &vm);
  g_assert_true (go_back (world, id, "before", BERTH_REQUEST_WAIT_FOREVER, &error));
  watch_starts (world, NULL);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_vm_get_id (vm), ==, id); /* it stays */
  request = berth_vm_dup_request (vm);
  g_assert_cmpstr (berth_fork_get_name (berth_purpose_of (request)->fork), ==, "before");
  g_assert_cmpstr (request->tenant, ==, "acme");
  g_assert_cmpuint (berth_purpose_of (request)->generation, ==, 1);
  world_wait_for_vms (world, 1); /* the one before has ended */
  assert_works (world, id);
  g_assert_true (go_back (world, id, "before", BERTH_REQUEST_WAIT_FOREVER, NULL)); /* again */
  world_wait_for_vms (world, 1);
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  g_assert_cmpuint (count (world, OWNER), ==, 1);
}

/* Whoever waits for what runs hears why it ended. */
static void
test_attached_hears (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  World other = *world;

  g_assert_true (keep (world, id, OWNER, "before", NULL));
  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  berth_manager_exec_async (world->manager, id, OWNER, world_exec_new ("true"), NULL,
                            world_result_cb, &other);
  g_assert_true (go_back (world, id, "before", BERTH_REQUEST_WAIT_FOREVER, NULL));
  /* as a guest does whose VM ends */
  fake_host_fail (world->host, FAKE_HOST_EXEC,
                  g_error_new (BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN, "the VM ended"));
  fake_host_hold (world->host, FAKE_HOST_EXEC, FALSE);
  result = world_wait (&other);
  g_assert_null (berth_manager_exec_finish (world->manager, result, &error));
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "it was rolled back to its checkpoint before"));
  fake_host_fail (world->host, FAKE_HOST_EXEC, NULL);
  assert_works (world, id);
}

/* No place, or a start that fails: the sandbox is as it was. */
static void
test_not_rolled_back (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autofree char *other = create (world); /* the last place */
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);
  g_autoptr (GError) error = NULL;

  g_assert_true (keep (world, id, OWNER, "before", NULL));
  g_assert_false (go_back (world, id, "before", BERTH_REQUEST_NO_WAIT, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  g_clear_error (&error);
  assert_works (world, id);
  g_assert_true (world_destroy (world, other, OWNER, NULL, NULL));

  berth_fake_hypervisor_fail_at (hypervisor, berth_fake_hypervisor_get_steps ()[0].name);
  g_assert_false (go_back (world, id, "before", BERTH_REQUEST_WAIT_FOREVER, &error));
  g_assert_nonnull (error);
  berth_fake_hypervisor_fail_at (hypervisor, NULL);
  world_wait_for_vms (world, 1);
  assert_works (world, id);
}

static void
flip (World *world, const char *id)
{
  g_autoptr (GDir) dir = g_dir_open (world->checkpoint_dir, 0, NULL);
  g_autofree char *folder = g_strconcat (id, "-before", NULL);
  g_autofree char *path
      = g_build_filename (world->checkpoint_dir, g_dir_read_name (dir), folder, "state", NULL);
  FILE *file = fopen (path, "r+");

  g_assert_nonnull (file);
  fputc ('x', file);
  fclose (file);
}

static void
test_flipped (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GError) error = NULL;

  g_assert_true (keep (world, id, OWNER, "before", NULL));
  flip (world, id);
  g_assert_false (go_back (world, id, "before", BERTH_REQUEST_WAIT_FOREVER, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "not what was written"));
  assert_works (world, id);
  g_assert_true (forget (world, id, OWNER, "before", NULL));
}

/* The sandbox is gone, berthd another: others go on from there all the same. */
static void
test_forked_after_restart (World *world, gconstpointer data)
{
  const BerthForkOptions options
      = { .count = 2, .wait_us = BERTH_REQUEST_WAIT_FOREVER, .checkpoint = "before" };
  g_autofree char *id = create (world);
  g_autoptr (GAsyncResult) result = NULL;
  g_auto (GStrv) ids = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (keep (world, id, OWNER, "before", NULL));
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  world_tear_down (world, data);
  world_set_up (world, data);
  g_assert_cmpuint (count (world, OWNER), ==, 1);
  g_assert_cmpuint (fake_host_count_bases (world->host), ==, 1);
  g_assert_false (go_back (world, id, "before", 0, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_clear_error (&error);
  berth_manager_fork_async (world->manager, id, OWNER, &options, NULL, world_result_cb, world);
  result = world_wait (world);
  ids = berth_manager_fork_finish (world->manager, result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (ids), ==, 2);
  assert_works (world, ids[0]);
  g_assert_true (forget (world, id, OWNER, "before", NULL));
}

/* It ends while its new VM is waited for: it does not come back. */
static void
test_ended_meanwhile (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  World other = *world;

  g_assert_true (keep (world, id, OWNER, "before", NULL));
  berth_fake_hypervisor_hold_starts (fake_host_get_hypervisor (world->host), TRUE);
  berth_manager_rollback_async (world->manager, id, OWNER, "before", BERTH_REQUEST_WAIT_FOREVER,
                                NULL, world_result_cb, &other);
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  berth_fake_hypervisor_hold_starts (fake_host_get_hypervisor (world->host), FALSE);
  result = world_wait (&other);
  g_assert_false (berth_manager_rollback_finish (world->manager, result, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  world_wait_for_vms (world, 0);
}

#define TEST(name, func)                                                                           \
  g_test_add ("/checkpoint/" name, World, NULL, world_set_up_kept, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("kept", test_kept);
  TEST ("refused", test_refused);
  TEST ("copy-fails", test_copy_fails);
  TEST ("source-dies", test_source_dies);
  TEST ("rolled-back", test_rolled_back);
  TEST ("attached-hears", test_attached_hears);
  TEST ("not-rolled-back", test_not_rolled_back);
  TEST ("flipped", test_flipped);
  TEST ("forked-after-restart", test_forked_after_restart);
  TEST ("ended-meanwhile", test_ended_meanwhile);
  return g_test_run ();
}

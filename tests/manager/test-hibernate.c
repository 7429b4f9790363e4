/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what a hibernated sandbox is to the manager: without a VM; there again after a restart;
 * gone when it is destroyed. How it goes on is test-rise.c's. */
#include "hibernate-world.h"

#include "plugin/host/berth-purpose.h"
#include "pool/berth-error.h"

static void
test_goes_and_comes (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 3; i++)
    {
      world_assert_works (world, id);
      g_assert_true (world_hibernate (world, id, OWNER, &error));
      g_assert_no_error (error);
      world_wait_for_vms (world, 0);
      world_assert_state (world, id, "hibernated");
      g_assert_true (world_hibernate (world, id, OWNER, &error)); /* it is already */
      fake_host_advance (world->host, 60 * G_USEC_PER_SEC);       /* its idle time is not for it */
      world_assert_works (world, id);
      world_assert_state (world, id, "claimed");
      world_wait_for_vms (world, 1);
    }
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  world_assert_state (world, id, NULL);
}

/* Of the one that goes on: whose it is, and what it begins with. */
static void
test_its_request (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
  g_autoptr (BerthRequest) request = NULL;
  const BerthPurpose *purpose;
  BerthSandbox *sandbox;

  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  world_assert_works (world, id);
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
  g_autofree char *id = world_create_session (world);
  g_autoptr (GError) error = NULL;

  fake_host_fail (world->host, FAKE_HOST_COPY,
                  g_error_new (BERTH_ERROR, BERTH_ERROR_CONFIG, "the disk is full"));
  g_assert_false (world_hibernate (world, id, OWNER, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  fake_host_fail (world->host, FAKE_HOST_COPY, NULL);
  world_assert_state (world, id, "claimed");
  world_assert_works (world, id);
  g_assert_true (world_hibernate (world, id, OWNER, NULL));
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
  g_autofree char *id = world_create_session (world);
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
  world_assert_state (world, id, "claimed");
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
  g_autofree char *id = world_create_session (world);
  g_autoptr (GError) error = NULL;
  World hibernating;

  begin_hibernate (world, &hibernating, id);
  world_remove_tree (world->checkpoint_dir);
  g_assert_false (end_hibernate (world, &hibernating, &error));
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  world_assert_state (world, id, "claimed");
  world_assert_works (world, id);
  g_assert_true (world_hibernate (world, id, OWNER, NULL));
}

static void
test_no_room (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
  BerthCheckpointLimits limits = { .count = 10, .user_count = 0, .bytes = 1 << 20 };
  g_autoptr (GError) error = NULL;

  berth_checkpoint_store_set_limits (world->manager->checkpoints, &limits);
  g_assert_false (world_hibernate (world, id, OWNER, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  world_assert_works (world, id);
}

/* Destroyed while it is written, it is not there any more; nor when it was to go on. */
static void
test_destroyed_meanwhile (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
  g_autofree char *second = world_create_session (world);
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

  g_assert_true (world_hibernate (world, second, OWNER, NULL));
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
  world_restart (world, data);
  world_assert_state (world, id, NULL);
  world_assert_state (world, second, NULL);
}

/* The next berthd has it. */
static void
test_restart (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);

  world_assert_works (world, id);
  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  world_restart (world, data);
  world_assert_state (world, id, "hibernated");
  g_assert_cmpuint (fake_host_count_bases (world->host), ==, 1);
  world_assert_works (world, id);
  g_assert_true (world_was_sole (world, id));
  g_assert_cmpuint (berth_sandbox_get_exec_count (world_find (world, id)), ==, 2);
  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  world_restart (world, data);
  world_assert_state (world, id, NULL);
}

static void
test_of_others_and_of_none (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
  g_autoptr (GError) error = NULL;

  g_assert_false (world_hibernate (world, id, 1001, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_clear_error (&error);
  g_assert_true (world_hibernate (world, id, OWNER, NULL));
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
  other = world_create_session (world);
  fake_host_advance (world->host, 5 * G_USEC_PER_SEC);
  world_wait_for_vms (world, 1);
  world_assert_state (world, id, "hibernated");
  world_assert_state (world, other, "claimed");
  world_restart (world, data);
  world_assert_works (world, id); /* the next berthd knows of it */
  fake_host_advance (world->host, 5 * G_USEC_PER_SEC);
  world_wait_for_vms (world, 0);
  world_assert_state (world, id, "hibernated");
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
  g_autofree char *first = world_create_session (world);
  g_autofree char *second = world_create_session (world);
  g_autofree char *third = NULL;
  World creating;

  world->manager->config->full_hibernate_s = 10;
  fake_host_advance (world->host, 5 * G_USEC_PER_SEC);
  world_assert_works (world, first);
  begin_create (world, &creating);
  fake_host_advance (world->host, 4 * G_USEC_PER_SEC);
  g_assert_null (creating.result); /* nobody has been unused for so long */
  third = end_create_by_room (world, &creating);
  g_assert_nonnull (third);
  world_assert_state (world, first, "claimed");
  world_assert_state (world, second, "hibernated");
  world_assert_state (world, third, "claimed");
}

/* One that is paused has to be woken for it, and may wait for that. */
static void
test_for_who_waits_a_paused_one (World *world, gconstpointer data)
{
  g_autofree char *first = world_create_session (world);
  g_autofree char *second = world_create_session (world);
  g_autofree char *third = NULL;
  World creating;

  world->manager->config->full_hibernate_s = 10;
  set_paused (world, first);
  fake_host_advance (world->host, 5 * G_USEC_PER_SEC);
  world_assert_works (world, second);
  fake_host_advance (world->host, 10 * G_USEC_PER_SEC);
  begin_create (world, &creating);
  third = end_create_by_room (world, &creating);
  world_assert_state (world, first, "paused");
  world_assert_state (world, second, "hibernated");
  begin_create (world, &creating);
  g_free (end_create_by_room (world, &creating));
  world_assert_state (world, first, "hibernated");
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
  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  world_assert_works (world, id);
  request = berth_vm_dup_request (berth_sandbox_get_vm (world_find (world, id)));
  g_assert_false (berth_purpose_of (request)->is_session);
  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  world_restart (world, data);
  world_assert_state (world, id, NULL);
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
  g_autofree char *id = world_create_session (world);
  g_autoptr (GAsyncResult) result = NULL;
  g_auto (GStrv) ids = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  world_restart (world, data);
  keep (world, id, &error);
  g_assert_no_error (error);
  world_assert_state (world, id, "claimed");
  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  world_restart (world, data);
  berth_manager_fork_async (world->manager, id, OWNER, &options, NULL, world_result_cb, world);
  result = world_wait (world);
  ids = berth_manager_fork_finish (world->manager, result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (ids), ==, 1);
}

/* In the moment in which it is marked. */
static void
test_destroyed_at_once (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  World running = *world;

  g_assert_true (world_hibernate (world, id, OWNER, NULL));
  berth_manager_exec_async (world->manager, id, OWNER, world_exec_new ("true"), NULL,
                            world_result_cb, &running);
  g_assert_true (world_destroy (world, id, OWNER, NULL, NULL));
  result = world_wait (&running);
  g_assert_null (berth_manager_exec_finish (world->manager, result, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_clear_object (&result);
  world_restart (world, data);
  world_assert_state (world, id, NULL);
}

/* Its owner has it stand still: it does so, too, where it can't be hibernated. */
static void
test_paused_without_room (World *world, gconstpointer data)
{
  const BerthCheckpointLimits limits = { .count = 0 };
  g_autofree char *id = world_create_session (world);

  berth_checkpoint_store_set_limits (world->manager->checkpoints, &limits);
  set_paused (world, id);
  g_assert_false (world_hibernate (world, id, OWNER, NULL));
  while (berth_vm_get_state (berth_sandbox_get_vm (world_find (world, id)))
         != BERTH_VM_STATE_PAUSED)
    g_main_context_iteration (NULL, TRUE);
}

/* Who asks for it while it goes waits for the same. */
static void
test_asked_for_twice (World *world, gconstpointer data)
{
  g_autofree char *id = world_create_session (world);
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
  id = world_create_session (world);
  fake_host_advance (world->host, 15 * G_USEC_PER_SEC);
  world_run_dry ();
  world_assert_state (world, id, "claimed");
  fake_host_advance (world->host, 20 * G_USEC_PER_SEC);
  world_wait_for_vms (world, 0);
  world_assert_state (world, id, NULL);
}

/* By itself, and nobody wants it any more. */
static void
test_unused (World *world, gconstpointer data)
{
  g_autofree char *id = NULL;

  world->manager->config->idle_hibernate_s = 15;
  world->manager->config->hibernated_s = 3600;
  id = world_create_session (world);
  world_assert_works (world, id);
  fake_host_advance (world->host, 15 * G_USEC_PER_SEC);
  world_wait_for_vms (world, 0);
  world_assert_state (world, id, "hibernated");
  fake_host_advance (world->host, G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC);
  world_run_dry ();
  world_assert_state (world, id, NULL);
}

#define TEST(name, func)                                                                           \
  g_test_add ("/hibernate/" name, World, NULL, world_set_up_kept, func, world_tear_down_kept)

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
  TEST ("restart", test_restart);
  TEST ("of-others-and-of-none", test_of_others_and_of_none);
  TEST ("copied-after-restart", test_copied_after_restart);
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

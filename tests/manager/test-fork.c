/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what a fork is to the manager: several creates, all of them or none; and what happens to a
 * sandbox while it is copied, or when it comes back. */
#include "manager-world.h"

#include <string.h>

#include "plugin/host/berth-purpose.h"
#include "pool/berth-error.h"
#include "pool/berth-vm-private.h"
#include "tests/host/fake-reach.h"

static char **
fork_sandbox (World *world, const char *id, guint32 uid, guint count, gint64 wait_us,
              GError **error)
{
  const BerthForkOptions options = { .count = count, .wait_us = wait_us };
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_fork_async (world->manager, id, uid, &options, NULL, world_result_cb, world);
  result = world_wait (world);
  return berth_manager_fork_finish (world->manager, result, error);
}

static char *
create (World *world)
{
  return world_create_named (world, 20000);
}

static void
script_cb (BerthFakeCall call, BerthVm *vm, BerthFakePlan *plan, gpointer user_data)
{
  BerthVm **out_vm = user_data;

  if (call == BERTH_FAKE_START)
    g_set_object (out_vm, vm);
}

/* The VM of the sandbox that is made next. */
static void
watch_starts (World *world, BerthVm **out_vm)
{
  berth_fake_hypervisor_set_script (fake_host_get_hypervisor (world->host), script_cb, out_vm);
}

static void
test_children_are_their_sources (World *world, gconstpointer data)
{
  g_autoptr (BerthVm) source = NULL;
  g_autoptr (BerthVm) child = NULL;
  g_autofree char *id = NULL;
  g_auto (GStrv) ids = NULL;
  g_autoptr (BerthRequest) request = NULL;
  g_autoptr (BerthResult) result = NULL;

  watch_starts (world, &source);
  id = create (world);
  watch_starts (world, &child);
  ids = fork_sandbox (world, id, 1000, 1, 0, NULL);
  watch_starts (world, NULL);
  g_assert_nonnull (ids);
  g_assert_cmpuint (g_strv_length (ids), ==, 1);
  g_assert_cmpstr (ids[0], !=, id);
  g_assert_cmpstr (ids[0], ==, berth_vm_get_id (child));
  request = berth_vm_dup_request (child);
  g_assert_cmpuint (request->uid, ==, 1000);
  g_assert_cmpstr (request->tenant, ==, "acme");
  g_assert_cmpstr (request->task, ==, "42");
  g_assert_true (berth_purpose_of (request)->is_session);
  g_assert_cmpuint (berth_purpose_of (request)->idle_timeout_ms, ==, 20000);
  g_assert_true (berth_fork_get_source (berth_purpose_of (request)->fork) == source);
  result = world_exec (world, ids[0], 1000, NULL);
  g_assert_nonnull (result);
}

/* Two places, one of them the source's: nothing is left of a fork of two that would not wait. */
static void
test_all_or_none (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;

  g_assert_null (fork_sandbox (world, id, 1000, 2, 0, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  world_wait_for_vms (world, 1);
  result = world_exec (world, id, 1000, NULL);
  g_assert_nonnull (result);
}

typedef struct
{
  GPtrArray *ids;
  guint wanted; /* it takes no more */
} Told;

static gboolean
tell_cb (const char *id, gpointer user_data)
{
  Told *told = user_data;

  if (told->ids->len == told->wanted)
    return FALSE;
  g_ptr_array_add (told->ids, g_strdup (id));
  return TRUE;
}

static void
fork_and_tell (World *world, World *other, const char *id, gint64 wait_us, Told *told)
{
  const BerthForkOptions options
      = { .count = 2, .wait_us = wait_us, .tell = tell_cb, .tell_data = told };

  *other = *world;
  berth_manager_fork_async (world->manager, id, 1000, &options, NULL, world_result_cb, other);
}

/* Two places, one of them the source's: the first is used, and the second comes, when the first is
 * gone. */
static void
test_each_as_it_comes (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GAsyncResult) end = NULL;
  g_auto (GStrv) all = NULL;
  Told told = { ids, 2 };
  World other;

  fork_and_tell (world, &other, id, BERTH_REQUEST_WAIT_FOREVER, &told);
  while (ids->len < 1)
    g_main_context_iteration (NULL, FALSE);
  result = world_exec (world, ids->pdata[0], 1000, NULL);
  g_assert_nonnull (result);
  g_assert_null (other.result);
  g_assert_true (world_destroy (world, ids->pdata[0], 1000, NULL, NULL));
  end = world_wait (&other);
  all = berth_manager_fork_finish (world->manager, end, NULL);
  g_assert_cmpuint (ids->len, ==, 2);
  g_assert_cmpstr (all[1], ==, ids->pdata[1]);
}

/* What was told stays where the other would not wait. */
static void
test_those_that_fit (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GAsyncResult) end = NULL;
  g_autoptr (GError) error = NULL;
  Told told = { ids, 2 };
  World other;

  fork_and_tell (world, &other, id, 0, &told);
  end = world_wait (&other);
  g_assert_null (berth_manager_fork_finish (world->manager, end, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  g_assert_cmpuint (ids->len, ==, 1);
  result = world_exec (world, ids->pdata[0], 1000, NULL);
  g_assert_nonnull (result);
}

/* One that nobody hears of is none, and no other is made. */
static void
test_nobody_hears (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GAsyncResult) end = NULL;
  g_autoptr (GError) error = NULL;
  Told told = { ids, 0 };
  World other;

  fork_and_tell (world, &other, id, BERTH_REQUEST_WAIT_FOREVER, &told);
  end = world_wait (&other);
  g_assert_null (berth_manager_fork_finish (world->manager, end, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  world_wait_for_vms (world, 1);
}

static void
test_a_start_fails (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GError) error = NULL;
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);
  g_auto (GStrv) ids = NULL;

  berth_fake_hypervisor_fail_at (hypervisor, berth_fake_hypervisor_get_steps ()[0].name);
  g_assert_null (fork_sandbox (world, id, 1000, 1, BERTH_REQUEST_WAIT_FOREVER, &error));
  g_assert_nonnull (error);
  berth_fake_hypervisor_fail_at (hypervisor, NULL);
  world_wait_for_vms (world, 1);
  ids = fork_sandbox (world, id, 1000, 1, BERTH_REQUEST_WAIT_FOREVER, NULL);
  g_assert_nonnull (ids);
}

static void
test_of_others_and_of_none (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autoptr (GError) of_others = NULL;
  g_autoptr (GError) of_none = NULL;

  g_assert_null (fork_sandbox (world, id, 1001, 1, 0, &of_others));
  g_assert_error (of_others, BERTH_ERROR, BERTH_ERROR_GONE);
  g_assert_null (fork_sandbox (world, "0123", 1000, 1, 0, &of_none));
  g_assert_error (of_none, BERTH_ERROR, BERTH_ERROR_GONE);
}

/* Its caller stays with it. */
static void
test_while_code_runs (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_auto (GStrv) ids = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (BerthResult) told = NULL;
  World other = *world;

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  berth_manager_exec_async (world->manager, id, 1000, world_exec_new ("true"), NULL,
                            world_result_cb, &other);
  ids = fork_sandbox (world, id, 1000, 1, 0, NULL);
  g_assert_cmpuint (g_strv_length (ids), ==, 1);
  fake_host_hold (world->host, FAKE_HOST_EXEC, FALSE);
  result = world_wait (&other);
  told = berth_manager_exec_finish (world->manager, result, NULL);
  g_assert_nonnull (told);
}

/* Code waits for the end of a copy, everything else is told to come again; and no second copy of it
 * is made beside it. */
static void
test_while_it_is_copied (World *world, gconstpointer data)
{
  g_autoptr (BerthVm) vm = NULL;
  g_autofree char *id = NULL;
  g_autoptr (GError) busy = NULL;
  g_autoptr (GError) held = NULL;
  g_autoptr (GError) again = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (BerthResult) told = NULL;
  World other = *world;
  g_autoptr (GBytes) arguments = g_bytes_new_static ("ls", 3);
  BerthExec *command = berth_exec_new (arguments);

  watch_starts (world, &vm);
  id = create (world);
  watch_starts (world, NULL);
  g_assert_true (fake_host_begin_copy (world->host, vm, NULL));
  g_assert_false (fake_host_begin_copy (world->host, vm, &again));
  g_assert_error (again, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_assert_null (fork_sandbox (world, id, 1000, 1, 0, &busy));
  g_assert_error (busy, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  berth_manager_exec_async (world->manager, id, 1000, world_exec_new ("true"), NULL,
                            world_result_cb, &other);
  command->is_command = TRUE;
  berth_manager_exec_async (world->manager, id, 1000, command, NULL, world_result_cb, world);
  result = world_wait (world);
  g_assert_null (berth_manager_exec_finish (world->manager, result, &held));
  g_assert_error (held, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_clear_object (&result);
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_EXEC), ==, 0);
  fake_host_end_copy (world->host, vm, -1, 0);
  result = world_wait (&other);
  told = berth_manager_exec_finish (world->manager, result, NULL);
  g_assert_nonnull (told);
}

/* What a copy may have of the disk is bounded, of a user and of all, and is there again when its
 * file is gone; a copy that was made has what it is. */
static void
test_disk (World *world, gconstpointer data)
{
  const guint64 bytes = 60u << 20;
  g_autoptr (BerthVm) first = NULL;
  g_autoptr (BerthVm) second = NULL;
  g_autofree char *first_id = NULL;
  g_autofree char *second_id = NULL;
  g_autoptr (BerthDiskPart) part = NULL;
  g_autoptr (BerthDiskPart) other = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) text = g_string_new (NULL);

  watch_starts (world, &first);
  first_id = create (world);
  watch_starts (world, &second);
  second_id = create (world);
  watch_starts (world, NULL);
  world->manager->config->forks_mb = 0;
  world->manager->config->uid_forks_mb = 100;
  part = fake_host_take_disk (world->host, first, NULL);
  g_assert_true (fake_host_begin_copy (world->host, first, NULL));
  g_assert_cmpuint (berth_disk_part_get_bytes (part), ==, 100u << 20);
  g_assert_null (fake_host_take_disk (world->host, second, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  berth_disk_part_shrink (part, bytes);
  fake_host_end_copy (world->host, first, 300000, bytes);
  other = fake_host_take_disk (world->host, second, NULL);
  g_assert_true (fake_host_begin_copy (world->host, second, NULL));
  g_assert_cmpuint (berth_disk_part_get_bytes (other), ==, 40u << 20);
  fake_host_end_copy (world->host, second, -1, 0);
  g_clear_pointer (&other, berth_disk_part_free);
  g_clear_pointer (&part, berth_disk_part_free);
  g_assert_cmpuint (berth_disk_account_get_bytes (world->manager->copies), ==, 0);
  berth_metrics_append_text (world->manager->metrics, text);
  g_assert_nonnull (strstr (text->str, "berth_fork_copies_total{outcome=\"made\"} 1\n"));
  g_assert_nonnull (strstr (text->str, "berth_fork_copies_total{outcome=\"failed\"} 1\n"));
  g_assert_nonnull (strstr (text->str, "berth_fork_bytes_total 62914560\n"));
  g_assert_nonnull (strstr (text->str, "berth_fork_pause_seconds_count 1\n"));
}

/* It is not ended as unused while it is copied, and is when nobody used it since. */
static void
test_idle_while_it_is_copied (World *world, gconstpointer data)
{
  g_autoptr (BerthVm) vm = NULL;
  g_autofree char *id = NULL;
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GError) error = NULL;

  watch_starts (world, &vm);
  id = create (world);
  watch_starts (world, NULL);
  g_assert_true (fake_host_begin_copy (world->host, vm, NULL));
  fake_host_advance (world->host, 60 * G_USEC_PER_SEC);
  fake_host_end_copy (world->host, vm, -1, 0);
  result = world_exec (world, id, 1000, NULL);
  g_assert_nonnull (result);
  fake_host_advance (world->host, 60 * G_USEC_PER_SEC);
  g_assert_null (world_exec (world, id, 1000, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
}

/* What an administrator has saved is gone until it is restored, and then as before. */
static void
test_it_comes_back (World *world, gconstpointer data)
{
  g_autoptr (BerthVm) first = NULL;
  g_autoptr (BerthVm) again = NULL;
  g_autoptr (BerthRequest) request = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;
  g_autofree char *id = NULL;

  watch_starts (world, &first);
  id = create (world);
  watch_starts (world, NULL);
  request = berth_vm_dup_request (first);
  g_assert_true (berth_fake_hypervisor_kill (fake_host_get_hypervisor (world->host), first));
  world_wait_for_vms (world, 0);
  world_run_dry ();
  g_assert_null (world_exec (world, id, 1000, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  again = berth_vm_new_adopted (id, BERTH_SHAPE ("python", 192, 1), NULL, g_get_monotonic_time ());
  fake_host_return_session (world->host, again, request, FALSE);
  world_wait_for_vms (world, 1);
  result = world_exec (world, id, 1000, NULL);
  g_assert_nonnull (result);
  g_assert_true (world_destroy (world, id, 1000, NULL, NULL));
}

/* One that stood still when it was saved does so again. */
static void
test_it_comes_back_paused (World *world, gconstpointer data)
{
  g_autoptr (BerthVm) again = NULL;
  g_autoptr (BerthRequest) request = NULL;
  g_autoptr (BerthResult) result = NULL;
  const BerthPurpose purpose = { .is_session = TRUE };
  const char *id = "0123456789abcdef0123456789abcdef";

  request = berth_purpose_make_request (&purpose, BERTH_SHAPE ("python", 192, 1), NULL, NULL, 1000,
                                        BERTH_REQUEST_WAIT_FOREVER, NULL);
  again = berth_vm_new_adopted (id, BERTH_SHAPE ("python", 192, 1), NULL, g_get_monotonic_time ());
  fake_host_return_session (world->host, again, request, TRUE);
  while (berth_vm_get_state (again) != BERTH_VM_STATE_PAUSED)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_BACKGROUND), ==, 0);
  result = world_exec (world, id, 1000, NULL);
  g_assert_nonnull (result);
  g_assert_cmpint (berth_vm_get_state (again), ==, BERTH_VM_STATE_CLAIMED);
  g_assert_true (world_destroy (world, id, 1000, NULL, NULL));
}

/* Nor does its guest know any more what it may reach: it is told. */
static void
test_it_comes_back_with_its_rules (World *world, gconstpointer data)
{
  static const char *const allow[] = { "example.org:443", NULL };
  const BerthPurpose purpose = { .is_session = TRUE, .allow = allow };
  const char *id = "0123456789abcdef0123456789abcdef";
  g_autoptr (BerthRequest) request = berth_purpose_make_request (
      &purpose, BERTH_SHAPE ("python", 192, 1), NULL, NULL, 1000, BERTH_REQUEST_WAIT_FOREVER, NULL);
  g_autoptr (BerthVm) again
      = berth_vm_new_adopted (id, BERTH_SHAPE ("python", 192, 1), NULL, g_get_monotonic_time ());

  fake_host_return_session (world->host, again, request, FALSE);
  world_wait_for_vms (world, 1);
  g_assert_cmpstr (fake_reach_get_rules (again), ==, "example.org 443");
  g_assert_true (world_destroy (world, id, 1000, NULL, NULL));
  fake_reach_forget (again);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (World *world, gconstpointer data);
  } tests[] = {
    { "children-are-their-sources", test_children_are_their_sources },
    { "all-or-none", test_all_or_none },
    { "each-as-it-comes", test_each_as_it_comes },
    { "those-that-fit", test_those_that_fit },
    { "nobody-hears", test_nobody_hears },
    { "a-start-fails", test_a_start_fails },
    { "of-others-and-of-none", test_of_others_and_of_none },
    { "while-code-runs", test_while_code_runs },
    { "disk", test_disk },
    { "while-it-is-copied", test_while_it_is_copied },
    { "idle-while-it-is-copied", test_idle_while_it_is_copied },
    { "it-comes-back-paused", test_it_comes_back_paused },
    { "it-comes-back", test_it_comes_back },
    { "it-comes-back-with-its-rules", test_it_comes_back_with_its_rules },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strdup_printf ("/fork/%s", tests[i].name);

      g_test_add (path, World, NULL, world_set_up, tests[i].run, world_tear_down);
    }
  return g_test_run ();
}

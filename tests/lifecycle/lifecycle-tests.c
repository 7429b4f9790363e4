/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves the life-cycle of VMs through BerthPool: what takes a slot gives it back, once. */
#include "lifecycle-tests.h"

#include "berth-error.h"
#include "lifecycle-world.h"

#define FOREVER BERTH_REQUEST_WAIT_FOREVER

/* a world of its own with an injected fault */
typedef struct
{
  const LifecycleBackend *backend;
  const LifecycleFault *fault;
} FaultCase;

static void
test_create_blocks_at_capacity (LifecycleWorld *world, gconstpointer data)
{
  g_auto (LifecycleCall) first = { 0 };
  g_auto (LifecycleCall) second = { 0 };
  g_auto (LifecycleCall) third = { 0 };

  lifecycle_world_create_now (world, &first);
  lifecycle_world_create_now (world, &second);
  third.watched = g_object_ref (second.vm);
  lifecycle_world_acquire (world, &third, FOREVER, NULL);
  g_assert_cmpuint (lifecycle_world_count_waiters (world), ==, 1);
  g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, 0);
  g_assert_false (third.is_done);

  lifecycle_world_destroy_now (world, second.vm);
  lifecycle_world_wait (world, &third.is_done, "the third VM");
  g_assert_no_error (third.error);
  g_assert_false (third.watched_held); /* not before the second had given its slot back */
  g_assert_true (berth_vm_holds_slot (third.vm));
  g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, 0);
  g_assert_cmpuint (world->backend->max_domains (world->hypervisor), ==, LIFECYCLE_SLOTS);
}

static void
test_slot_taken_and_given_back (LifecycleWorld *world, gconstpointer data)
{
  g_auto (LifecycleCall) call = { 0 };
  g_autoptr (BerthRequest) request = NULL;

  g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, LIFECYCLE_SLOTS);
  lifecycle_world_create_now (world, &call);
  g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, LIFECYCLE_SLOTS - 1);
  g_assert_cmpuint (lifecycle_world_get_slots (world, "claimed"), ==, 1);
  g_assert_true (berth_vm_holds_slot (call.vm));
  g_assert_cmpint (berth_vm_get_state (call.vm), ==, BERTH_VM_STATE_CLAIMED);
  request = berth_vm_dup_request (call.vm);
  g_assert_cmpstr (request->tenant, ==, "acme");

  lifecycle_world_destroy_now (world, call.vm);
  g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, LIFECYCLE_SLOTS);
  g_assert_false (berth_vm_holds_slot (call.vm));
  g_assert_cmpuint (world->backend->count_domains (world->hypervisor), ==, 0);
}

static void
test_slot_given_back_when_create_fails (gconstpointer data)
{
  const FaultCase *fault_case = data;
  const LifecycleFault *fault = fault_case->fault;
  LifecycleWorld world = { 0 };
  g_auto (LifecycleCall) failed = { 0 };
  g_auto (LifecycleCall) good = { 0 };

  lifecycle_world_set_up (&world, fault_case->backend);
  world.backend->inject (world.hypervisor, fault->step);
  lifecycle_world_acquire (&world, &failed, FOREVER, NULL);
  lifecycle_world_wait (&world, &failed.is_done, "the failure");
  g_assert_error (failed.error, BERTH_ERROR, fault->code);
  g_test_message ("%s", failed.error->message);
  if (fault->message_part != NULL)
    g_assert_nonnull (strstr (failed.error->message, fault->message_part));
  lifecycle_world_wait_free (&world, LIFECYCLE_SLOTS);
  g_assert_cmpuint (world.backend->count_domains (world.hypervisor), ==, 0);

  world.backend->inject (world.hypervisor, NULL);
  lifecycle_world_create_now (&world, &good);
  lifecycle_world_destroy_now (&world, good.vm);
  lifecycle_world_tear_down (&world, world.backend);
}

static void
test_destroy_twice (LifecycleWorld *world, gconstpointer data)
{
  g_auto (LifecycleCall) kept = { 0 };
  g_auto (LifecycleCall) call = { 0 };
  g_auto (LifecycleCall) first = { 0 };
  g_auto (LifecycleCall) second = { 0 };

  lifecycle_world_create_now (world, &kept);
  lifecycle_world_create_now (world, &call);
  lifecycle_world_destroy (world, &first, call.vm);
  lifecycle_world_destroy (world, &second, call.vm);
  lifecycle_world_wait (world, &first.is_done, "the first destroy");
  lifecycle_world_wait (world, &second.is_done, "the second destroy");
  g_assert_no_error (first.error);
  g_assert_no_error (second.error);
  g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, LIFECYCLE_SLOTS - 1);
  lifecycle_world_destroy_now (world, call.vm); /* and once more when it is long gone */
  g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, LIFECYCLE_SLOTS - 1);
}

typedef struct
{
  LifecycleWorld *world;
  BerthVm *vm;
  gint n_done; /* atomic */
} DestroyerData;

static void
destroyed_in_thread_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  gboolean *is_done = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_pool_destroy_finish (BERTH_POOL (source), result, &error));
  g_assert_no_error (error);
  *is_done = TRUE;
}

static gpointer
destroyer_main (gpointer user_data)
{
  DestroyerData *data = user_data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  gboolean is_done = FALSE;

  g_main_context_push_thread_default (context);
  berth_pool_destroy_async (data->world->pool, data->vm, NULL, destroyed_in_thread_cb, &is_done);
  while (!is_done)
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);
  g_atomic_int_inc (&data->n_done);
  g_main_context_wakeup (NULL);
  return NULL;
}

static void
test_destroy_twice_from_two_threads (LifecycleWorld *world, gconstpointer data)
{
  g_auto (LifecycleCall) kept = { 0 };
  g_auto (LifecycleCall) call = { 0 };
  DestroyerData destroyer = { .world = world };
  GThread *threads[2] = { NULL };

  lifecycle_world_create_now (world, &kept);
  lifecycle_world_create_now (world, &call);
  destroyer.vm = call.vm;
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("destroyer", destroyer_main, &destroyer);
  /* a hypervisor may live on the default main context, so it has to run meanwhile */
  while (g_atomic_int_get (&destroyer.n_done) < (gint)G_N_ELEMENTS (threads))
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, LIFECYCLE_SLOTS - 1);
  g_assert_cmpuint (world->backend->count_domains (world->hypervisor), ==, 1);
}

static void
test_destroy_while_starting (LifecycleWorld *world, gconstpointer data)
{
  g_auto (LifecycleCall) call = { 0 };
  g_auto (LifecycleCall) good = { 0 };
  g_autoptr (GPtrArray) vms = NULL;

  if (world->backend->hold_starts != NULL)
    world->backend->hold_starts (world->hypervisor, TRUE);
  lifecycle_world_acquire (world, &call, FOREVER, NULL);
  vms = berth_pool_dup_vms (world->pool);
  g_assert_cmpuint (vms->len, ==, 1);
  g_assert_cmpint (berth_vm_get_state (vms->pdata[0]), ==, BERTH_VM_STATE_STARTING);
  lifecycle_world_destroy_now (world, vms->pdata[0]);
  lifecycle_world_wait (world, &call.is_done, "the end of the create");
  g_assert_error (call.error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, LIFECYCLE_SLOTS);
  g_assert_cmpuint (world->backend->count_domains (world->hypervisor), ==, 0);

  if (world->backend->hold_starts != NULL)
    world->backend->hold_starts (world->hypervisor, FALSE);
  lifecycle_world_create_now (world, &good);
}

/* one of many runs that are asked for at once */
typedef struct
{
  LifecycleWorld *world;
  BerthVm *vm;
  guint *n_left;
  gboolean *all_done;
} LoadRun;

static void
load_destroyed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LoadRun *run = user_data;
  g_autoptr (GError) error = NULL;

  berth_pool_destroy_finish (BERTH_POOL (source), result, &error);
  g_assert_no_error (error);
  g_clear_object (&run->vm);
  (*run->n_left)--;
  *run->all_done = *run->n_left == 0;
}

static void
load_ran_cb (gboolean ok, gpointer user_data)
{
  LoadRun *run = user_data;

  g_assert_true (ok);
  berth_pool_destroy_async (run->world->pool, run->vm, NULL, load_destroyed_cb, run);
}

static void
load_acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LoadRun *run = user_data;
  g_autoptr (GError) error = NULL;

  run->vm = berth_pool_acquire_finish (BERTH_POOL (source), result, &error);
  g_assert_no_error (error);
  if (run->world->backend->run != NULL)
    run->world->backend->run (run->world->hypervisor, run->vm, load_ran_cb, run);
  else
    load_ran_cb (TRUE, run);
}

static void
test_no_capacity_error_under_load (LifecycleWorld *world, gconstpointer data)
{
  const LifecycleBackend *backend = world->backend;
  g_autofree LoadRun *runs = g_new0 (LoadRun, backend->n_load);
  guint n_left = backend->n_load;
  gboolean all_done = FALSE;

  for (guint i = 0; i < backend->n_load; i++)
    {
      g_autoptr (BerthRequest) request = berth_request_new (
          BERTH_SHAPE (backend->template_name, backend->memory_mb, backend->vcpus), NULL, NULL,
          1000, FOREVER, NULL, NULL, NULL);

      runs[i] = (LoadRun){ .world = world, .n_left = &n_left, .all_done = &all_done };
      berth_pool_acquire_async (world->pool, request, NULL, load_acquired_cb, &runs[i]);
    }
  lifecycle_world_wait (world, &all_done, "all runs");
  g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, LIFECYCLE_SLOTS);
  g_assert_cmpuint (backend->max_domains (world->hypervisor), ==, LIFECYCLE_SLOTS);
}

/* entries of /proc/self/fd or /proc/self/task */
static guint
count_entries (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  guint count = 0;

  g_assert_nonnull (folder);
  while (g_dir_read_name (folder) != NULL)
    count++;
  return count;
}

static void
test_cycles_leave_nothing (LifecycleWorld *world, gconstpointer data)
{
  guint n_fds = 0;
  guint n_threads = 0;

  for (guint i = 0; i <= world->backend->n_cycles; i++)
    {
      g_auto (LifecycleCall) call = { 0 };

      lifecycle_world_create_now (world, &call);
      lifecycle_world_destroy_now (world, call.vm);
      g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, LIFECYCLE_SLOTS);
      g_assert_cmpuint (world->backend->count_domains (world->hypervisor), ==, 0);
      if (i > 0)
        continue;
      /* the first cycle is not counted: libraries open what they keep */
      n_fds = count_entries ("/proc/self/fd");
      n_threads = count_entries ("/proc/self/task");
    }
  g_assert_cmpuint (count_entries ("/proc/self/fd"), ==, n_fds);
  /* one of GLib's that had nothing to do for a while goes */
  g_assert_cmpuint (count_entries ("/proc/self/task"), <=, n_threads);
  if (world->backend->check_nothing_left != NULL)
    world->backend->check_nothing_left (world->hypervisor);
}

/* both slots are taken, and @waiting waits */
static void
fill_and_wait (LifecycleWorld *world, LifecycleCall *holders, LifecycleCall *waiting,
               gint64 wait_us, GCancellable *cancellable)
{
  for (guint i = 0; i < LIFECYCLE_SLOTS; i++)
    lifecycle_world_create_now (world, &holders[i]);
  lifecycle_world_acquire (world, waiting, wait_us, cancellable);
}

/* @waiting ended and took nothing: the next one gets the slot that comes free */
static void
assert_took_nothing (LifecycleWorld *world, LifecycleCall *holders)
{
  g_auto (LifecycleCall) next = { 0 };

  g_assert_cmpuint (lifecycle_world_count_waiters (world), ==, 0);
  g_assert_cmpuint (lifecycle_world_get_slots (world, "claimed"), ==, LIFECYCLE_SLOTS);
  g_assert_cmpuint (world->backend->max_domains (world->hypervisor), ==, LIFECYCLE_SLOTS);
  for (guint i = 0; i < LIFECYCLE_SLOTS; i++)
    lifecycle_world_destroy_now (world, holders[i].vm);
  g_assert_cmpuint (lifecycle_world_get_slots (world, "free"), ==, LIFECYCLE_SLOTS);
  lifecycle_world_create_now (world, &next);
}

static void
clear_calls (LifecycleCall *calls)
{
  for (guint i = 0; i < LIFECYCLE_SLOTS; i++)
    lifecycle_call_clear (&calls[i]);
}

static void
test_cancel_while_waiting (LifecycleWorld *world, gconstpointer data)
{
  LifecycleCall holders[LIFECYCLE_SLOTS] = { 0 };
  g_auto (LifecycleCall) waiting = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  fill_and_wait (world, holders, &waiting, FOREVER, cancellable);
  g_assert_cmpuint (lifecycle_world_count_waiters (world), ==, 1);
  g_cancellable_cancel (cancellable);
  lifecycle_world_wait (world, &waiting.is_done, "the cancel");
  g_assert_error (waiting.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_took_nothing (world, holders);
  clear_calls (holders);
}

static void
test_deadline_while_waiting (LifecycleWorld *world, gconstpointer data)
{
  LifecycleCall holders[LIFECYCLE_SLOTS] = { 0 };
  g_auto (LifecycleCall) waiting = { 0 };

  fill_and_wait (world, holders, &waiting, 50 * G_TIME_SPAN_MILLISECOND, NULL);
  lifecycle_world_wait (world, &waiting.is_done, "the deadline");
  g_assert_error (waiting.error, BERTH_ERROR, BERTH_ERROR_WAIT_TIMED_OUT);
  g_assert_nonnull (strstr (waiting.error->message, "2 of 2 VMs exist"));
  assert_took_nothing (world, holders);
  clear_calls (holders);
}

static void
shutdown_done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LifecycleCall *call = user_data;

  berth_pool_shutdown_finish (BERTH_POOL (source), result, &call->error);
  call->is_done = TRUE;
}

static void
test_shutdown_while_waiting (LifecycleWorld *world, gconstpointer data)
{
  LifecycleCall holders[LIFECYCLE_SLOTS] = { 0 };
  g_auto (LifecycleCall) waiting = { 0 };
  g_auto (LifecycleCall) late = { 0 };
  g_auto (LifecycleCall) shutdown = { 0 };

  fill_and_wait (world, holders, &waiting, FOREVER, NULL);
  berth_pool_shutdown_async (world->pool, NULL, shutdown_done_cb, &shutdown);
  lifecycle_world_acquire (world, &late, FOREVER, NULL);
  lifecycle_world_wait (world, &waiting.is_done, "the waiter's end");
  g_assert_error (waiting.error, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN);
  lifecycle_world_wait (world, &late.is_done, "the latecomer's end");
  g_assert_error (late.error, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN);
  lifecycle_world_wait (world, &shutdown.is_done, "the shutdown");
  g_assert_no_error (shutdown.error);
  for (guint i = 0; i < LIFECYCLE_SLOTS; i++)
    g_assert_false (berth_vm_holds_slot (holders[i].vm));
  g_assert_cmpuint (world->backend->max_domains (world->hypervisor), ==, LIFECYCLE_SLOTS);
  clear_calls (holders);
}

static void
vm_gone_cb (BerthPool *pool, BerthVm *vm, gpointer user_data)
{
  LifecycleCall *call = user_data;

  g_assert_null (call->vm);
  call->vm = g_object_ref (vm);
  call->is_done = TRUE;
}

static void
test_killed_from_outside (LifecycleWorld *world, gconstpointer data)
{
  LifecycleCall holders[LIFECYCLE_SLOTS] = { 0 };
  g_auto (LifecycleCall) waiting = { 0 };
  g_auto (LifecycleCall) gone = { 0 };
  g_autofree char *reason = NULL;

  g_signal_connect (world->pool, "vm-gone", G_CALLBACK (vm_gone_cb), &gone);
  fill_and_wait (world, holders, &waiting, FOREVER, NULL);
  world->backend->kill (world->hypervisor, holders[0].vm);
  lifecycle_world_wait (world, &gone.is_done, "the signal");
  g_assert_true (gone.vm == holders[0].vm);
  g_assert_false (berth_vm_holds_slot (gone.vm));
  reason = berth_vm_dup_end_reason (gone.vm);
  g_assert_nonnull (reason);
  lifecycle_world_wait (world, &waiting.is_done, "the waiter's VM");
  g_assert_no_error (waiting.error);
  lifecycle_world_destroy_now (world, gone.vm); /* its owner does not know yet */
  g_assert_cmpuint (lifecycle_world_get_slots (world, "claimed"), ==, LIFECYCLE_SLOTS);
  clear_calls (holders);
}

static void
add_test (const LifecycleBackend *backend, const char *name,
          void (*func) (LifecycleWorld *world, gconstpointer data))
{
  g_autofree char *path = g_strconcat ("/lifecycle/", name, NULL);

  g_test_add (path, LifecycleWorld, backend, lifecycle_world_set_up, func,
              lifecycle_world_tear_down);
}

void
lifecycle_tests_add (const LifecycleBackend *backend)
{
  g_autofree char *cycles = g_strdup_printf ("%u-cycles-leave-nothing", backend->n_cycles);

  add_test (backend, "create-blocks-at-capacity", test_create_blocks_at_capacity);
  add_test (backend, "slot-taken-and-given-back", test_slot_taken_and_given_back);
  for (const LifecycleFault *fault = backend->faults; fault->step != NULL; fault++)
    {
      g_autofree char *path
          = g_strconcat ("/lifecycle/slot-given-back-when-create-fails/", fault->step, NULL);
      FaultCase *fault_case = g_new0 (FaultCase, 1);

      fault_case->backend = backend;
      fault_case->fault = fault;
      g_test_add_data_func_full (path, fault_case, test_slot_given_back_when_create_fails, g_free);
    }
  add_test (backend, "destroy-twice", test_destroy_twice);
  add_test (backend, "destroy-twice-from-two-threads", test_destroy_twice_from_two_threads);
  add_test (backend, "destroy-while-starting", test_destroy_while_starting);
  add_test (backend, "no-capacity-error-under-load", test_no_capacity_error_under_load);
  add_test (backend, cycles, test_cycles_leave_nothing);
  add_test (backend, "cancel-while-waiting", test_cancel_while_waiting);
  add_test (backend, "deadline-while-waiting", test_deadline_while_waiting);
  add_test (backend, "shutdown-while-waiting", test_shutdown_while_waiting);
  add_test (backend, "killed-from-outside", test_killed_from_outside);
}

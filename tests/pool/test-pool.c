/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what BerthPool adds to its core: threads, contexts, cancellables, its own end. */
#include "berth-pool.h"

#include "berth-fake-hypervisor.h"

typedef struct
{
  BerthFakeHypervisor *fake;
  BerthPool *pool;
} World;

typedef struct
{
  gboolean is_done;
  gpointer vm;
  GError *error;
  GThread *thread;
} Outcome;

static void
world_set_up (World *world, gconstpointer data)
{
  const BerthCapacity capacity = {
    .max_vms = 1,
    .memory_mb = 1024,
    .vcpus = 4,
    .max_starts = 1,
    .big_request_age_us = G_TIME_SPAN_SECOND,
  };

  world->fake = berth_fake_hypervisor_new ();
  world->pool = berth_pool_new (BERTH_HYPERVISOR (world->fake), &capacity);
}

static void
world_tear_down (World *world, gconstpointer data)
{
  if (world->pool != NULL)
    {
      /* its thread has let go of everything that was answered before this */
      g_variant_unref (berth_pool_dup_status (world->pool));
      g_assert_finalize_object (world->pool);
    }
  g_assert_finalize_object (world->fake);
}

static void
outcome_clear (Outcome *outcome)
{
  g_clear_object (&outcome->vm);
  g_clear_error (&outcome->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  outcome->vm = berth_pool_acquire_finish (BERTH_POOL (source), result, &outcome->error);
  outcome->thread = g_thread_self ();
  outcome->is_done = TRUE;
}

static void
destroyed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  berth_pool_destroy_finish (BERTH_POOL (source), result, &outcome->error);
  outcome->is_done = TRUE;
}

static BerthRequest *
new_request (gint64 wait_us)
{
  return berth_request_new (BERTH_SHAPE ("python", 192, 1), NULL, NULL, 1000, wait_us, NULL, NULL,
                            NULL);
}

static void
acquire (World *world, Outcome *outcome, gint64 wait_us, GCancellable *cancellable)
{
  g_autoptr (BerthRequest) request = new_request (wait_us);

  berth_pool_acquire_async (world->pool, request, cancellable, acquired_cb, outcome);
}

static void
wait_for (const gboolean *flag)
{
  while (!*flag)
    g_main_context_iteration (g_main_context_get_thread_default (), TRUE);
}

static void
test_cancelled_before (World *world, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_cancellable_cancel (cancellable);
  acquire (world, &outcome, BERTH_REQUEST_WAIT_FOREVER, cancellable);
  g_assert_false (outcome.is_done); /* never inside the call */
  wait_for (&outcome.is_done);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_START), ==, 0);
}

/* A VM that takes another's place has its id. */
static void
test_another_id (World *world, gconstpointer data)
{
  static const char id[] = "0123456789abcdef0123456789abcdef";
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (BerthRequest) request = new_request (BERTH_REQUEST_WAIT_FOREVER);

  berth_request_set_vm_id (request, id);
  berth_pool_acquire_async (world->pool, request, NULL, acquired_cb, &outcome);
  wait_for (&outcome.is_done);
  g_assert_no_error (outcome.error);
  g_assert_cmpstr (berth_vm_get_id (outcome.vm), ==, id);
}

static void
test_cancel_while_starting (World *world, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) next = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GPtrArray) vms = NULL;

  berth_fake_hypervisor_hold_starts (world->fake, TRUE);
  acquire (world, &outcome, BERTH_REQUEST_WAIT_FOREVER, cancellable);
  vms = berth_pool_dup_vms (world->pool);
  g_assert_cmpint (berth_vm_get_state (vms->pdata[0]), ==, BERTH_VM_STATE_STARTING);
  g_cancellable_cancel (cancellable);
  wait_for (&outcome.is_done);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  berth_fake_hypervisor_hold_starts (world->fake, FALSE);
  acquire (world, &next, BERTH_REQUEST_WAIT_FOREVER, NULL);
  wait_for (&next.is_done);
  g_assert_no_error (next.error);
  g_assert_true (next.vm != vms->pdata[0]);
  g_assert_cmpint (berth_vm_get_state (vms->pdata[0]), ==, BERTH_VM_STATE_GONE);
}

static gboolean
is_claimed (World *world)
{
  g_autoptr (GPtrArray) vms = berth_pool_dup_vms (world->pool);

  return vms->len == 1 && berth_vm_get_state (vms->pdata[0]) == BERTH_VM_STATE_CLAIMED;
}

/* a VM that was handed out is handed over, also if its caller cancels before hearing of it */
static void
test_cancelled_too_late (World *world, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  acquire (world, &outcome, BERTH_REQUEST_WAIT_FOREVER, cancellable);
  while (!is_claimed (world))
    g_thread_yield ();
  g_cancellable_cancel (cancellable);
  wait_for (&outcome.is_done);
  g_assert_no_error (outcome.error);
  g_assert_cmpint (berth_vm_get_state (outcome.vm), ==, BERTH_VM_STATE_CLAIMED);
}

/* stops the waiting, not the destroy */
static void
test_cancel_destroy (World *world, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) cancelled = { 0 };
  g_auto (Outcome) destroyed = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  acquire (world, &outcome, BERTH_REQUEST_WAIT_FOREVER, NULL);
  wait_for (&outcome.is_done);
  g_cancellable_cancel (cancellable);
  berth_pool_destroy_async (world->pool, outcome.vm, cancellable, destroyed_cb, &cancelled);
  berth_pool_destroy_async (world->pool, outcome.vm, NULL, destroyed_cb, &destroyed);
  wait_for (&cancelled.is_done);
  g_assert_error (cancelled.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  wait_for (&destroyed.is_done);
  g_assert_no_error (destroyed.error);
  g_assert_cmpint (berth_vm_get_state (outcome.vm), ==, BERTH_VM_STATE_GONE);
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_DESTROY), ==, 1);
}

static gpointer
caller_main (gpointer user_data)
{
  World *world = user_data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_auto (Outcome) acquired = { 0 };
  g_auto (Outcome) destroyed = { 0 };

  g_main_context_push_thread_default (context);
  for (guint i = 0; i < 50; i++)
    {
      outcome_clear (&acquired);
      outcome_clear (&destroyed);
      acquired = destroyed = (Outcome){ 0 };
      acquire (world, &acquired, BERTH_REQUEST_WAIT_FOREVER, NULL);
      wait_for (&acquired.is_done);
      g_assert_no_error (acquired.error);
      g_assert_true (acquired.thread == g_thread_self ());
      berth_pool_destroy_async (world->pool, acquired.vm, NULL, destroyed_cb, &destroyed);
      wait_for (&destroyed.is_done);
      g_assert_no_error (destroyed.error);
    }
  g_main_context_pop_thread_default (context);
  return NULL;
}

/* answers come in the caller's own context, and four callers share one slot */
static void
test_many_threads (World *world, gconstpointer data)
{
  GThread *threads[4] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("caller", caller_main, world);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (berth_fake_hypervisor_max_domains (world->fake), ==, 1);
}

static gpointer
canceller_main (gpointer user_data)
{
  g_cancellable_cancel (user_data);
  return NULL;
}

/* whoever wins, the slot is free again once the VM, if there is one, is destroyed */
static void
test_cancel_races (World *world, gconstpointer data)
{
  for (guint i = 0; i < 200; i++)
    {
      g_auto (Outcome) outcome = { 0 };
      g_auto (Outcome) destroyed = { 0 };
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      GThread *thread = g_thread_new ("canceller", canceller_main, cancellable);

      acquire (world, &outcome, BERTH_REQUEST_WAIT_FOREVER, cancellable);
      wait_for (&outcome.is_done);
      g_thread_join (thread);
      if (outcome.vm == NULL)
        {
          g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
          continue;
        }
      berth_pool_destroy_async (world->pool, outcome.vm, NULL, destroyed_cb, &destroyed);
      wait_for (&destroyed.is_done);
      g_assert_no_error (destroyed.error);
    }
}

static void
test_gate_and_resize (World *world, gconstpointer data)
{
  BerthCapacity capacity = {
    .max_vms = 2,
    .memory_mb = 1024,
    .vcpus = 4,
    .max_starts = 2,
    .big_request_age_us = G_TIME_SPAN_SECOND,
  };
  g_auto (Outcome) first = { 0 };
  g_auto (Outcome) second = { 0 };
  g_autoptr (GVariant) status = NULL;

  berth_pool_set_open (world->pool, FALSE);
  acquire (world, &first, BERTH_REQUEST_WAIT_FOREVER, NULL);
  acquire (world, &second, BERTH_REQUEST_WAIT_FOREVER, NULL);
  status = berth_pool_dup_status (world->pool);
  g_assert_cmpuint (berth_fake_hypervisor_count_calls (world->fake, BERTH_FAKE_START), ==, 0);
  berth_pool_set_open (world->pool, TRUE);
  wait_for (&first.is_done);
  g_assert_no_error (first.error);
  g_assert_false (second.is_done);
  berth_pool_resize (world->pool, &capacity);
  wait_for (&second.is_done);
  g_assert_no_error (second.error);
}

static void
test_position (World *world, gconstpointer data)
{
  g_autoptr (BerthRequest) first = new_request (BERTH_REQUEST_WAIT_FOREVER);
  g_autoptr (BerthRequest) second = new_request (BERTH_REQUEST_WAIT_FOREVER);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Outcome outcomes[2] = { 0 };

  berth_pool_set_open (world->pool, FALSE);
  berth_pool_acquire_async (world->pool, first, cancellable, acquired_cb, &outcomes[0]);
  berth_pool_acquire_async (world->pool, second, NULL, acquired_cb, &outcomes[1]);
  g_assert_cmpuint (berth_pool_get_position (world->pool, first), ==, 1);
  g_assert_cmpuint (berth_pool_get_position (world->pool, second), ==, 2);
  g_cancellable_cancel (cancellable);
  g_assert_cmpuint (berth_pool_get_position (world->pool, first), ==, 0);
  g_assert_cmpuint (berth_pool_get_position (world->pool, second), ==, 1);
  berth_pool_set_open (world->pool, TRUE);
  g_assert_cmpuint (berth_pool_get_position (world->pool, second), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    {
      wait_for (&outcomes[i].is_done);
      outcome_clear (&outcomes[i]);
    }
}

static guint
count_warm (World *world)
{
  g_autoptr (GVariant) status = berth_pool_dup_status (world->pool);
  g_autoptr (GVariant) slots = g_variant_lookup_value (status, "slots", G_VARIANT_TYPE_VARDICT);
  guint warm = 0;

  g_assert_true (g_variant_lookup (slots, "warm", "u", &warm));
  return warm;
}

static void
wait_for_warm (World *world, guint count)
{
  while (count_warm (world) != count)
    g_usleep (1000);
}

static void
test_warm (World *world, gconstpointer data)
{
  const BerthWarmTarget target = { .min = 1, .memory_mb = 192, .vcpus = 1 };
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) destroyed = { 0 };

  berth_pool_set_warm_target (world->pool, "python", NULL, &target);
  wait_for_warm (world, 1);
  acquire (world, &outcome, BERTH_REQUEST_NO_WAIT, NULL);
  wait_for (&outcome.is_done);
  g_assert_no_error (outcome.error);
  g_assert_true (berth_vm_was_warm (outcome.vm));
  berth_pool_destroy_async (world->pool, outcome.vm, NULL, destroyed_cb, &destroyed);
  wait_for (&destroyed.is_done);
  wait_for_warm (world, 1);
  berth_pool_template_changed (world->pool, "python", NULL);
  wait_for_warm (world, 1);
  berth_pool_drain (world->pool, NULL);
  wait_for_warm (world, 0);
  berth_pool_fill (world->pool, "python");
  wait_for_warm (world, 1);
  berth_pool_set_pressure (world->pool, TRUE);
  wait_for_warm (world, 0);
  berth_pool_set_pressure (world->pool, FALSE);
  wait_for_warm (world, 1);
  g_assert_cmpuint (berth_fake_hypervisor_max_domains (world->fake), ==, 1);
}

/* its VMs stay, for the next berthd to find */
static void
test_dropped_without_shutdown (World *world, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (GVariant) status = NULL;

  acquire (world, &outcome, BERTH_REQUEST_WAIT_FOREVER, NULL);
  wait_for (&outcome.is_done);
  status = berth_pool_dup_status (world->pool);
  g_assert_finalize_object (g_steal_pointer (&world->pool));
  g_assert_cmpuint (berth_fake_hypervisor_count_domains (world->fake), ==, 1);
}

/* the operations under way keep it alive, unless it is made to end */
static void
test_disposed_under_operations (World *world, gconstpointer data)
{
  Outcome outcomes[3] = { 0 };

  berth_fake_hypervisor_hold_starts (world->fake, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    acquire (world, &outcomes[i], BERTH_REQUEST_WAIT_FOREVER, NULL);
  g_object_run_dispose (G_OBJECT (world->pool));
  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    {
      wait_for (&outcomes[i].is_done);
      g_assert_error (outcomes[i].error, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN);
      outcome_clear (&outcomes[i]);
    }
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (g_steal_pointer (&world->pool));
}

static void
count_finalized_cb (gpointer user_data, GObject *where_it_was)
{
  g_atomic_int_inc ((gint *)user_data);
}

/* The last reference may be dropped by a task, on the admission thread. */
static void
test_last_reference_anywhere (World *world, gconstpointer data)
{
  const BerthCapacity capacity
      = { .max_vms = 1, .memory_mb = 192, .vcpus = 1, .max_starts = 1, .big_request_age_us = 1 };
  gint n_finalized = 0;

  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (BerthFakeHypervisor) fake = berth_fake_hypervisor_new ();
      World other = { .pool = berth_pool_new (BERTH_HYPERVISOR (fake), &capacity) };
      g_auto (Outcome) outcome = { 0 };

      g_object_weak_ref (G_OBJECT (other.pool), count_finalized_cb, &n_finalized);
      acquire (&other, &outcome, BERTH_REQUEST_WAIT_FOREVER, NULL);
      g_object_unref (other.pool);
      wait_for (&outcome.is_done);
      g_assert_no_error (outcome.error);
    }
  while (g_atomic_int_get (&n_finalized) < 100)
    g_main_context_iteration (NULL, FALSE);
}

#define ADD(name, func) g_test_add ("/pool/" name, World, NULL, world_set_up, func, world_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("position", test_position);
  ADD ("another-id", test_another_id);
  ADD ("cancelled-before", test_cancelled_before);
  ADD ("cancel-while-starting", test_cancel_while_starting);
  ADD ("cancelled-too-late", test_cancelled_too_late);
  ADD ("cancel-destroy", test_cancel_destroy);
  ADD ("many-threads", test_many_threads);
  ADD ("cancel-races", test_cancel_races);
  ADD ("gate-and-resize", test_gate_and_resize);
  ADD ("warm", test_warm);
  ADD ("dropped-without-shutdown", test_dropped_without_shutdown);
  ADD ("disposed-under-operations", test_disposed_under_operations);
  ADD ("last-reference-anywhere", test_last_reference_anywhere);
  return g_test_run ();
}

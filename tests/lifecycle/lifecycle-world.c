/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls the pool as its users do, from one main context, and waits for what it answers. */
#include "lifecycle-world.h"

#include "berth-error.h"

void
lifecycle_world_set_up (LifecycleWorld *self, gconstpointer backend)
{
  const BerthCapacity capacity = {
    .max_vms = LIFECYCLE_SLOTS,
    .memory_mb = 16384,
    .vcpus = 64,
    .max_starts = LIFECYCLE_SLOTS,
    .big_request_age_us = G_TIME_SPAN_MINUTE,
  };

  self->backend = backend;
  self->hypervisor = self->backend->new_hypervisor ();
  self->pool = berth_pool_new (self->hypervisor, &capacity);
}

static gboolean
timeout_cb (gpointer user_data)
{
  g_error ("waited in vain for %s", (const char *)user_data);
  return G_SOURCE_REMOVE;
}

void
lifecycle_world_wait (LifecycleWorld *self, const gboolean *flag, const char *what)
{
  guint timeout_id = g_timeout_add_seconds (self->backend->timeout_s, timeout_cb, (gpointer)what);

  while (!*flag)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timeout_id);
}

static void
shutdown_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LifecycleCall *call = user_data;

  berth_pool_shutdown_finish (BERTH_POOL (source), result, &call->error);
  call->is_done = TRUE;
}

static void
gone_cb (gpointer user_data, GObject *was)
{
  gboolean *is_gone = user_data;

  g_atomic_int_set (is_gone, TRUE);
  g_main_context_wakeup (NULL);
}

/* A job that nobody waits for holds it until it has ended: one looks at each domain of the host
 * that starts, those of other tests too. */
static void
world_drop_hypervisor (LifecycleWorld *self)
{
  gboolean is_gone = FALSE;

  g_object_weak_ref (G_OBJECT (self->hypervisor), gone_cb, &is_gone);
  g_object_unref (self->hypervisor);
  lifecycle_world_wait (self, &is_gone, "the hypervisor's last job");
}

void
lifecycle_world_tear_down (LifecycleWorld *self, gconstpointer backend)
{
  g_auto (LifecycleCall) call = { 0 };

  berth_pool_shutdown_async (self->pool, NULL, shutdown_cb, &call);
  lifecycle_world_wait (self, &call.is_done, "the shutdown");
  g_assert_no_error (call.error);
  g_assert_cmpuint (lifecycle_world_get_slots (self, "free"), ==, LIFECYCLE_SLOTS);
  g_assert_cmpuint (self->backend->count_domains (self->hypervisor), ==, 0);
  g_assert_cmpuint (self->backend->max_domains (self->hypervisor), <=, LIFECYCLE_SLOTS);
  if (self->backend->check_nothing_left != NULL)
    self->backend->check_nothing_left (self->hypervisor);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (self->pool);
  world_drop_hypervisor (self);
}

void
lifecycle_call_clear (LifecycleCall *call)
{
  g_clear_object (&call->vm);
  g_clear_object (&call->watched);
  g_clear_error (&call->error);
}

static void
acquire_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LifecycleCall *call = user_data;

  g_assert_false (call->is_done);
  call->vm = berth_pool_acquire_finish (BERTH_POOL (source), result, &call->error);
  call->watched_held = call->watched != NULL && berth_vm_holds_slot (call->watched);
  call->is_done = TRUE;
}

void
lifecycle_world_acquire (LifecycleWorld *self, LifecycleCall *call, gint64 wait_us,
                         GCancellable *cancellable)
{
  const LifecycleBackend *backend = self->backend;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthRequest) request
      = berth_request_new (BERTH_SHAPE (backend->template_name, backend->memory_mb, backend->vcpus),
                           "acme", "42", 1000, wait_us, NULL, NULL, &error);

  g_assert_no_error (error);
  berth_pool_acquire_async (self->pool, request, cancellable, acquire_cb, call);
}

static void
destroy_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LifecycleCall *call = user_data;

  g_assert_false (call->is_done);
  berth_pool_destroy_finish (BERTH_POOL (source), result, &call->error);
  call->is_done = TRUE;
}

void
lifecycle_world_destroy (LifecycleWorld *self, LifecycleCall *call, BerthVm *vm)
{
  berth_pool_destroy_async (self->pool, vm, NULL, destroy_cb, call);
}

void
lifecycle_world_create_now (LifecycleWorld *self, LifecycleCall *call)
{
  lifecycle_world_acquire (self, call, BERTH_REQUEST_WAIT_FOREVER, NULL);
  lifecycle_world_wait (self, &call->is_done, "a VM");
  g_assert_no_error (call->error);
  g_assert_true (berth_vm_holds_slot (call->vm));
}

void
lifecycle_world_destroy_now (LifecycleWorld *self, BerthVm *vm)
{
  g_auto (LifecycleCall) call = { 0 };

  lifecycle_world_destroy (self, &call, vm);
  lifecycle_world_wait (self, &call.is_done, "a VM's end");
  g_assert_no_error (call.error);
  g_assert_false (berth_vm_holds_slot (vm));
}

guint
lifecycle_world_get_slots (LifecycleWorld *self, const char *key)
{
  g_autoptr (GVariant) status = berth_pool_dup_status (self->pool);
  g_autoptr (GVariant) slots = g_variant_lookup_value (status, "slots", G_VARIANT_TYPE_VARDICT);
  guint number = 0;

  g_assert_true (g_variant_lookup (slots, key, "u", &number));
  return number;
}

guint
lifecycle_world_count_waiters (LifecycleWorld *self)
{
  g_autoptr (GVariant) status = berth_pool_dup_status (self->pool);
  g_autoptr (GVariant) waiters
      = g_variant_lookup_value (status, "waiters", G_VARIANT_TYPE ("aa{sv}"));

  return (guint)g_variant_n_children (waiters);
}

/* A VM's end that nobody waits for has no event of its own here: ask again until it is so. */
void
lifecycle_world_wait_free (LifecycleWorld *self, guint free)
{
  guint timeout_id
      = g_timeout_add_seconds (self->backend->timeout_s, timeout_cb, (gpointer) "a free slot");

  while (lifecycle_world_get_slots (self, "free") != free)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (1000);
    }
  g_source_remove (timeout_id);
}

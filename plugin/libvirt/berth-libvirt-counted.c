/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains of an administrator's that pool counts and berth leaves alone: there is no machine, and a
 * start or an end of pool's does nothing but tell it so. What they do is libvirt's word alone. */
#include "berth-libvirt-private.h"

#include "berth-libvirt-error.h"
#include "pool/berth-vm-private.h"

/* One whose start failed behind its admission is told by nobody. */
#define LOOK_US (10 * G_TIME_SPAN_SECOND)

static const char *
purpose_uuid (BerthVm *vm)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);

  return berth_purpose_of (request)->domain_uuid;
}

static void
counted_gone (BerthLibvirt *self, BerthVm *vm, const char *reason)
{
  g_autoptr (BerthVm) held = g_object_ref (vm);
  g_autoptr (GError) error
      = reason != NULL ? g_error_new_literal (BERTH_ERROR, BERTH_ERROR_GONE, reason) : NULL;

  if (g_hash_table_remove (self->counted, vm))
    berth_libvirt_emit (self, BERTH_HYPERVISOR_GONE, held, error);
}

/* ---- which of them are gone ---- */

/* What the worker gets: VMs (owned), and whether the domain of each is there. */
typedef struct
{
  GPtrArray *vms;
  GPtrArray *uuids; /* of each (owned) */
} Look;

static void
look_free (Look *look)
{
  g_ptr_array_unref (look->vms);
  g_ptr_array_unref (look->uuids);
  g_free (look);
}

/* Those that are there are taken out. */
static void
look_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthLibvirt *self = source;
  Look *look = task_data;
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func (g_free);
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, NULL);

  for (guint i = 0; connection != NULL && i < look->uuids->len; i++)
    if (berth_domain_has_ended (connection, look->uuids->pdata[i]))
      g_ptr_array_add (gone, g_strdup (look->uuids->pdata[i]));
  g_task_return_pointer (task, g_steal_pointer (&gone), (GDestroyNotify)g_ptr_array_unref);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthLibvirt *self = BERTH_LIBVIRT (source);
  Look *look = g_task_get_task_data (G_TASK (result));
  g_autoptr (GPtrArray) gone = g_task_propagate_pointer (G_TASK (result), NULL);

  for (guint i = 0; gone != NULL && i < look->vms->len; i++)
    if (g_ptr_array_find_with_equal_func (gone, look->uuids->pdata[i], g_str_equal, NULL))
      counted_gone (self, look->vms->pdata[i], "it stopped");
}

/* Returns: (nullable): NULL: there is nothing to look at
 * @uuid: (nullable): of the one; NULL: all */
static Look *
look_new (BerthLibvirt *self, const char *uuid)
{
  g_autoptr (GPtrArray) vms = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) uuids = g_ptr_array_new_with_free_func (g_free);
  Look *look = NULL;
  GHashTableIter iter;
  gpointer vm;
  gpointer of;

  g_hash_table_iter_init (&iter, self->counted);
  while (g_hash_table_iter_next (&iter, &vm, &of))
    if (uuid == NULL || g_str_equal (of, uuid))
      {
        g_ptr_array_add (vms, g_object_ref (vm));
        g_ptr_array_add (uuids, g_strdup (of));
      }
  if (vms->len > 0)
    {
      look = g_new0 (Look, 1);
      look->vms = g_steal_pointer (&vms);
      look->uuids = g_steal_pointer (&uuids);
    }
  return look;
}

/* Most domains that stop are no counted ones: no task is made for them, for it would never return.
 */
static void
counted_look (BerthLibvirt *self, const char *uuid)
{
  Look *look = look_new (self, uuid);
  g_autoptr (GTask) task = NULL;

  if (look == NULL)
    return;
  task = g_task_new (self, NULL, looked_cb, NULL);
  g_task_set_task_data (task, look, (GDestroyNotify)look_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, task, look_job);
}

void
berth_libvirt_look_at_counted (BerthLibvirt *self, const char *uuid)
{
  counted_look (self, uuid);
}

static gboolean
look_cb (gpointer user_data)
{
  BerthLibvirt *self = user_data;

  if (g_hash_table_size (self->counted) > 0)
    {
      counted_look (self, NULL);
      return G_SOURCE_CONTINUE;
    }
  self->counted_look_id = 0;
  return G_SOURCE_REMOVE;
}

/* ---- which there are ---- */

/* libvirt starts no domain that runs: an earlier life of this one is over. */
static void
counted_forget (BerthLibvirt *self, const char *uuid)
{
  g_autoptr (GPtrArray) old = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer vm;
  gpointer of;

  g_hash_table_iter_init (&iter, self->counted);
  while (g_hash_table_iter_next (&iter, &vm, &of))
    if (g_str_equal (of, uuid))
      g_ptr_array_add (old, vm);
  for (guint i = 0; i < old->len; i++)
    counted_gone (self, old->pdata[i], "it was started again");
}

static void
counted_add (BerthLibvirt *self, BerthVm *vm, const char *uuid)
{
  counted_forget (self, uuid);
  g_hash_table_insert (self->counted, g_object_ref (vm), g_strdup (uuid));
  if (self->counted_look_id == 0)
    self->counted_look_id = berth_host_add_timer (BERTH_HOST (self), LOOK_US, look_cb, self);
}

gboolean
berth_libvirt_start_counted (BerthLibvirt *self, BerthVm *vm)
{
  const char *uuid = purpose_uuid (vm);

  if (uuid == NULL)
    return FALSE;
  counted_add (self, vm, uuid);
  berth_libvirt_emit (self, BERTH_HYPERVISOR_STARTED, vm, NULL);
  return TRUE;
}

gboolean
berth_libvirt_end_counted (BerthLibvirt *self, BerthVm *vm)
{
  if (!g_hash_table_contains (self->counted, vm))
    return FALSE;
  counted_gone (self, vm, NULL);
  return TRUE;
}

void
berth_libvirt_adopt_counted (BerthLibvirt *self, BerthHostFoundFunc func, gpointer func_data)
{
  g_autoptr (GPtrArray) found = g_steal_pointer (&self->found_counted);

  for (guint i = 0; found != NULL && i < found->len; i++)
    {
      BerthCounted *domain = g_ptr_array_index (found, i);
      g_autoptr (BerthRequest) request = berth_purpose_make_counted (
          domain->uuid, domain->name,
          BERTH_SHAPE (domain->template_name, domain->memory_mb, domain->vcpus),
          BERTH_REQUEST_WAIT_FOREVER, NULL);
      g_autoptr (BerthVm) vm = NULL;

      if (request == NULL)
        continue;
      vm = berth_vm_new (&request->shape, NULL, g_get_monotonic_time ());
      func (vm, request, FALSE, func_data);
      counted_add (self, vm, domain->uuid);
    }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a machine that somebody uses is let stand still, and run again with the right time. */
#include "berth-machine-private.h"

#include "berth-domain.h"
#include "berth-libvirt-error.h"
#include "plugin/host/berth-purpose.h"

static gboolean
set_paused (BerthMachine *self, gboolean is_paused, GError **error)
{
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, error);

  if (connection != NULL
      && berth_domain_set_paused (connection, self->uuid, &self->handle, is_paused, error))
    return TRUE;
  g_prefix_error (error, "%s: ", self->name);
  return FALSE;
}

static void
pause_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (set_paused (source, TRUE, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
berth_machine_pause_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, task, pause_job);
}

/* ---- wake ---- */

/* Two things that are under way at once. */
typedef struct
{
  guint pending;
  GCancellable *clock; /* owned: ends the waiting for the guest's answer */
  GError *error;       /* (nullable): why it does not run */
} Wake;

static void
wake_free (gpointer data)
{
  Wake *wake = data;

  g_object_unref (wake->clock);
  g_clear_error (&wake->error);
  g_free (wake);
}

static void
wake_part_done (GTask *task)
{
  Wake *wake = g_task_get_task_data (task);

  if (--wake->pending > 0)
    return;
  if (wake->error != NULL)
    g_task_return_error (task, g_steal_pointer (&wake->error));
  else
    g_task_return_boolean (task, TRUE);
}

static void
resume_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (set_paused (source, FALSE, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
resumed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Wake *wake = g_task_get_task_data (task);

  if (!g_task_propagate_boolean (G_TASK (result), &wake->error))
    g_cancellable_cancel (wake->clock);
  wake_part_done (task);
}

static void
clock_set_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;

  if (!berth_guest_identify_finish (BERTH_GUEST (source), result, NULL, &error)
      && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
      && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
    g_warning ("%s: its clock may be behind, for it was paused: %s", self->name, error->message);
  wake_part_done (task);
}

void
berth_machine_wake_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autoptr (GTask) job = g_task_new (self, NULL, resumed_cb, g_object_ref (task));
  Wake *wake = g_new0 (Wake, 1);

  wake->pending = self->agent != NULL ? 2 : 1;
  wake->clock = g_cancellable_new ();
  g_task_set_task_data (task, wake, wake_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, job, resume_job);
  if (self->agent != NULL)
    berth_guest_identify_async (self->agent, "", FALSE, BERTH_MACHINE_IDENTITY_TIMEOUT_MS,
                                wake->clock, clock_set_cb, g_object_ref (task));
}

gboolean
berth_machine_pause_finish (BerthMachine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- what is known of it ---- */

void
berth_machine_note_owned (BerthMachine *self)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (self->vm);

  if (!self->is_owned && request != NULL && berth_purpose_of (request)->is_session)
    berth_machine_update_mark (self);
}

void
berth_machine_note_asleep (BerthMachine *self)
{
  self->is_asleep = TRUE;
}

gboolean
berth_machine_is_asleep (BerthMachine *self)
{
  return self->is_asleep;
}

void
berth_machine_fall_asleep (BerthMachine *self)
{
  if (self->agent != NULL)
    berth_guest_close (self->agent);
  g_clear_object (&self->agent);
}

static void
look_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  GError *error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, &error);

  if (connection != NULL)
    g_task_return_boolean (task, berth_domain_is_running (connection, self->uuid));
  else
    g_task_return_error (task, error);
}

void
berth_machine_look_async (BerthMachine *self, guint number, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_task_data (task, GUINT_TO_POINTER (number), NULL);
  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, task, look_job);
}

gboolean
berth_machine_look_finish (BerthMachine *self, GAsyncResult *result, guint *out_number,
                           GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  *out_number = GPOINTER_TO_UINT (g_task_get_task_data (G_TASK (result)));
  return g_task_propagate_boolean (G_TASK (result), error);
}

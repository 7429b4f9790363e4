/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of a machine after its start: claimed, recorded, ended. */
#include "berth-machine-private.h"

#include <unistd.h>

#include "berth-domain.h"
#include "berth-libvirt-error.h"
#include "plugin/base/berth-source.h"
#include "plugin/host/berth-purpose.h"

/* A short program is over by then; an administrator who looks has not blinked yet. */
#define RUN_MARK_DELAY_MS 250u

/* ---- claim ---- */

static void
mark_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  BerthMark *mark = task_data;
  g_autofree char *xml = berth_mark_to_metadata (mark);
  g_autofree char *title = berth_mark_to_title (mark);
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, &error);

  /* a VM that has gone again meanwhile needs no mark */
  if (connection == NULL || !berth_domain_set_mark (connection, self->uuid, xml, title, &error))
    g_message ("%s: %s", self->name, error->message);
  g_task_return_boolean (task, TRUE);
}

static void
machine_update_mark (BerthMachine *self)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);

  g_task_set_task_data (task, berth_machine_make_mark (self), (GDestroyNotify)berth_mark_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, task, mark_job);
}

static gboolean
mark_later_cb (gpointer user_data)
{
  BerthMachine *self = user_data;

  g_clear_pointer (&self->mark_source, g_source_unref);
  machine_update_mark (self);
  return G_SOURCE_REMOVE;
}

/* The mark of a session is what finds it again after a crash; that of a run is for who looks, and
 * most runs are over before anybody could: libvirt's work for it would only slow them down. */
static void
machine_update_mark_in_time (BerthMachine *self)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (self->vm);

  if (request == NULL || berth_purpose_of (request)->is_session)
    {
      machine_update_mark (self);
      return;
    }
  self->mark_source = g_timeout_source_new (RUN_MARK_DELAY_MS);
  g_source_set_callback (self->mark_source, mark_later_cb, self, NULL);
  g_source_attach (self->mark_source, g_main_context_get_thread_default ());
}

static void
resume_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, &error);

  if (connection != NULL && berth_domain_set_paused (connection, self->uuid, FALSE, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
resumed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  /* the identity that was sent along can't be answered then: it fails by its own time limit, so a
   * domain that won't run is told by closing its agent */
  if (!g_task_propagate_boolean (G_TASK (result), &error) && BERTH_MACHINE (source)->agent != NULL)
    {
      g_warning ("%s: %s", BERTH_MACHINE (source)->name, error->message);
      berth_guest_close (BERTH_MACHINE (source)->agent);
    }
}

static void
claimed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  machine_update_mark_in_time (BERTH_MACHINE (source));
  g_task_return_boolean (task, TRUE);
}

void
berth_machine_claim_async (BerthMachine *self, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  GTask *identity = g_task_new (self, cancellable, claimed_cb, task);
  g_autoptr (GTask) resume = g_task_new (self, NULL, resumed_cb, NULL);

  g_task_set_source_tag (task, berth_machine_claim_async);
  self->identity_attempts = 0;
  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, resume, resume_job);
  berth_machine_identify (self, identity);
}

gboolean
berth_machine_claim_finish (BerthMachine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- record ---- */

static gboolean
record_domain (BerthMachine *self, GError **error)
{
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_START, error);
  int fd = connection != NULL ? berth_snapshot_open_state (self->snapshot, error) : -1;
  gboolean ok = fd >= 0 && berth_domain_set_paused (connection, self->uuid, TRUE, error)
                && berth_domain_save_state (connection, self->uuid, fd, error);

  if (fd >= 0)
    close (fd);
  return ok;
}

static void
record_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;

  if (record_domain (source, &error))
    g_task_return_boolean (task, TRUE);
  else
    berth_machine_return_start_error (task, "the snapshot can't be written",
                                      g_steal_pointer (&error));
}

void
berth_machine_record_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, berth_machine_record_async);
  berth_connection_run (self->connection, BERTH_CONNECTION_START, task, record_job);
}

gboolean
berth_machine_record_finish (BerthMachine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- end ---- */

static void
end_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_DESTROY, &error);
  g_autofree char *uri = berth_connection_dup_uri (self->connection);

  if (connection != NULL && berth_domain_end (connection, uri, self->uuid, self->name, &error))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_prefix_error (&error, "%s: ", self->name);
  g_task_return_error (task, g_steal_pointer (&error));
}

void
berth_machine_end_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, berth_machine_end_async);
  berth_source_clear (&self->mark_source);
  if (self->agent != NULL)
    berth_guest_close (self->agent);
  g_clear_object (&self->agent);
  berth_connection_run (self->connection, BERTH_CONNECTION_DESTROY, task, end_job);
}

gboolean
berth_machine_end_finish (BerthMachine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

gboolean
berth_machine_get_memory (BerthMachine *self, guint64 *out_private, guint64 *out_shared)
{
  return self->process != NULL && berth_process_get_memory (self->process, out_private, out_shared);
}

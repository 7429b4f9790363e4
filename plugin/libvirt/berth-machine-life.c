/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of a machine after its start: claimed, recorded, ended. */
#include "berth-machine-private.h"

#include <unistd.h>

#include "berth-domain.h"
#include "berth-libvirt-error.h"
#include "plugin/base/berth-source.h"

/* ---- claim ---- */

static void
resume_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, &error);

  if (connection != NULL
      && berth_domain_set_paused (connection, self->uuid, &self->handle, FALSE, &error))
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
  berth_machine_update_mark (BERTH_MACHINE (source));
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
  gboolean ok = fd >= 0 && berth_domain_set_paused (connection, self->uuid, NULL, TRUE, error)
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

/* What runs in the place of one that never began is somebody else's: an administrator's, who
 * may have restored a session. */
static gboolean
machine_end_domain (BerthMachine *self, virConnectPtr connection, guint id, GError **error)
{
  g_autofree char *uri = berth_connection_dup_uri (self->connection);

  if (self->has_asked)
    return berth_domain_end (connection, uri, self->uuid, self->name, id, self->leaves_place,
                             &self->ending, error);
  return self->leaves_place
         || berth_domain_remove_place (connection, self->instance, self->uuid, error);
}

static void
end_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_DESTROY, &error);

  self->leaves_place = berth_places_keeps (self->places, self->name, self->uuid);
  if (connection != NULL
      && machine_end_domain (self, connection, GPOINTER_TO_UINT (task_data), &error))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_prefix_error (&error, "%s: ", self->name);
  g_task_return_error (task, g_steal_pointer (&error));
}

void
berth_machine_end_async (BerthMachine *self, gboolean ends_next, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, berth_machine_end_async);
  g_task_set_task_data (task, GUINT_TO_POINTER (ends_next ? 0 : self->domain_id), NULL);
  berth_source_clear (&self->mark_source);
  berth_machine_end_kvm_watch (self, FALSE);
  self->has_no_more_marks = TRUE;
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
berth_machine_is_stray (BerthMachine *self)
{
  return self->leaves_place && !berth_places_keeps (self->places, self->name, self->uuid);
}

BerthDomainEnding
berth_machine_get_ending (BerthMachine *self)
{
  return self->ending;
}

gboolean
berth_machine_get_memory (BerthMachine *self, guint64 *out_private, guint64 *out_shared)
{
  return self->process != NULL && berth_process_get_memory (self->process, out_private, out_shared);
}

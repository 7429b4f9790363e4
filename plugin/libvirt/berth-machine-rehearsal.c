/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what a guest goes through before it is paused or recorded, so that its owner need not
 * wait for it. */
#include "berth-machine-private.h"

#include <string.h>

#include "berth-domain.h"
#include "berth-libvirt-error.h"

/* Who claims it does not wait for a look-up. */
static void
prepare_handle (BerthMachine *self)
{
  g_auto (virConnectPtr) control
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, NULL);

  if (control != NULL)
    berth_domain_handle_prepare (&self->handle, control, self->uuid);
}

static void
paused_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_START, &error);

  if (connection != NULL && berth_domain_stand_by (connection, self->uuid, &error))
    {
      prepare_handle (self);
      g_task_return_boolean (task, TRUE);
    }
  else
    berth_machine_return_start_error (task, "the clone can't be paused", g_steal_pointer (&error));
}

static void machine_run_rehearsal (BerthMachine *self, GTask *task);

/* What has no language has nothing to be rehearsed. */
static gboolean
machine_rehearses (BerthMachine *self)
{
  return self->rehearsals > 0 && berth_language_find (self->language) != NULL;
}

static void
machine_pause (BerthMachine *self, GTask *task)
{
  g_autoptr (GTask) owned = task;

  berth_connection_run (self->connection, BERTH_CONNECTION_START, owned, paused_job);
}

static void
rehearsed_identity_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (!berth_guest_identify_finish (BERTH_GUEST (source), result, NULL, &error))
    berth_machine_return_start_error (task, "the guest did not take its identity", error);
  else if (machine_rehearses (self))
    machine_run_rehearsal (self, g_steal_pointer (&task));
  else
    machine_pause (self, g_steal_pointer (&task));
}

void
berth_machine_rehearse (BerthMachine *self, GTask *task)
{
  berth_guest_identify_async (self->agent, self->name, BERTH_IDENTIFY_REHEARSAL,
                              BERTH_MACHINE_IDENTITY_TIMEOUT_MS, g_task_get_cancellable (task),
                              rehearsed_identity_cb, task);
}

/* The interpreter that has rehearsed is the one that its owner gets, where one stands by; any other
 * is started for each. */
static gboolean
machine_rehearses_in_session (BerthMachine *self)
{
  const BerthLanguageRow *row = berth_language_find (self->language);

  return row != NULL && row->has_hook && !berth_template_is_fresh (self->template);
}

static void
rehearsal_done_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (BerthResult) result
      = berth_guest_exec_finish (BERTH_GUEST (source), async_result, &error);

  if (result == NULL)
    berth_machine_return_start_error (task, "the guest does not run code", error);
  else if (result->exit_code != 0)
    berth_machine_return_start_error (task, "the guest does not run code",
                                      g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                                                   "a rehearsal ended with status %d: %s",
                                                   result->exit_code, result->stderr_data));
  else if (--self->rehearsals > 0)
    machine_run_rehearsal (self, g_steal_pointer (&task));
  else
    machine_pause (self, g_steal_pointer (&task));
}

/* An exec whose output nobody reads: what the emulator or the CPU would do at the first one is done
 * then (under TCG a first exec takes 85 to 120 ms, a second one 0.7 ms: design.md). */
static void
machine_run_rehearsal (BerthMachine *self, GTask *task)
{
  BerthLanguage number = berth_language_from_name (self->language);
  const char *code = berth_language_get (number)->print;
  g_autoptr (GBytes) bytes = g_bytes_new_static (code, strlen (code));
  BerthExec *exec = berth_exec_new (bytes);

  exec->keeps_state = exec->is_rehearsal = machine_rehearses_in_session (self);
  berth_guest_exec_async (self->agent, exec, number, g_task_get_cancellable (task),
                          rehearsal_done_cb, task);
}

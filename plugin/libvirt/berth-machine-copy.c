/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies what runs in a machine: the steps of one copy, and what a machine does that is one. */
#include "berth-machine-private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "berth-domain-copy.h"
#include "berth-libvirt-error.h"

/* The agent gives up after 2 s. */
#define FREEZE_TIMEOUT_MS 5000u
#define THAW_TIMEOUT_MS 10000u
#define THAW_ATTEMPTS 3u
/* While libvirt is away nothing else can be done; one that refuses for this long won't have it. */
#define RESUME_RETRY_MS 1000u
#define RESUME_ATTEMPTS 120u
#define RAM_BLOCK "ram0" /* as berth_template_instantiate() calls it */

void
berth_machine_set_state (BerthMachine *self, int fd)
{
  if (self->state_fd >= 0)
    close (self->state_fd);
  self->state_fd = fd;
}

void
berth_machine_set_sole (BerthMachine *self)
{
  self->is_sole = TRUE;
}

void
berth_machine_abandon_copy (BerthMachine *self)
{
  self->abandons_copy = TRUE;
}

/* ---- what stands still goes on ---- */

typedef struct
{
  gboolean is_suspended; /* and not its programs alone */
  guint resumes;         /* that have failed */
  guint thaws;
} GoOn;

static void go_on (BerthMachine *self, GTask *task);

static gboolean
retry_cb (gpointer user_data)
{
  GTask *task = user_data;

  go_on (g_task_get_source_object (task), g_object_ref (task));
  return G_SOURCE_REMOVE;
}

static void
resume_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, &error);

  if (connection != NULL && berth_domain_abandon_copy (connection, self->uuid, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
resumed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GoOn *state = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  state->is_suspended = !g_task_propagate_boolean (G_TASK (result), &error);
  if (!state->is_suspended)
    go_on (BERTH_MACHINE (source), g_steal_pointer (&task));
  else if (++state->resumes < RESUME_ATTEMPTS)
    g_timeout_add_full (G_PRIORITY_DEFAULT, RESUME_RETRY_MS, retry_cb, g_steal_pointer (&task),
                        g_object_unref);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
thawed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = g_task_get_source_object (task);
  GoOn *state = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (berth_guest_freeze_finish (BERTH_GUEST (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED)
           && ++state->thaws < THAW_ATTEMPTS)
    go_on (self, g_steal_pointer (&task));
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

/* Takes @task over. */
static void
go_on (BerthMachine *self, GTask *task)
{
  const GoOn *state = g_task_get_task_data (task);
  g_autoptr (GTask) job = NULL;

  if (self->agent == NULL)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "its VM ended");
      g_object_unref (task);
    }
  else if (state->is_suspended)
    {
      job = g_task_new (self, NULL, resumed_cb, task);
      berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, job, resume_job);
    }
  else
    berth_guest_freeze_async (self->agent, FALSE, THAW_TIMEOUT_MS, NULL, thawed_cb, task);
}

static void
machine_go_on_async (BerthMachine *self, gboolean is_suspended, GAsyncReadyCallback callback,
                     gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);
  GoOn *state = g_new0 (GoOn, 1);

  state->is_suspended = is_suspended;
  g_task_set_task_data (task, state, g_free);
  go_on (self, task);
}

void
berth_machine_thaw_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data)
{
  machine_go_on_async (self, FALSE, callback, user_data);
}

gboolean
berth_machine_thaw_finish (BerthMachine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  if (g_task_propagate_boolean (G_TASK (result), error))
    return TRUE;
  g_prefix_error (error, "its programs stand still: ");
  return FALSE;
}

/* A session whose programs can't go on is none: its agent is given up, so that its owner hears. */
static void
machine_end_thaw (BerthMachine *self, GAsyncResult *result)
{
  g_autoptr (GError) error = NULL;

  if (!berth_machine_thaw_finish (self, result, &error) && self->agent != NULL)
    berth_guest_give_up (self->agent, error);
}

/* Whatever came of it is known: it goes on, or is given up. */
static void
let_go_on_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  machine_end_thaw (BERTH_MACHINE (source), result);
  g_task_return_boolean (task, TRUE);
}

void
berth_machine_go_on_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, berth_machine_go_on_async);
  machine_go_on_async (self, TRUE, let_go_on_cb, task);
}

static void
thaw_ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  machine_end_thaw (BERTH_MACHINE (source), result);
}

void
berth_machine_thaw (BerthMachine *self)
{
  berth_machine_thaw_async (self, thaw_ended_cb, NULL);
}

/* ---- the copy ---- */

typedef struct
{
  BerthSnapshot *base;
  BerthMachineCopy how;
  gboolean stands_still;
  BerthDifferenceStats stats;
  GError *error; /* (nullable): why there is none */
} Copy;

static void
copy_free (Copy *copy)
{
  berth_snapshot_unref (copy->base);
  g_clear_error (&copy->error);
  g_free (copy);
}

static gboolean
copy_domain (BerthMachine *self, Copy *copy, GError **error)
{
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_START, error);
  BerthDifferenceBase base = { .block = RAM_BLOCK,
                               .size = (guint64)berth_vm_get_memory_mb (self->vm) << 20,
                               .max_bytes = copy->how.max_bytes };
  gboolean ok;

  if (connection == NULL
      || (copy->how.keeps_base && !berth_snapshot_keep (copy->base, self->instance, error)))
    return FALSE;
  base.fd = berth_snapshot_open_ram (copy->base, error);
  if (base.fd < 0)
    return FALSE;
  ok = berth_domain_copy (connection, self->uuid, &base, copy->how.fd, copy->how.stays,
                          &copy->stands_still, &copy->stats, error);
  close (base.fd);
  return ok;
}

static void
copy_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;

  if (copy_domain (source, task_data, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

/* Only when it goes on is it anybody's again. */
static void
gone_on_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = BERTH_MACHINE (source);
  Copy *copy = g_task_get_task_data (task);

  machine_end_thaw (self, result);
  g_prefix_error (&copy->error, "%s: ", self->name);
  if (copy->error != NULL)
    g_task_return_error (task, g_steal_pointer (&copy->error));
  else
    g_task_return_boolean (task, TRUE);
}

static void
copied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Copy *copy = g_task_get_task_data (task);

  if (g_task_propagate_boolean (G_TASK (result), &copy->error) && copy->how.stays)
    g_task_return_boolean (task, TRUE);
  else
    machine_go_on_async (BERTH_MACHINE (source), copy->stands_still, gone_on_cb,
                         g_steal_pointer (&task));
}

static void
frozen_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  BerthMachine *self = g_task_get_source_object (task);
  Copy *copy = g_task_get_task_data (task);
  g_autoptr (GTask) job = NULL;

  if (!berth_guest_freeze_finish (BERTH_GUEST (source), result, &copy->error))
    {
      if (g_error_matches (copy->error, BERTH_ERROR, BERTH_ERROR_CONFIG))
        {
          /* an agent that does not know of it has stopped nothing */
          g_prefix_error (&copy->error, "%s: ", self->name);
          g_task_return_error (task, g_steal_pointer (&copy->error));
          g_object_unref (task);
          return;
        }
      g_prefix_error (&copy->error, "its programs did not stand still, and go on; try again: ");
      /* it may be too late for us, and yet be done */
      machine_go_on_async (self, FALSE, gone_on_cb, task);
      return;
    }
  job = g_task_new (self, NULL, copied_cb, task);
  g_task_set_task_data (job, copy, NULL);
  berth_connection_run (self->connection, BERTH_CONNECTION_START, job, copy_job);
}

void
berth_machine_copy_async (BerthMachine *self, BerthSnapshot *base, const BerthMachineCopy *how,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  Copy *copy = g_new0 (Copy, 1);

  copy->base = berth_snapshot_ref (base);
  copy->how = *how;
  g_task_set_source_tag (task, berth_machine_copy_async);
  g_task_set_task_data (task, copy, (GDestroyNotify)copy_free);
  berth_guest_freeze_async (self->agent, TRUE, FREEZE_TIMEOUT_MS, NULL, frozen_cb,
                            g_steal_pointer (&task));
}

gboolean
berth_machine_copy_finish (BerthMachine *self, GAsyncResult *result,
                           BerthDifferenceStats *out_stats, GError **error)
{
  const Copy *copy = g_task_get_task_data (G_TASK (result));

  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  *out_stats = copy->stats;
  return g_task_propagate_boolean (G_TASK (result), error);
}

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
#define RAM_BLOCK "ram0" /* as berth_template_instantiate() calls it */

void
berth_machine_set_state (BerthMachine *self, int fd)
{
  if (self->state_fd >= 0)
    close (self->state_fd);
  self->state_fd = fd;
}

void
berth_machine_abandon_copy (BerthMachine *self)
{
  self->abandons_copy = TRUE;
}

static void
thawed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthMachine) self = user_data;
  g_autoptr (GError) error = NULL;

  if (!berth_guest_freeze_finish (BERTH_GUEST (source), result, &error)
      && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED)) /* it has ended since */
    g_warning ("%s: its programs may stand still, for they were to be copied: %s", self->name,
               error->message);
}

void
berth_machine_thaw (BerthMachine *self)
{
  if (self->agent != NULL)
    berth_guest_freeze_async (self->agent, FALSE, THAW_TIMEOUT_MS, NULL, thawed_cb,
                              g_object_ref (self));
}

typedef struct
{
  BerthSnapshot *base;
  int fd; /* borrowed */
  BerthDifferenceStats stats;
} Copy;

static void
copy_free (Copy *copy)
{
  berth_snapshot_unref (copy->base);
  g_free (copy);
}

static gboolean
copy_domain (BerthMachine *self, Copy *copy, GError **error)
{
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_START, error);
  BerthDifferenceBase base
      = { .block = RAM_BLOCK, .size = (guint64)berth_vm_get_memory_mb (self->vm) << 20 };
  gboolean ok;

  if (connection == NULL)
    return FALSE;
  base.fd = open (berth_snapshot_get_ram_path (copy->base), O_RDONLY | O_CLOEXEC);
  if (base.fd < 0)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                   "the RAM file of its snapshot can't be opened: %s", g_strerror (errno));
      return FALSE;
    }
  ok = berth_domain_copy (connection, self->uuid, &base, copy->fd, &copy->stats, error);
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

static void
copied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = BERTH_MACHINE (source);
  g_autoptr (GError) error = NULL;
  gboolean ok = g_task_propagate_boolean (G_TASK (result), &error);

  berth_machine_thaw (self);
  if (!ok)
    {
      g_prefix_error (&error, "%s: ", self->name);
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  g_task_return_boolean (task, TRUE);
}

static void
frozen_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = g_task_get_source_object (task);
  g_autoptr (GTask) job = NULL;
  g_autoptr (GError) error = NULL;

  if (!berth_guest_freeze_finish (BERTH_GUEST (source), result, &error))
    {
      berth_machine_thaw (self); /* it may be too late for us, and yet be done */
      g_prefix_error (&error, "%s: ", self->name);
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  job = g_task_new (self, NULL, copied_cb, g_object_ref (task));
  g_task_set_task_data (job, g_task_get_task_data (task), NULL);
  berth_connection_run (self->connection, BERTH_CONNECTION_START, job, copy_job);
}

void
berth_machine_copy_async (BerthMachine *self, BerthSnapshot *base, int fd,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  Copy *copy = g_new0 (Copy, 1);

  copy->base = berth_snapshot_ref (base);
  copy->fd = fd;
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

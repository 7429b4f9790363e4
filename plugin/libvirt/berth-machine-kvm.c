/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watches the first boots under a KVM that nobody has seen a kernel run with. */
#include "berth-machine-private.h"

#include "berth-console.h"
#include "berth-domain.h"
#include "berth-kvm.h"
#include "berth-libvirt-error.h"
#include "plugin/base/berth-source.h"
#include "pool/berth-sync.h"

#define LOOK_EVERY_MS 1000u

/* What one look has seen. */
typedef struct
{
  BerthKvmVerdict verdict;
  char *problem; /* (nullable) */
} Look;

static void
look_free (Look *look)
{
  g_free (look->problem);
  g_free (look);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Look, look_free)

static void machine_look_later (BerthMachine *self);

static void
look_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  Look *look = g_new0 (Look, 1);
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, NULL);
  g_autofree char *console = berth_console_dup_head (self->console_path);
  g_autofree char *status
      = connection != NULL ? berth_domain_dup_stop_status (connection, self->uuid) : NULL;

  look->verdict = berth_kvm_judge (console, status, g_get_monotonic_time () - self->running_us,
                                   &look->problem);
  BERTH_SYNC_RELEASE (look);
  g_task_return_pointer (task, look, (GDestroyNotify)look_free);
}

/* The boot that showed it ends by itself: its owner's next attempt is emulated. Where KVM is not
 * given up, the boot has its time like any other. */
static void
gave_up_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthMachine) self = user_data;

  if (!berth_connection_give_up_kvm_finish (BERTH_CONNECTION (source), result))
    g_clear_pointer (&self->kvm_problem, g_free);
  else if (self->kvm_problem != NULL && self->agent != NULL)
    berth_guest_close (self->agent);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMachine *self = BERTH_MACHINE (source);
  g_autoptr (GError) error = NULL;
  g_autoptr (Look) look = g_task_propagate_pointer (G_TASK (result), &error);

  if (look != NULL)
    BERTH_SYNC_ACQUIRE (look);
  if (look != NULL && self->watches_kvm)
    switch (look->verdict)
      {
      case BERTH_KVM_UNKNOWN:
        machine_look_later (self);
        break;
      case BERTH_KVM_RUNS:
        berth_machine_end_kvm_watch (self, TRUE);
        break;
      case BERTH_KVM_STANDS:
        berth_machine_end_kvm_watch (self, FALSE);
        self->kvm_problem = g_steal_pointer (&look->problem);
        berth_connection_give_up_kvm_async (self->connection, self->kvm_problem, gave_up_cb,
                                            g_object_ref (self));
        break;
      }
}

static gboolean
look_cb (gpointer user_data)
{
  BerthMachine *self = user_data;
  g_autoptr (GTask) task = g_task_new (self, NULL, looked_cb, NULL);

  g_clear_pointer (&self->kvm_source, g_source_unref);
  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, task, look_job);
  return G_SOURCE_REMOVE;
}

static void
machine_look_later (BerthMachine *self)
{
  self->kvm_source = g_timeout_source_new (LOOK_EVERY_MS);
  g_source_set_callback (self->kvm_source, look_cb, self, NULL);
  g_source_attach (self->kvm_source, g_main_context_get_thread_default ());
}

void
berth_machine_watch_kvm (BerthMachine *self)
{
  self->watches_kvm = TRUE;
  machine_look_later (self);
}

void
berth_machine_end_kvm_watch (BerthMachine *self, gboolean runs)
{
  if (self->watches_kvm && runs)
    berth_connection_note_kvm_runs (self->connection);
  self->watches_kvm = FALSE;
  berth_source_clear (&self->kvm_source);
}

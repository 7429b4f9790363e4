/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's calls to whoever has the VMs. */
#include "plugin/host/berth-host.h"

#include "pool/berth-sync.h"

G_DEFINE_INTERFACE (BerthHost, berth_host, BERTH_TYPE_HYPERVISOR)

#define IFACE(self) BERTH_HOST_GET_IFACE (self)

static gint64
default_get_time (BerthHost *self)
{
  return g_get_monotonic_time ();
}

static guint
default_add_timer (BerthHost *self, gint64 delay_us, GSourceFunc func, gpointer user_data)
{
  return delay_us % G_USEC_PER_SEC == 0
             ? g_timeout_add_seconds ((guint)(delay_us / G_USEC_PER_SEC), func, user_data)
             : g_timeout_add ((guint)(delay_us / 1000), func, user_data);
}

static void
berth_host_default_init (BerthHostInterface *iface)
{
  iface->get_time = default_get_time;
  iface->add_timer = default_add_timer;
}

/* (transfer full) */
static GTask *
new_task (BerthHost *self, GCancellable *cancellable, GAsyncReadyCallback callback,
          gpointer user_data, gpointer tag)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  g_task_set_check_cancellable (task, FALSE); /* what was done is told */
  return task;
}

void
berth_host_open_async (BerthHost *self, GHashTable *templates, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = new_task (self, cancellable, callback, user_data, berth_host_open_async);

  IFACE (self)->open (self, templates, g_steal_pointer (&task));
}

void
berth_host_close (BerthHost *self)
{
  IFACE (self)->close (self);
}

void
berth_host_set_watch (BerthHost *self, const BerthHostWatch *watch, gpointer user_data)
{
  IFACE (self)->set_watch (self, watch, user_data);
}

void
berth_host_set_tenant_snapshots (BerthHost *self, gboolean has_tenant_snapshots)
{
  IFACE (self)->set_tenant_snapshots (self, has_tenant_snapshots);
}

void
berth_host_set_places (BerthHost *self, guint max, const char *const *template_names)
{
  IFACE (self)->set_places (self, max, template_names);
}

void
berth_host_adopt_sessions_async (BerthHost *self, BerthHostFoundFunc func, gpointer func_data,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task
      = new_task (self, NULL, callback, user_data, berth_host_adopt_sessions_async);

  IFACE (self)->adopt_sessions (self, func, func_data, g_steal_pointer (&task));
}

void
berth_host_adopt_warm (BerthHost *self, BerthHostFoundFunc func, gpointer func_data)
{
  IFACE (self)->adopt_warm (self, func, func_data);
}

void
berth_host_prepare_snapshot_async (BerthHost *self, const char *name, const char *dir,
                                   BerthSnapshotWish wish, GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  g_autoptr (GTask) task
      = new_task (self, NULL, callback, user_data, berth_host_prepare_snapshot_async);

  IFACE (self)->prepare_snapshot (self, name, dir, wish, g_steal_pointer (&task));
}

BerthSnapshotFinding
berth_host_prepare_snapshot_finish (BerthHost *self, GAsyncResult *result, GError **error)
{
  gssize finding = g_task_propagate_int (G_TASK (result), error);

  return finding > 0 ? (BerthSnapshotFinding)finding : BERTH_SNAPSHOT_FAILED;
}

void
berth_host_record_async (BerthHost *self, BerthVm *vm, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = new_task (self, NULL, callback, user_data, berth_host_record_async);

  IFACE (self)->record (self, vm, g_steal_pointer (&task));
}

void
berth_host_commit_snapshot_async (BerthHost *self, const char *name, GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_autoptr (GTask) task
      = new_task (self, NULL, callback, user_data, berth_host_commit_snapshot_async);

  IFACE (self)->commit_snapshot (self, name, g_steal_pointer (&task));
}

void
berth_host_drop_recording (BerthHost *self, const char *name)
{
  IFACE (self)->drop_recording (self, name);
}

void
berth_host_drop_snapshot (BerthHost *self, const char *name)
{
  IFACE (self)->drop_snapshot (self, name);
}

gboolean
berth_host_get_snapshot_bytes (BerthHost *self, const char *name, guint64 *out_bytes)
{
  return IFACE (self)->get_snapshot_bytes (self, name, out_bytes);
}

void
berth_host_exec_async (BerthHost *self, BerthVm *vm, BerthExec *exec, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = new_task (self, cancellable, callback, user_data, berth_host_exec_async);

  IFACE (self)->exec (self, vm, exec, g_steal_pointer (&task));
}

BerthResult *
berth_host_exec_finish (BerthHost *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
berth_host_background_async (BerthHost *self, BerthVm *vm, BerthBackgroundRequest *request,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
  g_autoptr (GTask) task
      = new_task (self, cancellable, callback, user_data, berth_host_background_async);

  IFACE (self)->background (self, vm, request, g_steal_pointer (&task));
}

BerthBackgroundResult *
berth_host_background_finish (BerthHost *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
berth_host_file_async (BerthHost *self, BerthVm *vm, BerthFileRequest *file,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = new_task (self, cancellable, callback, user_data, berth_host_file_async);

  IFACE (self)->file (self, vm, file, g_steal_pointer (&task));
}

BerthFileResult *
berth_host_file_finish (BerthHost *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
berth_host_link_async (BerthHost *self, BerthVm *vm, guint port, const BerthLinkEnd *end,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = new_task (self, cancellable, callback, user_data, berth_host_link_async);

  IFACE (self)->link (self, vm, port, end, g_steal_pointer (&task));
}

BerthLinkResult *
berth_host_link_finish (BerthHost *self, GAsyncResult *result, GError **error)
{
  BerthLinkResult *told = g_task_propagate_pointer (G_TASK (result), error);

  BERTH_SYNC_ACQUIRE (told); /* a host may carry a link on a thread of its own */
  return told;
}

void
berth_host_allow_async (BerthHost *self, BerthVm *vm, const char *const *names,
                        const BerthHostReach *reach, gpointer user_data, GDestroyNotify destroy,
                        GAsyncReadyCallback callback, gpointer callback_data)
{
  g_autoptr (GTask) task = new_task (self, NULL, callback, callback_data, berth_host_allow_async);

  IFACE (self)->allow (self, vm, names, reach, user_data, destroy, g_steal_pointer (&task));
}

void
berth_host_accept_async (BerthHost *self, BerthHostLink *link, const BerthLinkEnd *end,
                         GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task
      = new_task (self, cancellable, callback, user_data, berth_host_accept_async);

  IFACE (self)->accept (self, link, end, g_steal_pointer (&task));
}

BerthLinkResult *
berth_host_accept_finish (BerthHost *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
berth_host_refuse (BerthHost *self, BerthHostLink *link, BerthLinkReason reason)
{
  IFACE (self)->refuse (self, link, reason);
}

void
berth_host_copy_free (BerthHostCopy *self)
{
  berth_fork_base_free (self->base);
  g_free (self);
}

void
berth_host_copy_async (BerthHost *self, BerthVm *vm, int fd, guint64 max_bytes, gboolean stays,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  IFACE (self)->copy (self, vm, fd, max_bytes, stays,
                      new_task (self, NULL, callback, user_data, berth_host_copy_async));
}

void
berth_host_go_on (BerthHost *self, BerthVm *vm)
{
  IFACE (self)->go_on (self, vm);
}

void
berth_host_settle_async (BerthHost *self, BerthVm *vm, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  IFACE (self)->settle (self, vm,
                        new_task (self, NULL, callback, user_data, berth_host_settle_async));
}

BerthHostCopy *
berth_host_copy_finish (BerthHost *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
berth_host_keep_bases (BerthHost *self, const char *dir, GHashTable *sums)
{
  IFACE (self)->keep_bases (self, dir, sums);
}

gboolean
berth_host_finish (BerthHost *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

const char *
berth_host_get_domain_name (BerthHost *self, BerthVm *vm)
{
  return IFACE (self)->get_domain_name (self, vm);
}

const char *
berth_host_get_start_name (BerthHost *self, BerthVm *vm)
{
  return IFACE (self)->get_start_name (self, vm);
}

void
berth_host_get_start_times (BerthHost *self, BerthVm *vm, gint64 *out_spawn_us,
                            gint64 *out_connect_us)
{
  IFACE (self)->get_start_times (self, vm, out_spawn_us, out_connect_us);
}

gboolean
berth_host_get_memory (BerthHost *self, BerthVm *vm, guint64 *out_private, guint64 *out_shared)
{
  return IFACE (self)->get_memory (self, vm, out_private, out_shared);
}

char *
berth_host_dup_domain_xml (BerthHost *self, const char *template_name, GError **error)
{
  return IFACE (self)->dup_domain_xml (self, template_name, error);
}

GVariant *
berth_host_dup_status (BerthHost *self)
{
  return IFACE (self)->dup_status (self);
}

char *
berth_host_dup_confinement (BerthHost *self, const char *dir, char **out_problem, char **out_remedy)
{
  return IFACE (self)->dup_confinement (self, dir, out_problem, out_remedy);
}

gboolean
berth_host_check_image (BerthHost *self, GError **error)
{
  return IFACE (self)->check_image (self, error);
}

gboolean
berth_host_check_layers (BerthHost *self, const char *template_name, GError **error)
{
  return IFACE (self)->check_layers (self, template_name, error);
}

gint64
berth_host_get_time (BerthHost *self)
{
  return IFACE (self)->get_time (self);
}

guint
berth_host_add_timer (BerthHost *self, gint64 delay_us, GSourceFunc func, gpointer user_data)
{
  return IFACE (self)->add_timer (self, delay_us, func, user_data);
}

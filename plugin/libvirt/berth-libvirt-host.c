/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the manager asks of libvirt's VMs: programs, files, and what they are. */
#include "berth-libvirt-private.h"

#include <unistd.h>

#include "berth-confinement.h"
#include "berth-guest.h"
#include "plugin/base/berth-caller-fd.h"
#include "pool/berth-error.h"
#include "pool/berth-vm-private.h"

/* ---- whom to tell ---- */

static void
libvirt_set_watch (BerthHost *host, const BerthHostWatch *watch, gpointer user_data)
{
  const BerthHostWatch nobody = { 0 };
  BerthLibvirt *self = BERTH_LIBVIRT (host);

  self->watch = watch != NULL ? *watch : nobody;
  self->watch_data = user_data;
}

void
berth_libvirt_tell_state (BerthLibvirt *self, gboolean is_up)
{
  if (self->watch.state_changed != NULL)
    self->watch.state_changed (is_up, self->watch_data);
}

void
berth_libvirt_tell_spoilt (BerthLibvirt *self, const char *name, const char *reason)
{
  if (self->watch.snapshot_spoilt != NULL)
    self->watch.snapshot_spoilt (name, reason, self->watch_data);
}

static void
libvirt_close (BerthHost *host)
{
  BerthLibvirt *self = BERTH_LIBVIRT (host);

  libvirt_set_watch (host, NULL, NULL);
  g_clear_handle_id (&self->look_id, g_source_remove);
  g_clear_handle_id (&self->counted_look_id, g_source_remove);
  g_clear_handle_id (&self->compare_id, g_source_remove);
  berth_connection_close (self->connection);
}

/* ---- snapshots ---- */

static void
libvirt_set_tenant_snapshots (BerthHost *host, gboolean has_tenant_snapshots)
{
  BERTH_LIBVIRT (host)->has_tenant_snapshots = has_tenant_snapshots;
}

static void
libvirt_drop_recording (BerthHost *host, const char *name)
{
  g_hash_table_remove (BERTH_LIBVIRT (host)->recordings, name);
}

static void
libvirt_drop_snapshot (BerthHost *host, const char *name)
{
  berth_snapshot_stock_set (BERTH_LIBVIRT (host)->stock, name, NULL, NULL);
}

static gboolean
libvirt_get_snapshot_bytes (BerthHost *host, const char *name, guint64 *out_bytes)
{
  BerthSnapshot *snapshot = berth_snapshot_stock_get (BERTH_LIBVIRT (host)->stock, name);

  if (snapshot == NULL)
    return FALSE;
  *out_bytes = berth_snapshot_get_disk_bytes (snapshot);
  return TRUE;
}

/* ---- programs and files ---- */

/* (nullable): of a VM that is up; else @task is answered */
static BerthGuest *
libvirt_get_guest (BerthHost *host, BerthVm *vm, GTask *task)
{
  BerthMachine *machine = berth_libvirt_get_machine (BERTH_LIBVIRT (host), vm);
  BerthGuest *guest = machine != NULL ? berth_machine_get_agent (machine) : NULL;

  if (guest == NULL)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_GONE,
                             "sandbox %s is gone: its VM ended; make a new one",
                             berth_vm_get_id (vm));
  return guest;
}

static void
executed_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  BerthResult *result = berth_guest_exec_finish (BERTH_GUEST (source), async_result, &error);

  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify)berth_result_free);
  else
    g_task_return_error (task, error);
}

static void
libvirt_exec (BerthHost *host, BerthVm *vm, BerthExec *exec, GTask *task)
{
  g_autoptr (GTask) owned = task;
  g_autoptr (BerthExec) owned_exec = exec;
  BerthGuest *guest = libvirt_get_guest (host, vm, task);
  const char *name = exec->language;

  if (guest == NULL)
    return;
  if (name == NULL)
    name = berth_machine_get_language (berth_libvirt_get_machine (BERTH_LIBVIRT (host), vm));
  berth_guest_exec_async (guest, g_steal_pointer (&owned_exec), berth_language_from_name (name),
                          g_task_get_cancellable (task), executed_cb, g_steal_pointer (&owned));
}

static void
told_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  BerthBackgroundResult *result
      = berth_guest_background_finish (BERTH_GUEST (source), async_result, &error);

  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify)berth_background_result_free);
  else
    g_task_return_error (task, error);
}

static void
libvirt_background (BerthHost *host, BerthVm *vm, BerthBackgroundRequest *request, GTask *task)
{
  g_autoptr (GTask) owned = task;
  g_autoptr (BerthBackgroundRequest) owned_request = request;
  BerthGuest *guest = libvirt_get_guest (host, vm, task);

  if (guest != NULL)
    berth_guest_background_async (guest, g_steal_pointer (&owned_request),
                                  g_task_get_cancellable (task), told_cb, g_steal_pointer (&owned));
}

static void
carried_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  BerthFileResult *result = berth_guest_file_finish (BERTH_GUEST (source), async_result, &error);

  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify)berth_file_result_free);
  else
    g_task_return_error (task, error);
}

static void
libvirt_file (BerthHost *host, BerthVm *vm, BerthFileRequest *file, GTask *task)
{
  g_autoptr (GTask) owned = task;
  g_autoptr (BerthFileRequest) owned_file = file;
  BerthGuest *guest = libvirt_get_guest (host, vm, task);

  if (guest != NULL)
    berth_guest_file_async (guest, g_steal_pointer (&owned_file), g_task_get_cancellable (task),
                            carried_cb, g_steal_pointer (&owned));
}

static void
linked_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  BerthLinkResult *result = berth_guest_link_finish (BERTH_GUEST (source), async_result, &error);

  if (result != NULL)
    g_task_return_pointer (task, result, g_free);
  else
    g_task_return_error (task, error);
}

static void
libvirt_link (BerthHost *host, BerthVm *vm, guint port, const BerthLinkEnd *end, GTask *task)
{
  g_autoptr (GTask) owned = task;
  BerthGuest *guest = libvirt_get_guest (host, vm, task);

  if (guest == NULL)
    berth_caller_fd_close (end->fd);
  else
    berth_guest_link_async (guest, port, end, g_task_get_cancellable (task), linked_cb,
                            g_steal_pointer (&owned));
}

/* ---- what they reach ---- */

/* Of a guest, as long as it is there. */
typedef struct
{
  BerthHostReach reach;
  gpointer data;
  GDestroyNotify destroy;
} Reach;

static void
reach_free (gpointer data)
{
  Reach *self = data;

  if (self->destroy != NULL)
    self->destroy (self->data);
  g_free (self);
}

static void
asked_cb (BerthGuest *guest, BerthGuestLink *link, const char *name, guint port, gpointer user_data)
{
  Reach *self = user_data;

  self->reach.asked ((BerthHostLink *)link, name, (guint16)port, self->data);
}

static void
refused_cb (BerthGuest *guest, const char *name, guint16 port, gpointer user_data)
{
  Reach *self = user_data;

  self->reach.refused (name, port, self->data);
}

static void
allowed_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (berth_guest_allow_finish (BERTH_GUEST (source), async_result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
libvirt_allow (BerthHost *host, BerthVm *vm, const char *const *names, const BerthHostReach *reach,
               gpointer user_data, GDestroyNotify destroy, GTask *task)
{
  g_autoptr (GTask) owned = task;
  BerthGuest *guest = libvirt_get_guest (host, vm, task);
  Reach *self = g_new0 (Reach, 1);

  self->reach = *reach;
  self->data = user_data;
  self->destroy = destroy;
  if (guest == NULL)
    {
      reach_free (self);
      return;
    }
  berth_guest_set_link_func (guest, asked_cb, self);
  berth_guest_set_refused_func (guest, refused_cb, self);
  g_object_set_data_full (G_OBJECT (guest), "berth-reach", self, reach_free);
  berth_guest_allow_async (guest, names, g_task_get_cancellable (task), allowed_cb,
                           g_steal_pointer (&owned));
}

static void
libvirt_accept (BerthHost *host, BerthHostLink *link, const BerthLinkEnd *end, GTask *task)
{
  berth_guest_link_accept_async ((BerthGuestLink *)link, end, g_task_get_cancellable (task),
                                 linked_cb, task);
}

static void
libvirt_refuse (BerthHost *host, BerthHostLink *link, BerthLinkReason reason)
{
  berth_guest_link_refuse ((BerthGuestLink *)link, reason);
}

/* ---- what they are ---- */

static const char *
libvirt_get_domain_name (BerthHost *host, BerthVm *vm)
{
  BerthSlot *slot = g_hash_table_lookup (BERTH_LIBVIRT (host)->slots, vm);
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);

  if (slot == NULL && g_hash_table_contains (BERTH_LIBVIRT (host)->counted, vm))
    return berth_purpose_of (request)->domain_name; /* the VM has its request as long as it is */
  return slot != NULL && slot->machine != NULL ? berth_machine_get_name (slot->machine) : NULL;
}

static const char *
libvirt_get_start_name (BerthHost *host, BerthVm *vm)
{
  BerthMachine *machine = berth_libvirt_get_machine (BERTH_LIBVIRT (host), vm);

  if (machine == NULL)
    return NULL;
  switch (berth_machine_get_start (machine))
    {
    case BERTH_MACHINE_WARM:
      return "warm";
    case BERTH_MACHINE_CLONE:
      return "clone";
    case BERTH_MACHINE_CHILD:
      return "fork";
    default:
      return "cold";
    }
}

static void
libvirt_get_start_times (BerthHost *host, BerthVm *vm, gint64 *out_spawn_us, gint64 *out_connect_us)
{
  BerthMachine *machine = berth_libvirt_get_machine (BERTH_LIBVIRT (host), vm);

  *out_spawn_us = *out_connect_us = 0;
  /* before anybody had asked for it */
  if (machine != NULL && berth_machine_get_start (machine) != BERTH_MACHINE_WARM)
    berth_machine_get_start_times (machine, out_spawn_us, out_connect_us);
}

static gboolean
libvirt_get_memory (BerthHost *host, BerthVm *vm, guint64 *out_private, guint64 *out_shared)
{
  BerthSlot *slot = g_hash_table_lookup (BERTH_LIBVIRT (host)->slots, vm);

  return slot != NULL && slot->machine != NULL
         && berth_machine_get_memory (slot->machine, out_private, out_shared);
}

static char *
libvirt_dup_domain_xml (BerthHost *host, const char *template_name, GError **error)
{
  BerthLibvirt *self = BERTH_LIBVIRT (host);
  BerthTemplate *template = g_hash_table_lookup (self->templates, template_name);
  BerthImages *images = berth_libvirt_get_images (self, error);
  g_autofree char *name = g_strdup_printf ("%s-%s-1", self->name_prefix, template_name);
  const BerthShape shape = berth_template_get_shape (template);
  g_autoptr (BerthVm) vm = NULL;
  g_autoptr (BerthMachine) machine = NULL;

  if (images == NULL)
    return NULL;
  vm = berth_vm_new (&shape, NULL, g_get_monotonic_time ());
  machine = berth_machine_new (vm, template, self->connection, self->places, self->instance, name);
  return berth_machine_dup_xml (machine, images, error);
}

static GVariant *
libvirt_dup_status (BerthHost *host)
{
  BerthConnection *connection = BERTH_LIBVIRT (host)->connection;
  unsigned long version = berth_connection_get_libvirt_version (connection);
  g_autofree char *text
      = g_strdup_printf ("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
  g_autofree char *uri = berth_connection_dup_uri (connection);
  g_autofree char *kvm_problem = berth_connection_dup_kvm_problem (connection);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "uri", "s", uri != NULL ? uri : "");
  g_variant_dict_insert (&dict, "connected", "b", berth_connection_is_up (connection));
  g_variant_dict_insert (&dict, "version", "s", text);
  if (berth_connection_is_up (connection))
    g_variant_dict_insert (&dict, "virt_type", "s", berth_connection_get_domain_type (connection));
  if (kvm_problem != NULL)
    g_variant_dict_insert (&dict, "kvm_problem", "s", kvm_problem);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* QEMU of a user's own libvirt runs as that user, unconfined. */
static char *
libvirt_dup_confinement (BerthHost *host, const char *dir, char **out_problem, char **out_remedy)
{
  g_autofree char *uri = berth_connection_dup_uri (BERTH_LIBVIRT (host)->connection);

  if (g_strcmp0 (uri, "qemu:///system") != 0)
    return NULL;
  *out_problem = berth_confinement_dup_problem ("/", dir, out_remedy);
  return berth_confinement_dup_kind ("/");
}

/* ---- the guest's image ---- */

static gboolean
libvirt_check_image (BerthHost *host, GError **error)
{
  g_autoptr (BerthImages) images = berth_images_load (BERTH_LIBVIRT (host)->image_dir, error);

  return images != NULL;
}

static gboolean
libvirt_check_layers (BerthHost *host, const char *template_name, GError **error)
{
  BerthLibvirt *self = BERTH_LIBVIRT (host);
  g_autoptr (BerthImages) images = berth_images_load (self->image_dir, error);
  BerthTemplate *template = g_hash_table_lookup (self->templates, template_name);
  g_auto (GStrv) layers
      = images != NULL
            ? berth_images_dup_layers (images, berth_template_get_layers (template), error)
            : NULL;

  return layers != NULL;
}

void
berth_libvirt_host_init (BerthHostInterface *iface)
{
  iface->open = berth_libvirt_open;
  iface->close = libvirt_close;
  iface->set_watch = libvirt_set_watch;
  iface->set_tenant_snapshots = libvirt_set_tenant_snapshots;
  iface->set_places = berth_libvirt_set_places;
  iface->adopt_sessions = berth_libvirt_adopt_sessions;
  iface->adopt_warm = berth_libvirt_adopt_warm;
  iface->prepare_snapshot = berth_libvirt_prepare_snapshot;
  iface->record = berth_libvirt_record;
  iface->commit_snapshot = berth_libvirt_commit_snapshot;
  iface->drop_recording = libvirt_drop_recording;
  iface->drop_snapshot = libvirt_drop_snapshot;
  iface->get_snapshot_bytes = libvirt_get_snapshot_bytes;
  iface->exec = libvirt_exec;
  iface->background = libvirt_background;
  iface->file = libvirt_file;
  iface->link = libvirt_link;
  iface->allow = libvirt_allow;
  iface->accept = libvirt_accept;
  iface->refuse = libvirt_refuse;
  iface->copy = berth_libvirt_copy;
  iface->go_on = berth_libvirt_go_on;
  iface->settle = berth_libvirt_settle;
  iface->keep_bases = berth_libvirt_keep_bases;
  iface->get_domain_name = libvirt_get_domain_name;
  iface->get_start_name = libvirt_get_start_name;
  iface->get_start_times = libvirt_get_start_times;
  iface->get_memory = libvirt_get_memory;
  iface->dup_domain_xml = libvirt_dup_domain_xml;
  iface->dup_status = libvirt_dup_status;
  iface->dup_confinement = libvirt_dup_confinement;
  iface->check_image = libvirt_check_image;
  iface->check_layers = libvirt_check_layers;
}

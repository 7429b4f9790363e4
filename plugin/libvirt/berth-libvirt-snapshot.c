/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How snapshots come to be, as far as libvirt is concerned: what one is valid for, the state that
 * is written, and the moment from which clones are made of it. */
#include "berth-libvirt-private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "berth-capabilities.h"
#include "berth-libvirt-error.h"

/* raised when clones of an older berth's snapshots would not work with this one's code */
#define KEY_FORMAT "berth snapshot 4"

/* What the worker gets, and what it brings back. */
typedef struct
{
  char *name; /* of the snapshot */
  BerthTemplate *template;
  BerthImages *images;
  BerthSnapshot *current; /* (nullable): what clones are made of now */
  char *dir;
  BerthSnapshotWish wish;
  const char *domain_type; /* static */
  char *spoilt_key;        /* (nullable): of a snapshot whose files are not what was recorded */
  char *spoilt_reason;     /* of spoilt_key */
} Prepare;

static void
prepare_free (Prepare *prepare)
{
  g_free (prepare->name);
  berth_template_unref (prepare->template);
  berth_images_unref (prepare->images);
  g_clear_pointer (&prepare->current, berth_snapshot_unref);
  g_free (prepare->dir);
  g_free (prepare->spoilt_key);
  g_free (prepare->spoilt_reason);
  g_free (prepare);
}

/* What state that was made under KVM depends on; TCG's CPU is QEMU's own, whatever the host's
 * is. */
static char *
dup_cpu (virConnectPtr connection, const char *domain_type, GError **error)
{
  g_autofree char *capabilities = NULL;

  if (!g_str_equal (domain_type, "kvm"))
    return g_strdup ("");
  capabilities = virConnectGetCapabilities (connection);
  if (capabilities != NULL)
    return berth_capabilities_dup_host_cpu (capabilities);
  berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "can't read libvirt's capabilities");
  return NULL;
}

/* What berth makes of the template here, with this QEMU. */
static char *
dup_hardware (BerthConnection *connection, BerthTemplate *template, const char *domain_type,
              GError **error)
{
  g_auto (GStrv) unwanted = berth_connection_dup_unwanted_features (connection);
  const BerthDomainParams params = {
    .domain_type = domain_type,
    .memory_mb = berth_template_get_memory_mb (template),
    .vcpus = berth_template_get_vcpus (template),
    .layers = berth_template_get_layers (template),
    .unwanted_features = (const char *const *)unwanted,
  };

  return berth_template_dup_hardware (template, &params, error);
}

void
berth_key_parts_clear (BerthKeyParts *parts)
{
  g_free (parts->hardware);
  g_free (parts->images);
  g_free (parts->cpu);
}

gboolean
berth_key_parts_read (BerthConnection *self, virConnectPtr connection, BerthTemplate *template,
                      BerthImages *images, const char *domain_type, BerthKeyParts *out_parts,
                      GError **error)
{
  out_parts->template_digest = berth_template_get_digest (template);
  out_parts->images = berth_images_dup_digest (images, berth_template_get_layers (template));
  out_parts->hardware = dup_hardware (self, template, domain_type, error);
  out_parts->cpu = out_parts->hardware != NULL ? dup_cpu (connection, domain_type, error) : NULL;
  if (out_parts->cpu == NULL)
    return FALSE;
  if (virConnectGetLibVersion (connection, &out_parts->libvirt) >= 0
      && virConnectGetVersion (connection, &out_parts->qemu) >= 0)
    return TRUE;
  berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "can't read libvirt's version");
  return FALSE;
}

char *
berth_key_parts_dup_key (const BerthKeyParts *self, const char *name)
{
  g_autofree char *text = g_strdup_printf ("%s\n%s\n%s\n%s\n%s\n%lu\n%lu\n%s\n", KEY_FORMAT, name,
                                           self->template_digest, self->hardware, self->images,
                                           self->libvirt, self->qemu, self->cpu);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

static char *
make_key (BerthConnection *self, virConnectPtr connection, Prepare *prepare, GError **error)
{
  g_auto (BerthKeyParts) parts = { 0 };

  if (!berth_key_parts_read (self, connection, prepare->template, prepare->images,
                             prepare->domain_type, &parts, error))
    return NULL;
  return berth_key_parts_dup_key (&parts, prepare->name);
}

/* The user that QEMU runs as: it has to write the RAM while it is recorded, and to read it
 * after. */
static void
find_owner (BerthConnection *connection, uid_t *out_uid, gid_t *out_gid)
{
  g_autofree char *label = berth_connection_dup_dac_label (connection);
  unsigned int uid;
  unsigned int gid;

  *out_uid = geteuid ();
  *out_gid = getegid ();
  if (label != NULL && sscanf (label, "+%u:+%u", &uid, &gid) == 2)
    {
      *out_uid = uid;
      *out_gid = gid;
    }
}

static BerthSnapshot *
begin (BerthConnection *connection, Prepare *prepare, const char *key, GError **error)
{
  BerthTemplate *template = prepare->template;
  uid_t uid;
  gid_t gid;

  find_owner (connection, &uid, &gid);
  return berth_snapshot_begin (prepare->dir, prepare->name, key,
                               berth_template_get_memory_mb (template), uid, gid, error);
}

static gboolean
current_holds (BerthSnapshot *current, const char *key)
{
  return current != NULL && g_str_equal (berth_snapshot_get_key (current), key)
         && berth_snapshot_is_intact (current, NULL);
}

static BerthSnapshot *
prepare (BerthConnection *libvirtd, virConnectPtr connection, Prepare *prepare, GError **error)
{
  const char *name = prepare->name;
  g_autofree char *key = make_key (libvirtd, connection, prepare, error);
  g_autoptr (GError) reason = NULL;
  BerthSnapshot *snapshot = NULL;

  if (key == NULL)
    return NULL;
  if (prepare->wish != BERTH_SNAPSHOT_NEW && current_holds (prepare->current, key))
    return berth_snapshot_ref (prepare->current);
  if (prepare->current == NULL) /* else its files go when it is replaced */
    berth_snapshot_clean (prepare->dir, name, key);
  if (prepare->wish != BERTH_SNAPSHOT_NEW)
    snapshot = berth_snapshot_open (prepare->dir, name, key, &reason);
  if (reason != NULL)
    g_warning ("%s", reason->message);
  if (g_error_matches (reason, BERTH_ERROR, BERTH_ERROR_GONE))
    {
      prepare->spoilt_key = g_strdup (key);
      prepare->spoilt_reason = g_strdup (reason->message);
    }
  if (snapshot != NULL)
    return snapshot;
  if (prepare->wish != BERTH_SNAPSHOT_EXISTING)
    return begin (libvirtd, prepare, key, error);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_GONE, "there is no snapshot of %s", name);
  return NULL;
}

static void
prepare_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthLibvirt *self = source;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_START, &error);
  BerthSnapshot *snapshot
      = connection != NULL ? prepare (self->connection, connection, task_data, &error) : NULL;

  if (snapshot != NULL)
    g_task_return_pointer (task, snapshot, (GDestroyNotify)berth_snapshot_unref);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
libvirt_add_recording (BerthLibvirt *self, const char *name, BerthSnapshot *snapshot,
                       BerthImages *images, const char *domain_type)
{
  BerthRecording *recording = g_new0 (BerthRecording, 1);

  recording->snapshot = berth_snapshot_ref (snapshot);
  recording->images = berth_images_ref (images);
  recording->domain_type = domain_type;
  g_hash_table_replace (self->recordings, g_strdup (name), recording);
}

static void
prepared_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthLibvirt *self = BERTH_LIBVIRT (source);
  Prepare *data = g_task_get_task_data (G_TASK (result));
  const char *name = data->name;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSnapshot) snapshot = g_task_propagate_pointer (G_TASK (result), &error);
  gboolean is_same = snapshot != NULL && snapshot == berth_snapshot_stock_get (self->stock, name);

  if (data->spoilt_key != NULL)
    berth_libvirt_end_clones_of (self, data->spoilt_key, data->spoilt_reason);
  if (snapshot == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (berth_snapshot_is_committed (snapshot))
    {
      /* the one that clones were made of when the job began, given up before it ended */
      if (!berth_snapshot_stock_set (self->stock, name, snapshot, data->images))
        {
          berth_libvirt_prepare_snapshot (BERTH_HOST (self), name, data->dir, data->wish,
                                          g_steal_pointer (&task));
          return;
        }
      g_task_return_int (task, is_same ? BERTH_SNAPSHOT_SAME : BERTH_SNAPSHOT_FOUND);
      return;
    }
  libvirt_add_recording (self, name, snapshot, data->images, data->domain_type);
  g_task_return_int (task, BERTH_SNAPSHOT_PLACE);
}

void
berth_libvirt_prepare_snapshot (BerthHost *host, const char *name, const char *dir,
                                BerthSnapshotWish wish, GTask *task)
{
  g_autoptr (GTask) owned = task;
  BerthLibvirt *self = BERTH_LIBVIRT (host);
  g_autoptr (GError) error = NULL;
  BerthImages *images = berth_libvirt_get_images (self, &error);
  BerthSnapshot *current = berth_snapshot_stock_get (self->stock, name);
  g_autofree char *template_name = berth_snapshot_split_name (name, NULL);
  g_autoptr (GTask) job = NULL;
  Prepare *data;

  if (images == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  data = g_new0 (Prepare, 1);
  data->name = g_strdup (name);
  data->template = berth_template_ref (g_hash_table_lookup (self->templates, template_name));
  data->images = berth_images_ref (images);
  data->current = current != NULL ? berth_snapshot_ref (current) : NULL;
  data->dir = g_strdup (dir);
  data->wish = wish;
  data->domain_type = berth_connection_get_domain_type (self->connection);
  job = g_task_new (self, NULL, prepared_cb, g_steal_pointer (&owned));
  g_task_set_task_data (job, data, (GDestroyNotify)prepare_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_START, job, prepare_job);
}

/* ---- record ---- */

static void
recorded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_machine_record_finish (BERTH_MACHINE (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

void
berth_libvirt_record (BerthHost *host, BerthVm *vm, GTask *task)
{
  g_autoptr (GTask) owned = task;
  BerthMachine *machine = berth_libvirt_get_machine (BERTH_LIBVIRT (host), vm);

  if (machine == NULL)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                             "the VM that was to be recorded ended");
  else
    berth_machine_record_async (machine, recorded_cb, g_steal_pointer (&owned));
}

static void
commit_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthSnapshot *snapshot = task_data;
  gboolean is_read_only = berth_connection_has_read_only_ram (BERTH_LIBVIRT (source)->connection);
  g_autoptr (GError) error = NULL;

  if (!is_read_only && berth_snapshot_hides_writes (snapshot))
    g_warning (
        "%s: on tmpfs nobody sees what a QEMU that a guest has broken out into writes there; "
        "set snapshot_dir to a folder on a disk, or use QEMU 8.2",
        berth_snapshot_get_ram_path (snapshot));
  if (berth_snapshot_commit (snapshot, is_read_only, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

typedef struct
{
  char *name;
  BerthImages *images;
} Commit;

static void
commit_free (Commit *commit)
{
  g_free (commit->name);
  berth_images_unref (commit->images);
  g_free (commit);
}

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthLibvirt *self = BERTH_LIBVIRT (source);
  Commit *commit = g_task_get_task_data (task);
  BerthSnapshot *snapshot = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  berth_snapshot_stock_set (self->stock, commit->name, snapshot, commit->images);
  g_task_return_boolean (task, TRUE);
}

void
berth_libvirt_commit_snapshot (BerthHost *host, const char *name, GTask *task)
{
  g_autoptr (GTask) owned = task;
  BerthLibvirt *self = BERTH_LIBVIRT (host);
  BerthRecording *recording = g_hash_table_lookup (self->recordings, name);
  g_autoptr (GTask) job = NULL;
  Commit *commit = g_new0 (Commit, 1);

  g_assert (recording != NULL);
  commit->name = g_strdup (name);
  commit->images = berth_images_ref (recording->images);
  g_task_set_task_data (task, commit, (GDestroyNotify)commit_free);
  job = g_task_new (self, NULL, committed_cb, g_steal_pointer (&owned));
  g_task_set_task_data (job, berth_snapshot_ref (recording->snapshot),
                        (GDestroyNotify)berth_snapshot_unref);
  g_hash_table_remove (self->recordings, name);
  berth_connection_run (self->connection, BERTH_CONNECTION_START, job, commit_job);
}

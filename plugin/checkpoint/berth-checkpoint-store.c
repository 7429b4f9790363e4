/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which checkpoints there are, whose they are, and how many more there may be. */
#include "plugin/checkpoint/berth-checkpoint-private.h"

#include <unistd.h>

#include "pool/berth-error.h"
#include "pool/berth-sync.h"

/* One that waits for a slow disk keeps no other from being loaded. */
#define THREADS 2u

G_DEFINE_FINAL_TYPE (BerthCheckpoint, berth_checkpoint, G_TYPE_OBJECT)

struct _BerthCheckpointDraft
{
  guint32 uid;
  char *folder;  /* as it will be called */
  char *part;    /* (nullable): as it is called now */
  guint64 bytes; /* that are taken for it */
  char *base;    /* (nullable): sum of what it differs from, once it is written */
  int fd;
};

G_DEFINE_FINAL_TYPE (BerthCheckpointStore, berth_checkpoint_store, G_TYPE_OBJECT)

/* ---- one ---- */

static void
berth_checkpoint_finalize (GObject *object)
{
  BerthCheckpoint *self = BERTH_CHECKPOINT (object);

  berth_checkpoint_manifest_free (self->manifest);
  g_free (self->folder);
  G_OBJECT_CLASS (berth_checkpoint_parent_class)->finalize (object);
}

static void
berth_checkpoint_class_init (BerthCheckpointClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_checkpoint_finalize;
}

static void
berth_checkpoint_init (BerthCheckpoint *self)
{
}

/* Takes @manifest over. */
static BerthCheckpoint *
checkpoint_new (BerthCheckpointManifest *manifest, const char *folder, gboolean is_waking)
{
  BerthCheckpoint *self = g_object_new (BERTH_TYPE_CHECKPOINT, NULL);

  self->manifest = manifest;
  self->folder = g_strdup (folder);
  self->is_waking = is_waking;
  return self;
}

const BerthCheckpointManifest *
berth_checkpoint_get_manifest (BerthCheckpoint *self)
{
  return self->manifest;
}

gboolean
berth_checkpoint_is_waking (BerthCheckpoint *self)
{
  return self->is_waking;
}

void
berth_checkpoint_begin_use (BerthCheckpoint *self)
{
  self->uses++;
}

void
berth_checkpoint_end_use (BerthCheckpoint *self)
{
  g_return_if_fail (self->uses > 0);
  self->uses--;
}

/* ---- all ---- */

static void
draft_free (gpointer data)
{
  BerthCheckpointDraft *draft = data;

  if (draft->fd >= 0)
    close (draft->fd);
  g_free (draft->folder);
  g_free (draft->base);
  g_free (draft->part);
  g_free (draft);
}

static void
berth_checkpoint_store_finalize (GObject *object)
{
  BerthCheckpointStore *self = BERTH_CHECKPOINT_STORE (object);

  g_warn_if_fail (self->workers == NULL);
  g_clear_pointer (&self->disk, berth_checkpoint_disk_unref);
  g_ptr_array_unref (self->all);
  g_ptr_array_unref (self->leaving);
  g_ptr_array_unref (self->drafts);
  G_OBJECT_CLASS (berth_checkpoint_store_parent_class)->finalize (object);
}

static void
berth_checkpoint_store_class_init (BerthCheckpointStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_checkpoint_store_finalize;
}

static void
berth_checkpoint_store_init (BerthCheckpointStore *self)
{
  self->workers = berth_workers_new (THREADS);
  self->all = g_ptr_array_new_with_free_func (g_object_unref);
  self->leaving = g_ptr_array_new_with_free_func (g_object_unref);
  self->drafts = g_ptr_array_new_with_free_func (draft_free);
}

BerthCheckpointStore *
berth_checkpoint_store_new (const BerthCheckpointLimits *limits)
{
  BerthCheckpointStore *self = g_object_new (BERTH_TYPE_CHECKPOINT_STORE, NULL);

  self->limits = *limits;
  return self;
}

void
berth_checkpoint_store_set_limits (BerthCheckpointStore *self, const BerthCheckpointLimits *limits)
{
  self->limits = *limits;
}

void
berth_checkpoint_store_close (BerthCheckpointStore *self)
{
  g_clear_pointer (&self->workers, berth_workers_free);
}

gboolean
berth_checkpoint_store_finish (BerthCheckpointStore *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
job_free (gpointer data)
{
  BerthCheckpointJob *job = data;

  BERTH_SYNC_ACQUIRE (job);
  berth_checkpoint_disk_unref (job->disk);
  g_free (job->from);
  g_free (job->to);
  g_clear_pointer (&job->manifest, berth_checkpoint_manifest_free);
  g_free (job);
}

void
berth_checkpoint_job_end (GTask *task, gboolean ok, GError *error)
{
  BERTH_SYNC_RELEASE (g_task_get_task_data (task));
  if (ok)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
berth_checkpoint_job_end_with_fd (GTask *task, int fd, GError *error)
{
  BERTH_SYNC_RELEASE (g_task_get_task_data (task));
  if (fd >= 0)
    g_task_return_int (task, fd);
  else
    g_task_return_error (task, error);
}

/* Who waits for a thread; either of both may be the last that has the job. */
typedef struct
{
  GAsyncReadyCallback func; /* (nullable) */
  gpointer data;
} Waiter;

static void
job_done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Waiter *waiter = user_data;
  BerthCheckpointJob *job = g_task_get_task_data (G_TASK (result));

  BERTH_SYNC_ACQUIRE (job);
  if (waiter->func != NULL)
    waiter->func (source, result, waiter->data);
  BERTH_SYNC_RELEASE (job);
}

void
berth_checkpoint_store_run (BerthCheckpointStore *self, const char *from, const char *to,
                            const BerthCheckpointManifest *manifest, GTaskThreadFunc func,
                            GAsyncReadyCallback done, gpointer done_data)
{
  Waiter *waiter = g_new0 (Waiter, 1);
  g_autoptr (GTask) task = g_task_new (self, NULL, job_done_cb, waiter);
  BerthCheckpointJob *job = g_new0 (BerthCheckpointJob, 1);

  waiter->func = done;
  waiter->data = done_data;
  job->disk = berth_checkpoint_disk_ref (self->disk);
  job->from = g_strdup (from);
  job->to = g_strdup (to);
  job->manifest = manifest != NULL ? berth_checkpoint_manifest_copy (manifest) : NULL;
  g_task_set_task_data (task, job, job_free);
  berth_workers_run (self->workers, task, func);
}

/* ---- found again ---- */

static void
scan_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const BerthCheckpointJob *job = task_data;
  GError *error = NULL;
  GPtrArray *all = berth_checkpoint_disk_scan (job->disk, &error);

  BERTH_SYNC_RELEASE (job);
  if (all != NULL)
    g_task_return_pointer (task, all, (GDestroyNotify)g_ptr_array_unref);
  else
    g_task_return_error (task, error);
}

int
berth_checkpoint_compare_times (gconstpointer a, gconstpointer b)
{
  const BerthCheckpoint *first = *(BerthCheckpoint *const *)a;
  const BerthCheckpoint *second = *(BerthCheckpoint *const *)b;

  return (first->manifest->created_us > second->manifest->created_us)
         - (first->manifest->created_us < second->manifest->created_us);
}

static void
scanned_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthCheckpointStore *self = BERTH_CHECKPOINT_STORE (source);
  GError *error = NULL;
  g_autoptr (GPtrArray) found = g_task_propagate_pointer (G_TASK (result), &error);

  if (found == NULL)
    {
      g_clear_pointer (&self->disk, berth_checkpoint_disk_unref);
      g_task_return_error (task, error);
      return;
    }
  for (guint i = 0; i < found->len; i++)
    {
      BerthCheckpointFound *one = found->pdata[i];

      if (one->problem != NULL)
        g_warning ("%s", one->problem);
      else
        g_ptr_array_add (self->all, checkpoint_new (g_steal_pointer (&one->manifest), one->folder,
                                                    one->is_waking));
    }
  g_ptr_array_sort (self->all, berth_checkpoint_compare_times);
  g_task_return_boolean (task, TRUE);
}

void
berth_checkpoint_store_open_async (BerthCheckpointStore *self, const char *dir,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (self->disk == NULL);
  self->disk = berth_checkpoint_disk_new (dir);
  berth_checkpoint_store_run (self, NULL, NULL, NULL, scan_job, scanned_cb,
                              g_task_new (self, NULL, callback, user_data));
}

/* ---- looked for ---- */

static gboolean
is_of (BerthCheckpoint *checkpoint, guint32 uid, const char *sandbox)
{
  return (uid == 0 || checkpoint->manifest->uid == uid)
         && (sandbox == NULL || g_str_equal (checkpoint->manifest->sandbox, sandbox));
}

GPtrArray *
berth_checkpoint_store_list (BerthCheckpointStore *self, guint32 uid, const char *sandbox)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < self->all->len; i++)
    if (is_of (self->all->pdata[i], uid, sandbox))
      g_ptr_array_add (list, g_object_ref (self->all->pdata[i]));
  return list;
}

static BerthCheckpoint *
store_look_up (BerthCheckpointStore *self, BerthCheckpointKind kind, guint32 uid,
               const char *sandbox, const char *name)
{
  for (guint i = 0; i < self->all->len; i++)
    {
      BerthCheckpoint *checkpoint = self->all->pdata[i];

      if (checkpoint->manifest->kind == kind && is_of (checkpoint, uid, sandbox)
          && g_str_equal (checkpoint->manifest->name, name))
        return checkpoint;
    }
  return NULL;
}

static void
set_unknown_error (BerthCheckpointStore *self, guint32 uid, const char *sandbox, const char *name,
                   GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  for (guint i = 0; i < self->all->len && known->len < 400; i++)
    {
      BerthCheckpoint *checkpoint = self->all->pdata[i];

      if (checkpoint->manifest->kind == BERTH_CHECKPOINT_NAMED && is_of (checkpoint, uid, sandbox))
        g_string_append_printf (known, "%s%s", known->len > 0 ? ", " : "",
                                checkpoint->manifest->name);
    }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "sandbox %.64s has no checkpoint %.128s; it has %s", sandbox, name,
               known->len > 0 ? known->str : "none (berth checkpoint ID NAME makes one)");
}

BerthCheckpoint *
berth_checkpoint_store_find (BerthCheckpointStore *self, guint32 uid, const char *sandbox,
                             const char *name, GError **error)
{
  BerthCheckpoint *found;

  if (!berth_checkpoint_name_check (name, error))
    return NULL;
  found = store_look_up (self, BERTH_CHECKPOINT_NAMED, uid, sandbox, name);
  if (found == NULL)
    set_unknown_error (self, uid, sandbox, name, error);
  return found;
}

BerthCheckpoint *
berth_checkpoint_store_find_asleep (BerthCheckpointStore *self, const char *sandbox)
{
  return store_look_up (self, BERTH_CHECKPOINT_ASLEEP, 0, sandbox, "");
}

/* What there is, and what is taken for what comes. @uid: 0: of all */
static BerthCheckpointTotals
store_count (BerthCheckpointStore *self, guint32 uid)
{
  BerthCheckpointTotals totals = { 0 };

  for (guint i = 0; i < self->all->len; i++)
    {
      const BerthCheckpoint *checkpoint = self->all->pdata[i];

      if (uid != 0 && checkpoint->manifest->uid != uid)
        continue;
      totals.count++;
      totals.bytes += checkpoint->manifest->bytes;
    }
  for (guint i = 0; i < self->drafts->len; i++)
    {
      const BerthCheckpointDraft *draft = self->drafts->pdata[i];

      if (uid != 0 && draft->uid != uid)
        continue;
      totals.count++;
      totals.bytes += draft->bytes;
    }
  return totals;
}

BerthCheckpointTotals
berth_checkpoint_store_get_totals (BerthCheckpointStore *self)
{
  BerthCheckpointTotals totals = { .count = self->all->len };

  for (guint i = 0; i < self->all->len; i++)
    totals.bytes += ((BerthCheckpoint *)self->all->pdata[i])->manifest->bytes;
  return totals;
}

GHashTable *
berth_checkpoint_store_dup_bases (BerthCheckpointStore *self)
{
  GHashTable *bases = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < self->all->len; i++)
    g_hash_table_add (bases,
                      g_strdup (((BerthCheckpoint *)self->all->pdata[i])->manifest->base_sum));
  for (guint i = 0; i < self->drafts->len; i++)
    {
      const BerthCheckpointDraft *draft = self->drafts->pdata[i];

      if (draft->base != NULL)
        g_hash_table_add (bases, g_strdup (draft->base));
    }
  return bases;
}

/* ---- one is kept ---- */

static gboolean
has_folder (GPtrArray *checkpoints, const char *folder)
{
  for (guint i = 0; i < checkpoints->len; i++)
    if (g_str_equal (((BerthCheckpoint *)checkpoints->pdata[i])->folder, folder))
      return TRUE;
  return FALSE;
}

static gboolean
store_has_draft (BerthCheckpointStore *self, const char *folder)
{
  for (guint i = 0; i < self->drafts->len; i++)
    if (g_str_equal (((BerthCheckpointDraft *)self->drafts->pdata[i])->folder, folder))
      return TRUE;
  return FALSE;
}

static gboolean
store_check_name (BerthCheckpointStore *self, const BerthCheckpointManifest *manifest,
                  const char *folder, GError **error)
{
  if (self->disk == NULL)
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                         "no checkpoint can be kept: its folder can't be used, and berthd's log "
                         "says why; set checkpoint_dir to one that can");
  else if (has_folder (self->all, folder))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "sandbox %s has a checkpoint %s already: choose another name, or remove it (berth "
                 "checkpoint remove)",
                 manifest->sandbox, manifest->name);
  else if (has_folder (self->leaving, folder) || store_has_draft (self, folder))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "sandbox %s: its checkpoint %s is being made or removed: ask again in a second",
                 manifest->sandbox, manifest->name);
  else
    return TRUE;
  return FALSE;
}

static gboolean
fail_full (guint count, const char *whose, const char *setting, GError **error)
{
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY,
               "there is no room for another checkpoint: %s has %u; remove one (berth checkpoint "
               "remove), or have %s raised",
               whose, count, setting);
  return FALSE;
}

/* *@out_left: bytes that may be written */
static gboolean
store_check_room (BerthCheckpointStore *self, guint32 uid, guint64 *out_left, GError **error)
{
  const BerthCheckpointLimits *limits = &self->limits;
  BerthCheckpointTotals all = store_count (self, 0);
  BerthCheckpointTotals user = uid != 0 ? store_count (self, uid) : all;
  gboolean is_limited = uid != 0; /* root's are bounded with all */

  if (is_limited && user.count >= limits->user_count)
    return fail_full (user.count, "this user", "checkpoints_per_user", error);
  if (is_limited && user.bytes >= limits->user_bytes)
    return fail_full (user.count, "this user", "checkpoint_user_mb", error);
  if (all.count >= limits->count)
    return fail_full (all.count, "this host", "checkpoints", error);
  if (all.bytes >= limits->bytes)
    return fail_full (all.count, "this host", "checkpoint_mb", error);
  *out_left = limits->bytes - all.bytes;
  if (is_limited)
    *out_left = MIN (*out_left, limits->user_bytes - user.bytes);
  return TRUE;
}

/* What a new file is to be, and whose */
static void
begin_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthCheckpointJob *job = task_data;
  GError *error = NULL;
  int fd = berth_checkpoint_disk_begin (job->disk, job->to, &job->from, &error);

  berth_checkpoint_job_end_with_fd (task, fd, error);
}

static void
begun_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthCheckpointStore *self = BERTH_CHECKPOINT_STORE (source);
  BerthCheckpointDraft *draft = g_task_get_task_data (task);
  BerthCheckpointJob *job = g_task_get_task_data (G_TASK (result));
  GError *error = NULL;

  draft->fd = (int)g_task_propagate_int (G_TASK (result), &error);
  draft->part = g_strdup (job->from);
  if (error == NULL)
    {
      g_task_return_pointer (task, draft, NULL);
      return;
    }
  g_ptr_array_remove (self->drafts, draft);
  g_task_return_error (task, error);
}

void
berth_checkpoint_store_begin_async (BerthCheckpointStore *self,
                                    const BerthCheckpointManifest *manifest, guint64 most_bytes,
                                    GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autofree char *folder = berth_checkpoint_disk_make_name (manifest, FALSE);
  BerthCheckpointDraft *draft;
  GError *error = NULL;
  guint64 left;

  g_task_set_source_tag (task, berth_checkpoint_store_begin_async);
  if (!store_check_name (self, manifest, folder, &error)
      || !store_check_room (self, manifest->uid, &left, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  draft = g_new0 (BerthCheckpointDraft, 1);
  draft->uid = manifest->uid;
  draft->folder = g_steal_pointer (&folder);
  draft->bytes = MIN (most_bytes, left);
  draft->fd = -1;
  g_ptr_array_add (self->drafts, draft);
  g_task_set_task_data (task, draft, NULL);
  berth_checkpoint_store_run (self, NULL, draft->folder, NULL, begin_job, begun_cb,
                              g_steal_pointer (&task));
}

BerthCheckpointDraft *
berth_checkpoint_store_begin_finish (BerthCheckpointStore *self, GAsyncResult *result,
                                     GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

int
berth_checkpoint_draft_get_fd (BerthCheckpointDraft *self)
{
  return self->fd;
}

guint64
berth_checkpoint_draft_get_max_bytes (BerthCheckpointDraft *self)
{
  return self->bytes;
}

static void
discard_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const BerthCheckpointJob *job = task_data;

  berth_checkpoint_disk_discard (job->disk, job->from);
  berth_checkpoint_job_end (task, TRUE, NULL);
}

void
berth_checkpoint_store_abandon (BerthCheckpointStore *self, BerthCheckpointDraft *draft)
{
  if (self->workers != NULL) /* else the next berthd clears it away */
    berth_checkpoint_store_run (self, draft->part, NULL, NULL, discard_job, NULL, NULL);
  g_ptr_array_remove (self->drafts, draft);
}

static void
commit_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthCheckpointJob *job = task_data;
  GError *error = NULL;
  gboolean ok = berth_checkpoint_disk_commit (job->disk, job->from, job->to, job->manifest, &error);

  berth_checkpoint_job_end (task, ok, error);
}

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthCheckpointStore *self = BERTH_CHECKPOINT_STORE (source);
  BerthCheckpointDraft *draft = g_task_get_task_data (task);
  BerthCheckpointJob *job = g_task_get_task_data (G_TASK (result));
  BerthCheckpoint *checkpoint;
  GError *error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      berth_checkpoint_store_abandon (self, draft);
      g_task_return_error (task, error);
      return;
    }
  g_ptr_array_remove (self->drafts, draft);
  checkpoint = checkpoint_new (g_steal_pointer (&job->manifest), job->to, FALSE);
  g_ptr_array_add (self->all, checkpoint);
  g_task_return_pointer (task, g_object_ref (checkpoint), g_object_unref);
}

void
berth_checkpoint_store_commit_async (BerthCheckpointStore *self, BerthCheckpointDraft *draft,
                                     const BerthCheckpointManifest *manifest,
                                     GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, berth_checkpoint_store_commit_async);
  draft->base = g_strdup (manifest->base_sum);
  g_task_set_task_data (task, draft, NULL);
  berth_checkpoint_store_run (self, draft->part, draft->folder, manifest, commit_job, committed_cb,
                              task);
}

BerthCheckpoint *
berth_checkpoint_store_commit_finish (BerthCheckpointStore *self, GAsyncResult *result,
                                      GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lint: caller-fd: files of berth's own */
/* The folder of all checkpoints. One that is there has its last name, and everything of it reached
 * the disk before it got that; what has another name was begun, or is on its way out. */
#include "plugin/checkpoint/berth-checkpoint-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-sha256.h"
#include "plugin/snapshot/berth-snapshot-folder.h"
#include "pool/berth-error.h"
#include "pool/berth-sync.h"

#define SETTING "checkpoint_dir"
#define STATE "state"
#define MANIFEST "manifest"
#define PART ".part"
#define GONE ".gone"
#define ASLEEP ".asleep"
#define WAKING ".waking"
#define READ_SIZE (1024 * 1024)

struct _BerthCheckpointDisk
{
  gatomicrefcount ref_count;
  char *dir;
};

void
berth_checkpoint_found_free (BerthCheckpointFound *self)
{
  g_free (self->folder);
  g_clear_pointer (&self->manifest, berth_checkpoint_manifest_free);
  g_free (self->problem);
  g_free (self);
}

BerthCheckpointDisk *
berth_checkpoint_disk_new (const char *dir)
{
  BerthCheckpointDisk *self = g_new0 (BerthCheckpointDisk, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->dir = g_strdup (dir);
  return self;
}

BerthCheckpointDisk *
berth_checkpoint_disk_ref (BerthCheckpointDisk *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
berth_checkpoint_disk_unref (BerthCheckpointDisk *self)
{
  BERTH_SYNC_RELEASE (self);
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  BERTH_SYNC_ACQUIRE (self);
  g_free (self->dir);
  g_free (self);
}

char *
berth_checkpoint_disk_make_name (const BerthCheckpointManifest *manifest, gboolean is_waking)
{
  /* neither an id nor a name has a point */
  if (manifest->kind == BERTH_CHECKPOINT_ASLEEP)
    return g_strconcat (manifest->sandbox, is_waking ? WAKING : ASLEEP, NULL);
  return g_strdup_printf ("%s-%s", manifest->sandbox, manifest->name);
}

/* With errno as the cause */
static int
fail (BerthCheckpointDisk *self, const char *folder, GError **error)
{
  const char *cause = g_strerror (errno);

  if (errno == ENOSPC)
    cause = "the disk is full; make room, or have checkpoint_dir set to a folder on another one";
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "%s/%s: %s", self->dir, folder, cause);
  return -1;
}

static gboolean
fail_changed (BerthCheckpointDisk *self, const char *folder, const char *what, GError **error)
{
  g_set_error (
      error, BERTH_ERROR, BERTH_ERROR_CONFIG,
      "%s/%s: %s: somebody changed it, or the disk did; it can't be used, remove it (berth "
      "checkpoint remove; of a hibernated sandbox, berth destroy)",
      self->dir, folder, what);
  return FALSE;
}

static int
disk_open (BerthCheckpointDisk *self, GError **error)
{
  g_autoptr (GError) reason = NULL;
  int store = berth_snapshot_folder_open_store (SETTING, self->dir, FALSE, &reason);

  if (store < 0 && reason == NULL)
    return fail (self, "", error);
  if (store < 0)
    g_propagate_error (error, g_steal_pointer (&reason));
  return store;
}

/* ---- what lies there ---- */

static BerthCheckpointManifest *
read_manifest (int folder, GError **error)
{
  gsize length = 0;
  g_autofree char *text = berth_snapshot_folder_read (folder, MANIFEST, &length);

  if (text != NULL)
    return berth_checkpoint_manifest_parse (text, length, error);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "its manifest can't be read: %s",
               g_strerror (errno));
  return NULL;
}

static gboolean
has_state (int folder, guint64 bytes)
{
  struct stat status;

  return fstatat (folder, STATE, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (status.st_mode)
         && (guint64)status.st_size == bytes;
}

static char *
read_one (int store, BerthCheckpointFound *found)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = NULL;
  int folder = berth_snapshot_folder_open (store, found->folder);
  gboolean is_whole;

  if (folder < 0)
    return g_strdup (g_strerror (errno));
  found->manifest = read_manifest (folder, &error);
  is_whole = found->manifest != NULL && has_state (folder, found->manifest->bytes);
  close (folder);
  if (found->manifest == NULL)
    return g_strdup (error->message);
  expected = berth_checkpoint_disk_make_name (found->manifest, found->is_waking);
  if (!g_str_equal (found->folder, expected))
    return g_strdup ("its manifest is another's");
  return is_whole ? NULL : g_strdup ("its state is not all there");
}

static BerthCheckpointFound *
found_new (BerthCheckpointDisk *self, int store, const char *name)
{
  BerthCheckpointFound *found = g_new0 (BerthCheckpointFound, 1);
  g_autofree char *problem = NULL;

  found->folder = g_strdup (name);
  found->is_waking = g_str_has_suffix (name, WAKING);
  problem = read_one (store, found);
  if (problem != NULL)
    found->problem = g_strdup_printf ("%s/%s is left alone: %s", self->dir, name, problem);
  return found;
}

static gboolean
is_left_over (const char *name)
{
  return g_str_has_suffix (name, PART) || g_str_has_suffix (name, GONE);
}

GPtrArray *
berth_checkpoint_disk_scan (BerthCheckpointDisk *self, GError **error)
{
  g_autoptr (GError) reason = NULL;
  int store = berth_snapshot_folder_open_store (SETTING, self->dir, FALSE, &reason);
  g_autoptr (GPtrArray) names = NULL;
  GPtrArray *all;

  if (store < 0 && reason != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&reason));
      return NULL;
    }
  all = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_checkpoint_found_free);
  names = store >= 0 ? berth_snapshot_folder_list (store) : g_ptr_array_new ();
  for (guint i = 0; i < names->len; i++)
    if (is_left_over (names->pdata[i]))
      berth_snapshot_folder_remove (store, names->pdata[i]);
    else
      g_ptr_array_add (all, found_new (self, store, names->pdata[i]));
  if (store >= 0)
    close (store);
  return all;
}

/* ---- one is kept ---- */

/* Nobody but berthd's user: the state has all that was in the guest's memory. */
static int
make_state (int store, const char *part)
{
  int folder = berth_snapshot_folder_make (store, part);
  int fd = -1;

  if (folder < 0)
    return -1;
  if (fchmod (folder, 0700) == 0)
    fd = openat (folder, STATE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  close (folder);
  return fd;
}

int
berth_checkpoint_disk_begin (BerthCheckpointDisk *self, const char *folder, char **out_part,
                             GError **error)
{
  int store = berth_snapshot_folder_open_store (SETTING, self->dir, TRUE, error);
  /* one of this name may be on its way out */
  g_autofree char *part = g_strdup_printf ("%s.%08x" PART, folder, g_random_int ());
  int fd = store >= 0 ? make_state (store, part) : -1;

  if (store >= 0 && fd < 0)
    {
      fail (self, part, error);
      berth_snapshot_folder_remove (store, part);
    }
  if (store >= 0)
    close (store);
  if (fd >= 0)
    *out_part = g_steal_pointer (&part);
  return fd;
}

/* (nullable): of all that can be read of it */
static char *
sum_up (int fd, guint64 *out_bytes)
{
  struct sha256_ctx sum;
  g_autofree guchar *bytes = g_malloc (READ_SIZE);
  guint64 count = 0;
  gssize got;

  sha256_init (&sum);
  while ((got = pread (fd, bytes, READ_SIZE, (off_t)count)) > 0)
    {
      sha256_update (&sum, (gsize)got, bytes);
      count += (guint64)got;
    }
  *out_bytes = count;
  return got == 0 ? berth_sha256_finish (&sum) : NULL;
}

static gboolean
write_through (int folder, BerthCheckpointManifest *manifest)
{
  int fd = openat (folder, STATE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  g_autofree char *text = NULL;
  gsize length;

  g_clear_pointer (&manifest->sum, g_free);
  if (fd >= 0 && fsync (fd) == 0)
    manifest->sum = sum_up (fd, &manifest->bytes);
  if (fd >= 0)
    close (fd);
  if (manifest->sum == NULL)
    return FALSE;
  text = berth_checkpoint_manifest_to_text (manifest, &length);
  return berth_snapshot_folder_write (folder, MANIFEST, text, length) && fsync (folder) == 0;
}

gboolean
berth_checkpoint_disk_commit (BerthCheckpointDisk *self, const char *part, const char *folder,
                              BerthCheckpointManifest *manifest, GError **error)
{
  int store = disk_open (self, error);
  int fd = store >= 0 ? berth_snapshot_folder_open (store, part) : -1;
  gboolean is_named = fd >= 0 && write_through (fd, manifest)
                      && renameat2 (store, part, store, folder, RENAME_NOREPLACE) == 0;
  gboolean ok = is_named && fsync (store) == 0;

  if (!ok && store >= 0)
    fail (self, folder, error);
  if (is_named && !ok)
    berth_snapshot_folder_remove (store, folder);
  if (fd >= 0)
    close (fd);
  if (store >= 0)
    close (store);
  return ok;
}

void
berth_checkpoint_disk_discard (BerthCheckpointDisk *self, const char *part)
{
  int store = disk_open (self, NULL);

  if (store < 0)
    return;
  berth_snapshot_folder_remove (store, part);
  close (store);
}

/* ---- one is used ---- */

static int
open_state (BerthCheckpointDisk *self, const char *name, GError **error)
{
  int store = disk_open (self, error);
  int folder = store >= 0 ? berth_snapshot_folder_open (store, name) : -1;
  int fd = folder >= 0 ? openat (folder, STATE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;

  if (store >= 0 && fd < 0)
    fail (self, name, error);
  if (folder >= 0)
    close (folder);
  if (store >= 0)
    close (store);
  return fd;
}

int
berth_checkpoint_disk_open (BerthCheckpointDisk *self, const char *folder,
                            const BerthCheckpointManifest *manifest, GError **error)
{
  int fd = open_state (self, folder, error);
  guint64 bytes = 0;
  g_autofree char *sum = fd >= 0 ? sum_up (fd, &bytes) : NULL;

  if (fd < 0)
    return -1;
  if (sum == NULL)
    fail (self, folder, error);
  else if (bytes != manifest->bytes || g_strcmp0 (sum, manifest->sum) != 0)
    fail_changed (self, folder, "its state is not what was written", error);
  else
    return fd;
  close (fd);
  return -1;
}

gboolean
berth_checkpoint_disk_rename (BerthCheckpointDisk *self, const char *from, const char *to,
                              GError **error)
{
  int store = disk_open (self, error);
  gboolean is_named = store >= 0 && renameat2 (store, from, store, to, RENAME_NOREPLACE) == 0;
  gboolean ok = is_named && fsync (store) == 0;

  if (store >= 0 && !ok)
    fail (self, from, error);
  if (is_named && !ok) /* who is told that it failed knows it by its old name */
    renameat2 (store, to, store, from, RENAME_NOREPLACE);
  if (store >= 0)
    close (store);
  return ok;
}

/* Half of one would be found as one that somebody changed. */
gboolean
berth_checkpoint_disk_remove (BerthCheckpointDisk *self, const char *folder, GError **error)
{
  g_autofree char *gone = g_strdup_printf ("%s.%08x" GONE, folder, g_random_int ());

  if (!berth_checkpoint_disk_rename (self, folder, gone, error))
    return FALSE;
  berth_checkpoint_disk_discard (self, gone);
  return TRUE;
}

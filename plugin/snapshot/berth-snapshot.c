/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lint: caller-fd: files of berth's own */
/* A snapshot on disk: RAM, device state, manifest. */
#include "plugin/snapshot/berth-snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-key-file.h"
#include "plugin/base/berth-sha256.h"
#include "plugin/snapshot/berth-snapshot-folder.h"
#include "pool/berth-error.h"

#define SETTING "snapshot_dir"
#define GROUP "snapshot"
#define FORMAT 1
#define KEY_SHORT 16 /* characters of the key in the folder's name */
#define UNFINISHED ".part"
#define MANIFEST "manifest"
#define RAM_SUM "ram-sha256" /* in there, of the first of the files */
/* the same of one that is not used any more, while its clones still read the files beside it */
#define RETIRED "manifest.retired"
/* a file in its folder, with the name of a berthd behind: its checkpoints need the RAM, whatever
 * becomes of the snapshot */
#define KEPT "kept-"
/* of the folder of one that is there for checkpoints alone */
#define BASE ".base"
#define READ_SIZE (1024 * 1024)
#define TENANT_MARK "@" /* between template and tenant; neither name may have it */

static const char *const file_names[] = { "ram", "state" };
typedef enum
{
  FILE_RAM,
  FILE_STATE,
  FILES,
} FileIndex;

struct _BerthSnapshot
{
  gatomicrefcount ref_count;
  int store;        /* the folder of all snapshots */
  int folder;       /* its own in there; -1 before there is one */
  char *final_name; /* of its own folder once committed */
  char *name;       /* of its own folder now */
  char *store_path;
  char *dir; /* where it lies now, for QEMU and for messages */
  char *key;
  char *hardware; /* (nullable) before it is set */
  char *paths[FILES];
  char *ram_sum;           /* (nullable) before it is committed or checked */
  struct stat seen[FILES]; /* as they were when committed or checked */
  gboolean is_committed;
  int is_retired; /* atomic */
};

static void
snapshot_set_name (BerthSnapshot *self, const char *name)
{
  g_free (self->name);
  self->name = g_strdup (name);
  g_free (self->dir);
  self->dir = g_build_filename (self->store_path, name, NULL);
  for (guint i = 0; i < FILES; i++)
    {
      g_free (self->paths[i]);
      self->paths[i] = g_build_filename (self->dir, file_names[i], NULL);
    }
}

char *
berth_snapshot_make_name (const char *template_name, const char *tenant_key)
{
  return tenant_key != NULL ? g_strconcat (template_name, TENANT_MARK, tenant_key, NULL)
                            : g_strdup (template_name);
}

char *
berth_snapshot_split_name (const char *name, char **out_tenant_key)
{
  g_auto (GStrv) parts = g_strsplit (name, TENANT_MARK, 2);

  if (out_tenant_key != NULL)
    *out_tenant_key = g_strdup (parts[0] != NULL ? parts[1] : NULL);
  return g_strdup (parts[0]);
}

/* Takes over @store. */
static BerthSnapshot *
snapshot_new (int store, const char *store_path, const char *name, const char *key)
{
  BerthSnapshot *self = g_new0 (BerthSnapshot, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->store = store;
  self->folder = -1;
  self->store_path = g_strdup (store_path);
  self->key = g_strdup (key);
  self->final_name = g_strdup_printf ("%s-%.*s", name, KEY_SHORT, key);
  snapshot_set_name (self, self->final_name);
  return self;
}

BerthSnapshot *
berth_snapshot_ref (BerthSnapshot *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static gboolean
fail (GError **error, const char *path, const char *what)
{
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "%s: %s", path, what);
  return FALSE;
}

static gboolean
fail_spoilt (GError **error, const char *path, const char *what)
{
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_GONE, "%s: %s", path, what);
  return FALSE;
}

static gboolean
fail_errno (GError **error, const char *path)
{
  return fail (error, path, g_strerror (errno));
}

static GKeyFile *
read_manifest (int folder, const char *name, GError **error)
{
  g_autoptr (GKeyFile) manifest = g_key_file_new ();
  gsize length = 0;
  g_autofree char *text = berth_snapshot_folder_read (folder, name, &length);

  if (text == NULL)
    {
      fail_errno (error, name);
      return NULL;
    }
  return g_key_file_load_from_data (manifest, text, length, G_KEY_FILE_NONE, error)
             ? g_steal_pointer (&manifest)
             : NULL;
}

/* (nullable): of the RAM of a snapshot that is there, or was and is not used any more */
static char *
read_ram_sum (int folder)
{
  g_autoptr (GKeyFile) manifest = read_manifest (folder, MANIFEST, NULL);

  if (manifest == NULL)
    manifest = read_manifest (folder, RETIRED, NULL);
  return manifest != NULL ? berth_key_file_dup_string (manifest, GROUP, RAM_SUM) : NULL;
}

static char *
make_base_name (const char *final_name, const char *sum)
{
  return g_strdup_printf ("%s.%.*s" BASE, final_name, KEY_SHORT, sum);
}

static gboolean
is_kept (int folder)
{
  g_autoptr (GPtrArray) files = berth_snapshot_folder_list (folder);

  for (guint i = 0; i < files->len; i++)
    if (g_str_has_prefix (files->pdata[i], KEPT))
      return TRUE;
  return FALSE;
}

/* Makes room where the folder @name is: what checkpoints need of it is put aside, which changes no
 * file in it. */
static void
discard (int store, const char *name)
{
  int folder = berth_snapshot_folder_open (store, name);
  g_autofree char *sum = folder >= 0 && is_kept (folder) ? read_ram_sum (folder) : NULL;
  g_autofree char *aside = sum != NULL ? make_base_name (name, sum) : NULL;

  if (folder >= 0)
    close (folder);
  if (aside == NULL || g_str_has_suffix (name, BASE) || renameat (store, name, store, aside) != 0)
    berth_snapshot_folder_remove (store, name);
}

/* A newer one may lie in the place of one that is still held by its clones. */
static gboolean
snapshot_owns_folder (BerthSnapshot *self)
{
  return berth_snapshot_folder_is (self->store, self->name, self->folder);
}

void
berth_snapshot_unref (BerthSnapshot *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  if ((!self->is_committed || g_atomic_int_get (&self->is_retired)) && snapshot_owns_folder (self))
    discard (self->store, self->name);
  if (self->folder >= 0)
    close (self->folder);
  close (self->store);
  for (guint i = 0; i < FILES; i++)
    g_free (self->paths[i]);
  g_free (self->final_name);
  g_free (self->name);
  g_free (self->store_path);
  g_free (self->dir);
  g_free (self->key);
  g_free (self->hardware);
  g_free (self->ram_sum);
  g_free (self);
}

void
berth_snapshot_retire (BerthSnapshot *self)
{
  if (g_atomic_int_compare_and_exchange (&self->is_retired, FALSE, TRUE) && self->folder >= 0)
    renameat (self->folder, MANIFEST, self->folder, RETIRED);
}

gboolean
berth_snapshot_is_retired (BerthSnapshot *self)
{
  return g_atomic_int_get (&self->is_retired);
}

gboolean
berth_snapshot_is_committed (BerthSnapshot *self)
{
  return self->is_committed;
}

const char *
berth_snapshot_get_key (BerthSnapshot *self)
{
  return self->key;
}

void
berth_snapshot_set_hardware (BerthSnapshot *self, const char *hardware)
{
  g_return_if_fail (!self->is_committed);
  g_free (self->hardware); /* of a recording that failed */
  self->hardware = g_strdup (hardware);
}

gboolean
berth_snapshot_check_hardware (BerthSnapshot *self, const char *hardware, GError **error)
{
  if (g_strcmp0 (self->hardware, hardware) == 0)
    return TRUE;
  g_set_error (
      error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
      "%s: was recorded on other hardware or images than its clone would have; a new one is "
      "needed",
      self->dir);
  return FALSE;
}

const char *
berth_snapshot_get_ram_path (BerthSnapshot *self)
{
  return self->paths[FILE_RAM];
}

guint64
berth_snapshot_get_disk_bytes (BerthSnapshot *self)
{
  return 512 * (guint64)(self->seen[FILE_RAM].st_blocks + self->seen[FILE_STATE].st_blocks);
}

int
berth_snapshot_open_state (BerthSnapshot *self, GError **error)
{
  int flags = self->is_committed ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
  int fd;

  /* QEMU has its RAM by its path */
  if (self->is_committed && !snapshot_owns_folder (self))
    {
      fail (error, self->dir, "another has its place");
      return -1;
    }
  fd = openat (self->folder, file_names[FILE_STATE], flags | O_NOFOLLOW | O_CLOEXEC, 0600);

  if (fd < 0)
    fail_errno (error, self->paths[FILE_STATE]);
  return fd;
}

/* On a disk that is full only when the guest writes, QEMU dies of SIGBUS and nobody hears why.
 * FALSE with errno; a file system that can't reserve takes it as it comes. */
int
berth_snapshot_open_scratch (BerthSnapshot *self, GError **error)
{
  int fd = openat (self->store, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

  if (fd < 0)
    fail_errno (error, self->store_path);
  return fd;
}

static gboolean
reserve (int fd, off_t size)
{
  return ftruncate (fd, size) == 0 && (fallocate (fd, 0, 0, size) == 0 || errno == EOPNOTSUPP);
}

static gboolean
snapshot_make_ram (BerthSnapshot *self, guint memory_mb, uid_t uid, gid_t gid, GError **error)
{
  const char *path = self->paths[FILE_RAM];
  int fd = openat (self->folder, file_names[FILE_RAM], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  gboolean ok = fd >= 0 && reserve (fd, (off_t)memory_mb * 1024 * 1024)
                && (geteuid () != 0 || fchown (fd, uid, gid) == 0);

  if (!ok && errno == ENOSPC)
    {
      g_autofree char *reason
          = g_strdup_printf ("%s: a snapshot takes %u MiB; make room, or set snapshot_dir",
                             g_strerror (errno), memory_mb);

      fail (error, path, reason);
    }
  else if (!ok)
    fail_errno (error, path);
  if (fd >= 0)
    close (fd);
  return ok;
}

BerthSnapshot *
berth_snapshot_begin (const char *dir, const char *name, const char *key, guint memory_mb,
                      uid_t owner_uid, gid_t owner_gid, GError **error)
{
  int store = berth_snapshot_folder_open_store (SETTING, dir, TRUE, error);
  g_autoptr (BerthSnapshot) self = NULL;
  g_autofree char *unfinished = NULL;

  if (store < 0)
    return NULL;
  self = snapshot_new (store, dir, name, key);
  unfinished = g_strconcat (self->final_name, UNFINISHED, NULL);
  berth_snapshot_folder_remove (store, unfinished);
  snapshot_set_name (self, unfinished);
  self->folder = berth_snapshot_folder_make (store, unfinished);
  if (self->folder < 0)
    {
      fail_errno (error, self->dir);
      return NULL;
    }
  if (!snapshot_make_ram (self, memory_mb, owner_uid, owner_gid, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* The checksum of a file's contents, after everything of it has reached the disk. */
static char *
snapshot_checksum (BerthSnapshot *self, FileIndex index, GError **error)
{
  struct sha256_ctx sum;
  g_autofree guchar *bytes = g_malloc (READ_SIZE);
  int fd = openat (self->folder, file_names[index], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  gssize got = -1;

  sha256_init (&sum);
  if (fd >= 0 && fsync (fd) == 0)
    while ((got = read (fd, bytes, READ_SIZE)) > 0)
      sha256_update (&sum, (gsize)got, bytes);
  if (got < 0)
    fail_errno (error, self->paths[index]);
  if (fd >= 0)
    close (fd);
  return got == 0 ? berth_sha256_finish (&sum) : NULL;
}

static gboolean
snapshot_stat (BerthSnapshot *self, FileIndex index, struct stat *out_status)
{
  return fstatat (self->folder, file_names[index], out_status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Takes @sum over. */
static void
snapshot_set_ram_sum (BerthSnapshot *self, char *sum)
{
  g_free (self->ram_sum);
  self->ram_sum = sum;
}

static gboolean
manifest_add_file (GKeyFile *manifest, BerthSnapshot *self, FileIndex index, GError **error)
{
  const char *name = file_names[index];
  g_autofree char *size_key = g_strconcat (name, "-size", NULL);
  g_autofree char *sum_key = g_strconcat (name, "-sha256", NULL);
  g_autofree char *sum = snapshot_checksum (self, index, error);

  if (sum == NULL)
    return FALSE;
  if (!snapshot_stat (self, index, &self->seen[index]))
    return fail_errno (error, self->paths[index]);
  g_key_file_set_int64 (manifest, GROUP, size_key, self->seen[index].st_size);
  g_key_file_set_string (manifest, GROUP, sum_key, sum);
  if (index == FILE_RAM)
    snapshot_set_ram_sum (self, g_steal_pointer (&sum));
  return TRUE;
}

/* QEMU only reads the RAM from now on, and can no longer do more: not even a QEMU that a guest has
 * broken out into. */
static gboolean
snapshot_seal (BerthSnapshot *self, GError **error)
{
  int fd = openat (self->folder, file_names[FILE_RAM], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  gboolean is_root = geteuid () == 0;
  gboolean ok = fd >= 0 && (!is_root || fchown (fd, 0, (gid_t)-1) == 0)
                && fchmod (fd, is_root ? 0440 : 0400) == 0;

  if (!ok)
    fail_errno (error, self->paths[FILE_RAM]);
  if (fd >= 0)
    close (fd);
  return ok;
}

static gboolean
snapshot_write_manifest (BerthSnapshot *self, GError **error)
{
  g_autoptr (GKeyFile) manifest = g_key_file_new ();
  g_autofree char *text = NULL;
  gsize length;

  g_key_file_set_integer (manifest, GROUP, "format", FORMAT);
  g_key_file_set_string (manifest, GROUP, "key", self->key);
  if (self->hardware != NULL)
    g_key_file_set_string (manifest, GROUP, "hardware", self->hardware);
  for (guint i = 0; i < FILES; i++)
    if (!manifest_add_file (manifest, self, i, error))
      return FALSE;
  text = g_key_file_to_data (manifest, &length, NULL);
  return berth_snapshot_folder_write (self->folder, MANIFEST, text, length)
         || fail_errno (error, self->dir);
}

gboolean
berth_snapshot_commit (BerthSnapshot *self, gboolean is_sealed, GError **error)
{
  if ((is_sealed && !snapshot_seal (self, error)) || !snapshot_write_manifest (self, error))
    return FALSE;
  discard (self->store, self->final_name);
  if (renameat (self->store, self->name, self->store, self->final_name) != 0)
    return fail_errno (error, self->dir);
  snapshot_set_name (self, self->final_name);
  self->is_committed = TRUE;
  /* the rename changed no file, but moved their folder: their times are as noted */
  return TRUE;
}

static gboolean
snapshot_check_file (BerthSnapshot *self, GKeyFile *manifest, FileIndex index, GError **error)
{
  const char *name = file_names[index];
  g_autofree char *size_key = g_strconcat (name, "-size", NULL);
  g_autofree char *sum_key = g_strconcat (name, "-sha256", NULL);
  g_autofree char *expected = berth_key_file_dup_string (manifest, GROUP, sum_key);
  g_autofree char *sum = NULL;

  if (expected == NULL)
    return fail_spoilt (error, self->paths[index], "its sum is not in the manifest");
  if (!snapshot_stat (self, index, &self->seen[index]))
    return fail_errno (error, self->paths[index]);
  if (self->seen[index].st_size != g_key_file_get_int64 (manifest, GROUP, size_key, NULL))
    return fail_spoilt (error, self->paths[index], "its size is not the manifest's");
  sum = snapshot_checksum (self, index, error);
  if (sum == NULL)
    return FALSE;
  if (!g_str_equal (sum, expected))
    return fail_spoilt (error, self->paths[index], "its contents are not the manifest's");
  if (index == FILE_RAM)
    snapshot_set_ram_sum (self, g_steal_pointer (&sum));
  return TRUE;
}

static gboolean
snapshot_check (BerthSnapshot *self, GKeyFile *manifest, GError **error)
{
  g_autofree char *key = berth_key_file_dup_string (manifest, GROUP, "key");

  if (g_key_file_get_integer (manifest, GROUP, "format", NULL) != FORMAT
      || g_strcmp0 (key, self->key) != 0)
    return fail (error, self->dir, "its manifest is of another kind");
  self->hardware = berth_key_file_dup_string (manifest, GROUP, "hardware");
  for (guint i = 0; i < FILES; i++)
    if (!snapshot_check_file (self, manifest, i, error))
      return FALSE;
  return TRUE;
}

static gboolean
snapshot_load (BerthSnapshot *self, const char *name, GError **error)
{
  g_autoptr (GKeyFile) manifest = read_manifest (self->folder, name, error);

  g_prefix_error (error, "%s: ", self->dir);
  return manifest != NULL && snapshot_check (self, manifest, error);
}

BerthSnapshot *
berth_snapshot_open (const char *dir, const char *name, const char *key, GError **error)
{
  int store = berth_snapshot_folder_open_store (SETTING, dir, FALSE, error);
  g_autoptr (BerthSnapshot) self = NULL;

  if (store < 0)
    return NULL;
  self = snapshot_new (store, dir, name, key);
  self->is_committed = TRUE;
  self->folder = berth_snapshot_folder_open (store, self->name);
  if (self->folder < 0 || faccessat (self->folder, RETIRED, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
    return NULL;
  if (!snapshot_load (self, MANIFEST, error))
    {
      g_prefix_error (error, "the snapshot of %s is thrown away: ", name);
      berth_snapshot_retire (self);
      return NULL;
    }
  return g_steal_pointer (&self);
}

/* ---- for checkpoints ---- */

gboolean
berth_snapshot_keep (BerthSnapshot *self, const char *who, GError **error)
{
  g_autofree char *name = g_strconcat (KEPT, who, NULL);
  int fd = openat (self->folder, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  gboolean ok = fd >= 0 && fsync (self->folder) == 0;

  if (!ok)
    fail_errno (error, self->dir);
  if (fd >= 0)
    close (fd);
  return ok;
}

const char *
berth_snapshot_get_ram_sum (BerthSnapshot *self)
{
  return self->ram_sum;
}

gboolean
berth_snapshot_is_in_place (BerthSnapshot *self)
{
  return snapshot_owns_folder (self);
}

int
berth_snapshot_open_ram (BerthSnapshot *self, GError **error)
{
  int fd = openat (self->folder, file_names[FILE_RAM], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

  if (fd < 0)
    fail_errno (error, self->paths[FILE_RAM]);
  return fd;
}

static gboolean
snapshot_load_base (BerthSnapshot *self, const char *folder_name, const char *sum)
{
  g_autofree char *found = NULL;

  snapshot_set_name (self, folder_name);
  self->folder = berth_snapshot_folder_open (self->store, folder_name);
  found = self->folder >= 0 ? read_ram_sum (self->folder) : NULL;
  if (g_strcmp0 (found, sum) == 0)
    return TRUE;
  if (self->folder >= 0)
    close (self->folder);
  self->folder = -1;
  return FALSE;
}

static gboolean
snapshot_find_base (BerthSnapshot *self, const char *sum, GError **error)
{
  g_autofree char *aside = make_base_name (self->final_name, sum);
  const char *name;

  if (!snapshot_load_base (self, self->final_name, sum) && !snapshot_load_base (self, aside, sum))
    return fail (error, self->dir, "the snapshot that it differs from is not there any more");
  name = faccessat (self->folder, MANIFEST, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? MANIFEST : RETIRED;
  return snapshot_load (self, name, error);
}

BerthSnapshot *
berth_snapshot_open_base (const char *dir, const char *name, const char *key, const char *sum,
                          GError **error)
{
  g_autoptr (GError) reason = NULL;
  int store = berth_snapshot_folder_open_store (SETTING, dir, FALSE, &reason);
  g_autoptr (BerthSnapshot) self = NULL;

  if (store >= 0)
    {
      self = snapshot_new (store, dir, name, key);
      self->is_committed = TRUE;
      if (snapshot_find_base (self, sum, error))
        return g_steal_pointer (&self);
    }
  else if (reason != NULL)
    g_propagate_error (error, g_steal_pointer (&reason));
  else
    fail (error, dir, "is not there any more");
  return NULL;
}

static void
release_base (int store, const char *name, const char *kept, GHashTable *sums)
{
  int folder = berth_snapshot_folder_open (store, name);
  g_autofree char *sum = NULL;
  gboolean is_needed;

  if (folder < 0)
    return;
  sum = read_ram_sum (folder);
  is_needed = sum != NULL && g_hash_table_contains (sums, sum);
  if (!is_needed)
    unlinkat (folder, kept, 0);
  is_needed = is_needed || is_kept (folder); /* by another berthd's */
  close (folder);
  if (!is_needed && g_str_has_suffix (name, BASE))
    berth_snapshot_folder_remove (store, name);
}

void
berth_snapshot_release_bases (const char *dir, const char *who, GHashTable *sums)
{
  g_autofree char *kept = g_strconcat (KEPT, who, NULL);
  int store = berth_snapshot_folder_open_store (SETTING, dir, FALSE, NULL);
  g_autoptr (GPtrArray) folders = NULL;

  if (store < 0)
    return;
  folders = berth_snapshot_folder_list (store);
  for (guint i = 0; i < folders->len; i++)
    release_base (store, folders->pdata[i], kept, sums);
  close (store);
}

static gboolean
has_changed (const struct stat *seen, const struct stat *now)
{
  /* st_ctime can't be set back by whoever wrote */
  return now->st_ino != seen->st_ino || now->st_size != seen->st_size
         || now->st_ctim.tv_sec != seen->st_ctim.tv_sec
         || now->st_ctim.tv_nsec != seen->st_ctim.tv_nsec;
}

static gboolean
fail_changed (BerthSnapshot *self, FileIndex index, GError **error)
{
  return fail (error, self->paths[index], "somebody changed it after the snapshot was made");
}

gboolean
berth_snapshot_is_intact (BerthSnapshot *self, GError **error)
{
  struct stat now;

  for (guint i = 0; i < FILES; i++)
    {
      if (!snapshot_stat (self, i, &now))
        return fail_errno (error, self->paths[i]);
      if (has_changed (&self->seen[i], &now))
        return fail_changed (self, i, error);
    }
  return TRUE;
}

gboolean
berth_snapshot_was_changed (BerthSnapshot *self, GError **error)
{
  struct stat now;

  if (!self->is_committed)
    return FALSE; /* who records it writes to it */
  for (guint i = 0; i < FILES; i++)
    if (snapshot_stat (self, i, &now) && has_changed (&self->seen[i], &now))
      return !fail_changed (self, i, error);
  return FALSE;
}

gboolean
berth_snapshot_hides_writes (BerthSnapshot *self)
{
  return berth_snapshot_folder_hides_writes (self->folder);
}

/* of a snapshot's folder, "NAME-KEY" or "NAME-KEY.part": the length of its name; 0 for others */
static gsize
name_length (const char *folder)
{
  gsize bare = strlen (folder) - (g_str_has_suffix (folder, UNFINISHED) ? strlen (UNFINISHED) : 0);

  return bare > KEY_SHORT + 1 && folder[bare - KEY_SHORT - 1] == '-' ? bare - KEY_SHORT - 1 : 0;
}

void
berth_snapshot_clean (const char *dir, const char *name, const char *key)
{
  g_autofree char *current = g_strdup_printf ("%s-%.*s", name, KEY_SHORT, key != NULL ? key : "");
  int store = berth_snapshot_folder_open_store (SETTING, dir, FALSE, NULL);
  g_autoptr (GPtrArray) folders = NULL;

  if (store < 0)
    return;
  folders = berth_snapshot_folder_list (store);
  for (guint i = 0; i < folders->len; i++)
    {
      const char *folder = folders->pdata[i];

      /* exactly its name: another one's may begin with it */
      if (name_length (folder) == strlen (name) && g_str_has_prefix (folder, name)
          && !g_str_equal (folder, current))
        discard (store, folder);
    }
  close (store);
}

GPtrArray *
berth_snapshot_list_names (const char *dir)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  int store = berth_snapshot_folder_open_store (SETTING, dir, FALSE, NULL);
  g_autoptr (GPtrArray) folders = NULL;

  if (store < 0)
    return names;
  folders = berth_snapshot_folder_list (store);
  close (store);
  for (guint i = 0; i < folders->len; i++)
    {
      g_autofree char *name = g_strndup (folders->pdata[i], name_length (folders->pdata[i]));

      if (name[0] != '\0' && !g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
        g_ptr_array_add (names, g_steal_pointer (&name));
    }
  return names;
}

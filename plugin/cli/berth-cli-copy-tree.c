/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files and whole folders to and from a sandbox. Links and special files in folders are left out,
 * and so is what can't be carried: the rest is, and the end says which and why. Nothing is written
 * outside of the local path: every name that a guest lists is looked at, and made in the open
 * folder that it belongs to, without following links. */
#include "plugin/cli/berth-cli-copy-tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-atomic-file.h"
#include "plugin/cli/berth-cli-copy-walk.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/model/berth-file-request.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

/* A file of a kernel's own has no size, or one that is not its own, and takes no space. */
#define ODD_SIZE_MAX 65536
/* Of st_blocks, whatever the file system's own are */
#define ST_BLOCK_BYTES 512

/* ---- to the sandbox ---- */

static gboolean put_folder (BerthCopyWalk *self, int fd, const char *local, const char *guest,
                            guint depth, GError **error);

/* What is read to its end: an open file, or what is at a path: a FIFO, a socket, a device */
static gboolean
put_stream (BerthCopyWalk *self, int fd, const char *path, guint32 mode, const char *guest,
            GError **error)
{
  guint64 size = 0;
  int spool = berth_transfer_spool (self->transfer, fd, path, &size, error);
  gboolean ok;

  if (spool < 0)
    return FALSE;
  ok = berth_transfer_put (self->transfer, spool, size, mode, guest, error);
  close (spool);
  return ok;
}

static gboolean
has_holes (const struct stat *info)
{
  return info->st_blocks * ST_BLOCK_BYTES < info->st_size;
}

static gboolean
put_file (BerthCopyWalk *self, int fd, const struct stat *info, const char *guest, GError **error)
{
  if (info->st_blocks == 0 && info->st_size <= ODD_SIZE_MAX)
    return put_stream (self, fd, NULL, info->st_mode, guest, error);
  if (self->batch != NULL && berth_batch_takes ((guint64)info->st_size) && !has_holes (info))
    {
      berth_batch_put (self->batch, fd, (guint64)info->st_size, info->st_mode, guest);
      return TRUE;
    }
  return berth_transfer_put (self->transfer, fd, (guint64)info->st_size, info->st_mode, guest,
                             error);
}

/* @fd is ours to close, -1 where it could not be opened. */
static gboolean
put_entry (BerthCopyWalk *self, int fd, const char *local, const char *guest, guint depth,
           GError **error)
{
  struct stat info;
  gboolean ok = fd >= 0 && fstat (fd, &info) == 0;

  if (!ok)
    berth_copy_walk_fail_local (local, error);
  else if (S_ISDIR (info.st_mode))
    ok = put_folder (self, fd, local, guest, depth + 1, error);
  else if (S_ISREG (info.st_mode))
    ok = put_file (self, fd, &info, guest, error);
  else
    berth_copy_walk_leave_out (self, local);
  if (fd >= 0)
    close (fd);
  return ok;
}

static gboolean
put_child (BerthCopyWalk *self, int folder_fd, const char *name, const char *local,
           const char *guest, guint depth, GError **error)
{
  g_autofree char *local_child = g_build_filename (local, name, NULL);
  g_autofree char *guest_child = g_build_filename (guest, name, NULL);
  struct stat info;

  if (!berth_copy_walk_count (self, local, depth, error))
    return FALSE;
  if (fstatat (folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
    return berth_copy_walk_fail_local (local_child, error);
  if (!S_ISDIR (info.st_mode) && !S_ISREG (info.st_mode))
    {
      berth_copy_walk_leave_out (self, local_child);
      return TRUE;
    }
  return put_entry (self, openat (folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
                    local_child, guest_child, depth, error);
}

static gboolean
put_children (BerthCopyWalk *self, DIR *folder, const char *local, const char *guest, guint depth,
              GError **error)
{
  struct dirent *entry;
  gboolean ok = TRUE;

  while (ok && (entry = readdir (folder)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      {
        GError *failure = NULL;

        put_child (self, dirfd (folder), entry->d_name, local, guest, depth, &failure);
        ok = berth_copy_walk_go_on (self, failure, error);
      }
  return ok;
}

static gboolean
put_folder (BerthCopyWalk *self, int fd, const char *local, const char *guest, guint depth,
            GError **error)
{
  int own = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  DIR *folder = own >= 0 ? fdopendir (own) : NULL;
  struct stat info;
  gboolean ok = TRUE;

  if (folder == NULL || fstat (fd, &info) != 0)
    ok = berth_copy_walk_fail_local (local, error);
  ok = ok && berth_transfer_make_directory (self->transfer, info.st_mode, guest, error);
  if (ok && depth == 1)
    berth_copy_walk_open_batch (self);
  ok = ok && put_children (self, folder, local, guest, depth, error);
  if (depth == 1)
    ok = berth_copy_walk_close_batch (self, ok, error);
  if (folder != NULL)
    closedir (folder);
  else if (own >= 0)
    close (own);
  return ok;
}

static char *
dup_guest_target (const char *local, const char *guest, GError **error)
{
  g_autofree char *name = NULL;

  if (!g_str_has_suffix (guest, "/"))
    return g_strdup (guest);
  name = strcmp (local, "-") != 0 ? berth_copy_walk_dup_name (local) : NULL;
  if (name != NULL)
    return g_build_filename (guest, name, NULL);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "'%s' is a folder, and '%s' has no name of its own: name the file", guest, local);
  return NULL;
}

gboolean
berth_copy_tree_put (BerthTransfer *self, const char *local, const char *guest, GError **error)
{
  g_autofree char *target = dup_guest_target (local, guest, error);
  BerthCopyWalk walk = { .transfer = self };
  gboolean ok;

  if (target == NULL)
    return FALSE;
  if (strcmp (local, "-") == 0)
    ok = put_stream (&walk, STDIN_FILENO, NULL, BERTH_FILE_MODE_DEFAULT, target, error);
  else if (berth_copy_walk_is_special (local))
    ok = put_stream (&walk, -1, local, BERTH_FILE_MODE_DEFAULT, target, error);
  else
    ok = put_entry (&walk, open (local, O_RDONLY | O_NONBLOCK | O_CLOEXEC), local, target, 0,
                    error);
  ok = berth_copy_walk_check (&walk, ok, local, error);
  berth_copy_walk_end (&walk);
  return ok;
}

/* ---- from the sandbox ---- */

static gboolean get_folder (BerthCopyWalk *self, const char *guest, int folder_fd,
                            const char *local, guint depth, GError **error);

/* Of the next file, so that all of them stay within their bound, too */
static guint64
next_max_bytes (const BerthCopyWalk *self)
{
  return MIN (self->transfer->max_bytes, berth_copy_walk_get_left (self));
}

static gboolean
get_file (BerthCopyWalk *self, const char *guest, int folder_fd, const char *name,
          const char *local, GError **error)
{
  guint64 max = next_max_bytes (self);
  g_auto (BerthAtomicFile) landing = BERTH_ATOMIC_FILE_INIT;
  guint64 size = 0;
  guint32 mode;

  if (!berth_atomic_file_open (&landing, folder_fd, local, error)
      || !berth_transfer_get (self->transfer, guest, max, landing.fd, local, &mode, &size, error)
      || !berth_atomic_file_finish (&landing, name, mode, local, error))
    return FALSE;
  self->bytes += size;
  return TRUE;
}

static gboolean
get_subfolder (BerthCopyWalk *self, const char *guest, int folder_fd, const char *name,
               const char *local, guint32 mode, guint depth, GError **error)
{
  gboolean is_new;
  int fd = berth_copy_walk_open_folder (folder_fd, name, local, &is_new, error);
  gboolean ok;

  if (fd < 0)
    return FALSE;
  ok = get_folder (self, guest, fd, local, depth + 1, error);
  if (ok && is_new)
    fchmod (fd, berth_atomic_file_mode (mode) | 0700);
  close (fd);
  return ok;
}

/* What a guest calls a name is one, and comes behind the last. */
static gboolean
check_name (const char *name, const char *after, const char *guest, GError **error)
{
  if (berth_file_name_is_valid (name, strlen (name)) && (after == NULL || strcmp (name, after) > 0))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "folder '%s': what the guest lists is no folder", guest);
  return FALSE;
}

static gboolean
get_child (BerthCopyWalk *self, GVariant *entry, const char *name, const char *guest, int folder_fd,
           const char *local, guint depth, GError **error)
{
  g_autofree char *guest_child = g_build_filename (guest, name, NULL);
  g_autofree char *local_child = g_build_filename (local, name, NULL);
  g_autoptr (BerthFileRequest) request = berth_file_request_new (BERTH_FILE_LIST, guest_child);
  const char *type = "";
  guint32 mode = 0755;
  guint64 size = G_MAXUINT64;

  /* a folder that can't be asked for is not made here either */
  if (!berth_copy_walk_count (self, guest, depth, error)
      || !berth_file_request_check (request, error))
    return FALSE;
  g_variant_lookup (entry, "type", "&s", &type);
  g_variant_lookup (entry, "mode", "u", &mode);
  if (strcmp (type, "directory") == 0)
    return get_subfolder (self, guest_child, folder_fd, name, local_child, mode, depth, error);
  g_variant_lookup (entry, "size", "t", &size);
  if (strcmp (type, "file") == 0 && self->batch != NULL && berth_batch_takes (size))
    {
      berth_batch_get (self->batch, guest_child, next_max_bytes (self), folder_fd, name,
                       local_child);
      return TRUE;
    }
  if (strcmp (type, "file") == 0)
    return get_file (self, guest_child, folder_fd, name, local_child, error);
  berth_copy_walk_leave_out (self, guest_child);
  return TRUE;
}

/* Carries one page of a folder; @last becomes its last name. */
static gboolean
get_page (BerthCopyWalk *self, GVariant *entries, char **last, const char *guest, int folder_fd,
          const char *local, guint depth, GError **error)
{
  for (gsize i = 0; i < g_variant_n_children (entries); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
      const char *name = "";
      GError *failure = NULL;

      g_variant_lookup (entry, "name", "^&ay", &name);
      if (!check_name (name, *last, guest, error))
        return FALSE;
      get_child (self, entry, name, guest, folder_fd, local, depth, &failure);
      if (!berth_copy_walk_go_on (self, failure, error))
        return FALSE;
      g_free (*last);
      *last = g_strdup (name);
    }
  return TRUE;
}

static gboolean
get_pages (BerthCopyWalk *self, const char *guest, int folder_fd, const char *local, guint depth,
           GError **error)
{
  g_autofree char *last = NULL;
  gboolean is_more = TRUE;

  while (is_more)
    {
      g_autoptr (GVariant) reply
          = berth_transfer_list (self->transfer, guest, last, BERTH_FILE_ENTRIES_MAX, error);
      g_autoptr (GVariant) entries = NULL;
      g_autoptr (GVariant) info = NULL;

      if (reply == NULL)
        return FALSE;
      entries = g_variant_get_child_value (reply, 0);
      info = g_variant_get_child_value (reply, 1);
      is_more = g_variant_lookup (info, "more", "b", &is_more) && is_more
                && g_variant_n_children (entries) > 0;
      if (!get_page (self, entries, &last, guest, folder_fd, local, depth, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
get_folder (BerthCopyWalk *self, const char *guest, int folder_fd, const char *local, guint depth,
            GError **error)
{
  gboolean ok;

  if (depth == 1)
    berth_copy_walk_open_batch (self);
  ok = get_pages (self, guest, folder_fd, local, depth, error);
  return depth == 1 ? berth_copy_walk_close_batch (self, ok, error) : ok;
}

/* (nullable): the type of what the path names */
static char *
dup_type (BerthTransfer *self, const char *guest, guint32 *out_mode, GError **error)
{
  g_autoptr (GVariant) reply = berth_transfer_list (self, guest, NULL, 1, error);
  g_autoptr (GVariant) info = reply != NULL ? g_variant_get_child_value (reply, 1) : NULL;
  char *type = NULL;

  if (info == NULL)
    return NULL;
  *out_mode = 0755;
  g_variant_lookup (info, "mode", "u", out_mode);
  if (!g_variant_lookup (info, "type", "s", &type))
    type = g_strdup ("unknown");
  return type;
}

static gboolean
get_to (BerthCopyWalk *self, const char *guest, const char *local, const char *type, guint32 mode,
        GError **error)
{
  g_autofree char *parent = g_path_get_dirname (local);
  g_autofree char *name = g_path_get_basename (local);
  int fd = open (parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean ok;

  if (fd < 0)
    return berth_copy_walk_fail_local (parent, error);
  if (strcmp (type, "directory") == 0)
    ok = get_subfolder (self, guest, fd, name, local, mode, 0, error);
  else
    ok = get_file (self, guest, fd, name, local, error);
  close (fd);
  return ok;
}

/* Into something that is written to and not replaced: standard output, a device, a FIFO. */
static gboolean
get_stream (BerthTransfer *self, const char *guest, int fd, const char *local, GError **error)
{
  guint64 size;
  guint32 mode;

  return berth_transfer_get (self, guest, self->max_bytes, fd, local, &mode, &size, error);
}

static gboolean
get_special (BerthTransfer *self, const char *guest, const char *local, GError **error)
{
  int fd = berth_copy_walk_open_special (local, error);
  gboolean ok;

  if (fd < 0)
    return FALSE;
  ok = get_stream (self, guest, fd, local, error);
  close (fd);
  return ok;
}

gboolean
berth_copy_tree_get (BerthTransfer *self, const char *guest, const char *local, GError **error)
{
  g_autofree char *target = NULL;
  g_autofree char *type = NULL;
  BerthCopyWalk walk = { .transfer = self };
  guint32 mode;
  gboolean ok;

  if (strcmp (local, "-") == 0)
    return get_stream (self, guest, STDOUT_FILENO, "standard output", error);
  if (berth_copy_walk_is_special (local))
    return get_special (self, guest, local, error);
  target = berth_copy_walk_dup_local_target (guest, local);
  type = dup_type (self, guest, &mode, error);
  if (type == NULL)
    return FALSE;
  ok = get_to (&walk, guest, target, type, mode, error);
  ok = berth_copy_walk_check (&walk, ok, guest, error);
  berth_copy_walk_end (&walk);
  return ok;
}

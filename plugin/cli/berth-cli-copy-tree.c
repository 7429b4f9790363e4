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
#include "plugin/cli/berth-cli-report.h"
#include "plugin/model/berth-file-request.h"
#include "pool/berth-error.h"

#define TOLD_MAX 5u /* entries that could not be carried, in one message */
/* A file of a kernel's own has no size, or one that is not its own, and takes no space. */
#define ODD_SIZE_MAX 65536

/* One walk through a folder, in either direction. */
typedef struct
{
  BerthTransfer *transfer;
  guint entries;
  guint64 bytes;
  guint left_out;
  char *first_left_out; /* owned */
  guint failed;
  GString *failures; /* nullable: what is told of the first ones */
  gboolean is_over;  /* a bound of all of it is reached: the failure is not one entry's */
} Walk;

char *
berth_copy_tree_dup_name (const char *path)
{
  g_autofree char *name = g_path_get_basename (path);

  if (!berth_file_name_is_valid (name, strlen (name)))
    return NULL;
  return g_steal_pointer (&name);
}

static gboolean
fail_local (const char *local, GError **error)
{
  int number = errno;
  gboolean is_callers = number == ENOENT || number == ENOTDIR || number == EISDIR || number == ELOOP
                        || number == ENAMETOOLONG || number == EACCES || number == EPERM
                        || number == EROFS;

  g_set_error (error, BERTH_ERROR, is_callers ? BERTH_ERROR_INVALID : BERTH_ERROR_UNAVAILABLE,
               "%s: %s", local, g_strerror (number));
  return FALSE;
}

static gboolean
walk_count (Walk *self, const char *what, guint depth, GError **error)
{
  if (++self->entries <= BERTH_COPY_TREE_ENTRIES_MAX && depth <= BERTH_COPY_TREE_DEPTH_MAX)
    return TRUE;
  self->is_over = TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "%s: more than %u entries, or folders more than %u deep: carry it in parts, or "
               "packed",
               what, BERTH_COPY_TREE_ENTRIES_MAX, BERTH_COPY_TREE_DEPTH_MAX);
  return FALSE;
}

static void
walk_leave_out (Walk *self, const char *path)
{
  if (self->left_out++ == 0)
    self->first_left_out = g_strdup (path);
}

/* Whether a folder goes on after an entry with this failure (transfer full) (nullable), which is
 * kept then: not when trying the next is no use, or might be wrong. */
static gboolean
walk_go_on (Walk *self, GError *failure, GError **error)
{
  if (failure == NULL)
    return TRUE;
  if (self->is_over || !g_error_matches (failure, BERTH_ERROR, BERTH_ERROR_INVALID))
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  if (self->failures == NULL)
    self->failures = g_string_new (NULL);
  if (self->failed++ < TOLD_MAX)
    g_string_append_printf (self->failures, "%s%s", self->failed > 1 ? "; " : "", failure->message);
  g_error_free (failure);
  return TRUE;
}

/* Whether all of it was carried but for what is never. */
static gboolean
walk_check (Walk *self, gboolean ok, const char *what, GError **error)
{
  if (!ok || self->failed == 0)
    return ok;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "'%s': all but %u could be carried: %s%s",
               what, self->failed, self->failures->str, self->failed > TOLD_MAX ? "; ..." : "");
  return FALSE;
}

static void
walk_end (Walk *self)
{
  if (self->left_out > 0 && !self->transfer->is_quiet)
    {
      g_autofree char *text = g_strdup_printf (
          "%u left out, neither files nor folders (links are not followed): %s%s", self->left_out,
          self->first_left_out, self->left_out > 1 ? ", ..." : "");

      berth_report_note (text);
    }
  g_free (self->first_left_out);
  if (self->failures != NULL)
    g_string_free (self->failures, TRUE);
}

/* ---- to the sandbox ---- */

static gboolean
put_folder (Walk *self, int fd, const char *local, const char *guest, guint depth, GError **error);

/* What is read to its end: an open file, or what is at a path: a FIFO, a socket, a device */
static gboolean
put_stream (Walk *self, int fd, const char *path, guint32 mode, const char *guest, GError **error)
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
put_file (Walk *self, int fd, const struct stat *info, const char *guest, GError **error)
{
  if (info->st_blocks == 0 && info->st_size <= ODD_SIZE_MAX)
    return put_stream (self, fd, NULL, info->st_mode, guest, error);
  return berth_transfer_put (self->transfer, fd, (guint64)info->st_size, info->st_mode, guest,
                             error);
}

/* @fd is ours to close, -1 where it could not be opened. */
static gboolean
put_entry (Walk *self, int fd, const char *local, const char *guest, guint depth, GError **error)
{
  struct stat info;
  gboolean ok = fd >= 0 && fstat (fd, &info) == 0;

  if (!ok)
    fail_local (local, error);
  else if (S_ISDIR (info.st_mode))
    ok = put_folder (self, fd, local, guest, depth + 1, error);
  else if (S_ISREG (info.st_mode))
    ok = put_file (self, fd, &info, guest, error);
  else
    walk_leave_out (self, local);
  if (fd >= 0)
    close (fd);
  return ok;
}

static gboolean
put_child (Walk *self, int folder_fd, const char *name, const char *local, const char *guest,
           guint depth, GError **error)
{
  g_autofree char *local_child = g_build_filename (local, name, NULL);
  g_autofree char *guest_child = g_build_filename (guest, name, NULL);
  struct stat info;

  if (!walk_count (self, local, depth, error))
    return FALSE;
  if (fstatat (folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
    return fail_local (local_child, error);
  if (!S_ISDIR (info.st_mode) && !S_ISREG (info.st_mode))
    {
      walk_leave_out (self, local_child);
      return TRUE;
    }
  return put_entry (self, openat (folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
                    local_child, guest_child, depth, error);
}

static gboolean
put_folder (Walk *self, int fd, const char *local, const char *guest, guint depth, GError **error)
{
  int own = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  DIR *folder = own >= 0 ? fdopendir (own) : NULL;
  struct dirent *entry;
  struct stat info;
  gboolean ok = TRUE;

  if (folder == NULL || fstat (fd, &info) != 0)
    ok = fail_local (local, error);
  ok = ok && berth_transfer_make_directory (self->transfer, info.st_mode, guest, error);
  while (ok && (entry = readdir (folder)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      {
        GError *failure = NULL;

        put_child (self, fd, entry->d_name, local, guest, depth, &failure);
        ok = walk_go_on (self, failure, error);
      }
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
  name = strcmp (local, "-") != 0 ? berth_copy_tree_dup_name (local) : NULL;
  if (name != NULL)
    return g_build_filename (guest, name, NULL);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "'%s' is a folder, and '%s' has no name of its own: name the file", guest, local);
  return NULL;
}

static gboolean
is_special (const char *local)
{
  struct stat info;

  return stat (local, &info) == 0 && !S_ISREG (info.st_mode) && !S_ISDIR (info.st_mode);
}

gboolean
berth_copy_tree_put (BerthTransfer *self, const char *local, const char *guest, GError **error)
{
  g_autofree char *target = dup_guest_target (local, guest, error);
  Walk walk = { .transfer = self };
  gboolean ok;

  if (target == NULL)
    return FALSE;
  if (strcmp (local, "-") == 0)
    ok = put_stream (&walk, STDIN_FILENO, NULL, BERTH_FILE_MODE_DEFAULT, target, error);
  else if (is_special (local))
    ok = put_stream (&walk, -1, local, BERTH_FILE_MODE_DEFAULT, target, error);
  else
    ok = put_entry (&walk, open (local, O_RDONLY | O_NONBLOCK | O_CLOEXEC), local, target, 0,
                    error);
  ok = walk_check (&walk, ok, local, error);
  walk_end (&walk);
  return ok;
}

/* ---- from the sandbox ---- */

static gboolean get_folder (Walk *self, const char *guest, int folder_fd, const char *local,
                            guint depth, GError **error);

static gboolean
get_file (Walk *self, const char *guest, int folder_fd, const char *name, const char *local,
          GError **error)
{
  guint64 all = self->transfer->max_bytes * BERTH_COPY_TREE_FILES_FACTOR;
  guint64 max = MIN (self->transfer->max_bytes, all - MIN (all, self->bytes));
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

/* Opens a folder of ours for one of the guest's; never through a link. */
static int
open_folder (int parent_fd, const char *name, const char *local, gboolean *out_is_new,
             GError **error)
{
  int fd;

  *out_is_new = mkdirat (parent_fd, name, 0700) == 0;
  if (!*out_is_new && errno != EEXIST)
    {
      fail_local (local, error);
      return -1;
    }
  fd = openat (parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    fail_local (local, error);
  return fd;
}

static gboolean
get_subfolder (Walk *self, const char *guest, int folder_fd, const char *name, const char *local,
               guint32 mode, guint depth, GError **error)
{
  gboolean is_new;
  int fd = open_folder (folder_fd, name, local, &is_new, error);
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
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
               "folder '%s': what the guest lists is no folder", guest);
  return FALSE;
}

static gboolean
get_child (Walk *self, GVariant *entry, const char *name, const char *guest, int folder_fd,
           const char *local, guint depth, GError **error)
{
  g_autofree char *guest_child = g_build_filename (guest, name, NULL);
  g_autofree char *local_child = g_build_filename (local, name, NULL);
  g_autoptr (BerthFileRequest) request = berth_file_request_new (BERTH_FILE_LIST, guest_child);
  const char *type = "";
  guint32 mode = 0755;

  /* a folder that can't be asked for is not made here either */
  if (!walk_count (self, guest, depth, error) || !berth_file_request_check (request, error))
    return FALSE;
  g_variant_lookup (entry, "type", "&s", &type);
  g_variant_lookup (entry, "mode", "u", &mode);
  if (strcmp (type, "directory") == 0)
    return get_subfolder (self, guest_child, folder_fd, name, local_child, mode, depth, error);
  if (strcmp (type, "file") == 0)
    return get_file (self, guest_child, folder_fd, name, local_child, error);
  walk_leave_out (self, guest_child);
  return TRUE;
}

/* Carries one page of a folder; @last becomes its last name. */
static gboolean
get_page (Walk *self, GVariant *entries, char **last, const char *guest, int folder_fd,
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
      if (!walk_go_on (self, failure, error))
        return FALSE;
      g_free (*last);
      *last = g_strdup (name);
    }
  return TRUE;
}

static gboolean
get_folder (Walk *self, const char *guest, int folder_fd, const char *local, guint depth,
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

static char *
dup_without_slashes (const char *path)
{
  gsize length = strlen (path);

  while (length > 1 && path[length - 1] == '/')
    length--;
  return g_strndup (path, length);
}

/* Where it goes: as named, or under its own name into a folder that is there; through a link of the
 * caller's own if there is one. */
static char *
dup_local_target (const char *guest, const char *local, GError **error)
{
  g_autofree char *name = NULL;
  char *real;

  if (g_str_has_suffix (local, "/") || g_file_test (local, G_FILE_TEST_IS_DIR))
    {
      name = berth_copy_tree_dup_name (guest);
      return name != NULL ? g_build_filename (local, name, NULL) : dup_without_slashes (local);
    }
  real = realpath (local, NULL);
  return real != NULL ? real : g_strdup (local);
}

static gboolean
get_to (Walk *self, const char *guest, const char *local, const char *type, guint32 mode,
        GError **error)
{
  g_autofree char *parent = g_path_get_dirname (local);
  g_autofree char *name = g_path_get_basename (local);
  int fd = open (parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean ok;

  if (fd < 0)
    return fail_local (parent, error);
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
  /* a FIFO that nobody reads would be waited for where no signal is heard */
  int fd = open (local, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  gboolean ok;

  if (fd < 0 || fcntl (fd, F_SETFL, 0) != 0)
    {
      ok = fail_local (local, error);
      if (fd >= 0)
        close (fd);
      return ok;
    }
  ok = get_stream (self, guest, fd, local, error);
  close (fd);
  return ok;
}

gboolean
berth_copy_tree_get (BerthTransfer *self, const char *guest, const char *local, GError **error)
{
  g_autofree char *target = NULL;
  g_autofree char *type = NULL;
  Walk walk = { .transfer = self };
  guint32 mode;
  gboolean ok;

  if (strcmp (local, "-") == 0)
    return get_stream (self, guest, STDOUT_FILENO, "standard output", error);
  if (is_special (local))
    return get_special (self, guest, local, error);
  target = dup_local_target (guest, local, error);
  type = dup_type (self, guest, &mode, error);
  if (type == NULL)
    return FALSE;
  ok = get_to (&walk, guest, target, type, mode, error);
  ok = walk_check (&walk, ok, guest, error);
  walk_end (&walk);
  return ok;
}

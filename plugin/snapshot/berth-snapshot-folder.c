/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lint: caller-fd: files of berth's own */
/* Folders of files that berthd trusts and deletes, by descriptor. */
#include "plugin/snapshot/berth-snapshot-folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "pool/berth-error.h"

#define FOLDER_MODE 0711 /* QEMU's user walks through to its file and sees nothing else */
#define FILE_MAX ((gsize)64 * 1024)

static int
refuse (int fd, const char *setting, const char *path, GError **error, const char *reason)
{
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "%s %s: %s", setting, path, reason);
  if (fd >= 0)
    close (fd);
  return -1;
}

/* Whatever our umask is, and was when it was made: root's QEMU is another user. One's own is not,
 * and a folder that is there already stays as private as it was made. */
static gboolean
let_through (int fd)
{
  struct stat status;

  return fstat (fd, &status) == 0
         && (geteuid () != 0 || (status.st_mode & FOLDER_MODE) == FOLDER_MODE
             || fchmod (fd, (status.st_mode | FOLDER_MODE) & 07777) == 0);
}

int
berth_snapshot_folder_open_store (const char *setting, const char *path, gboolean is_made,
                                  GError **error)
{
  struct stat status;
  int fd = -1;

  if (!is_made || g_mkdir_with_parents (path, FOLDER_MODE) == 0)
    fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT && !is_made)
    return -1;
  if (fd < 0 || fstat (fd, &status) != 0)
    return refuse (fd, setting, path, error, g_strerror (errno));
  if (status.st_uid != 0 && status.st_uid != geteuid ())
    return refuse (fd, setting, path, error,
                   "it belongs to another user, who could change what VMs are made of; choose a "
                   "folder of berthd's own");
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return refuse (fd, setting, path, error,
                   "others may write to it; choose a folder of its own below, or chmod go-w it");
  if (is_made && !let_through (fd))
    return refuse (fd, setting, path, error, g_strerror (errno));
  return fd;
}

int
berth_snapshot_folder_open (int store, const char *name)
{
  return openat (store, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
berth_snapshot_folder_make (int store, const char *name)
{
  int fd = mkdirat (store, name, FOLDER_MODE) == 0 ? berth_snapshot_folder_open (store, name) : -1;

  if (fd >= 0 && !let_through (fd))
    {
      close (fd);
      return -1;
    }
  return fd;
}

/* (nullable): reads @folder from its beginning, whatever was read of it before */
static DIR *
open_stream (int folder)
{
  int fd = openat (folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd >= 0 ? fdopendir (fd) : NULL;

  if (stream == NULL && fd >= 0)
    close (fd);
  return stream;
}

GPtrArray *
berth_snapshot_folder_list (int store)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  DIR *stream = open_stream (store);
  const struct dirent *entry;

  while (stream != NULL && (entry = readdir (stream)) != NULL)
    if (!g_str_equal (entry->d_name, ".") && !g_str_equal (entry->d_name, ".."))
      g_ptr_array_add (names, g_strdup (entry->d_name));
  if (stream != NULL)
    closedir (stream);
  return names;
}

void
berth_snapshot_folder_remove (int store, const char *name)
{
  int folder = berth_snapshot_folder_open (store, name);
  g_autoptr (GPtrArray) files = NULL;

  if (folder < 0)
    {
      unlinkat (store, name, 0);
      return;
    }
  files = berth_snapshot_folder_list (folder);
  for (guint i = 0; i < files->len; i++)
    unlinkat (folder, files->pdata[i], 0);
  close (folder);
  unlinkat (store, name, AT_REMOVEDIR);
}

gboolean
berth_snapshot_folder_is (int store, const char *name, int fd)
{
  struct stat named;
  struct stat held;

  return fd >= 0 && fstatat (store, name, &named, AT_SYMLINK_NOFOLLOW) == 0
         && fstat (fd, &held) == 0 && named.st_ino == held.st_ino && named.st_dev == held.st_dev;
}

char *
berth_snapshot_folder_read (int folder, const char *name, gsize *out_length)
{
  int fd = openat (folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  g_autofree char *text = g_malloc (FILE_MAX + 1);
  gsize length = 0;
  gssize got = fd >= 0 ? 1 : -1;

  while (got > 0 && length <= FILE_MAX)
    {
      got = read (fd, text + length, FILE_MAX + 1 - length);
      length += got > 0 ? (gsize)got : 0;
    }
  if (fd >= 0)
    close (fd);
  if (got == 0)
    {
      *out_length = length;
      return g_steal_pointer (&text);
    }
  if (got > 0)
    errno = EFBIG;
  return NULL;
}

gboolean
berth_snapshot_folder_write (int folder, const char *name, const char *text, gsize length)
{
  int fd = openat (folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  gboolean ok = fd >= 0;

  while (ok && length > 0)
    {
      gssize put = write (fd, text, length);

      ok = put > 0;
      text += MAX (put, 0);
      length -= (gsize)MAX (put, 0);
    }
  ok = ok && fsync (fd) == 0;
  if (fd >= 0)
    close (fd);
  return ok;
}

gboolean
berth_snapshot_folder_hides_writes (int folder)
{
  struct statfs status;

  return fstatfs (folder, &status) == 0
         && (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC);
}

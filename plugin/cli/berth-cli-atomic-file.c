/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Local files that come whole or not at all, also when the command is killed on the way. */
#include "plugin/cli/berth-cli-atomic-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"

static gboolean
fail (const char *local, GError **error)
{
  berth_errno_set (error, errno, local);
  return FALSE;
}

static char *
dup_temporary (void)
{
  return g_strdup_printf (".berth-%08x%08x", g_random_int (), g_random_int ());
}

gboolean
berth_atomic_file_open (BerthAtomicFile *self, int folder_fd, const char *local, GError **error)
{
  self->folder_fd = folder_fd;
  self->fd = openat (folder_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (self->fd >= 0)
    return TRUE;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
    return fail (local, error);
  self->temporary = dup_temporary ();
  self->fd = openat (folder_fd, self->temporary,
                     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (self->fd >= 0)
    return TRUE;
  g_clear_pointer (&self->temporary, g_free);
  return fail (local, error);
}

guint32
berth_atomic_file_mode (guint32 mode)
{
  mode_t mask = umask (0);

  umask (mask);
  return mode & 0777 & ~mask;
}

/* Gives a nameless file a name, the wanted one if nothing has it. */
static gboolean
landing_link (BerthAtomicFile *self, const char *name, gboolean *out_done)
{
  g_autofree char *source = g_strdup_printf ("/proc/self/fd/%d", self->fd);

  *out_done = linkat (AT_FDCWD, source, self->folder_fd, name, AT_SYMLINK_FOLLOW) == 0;
  if (*out_done || errno != EEXIST)
    return *out_done;
  self->temporary = dup_temporary ();
  if (linkat (AT_FDCWD, source, self->folder_fd, self->temporary, AT_SYMLINK_FOLLOW) == 0)
    return TRUE;
  g_clear_pointer (&self->temporary, g_free);
  return FALSE;
}

gboolean
berth_atomic_file_finish (BerthAtomicFile *self, const char *name, guint32 mode, const char *local,
                          GError **error)
{
  gboolean is_done = FALSE;

  if (fchmod (self->fd, berth_atomic_file_mode (mode)) != 0
      || (self->temporary == NULL && !landing_link (self, name, &is_done)))
    return fail (local, error);
  if (is_done)
    return TRUE;
  if (renameat (self->folder_fd, self->temporary, self->folder_fd, name) != 0)
    return fail (local, error);
  g_clear_pointer (&self->temporary, g_free);
  return TRUE;
}

void
berth_atomic_file_clear (BerthAtomicFile *self)
{
  if (self->temporary != NULL)
    unlinkat (self->folder_fd, self->temporary, 0);
  g_clear_pointer (&self->temporary, g_free);
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

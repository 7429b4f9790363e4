/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what of a file is sent: name, contents and mode. Whose it is on this host, and since
 * when, is nothing to the guest. */
#include "plugin/build/berth-build-pack.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "pool/berth-error.h"

/* BERTH_BUILD_FILES_MAX_BYTES, in digits: a sparse file is written in full */
#define FILES_MAX 4294967296
#define PIECE (256 * 1024)

static GPtrArray *
make_command (GPtrArray *arguments)
{
  static const char *const words[] = { "prlimit",
                                       "--fsize=" G_STRINGIFY (FILES_MAX),
                                       "tar",
                                       "--create",
                                       "--format=gnu",
                                       "--sort=name",
                                       "--mtime=@1735689600",
                                       "--owner=0",
                                       "--group=0",
                                       "--numeric-owner",
                                       "--no-wildcards",
                                       "--verbatim-files-from" };
  GPtrArray *command = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    g_ptr_array_add (command, (char *)words[i]);
  for (guint i = 0; i < arguments->len; i++)
    g_ptr_array_add (command, arguments->pdata[i]);
  g_ptr_array_add (command, NULL);
  return command;
}

gboolean
berth_build_pack_check (int fd, const char *what, GError **error)
{
  struct stat status;

  if (fstat (fd, &status) == 0 && S_ISREG (status.st_mode)
      && status.st_size <= BERTH_BUILD_FILES_MAX_BYTES)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s: is no file, or has more than %d GiB",
               what, (int)(BERTH_BUILD_FILES_MAX_BYTES >> 30));
  return FALSE;
}

gboolean
berth_build_pack (GPtrArray *arguments, const char *what, int fd, GError **error)
{
  g_autoptr (GPtrArray) command = make_command (arguments);
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GSubprocess) tar = NULL;
  g_autofree char *words = NULL;

  g_subprocess_launcher_take_stdout_fd (launcher, dup (fd));
  tar = g_subprocess_launcher_spawnv (launcher, (const char *const *)command->pdata, error);
  if (tar == NULL || !g_subprocess_communicate_utf8 (tar, NULL, NULL, NULL, &words, error))
    return FALSE;
  if (g_subprocess_get_successful (tar))
    return berth_build_pack_check (fd, what, error);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s: %s", what,
               words != NULL && *g_strstrip (words) != '\0' ? words : "has more than 4 GiB");
  return FALSE;
}

/* Until its end, or one byte beyond what may be */
static gboolean
copy (int from, int to)
{
  g_autofree char *piece = g_malloc (PIECE);
  gint64 sum = 0;
  ssize_t size = 0;

  while (sum <= BERTH_BUILD_FILES_MAX_BYTES && (size = read (from, piece, PIECE)) > 0)
    {
      if (write (to, piece, (size_t)size) != size)
        return FALSE;
      sum += size;
    }
  return size >= 0;
}

gboolean
berth_build_pack_file (const char *path, int fd, GError **error)
{
  int from = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  gboolean ok = FALSE;

  if (from < 0)
    berth_errno_set (error, errno, path);
  else if (berth_build_pack_check (from, path, error))
    {
      ok = copy (from, fd);
      if (!ok)
        berth_errno_set (error, errno, path);
    }
  if (from >= 0)
    close (from);
  return ok && berth_build_pack_check (fd, path, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what of a cut pull is of use. Who writes there talks with a registry, and nothing of what
 * it writes is believed: no link is followed, and each piece is what its digest says. */
#include "plugin/build/berth-build-stage.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-sha256.h"
#include "pool/berth-error.h"

#define STAGE ".pulled"
#define LAYOUT "layout"
#define NEXT "next"
#define DEPTH_MAX 16u
#define ASIDE "aside-"
#define BUFFER (256u * 1024)
/* What a piece is a link to that shall not be fetched */
#define THERE "/dev/null"

struct _BerthBuildStage
{
  char *path;
  int fd;
  guint asides; /* the number of the next one */
};

/* ---- its end ---- */

static void remove_entry (BerthBuildStage *self, int dir_fd, const char *name, guint depth);

static void
remove_entries (BerthBuildStage *self, int fd, guint depth)
{
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry;

  while (dir != NULL && (entry = readdir (dir)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      remove_entry (self, fd, entry->d_name, depth + 1);
  if (dir != NULL)
    closedir (dir);
}

/* Below @dir_fd, whoever wrote it. What lies deeper than there are descriptors and stack for is
 * moved up, to be removed after it. */
static void
remove_entry (BerthBuildStage *self, int dir_fd, const char *name, guint depth)
{
  char aside[32];

  if (unlinkat (dir_fd, name, 0) == 0 || unlinkat (dir_fd, name, AT_REMOVEDIR) == 0)
    return;
  if (depth < DEPTH_MAX)
    {
      remove_entries (self, openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                      depth);
      unlinkat (dir_fd, name, AT_REMOVEDIR);
      return;
    }
  g_snprintf (aside, sizeof aside, ASIDE "%08x", self->asides);
  if (renameat (dir_fd, name, self->fd, aside) == 0)
    self->asides++;
}

/* Those of one that was killed, too */
static void
remove_asides (BerthBuildStage *self)
{
  DIR *dir = fdopendir (openat (self->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct dirent *entry;

  while (dir != NULL && (entry = readdir (dir)) != NULL)
    if (g_str_has_prefix (entry->d_name, ASIDE))
      remove_entry (self, self->fd, entry->d_name, 0);
  if (dir != NULL)
    closedir (dir);
}

static void
remove_tree (BerthBuildStage *self, const char *name)
{
  guint before;

  remove_entry (self, self->fd, name, 0);
  do
    {
      before = self->asides;
      remove_asides (self);
    }
  while (self->asides != before);
}

/* ---- whose it is ---- */

BerthBuildStage *
berth_build_stage_new (const char *dir, GError **error)
{
  g_autoptr (BerthBuildStage) self = g_new0 (BerthBuildStage, 1);

  self->path = g_build_filename (dir, STAGE, NULL);
  self->fd = -1;
  self->asides = g_random_int ();
  if (g_mkdir_with_parents (self->path, 0755) == 0)
    self->fd = open (self->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (self->fd >= 0 && flock (self->fd, LOCK_EX | LOCK_NB) == 0)
    return g_steal_pointer (&self);
  if (self->fd >= 0 && errno == EWOULDBLOCK)
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_LOCAL,
                         "another template is being pulled: pull this one when it is there");
  else
    berth_errno_set (error, errno, self->path);
  return NULL;
}

void
berth_build_stage_free (BerthBuildStage *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->path);
  g_free (self);
}

char *
berth_build_stage_dup_layout (BerthBuildStage *self)
{
  return g_build_filename (self->path, LAYOUT, NULL);
}

void
berth_build_stage_clear (BerthBuildStage *self)
{
  remove_tree (self, LAYOUT);
  remove_tree (self, NEXT);
}

void
berth_build_stage_remove (const char *dir)
{
  g_autoptr (BerthBuildStage) self = berth_build_stage_new (dir, NULL);

  if (self == NULL)
    return;
  berth_build_stage_clear (self);
  g_rmdir (self->path);
}

/* ---- before skopeo ---- */

/* -1 with errno; the folder of @name, which is made there, and skopeo's from then on */
static int
make_folder (BerthBuildFolder *folder, int dir_fd, const char *name)
{
  int fd = mkdirat (dir_fd, name, 0700) == 0
               ? openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
               : -1;

  if (fd >= 0 && !berth_build_folder_give (folder, fd))
    {
      close (fd);
      fd = -1;
    }
  return fd;
}

/* -1 with errno; the folder of the pieces below @name */
static int
make_layout (BerthBuildStage *self, BerthBuildFolder *folder, const char *name)
{
  int layout = make_folder (folder, self->fd, name);
  int blobs = layout >= 0 ? make_folder (folder, layout, "blobs") : -1;
  int fd = blobs >= 0 ? make_folder (folder, blobs, "sha256") : -1;

  if (blobs >= 0)
    close (blobs);
  if (layout >= 0)
    close (layout);
  return fd;
}

/* -1 with errno: likewise, of what is there */
static int
open_pieces (BerthBuildStage *self)
{
  static const char *const names[] = { LAYOUT, "blobs", "sha256" };
  int fd = self->fd;

  for (guint i = 0; i < G_N_ELEMENTS (names) && fd >= 0; i++)
    {
      int next = openat (fd, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

      if (fd != self->fd)
        close (fd);
      fd = next;
    }
  return fd;
}

static gboolean
is_piece (int dir_fd, const BerthBuildPiece *piece)
{
  struct stat status;

  return dir_fd >= 0 && fstatat (dir_fd, piece->sha256, &status, AT_SYMLINK_NOFOLLOW) == 0
         && S_ISREG (status.st_mode) && status.st_size == piece->size;
}

/* The pieces of @part: those that are whole go on to the next layout, of others @out_bytes. */
static gboolean
prepare_part (int old_fd, int new_fd, const BerthBuildArtifact *artifact,
              const BerthBuildPart *part, gboolean is_wanted, gint64 *out_bytes)
{
  for (guint i = part->first; i < part->first + part->count; i++)
    {
      const BerthBuildPiece *piece = artifact->pieces->pdata[i];

      if (faccessat (new_fd, piece->sha256, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        continue; /* two layers have it */
      if (!is_wanted && symlinkat (THERE, new_fd, piece->sha256) != 0)
        return FALSE;
      if (is_wanted && is_piece (old_fd, piece))
        {
          if (renameat (old_fd, piece->sha256, new_fd, piece->sha256) != 0)
            return FALSE;
        }
      else if (is_wanted)
        *out_bytes += piece->size;
    }
  return TRUE;
}

static gboolean
prepare (BerthBuildStage *self, int old_fd, int new_fd, const BerthBuildArtifact *artifact,
         const gboolean *is_wanted, gint64 *out_bytes)
{
  /* those that are wanted first: a piece of both kinds of layers must come */
  for (guint round = 0; round < 2; round++)
    for (guint i = 0; i < artifact->parts->len; i++)
      if ((round == 0) == is_wanted[i]
          && !prepare_part (old_fd, new_fd, artifact, artifact->parts->pdata[i], is_wanted[i],
                            out_bytes))
        return FALSE;
  remove_tree (self, LAYOUT);
  return renameat (self->fd, NEXT, self->fd, LAYOUT) == 0;
}

gboolean
berth_build_stage_prepare (BerthBuildStage *self, BerthBuildFolder *folder,
                           const BerthBuildArtifact *artifact, const gboolean *is_wanted,
                           gint64 *out_bytes, GError **error)
{
  int old_fd = open_pieces (self);
  int new_fd;
  gboolean ok;

  *out_bytes = 0;
  remove_tree (self, NEXT);
  new_fd = make_layout (self, folder, NEXT);
  ok = new_fd >= 0 && prepare (self, old_fd, new_fd, artifact, is_wanted, out_bytes);
  if (!ok)
    berth_errno_set (error, errno, self->path);
  if (old_fd >= 0)
    close (old_fd);
  if (new_fd >= 0)
    close (new_fd);
  return ok;
}

/* ---- behind skopeo ---- */

/* Whether all of @from went to @to, and was what @piece says; else errno, or 0 */
static gboolean
copy_piece (int from, int to, const BerthBuildPiece *piece)
{
  g_autofree guint8 *buffer = g_malloc (BUFFER);
  g_autofree char *sha256 = NULL;
  struct sha256_ctx sum;
  gint64 total = 0;
  gssize size;

  sha256_init (&sum);
  errno = 0;
  while (total <= piece->size && (size = read (from, buffer, BUFFER)) > 0)
    {
      if (write (to, buffer, (gsize)size) != size)
        {
          errno = errno != 0 ? errno : ENOSPC;
          return FALSE;
        }
      sha256_update (&sum, (gsize)size, buffer);
      total += size;
    }
  sha256 = berth_sha256_finish (&sum);
  return total == piece->size && g_str_equal (sha256, piece->sha256);
}

static gboolean
take_piece (BerthBuildStage *self, int dir_fd, const BerthBuildPiece *piece, int to, GError **error)
{
  int from = is_piece (dir_fd, piece)
                 ? openat (dir_fd, piece->sha256, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                 : -1;
  gboolean ok;

  errno = 0;
  ok = from >= 0 && copy_piece (from, to, piece);
  if (from >= 0)
    close (from);
  if (ok)
    return TRUE;
  if (errno != 0)
    {
      berth_errno_set (error, errno, self->path);
      return FALSE;
    }
  if (dir_fd >= 0)
    unlinkat (dir_fd, piece->sha256, 0);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "what the registry sent as sha256:%.12s... is something else: ask who keeps it",
               piece->sha256);
  return FALSE;
}

gboolean
berth_build_stage_copy (BerthBuildStage *self, const BerthBuildArtifact *artifact,
                        const BerthBuildPart *part, int fd, GError **error)
{
  int dir_fd = open_pieces (self);
  gboolean ok = TRUE;

  for (guint i = part->first; ok && i < part->first + part->count; i++)
    ok = take_piece (self, dir_fd, artifact->pieces->pdata[i], fd, error);
  if (dir_fd >= 0)
    close (dir_fd);
  return ok;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A folder is carried as far as it can be: what an entry's failure, a link or a bound does to the
 * rest of it is decided here, and told at its end. */
#include "plugin/cli/berth-cli-copy-walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/model/berth-file-request.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

#define TOLD_MAX 5u /* entries that could not be carried, in one message */

char *
berth_copy_walk_dup_name (const char *path)
{
  g_autofree char *name = g_path_get_basename (path);

  if (!berth_file_name_is_valid (name, strlen (name)))
    return NULL;
  return g_steal_pointer (&name);
}

gboolean
berth_copy_walk_fail_local (const char *local, GError **error)
{
  berth_errno_set (error, errno, local);
  return FALSE;
}

gboolean
berth_copy_walk_count (BerthCopyWalk *self, const char *what, guint depth, GError **error)
{
  if (++self->entries <= BERTH_LIMIT_RUN_ENTRIES && depth <= BERTH_LIMIT_RUN_DEPTH)
    return TRUE;
  self->is_over = TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "%s: more than %u entries, or folders more than %u deep: carry it in parts, or "
               "packed",
               what, BERTH_LIMIT_RUN_ENTRIES, BERTH_LIMIT_RUN_DEPTH);
  return FALSE;
}

void
berth_copy_walk_leave_out (BerthCopyWalk *self, const char *path)
{
  if (self->left_out++ == 0)
    self->first_left_out = g_strdup (path);
}

guint64
berth_copy_walk_get_left (const BerthCopyWalk *self)
{
  guint64 all = self->transfer->max_bytes * BERTH_LIMIT_RUN_FILES_FACTOR;

  return all - MIN (all, self->bytes);
}

static void
batched_cb (guint64 size, GError *error, gpointer user_data)
{
  BerthCopyWalk *self = user_data;

  if (error == NULL)
    self->bytes += size;
  else if (self->batch_failure != NULL)
    g_error_free (error);
  else
    berth_copy_walk_go_on (self, error, &self->batch_failure);
}

void
berth_copy_walk_open_batch (BerthCopyWalk *self)
{
  if (self->transfer->records == 0)
    self->batch
        = berth_batch_new (self->transfer, berth_copy_walk_get_left (self), batched_cb, self);
}

gboolean
berth_copy_walk_close_batch (BerthCopyWalk *self, gboolean ok, GError **error)
{
  g_clear_pointer (&self->batch, berth_batch_free);
  if (ok && self->batch_failure != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&self->batch_failure));
      return FALSE;
    }
  g_clear_error (&self->batch_failure);
  return ok;
}

gboolean
berth_copy_walk_go_on (BerthCopyWalk *self, GError *failure, GError **error)
{
  if (failure == NULL && self->batch_failure == NULL)
    return TRUE;
  if (failure == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&self->batch_failure));
      return FALSE;
    }
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

gboolean
berth_copy_walk_check (BerthCopyWalk *self, gboolean ok, const char *what, GError **error)
{
  if (!ok || self->failed == 0)
    return ok;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "'%s': all but %u could be carried: %s%s",
               what, self->failed, self->failures->str, self->failed > TOLD_MAX ? "; ..." : "");
  return FALSE;
}

void
berth_copy_walk_end (BerthCopyWalk *self)
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

gboolean
berth_copy_walk_is_special (const char *local)
{
  struct stat info;

  return stat (local, &info) == 0 && !S_ISREG (info.st_mode) && !S_ISDIR (info.st_mode);
}

int
berth_copy_walk_open_special (const char *local, GError **error)
{
  /* a FIFO that nobody reads would be waited for where no signal is heard */
  int fd = open (local, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

  if (fd >= 0 && fcntl (fd, F_SETFL, 0) == 0)
    return fd;
  berth_copy_walk_fail_local (local, error);
  if (fd >= 0)
    close (fd);
  return -1;
}

int
berth_copy_walk_open_folder (int parent_fd, const char *name, const char *local,
                             gboolean *out_is_new, GError **error)
{
  int fd;

  *out_is_new = mkdirat (parent_fd, name, 0700) == 0;
  if (!*out_is_new && errno != EEXIST)
    {
      berth_copy_walk_fail_local (local, error);
      return -1;
    }
  fd = openat (parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    berth_copy_walk_fail_local (local, error);
  return fd;
}

static char *
dup_without_slashes (const char *path)
{
  gsize length = strlen (path);

  while (length > 1 && path[length - 1] == '/')
    length--;
  return g_strndup (path, length);
}

char *
berth_copy_walk_dup_local_target (const char *guest, const char *local)
{
  g_autofree char *name = NULL;
  char *real;

  if (g_str_has_suffix (local, "/") || g_file_test (local, G_FILE_TEST_IS_DIR))
    {
      name = berth_copy_walk_dup_name (guest);
      return name != NULL ? g_build_filename (local, name, NULL) : dup_without_slashes (local);
    }
  real = realpath (local, NULL);
  return real != NULL ? real : g_strdup (local);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends of pipes that a call takes along are close-on-exec, and are here once: who has the other end
 * sees the end when berthd closes its own. */
#include "plugin/base/berth-pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "pool/berth-error.h"

void
berth_pipe_close (int *kept)
{
  if (*kept >= 0)
    close (*kept);
  *kept = -1;
}

int
berth_pipe_open (int *kept, gboolean kept_reads, GError **error)
{
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) != 0)
    {
      berth_errno_set (error, errno, "this process");
      return -1;
    }
  berth_pipe_close (kept);
  *kept = ends[kept_reads ? 0 : 1];
  return ends[kept_reads ? 1 : 0];
}

GOutputStream *
berth_pipe_open_writer (int *kept, GError **error)
{
  int fd = berth_pipe_open (kept, TRUE, error);

  /* lint: caller-fd: the client's own end */
  return fd >= 0 ? g_unix_output_stream_new (fd, TRUE) : NULL;
}

GInputStream *
berth_pipe_open_reader (int *kept, GError **error)
{
  int fd = berth_pipe_open (kept, FALSE, error);

  /* lint: caller-fd: the client's own end */
  return fd >= 0 ? g_unix_input_stream_new (fd, TRUE) : NULL;
}

gboolean
berth_pipe_keep_copy (int *kept, int fd, const char *key, GError **error)
{
  int copy = fcntl (fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

  if (copy < 0)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "descriptor %d for %s: %s", fd, key,
                   g_strerror (errno));
      return FALSE;
    }
  berth_pipe_close (kept);
  *kept = copy;
  return TRUE;
}

gboolean
berth_pipe_hand_over (int *kept, const char *key, GVariantDict *options, GUnixFDList *fds,
                      GError **error)
{
  g_autoptr (GError) cause = NULL;
  int handle = g_unix_fd_list_append (fds, *kept, &cause);

  if (handle < 0)
    {
      berth_errno_set_gio (error, cause, "this process");
      return FALSE;
    }
  g_variant_dict_insert (options, key, "h", handle);
  berth_pipe_close (kept);
  return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The caller can take O_NONBLOCK away between the two.
 * Looked at as if it were plugin/guest/berth-output.c */
#include <glib-unix.h>
#include <unistd.h>

static void
pass_on (int stdout_fd, const char *bytes, gsize size)
{
  g_unix_set_fd_nonblocking (stdout_fd, TRUE, NULL);
  if (write (stdout_fd, bytes, size) < 0)
    close (stdout_fd);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The flags are the open file description's: the caller's own descriptor has them from here on.
 * Looked at as if it were plugin/model/berth-exec.c */
#include <fcntl.h>

gboolean
prepare_stdin (int stdin_fd)
{
  return fcntl (stdin_fd, F_SETFL, O_NONBLOCK) == 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The offset is shared, too: the caller reads on behind it.
 * Looked at as if it were plugin/base/berth-pipe.c */
#include <unistd.h>

gboolean
rewind_code (int code_fd)
{
  return lseek (code_fd, 0, SEEK_SET) == 0;
}

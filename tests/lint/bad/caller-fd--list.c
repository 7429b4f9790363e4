/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A descriptor of the message is used as it came, and not as berth_option_take_fd() makes it.
 * Looked at as if it were plugin/daemon/berth-peer-verbs.c */
#include <gio/gunixfdlist.h>

int
take_stdin (GUnixFDList *fds)
{
  return g_unix_fd_list_get (fds, 0, NULL);
}

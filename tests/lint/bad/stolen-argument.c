/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the last argument is made first, the task is NULL when it is asked for its source.
 * Looked at as if it were plugin/libvirt/berth-machine-copy.c */
#include <gio/gio.h>

void go_on (gpointer self, GTask *task);

void
thawed (GTask *thawed)
{
  g_autoptr (GTask) task = thawed;

  go_on (g_task_get_source_object (task), g_steal_pointer (&task));
}

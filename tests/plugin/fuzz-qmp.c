/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text as QEMU's answer, for a guest may have broken out into it: a status, or none. */
#include "plugin/libvirt/berth-qmp.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *answer = g_strndup ((const char *)data, size);
  g_autofree char *status = berth_qmp_read_status (answer);

  g_assert_nonnull (status);
  g_assert_cmpuint (strlen (status), <=, strlen (answer));
  return 0;
}

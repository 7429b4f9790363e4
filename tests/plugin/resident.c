/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much memory this process has now. */
#include "resident.h"

#include <stdio.h>
#include <unistd.h>

glong
resident_kb (void)
{
  g_autofree char *text = NULL;
  glong pages = 0;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  g_assert_cmpint (sscanf (text, "%*d %ld", &pages), ==, 1);
  return pages * (sysconf (_SC_PAGESIZE) / 1024);
}

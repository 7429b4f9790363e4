/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stream writes to the open file description that the caller has, too, and waits for its reader.
 * Looked at as if it were plugin/manager/berth-manager-files.c */
#include <gio/gio.h>

gboolean
tell_boot (GOutputStream *boot_log, const char *text)
{
  gsize written;

  return g_output_stream_write_all (boot_log, text, strlen (text), &written, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest wrote to its console, made safe to show. */
#include "berth-console.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "plugin/base/berth-printable.h"

#define CONSOLE_TAIL_BYTES 16384
#define CONSOLE_HEAD_BYTES 1024
#define CONSOLE_SUFFIX "-console.log"
#define ROTATED_MAX 3 /* virtlogd.conf, max_backups */

void
berth_console_make_printable (char *text)
{
  char *out = text;

  for (const char *in = text; *in != '\0'; in = g_utf8_next_char (in))
    if (berth_printable_has (g_utf8_get_char (in), TRUE))
      {
        gsize size = (gsize)(g_utf8_next_char (in) - in);

        memmove (out, in, size);
        out += size;
      }
  *out = '\0';
}

static char *
read_tail (const char *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInputStream) stream = g_file_read (file, NULL, NULL);
  g_autofree char *bytes = g_malloc (CONSOLE_TAIL_BYTES);
  gsize size = 0;

  if (stream == NULL)
    return NULL;
  if (!g_seekable_seek (G_SEEKABLE (stream), -CONSOLE_TAIL_BYTES, G_SEEK_END, NULL, NULL))
    g_seekable_seek (G_SEEKABLE (stream), 0, G_SEEK_SET, NULL, NULL);
  /* lint: caller-fd: virtlogd's file */
  if (!g_input_stream_read_all (G_INPUT_STREAM (stream), bytes, CONSOLE_TAIL_BYTES, &size, NULL,
                                NULL))
    return NULL;
  return g_utf8_make_valid (bytes, (gssize)size);
}

char *
berth_console_dup_head (const char *path)
{
  g_autoptr (GFile) file = path != NULL ? g_file_new_for_path (path) : NULL;
  g_autoptr (GFileInputStream) stream = file != NULL ? g_file_read (file, NULL, NULL) : NULL;
  char bytes[CONSOLE_HEAD_BYTES];
  gsize size = 0;

  if (stream == NULL
      /* lint: caller-fd: virtlogd's file */
      || !g_input_stream_read_all (G_INPUT_STREAM (stream), bytes, sizeof bytes, &size, NULL, NULL))
    return NULL;
  return g_utf8_make_valid (bytes, (gssize)size);
}

char *
berth_console_dup_tail (const char *path, guint lines)
{
  g_autofree char *text = read_tail (path);
  char *begin;

  if (text == NULL)
    return NULL;
  berth_console_make_printable (text);
  g_strchomp (text);
  begin = text + strlen (text);
  while (begin > text && lines > 0)
    if (*--begin == '\n' && --lines == 0)
      begin++;
  return *begin != '\0' ? g_strdup (begin) : NULL;
}

char *
berth_console_explain (const char *path, const char *told, gboolean is_boot)
{
  g_autofree char *last = path != NULL ? berth_console_dup_tail (path, 1) : NULL;
  GString *text = g_string_new (told);

  if (last != NULL)
    g_string_append_printf (text, "; its console ends with \"%s\"", last);
  else if (is_boot && path != NULL)
    g_string_append (text, "; its console stayed silent");
  if (is_boot)
    g_string_append (text,
                     "; 'berth run --boot-log' shows a boot, 'berth doctor' what the host lacks");
  return g_string_free (text, FALSE);
}

/* (transfer full): where libvirt keeps a domain's logs */
static char *
dup_log_folder (const char *uri)
{
  if (g_strcmp0 (uri, "qemu:///system") == 0)
    return g_strdup ("/var/log/libvirt/qemu");
  return g_build_filename (g_get_user_cache_dir (), "libvirt", "qemu", "log", NULL);
}

char *
berth_console_dup_log_path (const char *uri, const char *domain_name)
{
  g_autofree char *folder = dup_log_folder (uri);
  g_autofree char *name = g_strconcat (domain_name, CONSOLE_SUFFIX, NULL);

  /* an ordinary user's libvirt makes it late, or never */
  if (g_mkdir_with_parents (folder, 0700) != 0)
    return NULL;
  return g_build_filename (folder, name, NULL);
}

/* with what virtlogd has rotated of it */
static void
remove_log (const char *folder, const char *domain_name, const char *suffix)
{
  g_autofree char *name = g_strconcat (domain_name, suffix, NULL);
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_unlink (path);
  for (int i = 0; i < ROTATED_MAX; i++)
    {
      g_autofree char *rotated = g_strdup_printf ("%s.%d", path, i);

      g_unlink (rotated);
    }
}

void
berth_console_remove_logs (const char *uri, const char *domain_name)
{
  g_autofree char *folder = dup_log_folder (uri);

  remove_log (folder, domain_name, CONSOLE_SUFFIX);
  remove_log (folder, domain_name, ".log");
}

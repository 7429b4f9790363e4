/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One idea of what a terminal may be shown, for everything that shows something. */
#include "plugin/base/berth-printable.h"

gboolean
berth_printable_has (gunichar character, gboolean keeps_lines)
{
  return g_unichar_isprint (character) || (keeps_lines && (character == '\n' || character == '\t'));
}

char *
berth_printable_dup (const char *text, gboolean keeps_lines)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *printable = g_string_new (NULL);

  for (const char *at = valid; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar character = g_utf8_get_char (at);

      g_string_append_unichar (printable,
                               berth_printable_has (character, keeps_lines) ? character : '?');
    }
  return g_string_free (printable, FALSE);
}

gsize
berth_printable_count_whole (const guint8 *bytes, gsize size)
{
  for (gsize back = 1; back <= 3 && back <= size; back++)
    {
      guint8 byte = bytes[size - back];

      if ((byte & 0xc0) == 0x80)
        continue;
      if ((byte & 0xe0) == 0xc0 || (byte & 0xf0) == 0xe0 || (byte & 0xf8) == 0xf0)
        {
          gsize whole = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;

          return back < whole ? size - back : size;
        }
      return size;
    }
  return size;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few sequences that every terminal of today knows: no terminfo is asked. */
#include "plugin/cli/berth-cli-terminal.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT 24
#define ERASE_LINE "\r\x1b[K"
#define FAINT "\x1b[2m"
#define PLAIN "\x1b[0m"

/**
 * berth_terminal_can_erase:
 * @fd: a descriptor
 *
 * Returns: whether it is a terminal on which what was written can be taken back
 */
gboolean
berth_terminal_can_erase (int fd)
{
  const char *term = g_getenv ("TERM");

  return isatty (fd) && term != NULL && strcmp (term, "dumb") != 0;
}

/**
 * berth_terminal_has_colour:
 * @fd: a descriptor
 *
 * Returns: whether it can show colours and the user wants them (NO_COLOR)
 */
gboolean
berth_terminal_has_colour (int fd)
{
  const char *unwanted = g_getenv ("NO_COLOR");

  return berth_terminal_can_erase (fd) && (unwanted == NULL || *unwanted == '\0');
}

/**
 * berth_terminal_get_size:
 * @fd: a descriptor
 * @out_columns: (out): how wide it is now
 * @out_rows: (out): how high it is now
 */
void
berth_terminal_get_size (int fd, guint *out_columns, guint *out_rows)
{
  struct winsize size = { 0 };

  ioctl (fd, TIOCGWINSZ, &size);
  *out_columns = size.ws_col > 0 ? size.ws_col : COLUMNS_DEFAULT;
  *out_rows = size.ws_row > 0 ? size.ws_row : ROWS_DEFAULT;
}

/**
 * berth_terminal_write:
 * @fd: a terminal
 * @text: for it; what can't be written is not worth a word
 */
void
berth_terminal_write (int fd, const char *text)
{
  gsize length = strlen (text);

  while (length > 0)
    {
      gssize written = write (fd, text, length);

      if (written < 0 && errno != EINTR)
        return;
      text += MAX (written, 0);
      length -= (gsize)MAX (written, 0);
    }
}

/**
 * berth_terminal_show_line:
 * @fd: a terminal
 * @text: UTF-8
 *
 * Shows it in place of the line that the cursor is on, cut to its width, in a colour that steps
 * back.
 */
void
berth_terminal_show_line (int fd, const char *text)
{
  gboolean has_colour = berth_terminal_has_colour (fd);
  g_autofree char *shown = NULL;
  g_autofree char *line = NULL;
  guint columns;
  guint rows;

  berth_terminal_get_size (fd, &columns, &rows);
  shown = g_utf8_substring (text, 0, MIN (g_utf8_strlen (text, -1), (glong)columns - 1));
  line = g_strconcat (ERASE_LINE, has_colour ? FAINT : "", shown, has_colour ? PLAIN : "", NULL);
  berth_terminal_write (fd, line);
}

/**
 * berth_terminal_erase_line:
 * @fd: a terminal
 */
void
berth_terminal_erase_line (int fd)
{
  berth_terminal_write (fd, ERASE_LINE);
}

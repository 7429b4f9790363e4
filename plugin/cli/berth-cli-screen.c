/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On the terminal's second screen, so that what stood there is there again. Keys come one by one
 * and unseen; those that would end or stop us before the terminal is restored do nothing, but for
 * Ctrl-C. */
#include "plugin/cli/berth-cli-screen.h"

#include <termios.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-terminal.h"

#define BEGIN "\x1b[?1049h\x1b[?25l"
#define END "\x1b[?25h\x1b[?1049l"
#define HOME "\x1b[H"
#define ERASE_REST_OF_LINE "\x1b[K"
#define ERASE_REST_OF_SCREEN "\x1b[J"

struct _BerthScreen
{
  struct termios before; /* of stdin */
  gboolean has_keys;     /* stdin is a terminal */
};

static void
take_keys (BerthScreen *self)
{
  struct termios mode;

  self->has_keys = tcgetattr (STDIN_FILENO, &self->before) == 0;
  if (!self->has_keys)
    return;
  mode = self->before;
  mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  mode.c_cc[VMIN] = 1;
  mode.c_cc[VTIME] = 0;
  mode.c_cc[VSUSP] = _POSIX_VDISABLE;
  mode.c_cc[VQUIT] = _POSIX_VDISABLE;
  tcsetattr (STDIN_FILENO, TCSANOW, &mode);
}

/**
 * berth_screen_open:
 *
 * Returns: (transfer full): the screen of stdout, which is a terminal
 */
BerthScreen *
berth_screen_open (void)
{
  BerthScreen *self = g_new0 (BerthScreen, 1);

  take_keys (self);
  berth_terminal_write (STDOUT_FILENO, BEGIN);
  return self;
}

static void
append_line (GString *frame, const char *line, guint columns)
{
  g_autofree char *shown
      = g_utf8_substring (line, 0, MIN (g_utf8_strlen (line, -1), (glong)columns));

  g_string_append (frame, shown);
  g_string_append (frame, ERASE_REST_OF_LINE);
}

/**
 * berth_screen_show:
 * @self: a screen
 * @text: UTF-8, lines; what there is no room for is left out
 */
void
berth_screen_show (BerthScreen *self, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GString) frame = g_string_new (HOME);
  guint columns;
  guint rows;

  berth_terminal_get_size (STDOUT_FILENO, &columns, &rows);
  for (guint i = 0; lines[i] != NULL && i < rows; i++)
    {
      gboolean is_cut = i + 1 == rows && lines[i + 1] != NULL;

      g_string_append (frame, i > 0 ? "\r\n" : "");
      append_line (frame, is_cut ? "..." : lines[i], columns);
    }
  g_string_append (frame, ERASE_REST_OF_SCREEN);
  berth_terminal_write (STDOUT_FILENO, frame->str);
}

/**
 * berth_screen_close:
 * @self: (transfer full) (nullable): a screen
 *
 * The terminal is as it was.
 */
void
berth_screen_close (BerthScreen *self)
{
  if (self == NULL)
    return;
  berth_terminal_write (STDOUT_FILENO, END);
  if (self->has_keys)
    tcsetattr (STDIN_FILENO, TCSANOW, &self->before);
  g_free (self);
}

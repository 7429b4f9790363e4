/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes pseudo-terminals; the kernel does the rest of what a terminal does. */
#include "agent-terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "agent-file.h"

/* Whether a terminal can be that large. */
bool
berth_agent_terminal_size_is_good (uint32_t rows, uint32_t columns, struct winsize *out_size)
{
  if (rows == 0 || columns == 0 || rows > BERTH_TERMINAL_SIDE_MAX
      || columns > BERTH_TERMINAL_SIDE_MAX)
    return false;
  *out_size = (struct winsize){ .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };
  return true;
}

/* Erasing takes away a whole character, not its last byte. */
static bool
terminal_set_utf8 (int fd)
{
  struct termios modes;

  if (tcgetattr (fd, &modes) != 0)
    return false;
  modes.c_iflag |= IUTF8;
  return tcsetattr (fd, TCSANOW, &modes) == 0;
}

/* The agent's end, which does not block, and the program's. False, and errno: there can't be one.
 */
bool
berth_agent_terminal_open (const BerthAgentConfig *config, const struct winsize *size, int *out_fd,
                           int *out_program_fd)
{
  int fd = open ("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  /* by its other end, not by a name: which file system it is in is nobody's business */
  int program_fd
      = fd >= 0 && unlockpt (fd) == 0 ? ioctl (fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;

  /* its own, or a program could not open it by its name */
  if (program_fd >= 0 && (!config->is_init || fchown (program_fd, config->uid, (gid_t)-1) == 0)
      && terminal_set_utf8 (program_fd) && berth_agent_terminal_resize (fd, size))
    {
      *out_fd = fd;
      *out_program_fd = program_fd;
      return true;
    }
  berth_agent_file_close (&program_fd);
  berth_agent_file_close (&fd);
  return false;
}

/* The kernel tells whoever has it in the foreground, if it is another size than before. Who asks
 * for the same size wants to see all of it, too. */
bool
berth_agent_terminal_resize (int fd, const struct winsize *size)
{
  struct winsize before = { 0 };
  bool is_same = ioctl (fd, TIOCGWINSZ, &before) == 0 && before.ws_row == size->ws_row
                 && before.ws_col == size->ws_col;
  pid_t group = is_same ? tcgetpgrp (fd) : 0;

  if (group > 1)
    kill (-group, SIGWINCH);
  return ioctl (fd, TIOCSWINSZ, size) == 0;
}

/* Makes it the terminal of the calling process's session, which has none and which it leads. */
bool
berth_agent_terminal_control (int program_fd)
{
  return ioctl (program_fd, TIOCSCTTY, 0) == 0;
}

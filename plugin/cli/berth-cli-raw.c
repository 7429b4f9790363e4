/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* However this process ends, but by SIGKILL, the terminal is given back: at the end of the verb, by
 * who ends it elsewhere, and by signals that would end it without a word. */
#include "plugin/cli/berth-cli-raw.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-terminal.h"
#include "pool/berth-error.h"

/* What a program that did not come to its end may have left on: the other screen, keys and a mouse
 * that tell more, a hidden cursor, colours. Each is nothing to a terminal that does not have it. */
#define PLAIN                                                                                      \
  "\x1b[?47l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[?" \
  "25h\x1b["                                                                                       \
  "0m\r\n"

/* "How are you?" The answer, that it is well or not, comes behind all that it was asked before. */
#define LAST_QUESTION "\x1b[5n"
#define LAST_ANSWER_MS 1000

static const int fatal[] = { SIGHUP, SIGQUIT, SIGABRT, SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGPIPE };

static struct termios before; /* lint: file-scope: a process has one, and handlers need it */
static struct termios raw;    /* lint: file-scope: likewise */
static volatile sig_atomic_t has_mode; /* lint: file-scope: likewise */

/**
 * berth_raw_restore:
 *
 * Gives the terminal its mode back, if it was taken. Any thread, any signal handler.
 */
void
berth_raw_restore (void)
{
  int saved_errno = errno;

  if (has_mode)
    tcsetattr (STDIN_FILENO, TCSANOW, &before);
  has_mode = 0;
  errno = saved_errno;
}

static void
fatal_cb (int number)
{
  berth_raw_restore ();
  raise (number); /* by default, as SA_RESETHAND has it */
}

/* Somebody stops this process from elsewhere: Ctrl-Z at the terminal is the program's. */
static void
stop_cb (int number)
{
  int saved_errno = errno;

  if (has_mode)
    tcsetattr (STDIN_FILENO, TCSANOW, &before);
  raise (SIGSTOP); /* not as the default would: that stops no process that no shell waits for */
  errno = saved_errno;
}

/* However it was stopped. In the background the kernel stops it again, until it has the terminal.
 */
static void
go_on_cb (int number)
{
  int saved_errno = errno;

  if (has_mode)
    tcsetattr (STDIN_FILENO, TCSANOW, &raw);
  errno = saved_errno;
}

static void
catch_stops (void (*stop) (int), void (*go_on) (int))
{
  const struct sigaction stopped = { .sa_handler = stop, .sa_flags = SA_RESTART };
  const struct sigaction going_on = { .sa_handler = go_on, .sa_flags = SA_RESTART };

  sigaction (SIGTSTP, &stopped, NULL);
  sigaction (SIGCONT, &going_on, NULL);
}

/* What is ignored, as by nohup, stays so. */
static void
catch_fatal (void (*handler) (int))
{
  struct sigaction action = { .sa_handler = handler, .sa_flags = (int)SA_RESETHAND };
  struct sigaction old;

  for (guint i = 0; i < G_N_ELEMENTS (fatal); i++)
    if (sigaction (fatal[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
      sigaction (fatal[i], &action, NULL);
}

/**
 * berth_raw_begin:
 *
 * Takes the terminal that standard input is.
 *
 * Returns: whether it could be taken; %FALSE with %BERTH_ERROR_LOCAL
 */
gboolean
berth_raw_begin (GError **error)
{
  if (tcgetattr (STDIN_FILENO, &before) == 0)
    {
      catch_fatal (fatal_cb);
      raw = before;
      cfmakeraw (&raw);
      catch_stops (stop_cb, go_on_cb);
      has_mode = 1;
      if (tcsetattr (STDIN_FILENO, TCSANOW, &raw) == 0)
        return TRUE;
    }
  berth_raw_end (TRUE);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL, "the terminal can't be used: %s",
               g_strerror (errno));
  return FALSE;
}

/* The next key, or a byte of an answer; FALSE where none comes in time. */
static gboolean
read_key (gint64 end_us, guint8 *out_key)
{
  struct pollfd wait = { .fd = STDIN_FILENO, .events = POLLIN };
  gint64 left_us = end_us - g_get_monotonic_time ();

  return left_us > 0 && poll (&wait, 1, (int)(left_us / 1000) + 1) == 1
         && read (STDIN_FILENO, out_key, 1) == 1;
}

/* @last: of what came, the newest last */
static gboolean
is_last_answer (const guint8 last[4])
{
  return memcmp (last, "\x1b[0n", 4) == 0 || memcmp (last, "\x1b[3n", 4) == 0;
}

/**
 * berth_raw_swallow_answers:
 *
 * What the terminal, which is taken, has been asked and answers yet is for nobody: a shell would
 * take it for what was typed. So is what is typed meanwhile.
 */
void
berth_raw_swallow_answers (void)
{
  struct pollfd room = { .fd = STDOUT_FILENO, .events = POLLOUT };
  gint64 end_us = g_get_monotonic_time () + LAST_ANSWER_MS * 1000;
  guint8 last[4] = { 0 };

  if (isatty (STDOUT_FILENO) && poll (&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0)
    {
      berth_terminal_write (STDOUT_FILENO, LAST_QUESTION);
      while (!is_last_answer (last))
        {
          memmove (last, last + 1, 3);
          if (!read_key (end_us, &last[3]))
            break;
        }
    }
  tcflush (STDIN_FILENO, TCIFLUSH);
}

/**
 * berth_raw_end:
 * @is_clean: the program came to its end, and has cleared up what it showed
 *
 * The terminal is as it was.
 */
void
berth_raw_end (gboolean is_clean)
{
  gboolean had_mode = has_mode;

  berth_raw_restore (); /* first: a terminal that takes nothing holds up what is written to it */
  catch_fatal (SIG_DFL);
  catch_stops (SIG_DFL, SIG_DFL);
  if (!is_clean && had_mode && isatty (STDOUT_FILENO))
    berth_terminal_write (STDOUT_FILENO, PLAIN);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A builtin of bash that runs a session's execs, one after the other, in the shell that has loaded
 * it. The code is given to bash's own parser as the text of a script, so that no word of ours
 * stands around it: what traps, options, aliases, functions and redirections of the user's do, they
 * do as in a script. The builtin never returns, and takes itself off the list of builtins before
 * any code of the user's runs.
 *
 * The messages and reports are those of agent/runners/python/session.py: see
 * agent-runner-session.c.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bashjmp.h"
#include "builtins.h"
#include "shell.h"
/* behind shell.h, of which it needs */
#include "common.h"
#include "execute_cmd.h"
#include "unwind_prot.h"

#include "agent-runner.h"
#include "berth-protocol.h"

#define NAME "berth_session"
/* Where no program expects a descriptor, below the usual limit of 1024: one that takes the number
 * of the first leaves the second. */
#define CONTROL_ASIDE 1000
#define CONTROL_SPARE 871
#define HEAD_SIZE (1 + BERTH_AGENT_SEED_SIZE + 4) /* kind, seed, token */
#define STREAMS 3

/* of bash, and in none of its headers */
extern int sourcelevel;
extern int echo_command_at_execute;
extern int cd_builtin (WORD_LIST *list);

typedef struct
{
  int fds[2];
  ino_t inode;
} Control;

typedef struct
{
  const unsigned char *token;
  const char *streams[STREAMS];
  const char *script;
  const char *workdir; /* empty: where the shell is */
  const char *env;     /* NAME=VALUE NUL ... */
  size_t env_size;
  char *code; /* ends with a NUL */
} Message;

/* bash ignores them when it starts with them, and fails where they are set. */
static const char *const fixed_names[]
    = { "UID=", "EUID=", "PPID=", "SHELLOPTS=", "BASHOPTS=", "BASH_VERSINFO=" };

static void
control_take (Control *self)
{
  struct stat info;

  self->fds[0] = fcntl (BERTH_AGENT_CONTROL_FD, F_DUPFD_CLOEXEC, CONTROL_ASIDE);
  self->fds[1] = fcntl (BERTH_AGENT_CONTROL_FD, F_DUPFD_CLOEXEC,
                        self->fds[0] < 0 ? BERTH_AGENT_CONTROL_FD + 1 : CONTROL_SPARE);
  self->inode = fstat (BERTH_AGENT_CONTROL_FD, &info) == 0 ? info.st_ino : 0;
  close (BERTH_AGENT_CONTROL_FD);
}

/* The one that is still ours; -1: the code has closed both */
static int
control_get (const Control *self)
{
  struct stat info;

  for (int i = 0; i < 2; i++)
    if (fstat (self->fds[i], &info) == 0 && S_ISSOCK (info.st_mode) && info.st_ino == self->inode)
      return self->fds[i];
  return -1;
}

/* The agent that closed the channel wants nothing more of this shell. */
static void
read_all (const Control *control, unsigned char *out_bytes, size_t size)
{
  while (size > 0)
    {
      ssize_t count = read (control_get (control), out_bytes, size);

      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0)
        _exit (0);
      out_bytes += count;
      size -= (size_t)count;
    }
}

static void
report (const Control *control, const char *bytes, size_t size)
{
  while (write (control_get (control), bytes, size) < 0 && errno == EINTR)
    ;
}

static void
report_exec (const Control *control, char what, const Message *message, int status)
{
  const char bytes[] = { what,
                         (char)message->token[0],
                         (char)message->token[1],
                         (char)message->token[2],
                         (char)message->token[3],
                         (char)status };

  report (control, bytes, sizeof bytes);
}

/* (transfer full): the bytes that @out_message points into. A NUL is put behind the code. */
static unsigned char *
receive (const Control *control, Message *out_message)
{
  unsigned char head[4], *bytes;
  const char *texts[STREAMS + 2], *at;
  size_t size;

  read_all (control, head, sizeof head);
  size = berth_le32_read (head);
  bytes = xmalloc (size + 1);
  read_all (control, bytes, size);
  bytes[size] = '\0';
  at = (const char *)bytes + HEAD_SIZE;
  for (int i = 0; i < STREAMS + 2; i++)
    {
      texts[i] = at;
      at += strlen (at) + 1;
    }
  for (int i = 0; i < STREAMS; i++)
    out_message->streams[i] = texts[i];
  out_message->token = bytes + HEAD_SIZE - 4;
  out_message->script = texts[STREAMS];
  out_message->workdir = texts[STREAMS + 1];
  out_message->env_size = berth_le32_read ((const uint8_t *)at);
  out_message->env = at + 4;
  out_message->code = (char *)at + 4 + out_message->env_size;
  return bytes;
}

/* Where a limit leaves no descriptor to spare, it still leaves the one that was there. */
static void
open_stream (int fd, const char *path)
{
  int flags = fd == STDIN_FILENO ? O_RDONLY : O_WRONLY;
  int opened;

  close (fd);
  opened = open (path, flags);
  if (opened < 0 || opened == fd)
    return;
  dup2 (opened, fd);
  close (opened);
}

static void
open_streams (const Message *message)
{
  for (int fd = 0; fd < STREAMS; fd++)
    open_stream (fd, message != NULL ? message->streams[fd] : "/dev/null");
}

static bool
is_fixed (const char *entry)
{
  for (size_t i = 0; i < sizeof fixed_names / sizeof fixed_names[0]; i++)
    if (strncmp (entry, fixed_names[i], strlen (fixed_names[i])) == 0)
      return true;
  return false;
}

/* As bash does for assignments in front of a command, but for a trace of them; false where there
 * are none. */
static bool
push_env (const Message *message)
{
  int traces = echo_command_at_execute;

  echo_command_at_execute = 0;
  for (const char *entry = message->env; entry < message->env + message->env_size;
       entry += strlen (entry) + 1)
    {
      const char *value = strchr (entry, '=') + 1;
      char *quoted, *text;
      WORD_DESC *word;

      if (is_fixed (entry))
        continue;
      quoted = sh_single_quote ((char *)value);
      text = xmalloc ((size_t)(value - entry) + strlen (quoted) + 1);
      memcpy (text, entry, (size_t)(value - entry));
      strcpy (text + (value - entry), quoted);
      word = make_bare_word (text);
      word->flags |= W_ASSIGNMENT | W_QUOTED;
      assign_in_env (word, 0);
      dispose_word (word);
      free (text);
      free (quoted);
    }
  echo_command_at_execute = traces;
  if (temporary_env == NULL)
    return false;
  push_scope (VC_BLTNENV, temporary_env);
  temporary_env = NULL;
  return true;
}

static bool
enter_workdir (const char *path)
{
  WORD_LIST *words;
  int status;

  if (*path == '\0')
    return true;
  words = make_word_list (make_bare_word ("--"), make_word_list (make_bare_word (path), NULL));
  status = cd_builtin (words);
  dispose_words (words);
  return status == EXECUTION_SUCCESS;
}

/* @value: NULL for none */
static void
array_set_base (const char *name, const char *value)
{
  SHELL_VAR *variable = find_variable (name);
  ARRAY *array;

  if (variable == NULL || !array_p (variable))
    return;
  array = array_cell (variable);
  array_flush (array);
  if (value != NULL)
    array_rshift (array, 1, (char *)value);
}

/* What a script finds that bash was told to run */
static void
become_script (const char *script)
{
  SHELL_VAR *functions = find_variable ("FUNCNAME");

  free (dollar_vars[0]);
  dollar_vars[0] = savestring (script);
  array_set_base ("BASH_ARGC", NULL);
  array_set_base ("BASH_ARGV", NULL);
  array_set_base ("BASH_SOURCE", script);
  array_set_base ("BASH_LINENO", "0");
  array_set_base ("FUNCNAME", "main");
  if (functions != NULL)
    VSETATTR (functions, att_invisible);
  return_catch_flag = 0;
  sourcelevel = 0;
  indirection_level = 0;
}

/* Code of comments alone leaves $? as it was, and is no failure. */
static bool
has_command (const char *code)
{
  while (*code != '\0')
    {
      code += strspn (code, " \t\n");
      if (*code != '#')
        return *code != '\0';
      code += strcspn (code, "\n");
    }
  return false;
}

/* Some errors (a[1.5]=1) make bash give up all that it does and jump to where it reads a script:
 * here, and what is left of the code is not run. Others and exits are the shell's end. */
static int
execute (const Message *message)
{
  int status, jump = setjmp_nosigs (top_level);

  if (jump == DISCARD)
    return last_command_exit_value != EXECUTION_SUCCESS ? last_command_exit_value
                                                        : EXECUTION_FAILURE;
  if (jump != NOT_JUMPED)
    exit_shell (last_command_exit_value);
  status = parse_and_execute (savestring (message->code), message->script,
                              SEVAL_NONINT | SEVAL_NOHIST | SEVAL_RESETLINE);
  /* what it discards by itself (1/0), it does not return */
  return status == EXECUTION_SUCCESS && has_command (message->code) ? last_command_exit_value
                                                                    : status;
}

static int
run (const Message *message)
{
  bool has_env;
  int status;

  become_script (message->script);
  if (!enter_workdir (message->workdir))
    return EXECUTION_FAILURE;
  has_env = push_env (message);
  status = execute (message);
  if (has_env)
    pop_scope (0);
  return status;
}

static void
leave_list (void)
{
  int i = 0;

  while (i < num_shell_builtins && strcmp (shell_builtins[i].name, NAME) != 0)
    i++;
  if (i == num_shell_builtins)
    return;
  /* with the empty one behind the last */
  memmove (shell_builtins + i, shell_builtins + i + 1,
           (size_t)(num_shell_builtins - i) * sizeof shell_builtins[0]);
  num_shell_builtins--;
}

static int
session (WORD_LIST *list)
{
  const char loaded[] = { BERTH_AGENT_CONTROL_ACCEPTS, BERTH_AGENT_CONTROL_LOADED };
  Control control;

  (void)list;
  control_take (&control);
  leave_list ();
  /* what would be undone is where bash ran this from, and that is not gone back to */
  clear_unwind_protect_list (0);
  unbind_variable ("BASH_ENV");
  bind_variable ("_", "/bin/bash", 0);
  report (&control, loaded, sizeof loaded);
  while (true)
    {
      Message message;
      unsigned char *bytes = receive (&control, &message);
      int status;

      fflush (stdout);
      open_streams (&message);
      report_exec (&control, BERTH_AGENT_CONTROL_OPENED, &message, 0);
      status = run (&message);
      fflush (stdout);
      open_streams (NULL);
      report_exec (&control, BERTH_AGENT_CONTROL_DONE, &message, status);
      last_command_exit_value = status;
      free (bytes);
    }
  return EXECUTION_SUCCESS;
}

static char *const session_doc[] = { NULL };

struct builtin berth_session_struct = { .name = (char *)NAME,
                                        .function = session,
                                        .flags = BUILTIN_ENABLED,
                                        .long_doc = session_doc,
                                        .short_doc = NAME };

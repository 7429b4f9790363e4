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
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
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
/* Above the usual limit of 1024: below it, bash would keep the number from programs */
#define CONTROL_ASIDE 1100
#define HEAD_SIZE (1 + BERTH_AGENT_SEED_SIZE + 4) /* kind, seed, token */
#define STREAMS 3
#define TEXTS (STREAMS + 3)

/* of bash, and in none of its headers */
extern int sourcelevel;
extern int line_number;
extern int executing;
extern int just_one_command;
extern int read_but_dont_execute;
extern int exit_immediately_on_error;
extern int current_command_number;
extern int change_flag (int flag, int on_or_off);
extern int cd_builtin (WORD_LIST *list);
extern void with_input_from_string (char *text, const char *name);

#define FLAG_OFF '+'

typedef struct
{
  int fd;
  ino_t inode; /* by which it is told from what the code has put in its place */
} Control;

typedef struct
{
  const unsigned char *token;
  const char *streams[STREAMS];
  const char *script;
  const char *workdir;  /* empty: where the shell is */
  const char *comeback; /* see agent-comeback.h */
  const char *env;      /* NAME=VALUE NUL ... */
  size_t env_size;
  char *code; /* ends with a NUL */
} Message;

/* A variable of the exec's own, and what the session has by this name */
typedef struct
{
  char *name;              /* NULL: it was not given */
  BUCKET_CONTENTS *before; /* NULL: none */
  time_t since;            /* of SECONDS: when the session's were 0 */
} Given;

/* bash does not take them from its environment when it starts. */
static const char *const fixed_names[]
    = { "PPID",         "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO", "BASH",
        "BASH_VERSION", "IFS",       "OPTIND",   "OPTERR",        "PWD" };

/* Takes the descriptor out of the way of programs. */
static void
control_take (Control *self, int fd)
{
  struct rlimit limit = { 0 }, most;
  struct stat info;

  getrlimit (RLIMIT_NOFILE, &limit);
  most = (struct rlimit){ limit.rlim_max, limit.rlim_max };
  setrlimit (RLIMIT_NOFILE, &most);
  self->fd = fcntl (fd, F_DUPFD_CLOEXEC, CONTROL_ASIDE);
  setrlimit (RLIMIT_NOFILE, &limit);
  if (self->fd < 0)
    self->fd = fd;
  else
    close (fd);
  self->inode = fstat (self->fd, &info) == 0 ? info.st_ino : 0;
}

/* False: the code has closed it, and there is no other. */
static bool
control_mend (Control *self, const char *comeback)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  socklen_t size = offsetof (struct sockaddr_un, sun_path) + 1 + strlen (comeback);
  struct stat info;
  int fd;

  if (fstat (self->fd, &info) == 0 && S_ISSOCK (info.st_mode) && info.st_ino == self->inode)
    return true;
  fd = *comeback != '\0' ? socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
  if (fd < 0)
    return false;
  memcpy (address.sun_path + 1, comeback, strlen (comeback));
  if (connect (fd, (struct sockaddr *)&address, size) != 0)
    {
      close (fd);
      return false;
    }
  control_take (self, fd);
  return true;
}

/* The agent that closed the channel wants nothing more of this shell. */
static void
read_all (const Control *control, unsigned char *out_bytes, size_t size)
{
  while (size > 0)
    {
      ssize_t count = read (control->fd, out_bytes, size);

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
  while (send (control->fd, bytes, size, MSG_NOSIGNAL) < 0 && errno == EINTR)
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
  const char *texts[TEXTS], *at;
  size_t size;

  read_all (control, head, sizeof head);
  size = berth_le32_read (head);
  bytes = xmalloc (size + 1);
  read_all (control, bytes, size);
  bytes[size] = '\0';
  at = (const char *)bytes + HEAD_SIZE;
  for (int i = 0; i < TEXTS; i++)
    {
      texts[i] = at;
      at += strlen (at) + 1;
    }
  for (int i = 0; i < STREAMS; i++)
    out_message->streams[i] = texts[i];
  out_message->token = bytes + HEAD_SIZE - 4;
  out_message->script = texts[STREAMS];
  out_message->workdir = texts[STREAMS + 1];
  out_message->comeback = texts[STREAMS + 2];
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

static SHELL_VAR *
find_seconds (const char *name)
{
  SHELL_VAR *variable = strcmp (name, "SECONDS") == 0 ? find_global_variable_noref (name) : NULL;

  return variable != NULL && variable->dynamic_value != NULL ? variable : NULL;
}

static bool
is_fixed (const char *name)
{
  const SHELL_VAR *variable = find_global_variable_noref (name);

  for (size_t i = 0; i < sizeof fixed_names / sizeof fixed_names[0]; i++)
    if (strcmp (name, fixed_names[i]) == 0)
      return true;
  /* what counts by itself goes on with that */
  return variable != NULL && (variable->dynamic_value != NULL || noassign_p (variable))
         && find_seconds (name) == NULL;
}

/* Of a name that means something to bash, it hears. */
static void
tell_changed (char *name)
{
  array_needs_making = 1;
  stupidly_hack_special_variables (name);
}

/* As bash has what was in its environment when it started: global, exported, without attributes of
 * what the session has by that name, which waits for the end of the exec. */
static void
give (Given *self, const char *entry)
{
  const char *value = strchr (entry, '=') + 1;
  SHELL_VAR *seconds;

  *self = (Given){ .name = substring (entry, 0, (int)(value - entry) - 1) };
  if (is_fixed (self->name))
    {
      free (self->name);
      self->name = NULL;
      return;
    }
  seconds = find_seconds (self->name);
  if (seconds != NULL)
    self->since = time (NULL) - atol (get_variable_value (seconds));
  else
    self->before = hash_remove (self->name, global_variables->table, 0);
  VSETATTR (bind_global_variable (self->name, (char *)value, 0), att_exported);
  tell_changed (self->name);
}

static void
set_seconds (SHELL_VAR *seconds, time_t since)
{
  char text[32];

  snprintf (text, sizeof text, "%lld", (long long)(time (NULL) - since));
  bind_global_variable (seconds->name, text, ASS_FORCE);
  VUNSETATTR (seconds, att_exported);
}

static void
take_back (Given *self)
{
  BUCKET_CONTENTS *given, *before;
  SHELL_VAR *seconds;

  if (self->name == NULL)
    return;
  seconds = self->since != 0 ? find_seconds (self->name) : NULL;
  given = seconds == NULL ? hash_remove (self->name, global_variables->table, 0) : NULL;
  if (seconds != NULL)
    set_seconds (seconds, self->since);
  if (given != NULL)
    {
      dispose_variable (given->data);
      free (given->key);
      free (given);
    }
  if (self->before != NULL)
    {
      before = hash_insert (self->before->key, global_variables->table, HASH_NOSRCH);
      before->data = self->before->data;
      free (self->before);
    }
  tell_changed (self->name);
  free (self->name);
}

/* (transfer full) */
static Given *
give_all (const Message *message, size_t *out_count)
{
  const char *end = message->env + message->env_size;
  Given *all = NULL;

  *out_count = 0;
  for (const char *entry = message->env; entry < end; entry += strlen (entry) + 1)
    {
      all = xrealloc (all, (*out_count + 1) * sizeof *all);
      give (&all[(*out_count)++], entry);
    }
  return all;
}

static void
take_back_all (Given *all, size_t count)
{
  for (size_t i = count; i > 0; i--)
    take_back (&all[i - 1]);
  free (all);
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
  return_catch_flag = sourcelevel = line_number = 0;
  if (read_but_dont_execute) /* or nothing would ever run again */
    {
      change_flag ('n', FLAG_OFF);
      set_shellopts ();
    }
}

/* Some errors (a[1.5]=1) make bash give up the line and go on with the next one; others, and
 * exits, are the shell's end. */
static bool
go_on (int jump)
{
  if (jump == ERREXIT && exit_immediately_on_error)
    reset_local_contexts (); /* an EXIT trap is in no function */
  if (last_command_exit_value == EXECUTION_SUCCESS && jump == DISCARD)
    last_command_exit_value = EXECUTION_FAILURE;
  if (jump != DISCARD || subshell_environment)
    exit_shell (last_command_exit_value);
  restore_sigmask ();
  return true;
}

/* Whether there was a command. */
static bool
execute_line (COMMAND *volatile *command)
{
  if (read_command () != 0)
    {
      EOF_Reached = EOF; /* no script goes on behind an error of its syntax */
      return true;
    }
  *command = global_command;
  global_command = NULL;
  if (*command == NULL || read_but_dont_execute)
    return false;
  current_command_number++;
  executing = 1;
  stdin_redir = 0;
  execute_command (*command);
  QUIT;
  return true;
}

/* As bash does with a script. Code of comments alone leaves $? as it was, and is no failure. */
static int
execute (const Message *message)
{
  COMMAND *volatile command = NULL;
  volatile bool is_run = false;

  reset_parser ();
  with_input_from_string (message->code, message->script);
  for (EOF_Reached = 0; EOF_Reached == 0;)
    {
      int jump = setjmp_nosigs (top_level);

      indirection_level = 1;
      unlink_fifo_list ();
      is_run |= jump != NOT_JUMPED ? go_on (jump) : execute_line (&command);
      executing = 0;
      if (command != NULL)
        dispose_command (command);
      command = NULL;
      if (just_one_command)
        exit_shell (last_command_exit_value);
    }
  return is_run ? last_command_exit_value : EXECUTION_SUCCESS;
}

static int
run (const Message *message)
{
  size_t count;
  Given *given;
  int status;

  become_script (message->script);
  if (!enter_workdir (message->workdir))
    return EXECUTION_FAILURE;
  given = give_all (message, &count);
  status = execute (message);
  take_back_all (given, count);
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
  control_take (&control, BERTH_AGENT_CONTROL_FD);
  leave_list ();
  /* what would be undone is where bash ran this from, and that is not gone back to */
  clear_unwind_protect_list (0);
  parse_and_execute_level = executing_builtin = 0;
  this_shell_builtin = NULL;
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
      if (!control_mend (&control, message.comeback))
        _exit (status);
      report_exec (&control, BERTH_AGENT_CONTROL_DONE, &message, status);
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

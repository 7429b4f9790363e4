/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How bash is driven. It reads its script from a pipe, which it keeps from its children itself, and
 * a few lines in there are one exec. They must work whatever the user has made of their shell, so
 * they are made of redirections, reserved words and one command:
 * - the code is sourced from its file, with the exec's environment in front of the dot, which bash
 *   takes away again behind it, and with the streams around it, which come back whatever the code
 *   does with them;
 * - a folder to start in is a cd of the shell's, which stays there as behind one of the user's: so
 *   theirs is called where they have a function of that name;
 * - a status is told by a redirection that fails: its message, on the report's pipe, has the name
 * of the file that can't be there. No name that the user defines has a part in it. It is a
 * condition, which set -e and the trap for ERR take no notice of. The pipe is opened in front of
 * the code: behind it, the code may have left the shell no descriptor (ulimit -n);
 * - a builtin that the user has disabled is enabled again where any code looks as if it did that;
 * if it can't be, this shell can run nothing more, and ends, with an expansion that fails;
 * - an alias for one of these words would stand in its place, and is taken away where any code
 * looks as if it made one;
 * - a trap for RETURN would fire at the end of what is sourced, which to the user is none. Where
 * any code looks as if it set one, the code's file gets a last line of berth's: it keeps the trap
 * in a file, and the next exec sets it again;
 * - the status of the exec before, which the code finds in $?, is that of a subshell's exit;
 * - a function of the user's with the name of the dot would get the code in its place. Where any
 * code looks as if it made one, it is looked for in a subshell (each time costs a fork), and taken
 * away in POSIX mode, where a special builtin comes first. */
#include "agent-shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOWHERE "/dev/null/"
#define FIXED_MAX 2048u

/* bash ignores them when it starts with them, and fails where they are set. */
static const char *const fixed_names[]
    = { "UID=", "EUID=", "PPID=", "SHELLOPTS=", "BASHOPTS=", "BASH_VERSINFO=" };

static bool
is_fixed (const char *entry)
{
  for (size_t i = 0; i < sizeof fixed_names / sizeof fixed_names[0]; i++)
    if (strncmp (entry, fixed_names[i], strlen (fixed_names[i])) == 0)
      return true;
  return false;
}

static char *
put (char *out, const char *text)
{
  size_t length = strlen (text);

  memcpy (out, text, length);
  return out + length;
}

/* In single quotes; one inside of it ends them, is quoted itself, and begins them again. */
static char *
put_quoted (char *out, const char *text)
{
  *out++ = '\'';
  for (; *text != '\0'; text++)
    if (*text == '\'')
      out = put (out, "'\\''");
    else
      *out++ = *text;
  *out++ = '\'';
  return out;
}

static char *
put_env (char *out, const BerthAgentShellExec *exec)
{
  for (const char *entry = exec->env; entry < exec->env + exec->env_size;
       entry += strlen (entry) + 1)
    {
      const char *value = strchr (entry, '=') + 1;

      if (is_fixed (entry))
        continue;
      memcpy (out, entry, (size_t)(value - entry));
      out = put_quoted (out + (value - entry), value);
      *out++ = ' ';
    }
  return out;
}

/* With the report's pipe as stderr */
static char *
put_words (char *out, const BerthAgentShellExec *exec, const char *what)
{
  /* in quotes: IFS may have digits in it; not for descriptor 0: for that one bash would fork */
  return out + sprintf (out, "if { 3<\"" NOWHERE "%s.%u\"; }; then :; fi", what, exec->token);
}

/* What is kept is set once: the code may leave without its last line, and with another trap. */
static char *
put_trap (char *out, const BerthAgentShellExec *exec)
{
  out = put (out, "if { \\eval \"$(<");
  out = put_quoted (out, exec->trap);
  out = put (out, ")\"; } 2>/dev/null; then :; fi\n>|");
  out = put_quoted (out, exec->trap);
  return put (out, "\n");
}

static char *
put_report_pipe (char *out, const BerthAgentShellExec *exec)
{
  out = put (out, " >/dev/null 2>");
  return put_quoted (out, exec->report);
}

/* How much berth_agent_shell_write () writes at most. */
size_t
berth_agent_shell_bound (const BerthAgentShellExec *exec)
{
  return FIXED_MAX + 4 * (exec->env_size + 2 * strlen (exec->script) + 2 * strlen (exec->report))
         + 3 * BERTH_AGENT_PIPE_NAME_MAX + 8 * strlen (exec->trap)
         + (exec->workdir != NULL ? 4 * strlen (exec->workdir) : 0);
}

size_t
berth_agent_shell_write (const BerthAgentShellExec *exec, char *out_text)
{
  static const char *const streams[] = { " <", " >", " 2>" };
  char *out = out_text;

  if (exec->is_first)
    out = put (out, "exec </dev/null >/dev/null 2>&1\n");
  out = put (out, "BASH_ARGV0=");
  out = put_quoted (out, exec->script);
  out = put (out, "\n");
  if (exec->care & BERTH_AGENT_SHELL_CARE_ALIAS)
    out = put (out, "\\unalias { } if then else fi [[ 2>/dev/null || \\:\n");
  if (exec->care & BERTH_AGENT_SHELL_CARE_ENABLE)
    out = put (out, "if { \\enable . ; } >/dev/null 2>&1; then :; fi\n"
                    "if { \\. /dev/null; } >/dev/null 2>&1; then :; else "
                    "[[ ${BERTH_NO_DOT?} ]]; fi 2>/dev/null\n");
  if (exec->care & BERTH_AGENT_SHELL_CARE_FUNCTION)
    out = put (out, "if [[ $(POSIXLY_CORRECT=; unset -f declare; unset POSIXLY_CORRECT; "
                    "declare -F .) ]]; then "
                    "POSIXLY_CORRECT= unset -f .; unset POSIXLY_CORRECT; fi\n");
  if (exec->care & BERTH_AGENT_SHELL_CARE_RETURN)
    out = put_trap (out, exec);
  out = put (out, "{ { { ");
  out = put_words (out, exec, "o");
  out = put (out, "; }");
  out = put_report_pipe (out, exec);
  out = put (out, "; ");
  /* Behind "||" neither set -e nor the trap for ERR takes notice of it */
  if (exec->status != 0)
    out += sprintf (out, "(exit %u) 2>/dev/null || ", exec->status);
  if (exec->workdir != NULL)
    {
      out = put (out, "\\cd -- ");
      out = put_quoted (out, exec->workdir);
      out = put (out, " && ");
    }
  out = put_env (out, exec);
  out = put (out, "\\. ");
  out = put_quoted (out, exec->script);
  out = put (out, "; }");
  for (int i = 0; i < 3; i++)
    {
      out = put (out, streams[i]);
      out = put_quoted (out, exec->pipes->names[i]);
    }
  out = put (out, "\n");
  out = put_words (out, exec, "$?");
  out = put (out, "; }");
  out = put_report_pipe (out, exec);
  /* The second line end is read only when the code has ended: a shell that has read it, too, and
   * tells no end will do nothing any more (look_cb ()). */
  out = put (out, "\n\n");
  return (size_t)(out - out_text);
}

/* The last line of the code's file, with BERTH_AGENT_SHELL_CARE_RETURN. Its status is that of the
 * code, which is in the words before any of them is done. */
size_t
berth_agent_shell_write_tail (const char *trap, char out_text[BERTH_AGENT_SHELL_TAIL_MAX])
{
  char *out = put (out_text, "\n{ \\eval \"\\trap -p RETURN >|");

  out = put_quoted (out, trap);
  out = put (out, "; \\trap - RETURN; \\return $?\"; } 2>/dev/null\n");
  return (size_t)(out - out_text);
}

/* Where the trap of a session's shell is kept; one shell lives at a time. */
void
berth_agent_shell_name_trap (const BerthAgentConfig *config,
                             char out_name[BERTH_AGENT_PIPE_NAME_MAX])
{
  snprintf (out_name, BERTH_AGENT_PIPE_NAME_MAX, "%s/return-trap", config->streams);
}

/* For a shell that could not get its own streams back behind the code, once it can: it gets new
 * ones, and tells that the code has ended. With which status, it has told where nobody hears it. */
size_t
berth_agent_shell_write_rescue (const BerthAgentShellExec *exec, char *out_text)
{
  char *out = put (out_text, "\\exec </dev/null >/dev/null 2>&1\n{ ");

  out = put_words (out, exec, "1");
  out = put (out, "; }");
  out = put_report_pipe (out, exec);
  return (size_t)(put (out, "\n\n") - out_text);
}

static bool
may_name_function (const uint8_t *code, size_t size)
{
  const char *text = (const char *)code, *end = text + size, *dot = text;

  for (; (dot = memchr (dot, '.', (size_t)(end - dot))) != NULL; dot++)
    {
      const char *next = dot + 1;

      if (dot - text >= 9 && (dot[-1] == ' ' || dot[-1] == '\t')
          && memmem (dot - 9, 9, "function", 8) != NULL)
        return true;
      while (next < end && strchr (" \t\\'\"", *next) != NULL)
        next++;
      if (next < end && *next == '(')
        return true;
    }
  return false;
}

/* What is to be taken care of once this code has run, by its looks: BERTH_AGENT_SHELL_CARE_... */
unsigned
berth_agent_shell_suspect (const uint8_t *code, size_t size)
{
  return (may_name_function (code, size) ? BERTH_AGENT_SHELL_CARE_FUNCTION : 0)
         | (memmem (code, size, "alias", 5) != NULL ? BERTH_AGENT_SHELL_CARE_ALIAS : 0)
         | (memmem (code, size, "RETURN", 6) != NULL ? BERTH_AGENT_SHELL_CARE_RETURN : 0)
         | (memmem (code, size, "enable", 6) != NULL ? BERTH_AGENT_SHELL_CARE_ENABLE : 0);
}

/* What a line of the report says: a status, or BERTH_AGENT_SHELL_..., of the exec with this token.
 */
int
berth_agent_shell_parse (const char *line, uint32_t *out_token)
{
  const char *at = NULL, *next = line;
  char *end;
  long status;

  /* what is in front of it has the user's text, what is behind it depends on the language */
  while ((next = strstr (next, NOWHERE)) != NULL)
    at = next += strlen (NOWHERE);
  if (at == NULL || (next = strchr (at, '.')) == NULL)
    return BERTH_AGENT_SHELL_NOTHING;
  *out_token = (uint32_t)strtoul (next + 1, NULL, 10);
  if (*at == 'o')
    return BERTH_AGENT_SHELL_OPENED;
  status = strtol (at, &end, 10);
  return end == next && status >= 0 && status <= 255 ? (int)status : BERTH_AGENT_SHELL_NOTHING;
}

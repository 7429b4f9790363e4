/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file that an exec's code is run from: its name, and what is in it. */
#include "agent-exec.h"

#include <stdlib.h>
#include <string.h>

#include "agent-shell.h"

/* With the suffix that says to Node.js what it is, where it is told: runners/javascript.js finds
 * it. */
void
berth_agent_exec_name_script (const BerthAgentExec *self, unsigned execs, char out_name[32])
{
  berth_agent_language_name_script (self->head.language, execs, out_name);
  if (self->head.flags & (BERTH_EXEC_MODULE | BERTH_EXEC_COMMONJS))
    strcpy (strrchr (out_name, '.'), self->head.flags & BERTH_EXEC_MODULE ? ".mjs" : ".cjs");
}

static bool
exec_may_leave_trap (const BerthAgentExec *self)
{
  return self->is_session && self->head.language == BERTH_LANGUAGE_SHELL
         && ((berth_agent_shell_suspect (self->code, self->head.code_size)
              | berth_agent_sessions_get_care (self->world.sessions, BERTH_LANGUAGE_SHELL))
             & BERTH_AGENT_SHELL_CARE_RETURN);
}

/* Without memory for it the trap fires once too often. */
static void
exec_add_tail (BerthAgentExec *self)
{
  char trap[BERTH_AGENT_PIPE_NAME_MAX];
  uint8_t *code = realloc (self->code, self->head.code_size + BERTH_AGENT_SHELL_TAIL_MAX);

  if (code == NULL)
    return;
  self->code = code;
  berth_agent_shell_name_trap (self->world.config, trap);
  self->head.code_size
      += (uint32_t)berth_agent_shell_write_tail (trap, (char *)code + self->head.code_size);
}

/* Where the file can't be written errno says why, unless its code goes another way: a session's
 * does, and a run's may. */
bool
berth_agent_exec_write_script (BerthAgentExec *self, bool *out_is_program)
{
  BerthLanguage language = self->head.language;
  unsigned execs
      = self->is_session ? berth_agent_sessions_count (self->world.sessions, language) : 0;
  char name[32];

  berth_agent_exec_name_script (self, execs, name);
  if (exec_may_leave_trap (self))
    exec_add_tail (self);
  if (berth_agent_script_write (&self->script, self->world.config, name, self->code,
                                self->head.code_size, out_is_program))
    return true;
  return self->is_session && berth_agent_language_has_hook (language)
         && !(self->is_once && berth_agent_language_reads_file (language));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file that an exec's code is run from: its name, and what is in it. */
#include "agent-exec.h"

#include <stdio.h>
#include <string.h>

/* With the suffix that says to Node.js what it is, where it is told, as .mjs and .cts:
 * runners/javascript.js finds it. */
void
berth_agent_exec_name_script (const BerthAgentExec *self, unsigned execs, char out_name[32])
{
  berth_agent_language_name_script (self->head.language, execs, out_name);
  if (self->head.flags & (BERTH_EXEC_MODULE | BERTH_EXEC_COMMONJS))
    snprintf (strrchr (out_name, '.'), 5, ".%c%s", self->head.flags & BERTH_EXEC_MODULE ? 'm' : 'c',
              self->head.language == BERTH_LANGUAGE_TYPESCRIPT ? "ts" : "js");
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
  if (berth_agent_script_write (&self->script, self->world.config, name, self->code,
                                self->head.code_size, out_is_program))
    return true;
  return self->is_session && !(self->is_once && berth_agent_language_reads_file (language));
}

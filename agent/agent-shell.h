/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What bash is told to do for one exec of a session, and what it tells of it. */
#pragma once

#include "agent-pipes.h"

#define BERTH_AGENT_SHELL_OPENED (-1)
#define BERTH_AGENT_SHELL_NOTHING (-2)

#define BERTH_AGENT_SHELL_CARE_FUNCTION 1u /* there may be a function with the name of the dot */
#define BERTH_AGENT_SHELL_CARE_ENABLE 2u   /* builtins may be disabled */
#define BERTH_AGENT_SHELL_CARE_ALIAS 4u    /* reserved words may have become aliases */
#define BERTH_AGENT_SHELL_CARE_RETURN 8u   /* there may be a trap for RETURN */

#define BERTH_AGENT_SHELL_TAIL_MAX (4 * BERTH_AGENT_PIPE_NAME_MAX + 128u)

typedef struct
{
  const char *script; /* in whose place the code is */
  const char *report; /* the pipe that bash tells its ends on */
  uint32_t token;
  const BerthAgentPipes *pipes;
  const char *env; /* NAME=VALUE NUL ..., of this exec alone */
  size_t env_size;
  const char *workdir; /* NULL: where the shell is */
  const char *trap;    /* the file that keeps a trap for RETURN from one exec to the next */
  bool is_first;
  unsigned status; /* of the exec before */
  unsigned care;   /* what berth_agent_shell_suspect () said of all earlier code of this shell */
} BerthAgentShellExec;

unsigned berth_agent_shell_suspect (const uint8_t *code, size_t size);
size_t berth_agent_shell_bound (const BerthAgentShellExec *exec);
size_t berth_agent_shell_write (const BerthAgentShellExec *exec, char *out_text);
size_t berth_agent_shell_write_tail (const char *trap, char out_text[BERTH_AGENT_SHELL_TAIL_MAX]);
void berth_agent_shell_name_trap (const BerthAgentConfig *config,
                                  char out_name[BERTH_AGENT_PIPE_NAME_MAX]);
size_t berth_agent_shell_write_rescue (const BerthAgentShellExec *exec, char *out_text);
int berth_agent_shell_parse (const char *line, uint32_t *out_token);

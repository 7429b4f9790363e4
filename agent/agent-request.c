/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which execs are refused for what their request says. */
#include "agent-request.h"

#include "berth-path.h"

const char *
berth_agent_request_problem (const BerthExecHead *head, const char *workdir, uint32_t workdir_size)
{
  const uint32_t kinds = BERTH_EXEC_MODULE | BERTH_EXEC_COMMONJS;
  const bool is_detached = head->flags & BERTH_EXEC_DETACHED;

  if (head->flags & BERTH_EXEC_COMMAND
      && (head->flags
              & ~(BERTH_EXEC_COMMAND | BERTH_EXEC_STDIN | BERTH_EXEC_DETACHED | BERTH_EXEC_TERMINAL)
          || head->language != BERTH_LANGUAGE_NONE))
    return "a command that is code, too";
  if (head->flags & BERTH_EXEC_TERMINAL && !(head->flags & BERTH_EXEC_COMMAND))
    return "a terminal of what is no command";
  if (head->flags
      & ~(BERTH_EXEC_STDIN | BERTH_EXEC_SESSION | BERTH_EXEC_ONCE | BERTH_EXEC_REHEARSAL
          | BERTH_EXEC_COMMAND | BERTH_EXEC_DETACHED | BERTH_EXEC_TERMINAL | kinds))
    return "an unknown flag";
  if ((head->flags & kinds) == kinds
      || ((head->flags & kinds)
          && (!berth_language_is_of_node (head->language) || head->flags & BERTH_EXEC_SESSION)))
    return "a kind of JavaScript that it can't have";
  if (is_detached
      && (!(head->flags & (BERTH_EXEC_COMMAND | BERTH_EXEC_SESSION))
          || head->flags & BERTH_EXEC_REHEARSAL))
    return "a script that is to run in the background";
  if ((head->timeout_ms < BERTH_TIMEOUT_MIN_MS && !(is_detached && head->timeout_ms == 0))
      || head->timeout_ms > BERTH_TIMEOUT_MAX_MS)
    return "the time limit is out of bounds";
  if (head->code_size == 0
      || head->code_size
             > (head->flags & BERTH_EXEC_COMMAND ? BERTH_ARGS_BYTES_MAX : BERTH_CODE_MAX))
    return "the code's size is out of bounds";
  if (head->env_count > BERTH_ENV_MAX || head->env_size > BERTH_ENV_BYTES_MAX)
    return "the environment is too large";
  if (head->stdout_credit > BERTH_CREDIT_MAX || head->stderr_credit > BERTH_CREDIT_MAX)
    return "the credit is too large";
  return workdir_size > 0 ? berth_path_problem (workdir, workdir_size) : NULL;
}

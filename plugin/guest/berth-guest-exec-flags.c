/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest is told of a program that it is to run, and how new its agent has to be for that. */
#include "berth-guest-exec.h"

/* What the name of the file that the code is from says of it */
static guint32
get_kind (const BerthExec *exec, const char *module, const char *commonjs)
{
  if (g_strcmp0 (exec->suffix, module) == 0)
    return BERTH_EXEC_MODULE;
  return g_strcmp0 (exec->suffix, commonjs) == 0 ? BERTH_EXEC_COMMONJS : 0;
}

guint32
berth_guest_exec_get_flags (const BerthExec *exec, BerthLanguage language)
{
  guint32 flags = exec->stdin_fd >= 0 || exec->keeps_stdin ? BERTH_EXEC_STDIN : 0;

  if (exec->is_detached)
    flags |= BERTH_EXEC_DETACHED;

  if (exec->tty != NULL)
    return BERTH_EXEC_COMMAND | BERTH_EXEC_TERMINAL | BERTH_EXEC_STDIN
           | (exec->is_detached ? BERTH_EXEC_DETACHED : 0);
  if (exec->is_command)
    return flags | BERTH_EXEC_COMMAND;
  if (exec->keeps_state)
    return flags | BERTH_EXEC_SESSION | (exec->is_rehearsal ? BERTH_EXEC_REHEARSAL : 0);
  if (!exec->is_script)
    flags |= BERTH_EXEC_ONCE;
  if (language == BERTH_LANGUAGE_JAVASCRIPT)
    flags |= get_kind (exec, ".mjs", ".cjs");
  if (language == BERTH_LANGUAGE_TYPESCRIPT)
    flags |= get_kind (exec, ".mts", ".cts");
  return flags;
}

guint32
berth_guest_exec_get_version (const BerthExec *exec, BerthLanguage language)
{
  const guint32 kinds = BERTH_EXEC_MODULE | BERTH_EXEC_COMMONJS;

  if (exec->is_detached && exec->log_mb > BERTH_LOG_MB)
    return BERTH_LOG_VERSION;
  if (exec->is_detached && exec->tty != NULL)
    return BERTH_REATTACH_VERSION;
  if (exec->is_detached)
    return BERTH_BACKGROUND_VERSION;
  if (exec->tty != NULL)
    return BERTH_TERMINAL_VERSION;
  if (exec->is_command)
    return BERTH_COMMAND_VERSION;
  if (exec->workdir != NULL || berth_guest_exec_get_flags (exec, language) & kinds)
    return 3;
  return BERTH_PROTOCOL_OLDEST;
}

guint32
berth_guest_exec_get_background_version (const BerthBackgroundRequest *request)
{
  return request->tty != NULL ? BERTH_REATTACH_VERSION : BERTH_BACKGROUND_VERSION;
}

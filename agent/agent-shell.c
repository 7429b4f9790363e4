/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Has what a session's bash loads in files, where programs can read it. bash runs the file that
 * BASH_ENV names before it looks at its script: there the builtin begins, which never returns. */
#include "agent-shell.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent-file.h"

#define OBJECT "session.so"
#define START "session.bash"

/* For the next shell, whatever became of the files of the last one. On failure errno says why. */
bool
berth_agent_shell_install (const BerthAgentConfig *config)
{
  char path[256], text[300];

  snprintf (path, sizeof path, "%s/" OBJECT, config->streams);
  if (!berth_agent_file_create (AT_FDCWD, path, 0644, berth_agent_shell_object,
                                berth_agent_shell_object_size))
    return false;
  snprintf (text, sizeof text, "enable -f '%s' berth_session; berth_session\n", path);
  snprintf (path, sizeof path, "%s/" START, config->streams);
  return berth_agent_file_create (AT_FDCWD, path, 0644, text, strlen (text));
}

/* NAME=VALUE NUL */
size_t
berth_agent_shell_write_env (const BerthAgentConfig *config, char *out_env, size_t size)
{
  return (size_t)snprintf (out_env, size, "BASH_ENV=%s/" START, config->streams) + 1;
}

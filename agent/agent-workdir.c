/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whether a program can start in a folder, before anything of it is started: a folder that
 * is not there is its caller's mistake, and no failure of the interpreter. */
#include "agent-workdir.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a path names that stands in a request: below the home where it is relative. Owned by the
 * caller; NULL where there is no memory. */
char *
berth_agent_workdir_make (const BerthAgentConfig *config, const char *path, size_t size)
{
  size_t home = path[0] == '/' ? 0 : strlen (config->home) + 1;
  char *workdir = malloc (home + size + 1);

  if (workdir == NULL)
    return NULL;
  if (home > 0)
    {
      memcpy (workdir, config->home, home - 1);
      workdir[home - 1] = '/';
    }
  memcpy (workdir + home, path, size);
  workdir[home + size] = '\0';
  return workdir;
}

/* Whether programs may enter it; else errno says why not. The agent itself may enter any. */
bool
berth_agent_workdir_is_good (const BerthAgentConfig *config, const char *workdir)
{
  struct stat status;
  mode_t needed;

  if (stat (workdir, &status) != 0)
    return false;
  if (!S_ISDIR (status.st_mode))
    {
      errno = ENOTDIR;
      return false;
    }
  if (!config->is_init)
    return access (workdir, X_OK) == 0;
  needed = status.st_uid == config->uid   ? S_IXUSR
           : status.st_gid == config->gid ? S_IXGRP
                                          : S_IXOTH;
  errno = EACCES;
  return (status.st_mode & needed) != 0;
}

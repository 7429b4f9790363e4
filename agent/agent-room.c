/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits of descriptors and memory hold for what comes after them in the exec that sets them. An
 * interpreter that can't read its next exec would be lost with all that the session has in it: so
 * in front of that, a limit is raised to what this takes. Above it, limits are the user's. */
#include "agent-room.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent-file.h"

/* A limit of descriptors that is no lower leaves room without being looked at. */
#define FILES_PLENTY 1024u

static void
raise_limit (pid_t pid, int resource, rlim_t least)
{
  struct rlimit limit;

  if (prlimit (pid, (__rlimit_resource_t)resource, NULL, &limit) != 0 || limit.rlim_cur >= least)
    return;
  limit.rlim_cur = least;
  if (limit.rlim_max < least)
    limit.rlim_max = least; /* which the user can't do: the agent may */
  prlimit (pid, (__rlimit_resource_t)resource, &limit, NULL);
}

/* What the process has of address space and, of that, of data, in bytes; false where it is gone */
static bool
read_sizes (pid_t pid, rlim_t *out_all, rlim_t *out_data)
{
  unsigned long all, data;
  char path[64], text[256];

  snprintf (path, sizeof path, "/proc/%d/statm", (int)pid);
  if (berth_agent_file_read (AT_FDCWD, path, text, sizeof text) <= 0
      || sscanf (text, "%lu %*u %*u %*u %*u %lu", &all, &data) != 2)
    return false;
  *out_all = (rlim_t)all * (rlim_t)sysconf (_SC_PAGESIZE);
  *out_data = (rlim_t)data * (rlim_t)sysconf (_SC_PAGESIZE);
  return true;
}

/* Whether it can have fewer descriptors than that */
static bool
has_files_below (pid_t pid, rlim_t count)
{
  struct rlimit limit;

  return prlimit (pid, RLIMIT_NOFILE, NULL, &limit) == 0 && limit.rlim_cur < count;
}

/* How many descriptors the process has open; 0 where it is gone */
static rlim_t
count_files (pid_t pid)
{
  char path[64];
  rlim_t count = 0;
  DIR *folder;

  snprintf (path, sizeof path, "/proc/%d/fd", (int)pid);
  folder = opendir (path);
  if (folder == NULL)
    return 0;
  while (readdir (folder) != NULL)
    count++;
  closedir (folder);
  return count;
}

void
berth_agent_room_make (pid_t pid)
{
  rlim_t all, data;

  if (pid <= 0)
    return;
  if (has_files_below (pid, FILES_PLENTY))
    raise_limit (pid, RLIMIT_NOFILE, count_files (pid) + BERTH_AGENT_ROOM_FILES);
  if (!read_sizes (pid, &all, &data))
    return;
  raise_limit (pid, RLIMIT_AS, all + BERTH_AGENT_ROOM_BYTES);
  raise_limit (pid, RLIMIT_DATA, data + BERTH_AGENT_ROOM_BYTES);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads and writes whole small files below an open folder. */
#include "agent-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Closes it, if it is open, once. */
void
berth_agent_file_close (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* However many pieces it takes; on failure errno says why. */
bool
berth_agent_file_write_all (int fd, const void *bytes, size_t size)
{
  const char *at = bytes;

  while (size > 0)
    {
      ssize_t count = write (fd, at, size);

      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0)
        return false;
      at += count;
      size -= (size_t)count;
    }
  return true;
}

/* Writes into a file that is there, in one write, as the kernel's files want it. */
bool
berth_agent_file_write (int dir_fd, const char *name, const char *text)
{
  int fd = openat (dir_fd, name, O_WRONLY | O_CLOEXEC);
  size_t size = strlen (text);
  bool ok = fd >= 0 && write (fd, text, size) == (ssize_t)size;

  if (fd >= 0)
    close (fd);
  return ok;
}

/* Makes this the whole of a file in a folder that is the agent's alone: an overlay takes several
 * times as long to make a new one. */
bool
berth_agent_file_rewrite (int dir_fd, const char *name, mode_t mode, const char *text)
{
  int fd = openat (dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
  bool ok
      = fd >= 0 && berth_agent_file_write_all (fd, text, strlen (text)) && fchmod (fd, mode) == 0;
  int saved_errno = errno;

  berth_agent_file_close (&fd);
  errno = saved_errno;
  return ok;
}

/* Makes a new file of this name; whatever had the name before is removed and never followed. */
bool
berth_agent_file_create (int dir_fd, const char *name, mode_t mode, const void *bytes, size_t size)
{
  int fd, saved_errno;
  bool ok;

  unlinkat (dir_fd, name, 0);
  fd = openat (dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0)
    return false;
  ok = berth_agent_file_write_all (fd, bytes, size) && fchmod (fd, mode) == 0;
  saved_errno = errno;
  close (fd);
  if (!ok)
    unlinkat (dir_fd, name, 0);
  errno = saved_errno;
  return ok;
}

/* Reads up to size - 1 bytes and ends them with a NUL; -1 when the file can't be read. */
ssize_t
berth_agent_file_read (int dir_fd, const char *name, char *out_text, size_t size)
{
  int fd = openat (dir_fd, name, O_RDONLY | O_CLOEXEC);
  size_t fill = 0;
  ssize_t count = 0;

  if (fd < 0)
    return -1;
  while (fill + 1 < size && (count = read (fd, out_text + fill, size - 1 - fill)) > 0)
    fill += (size_t)count;
  close (fd);
  out_text[fill] = '\0';
  return count < 0 ? -1 : (ssize_t)fill;
}

/* The number after `key` at the beginning of a line; without a key, the file is the number. */
bool
berth_agent_file_number (int dir_fd, const char *name, const char *key, uint64_t *out_number)
{
  char text[4096];
  const char *line = text;
  size_t length = key != NULL ? strlen (key) : 0;

  if (berth_agent_file_read (dir_fd, name, text, sizeof text) <= 0)
    return false;
  while (line != NULL && key != NULL && strncmp (line, key, length) != 0)
    {
      line = strchr (line, '\n');
      if (line != NULL)
        line++;
    }
  if (line == NULL)
    return false;
  *out_number = strtoull (line + length, NULL, 10);
  return true;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which file a command's name means, and with what words and status it ends where that
 * can't be run: those of a shell. */
#include "agent-command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "berth-protocol.h"

#define STATUS_NOT_FOUND 127
#define STATUS_NOT_RUN 126
#define SHOWN_MAX 200u /* characters of a name in a message */

/* The arguments of a block of them with a NUL behind each; they point into it, the list is the
 * caller's. NULL and EINVAL: it is none; or no memory. */
char **
berth_agent_command_parse (char *block, size_t size)
{
  size_t count = 0;
  char **argv;

  for (size_t i = 0; i < size; i++)
    count += block[i] == '\0';
  errno = EINVAL;
  if (size == 0 || size > BERTH_ARGS_BYTES_MAX || count > BERTH_ARGS_MAX || block[0] == '\0'
      || block[size - 1] != '\0')
    return NULL;
  argv = malloc ((count + 1) * sizeof *argv);
  if (argv == NULL)
    return NULL;
  count = 0;
  for (char *at = block; at < block + size; at += strlen (at) + 1)
    argv[count++] = at;
  argv[count] = NULL;
  return argv;
}

static const char *
find_path (char *const *envp)
{
  const char *path = "";

  for (; *envp != NULL; envp++)
    if (strncmp (*envp, "PATH=", 5) == 0)
      path = *envp + 5;
  return path;
}

static bool
is_folder (const char *path)
{
  struct stat info;

  return stat (path, &info) == 0 && S_ISDIR (info.st_mode);
}

/* Returns only with a reason why not. */
static int
try_file (const char *path, char *const *argv, char *const *envp)
{
  execve (path, argv, envp);
  return errno == EACCES && is_folder (path) ? EISDIR : errno;
}

/* Likewise; of several, that one is there but may not be run says more than that none is. */
static int
try_folders (const char *path, char *const *argv, char *const *envp)
{
  char file[BERTH_PATH_MAX + 1];
  int reason = ENOENT, error;

  for (const char *end = path; end != NULL; path = end + 1)
    {
      int length;

      end = strchr (path, ':');
      length = end != NULL ? (int)(end - path) : (int)strlen (path);
      /* one that is empty means the folder that it starts in */
      if ((size_t)snprintf (file, sizeof file, "%.*s/%s", length > 0 ? length : 1,
                            length > 0 ? path : ".", argv[0])
          >= sizeof file)
        continue;
      error = try_file (file, argv, envp);
      if (error == ENOENT && access (file, F_OK) == 0)
        return ENOEXEC; /* what it names as its interpreter is not there */
      if (error == EACCES)
        reason = EACCES;
      else if (error != ENOENT && error != ENOTDIR && error != EISDIR && error != ENAMETOOLONG)
        return error;
      if (end == NULL)
        break;
    }
  return reason;
}

static void
tell (const char *name, const char *reason)
{
  char text[SHOWN_MAX + 80];
  size_t length = strnlen (name, SHOWN_MAX);
  int size;

  for (size_t i = 0; i < length; i++)
    text[i] = (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? '?' : name[i];
  size = (int)length + snprintf (text + length, sizeof text - length, ": %s\n", reason);
  if (write (STDERR_FILENO, text, (size_t)size) < 0)
    return; /* nobody is there to read it, and the status says the same */
}

/* Becomes this program, or ends with a line that says why not. */
void
berth_agent_command_execute (char *const *argv, char *const *envp)
{
  bool has_slash = strchr (argv[0], '/') != NULL;
  int reason
      = has_slash ? try_file (argv[0], argv, envp) : try_folders (find_path (envp), argv, envp);

  if (reason == ENOENT && has_slash && access (argv[0], F_OK) == 0)
    reason = ENOEXEC;
  tell (argv[0], reason == ENOENT && !has_slash ? "command not found" : strerror (reason));
  _exit (reason == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN);
}

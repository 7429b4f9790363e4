/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a file: tracebacks, __file__, __dirname, $0, multiprocessing's spawn and worker threads all
 * are what they are for a script of the user's own, in the folder where the user's files are. */
#include "agent-script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent-file.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static bool
write_code (int home, const BerthAgentConfig *config, const char *name, mode_t mode,
            const uint8_t *code, size_t size)
{
  char path[256];

  if (berth_agent_file_create (home, name, mode, code, size))
    return true;
  /* a program that has filled the disk must not be the last that runs: the next may empty it */
  if (errno != ENOSPC || config->spare == NULL)
    return false;
  snprintf (path, sizeof path, "%s/%s", config->spare, name);
  return berth_agent_file_create (AT_FDCWD, path, mode, code, size)
         && symlinkat (path, home, name) == 0;
}

/* How many bytes in front of the code are not of it. */
size_t
berth_agent_script_mark (const uint8_t *code, size_t size)
{
  return size >= 3 && memcmp (code, BYTE_ORDER_MARK, 3) == 0 ? 3 : 0;
}

/* Writes the code, as the user's own file. On failure errno says why. */
bool
berth_agent_script_write (BerthAgentScript *self, const BerthAgentConfig *config, const char *name,
                          const uint8_t *code, size_t size, bool *out_is_program)
{
  int home = open (config->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const uint8_t *begin = code;
  struct stat info;
  bool ok = home >= 0;
  int saved_errno;

  code += berth_agent_script_mark (code, size);
  size -= (size_t)(code - begin);
  *out_is_program = size >= 2 && code[0] == '#' && code[1] == '!';
  ok = ok && write_code (home, config, name, *out_is_program ? 0755 : 0644, code, size)
       && (!config->is_init
           || fchownat (home, name, config->uid, config->gid, AT_SYMLINK_NOFOLLOW) == 0)
       && fstatat (home, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
  saved_errno = errno;
  if (home >= 0)
    close (home);
  errno = saved_errno;
  if (!ok)
    return false;
  snprintf (self->name, sizeof self->name, "%s", name);
  self->device = info.st_dev;
  self->inode = info.st_ino;
  return true;
}

static void
remove_if_same (const BerthAgentScript *self, int home, const char *name)
{
  struct stat info;

  if (fstatat (home, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_dev == self->device
      && info.st_ino == self->inode)
    unlinkat (home, name, 0);
}

/* Removes it when the exec has ended, unless the name is another file's by now. */
void
berth_agent_script_remove (BerthAgentScript *self, const BerthAgentConfig *config)
{
  char module[sizeof self->name], spare[256];
  int home;
  size_t length = strlen (self->name);

  if (length == 0)
    return;
  home = open (config->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (home < 0)
    return;
  remove_if_same (self, home, self->name);
  /* runners/javascript.js gives a module its suffix: .js becomes .mjs */
  if (length > 3 && strcmp (self->name + length - 3, ".js") == 0)
    {
      snprintf (module, sizeof module, "%.*s.mjs", (int)(length - 3), self->name);
      remove_if_same (self, home, module);
    }
  close (home);
  if (config->spare != NULL)
    {
      snprintf (spare, sizeof spare, "%s/%s", config->spare, self->name);
      unlink (spare);
    }
  self->name[0] = '\0';
}

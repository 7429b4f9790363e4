/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes a file that has no name until all of it is there: what is cut on the way, by whatever end,
 * leaves nothing behind. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent-file.h"
#include "agent-pass.h"
#include "agent-transfer-work.h"
#include "berth-holes.h"

#define MODE_MASK 0777u
#define NAME_SIZE 40
#define NOT_MADE SIZE_MAX

typedef struct
{
  BerthAgentWork *work;
  char parent[BERTH_PATH_MAX + 1]; /* below the root; "." for itself */
  const char *name;                /* in it */
  int near_fd;                     /* its deepest folder that was there before, O_PATH */
  bool has_parent;                 /* that is all of it */
  int fd;                          /* of the new file */
  char named[NAME_SIZE];           /* in near_fd, where a file must have a name; else "" */
  size_t made;                     /* where in parent the folders made here begin, or NOT_MADE */
} Put;

static bool
put_split (Put *self)
{
  const char *below = self->work->below;
  const char *slash = strrchr (below, '/');

  if (strcmp (below, ".") == 0)
    {
      errno = EISDIR;
      return berth_agent_work_fail (self->work, below);
    }
  self->name = slash != NULL ? slash + 1 : below;
  if (slash == NULL)
    strcpy (self->parent, ".");
  else
    {
      memcpy (self->parent, below, (size_t)(slash - below));
      self->parent[slash - below] = '\0';
    }
  return true;
}

/* The part before the last slash, in place; "." when there is none. */
static void
cut_last (char *path)
{
  char *slash = strrchr (path, '/');

  if (slash != NULL)
    *slash = '\0';
  else
    strcpy (path, ".");
}

static bool
put_find_near (Put *self)
{
  char near[BERTH_PATH_MAX + 1];

  strcpy (near, self->parent);
  self->has_parent = true;
  while ((self->near_fd = berth_agent_work_open (self->work, near, O_PATH | O_DIRECTORY)) < 0
         && errno == ENOENT && strcmp (near, ".") != 0)
    {
      cut_last (near);
      self->has_parent = false;
    }
  return self->near_fd >= 0 || berth_agent_work_fail (self->work, "the folder can't be opened");
}

/* What would fail at the end is told before the bytes come. */
static bool
put_look_ahead (Put *self)
{
  const BerthAgentTransferJob *job = &self->work->job;
  uint64_t size = berth_holes_rest (job->holes, job->hole_count, job->put.size);
  struct statvfs space;
  struct stat info;

  if (self->has_parent && fstatat (self->near_fd, self->name, &info, AT_SYMLINK_NOFOLLOW) == 0
      && S_ISDIR (info.st_mode))
    {
      errno = EISDIR;
      return berth_agent_work_fail (self->work, self->name);
    }
  if (job->put.size > INT64_MAX)
    {
      errno = EFBIG;
      return berth_agent_work_fail (self->work, self->name);
    }
  /* no blocks at all: a tmpfs without a limit */
  if (fstatvfs (self->near_fd, &space) == 0 && space.f_blocks > 0 && space.f_frsize > 0
      && size / space.f_frsize + (size % space.f_frsize != 0) > space.f_bavail)
    {
      errno = ENOSPC;
      return berth_agent_work_fail (self->work, self->name);
    }
  return true;
}

static void
make_name (char out[NAME_SIZE])
{
  uint8_t random[12] = { 0 };
  int fill = snprintf (out, NAME_SIZE, ".berth-");

  if (getrandom (random, sizeof random, GRND_NONBLOCK) < 0)
    random[0] = (uint8_t)getpid ();
  for (size_t i = 0; i < sizeof random; i++)
    fill += snprintf (out + fill, NAME_SIZE - (size_t)fill, "%02x", random[i]);
}

static bool
put_open (Put *self)
{
  self->fd = openat (self->near_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (self->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
    {
      make_name (self->named);
      self->fd = openat (self->near_fd, self->named,
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
      if (self->fd < 0)
        self->named[0] = '\0';
    }
  return self->fd >= 0 || berth_agent_work_fail (self->work, "the file can't be made");
}

/* Space for all of it, told before the bytes come, and counted as the programs' memory: this
 * process is one of them, the agent that writes the bytes is not. In one piece, too: a tmpfs has
 * large pages for what is known to be large. */
static bool
put_reserve (Put *self)
{
  const BerthAgentTransferJob *job = &self->work->job;
  uint64_t begin = 0;

  if (ftruncate (self->fd, (off_t)job->put.size) != 0)
    return berth_agent_work_fail (self->work, "there is no room for the file");
  for (uint32_t i = 0; i <= job->hole_count; i++)
    {
      const BerthHole *hole = i < job->hole_count ? &job->holes[i] : NULL;
      uint64_t end = hole != NULL ? hole->begin : job->put.size;

      if (end > begin && fallocate (self->fd, 0, (off_t)begin, (off_t)(end - begin)) != 0
          && errno != EOPNOTSUPP)
        return berth_agent_work_fail (self->work, "there is no room for the file");
      begin = hole != NULL ? hole->begin + hole->size : end;
    }
  return true;
}

/* The agent writes it. */
static bool
put_hand_over (Put *self)
{
  const char byte = 0;

  return berth_agent_pass_send (BERTH_AGENT_TRANSFER_DATA_FD, &byte, sizeof byte, self->fd, 0)
         || berth_agent_work_fail (self->work, "the file can't be handed over");
}

static bool
put_wait (Put *self)
{
  uint8_t verdict;

  if (recv (BERTH_AGENT_TRANSFER_CONTROL_FD, &verdict, sizeof verdict, 0) == sizeof verdict
      && verdict == BERTH_AGENT_TRANSFER_NAME_IT)
    return true;
  return berth_agent_work_refuse (self->work, BERTH_AGENT_ERROR_DAMAGED, "not all of it came");
}

/* Opens one folder of the way, making it if there is none. `parent_fd` has it as `name`. */
static int
open_or_make (BerthAgentWork *work, int parent_fd, const char *path, const char *name,
              bool *out_made)
{
  int fd = berth_agent_work_open (work, path, O_PATH | O_DIRECTORY);

  *out_made = false;
  if (fd >= 0 || errno != ENOENT)
    return fd;
  *out_made = mkdirat (parent_fd, name, 0755) == 0;
  if (!*out_made && errno != EEXIST)
    return -1;
  return berth_agent_work_open (work, path, O_PATH | O_DIRECTORY);
}

/* Opens a folder and makes what is missing of it; -1 with errno. */
static int
make_folders (BerthAgentWork *work, char *path, size_t *out_made)
{
  int fd = berth_agent_work_open (work, path, O_PATH | O_DIRECTORY);
  int parent_fd = work->root_fd;

  *out_made = NOT_MADE;
  if (fd >= 0 || errno != ENOENT)
    return fd;
  for (char *name = path; name != NULL;)
    {
      char *slash = strchr (name, '/');
      bool made;

      if (slash != NULL)
        *slash = '\0';
      fd = open_or_make (work, parent_fd, path, name, &made);
      if (slash != NULL)
        *slash = '/';
      if (made && *out_made == NOT_MADE)
        *out_made = (size_t)(name - path);
      if (parent_fd != work->root_fd)
        close (parent_fd);
      if (fd < 0)
        return -1;
      parent_fd = fd;
      name = slash != NULL ? slash + 1 : NULL;
    }
  return fd;
}

/* Removes folders that were made in vain, from the last on; one in use by now stays. */
static void
unmake_folders (BerthAgentWork *work, char *path, size_t made)
{
  while (made != NOT_MADE && strlen (path) > made && strcmp (path, ".") != 0)
    {
      char name[BERTH_NAME_MAX + 1];
      const char *slash = strrchr (path, '/');
      int fd;

      snprintf (name, sizeof name, "%s", slash != NULL ? slash + 1 : path);
      cut_last (path);
      fd = berth_agent_work_open (work, path, O_PATH | O_DIRECTORY);
      if (fd < 0 || unlinkat (fd, name, AT_REMOVEDIR) != 0)
        made = NOT_MADE;
      if (fd >= 0)
        close (fd);
    }
}

/* Replaces what has the name, a link itself and not what it points to. */
static bool
rename_over (int from_fd, const char *from, int parent_fd, const char *name)
{
  int saved_errno;

  if (renameat (from_fd, from, parent_fd, name) == 0)
    return true;
  saved_errno = errno;
  unlinkat (from_fd, from, 0);
  errno = saved_errno;
  return false;
}

static bool
put_name (Put *self, int parent_fd)
{
  char source[32], name[NAME_SIZE];

  if (self->named[0] != '\0')
    return rename_over (self->near_fd, self->named, parent_fd, self->name);
  snprintf (source, sizeof source, "/proc/self/fd/%d", self->fd);
  if (linkat (AT_FDCWD, source, parent_fd, self->name, AT_SYMLINK_FOLLOW) == 0)
    return true;
  if (errno != EEXIST)
    return false;
  make_name (name);
  return linkat (AT_FDCWD, source, parent_fd, name, AT_SYMLINK_FOLLOW) == 0
         && rename_over (parent_fd, name, parent_fd, self->name);
}

static bool
put_finish (Put *self)
{
  BerthAgentWork *work = self->work;
  mode_t mode = work->job.put.mode & MODE_MASK;
  int parent_fd;

  if (fchmod (self->fd, mode) != 0)
    return berth_agent_work_fail (work, "the mode can't be set");
  parent_fd = make_folders (work, self->parent, &self->made);
  if (parent_fd >= 0 && put_name (self, parent_fd))
    {
      work->result.done.mode = S_IFREG | mode;
      return true;
    }
  berth_agent_work_fail (work, "the file can't get its name");
  unmake_folders (work, self->parent, self->made);
  return false;
}

static bool
put_file (BerthAgentWork *work)
{
  Put self = { .work = work, .made = NOT_MADE };

  if (!put_split (&self) || !put_find_near (&self) || !put_look_ahead (&self) || !put_open (&self))
    return false;
  if (put_reserve (&self) && put_hand_over (&self) && put_wait (&self) && put_finish (&self))
    return true;
  if (self.named[0] != '\0')
    unlinkat (self.near_fd, self.named, 0);
  return false;
}

static bool
put_directory (BerthAgentWork *work)
{
  char path[BERTH_PATH_MAX + 1];
  const char *slash;
  size_t made;
  struct stat info;
  int fd;

  strcpy (path, work->below);
  slash = strrchr (path, '/');
  fd = make_folders (work, path, &made);
  if (fd < 0)
    return berth_agent_work_fail (work, "the folder can't be made");
  /* only what is new gets the mode; its owner can always use it */
  if (made != NOT_MADE && made <= (size_t)(slash != NULL ? slash + 1 - path : 0))
    {
      fd = berth_agent_work_open (work, path, O_RDONLY | O_DIRECTORY);
      if (fd < 0 || fchmod (fd, (work->job.put.mode & MODE_MASK) | S_IRWXU) != 0)
        return berth_agent_work_fail (work, "the mode can't be set");
    }
  if (fstat (fd, &info) != 0)
    return berth_agent_work_fail (work, "the folder is gone");
  work->result.done.mode = info.st_mode;
  return true;
}

bool
berth_agent_work_put (BerthAgentWork *self)
{
  if ((self->job.put.flags & ~(BERTH_PUT_DIRECTORY | BERTH_PUT_HOLES)) != 0
      || self->job.put.flags == (BERTH_PUT_DIRECTORY | BERTH_PUT_HOLES))
    return berth_agent_work_refuse (self, BERTH_AGENT_ERROR_INVALID, "an unknown flag");
  return self->job.put.flags & BERTH_PUT_DIRECTORY ? put_directory (self) : put_file (self);
}

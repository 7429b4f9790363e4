/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists a folder in pieces of a bounded size: each piece is a pass that keeps the first names
 * behind the last one, so that a folder of any size takes the same memory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent-transfer-work.h"

/* Of st_blocks, whatever the file system's own are */
#define BLOCK_BYTES 512u

typedef struct
{
  char names[BERTH_LS_MAX][BERTH_NAME_MAX + 1];
  char *heap[BERTH_LS_MAX]; /* the largest on top */
  uint32_t count, max;
  bool is_more;
} Names;

static void
sift_down (Names *self)
{
  char *moving = self->heap[0];
  uint32_t at = 0, child;

  while ((child = 2 * at + 1) < self->count)
    {
      if (child + 1 < self->count && strcmp (self->heap[child + 1], self->heap[child]) > 0)
        child++;
      if (strcmp (self->heap[child], moving) <= 0)
        break;
      self->heap[at] = self->heap[child];
      at = child;
    }
  self->heap[at] = moving;
}

static void
sift_up (Names *self, uint32_t at)
{
  char *moving = self->heap[at];

  while (at > 0 && strcmp (self->heap[(at - 1) / 2], moving) < 0)
    {
      self->heap[at] = self->heap[(at - 1) / 2];
      at = (at - 1) / 2;
    }
  self->heap[at] = moving;
}

static void
names_add (Names *self, const char *name)
{
  if (self->count < self->max)
    {
      self->heap[self->count] = self->names[self->count];
      strcpy (self->heap[self->count], name);
      sift_up (self, self->count++);
      return;
    }
  self->is_more = true;
  if (strcmp (name, self->heap[0]) >= 0)
    return;
  strcpy (self->heap[0], name);
  sift_down (self);
}

static int
compare_names (const void *left, const void *right)
{
  return strcmp (*(char *const *)left, *(char *const *)right);
}

static bool
names_read (Names *self, BerthAgentWork *work, DIR *folder)
{
  struct dirent *entry;

  while (errno = 0, (entry = readdir (folder)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0
        && strlen (entry->d_name) <= BERTH_NAME_MAX
        && (work->job.after[0] == '\0' || strcmp (entry->d_name, work->job.after) > 0))
      names_add (self, entry->d_name);
  if (errno != 0)
    return berth_agent_work_fail (work, "the folder can't be read");
  qsort (self->heap, self->count, sizeof self->heap[0], compare_names);
  return true;
}

static bool
send_entry (BerthAgentWork *work, const char *name, const struct stat *info)
{
  uint8_t bytes[sizeof (BerthLsEntry) + BERTH_NAME_MAX + 8];
  BerthLsEntry entry
      = { .size = (uint64_t)info->st_size,
          .mtime_ns = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec,
          .mode = info->st_mode,
          .name_size = (uint8_t)strlen (name) };
  size_t size = sizeof entry;

  memcpy (bytes, &entry, sizeof entry);
  memcpy (bytes + size, name, entry.name_size);
  size += entry.name_size;
  if (work->job.version >= BERTH_LS_ALLOCATED_VERSION)
    {
      berth_le64_write (bytes + size, (uint64_t)info->st_blocks * BLOCK_BYTES);
      size += 8;
    }
  return berth_agent_work_send (work, bytes, size);
}

static bool
send_entries (BerthAgentWork *self, DIR *folder)
{
  static Names names;
  struct stat info;

  names.count = 0;
  names.max = self->job.ls.count_max;
  names.is_more = false;
  if (!names_read (&names, self, folder))
    return false;
  for (uint32_t i = 0; i < names.count; i++)
    /* what is gone meanwhile is left out */
    if (fstatat (dirfd (folder), names.heap[i], &info, AT_SYMLINK_NOFOLLOW) == 0
        && !send_entry (self, names.heap[i], &info))
      return false;
  if (names.is_more)
    self->result.done.flags = BERTH_DONE_MORE;
  return true;
}

static bool
list_folder (BerthAgentWork *self, int path_fd)
{
  int fd = berth_agent_work_reopen (path_fd, O_RDONLY | O_DIRECTORY);
  DIR *folder = fd >= 0 ? fdopendir (fd) : NULL;
  bool ok = folder != NULL ? send_entries (self, folder)
                           : berth_agent_work_fail (self, "the folder can't be opened");

  if (folder != NULL)
    closedir (folder);
  return ok;
}

bool
berth_agent_work_list (BerthAgentWork *self)
{
  const char *slash = strrchr (self->below, '/');
  int fd = berth_agent_work_open (self, self->below, O_PATH);
  struct stat info;

  if (fd < 0 || fstat (fd, &info) != 0)
    return berth_agent_work_fail (self, "the folder can't be found");
  self->result.done.mode = info.st_mode;
  if (S_ISDIR (info.st_mode))
    return list_folder (self, fd);
  return self->job.after[0] != '\0'
         || send_entry (self, slash != NULL ? slash + 1 : self->below, &info);
}

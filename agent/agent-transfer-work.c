/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Becomes nobody special, opens what a path names and nothing outside of its root, and reads. */
#include "agent-transfer-work.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent-child.h"
#include "agent-file.h"
#include "agent-pass.h"
#include "berth-path.h"

/* Before all others when memory runs out: the file is given up, not the program. */
#define OOM_SCORE "1000"
/* The kernel asks to try again when a name was moved while it looked. */
#define TRIES 64

bool
berth_agent_work_refuse (BerthAgentWork *self, BerthAgentError code, const char *text)
{
  self->result.error = code;
  snprintf (self->result.text, sizeof self->result.text, "%s", text);
  return false;
}

/* Says what errno means for the file; `what` is for the numbers that nobody expects. */
bool
berth_agent_work_fail (BerthAgentWork *self, const char *what)
{
  int number = errno;
  char text[BERTH_TEXT_MAX];

  switch (number)
    {
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
      return berth_agent_work_refuse (self, BERTH_AGENT_ERROR_FULL,
                                      "no space is left in the guest");
    case EMFILE:
    case ENFILE:
    case EAGAIN:
      snprintf (text, sizeof text, "%s: %s", what, strerror (number));
      return berth_agent_work_refuse (self, BERTH_AGENT_ERROR_RESOURCE, text);
    case EXDEV: /* of openat2: RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS */
      return berth_agent_work_refuse (self, BERTH_AGENT_ERROR_INVALID,
                                      "a symbolic link in the path leads outside");
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case ELOOP:
    case EROFS:
    case EEXIST:
    case ENOTEMPTY:
    case EBUSY:
    case ETXTBSY:
    case ENAMETOOLONG:
    case EFBIG:
      return berth_agent_work_refuse (self, BERTH_AGENT_ERROR_INVALID, strerror (number));
    default:
      snprintf (text, sizeof text, "%s: %s", what, strerror (number));
      return berth_agent_work_refuse (self, BERTH_AGENT_ERROR_INTERNAL, text);
    }
}

/* Opens what is below the root, following no link out of it, whoever renames what meanwhile. */
int
berth_agent_work_open (BerthAgentWork *self, const char *below, int flags)
{
  struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC),
                          .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
  int fd;

  for (unsigned i = 0; i < TRIES; i++)
    {
      fd = (int)syscall (SYS_openat2, self->root_fd, below, &how, sizeof how);
      if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
        return fd;
    }
  return -1;
}

/* Opens what an O_PATH descriptor has: what was looked at, not what has the name by now. */
int
berth_agent_work_reopen (int path_fd, int flags)
{
  char name[32];

  snprintf (name, sizeof name, "/proc/self/fd/%d", path_fd);
  return open (name, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* Sends bytes to the host, waiting as long as nobody takes them. */
bool
berth_agent_work_send (BerthAgentWork *self, const void *bytes, size_t size)
{
  self->size += size;
  XXH64_update (&self->sum, bytes, size);
  return berth_agent_file_write_all (BERTH_AGENT_TRANSFER_DATA_FD, bytes, size)
         || berth_agent_work_fail (self, "the file can't be sent");
}

static bool
work_send_file (BerthAgentWork *self, int fd)
{
  static uint8_t chunk[BERTH_AGENT_TRANSFER_CHUNK];
  ssize_t count;

  while ((count = read (fd, chunk, sizeof chunk)) != 0)
    {
      if (count < 0 && errno == EINTR)
        continue;
      if (count < 0)
        return berth_agent_work_fail (self, "the file can't be read");
      if (self->size + (uint64_t)count > self->job.get.size_max)
        return berth_agent_work_refuse (self, BERTH_AGENT_ERROR_INVALID,
                                        "it grew beyond what is allowed while it was read");
      if (!berth_agent_work_send (self, chunk, (size_t)count))
        return false;
    }
  return true;
}

static bool
work_check_file (BerthAgentWork *self, const struct stat *info)
{
  char text[128];

  if (S_ISDIR (info->st_mode))
    return berth_agent_work_refuse (self, BERTH_AGENT_ERROR_INVALID, strerror (EISDIR));
  if (!S_ISREG (info->st_mode))
    return berth_agent_work_refuse (self, BERTH_AGENT_ERROR_INVALID, "it is not a regular file");
  if ((uint64_t)info->st_size <= self->job.get.size_max)
    return true;
  snprintf (text, sizeof text, "it has %llu bytes, at most %llu are allowed",
            (unsigned long long)info->st_size, (unsigned long long)self->job.get.size_max);
  return berth_agent_work_refuse (self, BERTH_AGENT_ERROR_INVALID, text);
}

static bool
work_get (BerthAgentWork *self)
{
  struct stat info;
  int path_fd = berth_agent_work_open (self, self->below, O_PATH), fd;

  /* a FIFO would wait for its other end, a device might do anything: looked at before opened */
  if (path_fd < 0 || fstat (path_fd, &info) != 0)
    return berth_agent_work_fail (self, "the file can't be found");
  if (!work_check_file (self, &info))
    return false;
  fd = berth_agent_work_reopen (path_fd, O_RDONLY);
  if (fd < 0)
    return berth_agent_work_fail (self, "the file can't be opened");
  self->result.done.mode = info.st_mode;
  return work_send_file (self, fd);
}

static bool
work_open_root (BerthAgentWork *self)
{
  const char *root = NULL;
  const char *problem = berth_path_resolve (self->job.path, self->job.path_size, self->config->home,
                                            &root, self->below);

  if (problem != NULL)
    return berth_agent_work_refuse (self, BERTH_AGENT_ERROR_INVALID, problem);
  self->root_fd = open (root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return self->root_fd >= 0 || berth_agent_work_fail (self, root);
}

static bool
work_run (BerthAgentWork *self)
{
  if (!work_open_root (self))
    return false;
  switch (self->job.type)
    {
    case BERTH_FRAME_PUT:
      return berth_agent_work_put (self);
    case BERTH_FRAME_GET:
      return work_get (self);
    default:
      return berth_agent_work_list (self);
    }
}

/* Only the control descriptor stays. */
static bool
keep_control (int control_fd)
{
  bool ok = dup2 (control_fd, BERTH_AGENT_TRANSFER_CONTROL_FD) >= 0;

  close (BERTH_AGENT_TRANSFER_DATA_FD);
  return ok && close_range (BERTH_AGENT_TRANSFER_CONTROL_FD + 1, ~0u, 0) == 0;
}

static bool
become_worker (const BerthAgentConfig *config, int cgroup_fd, int control_fd)
{
  /* it ends with the agent, also where that is only a test's */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (cgroup_fd >= 0 && !berth_agent_file_write (cgroup_fd, "cgroup.procs", "0"))
    return false;
  berth_agent_file_write (AT_FDCWD, "/proc/self/oom_score_adj", OOM_SCORE);
  return keep_control (control_fd) && berth_agent_child_confine (config)
         && prctl (PR_SET_PDEATHSIG, SIGKILL) == 0;
}

static size_t
get_job_size (const BerthAgentTransferJob *job)
{
  return offsetof (BerthAgentTransferJob, holes) + job->hole_count * sizeof job->holes[0];
}

/* Waits for the next; false: there is none. The descriptor that came with it is that of its bytes.
 */
static bool
receive_job (BerthAgentTransferJob *job)
{
  ssize_t size;
  int fd;

  do
    size = berth_agent_pass_receive (BERTH_AGENT_TRANSFER_CONTROL_FD, job, sizeof *job, &fd,
                                     MSG_CMSG_CLOEXEC);
  while (size < 0 && errno == EINTR);
  return size >= (ssize_t)offsetof (BerthAgentTransferJob, holes)
         && size == (ssize_t)get_job_size (job)
         && (fd == BERTH_AGENT_TRANSFER_DATA_FD
             || (fd >= 0 && dup2 (fd, BERTH_AGENT_TRANSFER_DATA_FD) >= 0));
}

/* Everything that was opened is closed before the result is told: who runs a file that was put
 * finds nobody who could still write to it. */
static bool
work_tell (BerthAgentWork *self, bool is_well)
{
  BerthAgentTransferResult *result = &self->result;
  size_t size = offsetof (BerthAgentTransferResult, done);

  if (is_well)
    {
      result->error = 0;
      result->done.size = self->size;
      result->done.sum = XXH64_digest (&self->sum);
      size += sizeof result->done;
    }
  else
    size += strnlen (result->text, sizeof result->text);
  close (BERTH_AGENT_TRANSFER_DATA_FD);
  close_range (BERTH_AGENT_TRANSFER_CONTROL_FD + 1, ~0u, 0);
  return send (BERTH_AGENT_TRANSFER_CONTROL_FD, result, size, MSG_NOSIGNAL) == (ssize_t)size;
}

void
berth_agent_transfer_serve (const BerthAgentConfig *config, int cgroup_fd, int control_fd)
{
  static BerthAgentWork work;

  if (!become_worker (config, cgroup_fd, control_fd))
    _exit (126);
  while (receive_job (&work.job))
    {
      work.config = config;
      work.size = 0;
      memset (&work.result, 0, sizeof work.result);
      XXH64_reset (&work.sum, 0);
      if (!work_tell (&work, work_run (&work)))
        _exit (126);
    }
  _exit (0);
}

bool
berth_agent_transfer_send (int control_fd, const BerthAgentTransferJob *job, int data_fd)
{
  return berth_agent_pass_send (control_fd, job, get_job_size (job), data_fd, MSG_DONTWAIT);
}

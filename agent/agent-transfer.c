/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which of the host's file frames means what now, and how a transfer ends. */
#include "agent-transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent-file.h"
#include "berth-holes.h"

#define CGROUP "files"
/* As in agent-exec.c: data frames in one turn of the loop */
#define FRAMES_A_TURN 8
/* Long enough for who carries one file after the other; a process that waits has some memory. */
#define IDLE_US (5u * 1000u * 1000u)

_Static_assert(BERTH_AGENT_HELPERS_MAX == BERTH_FILES_MAX, "a helper for each place");

static void
transfers_send_error (BerthAgentTransfers *self, uint32_t request, uint32_t code, const char *text,
                      size_t size)
{
  uint8_t payload[4 + BERTH_TEXT_MAX];

  if (size > BERTH_TEXT_MAX)
    size = BERTH_TEXT_MAX;
  berth_le32_write (payload, code);
  memcpy (payload + 4, text, size);
  berth_agent_channel_send (self->channel, BERTH_FRAME_ERROR, request, payload, 4 + (uint32_t)size);
}

/* ---- the process of a place ---- */

/* Its memory, the files that it writes in /tmp and at home included, counts as the programs'. */
static int
transfers_get_cgroup (BerthAgentTransfers *self)
{
  int base = self->groups->base_fd;

  if (base >= 0 && self->cgroup_fd < 0 && (mkdirat (base, CGROUP, 0755) == 0 || errno == EEXIST))
    self->cgroup_fd = openat (base, CGROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return self->cgroup_fd;
}

/* Whoever it was ends, if it has not. */
static void
worker_forget (BerthAgentTransfer *self)
{
  if (self->pid > 0)
    kill (self->pid, SIGKILL);
  self->pid = self->all->groups->helpers[self - self->all->places] = 0;
  berth_agent_watch_remove (self->all->loop, &self->control_watch);
  berth_agent_file_close (&self->control_fd);
}

static bool
worker_fork (BerthAgentTransfer *self)
{
  BerthAgentTransfers *all = self->all;
  int control[2];

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
    return false;
  self->control_fd = control[0];
  self->pid = fork ();
  if (self->pid == 0)
    berth_agent_transfer_serve (all->config, transfers_get_cgroup (all), control[1]);
  close (control[1]);
  if (self->pid > 0 && berth_agent_watch_add (all->loop, &self->control_watch, control[0], EPOLLIN))
    {
      all->groups->helpers[self - all->places] = self->pid;
      return true;
    }
  worker_forget (self);
  return false;
}

/* Programs of the sandbox have the same user, and may have stopped or ended it since. */
static bool
worker_send (BerthAgentTransfer *self, const BerthAgentTransferJob *job, int data_fd)
{
  if (self->pid > 0 && kill (self->pid, SIGCONT) == 0
      && berth_agent_transfer_send (self->control_fd, job, data_fd))
    return true;
  worker_forget (self);
  return worker_fork (self) && berth_agent_transfer_send (self->control_fd, job, data_fd);
}

static void
idle_cb (void *data)
{
  BerthAgentTransfers *self = data;

  for (unsigned i = 0; i < BERTH_FILES_MAX; i++)
    if (self->places[i].request == 0)
      worker_forget (&self->places[i]);
}

/* ---- the end of one ---- */

/* Frees the place. */
static void
transfer_clear (BerthAgentTransfer *self)
{
  berth_agent_sink_close (&self->sink);
  berth_agent_output_close (&self->output);
  berth_agent_file_close (&self->data_fd);
  if (self->is_killed)
    worker_forget (self);
  self->is_refused = false;
  self->request = 0;
  berth_agent_timer_arm (self->all->loop, &self->all->idle, IDLE_US);
}

static void
transfer_fail (BerthAgentTransfer *self, uint32_t code, const char *text, size_t size)
{
  if (self->is_refused)
    transfers_send_error (self->all, self->request, self->sink.error, self->sink.problem,
                          strlen (self->sink.problem));
  else if (self->is_heard)
    transfers_send_error (self->all, self->request, code, text, size);
  transfer_clear (self);
}

/* Its process has told that it went well: the end is told when all of its data has been sent. */
static void
transfer_check (BerthAgentTransfer *self)
{
  if (self->request == 0 || self->is_working
      || (self->is_heard && !berth_agent_output_is_done (&self->output)))
    return;
  if (self->is_heard)
    berth_agent_channel_send (self->all->channel, BERTH_FRAME_DONE, self->request, &self->done,
                              sizeof self->done);
  transfer_clear (self);
}

/* Sends what credit and the channel allow. */
void
berth_agent_transfers_pump (BerthAgentTransfers *self)
{
  bool moved = true;

  for (int turns = 0; moved && turns < FRAMES_A_TURN; turns++)
    {
      moved = false;
      for (unsigned i = 0; i < BERTH_FILES_MAX; i++)
        if (self->places[i].request != 0 && self->places[i].is_heard)
          moved |= berth_agent_output_send (&self->places[i].output, self->channel,
                                            self->places[i].request);
    }
  for (unsigned i = 0; i < BERTH_FILES_MAX; i++)
    {
      if (moved)
        berth_agent_watch_again (self->loop, &self->places[i].output.watch);
      transfer_check (&self->places[i]);
    }
}

static void control_cb (void *data, uint32_t events);

static void
output_ready_cb (void *data)
{
  BerthAgentTransfer *self = data;

  berth_agent_transfers_pump (self->all);
}

void
berth_agent_transfers_init (BerthAgentTransfers *self, BerthAgentLoop *loop,
                            BerthAgentChannel *channel, BerthAgentGroups *groups,
                            const BerthAgentConfig *config)
{
  self->loop = loop;
  self->channel = channel;
  self->groups = groups;
  self->config = config;
  self->cgroup_fd = -1;
  self->idle = (BerthAgentTimer){ .fire = idle_cb, .data = self };
  for (unsigned i = 0; i < BERTH_FILES_MAX; i++)
    {
      self->places[i].all = self;
      self->places[i].data_fd = self->places[i].control_fd = -1;
      self->places[i].control_watch
          = (BerthAgentWatch){ .fd = -1, .ready = control_cb, .data = &self->places[i] };
      self->places[i].output.fd = self->places[i].output.watch.fd = -1;
      self->places[i].sink.watch.fd = self->places[i].sink.fd = -1;
      self->places[i].sink.loop = loop;
    }
}

/* The holes of a PUT, taken from the front of what is behind its head; false where they are cut. */
static bool
job_read_holes (BerthAgentTransferJob *job, const uint8_t **bytes, uint32_t *size)
{
  uint32_t count;

  if (job->type != BERTH_FRAME_PUT || !(job->put.flags & BERTH_PUT_HOLES))
    return true;
  if (*size < 4)
    return false;
  count = berth_le32_read (*bytes);
  if (count > BERTH_HOLES_MAX || count * sizeof (BerthHole) > *size - 4)
    return false;
  memcpy (job->holes, *bytes + 4, count * sizeof (BerthHole));
  job->hole_count = count;
  *bytes += 4 + count * sizeof (BerthHole);
  *size -= 4 + count * (uint32_t)sizeof (BerthHole);
  return true;
}

/* What is wrong with the head of a request; cuts the payload into the job. */
static const char *
job_read (BerthAgentTransferJob *job, const uint8_t *payload, uint32_t size, uint32_t *out_credit)
{
  uint32_t head = job->type == BERTH_FRAME_PUT   ? sizeof job->put
                  : job->type == BERTH_FRAME_GET ? sizeof job->get
                                                 : sizeof job->ls;
  uint32_t path_size = size - head;
  const char *problem;

  memcpy (&job->put, payload, head); /* the union's, whichever it is */
  payload += head;
  job->hole_count = 0;
  memset (job->after, 0, sizeof job->after);
  if (!job_read_holes (job, &payload, &path_size))
    return "the holes' count is out of bounds";
  if (job->type == BERTH_FRAME_LS)
    {
      if (job->ls.path_size > path_size || path_size - job->ls.path_size > BERTH_NAME_MAX)
        return "the path's size is out of bounds";
      memcpy (job->after, payload + job->ls.path_size, path_size - job->ls.path_size);
      path_size = job->ls.path_size;
      if (job->ls.count_max == 0 || job->ls.count_max > BERTH_LS_MAX)
        return "the count of entries is out of bounds";
    }
  if (path_size > BERTH_PATH_MAX)
    return "the path's size is out of bounds";
  memcpy (job->path, payload, path_size);
  job->path[path_size] = '\0';
  job->path_size = path_size;
  problem = berth_holes_problem (job->holes, job->hole_count, job->put.size);
  if (job->hole_count > 0 && problem != NULL)
    return problem;
  *out_credit = job->type == BERTH_FRAME_PUT   ? 0
                : job->type == BERTH_FRAME_GET ? job->get.credit
                                               : job->ls.credit;
  return *out_credit > BERTH_CREDIT_MAX ? "the credit is too large" : NULL;
}

/* Gives it to the place's process, and keeps the other end of its bytes' way. */
static bool
transfer_give (BerthAgentTransfer *self, const BerthAgentTransferJob *job)
{
  int data[2];
  bool ok;

  if ((job->type == BERTH_FRAME_PUT ? socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, data)
                                    : pipe2 (data, O_CLOEXEC))
      != 0)
    return false;
  self->data_fd = data[0];
  ok = fcntl (self->data_fd, F_SETFL, O_NONBLOCK) == 0 && worker_send (self, job, data[1]);
  close (data[1]);
  self->is_working = ok;
  return ok;
}

/* A PUT whose file is written, or can't be. If it is, its process is told, once: the file is closed
 * before it has a name, so that who runs it at once finds nobody who could still write to it. If
 * not, its process is ended, for a program of the sandbox may have stopped it; the host hears when
 * it has let go of the place. */
static void
transfer_settle (BerthAgentTransfer *self)
{
  static const uint8_t verdict = BERTH_AGENT_TRANSFER_NAME_IT;

  if (self->sink.problem == NULL && !berth_agent_sink_is_complete (&self->sink))
    return;
  berth_agent_sink_close (&self->sink);
  if (self->sink.problem == NULL)
    {
      send (self->control_fd, &verdict, sizeof verdict, MSG_NOSIGNAL | MSG_DONTWAIT);
      return;
    }
  self->is_refused = self->is_killed = true;
  self->is_heard = false;
  if (self->is_working)
    kill (self->pid, SIGKILL);
}

static void
sink_ready_cb (void *data)
{
  transfer_settle (data);
}

static void
transfer_begin (BerthAgentTransfer *self, BerthAgentTransferJob *job, uint32_t credit)
{
  BerthAgentTransfers *all = self->all;

  berth_agent_timer_disarm (all->loop, &all->idle);
  if (!transfer_give (self, job))
    {
      static const char text[] = "the guest can't start a process for the file";

      transfer_fail (self, BERTH_AGENT_ERROR_RESOURCE, text, sizeof text - 1);
      return;
    }
  if (self->type == BERTH_FRAME_PUT)
    {
      self->sink.ready = sink_ready_cb;
      self->sink.data = self;
      berth_agent_sink_open (&self->sink, all->loop, all->channel, self->request, job->put.size,
                             job->put.flags & BERTH_PUT_DIRECTORY ? -1 : self->data_fd);
      berth_agent_sink_set_holes (&self->sink, job->holes, job->hole_count);
      transfer_settle (self);
    }
  else
    {
      berth_agent_output_open (&self->output, all->loop, self->data_fd, BERTH_STREAM_FILE,
                               output_ready_cb, self);
      self->output.credit = credit;
    }
}

static BerthAgentTransfer *
transfers_find (BerthAgentTransfers *self, uint32_t request)
{
  for (unsigned i = 0; i < BERTH_FILES_MAX; i++)
    if (self->places[i].request == request && (request == 0 || self->places[i].is_heard))
      return &self->places[i];
  return NULL;
}

bool
berth_agent_transfers_have (BerthAgentTransfers *self, uint32_t request)
{
  return request != 0 && transfers_find (self, request) != NULL;
}

/* Takes a PUT, GET or LS; false when it breaks a rule. */
bool
berth_agent_transfers_begin (BerthAgentTransfers *self, const BerthFrameHead *head,
                             const uint8_t *payload)
{
  static BerthAgentTransferJob job; /* too large to be cleared for each small file */
  BerthAgentTransfer *place = transfers_find (self, 0);
  uint32_t credit;
  const char *problem;

  if (head->request == 0 || berth_agent_transfers_have (self, head->request))
    return false;
  job.type = head->type;
  job.version = self->version;
  problem = job_read (&job, payload, head->length, &credit);
  if (problem != NULL || place == NULL)
    {
      const char *text = problem != NULL ? problem : "too many transfers are under way";

      transfers_send_error (self, head->request,
                            problem != NULL ? BERTH_AGENT_ERROR_INVALID : BERTH_AGENT_ERROR_BUSY,
                            text, strlen (text));
      return true;
    }
  place->request = head->request;
  place->type = head->type;
  place->is_heard = true;
  place->is_killed = place->is_refused = false;
  transfer_begin (place, &job, credit);
  return true;
}

static bool
transfer_take_done (BerthAgentTransfer *self, const uint8_t *payload)
{
  BerthFileDone end;

  if (self->type != BERTH_FRAME_PUT || self->sink.has_end)
    return false;
  memcpy (&end, payload, sizeof end);
  berth_agent_sink_end (&self->sink, &end);
  transfer_settle (self);
  return true;
}

static bool
transfer_take_data (BerthAgentTransfer *self, const uint8_t *payload, uint32_t size)
{
  if (self->type != BERTH_FRAME_PUT || berth_le32_read (payload) != BERTH_STREAM_FILE || size == 4
      || !berth_agent_sink_take (&self->sink, payload + 4, size - 4))
    return false;
  transfer_settle (self);
  return true;
}

static void
transfer_fail_withdrawn (BerthAgentTransfer *self)
{
  static const char text[] = "it was withdrawn";

  transfer_fail (self, BERTH_AGENT_ERROR_CANCELLED, text, sizeof text - 1);
}

static void
transfer_kill (BerthAgentTransfer *self)
{
  self->is_killed = true;
  if (self->is_working)
    kill (self->pid, SIGKILL);
  else
    transfer_fail_withdrawn (self);
}

static bool
transfer_add_credit (BerthAgentTransfer *self, uint32_t bytes)
{
  if (self->type == BERTH_FRAME_PUT || bytes > BERTH_CREDIT_MAX - self->output.credit)
    return false;
  self->output.credit += bytes;
  berth_agent_transfers_pump (self->all);
  return true;
}

/* Takes a frame of one that is alive; false when it breaks a rule. */
bool
berth_agent_transfers_take (BerthAgentTransfers *self, const BerthFrameHead *head,
                            const uint8_t *payload)
{
  BerthAgentTransfer *place = transfers_find (self, head->request);

  switch (head->type)
    {
    case BERTH_FRAME_DATA:
      return transfer_take_data (place, payload, head->length);
    case BERTH_FRAME_DONE:
      return transfer_take_done (place, payload);
    case BERTH_FRAME_CREDIT:
      return berth_le32_read (payload) == BERTH_STREAM_FILE
             && transfer_add_credit (place, berth_le32_read (payload + 4));
    case BERTH_FRAME_KILL:
      transfer_kill (place);
      return true;
    default:
      return false;
    }
}

/* Whether the kernel has ended one for its memory since this was last asked; told once. */
static bool
transfers_were_starved (BerthAgentTransfers *self)
{
  uint64_t kills;
  bool is_more;

  if (self->cgroup_fd < 0
      || !berth_agent_file_number (self->cgroup_fd, "memory.events", "oom_kill ", &kills))
    return false;
  is_more = kills > self->oom_kills;
  self->oom_kills += is_more;
  return is_more;
}

/* Says why a process ended that told nothing. Of a signal that is no want of memory, a program of
 * the sandbox is the sender: it has the same user. */
static void
transfer_fail_untold (BerthAgentTransfer *self, int status)
{
  BerthAgentError code = BERTH_AGENT_ERROR_INTERNAL;
  char text[128];

  if (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL && transfers_were_starved (self->all))
    {
      code = BERTH_AGENT_ERROR_FULL;
      snprintf (text, sizeof text, "no memory is left in the guest for the transfer");
    }
  else if (WIFSIGNALED (status))
    {
      code = BERTH_AGENT_ERROR_RESOURCE;
      snprintf (text, sizeof text, "a program in the guest ended the transfer with signal %d",
                WTERMSIG (status));
    }
  else
    snprintf (text, sizeof text, "the transfer's process ended: status %d", WEXITSTATUS (status));
  transfer_fail (self, code, text, strlen (text));
}

static void
transfer_take_result (BerthAgentTransfer *self, const BerthAgentTransferResult *result, size_t size)
{
  const size_t head = offsetof (BerthAgentTransferResult, done);

  self->is_working = false;
  if (!self->is_refused && size == head + sizeof result->done && result->error == 0
      && (!self->is_killed || self->type == BERTH_FRAME_PUT))
    {
      self->done = result->done;
      if (self->type == BERTH_FRAME_PUT)
        {
          self->done.size = self->sink.size;
          self->done.sum = XXH64_digest (&self->sink.sum);
        }
      transfer_check (self);
    }
  else if (self->is_killed || self->is_refused)
    transfer_fail_withdrawn (self);
  else if (size >= head && result->error != 0)
    transfer_fail (self, result->error, result->text, size - head);
  else
    {
      static const char text[] = "the transfer's process told what is no result";

      self->is_killed = true;
      transfer_fail (self, BERTH_AGENT_ERROR_INTERNAL, text, sizeof text - 1);
    }
}

/* Whether there was one */
static bool
transfer_receive_result (BerthAgentTransfer *self)
{
  BerthAgentTransferResult result;
  ssize_t size = recv (self->control_fd, &result, sizeof result, MSG_DONTWAIT);

  /* told first, and once, where it ended without taking its verdict; its result is behind it */
  if (size < 0 && errno == ECONNRESET)
    size = recv (self->control_fd, &result, sizeof result, MSG_DONTWAIT);
  if (size > 0 && self->is_working)
    transfer_take_result (self, &result, (size_t)size);
  return size > 0;
}

/* Once it has ended, how is told by its being reaped. */
static void
control_cb (void *data, uint32_t events)
{
  BerthAgentTransfer *self = data;

  if (!transfer_receive_result (self))
    berth_agent_watch_remove (self->all->loop, &self->control_watch);
}

/* Whether it was one of these that ended. */
bool
berth_agent_transfers_reaped (BerthAgentTransfers *self, pid_t pid, int status)
{
  for (unsigned i = 0; i < BERTH_FILES_MAX; i++)
    {
      BerthAgentTransfer *place = &self->places[i];

      if (place->pid != pid)
        continue;
      place->pid = 0;
      if (place->is_working)
        transfer_receive_result (place);
      worker_forget (place);
      if (!place->is_working)
        transfers_were_starved (self); /* told to nobody, and so of no other */
      else
        {
          place->is_working = false;
          if (place->is_killed)
            transfer_fail_withdrawn (place);
          else
            transfer_fail_untold (place, status);
        }
      return true;
    }
  return false;
}

/* Nobody will hear of them: they stop where they are. */
void
berth_agent_transfers_end (BerthAgentTransfers *self)
{
  for (unsigned i = 0; i < BERTH_FILES_MAX; i++)
    {
      BerthAgentTransfer *place = &self->places[i];

      if (place->request != 0)
        {
          place->is_heard = place->is_refused = false;
          place->is_killed = true;
          berth_agent_sink_close (&place->sink);
          if (place->is_working)
            kill (place->pid, SIGKILL);
          transfer_check (place);
        }
      if (place->request == 0)
        worker_forget (place);
    }
}

bool
berth_agent_transfers_is_empty (const BerthAgentTransfers *self)
{
  for (unsigned i = 0; i < BERTH_FILES_MAX; i++)
    if (self->places[i].request != 0)
      return false;
  return true;
}

/* Forgets them; they have been killed and reaped. */
void
berth_agent_transfers_clear (BerthAgentTransfers *self)
{
  for (unsigned i = 0; i < BERTH_FILES_MAX; i++)
    {
      self->places[i].pid = 0;
      if (self->places[i].request != 0)
        transfer_clear (&self->places[i]);
      worker_forget (&self->places[i]);
    }
  berth_agent_timer_disarm (self->loop, &self->idle);
  berth_agent_file_close (&self->cgroup_fd);
}

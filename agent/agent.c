/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what each frame of the host means now, and what ends with a conversation. */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent-identity.h"

/* The next interpreter is loaded when the host had time to take the last one's result. */
#define STANDBY_AFTER_US (100u * 1000u)
/* A process that can't be killed must not keep the host waiting. */
#define RESET_LIMIT_US (2u * 1000u * 1000u)

static uint64_t
boottime_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void
agent_send_error (BerthAgent *self, uint32_t request, BerthAgentError code, const char *text)
{
  uint8_t payload[4 + BERTH_TEXT_MAX];
  size_t length = strnlen (text, BERTH_TEXT_MAX);

  berth_le32_write (payload, code);
  memcpy (payload + 4, text, length);
  berth_agent_channel_send (&self->channel, BERTH_FRAME_ERROR, request, payload,
                            4 + (uint32_t)length);
}

/* The conversation is over: the host, or the next one, has to say HELLO again. */
static void
agent_break (BerthAgent *self, const char *text)
{
  self->is_talking = self->is_resetting = false;
  berth_agent_timer_disarm (&self->loop, &self->reset_limit);
  berth_agent_execs_hold (&self->execs);
  berth_agent_background_let_go (&self->background);
  berth_agent_transfers_end (&self->transfers);
  berth_agent_links_end (&self->links);
  berth_agent_decoder_hunt (&self->channel.decoder);
  if (text != NULL)
    agent_send_error (self, 0, BERTH_AGENT_ERROR_PROTOCOL, text);
}

/* In common with the host that has said HELLO; 0: none */
static uint32_t
agent_find_version (const BerthAgent *self)
{
  uint32_t newest = self->hello.version_max < BERTH_PROTOCOL_VERSION ? self->hello.version_max
                                                                     : BERTH_PROTOCOL_VERSION;

  return newest >= self->hello.version_min && newest >= BERTH_PROTOCOL_OLDEST ? newest : 0;
}

static void
agent_send_hello_reply (BerthAgent *self, uint32_t version)
{
  bool is_ready = berth_agent_standby_is_loaded (&self->standby)
                  || berth_agent_sessions_has (&self->sessions, self->config.language);
  BerthHelloReply reply = {
    .version = version,
    .flags = (is_ready ? BERTH_HELLO_READY : 0)
             | (self->config.identities > 0 ? BERTH_HELLO_IDENTIFIED : 0)
             | (berth_agent_freeze_is_on (&self->freeze) ? BERTH_HELLO_FROZEN : 0),
    .boot_us = self->boot_us,
    .ready_us = self->ready_us,
    .languages = self->languages,
  };

  memcpy (reply.magic, BERTH_PROTOCOL_MAGIC, sizeof reply.magic);
  memcpy (reply.nonce, self->hello.nonce, sizeof reply.nonce);
  berth_agent_channel_send (&self->channel, BERTH_FRAME_HELLO_REPLY, self->hello_request, &reply,
                            sizeof reply);
}

static void
agent_answer_hello (BerthAgent *self)
{
  berth_agent_timer_disarm (&self->loop, &self->reset_limit);
  self->is_resetting = false;
  self->is_talking = true;
  self->transfers.version = agent_find_version (self);
  self->background.version = self->transfers.version;
  berth_agent_links_greet (&self->links, self->transfers.version);
  agent_send_hello_reply (self, self->transfers.version);
  berth_agent_channel_resume (&self->channel);
}

static void
agent_check_reset (BerthAgent *self)
{
  if (self->is_resetting && berth_agent_execs_is_empty (&self->execs)
      && berth_agent_transfers_is_empty (&self->transfers)
      && berth_agent_leftovers_is_empty (&self->leftovers)
      && berth_agent_sessions_is_empty (&self->sessions))
    agent_answer_hello (self);
}

static void
reset_limit_cb (void *data)
{
  agent_answer_hello (data);
}

static void
agent_thaw (BerthAgent *self)
{
  berth_agent_freeze_end (&self->freeze);
  berth_agent_channel_hold_data (&self->channel, false);
}

static void
agent_take_hello (BerthAgent *self, uint32_t request, const uint8_t *payload)
{
  memcpy (&self->hello, payload, sizeof self->hello);
  self->hello_request = request;
  berth_agent_channel_drop_output (&self->channel);
  berth_agent_background_let_go (&self->background);
  berth_agent_transfers_end (&self->transfers);
  berth_agent_links_end (&self->links);
  if (agent_find_version (self) == 0)
    {
      agent_break (self, NULL);
      agent_send_hello_reply (self, BERTH_PROTOCOL_VERSION);
      return;
    }
  if (!(self->hello.flags & BERTH_HELLO_RESET))
    {
      if (self->hello.flags & BERTH_HELLO_COPY)
        berth_agent_execs_outlive (&self->execs);
      else
        berth_agent_execs_mute (&self->execs);
      agent_answer_hello (self);
      return;
    }
  self->is_resetting = true;
  agent_thaw (self);
  berth_agent_channel_pause (&self->channel);
  berth_agent_timer_arm (&self->loop, &self->reset_limit, RESET_LIMIT_US);
  berth_agent_execs_end (&self->execs);
  berth_agent_background_clear (&self->background);
  berth_agent_sessions_kill (&self->sessions);
  berth_agent_leftovers_kill (&self->leftovers);
  berth_agent_leftovers_check (&self->leftovers);
  agent_check_reset (self);
}

static void
agent_take_identity (BerthAgent *self, uint32_t request, const uint8_t *payload)
{
  BerthIdentity identity;
  BerthIdentityDone done;
  char text[128];

  memcpy (&identity, payload, sizeof identity);
  self->config.identities += identity.realtime_ns != BERTH_HIDDEN_CLOCK_NS
                             && !berth_agent_identity_is_for_clock (&identity);
  berth_agent_standby_renew (&self->standby);
  if (berth_agent_identity_set (&self->config, &identity, &self->name, &done))
    {
      berth_agent_plug_clock_was_set (&self->plug);
      berth_agent_channel_send (&self->channel, BERTH_FRAME_IDENTITY_DONE, request, &done,
                                sizeof done);
    }
  else
    {
      snprintf (text, sizeof text, "the identity can't be set: %s", strerror (errno));
      agent_send_error (self, request,
                        errno == EINVAL ? BERTH_AGENT_ERROR_INVALID : BERTH_AGENT_ERROR_INTERNAL,
                        text);
    }
  explicit_bzero (&identity, sizeof identity);
}

/* ---- freezing ---- */

static void
agent_answer_frozen (BerthAgent *self, uint32_t request, bool is_frozen)
{
  uint8_t payload[4];

  berth_le32_write (payload, is_frozen);
  berth_agent_channel_send (&self->channel, BERTH_FRAME_FROZEN, request, payload, sizeof payload);
}

static void
settled_cb (void *data, uint32_t request, bool is_frozen)
{
  BerthAgent *self = data;

  if (is_frozen)
    agent_answer_frozen (self, request, true);
  else
    {
      berth_agent_channel_hold_data (&self->channel, false);
      agent_send_error (self, request, BERTH_AGENT_ERROR_RESOURCE,
                        "the programs can't be stopped in 2 s");
    }
}

static void
agent_take_freeze (BerthAgent *self, uint32_t request)
{
  if (berth_agent_freeze_is_on (&self->freeze)
      || !berth_agent_transfers_is_empty (&self->transfers))
    agent_send_error (self, request, BERTH_AGENT_ERROR_BUSY,
                      "files are being transferred, or it is frozen");
  else if (!berth_agent_freeze_begin (&self->freeze, request))
    agent_send_error (self, request, BERTH_AGENT_ERROR_INTERNAL,
                      "there is no cgroup of programs that can be frozen");
  else
    berth_agent_channel_hold_data (&self->channel, true);
}

static void
agent_take_thaw (BerthAgent *self, uint32_t request, const uint8_t *payload)
{
  if (self->config.is_init)
    berth_agent_identity_set_clock (berth_le64_read (payload));
  berth_agent_plug_clock_was_set (&self->plug);
  agent_thaw (self);
  agent_answer_frozen (self, request, false);
}

/* What a frozen guest does not do. */
static bool
agent_refuses (BerthAgent *self, const BerthFrameHead *head)
{
  if (!berth_agent_freeze_is_on (&self->freeze))
    return false;
  switch (head->type)
    {
    case BERTH_FRAME_EXEC:
    case BERTH_FRAME_PUT:
    case BERTH_FRAME_GET:
    case BERTH_FRAME_LS:
    case BERTH_FRAME_EXECS:
    case BERTH_FRAME_ATTACH:
    case BERTH_FRAME_SIGNAL:
      agent_send_error (self, head->request, BERTH_AGENT_ERROR_BUSY, "it is frozen");
      return true;
    default:
      return false;
    }
}

static bool
agent_take_exec (BerthAgent *self, const BerthFrameHead *frame, const uint8_t *payload)
{
  BerthExecHead head;

  if (frame->request == 0)
    return false;
  memcpy (&head, payload, sizeof head);
  if (!berth_agent_execs_begin (&self->execs, frame->request, &head,
                                (const char *)payload + sizeof head, frame->length - sizeof head))
    agent_send_error (self, frame->request, BERTH_AGENT_ERROR_BUSY,
                      head.flags & BERTH_EXEC_COMMAND ? "as many commands are running as may be"
                                                      : "an exec is running");
  return true;
}

static void
agent_take_allow (BerthAgent *self, const BerthFrameHead *head, const uint8_t *payload)
{
  char text[128];

  if (berth_agent_reach_allow (&self->reach, (const char *)payload, head->length))
    {
      berth_agent_channel_send (&self->channel, BERTH_FRAME_ALLOWED, head->request, NULL, 0);
      return;
    }
  snprintf (text, sizeof text, "names can't be made reachable: %s", strerror (errno));
  agent_send_error (self, head->request,
                    errno == EINVAL ? BERTH_AGENT_ERROR_INVALID : BERTH_AGENT_ERROR_INTERNAL, text);
}

static void
plugged_cb (void *data, uint32_t request, uint32_t address, const char *problem)
{
  BerthAgent *self = data;
  uint8_t payload[4];
  char text[128];

  berth_le32_write (payload, address);
  if (problem == NULL)
    {
      berth_agent_channel_send (&self->channel, BERTH_FRAME_PLUGGED, request, payload,
                                sizeof payload);
      return;
    }
  snprintf (text, sizeof text, "the network card: %s", problem);
  agent_send_error (self, request, BERTH_AGENT_ERROR_RESOURCE, text);
}

static void
agent_take_plug (BerthAgent *self, uint32_t request, const uint8_t *payload)
{
  if (!self->config.is_init || !berth_agent_plug_begin (&self->plug, request, payload))
    agent_send_error (self, request, BERTH_AGENT_ERROR_INVALID, "a second network card, or none");
}

static bool
agent_take_for_exec (BerthAgentExec *exec, const BerthFrameHead *head, const uint8_t *payload)
{
  switch (head->type)
    {
    case BERTH_FRAME_KILL:
      berth_agent_exec_kill (exec, berth_le32_read (payload));
      return true;
    case BERTH_FRAME_DATA:
      return berth_agent_exec_take (exec, berth_le32_read (payload), payload + 4, head->length - 4);
    case BERTH_FRAME_RESIZE:
      return berth_agent_exec_resize (exec, berth_le32_read (payload),
                                      berth_le32_read (payload + 4));
    case BERTH_FRAME_CREDIT:
      return berth_agent_exec_add_credit (exec, berth_le32_read (payload),
                                          berth_le32_read (payload + 4));
    default:
      return false;
    }
}

/* Frames of a conversation; false when one breaks a rule. */
static bool
agent_take (BerthAgent *self, const BerthFrameHead *head, const uint8_t *payload)
{
  BerthAgentExec *exec;

  if (agent_refuses (self, head))
    return true;
  switch (head->type)
    {
    case BERTH_FRAME_FREEZE:
      agent_take_freeze (self, head->request);
      return true;
    case BERTH_FRAME_THAW:
      agent_take_thaw (self, head->request, payload);
      return true;
    case BERTH_FRAME_IDENTITY:
      agent_take_identity (self, head->request, payload);
      return true;
    case BERTH_FRAME_EXEC:
      return agent_take_exec (self, head, payload);
    case BERTH_FRAME_PING:
      berth_agent_channel_send (&self->channel, BERTH_FRAME_PONG, head->request, payload, 8);
      return true;
    case BERTH_FRAME_ALLOW:
      agent_take_allow (self, head, payload);
      return true;
    case BERTH_FRAME_PLUG:
      agent_take_plug (self, head->request, payload);
      return true;
    case BERTH_FRAME_PUT:
    case BERTH_FRAME_GET:
    case BERTH_FRAME_LS:
      return berth_agent_transfers_begin (&self->transfers, head, payload);
    case BERTH_FRAME_EXECS:
    case BERTH_FRAME_ATTACH:
    case BERTH_FRAME_SIGNAL:
      return berth_agent_background_ask (&self->background, head, payload);
    case BERTH_FRAME_LINK_OPEN:
      return berth_agent_links_begin (&self->links, head, payload);
    default:
      break;
    }
  if (berth_agent_transfers_have (&self->transfers, head->request))
    return berth_agent_transfers_take (&self->transfers, head, payload);
  if (berth_agent_background_has (&self->background, head->request))
    return berth_agent_background_take (&self->background, head, payload);
  if (berth_agent_links_have (&self->links, head->request))
    return berth_agent_links_take (&self->links, head, payload);
  exec = berth_agent_execs_find (&self->execs, head->request);
  /* what is about a request that has ended crossed its end on the way */
  return exec == NULL || agent_take_for_exec (exec, head, payload);
}

static void
frame_cb (void *data, const BerthFrameHead *head, const uint8_t *payload)
{
  BerthAgent *self = data;

  if (head->type == BERTH_FRAME_HELLO)
    agent_take_hello (self, head->request, payload);
  else if (self->is_talking && !agent_take (self, head, payload))
    agent_break (self, "a frame of a running request broke a rule");
}

static void
broken_cb (void *data)
{
  agent_break (data, "this is no frame");
}

static void
lost_cb (void *data)
{
  agent_break (data, NULL);
}

/* In turns, each of the four first in one of four: the flood of one leaves room for the others. */
static void
idle_cb (void *data)
{
  BerthAgent *self = data;

  self->turn = (self->turn + 1) % 4;
  for (unsigned i = 0; i < 4; i++)
    switch ((self->turn + i) % 4)
      {
      case 0:
        berth_agent_transfers_pump (&self->transfers);
        break;
      case 1:
        berth_agent_execs_pump (&self->execs);
        break;
      case 2:
        berth_agent_links_pump (&self->links);
        break;
      default:
        berth_agent_background_pump (&self->background);
      }
}

/* While a session keeps an interpreter, or one runs code, a second one would only take its memory.
 */
static void
agent_begin_standby (BerthAgent *self)
{
  if (!berth_agent_execs_has_code (&self->execs)
      && !berth_agent_sessions_has (&self->sessions, self->config.language))
    berth_agent_standby_begin (&self->standby, STANDBY_AFTER_US);
}

static void
exec_over_cb (void *data)
{
  BerthAgent *self = data;

  agent_begin_standby (self);
  agent_check_reset (self);
}

static void
exec_changed_cb (void *data, BerthAgentRunner *runner)
{
  BerthAgent *self = data;

  berth_agent_execs_runner_changed (&self->execs, runner);
}

static void
agent_is_ready (BerthAgent *self)
{
  uint8_t payload[8];

  if (self->ready_us == 0)
    self->ready_us = boottime_us ();
  berth_le64_write (payload, self->ready_us);
  if (self->is_talking)
    berth_agent_channel_send (&self->channel, BERTH_FRAME_READY, 0, payload, sizeof payload);
}

static void
standby_loaded_cb (void *data)
{
  agent_is_ready (data);
}

static void
agent_reap (BerthAgent *self)
{
  struct rusage usage;
  int status;
  pid_t pid;

  while ((pid = wait4 (-1, &status, WNOHANG, &usage)) > 0)
    if (!berth_agent_transfers_reaped (&self->transfers, pid, status)
        && !berth_agent_execs_reaped (&self->execs, pid, status, &usage)
        && !berth_agent_standby_reaped (&self->standby, pid, status)
        && !berth_agent_holder_reaped (&self->holder, pid)
        && berth_agent_sessions_reaped (&self->sessions, pid))
      agent_begin_standby (self);
  berth_agent_execs_pump (&self->execs);
  berth_agent_leftovers_check (&self->leftovers);
  agent_check_reset (self);
}

static void
signals_cb (void *data, uint32_t events)
{
  BerthAgent *self = data;
  struct signalfd_siginfo info;

  while (read (self->signals.fd, &info, sizeof info) == sizeof info)
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
      self->loop.quit = true;
  agent_reap (self);
}

static void
connected_cb (void *data, int fd, const char *name, uint16_t port)
{
  BerthAgent *self = data;

  berth_agent_links_open (&self->links, fd, name, (uint32_t)strlen (name), port);
}

/* What does not fit now is not told: the program has its answer. */
static void
refused_cb (void *data, const char *name, uint16_t port)
{
  BerthAgent *self = data;
  uint8_t payload[4 + BERTH_AGENT_DNS_NAME_MAX] = { (uint8_t)port, (uint8_t)(port >> 8) };
  size_t head = port != 0 ? 4 : 0, length = strlen (name);

  if (!self->is_talking || self->channel.control_fill > 0
      || berth_agent_freeze_is_on (&self->freeze)
      || (port != 0 && self->transfers.version < BERTH_ALLOW_PORTS_VERSION))
    return;
  memcpy (payload + head, name, length);
  berth_agent_channel_send (&self->channel, port != 0 ? BERTH_FRAME_NO_PORT : BERTH_FRAME_NO_NAME,
                            0, payload, (uint32_t)(head + length));
}

static bool
came_back_cb (void *data, int fd, pid_t pid)
{
  BerthAgent *self = data;

  return berth_agent_execs_came_back (&self->execs, fd, pid);
}

static bool
agent_watch_signals (BerthAgent *self)
{
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  sigset_t set;
  int fd;

  sigaction (SIGPIPE, &ignore, NULL);
  sigemptyset (&set);
  sigaddset (&set, SIGCHLD);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  if (sigprocmask (SIG_BLOCK, &set, NULL) != 0)
    return false;
  fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  self->signals = (BerthAgentWatch){ .fd = -1, .ready = signals_cb, .data = self };
  return fd >= 0 && berth_agent_watch_add (&self->loop, &self->signals, fd, EPOLLIN);
}

/* Sets all up but the channel and the groups' cgroup, which the caller opens before it runs. */
bool
berth_agent_init (BerthAgent *self, const BerthAgentConfig *config)
{
  BerthAgentChannelCalls channel_calls
      = { .frame = frame_cb, .broken = broken_cb, .lost = lost_cb, .idle = idle_cb, .data = self };
  BerthAgentStandbyCalls standby_calls
      = { .loaded = standby_loaded_cb, .exec_changed = exec_changed_cb, .data = self };
  BerthAgentReachCalls reach_calls
      = { .connected = connected_cb, .refused = refused_cb, .data = self };
  BerthAgentExecWorld world = {
    .loop = &self->loop,
    .channel = &self->channel,
    .groups = &self->groups,
    .standby = &self->standby,
    .sessions = &self->sessions,
    .leftovers = &self->leftovers,
    .background = &self->background,
    .config = &self->config,
    .over = exec_over_cb,
    .data = self,
  };

  self->config = *config;
  self->config.holder = &self->holder;
  self->reset_limit = (BerthAgentTimer){ .fire = reset_limit_cb, .data = self };
  berth_agent_groups_init (&self->groups);
  berth_agent_holder_init (&self->holder, &self->groups);
  if (!berth_agent_loop_init (&self->loop) || !agent_watch_signals (self))
    return false;
  berth_agent_comeback_init (&self->comeback, &self->loop, came_back_cb, self);
  self->config.comeback = self->comeback.name;
  berth_agent_channel_init (&self->channel, &self->loop, &channel_calls);
  berth_agent_standby_init (&self->standby, &self->loop, &self->groups, &self->config,
                            &standby_calls);
  berth_agent_sessions_init (&self->sessions, &self->groups);
  berth_agent_leftovers_init (&self->leftovers, &self->loop, &self->groups);
  berth_agent_background_init (&self->background, &self->channel, &self->groups);
  berth_agent_execs_init (&self->execs, &world);
  berth_agent_freeze_init (&self->freeze, &self->loop, &self->groups, settled_cb, self);
  berth_agent_links_init (&self->links, &self->loop, &self->channel);
  berth_agent_reach_init (&self->reach, &self->loop, config->root_fd, &config->sockets,
                          &reach_calls);
  berth_agent_plug_init (&self->plug, &self->loop, config->is_init ? config->root_fd : -1,
                         plugged_cb, self);
  berth_agent_transfers_init (&self->transfers, &self->loop, &self->channel, &self->groups,
                              &self->config);
  for (size_t i = 0; i < BERTH_LANGUAGE_COUNT; i++)
    if (berth_agent_language_is_here (berth_language_rows[i].language))
      self->languages |= 1u << berth_language_rows[i].language;
  return true;
}

/* Serves the host until a signal ends it. */
void
berth_agent_run (BerthAgent *self)
{
  self->boot_us = boottime_us ();
  berth_agent_standby_begin (&self->standby, 0);
  if (!berth_agent_language_has_hook (self->config.language))
    agent_is_ready (self);
  berth_agent_loop_run (&self->loop);
}

/* Ends what runs and gives everything back. */
void
berth_agent_clear (BerthAgent *self)
{
  struct timespec pause = { .tv_nsec = 2000000 };
  int signals = self->signals.fd, status;
  struct rusage usage;
  pid_t pid;

  berth_agent_execs_end (&self->execs);
  berth_agent_transfers_end (&self->transfers);
  berth_agent_reach_clear (&self->reach);
  berth_agent_plug_clear (&self->plug);
  berth_agent_links_end (&self->links);
  berth_agent_freeze_end (&self->freeze);
  berth_agent_holder_clear (&self->holder);
  berth_agent_comeback_clear (&self->comeback);
  berth_agent_groups_kill_all (&self->groups);
  while ((pid = wait4 (-1, &status, WNOHANG, &usage)) >= 0)
    if (pid == 0)
      {
        nanosleep (&pause, NULL);
        berth_agent_groups_kill_all (&self->groups);
      }
    else if (!berth_agent_transfers_reaped (&self->transfers, pid, status))
      berth_agent_execs_reaped (&self->execs, pid, status, &usage);
  berth_agent_execs_pump (&self->execs);
  berth_agent_background_free (&self->background);
  berth_agent_transfers_clear (&self->transfers);
  berth_agent_standby_clear (&self->standby);
  berth_agent_sessions_clear (&self->sessions);
  berth_agent_leftovers_clear (&self->leftovers);
  berth_agent_channel_clear (&self->channel);
  berth_agent_watch_remove (&self->loop, &self->signals);
  close (signals);
  berth_agent_groups_clear (&self->groups);
  berth_agent_loop_clear (&self->loop);
}

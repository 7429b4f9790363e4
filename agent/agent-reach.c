/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers questions for names, and hands on connections with the name that they are for. */
#include "agent-reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent-file.h"

#define DNS_PORT 53
/* In one turn of the loop, of each */
#define BATCH 32
#define PAUSE_US 100000u
/* Rules that are addresses */
#define LITERALS_MAX 256u
#define RESOLVER                                                                                   \
  "# berth: names that this sandbox may reach have an address of 198.18.0.0/15\n"                  \
  "nameserver 198.18.0.1\n"

/* Names, and ports of them, in a second that the host is told of */
#define TOLD_MAX 16u

/* ---- questions ---- */

static void
reach_tell (BerthAgentReach *self, const char *name, uint16_t port)
{
  uint64_t now_us = berth_agent_now_us ();

  if (now_us - self->told_since_us > 1000000u)
    {
      self->told_since_us = now_us;
      self->told = 0;
    }
  if (name[0] != '\0' && self->told++ < TOLD_MAX)
    self->calls.refused (self->calls.data, name, port);
}

static bool
lookup (void *data, const char *name, uint32_t *out_address)
{
  BerthAgentReach *self = data;
  bool ok = berth_agent_names_get_address (&self->names, name, out_address);

  if (!ok)
    reach_tell (self, name, 0);
  return ok;
}

static void
datagrams_cb (void *data, uint32_t events)
{
  BerthAgentReach *self = data;
  uint8_t query[BERTH_AGENT_DNS_MAX], answer[BERTH_AGENT_DNS_MAX];
  struct sockaddr_in from;

  for (unsigned i = 0; i < BATCH; i++)
    {
      socklen_t length = sizeof from;
      ssize_t size = recvfrom (self->datagrams.fd, query, sizeof query, 0, (struct sockaddr *)&from,
                               &length);
      size_t answer_size;

      if (size < 0)
        return;
      answer_size = berth_agent_dns_answer (query, (size_t)size, answer, lookup, self);
      if (answer_size > 0)
        sendto (self->datagrams.fd, answer, answer_size, 0, (struct sockaddr *)&from, length);
    }
}

static void
question_end (BerthAgentQuestion *self)
{
  int fd = self->watch.fd;

  if (fd < 0)
    return;
  berth_agent_watch_remove (self->all->loop, &self->watch);
  close (fd);
}

/* False: it is over. An answer that the socket has no room for is one that nobody reads. */
static bool
question_answer (BerthAgentQuestion *self, size_t size)
{
  uint8_t answer[2 + BERTH_AGENT_DNS_MAX];
  size_t answer_size
      = berth_agent_dns_answer (self->query + 2, size, answer + 2, lookup, self->all);

  answer[0] = (uint8_t)(answer_size >> 8);
  answer[1] = (uint8_t)answer_size;
  self->fill -= 2 + size;
  memmove (self->query, self->query + 2 + size, self->fill);
  return answer_size > 0
         && send (self->watch.fd, answer, 2 + answer_size, MSG_NOSIGNAL)
                == (ssize_t)(2 + answer_size);
}

static void
question_cb (void *data, uint32_t events)
{
  BerthAgentQuestion *self = data;
  ssize_t got = recv (self->watch.fd, self->query + self->fill, sizeof self->query - self->fill, 0);

  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (got <= 0)
    {
      question_end (self);
      return;
    }
  self->fill += (size_t)got;
  while (self->fill >= 2)
    {
      size_t size = (size_t)(self->query[0] << 8 | self->query[1]);

      if (size > sizeof self->query - 2)
        {
          question_end (self);
          return;
        }
      if (self->fill < 2 + size)
        return;
      if (!question_answer (self, size))
        {
          question_end (self);
          return;
        }
    }
}

/* In a free place, else in that of the oldest: nobody keeps others from asking. */
static void
reach_take_question (BerthAgentReach *self, int fd)
{
  BerthAgentQuestion *place = self->questions;

  for (unsigned i = 0; i < BERTH_AGENT_REACH_QUESTIONS; i++)
    if (self->questions[i].watch.fd < 0)
      {
        place = &self->questions[i];
        break;
      }
    else if (self->questions[i].since < place->since)
      place = &self->questions[i];
  question_end (place);
  place->fill = 0;
  place->since = ++self->asked;
  if (!berth_agent_watch_add (self->loop, &place->watch, fd, EPOLLIN))
    close (fd);
}

/* ---- connections ---- */

/* The program's connection ends as one that nobody answers for. */
static void
reset (int fd)
{
  const struct linger at_once = { .l_onoff = 1 };

  setsockopt (fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close (fd);
}

/* Where a program wanted to connect to. */
static void
get_endpoint (int fd, BerthAgentEndpoint *out)
{
  union
  {
    struct sockaddr any;
    struct sockaddr_in old;
    struct sockaddr_in6 new;
  } meant = { .any.sa_family = AF_UNSPEC };
  socklen_t length = sizeof meant;

  *out = (BerthAgentEndpoint){ 0 };
  getsockname (fd, &meant.any, &length);
  if (meant.any.sa_family == AF_INET)
    berth_agent_address_map (out->address, ntohl (meant.old.sin_addr.s_addr));
  else if (meant.any.sa_family == AF_INET6)
    memcpy (out->address, &meant.new.sin6_addr, sizeof out->address);
  out->port = ntohs (meant.any.sa_family == AF_INET ? meant.old.sin_port : meant.new.sin6_port);
}

static void
reach_take (BerthAgentReach *self, int fd)
{
  BerthAgentEndpoint meant;
  char name[BERTH_AGENT_DNS_NAME_MAX + 1];

  get_endpoint (fd, &meant);
  if (memcmp (&meant, &self->own, sizeof meant) == 0)
    reach_take_question (self, fd);
  else if (berth_agent_names_get_name (&self->names, meant.address, name))
    self->calls.connected (self->calls.data, fd, name, meant.port);
  else
    reset (fd);
}

static void
pause_cb (void *data)
{
  BerthAgentReach *self = data;

  berth_agent_watch_set (self->loop, &self->connections, EPOLLIN);
}

/* Who can't be taken stays where the loop sees it: it would come back at once, for ever. */
static void
reach_pause (BerthAgentReach *self)
{
  if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
    return;
  berth_agent_watch_set (self->loop, &self->connections, 0);
  berth_agent_timer_arm (self->loop, &self->pause, PAUSE_US);
}

static void
connections_cb (void *data, uint32_t events)
{
  BerthAgentReach *self = data;

  for (unsigned i = 0; i < BATCH; i++)
    {
      int fd = accept4 (self->connections.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

      if (fd < 0)
        {
          reach_pause (self);
          return;
        }
      reach_take (self, fd);
    }
}

/* ---- what is refused ---- */

/* A name that gets more ports than the gate has room for has them all: the host decides. */
static void
set_gate_cb (void *data, const BerthAgentEndpoint *endpoint, BerthAgentGateState state)
{
  BerthAgentReach *self = data;
  BerthAgentEndpoint all = *endpoint;

  all.port = 0;
  if (!berth_agent_reach_set_gate (self->gate, endpoint, state) && state == BERTH_AGENT_GATE_OPEN)
    berth_agent_reach_set_gate (self->gate, &all, state);
}

static void
notes_cb (void *data, uint32_t events)
{
  BerthAgentReach *self = data;
  BerthAgentEndpoint meant;
  char name[BERTH_AGENT_DNS_NAME_MAX + 1];
  uint32_t old;

  for (unsigned i = 0; i < BATCH && berth_agent_refusals_take (&self->refusals, &meant); i++)
    {
      struct in_addr address;

      if (!berth_agent_names_get_name (&self->names, meant.address, name))
        {
          bool is_old = berth_agent_address_unmap (meant.address, &old);

          address.s_addr = htonl (old);
          inet_ntop (is_old ? AF_INET : AF_INET6,
                     is_old ? (const void *)&address : (const void *)meant.address, name,
                     sizeof name);
        }
      reach_tell (self, name, meant.port);
    }
}

/* Once there is something to be refused: before, the kernel has not even pages for it. */
static bool
reach_open_gate (BerthAgentReach *self)
{
  if (!berth_agent_reach_set_gate (self->gate, &self->own, BERTH_AGENT_GATE_OPEN))
    return false;
  if (self->notes.fd >= 0)
    return true;
  return berth_agent_refusals_map (&self->refusals, self->refusals_fd)
         && berth_agent_watch_add (self->loop, &self->notes, self->refusals_fd, EPOLLIN);
}

/* ---- the loopback ---- */

static void
set_address (struct sockaddr *out, uint32_t address)
{
  struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (address) };

  memcpy (out, &in, sizeof in);
}

/* One more address of the loopback; its network is all of this machine then. */
static bool
add_address (int fd, const char *name, uint32_t address, uint32_t netmask)
{
  struct ifreq request = { 0 };

  snprintf (request.ifr_name, sizeof request.ifr_name, "%s", name);
  set_address (&request.ifr_addr, address);
  if (ioctl (fd, SIOCSIFADDR, &request) != 0)
    return false;
  set_address (&request.ifr_netmask, netmask);
  return ioctl (fd, SIOCSIFNETMASK, &request) == 0;
}

static void
add_address6 (int fd, const uint8_t address[16])
{
  struct ifreq interface = { .ifr_name = "lo" };
  struct in6_ifreq request = { .ifr6_prefixlen = 128 };

  memcpy (&request.ifr6_addr, address, sizeof request.ifr6_addr);
  if (ioctl (fd, SIOCGIFINDEX, &interface) != 0)
    return;
  request.ifr6_ifindex = interface.ifr_ifindex;
  ioctl (fd, SIOCSIFADDR, &request);
}

static void
add_literal (void *data, const uint8_t address[16])
{
  BerthAgentReach *self = data;
  char name[IFNAMSIZ];
  uint32_t old;

  if (self->literals >= LITERALS_MAX)
    return;
  snprintf (name, sizeof name, "lo:b%u", self->literals++);
  if (berth_agent_address_unmap (address, &old))
    add_address (self->datagrams.fd, name, old, 0xffffffffu);
  else
    add_address6 (self->connections.fd, address);
}

bool
berth_agent_reach_allow (BerthAgentReach *self, const char *rules, size_t size)
{
  if (self->connections.fd < 0)
    {
      errno = ENOSYS;
      return false;
    }
  if (!reach_open_gate (self))
    return false;
  if (!berth_agent_names_set_rules (&self->names, rules, size))
    {
      errno = EINVAL;
      return false;
    }
  if (!add_address (self->datagrams.fd, "lo:berth", BERTH_AGENT_REACH_SELF,
                    BERTH_AGENT_NAMES_NETMASK))
    return false;
  self->literals = 0;
  berth_agent_names_each_address (&self->names, add_literal, self);
  return berth_agent_file_rewrite (self->root_fd, "etc/resolv.conf", 0644, RESOLVER);
}

void
berth_agent_reach_init (BerthAgentReach *self, BerthAgentLoop *loop, int root_fd,
                        const BerthAgentReachSockets *sockets, const BerthAgentReachCalls *calls)
{
  self->loop = loop;
  self->root_fd = root_fd;
  self->calls = *calls;
  self->connections = (BerthAgentWatch){ .fd = -1, .ready = connections_cb, .data = self };
  self->datagrams = (BerthAgentWatch){ .fd = -1, .ready = datagrams_cb, .data = self };
  self->notes = (BerthAgentWatch){ .fd = -1, .ready = notes_cb, .data = self };
  self->pause = (BerthAgentTimer){ .fire = pause_cb, .data = self };
  self->gate = sockets->gate;
  self->refusals_fd = sockets->refusals;
  self->names.gate = (BerthAgentGate){ .set = set_gate_cb, .data = self };
  berth_agent_address_map (self->own.address, BERTH_AGENT_REACH_SELF);
  self->own.port = DNS_PORT;
  for (unsigned i = 0; i < BERTH_AGENT_REACH_QUESTIONS; i++)
    {
      self->questions[i].all = self;
      self->questions[i].watch
          = (BerthAgentWatch){ .fd = -1, .ready = question_cb, .data = &self->questions[i] };
    }
  if (sockets->connections < 0)
    return;
  berth_agent_watch_add (loop, &self->connections, sockets->connections, EPOLLIN);
  berth_agent_watch_add (loop, &self->datagrams, sockets->datagrams, EPOLLIN);
}

void
berth_agent_reach_clear (BerthAgentReach *self)
{
  for (unsigned i = 0; i < BERTH_AGENT_REACH_QUESTIONS; i++)
    question_end (&self->questions[i]);
  berth_agent_timer_disarm (self->loop, &self->pause);
  for (unsigned i = 0; i < 2; i++)
    {
      BerthAgentWatch *watch = i == 0 ? &self->connections : &self->datagrams;
      int fd = watch->fd;

      berth_agent_watch_remove (self->loop, watch);
      berth_agent_file_close (&fd);
    }
  berth_agent_watch_remove (self->loop, &self->notes);
  berth_agent_refusals_unmap (&self->refusals);
  berth_agent_file_close (&self->refusals_fd);
  berth_agent_file_close (&self->gate);
  berth_agent_names_clear (&self->names);
}

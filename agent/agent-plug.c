/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits for the card, asks for an address, takes the first that is offered, and asks again at half
 * of its time. Whoever is on the network may answer: what is believed is an address, a way out, and
 * who knows names. */
#include "agent-plug.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent-file.h"

#define CARD "eth0" /* the kernel's name for the only one */
#define LOOK_EVERY_US 5000u
#define FIRST_WAIT_US 100000u
#define LONGEST_WAIT_US 4000000u
#define TRIES_MAX 4u
#define DEADLINE_US 15000000u
#define RENEW_LEAST_US 60000000u

static void plug_ask (BerthAgentPlug *self);

static void
plug_tell (BerthAgentPlug *self, uint32_t address, const char *problem)
{
  if (!self->is_asked)
    return;
  self->is_asked = false;
  self->done (self->data, self->request, address, problem);
}

/* ---- the card ---- */

static bool
call (int what, struct ifreq *request)
{
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool ok;

  snprintf (request->ifr_name, sizeof request->ifr_name, "%s", CARD);
  ok = fd >= 0 && ioctl (fd, (unsigned long)what, request) == 0;
  berth_agent_file_close (&fd);
  return ok;
}

static bool
is_there (const BerthAgentPlug *self)
{
  struct ifreq request = { 0 };

  return call (SIOCGIFHWADDR, &request) && request.ifr_hwaddr.sa_family == ARPHRD_ETHER
         && memcmp (request.ifr_hwaddr.sa_data, self->mac, sizeof self->mac) == 0;
}

static bool
bring_up (void)
{
  struct ifreq request = { 0 };

  if (!call (SIOCGIFFLAGS, &request))
    return false;
  request.ifr_flags |= IFF_UP;
  return call (SIOCSIFFLAGS, &request);
}

static bool
set_address (int what, uint32_t address)
{
  struct ifreq request = { 0 };
  struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (address) };

  memcpy (&request.ifr_addr, &in, sizeof in);
  return call (what, &request);
}

/* There may be one already. */
static void
add_route (uint32_t router)
{
  struct sockaddr_in any = { .sin_family = AF_INET };
  struct sockaddr_in gateway = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (router) };
  struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  memcpy (&route.rt_dst, &any, sizeof any);
  memcpy (&route.rt_genmask, &any, sizeof any);
  memcpy (&route.rt_gateway, &gateway, sizeof gateway);
  if (fd >= 0)
    ioctl (fd, SIOCADDRT, &route);
  berth_agent_file_close (&fd);
}

static void
plug_write_resolvers (const BerthAgentPlug *self)
{
  char text[128] = "# berth: as the network says\n";

  for (unsigned i = 0; i < BERTH_AGENT_DHCP_RESOLVERS && self->lease.resolvers[i] != 0; i++)
    {
      struct in_addr address = { .s_addr = htonl (self->lease.resolvers[i]) };
      size_t length = strlen (text);
      char shown[INET_ADDRSTRLEN];

      snprintf (text + length, sizeof text - length, "nameserver %s\n",
                inet_ntop (AF_INET, &address, shown, sizeof shown));
    }
  if (self->root_fd >= 0)
    berth_agent_file_rewrite (self->root_fd, "etc/resolv.conf", 0644, text);
}

static bool
plug_apply (const BerthAgentPlug *self)
{
  if (!set_address (SIOCSIFADDR, self->lease.address)
      || !set_address (SIOCSIFNETMASK, self->lease.netmask))
    return false;
  if (self->lease.router != 0)
    add_route (self->lease.router);
  plug_write_resolvers (self);
  return true;
}

/* ---- questions ---- */

static void
plug_send (BerthAgentPlug *self, BerthAgentDhcpKind kind)
{
  uint8_t bytes[BERTH_AGENT_DHCP_MAX];
  struct sockaddr_in everybody = { .sin_family = AF_INET,
                                   .sin_port = htons (BERTH_AGENT_DHCP_SERVER_PORT),
                                   .sin_addr.s_addr = INADDR_BROADCAST };
  size_t size = berth_agent_dhcp_write (bytes, kind, self->mac, self->number, &self->lease,
                                        self->state == BERTH_AGENT_PLUG_BOUND);

  /* one that is lost is sent again */
  sendto (self->watch.fd, bytes, size, 0, (struct sockaddr *)&everybody, sizeof everybody);
}

/* Of the wall: the other clock stands still while the VM does, and the network's does not. */
static uint64_t
get_time_us (void)
{
  struct timespec now = { 0 };

  clock_gettime (CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* At half of what is left, but not too often */
static void
plug_wait_for_renewal (BerthAgentPlug *self)
{
  uint64_t now_us = get_time_us ();
  uint64_t left_us = self->expires_us > now_us ? self->expires_us - now_us : 0;

  berth_agent_timer_arm (self->loop, &self->timer,
                         left_us / 2 > RENEW_LEAST_US ? left_us / 2 : RENEW_LEAST_US);
}

static void
plug_bind (BerthAgentPlug *self)
{
  if (!plug_apply (self))
    {
      plug_tell (self, 0, "its address can't be set");
      return;
    }
  self->state = BERTH_AGENT_PLUG_BOUND;
  self->expires_us = get_time_us () + self->lease.seconds * UINT64_C (1000000);
  plug_wait_for_renewal (self);
  plug_tell (self, self->lease.address, NULL);
}

/* It is another's, or may be. */
static void
plug_lose (BerthAgentPlug *self)
{
  if (self->state == BERTH_AGENT_PLUG_BOUND)
    set_address (SIOCSIFADDR, 0);
  self->state = BERTH_AGENT_PLUG_ASKING;
  self->tries = 0;
  plug_ask (self);
}

static void
plug_take (BerthAgentPlug *self, BerthAgentDhcpKind kind, const BerthAgentLease *lease)
{
  if (kind == BERTH_AGENT_DHCP_OFFER && self->state == BERTH_AGENT_PLUG_ASKING)
    {
      self->lease = *lease;
      self->state = BERTH_AGENT_PLUG_TAKING;
      self->tries = 0;
      plug_ask (self);
    }
  else if (kind == BERTH_AGENT_DHCP_ACK && self->state >= BERTH_AGENT_PLUG_TAKING)
    {
      self->lease = *lease;
      plug_bind (self);
    }
  else if (kind == BERTH_AGENT_DHCP_NAK && self->state >= BERTH_AGENT_PLUG_TAKING)
    plug_lose (self);
}

static void
watch_cb (void *data, uint32_t events)
{
  BerthAgentPlug *self = data;
  uint8_t bytes[BERTH_AGENT_DHCP_MAX];
  ssize_t size = recv (self->watch.fd, bytes, sizeof bytes, MSG_DONTWAIT);
  BerthAgentDhcpKind kind;
  BerthAgentLease lease;

  if (size > 0
      && berth_agent_dhcp_read (bytes, (size_t)size, self->mac, self->number, &kind, &lease))
    plug_take (self, kind, &lease);
}

/* ---- steps ---- */

/* An offer that nobody confirms is none. */
static void
plug_ask (BerthAgentPlug *self)
{
  uint64_t wait_us = (uint64_t)FIRST_WAIT_US << (self->tries < 8 ? self->tries : 8);

  if (self->state == BERTH_AGENT_PLUG_TAKING && self->tries >= TRIES_MAX)
    {
      self->state = BERTH_AGENT_PLUG_ASKING;
      self->tries = 0;
    }
  self->tries++;
  plug_send (self, self->state == BERTH_AGENT_PLUG_TAKING ? BERTH_AGENT_DHCP_REQUEST
                                                          : BERTH_AGENT_DHCP_DISCOVER);
  berth_agent_timer_arm (self->loop, &self->timer,
                         wait_us < LONGEST_WAIT_US ? wait_us : LONGEST_WAIT_US);
}

static bool
plug_open (BerthAgentPlug *self)
{
  struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons (BERTH_AGENT_DHCP_PORT) };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

  if (fd >= 0
      && (setsockopt (fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) != 0
          || setsockopt (fd, SOL_SOCKET, SO_BINDTODEVICE, CARD, sizeof CARD) != 0
          || bind (fd, (struct sockaddr *)&any, sizeof any) != 0))
    berth_agent_file_close (&fd);
  if (fd >= 0 && !berth_agent_watch_add (self->loop, &self->watch, fd, EPOLLIN))
    berth_agent_file_close (&fd);
  return fd >= 0;
}

static void
plug_look (BerthAgentPlug *self)
{
  if (!is_there (self))
    {
      berth_agent_timer_arm (self->loop, &self->timer, LOOK_EVERY_US);
      return;
    }
  if (getrandom (&self->number, sizeof self->number, 0) < 0 || !bring_up () || !plug_open (self))
    {
      self->state = BERTH_AGENT_PLUG_OUT;
      plug_tell (self, 0, "it can't be used");
      return;
    }
  self->state = BERTH_AGENT_PLUG_ASKING;
  plug_ask (self);
}

static void
plug_renew (BerthAgentPlug *self)
{
  if (get_time_us () >= self->expires_us)
    {
      plug_lose (self);
      return;
    }
  plug_send (self, BERTH_AGENT_DHCP_REQUEST);
  plug_wait_for_renewal (self);
}

static void
timer_cb (void *data)
{
  BerthAgentPlug *self = data;

  if (self->is_asked && berth_agent_now_us () >= self->deadline_us)
    plug_tell (self, 0,
               self->state == BERTH_AGENT_PLUG_DEVICE ? "it did not appear"
                                                      : "nobody gives it an address (DHCP)");
  if (self->state == BERTH_AGENT_PLUG_DEVICE && self->is_asked)
    plug_look (self);
  else if (self->state == BERTH_AGENT_PLUG_BOUND)
    plug_renew (self);
  else if (self->state == BERTH_AGENT_PLUG_ASKING || self->state == BERTH_AGENT_PLUG_TAKING)
    plug_ask (self);
}

void
berth_agent_plug_clock_was_set (BerthAgentPlug *self)
{
  if (self->state == BERTH_AGENT_PLUG_BOUND)
    plug_renew (self);
}

bool
berth_agent_plug_begin (BerthAgentPlug *self, uint32_t request, const uint8_t mac[6])
{
  if (self->state != BERTH_AGENT_PLUG_OUT || (mac[0] & 1) != 0)
    return false;
  self->state = BERTH_AGENT_PLUG_DEVICE;
  self->is_asked = true;
  self->request = request;
  memcpy (self->mac, mac, sizeof self->mac);
  self->deadline_us = berth_agent_now_us () + DEADLINE_US;
  plug_look (self);
  return true;
}

void
berth_agent_plug_init (BerthAgentPlug *self, BerthAgentLoop *loop, int root_fd,
                       BerthAgentPlugFunc done, void *data)
{
  *self = (BerthAgentPlug){ .loop = loop, .root_fd = root_fd, .done = done, .data = data };
  self->timer = (BerthAgentTimer){ .fire = timer_cb, .data = self };
  self->watch = (BerthAgentWatch){ .fd = -1, .ready = watch_cb, .data = self };
}

void
berth_agent_plug_clear (BerthAgentPlug *self)
{
  int fd = self->watch.fd;

  berth_agent_timer_disarm (self->loop, &self->timer);
  berth_agent_watch_remove (self->loop, &self->watch);
  berth_agent_file_close (&fd);
}

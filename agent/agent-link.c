/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which bytes of a link move, and when; what its end is. Nothing here waits: PID 1 carries
 * the bytes of programs that may do whatever they like with their ends. */
#include "agent-link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Frames of links before others have their turn, in rounds of one a link. */
#define ROUNDS_A_TURN 8
/* A link's window, and what those of all take before they are given the least one each. The largest
 * is of whole pieces, so that what is given back is one, too: each piece that goes to a program
 * is a switch to it and back. */
#define WINDOW_MOST (4u * BERTH_LINK_PIECE)
#define WINDOW_LEAST (8u * 1024u)
#define WINDOWS_MAX (2u * 1024u * 1024u)
/* What the kernel keeps for a program that does not read is nobody's but the guest's. */
#define SEND_BUFFER (128 * 1024)
#define WATCHED (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static uint32_t
link_get_place (const BerthAgentLink *self)
{
  return (uint32_t)(self - self->all->places);
}

static uint32_t
link_get_id (const BerthAgentLink *self)
{
  return self->all->ids[link_get_place (self)];
}

static void
link_drop_buffer (BerthAgentLink *self)
{
  if (self->buffer != NULL)
    munmap (self->buffer, self->window);
  self->buffer = NULL;
  self->start = self->fill = 0;
}

/* @is_reset: its other end hears that it broke. */
static void
link_close (BerthAgentLink *self, bool is_reset)
{
  const struct linger at_once = { .l_onoff = 1 };

  berth_agent_timer_disarm (self->all->loop, &self->timer);
  berth_agent_watch_remove (self->all->loop, &self->watch);
  link_drop_buffer (self);
  if (self->fd < 0)
    return;
  if (is_reset)
    setsockopt (self->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close (self->fd);
  self->fd = -1;
}

static void
link_forget (BerthAgentLink *self)
{
  BerthAgentLinks *all = self->all;

  all->reserved -= self->window;
  all->ids[link_get_place (self)] = 0;
  while (all->top > 0 && all->ids[all->top - 1] == 0)
    all->top--;
}

/* The host is told when the channel has room; nothing of one that it has not heard of. */
static void
link_end (BerthAgentLink *self, BerthLinkReason reason)
{
  if (self->state == BERTH_AGENT_LINK_OVER)
    return;
  link_close (self, reason != BERTH_LINK_DONE);
  if (self->state == BERTH_AGENT_LINK_ASKS && self->has_open_owed)
    link_forget (self);
  self->has_open_owed = false;
  self->state = BERTH_AGENT_LINK_OVER;
  self->reason = reason;
}

static void
link_check (BerthAgentLink *self)
{
  if (self->state != BERTH_AGENT_LINK_FLOWS || !self->has_ended)
    return;
  if (self->is_deaf)
    link_end (self, BERTH_LINK_RESET);
  else if (self->host_has_ended && self->fill == 0)
    link_end (self, BERTH_LINK_DONE);
}

/* Nothing goes into the socket any more. What its program had to say before may still come. */
static void
link_be_deaf (BerthAgentLink *self)
{
  self->is_deaf = self->readable = true;
  self->owed += self->fill;
  link_drop_buffer (self);
}

/* Hands bytes over; those that the socket took, or all where it takes nothing any more. */
static uint32_t
link_hand_over (BerthAgentLink *self, const uint8_t *bytes, uint32_t size)
{
  uint32_t done = 0;

  while (done < size && !self->is_deaf)
    {
      ssize_t count = send (self->fd, bytes + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);

      if (count >= 0)
        done += (uint32_t)count;
      else if (errno == EAGAIN)
        break;
      else if (errno != EINTR)
        link_be_deaf (self);
    }
  return self->is_deaf ? size : done;
}

/* Moves what waits into the socket. */
static void
link_flush (BerthAgentLink *self)
{
  uint32_t fill = self->fill;

  if (fill > 0)
    {
      uint32_t done = link_hand_over (self, self->buffer + self->start, fill);

      if (self->fill > 0)
        {
          self->start += done;
          self->fill -= done;
          self->owed += done;
        }
      if (self->fill == 0)
        self->start = 0;
    }
  if (self->host_has_ended && self->fill == 0 && !self->is_deaf)
    shutdown (self->fd, SHUT_WR);
  link_check (self);
}

/* Keeps what the socket does not take; false where the guest has no memory for it. The room stays
 * as long as the link, which has its window anyway: the kernel would clear new pages each time, and
 * that is a third of a download's speed. */
static bool
link_keep (BerthAgentLink *self, const uint8_t *bytes, uint32_t size)
{
  if (self->buffer == NULL)
    {
      void *buffer
          = mmap (NULL, self->window, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

      if (buffer == MAP_FAILED)
        return false;
      self->buffer = buffer;
    }
  if (self->start + self->fill + size > self->window)
    {
      memmove (self->buffer, self->buffer + self->start, self->fill);
      self->start = 0;
    }
  memcpy (self->buffer + self->start + self->fill, bytes, size);
  self->fill += size;
  return true;
}

/* Takes bytes for the socket, none: no more come. False: a rule is broken. */
static bool
link_take_data (BerthAgentLink *self, const uint8_t *bytes, uint32_t size)
{
  uint32_t done = 0;

  if (self->state != BERTH_AGENT_LINK_FLOWS || self->host_has_ended || size > self->credit)
    return false;
  self->credit -= size;
  self->host_has_ended = size == 0;
  if (self->fill == 0)
    done = link_hand_over (self, bytes, size);
  self->owed += done;
  if (done < size && !link_keep (self, bytes + done, size - done))
    link_end (self, BERTH_LINK_LIMIT);
  else if (self->host_has_ended)
    link_flush (self);
  return true;
}

static bool
link_has_credit_to_give (const BerthAgentLink *self)
{
  return !self->host_has_ended && self->owed >= self->window / 2;
}

/* Reads a piece for the host, or its end; false when there is none now. */
static bool
link_send_data (BerthAgentLink *self, uint8_t *room)
{
  uint32_t size
      = self->out_credit < BERTH_AGENT_CHANNEL_CHUNK ? self->out_credit : BERTH_AGENT_CHANNEL_CHUNK;
  ssize_t count = recv (self->fd, room, size, MSG_DONTWAIT);

  if (count < 0)
    {
      self->readable = errno == EINTR;
      if (errno != EAGAIN && errno != EINTR)
        link_end (self, BERTH_LINK_RESET);
      return self->state == BERTH_AGENT_LINK_OVER;
    }
  self->out_credit -= (uint32_t)count;
  self->has_ended = count == 0;
  berth_agent_channel_send_data (self->all->channel, link_get_id (self), BERTH_STREAM_LINK,
                                 (uint32_t)count);
  link_check (self);
  return true;
}

static void
link_send_open (BerthAgentLink *self)
{
  uint8_t payload[8 + BERTH_LINK_NAME_MAX];
  bool is_own = self->state == BERTH_AGENT_LINK_ASKS;

  berth_le32_write (payload, self->window);
  berth_le32_write (payload + 4, self->port);
  if (is_own)
    memcpy (payload + 8, self->name, self->name_size);
  berth_agent_channel_send (self->all->channel,
                            is_own ? BERTH_FRAME_LINK_OPEN : BERTH_FRAME_LINK_OPENED,
                            link_get_id (self), payload, is_own ? 8 + self->name_size : 4);
  self->has_open_owed = false;
}

static void
link_send_end (BerthAgentLink *self)
{
  uint8_t payload[4];

  berth_le32_write (payload, self->reason);
  berth_agent_channel_send (self->all->channel, BERTH_FRAME_LINK_END, link_get_id (self), payload,
                            sizeof payload);
  link_forget (self);
}

static void
link_send_credit (BerthAgentLink *self)
{
  berth_agent_channel_send_credit (self->all->channel, link_get_id (self), BERTH_STREAM_LINK,
                                   self->owed);
  self->credit += self->owed;
  self->owed = 0;
}

/* Sends one frame of it, where nothing waits for the channel. All of a link's frames are sent so:
 * hundreds of links that have to tell something would be more than the channel keeps. */
static bool
link_send (BerthAgentLink *self)
{
  uint8_t *room = berth_agent_channel_data_room (self->all->channel);

  if (room == NULL)
    return false;
  if (self->has_open_owed)
    link_send_open (self);
  else if (self->state == BERTH_AGENT_LINK_OVER)
    link_send_end (self);
  else if (link_has_credit_to_give (self))
    link_send_credit (self);
  else if (self->state == BERTH_AGENT_LINK_FLOWS && self->readable && !self->has_ended
           && self->out_credit > 0)
    return link_send_data (self, room);
  else
    return false;
  return true;
}

void
berth_agent_links_pump (BerthAgentLinks *self)
{
  BerthAgentLink *last = NULL;

  for (unsigned round = 0; round < ROUNDS_A_TURN && (round == 0 || last != NULL); round++)
    {
      uint32_t count = self->top;

      last = NULL;
      for (uint32_t i = 0; i < count; i++)
        {
          if (berth_agent_channel_data_room (self->channel) == NULL)
            return;
          self->next = self->next + 1 < count ? self->next + 1 : 0;
          if (self->ids[self->next] != 0 && link_send (&self->places[self->next]))
            last = &self->places[self->next];
        }
    }
  if (last != NULL)
    berth_agent_watch_again (self->loop, &self->channel->watch);
}

static void link_try (BerthAgentLink *self);

/* Bytes may move now. */
static void
link_flow (BerthAgentLink *self)
{
  const int on = 1, send_buffer = SEND_BUFFER;

  setsockopt (self->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt (self->fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
  self->state = BERTH_AGENT_LINK_FLOWS;
  self->readable = true;
}

static BerthLinkReason
get_reason (int error)
{
  switch (error)
    {
    case ECONNREFUSED:
      return BERTH_LINK_REFUSED;
    case ETIMEDOUT:
      return BERTH_LINK_TIMED_OUT;
    case ENETUNREACH: /* a loopback has no such address, so nobody listens there */
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return BERTH_LINK_REFUSED;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
      return BERTH_LINK_LIMIT;
    default:
      return BERTH_LINK_FAILED;
    }
}

static void
link_connect_failed (BerthAgentLink *self, int error)
{
  if (self->fd >= 0)
    {
      berth_agent_watch_remove (self->all->loop, &self->watch);
      close (self->fd);
      self->fd = -1;
    }
  if (self->is_second_try || get_reason (error) != BERTH_LINK_REFUSED)
    {
      link_end (self, get_reason (error));
      return;
    }
  self->is_second_try = true;
  link_try (self);
}

static void
link_try (BerthAgentLink *self)
{
  struct sockaddr_in four = { .sin_family = AF_INET,
                              .sin_port = htons (self->port),
                              .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_in6 six = { .sin6_family = AF_INET6,
                              .sin6_port = htons (self->port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  const struct sockaddr *address = self->is_second_try ? (void *)&six : (void *)&four;
  socklen_t size = self->is_second_try ? sizeof six : sizeof four;

  self->fd = socket (address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (self->fd < 0 || (connect (self->fd, address, size) != 0 && errno != EINPROGRESS)
      || !berth_agent_watch_add (self->all->loop, &self->watch, self->fd, WATCHED))
    link_connect_failed (self, errno);
}

static void
link_check_connect (BerthAgentLink *self, uint32_t events)
{
  int error = 0;
  socklen_t size = sizeof error;

  if (getsockopt (self->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
    error = errno;
  if (error != 0)
    link_connect_failed (self, error);
  else if (events & EPOLLOUT)
    {
      berth_agent_timer_disarm (self->all->loop, &self->timer);
      self->has_open_owed = true;
      link_flow (self);
    }
}

static void
link_cb (void *data, uint32_t events)
{
  BerthAgentLink *self = data;

  if (self->state == BERTH_AGENT_LINK_CONNECTS)
    link_check_connect (self, events);
  else if (self->state == BERTH_AGENT_LINK_ASKS && events & EPOLLERR)
    link_end (self, BERTH_LINK_RESET);
  else
    {
      self->readable |= (events & ~(uint32_t)EPOLLOUT) != 0;
      if (self->fill > 0)
        link_flush (self);
    }
  berth_agent_links_pump (self->all);
}

static void
timer_cb (void *data)
{
  BerthAgentLink *self = data;

  link_end (self, BERTH_LINK_TIMED_OUT);
  berth_agent_links_pump (self->all);
}

/* A free place, of as many as this side may have; NULL: none */
static BerthAgentLink *
links_add (BerthAgentLinks *self, uint32_t id)
{
  uint32_t place = BERTH_AGENT_LINKS_MAX, count = 0;
  BerthAgentLink *link;

  for (uint32_t i = self->top + 1; i-- > 0;)
    if (i < BERTH_AGENT_LINKS_MAX && self->ids[i] == 0)
      place = i;
    else if (i < self->top)
      count += (self->ids[i] & BERTH_LINK_OF_AGENT) == (id & BERTH_LINK_OF_AGENT);
  if (count >= BERTH_LINKS_MAX || place == BERTH_AGENT_LINKS_MAX)
    return NULL;
  link = &self->places[place];
  *link = (BerthAgentLink){ .all = self, .fd = -1 };
  link->watch = (BerthAgentWatch){ .fd = -1, .ready = link_cb, .data = link };
  link->timer = (BerthAgentTimer){ .fire = timer_cb, .data = link };
  link->window = self->reserved < WINDOWS_MAX ? (WINDOWS_MAX - self->reserved) / 4 : 0;
  if (link->window > WINDOW_MOST)
    link->window = WINDOW_MOST;
  if (link->window < WINDOW_LEAST)
    link->window = WINDOW_LEAST;
  link->credit = link->window;
  self->reserved += link->window;
  self->ids[place] = id;
  if (place >= self->top)
    self->top = place + 1;
  return link;
}

bool
berth_agent_links_begin (BerthAgentLinks *self, const BerthFrameHead *head, const uint8_t *payload)
{
  uint32_t credit = berth_le32_read (payload), port = berth_le32_read (payload + 4);
  BerthAgentLink *link;

  if (head->request == 0 || head->request & BERTH_LINK_OF_AGENT || head->length != 8
      || credit > BERTH_LINK_CREDIT_MAX || port == 0 || port > UINT16_MAX
      || self->version < BERTH_LINK_VERSION || berth_agent_links_have (self, head->request))
    return false;
  link = links_add (self, head->request);
  if (link == NULL)
    return false;
  link->port = (uint16_t)port;
  link->out_credit = credit;
  berth_agent_timer_arm (self->loop, &link->timer, BERTH_LINK_TIMEOUT_MS * 1000u);
  link_try (link);
  berth_agent_links_pump (self);
  return true;
}

bool
berth_agent_links_open (BerthAgentLinks *self, int fd, const char *name, uint32_t name_size,
                        uint16_t port)
{
  const struct linger at_once = { .l_onoff = 1 };
  uint32_t id = self->last_id + 1;
  BerthAgentLink *link = self->version >= BERTH_LINK_VERSION && id < BERTH_LINK_OF_AGENT
                             ? links_add (self, id | BERTH_LINK_OF_AGENT)
                             : NULL;

  if (link == NULL || !berth_agent_watch_add (self->loop, &link->watch, fd, WATCHED))
    {
      if (link != NULL)
        link_forget (link);
      setsockopt (fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      close (fd);
      return false;
    }
  self->last_id = id;
  link->fd = fd;
  link->state = BERTH_AGENT_LINK_ASKS;
  link->port = port;
  link->name_size = name_size;
  memcpy (link->name, name, name_size);
  link->has_open_owed = true;
  berth_agent_links_pump (self);
  return true;
}

static BerthAgentLink *
links_find (BerthAgentLinks *self, uint32_t request)
{
  for (uint32_t i = 0; i < self->top; i++)
    if (self->ids[i] == request)
      return &self->places[i];
  return NULL;
}

bool
berth_agent_links_have (const BerthAgentLinks *self, uint32_t request)
{
  return request != 0 && links_find ((BerthAgentLinks *)self, request) != NULL;
}

static bool
link_take_opened (BerthAgentLink *self, uint32_t credit)
{
  if (self->state != BERTH_AGENT_LINK_ASKS || self->has_open_owed || credit > BERTH_LINK_CREDIT_MAX)
    return false;
  self->out_credit = credit;
  link_flow (self);
  return true;
}

static bool
link_add_credit (BerthAgentLink *self, uint32_t stream, uint32_t bytes)
{
  if (stream != BERTH_STREAM_LINK || self->state == BERTH_AGENT_LINK_ASKS
      || bytes > BERTH_LINK_CREDIT_MAX - self->out_credit)
    return false;
  self->out_credit += bytes;
  return true;
}

static bool
link_take (BerthAgentLink *self, const BerthFrameHead *head, const uint8_t *payload)
{
  switch (head->type)
    {
    case BERTH_FRAME_DATA:
      return berth_le32_read (payload) == BERTH_STREAM_LINK
             && link_take_data (self, payload + 4, head->length - 4);
    case BERTH_FRAME_CREDIT:
      return link_add_credit (self, berth_le32_read (payload), berth_le32_read (payload + 4));
    case BERTH_FRAME_LINK_OPENED:
      return link_take_opened (self, berth_le32_read (payload));
    case BERTH_FRAME_LINK_END:
      link_end (self, BERTH_LINK_RESET);
      return true;
    default:
      return false;
    }
}

/* What comes for one that is over crossed its end on the way. */
bool
berth_agent_links_take (BerthAgentLinks *self, const BerthFrameHead *head, const uint8_t *payload)
{
  BerthAgentLink *link = links_find (self, head->request);
  bool ok = link->state == BERTH_AGENT_LINK_OVER || link_take (link, head, payload);

  berth_agent_links_pump (self);
  return ok;
}

void
berth_agent_links_init (BerthAgentLinks *self, BerthAgentLoop *loop, BerthAgentChannel *channel)
{
  self->loop = loop;
  self->channel = channel;
}

void
berth_agent_links_greet (BerthAgentLinks *self, uint32_t version)
{
  self->version = version;
}

void
berth_agent_links_end (BerthAgentLinks *self)
{
  self->version = 0;
  for (uint32_t i = 0; i < self->top; i++)
    if (self->ids[i] != 0)
      {
        if (self->places[i].state != BERTH_AGENT_LINK_OVER)
          link_close (&self->places[i], true);
        self->ids[i] = 0;
      }
  self->top = self->next = self->reserved = self->last_id = 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits for descriptors and timers and calls their owners, one after the other. */
#include "agent-loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

bool
berth_agent_loop_init (BerthAgentLoop *self)
{
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

  *self = (BerthAgentLoop){ .epoll_fd = epoll_create1 (EPOLL_CLOEXEC),
                            .timer_fd
                            = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK) };
  if (self->epoll_fd >= 0 && self->timer_fd >= 0
      && epoll_ctl (self->epoll_fd, EPOLL_CTL_ADD, self->timer_fd, &event) == 0)
    return true;
  berth_agent_loop_clear (self);
  return false;
}

void
berth_agent_loop_clear (BerthAgentLoop *self)
{
  if (self->epoll_fd >= 0)
    close (self->epoll_fd);
  if (self->timer_fd >= 0)
    close (self->timer_fd);
  self->epoll_fd = self->timer_fd = -1;
}

uint64_t
berth_agent_now_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

bool
berth_agent_watch_add (BerthAgentLoop *loop, BerthAgentWatch *watch, int fd, uint32_t events)
{
  struct epoll_event event = { .events = events, .data.ptr = watch };

  if (epoll_ctl (loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
    return false;
  watch->fd = fd;
  watch->events = events;
  return true;
}

void
berth_agent_watch_set (BerthAgentLoop *loop, BerthAgentWatch *watch, uint32_t events)
{
  struct epoll_event event = { .events = events, .data.ptr = watch };

  if (watch->fd < 0 || watch->events == events)
    return;
  watch->events = events;
  epoll_ctl (loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void
berth_agent_watch_again (BerthAgentLoop *loop, BerthAgentWatch *watch)
{
  if (watch->again || watch->fd < 0)
    return;
  watch->again = true;
  watch->next = loop->again;
  loop->again = watch;
}

static void
loop_forget_again (BerthAgentLoop *self, BerthAgentWatch *watch)
{
  BerthAgentWatch **link = &self->again;

  while (*link != NULL && *link != watch)
    link = &(*link)->next;
  if (*link != NULL)
    *link = watch->next;
  watch->again = false;
}

void
berth_agent_watch_remove (BerthAgentLoop *loop, BerthAgentWatch *watch)
{
  if (watch->fd < 0)
    return;
  epoll_ctl (loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
  watch->fd = -1;
  loop_forget_again (loop, watch);
  /* an event of this turn may name it still */
  for (int i = 0; i < loop->batch_size; i++)
    if (loop->batch[i].data.ptr == watch)
      loop->batch[i].events = 0;
}

static void
loop_set_timer (BerthAgentLoop *self)
{
  uint64_t due_us = self->timers != NULL ? self->timers->due_us : 0;
  struct itimerspec spec = { .it_value = { .tv_sec = (time_t)(due_us / 1000000u),
                                           .tv_nsec = (long)(due_us % 1000000u) * 1000 } };

  timerfd_settime (self->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

void
berth_agent_timer_arm (BerthAgentLoop *loop, BerthAgentTimer *timer, uint64_t after_us)
{
  BerthAgentTimer **link = &loop->timers;

  berth_agent_timer_disarm (loop, timer);
  timer->due_us = berth_agent_now_us () + after_us;
  while (*link != NULL && (*link)->due_us <= timer->due_us)
    link = &(*link)->next;
  timer->next = *link;
  *link = timer;
  loop_set_timer (loop);
}

void
berth_agent_timer_disarm (BerthAgentLoop *loop, BerthAgentTimer *timer)
{
  BerthAgentTimer **link = &loop->timers;

  if (timer->due_us == 0)
    return;
  while (*link != timer)
    link = &(*link)->next;
  *link = timer->next;
  timer->due_us = 0;
  loop_set_timer (loop);
}

static void
loop_fire_timers (BerthAgentLoop *self)
{
  uint64_t now_us = berth_agent_now_us ();

  while (self->timers != NULL && self->timers->due_us <= now_us)
    {
      BerthAgentTimer *timer = self->timers;

      berth_agent_timer_disarm (self, timer);
      timer->fire (timer->data);
    }
}

static void
loop_call_again (BerthAgentLoop *self)
{
  BerthAgentWatch *last = NULL;

  /* those that are added while this runs wait for the next turn */
  for (BerthAgentWatch *watch = self->again; watch != NULL; watch = watch->next)
    last = watch;
  while (self->again != NULL && last != NULL)
    {
      BerthAgentWatch *watch = self->again;
      bool is_last = watch == last;

      loop_forget_again (self, watch);
      watch->ready (watch->data, 0);
      if (is_last)
        break;
    }
}

void
berth_agent_loop_run (BerthAgentLoop *self)
{
  while (!self->quit)
    {
      bool is_timer = false;

      self->batch_size = epoll_wait (self->epoll_fd, self->batch, BERTH_AGENT_LOOP_BATCH,
                                     self->again != NULL ? 0 : -1);
      for (int i = 0; i < self->batch_size; i++)
        {
          BerthAgentWatch *watch = self->batch[i].data.ptr;

          if (watch == NULL)
            is_timer = true;
          else if (self->batch[i].events != 0)
            watch->ready (watch->data, self->batch[i].events);
        }
      self->batch_size = 0;
      if (is_timer)
        loop_fire_timers (self);
      loop_call_again (self);
    }
}

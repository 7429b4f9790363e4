/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's event loop: descriptors on epoll, all timers on one timerfd, no allocation. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define BERTH_AGENT_LOOP_BATCH 32

typedef struct _BerthAgentWatch BerthAgentWatch;
typedef struct _BerthAgentTimer BerthAgentTimer;

/* A descriptor that is looked at; part of what owns it, never freed while added. */
struct _BerthAgentWatch
{
  int fd; /* borrowed; -1: not added */
  void (*ready) (void *data, uint32_t events);
  void *data;
  uint32_t events;
  bool again;            /* called in the next turn, with no events if there are none */
  BerthAgentWatch *next; /* of those with again */
};

struct _BerthAgentTimer
{
  uint64_t due_us; /* CLOCK_MONOTONIC; 0: not armed */
  void (*fire) (void *data);
  void *data;
  BerthAgentTimer *next;
};

typedef struct
{
  int epoll_fd;
  int timer_fd;
  bool quit;
  BerthAgentWatch *again;
  BerthAgentTimer *timers; /* armed ones, earliest first */
  struct epoll_event batch[BERTH_AGENT_LOOP_BATCH];
  int batch_size;
} BerthAgentLoop;

bool berth_agent_loop_init (BerthAgentLoop *self);
void berth_agent_loop_clear (BerthAgentLoop *self);
void berth_agent_loop_run (BerthAgentLoop *self);

uint64_t berth_agent_now_us (void);

bool berth_agent_watch_add (BerthAgentLoop *loop, BerthAgentWatch *watch, int fd, uint32_t events);
void berth_agent_watch_set (BerthAgentLoop *loop, BerthAgentWatch *watch, uint32_t events);
void berth_agent_watch_again (BerthAgentLoop *loop, BerthAgentWatch *watch);
void berth_agent_watch_remove (BerthAgentLoop *loop, BerthAgentWatch *watch);

void berth_agent_timer_arm (BerthAgentLoop *loop, BerthAgentTimer *timer, uint64_t after_us);
void berth_agent_timer_disarm (BerthAgentLoop *loop, BerthAgentTimer *timer);

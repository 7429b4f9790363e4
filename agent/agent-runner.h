/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One interpreter process: it stands by until it gets an exec's message, then it is the program. */
#pragma once

#include "agent-child.h"
#include "agent-loop.h"

#define BERTH_AGENT_SEED_SIZE 32u

typedef enum
{
  BERTH_AGENT_RUNNER_NONE,
  BERTH_AGENT_RUNNER_LOADING,
  BERTH_AGENT_RUNNER_ACCEPTING, /* may be told to run; goes on loading until then */
  BERTH_AGENT_RUNNER_LOADED,
  BERTH_AGENT_RUNNER_RUNNING, /* it is the program now */
} BerthAgentRunnerState;

typedef struct _BerthAgentRunner BerthAgentRunner;

struct _BerthAgentRunner
{
  BerthAgentLoop *loop;
  BerthAgentGroups *groups;
  void (*changed) (void *data, BerthAgentRunner *runner); /* another state, or spawn_errno is set */
  void *data;

  BerthLanguage language;
  BerthAgentRunnerState state;
  pid_t pid; /* 0: none, or reaped */
  int spawn_errno;
  BerthAgentGroup group;
  int fds[3]; /* the agent's ends of its stdin, stdout and stderr; -1 once closed or given away */
  BerthAgentWatch control;
  uint8_t *message; /* owned; NULL when all is sent */
  size_t message_size, message_sent;
};

void
berth_agent_runner_init (BerthAgentRunner *self, BerthAgentLoop *loop, BerthAgentGroups *groups,
                         void (*changed) (void *data, BerthAgentRunner *runner), void *data);
bool
berth_agent_runner_spawn (BerthAgentRunner *self, const BerthAgentConfig *config,
                          BerthLanguage language, bool is_program, const char *env, size_t size);
bool berth_agent_runner_start (BerthAgentRunner *self, const BerthAgentConfig *config,
                               const char *env, size_t size);
bool berth_agent_runner_was_executed (BerthAgentRunner *self);
void berth_agent_runner_release (BerthAgentRunner *self);

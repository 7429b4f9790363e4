/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One interpreter process: it stands by until it gets an exec's message, then it is the program;
 * or, in a session, until it tells that the code has ended, and stands by again. A command's is the
 * program from the start. */
#pragma once

#include "agent-child.h"
#include "agent-identity.h"
#include "agent-loop.h"
#include "agent-pipes.h"
#include "agent-terminal.h"

#define BERTH_AGENT_SEED_SIZE 32u

typedef enum
{
  BERTH_AGENT_RUNNER_NONE,
  BERTH_AGENT_RUNNER_LOADING,
  BERTH_AGENT_RUNNER_ACCEPTING, /* may be told to run; goes on loading until then */
  BERTH_AGENT_RUNNER_LOADED,
  BERTH_AGENT_RUNNER_RUNNING, /* it is the program now */
  BERTH_AGENT_RUNNER_IDLE,    /* of a session: its code has ended, the state is kept */
} BerthAgentRunnerState;

typedef struct _BerthAgentRunner BerthAgentRunner;

struct _BerthAgentRunner
{
  BerthAgentLoop *loop;
  BerthAgentGroups *groups;
  void (*changed) (void *data, BerthAgentRunner *runner); /* another state, or spawn_errno is set */
  void *data;

  BerthLanguage language;
  bool has_hook; /* its interpreter listens at control, and tells there how it is */
  BerthAgentRunnerState state;
  pid_t pid; /* 0: none, or reaped */
  int spawn_errno;
  const char *workdir; /* borrowed while it is spawned: where it starts; NULL: in the home */
  /* likewise: how large its terminal is; NULL: it has none */
  const struct winsize *terminal;
  BerthAgentGroup group;
  /* the agent's ends of its stdin, stdout and stderr; -1 once closed or given away. With a
   * terminal: the agent's twice, and the program's, kept so that it has an end only when all of
   * that is over */
  int fds[3];
  BerthAgentWatch control;
  uint8_t *message; /* owned; NULL when all is sent */
  size_t message_size, message_sent;

  /* of a session */
  bool is_session;
  bool is_once; /* its exec is the last one */
  unsigned execs;
  unsigned identities;   /* that the guest had when its generators were seeded, or it was started */
  BerthAgentClock clock; /* hidden while it seeds its generators again */
  BerthAgentTimer show;  /* the clock, whatever becomes of that */
  unsigned hides_left;   /* how often it may have it hidden before its streams are open */
  uint32_t token;        /* of the exec: only a report with this is about it */
  BerthAgentGroup home;  /* where it is between execs */
  BerthAgentPipes pipes;
  BerthAgentGroup next_group; /* of the next exec, and its pipes, where they are made already */
  BerthAgentPipes next_pipes;
  char report[256]; /* the end of what was told */
  size_t report_fill;
  int status;
};

/* What is to be run. */
typedef struct
{
  const char *script; /* the path that the code has */
  const uint8_t *code;
  size_t code_size;
  const char *env; /* of this exec alone, NAME=VALUE NUL ... */
  size_t env_size;
  const char *workdir;  /* NULL: where the interpreter is */
  const char *comeback; /* see agent-comeback.h */
  bool is_once;         /* nothing comes after it */
  bool is_rehearsal;    /* before its owner's first one */
  unsigned identities;  /* that the guest has had */
  bool is_init;         /* the clock is the agent's to set */
} BerthAgentProgram;

void
berth_agent_runner_init (BerthAgentRunner *self, BerthAgentLoop *loop, BerthAgentGroups *groups,
                         void (*changed) (void *data, BerthAgentRunner *runner), void *data);
bool
berth_agent_runner_spawn (BerthAgentRunner *self, const BerthAgentConfig *config,
                          BerthLanguage language, bool is_program, const char *env, size_t size);
bool berth_agent_runner_spawn_command (BerthAgentRunner *self, const BerthAgentConfig *config,
                                       char **argv, const char *env, size_t size);
bool berth_agent_runner_spawn_shell (BerthAgentRunner *self, const BerthAgentConfig *config);
bool berth_agent_runner_start (BerthAgentRunner *self, const BerthAgentConfig *config,
                               const char *env, size_t size);
bool berth_agent_runner_prepare (BerthAgentRunner *self, const BerthAgentConfig *config);
bool berth_agent_runner_enter_session (BerthAgentRunner *self, const BerthAgentConfig *config);
bool berth_agent_runner_start_session (BerthAgentRunner *self, const BerthAgentProgram *program);
bool berth_agent_runner_come_back (BerthAgentRunner *self, int fd, pid_t pid);
void berth_agent_runner_hear_last (BerthAgentRunner *self);
void berth_agent_runner_kill (BerthAgentRunner *self);
void berth_agent_runner_rest (BerthAgentRunner *self);
bool berth_agent_runner_was_executed (BerthAgentRunner *self);
void berth_agent_runner_release (BerthAgentRunner *self);

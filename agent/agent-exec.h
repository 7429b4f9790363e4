/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One exec, of code or of a command, from its request to its EXIT, see berth-protocol.h. */
#pragma once

#include <sys/resource.h>

#include "agent-background.h"
#include "agent-leftover.h"
#include "agent-script.h"
#include "agent-session.h"

typedef enum
{
  BERTH_AGENT_EXEC_NONE,
  BERTH_AGENT_EXEC_GATHERING, /* code and environment come in */
  BERTH_AGENT_EXEC_LOADING,   /* its interpreter does not accept a message yet */
  BERTH_AGENT_EXEC_RUNNING,
  BERTH_AGENT_EXEC_ENDED, /* its first process has; output or other processes may not have */
} BerthAgentExecPhase;

typedef struct
{
  BerthAgentLoop *loop;
  BerthAgentChannel *channel;
  BerthAgentGroups *groups;
  BerthAgentStandby *standby;
  BerthAgentSessions *sessions;
  BerthAgentLeftovers *leftovers;
  BerthAgentBackground *background;
  const BerthAgentConfig *config;
  void (*over) (void *data); /* there is none any more */
  void *data;
} BerthAgentExecWorld;

struct _BerthAgentExec
{
  BerthAgentExecWorld world;
  BerthAgentExecPhase phase;
  uint32_t request;
  bool is_heard;            /* the conversation that asked for it goes on */
  bool is_held;             /* no host is connected now */
  BerthAgentRecord *record; /* of one in the background, from when all of its request is here */
  BerthExecHead head;
  uint32_t credit[2];  /* of stdout and stderr, until it runs */
  bool stdin_ended;    /* before it ran */
  bool is_session;     /* its interpreter keeps its state */
  bool is_once;        /* its interpreter goes, but tells the end before */
  bool is_command;     /* the code is a program and its arguments */
  bool has_terminal;   /* the command's streams are one */
  struct winsize size; /* of that */
  uint8_t *code;       /* owned, until it runs, or is written to the script */
  uint32_t code_fill;
  uint32_t words_size;
  char words[BERTH_WORDS_MAX]; /* what it runs, for who lists it */
  char *env;                   /* owned, until the program runs */
  uint32_t env_fill;
  char *workdir; /* owned, until the program runs; NULL: where its interpreter is */
  BerthAgentScript script;
  BerthAgentRunner *runner; /* one of standby's, or own */
  BerthAgentRunner own;     /* of a command */
  BerthAgentInput input;
  BerthAgentOutput outputs[2];
  BerthAgentTimer limit; /* the time limit, or that of loading */
  BerthAgentTimer kill;  /* SIGKILL follows SIGTERM */
  BerthAgentTimer grace; /* for a pipe that another process holds */
  bool is_ending;        /* all of its processes are being ended */
  bool is_settling;      /* none that counts is left, only output */
  bool has_status;       /* its interpreter has told it */
  int status;            /* as wait () tells it */
  uint64_t started_us;
  BerthExit exit;
};

void berth_agent_exec_init (BerthAgentExec *self, const BerthAgentExecWorld *world);
bool berth_agent_exec_begin (BerthAgentExec *self, uint32_t request, const BerthExecHead *head,
                             const char *workdir, uint32_t workdir_size);
bool
berth_agent_exec_take (BerthAgentExec *self, uint32_t stream, const uint8_t *bytes, uint32_t size);
bool berth_agent_exec_add_credit (BerthAgentExec *self, uint32_t stream, uint32_t bytes);
void berth_agent_exec_kill (BerthAgentExec *self, uint32_t grace_ms);
void berth_agent_exec_end (BerthAgentExec *self);
void berth_agent_exec_hold (BerthAgentExec *self);
void berth_agent_exec_mute (BerthAgentExec *self);
void berth_agent_exec_pump (BerthAgentExec *self);
void berth_agent_exec_runner_changed (BerthAgentExec *self, BerthAgentRunner *runner);
bool
berth_agent_exec_reaped (BerthAgentExec *self, pid_t pid, int status, const struct rusage *usage);
void berth_agent_exec_check (BerthAgentExec *self);
/* in agent-exec-script.c */
void berth_agent_exec_name_script (const BerthAgentExec *self, unsigned execs, char out_name[32]);
bool berth_agent_exec_write_script (BerthAgentExec *self, bool *out_is_program);
/* in agent-exec-terminal.c */
bool berth_agent_exec_resize (BerthAgentExec *self, uint32_t rows, uint32_t columns);
void berth_agent_exec_leave_terminal (BerthAgentExec *self);
void berth_agent_exec_limit_output (BerthAgentExec *self);
/* in agent-exec-background.c */
void berth_agent_exec_note_words (BerthAgentExec *self);
void berth_agent_exec_detach (BerthAgentExec *self);
void berth_agent_exec_outlive (BerthAgentExec *self);
bool berth_agent_exec_bind_stdin (BerthAgentExec *self, uint32_t request);
bool berth_agent_exec_is_attended (const BerthAgentExec *self);
void berth_agent_exec_signal (BerthAgentExec *self, uint32_t number);
void berth_agent_exec_measure (const BerthAgentExec *self, BerthExit *exit, uint64_t *out_memory);

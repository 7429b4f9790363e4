/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs one program: decides when it starts, when it has ended, and what its end was. */
#include "agent-exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent-background.h"
#include "agent-command.h"
#include "agent-file.h"
#include "agent-request.h"
#include "agent-workdir.h"

#define LOADING_LIMIT_US (120u * 1000u * 1000u)
#define PIPE_GRACE_US (200u * 1000u)
/* How often SIGKILL is repeated where it can't be sent to all at once. */
#define KILL_AGAIN_US (20u * 1000u)
/* Data frames in one turn of the loop, so that a fast reader leaves time for everything else. */
#define FRAMES_A_TURN 8

static void exec_start (BerthAgentExec *self);

static void
exec_free_request (BerthAgentExec *self)
{
  free (self->code);
  free (self->env);
  free (self->workdir);
  self->code = NULL;
  self->env = NULL;
  self->workdir = NULL;
}

/* An interpreter of a session waits for the next exec; one that has told the end of a run has
 * nothing left to do but to end. */
static void
exec_give_back (BerthAgentExec *self)
{
  if (self->runner->state == BERTH_AGENT_RUNNER_IDLE && self->runner->pid > 0 && !self->is_once)
    {
      berth_agent_sessions_keep (self->world.sessions, self->runner);
      berth_agent_runner_prepare (self->runner, self->world.config); /* else when it is told */
      return;
    }
  if (self->is_once)
    {
      berth_agent_groups_set_apart (self->world.groups, self->runner->pid, false);
      berth_agent_runner_kill (self->runner);
    }
  berth_agent_runner_release (self->runner);
}

/* Gives everything back; what still runs is left to itself. */
static void
exec_clear (BerthAgentExec *self)
{
  berth_agent_timer_disarm (self->world.loop, &self->limit);
  berth_agent_timer_disarm (self->world.loop, &self->kill);
  berth_agent_timer_disarm (self->world.loop, &self->grace);
  exec_free_request (self);
  berth_agent_script_remove (&self->script, self->world.config);
  berth_agent_input_close (&self->input);
  for (int i = 0; i < 2; i++)
    berth_agent_output_close (&self->outputs[i]);
  if (self->runner != NULL)
    {
      if (self->phase > BERTH_AGENT_EXEC_LOADING
          && ((self->is_session && self->runner->pid > 0 && !self->is_once)
              || !berth_agent_group_is_empty (self->world.groups, &self->runner->group)))
        berth_agent_leftovers_take (self->world.leftovers, &self->runner->group,
                                    self->runner->fds + 1);
      exec_give_back (self);
    }
  self->runner = NULL;
  self->record = NULL;
  self->phase = BERTH_AGENT_EXEC_NONE;
  self->world.over (self->world.data);
}

static void
exec_fail (BerthAgentExec *self, BerthAgentError code, const char *what, int number)
{
  uint8_t payload[4 + BERTH_TEXT_MAX];
  char *text = (char *)payload + 4;

  berth_le32_write (payload, code);
  if (number != 0)
    snprintf (text, BERTH_TEXT_MAX, "%s: %s", what, strerror (number));
  else
    snprintf (text, BERTH_TEXT_MAX, "%s", what);
  if (self->is_heard)
    berth_agent_channel_send (self->world.channel, BERTH_FRAME_ERROR, self->request, payload,
                              4 + (uint32_t)strlen (text));
  if (self->record != NULL)
    berth_agent_background_fail (self->world.background, self->record);
  exec_clear (self);
}

static bool
exec_is_alive (const BerthAgentExec *self)
{
  return self->runner != NULL && self->runner->pid > 0 && self->phase < BERTH_AGENT_EXEC_ENDED;
}

/* Ends all of its processes: asked first if there is a grace, then killed. */
static void
exec_terminate (BerthAgentExec *self, uint64_t grace_us)
{
  if (self->runner == NULL)
    return;
  self->is_ending = true;
  berth_agent_timer_disarm (self->world.loop, &self->limit);
  /* who types is gone: what a shell tells its jobs, and what it heeds itself */
  if (grace_us > 0 && self->has_terminal)
    berth_agent_group_signal (self->world.groups, &self->runner->group, SIGHUP);
  berth_agent_group_signal (self->world.groups, &self->runner->group,
                            grace_us > 0 ? SIGTERM : SIGKILL);
  if (grace_us > 0) /* a stopped process could not even end itself */
    berth_agent_group_signal (self->world.groups, &self->runner->group, SIGCONT);
  berth_agent_timer_arm (self->world.loop, &self->kill, grace_us > 0 ? grace_us : KILL_AGAIN_US);
}

static void
kill_cb (void *data)
{
  BerthAgentExec *self = data;

  if (exec_is_alive (self)
      || (self->runner != NULL
          && !berth_agent_group_is_empty (self->world.groups, &self->runner->group)))
    exec_terminate (self, 0);
  else
    berth_agent_exec_check (self);
}

static void
limit_cb (void *data)
{
  BerthAgentExec *self = data;

  if (self->phase == BERTH_AGENT_EXEC_RUNNING)
    {
      self->exit.flags |= BERTH_EXIT_TIMED_OUT;
      exec_terminate (self, BERTH_KILL_GRACE_MS * 1000u);
      return;
    }
  berth_agent_group_signal (self->world.groups, &self->runner->group, SIGKILL);
  exec_fail (self, BERTH_AGENT_ERROR_RESOURCE,
             self->is_command ? "the program did not start in 120 s"
                              : "the interpreter was not loaded in 120 s",
             0);
}

static bool
exec_has_output (const BerthAgentExec *self)
{
  return !berth_agent_output_is_done (&self->outputs[0])
         || !berth_agent_output_is_done (&self->outputs[1]);
}

static void
exec_finish (BerthAgentExec *self)
{
  BerthAgentUsage usage = { .cpu_us = self->exit.cpu_us };

  berth_agent_group_usage (self->world.groups, &self->runner->group, &usage);
  self->exit.cpu_us = usage.cpu_us;
  self->exit.peak_bytes = usage.peak_bytes;
  if (usage.is_oom)
    self->exit.flags |= BERTH_EXIT_OOM;
  self->exit.status = WIFEXITED (self->status) ? WEXITSTATUS (self->status) : -1;
  self->exit.signal = WIFSIGNALED (self->status) ? (uint32_t)WTERMSIG (self->status) : 0;
  /* who hears of the end may look at the home at once */
  berth_agent_script_remove (&self->script, self->world.config);
  if (self->is_heard)
    berth_agent_channel_send (self->world.channel, BERTH_FRAME_EXIT, self->request, &self->exit,
                              sizeof self->exit);
  if (self->record != NULL)
    berth_agent_background_end (self->world.background, self->record, &self->exit);
  exec_clear (self);
}

/* Goes on with an exec whose first process has ended: the others, the output, the end. */
void
berth_agent_exec_check (BerthAgentExec *self)
{
  if (self->phase != BERTH_AGENT_EXEC_ENDED)
    return;
  if (self->is_ending && !berth_agent_group_is_empty (self->world.groups, &self->runner->group))
    return;
  if (!self->is_settling)
    {
      self->is_settling = true;
      berth_agent_timer_arm (self->world.loop, &self->grace, PIPE_GRACE_US);
    }
  if (!exec_has_output (self))
    exec_finish (self);
}

static void
grace_cb (void *data)
{
  BerthAgentExec *self = data;

  berth_agent_exec_limit_output (self);
  berth_agent_exec_pump (self);
}

static bool
exec_move_output (BerthAgentExec *self, BerthAgentOutput *output)
{
  if (self->record != NULL)
    return berth_agent_output_keep (output, self->world.background, self->record);
  if (self->is_heard)
    return berth_agent_output_send (output, self->world.channel, self->request);
  return berth_agent_output_discard (output);
}

/* Moves output as far as credit and the channel allow; what is kept needs neither. */
void
berth_agent_exec_pump (BerthAgentExec *self)
{
  bool moved = true;
  int turns = 0;

  if (self->phase < BERTH_AGENT_EXEC_RUNNING)
    return;
  for (; moved && !self->is_held && turns < FRAMES_A_TURN; turns++)
    {
      moved = false;
      for (int i = 0; i < 2; i++)
        moved |= exec_move_output (self, &self->outputs[i]);
    }
  if (moved && !self->is_held)
    for (int i = 0; i < 2; i++)
      berth_agent_watch_again (self->world.loop, &self->outputs[i].watch);
  berth_agent_exec_check (self);
}

static void
output_ready_cb (void *data)
{
  berth_agent_exec_pump (data);
}

static void
own_changed_cb (void *data, BerthAgentRunner *runner)
{
  berth_agent_exec_runner_changed (data, runner);
}

/* Its memory is zero; the room for standard input in it is not touched. */
void
berth_agent_exec_init (BerthAgentExec *self, const BerthAgentExecWorld *world)
{
  self->world = *world;
  self->limit = (BerthAgentTimer){ .fire = limit_cb, .data = self };
  self->kill = (BerthAgentTimer){ .fire = kill_cb, .data = self };
  self->grace = (BerthAgentTimer){ .fire = grace_cb, .data = self };
  for (int i = 0; i < 2; i++)
    self->outputs[i].fd = self->outputs[i].watch.fd = -1;
  berth_agent_runner_init (&self->own, world->loop, world->groups, own_changed_cb, self);
}

/* An interpreter for it; NULL and errno if there can't be one. */
static BerthAgentRunner *
exec_find_runner (BerthAgentExec *self, bool is_program)
{
  BerthLanguage language = self->head.language;
  BerthAgentRunner *runner
      = self->is_session ? berth_agent_sessions_take (self->world.sessions, language) : NULL;
  /* one that stands by is in the home already */
  bool is_fresh
      = !self->is_session
        && (self->workdir != NULL || berth_agent_env_needs_fresh (self->env, self->head.env_size));
  bool ok;

  if (runner == NULL)
    runner = berth_agent_standby_take (self->world.standby, language, is_fresh);
  if (runner->state != BERTH_AGENT_RUNNER_NONE)
    return runner;
  runner->workdir = self->is_session ? NULL : self->workdir;
  if (!self->is_session)
    ok = berth_agent_runner_spawn (runner, self->world.config, language, is_program, self->env,
                                   self->head.env_size);
  else if (berth_agent_language_has_hook (language))
    ok = berth_agent_runner_spawn (runner, self->world.config, language, false, "", 0);
  else
    ok = berth_agent_runner_spawn_shell (runner, self->world.config);
  runner->workdir = NULL;
  return ok ? runner : NULL;
}

static void
exec_fail_workdir (BerthAgentExec *self, int number)
{
  char text[BERTH_TEXT_MAX];

  snprintf (text, sizeof text, "no program can start in %.300s", self->workdir);
  exec_fail (self, BERTH_AGENT_ERROR_INVALID, text, number);
}

/* What holds for code and commands. */
static bool
exec_check_request (BerthAgentExec *self)
{
  if (!berth_agent_env_is_good (self->env, self->head.env_size, self->head.env_count))
    {
      exec_fail (self, BERTH_AGENT_ERROR_INVALID, "the environment is malformed", 0);
      return false;
    }
  if (self->workdir != NULL && !berth_agent_workdir_is_good (self->world.config, self->workdir))
    {
      exec_fail_workdir (self, errno);
      return false;
    }
  return true;
}

static void
exec_prepare_command (BerthAgentExec *self)
{
  char **argv = berth_agent_command_parse ((char *)self->code, self->head.code_size);
  bool ok;

  if (argv == NULL)
    {
      exec_fail (self, errno == EINVAL ? BERTH_AGENT_ERROR_INVALID : BERTH_AGENT_ERROR_FULL,
                 "the command is no program and its arguments", errno == EINVAL ? 0 : errno);
      return;
    }
  self->own.workdir = self->workdir;
  self->own.terminal = self->has_terminal ? &self->size : NULL;
  ok = berth_agent_runner_spawn_command (&self->own, self->world.config, argv, self->env,
                                         self->head.env_size);
  self->own.workdir = NULL;
  self->own.terminal = NULL;
  free (argv);
  if (!ok)
    {
      exec_fail (self, BERTH_AGENT_ERROR_FULL, "the program can't be started", errno);
      return;
    }
  self->phase = BERTH_AGENT_EXEC_LOADING;
  self->runner = &self->own;
  berth_agent_timer_arm (self->world.loop, &self->limit, LOADING_LIMIT_US);
}

static void
exec_prepare_code (BerthAgentExec *self)
{
  BerthAgentRunner *runner;
  bool is_program = false;

  /* what needs an interpreter of its own from the start is run by that */
  self->is_once = self->head.flags & BERTH_EXEC_ONCE && !self->is_session
                  && berth_agent_language_has_hook (self->head.language)
                  && !berth_agent_env_needs_fresh (self->env, self->head.env_size);
  self->is_session |= self->is_once;
  if (!berth_agent_exec_write_script (self, &is_program))
    {
      exec_fail (self, BERTH_AGENT_ERROR_FULL, "the code can't be saved in the home", errno);
      return;
    }
  self->phase = BERTH_AGENT_EXEC_LOADING;
  is_program = is_program && self->head.language == BERTH_LANGUAGE_SHELL;
  /* another program's script is run by that, and the session's shell waits */
  self->is_session = self->is_session && !is_program;
  if (!self->is_session)
    {
      free (self->code);
      self->code = NULL;
    }
  runner = exec_find_runner (self, is_program);
  if (runner == NULL)
    {
      exec_fail (self, BERTH_AGENT_ERROR_FULL, "the interpreter can't be started", errno);
      return;
    }
  self->runner = runner;
  berth_agent_timer_arm (self->world.loop, &self->limit, LOADING_LIMIT_US);
  if (runner->state >= BERTH_AGENT_RUNNER_ACCEPTING)
    exec_start (self);
}

/* All of the request is here. */
static void
exec_prepare (BerthAgentExec *self)
{
  if (!self->is_command && memchr (self->code, '\0', self->head.code_size) != NULL)
    exec_fail (self, BERTH_AGENT_ERROR_INVALID, "the code contains a NUL byte", 0);
  else if (exec_check_request (self))
    {
      berth_agent_exec_note_words (self);
      if (self->head.flags & BERTH_EXEC_DETACHED)
        self->record = berth_agent_background_add (self->world.background, self, &self->head,
                                                   self->words, self->words_size);
      if (self->is_command)
        exec_prepare_command (self);
      else
        exec_prepare_code (self);
    }
}

/* Begins to gather an exec's code; false when there was one already, nothing is said then. */
bool
berth_agent_exec_begin (BerthAgentExec *self, uint32_t request, const BerthExecHead *head,
                        const char *workdir, uint32_t workdir_size)
{
  const char *problem = berth_agent_request_problem (head, workdir, workdir_size);

  if (self->phase != BERTH_AGENT_EXEC_NONE)
    return false;
  self->phase = BERTH_AGENT_EXEC_GATHERING;
  self->request = request;
  self->head = *head;
  self->credit[0] = head->stdout_credit;
  self->credit[1] = head->stderr_credit;
  self->is_heard = true;
  self->is_held = self->is_ending = self->is_settling = self->stdin_ended = false;
  self->is_session
      = head->flags & BERTH_EXEC_SESSION && berth_agent_language_keeps_state (head->language);
  self->is_once = false;
  self->is_command = head->flags & BERTH_EXEC_COMMAND;
  self->has_terminal = head->flags & BERTH_EXEC_TERMINAL;
  self->size = (struct winsize){ .ws_row = BERTH_AGENT_TERMINAL_ROWS,
                                 .ws_col = BERTH_AGENT_TERMINAL_COLUMNS };
  self->has_status = false;
  self->code_fill = self->env_fill = 0;
  self->started_us = 0;
  self->input.watch.fd = -1;
  self->input.fd = NULL;
  self->exit = (BerthExit){ 0 };
  if (problem != NULL)
    exec_fail (self, BERTH_AGENT_ERROR_INVALID, problem, 0);
  else if (!self->is_command && !berth_agent_language_is_here (head->language))
    exec_fail (self, BERTH_AGENT_ERROR_LANGUAGE, "this guest has no interpreter for it", 0);
  else
    {
      self->code = malloc (head->code_size);
      self->env = malloc (head->env_size + 1u);
      if (workdir_size > 0)
        self->workdir = berth_agent_workdir_make (self->world.config, workdir, workdir_size);
      if (self->code == NULL || self->env == NULL || (workdir_size > 0 && self->workdir == NULL))
        exec_fail (self, BERTH_AGENT_ERROR_FULL, "no memory for the code", 0);
    }
  return true;
}

static bool
gather (void *out, uint32_t *fill, uint32_t until, const uint8_t *bytes, uint32_t size)
{
  if (size > until - *fill)
    return false;
  memcpy ((uint8_t *)out + *fill, bytes, size);
  *fill += size;
  return true;
}

static bool
exec_gather (BerthAgentExec *self, uint32_t stream, const uint8_t *bytes, uint32_t size)
{
  bool ok = stream == BERTH_STREAM_CODE
                ? gather (self->code, &self->code_fill, self->head.code_size, bytes, size)
                : gather (self->env, &self->env_fill, self->head.env_size, bytes, size);

  if (ok && self->code_fill == self->head.code_size && self->env_fill == self->head.env_size)
    exec_prepare (self);
  return ok;
}

/* Takes DATA of the exec; false when it breaks a rule. */
bool
berth_agent_exec_take (BerthAgentExec *self, uint32_t stream, const uint8_t *bytes, uint32_t size)
{
  if (stream == BERTH_STREAM_STDIN)
    {
      if (!(self->head.flags & BERTH_EXEC_STDIN))
        return false;
      /* nothing but the end may come before there is credit */
      if (self->phase < BERTH_AGENT_EXEC_RUNNING)
        {
          self->stdin_ended |= size == 0;
          return size == 0;
        }
      return berth_agent_input_take (&self->input, bytes, size);
    }
  if (stream != BERTH_STREAM_CODE && stream != BERTH_STREAM_ENV)
    return false;
  if (self->phase == BERTH_AGENT_EXEC_GATHERING)
    return exec_gather (self, stream, bytes, size);
  return size == 0;
}

bool
berth_agent_exec_add_credit (BerthAgentExec *self, uint32_t stream, uint32_t bytes)
{
  uint32_t *credit = &self->credit[stream == BERTH_STREAM_STDOUT ? 0 : 1];

  if (stream != BERTH_STREAM_STDOUT && stream != BERTH_STREAM_STDERR)
    return false;
  if (self->phase >= BERTH_AGENT_EXEC_RUNNING)
    credit = &self->outputs[stream - BERTH_STREAM_STDOUT].credit;
  if (bytes > BERTH_CREDIT_MAX - *credit)
    return false;
  *credit += bytes;
  berth_agent_exec_pump (self);
  return true;
}

static void
exec_count_command (BerthAgentExec *self)
{
  berth_agent_runner_start (self->runner, self->world.config, NULL, 0);
  exec_free_request (self);
}

/* Tells the interpreter; that fails only where its process is doomed, too, and then it ends without
 * having been told. */
static void
exec_tell (BerthAgentExec *self)
{
  const BerthAgentConfig *config = self->world.config;
  size_t mark = self->is_session ? berth_agent_script_mark (self->code, self->head.code_size) : 0;
  char script[BERTH_AGENT_PATH_MAX], name[32];
  BerthAgentProgram program = { .script = script,
                                .code = self->code + mark,
                                .code_size = self->head.code_size - mark,
                                .env = self->env,
                                .env_size = self->head.env_size,
                                .workdir = self->workdir,
                                .comeback = config->comeback,
                                .is_once = self->is_once,
                                .is_rehearsal = self->head.flags & BERTH_EXEC_REHEARSAL,
                                .identities = config->identities,
                                .is_init = config->is_init };
  bool ok;

  berth_agent_exec_name_script (self, self->runner->execs, name);
  snprintf (script, sizeof script, "%s/%s", config->home, name);
  ok = self->is_session
           ? berth_agent_runner_start_session (self->runner, &program)
           : berth_agent_runner_start (self->runner, config, self->env, self->head.env_size);
  exec_free_request (self);
  if (!ok)
    exec_terminate (self, 0);
}

/* From here on it has started: its output goes to the host, its time counts. */
static void
exec_open_streams (BerthAgentExec *self)
{
  BerthAgentRunner *runner = self->runner;
  bool wants_stdin = self->head.flags & BERTH_EXEC_STDIN;

  self->phase = BERTH_AGENT_EXEC_RUNNING;
  for (int i = 0; i < 2; i++)
    {
      if (i == 0 || !self->has_terminal)
        berth_agent_output_open (&self->outputs[i], self->world.loop, runner->fds[1 + i],
                                 BERTH_STREAM_STDOUT + (uint32_t)i, output_ready_cb, self);
      self->outputs[i].credit = self->credit[i];
    }
  self->started_us = berth_agent_now_us ();
  berth_agent_timer_disarm (self->world.loop, &self->limit); /* of loading */
  if (self->head.timeout_ms > 0)
    berth_agent_timer_arm (self->world.loop, &self->limit, self->head.timeout_ms * 1000ull);
  if (self->record != NULL)
    berth_agent_exec_detach (self);
  else if (self->is_heard)
    berth_agent_channel_send (self->world.channel, BERTH_FRAME_STARTED, self->request, NULL, 0);
  berth_agent_input_open (&self->input, self->world.loop, self->world.channel, &runner->fds[0],
                          self->request, wants_stdin && !self->stdin_ended, self->has_terminal);
}

static void
exec_start (BerthAgentExec *self)
{
  BerthAgentRunner *runner = self->runner;

  if (self->is_session && !berth_agent_runner_enter_session (runner, self->world.config))
    {
      if (runner->state != BERTH_AGENT_RUNNER_IDLE)
        berth_agent_runner_kill (runner);
      exec_fail (self, BERTH_AGENT_ERROR_FULL, "the session can't run it", errno);
      return;
    }
  exec_open_streams (self);
  if (self->is_command)
    exec_count_command (self);
  else
    exec_tell (self);
}

static void
exec_has_ended (BerthAgentExec *self)
{
  berth_agent_timer_disarm (self->world.loop, &self->limit);
  self->phase = BERTH_AGENT_EXEC_ENDED;
  self->exit.wall_us = self->started_us > 0 ? berth_agent_now_us () - self->started_us : 0;
}

/* The code has ended, and its interpreter waits for more. */
static void
exec_take_status (BerthAgentExec *self)
{
  self->status = W_EXITCODE (self->runner->status, 0);
  self->has_status = true;
  /* what was to end at the time limit, or by KILL, ends with all that it was */
  if (self->is_ending)
    {
      berth_agent_runner_kill (self->runner);
      exec_terminate (self, 0);
    }
  else
    {
      exec_has_ended (self);
      berth_agent_exec_pump (self);
    }
}

/* Hears from its runner: it is loaded, or, in a session, the code has ended. */
void
berth_agent_exec_runner_changed (BerthAgentExec *self, BerthAgentRunner *runner)
{
  if (runner != self->runner)
    return;
  if (self->phase == BERTH_AGENT_EXEC_RUNNING && runner->state == BERTH_AGENT_RUNNER_IDLE)
    exec_take_status (self);
  if (self->phase != BERTH_AGENT_EXEC_LOADING || self->is_ending)
    return;
  if (runner->spawn_errno == 0)
    exec_start (self);
  else
    exec_fail (self, BERTH_AGENT_ERROR_FULL,
               self->is_command ? "the program can't be started"
                                : "the interpreter can't be started",
               runner->spawn_errno);
}

static void
exec_ended_unloaded (BerthAgentExec *self)
{
  char text[BERTH_TEXT_MAX];
  bool is_signal = WIFSIGNALED (self->status);

  snprintf (text, sizeof text, "the %s: %s %d",
            self->is_command ? "program ended before it began"
                             : "interpreter ended while it was loaded",
            is_signal ? "signal" : "status",
            is_signal ? WTERMSIG (self->status) : WEXITSTATUS (self->status));
  exec_fail (self, BERTH_AGENT_ERROR_RESOURCE, text, 0);
}

/* Whether what the caller asked for has a part in how its interpreter starts: then that it can't is
 * the program's end, told in the interpreter's own words. */
static bool
exec_has_own_start (const BerthAgentExec *self)
{
  return !self->is_session && !self->is_command && self->env != NULL
         && berth_agent_env_needs_fresh (self->env, self->head.env_size);
}

/* A session's interpreter has ended; what it told before comes first. Whether all is said by that.
 */
static bool
exec_ended_in_session (BerthAgentExec *self)
{
  if (self->phase == BERTH_AGENT_EXEC_RUNNING)
    berth_agent_runner_hear_last (self->runner);
  if (self->runner == NULL || self->phase == BERTH_AGENT_EXEC_ENDED)
    return true;
  if (self->phase == BERTH_AGENT_EXEC_RUNNING && !self->is_ending
      && berth_agent_pipes_are_new (&self->runner->pipes))
    {
      /* by what an earlier exec left in it, just now: no line of this one has run */
      exec_fail (self, BERTH_AGENT_ERROR_INTERNAL,
                 "the session's interpreter ended before it took the code", 0);
      return true;
    }
  berth_agent_pipes_settle (&self->runner->pipes);
  return false;
}

/* Whether the process that ended was its first one. Goes on when it is pumped: others that ended at
 * the same time are reaped by then. */
bool
berth_agent_exec_reaped (BerthAgentExec *self, pid_t pid, int status, const struct rusage *usage)
{
  if (self->runner == NULL || self->runner->pid != pid)
    return false;
  berth_agent_groups_set_apart (self->world.groups, pid, false);
  self->runner->pid = 0;
  if (self->has_terminal)
    berth_agent_file_close (&self->runner->fds[2]);
  if (self->is_session && exec_ended_in_session (self))
    return true;
  if (!self->has_status)
    self->status = status;
  if (self->phase == BERTH_AGENT_EXEC_LOADING && !self->is_ending
      && !berth_agent_runner_was_executed (self->runner))
    {
      /* a failed exec has told its reason and was answered by that */
      if (self->phase != BERTH_AGENT_EXEC_LOADING)
        return true;
      if (!exec_has_own_start (self))
        {
          exec_ended_unloaded (self);
          return true;
        }
      exec_open_streams (self);
    }
  self->exit.cpu_us
      = (uint64_t)usage->ru_utime.tv_sec * 1000000u + (uint64_t)usage->ru_utime.tv_usec
        + (uint64_t)usage->ru_stime.tv_sec * 1000000u + (uint64_t)usage->ru_stime.tv_usec;
  exec_has_ended (self);
  /* of a command nothing is left behind */
  if (self->is_command && !self->is_ending)
    exec_terminate (self, 0);
  return true;
}

/* The host wants it to end. */
void
berth_agent_exec_kill (BerthAgentExec *self, uint32_t grace_ms)
{
  if (self->phase == BERTH_AGENT_EXEC_NONE || (self->is_ending && grace_ms > 0))
    return;
  if (self->phase == BERTH_AGENT_EXEC_GATHERING)
    {
      self->exit.flags = BERTH_EXIT_KILLED;
      self->exit.status = -1;
      self->exit.signal = SIGTERM;
      if (self->is_heard)
        berth_agent_channel_send (self->world.channel, BERTH_FRAME_EXIT, self->request, &self->exit,
                                  sizeof self->exit);
      exec_clear (self);
      return;
    }
  if (exec_is_alive (self))
    self->exit.flags |= BERTH_EXIT_KILLED;
  exec_terminate (self, self->phase == BERTH_AGENT_EXEC_LOADING ? 0 : grace_ms * 1000ull);
}

/* Nobody wants to hear of it any more, and it must not go on. */
void
berth_agent_exec_end (BerthAgentExec *self)
{
  berth_agent_exec_mute (self);
  if (self->phase > BERTH_AGENT_EXEC_GATHERING)
    exec_terminate (self, 0);
  berth_agent_exec_check (self);
}

/* The host is away: what comes waits in the pipes, but for what is kept. */
void
berth_agent_exec_hold (BerthAgentExec *self)
{
  self->is_held = self->record == NULL;
  if (self->phase == BERTH_AGENT_EXEC_GATHERING)
    berth_agent_exec_mute (self);
}

/* Nobody will hear of it any more: it goes on, and its output goes nowhere. */
void
berth_agent_exec_mute (BerthAgentExec *self)
{
  self->is_heard = self->is_held = false;
  if (self->phase == BERTH_AGENT_EXEC_GATHERING)
    exec_clear (self);
  else
    berth_agent_exec_pump (self);
}

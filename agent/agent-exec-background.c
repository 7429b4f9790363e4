/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked of an exec that runs in the background. */
#include "agent-exec.h"

/* Of its code or command, which goes when it runs. */
void
berth_agent_exec_note_words (BerthAgentExec *self)
{
  uint32_t size = self->head.code_size;

  self->words_size = size < BERTH_WORDS_MAX ? size : BERTH_WORDS_MAX;
  for (uint32_t i = 0; i < self->words_size; i++)
    self->words[i] = self->code[i] != '\0' ? (char)self->code[i] : ' ';
  /* the NUL behind a command's last argument parts it from nothing */
  if (self->is_command && self->words_size == size)
    self->words_size--;
}

/* It has begun: who asked for it hears its number, and no more of it. */
void
berth_agent_exec_detach (BerthAgentExec *self)
{
  uint8_t number[4];

  berth_le32_write (number, berth_agent_background_begin (self->world.background, self->record));
  if (self->is_heard)
    berth_agent_channel_send (self->world.channel, BERTH_FRAME_BEGUN, self->request, number,
                              sizeof number);
  self->is_heard = false;
  self->request = 0;
}

/* This guest is the copy of one in which somebody waits for it: here it is nobody's, and goes on in
 * the background. */
void
berth_agent_exec_outlive (BerthAgentExec *self)
{
  self->is_heard = false;
  if (self->record == NULL && self->phase > BERTH_AGENT_EXEC_GATHERING)
    {
      self->head.flags |= BERTH_EXEC_DETACHED;
      self->head.stdout_credit = 0;
      self->record = berth_agent_background_add (self->world.background, self, &self->head,
                                                 self->words, self->words_size);
    }
  if (self->phase >= BERTH_AGENT_EXEC_RUNNING && self->record->number == 0)
    {
      berth_agent_exec_detach (self);
      self->record->begun_us -= berth_agent_now_us () - self->started_us;
      berth_agent_exec_bind_stdin (self, 0);
    }
  berth_agent_exec_mute (self); /* last: its end may be told by now */
}

/* Standard input of one in the background is this request's from now on; 0: nobody's. False: it is
 * closed, or somebody else's. */
bool
berth_agent_exec_bind_stdin (BerthAgentExec *self, uint32_t request)
{
  if (request == 0 && self->has_terminal)
    berth_agent_exec_leave_terminal (self);
  return self->phase >= BERTH_AGENT_EXEC_RUNNING && berth_agent_input_bind (&self->input, request);
}

bool
berth_agent_exec_is_attended (const BerthAgentExec *self)
{
  return self->input.request != 0;
}

/* To all of its processes; 0: it is to end. */
void
berth_agent_exec_signal (BerthAgentExec *self, uint32_t number)
{
  if (number == 0)
    berth_agent_exec_kill (self, BERTH_KILL_GRACE_MS);
  else if (self->runner != NULL)
    berth_agent_group_signal (self->world.groups, &self->runner->group, (int)number);
}

/* How long it has run, and what it takes. */
void
berth_agent_exec_measure (const BerthAgentExec *self, BerthExit *exit, uint64_t *out_memory)
{
  BerthAgentUsage usage = { 0 };

  exit->wall_us = self->started_us > 0 ? berth_agent_now_us () - self->started_us : 0;
  if (self->runner == NULL)
    return;
  berth_agent_group_usage (self->world.groups, &self->runner->group, &usage);
  exit->cpu_us = usage.cpu_us;
  exit->peak_bytes = usage.peak_bytes;
  *out_memory = berth_agent_group_memory (&self->runner->group);
}

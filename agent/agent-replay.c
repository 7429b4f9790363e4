/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which sequences are questions: of ECMA-48 and of what xterm and its kin add. What is no
 * such sequence, or longer than any of them, is shown as it is. */
#include "agent-replay.h"

#include <stdbool.h>
#include <string.h>

#define ENQUIRY 0x05
#define BELL 0x07
#define CANCEL 0x18
#define SUBSTITUTE 0x1a
#define ESCAPE 0x1b

enum
{
  TEXT,
  ESCAPED,    /* behind ESC */
  CONTROL,    /* in CSI */
  STRING,     /* in OSC, DCS or another string */
  STRING_END, /* behind an ESC in one */
};

static bool
has (const uint8_t *bytes, uint32_t size, const char *word)
{
  uint32_t length = (uint32_t)strlen (word);

  for (uint32_t i = 0; i + length <= size; i++)
    if (memcmp (bytes + i, word, length) == 0)
      return true;
  return false;
}

/* Of XTWINOPS: those that report */
static bool
is_report (const uint8_t *parameters, uint32_t size)
{
  unsigned number = 0;

  for (uint32_t i = 0; i < size && parameters[i] >= '0' && parameters[i] <= '9' && number < 100;
       i++)
    number = 10 * number + parameters[i] - '0';
  return number >= 11 && number <= 21 && number != 12 && number != 17;
}

/* @self->held is ESC [, parameters, intermediates and a final byte. */
static bool
is_control_question (const BerthAgentReplay *self)
{
  const uint8_t *parameters = self->held + 2;
  uint32_t size = self->fill - 3;
  uint8_t first = size > 0 ? parameters[0] : 0;
  uint8_t last = size > 0 ? parameters[size - 1] : 0;

  switch (self->held[self->fill - 1])
    {
    case 'c': /* what it is */
      return true;
    case 'n': /* its state, where the cursor is */
      return first != '>';
    case 'p': /* a mode */
    case 'w': /* cursor, tabulators */
      return last == '$';
    case 'q': /* its version */
      return first == '>';
    case 'm': /* modified keys */
    case 'u': /* the keyboard */
    case 'S': /* graphics */
      return first == '?';
    case 'x':
      return last != '$' && last != '*';
    case 'y': /* a sum */
      return last == '*';
    case 't':
      return is_report (parameters, size);
    default:
      return false;
    }
}

/* ESC, what the string is, and all of it: a colour, the clipboard, a setting, a terminfo word */
static bool
is_string_question (const BerthAgentReplay *self)
{
  const uint8_t *text = self->held + 2;
  uint32_t size = self->fill - 2;

  if (self->held[1] == ']')
    return has (text, size, ";?");
  if (self->held[1] == 'P')
    return size >= 2 && (memcmp (text, "$q", 2) == 0 || memcmp (text, "+q", 2) == 0);
  return self->held[1] == '_' && has (text, size, "a=q");
}

static bool
is_string (uint8_t introducer)
{
  return introducer == ']' || introducer == 'P' || introducer == '_' || introducer == '^'
         || introducer == 'X';
}

/* It is whole, or none: shown unless it is a question. */
static uint32_t
replay_let_go (BerthAgentReplay *self, bool is_question, uint8_t *out)
{
  uint32_t size = is_question ? 0 : self->fill;

  memcpy (out, self->held, size);
  self->fill = 0;
  self->place = TEXT;
  return size;
}

static uint32_t
replay_take_held (BerthAgentReplay *self, uint8_t byte, uint8_t *out)
{
  switch (self->place)
    {
    case ESCAPED:
      self->place = byte == '[' ? CONTROL : STRING;
      if (byte == '[' || is_string (byte))
        return 0;
      return replay_let_go (self, byte == 'Z', out);
    case CONTROL:
      if (byte >= 0x20 && byte <= 0x3f)
        return 0;
      return replay_let_go (self, byte >= 0x40 && byte <= 0x7e && is_control_question (self), out);
    case STRING:
      if (byte == BELL)
        return replay_let_go (self, is_string_question (self), out);
      self->place = byte == ESCAPE ? STRING_END : STRING;
      return 0;
    default:
      return replay_let_go (self, byte == '\\' && is_string_question (self), out);
    }
}

/* An ESC begins anew, wherever it stands but in a string, which it ends. */
static uint32_t
replay_take (BerthAgentReplay *self, uint8_t byte, uint8_t *out)
{
  uint32_t size = 0;

  if (self->place == TEXT && byte != ESCAPE)
    {
      out[0] = byte;
      return byte != ENQUIRY;
    }
  if (byte == ESCAPE && self->place != STRING)
    {
      size = replay_let_go (self, false, out);
      self->place = ESCAPED;
      self->held[self->fill++] = byte;
      return size;
    }
  self->held[self->fill++] = byte;
  if (byte == CANCEL || byte == SUBSTITUTE)
    return replay_let_go (self, false, out);
  size = replay_take_held (self, byte, out);
  return self->fill < sizeof self->held ? size : replay_let_go (self, false, out);
}

uint32_t
berth_agent_replay_pass (BerthAgentReplay *self, const uint8_t *in, uint32_t size, uint8_t *out)
{
  uint32_t fill = 0;

  for (uint32_t i = 0; i < size; i++)
    fill += replay_take (self, in[i], out + fill);
  return fill;
}

uint32_t
berth_agent_replay_end (BerthAgentReplay *self, uint8_t *out)
{
  return replay_let_go (self, false, out);
}

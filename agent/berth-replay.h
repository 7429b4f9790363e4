/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a terminal has shown, for another or shown again: without what terminals answer to, for
 * those answers would be typed at whatever runs there by then. Which sequences are such questions:
 * of ECMA-48 and of what xterm and its kin add. What is none of them is shown as it is. A program
 * that hides one is hostile: control characters within a sequence, C1 in UTF-8 and sequences longer
 * than any that is of use are what terminals take them for. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BERTH_REPLAY_HELD 128u /* bytes of a sequence that is not whole yet, at most */
#define BERTH_REPLAY_ENQUIRY 0x05
#define BERTH_REPLAY_BELL 0x07
#define BERTH_REPLAY_CANCEL 0x18
#define BERTH_REPLAY_SUBSTITUTE 0x1a
#define BERTH_REPLAY_ESCAPE 0x1b
#define BERTH_REPLAY_DELETE 0x7f
#define BERTH_REPLAY_END 0x9c  /* of a string, behind C1 */
#define BERTH_REPLAY_C1 0xc2   /* in UTF-8, of a control from 0x80 to 0x9f: ESC and 0x40 less */
#define BERTH_REPLAY_ROOM 126u /* of what is held: the end of a string has two bytes */

typedef enum
{
  BERTH_REPLAY_TEXT,
  BERTH_REPLAY_ESCAPED, /* behind ESC */
  BERTH_REPLAY_LEAD,    /* behind C1 */
  BERTH_REPLAY_CONTROL, /* in CSI */
  BERTH_REPLAY_STRING,  /* in OSC, DCS or another string */
  BERTH_REPLAY_STRING_ESCAPED,
  BERTH_REPLAY_LONG, /* in OSC, of which the beginning is shown */
  BERTH_REPLAY_DROPS_STRING,
  BERTH_REPLAY_DROPS_CONTROL,
} BerthReplayPlace;

/* All zero: at the beginning */
typedef struct
{
  uint8_t held[BERTH_REPLAY_HELD]; /* of a sequence that is not whole yet */
  uint32_t fill;
  uint32_t head;      /* of that, before its parameters or text */
  uint8_t introducer; /* behind ESC, or what stands for it */
  uint8_t last;       /* of what is shown of a long string */
  BerthReplayPlace place;
  uint32_t questions; /* that were left out so far */
} BerthReplay;

static inline bool
berth_replay_is_c1 (uint8_t lead, uint8_t byte)
{
  return lead == BERTH_REPLAY_C1 && byte >= 0x80 && byte <= 0x9f;
}

static inline bool
berth_replay_has (const uint8_t *bytes, uint32_t size, const char *word)
{
  uint32_t length = (uint32_t)strlen (word);

  for (uint32_t i = 0; i + length <= size; i++)
    if (memcmp (bytes + i, word, length) == 0)
      return true;
  return false;
}

/* Of XTWINOPS: those that report */
static inline bool
berth_replay_is_report (const uint8_t *parameters, uint32_t size)
{
  unsigned number = 0;

  for (uint32_t i = 0; i < size && parameters[i] >= '0' && parameters[i] <= '9' && number < 100;
       i++)
    number = 10 * number + parameters[i] - '0';
  return number >= 11 && number <= 21 && number != 12 && number != 17;
}

/* Without the control characters that terminals obey within it */
static inline uint32_t
berth_replay_copy_parameters (const BerthReplay *self, uint8_t *out)
{
  uint32_t size = 0;

  for (uint32_t i = self->head; i + 1 < self->fill; i++)
    if (self->held[i] >= ' ' && self->held[i] != BERTH_REPLAY_DELETE)
      out[size++] = self->held[i];
  return size;
}

/* CSI, parameters, intermediates and a final byte are held. */
static inline bool
berth_replay_is_control_question (const BerthReplay *self)
{
  uint8_t parameters[BERTH_REPLAY_HELD];
  uint32_t size = berth_replay_copy_parameters (self, parameters);
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
      return berth_replay_is_report (parameters, size);
    default:
      return false;
    }
}

/* A colour, the clipboard, a setting, a terminfo word, pictures: by what is held of it */
static inline bool
berth_replay_is_string_question (const BerthReplay *self)
{
  const uint8_t *text = self->held + self->head;
  uint32_t size = self->fill - self->head;

  if (self->introducer == ']')
    return berth_replay_has (text, size, ";?");
  if (self->introducer == 'P')
    return size >= 2 && (memcmp (text, "$q", 2) == 0 || memcmp (text, "+q", 2) == 0);
  return self->introducer == '_' && berth_replay_has (text, size, "a=q");
}

/* What is held is whole, or no sequence: shown unless it is a question. */
static inline uint32_t
berth_replay_let_go (BerthReplay *self, bool is_question, uint8_t *out)
{
  uint32_t size = is_question ? 0 : self->fill;

  memcpy (out, self->held, size);
  self->questions += is_question;
  self->fill = 0;
  self->place = BERTH_REPLAY_TEXT;
  return size;
}

/* Nothing is held. */
static inline uint32_t
berth_replay_take_text (BerthReplay *self, uint8_t byte, uint8_t *out)
{
  self->place = BERTH_REPLAY_TEXT;
  if (byte == BERTH_REPLAY_ESCAPE || byte == BERTH_REPLAY_C1)
    {
      self->place = byte == BERTH_REPLAY_ESCAPE ? BERTH_REPLAY_ESCAPED : BERTH_REPLAY_LEAD;
      self->held[self->fill++] = byte;
      return 0;
    }
  out[0] = byte;
  self->questions += byte == BERTH_REPLAY_ENQUIRY;
  return byte != BERTH_REPLAY_ENQUIRY;
}

/* ESC, or C1, is held; the byte behind it, too. */
static inline uint32_t
berth_replay_take_introducer (BerthReplay *self, uint8_t byte, uint8_t *out)
{
  bool is_c1 = self->place == BERTH_REPLAY_LEAD;

  if (!is_c1 && byte < ' ')
    return 0;
  self->introducer = is_c1 ? (uint8_t)(byte - 0x40) : byte;
  self->head = self->fill;
  self->place = self->introducer == '[' ? BERTH_REPLAY_CONTROL : BERTH_REPLAY_STRING;
  if (is_c1 && !berth_replay_is_c1 (BERTH_REPLAY_C1, byte))
    return berth_replay_let_go (self, false, out);
  if (memchr ("[]P_^X", self->introducer, 6) != NULL)
    return 0;
  return berth_replay_let_go (self, self->introducer == 'Z', out);
}

static inline uint32_t berth_replay_take (BerthReplay *self, uint8_t byte, uint8_t *out);

/* @byte is held. A C1 that is not its end breaks a string off, and begins anew. */
static inline uint32_t
berth_replay_take_string (BerthReplay *self, uint8_t byte, uint8_t *out)
{
  bool is_c1 = self->fill >= 2 && berth_replay_is_c1 (self->held[self->fill - 2], byte);
  uint32_t size;

  if (byte == BERTH_REPLAY_ESCAPE)
    self->place = BERTH_REPLAY_STRING_ESCAPED;
  if (byte == BERTH_REPLAY_BELL || (is_c1 && byte == BERTH_REPLAY_END))
    return berth_replay_let_go (self, berth_replay_is_string_question (self), out);
  if (!is_c1)
    return 0;
  self->fill -= 2;
  size = berth_replay_let_go (self, berth_replay_is_string_question (self), out);
  size += berth_replay_take (self, BERTH_REPLAY_C1, out + size);
  return size + berth_replay_take (self, byte, out + size);
}

/* ESC stands last in what is held, which was no end of the string if anything else follows. */
static inline uint32_t
berth_replay_take_string_escaped (BerthReplay *self, uint8_t byte, uint8_t *out)
{
  uint32_t size;

  if (byte == '\\')
    {
      self->held[self->fill++] = byte;
      return berth_replay_let_go (self, berth_replay_is_string_question (self), out);
    }
  self->fill--;
  size = berth_replay_let_go (self, berth_replay_is_string_question (self), out);
  size += berth_replay_take_text (self, BERTH_REPLAY_ESCAPE, out + size);
  return size + berth_replay_take (self, byte, out + size);
}

/* The sequence that is held is longer than there is room for. A C1 may begin at its last byte. */
static inline uint32_t
berth_replay_overflow (BerthReplay *self, uint8_t *out)
{
  bool is_string = self->place == BERTH_REPLAY_STRING;
  bool is_control = self->place == BERTH_REPLAY_CONTROL;
  bool is_question = is_control || (is_string && berth_replay_is_string_question (self));
  uint32_t size = berth_replay_let_go (self, is_question, out);

  if (is_question)
    {
      self->place = is_control ? BERTH_REPLAY_DROPS_CONTROL : BERTH_REPLAY_DROPS_STRING;
      return 0;
    }
  self->last = out[size - 1];
  if (self->last == BERTH_REPLAY_C1)
    {
      self->held[self->fill++] = self->last;
      self->place = BERTH_REPLAY_LEAD;
      size--;
    }
  if (is_string && self->introducer == ']')
    self->place = BERTH_REPLAY_LONG;
  return size;
}

static inline uint32_t
berth_replay_take_held (BerthReplay *self, uint8_t byte, uint8_t *out)
{
  if (self->place == BERTH_REPLAY_STRING_ESCAPED)
    return berth_replay_take_string_escaped (self, byte, out);
  self->held[self->fill++] = byte;
  if (byte == BERTH_REPLAY_CANCEL || byte == BERTH_REPLAY_SUBSTITUTE)
    return berth_replay_let_go (self, false, out);
  if (self->place == BERTH_REPLAY_STRING)
    return berth_replay_take_string (self, byte, out);
  if (self->place == BERTH_REPLAY_CONTROL && byte >= '@' && byte != BERTH_REPLAY_DELETE)
    return berth_replay_let_go (self, byte < 0x80 && berth_replay_is_control_question (self), out);
  if (self->place == BERTH_REPLAY_ESCAPED || self->place == BERTH_REPLAY_LEAD)
    return berth_replay_take_introducer (self, byte, out);
  return 0;
}

/* Of a string whose beginning is shown: without the marks that make it a question. What may be the
 * lead of a C1 is held. */
static inline uint32_t
berth_replay_take_long (BerthReplay *self, uint8_t byte, uint8_t *out)
{
  bool is_c1 = self->fill > 0 && berth_replay_is_c1 (BERTH_REPLAY_C1, byte);
  bool is_mark = byte == '?' && self->last == ';';
  uint32_t size = 0;

  if (is_c1 && byte != BERTH_REPLAY_END)
    {
      self->place = BERTH_REPLAY_LEAD;
      return berth_replay_take (self, byte, out);
    }
  if (self->fill > 0)
    out[size++] = self->held[--self->fill];
  if (is_c1 || byte == BERTH_REPLAY_BELL || byte == BERTH_REPLAY_CANCEL
      || byte == BERTH_REPLAY_SUBSTITUTE)
    self->place = BERTH_REPLAY_TEXT;
  self->questions += is_mark;
  self->last = is_mark ? ';' : byte;
  if (byte == BERTH_REPLAY_C1)
    self->held[self->fill++] = byte;
  else if (!is_mark)
    out[size++] = byte;
  return size;
}

static inline uint32_t
berth_replay_drop (BerthReplay *self, uint8_t byte)
{
  bool is_end = self->place == BERTH_REPLAY_DROPS_CONTROL
                    ? byte >= '@' && byte != BERTH_REPLAY_DELETE
                    : byte == BERTH_REPLAY_BELL || byte == BERTH_REPLAY_END;

  if (is_end || byte == BERTH_REPLAY_CANCEL || byte == BERTH_REPLAY_SUBSTITUTE)
    self->place = BERTH_REPLAY_TEXT;
  return 0;
}

/* ESC, and the lead of a C1, wherever they stand but in a string, which they may end */
static inline bool
berth_replay_begins_anew (const BerthReplay *self, uint8_t byte)
{
  switch (self->place)
    {
    case BERTH_REPLAY_TEXT:
      return true;
    case BERTH_REPLAY_STRING:
    case BERTH_REPLAY_STRING_ESCAPED:
      return false;
    case BERTH_REPLAY_LONG:
    case BERTH_REPLAY_DROPS_STRING:
      return byte == BERTH_REPLAY_ESCAPE;
    default:
      return byte == BERTH_REPLAY_ESCAPE || byte == BERTH_REPLAY_C1;
    }
}

static inline uint32_t
berth_replay_take (BerthReplay *self, uint8_t byte, uint8_t *out)
{
  uint32_t size = 0;

  if (berth_replay_begins_anew (self, byte))
    {
      size = berth_replay_let_go (self, false, out);
      return size + berth_replay_take_text (self, byte, out + size);
    }
  if (self->place == BERTH_REPLAY_LONG)
    return berth_replay_take_long (self, byte, out);
  if (self->place == BERTH_REPLAY_DROPS_STRING || self->place == BERTH_REPLAY_DROPS_CONTROL)
    return berth_replay_drop (self, byte);
  size = berth_replay_take_held (self, byte, out);
  if (self->fill >= BERTH_REPLAY_ROOM && self->place != BERTH_REPLAY_STRING_ESCAPED)
    size += berth_replay_overflow (self, out + size);
  return size;
}

/* What of these bytes is shown, and of those held before: no more than size + BERTH_REPLAY_HELD. */
static inline uint32_t
berth_replay_pass (BerthReplay *self, const uint8_t *in, uint32_t size, uint8_t *out)
{
  uint32_t fill = 0;

  for (uint32_t i = 0; i < size; i++)
    fill += berth_replay_take (self, in[i], out + fill);
  return fill;
}

/* Nothing follows: what is held is shown. */
static inline uint32_t
berth_replay_end (BerthReplay *self, uint8_t *out)
{
  return berth_replay_let_go (self, false, out);
}

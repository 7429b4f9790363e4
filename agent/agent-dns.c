/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what a question is answered by: an address stands for a name that may be reached, any
 * other name does not exist. "Refused" would be truer, but resolvers ask again after it, and tell
 * programs to try later. */
#include "agent-dns.h"

#include <string.h>

#define HEAD_SIZE 12u
#define LABEL_MAX 63u
#define QUESTION_TAIL 4u   /* type and class */
#define RECORD_SIZE 16u    /* of an address, its name told by two bytes */
#define FIRST_NAME 0xc00cu /* points to the question's */
/* For so long a program may keep it: long enough for no question a connection, short beside the
 * time until an address stands for another name. */
#define TTL_S 60u

#define FLAG_ANSWER 0x8000u
#define FLAG_AUTHORITY 0x0400u
#define FLAG_RECURSION_WANTED 0x0100u
#define FLAG_RECURSION 0x0080u
#define OPCODE_MASK 0x7800u
#define CLASS_IN 1u
#define TYPE_A 1u
#define TYPE_ANY 255u

typedef enum
{
  CODE_OK = 0,
  CODE_FORMAT = 1,
  CODE_NO_NAME = 3,
  CODE_NOT_KNOWN = 4,
  CODE_REFUSED = 5,
} Code;

typedef struct
{
  char name[BERTH_AGENT_DNS_NAME_MAX + 1];
  size_t size; /* as it stands in the message, type and class with it */
  uint16_t type, class;
} Question;

static uint16_t
read16 (const uint8_t *bytes)
{
  return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void
write16 (uint8_t *bytes, unsigned value)
{
  bytes[0] = (uint8_t)(value >> 8);
  bytes[1] = (uint8_t)value;
}

/* In a name of ours; others there may be, but none of them can be allowed. */
static char
lower (uint8_t byte)
{
  if (byte >= 'A' && byte <= 'Z')
    return (char)(byte - 'A' + 'a');
  if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_')
    return (char)byte;
  return '?';
}

/* Bytes of the name in the message; 0: it is none. A question has no name before it that it could
 * point to. */
static size_t
read_name (const uint8_t *bytes, size_t size, char name[BERTH_AGENT_DNS_NAME_MAX + 1])
{
  size_t at = 0, length = 0;

  while (at < size && bytes[at] != 0)
    {
      size_t label = bytes[at++];

      if (label > LABEL_MAX || label > size - at
          || length + (length > 0) + label > BERTH_AGENT_DNS_NAME_MAX)
        return 0;
      if (length > 0)
        name[length++] = '.';
      for (size_t i = 0; i < label; i++)
        name[length++] = lower (bytes[at++]);
    }
  name[length] = '\0';
  return at < size ? at + 1 : 0;
}

static bool
read_question (const uint8_t *query, size_t size, Question *out)
{
  size_t name_size;

  if (read16 (query + 4) != 1)
    return false;
  name_size = read_name (query + HEAD_SIZE, size - HEAD_SIZE, out->name);
  if (name_size == 0 || size - HEAD_SIZE - name_size < QUESTION_TAIL)
    return false;
  out->type = read16 (query + HEAD_SIZE + name_size);
  out->class = read16 (query + HEAD_SIZE + name_size + 2);
  out->size = name_size + QUESTION_TAIL;
  return true;
}

/* An address in front of others may be asked for, and none be there: that is no error. */
static Code
find (const Question *question, BerthAgentDnsLookup lookup, void *data, uint32_t *out_address,
      bool *out_has_address)
{
  if (question->class != CLASS_IN)
    return CODE_REFUSED;
  if (!lookup (data, question->name, out_address))
    return CODE_NO_NAME;
  *out_has_address = question->type == TYPE_A || question->type == TYPE_ANY;
  return CODE_OK;
}

static void
write_address (uint8_t *out, uint32_t address)
{
  write16 (out, FIRST_NAME);
  write16 (out + 2, TYPE_A);
  write16 (out + 4, CLASS_IN);
  write16 (out + 6, 0);
  write16 (out + 8, TTL_S);
  write16 (out + 10, 4);
  write16 (out + 12, address >> 16);
  write16 (out + 14, address & 0xffff);
}

size_t
berth_agent_dns_answer (const uint8_t *query, size_t size, uint8_t out[BERTH_AGENT_DNS_MAX],
                        BerthAgentDnsLookup lookup, void *data)
{
  Question question = { .size = 0 };
  uint32_t address = 0;
  uint16_t flags;
  bool has_address = false;
  Code code = CODE_FORMAT;

  if (size < HEAD_SIZE)
    return 0;
  flags = read16 (query + 2);
  if (flags & FLAG_ANSWER)
    return 0;
  if (flags & OPCODE_MASK)
    code = CODE_NOT_KNOWN;
  else if (read_question (query, size, &question))
    code = find (&question, lookup, data, &address, &has_address);
  memcpy (out, query, 2);
  write16 (out + 2, FLAG_ANSWER | FLAG_AUTHORITY | FLAG_RECURSION
                        | (flags & (OPCODE_MASK | FLAG_RECURSION_WANTED)) | code);
  write16 (out + 4, question.size > 0);
  write16 (out + 6, has_address);
  write16 (out + 8, 0);
  write16 (out + 10, 0);
  memcpy (out + HEAD_SIZE, query + HEAD_SIZE, question.size);
  if (has_address)
    write_address (out + HEAD_SIZE + question.size, address);
  return HEAD_SIZE + question.size + (has_address ? RECORD_SIZE : 0);
}

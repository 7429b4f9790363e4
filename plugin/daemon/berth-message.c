/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GDBus makes a tree of values of a message before anybody can ask how many there are, some hundred
 * bytes for each. Here they are counted first, without making one. */
#include "plugin/daemon/berth-message.h"

#include <gio/gio.h>
#include <string.h>

#define VERSION 1
#define FLAG_NO_REPLY_EXPECTED 1u
#define ARRAY_BYTES_MAX (64u * 1024u * 1024u)
/* Containers in each other. The deepest that a method takes is 3: a{sv} with an array in it. */
#define DEPTH_MAX 8u

/* A place in the bytes, and the counts that bound the walk over them */
typedef struct
{
  const guint8 *bytes;
  gsize size;
  gsize at;
  gboolean is_big_endian;
  guint values_left;
  guint depth;
} Cursor;

/* The places of a signature that still have to be read */
typedef struct
{
  const char *at;
  const char *end;
} Types;

static gboolean
cursor_align (Cursor *self, gsize alignment)
{
  gsize next = (self->at + alignment - 1) / alignment * alignment;

  if (next > self->size)
    return FALSE;
  for (; self->at < next; self->at++)
    if (self->bytes[self->at] != 0)
      return FALSE;
  return TRUE;
}

static gboolean
cursor_skip (Cursor *self, gsize size)
{
  if (size > self->size - self->at)
    return FALSE;
  self->at += size;
  return TRUE;
}

static guint32
read_u32 (const guint8 *bytes, gboolean is_big_endian)
{
  guint32 number;

  memcpy (&number, bytes, sizeof number);
  return is_big_endian ? GUINT32_FROM_BE (number) : GUINT32_FROM_LE (number);
}

static gboolean
cursor_u32 (Cursor *self, guint32 *out_number)
{
  gsize at;

  if (!cursor_align (self, 4))
    return FALSE;
  at = self->at;
  if (!cursor_skip (self, 4))
    return FALSE;
  *out_number = read_u32 (self->bytes + at, self->is_big_endian);
  return TRUE;
}

/* UTF-8 of @length bytes and the NUL behind it, none within */
static const char *
cursor_text (Cursor *self, gsize length)
{
  const char *text = (const char *)self->bytes + self->at;

  if (length >= self->size - self->at || !cursor_skip (self, length + 1) || text[length] != '\0'
      || !g_utf8_validate_len (text, length, NULL))
    return NULL;
  return text;
}

static const char *
cursor_string (Cursor *self)
{
  guint32 length;

  return cursor_u32 (self, &length) ? cursor_text (self, length) : NULL;
}

static const char *
cursor_signature (Cursor *self)
{
  gsize at = self->at;

  return cursor_skip (self, 1) ? cursor_text (self, self->bytes[at]) : NULL;
}

/* Bytes of a type that has always the same; 0 for the others */
static gsize
fixed_size (char type)
{
  switch (type)
    {
    case 'y':
      return 1;
    case 'n':
    case 'q':
      return 2;
    case 'b':
    case 'i':
    case 'u':
    case 'h':
      return 4;
    case 'x':
    case 't':
    case 'd':
      return 8;
    default:
      return 0;
    }
}

static gsize
alignment_of (char type)
{
  if (fixed_size (type) != 0)
    return fixed_size (type);
  return type == 's' || type == 'o' || type == 'a' ? 4 : type == '(' || type == '{' ? 8 : 1;
}

/* Past one whole type; FALSE where there is none. */
static gboolean
types_skip (Types *types)
{
  guint depth = 0;

  for (; types->at < types->end; types->at++)
    {
      char type = *types->at;

      if (type == '(' || type == '{')
        depth++;
      else if (type == ')' || type == '}')
        {
          if (depth == 0)
            return FALSE;
          depth--;
        }
      else if (type != 'a' && strchr ("sogv", type) == NULL && fixed_size (type) == 0)
        return FALSE;
      if (depth == 0 && type != 'a')
        {
          types->at++;
          return TRUE;
        }
    }
  return FALSE;
}

static const char *walk_type (Cursor *self, Types *types);

/* All that stands in @types, each once */
static const char *
walk_types (Cursor *self, Types types)
{
  const char *problem = NULL;

  if (self->depth++ >= DEPTH_MAX)
    return "is nested too deeply";
  while (problem == NULL && types.at < types.end)
    problem = walk_type (self, &types);
  self->depth--;
  return problem;
}

static const char *
walk_array (Cursor *self, Types element)
{
  const char *problem = NULL;
  guint32 size;
  gsize end;

  if (!cursor_u32 (self, &size) || size > ARRAY_BYTES_MAX
      || !cursor_align (self, alignment_of (*element.at)) || size > self->size - self->at)
    return "has an array that is longer than itself";
  end = self->at + size;
  if (*element.at == 'y')
    {
      self->at = end;
      return NULL;
    }
  while (problem == NULL && self->at < end)
    {
      gsize begin = self->at;

      problem = walk_types (self, element);
      if (problem == NULL && self->at == begin)
        problem = "has an array of nothing";
    }
  return problem == NULL && self->at != end ? "has an array of another length than it says"
                                            : problem;
}

static const char *
walk_variant (Cursor *self)
{
  const char *signature = cursor_signature (self);
  Types types = { signature, signature != NULL ? signature + strlen (signature) : NULL };
  Types one = types;

  if (signature == NULL || !types_skip (&one) || one.at != one.end)
    return "has a variant of no type";
  return walk_types (self, types);
}

/* The members of a struct or dictionary entry, whose brackets are the first and last of @types */
static const char *
walk_members (Cursor *self, Types types)
{
  if (types.end - types.at < 3 || !cursor_align (self, 8))
    return "has a struct of nothing";
  return walk_types (self, (Types){ types.at + 1, types.end - 1 });
}

static const char *
walk_basic (Cursor *self, char type)
{
  gsize size = fixed_size (type);

  if (size != 0)
    return cursor_align (self, size) && cursor_skip (self, size) ? NULL : "ends too early";
  return (type == 'g' ? cursor_signature (self) : cursor_string (self)) != NULL
             ? NULL
             : "has a text that is none";
}

/* The first of @types, and what the bytes have for it */
static const char *
walk_type (Cursor *self, Types *types)
{
  Types this = { types->at, types->end };

  if (self->values_left-- == 0)
    return "has too many values";
  if (!types_skip (types))
    return "has a signature that is none";
  this.end = types->at;
  switch (*this.at)
    {
    case 'a':
      return walk_array (self, (Types){ this.at + 1, this.end });
    case 'v':
      return walk_variant (self);
    case '(':
    case '{':
      return walk_members (self, this);
    default:
      return walk_basic (self, *this.at);
    }
}

const char *
berth_message_parse_head (BerthMessage *self, const guint8 bytes[BERTH_MESSAGE_HEAD_BYTES])
{
  guint32 fields;

  memset (self, 0, sizeof *self);
  if ((bytes[0] != 'l' && bytes[0] != 'B') || bytes[3] != VERSION)
    return "is not D-Bus";
  self->is_big_endian = bytes[0] == 'B';
  self->type = bytes[1];
  self->body_bytes = read_u32 (bytes + 4, self->is_big_endian);
  self->serial = read_u32 (bytes + 8, self->is_big_endian);
  fields = read_u32 (bytes + 12, self->is_big_endian);
  if (fields > BERTH_MESSAGE_BYTES_MAX || self->body_bytes > BERTH_MESSAGE_BYTES_MAX - fields)
    return "is longer than any may be";
  self->head_bytes = ((gsize)BERTH_MESSAGE_HEAD_BYTES + fields + 7) / 8 * 8;
  return self->type == 0 || self->serial == 0 ? "has no type or no serial" : NULL;
}

static gboolean
parse_number (Cursor *cursor, const char *type, guint32 *out_number)
{
  return strcmp (type, "u") == 0 && cursor_u32 (cursor, out_number);
}

static gboolean
parse_text (Cursor *cursor, const char *type, const char *wanted, const char **out_text)
{
  if (strcmp (type, wanted) == 0)
    *out_text = *wanted == 'g' ? cursor_signature (cursor) : cursor_string (cursor);
  return strcmp (type, wanted) == 0 && *out_text != NULL;
}

/* The value of field @code. One that D-Bus may invent is a text or a number. */
static gboolean
parse_field (BerthMessage *self, Cursor *cursor, guint8 code, const char *type)
{
  const char *ignored = NULL;

  switch (code)
    {
    case 1:
      return parse_text (cursor, type, "o", &self->path);
    case 2:
      return parse_text (cursor, type, "s", &self->interface);
    case 3:
      return parse_text (cursor, type, "s", &self->member);
    case 5:
      return parse_number (cursor, type, &self->reply_serial);
    case 8:
      return parse_text (cursor, type, "g", &self->signature);
    case 9:
      return parse_number (cursor, type, &self->n_fds);
    case 0:
      return FALSE;
    default:
      return strlen (type) == 1 && strchr ("sogu", type[0]) != NULL
             && (type[0] == 'u' ? cursor_u32 (cursor, &(guint32){ 0 })
                                : parse_text (cursor, type, type, &ignored));
    }
}

/* GDBus tells the log of each message that it can't take, with all of its bytes. */
static gboolean
has_names (const BerthMessage *self)
{
  return (self->path == NULL || g_variant_is_object_path (self->path))
         && (self->interface == NULL || g_dbus_is_interface_name (self->interface))
         && (self->member == NULL || g_dbus_is_member_name (self->member))
         && (self->signature == NULL || g_variant_is_signature (self->signature));
}

const char *
berth_message_parse_fields (BerthMessage *self, const guint8 *bytes)
{
  guint32 fields = read_u32 (bytes + 12, self->is_big_endian);
  Cursor cursor = { bytes,
                    BERTH_MESSAGE_HEAD_BYTES + (gsize)fields,
                    BERTH_MESSAGE_HEAD_BYTES,
                    self->is_big_endian,
                    G_MAXUINT,
                    0 };

  while (cursor.at < cursor.size)
    {
      guint8 code = 0;
      const char *type = NULL;

      if (cursor_align (&cursor, 8) && cursor.at < cursor.size)
        {
          code = bytes[cursor.at++];
          type = cursor_signature (&cursor);
        }
      if (type == NULL || !parse_field (self, &cursor, code, type))
        return "has a head that is none";
    }
  cursor.size = self->head_bytes;
  if (!cursor_align (&cursor, 8))
    return "has a head that is none";
  if (self->type == BERTH_MESSAGE_CALL && (self->path == NULL || self->member == NULL))
    return "is a call of nothing";
  if (!has_names (self))
    return "has names that D-Bus does not allow";
  if (self->signature == NULL && self->body_bytes > 0)
    return "has a body without a signature";
  return NULL;
}

const char *
berth_message_check_body (const BerthMessage *self, const guint8 *body, guint values_max)
{
  const char *signature = self->signature != NULL ? self->signature : "";
  Cursor cursor = { body, self->body_bytes, 0, self->is_big_endian, values_max, 0 };
  const char *problem = walk_types (&cursor, (Types){ signature, signature + strlen (signature) });

  return problem == NULL && cursor.at != cursor.size ? "is longer than its values" : problem;
}

void
berth_message_want_answer (guint8 *head)
{
  head[2] &= (guint8)~FLAG_NO_REPLY_EXPECTED;
}

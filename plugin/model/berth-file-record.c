/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a record of files looks like as bytes, and which are none. */
#include "plugin/model/berth-file-record.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/berth-path.h"
#include "plugin/model/berth-file-request.h"
#include "pool/berth-error.h"

G_STATIC_ASSERT (BERTH_FILE_RECORD_TEXT_MAX >= BERTH_PATH_MAX);

void
berth_file_record_write (const BerthFileRecord *self, guint8 head[BERTH_FILE_RECORD_HEAD_BYTES])
{
  berth_le32_write (head, self->kind);
  berth_le32_write (head + 4, self->item);
  berth_le32_write (head + 8, self->mode);
  berth_le32_write (head + 12, self->text_size);
  berth_le64_write (head + 16, self->size);
}

GByteArray *
berth_file_record_pack (BerthFileRecord self, const char *text)
{
  GByteArray *packed = g_byte_array_new ();
  guint8 head[BERTH_FILE_RECORD_HEAD_BYTES];

  self.text_size = text != NULL ? (guint32)strnlen (text, BERTH_FILE_RECORD_TEXT_MAX) : 0;
  berth_file_record_write (&self, head);
  g_byte_array_append (packed, head, sizeof head);
  if (self.text_size > 0)
    g_byte_array_append (packed, (const guint8 *)text, self.text_size);
  return packed;
}

static gboolean
parse_head (BerthFileRecordReader *self, GError **error)
{
  BerthFileRecord *record = &self->record;
  guint32 kind = berth_le32_read (self->head);

  record->kind = (BerthFileRecordKind)kind;
  record->item = berth_le32_read (self->head + 4);
  record->mode = berth_le32_read (self->head + 8);
  record->text_size = berth_le32_read (self->head + 12);
  record->size = berth_le64_read (self->head + 16);
  if (kind >= BERTH_FILE_RECORD_FILE && kind <= BERTH_FILE_RECORD_HOLES
      && record->text_size <= BERTH_FILE_RECORD_TEXT_MAX && record->size <= G_MAXINT64)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "a stream of files: a record of kind %u with a text of %u bytes is none", kind,
               record->text_size);
  return FALSE;
}

gsize
berth_file_record_reader_get_room (BerthFileRecordReader *self, guint8 **out_room)
{
  gsize of_text = self->have - MIN (self->have, sizeof self->head);

  if (self->have < sizeof self->head)
    {
      *out_room = self->head + self->have;
      return sizeof self->head - self->have;
    }
  *out_room = (guint8 *)self->text + of_text;
  return self->record.text_size - of_text;
}

gboolean
berth_file_record_reader_take (BerthFileRecordReader *self, gsize size, gboolean *out_is_whole,
                               GError **error)
{
  *out_is_whole = FALSE;
  self->have += size;
  if (self->have < sizeof self->head)
    return TRUE;
  if (self->have == sizeof self->head && !parse_head (self, error))
    return FALSE;
  if (self->have < sizeof self->head + self->record.text_size)
    return TRUE;
  self->text[self->record.text_size] = '\0';
  self->have = 0;
  *out_is_whole = TRUE;
  if (memchr (self->text, '\0', self->record.text_size) == NULL)
    return TRUE;
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       "a stream of files: a text with a NUL byte within");
  return FALSE;
}

void
berth_file_record_settle (GError *error)
{
  g_autofree char *told = g_steal_pointer (&error->message);

  if (!berth_error_is_retryable (error) && !g_error_matches (error, BERTH_ERROR, BERTH_ERROR_LOCAL))
    {
      error->message = g_steal_pointer (&told);
      return;
    }
  if (g_str_has_suffix (told, BERTH_FILE_TRY_AGAIN))
    told[strlen (told) - strlen (BERTH_FILE_TRY_AGAIN)] = '\0';
  error->code = BERTH_ERROR_OUTCOME_UNKNOWN;
  error->message = g_strconcat (told,
                                ": the program has run: look at what it did elsewhere before you "
                                "run it again",
                                NULL);
}

gboolean
berth_file_record_send (int fd, gconstpointer bytes, gsize size)
{
  const guint8 *at = bytes;

  while (size > 0)
    {
      gssize put = send (fd, at, size, MSG_NOSIGNAL); /* lint: caller-fd: a client's own */

      if (put < 0 && errno == EINTR)
        continue;
      if (put < 0)
        return FALSE;
      at += put;
      size -= (gsize)put;
    }
  return TRUE;
}

gboolean
berth_file_record_receive (BerthFileRecordReader *self, int fd, GError **error)
{
  gboolean is_whole = FALSE;

  while (!is_whole)
    {
      guint8 *room;
      gsize size = berth_file_record_reader_get_room (self, &room);
      gssize got = recv (fd, room, size, 0); /* lint: caller-fd: a client's own */

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        {
          g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                               "berthd told no end of the files");
          return FALSE;
        }
      if (!berth_file_record_reader_take (self, (gsize)got, &is_whole, error))
        return FALSE;
    }
  return TRUE;
}

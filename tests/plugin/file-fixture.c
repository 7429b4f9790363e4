/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frames of a file as a guest sends them, and a file's begin and end at the host. */
#include "file-fixture.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>
#include <xxhash.h>

#include "pool/berth-error.h"

void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

guint32
peer_expect (Fixture *fixture, guint32 type, guint8 *payload)
{
  BerthFrameHead head;

  settle ();
  head = peer_read (fixture, payload);
  g_assert_cmpuint (head.type, ==, type);
  return head.request;
}

void
send_data (Fixture *fixture, guint32 request, gconstpointer bytes, gsize size)
{
  g_autofree guint8 *payload = g_malloc (4 + size);

  berth_le32_write (payload, BERTH_STREAM_FILE);
  memcpy (payload + 4, bytes, size);
  peer_send (fixture, BERTH_FRAME_DATA, request, payload, 4 + size);
}

void
send_credit (Fixture *fixture, guint32 request, guint32 size)
{
  guint8 payload[8];

  berth_le32_write (payload, BERTH_STREAM_FILE);
  berth_le32_write (payload + 4, size);
  peer_send (fixture, BERTH_FRAME_CREDIT, request, payload, sizeof payload);
}

void
send_done (Fixture *fixture, guint32 request, gconstpointer bytes, gsize size, guint32 mode,
           guint32 flags)
{
  BerthFileDone done
      = { .size = size, .mode = mode, .flags = flags, .sum = XXH64 (bytes, size, 0) };

  peer_send (fixture, BERTH_FRAME_DONE, request, &done, sizeof done);
}

void
send_error (Fixture *fixture, guint32 request, guint32 code, const char *text)
{
  guint8 payload[4 + BERTH_TEXT_MAX];

  berth_le32_write (payload, code);
  memcpy (payload + 4, text, strlen (text));
  peer_send (fixture, BERTH_FRAME_ERROR, request, payload, 4 + strlen (text));
}

/* Begins it; the other end of its pipe, or -1. */
int
begin (Fixture *fixture, BerthFileKind kind, const char *path, guint64 size,
       GCancellable *cancellable)
{
  BerthFileRequest *file = berth_file_request_new (kind, path);
  int ends[2] = { -1, -1 };

  if (kind == BERTH_FILE_PUT || kind == BERTH_FILE_GET)
    g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  if (ends[0] >= 0)
    file->fd = hand_over (ends[kind == BERTH_FILE_PUT ? 0 : 1], kind == BERTH_FILE_PUT);
  file->size = size;
  g_assert_true (berth_file_request_check (file, NULL));
  berth_guest_file_async (fixture->agent, file, cancellable, done_cb, fixture);
  return ends[kind == BERTH_FILE_PUT ? 1 : 0];
}

BerthFileResult *
finish (Fixture *fixture, GError **error)
{
  BerthFileResult *result;

  run_until_done (fixture);
  result = berth_guest_file_finish (fixture->agent, fixture->result, error);
  g_clear_object (&fixture->result);
  return result;
}

void
assert_fails (Fixture *fixture, GQuark domain, int code, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthFileResult) result = finish (fixture, &error);

  g_assert_null (result);
  g_assert_error (error, domain, code);
  if (strstr (error->message, part) == NULL)
    g_error ("'%s' is not in '%s'", part, error->message);
}

void
assert_end_of_file (int fd)
{
  char byte;

  g_assert_cmpint (read (fd, &byte, 1), ==, 0);
  close (fd);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plays the host of a file transfer. */
#include "agent-files.h"

#include <glib/gstdio.h>
#include <unistd.h>

#include "agent-sink.h"

#define REQUESTS_MAX 4096

/* What may be sent for each PUT, whoever read the frame that said so. */
static gint64 credits[REQUESTS_MAX];

static void
file_read (AgentPeer *peer, AgentFrame *out_frame)
{
  agent_peer_read (peer, out_frame);
  if (out_frame->head.type != BERTH_FRAME_CREDIT)
    return;
  g_assert_cmpuint (berth_le32_read (out_frame->payload), ==, BERTH_STREAM_FILE);
  credits[out_frame->head.request % REQUESTS_MAX] += berth_le32_read (out_frame->payload + 4);
}

/* Waits for the first credit; the agent has begun then. */
void
file_wait_credit (AgentPeer *peer, guint32 request)
{
  AgentFrame frame;

  while (credits[request % REQUESTS_MAX] <= 0)
    file_read (peer, &frame);
}

void
file_result_free (FileResult *result)
{
  g_free (result->text);
  g_byte_array_unref (result->data);
  g_free (result);
}

guint32
file_send_put (AgentPeer *peer, const char *path, gsize path_size, guint64 size, guint32 mode,
               guint32 flags)
{
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];
  BerthPutHead head = { .size = size, .mode = mode, .flags = flags };

  memcpy (payload, &head, sizeof head);
  memcpy (payload + sizeof head, path, path_size);
  agent_peer_send (peer, BERTH_FRAME_PUT, ++peer->request, payload,
                   (guint32)(sizeof head + path_size));
  credits[peer->request % REQUESTS_MAX] = 0;
  return peer->request;
}

guint32
file_send_put_holes (AgentPeer *peer, const char *path, guint64 size, const BerthHole *holes,
                     guint count)
{
  g_autoptr (GByteArray) payload = g_byte_array_new ();
  BerthPutHead head = { .size = size, .mode = 0644, .flags = BERTH_PUT_HOLES };
  guint8 number[4];

  berth_le32_write (number, count);
  g_byte_array_append (payload, (const guint8 *)&head, sizeof head);
  g_byte_array_append (payload, number, sizeof number);
  g_byte_array_append (payload, (const guint8 *)holes, (guint)(count * sizeof *holes));
  g_byte_array_append (payload, (const guint8 *)path, (guint)strlen (path));
  agent_peer_send (peer, BERTH_FRAME_PUT, ++peer->request, payload->data, payload->len);
  credits[peer->request % REQUESTS_MAX] = 0;
  return peer->request;
}

guint32
file_send_get (AgentPeer *peer, const char *path, guint64 size_max, guint32 credit)
{
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];
  BerthGetHead head = { .size_max = size_max, .credit = credit };

  memcpy (payload, &head, sizeof head);
  memcpy (payload + sizeof head, path, strlen (path));
  agent_peer_send (peer, BERTH_FRAME_GET, ++peer->request, payload,
                   (guint32)(sizeof head + strlen (path)));
  return peer->request;
}

guint32
file_send_ls (AgentPeer *peer, const char *path, const char *after, guint32 count_max)
{
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];
  BerthLsHead head
      = { .path_size = (guint32)strlen (path), .count_max = count_max, .credit = AGENT_CREDIT };

  memcpy (payload, &head, sizeof head);
  memcpy (payload + sizeof head, path, strlen (path));
  memcpy (payload + sizeof head + strlen (path), after, strlen (after));
  agent_peer_send (peer, BERTH_FRAME_LS, ++peer->request, payload,
                   (guint32)(sizeof head + strlen (path) + strlen (after)));
  return peer->request;
}

/* Without a look at credit. */
void
file_send_data (AgentPeer *peer, guint32 request, const void *bytes, gsize size)
{
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];

  berth_le32_write (payload, BERTH_STREAM_FILE);
  memcpy (payload + 4, bytes, size);
  credits[request % REQUESTS_MAX] -= (gint64)size;
  agent_peer_send (peer, BERTH_FRAME_DATA, request, payload, (guint32)(4 + size));
}

void
file_send_done (AgentPeer *peer, guint32 request, const void *bytes, gsize size)
{
  BerthFileDone done = { .size = size, .sum = XXH64 (bytes, size, 0) };

  agent_peer_send (peer, BERTH_FRAME_DONE, request, &done, sizeof done);
}

static FileResult *
result_new (void)
{
  FileResult *result = g_new0 (FileResult, 1);

  result->data = g_byte_array_new ();
  return result;
}

/* Whether the frame was the end. */
static gboolean
take_end (FileResult *result, const AgentFrame *frame)
{
  if (frame->head.type == BERTH_FRAME_ERROR)
    {
      result->error = berth_le32_read (frame->payload);
      result->text = g_strndup ((char *)frame->payload + 4, frame->head.length - 4);
      return TRUE;
    }
  if (frame->head.type != BERTH_FRAME_DONE)
    return FALSE;
  g_assert_cmpuint (frame->head.length, ==, sizeof result->done);
  memcpy (&result->done, frame->payload, sizeof result->done);
  return TRUE;
}

static void
check_sum (const FileResult *result)
{
  g_assert_cmpuint (result->done.size, ==, result->data->len);
  g_assert_cmpuint (result->done.sum, ==, XXH64 (result->data->data, result->data->len, 0));
}

/* The file is there, and space for all of it: only then may so much be under way. */
void
file_wait_space (AgentPeer *peer, guint32 request)
{
  AgentFrame frame;

  while (credits[request % REQUESTS_MAX] <= (gint64)BERTH_AGENT_SINK_BUFFER)
    file_read (peer, &frame);
}

/* Reads until it ends, giving back credit. Frames of other requests are thrown away. */
FileResult *
file_collect (AgentPeer *peer, guint32 request)
{
  FileResult *result = result_new ();
  AgentFrame frame;

  for (;;)
    {
      file_read (peer, &frame);
      if (frame.head.request != request)
        continue;
      if (take_end (result, &frame))
        break;
      if (frame.head.type == BERTH_FRAME_CREDIT)
        continue;
      g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_DATA);
      g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_STREAM_FILE);
      g_byte_array_append (result->data, frame.payload + 4, frame.head.length - 4);
      agent_peer_send_credit (peer, request, BERTH_STREAM_FILE, frame.head.length - 4);
    }
  if (result->error == 0 && result->data->len > 0)
    check_sum (result);
  return result;
}

/* Sends all that credit allows, then DONE; stops where the agent gives up. */
FileResult *
file_finish_put (AgentPeer *peer, guint32 request, const void *bytes, gsize size)
{
  g_autoptr (FileResult) result = result_new ();
  const guint8 *at = bytes;
  AgentFrame frame;

  for (gsize sent = 0; sent < size;)
    {
      gsize credit = (gsize)MAX (credits[request % REQUESTS_MAX], 0);
      gsize piece = MIN (MIN (size - sent, credit), BERTH_DATA_MAX);

      if (piece > 0)
        file_send_data (peer, request, at + sent, piece);
      sent += piece;
      if (piece > 0)
        continue;
      file_read (peer, &frame);
      if (frame.head.request != request)
        continue;
      if (take_end (result, &frame))
        return g_steal_pointer (&result);
      g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_CREDIT);
    }
  file_send_done (peer, request, bytes, size);
  return file_collect (peer, request);
}

FileResult *
file_put (AgentPeer *peer, const char *path, const void *bytes, gsize size, guint32 mode)
{
  guint32 request = file_send_put (peer, path, strlen (path), size, mode, 0);

  return file_finish_put (peer, request, bytes, size);
}

FileResult *
file_get (AgentPeer *peer, const char *path)
{
  return file_collect (peer, file_send_get (peer, path, G_MAXUINT64, AGENT_CREDIT));
}

FileResult *
file_ls (AgentPeer *peer, const char *path, const char *after, guint32 count_max)
{
  return file_collect (peer, file_send_ls (peer, path, after, count_max));
}

/* "name,name" */
char *
file_names (const FileResult *listing)
{
  GString *names = g_string_new (NULL);
  BerthLsEntry entry;

  for (gsize at = 0; at < listing->data->len; at += sizeof entry + entry.name_size + 8)
    {
      memcpy (&entry, listing->data->data + at, sizeof entry);
      g_string_append_printf (names, "%s%.*s", at > 0 ? "," : "", entry.name_size,
                              (char *)listing->data->data + at + sizeof entry);
    }
  return g_string_free (names, FALSE);
}

void
file_assert_done (const FileResult *result)
{
  g_assert_cmpstr (result->text, ==, NULL);
  g_assert_cmpuint (result->error, ==, 0);
}

void
file_assert_refused (const FileResult *result, BerthAgentError code, const char *part)
{
  if (result->text == NULL || strstr (result->text, part) == NULL)
    g_error ("'%s' is not in '%s'", part, result->text);
  g_assert_cmpuint (result->error, ==, code);
}

/* Whether the home has these names and no other. */
void
file_assert_home (AgentPeer *peer, const char *names)
{
  g_autoptr (FileResult) listing = file_ls (peer, ".", "", BERTH_LS_MAX);
  g_autofree char *got = file_names (listing);

  file_assert_done (listing);
  g_assert_cmpstr (got, ==, names);
}

char *
file_home_path (AgentPeer *peer, const char *name)
{
  return g_build_filename (peer->home, name, NULL);
}

void
file_make_file (AgentPeer *peer, const char *name, const char *text)
{
  g_autofree char *path = file_home_path (peer, name);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

void
file_make_link (AgentPeer *peer, const char *target, const char *name)
{
  g_autofree char *path = file_home_path (peer, name);

  g_assert_no_errno (symlink (target, path));
}

void
file_make_folder (AgentPeer *peer, const char *name)
{
  g_autofree char *path = file_home_path (peer, name);

  g_assert_no_errno (g_mkdir (path, 0755));
}

void
file_assert_file (AgentPeer *peer, const char *name, const char *text)
{
  g_autofree char *path = file_home_path (peer, name);
  g_autofree char *got = NULL;

  g_assert_true (g_file_get_contents (path, &got, NULL, NULL));
  g_assert_cmpstr (got, ==, text);
}

void
file_put_ok (AgentPeer *peer, const char *path, const char *text)
{
  g_autoptr (FileResult) result = file_put (peer, path, text, strlen (text), 0644);

  file_assert_done (result);
}

void
file_get_ok (AgentPeer *peer, const char *path, const char *text)
{
  g_autoptr (FileResult) result = file_get (peer, path);

  file_assert_done (result);
  g_assert_cmpmem (result->data->data, result->data->len, text, strlen (text));
}

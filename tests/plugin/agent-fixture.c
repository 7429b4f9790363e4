/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A socket pair with the agent's host end on one side, and the test on the other. */
#include "agent-fixture.h"

#include "plugin/base/berth-caller-fd.h"

#include <sys/socket.h>
#include <unistd.h>

static void
closed_cb (BerthGuest *agent, const GError *error, gpointer user_data)
{
  Fixture *fixture = user_data;

  g_assert_nonnull (error);
  fixture->is_closed = TRUE;
}

void
take_socket (Fixture *fixture, GSocket *socket)
{
  fixture->agent = berth_guest_new (socket);
  berth_guest_set_closed_func (fixture->agent, closed_cb, fixture);
}

void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSocket) socket = NULL;
  int fds[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  socket = g_socket_new_from_fd (fds[0], NULL);
  fixture->peer = fds[1];
  take_socket (fixture, socket);
}

void
tear_down (Fixture *fixture, gconstpointer data)
{
  berth_guest_close (fixture->agent);
  g_clear_object (&fixture->result);
  g_assert_finalize_object (fixture->agent);
  if (fixture->peer >= 0)
    close (fixture->peer);
}

void
done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *fixture = user_data;

  g_assert_null (fixture->result);
  fixture->result = g_object_ref (result);
}

void
run_until_done (Fixture *fixture)
{
  while (fixture->result == NULL)
    g_main_context_iteration (NULL, TRUE);
}

void
append_frame (GByteArray *bytes, guint32 type, guint32 request, gconstpointer payload,
              guint32 length)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];

  berth_frame_head_write (head, type, request, length);
  g_byte_array_append (bytes, head, sizeof head);
  g_byte_array_append (bytes, payload, length);
}

void
peer_send (Fixture *fixture, guint32 type, guint32 request, gconstpointer payload, gsize length)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];

  /* nothing is allocated here: a sanitizer keeps what is freed, and tests look at the memory */
  berth_frame_head_write (head, type, request, (guint32)length);
  g_assert_cmpint (send (fixture->peer, head, sizeof head, MSG_NOSIGNAL), ==, sizeof head);
  if (length > 0)
    g_assert_cmpint (send (fixture->peer, payload, length, MSG_NOSIGNAL), ==, (gssize)length);
}

BerthFrameHead
peer_read (Fixture *fixture, guint8 *payload)
{
  guint8 bytes[BERTH_FRAME_HEAD_SIZE];
  BerthFrameHead head;

  g_assert_cmpint (recv (fixture->peer, bytes, sizeof bytes, MSG_WAITALL), ==, sizeof bytes);
  g_assert_true (berth_frame_head_read (bytes, &head));
  if (head.length > 0)
    g_assert_cmpint (recv (fixture->peer, payload, head.length, MSG_WAITALL), ==, head.length);
  return head;
}

void
peer_answer_hello (Fixture *fixture, BerthHelloReply *reply)
{
  BerthHello hello;
  BerthFrameHead head = peer_read (fixture, (guint8 *)&hello);

  g_assert_cmpuint (head.type, ==, BERTH_FRAME_HELLO);
  g_assert_cmpmem (hello.magic, sizeof hello.magic, BERTH_PROTOCOL_MAGIC, 8);
  memcpy (reply->magic, hello.magic, sizeof reply->magic);
  memcpy (reply->nonce, hello.nonce, sizeof reply->nonce);
  peer_send (fixture, BERTH_FRAME_HELLO_REPLY, head.request, reply, sizeof *reply);
}

void
greet (Fixture *fixture, guint32 flags)
{
  greet_as (fixture, BERTH_PROTOCOL_VERSION, flags);
}

void
greet_as (Fixture *fixture, guint32 version, guint32 flags)
{
  BerthHelloReply reply = { .version = version, .flags = flags, .ready_us = 5 };
  g_autoptr (GError) error = NULL;

  berth_guest_hello_async (fixture->agent, BERTH_HELLO_RESET, 60000, NULL, done_cb, fixture);
  peer_answer_hello (fixture, &reply);
  run_until_done (fixture);
  g_assert_true (berth_guest_hello_finish (fixture->agent, fixture->result, &error));
  g_assert_no_error (error);
  g_clear_object (&fixture->result);
}

int
hand_over (int fd, gboolean is_input)
{
  g_autoptr (GError) error = NULL;
  int own = berth_caller_fd_take (fd, is_input, geteuid (), &error);

  g_assert_no_error (error);
  close (fd);
  return own;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A socket pair with the agent's host end on one side, and the test on the other. */
#include "agent-fixture.h"

#include <sys/socket.h>
#include <unistd.h>

static void
closed_cb (BerthAgent *agent, const GError *error, gpointer user_data)
{
  Fixture *fixture = user_data;

  g_assert_nonnull (error);
  fixture->is_closed = TRUE;
}

void
take_socket (Fixture *fixture, GSocket *socket)
{
  fixture->agent = berth_agent_new (socket);
  berth_agent_set_closed_func (fixture->agent, closed_cb, fixture);
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
  berth_agent_close (fixture->agent);
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
peer_send (Fixture *fixture, guint32 type, guint32 request, gconstpointer payload, gsize length)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];

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

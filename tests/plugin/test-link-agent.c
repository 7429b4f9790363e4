/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links from the host's side to servers here, through the agent itself. */
#include <arpa/inet.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent-fixture.h"
#include "real-agent.h"

#define REAL_LINKS 100
#define REAL_BYTES 300000

static gpointer
echo_one (gpointer user_data)
{
  int fd = GPOINTER_TO_INT (user_data);
  guint8 bytes[30000];
  gssize count;

  while ((count = recv (fd, bytes, sizeof bytes, 0)) > 0)
    g_assert_cmpint (send (fd, bytes, (gsize)count, MSG_NOSIGNAL), ==, count);
  g_assert_cmpint (count, ==, 0);
  close (fd);
  return NULL;
}

static gpointer
echo_thread (gpointer user_data)
{
  int listener = GPOINTER_TO_INT (user_data);
  GThread *threads[REAL_LINKS];

  for (guint i = 0; i < REAL_LINKS; i++)
    {
      int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);

      g_assert_cmpint (fd, >=, 0);
      threads[i] = g_thread_new ("echo", echo_one, GINT_TO_POINTER (fd));
    }
  for (guint i = 0; i < REAL_LINKS; i++)
    g_thread_join (threads[i]);
  close (listener);
  return NULL;
}

static guint
listen_here (int *out_fd)
{
  struct sockaddr_in address
      = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t size = sizeof address;

  *out_fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno (bind (*out_fd, (struct sockaddr *)&address, size));
  g_assert_no_errno (listen (*out_fd, REAL_LINKS));
  g_assert_no_errno (getsockname (*out_fd, (struct sockaddr *)&address, &size));
  return ntohs (address.sin_port);
}

static void
done_well_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autofree BerthLinkResult *end = berth_guest_link_finish (BERTH_GUEST (source), result, &error);
  guint *ended = user_data;

  g_assert_no_error (error);
  g_assert_cmpuint (end->reason, ==, BERTH_LINK_DONE);
  g_assert_cmpuint (end->sent_bytes, ==, REAL_BYTES);
  g_assert_cmpuint (end->received_bytes, ==, REAL_BYTES);
  *ended += 1;
}

/* Sends what there is a place for, and compares what comes back. */
static void
move (int fd, const guint8 *bytes, gsize *sent, gsize *got)
{
  guint8 back[20000];
  gssize count;

  if (*sent < REAL_BYTES && (count = send (fd, bytes + *sent, REAL_BYTES - *sent, 0)) > 0)
    {
      *sent += (gsize)count;
      if (*sent == REAL_BYTES)
        shutdown (fd, SHUT_WR);
    }
  if ((count = recv (fd, back, sizeof back, 0)) > 0)
    {
      g_assert_cmpmem (back, count, bytes + *got, count);
      *got += (gsize)count;
    }
}

static void
test_all_the_way (Fixture *fixture, gconstpointer data)
{
  g_autofree guint8 *bytes = g_malloc (REAL_BYTES + REAL_LINKS);
  gsize sent[REAL_LINKS] = { 0 }, got[REAL_LINKS] = { 0 };
  int fds[REAL_LINKS][2], listener;
  guint ended = 0, port = listen_here (&listener);
  GThread *thread = g_thread_new ("accept", echo_thread, GINT_TO_POINTER (listener));

  for (guint i = 0; i < REAL_BYTES + REAL_LINKS; i++)
    bytes[i] = (guint8)g_test_rand_int ();
  for (guint i = 0; i < REAL_LINKS; i++)
    {
      g_assert_no_errno (
          socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds[i]));
      berth_guest_link_async (fixture->agent, port, &(BerthLinkEnd){ .fd = fds[i][0] }, NULL,
                              done_well_cb, &ended);
    }
  while (ended < REAL_LINKS)
    {
      for (guint i = 0; i < REAL_LINKS; i++)
        move (fds[i][1], bytes + i, &sent[i], &got[i]);
      g_main_context_iteration (NULL, FALSE);
    }
  for (guint i = 0; i < REAL_LINKS; i++)
    {
      while (got[i] < REAL_BYTES)
        move (fds[i][1], bytes + i, &sent[i], &got[i]);
      close (fds[i][1]);
    }
  g_thread_join (thread);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  agent_program = argv[1];
  agent_runners = argv[2];
  g_test_add ("/link-agent/all-the-way", Fixture, NULL, set_up_real, test_all_the_way,
              tear_down_real);
  return g_test_run ();
}

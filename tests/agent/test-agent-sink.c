/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a put's bytes do before there is a file, and what may become their file. */
#include <fcntl.h>
#include <glib.h>
#include <gio/gunixfdmessage.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent-sink.h"

#define TEXT "some bytes\n"

typedef struct
{
  BerthAgentLoop loop;
  BerthAgentChannel channel; /* to nobody */
  BerthAgentSink sink;
  GSocket *process; /* the end of the transfer's process; nullable */
  int socket_fd;
  char *path;
  guint ready;
} Fixture;

static void
ready_cb (void *data)
{
  Fixture *fixture = data;

  fixture->ready++;
  fixture->loop.quit = true;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  int ends[2];

  g_assert_true (berth_agent_loop_init (&fixture->loop));
  fixture->channel.watch.fd = -1;
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
  fixture->socket_fd = ends[0];
  fixture->process = g_socket_new_from_fd (ends[1], NULL);
  fixture->sink.ready = ready_cb;
  fixture->sink.data = fixture;
  fixture->path = g_strdup ("/tmp/berth-sink-XXXXXX");
  berth_agent_sink_open (&fixture->sink, &fixture->loop, &fixture->channel, 1, strlen (TEXT),
                         fixture->socket_fd);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  berth_agent_sink_close (&fixture->sink);
  berth_agent_loop_clear (&fixture->loop);
  close (fixture->socket_fd);
  g_clear_object (&fixture->process);
  g_unlink (fixture->path);
  g_free (fixture->path);
}

/* As the transfer's process hands it over; the loop runs until the sink has seen it. */
static void
hand_over (Fixture *fixture, int fd)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  GSocketControlMessage *message;
  GOutputVector byte = { "", 1 };

  g_assert_cmpint (g_unix_fd_list_append (fds, fd, NULL), ==, 0);
  close (fd);
  message = g_unix_fd_message_new_with_fd_list (fds);
  g_assert_cmpint (
      g_socket_send_message (fixture->process, NULL, &byte, 1, &message, 1, 0, NULL, NULL), ==, 1);
  g_object_unref (message);
  berth_agent_loop_run (&fixture->loop);
  g_assert_cmpuint (fixture->ready, ==, 1);
}

static void
end (Fixture *fixture, const char *text)
{
  const BerthFileDone done = { .size = strlen (text), .sum = XXH64 (text, strlen (text), 0) };

  berth_agent_sink_end (&fixture->sink, &done);
}

static void
test_all_comes_before_the_file (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = NULL;

  g_assert_true (berth_agent_sink_take (&fixture->sink, (const guint8 *)TEXT, 4));
  g_assert_true (
      berth_agent_sink_take (&fixture->sink, (const guint8 *)&TEXT[4], strlen (TEXT) - 4));
  end (fixture, TEXT);
  g_assert_false (berth_agent_sink_is_complete (&fixture->sink));
  hand_over (fixture, g_mkstemp (fixture->path));
  g_assert_true (berth_agent_sink_is_complete (&fixture->sink));
  g_assert_true (g_file_get_contents (fixture->path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, TEXT);
}

static void
test_no_more_than_there_is_room_for (Fixture *fixture, gconstpointer data)
{
  g_autofree guint8 *bytes = g_malloc0 (BERTH_AGENT_SINK_BUFFER);

  g_assert_true (berth_agent_sink_take (&fixture->sink, bytes, BERTH_AGENT_SINK_BUFFER));
  g_assert_false (berth_agent_sink_take (&fixture->sink, bytes, 1));
}

static void
test_a_pipe_is_no_file (Fixture *fixture, gconstpointer data)
{
  int ends[2];

  g_assert_true (
      berth_agent_sink_take (&fixture->sink, (const guint8 *)TEXT, (guint32)strlen (TEXT)));
  g_assert_no_errno (pipe2 (ends, O_CLOEXEC));
  hand_over (fixture, ends[1]);
  g_assert_false (berth_agent_sink_is_complete (&fixture->sink));
  g_assert_cmpint (fixture->sink.error, ==, BERTH_AGENT_ERROR_INTERNAL);
  g_assert_cmpstr (fixture->sink.problem, ==, "what the transfer's process opened is no file");
  close (ends[0]);
}

static void
test_a_file_that_takes_nothing (Fixture *fixture, gconstpointer data)
{
  g_assert_true (
      berth_agent_sink_take (&fixture->sink, (const guint8 *)TEXT, (guint32)strlen (TEXT)));
  close (g_mkstemp (fixture->path));
  hand_over (fixture, open (fixture->path, O_RDONLY | O_CLOEXEC));
  g_assert_false (berth_agent_sink_is_complete (&fixture->sink));
  g_assert_cmpint (fixture->sink.error, ==, BERTH_AGENT_ERROR_RESOURCE);
  g_assert_cmpstr (fixture->sink.problem, ==, "the file can't be written");
}

/* The process tells why, not the sink. */
static void
test_no_file_comes (Fixture *fixture, gconstpointer data)
{
  g_clear_object (&fixture->process);
  fixture->loop.quit = false;
  berth_agent_sink_take (&fixture->sink, (const guint8 *)TEXT, 4);
  fixture->sink.watch.ready (fixture->sink.watch.data, EPOLLHUP);
  g_assert_cmpuint (fixture->ready, ==, 0);
  g_assert_cmpint (fixture->sink.watch.fd, ==, -1);
  end (fixture, TEXT);
  g_assert_false (berth_agent_sink_is_complete (&fixture->sink));
  g_assert_null (fixture->sink.problem);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, test) g_test_add ("/agent/sink/" name, Fixture, NULL, set_up, test, tear_down)
  ADD ("all-comes-before-the-file", test_all_comes_before_the_file);
  ADD ("no-more-than-there-is-room-for", test_no_more_than_there_is_room_for);
  ADD ("a-pipe-is-no-file", test_a_pipe_is_no_file);
  ADD ("a-file-that-takes-nothing", test_a_file_that_takes_nothing);
  ADD ("no-file-comes", test_no_file_comes);
  return g_test_run ();
}

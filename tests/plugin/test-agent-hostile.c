/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end of the agent against a guest that means harm: floods, frames at the wrong time,
 * noise. Each ends in one error of the call, and the host's memory stays where it was. */
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent-fixture.h"
#include "berth-frame-channel.h"
#include "pool/berth-error.h"
#include "resident.h"

#define FLOOD_BYTES (128u * 1024u * 1024u)
/* by such a flood; a sanitizer keeps 8 MiB of what was freed */
#define GROWTH_MAX_KB (30 * 1024)

typedef void (*NextFrame) (Fixture *fixture, guint32 request, GByteArray *out);

/* Writes what the socket takes, so that a host that reads no more can't block the test. */
static gsize
pour (Fixture *fixture, const GByteArray *bytes, gsize *from)
{
  gssize put
      = send (fixture->peer, bytes->data + *from, bytes->len - *from, MSG_DONTWAIT | MSG_NOSIGNAL);

  if (put > 0)
    *from += (gsize)put;
  return put > 0 ? (gsize)put : 0;
}

/* Sends frames as fast as they are taken until the host has had enough of it, or @limit bytes. */
static gsize
flood (Fixture *fixture, guint32 request, NextFrame next, gsize limit)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  glong before = resident_kb (), most = before;
  gsize total = 0, from = 0;

  while (total < limit && !fixture->is_closed && fixture->result == NULL)
    {
      if (from == bytes->len)
        {
          g_byte_array_set_size (bytes, 0);
          from = 0;
          while (bytes->len < BERTH_FRAME_MAX_PAYLOAD)
            next (fixture, request, bytes);
        }
      total += pour (fixture, bytes, &from);
      for (guint i = 0; i < 64 && g_main_context_iteration (NULL, FALSE); i++)
        ;
      most = MAX (most, resident_kb ());
    }
  g_test_message ("%" G_GSIZE_FORMAT " KiB taken, memory grew by %ld KiB", total / 1024,
                  most - before);
  g_assert_cmpint (most - before, <, GROWTH_MAX_KB);
  return total;
}

static guint32
begin_exec (Fixture *fixture, gsize *out_credit)
{
  g_autofree guint8 *payload = g_malloc (BERTH_FRAME_MAX_PAYLOAD);
  g_autoptr (GBytes) code = g_bytes_new_static ("x", 1);
  guint32 request;

  berth_guest_exec_async (fixture->agent, berth_exec_new (code), BERTH_LANGUAGE_PYTHON, NULL,
                          done_cb, fixture);
  request = peer_read (fixture, payload).request;
  if (out_credit != NULL)
    *out_credit = ((BerthExecHead *)payload)->stdout_credit;
  g_assert_cmpuint (peer_read (fixture, payload).type, ==, BERTH_FRAME_DATA);
  return request;
}

static void
finish_badly (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  BerthResult *result;

  run_until_done (fixture);
  result = berth_guest_exec_finish (fixture->agent, fixture->result, &error);
  g_assert_null (result);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN);
  g_assert_null (strchr (error->message, '\n'));
}

static void
next_noise (Fixture *fixture, guint32 request, GByteArray *out)
{
  guint8 bytes[4096];

  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8)g_test_rand_int ();
  g_byte_array_append (out, bytes, sizeof bytes);
}

/* In front of its answer a guest may send what it likes; the host waits for its own nonce. */
static void
test_noise_instead_of_an_answer (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  berth_guest_hello_async (fixture->agent, BERTH_HELLO_RESET, 2000, NULL, done_cb, fixture);
  flood (fixture, 0, next_noise, FLOOD_BYTES / 8);
  run_until_done (fixture);
  g_assert_false (berth_guest_hello_finish (fixture->agent, fixture->result, &error));
  g_assert_nonnull (error);
}

static void
next_started (Fixture *fixture, guint32 request, GByteArray *out)
{
  append_frame (out, BERTH_FRAME_STARTED, request, "", 0);
}

static void
next_empty (Fixture *fixture, guint32 request, GByteArray *out)
{
  static const guint8 stream[4] = { BERTH_STREAM_STDOUT };

  append_frame (out, BERTH_FRAME_DATA, request, stream, sizeof stream);
}

static void
next_credit (Fixture *fixture, guint32 request, GByteArray *out)
{
  static const guint8 none[8] = { BERTH_STREAM_STDIN };

  append_frame (out, BERTH_FRAME_CREDIT, request, none, sizeof none);
}

static void
next_ready (Fixture *fixture, guint32 request, GByteArray *out)
{
  static const guint8 time[8] = { 1 };

  append_frame (out, BERTH_FRAME_READY, 0, time, sizeof time);
}

static void
next_hello (Fixture *fixture, guint32 request, GByteArray *out)
{
  BerthHelloReply reply = { .version = BERTH_PROTOCOL_VERSION, .ready_us = 5 };

  memcpy (reply.magic, BERTH_PROTOCOL_MAGIC, sizeof reply.magic);
  append_frame (out, BERTH_FRAME_HELLO_REPLY, 1, &reply, sizeof reply);
}

static void
next_stranger (Fixture *fixture, guint32 request, GByteArray *out)
{
  static const guint8 data[1024] = { BERTH_STREAM_STDOUT };

  append_frame (out, BERTH_FRAME_DATA, request + 7, data, sizeof data);
}

/* Frames that cost no credit and say nothing: a guest may not keep the host busy with them. */
static void
test_free_frames (Fixture *fixture, gconstpointer data)
{
  const NextFrame *next = data;
  gsize taken;

  greet (fixture, 0);
  taken = flood (fixture, begin_exec (fixture, NULL), *next, FLOOD_BYTES);
  g_assert_cmpuint (taken, <, FLOOD_BYTES);
  finish_badly (fixture);
}

/* Output within its credit may go on for ever, and is dropped beyond what is kept. */
static void
test_output_without_end (Fixture *fixture, gconstpointer data)
{
  g_autofree guint8 *payload = g_malloc0 (BERTH_FRAME_MAX_PAYLOAD);
  gsize credit = 0, total = 0;
  glong before, most;
  guint32 request;

  greet (fixture, 0);
  request = begin_exec (fixture, &credit);
  peer_send (fixture, BERTH_FRAME_STARTED, request, NULL, 0);
  berth_le32_write (payload, BERTH_STREAM_STDOUT);
  most = before = resident_kb ();
  while (total < FLOOD_BYTES)
    {
      guint8 bytes[BERTH_FRAME_HEAD_SIZE + 8];

      while (g_main_context_iteration (NULL, FALSE))
        ;
      while (recv (fixture->peer, bytes, sizeof bytes, MSG_DONTWAIT) == sizeof bytes)
        credit += berth_le32_read (bytes + BERTH_FRAME_HEAD_SIZE + 4);
      g_assert_cmpuint (credit, >=, BERTH_DATA_MAX);
      for (; credit >= BERTH_DATA_MAX; credit -= BERTH_DATA_MAX, total += BERTH_DATA_MAX)
        {
          peer_send (fixture, BERTH_FRAME_DATA, request, payload, BERTH_FRAME_MAX_PAYLOAD);
          while (g_main_context_iteration (NULL, FALSE))
            ;
        }
      most = MAX (most, resident_kb ());
    }
  g_test_message ("%" G_GSIZE_FORMAT " KiB taken, memory grew by %ld KiB", total / 1024,
                  most - before);
  g_assert_cmpint (most - before, <, GROWTH_MAX_KB);
  g_clear_pointer (&payload, g_free);
  berth_guest_close (fixture->agent);
  finish_badly (fixture);
}

/* ---- a guest that wants much and reads nothing ---- */

/* A caller's pipe that never runs dry, for what @begin asks of the guest */
typedef struct
{
  int caller;
  guint32 stream;
  guint32 request;
  guint32 credit; /* at a time; 0: 1 MiB */
  gsize put;      /* by the caller */
} Endless;

static int
endless_pipe (Endless *endless)
{
  int ends[2];

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  g_assert_true (g_unix_set_fd_nonblocking (ends[1], TRUE, NULL));
  endless->caller = ends[1];
  return hand_over (ends[0], TRUE);
}

static void
begin_endless_stdin (Fixture *fixture, Endless *endless)
{
  g_autofree guint8 *payload = g_malloc (BERTH_FRAME_MAX_PAYLOAD);
  g_autoptr (GBytes) code = g_bytes_new_static ("x", 1);
  BerthExec *exec = berth_exec_new (code);

  endless->stream = BERTH_STREAM_STDIN;
  exec->stdin_fd = endless_pipe (endless);
  berth_guest_exec_async (fixture->agent, exec, BERTH_LANGUAGE_PYTHON, NULL, done_cb, fixture);
  endless->request = peer_read (fixture, payload).request;
  g_assert_cmpuint (peer_read (fixture, payload).type, ==, BERTH_FRAME_DATA); /* the code */
}

static void
begin_endless_put (Fixture *fixture, Endless *endless)
{
  g_autofree guint8 *payload = g_malloc (BERTH_FRAME_MAX_PAYLOAD);
  BerthFileRequest *file = berth_file_request_new (BERTH_FILE_PUT, "file");

  endless->stream = BERTH_STREAM_FILE;
  file->fd = endless_pipe (endless);
  file->size = file->size_max;
  berth_guest_file_async (fixture->agent, file, NULL, done_cb, fixture);
  endless->request = peer_read (fixture, payload).request;
}

/* What somebody types at a terminal */
static void
begin_endless_terminal (Fixture *fixture, Endless *endless)
{
  g_autofree guint8 *payload = g_malloc (BERTH_FRAME_MAX_PAYLOAD);
  g_autoptr (GBytes) words = g_bytes_new_static ("cat", 4);
  BerthExec *exec = berth_exec_new (words);

  endless->stream = BERTH_STREAM_STDIN;
  exec->is_command = TRUE;
  exec->tty = berth_tty_new (24, 80);
  exec->stdin_fd = endless_pipe (endless);
  berth_guest_exec_async (fixture->agent, exec, BERTH_LANGUAGE_PYTHON, NULL, done_cb, fixture);
  endless->request = peer_read (fixture, payload).request;
  g_assert_cmpuint (peer_read (fixture, payload).type, ==, BERTH_FRAME_RESIZE);
  g_assert_cmpuint (peer_read (fixture, payload).type, ==, BERTH_FRAME_DATA); /* the words */
}

/* The standard input of what runs in the background */
static void
begin_endless_attach (Fixture *fixture, Endless *endless)
{
  g_autofree guint8 *payload = g_malloc (BERTH_FRAME_MAX_PAYLOAD);
  BerthBackgroundRequest *request = berth_background_request_new (BERTH_BACKGROUND_ATTACH, 1);

  endless->stream = BERTH_STREAM_STDIN;
  request->follows = TRUE;
  request->stdin_fd = endless_pipe (endless);
  berth_guest_background_async (fixture->agent, request, NULL, done_cb, fixture);
  endless->request = peer_read (fixture, payload).request;
}

static int
endless_link (Endless *endless)
{
  int ends[2];

  endless->stream = BERTH_STREAM_LINK;
  endless->credit = BERTH_LINK_CREDIT_MAX / 4;
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
  endless->caller = ends[1];
  return ends[0];
}

/* What comes to a published port */
static void
begin_endless_port (Fixture *fixture, Endless *endless)
{
  g_autofree guint8 *payload = g_malloc (BERTH_FRAME_MAX_PAYLOAD);
  static const guint8 credit[4];

  berth_guest_link_async (fixture->agent, 80, &(BerthLinkEnd){ .fd = endless_link (endless) }, NULL,
                          done_cb, fixture);
  endless->request = peer_read (fixture, payload).request;
  peer_send (fixture, BERTH_FRAME_LINK_OPENED, endless->request, credit, sizeof credit);
}

static void
accept_cb (BerthGuest *guest, BerthGuestLink *link, const char *name, guint port,
           gpointer user_data)
{
  BerthGuestLink **asked = user_data;

  *asked = link;
}

/* What a server sends to a program that reached it */
static void
begin_endless_reach (Fixture *fixture, Endless *endless)
{
  static const guint8 asks[] = { 0, 0, 0, 0, 80, 0, 0, 0, 'a', '.', 'b' };
  g_autofree guint8 *payload = g_malloc (BERTH_FRAME_MAX_PAYLOAD);
  BerthGuestLink *asked = NULL;

  endless->request = BERTH_LINK_OF_AGENT | 1;
  berth_guest_set_link_func (fixture->agent, accept_cb, &asked);
  peer_send (fixture, BERTH_FRAME_LINK_OPEN, endless->request, asks, sizeof asks);
  while (asked == NULL)
    g_main_context_iteration (NULL, TRUE);
  berth_guest_link_accept_async (asked, &(BerthLinkEnd){ .fd = endless_link (endless) }, NULL,
                                 done_cb, fixture);
  g_assert_cmpuint (peer_read (fixture, payload).type, ==, BERTH_FRAME_LINK_OPENED);
}

static void
feed (Endless *endless)
{
  static const guint8 bytes[65536];
  gssize put;

  while ((put = write (endless->caller, bytes, sizeof bytes)) > 0)
    endless->put += (gsize)put;
}

static void
give_credit (Fixture *fixture, const Endless *endless, guint32 size)
{
  guint8 payload[8];

  berth_le32_write (payload, endless->stream);
  berth_le32_write (payload + 4, size);
  peer_send (fixture, BERTH_FRAME_CREDIT, endless->request, payload, sizeof payload);
}

typedef void (*BeginEndless) (Fixture *fixture, Endless *endless);

/* What waits for the guest stays what the host has room for, whatever it is allowed to send; and
 * more credit than a guest can mean ends it. */
static void
test_credit_and_no_reading (Fixture *fixture, gconstpointer data)
{
  const BeginEndless *begin = data;
  Endless endless = { 0 };
  glong before = resident_kb ();
  guint rounds = 0;

  greet (fixture, 0);
  (*begin) (fixture, &endless);
  for (; rounds < 600 && !fixture->is_closed && fixture->result == NULL; rounds++)
    {
      give_credit (fixture, &endless, endless.credit > 0 ? endless.credit : 1024 * 1024);
      for (guint i = 0; i < 64; i++)
        {
          feed (&endless);
          while (g_main_context_iteration (NULL, FALSE))
            ;
        }
    }
  g_test_message ("%u credits, %" G_GSIZE_FORMAT " KiB taken, memory grew by %ld KiB", rounds,
                  endless.put / 1024, resident_kb () - before);
  g_assert_cmpuint (rounds, <, 20);
  /* the queue, the socket's and the pipe's own buffers */
  g_assert_cmpuint (endless.put, <, 2 * 1024 * 1024);
  run_until_done (fixture);
  g_clear_object (&fixture->result);
  close (endless.caller);
}

static gsize
read_stream (Fixture *fixture)
{
  guint8 bytes[65536];
  gssize got = recv (fixture->peer, bytes, sizeof bytes, MSG_DONTWAIT);

  return got > 0 ? (gsize)got : 0;
}

/* One that begins to read late gets all of it. */
static void
test_reads_late (Fixture *fixture, gconstpointer data)
{
  const BeginEndless *begin = data;
  const gsize credit = 3 * 1024 * 1024;
  Endless endless = { 0 };
  gsize read_bytes = 0;

  greet (fixture, 0);
  (*begin) (fixture, &endless);
  give_credit (fixture, &endless, (guint32)credit);
  for (guint i = 0; i < 100; i++)
    {
      feed (&endless);
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  while (read_bytes < credit)
    {
      feed (&endless);
      read_bytes += read_stream (fixture);
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  berth_guest_close (fixture->agent);
  run_until_done (fixture);
  g_clear_object (&fixture->result);
  close (endless.caller);
}

static void
no_frame_cb (const BerthFrame *frame, gpointer user_data)
{
  g_assert_not_reached ();
}

static void
gave_up_cb (const GError *error, gpointer user_data)
{
  g_assert_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_TOO_LARGE);
  *(gboolean *)user_data = TRUE;
}

/* Requests need no credit, but a guest that lets them add up is given up: not within a caller's
 * call, and nothing more is kept for it. */
static void
test_requests_that_nobody_reads (void)
{
  g_autofree guint8 *payload = g_malloc0 (BERTH_FRAME_MAX_PAYLOAD);
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (BerthFrameChannel) channel = NULL;
  gboolean is_given_up = FALSE;
  glong before = resident_kb ();
  int ends[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  socket = g_socket_new_from_fd (ends[0], NULL);
  channel = berth_frame_channel_new (socket, no_frame_cb, gave_up_cb, &is_given_up);
  for (guint i = 0; i < 2000; i++)
    berth_frame_channel_send (channel, BERTH_FRAME_DATA, 1, payload, BERTH_FRAME_MAX_PAYLOAD, NULL,
                              0);
  g_assert_false (is_given_up);
  while (!is_given_up)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (resident_kb () - before, <, GROWTH_MAX_KB);
  close (ends[1]);
}

/* A terminal may get another size as often as its caller likes: no more than the newest waits for
 * a guest that reads nothing. */
static void
test_sizes_that_nobody_reads (Fixture *fixture, gconstpointer data)
{
  g_autofree guint8 *payload = g_malloc (BERTH_FRAME_MAX_PAYLOAD);
  g_autoptr (BerthTty) tty = berth_tty_new (1, 1);
  g_autoptr (GBytes) words = g_bytes_new_static ("cat", 4);
  BerthExec *exec = berth_exec_new (words);
  glong before = resident_kb ();

  greet (fixture, 0);
  exec->is_command = TRUE;
  exec->tty = berth_tty_ref (tty);
  berth_guest_exec_async (fixture->agent, exec, BERTH_LANGUAGE_PYTHON, NULL, done_cb, fixture);
  for (guint i = 0; i < 1000000; i++)
    berth_tty_resize (tty, 1 + i % 2, 1 + i % 1000);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_false (fixture->is_closed);
  g_assert_cmpint (resident_kb () - before, <, 4 * 1024);
  berth_guest_close (fixture->agent);
  finish_badly (fixture);
}

/* Any type, for any request, of any size, at any time: the call ends, the channel closes or waits.
 */
static void
put_any_frame (GByteArray *out, guint32 request)
{
  static const guint32 types[]
      = { 1,  2,  3,  4,  5,  6,  7,  8,  16, 17, 18,  32,  33,  34,  35,  36,  37, 38,
          64, 65, 66, 72, 73, 74, 80, 96, 97, 98, 100, 101, 102, 104, 112, 114, 0,  99 };
  static const guint32 sizes[] = { 0, 4, 8, 12, 36, 40, 44, 60, 1000 };
  guint32 type = types[g_test_rand_int_range (0, G_N_ELEMENTS (types))];
  guint32 size = sizes[g_test_rand_int_range (0, G_N_ELEMENTS (sizes))];
  g_autofree guint8 *payload = g_malloc0 (size + 1);

  for (guint i = 0; i < MIN (size, 64); i++)
    payload[i] = (guint8)(g_test_rand_bit () ? g_test_rand_int_range (0, 6) : g_test_rand_int ());
  append_frame (out, type, request + (guint32)g_test_rand_int_range (-1, 2), payload, size);
}

static void
test_anything (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gsize from = 0;
  guint32 request;

  greet (fixture, 0);
  request = begin_exec (fixture, NULL);
  if (g_test_rand_bit ())
    peer_send (fixture, BERTH_FRAME_STARTED, request, NULL, 0);
  for (guint i = 0; i < 200; i++)
    put_any_frame (bytes, request);
  while (from < bytes->len && !fixture->is_closed && pour (fixture, bytes, &from) > 0)
    while (g_main_context_iteration (NULL, FALSE))
      ;
  shutdown (fixture->peer, SHUT_WR); /* and then it dies */
  run_until_done (fixture);
  result = berth_guest_exec_finish (fixture->agent, fixture->result, &error);
  g_assert_true ((result == NULL) == (error != NULL));
}

static void
test_anything_many_times (void)
{
  guint rounds = g_getenv ("BERTH_TEST_LONG") != NULL ? 100000 : 2000;

  for (guint i = 0; i < rounds; i++)
    {
      Fixture fixture = { 0 };

      set_up (&fixture, NULL);
      test_anything (&fixture, NULL);
      tear_down (&fixture, NULL);
    }
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    NextFrame next;
  } floods[] = {
    { "/agent-hostile/flood/started", next_started },
    { "/agent-hostile/flood/empty", next_empty },
    { "/agent-hostile/flood/credit", next_credit },
    { "/agent-hostile/flood/ready", next_ready },
    { "/agent-hostile/flood/hello", next_hello },
    { "/agent-hostile/flood/stranger", next_stranger },
  };

  static const struct
  {
    const char *credit;
    const char *late;
    BeginEndless begin;
  } endless[] = {
    { "/agent-hostile/credit-and-no-reading/stdin", "/agent-hostile/reads-late/stdin",
      begin_endless_stdin },
    { "/agent-hostile/credit-and-no-reading/put", "/agent-hostile/reads-late/put",
      begin_endless_put },
    { "/agent-hostile/credit-and-no-reading/terminal", "/agent-hostile/reads-late/terminal",
      begin_endless_terminal },
    { "/agent-hostile/credit-and-no-reading/attach", "/agent-hostile/reads-late/attach",
      begin_endless_attach },
    /* late: link: guest-reads-nothing */
    { "/agent-hostile/credit-and-no-reading/port", NULL, begin_endless_port },
    { "/agent-hostile/credit-and-no-reading/reach", NULL, begin_endless_reach },
  };

  g_test_init (&argc, &argv, NULL);
  g_test_add ("/agent-hostile/noise-instead-of-an-answer", Fixture, NULL, set_up,
              test_noise_instead_of_an_answer, tear_down);
  for (gsize i = 0; i < G_N_ELEMENTS (floods); i++)
    g_test_add (floods[i].path, Fixture, &floods[i].next, set_up, test_free_frames, tear_down);
  g_test_add ("/agent-hostile/output-without-end", Fixture, NULL, set_up, test_output_without_end,
              tear_down);
  for (gsize i = 0; i < G_N_ELEMENTS (endless); i++)
    {
      g_test_add (endless[i].credit, Fixture, &endless[i].begin, set_up, test_credit_and_no_reading,
                  tear_down);
      if (endless[i].late != NULL)
        g_test_add (endless[i].late, Fixture, &endless[i].begin, set_up, test_reads_late,
                    tear_down);
    }
  g_test_add_func ("/agent-hostile/requests-that-nobody-reads", test_requests_that_nobody_reads);
  g_test_add ("/agent-hostile/sizes-that-nobody-reads", Fixture, NULL, set_up,
              test_sizes_that_nobody_reads, tear_down);
  g_test_add_func ("/agent-hostile/anything", test_anything_many_times);
  return g_test_run ();
}

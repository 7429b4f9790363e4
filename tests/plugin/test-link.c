/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's side of links, with a guest that the test plays, fair or not, and with the agent. */
#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent-fixture.h"
#include "plugin/model/berth-link.h"
#include "pool/berth-error.h"

#define WINDOW BERTH_LINK_CREDIT_MAX
#define OF_AGENT(n) (BERTH_LINK_OF_AGENT | (n))

static void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* While the host writes what it could not yet. */
static void
peer_take (Fixture *fixture, guint8 *bytes, gsize size)
{
  while (size > 0)
    {
      gssize count = recv (fixture->peer, bytes, size, MSG_DONTWAIT);

      g_main_context_iteration (NULL, FALSE);
      if (count <= 0)
        continue;
      bytes += count;
      size -= (gsize)count;
    }
}

static BerthFrameHead
peer_await (Fixture *fixture, guint8 *payload)
{
  guint8 bytes[BERTH_FRAME_HEAD_SIZE];
  BerthFrameHead head;

  peer_take (fixture, bytes, sizeof bytes);
  g_assert_true (berth_frame_head_read (bytes, &head));
  peer_take (fixture, payload, head.length);
  return head;
}

static guint32
expect (Fixture *fixture, guint32 type, guint8 *payload, guint32 size)
{
  BerthFrameHead head = peer_await (fixture, payload);

  g_assert_cmpuint (head.type, ==, type);
  g_assert_cmpuint (head.length, ==, size);
  return head.request;
}

static void
expect_end (Fixture *fixture, guint32 request, BerthLinkReason reason)
{
  guint8 payload[4];

  g_assert_cmpuint (expect (fixture, BERTH_FRAME_LINK_END, payload, 4), ==, request);
  g_assert_cmpuint (berth_le32_read (payload), ==, reason);
}

static void
expect_data (Fixture *fixture, guint32 request, const char *text)
{
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];
  guint32 size = 4 + (guint32)strlen (text);

  g_assert_cmpuint (expect (fixture, BERTH_FRAME_DATA, payload, size), ==, request);
  g_assert_cmpuint (berth_le32_read (payload), ==, BERTH_STREAM_LINK);
  g_assert_cmpmem (payload + 4, size - 4, text, strlen (text));
}

static void
send_number (Fixture *fixture, guint32 type, guint32 request, guint32 number)
{
  guint8 payload[4];

  berth_le32_write (payload, number);
  peer_send (fixture, type, request, payload, sizeof payload);
}

static void
send_data (Fixture *fixture, guint32 request, gconstpointer bytes, gsize size)
{
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];

  berth_le32_write (payload, BERTH_STREAM_LINK);
  memcpy (payload + 4, bytes, size);
  peer_send (fixture, BERTH_FRAME_DATA, request, payload, 4 + size);
}

static void
send_open (Fixture *fixture, guint32 request, const char *name)
{
  guint8 payload[8 + BERTH_LINK_NAME_MAX];
  gsize size = strlen (name);

  berth_le32_write (payload, WINDOW);
  berth_le32_write (payload + 4, 443);
  memcpy (payload + 8, name, size);
  peer_send (fixture, BERTH_FRAME_LINK_OPEN, request, payload, 8 + size);
}

static void
make_pair (int fds[2])
{
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
}

/* Begins one to port 80 of a greeted guest; our end of its descriptor. */
static int
begin (Fixture *fixture, GCancellable *cancellable, guint32 *out_request, guint32 *out_window)
{
  guint8 payload[8];
  int fds[2];

  make_pair (fds);
  berth_guest_link_async (fixture->agent, 80, &(BerthLinkEnd){ .fd = fds[0] }, cancellable, done_cb,
                          fixture);
  *out_request = expect (fixture, BERTH_FRAME_LINK_OPEN, payload, 8);
  g_assert_cmpuint (berth_le32_read (payload + 4), ==, 80);
  *out_window = berth_le32_read (payload);
  return fds[1];
}

static int
begin_open (Fixture *fixture, guint32 *out_request, guint32 *out_window)
{
  int fd;

  greet (fixture, BERTH_HELLO_READY);
  fd = begin (fixture, NULL, out_request, out_window);
  send_number (fixture, BERTH_FRAME_LINK_OPENED, *out_request, WINDOW);
  return fd;
}

static BerthLinkResult
finish (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autofree BerthLinkResult *result = NULL;

  run_until_done (fixture);
  result = berth_guest_link_finish (fixture->agent, fixture->result, &error);
  g_assert_no_error (error);
  g_clear_object (&fixture->result);
  return *result;
}

static void
assert_fails (Fixture *fixture, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;
  g_autofree BerthLinkResult *result = NULL;

  run_until_done (fixture);
  result = berth_guest_link_finish (fixture->agent, fixture->result, &error);
  g_assert_null (result);
  g_assert_error (error, domain, code);
  g_clear_object (&fixture->result);
}

static void
await_text (int fd, const char *text)
{
  char bytes[256];
  gssize count;

  while ((count = recv (fd, bytes, sizeof bytes, 0)) < 0 && errno == EAGAIN)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpmem (bytes, count, text, strlen (text));
}

static void
test_both_ways (Fixture *fixture, gconstpointer data)
{
  guint32 request, window;
  int fd = begin_open (fixture, &request, &window);
  BerthLinkResult result;

  g_assert_cmpint (send (fd, "question", 8, 0), ==, 8);
  expect_data (fixture, request, "question");
  send_data (fixture, request, "answer", 6);
  await_text (fd, "answer");
  g_assert_no_errno (shutdown (fd, SHUT_WR));
  expect_data (fixture, request, "");
  send_data (fixture, request, "more", 4);
  await_text (fd, "more");
  send_data (fixture, request, "", 0);
  await_text (fd, "");
  send_number (fixture, BERTH_FRAME_LINK_END, request, BERTH_LINK_DONE);
  result = finish (fixture);
  g_assert_cmpuint (result.reason, ==, BERTH_LINK_DONE);
  g_assert_true (result.was_connected);
  g_assert_cmpuint (result.sent_bytes, ==, 8);
  g_assert_cmpuint (result.received_bytes, ==, 10);
  close (fd);
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  guint32 request, window;
  BerthLinkResult result;
  int fd;

  greet (fixture, BERTH_HELLO_READY);
  fd = begin (fixture, NULL, &request, &window);
  g_assert_cmpint (send (fd, "early", 5, 0), ==, 5);
  settle ();
  send_number (fixture, BERTH_FRAME_LINK_END, request, BERTH_LINK_REFUSED);
  result = finish (fixture);
  g_assert_cmpuint (result.reason, ==, BERTH_LINK_REFUSED);
  g_assert_false (result.was_connected);
  g_assert_cmpuint (result.sent_bytes, ==, 0);
  close (fd);
}

/* What came before the guest's end is delivered, however slowly it is taken. */
static void
test_slow_reader (Fixture *fixture, gconstpointer data)
{
  guint32 request, window;
  int fd = begin_open (fixture, &request, &window);
  g_autofree guint8 *bytes = g_malloc0 (60000);
  guint8 taken[5000];
  gsize sent = 0, got = 0;
  gssize count;

  g_assert_cmpuint (window, ==, WINDOW);
  for (; sent + 60000 <= window; sent += 60000)
    {
      send_data (fixture, request, bytes, 60000);
      settle ();
    }
  send_data (fixture, request, "", 0);
  send_number (fixture, BERTH_FRAME_LINK_END, request, BERTH_LINK_RESET);
  settle ();
  g_assert_null (fixture->result);
  while ((count = recv (fd, taken, sizeof taken, 0)) != 0)
    {
      got += count > 0 ? (gsize)count : 0;
      g_main_context_iteration (NULL, FALSE);
    }
  g_assert_cmpuint (got, ==, sent);
  g_assert_cmpuint (finish (fixture).reason, ==, BERTH_LINK_RESET);
  close (fd);
}

static void
test_credit_comes_back (Fixture *fixture, gconstpointer data)
{
  guint32 request, window;
  int fd = begin_open (fixture, &request, &window);
  g_autofree guint8 *bytes = g_malloc0 (60000);
  guint8 payload[8];
  guint32 back = 0;

  for (gsize sent = 0; sent + 60000 <= window; sent += 60000)
    {
      send_data (fixture, request, bytes, 60000);
      settle ();
    }
  while (back < window / 2)
    {
      struct pollfd item = { .fd = fixture->peer, .events = POLLIN };

      while (recv (fd, bytes, 60000, 0) > 0)
        ;
      g_main_context_iteration (NULL, FALSE);
      if (poll (&item, 1, 0) == 0)
        continue;
      g_assert_cmpuint (expect (fixture, BERTH_FRAME_CREDIT, payload, 8), ==, request);
      g_assert_cmpuint (berth_le32_read (payload), ==, BERTH_STREAM_LINK);
      back += berth_le32_read (payload + 4);
    }
  close (fd);
  berth_guest_close (fixture->agent);
  finish (fixture);
}

/* A writer without end: as much as the guest has given credit for, and no more is read; at once no
 * more than a segment of the guest's TCP has room for. */
static void
test_guest_takes_no_more (Fixture *fixture, gconstpointer data)
{
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD] = { 0 };
  guint32 request, window;
  int fd;

  greet (fixture, BERTH_HELLO_READY);
  fd = begin (fixture, NULL, &request, &window);
  send_number (fixture, BERTH_FRAME_LINK_OPENED, request, 10);
  g_assert_cmpint (send (fd, payload, 10 + 60 * 1024 + 16, 0), ==, 10 + 60 * 1024 + 16);
  expect (fixture, BERTH_FRAME_DATA, payload, 4 + 10);
  settle ();
  berth_le32_write (payload, BERTH_STREAM_LINK);
  berth_le32_write (payload + 4, 100000);
  peer_send (fixture, BERTH_FRAME_CREDIT, request, payload, 8);
  expect (fixture, BERTH_FRAME_DATA, payload, 4 + 60 * 1024);
  expect (fixture, BERTH_FRAME_DATA, payload, 4 + 16);
  close (fd);
  expect_data (fixture, request, "");
  berth_guest_close (fixture->agent);
  g_assert_cmpuint (finish (fixture).reason, ==, BERTH_LINK_RESET);
}

static void
ignore_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree BerthLinkResult *end = berth_guest_link_finish (BERTH_GUEST (source), result, NULL);

  *(guint *)user_data += 1;
}

/* Many that write, to a guest that does not read: what waits for it is bounded, and each has its
 * turn when it reads again. */
static void
test_guest_reads_nothing (Fixture *fixture, gconstpointer data)
{
  enum
  {
    LINKS = 40
  };
  g_autofree guint8 *bytes = g_malloc0 (BERTH_FRAME_MAX_PAYLOAD);
  g_autoptr (GHashTable) heard = g_hash_table_new (NULL, NULL);
  guint32 requests[LINKS];
  int fds[LINKS][2];
  guint frames = 0, ended = 0;

  greet (fixture, BERTH_HELLO_READY);
  for (guint i = 0; i < LINKS; i++)
    {
      make_pair (fds[i]);
      berth_guest_link_async (fixture->agent, 80, &(BerthLinkEnd){ .fd = fds[i][0] }, NULL,
                              ignore_cb, &ended);
      requests[i] = expect (fixture, BERTH_FRAME_LINK_OPEN, bytes, 8);
      while (send (fds[i][1], bytes, 50000, 0) > 0)
        ;
    }
  for (guint i = 0; i < LINKS; i++)
    send_number (fixture, BERTH_FRAME_LINK_OPENED, requests[i], WINDOW);
  settle ();
  for (; g_hash_table_size (heard) < LINKS; frames++)
    {
      BerthFrameHead head = peer_await (fixture, bytes);

      g_assert_cmpuint (head.type, ==, BERTH_FRAME_DATA);
      g_hash_table_add (heard, GUINT_TO_POINTER (head.request));
    }
  /* nobody had many turns before everybody had one */
  g_assert_cmpuint (frames, <=, 3 * LINKS);
  g_assert_false (fixture->is_closed);
  for (guint i = 0; i < LINKS; i++)
    close (fds[i][1]);
  berth_guest_close (fixture->agent);
  while (ended < LINKS)
    g_main_context_iteration (NULL, TRUE);
}

/* The caller's peer goes: the guest is told, and what it sends until it knows is nothing. */
static void
test_caller_resets (Fixture *fixture, gconstpointer data)
{
  guint32 request, window;
  int fd = begin_open (fixture, &request, &window);

  settle ();
  close (fd);
  expect_data (fixture, request, "");
  send_data (fixture, request, "lost", 4);
  expect_end (fixture, request, BERTH_LINK_RESET);
  g_assert_cmpuint (finish (fixture).reason, ==, BERTH_LINK_RESET);
  send_data (fixture, request, "late", 4);
  send_number (fixture, BERTH_FRAME_LINK_END, request, BERTH_LINK_RESET);
  settle ();
  g_assert_false (fixture->is_closed);
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  guint32 request, window;
  int fd;

  greet (fixture, BERTH_HELLO_READY);
  fd = begin (fixture, cancellable, &request, &window);
  g_cancellable_cancel (cancellable);
  expect_end (fixture, request, BERTH_LINK_RESET);
  assert_fails (fixture, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  send_number (fixture, BERTH_FRAME_LINK_OPENED, request, WINDOW);
  send_number (fixture, BERTH_FRAME_LINK_END, request, BERTH_LINK_RESET);
  settle ();
  g_assert_false (fixture->is_closed);
  close (fd);
}

/* From FREEZE to the end of THAW no byte of a link comes to the guest; what waited comes then. */
static void
test_frozen (Fixture *fixture, gconstpointer data)
{
  g_autofree guint8 *bytes = g_malloc0 (BERTH_DATA_MAX);
  guint32 request, window, call;
  int fd = begin_open (fixture, &request, &window), fds[2];
  guint8 payload[8];
  guint ended = 0;

  berth_guest_freeze_async (fixture->agent, TRUE, 60000, NULL, done_cb, fixture);
  call = expect (fixture, BERTH_FRAME_FREEZE, payload, 0);
  g_assert_cmpint (send (fd, "meanwhile", 9, 0), ==, 9);
  make_pair (fds);
  berth_guest_link_async (fixture->agent, 80, &(BerthLinkEnd){ .fd = fds[0] }, NULL, ignore_cb,
                          &ended);
  send_data (fixture, request, bytes, BERTH_DATA_MAX); /* is worth credit when it is taken */
  send_data (fixture, request, bytes, 1000);
  settle ();
  send_number (fixture, BERTH_FRAME_FROZEN, call, 1);
  run_until_done (fixture);
  g_clear_object (&fixture->result);
  g_assert_cmpint (recv (fixture->peer, payload, 1, MSG_DONTWAIT), <, 0);
  berth_guest_freeze_async (fixture->agent, FALSE, 60000, NULL, done_cb, fixture);
  call = expect (fixture, BERTH_FRAME_THAW, payload, 8);
  settle ();
  g_assert_cmpint (recv (fixture->peer, payload, 1, MSG_DONTWAIT), <, 0);
  send_number (fixture, BERTH_FRAME_FROZEN, call, 0);
  expect (fixture, BERTH_FRAME_LINK_OPEN, payload, 8);
  expect (fixture, BERTH_FRAME_CREDIT, payload, 8);
  expect_data (fixture, request, "meanwhile");
  g_clear_object (&fixture->result);
  berth_guest_close (fixture->agent);
  while (ended == 0)
    g_main_context_iteration (NULL, TRUE);
  close (fd);
  close (fds[1]);
}

static void
test_older_agent (Fixture *fixture, gconstpointer data)
{
  int fds[2];

  greet_as (fixture, BERTH_LINK_VERSION - 1, BERTH_HELLO_READY);
  make_pair (fds);
  berth_guest_link_async (fixture->agent, 80, &(BerthLinkEnd){ .fd = fds[0] }, NULL, done_cb,
                          fixture);
  assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_CONFIG);
  close (fds[1]);
}

static void
test_as_many_as_may_be (Fixture *fixture, gconstpointer data)
{
  guint8 payload[8];
  guint32 request = 0;
  guint64 reserved = 0;
  guint ended = 0;
  int fds[2];

  greet (fixture, BERTH_HELLO_READY);
  for (guint i = 0; i < BERTH_LINKS_MAX; i++)
    {
      make_pair (fds);
      berth_guest_link_async (fixture->agent, 80, &(BerthLinkEnd){ .fd = fds[0] }, NULL, ignore_cb,
                              &ended);
      close (fds[1]);
      request = expect (fixture, BERTH_FRAME_LINK_OPEN, payload, 8);
      reserved += berth_le32_read (payload);
    }
  g_assert_cmpuint (reserved, <=, 8 * 1024 * 1024);
  make_pair (fds);
  berth_guest_link_async (fixture->agent, 80, &(BerthLinkEnd){ .fd = fds[0] }, NULL, done_cb,
                          fixture);
  assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  close (fds[1]);
  send_number (fixture, BERTH_FRAME_LINK_END, request, BERTH_LINK_REFUSED);
  while (ended == 0)
    g_main_context_iteration (NULL, TRUE);
  berth_guest_close (fixture->agent);
  while (ended < BERTH_LINKS_MAX)
    g_main_context_iteration (NULL, TRUE);
}

/* The guest ends them while bytes wait for who reads none: these stay counted until they are gone.
 */
static void
test_rinsing_counts (Fixture *fixture, gconstpointer data)
{
  static const guint8 bytes[16000];
  const int least = 1;
  guint8 payload[8];
  guint64 reserved = 0;
  guint ended = 0;
  int fds[BERTH_LINKS_MAX][2];
  int more[2];

  greet (fixture, BERTH_HELLO_READY);
  for (guint i = 0; i < BERTH_LINKS_MAX; i++)
    {
      BerthFrameHead head;

      make_pair (fds[i]);
      g_assert_no_errno (setsockopt (fds[i][0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least));
      berth_guest_link_async (fixture->agent, 80, &(BerthLinkEnd){ .fd = fds[i][0] }, NULL,
                              ignore_cb, &ended);
      do
        head = peer_await (fixture, payload); /* credit for what a descriptor took comes, too */
      while (head.type != BERTH_FRAME_LINK_OPEN);
      reserved += berth_le32_read (payload);
      send_number (fixture, BERTH_FRAME_LINK_OPENED, head.request, WINDOW);
      send_data (fixture, head.request, bytes, sizeof bytes);
      send_number (fixture, BERTH_FRAME_LINK_END, head.request, BERTH_LINK_RESET);
      settle ();
    }
  g_assert_cmpuint (ended, ==, 0);
  g_assert_cmpuint (reserved, <=, 8 * 1024 * 1024);
  make_pair (more);
  berth_guest_link_async (fixture->agent, 80, &(BerthLinkEnd){ .fd = more[0] }, NULL, done_cb,
                          fixture);
  assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  close (more[1]);
  /* the first is read to its end, the others are never: they end in time */
  while (recv (fds[0][1], payload, sizeof payload, 0) != 0)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (ended, ==, 1);
  while (ended < BERTH_LINKS_MAX)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < BERTH_LINKS_MAX; i++)
    close (fds[i][1]);
}

/* ---- of the guest's programs ---- */

typedef struct
{
  BerthGuestLink *link;
  char *name;
  guint port;
} Asked;

static void
asked_cb (BerthGuest *guest, BerthGuestLink *link, const char *name, guint port, gpointer user_data)
{
  Asked *asked = user_data;

  g_assert_null (asked->link);
  asked->link = link;
  asked->name = g_strdup (name);
  asked->port = port;
}

static void
ask (Fixture *fixture, Asked *asked, guint32 request)
{
  greet (fixture, BERTH_HELLO_READY);
  berth_guest_set_link_func (fixture->agent, asked_cb, asked);
  send_open (fixture, request, "example.org");
  while (asked->link == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (asked->name, ==, "example.org");
  g_assert_cmpuint (asked->port, ==, 443);
  g_clear_pointer (&asked->name, g_free);
}

static void
test_program_is_denied (Fixture *fixture, gconstpointer data)
{
  greet (fixture, BERTH_HELLO_READY);
  send_open (fixture, OF_AGENT (1), "example.org");
  expect_end (fixture, OF_AGENT (1), BERTH_LINK_DENIED);
  send_number (fixture, BERTH_FRAME_LINK_END, OF_AGENT (1), BERTH_LINK_RESET);
  settle ();
  g_assert_false (fixture->is_closed);
}

static void
test_name_is_no_name (Fixture *fixture, gconstpointer data)
{
  Asked asked = { 0 };

  greet (fixture, BERTH_HELLO_READY);
  berth_guest_set_link_func (fixture->agent, asked_cb, &asked);
  send_open (fixture, OF_AGENT (1), "exam ple");
  expect_end (fixture, OF_AGENT (1), BERTH_LINK_DENIED);
  g_assert_null (asked.link);
}

static void
test_program_is_refused (Fixture *fixture, gconstpointer data)
{
  Asked asked = { 0 };

  ask (fixture, &asked, OF_AGENT (1));
  berth_guest_link_refuse (asked.link, BERTH_LINK_UNREACHABLE);
  expect_end (fixture, OF_AGENT (1), BERTH_LINK_UNREACHABLE);
}

static void
test_program_is_accepted (Fixture *fixture, gconstpointer data)
{
  Asked asked = { 0 };
  guint8 payload[4];
  int fds[2];

  ask (fixture, &asked, OF_AGENT (7));
  make_pair (fds);
  berth_guest_link_accept_async (asked.link, &(BerthLinkEnd){ .fd = fds[0] }, NULL, done_cb,
                                 fixture);
  g_assert_cmpuint (expect (fixture, BERTH_FRAME_LINK_OPENED, payload, 4), ==, OF_AGENT (7));
  send_data (fixture, OF_AGENT (7), "GET", 3);
  await_text (fds[1], "GET");
  g_assert_cmpint (send (fds[1], "200", 3, 0), ==, 3);
  expect_data (fixture, OF_AGENT (7), "200");
  close (fds[1]);
  expect_data (fixture, OF_AGENT (7), "");
  send_data (fixture, OF_AGENT (7), "", 0);
  send_number (fixture, BERTH_FRAME_LINK_END, OF_AGENT (7), BERTH_LINK_DONE);
  g_assert_cmpuint (finish (fixture).reason, ==, BERTH_LINK_DONE);
}

static void
test_program_gives_up (Fixture *fixture, gconstpointer data)
{
  Asked asked = { 0 };
  int fds[2];

  ask (fixture, &asked, OF_AGENT (1));
  send_number (fixture, BERTH_FRAME_LINK_END, OF_AGENT (1), BERTH_LINK_RESET);
  settle ();
  make_pair (fds);
  berth_guest_link_accept_async (asked.link, &(BerthLinkEnd){ .fd = fds[0] }, NULL, done_cb,
                                 fixture);
  g_assert_cmpuint (finish (fixture).reason, ==, BERTH_LINK_RESET);
  close (fds[1]);
}

static void
test_guest_goes_unanswered (Fixture *fixture, gconstpointer data)
{
  Asked asked = { 0 };

  ask (fixture, &asked, OF_AGENT (1));
  berth_guest_close (fixture->agent);
  berth_guest_link_refuse (asked.link, BERTH_LINK_DENIED);
}

/* ---- what a guest may not ---- */

typedef void (*Breaker) (Fixture *fixture, guint32 request, guint32 window);

static void
assert_breaks (Fixture *fixture)
{
  while (!fixture->is_closed)
    g_main_context_iteration (NULL, TRUE);
}

static void
break_credit (Fixture *fixture, guint32 request, guint32 window)
{
  g_autofree guint8 *bytes = g_malloc0 (60000);

  /* what the kernel keeps for the descriptor gives credit back */
  for (guint i = 0; i < 20 && !fixture->is_closed; i++)
    {
      send_data (fixture, request, bytes, 60000);
      settle ();
    }
}

static void
break_end_twice (Fixture *fixture, guint32 request, guint32 window)
{
  send_data (fixture, request, "", 0);
  send_data (fixture, request, "", 0);
}

static void
break_done_early (Fixture *fixture, guint32 request, guint32 window)
{
  send_number (fixture, BERTH_FRAME_LINK_END, request, BERTH_LINK_DONE);
}

static void
break_opened_twice (Fixture *fixture, guint32 request, guint32 window)
{
  send_number (fixture, BERTH_FRAME_LINK_OPENED, request, 1);
}

static void
break_credit_too_large (Fixture *fixture, guint32 request, guint32 window)
{
  guint8 payload[8];

  berth_le32_write (payload, BERTH_STREAM_LINK);
  berth_le32_write (payload + 4, 1);
  peer_send (fixture, BERTH_FRAME_CREDIT, request, payload, sizeof payload);
}

static void
break_other_stream (Fixture *fixture, guint32 request, guint32 window)
{
  const guint8 payload[5] = { BERTH_STREAM_STDOUT };

  peer_send (fixture, BERTH_FRAME_DATA, request, payload, sizeof payload);
}

static void
break_foreign_frame (Fixture *fixture, guint32 request, guint32 window)
{
  peer_send (fixture, BERTH_FRAME_STARTED, request, "", 0);
}

static void
break_nameless (Fixture *fixture, guint32 request, guint32 window)
{
  send_open (fixture, OF_AGENT (1), "");
}

static void
break_id (Fixture *fixture, guint32 request, guint32 window)
{
  send_open (fixture, 99, "example.org");
}

static void
break_id_twice (Fixture *fixture, guint32 request, guint32 window)
{
  send_open (fixture, OF_AGENT (1), "example.org");
  send_open (fixture, OF_AGENT (1), "example.org");
}

static void
break_count (Fixture *fixture, guint32 request, guint32 window)
{
  for (guint32 i = 1; i <= BERTH_LINKS_MAX + 1; i++)
    {
      send_open (fixture, OF_AGENT (i), "example.org");
      settle ();
    }
}

static void
test_broken_rule (Fixture *fixture, gconstpointer data)
{
  guint32 request, window;
  int fd = begin_open (fixture, &request, &window);

  ((Breaker)data) (fixture, request, window);
  assert_breaks (fixture);
  g_assert_cmpuint (finish (fixture).reason, ==, BERTH_LINK_RESET);
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/link/" name, Fixture, NULL, set_up, func, tear_down)
#define ADD_BREAK(name, func)                                                                      \
  g_test_add ("/link/breaks/" name, Fixture, func, set_up, test_broken_rule, tear_down)
  ADD ("both-ways", test_both_ways);
  ADD ("refused", test_refused);
  ADD ("slow-reader", test_slow_reader);
  ADD ("credit-comes-back", test_credit_comes_back);
  ADD ("guest-takes-no-more", test_guest_takes_no_more);
  ADD ("guest-reads-nothing", test_guest_reads_nothing);
  ADD ("caller-resets", test_caller_resets);
  ADD ("cancel", test_cancel);
  ADD ("frozen", test_frozen);
  ADD ("older-agent", test_older_agent);
  ADD ("as-many-as-may-be", test_as_many_as_may_be);
  ADD ("rinsing-counts", test_rinsing_counts);
  ADD ("program/denied", test_program_is_denied);
  ADD ("program/no-name", test_name_is_no_name);
  ADD ("program/refused", test_program_is_refused);
  ADD ("program/accepted", test_program_is_accepted);
  ADD ("program/gives-up", test_program_gives_up);
  ADD ("program/guest-goes", test_guest_goes_unanswered);
  ADD_BREAK ("credit", break_credit);
  ADD_BREAK ("end-twice", break_end_twice);
  ADD_BREAK ("done-early", break_done_early);
  ADD_BREAK ("opened-twice", break_opened_twice);
  ADD_BREAK ("credit-too-large", break_credit_too_large);
  ADD_BREAK ("other-stream", break_other_stream);
  ADD_BREAK ("foreign-frame", break_foreign_frame);
  ADD_BREAK ("nameless", break_nameless);
  ADD_BREAK ("id", break_id);
  ADD_BREAK ("id-twice", break_id_twice);
  ADD_BREAK ("count", break_count);
  return g_test_run ();
}

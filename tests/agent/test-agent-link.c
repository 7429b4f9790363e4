/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links: the agent connects to servers that the test plays on the loopback, fair ones and others.
 */
#include "agent-peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CREDIT BERTH_LINK_CREDIT_MAX
#define WAIT_MS 30000

/* A server of one port, and the link to it */
typedef struct
{
  AgentPeer *peer;
  int listener, fd;
  guint16 port;
  guint32 request;
  guint32 credit; /* of ours */
} Link;

static void
link_clear (Link *link)
{
  if (link->listener >= 0)
    close (link->listener);
  if (link->fd >= 0)
    close (link->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Link, link_clear)

static int
listen_at (const struct sockaddr *address, socklen_t size, guint16 *out_port)
{
  int fd = socket (address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in6 got;
  socklen_t got_size = sizeof got;

  if (fd < 0 || bind (fd, address, size) != 0)
    return -1;
  g_assert_cmpint (listen (fd, 512), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *)&got, &got_size), ==, 0);
  *out_port = ntohs (got.sin6_port); /* lies where that of IPv4 does */
  return fd;
}

static int
listen_here (guint16 *out_port)
{
  struct sockaddr_in address
      = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int fd = listen_at ((struct sockaddr *)&address, sizeof address, out_port);

  g_assert_cmpint (fd, >=, 0);
  return fd;
}

static void
await (int fd, short events)
{
  struct pollfd item = { .fd = fd, .events = events };

  g_assert_cmpint (poll (&item, 1, WAIT_MS), ==, 1);
}

static int
accept_one (int listener)
{
  int fd;

  await (listener, POLLIN);
  fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  g_assert_cmpint (fd, >=, 0);
  return fd;
}

static guint32
send_open (AgentPeer *peer, guint32 credit, guint32 port)
{
  guint8 payload[8];

  berth_le32_write (payload, credit);
  berth_le32_write (payload + 4, port);
  agent_peer_send (peer, BERTH_FRAME_LINK_OPEN, ++peer->request, payload, sizeof payload);
  return peer->request;
}

static guint32
expect_number (AgentPeer *peer, guint32 request, guint32 type)
{
  AgentFrame frame;

  agent_peer_expect (peer, request, type, &frame);
  return berth_le32_read (frame.payload);
}

static void
expect_end (AgentPeer *peer, guint32 request, BerthLinkReason reason)
{
  g_assert_cmpuint (expect_number (peer, request, BERTH_FRAME_LINK_END), ==, reason);
}

static void
expect_protocol_error (AgentPeer *peer)
{
  g_assert_cmpuint (expect_number (peer, 0, BERTH_FRAME_ERROR), ==, BERTH_AGENT_ERROR_PROTOCOL);
}

static Link
begin (AgentPeer *peer, guint32 credit)
{
  Link link = { .peer = peer };

  link.listener = listen_here (&link.port);
  link.request = send_open (peer, credit, link.port);
  link.fd = accept_one (link.listener);
  link.credit = expect_number (peer, link.request, BERTH_FRAME_LINK_OPENED);
  g_assert_cmpuint (link.credit, >=, 1024);
  return link;
}

static void
send_data (AgentPeer *peer, guint32 request, gconstpointer bytes, gsize size)
{
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];

  berth_le32_write (payload, BERTH_STREAM_LINK);
  memcpy (payload + 4, bytes, size);
  agent_peer_send (peer, BERTH_FRAME_DATA, request, payload, 4 + (guint32)size);
}

static void
expect_data (AgentPeer *peer, guint32 request, const char *text)
{
  AgentFrame frame;

  agent_peer_expect (peer, request, BERTH_FRAME_DATA, &frame);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_STREAM_LINK);
  g_assert_cmpmem (frame.payload + 4, frame.head.length - 4, text, strlen (text));
}

static void
expect_text (int fd, const char *text)
{
  char bytes[256];
  gsize size = 0;

  while (size < strlen (text))
    {
      gssize count;

      await (fd, POLLIN);
      count = recv (fd, bytes + size, sizeof bytes - size, 0);
      g_assert_cmpint (count, >, 0);
      size += (gsize)count;
    }
  g_assert_cmpmem (bytes, size, text, strlen (text));
}

/* What reading it says at its end: 0, or an errno */
static int
await_end (int fd)
{
  char bytes[4096];
  gssize count;

  do
    {
      await (fd, POLLIN);
      count = recv (fd, bytes, sizeof bytes, 0);
    }
  while (count > 0);
  return count == 0 ? 0 : errno;
}

static void
test_both_ways (AgentPeer *peer, gconstpointer data)
{
  g_auto (Link) link = { 0 };

  agent_peer_hello (peer, 0);
  link = begin (peer, CREDIT);
  send_data (peer, link.request, "question", 8);
  expect_text (link.fd, "question");
  g_assert_cmpint (send (link.fd, "answer", 6, 0), ==, 6);
  expect_data (peer, link.request, "answer");
  /* the host's direction ends, the other goes on */
  send_data (peer, link.request, "", 0);
  g_assert_cmpint (await_end (link.fd), ==, 0);
  g_assert_cmpint (send (link.fd, "more", 4, 0), ==, 4);
  expect_data (peer, link.request, "more");
  close (g_steal_fd (&link.fd));
  expect_data (peer, link.request, "");
  expect_end (peer, link.request, BERTH_LINK_DONE);
  agent_peer_expect_silence (peer);
}

static void
test_guest_ends_first (AgentPeer *peer, gconstpointer data)
{
  g_auto (Link) link = { 0 };

  agent_peer_hello (peer, 0);
  link = begin (peer, CREDIT);
  g_assert_cmpint (shutdown (link.fd, SHUT_WR), ==, 0);
  expect_data (peer, link.request, "");
  send_data (peer, link.request, "late", 4);
  expect_text (link.fd, "late");
  send_data (peer, link.request, "", 0);
  expect_end (peer, link.request, BERTH_LINK_DONE);
  g_assert_cmpint (await_end (link.fd), ==, 0);
}

static void
test_nobody_listens (AgentPeer *peer, gconstpointer data)
{
  guint16 port;
  int fd = listen_here (&port);

  close (fd);
  agent_peer_hello (peer, 0);
  expect_end (peer, send_open (peer, CREDIT, port), BERTH_LINK_REFUSED);
  agent_peer_expect_silence (peer);
}

static void
test_six (AgentPeer *peer, gconstpointer data)
{
  struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  g_auto (Link) link = { .fd = -1 };

  link.listener = listen_at ((struct sockaddr *)&address, sizeof address, &link.port);
  if (link.listener < 0)
    {
      g_test_skip ("no IPv6 here");
      return;
    }
  agent_peer_hello (peer, 0);
  link.request = send_open (peer, CREDIT, link.port);
  link.fd = accept_one (link.listener);
  expect_number (peer, link.request, BERTH_FRAME_LINK_OPENED);
  send_data (peer, link.request, "six", 3);
  expect_text (link.fd, "six");
}

/* A program that answers without reading, and closes: what it said is told, then that it broke. */
static void
test_deaf_server (AgentPeer *peer, gconstpointer data)
{
  g_auto (Link) link = { 0 };
  AgentFrame frame;

  agent_peer_hello (peer, 0);
  link = begin (peer, CREDIT);
  send_data (peer, link.request, "a long request", 14);
  await (link.fd, POLLIN);
  g_assert_cmpint (send (link.fd, "too long", 8, 0), ==, 8);
  close (g_steal_fd (&link.fd));
  expect_data (peer, link.request, "too long");
  agent_peer_expect (peer, link.request, BERTH_FRAME_LINK_END, &frame);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_LINK_RESET);
}

static void
test_host_ends (AgentPeer *peer, gconstpointer data)
{
  const guint8 reason[4] = { BERTH_LINK_RESET };
  g_auto (Link) link = { 0 };

  agent_peer_hello (peer, 0);
  link = begin (peer, CREDIT);
  agent_peer_send (peer, BERTH_FRAME_LINK_END, link.request, reason, sizeof reason);
  expect_end (peer, link.request, BERTH_LINK_RESET);
  g_assert_cmpint (await_end (link.fd), ==, ECONNRESET);
  /* what crossed it is nothing to the agent */
  send_data (peer, link.request, "late", 4);
  agent_peer_send (peer, BERTH_FRAME_LINK_END, link.request, reason, sizeof reason);
  agent_peer_expect_silence (peer);
}

static void
test_goes_with_host (AgentPeer *peer, gconstpointer data)
{
  g_auto (Link) first = { 0 };
  g_auto (Link) second = { 0 };

  agent_peer_hello (peer, 0);
  first = begin (peer, CREDIT);
  agent_peer_connect (peer);
  g_assert_cmpint (await_end (first.fd), ==, ECONNRESET);
  agent_peer_hello (peer, 0);
  second = begin (peer, CREDIT);
  agent_peer_hello (peer, 0);
  g_assert_cmpint (await_end (second.fd), ==, ECONNRESET);
  agent_peer_ping (peer);
}

/* Fills what the kernel keeps for a connection, and all of the credit: then nothing is owed. */
static guint64
fill_up (Link *link)
{
  g_autofree char *bytes = g_malloc0 (1024);
  struct pollfd item = { .fd = link->peer->fd, .events = POLLIN };
  guint64 sent = 0;

  for (;;)
    {
      while (link->credit >= 1024)
        {
          send_data (link->peer, link->request, bytes, 1024);
          link->credit -= 1024;
          sent += 1024;
        }
      agent_peer_send (link->peer, BERTH_FRAME_PING, ++link->peer->request, "12345678", 8);
      for (;;)
        {
          AgentFrame frame;

          agent_peer_read (link->peer, &frame);
          if (frame.head.type == BERTH_FRAME_PONG)
            break;
          g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_CREDIT);
          link->credit += berth_le32_read (frame.payload + 4);
        }
      if (link->credit < 1024 && poll (&item, 1, 200) == 0)
        return sent;
    }
}

/* A program that does not read costs no more than the window, and its bytes are there later. */
static void
test_slow_reader (AgentPeer *peer, gconstpointer data)
{
  g_auto (Link) link = { 0 };
  guint64 sent, got = 0;
  char bytes[4096];

  agent_peer_hello (peer, 0);
  link = begin (peer, CREDIT);
  sent = fill_up (&link);
  agent_peer_ping (peer);
  send_data (peer, link.request, "", 0);
  for (;;)
    {
      gssize count;

      await (link.fd, POLLIN);
      count = recv (link.fd, bytes, sizeof bytes, 0);
      g_assert_cmpint (count, >=, 0);
      if (count == 0)
        break;
      got += (guint64)count;
    }
  g_assert_cmpuint (got, ==, sent);
}

static void
test_beyond_credit (AgentPeer *peer, gconstpointer data)
{
  g_auto (Link) link = { 0 };
  g_autofree char *bytes = g_malloc0 (BERTH_DATA_MAX);

  agent_peer_hello (peer, 0);
  link = begin (peer, CREDIT);
  fill_up (&link);
  send_data (peer, link.request, bytes, link.credit + 1);
  expect_protocol_error (peer);
  agent_peer_hello (peer, 0);
  agent_peer_ping (peer);
}

/* So many bytes and no more, in as many frames as the kernel has pieces of them. */
static void
expect_bytes (AgentPeer *peer, const Link *link, guint32 size)
{
  guint32 got = 0;
  AgentFrame frame;

  while (got < size)
    {
      agent_peer_expect (peer, link->request, BERTH_FRAME_DATA, &frame);
      got += frame.head.length - 4;
    }
  g_assert_cmpuint (got, ==, size);
}

/* A program that writes without end: no more comes than was credited, and all of that. */
static void
test_own_credit (AgentPeer *peer, gconstpointer data)
{
  g_auto (Link) link = { 0 };

  agent_peer_hello (peer, 0);
  link = begin (peer, 1000);
  g_assert_cmpint (send (link.fd, "x", 1, 0), ==, 1);
  expect_data (peer, link.request, "x");
  for (int i = 0; i < 100; i++)
    g_assert_cmpint (send (link.fd, "0123456789abcdef01234567", 24, 0), ==, 24);
  expect_bytes (peer, &link, 999);
  agent_peer_expect_silence (peer);
  agent_peer_send_credit (peer, link.request, BERTH_STREAM_LINK, 10);
  expect_bytes (peer, &link, 10);
  agent_peer_expect_silence (peer);
}

/* As many as may be, each with something to tell; then one more breaks a rule. */
static void
test_many (AgentPeer *peer, gconstpointer data)
{
  guint16 port;
  int fds[BERTH_LINKS_MAX], listener = listen_here (&port);
  guint ends = 0, opened = 0;
  guint64 reserved = 0;
  guint8 seen[BERTH_LINKS_MAX + 1] = { 0 };
  AgentFrame frame;

  agent_peer_hello (peer, 0);
  for (guint i = 0; i < BERTH_LINKS_MAX; i++)
    {
      send_open (peer, CREDIT, port);
      fds[i] = accept_one (listener);
      g_assert_cmpint (send (fds[i], "hello", 5, 0), ==, 5);
    }
  for (guint data_frames = 0; data_frames < BERTH_LINKS_MAX;)
    {
      agent_peer_read (peer, &frame);
      if (frame.head.type == BERTH_FRAME_LINK_OPENED)
        {
          opened++;
          reserved += berth_le32_read (frame.payload);
        }
      else
        {
          g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_DATA);
          g_assert_cmpuint (frame.head.length, ==, 9);
          data_frames++;
        }
    }
  g_assert_cmpuint (opened, ==, BERTH_LINKS_MAX);
  g_assert_cmpuint (reserved, <=, 8 * 1024 * 1024);
  for (guint i = 0; i < BERTH_LINKS_MAX; i++)
    {
      const struct linger at_once = { .l_onoff = 1 };

      setsockopt (fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      close (fds[i]);
    }
  while (ends < BERTH_LINKS_MAX)
    {
      agent_peer_read (peer, &frame);
      g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_LINK_END);
      g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_LINK_RESET);
      g_assert_cmpuint (frame.head.request, <=, peer->request);
      g_assert_cmpuint (seen[peer->request - frame.head.request]++, ==, 0);
      ends++;
    }
  agent_peer_ping (peer);
  for (guint i = 0; i <= BERTH_LINKS_MAX; i++)
    send_open (peer, CREDIT, port);
  do
    agent_peer_read (peer, &frame);
  while (frame.head.type != BERTH_FRAME_ERROR);
  g_assert_cmpuint (frame.head.request, ==, 0);
  close (listener);
}

static void
assert_breaks (AgentPeer *peer, guint32 type, guint32 request, const guint8 *payload, guint32 size)
{
  agent_peer_send (peer, type, request, payload, size);
  expect_protocol_error (peer);
  agent_peer_hello (peer, 0);
}

static void
test_broken_rules (AgentPeer *peer, gconstpointer data)
{
  const guint8 no_port[8] = { 1 }, large_port[8] = { 1, 0, 0, 0, 0, 0, 1, 0 };
  const guint8 large_credit[8] = { 1, 0, 4, 0, 1 };
  const guint8 name[9] = { 1, 0, 0, 0, 1, 0, 0, 0, 'n' };
  const guint8 good[8] = { 1, 0, 0, 0, 1 };
  guint8 credit[8] = { BERTH_STREAM_LINK, 0, 0, 0, 1, 0, 4, 0 };
  g_auto (Link) link = { 0 };

  agent_peer_hello (peer, 0);
  assert_breaks (peer, BERTH_FRAME_LINK_OPEN, 9, no_port, sizeof no_port);
  assert_breaks (peer, BERTH_FRAME_LINK_OPEN, 9, large_port, sizeof large_port);
  assert_breaks (peer, BERTH_FRAME_LINK_OPEN, 9, large_credit, sizeof large_credit);
  assert_breaks (peer, BERTH_FRAME_LINK_OPEN, 9, name, sizeof name);
  assert_breaks (peer, BERTH_FRAME_LINK_OPEN, 0, good, sizeof good);
  assert_breaks (peer, BERTH_FRAME_LINK_OPEN, BERTH_LINK_OF_AGENT | 1, good, sizeof good);
  link = begin (peer, CREDIT);
  assert_breaks (peer, BERTH_FRAME_CREDIT, link.request, credit, sizeof credit);
  link_clear (&link);
  link = begin (peer, CREDIT);
  assert_breaks (peer, BERTH_FRAME_LINK_OPENED, link.request, good, 4);
  agent_peer_hello_as (peer, 6, 0);
  agent_peer_send (peer, BERTH_FRAME_LINK_OPEN, 9, good, sizeof good);
  expect_protocol_error (peer);
}

static void
add_tests (void)
{
  static const AgentTest tests[] = {
    { "both-ways", test_both_ways },
    { "guest-ends-first", test_guest_ends_first },
    { "nobody-listens", test_nobody_listens },
    { "six", test_six },
    { "deaf-server", test_deaf_server },
    { "host-ends", test_host_ends },
    { "goes-with-host", test_goes_with_host },
    { "slow-reader", test_slow_reader },
    { "beyond-credit", test_beyond_credit },
    { "own-credit", test_own_credit },
    { "many", test_many },
    { "broken-rules", test_broken_rules },
  };

  agent_test_add ("agent/link", tests, G_N_ELEMENTS (tests));
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}

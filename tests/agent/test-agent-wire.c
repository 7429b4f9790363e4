/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent against hosts that come, go, talk nonsense or do not read. */
#include "agent-peer.h"

#include <gio/gio.h>
#include <sys/socket.h>

#define SHELL(text)                                                                                \
  {                                                                                                \
    .language = BERTH_LANGUAGE_SHELL, .code = text                                                 \
  }

static void
test_hello (AgentPeer *peer, gconstpointer data)
{
  BerthHelloReply reply = agent_peer_hello (peer, 0);

  g_assert_cmpuint (reply.boot_us, >, 0);
  g_assert_true (reply.languages & 1u << BERTH_LANGUAGE_SHELL);
  /* nothing stands by for a shell, so it is always ready */
  g_assert_true (reply.flags & BERTH_HELLO_READY);
  agent_peer_ping (peer);
}

static guint32
answered_version (AgentPeer *peer, guint32 min, guint32 max)
{
  BerthHello hello = { .version_min = min, .version_max = max };
  BerthHelloReply reply;
  AgentFrame frame;

  memcpy (hello.magic, BERTH_PROTOCOL_MAGIC, sizeof hello.magic);
  agent_peer_send (peer, BERTH_FRAME_HELLO, 1, &hello, sizeof hello);
  agent_peer_expect (peer, 1, BERTH_FRAME_HELLO_REPLY, &frame);
  memcpy (&reply, frame.payload, sizeof reply);
  return reply.version;
}

/* The newest that both have; with none in common the agent tells its own, and nothing is begun. */
static void
test_hello_version (AgentPeer *peer, gconstpointer data)
{
  const guint32 own = BERTH_PROTOCOL_VERSION, oldest = BERTH_PROTOCOL_OLDEST;
  const guint64 cookie = 5;

  g_assert_cmpuint (answered_version (peer, 1, own), ==, own);
  g_assert_cmpuint (answered_version (peer, 1, own + 1), ==, own);
  g_assert_cmpuint (answered_version (peer, oldest, oldest), ==, oldest);
  agent_peer_ping (peer);
  g_assert_cmpuint (answered_version (peer, own + 1, own + 7), ==, own);
  agent_peer_send (peer, BERTH_FRAME_PING, 2, &cookie, sizeof cookie);
  g_assert_cmpuint (answered_version (peer, 1, oldest - 1), ==, own);
  agent_peer_hello (peer, 0);
  agent_peer_ping (peer);
}

static void
expect_protocol_error (AgentPeer *peer)
{
  AgentFrame frame;

  agent_peer_expect (peer, 0, BERTH_FRAME_ERROR, &frame);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_AGENT_ERROR_PROTOCOL);
}

static void
test_garbage (AgentPeer *peer, gconstpointer data)
{
  guint8 garbage[5000];

  for (guint i = 0; i < sizeof garbage; i++)
    garbage[i] = (guint8)(0x80 | g_random_int ());
  agent_peer_send_bytes (peer, garbage, sizeof garbage);
  expect_protocol_error (peer);
  agent_peer_hello (peer, 0);
  agent_peer_ping (peer);
}

static void
test_oversize (AgentPeer *peer, gconstpointer data)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];

  berth_frame_head_write (head, BERTH_FRAME_DATA, 1, BERTH_FRAME_MAX_PAYLOAD + 1);
  agent_peer_send_bytes (peer, head, sizeof head);
  expect_protocol_error (peer);
  agent_peer_hello (peer, 0);
  agent_peer_ping (peer);
}

/* A host dies within a frame, and the next one does not know. */
static void
test_half_frame (AgentPeer *peer, gconstpointer data)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];
  g_autofree guint8 *padding = g_malloc0 (BERTH_PROTOCOL_PADDING);

  berth_frame_head_write (head, BERTH_FRAME_DATA, 1, BERTH_FRAME_MAX_PAYLOAD);
  agent_peer_send_bytes (peer, head, sizeof head);
  agent_peer_connect (peer);
  agent_peer_hello (peer, 0);
  agent_peer_ping (peer);
  /* on the same connection only padding helps */
  agent_peer_send_bytes (peer, head, sizeof head);
  agent_peer_send_bytes (peer, padding, BERTH_PROTOCOL_PADDING);
  agent_peer_hello (peer, 0);
  agent_peer_ping (peer);
}

static void
test_dead_ids (AgentPeer *peer, gconstpointer data)
{
  guint8 grace[4] = { 0 };

  agent_peer_send (peer, BERTH_FRAME_KILL, 4711, grace, sizeof grace);
  agent_peer_send_credit (peer, 4712, BERTH_STREAM_STDOUT, 1);
  agent_peer_send_stdin (peer, 4713, "lost", 4);
  agent_peer_ping (peer);
}

/* One host at a time: the second is served when the first has gone. */
static void
test_second_host (AgentPeer *peer, gconstpointer data)
{
  AgentPeer second = *peer;

  second.fd = -1;
  agent_peer_connect (&second);
  agent_peer_ping (peer);
  agent_peer_disconnect (peer);
  agent_peer_hello (&second, 0);
  agent_peer_ping (&second);
  agent_peer_disconnect (&second);
}

/* Every answer waits for the host to read, and the agent reads no more than it can answer. */
static void
test_ping_flood (AgentPeer *peer, gconstpointer data)
{
  enum
  {
    PINGS = 20000
  };
  g_autoptr (GByteArray) pings = g_byte_array_new ();
  guint8 cookie[8] = { 0 }, head[BERTH_FRAME_HEAD_SIZE];
  gsize sent = 0;
  guint pongs = 0;

  for (guint32 i = 1; i <= PINGS; i++)
    {
      berth_frame_head_write (head, BERTH_FRAME_PING, i, sizeof cookie);
      g_byte_array_append (pings, head, sizeof head);
      g_byte_array_append (pings, cookie, sizeof cookie);
    }
  while (pongs < PINGS)
    {
      AgentFrame frame;
      gssize count
          = send (peer->fd, pings->data + sent, pings->len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

      if (count > 0)
        sent += (gsize)count;
      else
        {
          agent_peer_expect (peer, ++pongs, BERTH_FRAME_PONG, &frame);
          continue;
        }
      if (sent == pings->len)
        while (pongs < PINGS)
          agent_peer_expect (peer, ++pongs, BERTH_FRAME_PONG, &frame);
    }
}

static void
assert_busy (AgentPeer *peer)
{
  g_autoptr (AgentResult) result = agent_peer_shell (peer, "true");

  g_assert_cmpuint (result->error, ==, BERTH_AGENT_ERROR_BUSY);
}

static void
run_when_free (AgentPeer *peer)
{
  for (guint i = 0; i < 1000; i++)
    {
      g_autoptr (AgentResult) result = agent_peer_shell (peer, "true");

      if (result->error == 0)
        {
          agent_assert_exit (result, 0);
          return;
        }
      g_assert_cmpuint (result->error, ==, BERTH_AGENT_ERROR_BUSY);
      g_usleep (10000);
    }
  g_assert_not_reached ();
}

/* An exec outlives its host; who comes next neither hears of it nor is served before it ends. */
static void
test_host_gone_and_back (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("echo early; touch running\n"
                          "while [ ! -e go ]; do sleep 0.01; done; echo late; touch done");
  g_autofree char *go = g_build_filename (peer->home, "go", NULL);

  agent_peer_send_exec (peer, &exec);
  g_assert_true (agent_wait_for_file (peer, "running"));
  agent_peer_connect (peer);
  agent_peer_hello (peer, 0);
  assert_busy (peer);
  g_assert_true (g_file_set_contents (go, "", 0, NULL));
  g_assert_true (agent_wait_for_file (peer, "done"));
  run_when_free (peer);
}

static GPid
read_pid (AgentPeer *peer, const char *name)
{
  g_autofree char *path = g_build_filename (peer->home, name, NULL);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return (GPid)g_ascii_strtoll (text, NULL, 10);
}

/* With RESET the exec and what is in the background is gone when the answer comes. */
static void
test_reset (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("sleep 1000 & echo $! >child; trap '' TERM; touch running; sleep 1000");
  g_autoptr (AgentResult) result = NULL;
  g_autoptr (AgentResult) background = NULL;
  GPid child;

  background = agent_peer_shell (peer, "setsid sleep 1000 >/dev/null 2>&1 & echo $! >background");
  agent_assert_exit (background, 0);
  agent_peer_send_exec (peer, &exec);
  g_assert_true (agent_wait_for_file (peer, "running"));
  child = read_pid (peer, "child");
  agent_peer_connect (peer);
  agent_peer_hello (peer, BERTH_HELLO_RESET);
  result = agent_peer_shell (peer, "echo fresh");
  agent_assert_exit (result, 0);
  g_assert_cmpstr (result->out->str, ==, "fresh\n");
  g_assert_true (agent_wait_gone (peer, child));
  g_assert_true (agent_wait_gone (peer, read_pid (peer, "background")));
}

/* A HELLO on the same connection, too, ends what was said before it. */
static void
test_hello_again (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("while :; do echo flood; done");
  guint32 request = agent_peer_send_exec (peer, &exec);
  AgentFrame frame;

  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  agent_peer_hello (peer, BERTH_HELLO_RESET);
  agent_peer_expect_silence (peer);
}

/* Without credit the program blocks in its write, and all else goes on. */
static void
test_no_credit (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("head -c 1000000 /dev/zero; touch written");
  g_autofree char *written = g_build_filename (peer->home, "written", NULL);
  g_autoptr (AgentResult) result = NULL;
  AgentFrame frame;
  guint32 request;
  gsize total = 0;

  exec.credit = 100;
  request = agent_peer_send_exec (peer, &exec);
  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  while (total < 100)
    {
      agent_peer_expect (peer, request, BERTH_FRAME_DATA, &frame);
      total += frame.head.length - 4;
    }
  g_assert_cmpuint (total, ==, 100);
  agent_peer_expect_silence (peer);
  g_assert_false (g_file_test (written, G_FILE_TEST_EXISTS));
  agent_peer_send_credit (peer, request, BERTH_STREAM_STDOUT, AGENT_CREDIT);
  result = agent_peer_collect (peer, request);
  g_assert_cmpuint (result->out->len, ==, 1000000 - 100);
  g_assert_cmpint (result->exit.status, ==, 0);
}

static void
test_too_much_credit (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("sleep 1000");
  guint32 request = agent_peer_send_exec (peer, &exec);
  AgentFrame frame;

  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  agent_peer_send_credit (peer, request, BERTH_STREAM_STDERR, BERTH_CREDIT_MAX);
  expect_protocol_error (peer);
  agent_peer_hello (peer, BERTH_HELLO_RESET);
  run_when_free (peer);
}

static void
test_identity (AgentPeer *peer, gconstpointer data)
{
  BerthIdentity identity = { .realtime_ns = 1, .hostname = "berth-test-1" };
  BerthIdentity clock = { .realtime_ns = BERTH_HIDDEN_CLOCK_NS };
  BerthIdentityDone done[2];
  AgentFrame frame;

  /* a time that is no time */
  agent_peer_send (peer, BERTH_FRAME_IDENTITY, 8, &clock, sizeof clock);
  agent_peer_expect (peer, 8, BERTH_FRAME_ERROR, &frame);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_AGENT_ERROR_INVALID);
  for (guint i = 0; i < 2; i++)
    {
      agent_peer_send (peer, BERTH_FRAME_IDENTITY, 9 + i, &identity, sizeof identity);
      agent_peer_expect (peer, 9 + i, BERTH_FRAME_IDENTITY_DONE, &frame);
      memcpy (&done[i], frame.payload, sizeof done[i]);
    }
  g_assert_cmpint (memcmp (done[0].random, done[1].random, sizeof done[0].random), !=, 0);
  clock.realtime_ns = 1;
  agent_peer_send (peer, BERTH_FRAME_IDENTITY, 11, &clock, sizeof clock);
  agent_peer_expect (peer, 11, BERTH_FRAME_IDENTITY_DONE, &frame);
  strcpy (identity.hostname, "no_such.name");
  agent_peer_send (peer, BERTH_FRAME_IDENTITY, 20, &identity, sizeof identity);
  agent_peer_expect (peer, 20, BERTH_FRAME_ERROR, &frame);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_AGENT_ERROR_INVALID);
}

/* What a program has seeded stays so when only the clock is set; an identity seeds anew. */
static void
test_clock_alone_seeds_nothing (AgentPeer *peer, gconstpointer data)
{
  BerthIdentity identity = { .realtime_ns = 1, .hostname = "berth-test-1" };
  const AgentExec seed = { .language = BERTH_LANGUAGE_PYTHON,
                           .code = "import random; random.seed(1); random.random()",
                           .flags = BERTH_EXEC_SESSION };
  const AgentExec next = { .language = BERTH_LANGUAGE_PYTHON,
                           .code = "print(random.random() == 0.8474337369372327)",
                           .flags = BERTH_EXEC_SESSION };

  AgentFrame frame;

  agent_peer_send (peer, BERTH_FRAME_IDENTITY, 501, &identity, sizeof identity);
  agent_peer_expect (peer, 501, BERTH_FRAME_IDENTITY_DONE, &frame);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (AgentResult) seeded = agent_peer_run (peer, &seed);
      g_autoptr (AgentResult) result = NULL;

      agent_assert_exit (seeded, 0);
      if (i == 0)
        identity.hostname[0] = '\0';
      else
        strcpy (identity.hostname, "berth-test-1");
      agent_peer_send (peer, BERTH_FRAME_IDENTITY, 502 + i, &identity, sizeof identity);
      agent_peer_expect (peer, 502 + i, BERTH_FRAME_IDENTITY_DONE, &frame);
      result = agent_peer_run (peer, &next);
      g_assert_cmpstr (result->out->str, ==, i == 0 ? "True\n" : "False\n");
    }
}

static void
add_tests (void)
{
  static const struct
  {
    const char *name;
    void (*run) (AgentPeer *peer, gconstpointer data);
  } tests[] = {
    { "clock-alone-seeds-nothing", test_clock_alone_seeds_nothing },
    { "hello", test_hello },
    { "hello-version", test_hello_version },
    { "hello-again", test_hello_again },
    { "garbage", test_garbage },
    { "oversize", test_oversize },
    { "half-frame", test_half_frame },
    { "dead-ids", test_dead_ids },
    { "second-host", test_second_host },
    { "ping-flood", test_ping_flood },
    { "host-gone-and-back", test_host_gone_and_back },
    { "reset", test_reset },
    { "no-credit", test_no_credit },
    { "too-much-credit", test_too_much_credit },
    { "identity", test_identity },
  };

  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strdup_printf ("/agent-wire/%s", tests[i].name);
      g_autofree char *in_cgroup = g_strdup_printf ("/agent-wire-cgroup/%s", tests[i].name);

      g_test_add (path, AgentPeer, NULL, agent_peer_start, tests[i].run, agent_peer_stop);
      if (strcmp (tests[i].name, "reset") == 0 || strcmp (tests[i].name, "no-credit") == 0)
        g_test_add (in_cgroup, AgentPeer, NULL, agent_peer_start_in_cgroup, tests[i].run,
                    agent_peer_stop);
    }
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* berth-protocol.h, "Freezing": all programs stand still, nothing is on its way, and what is asked
 * for waits for the thaw. Where this host has no cgroup to give, that nothing is frozen is said. */
#include "agent-session-peer.h"

#include <string.h>

/* The answer to FREEZE or THAW. */
static void
expect_frozen (AgentPeer *peer, guint32 type, gboolean is_frozen)
{
  guint8 realtime[8] = { 0 };
  guint32 request = ++peer->request;
  AgentFrame frame;

  agent_peer_send (peer, type, request, realtime, type == BERTH_FRAME_THAW ? 8 : 0);
  agent_peer_expect (peer, request, BERTH_FRAME_FROZEN, &frame);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, is_frozen);
}

static void
expect_error (AgentPeer *peer, guint32 request, BerthAgentError code)
{
  AgentFrame frame;

  agent_peer_expect (peer, request, BERTH_FRAME_ERROR, &frame);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, code);
}

/* FALSE: there is nothing to freeze with, and the agent says so. */
static gboolean
has_cgroup (AgentPeer *peer)
{
  if (peer->cgroup != NULL)
    return TRUE;
  agent_peer_send (peer, BERTH_FRAME_FREEZE, ++peer->request, NULL, 0);
  expect_error (peer, peer->request, BERTH_AGENT_ERROR_INTERNAL);
  session_assert (peer, SH, "echo on", 0, "on\n", "");
  return FALSE;
}

static char *
read_file (AgentPeer *peer, const char *name)
{
  g_autofree char *path = g_build_filename (peer->home, name, NULL);
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

/* Waits until the program has written something else than @before. */
static void
wait_changed (AgentPeer *peer, const char *name, const char *before)
{
  for (guint i = 0; i < 2000; i++)
    {
      g_autofree char *now = read_file (peer, name);

      if (now != NULL && *now != '\0' && g_strcmp0 (now, before) != 0)
        return;
      g_usleep (10000);
    }
  g_assert_not_reached ();
}

/* A program that writes a number and a copy of it all the time, and its children. */
static void
begin_counting (AgentPeer *peer)
{
  session_assert (peer, SH,
                  "kept=1; (i=0; while :; do i=$((i+1)); printf '%s %s' $i $i >n.new; mv n.new n; "
                  "done) >/dev/null 2>&1 &",
                  0, "", "");
  wait_changed (peer, "n", NULL);
}

static void
test_all_stand_still (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_auto (GStrv) numbers = NULL;

  if (!has_cgroup (peer))
    return;
  begin_counting (peer);
  expect_frozen (peer, BERTH_FRAME_FREEZE, TRUE);
  first = read_file (peer, "n");
  for (guint i = 0; i < 100; i++)
    agent_peer_ping (peer);
  second = read_file (peer, "n");
  g_assert_cmpstr (first, ==, second);
  numbers = g_strsplit (first, " ", 2);
  g_assert_cmpstr (numbers[0], ==, numbers[1]);
  expect_frozen (peer, BERTH_FRAME_THAW, FALSE);
  wait_changed (peer, "n", first);
  session_assert (peer, SH, "echo $kept", 0, "1\n", "");
}

/* It is identified before any program goes on; everything else has to wait. */
static void
test_what_is_asked_meanwhile (AgentPeer *peer, gconstpointer data)
{
  BerthIdentity identity = { .realtime_ns = 1, .hostname = "berth-test-1" };
  const AgentExec exec = { .language = SH, .code = "echo no", .flags = BERTH_EXEC_SESSION };
  AgentFrame frame;

  if (!has_cgroup (peer))
    return;
  session_mark (peer, SH);
  expect_frozen (peer, BERTH_FRAME_FREEZE, TRUE);
  agent_peer_send (peer, BERTH_FRAME_FREEZE, ++peer->request, NULL, 0);
  expect_error (peer, peer->request, BERTH_AGENT_ERROR_BUSY);
  agent_peer_send_exec (peer, &exec);
  expect_error (peer, peer->request, BERTH_AGENT_ERROR_BUSY);
  agent_peer_send (peer, BERTH_FRAME_EXECS, ++peer->request, NULL, 0);
  expect_error (peer, peer->request, BERTH_AGENT_ERROR_BUSY);
  agent_peer_send (peer, BERTH_FRAME_IDENTITY, ++peer->request, &identity, sizeof identity);
  agent_peer_expect (peer, peer->request, BERTH_FRAME_IDENTITY_DONE, &frame);
  expect_frozen (peer, BERTH_FRAME_THAW, FALSE);
  expect_frozen (peer, BERTH_FRAME_THAW, FALSE); /* again: no harm */
  session_assert_fresh (peer, SH, FALSE);
}

/* Another host, which has only found it, is told. */
static void
test_the_next_host_is_told (AgentPeer *peer, gconstpointer data)
{
  if (!has_cgroup (peer))
    return;
  begin_counting (peer);
  expect_frozen (peer, BERTH_FRAME_FREEZE, TRUE);
  agent_peer_disconnect (peer);
  agent_peer_connect (peer);
  g_assert_true (agent_peer_hello (peer, 0).flags & BERTH_HELLO_FROZEN);
  expect_frozen (peer, BERTH_FRAME_THAW, FALSE);
  g_assert_false (agent_peer_hello (peer, 0).flags & BERTH_HELLO_FROZEN);
  session_assert (peer, SH, "echo $kept", 0, "1\n", "");
}

static void
test_a_reset_thaws (AgentPeer *peer, gconstpointer data)
{
  if (!has_cgroup (peer))
    return;
  begin_counting (peer);
  expect_frozen (peer, BERTH_FRAME_FREEZE, TRUE);
  g_assert_false (agent_peer_hello (peer, BERTH_HELLO_RESET).flags & BERTH_HELLO_FROZEN);
  session_assert (peer, SH, "echo ${kept-none}", 0, "none\n", "");
}

/* Of an exec that runs, nothing is sent behind FROZEN, and all of it behind the thaw. */
static void
test_output_waits (AgentPeer *peer, gconstpointer data)
{
  const AgentExec exec = { .language = SH,
                           .code = "touch begun; for i in {1..20000}; do echo $i; done",
                           .flags = BERTH_EXEC_SESSION };
  g_autoptr (GString) out = g_string_new (NULL);
  guint32 running;

  if (!has_cgroup (peer))
    return;
  running = agent_peer_send_exec (peer, &exec);
  g_assert_true (agent_wait_for_file (peer, "begun"));
  agent_peer_send (peer, BERTH_FRAME_FREEZE, ++peer->request, NULL, 0);
  for (AgentFrame frame = { 0 }; frame.head.type != BERTH_FRAME_FROZEN;)
    agent_peer_read (peer, &frame);
  g_assert_true (agent_peer_is_quiet (peer, 50));
  agent_peer_send (peer, BERTH_FRAME_THAW, ++peer->request, "12345678", 8);
  for (AgentFrame frame = { 0 }; frame.head.type != BERTH_FRAME_EXIT;)
    {
      agent_peer_read (peer, &frame);
      if (frame.head.type == BERTH_FRAME_DATA && frame.head.request == running)
        g_string_append_len (out, (char *)frame.payload + 4, frame.head.length - 4);
    }
  g_assert_true (g_str_has_suffix (out->str, "19999\n20000\n"));
}

static void
write_file (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

/* A folder that looks like a cgroup of programs that don't stop: the kernel has none to give. */
static void
start_unstoppable (AgentPeer *peer, gconstpointer data)
{
  peer->cgroup = g_dir_make_tmp ("berth-no-cgroup-XXXXXX", NULL);
  write_file (peer->cgroup, "cgroup.freeze", "0");
  write_file (peer->cgroup, "cgroup.events", "populated 1\nfrozen 0\n");
  agent_peer_start (peer, NULL);
}

/* It says so, lets all go on, and can be asked again. */
static void
test_what_does_not_stop (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *path = g_build_filename (peer->cgroup, "cgroup.freeze", NULL);

  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *freeze = NULL;

      agent_peer_send (peer, BERTH_FRAME_FREEZE, ++peer->request, NULL, 0);
      expect_error (peer, peer->request, BERTH_AGENT_ERROR_RESOURCE);
      g_assert_true (g_file_get_contents (path, &freeze, NULL, NULL));
      g_assert_cmpstr (freeze, ==, "0");
      g_assert_false (agent_peer_hello (peer, 0).flags & BERTH_HELLO_FROZEN);
    }
  agent_peer_ping (peer);
}

static void
add_tests (void)
{
  static const SessionTest tests[] = {
    { "shell-all-stand-still", test_all_stand_still },
    { "shell-what-is-asked-meanwhile", test_what_is_asked_meanwhile },
    { "shell-the-next-host-is-told", test_the_next_host_is_told },
    { "shell-a-reset-thaws", test_a_reset_thaws },
    { "shell-output-waits", test_output_waits },
  };

  session_add_tests ("agent-freeze", tests, G_N_ELEMENTS (tests));
  g_test_add ("/agent-freeze/what-does-not-stop", AgentPeer, NULL, start_unstoppable,
              test_what_does_not_stop, agent_peer_stop);
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals in the background: who sits there may change, and what runs there goes on. */
#include "agent-peer.h"

#include <signal.h>

/* One that somebody sits at, and what it has shown that nobody looked for yet */
typedef struct
{
  AgentPeer *peer;
  guint32 request;
  GString *shown;
} Stay;

static void
stay_clear (Stay *stay)
{
  if (stay->shown != NULL)
    g_string_free (stay->shown, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Stay, stay_clear)

static guint32
send_start (AgentPeer *peer, const char *script, guint32 timeout_ms)
{
  g_autoptr (GString) block = g_string_new ("sh");
  AgentExec exec = { .flags = BERTH_EXEC_COMMAND | BERTH_EXEC_TERMINAL | BERTH_EXEC_STDIN
                              | BERTH_EXEC_DETACHED,
                     .timeout_ms = timeout_ms };

  g_string_append_c (block, '\0');
  g_string_append_len (block, "-c", 3);
  g_string_append_len (block, script, (gssize)strlen (script) + 1);
  exec.code = block->str;
  exec.code_size = (gssize)block->len;
  return agent_peer_send_exec (peer, &exec);
}

static guint32
start (AgentPeer *peer, const char *script)
{
  AgentFrame frame;

  agent_peer_expect (peer, send_start (peer, script, 0), BERTH_FRAME_BEGUN, &frame);
  return berth_le32_read (frame.payload);
}

static guint32
send_attach (AgentPeer *peer, guint32 exec, guint32 flags, guint32 credit)
{
  BerthAttachHead head = { .exec = exec,
                           .flags = BERTH_ATTACH_FOLLOWS | flags,
                           .stdout_credit = credit,
                           .stderr_credit = credit };

  agent_peer_send (peer, BERTH_FRAME_ATTACH, ++peer->request, &head, sizeof head);
  return peer->request;
}

static void
send_size (AgentPeer *peer, guint32 request, guint32 rows, guint32 columns)
{
  guint8 payload[8];

  berth_le32_write (payload, rows);
  berth_le32_write (payload + 4, columns);
  agent_peer_send (peer, BERTH_FRAME_RESIZE, request, payload, sizeof payload);
}

static Stay
sit_down (AgentPeer *peer, guint32 exec, guint32 rows)
{
  Stay stay = { .peer = peer, .shown = g_string_new (NULL) };

  stay.request = send_attach (peer, exec, BERTH_ATTACH_STDIN | BERTH_ATTACH_TERMINAL, AGENT_CREDIT);
  send_size (peer, stay.request, rows, 80);
  return stay;
}

static void
type (Stay *stay, const char *text)
{
  agent_peer_send_stdin (stay->peer, stay->request, text, strlen (text));
}

/* Until it has shown this; forgets all up to there. */
static void
await (Stay *stay, const char *text)
{
  const char *found;
  AgentFrame frame;

  while ((found = strstr (stay->shown->str, text)) == NULL)
    {
      agent_peer_read (stay->peer, &frame);
      if (frame.head.type == BERTH_FRAME_CREDIT)
        continue;
      if (frame.head.type != BERTH_FRAME_DATA || frame.head.request != stay->request)
        g_error ("frame %u came, and '%s' was not shown: %s", frame.head.type, text,
                 stay->shown->str);
      g_string_append_len (stay->shown, (char *)frame.payload + 4, frame.head.length - 4);
    }
  g_string_erase (stay->shown, 0, found - stay->shown->str + (gssize)strlen (text));
}

static void
stand_up (Stay *stay)
{
  AgentFrame frame;

  agent_peer_send_kill (stay->peer, stay->request, 0);
  do
    agent_peer_read (stay->peer, &frame);
  while (frame.head.type == BERTH_FRAME_DATA || frame.head.type == BERTH_FRAME_CREDIT);
  g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_DETACHED);
}

static void
assert_exit (Stay *stay, int status)
{
  BerthExit exit;
  AgentFrame frame;

  do
    agent_peer_read (stay->peer, &frame);
  while (frame.head.type == BERTH_FRAME_DATA || frame.head.type == BERTH_FRAME_CREDIT);
  g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_EXIT);
  memcpy (&exit, frame.payload, sizeof exit);
  g_assert_cmpint (exit.status, ==, status);
}

#define LINES "echo on; while read x; do echo \"<$x>\"; [ \"$x\" != end ] || exit 4; done"

/* It goes on while nobody is there, and who comes sees what was shown. */
static void
test_again (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start (peer, LINES);
  g_auto (Stay) first = sit_down (peer, exec, 24);
  g_auto (Stay) second = { 0 };

  await (&first, "on\r\n");
  type (&first, "one\n");
  await (&first, "<one>\r\n");
  stand_up (&first);
  second = sit_down (peer, exec, 30);
  await (&second, "on\r\none\r\n<one>\r\n");
  type (&second, "end\n");
  await (&second, "<end>\r\n");
  assert_exit (&second, 4);
}

/* A host that is gone sat there; the next one's client does. */
static void
test_after_the_host (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start (peer, LINES);
  g_auto (Stay) first = sit_down (peer, exec, 24);
  g_auto (Stay) second = { 0 };

  await (&first, "on\r\n");
  agent_peer_disconnect (peer);
  agent_peer_connect (peer);
  agent_peer_hello (peer, 0);
  second = sit_down (peer, exec, 24);
  await (&second, "on\r\n");
  type (&second, "end\n");
  assert_exit (&second, 4);
}

/* Programs that draw a screen hear of another size whoever comes, be his terminal as large as the
 * one before. */
static void
test_size (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start (peer, "trap 'echo \"told $(stty size)\"' WINCH; echo on; "
                              "while :; do read x || continue; echo $x; done");
  g_auto (Stay) first = sit_down (peer, exec, 24);
  g_auto (Stay) second = { 0 };
  g_auto (Stay) third = { 0 };

  await (&first, "on\r\n");
  send_size (peer, first.request, 40, 80);
  type (&first, "a\n");
  await (&first, "told 40 80\r\n");
  stand_up (&first);
  second = sit_down (peer, exec, 40);
  await (&second, "told 40 80\r\n"); /* what was shown */
  type (&second, "b\n");
  await (&second, "told 40 80\r\n");
  stand_up (&second);
  third = sit_down (peer, exec, 39); /* as large as it is without anybody */
  await (&third, "told 40 80\r\n");
  type (&third, "c\n");
  await (&third, "c\r\n");
  await (&third, "told 39 80\r\n");
  stand_up (&third);
}

/* Questions that a terminal has answered are not asked again; those that nobody has heard are. */
static void
test_questions (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start (peer, "stty raw -echo; printf 'one\\033[6n'; head -c 1 >/dev/null; "
                              "printf 'two\\033[c'; touch asked; head -c 1 >/dev/null");
  g_auto (Stay) first = sit_down (peer, exec, 24);
  g_auto (Stay) second = { 0 };
  g_auto (Stay) third = { 0 };

  await (&first, "one\x1b[6n");
  stand_up (&first);
  second = sit_down (peer, exec, 24);
  await (&second, "one");
  type (&second, "x");
  await (&second, "two\x1b[c");
  g_assert_null (strstr (second.shown->str, "\x1b[6n"));
  stand_up (&second);
  third = sit_down (peer, exec, 24);
  type (&third, "x");
  await (&third, "onetwo");
  assert_exit (&third, 0);
}

/* One may type, others look on. */
static void
test_second (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start (peer, LINES);
  g_auto (Stay) first = sit_down (peer, exec, 24);
  g_auto (Stay) looking = { .peer = peer, .shown = g_string_new (NULL) };
  AgentFrame frame;
  guint32 refused;

  await (&first, "on\r\n");
  refused = send_attach (peer, exec, BERTH_ATTACH_STDIN | BERTH_ATTACH_TERMINAL, AGENT_CREDIT);
  send_size (peer, refused, 50, 50);
  agent_peer_expect (peer, refused, BERTH_FRAME_ERROR, &frame);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_AGENT_ERROR_INVALID);
  looking.request = send_attach (peer, exec, 0, AGENT_CREDIT);
  await (&looking, "on\r\n");
  stand_up (&looking);
  type (&first, "end\n");
  assert_exit (&first, 4);
}

/* What has no terminal is refused, and the guest goes on. */
static void
test_no_terminal (AgentPeer *peer, gconstpointer data)
{
  AgentExec plain = { .code = "sleep\0"
                              "1000",
                      .code_size = sizeof "sleep\0"
                                          "1000",
                      .flags = BERTH_EXEC_COMMAND | BERTH_EXEC_STDIN | BERTH_EXEC_DETACHED };
  AgentFrame frame;
  guint32 exec, refused;

  agent_peer_expect (peer, agent_peer_send_exec (peer, &plain), BERTH_FRAME_BEGUN, &frame);
  exec = berth_le32_read (frame.payload);
  refused = send_attach (peer, exec, BERTH_ATTACH_STDIN | BERTH_ATTACH_TERMINAL, AGENT_CREDIT);
  send_size (peer, refused, 24, 80);
  agent_peer_expect (peer, refused, BERTH_FRAME_ERROR, &frame);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_AGENT_ERROR_INVALID);
  agent_peer_ping (peer);
}

/* Its limit and whether somebody sits there are told, to who knows of that. */
static void
test_list (AgentPeer *peer, gconstpointer data)
{
  AgentFrame frame;
  BerthExecsEntry entry;
  BerthExecsMore more;
  guint32 exec;
  g_auto (Stay) stay = { 0 };

  agent_peer_expect (peer, send_start (peer, LINES, 77000), BERTH_FRAME_BEGUN, &frame);
  exec = berth_le32_read (frame.payload);
  stay = sit_down (peer, exec, 24);
  await (&stay, "on\r\n");
  agent_peer_send (peer, BERTH_FRAME_EXECS, ++peer->request, "", 0);
  agent_peer_expect (peer, peer->request, BERTH_FRAME_DATA, &frame);
  memcpy (&entry, frame.payload + 4, sizeof entry);
  memcpy (&more, frame.payload + 4 + sizeof entry, sizeof more);
  g_assert_cmpuint (frame.head.length, ==, 4 + sizeof entry + sizeof more + entry.words_size);
  g_assert_cmpuint (more.timeout_ms, ==, 77000);
  g_assert_cmpuint (more.is_attended, ==, 1);
  agent_peer_expect (peer, peer->request, BERTH_FRAME_DETACHED, &frame);
  agent_peer_hello_as (peer, BERTH_EXECS_MORE_VERSION - 1, 0);
  agent_peer_send (peer, BERTH_FRAME_EXECS, ++peer->request, "", 0);
  agent_peer_expect (peer, peer->request, BERTH_FRAME_DATA, &frame);
  g_assert_cmpuint (frame.head.length, ==, 4 + sizeof entry + entry.words_size);
}

/* Hung up as one that is nobody's: by the signal that shells heed. */
static void
test_hangup (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start (peer, "exec bash --norc --noprofile --noediting -i");
  g_auto (Stay) stay = sit_down (peer, exec, 24);
  guint8 payload[8];
  BerthExit exit;
  AgentFrame frame;

  type (&stay, "PS1='<$?>'\n");
  await (&stay, "<0>");
  stand_up (&stay);
  berth_le32_write (payload, exec);
  berth_le32_write (payload + 4, 0);
  agent_peer_send (peer, BERTH_FRAME_SIGNAL, ++peer->request, payload, sizeof payload);
  agent_peer_expect (peer, peer->request, BERTH_FRAME_DETACHED, &frame);
  stay.request = send_attach (peer, exec, BERTH_ATTACH_ENDS, 0);
  agent_peer_expect (peer, stay.request, BERTH_FRAME_EXIT, &frame);
  memcpy (&exit, frame.payload, sizeof exit);
  g_assert_cmpuint (exit.signal, ==, SIGHUP);
}

static void
add_tests (void)
{
  static const AgentTest tests[] = {
    { "again", test_again },   { "after-the-host", test_after_the_host },
    { "size", test_size },     { "questions", test_questions },
    { "second", test_second }, { "no-terminal", test_no_terminal },
    { "list", test_list },     { "hangup", test_hangup },
  };

  agent_test_add ("agent/reattach", tests, G_N_ELEMENTS (tests));
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}

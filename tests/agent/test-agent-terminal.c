/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands with a terminal: what is typed, what is shown, how large it is, and its end. */
#include "agent-peer.h"

#include <signal.h>

#define LIMIT_MS 600000u /* never reached when all is well, however busy the machine is */
#define CTRL_C "\x03"
#define CTRL_D "\x04"
#define CTRL_Z "\x1a"

/* One that is under way, and what it has shown that nobody looked for yet */
typedef struct
{
  AgentPeer *peer;
  guint32 request;
  GString *shown;
} Terminal;

static void
terminal_clear (Terminal *terminal)
{
  g_string_free (terminal->shown, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Terminal, terminal_clear)

static guint32
send_script_with (AgentPeer *peer, const char *shell, const char *script, guint32 flags,
                  gint64 credit)
{
  g_autoptr (GString) block = g_string_new (shell);
  AgentExec exec = { .timeout_ms = LIMIT_MS,
                     .flags = BERTH_EXEC_COMMAND | BERTH_EXEC_TERMINAL | flags,
                     .credit = credit };

  g_string_append_c (block, '\0');
  g_string_append_len (block, "-c", 3);
  g_string_append_len (block, script, (gssize)strlen (script) + 1);
  exec.code = block->str;
  exec.code_size = (gssize)block->len;
  return agent_peer_send_exec (peer, &exec);
}

static guint32
send_script (AgentPeer *peer, const char *shell, const char *script, guint32 flags)
{
  return send_script_with (peer, shell, script, flags, 0);
}

static void
send_size (AgentPeer *peer, guint32 request, guint32 rows, guint32 columns)
{
  guint8 payload[8];

  berth_le32_write (payload, rows);
  berth_le32_write (payload + 4, columns);
  agent_peer_send (peer, BERTH_FRAME_RESIZE, request, payload, sizeof payload);
}

static Terminal
begin (AgentPeer *peer, const char *shell, const char *script)
{
  Terminal terminal = { .peer = peer };
  AgentFrame frame;

  terminal.request = send_script (peer, shell, script, BERTH_EXEC_STDIN);
  terminal.shown = g_string_new (NULL);
  agent_peer_expect (peer, terminal.request, BERTH_FRAME_STARTED, &frame);
  agent_peer_expect (peer, terminal.request, BERTH_FRAME_CREDIT, &frame);
  return terminal;
}

static void
type (Terminal *terminal, const char *text)
{
  agent_peer_send_stdin (terminal->peer, terminal->request, text, strlen (text));
}

/* Until it has shown this; forgets all up to there. */
static void
await (Terminal *terminal, const char *text)
{
  const char *found;
  AgentFrame frame;

  while ((found = strstr (terminal->shown->str, text)) == NULL)
    {
      agent_peer_read (terminal->peer, &frame);
      if (frame.head.type == BERTH_FRAME_CREDIT)
        continue;
      if (frame.head.type != BERTH_FRAME_DATA)
        g_error ("it ended, and did not show '%s': %s", text, terminal->shown->str);
      g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_STREAM_STDOUT);
      g_string_append_len (terminal->shown, (char *)frame.payload + 4, frame.head.length - 4);
    }
  g_string_erase (terminal->shown, 0, found - terminal->shown->str + (gssize)strlen (text));
}

static AgentResult *
await_end (Terminal *terminal)
{
  return agent_peer_collect (terminal->peer, terminal->request);
}

static void
assert_end (Terminal *terminal, int status)
{
  g_autoptr (AgentResult) result = await_end (terminal);

  g_assert_cmpint (result->exit.status, ==, status);
  g_assert_cmpuint (result->exit.flags, ==, 0);
  g_assert_cmpstr (result->err->str, ==, "");
}

/* All three are one terminal, which is the session's own, of a session that it leads. */
static void
test_is_one (AgentPeer *peer, gconstpointer data)
{
  g_auto (Terminal) terminal
      = begin (peer, "sh",
               "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; echo own >/dev/tty; stty size; "
               "stty -a | grep -o ' iutf8'; ps -o sid= -p $$ | grep -qw $$ && echo leads; exit 3");

  await (&terminal, "all\r\nown\r\n24 80\r\n iutf8\r\nleads\r\n");
  assert_end (&terminal, 3);
}

/* With the size that comes before the program, and with each that comes later */
static void
test_size (AgentPeer *peer, gconstpointer data)
{
  const char script[] = "stty size; trap w=told WINCH; echo on; "
                        "while :; do read x || continue; echo $w; stty size; exit; done";
  BerthExecHead head = { .flags = BERTH_EXEC_COMMAND | BERTH_EXEC_TERMINAL | BERTH_EXEC_STDIN,
                         .timeout_ms = LIMIT_MS,
                         .code_size = sizeof "sh" + sizeof "-c" + sizeof script,
                         .stdout_credit = AGENT_CREDIT };
  g_autoptr (GByteArray) code = g_byte_array_new ();
  g_auto (Terminal) terminal = { peer, ++peer->request, g_string_new (NULL) };
  guint8 stream[4];
  AgentFrame frame;

  berth_le32_write (stream, BERTH_STREAM_CODE);
  g_byte_array_append (code, stream, sizeof stream);
  g_byte_array_append (code, (const guint8 *)"sh\0-c", 6);
  g_byte_array_append (code, (const guint8 *)script, sizeof script);
  agent_peer_send (peer, BERTH_FRAME_EXEC, terminal.request, &head, sizeof head);
  send_size (peer, terminal.request, 50, 132);
  agent_peer_send (peer, BERTH_FRAME_DATA, terminal.request, code->data, code->len);
  agent_peer_expect (peer, terminal.request, BERTH_FRAME_STARTED, &frame);
  await (&terminal, "50 132\r\non\r\n");
  send_size (peer, terminal.request, 1, BERTH_TERMINAL_SIDE_MAX);
  type (&terminal, "\n");
  await (&terminal, "told\r\n1 65535\r\n");
  assert_end (&terminal, 0);
}

/* What is typed is shown, a line is edited until it is entered, and Ctrl-D is its end. */
static void
test_typing (AgentPeer *peer, gconstpointer data)
{
  g_auto (Terminal) terminal = begin (peer, "sh", "while read x; do echo \"<$x>\"; done; echo end");

  type (&terminal, "a\xc3\xa9\x7fz\n");
  await (&terminal, "<az>\r\n");
  type (&terminal, CTRL_D);
  await (&terminal, "end\r\n");
  assert_end (&terminal, 0);
}

/* The host's end of the stream is typed, too, also behind a line that is not whole. */
static void
test_end_of_typing (AgentPeer *peer, gconstpointer data)
{
  g_auto (Terminal) terminal = begin (peer, "sh", "cat; echo end");
  g_auto (Terminal) within = { 0 };
  g_autoptr (AgentResult) without = NULL;

  type (&terminal, "line\n");
  agent_peer_send_stdin (peer, terminal.request, NULL, 0);
  await (&terminal, "line\r\nline\r\n");
  await (&terminal, "end\r\n");
  assert_end (&terminal, 0);
  within = begin (peer, "sh", "cat; echo end");
  type (&within, "abc");
  agent_peer_send_stdin (peer, within.request, NULL, 0);
  await (&within, "abcend\r\n");
  assert_end (&within, 0);
  without = agent_peer_collect (peer, send_script (peer, "sh", "cat; echo end", 0));
  g_assert_cmpint (without->exit.status, ==, 0);
  g_assert_nonnull (strstr (without->out->str, "end\r\n"));
}

/* A shell that somebody types at: what is in the foreground is interrupted, stopped, goes on. */
static void
test_job_control (AgentPeer *peer, gconstpointer data)
{
  g_auto (Terminal) terminal = begin (peer, "bash", "exec bash --norc --noprofile --noediting -i");

  type (&terminal, "PS1='<$?>'\n");
  await (&terminal, "<0>");
  type (&terminal, "cat\non\n");
  await (&terminal, "on\r\non\r\n"); /* typed, and told by who reads it */
  type (&terminal, CTRL_C);
  await (&terminal, "<130>");
  type (&terminal, "cat\non\n");
  await (&terminal, "on\r\non\r\n");
  type (&terminal, CTRL_Z);
  await (&terminal, "Stopped");
  await (&terminal, "<148>");
  type (&terminal, "fg\n");
  await (&terminal, "cat\r\n");
  type (&terminal, "y\n");
  await (&terminal, "y\r\ny\r\n");
  type (&terminal, CTRL_D);
  await (&terminal, "<0>");
  type (&terminal, "exit 5\n");
  await (&terminal, "exit\r\n");
  assert_end (&terminal, 5);
}

/* Whoever typed is gone: an interactive shell, which heeds no SIGTERM, and its jobs end at once and
 * not by SIGKILL. */
static void
test_hangup (AgentPeer *peer, gconstpointer data)
{
  g_auto (Terminal) terminal = begin (peer, "bash", "exec bash --norc --noprofile --noediting -i");
  g_autoptr (AgentResult) result = NULL;
  GPid job;

  type (&terminal, "PS1='<$?>'; sleep 1000 & echo job=$!; wait\n");
  await (&terminal, "job=");
  await (&terminal, "job=");
  while (strchr (terminal.shown->str, '\r') == NULL)
    await (&terminal, "");
  job = (GPid)g_ascii_strtoll (terminal.shown->str, NULL, 10);
  agent_peer_send_kill (peer, terminal.request, 60000);
  result = await_end (&terminal);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_KILLED);
  g_assert_cmpuint (result->exit.signal, ==, SIGHUP);
  g_assert_true (agent_wait_gone (peer, job));
}

/* Its end is not that of its streams: it may close them and come back to the terminal. */
static void
test_reopens (AgentPeer *peer, gconstpointer data)
{
  g_auto (Terminal) terminal
      = begin (peer, "sh",
               "tty=$(tty); exec <&- >&- 2>&-; touch closed; until [ -e go ]; do sleep 0.01; done; "
               "echo back >$tty");
  g_autofree char *go = g_build_filename (peer->home, "go", NULL);

  g_assert_true (agent_wait_for_file (peer, "closed"));
  /* what is answered behind its hang-up was read behind it; the first may have been before it */
  agent_peer_ping (peer);
  agent_peer_ping (peer);
  g_assert_true (g_file_set_contents (go, "", 0, NULL));
  await (&terminal, "back\r\n");
  assert_end (&terminal, 0);
}

/* All of what it showed comes, and what it left behind goes with it. */
static void
test_last_words (AgentPeer *peer, gconstpointer data)
{
  guint32 request = send_script (
      peer, "sh", "trap '' HUP; sleep 1000 & echo $!; seq 20000; printf done", BERTH_EXEC_STDIN);
  g_autoptr (AgentResult) result = agent_peer_collect (peer, request);

  agent_assert_exit (result, 0);
  g_assert_true (g_str_has_suffix (result->out->str, "\r\n20000\r\ndone"));
  g_assert_true (agent_wait_gone (peer, (GPid)g_ascii_strtoll (result->out->str, NULL, 10)));
}

/* Also to who reads late, and more than a terminal says that it holds. */
static void
test_last_words_read_late (AgentPeer *peer, gconstpointer data)
{
  guint32 request = send_script_with (
      peer, "sh", "seq 2000; printf done; echo $$ >pid.new; mv pid.new pid", 0, -1);
  g_autofree char *path = g_build_filename (peer->home, "pid", NULL);
  g_autofree char *pid = NULL;
  g_autoptr (AgentResult) later = NULL;
  g_autoptr (AgentResult) result = NULL;
  AgentFrame frame;

  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  g_assert_true (agent_wait_for_file (peer, "pid"));
  g_assert_true (g_file_get_contents (path, &pid, NULL, NULL));
  g_assert_true (agent_wait_gone (peer, atoi (pid)));
  /* an exec that ends later, by the same grace for who else has its output: over for both */
  later = agent_peer_shell (peer, "sleep 1000 &");
  agent_assert_exit (later, 0);
  agent_peer_send_credit (peer, request, BERTH_STREAM_STDOUT, 65536);
  result = agent_peer_collect (peer, request);
  g_assert_cmpint (result->exit.status, ==, 0);
  g_assert_true (g_str_has_suffix (result->out->str, "\r\n2000\r\ndone"));
}

/* Without credit what it shows waits, and what is typed arrives. */
static void
test_unread (AgentPeer *peer, gconstpointer data)
{
  g_auto (Terminal) terminal = begin (peer, "sh", "yes & read x; kill $!; touch heard");

  g_string_set_size (terminal.shown, 0);
  type (&terminal, "\n");
  g_assert_true (agent_wait_for_file (peer, "heard"));
}

static void
test_not_there (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = { .code = "no-such-program",
                     .code_size = sizeof "no-such-program",
                     .flags = BERTH_EXEC_COMMAND | BERTH_EXEC_TERMINAL | BERTH_EXEC_STDIN };
  g_autoptr (AgentResult) result = agent_peer_run (peer, &exec);

  agent_assert_exit (result, 127);
  g_assert_cmpstr (result->out->str, ==, "no-such-program: command not found\r\n");
}

static void
test_refused (AgentPeer *peer, gconstpointer data)
{
  AgentExec code = { .language = BERTH_LANGUAGE_SHELL,
                     .code = ":",
                     .flags = BERTH_EXEC_TERMINAL | BERTH_EXEC_SESSION };
  g_autoptr (AgentResult) result = agent_peer_run (peer, &code);

  g_assert_cmpuint (result->error, ==, BERTH_AGENT_ERROR_INVALID);
  agent_peer_ping (peer);
}

/* A size that none can have, or of what has no terminal, ends the conversation. */
static void
test_bad_size (AgentPeer *peer, gconstpointer data)
{
  const guint32 sizes[][2] = { { 0, 80 }, { 24, 0 }, { BERTH_TERMINAL_SIDE_MAX + 1, 80 } };
  const char plain[] = "sleep\0"
                       "1000";
  AgentExec exec = { .code = plain, .code_size = sizeof plain, .flags = BERTH_EXEC_COMMAND };
  AgentFrame frame;
  guint32 request;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_auto (Terminal) terminal = begin (peer, "sh", "sleep 1000");

      send_size (peer, terminal.request, sizes[i][0], sizes[i][1]);
      agent_peer_expect (peer, 0, BERTH_FRAME_ERROR, &frame);
      agent_peer_hello (peer, BERTH_HELLO_RESET);
    }
  request = agent_peer_send_exec (peer, &exec);
  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  send_size (peer, request, 24, 80);
  agent_peer_expect (peer, 0, BERTH_FRAME_ERROR, &frame);
  /* of one that is over it crossed the end on the way */
  agent_peer_hello (peer, BERTH_HELLO_RESET);
  send_size (peer, request, 24, 80);
  agent_peer_ping (peer);
}

static void
add_tests (void)
{
  static const AgentTest tests[] = {
    { "is-one", test_is_one },
    { "size", test_size },
    { "typing", test_typing },
    { "end-of-typing", test_end_of_typing },
    { "job-control", test_job_control },
    { "hangup", test_hangup },
    { "reopens", test_reopens },
    { "last-words", test_last_words },
    { "last-words-read-late", test_last_words_read_late },
    { "unread", test_unread },
    { "not-there", test_not_there },
    { "refused", test_refused },
    { "bad-size", test_bad_size },
  };

  agent_test_add ("agent/terminal", tests, G_N_ELEMENTS (tests));
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}

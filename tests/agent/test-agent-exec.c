/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs from their request to their end: what they see, what is told of them, what is left. Each
 * test runs with a cgroup for each exec, where this host has one to give, and without. */
#include "agent-peer.h"

#include <glib/gstdio.h>
#include <signal.h>

#define SHELL(text)                                                                                \
  {                                                                                                \
    .language = BERTH_LANGUAGE_SHELL, .code = text                                                 \
  }

static void
test_status (AgentPeer *peer, gconstpointer data)
{
  for (int status = 0; status < 256; status += 85)
    {
      g_autofree char *code = g_strdup_printf ("echo out; echo err >&2; exit %d", status);
      g_autoptr (AgentResult) result = agent_peer_shell (peer, code);

      agent_assert_exit (result, status);
      g_assert_cmpstr (result->out->str, ==, "out\n");
      g_assert_cmpstr (result->err->str, ==, "err\n");
      g_assert_cmpuint (result->exit.wall_us, >, 0);
    }
}

static void
test_signal (AgentPeer *peer, gconstpointer data)
{
  static const int signals[] = { SIGKILL, SIGSEGV, SIGTERM, SIGUSR1 };

  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      g_autofree char *code = g_strdup_printf ("echo before; kill -%d $$; sleep 100", signals[i]);
      g_autoptr (AgentResult) result = agent_peer_shell (peer, code);

      g_assert_cmpint (result->exit.status, ==, -1);
      g_assert_cmpuint (result->exit.signal, ==, (guint)signals[i]);
      g_assert_cmpuint (result->exit.flags, ==, 0);
      g_assert_cmpstr (result->out->str, ==, "before\n");
    }
}

/* The first bytes are here while the program runs: it waits for an answer to them. */
static void
test_live_output (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("echo question; read answer; echo \"got $answer\"");
  g_autoptr (AgentResult) result = NULL;
  AgentFrame frame;
  guint32 request;

  exec.flags = BERTH_EXEC_STDIN;
  request = agent_peer_send_exec (peer, &exec);
  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  agent_peer_expect (peer, request, BERTH_FRAME_CREDIT, &frame);
  agent_peer_expect (peer, request, BERTH_FRAME_DATA, &frame);
  g_assert_cmpmem (frame.payload + 4, frame.head.length - 4, "question\n", 9);
  agent_peer_send_stdin (peer, request, "42\n", 3);
  result = agent_peer_collect (peer, request);
  g_assert_cmpstr (result->out->str, ==, "got 42\n");
}

static void
test_stdin_is_empty (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (AgentResult) result = agent_peer_shell (peer, "cat; bash -c cat; echo ended");

  agent_assert_exit (result, 0);
  g_assert_cmpstr (result->out->str, ==, "ended\n");
}

/* More than fits into any buffer on the way, under the agent's credit. */
static void
test_stdin_large (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("until [ -e go ]; do sleep 0.01; done; cat | wc -c");
  g_autofree char *go = g_build_filename (peer->home, "go", NULL);
  g_autofree char *block = g_malloc0 (65536);
  gsize left = 3000000, credit = 0;
  g_autoptr (AgentResult) result = NULL;
  AgentFrame frame;
  guint32 request;

  exec.flags = BERTH_EXEC_STDIN;
  request = agent_peer_send_exec (peer, &exec);
  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  while (left > 0)
    {
      gsize size = MIN (credit, MIN (left, 65536));

      if (size > 0)
        agent_peer_send_stdin (peer, request, block, size);
      left -= size;
      credit -= size;
      if (size > 0)
        continue;
      /* the agent's first credit is used up before the program reads */
      g_assert_true (g_file_set_contents (go, "", 0, NULL) || credit > 0);
      agent_peer_expect (peer, request, BERTH_FRAME_CREDIT, &frame);
      g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_STREAM_STDIN);
      credit += berth_le32_read (frame.payload + 4);
    }
  agent_peer_send_stdin (peer, request, NULL, 0);
  result = agent_peer_collect (peer, request);
  agent_assert_exit ((result->is_started = TRUE, result), 0);
  g_assert_cmpstr (result->out->str, ==, "3000000\n");
}

/* The end of stdin may be sent with the request, before there is any credit. */
static void
test_stdin_ends_early (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("cat; echo ended");
  g_autoptr (AgentResult) result = NULL;
  guint32 request;

  exec.flags = BERTH_EXEC_STDIN;
  request = agent_peer_send_exec (peer, &exec);
  agent_peer_send_stdin (peer, request, NULL, 0);
  result = agent_peer_collect (peer, request);
  agent_assert_exit (result, 0);
  g_assert_cmpstr (result->out->str, ==, "ended\n");
}

static void
test_stdin_without_credit (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("sleep 1000");
  g_autofree char *block = g_malloc0 (400000);
  AgentFrame frame;
  guint32 request;

  exec.flags = BERTH_EXEC_STDIN;
  request = agent_peer_send_exec (peer, &exec);
  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  agent_peer_send_stdin (peer, request, block, 400000);
  do
    agent_peer_read (peer, &frame);
  while (frame.head.type == BERTH_FRAME_CREDIT);
  g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_ERROR);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_AGENT_ERROR_PROTOCOL);
}

static void
test_environment (AgentPeer *peer, gconstpointer data)
{
  const char *const env[]
      = { "ONE=1", "TAB=a\tb", "EMPTY=", "EQUALS=a=b", "HOME=/elsewhere", NULL };
  AgentExec exec = SHELL ("echo \"$ONE|$TAB|${EMPTY-unset}|$EQUALS|$HOME|$LANG\"");
  g_autoptr (AgentResult) first = NULL;
  g_autoptr (AgentResult) second = NULL;
  g_autofree char *expected = g_strdup_printf ("||unset||%s|C.UTF-8\n", peer->home);

  exec.env = env;
  first = agent_peer_run (peer, &exec);
  g_assert_cmpstr (first->out->str, ==, "1|a\tb||a=b|/elsewhere|C.UTF-8\n");
  exec.env = NULL;
  second = agent_peer_run (peer, &exec);
  g_assert_cmpstr (second->out->str, ==, expected);
}

static void
test_starts_at_home (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (AgentResult) result = agent_peer_shell (peer, "pwd -P; ls; ls -A; umask");
  g_autofree char *expected = g_strdup_printf ("%s\n.main.sh\n0022\n", peer->home);
  g_autofree char *script = g_build_filename (peer->home, ".main.sh", NULL);

  g_assert_cmpstr (result->out->str, ==, expected);
  g_assert_false (g_file_test (script, G_FILE_TEST_EXISTS));
}

/* The name of the code's file may be taken, by a link to something else, too. */
static void
test_script_replaces_link (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (AgentResult) first
      = agent_peer_shell (peer, "echo kept >victim; rm .main.sh; ln -s victim .main.sh");
  g_autoptr (AgentResult) second = agent_peer_shell (peer, "cat victim");

  agent_assert_exit (first, 0);
  g_assert_cmpstr (second->out->str, ==, "kept\n");
}

static void
test_time_limit (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("echo begun; while :; do :; done");
  g_autoptr (AgentResult) result = NULL;

  exec.timeout_ms = 1000;
  result = agent_peer_run (peer, &exec);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_TIMED_OUT);
  g_assert_cmpuint (result->exit.signal, ==, SIGTERM);
  g_assert_cmpstr (result->out->str, ==, "begun\n");
  g_assert_cmpuint (result->exit.wall_us, >=, 1000000);
}

/* The handlers here and below wait on a pipe that was opened before: bash can't run a trap while it
 * parses a process substitution, and then dies of SIGKILL instead. */
static void
test_time_limit_handled (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("trap 'echo handled; exit 7' TERM; mkfifo never; exec 9<>never\n"
                          "while :; do read -t 0.01 -u 9; done");
  g_autoptr (AgentResult) result = NULL;

  exec.timeout_ms = 1000;
  result = agent_peer_run (peer, &exec);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_TIMED_OUT);
  g_assert_cmpint (result->exit.status, ==, 7);
  g_assert_cmpstr (result->out->str, ==, "handled\n");
}

static GPid
read_pid (AgentPeer *peer, const char *name)
{
  g_autofree char *path = g_build_filename (peer->home, name, NULL);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return (GPid)g_ascii_strtoll (text, NULL, 10);
}

/* Nothing survives it: no own session, no deaf ears, no detached grandchild. */
static void
test_time_limit_ends_all (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("trap '' TERM\n"
                          "setsid bash -c 'trap \"\" TERM; echo $$ >far; sleep 1000 & wait' "
                          "</dev/null >/dev/null 2>&1 &\n"
                          "(setsid sleep 1000 & echo $! >orphan)\n"
                          "while :; do sleep 0.1; done");
  g_autoptr (AgentResult) result = NULL;
  gint64 begin = g_get_monotonic_time ();

  exec.timeout_ms = 1000;
  result = agent_peer_run (peer, &exec);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_TIMED_OUT);
  g_assert_cmpuint (result->exit.signal, ==, SIGKILL);
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, 2900000);
  /* EXIT says that none of them runs; the kernel tells that of a cgroup before it has them reaped
   */
  g_assert_true (agent_wait_gone (peer, read_pid (peer, "far")));
  g_assert_true (agent_wait_gone (peer, read_pid (peer, "orphan")));
}

static void
test_kill (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("trap 'echo asked; exit 3' TERM; mkfifo never; exec 9<>never\n"
                          "touch running; while :; do read -t 0.01 -u 9; done");
  guint32 request = agent_peer_send_exec (peer, &exec);
  g_autoptr (AgentResult) result = NULL;

  g_assert_true (agent_wait_for_file (peer, "running"));
  agent_peer_send_kill (peer, request, 2000);
  result = agent_peer_collect (peer, request);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_KILLED);
  g_assert_cmpint (result->exit.status, ==, 3);
  g_assert_cmpstr (result->out->str, ==, "asked\n");
}

static void
test_kill_at_once (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("trap '' TERM; touch running; sleep 1000");
  guint32 request = agent_peer_send_exec (peer, &exec);
  g_autoptr (AgentResult) result = NULL;

  g_assert_true (agent_wait_for_file (peer, "running"));
  agent_peer_send_kill (peer, request, 100000);
  agent_peer_send_kill (peer, request, 0);
  result = agent_peer_collect (peer, request);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_KILLED);
  g_assert_cmpuint (result->exit.signal, ==, SIGKILL);
}

/* Before all of the code is there. */
static void
test_kill_early (AgentPeer *peer, gconstpointer data)
{
  BerthExecHead head = { .language = BERTH_LANGUAGE_SHELL, .timeout_ms = 30000, .code_size = 100 };
  g_autoptr (AgentResult) result = NULL;
  g_autoptr (AgentResult) next = NULL;

  agent_peer_send (peer, BERTH_FRAME_EXEC, ++peer->request, &head, sizeof head);
  agent_peer_send_kill (peer, peer->request, 2000);
  result = agent_peer_collect (peer, peer->request);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_KILLED);
  g_assert_false (result->is_started);
  next = agent_peer_shell (peer, "echo next");
  agent_assert_exit (next, 0);
}

/* A grandchild holds the pipe: 200 ms later the end is told, and nobody hears the grandchild. */
static void
test_grandchild_holds_pipe (AgentPeer *peer, gconstpointer data)
{
  gint64 begin = g_get_monotonic_time ();
  g_autoptr (AgentResult) result
      = agent_peer_shell (peer, "(touch child; until [ -e go ]; do sleep 0.01; done; echo lost; "
                                "touch written) & "
                                "until [ -e child ]; do sleep 0.01; done; echo told");
  g_autoptr (AgentResult) next = NULL;
  g_autofree char *go = g_build_filename (peer->home, "go", NULL);
  gint64 taken = g_get_monotonic_time () - begin;

  agent_assert_exit (result, 0);
  g_assert_cmpstr (result->out->str, ==, "told\n");
  g_assert_cmpint (taken, >=, 200000);
  g_assert_true (g_file_set_contents (go, "", 0, NULL));
  next = agent_peer_shell (peer, "echo next");
  g_assert_cmpstr (next->out->str, ==, "next\n");
  /* it lives on, and what it writes does not kill it */
  g_assert_true (agent_wait_for_file (peer, "written"));
}

/* What children wrote within the grace belongs to the exec. */
static void
test_late_output (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (AgentResult) result = agent_peer_shell (
      peer, "(while kill -0 $$; do :; done 2>/dev/null; echo late) & echo soon");

  agent_assert_exit (result, 0);
  g_assert_cmpstr (result->out->str, ==, "soon\nlate\n");
}

static void
test_background_flood (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (AgentResult) first
      = agent_peer_shell (peer, "yes & echo $! >child\n"
                                "while grep -q '^wchar: 0$' /proc/$!/io; do sleep 0.01; done");
  g_autoptr (AgentResult) second = NULL;

  agent_assert_exit (first, 0);
  second = agent_peer_shell (peer, "echo clean");
  g_assert_cmpstr (second->out->str, ==, "clean\n");
  agent_peer_ping (peer);
  g_assert_no_errno (kill (read_pid (peer, "child"), SIGKILL));
  g_assert_true (agent_wait_gone (peer, read_pid (peer, "child")));
}

static void
test_closes_stdio (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (AgentResult) result
      = agent_peer_shell (peer, "echo last; exec <&- >&- 2>&-; /bin/true; exit 5");

  agent_assert_exit (result, 5);
  g_assert_cmpstr (result->out->str, ==, "last\n");
}

static void
test_orphans_are_reaped (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (AgentResult) result = agent_peer_shell (
      peer, "for i in 1 2 3 4 5 6 7 8; do (sleep 0.01 & echo $! >>pids); done\n"
            "for pid in $(cat pids); do while kill -0 $pid 2>&-; do sleep 0.01; done; done");
  g_autofree char *path = g_build_filename (peer->home, "pids", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) pids = NULL;

  agent_assert_exit (result, 0);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  pids = g_strsplit (g_strstrip (text), "\n", -1);
  g_assert_cmpuint (g_strv_length (pids), ==, 8);
  for (guint i = 0; pids[i] != NULL; i++)
    g_assert_true (agent_wait_gone (peer, (GPid)g_ascii_strtoll (pids[i], NULL, 10)));
}

static void
test_busy (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("read line; echo $line");
  g_autoptr (AgentResult) result = NULL;
  AgentFrame frame;
  guint32 first, second;

  exec.flags = BERTH_EXEC_STDIN;
  first = agent_peer_send_exec (peer, &exec);
  agent_peer_expect (peer, first, BERTH_FRAME_STARTED, &frame);
  agent_peer_expect (peer, first, BERTH_FRAME_CREDIT, &frame);
  second = agent_peer_send_exec (peer, &exec);
  agent_peer_expect (peer, second, BERTH_FRAME_ERROR, &frame);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_AGENT_ERROR_BUSY);
  agent_peer_send_stdin (peer, first, "undisturbed\n", 12);
  result = agent_peer_collect (peer, first);
  g_assert_cmpstr (result->out->str, ==, "undisturbed\n");
}

static void
assert_error (AgentPeer *peer, const AgentExec *exec, BerthAgentError code)
{
  g_autoptr (AgentResult) result = agent_peer_run (peer, exec);

  g_assert_cmpuint (result->error, ==, code);
  g_assert_cmpstr (result->text, !=, "");
  g_assert_false (result->is_started);
}

static void
assert_head_error (AgentPeer *peer, BerthExecHead head, BerthAgentError code)
{
  g_autoptr (AgentResult) result = NULL;

  agent_peer_send (peer, BERTH_FRAME_EXEC, ++peer->request, &head, sizeof head);
  result = agent_peer_collect (peer, peer->request);
  g_assert_cmpuint (result->error, ==, code);
}

/* Each limit of the request, at the limit plus one. */
static void
test_limits (AgentPeer *peer, gconstpointer data)
{
  const BerthExecHead good = { .language = BERTH_LANGUAGE_SHELL,
                               .timeout_ms = BERTH_TIMEOUT_MAX_MS,
                               .code_size = BERTH_CODE_MAX,
                               .env_count = BERTH_ENV_MAX,
                               .env_size = BERTH_ENV_BYTES_MAX,
                               .stdout_credit = BERTH_CREDIT_MAX,
                               .stderr_credit = BERTH_CREDIT_MAX };
  BerthExecHead bad;

#define ASSERT_FIELD(field, value, code)                                                           \
  bad = good;                                                                                      \
  bad.field = value;                                                                               \
  assert_head_error (peer, bad, BERTH_AGENT_ERROR_##code)
  ASSERT_FIELD (code_size, BERTH_CODE_MAX + 1, INVALID);
  ASSERT_FIELD (code_size, 0, INVALID);
  ASSERT_FIELD (env_count, BERTH_ENV_MAX + 1, INVALID);
  ASSERT_FIELD (env_size, BERTH_ENV_BYTES_MAX + 1, INVALID);
  ASSERT_FIELD (timeout_ms, BERTH_TIMEOUT_MAX_MS + 1, INVALID);
  ASSERT_FIELD (timeout_ms, BERTH_TIMEOUT_MIN_MS - 1, INVALID);
  ASSERT_FIELD (stdout_credit, BERTH_CREDIT_MAX + 1, INVALID);
  ASSERT_FIELD (flags, 0x80000000u, INVALID);
  ASSERT_FIELD (language, 99, LANGUAGE);
#undef ASSERT_FIELD
  agent_peer_ping (peer);
}

static void
test_bad_environment (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *long_name = g_strnfill (BERTH_ENV_NAME_MAX + 1, 'N');
  g_autofree char *long_value = g_strnfill (BERTH_ENV_VALUE_MAX + 1, 'v');
  g_autofree char *name_entry = g_strconcat (long_name, "=", NULL);
  g_autofree char *value_entry = g_strconcat ("A=", long_value, NULL);
  const char *bad[]
      = { "1A=x", "A-B=x", "=x", "novalue", "A=new\nline", "A=\x7f", name_entry, value_entry };
  AgentExec exec = SHELL ("true");

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      const char *const env[] = { bad[i], NULL };

      exec.env = env;
      assert_error (peer, &exec, BERTH_AGENT_ERROR_INVALID);
    }
}

static void
test_largest_code (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *code = g_strnfill (BERTH_CODE_MAX, '#');
  AgentExec exec = SHELL (code);
  g_autoptr (AgentResult) result = NULL;

  memcpy (code, "echo read\n", 10);
  memcpy (code + BERTH_CODE_MAX - 10, "\necho all\n", 10);
  exec.code_size = BERTH_CODE_MAX;
  result = agent_peer_run (peer, &exec);
  agent_assert_exit (result, 0);
  g_assert_cmpstr (result->out->str, ==, "read\nall\n");
}

static void
test_nul_in_code (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("echo\0x");

  exec.code_size = 6;
  assert_error (peer, &exec, BERTH_AGENT_ERROR_INVALID);
}

static gsize
agent_memory_kb (AgentPeer *peer)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", peer->pid);
  g_autofree char *text = NULL;
  const char *line;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  line = strstr (text, "VmHWM:");
  g_assert_nonnull (line);
  return g_ascii_strtoull (line + 6, NULL, 10);
}

/* 100 MB through an agent that stays as small as it was. */
static void
test_output_flood (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("head -c 100000000 /dev/zero");
  guint32 request = agent_peer_send_exec (peer, &exec);
  gsize before = agent_memory_kb (peer), total = 0;
  AgentFrame frame;

  for (;;)
    {
      agent_peer_read (peer, &frame);
      if (frame.head.type == BERTH_FRAME_EXIT)
        break;
      if (frame.head.type != BERTH_FRAME_DATA)
        continue;
      total += frame.head.length - 4;
      agent_peer_send_credit (peer, request, BERTH_STREAM_STDOUT, frame.head.length - 4);
    }
  g_assert_cmpuint (total, ==, 100000000);
  g_assert_cmpuint (agent_memory_kb (peer), <, before + 2048);
}

/* Many processes at once: the agent still answers, and ends them all. */
static void
test_fork_storm (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = SHELL ("for i in {1..100}; do (while :; do /bin/true; done) & done\n"
                          "touch running; wait");
  guint32 request;
  g_autoptr (AgentResult) result = NULL;
  AgentFrame frame;

  exec.timeout_ms = 300000; /* on a busy machine it takes its time to come up */
  request = agent_peer_send_exec (peer, &exec);
  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  g_assert_true (agent_wait_for_file (peer, "running"));
  agent_peer_ping (peer);
  agent_peer_send_kill (peer, request, 0);
  result = agent_peer_collect (peer, request);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_KILLED);
}

static void
add_tests (void)
{
  static const AgentTest tests[] = {
    { "status", test_status },
    { "signal", test_signal },
    { "live-output", test_live_output },
    { "stdin-is-empty", test_stdin_is_empty },
    { "stdin-large", test_stdin_large },
    { "stdin-ends-early", test_stdin_ends_early },
    { "stdin-without-credit", test_stdin_without_credit },
    { "environment", test_environment },
    { "starts-at-home", test_starts_at_home },
    { "script-replaces-link", test_script_replaces_link },
    { "time-limit", test_time_limit },
    { "time-limit-handled", test_time_limit_handled },
    { "time-limit-ends-all", test_time_limit_ends_all },
    { "kill", test_kill },
    { "kill-at-once", test_kill_at_once },
    { "kill-early", test_kill_early },
    { "grandchild-holds-pipe", test_grandchild_holds_pipe },
    { "late-output", test_late_output },
    { "background-flood", test_background_flood },
    { "closes-stdio", test_closes_stdio },
    { "orphans-are-reaped", test_orphans_are_reaped },
    { "busy", test_busy },
    { "limits", test_limits },
    { "bad-environment", test_bad_environment },
    { "largest-code", test_largest_code },
    { "nul-in-code", test_nul_in_code },
    { "output-flood", test_output_flood },
    { "fork-storm", test_fork_storm },
  };

  agent_test_add ("agent-exec", tests, G_N_ELEMENTS (tests));
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}

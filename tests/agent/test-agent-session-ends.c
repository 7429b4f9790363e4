/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* contract.md's table "Ends": how an exec of a session ends, and what its interpreter knows of it
 * in the next one. */
#include "agent-session-peer.h"

#include <signal.h>
#include <sys/wait.h>

/* One row for one language. */
typedef struct
{
  BerthLanguage language;
  const char *code;
  int status;
  const char *out, *err; /* NULL: whatever */
  gboolean is_fresh;     /* the interpreter of the next exec */
} Row;

static void
assert_rows (AgentPeer *peer, const Row *rows, guint count)
{
  for (guint i = 0; i < count; i++)
    {
      if (rows[i].language == JS && !session_has_node ())
        continue;
      session_mark (peer, rows[i].language);
      session_assert (peer, rows[i].language, rows[i].code, rows[i].status,
                      rows[i].out != NULL ? rows[i].out : "", rows[i].err);
      session_assert_fresh (peer, rows[i].language, rows[i].is_fresh);
    }
}

#define ASSERT_ROWS(rows) assert_rows (peer, rows, G_N_ELEMENTS (rows))

static void
test_normal_end (AgentPeer *peer, gconstpointer data)
{
  static const Row rows[] = { { PY, "print('x')", 0, "x\n", "", FALSE },
                              { JS, "console.log('x')", 0, "x\n", "", FALSE },
                              { SH, "echo x", 0, "x\n", "", FALSE } };

  ASSERT_ROWS (rows);
}

static void
test_uncaught_exception (AgentPeer *peer, gconstpointer data)
{
  static const Row rows[] = {
    { PY, "print('x')\n1/0", 1, "x\n",
      "Traceback (most recent call last):\n"
      "  File \"@/.main-2.py\", line 2, in <module>\n"
      "    1/0\n"
      "    ~^~\n"
      "ZeroDivisionError: division by zero\n",
      FALSE },
    { JS, "console.log('x'); throw new Error('bad')", 1, "x\n", NULL, FALSE },
    { JS, "console.log('x'); setTimeout(() => { throw 1 }, 1)", 1, "x\n", NULL, FALSE },
    { JS, "Promise.reject(new Error('bad'))", 1, "", NULL, FALSE },
    { JS, "await Promise.reject(new Error('bad'))", 1, "", NULL, FALSE },
    { SH, "echo x; false", 1, "x\n", "", FALSE },
  };

  ASSERT_ROWS (rows);
}

static void
test_syntax_error (AgentPeer *peer, gconstpointer data)
{
  static const Row rows[] = {
    { PY, "print('never')\nx = = 1", 1, "",
      "  File \"@/.main-2.py\", line 2\n"
      "    x = = 1\n"
      "        ^\n"
      "SyntaxError: invalid syntax\n",
      FALSE },
    { JS, "console.log('never'); let = = 1", 1, "", NULL, FALSE },
    /* bash's own status, as for a script */
    { SH, "echo x\nif ;\n", 2, "x\n",
      "@/.main.sh: line 2: syntax error near unexpected token `;'\n"
      "@/.main.sh: line 2: `if ;'\n",
      FALSE },
  };

  ASSERT_ROWS (rows);
}

static void
test_sys_exit (AgentPeer *peer, gconstpointer data)
{
  static const Row rows[] = {
    { PY, "import sys; sys.exit(7)", 7, "", "", FALSE },
    { PY, "import sys; sys.exit()", 0, "", "", FALSE },
    { PY, "import sys; sys.exit('x')", 1, "", "x\n", FALSE },
    { PY, "import sys; sys.exit(-1)", 255, "", "", FALSE },
    { JS, "process.exitCode = 5", 5, "", "", FALSE },
    { SH, "f() { return 7; }; f", 7, "", "", FALSE },
  };

  ASSERT_ROWS (rows);
}

static void
test_process_exit (AgentPeer *peer, gconstpointer data)
{
  static const Row rows[] = {
    { PY, "import os; print('x', flush=True); os._exit(9)", 9, "x\n", "", TRUE },
    { JS, "console.log('x'); process.exit(9)", 9, "x\n", "", TRUE },
    { SH, "trap 'echo bye' EXIT; echo x; exit 9", 9, "x\nbye\n", "", TRUE },
    { SH, "set -e; false; echo never", 1, "", "", TRUE },
    { SH, "exec /bin/echo other", 0, "other\n", "", TRUE },
  };

  ASSERT_ROWS (rows);
}

static void
test_killed_by_signal (AgentPeer *peer, gconstpointer data)
{
  static const char *const codes[]
      = { [PY] = "import os; os.kill(os.getpid(), %d)",
          [JS] = "process.kill(process.pid, %d); setInterval(() => {}, 9)",
          [SH] = "kill -%d $$; sleep 100" };
  static const int signals[] = { SIGKILL, SIGTERM };

  for (BerthLanguage language = PY; language <= SH; language++)
    for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
      {
        g_auto (GStrv) parts = g_strsplit (codes[language], "%d", 2);
        g_autofree char *number = g_strdup_printf ("%d", signals[i]);
        g_autofree char *code = g_strjoinv (number, parts);
        g_autoptr (AgentResult) result = NULL;

        if (language == JS && !session_has_node ())
          continue;
        session_mark (peer, language);
        result = session_exec (peer, language, code);
        g_assert_cmpint (result->exit.status, ==, -1);
        g_assert_cmpuint (result->exit.signal, ==, (guint)signals[i]);
        g_assert_cmpuint (result->exit.flags, ==, 0);
        session_assert_fresh (peer, language, TRUE);
      }
}

static void
test_time_ran_out (AgentPeer *peer, gconstpointer data)
{
  static const AgentExec execs[] = {
    { .language = PY, .code = "print('begun')\nwhile True: pass" },
    { .language = JS, .code = "console.log('begun'); while (true);" },
    { .language = SH,
      .code = "echo begun; (setsid sleep 1000 & echo $! >orphan); while :; do :; done" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (execs); i++)
    {
      AgentExec exec = execs[i];
      g_autoptr (AgentResult) result = NULL;

      if (exec.language == JS && !session_has_node ())
        continue;
      session_mark (peer, exec.language);
      exec.timeout_ms = 1000;
      result = session_exec_with (peer, exec);
      g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_TIMED_OUT);
      g_assert_cmpuint (result->exit.signal, ==, SIGTERM);
      g_assert_cmpstr (result->out->str, ==, "begun\n");
      session_assert_fresh (peer, exec.language, TRUE);
    }
  g_assert_true (agent_wait_gone (peer, session_read_pid (peer, "orphan")));
}

/* Without cgroups the agent looks for what descends from it, and must find nobody else's. */
static void
test_time_ran_out_spares_others (AgentPeer *peer, gconstpointer data)
{
  const char *const argv[] = { "sleep", "1000", NULL };
  AgentExec exec = { .language = SH, .code = "sleep 1000", .timeout_ms = 1000 };
  g_autoptr (AgentResult) result = NULL;
  g_autoptr (GError) error = NULL;
  GPid other;

  g_spawn_async (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                 NULL, &other, &error);
  g_assert_no_error (error);
  session_mark (peer, PY);
  result = session_exec_with (peer, exec);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_TIMED_OUT);
  session_assert_fresh (peer, PY, FALSE);
  g_assert_cmpint (waitpid (other, NULL, WNOHANG), ==, 0);
  g_assert_no_errno (kill (other, SIGKILL));
  g_assert_cmpint (waitpid (other, NULL, 0), ==, other);
}

static void
test_time_ran_out_handled (AgentPeer *peer, gconstpointer data)
{
  static const AgentExec execs[] = {
    { .language = PY,
      .code = "import signal, sys, time\n"
              "signal.signal(signal.SIGTERM, lambda *a: sys.exit(7))\n"
              "while True: time.sleep(100)" },
    { .language = JS,
      .code = "process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1000)" },
    { .language = SH,
      .code = "trap 'exit 7' TERM; mkfifo never; exec 9<>never\n"
              "while :; do read -t 0.01 -u 9; done" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (execs); i++)
    {
      AgentExec exec = execs[i];
      g_autoptr (AgentResult) result = NULL;

      if (exec.language == JS && !session_has_node ())
        continue;
      session_mark (peer, exec.language);
      exec.timeout_ms = 1000;
      result = session_exec_with (peer, exec);
      g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_TIMED_OUT);
      g_assert_cmpint (result->exit.status, ==, 7);
      session_assert_fresh (peer, exec.language, TRUE);
    }
}

static void
test_caller_cancels (AgentPeer *peer, gconstpointer data)
{
  static const AgentExec execs[] = {
    { .language = PY,
      .code = "open('running', 'w')\nwhile True: pass",
      .flags = BERTH_EXEC_SESSION },
    { .language = SH, .code = "echo >running-too; sleep 1000", .flags = BERTH_EXEC_SESSION },
  };

  for (guint i = 0; i < G_N_ELEMENTS (execs); i++)
    {
      g_autoptr (AgentResult) result = NULL;
      guint32 request;

      session_mark (peer, execs[i].language);
      request = agent_peer_send_exec (peer, &execs[i]);
      g_assert_true (agent_wait_for_file (peer, i == 0 ? "running" : "running-too"));
      agent_peer_send_kill (peer, request, 2000);
      result = agent_peer_collect (peer, request);
      g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_KILLED);
      g_assert_cmpuint (result->exit.signal, ==, SIGTERM);
      session_assert_fresh (peer, execs[i].language, TRUE);
    }
}

static void
test_command_not_found (AgentPeer *peer, gconstpointer data)
{
  static const Row rows[] = { { SH, "\n\nnot-a-command", 127, "",
                                "@/.main.sh: line 3: not-a-command: command not found\n", FALSE } };

  ASSERT_ROWS (rows);
}

/* It is gone without any exec's doing, or by what an earlier one left behind. */
static void
test_ended_while_idle (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *pid = NULL;
  g_autoptr (AgentResult) first = session_exec (peer, PY, "import os; print(os.getpid(), end='')");

  session_mark (peer, PY);
  g_assert_no_errno (kill ((GPid)g_ascii_strtoll (first->out->str, NULL, 10), SIGKILL));
  g_assert_true (agent_wait_gone (peer, (GPid)g_ascii_strtoll (first->out->str, NULL, 10)));
  session_assert_fresh (peer, PY, TRUE);
}

/* A new host that wants a clean guest gets one. */
static void
test_reset_ends_sessions (AgentPeer *peer, gconstpointer data)
{
  session_mark (peer, PY);
  session_mark (peer, SH);
  agent_peer_connect (peer);
  agent_peer_hello (peer, 0);
  session_assert_fresh (peer, PY, FALSE);
  session_assert_fresh (peer, SH, FALSE);
  agent_peer_connect (peer);
  agent_peer_hello (peer, BERTH_HELLO_RESET);
  session_assert_fresh (peer, PY, TRUE);
  session_assert_fresh (peer, SH, TRUE);
}

static void
add_tests (void)
{
  static const SessionTest tests[] = {
    { "normal-end", test_normal_end },
    { "uncaught-exception", test_uncaught_exception },
    { "syntax-error", test_syntax_error },
    { "sys-exit", test_sys_exit },
    { "process-exit", test_process_exit },
    { "killed-by-signal", test_killed_by_signal },
    { "time-ran-out", test_time_ran_out },
    { "time-ran-out-spares-others", test_time_ran_out_spares_others },
    { "time-ran-out-handled", test_time_ran_out_handled },
    { "caller-cancels", test_caller_cancels },
    { "command-not-found", test_command_not_found },
    { "ended-while-idle", test_ended_while_idle },
    { "reset-ends-sessions", test_reset_ends_sessions },
  };

  session_add_tests ("agent-session-ends", tests, G_N_ELEMENTS (tests));
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}

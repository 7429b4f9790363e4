/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program can't tell its interpreter from the language's own: what each language shows when a
 * script of the user's is run, with an interpreter that stood by and without. */
#include "agent-peer.h"

#include <glib/gstdio.h>
#include <signal.h>

#define LOADING_ROUNDS 12u
#define LOADING_STEP 60000u /* bytes */
#define PYTHON(text)                                                                               \
  {                                                                                                \
    .language = BERTH_LANGUAGE_PYTHON, .code = text                                                \
  }
#define JAVASCRIPT(text)                                                                           \
  {                                                                                                \
    .language = BERTH_LANGUAGE_JAVASCRIPT, .code = text                                            \
  }
#define SHELL(text)                                                                                \
  {                                                                                                \
    .language = BERTH_LANGUAGE_SHELL, .code = text                                                 \
  }

static gboolean
has_node (void)
{
  if (g_file_test ("/usr/bin/node", G_FILE_TEST_IS_EXECUTABLE))
    return TRUE;
  g_test_skip ("no /usr/bin/node here");
  return FALSE;
}

/* Puts the home in the place of @. */
static char *
with_home (AgentPeer *peer, const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "@", -1);

  return g_strjoinv (peer->home, parts);
}

static void
assert_run (AgentPeer *peer, AgentExec exec, int status, const char *out, const char *err)
{
  g_autoptr (AgentResult) result = agent_peer_run (peer, &exec);
  g_autofree char *expected_out = with_home (peer, out);
  g_autofree char *expected_err = with_home (peer, err);

  agent_assert_err (result, expected_err);
  g_assert_cmpstr (result->out->str, ==, expected_out);
  agent_assert_exit (result, status);
}

static void
test_python_traceback (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = PYTHON ("# one\ndef f(x):\n    return 1 / x\n\nprint('before')\nf(0)\n");

  assert_run (peer, exec, 1, "before\n",
              "Traceback (most recent call last):\n"
              "  File \"@/.main.py\", line 6, in <module>\n"
              "    f(0)\n"
              "  File \"@/.main.py\", line 3, in f\n"
              "    return 1 / x\n"
              "           ~~^~~\n"
              "ZeroDivisionError: division by zero\n");
}

static void
test_python_syntax_error (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = PYTHON ("print('never')\nx = = 1\n");

  assert_run (peer, exec, 1, "",
              "  File \"@/.main.py\", line 2\n"
              "    x = = 1\n"
              "        ^\n"
              "SyntaxError: invalid syntax\n");
}

static void
test_python_exits (AgentPeer *peer, gconstpointer data)
{
  AgentExec seven = PYTHON ("import sys; sys.exit(7)");
  AgentExec none = PYTHON ("import sys; sys.exit()");
  AgentExec text = PYTHON ("import sys; sys.exit('x')");
  AgentExec hard = PYTHON ("import os; os._exit(9)");
  AgentExec atexit = PYTHON ("import atexit; atexit.register(print, 'bye'); print('hi')");

  assert_run (peer, seven, 7, "", "");
  assert_run (peer, none, 0, "", "");
  assert_run (peer, text, 1, "", "x\n");
  assert_run (peer, hard, 9, "", "");
  assert_run (peer, atexit, 0, "hi\nbye\n", "");
}

/* What a script's end waits for and runs, also where only one of it is there to be done. */
static void
test_python_ends (AgentPeer *peer, gconstpointer data)
{
  AgentExec thread = PYTHON ("import threading\n"
                             "def late():\n"
                             "    threading.main_thread().join(); print('late')\n"
                             "threading.Thread(target=late).start(); print('main')\n");
  AgentExec pool = PYTHON ("from concurrent.futures import ThreadPoolExecutor as Pool\n"
                           "import concurrent.futures.thread as pools, threading\n"
                           "def wait():\n"
                           "    while not pools._shutdown: threading.Event().wait(0.01)\n"
                           "Pool(1).submit(lambda: (wait(), print('pooled')))\n");
  AgentExec handler = PYTHON ("import logging, logging.handlers, sys\n"
                              "to = logging.StreamHandler(sys.stdout)\n"
                              "logging.getLogger().addHandler(\n"
                              "    logging.handlers.MemoryHandler(99, logging.CRITICAL, to))\n"
                              "logging.warning('held')\n");
  AgentExec finalizer = PYTHON ("import weakref\n"
                                "class C: pass\n"
                                "c = C(); weakref.finalize(c, print, 'finalized')\n");
  AgentExec patched = PYTHON ("import threading; threading._shutdown = lambda: print('mine')");
  AgentExec over
      = PYTHON ("import threading, concurrent.futures as futures\n"
                "class C:\n"
                "    def __del__(self, main=threading.main_thread(), Pool=futures.Executor,\n"
                "                thread=futures.thread):\n"
                "        print(main.is_alive(), thread._shutdown)\n"
                "c = C(); print(threading.main_thread().is_alive())\n");

  assert_run (peer, thread, 0, "main\nlate\n", "");
  assert_run (peer, pool, 0, "pooled\n", "");
  assert_run (peer, handler, 0, "held\n", "");
  assert_run (peer, finalizer, 0, "finalized\n", "");
  assert_run (peer, patched, 0, "mine\n", "");
  assert_run (peer, over, 0, "True\nFalse True\n", "");
}

static void
test_python_namespace (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec
      = PYTHON ("print(sorted(globals()))\n"
                "import sys, os, inspect\n"
                "print(__name__, __file__, sys.argv, sys.path[0], os.getcwd())\n"
                "print([m for m in sys.modules if 'custom' in m or 'berth' in m])\n"
                "print([p for p in sys.path if 'runners' in p], 'PYTHONPATH' in os.environ)\n"
                "print(len(inspect.stack()), sys.stdin.read())\n"
                "def f():\n    return 1\n"
                "print(inspect.getsource(f), end='')\n"
                /* a run's end is told on a descriptor far from those that programs count */
                "print(sorted(fd for fd in os.listdir('/proc/self/fd') if int(fd) < 1000)[:3])\n");

  assert_run (peer, exec, 0,
              "['__annotations__', '__builtins__', '__cached__', '__doc__', '__file__', "
              "'__loader__', '__name__', '__package__', '__spec__']\n"
              "__main__ @/.main.py ['@/.main.py'] @ @\n"
              "[]\n"
              "[] False\n"
              "1 \n"
              "def f():\n    return 1\n"
              "['0', '1', '2']\n",
              "");
}

/* A reader outside needs each line when it is printed; a fork must not print it twice. */
static void
test_python_output (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = PYTHON ("import os, sys\n"
                           "print('line')\n"
                           "print('part', end='')\n"
                           "if os.fork() == 0:\n"
                           "    sys.exit(0)\n"
                           "os.wait()\n"
                           "print(' end')\n"
                           "print(10**5000 % 7, 'é', '\\U0001F600')\n");

  assert_run (peer, exec, 0, "line\npart end\n2 é \U0001F600\n", "");
}

static void
test_python_multiprocessing (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = PYTHON ("import multiprocessing as m\n"
                           "def square(x):\n    return x * x\n"
                           "if __name__ == '__main__':\n"
                           "    for way in ('fork', 'spawn'):\n"
                           "        with m.get_context(way).Pool(2) as pool:\n"
                           "            print(way, pool.map(square, range(4)))\n");

  assert_run (peer, exec, 0, "fork [0, 1, 4, 9]\nspawn [0, 1, 4, 9]\n", "");
}

/* Modules that were loaded ahead don't hide the user's own. */
static void
test_python_own_modules (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = PYTHON ("import json, helper\nprint(json.mine, helper.value)\n");
  g_autofree char *json = g_build_filename (peer->home, "json.py", NULL);
  g_autofree char *helper = g_build_filename (peer->home, "helper.py", NULL);

  g_assert_true (g_file_set_contents (json, "mine = True\n", -1, NULL));
  g_assert_true (g_file_set_contents (helper, "value = 5\n", -1, NULL));
  assert_run (peer, exec, 0, "True 5\n", "");
}

/* Some variables mean something to an interpreter only while it starts. */
static void
test_python_environment (AgentPeer *peer, gconstpointer data)
{
  static const char *const env[]
      = { "PYTHONHASHSEED=0", "PYTHONPATH=/opt/mine", "PYTHONDONTWRITEBYTECODE=1", "X=y", NULL };
  AgentExec exec = PYTHON ("import sys, os\n"
                           "print(sys.flags.hash_randomization, sys.path[1], os.environ['X'])\n"
                           "print(os.environ['PYTHONPATH'], sys.dont_write_bytecode)\n");
  AgentExec next = PYTHON ("import os; print('X' in os.environ, sorted(os.environ))");

  exec.env = env;
  assert_run (peer, exec, 0, "0 /opt/mine y\n/opt/mine True\n", "");
  assert_run (peer, next, 0, "False ['HOME', 'LANG', 'LOGNAME', 'PATH', 'SHELL', 'USER']\n", "");
}

static void
test_python_signals (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec
      = PYTHON ("import os, signal\nprint('first')\nos.kill(os.getpid(), signal.SIGKILL)");
  g_autoptr (AgentResult) result = agent_peer_run (peer, &exec);

  g_assert_cmpuint (result->exit.signal, ==, SIGKILL);
  g_assert_cmpstr (result->out->str, ==, "first\n");
}

/* Two programs never see the same random numbers, however their interpreter was started. */
static void
test_random_differs (AgentPeer *peer, gconstpointer data)
{
  static const AgentExec execs[] = { PYTHON ("import random; print(random.random())"),
                                     JAVASCRIPT ("console.log(Math.random())") };

  for (guint i = 0; i < G_N_ELEMENTS (execs); i++)
    {
      g_autoptr (AgentResult) first = NULL;
      g_autoptr (AgentResult) second = NULL;

      if (execs[i].language == BERTH_LANGUAGE_JAVASCRIPT && !has_node ())
        return;
      first = agent_peer_run (peer, &execs[i]);
      second = agent_peer_run (peer, &execs[i]);
      agent_assert_exit (first, 0);
      g_assert_cmpstr (first->out->str, !=, second->out->str);
    }
}

static gboolean
has_ruby (void)
{
  if (g_file_test ("/usr/bin/ruby", G_FILE_TEST_IS_EXECUTABLE))
    return TRUE;
  g_test_skip ("no /usr/bin/ruby here");
  return FALSE;
}

/* A language without a hook that keeps no state: each exec, of a session too, is a script. */
static void
test_ruby (AgentPeer *peer, gconstpointer data)
{
  AgentExec script = { .language = BERTH_LANGUAGE_RUBY,
                       .code = "puts __FILE__, $0 == __FILE__, ENV['A'], Dir.pwd, STDIN.read\n"
                               "warn 'to stderr'\nx = 1\nexit 7",
                       .env = (const char *const[]){ "A=\303\244 b", NULL } };
  AgentExec mistake
      = { .language = BERTH_LANGUAGE_RUBY, .code = "def f(x) = 1 / x\nputs 'before'\nf(0)" };
  AgentExec later = { .language = BERTH_LANGUAGE_RUBY, .code = "puts defined?(x).inspect" };

  if (!has_ruby ())
    return;
  for (guint32 flags = 0; flags <= BERTH_EXEC_SESSION; flags += BERTH_EXEC_SESSION)
    {
      g_autoptr (AgentResult) failed = NULL;

      script.flags = mistake.flags = later.flags = flags;
      assert_run (peer, script, 7, "@/.main.rb\ntrue\n\303\244 b\n@\n\n", "to stderr\n");
      failed = agent_peer_run (peer, &mistake);
      agent_assert_exit (failed, 1);
      g_assert_cmpstr (failed->out->str, ==, "before\n");
      g_assert_nonnull (strstr (failed->err->str, ".main.rb:1:in `/': divided by 0"));
      assert_run (peer, later, 0, "nil\n", "");
    }
}

/* A script of its own each time, as any of an image without bash */
static void
test_sh (AgentPeer *peer, gconstpointer data)
{
  AgentExec script = { .language = BERTH_LANGUAGE_SH,
                       .code = "x=1; echo \"$0\" $A; cat; echo to stderr >&2; exit 7",
                       .env = (const char *const[]){ "A=b", NULL } };
  AgentExec later = { .language = BERTH_LANGUAGE_SH, .code = "echo \"x$x\"" };

  for (guint32 flags = 0; flags <= BERTH_EXEC_SESSION; flags += BERTH_EXEC_SESSION)
    {
      script.flags = later.flags = flags;
      assert_run (peer, script, 7, "@/.main.sh b\n", "to stderr\n");
      assert_run (peer, later, 0, "x\n", "");
    }
}

static void
test_javascript (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = JAVASCRIPT (
      "const path = require('path');\n"
      "console.log(require.main === module, __filename, path.basename(__dirname));\n"
      "console.log(process.argv.length, process.execArgv, typeof process.env.NODE_OPTIONS);\n"
      "process.stdin.on('data', d => console.log(d)).on('end', () => process.exit(4));\n");

  if (has_node ())
    assert_run (peer, exec, 4, "true @/.main.js home\n2 [] undefined\n", "");
}

static void
test_javascript_error (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = JAVASCRIPT ("\nfunction f() {\n  throw new TypeError('bad');\n}\nf();\n");
  g_autoptr (AgentResult) result = NULL;
  g_autofree char *begin = with_home (peer, "@/.main.js:3\n"
                                            "  throw new TypeError('bad');\n"
                                            "  ^\n\n"
                                            "TypeError: bad\n"
                                            "    at f (@/.main.js:3:9)\n"
                                            "    at Object.<anonymous> (@/.main.js:5:1)\n"
                                            "    at Module._compile ");

  if (!has_node ())
    return;
  result = agent_peer_run (peer, &exec);
  agent_assert_exit (result, 1);
  g_assert_true (g_str_has_prefix (result->err->str, begin));
  g_assert_null (strstr (result->err->str, "runners"));
}

static void
test_javascript_modules (AgentPeer *peer, gconstpointer data)
{
  AgentExec module = JAVASCRIPT ("import { basename } from 'path';\n"
                                 "console.log(await basename('/a/b'), typeof require);\n");
  AgentExec awaits = JAVASCRIPT ("const path = require('path');\n"
                                 "console.log(await path.basename('/a/b'), __dirname);\n");
  g_autofree char *left = g_build_filename (peer->home, ".main.mjs", NULL);

  if (!has_node ())
    return;
  assert_run (peer, module, 0, "b undefined\n", "");
  assert_run (peer, awaits, 0, "b @\n", "");
  g_assert_false (g_file_test (left, G_FILE_TEST_EXISTS));
}

static void
test_javascript_worker (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec
      = JAVASCRIPT ("const { Worker, isMainThread, parentPort } = require('worker_threads');\n"
                    "if (isMainThread)\n"
                    "  new Worker(__filename).on('message', m => console.log('heard', m));\n"
                    "else\n"
                    "  parentPort.postMessage('worker');\n");

  if (has_node ())
    assert_run (peer, exec, 0, "heard worker\n", "");
}

static void
test_shell (AgentPeer *peer, gconstpointer data)
{
  AgentExec name = SHELL ("echo $0; dirname \"$0\"; echo ${BASH_SOURCE[0]} $#");
  AgentExec errexit = SHELL ("set -e; echo one; false; echo two");
  AgentExec trap = SHELL ("trap 'echo bye' EXIT; echo hi; exit 6");
  AgentExec missing = SHELL ("\n\nnot-a-command");
  AgentExec redirect = SHELL ("exec >out.txt 2>&1; echo hidden; cat out.txt >/dev/stderr");

  assert_run (peer, name, 0, "@/.main.sh\n@\n@/.main.sh 0\n", "");
  assert_run (peer, errexit, 1, "one\n", "");
  assert_run (peer, trap, 6, "hi\nbye\n", "");
  assert_run (peer, missing, 127, "", "@/.main.sh: line 3: not-a-command: command not found\n");
  assert_run (peer, redirect, 0, "", "");
}

static void
test_shell_other_interpreter (AgentPeer *peer, gconstpointer data)
{
  AgentExec other = SHELL ("#!/usr/bin/python3 -u\nimport sys\nprint(sys.argv)\nsys.exit(3)\n");
  AgentExec missing = SHELL ("#!/no/such/thing\n");
  g_autoptr (AgentResult) result = NULL;

  assert_run (peer, other, 3, "['@/.main.sh']\n", "");
  result = agent_peer_run (peer, &missing);
  agent_assert_exit (result, 127);
}

static void
test_byte_order_mark (AgentPeer *peer, gconstpointer data)
{
  AgentExec shell = SHELL ("\xef\xbb\xbf"
                           "echo read");
  AgentExec python = PYTHON ("\xef\xbb\xbf"
                             "print('read')");

  assert_run (peer, shell, 0, "read\n", "");
  assert_run (peer, python, 0, "read\n", "");
}

/* The end of the streams comes before that of the code then, which crashed the agent once. */
static void
test_python_closes_streams (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = PYTHON ("import os, sys; os.close(1); os.close(2); sys.exit(3)");

  agent_peer_wait_ready (peer);
  assert_run (peer, exec, 3, "", "");
  assert_run (peer, exec, 3, "", "");
}

/* What a child of the agent has read since it was made; bytes; 0 where there is none. */
static guint64
read_by_child (AgentPeer *peer, const char *pid)
{
  g_autofree char *stat_path = g_build_filename ("/proc", pid, "stat", NULL);
  g_autofree char *io_path = g_build_filename ("/proc", pid, "io", NULL);
  g_autofree char *stat = NULL;
  g_autofree char *io = NULL;
  const char *behind_name;
  guint64 bytes = 0;
  int parent = 0;

  if (!g_file_get_contents (stat_path, &stat, NULL, NULL)
      || !g_file_get_contents (io_path, &io, NULL, NULL))
    return 0;
  behind_name = strrchr (stat, ')');
  if (behind_name != NULL && sscanf (behind_name, ") %*c %d", &parent) == 1 && parent == peer->pid)
    sscanf (io, "rchar: %" G_GUINT64_FORMAT, &bytes);
  return bytes;
}

static guint64
read_by_children (AgentPeer *peer)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc", 0, NULL);
  guint64 bytes = 0;
  const char *name;

  while ((name = g_dir_read_name (folder)) != NULL)
    if (g_ascii_isdigit (name[0]))
      bytes = MAX (bytes, read_by_child (peer, name));
  return bytes;
}

/* The code comes before the interpreter is loaded, at every moment of that: an interpreter loads by
 * reading its files, and tells when it is READY. */
static void
test_while_loading (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = PYTHON ("import json; print(json.dumps([1]))");

  for (guint64 bytes = 0; bytes < LOADING_ROUNDS * LOADING_STEP; bytes += LOADING_STEP)
    {
      assert_run (peer, exec, 0, "[1]\n", "");
      while (read_by_children (peer) < bytes && agent_peer_is_quiet (peer, 1))
        ;
    }
}

static void
test_ready_again (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = PYTHON ("pass");
  AgentFrame frame;

  agent_peer_wait_ready (peer);
  assert_run (peer, exec, 0, "", "");
  agent_peer_expect (peer, 0, BERTH_FRAME_READY, &frame);
  g_assert_cmpuint (berth_le64_read (frame.payload), >, 0);
}

static void
add_tests (void)
{
  static const struct
  {
    const char *name;
    void (*run) (AgentPeer *peer, gconstpointer data);
  } tests[] = {
    { "python-traceback", test_python_traceback },
    { "python-syntax-error", test_python_syntax_error },
    { "python-exits", test_python_exits },
    { "python-ends", test_python_ends },
    { "python-namespace", test_python_namespace },
    { "python-output", test_python_output },
    { "python-multiprocessing", test_python_multiprocessing },
    { "python-own-modules", test_python_own_modules },
    { "python-environment", test_python_environment },
    { "python-signals", test_python_signals },
    { "random-differs", test_random_differs },
    { "javascript", test_javascript },
    { "javascript-error", test_javascript_error },
    { "javascript-modules", test_javascript_modules },
    { "javascript-worker", test_javascript_worker },
    { "ruby", test_ruby },
    { "sh", test_sh },
    { "shell", test_shell },
    { "shell-other-interpreter", test_shell_other_interpreter },
    { "byte-order-mark", test_byte_order_mark },
  };

  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      const char *standby = strstr (tests[i].name, "javascript") ? "javascript" : "python";
      g_autofree char *with = g_strdup_printf ("/agent-languages/standby/%s", tests[i].name);
      g_autofree char *without = g_strdup_printf ("/agent-languages/fresh/%s", tests[i].name);

      g_test_add (with, AgentPeer, standby, agent_peer_start, tests[i].run, agent_peer_stop);
      g_test_add (without, AgentPeer, NULL, agent_peer_start, tests[i].run, agent_peer_stop);
    }
  g_test_add ("/agent-languages/while-loading", AgentPeer, "python", agent_peer_start,
              test_while_loading, agent_peer_stop);
  g_test_add ("/agent-languages/python-closes-streams", AgentPeer, "python", agent_peer_start,
              test_python_closes_streams, agent_peer_stop);
  g_test_add ("/agent-languages/ready-again", AgentPeer, "python", agent_peer_start,
              test_ready_again, agent_peer_stop);
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* contract.md, "The runner": in a session, too, a program can't tell its interpreter from the
 * language's own, and can't disturb berth by what it does in it. */
#include "agent-session-peer.h"

#include <glib/gstdio.h>
#include <signal.h>

static void
test_python_namespace (AgentPeer *peer, gconstpointer data)
{
  static const char code[]
      = "print(sorted(n for n in globals() if n not in known))\n"
        "print(__name__, __file__, sys.argv, sys.path[0], os.getcwd())\n"
        "print([m for m in sys.modules if 'custom' in m or 'session' in m or 'berth' in m])\n"
        "print([p for p in sys.path if 'runners' in p], 'PYTHONPATH' in os.environ)\n"
        "print(len(inspect.stack()), sys._getframe().f_back)\n"
        "print(sorted(map(int, os.listdir('/proc/self/fd')))[:4] == [0, 1, 2, 3])\n"
        "def f():\n    return 1\n"
        "print(inspect.getsource(f), end='')\n";

  session_assert (peer, PY,
                  "known = {'known', 'sys', 'os', 'inspect', 'f'}\nimport sys, os, inspect", 0, "",
                  "");
  for (int i = 2; i < 4; i++)
    {
      g_autofree char *out = g_strdup_printf (
          "['__annotations__', '__builtins__', '__cached__', '__doc__', '__file__', '__loader__', "
          "'__name__', '__package__', '__spec__']\n"
          "__main__ @/.main-%d.py ['@/.main-%d.py'] @ @\n"
          "[]\n[] False\n1 None\nTrue\n"
          "def f():\n    return 1\n",
          i, i);

      session_assert (peer, PY, code, 0, out, "");
    }
}

static void
test_javascript_namespace (AgentPeer *peer, gconstpointer data)
{
  session_assert (
      peer, JS,
      "console.log(Object.keys(globalThis).filter(n => !/^(global|clear|set|structured|"
      "atob|btoa|performance|fetch|crypto|navigator|queue)/.test(n)))\n"
      "console.log(require.main === module, __filename, __dirname, process.argv.length)\n"
      "console.log(process.execArgv, Object.keys(require.cache), module.children)\n"
      "console.log(process.eventNames().filter(n => /beforeExit|uncaught/.test(n)))\n"
      "console.log(new Error('e').stack.includes('session'), this === globalThis)",
      0, "[]\ntrue @/.main.js @ 2\n[] [] []\n[]\nfalse true\n", "");
}

static void
test_shell_namespace (AgentPeer *peer, gconstpointer data)
{
  session_assert (
      peer, SH,
      "echo $0 ${BASH_SOURCE[0]} $#; declare -F; alias; trap -p; echo $- ${FUNCNAME[*]}\n"
      "compgen -v | grep -i -e berth -e streams; ls /proc/self/fd | wc -l",
      0, "@/.main.sh @/.main.sh 0\nhB\n4\n", "");
}

static void
test_python_tracebacks (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, PY, "# one\ndef f(x):\n    return 1 / x\n", 0, "", "");
  session_assert (peer, PY, "print('before')\n\nf(0)\n", 1, "before\n",
                  "Traceback (most recent call last):\n"
                  "  File \"@/.main-2.py\", line 3, in <module>\n"
                  "    f(0)\n"
                  "  File \"@/.main.py\", line 3, in f\n"
                  "    return 1 / x\n"
                  "           ~~^~~\n"
                  "ZeroDivisionError: division by zero\n");
  /* below the program there is no frame; how that place is written is the release's */
  session_assert (peer, PY,
                  "import traceback, warnings; traceback.print_stack()\n"
                  "warnings.showwarning = lambda m, kind, file, *_: print(file.strip('<>'), m)\n"
                  "warnings.warn('w', stacklevel=2)",
                  0, "sys w\n",
                  "  File \"@/.main-3.py\", line 1, in <module>\n"
                  "    import traceback, warnings; traceback.print_stack()\n");
  session_assert (peer, PY,
                  "import sys\nsys.excepthook = lambda *a: print('mine', a[0].__name__)\n1/0", 1,
                  "mine ZeroDivisionError\n", "");
}

static void
test_javascript_tracebacks (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (AgentResult) result = NULL;
  g_autofree char *begin = NULL;

  session_assert (peer, JS, "\nfunction f() {\n  throw new TypeError('bad');\n}", 0, "", "");
  result = session_exec (peer, JS, "\nf();");
  begin = g_strdup_printf ("%s/.main.js:3\n"
                           "  throw new TypeError('bad');\n"
                           "        ^\n\n"
                           "TypeError: bad\n"
                           "    at f (%s/.main.js:3:9)\n"
                           "    at %s/.main-2.js:2:1\n"
                           "    at ",
                           peer->home, peer->home, peer->home);
  agent_assert_exit (result, 1);
  g_assert_true (g_str_has_prefix (result->err->str, begin));
  g_assert_null (strstr (result->err->str, "session"));
  g_assert_null (strstr (result->err->str, "runners"));
}

/* No name, no stream, no file, no descriptor of the user's own is needed to go on. */
static void
test_python_vandal (AgentPeer *peer, gconstpointer data)
{
  static const char restore[] = "import sys\nsys.stdout.write('alive\\n')\n"
                                "sys.stderr.write('too\\n')";
  static const char *const codes[] = {
    "import sys, os\nsys.stdout.close(); os.close(1); os.close(2); sys.stderr = None; sys.stdin = "
    "None",
    "import sys; sys.stdout = open('file', 'w'); sys.__stdout__ = None; print('hidden')",
    "import sys; sys.stdout.detach(); sys.stderr.buffer.close()",
    "import builtins, os, sys, io, threading, traceback, linecache\n"
    "for m in (os, sys, io, threading, traceback, linecache):\n"
    "    m.open = m.dup2 = m.write = m.read = m.getpid = m.current_thread = None\n"
    "clear = globals().clear\n"
    "for n in ('len', 'exec', 'compile', 'print', 'isinstance', 'open', 'globals'): "
    "delattr(builtins, n)\n"
    "clear()",
    "import sys, os\nsys.path_hooks.clear(); sys.meta_path.clear(); del sys.path, sys.argv\n"
    "for n in ('excepthook', 'stdout', 'stderr', 'setprofile', '_getframe'): delattr(sys, n)\n"
    "os.environ = {}; del os.environb, os.open, os.write",
  };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      g_autoptr (AgentResult) result = NULL;

      /* as Python itself: what detached its stream can't flush it */
      session_assert (peer, PY, codes[i], strstr (codes[i], "detach") ? 120 : 0, "", "");
      result = session_exec (peer, PY, restore);
      g_assert_cmpstr (result->out->str, ==, "alive\n");
      g_assert_cmpstr (result->err->str, ==, "too\n");
      agent_assert_exit (result, 0);
      /* and what goes wrong is still told; a clean interpreter for the next */
      session_assert (peer, PY, "nobody.knows", 1, "", NULL);
      agent_peer_connect (peer);
      agent_peer_hello (peer, BERTH_HELLO_RESET);
    }
}

/* Its interpreter comes back to the agent, which knows it. */
static void
test_python_closes_every_descriptor (AgentPeer *peer, gconstpointer data)
{
  static const char *const codes[] = {
    "import os, sys; os.closerange(3, 5000); print('x'); sys.exit(4)",
    "import os, sys; os.closerange(3, os.sysconf('SC_OPEN_MAX')); print('x'); sys.exit(4)",
    /* the numbers that it had are the program's own now, and nothing is written there */
    "import os, sys; f = open('taken', 'w+')\n"
    "for n in range(3, 1020): n == f.fileno() or os.dup2(f.fileno(), n, inheritable=False)\n"
    "print('x'); sys.exit(4)",
    "import os, sys; print(open('taken').read(), end='x\\n'); os.closerange(0, 5000); sys.exit(4)",
    "import os, sys; os.closerange(3, 5000); os.fork() or os._exit(0); os.wait()\n"
    "print('x'); sys.exit(4)",
  };

  session_mark (peer, PY);
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      session_assert (peer, PY, codes[i], 4, "x\n", "");
      session_assert (peer, PY, "import os; print('next', len(os.listdir('/proc/self/fd')) < 9)", 0,
                      i == 2 ? "next False\n" : "next True\n", "");
      session_assert_fresh (peer, PY, FALSE);
    }
}

/* One that leaves itself no room for another ends with its exec's own status. */
static void
test_python_can_not_come_back (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (AgentResult) result = NULL;

  session_mark (peer, PY);
  result = session_exec (peer, PY,
                         "import os, resource, sys; os.closerange(3, 5000)\n"
                         "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); print('x')\n"
                         "sys.exit(4)");
  g_assert_cmpstr (result->out->str, ==, "x\n");
  g_assert_nonnull (strstr (result->err->str, "the next exec has a fresh one"));
  agent_assert_exit (result, 4);
  session_assert (peer, PY, "print('next')", 0, "next\n", "");
  session_assert_fresh (peer, PY, TRUE);
}

static void
test_shell_closes_every_descriptor (AgentPeer *peer, gconstpointer data)
{
  static const char *const codes[] = {
    "for fd in {3..1023}; do exec {fd}>&-; done; echo x; (exit 4)",
    "exec 1000>taken; echo x >&1000; cat taken; (exit 4)",
    "ulimit -S -n 4096; for fd in {1090..1110}; do eval \"exec $fd>&-\"; done; echo x; (exit 4)",
    " for fd in {0..1023}; do eval \"exec $fd>&-\"; done; (exit 4)",
  };

  session_mark (peer, SH);
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      session_assert (peer, SH, codes[i], 4, i < 3 ? "x\n" : "", "");
      session_assert (peer, SH, "echo next", 0, "next\n", "");
      session_assert_fresh (peer, SH, FALSE);
    }
  session_assert (peer, SH, "for fd in {3..1023}; do exec {fd}>&-; done; ulimit -n 3; exit 5", 5,
                  "", "");
  session_assert (peer, SH, "for fd in {3..1023}; do exec {fd}>&-; done; ulimit -n 3; (exit 4)", 4,
                  "", "");
  session_assert (peer, SH, "echo next", 0, "next\n", "");
  session_assert_fresh (peer, SH, TRUE);
}

/* Another process that comes is nobody, whatever name it has; the interpreter that comes while
 * nothing is amiss ends no exec but its own. */
static void
test_nobody_else_comes_back (AgentPeer *peer, gconstpointer data)
{
  static const char come[]
      = "import gc, os, socket; gc.unfreeze()\n"
        "found = [it for it in gc.get_objects() if getattr(it, '__name__', '') == 'Session']\n"
        "name = b'\\0' + found[0].comeback\n"
        "def come(token):\n"
        "    s = socket.socket(socket.AF_UNIX); s.connect(name)\n"
        "    try: s.sendall(b'd' + token + b'\\7'); s.close()\n"
        "    except OSError: pass\n";
  g_autofree char *other = g_strconcat (
      come, "if os.fork() == 0:\n    for _ in range(50): come(bytes(4))\n    os._exit(0)\n",
      "print(os.wait()[1])", NULL);

  session_mark (peer, PY);
  session_assert (peer, PY, other, 0, "0\n", "");
  session_assert_fresh (peer, PY, FALSE);
  session_assert (peer, PY, "come(bytes(4)); print('own')", 0, "own\n", NULL);
  session_assert (peer, PY, "print('next')", 0, "next\n", "");
}

/* What a program writes to a stream of an earlier exec is nobody's, and does it no harm. */
static void
test_kept_output (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, PY, "import os\nkept = [os.dup(1)]\nprint('first')", 0, "first\n", "");
  /* more than a pipe holds: it is read, and more execs than are remembered */
  session_assert (peer, PY, "for _ in range(40): os.write(kept[0], b'x' * 65536)\nprint('own')", 0,
                  "own\n", "");
  for (guint i = 0; i < 40; i++)
    session_assert (peer, PY, "kept.append(os.dup(1)); os.write(kept[-2], b'late')", 0, "", "");
  session_assert (peer, PY, "print(len(kept))", 0, "41\n", "");
  session_assert (peer, SH, "exec 7>&1; echo first", 0, "first\n", "");
  session_assert (peer, SH, "a=1; echo late >&7; echo own", 0, "own\n", "");
  session_assert (peer, SH, "echo $a", 0, "1\n", "");
}

static void
test_javascript_vandal (AgentPeer *peer, gconstpointer data)
{
  static const char *const codes[] = {
    "const fs = require('fs'); fs.closeSync(0); fs.closeSync(1); fs.closeSync(2)",
    "process.stdout.end(); process.stderr.destroy(); process.stdout.write = () => true",
    "Object.defineProperty(process, 'stdout', { get: () => null }); process.removeAllListeners()",
    "const f2 = require('fs'); f2.openSync = f2.writeSync = f2.closeSync = null; "
    "globalThis.setImmediate = globalThis.JSON = globalThis.Object = globalThis.Buffer = null",
    /* no event of the process is told any more, so the interpreter ends with this */
    "delete globalThis.require; delete globalThis.module; process.exitCode = 0; process.emit = "
    "null",
  };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      session_mark (peer, JS);
      session_assert (peer, JS, codes[i], 0, "", "");
      session_assert (peer, JS, "console.log('alive'); console.error('too')", 0, "alive\n",
                      "too\n");
      session_assert_fresh (peer, JS, i == G_N_ELEMENTS (codes) - 1);
    }
}

static void
test_shell_vandal (AgentPeer *peer, gconstpointer data)
{
  static const char *const codes[] = {
    "exec <&- >&- 2>&-; exec 10>&- 11>&- 12>&-; exec 255>&-",
    "exec >file 2>&1; echo hidden",
    "for n in echo eval source exec builtin command unset declare exit trap set printf read :; do\n"
    "  command eval \"$n() { false; }\"; done; .() { false; }; [() { false; }",
    "PATH=/nowhere; IFS=/.0123456789; set -fuC; set -o pipefail; HOME=; shopt -s failglob; unset "
    "-v PATH",
    "trap '' INT TERM HUP USR1; trap 'exit 9' ERR",
    "set -o posix; BASH_ARGV0='/dev/null/3.4: x'; export LC_ALL=C LANG=C",
    "/bin/rm .main.sh file; set +o posix; readonly POSIXLY_CORRECT",
  };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      session_assert (peer, SH, codes[i], 0, "", "");
      session_assert (peer, SH, "/bin/echo alive; /bin/echo too >&2", 0, "alive\n", "too\n");
      session_assert (peer, SH, "((1))", 0, "", "");
    }
}

/* A shell that leaves itself no descriptors has room for the next exec, and keeps its state. */
static void
test_shell_without_descriptors (AgentPeer *peer, gconstpointer data)
{
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *code = g_strdup_printf ("kept=%u; echo set; ulimit -S -n %u", i, i);
      g_autofree char *kept = g_strdup_printf ("%u\n", i);

      session_assert (peer, SH, code, 0, "set\n", "");
      session_assert (peer, SH, "echo $kept; /bin/echo too >&2; exec 3</dev/null", 0, kept,
                      "too\n");
    }
}

/* Whatever is written with the names of the protocol is output. */
static void
test_text_is_never_an_end (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, SH, "echo /dev/null/3.4; echo /dev/null/3.4 >&2; echo last", 0,
                  "/dev/null/3.4\nlast\n", "/dev/null/3.4\n");
  session_assert (peer, PY, "print('d' * 12); print('last')", 0, "dddddddddddd\nlast\n", "");
}

static void
test_children_inherit_nothing (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, PY,
                  "import os, subprocess\n"
                  "subprocess.run(['ls', '/proc/self/fd'], close_fds=False)\n"
                  "os.system('ls /proc/self/fd | wc -l')\n"
                  "if os.fork() == 0: print(len(os.listdir('/proc/self/fd'))); os._exit(0)\n"
                  "os.wait()",
                  0, "0\n1\n2\n3\n4\n4\n", "");
  session_assert (peer, SH, "ls /proc/self/fd", 0, "0\n1\n2\n3\n", "");
  if (session_has_node ())
    session_assert (
        peer, JS,
        "require('child_process').spawnSync('ls', ['/proc/self/fd'], { stdio: 'inherit' })", 0,
        "0\n1\n2\n3\n", "");
}

/* The descriptor that a program hunts down serves its own exec and no other. */
static void
test_report_is_of_one_exec (AgentPeer *peer, gconstpointer data)
{
  session_assert (
      peer, PY,
      "import os, threading\n"
      "fd = max(int(n) for n in os.listdir('/proc/self/fd') if int(n) >= 1000)\n"
      "go = threading.Event(); told = threading.Event()\n"
      "def forge():\n"
      "    go.wait(20)\n"
      "    for token in range(64): os.write(fd, b'd' + token.to_bytes(4, 'little') + b'\\x05')\n"
      "    told.set()\n"
      "threading.Thread(target=forge, daemon=True).start()",
      0, "", "");
  session_assert (peer, PY, "go.set(); told.wait(20); print('whole')", 0, "whole\n", "");
}

static void
test_python_late_thread (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, PY,
                  "import sys, threading\nfrom concurrent.futures import ThreadPoolExecutor\n"
                  "go = threading.Event(); done = threading.Event()\n"
                  "def late():\n"
                  "    go.wait(20)\n"
                  "    print('late'); print('part', end=''); sys.stderr.write('late'); done.set()\n"
                  "threading.Thread(target=late).start()\n"
                  "pool = ThreadPoolExecutor(1); print(pool.submit(len, 'ab').result())",
                  0, "2\n", "");
  session_assert (peer, PY,
                  "go.set(); done.wait(20); print('own')\nlist(pool.map(print, ['asked']))", 0,
                  "own\nasked\n", "");
}

static void
test_javascript_late_timer (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, JS,
                  "let fired = 0, isDue = false;\n"
                  "setInterval(() => { if (isDue) { fired++; console.log('late') } }, 1).unref()",
                  0, "", "");
  session_assert (peer, JS,
                  "isDue = true; const own = setInterval(() => { if (fired > 2) {"
                  " console.log('own'); clearInterval(own) } }, 1)",
                  0, "own\n", "");
}

static void
test_shell_late_job (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, SH, "(until [ -e go ]; do sleep 0.01; done; echo late; touch done) &", 0,
                  "", "");
  session_assert (peer, SH, "touch go; until [ -e done ]; do sleep 0.01; done; echo own", 0,
                  "own\n", "");
}

/* A logger keeps the stream that it found in an earlier exec. */
static void
test_streams_live_on (AgentPeer *peer, gconstpointer data)
{
  session_assert (
      peer, PY,
      "import logging, sys\nlogging.basicConfig(format='%(message)s')\nout = sys.stdout\n"
      "logging.warning('first')",
      0, "", "first\n");
  session_assert (peer, PY,
                  "logging.warning('second'); out.write('o\\n'); print(out is sys.stdout)", 0,
                  "o\nTrue\n", "second\n");
  if (!session_has_node ())
    return;
  session_assert (peer, JS,
                  "const out = process.stdout; const c = new console.Console(out); c.log('first')",
                  0, "first\n", "");
  session_assert (peer, JS, "c.log('second'); out.write(`${out === process.stdout}\\n`)", 0,
                  "second\ntrue\n", "");
}

/* The host is heard while an exec runs in a session. */
static void
test_ping_while_running (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = { .language = PY,
                     .flags = BERTH_EXEC_SESSION,
                     .code = "open('running', 'w')\nwhile True: pass" };
  guint32 request = agent_peer_send_exec (peer, &exec);
  g_autoptr (AgentResult) result = NULL;
  AgentFrame frame;

  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  g_assert_true (agent_wait_for_file (peer, "running"));
  agent_peer_ping (peer);
  agent_peer_send_kill (peer, request, 0);
  result = agent_peer_collect (peer, request);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_KILLED);
}

/* What the host makes an interpreter do before it is anybody's. */
static void
test_rehearsal_leaves_no_trace (AgentPeer *peer, gconstpointer data)
{
  AgentExec rehearsal = { .language = PY, .flags = BERTH_EXEC_REHEARSAL, .code = "print(1)" };
  g_autoptr (AgentResult) first = session_exec_with (peer, rehearsal);
  g_autoptr (AgentResult) second = session_exec_with (peer, rehearsal);

  g_assert_cmpstr (first->out->str, ==, "1\n");
  g_assert_cmpstr (second->out->str, ==, "1\n");
  g_assert_cmpstr (second->err->str, ==, "");
  g_assert_cmpint (second->exit.status, ==, 0);
  session_assert (peer, PY,
                  "import os, threading\n"
                  "print(__file__, threading.active_count(), [n for n in dir() if n[0] != '_'])",
                  0, "@/.main.py 1 ['os', 'threading']\n", "");
}

static void
test_javascript_rehearsal (AgentPeer *peer, gconstpointer data)
{
  AgentExec rehearsal = { .language = JS, .flags = BERTH_EXEC_REHEARSAL, .code = "console.log(1)" };
  AgentExec run = { .language = JS,
                    .code = "console.log(require.main === module, module.children.length,"
                            " Object.keys(require.cache).length, __filename, process.argv[1],"
                            " Object.keys(module.constructor._pathCache).length)" };
  g_autoptr (AgentResult) first = session_exec_with (peer, rehearsal);
  g_autoptr (AgentResult) second = session_exec_with (peer, rehearsal);
  g_autoptr (AgentResult) third = agent_peer_run (peer, &run);
  g_autofree char *expected
      = g_strdup_printf ("true 0 1 %s/.main.js %s/.main.js 1\n", peer->home, peer->home);

  g_assert_cmpstr (first->out->str, ==, "1\n");
  g_assert_cmpstr (second->out->str, ==, "1\n");
  g_assert_cmpstr (third->err->str, ==, "");
  g_assert_cmpstr (third->out->str, ==, expected);
}

static void
add_tests (void)
{
  static const SessionTest tests[] = {
    { "python-namespace", test_python_namespace },
    { "javascript-namespace", test_javascript_namespace },
    { "shell-namespace", test_shell_namespace },
    { "rehearsal-leaves-no-trace", test_rehearsal_leaves_no_trace },
    { "javascript-rehearsal-leaves-no-trace", test_javascript_rehearsal },
    { "python-tracebacks", test_python_tracebacks },
    { "javascript-tracebacks", test_javascript_tracebacks },
    { "python-vandal", test_python_vandal },
    { "python-closes-every-descriptor", test_python_closes_every_descriptor },
    { "python-can-not-come-back", test_python_can_not_come_back },
    { "shell-closes-every-descriptor", test_shell_closes_every_descriptor },
    { "nobody-else-comes-back", test_nobody_else_comes_back },
    { "kept-output", test_kept_output },
    { "javascript-vandal", test_javascript_vandal },
    { "shell-vandal", test_shell_vandal },
    { "shell-without-descriptors", test_shell_without_descriptors },
    { "text-is-never-an-end", test_text_is_never_an_end },
    { "children-inherit-nothing", test_children_inherit_nothing },
    { "report-is-of-one-exec", test_report_is_of_one_exec },
    { "python-late-thread", test_python_late_thread },
    { "javascript-late-timer", test_javascript_late_timer },
    { "shell-late-job", test_shell_late_job },
    { "streams-live-on", test_streams_live_on },
    { "ping-while-running", test_ping_while_running },
  };

  session_add_tests ("agent-session-runner", tests, G_N_ELEMENTS (tests));
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}

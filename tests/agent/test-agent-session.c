/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* contract.md, "Sessions": what is kept between execs, and what belongs to one alone. */
#include "agent-session-peer.h"

#include <glib/gstdio.h>
#include <signal.h>

static void
test_python_state (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, PY,
                  "import json, threading\nx = 1\ndef f(): return x + 1\n"
                  "go = threading.Event()\ndone = threading.Event()\n"
                  "def work():\n    global x\n    go.wait(20)\n    x = 5\n    done.set()\n"
                  "threading.Thread(target=work, daemon=True).start()\n",
                  0, "", "");
  session_assert (peer, PY, "print(x, f(), json.dumps([1]), go.is_set())", 0, "1 2 [1] False\n",
                  "");
  session_assert (peer, PY, "go.set(); print(done.wait(20), x)", 0, "True 5\n", "");
  session_assert (peer, PY, "def f(): return 'new'\ndel x", 0, "", "");
  session_assert (peer, PY, "print(f(), 'x' in globals())", 0, "new False\n", "");
}

static void
test_javascript_state (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, JS,
                  "const a = 1; let b = 2; var c = 3; function f() { return a + b + c }\n"
                  "class K { v() { return 1 } }\nconst os = require('os');\n"
                  "import { basename } from 'path';\nconst d = await Promise.resolve(4);",
                  0, "", "");
  session_assert (peer, JS,
                  "console.log(a, b, c, d, f(), new K().v(), typeof os.cpus, basename('/x/y'))", 0,
                  "1 2 3 4 6 1 function y\n", "");
  session_assert (peer, JS,
                  "const a = 10; let b = 20; class K { v() { return 2 } }\n"
                  "console.log(a, b, f(), new K().v())",
                  0, "10 20 33 2\n", "");
  session_assert (peer, JS, "try { a = 5 } catch (e) { console.log(e.name, a) }", 0,
                  "TypeError 10\n", "");
}

/* Statements that a script can't have, and text that only looks like them. */
static void
test_javascript_imports (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *module = g_build_filename (peer->home, "helper.mjs", NULL);

  g_assert_true (g_file_set_contents (
      module, "export const one = 1; export default 'whole'; export { one as two };\n", -1, NULL));
  session_assert (peer, JS,
                  "import whole, { one, two as zwei } from './helper.mjs';\n"
                  "import fs, * as all from 'node:fs'; import 'os'\n"
                  "console.log(whole, one, zwei, typeof fs.readFileSync, all.default === fs)\n"
                  "const again = await import('./helper.mjs'); console.log(again.default)\n"
                  "console.log(import.meta.filename === __filename)",
                  0, "whole 1 1 function true\nwhole\ntrue\n", "");
  session_assert (peer, JS,
                  "// import x from 'y'\n"
                  "const s = \"import x from 'y'\", t = `import ${`import('z')`} ${1 + 1}`;\n"
                  "const r = /import(.)'[/]/.test(\"import('/\"), o = { import: 3 };\n"
                  "console.log(s, t, r, o.import, 4 / 2 / 1)\n"
                  "export const kept = 7; export default function named() { return kept }",
                  0, "import x from 'y' import import('z') 2 true 3 2\n", "");
  session_assert (peer, JS, "console.log(named(), whole)\nimport { no } from './missing.mjs'", 1,
                  "7 whole\n", NULL);
}

static void
test_shell_state (AgentPeer *peer, gconstpointer data)
{
  session_assert (
      peer, SH,
      "v=1; export E=2; arr=(a 'b c'); declare -A map=([k]=v); f() { echo \"f $1\"; }\n"
      "mkdir sub; cd sub; trap 'echo trapped' USR1; shopt -s extglob; alias hi='echo hi'\n"
      "shopt -s expand_aliases; umask 077; set -o pipefail; exec 7>log; echo one >&7",
      0, "", "");
  session_assert (
      peer, SH,
      "echo $v $(printenv E) \"${arr[1]}\" ${map[k]} $(f x); pwd; kill -USR1 $$\n"
      "hi; umask; [[ -o pipefail ]] && echo two >&7; cat log; [[ ab == +(a|b) ]] && echo glob",
      0, "1 2 b c v f x\n@/sub\ntrapped\nhi\n0077\none\ntwo\nglob\n", "");
}

static void
test_files (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, PY, "open('kept', 'w').write('text')", 0, "", "");
  session_assert (peer, PY, "print(open('kept').read())", 0, "text\n", "");
  session_assert (peer, SH, "ls -A", 0, ".main.sh\nkept\n", "");
}

/* It lives on, unheard, and the session can still reach it. */
static void
test_background_process (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, SH,
                  "(until [ -e go ]; do sleep 0.01; done; echo lost; echo done >answer) &\n"
                  "echo $! >child",
                  0, "", "");
  g_assert_no_errno (kill (session_read_pid (peer, "child"), 0));
  session_assert (peer, SH, "touch go; wait; cat answer", 0, "done\n", "");
  session_assert (
      peer, PY,
      "import subprocess\n"
      "p = subprocess.Popen(['sh', '-c', 'until [ -e on ]; do sleep 0.01; done; echo lost'])\n",
      0, "", "");
  session_assert (peer, PY, "open('on', 'w'); print(p.wait())", 0, "0\n", "");
}

static void
test_background_process_ends_with_session (AgentPeer *peer, gconstpointer data)
{
  if (peer->cgroup == NULL)
    {
      g_test_skip ("without cgroups nothing tells whose a process is");
      return;
    }
  session_assert (peer, SH, "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >child", 0, "",
                  "");
  g_assert_no_errno (kill (session_read_pid (peer, "child"), 0));
  agent_peer_connect (peer);
  agent_peer_hello (peer, BERTH_HELLO_RESET);
  g_assert_true (agent_wait_gone (peer, session_read_pid (peer, "child")));
}

/* The time limit of a later exec ends that one alone. */
static void
test_background_process_survives_next_limit (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = { .language = PY, .code = "while True: pass", .timeout_ms = 1000 };
  g_autoptr (AgentResult) result = NULL;

  if (peer->cgroup == NULL)
    {
      g_test_skip ("without cgroups nothing tells whose a process is");
      return;
    }
  session_assert (peer, SH, "sleep 1000 >/dev/null 2>&1 & echo $! >child", 0, "", "");
  session_mark (peer, SH);
  result = session_exec_with (peer, exec);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_TIMED_OUT);
  g_assert_no_errno (kill (session_read_pid (peer, "child"), 0));
  session_assert_fresh (peer, SH, FALSE);
}

static void
test_multiprocessing (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, PY, "import multiprocessing as m\ndef square(x): return x * x", 0, "", "");
  session_assert (
      peer, PY,
      "with m.Pool(2) as pool: print(pool.map(square, range(4)))\n"
      "q = m.Queue()\n"
      "p = m.Process(target=lambda: q.put('closure')); p.start(); print(q.get()); p.join()\n",
      0, "[0, 1, 4, 9]\nclosure\n", "");
  session_assert (peer, PY,
                  "def cube(x): return x ** 3\n"
                  "if __name__ == '__main__':\n"
                  "    with m.get_context('spawn').Pool(1) as pool: print(pool.map(cube, [2]))",
                  0, "[8]\n", "");
}

static void
test_fork_never_doubles (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, PY,
                  "import os\nprint('one')\nprint('part', end='')\n"
                  "if os.fork() == 0:\n    print(' child')\nelse:\n    os.wait(); print('parent')",
                  0, "one\npart child\nparent\n", "");
  session_assert (peer, PY, "import sys\nif os.fork() == 0: sys.exit(3)\nprint(os.wait()[1] >> 8)",
                  0, "3\n", "");
  session_assert (peer, PY, "if os.fork() == 0: 1/0\nprint(os.wait()[1] >> 8)", 0, "1\n", NULL);
  session_assert (peer, PY, "print('next')", 0, "next\n", "");
}

static void
test_zombies_are_reaped (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, SH, "(sleep 0.01 & echo $! >orphan)", 0, "", "");
  g_assert_true (agent_wait_gone (peer, session_read_pid (peer, "orphan")));
}

static void
test_large_numbers_print (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, PY, "print(len(str(10**5000)))", 0, "5001\n", "");
}

static void
test_environment_of_one_exec (AgentPeer *peer, gconstpointer data)
{
  static const char *const env[]
      = { "Q=it's \"1\" $HOME", "UID=7", "TZ=Asia/Tokyo", "HOME=/tmp", NULL };
  static const char *const codes[][2] = {
    [PY] = { "import os, time; print(os.environ['Q'], os.environ['HOME'], time.tzname[0])\n"
             "os.environ['Q'] = 'changed'; os.environ['KEPT'] = 'k'",
             "print(os.environ.get('Q'), os.environ['HOME'], time.tzname[0], os.environ['KEPT'])" },
    [JS]
    = { "console.log(process.env.Q, process.env.HOME, new Date(0).getHours())\n"
        "process.env.Q = 'changed'; process.env.KEPT = 'k'",
        "console.log(process.env.Q, process.env.HOME, new Date(0).getHours(), process.env.KEPT)" },
    [SH] = { "echo $(printenv Q) $HOME $(date -d @0 +%H); Q=changed; export KEPT=k",
             "echo ${Q-unset} $HOME $(date -d @0 +%H) $KEPT" },
  };
  static const char *const out[][2] = {
    [PY] = { "it's \"1\" $HOME /tmp JST\n", "None @ UTC k\n" },
    [JS] = { "it's \"1\" $HOME /tmp 9\n", "undefined @ 0 k\n" },
    [SH] = { "it's \"1\" $HOME /tmp 09\n", "unset @ 00 k\n" },
  };

  if (!g_file_test ("/usr/share/zoneinfo/Asia/Tokyo", G_FILE_TEST_EXISTS))
    {
      g_test_skip ("no time zones here");
      return;
    }
  for (BerthLanguage language = PY; language <= SH; language++)
    {
      AgentExec exec = { .language = language, .code = codes[language][0], .env = env };
      g_autoptr (AgentResult) result = NULL;

      if (language == JS && !session_has_node ())
        continue;
      session_mark (peer, language);
      result = session_exec_with (peer, exec);
      g_assert_cmpstr (result->err->str, ==, "");
      g_assert_cmpstr (result->out->str, ==, out[language][0]);
      session_assert (peer, language, codes[language][1], 0, out[language][1], "");
      session_assert_fresh (peer, language, FALSE);
    }
}

/* What the session has by these names is as it was, with what it means to bash. */
static void
test_shell_environment_comes_back (AgentPeer *peer, gconstpointer data)
{
  static const char *const env[]
      = { "INTEGER=1+1", "FIXED=2", "LIST=flat",   "MINE=3",       "SECONDS=5000",
          "LC_ALL=C",    "UID=7",   "FUNCNEST=50", "REMOVED=gone", NULL };
  AgentExec exec
      = { .language = SH,
          .env = env,
          .code = "echo $INTEGER $FIXED ${LIST[@]} $MINE ${#WORD} $((SECONDS >= 5000))\n"
                  "FIXED=4; readonly MINE; MINE=5 true; unset REMOVED; declare -g LIST=x" };
  g_autoptr (AgentResult) result = NULL;

  session_assert (peer, SH,
                  "declare -i INTEGER=4; readonly FIXED=1; LIST=(a b); REMOVED=kept; WORD=é", 0, "",
                  "");
  result = session_exec_with (peer, exec);
  g_assert_cmpstr (result->out->str, ==, "1+1 2 flat 3 2 1\n");
  session_assert (peer, SH,
                  "INTEGER+=3; (FIXED=5) 2>/dev/null; echo $? $INTEGER $FIXED ${LIST[1]} "
                  "${MINE-unset} ${#WORD} $((SECONDS < 1000)) $((UID == $(id -u))) "
                  "${FUNCNEST-unset} $REMOVED; MINE=6; env | grep -c -e MINE -e SECONDS",
                  1, "1 7 1 b unset 1 1 1 unset kept\n0\n", "");
}

/* What an interpreter reads when it starts must not cost the session its own. */
static void
test_environment_for_starting (AgentPeer *peer, gconstpointer data)
{
  static const char *const env[] = { "PYTHONPATH=/opt/mine", "LD_LIBRARY_PATH=/x", NULL };
  AgentExec exec
      = { .language = PY,
          .env = env,
          .code = "import sys, os; print(mark, sys.path[1], os.environ['LD_LIBRARY_PATH'])" };
  g_autoptr (AgentResult) result = NULL;

  session_mark (peer, PY);
  result = session_exec_with (peer, exec);
  g_assert_cmpstr (result->out->str, ==, "1 /opt/mine /x\n");
  session_assert (peer, PY, "print('/opt/mine' in sys.path)", 0, "False\n", "");
  session_assert_fresh (peer, PY, FALSE);
}

static void
assert_stdin (AgentPeer *peer, BerthLanguage language, const char *code)
{
  AgentExec exec
      = { .language = language, .code = code, .flags = BERTH_EXEC_SESSION | BERTH_EXEC_STDIN };
  guint32 request = agent_peer_send_exec (peer, &exec);
  g_autoptr (AgentResult) result = NULL;
  AgentFrame frame;

  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  agent_peer_expect (peer, request, BERTH_FRAME_CREDIT, &frame);
  agent_peer_send_stdin (peer, request, "one\ntwo\n", 8);
  agent_peer_send_stdin (peer, request, NULL, 0);
  result = agent_peer_collect (peer, request);
  g_assert_cmpstr (result->err->str, ==, "");
  g_assert_cmpstr (result->out->str, ==, "one\n");
}

/* Each exec has its own: what one did not read is not the next one's. */
static void
test_stdin_of_one_exec (AgentPeer *peer, gconstpointer data)
{
  for (int i = 0; i < 2; i++)
    {
      assert_stdin (peer, PY, "print(input())");
      session_assert (peer, PY, "import sys; print(repr(sys.stdin.read()))", 0, "''\n", "");
      assert_stdin (peer, SH, "read line; echo $line");
      session_assert (peer, SH, "cat; bash -c cat; echo end", 0, "end\n", "");
      if (!session_has_node ())
        continue;
      assert_stdin (peer, JS,
                    "process.stdin.once('data', d => console.log(String(d).split('\\n')[0]))"
                    "; process.stdin.on('end', () => 0)");
      session_assert (peer, JS,
                      "process.stdin.on('data', d => console.log('no')).on('end', () => "
                      "console.log('end'))",
                      0, "end\n", "");
    }
}

/* Each language has an interpreter of its own, and a script of another program has none. */
static void
test_other_languages (AgentPeer *peer, gconstpointer data)
{
  AgentExec script = { .language = SH, .code = "echo ${mark-none}" };
  g_autoptr (AgentResult) alone = NULL;

  session_mark (peer, PY);
  session_mark (peer, SH);
  if (session_has_node ())
    session_mark (peer, JS);
  session_assert (peer, SH, "#!/bin/sh\necho ${mark-none}", 0, "none\n", "");
  alone = agent_peer_run (peer, &script);
  g_assert_cmpstr (alone->out->str, ==, "none\n");
  session_assert_fresh (peer, SH, FALSE);
  session_assert_fresh (peer, PY, FALSE);
  if (session_has_node ())
    session_assert_fresh (peer, JS, FALSE);
}

/* Two sessions of clones have the same interpreter in their memory; its numbers must not be. */
static void
test_random_differs (AgentPeer *peer, gconstpointer data)
{
  static const char *const codes[]
      = { [PY] = "import random, os; print(random.random()); os._exit(0)",
          [JS] = "console.log(Math.random()); process.exit()" };

  for (BerthLanguage language = PY; language <= JS; language++)
    {
      g_autoptr (AgentResult) first = NULL;
      g_autoptr (AgentResult) second = NULL;

      if (language == JS && !session_has_node ())
        return;
      first = session_exec (peer, language, codes[language]);
      second = session_exec (peer, language, codes[language]);
      agent_assert_exit (first, 0);
      g_assert_cmpuint (first->out->len, >, 5);
      g_assert_cmpstr (first->out->str, !=, second->out->str);
    }
}

static void
give_identity (AgentPeer *peer)
{
  BerthIdentity identity = { .realtime_ns = 1, .hostname = "berth-test-1" };
  guint32 request = ++peer->request;
  AgentFrame frame;

  agent_peer_send (peer, BERTH_FRAME_IDENTITY, request, &identity, sizeof identity);
  agent_peer_expect (peer, request, BERTH_FRAME_IDENTITY_DONE, &frame);
}

/* The state that an interpreter was copied with is not used in both copies, whatever its program
 * has made of the names that lead there. */
static void
test_python_copy_is_seeded (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, PY,
                  "import random, sys, ssl\ndraw = random.random\nrandom.seed(7)\n"
                  "state = random.getstate()\nread = random.getstate\n"
                  "random.seed = lambda *_: None\nrandom.Random.seed = lambda *_: None\n"
                  "ssl.RAND_add = None\nown = random.Random(); own.seed(7)\n"
                  "import _ssl; _ssl.RAND_add = None\n"
                  "del sys.modules['random'], sys.modules['ssl'], sys.modules['_ssl']\n"
                  "import os; os.urandom = lambda n: b'x' * n\n",
                  0, "", "");
  session_assert (peer, PY, "print(read() == state)", 0, "True\n", "");
  give_identity (peer);
  session_assert (peer, PY, "print(read() == state); after = read()", 0, "False\n", "");
  session_assert (peer, PY, "print(read() == after, 0 <= draw() < 1)", 0, "True True\n", "");
  give_identity (peer);
  session_assert (peer, PY, "print(read() == after)", 0, "False\n", "");
}

static void
test_javascript_copy_is_seeded (AgentPeer *peer, gconstpointer data)
{
  static const char ask[]
      = "console.log([draw(), Math.random()].every((n) => n >= 0 && n < 1), draw === random,\n"
        "  id() !== id(), require('crypto').randomInt(5) < 5)";

  session_assert (peer, JS,
                  "const { random } = Math, draw = random, id = require('crypto').randomUUID;\n"
                  "console.log(random.name, random.length, Object.getPrototypeOf(random) === "
                  "Function.prototype, 'prototype' in random, /native code/.test(random));\n"
                  "require('v8').setFlagsFromString = require('crypto').randomBytes = null;",
                  0, "random 0 true false true\n", "");
  session_assert (peer, JS, ask, 0, "true true true true\n", "");
  give_identity (peer);
  session_assert (peer, JS, ask, 0, "true true true true\n", "");
}

/* Numbers of a generator that a program has made are its own: they go on in each copy. */
static void
test_python_own_generators_stay (AgentPeer *peer, gconstpointer data)
{
  session_assert (peer, PY, "import random; own = random.Random(5)", 0, "", "");
  give_identity (peer);
  session_assert (peer, PY, "print(own.random() == random.Random(5).random())", 0, "True\n", "");
}

static void
add_tests (void)
{
  static const SessionTest tests[] = {
    { "python-state", test_python_state },
    { "javascript-state", test_javascript_state },
    { "javascript-imports", test_javascript_imports },
    { "shell-state", test_shell_state },
    { "files", test_files },
    { "background-process", test_background_process },
    { "background-process-ends-with-session", test_background_process_ends_with_session },
    { "background-process-survives-next-limit", test_background_process_survives_next_limit },
    { "multiprocessing", test_multiprocessing },
    { "fork-never-doubles", test_fork_never_doubles },
    { "zombies-are-reaped", test_zombies_are_reaped },
    { "large-numbers-print", test_large_numbers_print },
    { "environment-of-one-exec", test_environment_of_one_exec },
    { "shell-environment-comes-back", test_shell_environment_comes_back },
    { "environment-for-starting", test_environment_for_starting },
    { "stdin-of-one-exec", test_stdin_of_one_exec },
    { "other-languages", test_other_languages },
    { "random-differs", test_random_differs },
    { "python-copy-is-seeded", test_python_copy_is_seeded },
    { "python-own-generators-stay", test_python_own_generators_stay },
    { "javascript-copy-is-seeded", test_javascript_copy_is_seeded },
  };

  session_add_tests ("agent-session", tests, G_N_ELEMENTS (tests));
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}

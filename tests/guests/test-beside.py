#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands beside a session's interpreter, on real guests. See guestlib.py."""

import functools
import json
import signal
import subprocess
import sys

from guestlib import LIMIT_S, Daemon, keep, main, same


@functools.cache
def daemon():
    return keep(Daemon("--warm-default", "0", "--max-vms", "4"))


def create(language="python"):
    return daemon().berth("create", "-l", language).stdout.strip()


def told(verb, *arguments, text=None, limit_s=200):
    """(status, stdout, stderr)"""
    done = subprocess.run(daemon().command(verb, "-t", str(limit_s), *arguments),
                          env=daemon().environ(), input=text or "",
                          text=True, capture_output=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout, done.stderr


def begin(*arguments):
    """One whose first line says that it runs."""
    process = daemon().popen(*arguments)
    same(process.stdout.readline(), "on\n")
    return process


def end(process, status, out=""):
    text, err = process.communicate(timeout=LIMIT_S)
    same((process.returncode, text), (status, out))
    return err


def destroy(session):
    same(daemon().berth("destroy", session).returncode, 0)


LOOP = "print('on', flush=True)\nwhile True: pass"


def test_beside_code():
    """What a user does while code runs in the session."""
    session = create()
    same(told("exec", session, "import os; x = 6; os.makedirs('a/b')"), (0, "", ""))
    loop = begin("exec", "-t", "300", session, LOOP)
    same(told("exec", "-x", session, "id", "-un"), (0, "user\n", ""))
    same(told("exec", "-x", session, "printf", "%s|", "$HOME", "--json", "--", "a  b", ""),
         (0, "$HOME|--json|--|a  b||", ""))
    same(told("exec", "-w", "a/b", "-e", "A=1 2", "-x", session, "sh", "-c", "pwd; echo $A"),
         (0, "/home/user/a/b\n1 2\n", ""))
    same(told("exec", "-x", session, "wc", "-c", text="x" * 1000000), (0, "1000000\n", ""))
    same(told("exec", "-x", session, "sh", "-c", "exit 7"), (7, "", ""))
    same(told("exec", "-x", session, "sh", "-c", "kill -SEGV $$")[0], 128 + signal.SIGSEGV)
    same(told("exec", "-x", session, "gti", "status"), (127, "", "gti: command not found\n"))
    same(told("exec", "-x", session, "./none"), (127, "", "./none: No such file or directory\n"))
    same(told("exec", "-x", session, "/etc/passwd"), (126, "", "/etc/passwd: Permission denied\n"))
    status, _, err = told("exec", "-w", "none", "-x", session, "ls")
    assert status == 2 and "no program can start in /home/user/none" in err, err
    status, out, _ = told("exec", "--json", "-x", session, "sh", "-c",
                          "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; cat /proc/self/cgroup")
    result = json.loads(out)
    same((status, result["timed_out"], result["oom"]), (0, False, False))
    assert result["usage"]["cpu_ms"] > 1 and "/exec-" in result["stdout"], result
    same(loop.poll(), None)
    loop.send_signal(signal.SIGINT)
    end(loop, 130)
    destroy(session)


def test_side_by_side():
    """Several at a time, each with its own limit and end; one more than may be is refused."""
    session = create("shell")
    cats = [begin("exec", "-t", "300", "-x", session, "sh", "-c", "echo on; exec sleep 250")
            for _ in range(16)]
    status, _, err = told("exec", "-x", session, "true")
    same(status, 126)
    assert f"sandbox {session} runs 16 commands" in err and err.count("\n") == 1, err
    same(told("exec", session, "echo code"), (0, "code\n", ""))
    cats[0].send_signal(signal.SIGINT)
    end(cats[0], 130)
    # it ends at its own limit with all that it started, and nobody else does
    status, out, _ = told("exec", "-x", session, "sh", "-c", "setsid sleep 200 & sleep 200",
                          limit_s=1)
    same((status, out), (124, ""))
    same(told("exec", "-x", session, "sh", "-c", "sleep 150 & echo left"), (0, "left\n", ""))
    seen = told("exec", session, "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")[1]
    same([seen.count(f"sleep {s}") for s in (250, 200, 150)], [15, 0, 0])
    same([cat.poll() for cat in cats[1:]], [None] * 15)
    destroy(session)
    for cat in cats[1:]:
        assert "it was destroyed" in end(cat, 125)


def test_interpreters_end():
    """A command goes on when the interpreter dies or is replaced."""
    session = create()
    beside = begin("exec", "-t", "300", "-x", session, "sh", "-c",
                   "echo on; until [ -e go ]; do sleep 0.1; done; echo went")
    same(told("exec", session, "import os; os._exit(3)")[0], 3)
    same(told("exec", session, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")[0], 137)
    same(told("exec", session, "while True: pass", limit_s=1)[0], 124)
    same(told("exec", session, "print(1)"), (0, "1\n", ""))
    same(beside.poll(), None)
    same(told("exec", session, "open('go', 'w').close()")[0], 0)
    end(beside, 0, "went\n")
    destroy(session)


def test_memory_of_one():
    """Memory that one command wants too much of is not another's end."""
    session = create()
    beside = begin("exec", "-t", "300", "-x", session, "sh", "-c",
                   "echo on; until [ -e go ]; do sleep 0.1; done")
    same(told("exec", session, "x = 6"), (0, "", ""))
    status, out, _ = told("exec", "--json", "-x", session, "python3", "-c", "b = []\nwhile True: b.append(b'x' * 1_000_000)")
    same((status, json.loads(out)["oom"]), (137, True))
    same(told("exec", session, "print(x * 7)"), (0, "42\n", ""))
    same(told("exec", "-x", session, "touch", "go"), (0, "", ""))
    end(beside, 0)
    destroy(session)


def test_restart():
    """The sandbox is there after berthd died; what ran for a client that is gone is not told."""
    session, d = create("shell"), daemon()
    beside = begin("exec", "-t", "300", "-x", session, "sh", "-c", "echo on; exec sleep 100")
    d.crash()
    end(beside, 125)
    d.start()
    same(told("exec", "-x", session, "echo", "again"), (0, "again\n", ""))
    destroy(session)


def test_run():
    """A command has a sandbox of its own, and its interpreter stands by for nothing."""
    same(told("run", "-l", "shell", "-x", "echo", "-n", "$0"), (0, "$0", ""))
    same(told("run", "-x", "cat", "-", text="piped"), (0, "piped", ""))
    same(told("run", "-x", "no-such-program")[0], 127)


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Execs in the background of a session, on real guests. See guestlib.py."""

import functools
import json
import signal
import subprocess
import sys

from guestlib import LIMIT_S, Daemon, keep, main, same, until

LOG_MAX = 1024 * 1024


@functools.cache
def daemon():
    return keep(Daemon("--warm-default", "0", "--max-vms", "4", "--background-unlimited", "1"))


def berth(*arguments, text=None):
    """(status, stdout, stderr)"""
    done = subprocess.run(daemon().command(*arguments), env=daemon().environ(), input=text or "",
                          text=True, capture_output=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout, done.stderr


def create(language="shell"):
    status, out, err = berth("create", "-l", language)
    same((status, err), (0, ""))
    return out.strip()


def start(session, *words, options=("-t", "300")):
    status, out, err = berth("exec", "-d", *options, "-x", session, *words)
    same((status, err), (0, ""))
    return out.strip()


def states(session):
    return {str(e["exec"]): e["state"] for e in json.loads(berth("ps", "--json", session)[1])}


def resident_kib():
    with open(f"/proc/{daemon().process.pid}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_lives_on():
    """Its client is gone at once, berthd is killed and started, and makes room for the next version: it
    runs, and all is told."""
    session, d = create(), daemon()
    first = start(session, "sh", "-c", "echo first; until [ -e go ]; do sleep 0.1; done; echo last; exit 3")
    code = berth("exec", "-d", session, "-t", "300", "echo in the background; until [ -e on ]; do sleep 0.1; done; x=kept")[1].strip()
    same((first, code), ("1", "2"))
    d.crash()
    d.start()
    same(states(session), {"1": "running", "2": "running"})
    follower = d.popen("logs", "-f", session, "1")
    same(follower.stdout.readline(), "first\n")
    behind = d.popen("exec", session, "echo $x")  # the code that runs since before
    same(berth("exec", "-x", session, "touch", "on"), (0, "", ""))
    same(behind.communicate(timeout=LIMIT_S), ("kept\n", ""))
    begun = berth("exec", "-x", session, "date", "-u", "+%FT%T.%6NZ")[1].strip()
    d.process.send_signal(signal.SIGUSR1)
    same(d.process.wait(LIMIT_S), 0)
    follower.communicate(timeout=LIMIT_S)
    same(follower.returncode, 125)
    d.start()
    same(berth("exec", "-x", session, "touch", "go"), (0, "", ""))
    same([berth("wait", session, "1")[0] for _ in range(2)], [3, 3])
    same(berth("logs", session, "1"), (0, "first\nlast\n", ""))
    same(berth("logs", "--since", begun, session, "1"), (0, "last\n", ""))
    same(berth("logs", "--since", "0", session, "1"), (0, "", ""))
    same(berth("logs", session, "2"), (0, "in the background\n", ""))
    same(states(session), {"1": "ended", "2": "ended"})
    same(start(session, "true"), "3")  # no number is given twice
    same(berth("destroy", session)[0], 0)


def test_overflow():
    """The newest is kept, and what fell out is said."""
    session = create()
    exec_ = start(session, "seq", "400000")
    same(berth("wait", session, exec_)[0], 0)
    status, out, err = berth("logs", session, exec_)
    same(status, 0)
    assert LOG_MAX // 4 * 3 < len(out) <= LOG_MAX and out.endswith("\n399999\n400000\n"), len(out)
    assert "fell out" in err and err.count("\n") == 1, err
    exec_ = start(session, "seq", "400000", options=("-t", "300", "--log", "3"))
    same(berth("wait", session, exec_)[0], 0)
    same(berth("logs", session, exec_), (0, "".join(f"{n}\n" for n in range(1, 400001)), ""))
    same(berth("destroy", session)[0], 0)


def test_signals_and_limits():
    session = create()
    for options, words, status in (((), None, 128 + signal.SIGTERM), (("-s", "KILL"), None, 128 + signal.SIGKILL)):
        exec_ = start(session, "sh", "-c", "setsid sleep 250 & sleep 250")
        same(berth("kill", *options, session, exec_), (0, "", ""))
        same(berth("wait", session, exec_)[0], status)
    exec_ = start(session, "sh", "-c", "trap 'echo hung up; exit 5' HUP; echo on; while :; do sleep 0.1; done")
    follower = daemon().popen("logs", "-f", session, exec_)
    same(follower.stdout.readline(), "on\n")
    same(berth("kill", "-s", "HUP", session, exec_), (0, "", ""))
    same((follower.communicate(timeout=LIMIT_S)[0], follower.returncode), ("hung up\n", 0))
    same(berth("wait", session, exec_)[0], 5)
    exec_ = start(session, "sleep", "200", options=("-t", "1"))
    same(berth("wait", session, exec_)[0], 124)
    unlimited = start(session, "sleep", "150", options=("--no-timeout",))
    seen = berth("exec", session, "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")[1]
    same([seen.count(f"sleep {s}") for s in (250, 200, 150)], [0, 0, 1])
    same(states(session)[unlimited], "running")
    typed = start(session, "cat", options=("-i",))
    same(berth("attach", "-i", session, typed, text="typed\n")[:2], (0, "typed\n"))
    same(berth("destroy", session)[0], 0)


def lost(session):
    """How much of each one's output fell out"""
    return [e["lost_bytes"] for e in json.loads(berth("ps", "--json", session)[1])]


def test_second_writer_and_slow_readers():
    """Standard input is one's at a time, and the next one's when that has gone; who reads slowly
    slows what it runs and nothing beside it."""
    session = create()
    reader = start(session, "sh", "-c", "while read x; do echo got $x; done", options=("-t", "300", "-i"))
    first = subprocess.Popen(daemon().command("attach", "-i", session, reader), env=daemon().environ(),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    first.stdin.write("one\n")
    first.stdin.flush()
    same(first.stdout.readline(), "got one\n")
    status, _, err = berth("attach", "-i", session, reader, text="no\n")
    same(status, 2)
    assert "somebody else's" in err, err
    first.send_signal(signal.SIGTERM)  # lost, and not at its end
    same(first.wait(LIMIT_S), 143)
    same(berth("attach", "-i", session, reader, text="two\n")[:2], (0, "got two\n"))
    same(states(session)[reader], "ended")

    endless = start(session, "sh", "-c", "while :; do echo line; done")
    slow = [subprocess.Popen(daemon().command(*words), env=daemon().environ(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE)
            for words in (("exec", "-x", session, "yes"), ("logs", "-f", session, endless))]
    for process in slow:  # they have begun, and are read no further
        assert process.stdout.read(2)
    same(berth("exec", "-x", session, "seq", "200000")[1].splitlines()[-1], "200000")
    same(berth("exec", session, "echo code")[:2], (0, "code\n"))
    same(berth("kill", session, endless)[0], 0)
    same(berth("wait", session, endless)[0], 143)
    for process in slow:
        process.kill()
        process.wait(LIMIT_S)
        process.stdout.close()
    same(berth("destroy", session)[0], 0)


def test_memory_of_berthd():
    """Ten that print all the time, two of them followed by who does not read, cost berthd no more
    than its bounds: looked at when each has written more than is kept of it."""
    session = create()
    berth("exec", "-x", session, "true")
    before = resident_kib()
    execs = [start(session, "sh", "-c", "while :; do seq 20000; sleep 0.1; done") for _ in range(10)]
    idle = [daemon().popen("logs", "-f", session, exec_) for exec_ in execs[:2]]
    until(lambda: len(lost(session)) == 10 and all(lost(session)), "output of each that fell out")
    grown = resident_kib() - before
    print(f"# berthd's memory grew by {grown} KiB; fell out: {lost(session)}")
    assert grown < 8 * 1024, grown
    for process in idle:
        assert process.poll() is None, process.poll()  # it still follows
        process.kill()
        process.communicate(timeout=LIMIT_S)
    for exec_ in execs:
        same(berth("kill", "-s", "KILL", session, exec_), (0, "", ""))
        same(berth("wait", session, exec_)[0], 128 + signal.SIGKILL)
        status, out, err = berth("logs", session, exec_)
        same(status, 0)
        assert LOG_MAX // 4 * 3 < len(out) <= LOG_MAX and "fell out" in err, (len(out), err)
        assert set(out.split("\n")[1:-1]) <= {str(n) for n in range(1, 20001)}
    same(berth("destroy", session)[0], 0)


if __name__ == "__main__":
    sys.exit(main(globals()))

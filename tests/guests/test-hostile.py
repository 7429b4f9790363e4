#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests whose first process means harm, beside one that does not: whatever they send, who asked for
them gets one clear error, the slot comes back, berthd's memory stays where it was, and the other
sandbox works on. Further arguments: the hostile process 1, the agent. See guestlib.py."""

import contextlib
import os
import subprocess
import sys
import tempfile

from guestlib import Daemon, main, same, until
from hostilelib import Others, make_hostile_images, make_images

HOSTILE, AGENT = (os.path.abspath(path) for path in sys.argv[3:5])
GROWTH_MAX_KB = 30 * 1024
LIMIT_S = 3


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def meet(mode):
    """A run in a guest of this mode, and a session beside it."""
    with tempfile.TemporaryDirectory(prefix="berth-hostile-", dir="/var/tmp") as images:
        os.chmod(images, 0o755)
        make_images(images, AGENT)
        with Daemon("--warm-default", "0", "--snapshot-scope", "none", images=images) as d:
            other = Others(d)
            other.speed(3)  # the first ones are slower
            alone = other.speed(3)
            make_hostile_images(images, HOSTILE, mode)
            before = most = resident_kb(d.process.pid)
            # into a file: a pipe that nobody reads meanwhile would hold berth up, as it should
            out = os.path.join(images, "out")
            with open(out, "wb") as file:
                run = subprocess.Popen(d.command("run", "-t", str(LIMIT_S), "print(1)"),
                                       env=d.environ(), stdin=subprocess.DEVNULL, stdout=file,
                                       stderr=subprocess.PIPE, text=True)
            speeds = []
            while run.poll() is None:
                speeds.append(other.speed(1))
                most = max(most, resident_kb(d.process.pid))
            _, err = run.communicate()
            print(f"# {mode}: {err.strip()!r}; berthd grew by {most - before} KiB; the other sandbox "
                  f"did {sum(speeds) / len(speeds):.1f} execs/s beside it, {alone:.1f} alone")
            same((run.returncode, err.count("\n")), (125, 1))
            assert most - before < GROWTH_MAX_KB, (before, most)
            d.wait_slots(claimed=1, free=1)
            same(d.berth("exec", other.id, "print('ok')").stdout, "ok\n")


def test_data_without_credit():
    meet("no-credit")


def test_lies_about_a_length():
    meet("length")


def test_answers_for_another_request():
    meet("other-request")


def test_frames_of_every_type():
    meet("any-frame")


def test_never_ends():
    meet("never-ends")


def test_noise():
    meet("noise")


@contextlib.contextmanager
def session_of(mode):
    """A session in a clone of such a guest: one that was booted is not forked."""
    with tempfile.TemporaryDirectory(prefix="berth-hostile-", dir="/var/tmp") as images:
        os.chmod(images, 0o755)
        make_hostile_images(images, HOSTILE, mode)
        with Daemon("--warm-default", "0", images=images) as d:
            same(d.berth("run", "1").returncode, 0)
            until(lambda: d.template()["snapshot"] == "valid", "the snapshot")
            yield d, d.berth("create").stdout.strip()


def expect_refusal(d, session, words):
    refused = d.berth("fork", session)
    print(f"# {refused.stderr.strip()!r}")
    same((refused.returncode, refused.stderr.count("\n")), (125, 1))
    assert words in refused.stderr, refused.stderr
    d.wait_slots(claimed=1, free=1)
    done = d.berth("exec", session, "1")
    same((done.returncode, done.stderr), (0, ""))
    same([vm["id"] for vm in d.json("list")], [session])


def test_never_freezes():
    """The fork ends at its time limit, and the source goes on."""
    with session_of("never-freezes") as (d, session):
        expect_refusal(d, session, "stand still")


def test_never_thaws():
    """What does not go on is lost, and says so; whoever else there is goes on."""
    with session_of("never-thaws") as (d, session):
        print(f"# {d.berth('fork', session).stderr.strip()!r}")
        lost = d.berth("exec", session, "1")
        print(f"# {lost.stderr.strip()!r}")
        same((lost.returncode, lost.stderr.count("\n")), (125, 1))
        until(lambda: d.json("list") == [], "the end of both")
        same(d.process.poll(), None)


def test_says_frozen():
    """It lies, and writes all the time. The VM stands still, whatever its programs do; a copy says that
    they ran before it had random numbers of its own, and is not used."""
    with session_of("says-frozen") as (d, session):
        expect_refusal(d, session, "numbers of its own")


if __name__ == "__main__":
    sys.exit(main(globals()))

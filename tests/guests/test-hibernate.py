#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hibernation: a session without a VM goes on when it is used. What it was is there again, whatever died
meanwhile; it takes no place until then. See guestlib.py."""

import glob
import json
import os
import random
import sys
import tempfile
import time

from guestlib import LONG, Daemon, domains, kill_all, main, qemu_pids, same, until, virsh

BEGIN = """
import random, threading, time
random.seed(7)
kept = {"a": [1, 2, 3]}
count = 0
def work():
    global count
    while True:
        count += 1
        time.sleep(0.01)
threading.Thread(target=work, daemon=True).start()
open("file", "w").write("as it was")
"""
LOOK = """
import json, socket
before = count
end = time.monotonic() + 20
while count == before and time.monotonic() < end:
    time.sleep(0.01)
print(json.dumps({"kept": kept, "file": open("file").read(), "goes_on": count > before, "time": time.time(),
    "random": random.random(), "host": socket.gethostname()}))
"""


def run(d, session, code):
    done = d.berth("exec", "-t", "60", session, code)
    same((done.returncode, done.stderr), (0, ""))
    return done.stdout


def make(d, *options):
    session = d.berth("create", *options).stdout.strip()
    run(d, session, BEGIN)
    return session


def look(d, session):
    begin = time.time()
    seen = json.loads(run(d, session, LOOK))
    same((seen["kept"], seen["file"], seen["goes_on"]), ({"a": [1, 2, 3]}, "as it was", True))
    assert begin - 0.05 <= seen["time"] <= time.time(), (begin, seen)
    return seen


def states(d):
    return {vm["id"]: vm["state"] for vm in d.json("list") if vm["state"] not in ("warm", "starting")}


def hibernate(d, session):
    begin = time.monotonic()
    done = d.berth("hibernate", session)
    same((done.returncode, done.stdout, done.stderr), (0, "", ""))
    same(states(d)[session], "hibernated")
    return time.monotonic() - begin


def ready(*options):
    return Daemon("--max-vms", "2", "--warm-default", "0", "--warm", "python=1", *options)


def test_it_goes_on_when_it_is_used():
    with ready() as d:
        d.wait_warm()
        session = make(d, "--tenant", "acme")
        number, name = random.Random(7), look(d, session)["host"]
        number.random()
        for _ in range(4 if LONG else 2):
            took = hibernate(d, session)
            same(d.berth("hibernate", session).returncode, 0)  # twice is no error
            status = d.json("status")
            same((status["slots"]["claimed"], status["hibernated"]), (0, 1))
            begin = time.monotonic()
            seen = look(d, session)
            print(f"# hibernated in {took:.2f} s, woken and looked at in {time.monotonic() - begin:.2f} s")
            same((seen["random"], seen["host"]), (number.random(), name))  # it is who it was
            same(states(d), {session: "claimed"})
        titles = virsh("list", "--title")
        assert "tenant acme" in titles, titles
        # its place is somebody else's: it waits
        hibernate(d, session)
        others = [d.berth("create").stdout.strip() for _ in range(2)]
        waiting = d.popen("exec", session, "print(kept)")
        until(lambda: d.json("status")["waiters"], "the wait")
        d.berth("destroy", others[0])
        same((waiting.wait(60), waiting.communicate()[0]), (0, "{'a': [1, 2, 3]}\n"))
        hibernate(d, session)
        same(d.berth("destroy", session).returncode, 0)
        same((list(states(d)), d.berth("exec", session, "1").returncode), (others[1:], 125))


def test_what_dies_meanwhile():
    with ready() as d:
        d.wait_warm()
        session = make(d)
        hibernate(d, session)
        d.crash()
        kill_all(qemu_pids(domains()))  # as a reboot does
        until(lambda: not domains(), "the domains' end")
        d.start()
        same(states(d)[session], "hibernated")
        same(look(d, session)["random"], random.Random(7).random())
        # killed at any moment of a hibernation: it runs, or it sleeps
        for delay in (0.05, 0.2, 0.4, 0.6) if LONG else (0.3,):
            process = d.popen("hibernate", session)
            time.sleep(delay)
            d.crash()
            process.wait(60)
            d.start()
            look(d, session)
            until(lambda: d.domains() == sorted(domains()), "the same domains here and there")
        # and of a wake: somebody may have gone on from there, so its numbers are its own
        hibernate(d, session)
        d.crash()
        kept, = glob.glob(f"{d.folder}/**/{session}.asleep", recursive=True)
        os.rename(kept, kept.replace(".asleep", ".waking"))
        d.start()
        numbers = random.Random(7)
        assert look(d, session)["random"] not in [numbers.random() for _ in range(20)]


def test_its_name_is_somebody_elses_now():
    """It goes on under the next one, and is who it was: of two names that were tried one alone began."""
    with ready() as d:
        d.wait_warm()
        session = make(d)
        number, name = random.Random(7), look(d, session)["host"]
        number.random()
        place = next(vm["domain"] for vm in d.json("list") if vm["id"] == session)
        hibernate(d, session)
        virsh("undefine", place)
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(f"<domain type='qemu'><name>{place}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
                       "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>")
            file.flush()
            virsh("define", file.name)
        try:
            seen = look(d, session)
            same((seen["random"], seen["host"]), (number.random(), name))
            assert next(vm["domain"] for vm in d.json("list") if vm["id"] == session) != place
        finally:
            virsh("undefine", place)


def test_by_itself():
    with ready("--idle-hibernate-s", "2", "--idle-timeout-s", "300") as d:
        d.wait_warm()
        session = make(d)
        until(lambda: states(d)[session] == "hibernated", "its hibernation", 60)
        look(d, session)


def test_for_who_waits():
    with ready("--full-hibernate-s", "1") as d:
        d.wait_warm()
        session = make(d)
        others = [d.berth("create").stdout.strip() for _ in range(2)]  # the second waits for it
        same(states(d), {session: "hibernated", **{other: "claimed" for other in others}})
        look(d, session)  # and it for one of them
        same(sorted(states(d).values()), ["claimed", "claimed", "hibernated"])
        for one in (session, *others):
            same(d.berth("destroy", one).returncode, 0)


if __name__ == "__main__":
    sys.exit(main(globals()))

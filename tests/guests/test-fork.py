#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Forks: sandboxes that go on from where one is. What runs goes on in each, of one moment, with random
numbers and a clock of its own; whatever fails, the source goes on. See guestlib.py."""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

from guestlib import (BERTHD, BUILD_IMAGES, LIMIT_S, LONG, ROOT, Daemon, domains, kill_all, libvirtd_pids,
                      main, may_meddle, need, qemu_pids, same, start_libvirtd, until, virsh)

CHILDREN = 8 if LONG else 3

# A program that writes a number and its copy all the time, in memory and in a file; a thread; a child
# process; a timer.
BEGIN = """
import os, subprocess, threading, time
pair = [0, 0]
def count():
    while True:
        n = pair[0] + 1
        pair[:] = n, n
        page[:] = bytes([n % 251]) * len(page)
page = bytearray(1 << 16)
thread = threading.Thread(target=count, daemon=True); thread.start()
fired = threading.Event()
timer = threading.Timer(3, fired.set); timer.daemon = True; timer.start()
child = subprocess.Popen(["sh", "-c", "i=0; while :; do i=$((i+1)); printf '%s %s' $i $i >n.new; mv n.new n; done"])
kept = {"a": [1, 2, 3]}
open("file", "w").write("as it was")
while not os.path.exists("n"):
    time.sleep(0.01)
"""
LOOK = """
import json
before = pair[0]
end = time.monotonic() + 20
while pair[0] == before and time.monotonic() < end:
    time.sleep(0.01)
first = open("n").read()
while open("n").read() == first and time.monotonic() < end:
    time.sleep(0.01)
numbers = open("n").read().split()
fired.wait(20)
print(json.dumps({"goes_on": pair[0] > before, "whole": numbers[0] == numbers[1],
    "page": len(set(bytes(page))) <= 2, "child": child.poll(), "fired": fired.is_set(), "kept": kept,
    "file": open("file").read(), "host": os.uname().nodename, "machine": open("/etc/machine-id").read(),
    "time": time.time()}))
"""
DRAW = """
import json, os, random, secrets, ssl, uuid
print(json.dumps([n for _ in range(20) for n in (random.random(), random.gauss(0, 1),
    ssl.RAND_bytes(16).hex(), os.urandom(16).hex(), str(uuid.uuid4()))]))
"""


def run(d, session, code):
    done = d.berth("exec", "-t", "60", session, code)
    same((done.returncode, done.stderr), (0, ""))
    return done.stdout


def make(d, code="", *options):
    session = d.berth("create", *options).stdout.strip()
    if code:
        run(d, session, code)
    return session


def fork(d, session, count=1):
    done = d.berth("fork", session, "-n", str(count))
    same((done.returncode, done.stderr), (0, ""))
    ids = done.stdout.split()
    same(len(set(ids)), count)
    return ids


def domain_of(d, session):
    return next(vm["domain"] for vm in d.json("list") if vm["id"] == session)


def ready(*options):
    """Sessions are forked that are clones."""
    return Daemon("--max-vms", "12", "--max-starts", "2", "--warm", "python=1", *options)


def look(d, session):
    begin = time.time()
    seen = json.loads(run(d, session, LOOK))
    assert begin - 0.05 <= seen["time"] <= time.time(), (begin, seen, time.time())
    assert seen["goes_on"] and seen["whole"] and seen["page"] and seen["fired"], seen
    same((seen["child"], seen["kept"], seen["file"]), (None, {"a": [1, 2, 3]}, "as it was"))
    return seen["host"], seen["machine"]


def test_what_runs_goes_on_in_each():
    with ready() as d:
        d.wait_warm()
        session = make(d, BEGIN, "--tenant", "acme", "--task", "t1")
        run(d, session, DRAW)
        children = fork(d, session, CHILDREN)
        everyone = [session, *children]
        names = [look(d, one) for one in everyone]
        same(len({host for host, _ in names}), len(everyone))
        same(len({machine for _, machine in names}), len(everyone))
        drawn = [set(json.loads(run(d, one, DRAW))) for one in everyone]
        same(len(set().union(*drawn)), sum(len(numbers) for numbers in drawn))
        # each is its own from here on
        for number, one in enumerate(everyone):
            run(d, one, f"kept['a'].append({number}); open('file', 'w').write('{number}')")
        for number, one in enumerate(everyone):
            same(run(d, one, "print(kept['a'], open('file').read())"), f"[1, 2, 3, {number}] {number}\n")
        titles = virsh("list", "--title")
        same(titles.count(f"tenant acme, task t1, fork of {session}"), CHILDREN)
        # a fork of a fork
        grandchild, = fork(d, children[0])
        same(run(d, grandchild, "print(kept['a'])"), "[1, 2, 3, 1]\n")
        for one in (*everyone, grandchild):
            same(d.berth("destroy", one).returncode, 0)


def test_javascript_and_shell():
    with Daemon("--max-vms", "6", "--warm", "javascript=1") as d:
        d.wait_warm(1, "javascript")
        draw = ("var c = require('crypto'); console.log(JSON.stringify([c.randomUUID(), Math.random(), "
                "c.randomBytes(16).toString('hex'), c.randomInt(2 ** 47)]))")
        session = make(d, "let x = 41; let ticks = 0; setInterval(() => ticks++, 5).unref()", "-l", "javascript")
        run(d, session, draw)
        children = fork(d, session, 2)
        drawn = []
        for one in (session, *children):
            same(run(d, one, "console.log(x + 1)"), "42\n")
            drawn += json.loads(run(d, one, draw))
        same(len(set(drawn)), len(drawn))


def test_what_runs_for_a_caller_goes_on():
    """Its caller stays with the source and misses nothing; in a copy, and in what goes on from a checkpoint
    of that moment, it goes on in the background, with its log from there on."""
    with ready() as d:
        d.wait_warm()
        session = make(d, "x = 1")
        code = d.popen("exec", session, "import os, time\nx = 2\nprint('begins', flush=True)\nopen('begun', 'w').close()\n"
                       "while not os.path.exists('go'):\n    time.sleep(0.02)\nprint('ends', x)")
        command = subprocess.Popen(d.command("exec", "-x", session, "sh", "-c", "read a; echo first $a; read b; "
                                             "echo second $b; exit 7"), env=d.environ(), text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        command.stdin.write("one\n")
        command.stdin.flush()
        same(command.stdout.readline(), "first one\n")
        until(lambda: "begun" in d.berth("ls", session).stdout, "the code")
        same(d.json("ps", session), [])
        children = fork(d, session, 2)
        same(d.berth("checkpoint", session, "as-it-ran").returncode, 0)
        command.stdin.write("two\n")
        command.stdin.close()
        same(command.wait(60), 7)
        same(command.stdout.read(), "second two\n")
        d.berth("exec", "-x", session, "touch", "go")
        same(code.communicate(timeout=60), ("begins\nends 2\n", ""))
        same(code.returncode, 0)
        same(d.json("ps", session), [])
        same(d.berth("rollback", session, "as-it-ran").returncode, 0)
        for one in (session, *children):
            rows = {row["kind"]: row for row in d.json("ps", one)}
            same(sorted((kind, row["state"]) for kind, row in rows.items()),
                 [("code", "running"), ("command", "running")])
            assert rows["command"]["command"].startswith("sh -c read a;"), rows
            typed = d.berth("attach", "-i", one, str(rows["command"]["exec"]), stdin="from another\n")
            same((typed.returncode, typed.stdout), (7, "second from another\n"))
            d.berth("exec", "-x", one, "touch", "go")
            same(d.berth("wait", one, str(rows["code"]["exec"])).returncode, 0)
            same(d.berth("logs", one, str(rows["code"]["exec"])).stdout, "ends 2\n")
            same(run(d, one, "print(x)"), "2\n")


def test_what_runs_in_the_background_goes_on():
    """With its number and its log; what has the interpreter keeps it, until it is ended."""
    with ready() as d:
        d.wait_warm()
        session = make(d, "x = 1")
        counter = d.berth("exec", "-d", "-t", "600", "-x", session, "sh", "-c",
                          "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done").stdout.strip()
        code = d.berth("exec", "-d", "-t", "600", session, "import time\nwhile True:\n    time.sleep(0.05)").stdout.strip()
        until(lambda: d.berth("logs", session, counter).stdout, "its first line")
        children = fork(d, session, 2)
        for one in (session, *children):
            states = {str(row["exec"]): row["state"] for row in d.json("ps", one)}
            same((states[counter], states[code]), ("running", "running"))
            before = d.berth("logs", one, counter).stdout.split()
            until(lambda one=one, n=len(before): len(d.berth("logs", one, counter).stdout.split()) > n, "more")
            lines = d.berth("logs", one, counter).stdout.split()
            same(lines, [str(n) for n in range(1, len(lines) + 1)])
        first, second = children
        same(d.berth("kill", first, code).returncode, 0)
        same(d.berth("wait", first, code).returncode, 143)
        same(run(d, first, "print(7 * 6)"), "42\n")  # x went with the code that was ended
        states = {str(row["exec"]): row["state"] for row in d.json("ps", second)}
        same((states[counter], states[code]), ("running", "running"))
        same(d.berth("kill", second, counter).returncode, 0)
        same(d.berth("wait", second, counter).returncode, 143)
        states = {str(row["exec"]): row["state"] for row in d.json("ps", session)}
        same((states[counter], states[code]), ("running", "running"))


def test_open_connections_end_in_the_copies():
    with ready() as d:
        d.wait_warm()
        session = make(d, "x = 1")
        d.berth("exec", "-d", "-t", "600", "-x", session, "python3", "-c", """
import socket, threading
def serve(fd):
    try:
        while piece := fd.recv(65536):
            fd.sendall(piece)
        print("end", flush=True)
    except OSError:
        print("reset", flush=True)
listener = socket.create_server(("127.0.0.1", 7007))
print("listens", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
""")
        until(lambda: "listens" in d.berth("logs", session, "1").stdout, "the server")
        host, _, port = d.berth("port", session, "add", "7007").stdout.strip().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as fd:
            fd.sendall(b"one")
            same(fd.recv(3), b"one")
            child, = fork(d, session)
            fd.sendall(b"two")
            same(fd.recv(3), b"two")
            until(lambda: any(word in d.berth("logs", child, "1").stdout for word in ("end", "reset")),
                  "the end in the copy")
            assert "reset" not in d.berth("logs", session, "1").stdout
            same(run(d, child, "print(x)"), "1\n")
            fd.sendall(b"six")
            same(fd.recv(3), b"six")


def test_a_session_that_was_booted_is_not_forked():
    with ready() as d:
        d.wait_warm()
        session = make(d, "x = 1", "--cold")
        refused = d.berth("fork", session)
        same(refused.returncode, 2)
        assert "booted" in refused.stderr, refused.stderr
        same(run(d, session, "print(x)"), "1\n")


def test_execs_meanwhile_wait():
    with ready() as d:
        d.wait_warm()
        session = make(d, "n = 0")
        stop, wrong = threading.Event(), []

        def work():
            while not stop.is_set():
                done = d.berth("exec", session, "n += 1")
                if (done.returncode, done.stderr) != (0, ""):
                    wrong.append(done)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            for _ in range(20 if LONG else 5):
                d.berth("destroy", *fork(d, session))
        finally:
            stop.set()
            thread.join()
        same(wrong, [])


def test_the_source_is_killed_while_it_is_copied():
    with ready() as d:
        d.wait_warm()
        for delay in (0.02, 0.1, 0.2, 0.4):
            session = make(d, "x = bytes(30_000_000); y = __import__('os').urandom(20_000_000)")
            pids = qemu_pids([domain_of(d, session)])
            process = d.popen("fork", session, "-n", "2")
            time.sleep(delay)
            kill_all(pids)
            process.wait(60)
            out, err = process.communicate()
            if process.returncode == 0:
                for child in out.split():
                    same(run(d, child, "print(len(y))"), "20000000\n")
                    d.berth("destroy", child)
            else:
                same((process.returncode, err.count("\n")), (125, 1))
            until(lambda: d.berth("exec", session, "1").returncode == 125, "its end")
        until(lambda: d.domains() == sorted(domains()), "the same domains here and there")


def counted(d):
    """VMs that hold a place"""
    slots = d.json("status")["slots"]
    return sum(slots[name] for name in ("claimed", "paused", "warm", "starting", "stopping", "stuck"))


def test_berthd_is_killed_while_a_session_is_copied():
    """Its programs stand still then, and its domain: the next berthd lets both go on."""
    with ready() as d:
        d.wait_warm()
        session = make(d, BEGIN)
        made = 0
        for delay in (0.05, 0.1, 0.2, 0.3, *((0.4, 0.6, 0.8, 1.0, 1.3, 1.6) * 16 if LONG else ())):
            process = d.popen("fork", session)
            if delay < 1.2:
                time.sleep(delay)
            else:
                process.stdout.readline()  # of one that is told of
            d.crash()
            process.wait(60)
            d.start()
            if not LONG or random.random() < 0.1:
                look(d, session)
            until(lambda: d.domains() == sorted(domains()), "the same domains here and there")
            until(lambda: counted(d) == len(domains()), "the same counts here and there")
            for vm in d.json("list"):
                if vm["state"] == "claimed" and vm["id"] != session:
                    made += 1
                    d.berth("destroy", vm["id"])
            until(lambda: d.domains() == sorted(domains()), "the same domains here and there")
        look(d, session)
        d.berth("destroy", session)
        until(lambda: counted(d) == len(domains()), "the same counts here and there")
        print(f"# {made} copies were there after a SIGKILL")
        assert made > 0 or not LONG


def nameless_files(d):
    """What berthd has open and nobody sees: the files of forks"""
    folder = f"/proc/{d.process.pid}/fd"
    links = []
    for name in os.listdir(folder):
        try:
            links.append(os.readlink(os.path.join(folder, name)))
        except FileNotFoundError:
            pass
    return [link for link in links if link.startswith(d.snapshots) and link.endswith("(deleted)")]


def test_libvirtd_is_killed_while_a_session_is_copied():
    """Its domain stands still then; it goes on when libvirtd is there again, and nothing is left."""
    need(may_meddle(), "only where this test may start libvirtd")
    with ready() as d:
        d.wait_warm()
        session = make(d, BEGIN)
        made = 0
        for delay in (0.05, 0.15, 0.25, 0.35) * (5 if LONG else 1):
            process = d.popen("fork", session)
            time.sleep(delay)
            kill_all(libvirtd_pids())
            until(lambda: not libvirtd_pids(), "libvirtd's end", 30)
            start_libvirtd(d)
            process.wait(180)
            out, err = process.communicate()
            if process.returncode != 0:
                same((process.returncode, err.count("\n")), (125, 1))
            look(d, session)
            for child in out.split():
                made += 1
                look(d, child)
                d.berth("destroy", child)
            until(lambda: d.domains() == sorted(domains()), "the same domains here and there")
            until(lambda: not nameless_files(d), "the end of the fork's file")
        print(f"# {made} forks were made")


def test_an_image_is_built_anew():
    """A child has the disks of its source, or is refused: never others."""
    need(ROOT, "the layers are in root's cache")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        agent = os.path.join(os.path.dirname(BERTHD), "../agent/berth-agent")
        other = os.path.join(folder, "agent")
        with open(agent, "rb") as file, open(other, "wb") as copy:
            copy.write(file.read() + b"another")
        os.chmod(other, 0o755)

        def build(which):
            subprocess.run([BUILD_IMAGES, "--agent", which, "--dir", folder, "-q"], check=True,
                           stdin=subprocess.DEVNULL, timeout=LIMIT_S)
        build(agent)
        with Daemon("--max-vms", "4", "--warm", "python=1", images=folder, own_snapshots=True) as d:
            d.wait_warm()
            session = make(d, "x = 1")
            build(other)
            done = d.berth("fork", session)
            print(f"# {done.returncode}: {done.stderr.strip()}")
            if done.returncode == 0:
                same(run(d, done.stdout.strip(), "print(x); import decimal, zoneinfo"), "1\n")
            else:
                same((done.returncode, done.stderr.count("\n")), (2, 1))
                assert "image" in done.stderr, done.stderr
            # nothing is kept that could not be loaded
            for arguments in (("checkpoint", session, "now"), ("hibernate", session)):
                done = d.berth(*arguments)
                same((done.returncode, done.stderr.count("\n")), (2, 1))
                assert "make a new one" in done.stderr, done.stderr
            same(run(d, session, "print(x)"), "1\n")
            # those that are made from now on are forked again
            d.run()
            until(lambda: d.template()["snapshot"] == "valid", "the snapshot of the new image")
            d.wait_warm()
            child, = fork(d, make(d, "x = 2"))
            same(run(d, child, "print(x)"), "2\n")


def test_no_space_for_what_it_has_changed():
    need(ROOT, "only root may mount a file system")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as small:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=340m,mode=711", "none", small], check=True)
        try:
            with Daemon("--max-vms", "4", "--warm", "python=1", snapshots=os.path.join(small, "s")) as d:
                d.wait_warm()
                session = make(d, "import os; x = os.urandom(60_000_000)")
                left = os.statvfs(small)
                with open(os.path.join(small, "ballast"), "wb") as file:
                    file.write(bytes(max(left.f_bavail * left.f_frsize - 20_000_000, 0)))
                refused = d.berth("fork", session)
                same((refused.returncode, refused.stderr.count("\n")), (125, 1))
                assert "No space" in refused.stderr, refused.stderr
                begin = time.time()
                got, at = run(d, session, "import time; print(len(x), time.time())").split()
                same(got, "60000000")
                assert begin - 0.05 <= float(at) <= time.time(), (begin, at)
                os.unlink(os.path.join(small, "ballast"))
                child, = fork(d, session)
                same(run(d, child, "print(len(x))"), "60000000\n")
                for one in (session, child):
                    d.berth("destroy", one)
        finally:
            subprocess.run(["umount", "-l", small], check=True)


def test_children_wait_for_their_places():
    with Daemon("--max-vms", "2", "--warm-default", "0") as d:
        d.run()
        until(lambda: d.template()["snapshot"] == "valid", "the snapshot")
        session = make(d, "x = 1")
        full = d.berth("fork", session, "-n", "2", "--no-wait", "--all")
        same((full.returncode, full.stderr.count("\n")), (126, 1))
        d.wait_slots(claimed=1, free=1)  # none of them is left
        # the first is there at once, the second when there is room: of the same moment
        waiting = d.popen("fork", session, "-n", "2")
        first = waiting.stdout.readline().strip()
        same(run(d, first, "print(x)"), "1\n")
        run(d, session, "x = 2")
        until(lambda: d.json("status")["waiters"], "the wait")
        d.berth("destroy", first)
        same(waiting.wait(60), 0)
        same(run(d, waiting.communicate()[0].strip(), "print(x)"), "1\n")


if __name__ == "__main__":
    sys.exit(main(globals()))

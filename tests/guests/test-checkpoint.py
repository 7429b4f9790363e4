#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checkpoints: what a sandbox was, kept on disk and gone back to. See guestlib.py."""

import json
import os
import subprocess
import sys
import time

from guestlib import LONG, MARK_URI, Daemon, domains, kill_all, main, mark, need, qemu_pids, same, until, virsh

# A program that writes a number and its copy all the time, in memory and in a file of a child.
BEGIN = """
import os, subprocess, threading, time
pair = [0, 0]
def count():
    while True:
        n = pair[0] + 1
        pair[:] = n, n
threading.Thread(target=count, daemon=True).start()
child = subprocess.Popen(["sh", "-c", "i=0; while :; do i=$((i+1)); printf '%s %s' $i $i >n.new; mv n.new n; done"])
kept = {"a": [1, 2, 3]}
open("file", "w").write("as it was")
while not os.path.exists("n"):
    time.sleep(0.01)
"""
LOOK = """
import json
before, end = pair[0], time.monotonic() + 20
while pair[0] == before and time.monotonic() < end:
    time.sleep(0.01)
first = open("n").read()
while open("n").read() == first and time.monotonic() < end:
    time.sleep(0.01)
numbers = open("n").read().split()
print(json.dumps({"goes_on": pair[0] > before, "whole": pair[0] - pair[1] in (0, 1) and numbers[0] == numbers[1],
    "child": child.poll(), "kept": kept, "file": open("file").read(), "time": time.time()}))
"""
DRAW = """
import json, os, random, secrets, ssl, uuid
print(json.dumps([n for _ in range(20) for n in (random.random(), ssl.RAND_bytes(16).hex(),
    os.urandom(16).hex(), str(uuid.uuid4()))]))
"""


def run(d, session, code):
    done = d.berth("exec", "-t", "60", session, code)
    same((done.returncode, done.stderr), (0, ""))
    return done.stdout


def do(d, *arguments):
    done = d.berth(*arguments)
    same((done.returncode, done.stderr), (0, ""))
    return done.stdout


def ready(*options):
    return Daemon("--max-vms", "6", "--max-starts", "2", "--warm", "python=1", *options)


def look(d, session):
    begin = time.time()
    seen = json.loads(run(d, session, LOOK))
    assert begin - 0.05 <= seen["time"] <= time.time(), (begin, seen, time.time())
    assert seen["goes_on"] and seen["whole"], seen
    same((seen["child"], seen["kept"], seen["file"]), (None, {"a": [1, 2, 3]}, "as it was"))


def test_gone_back_to_what_it_was():
    with ready() as d:
        d.wait_warm()
        session = d.berth("create", "--tenant", "acme").stdout.strip()
        run(d, session, BEGIN)
        run(d, session, DRAW)
        do(d, "checkpoint", session, "before")
        kept, = d.json("checkpoint", "list")
        print(f"# a checkpoint of {kept['bytes'] / 2**20:.1f} MiB")
        same((kept["name"], kept["sandbox_id"], kept["tenant"], kept["exec_count"]), ("before", session, "acme", 2))
        assert "name: before" in do(d, "checkpoint", "show", session, "before")
        drawn = [set(json.loads(run(d, session, DRAW)))]
        look(d, session)
        for _ in range(2):
            run(d, session, "kept['a'].append(4); open('file', 'w').write('other')")
            domain = next(vm["domain"] for vm in d.json("list") if vm["id"] == session)
            begin = time.time()
            do(d, "rollback", session, "before")
            print(f"# gone back in {time.time() - begin:.2f} s")
            look(d, session)
            drawn.append(set(json.loads(run(d, session, DRAW))))
            assert domain != next(vm["domain"] for vm in d.json("list")
                                  if vm["id"] == session and vm["state"] == "claimed")
            until(lambda: d.domains() == sorted(domains()), "the same domains here and there")
        same(len(set().union(*drawn)), sum(len(numbers) for numbers in drawn))
        assert "rolled back at before" in virsh("list", "--title"), virsh("list", "--title")
        do(d, "checkpoint", "remove", session, "before")
        same(d.json("checkpoint", "list"), [])
        look(d, session)


def test_whoever_is_attached_is_told():
    with ready() as d:
        d.wait_warm()
        session = d.berth("create").stdout.strip()
        run(d, session, "x = 1")
        do(d, "checkpoint", session, "before")
        running = d.popen("exec", session, "import time\nx = 2; open('begun', 'w').close()\ntime.sleep(1000)")
        until(lambda: "begun" in d.berth("ls", session).stdout, "the code")
        do(d, "checkpoint", session, "now")  # it goes on, and its caller stays
        same(running.poll(), None)
        do(d, "rollback", session, "before")
        running.wait(60)
        err = running.communicate()[1]
        same(err.count("\n"), 1)
        assert "it was rolled back to its checkpoint before" in err, err
        same(run(d, session, "print(x)"), "1\n")


def test_children_of_one_share_no_random_number():
    need(LONG, "only with BERTH_TEST_LONG=1")
    with ready() as d:
        d.wait_warm()
        session = do(d, "create").strip()
        drawn = json.loads(run(d, session, DRAW))
        do(d, "checkpoint", session, "used")
        do(d, "destroy", session)
        hosts = []
        for _ in range(50):
            children = do(d, "fork", session, "--checkpoint", "used", "-n", "4").split()
            for child in children:
                drawn += json.loads(run(d, child, DRAW))
                hosts.append(run(d, child, "print(open('/etc/machine-id').read())"))
            do(d, "destroy", *children)
        same(len(set(drawn)), len(drawn))
        same(len(set(hosts)), len(hosts))
        print(f"# {len(hosts)} children, {len(drawn)} numbers")


def test_after_a_restart_and_its_end():
    with ready() as d:
        d.wait_warm()
        session = d.berth("create").stdout.strip()
        run(d, session, BEGIN)
        do(d, "checkpoint", session, "before")
        d.crash()
        d.start()
        run(d, session, "kept['a'].append(4); open('file', 'w').write('other')")
        do(d, "rollback", session, "before")
        look(d, session)
        do(d, "destroy", session)
        children = do(d, "fork", session, "--checkpoint", "before", "-n", "2").split()
        for child in children:
            look(d, child)
        titles = virsh("list", "--title")
        same(titles.count(f"fork of {session} at before"), 2)
        d.crash()
        d.start()
        same(sum((vm.get("parent"), vm.get("checkpoint")) == (session, "before") for vm in d.json("list")), 2)
        # a checkpoint of what began with one
        do(d, "checkpoint", children[0], "next")
        run(d, children[0], "kept = None")
        do(d, "rollback", children[0], "next")
        look(d, children[0])


def test_its_snapshot_stays_when_that_is_made_anew():
    with Daemon("--max-vms", "6", "--warm", "python=1", own_snapshots=True) as d:
        d.wait_warm()
        session = d.berth("create").stdout.strip()
        run(d, session, BEGIN)
        do(d, "checkpoint", session, "before")
        do(d, "template", "snapshot", "python")
        same(len([name for name in os.listdir(d.snapshots) if name.endswith(".base")]), 1)
        do(d, "rollback", session, "before")
        look(d, session)
        d.crash()
        d.start()
        do(d, "rollback", session, "before")
        look(d, session)
        do(d, "destroy", session)
        do(d, "checkpoint", "remove", session, "before")
        until(lambda: not [name for name in os.listdir(d.snapshots) if name.endswith(".base")],
              "the end of what it needed")


def state_of(d, session):
    folder = os.path.join(d.folder, "checkpoints")
    return os.path.join(folder, os.listdir(folder)[0], f"{session}-before", "state")


def test_one_that_somebody_changed_is_refused():
    with ready() as d:
        d.wait_warm()
        session = d.berth("create").stdout.strip()
        run(d, session, "x = 1")
        do(d, "checkpoint", session, "before")
        path = state_of(d, session)
        same(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 1]))
        for arguments in (("rollback", session, "before"), ("fork", session, "--checkpoint", "before")):
            refused = d.berth(*arguments)
            same((refused.returncode, refused.stderr.count("\n")), (125, 1))
            assert "not what was written" in refused.stderr, refused.stderr
        same(run(d, session, "print(x)"), "1\n")


def is_of(name, session):
    """Whether this domain is that session's; a place stays, and others live in it."""
    try:
        return session in mark(name)
    except subprocess.CalledProcessError:
        return False


def test_of_two_of_its_domains_the_later_lives():
    """As where berthd died before the end of the one that was rolled back."""
    with ready() as d:
        d.wait_warm()
        session, before, after = (d.berth("create").stdout.strip() for _ in range(3))
        run(d, session, "x = 1")
        do(d, "checkpoint", session, "before")
        do(d, "rollback", session, "before")
        names = {vm["id"]: vm["domain"] for vm in d.json("list")}
        until(lambda: 'generation="1"' in mark(names[session]), "its mark")
        d.crash()
        for other in (before, after):
            told = mark(names[other]).strip()
            assert other in told and "session" in told, told
            virsh("metadata", names[other], "--uri", MARK_URI, "--key", "berth", "--set", told.replace(other, session))
        d.start()
        until(lambda: not [name for name in (names[before], names[after]) if is_of(name, session)], "the end of the others")
        same(run(d, session, "print(x)"), "1\n")


def test_one_of_another_qemu_is_refused():
    with ready() as d:
        d.wait_warm()
        session = d.berth("create").stdout.strip()
        run(d, session, "x = 1")
        do(d, "checkpoint", session, "before")
        d.crash()
        manifest = os.path.join(os.path.dirname(state_of(d, session)), "manifest")
        with open(manifest) as file:
            lines = file.read().split("\n")
        at, = [i for i, line in enumerate(lines) if line.startswith("parts=")]
        parts = lines[at].split(";")
        parts[1] = "QEMU 6.0.0"
        lines[at] = ";".join(parts)
        with open(manifest, "w") as file:
            file.write("\n".join(lines))
        d.start()
        refused = d.berth("rollback", session, "before")
        same((refused.returncode, refused.stderr.count("\n")), (125, 1))
        assert "it was made with QEMU 6.0.0, and here is QEMU" in refused.stderr, refused.stderr
        same(run(d, session, "print(x)"), "1\n")


def test_killed_in_the_middle():
    """Of berthd, and of the source: either it is there, whole, or nothing is."""
    with ready() as d:
        d.wait_warm()
        session = d.berth("create").stdout.strip()
        run(d, session, BEGIN)
        for number, delay in enumerate((0.05, 0.15, 0.3) * (5 if LONG else 1)):
            process = d.popen("checkpoint", session, f"at-{number}")
            time.sleep(delay)
            d.crash()
            process.wait(60)
            d.start()
            look(d, session)
        for kept in d.json("checkpoint", "list"):
            do(d, "rollback", session, kept["name"])
            look(d, session)
        pids = qemu_pids([vm["domain"] for vm in d.json("list") if vm["id"] == session and vm["state"] == "claimed"])
        process = d.popen("checkpoint", session, "last")
        time.sleep(0.1)
        kill_all(pids)
        process.wait(60)
        assert process.returncode in (0, 125), process.communicate()
        until(lambda: d.berth("exec", session, "1").returncode == 125, "its end")
        folder = os.path.join(d.folder, "checkpoints")
        until(lambda: not [name for name in os.listdir(os.path.join(folder, os.listdir(folder)[0])) if "." in name],
              "no left-overs")


if __name__ == "__main__":
    sys.exit(main(globals()))

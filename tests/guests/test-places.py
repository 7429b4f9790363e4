#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Places that stay: a domain is defined once, its lives come and go. See guestlib.py."""

import glob
import os
import subprocess
import sys
import threading
import time

from guestlib import LONG, PREFIX, ROOT, URI, Daemon, domains, main, same, until, virsh

DEFINITIONS = "/etc/libvirt/qemu" if ROOT else os.path.expanduser("~/.config/libvirt/qemu")
CHURN_S = 60 if LONG else 8
PYTHON_1 = f"{PREFIX}-python-1"


def definitions():
    """libvirt writes a new file and renames it: what is written again has another number."""
    return {path: (os.stat(path).st_ino, os.stat(path).st_mtime_ns)
            for path in glob.glob(f"{DEFINITIONS}/{PREFIX}-*.xml")}


def uuids():
    return {name: virsh("domuuid", name).strip() for name in domains("--all")}


def title(name, *options):
    return virsh("desc", name, "--title", *options).strip()


def idle():
    return [name for name in domains("--all") if name not in domains()]


def run_until(d, end, counts):
    while time.monotonic() < end:
        same(d.run("print(6 * 7)", "--tenant", "acme")["stdout"], "42\n")
        counts.append(1)


def look_until(end, looks):
    """As an administrator does, or a monitoring program."""
    while time.monotonic() < end:
        done = subprocess.run(["virsh", "-q", "-c", URI, "list", "--all", "--title"], check=False,
                              capture_output=True, text=True, timeout=60)
        looks.append((done.returncode, done.stderr))


def test_list_never_fails_and_nothing_is_written():
    with Daemon("--max-vms", "3", "--warm", "python=1") as d:
        d.run()
        d.wait_warm()
        runs, looks = [], []
        end = time.monotonic() + 3
        first = [threading.Thread(target=run_until, args=(d, end, [])) for _ in range(2)]
        for thread in first:  # as many at once as there will be
            thread.start()
        for thread in first:
            thread.join()
        before, written = uuids(), definitions()
        end = time.monotonic() + CHURN_S
        clients = [threading.Thread(target=run_until, args=(d, end, runs)) for _ in range(2)]
        for thread in clients:
            thread.start()
        look_until(end, looks)
        for thread in clients:
            thread.join()
        print(f"# {len(runs)} runs, {len(looks)} lists, {len(before)} places")
        assert len(runs) > 3 and len(looks) > 10, (runs, looks)
        same([look for look in looks if look[0] != 0 or look[1] != ""], [])
        after = uuids()
        same({name: after[name] for name in before}, before)
        now = definitions()
        same({path: now.get(path) for path in written}, written)
        assert len(now) <= 6, now
        # what a life has of its own goes with it
        d.wait_warm()
        until(idle, "a place without a VM")
        for name in domains("--all"):
            same(title(name, "--config"), "python, place")
        same(title(idle()[0]), "python, place")


def test_a_life_has_its_own_title():
    with Daemon("--warm", "python=1") as d:
        session = d.json("create", "--tenant", "acme", "--task", "t1")["sandbox_id"]
        name = next(vm["domain"] for vm in d.json("list") if vm["id"] == session)
        same((title(name), title(name, "--config")), ("python, tenant acme, task t1", "python, place"))
        config = virsh("dumpxml", "--inactive", name)
        assert session not in config and "acme" not in config, config
        uuid = virsh("domuuid", name)
        machine = d.berth("exec", session, "print(open('/etc/machine-id').read())").stdout
        d.berth("destroy", session)
        d.wait_warm()
        until(lambda: name in domains("--all") and title(name) != "python, tenant acme, task t1",
              "the end of that life")
        same(virsh("domuuid", name), uuid)
        # the next one there is another machine
        other = d.run("print(open('/etc/machine-id').read())")["stdout"]
        assert other != machine and len(other) == len(machine), (other, machine)


def test_an_administrator_and_places():
    with Daemon("--warm", "python=0") as d:
        d.run()
        until(lambda: domains() == [] and PYTHON_1 in domains("--all"), "its place alone")
        # nobody but berth has a VM there
        virsh("start", PYTHON_1)
        until(lambda: domains() == [], "its end")
        same(title(PYTHON_1), "python, place")
        virsh("start", "--paused", PYTHON_1)
        d.run()
        until(lambda: PYTHON_1 not in domains(), "the end of that, too")
        # a definition that is gone is made again, of the same uuid
        uuid = virsh("domuuid", PYTHON_1)
        virsh("undefine", PYTHON_1)
        d.run()
        until(lambda: PYTHON_1 in domains("--all"), "its definition")
        same(virsh("domuuid", PYTHON_1), uuid)
        # a life that somebody undefines goes as it always did
        session = d.json("create")["sandbox_id"]
        name = d.domains()[0]
        virsh("undefine", name)
        same(d.berth("exec", session, "print(1)").stdout, "1\n")
        d.berth("destroy", session)
        until(lambda: name not in domains("--all"), "its end")
        d.run()


def test_a_place_rests_whose_life_somebody_ended():
    """Of two who end a domain the second may have his turn when the next one lives there."""
    with Daemon("--max-vms", "2", "--warm", "python=0") as d:
        d.run()
        session = d.json("create")["sandbox_id"]
        name = next(vm["domain"] for vm in d.json("list") if vm["id"] == session)
        virsh("destroy", name)
        until(lambda: d.json("list") == [], "its end")
        other = d.json("create")["sandbox_id"]
        assert d.json("list")[0]["domain"] != name, name
        d.berth("destroy", other)


def test_places_outlive_berthd_and_go_with_a_drain():
    with Daemon("--max-vms", "3", "--warm", "python=1") as d:
        d.run()
        d.wait_warm()
        session = d.json("create")["sandbox_id"]
        same(d.berth("exec", session, "x = 1").returncode, 0)
        d.wait_warm()
        other = d.json("create")["sandbox_id"]
        d.wait_warm()  # three places, and one of them is left
        d.berth("destroy", other)
        until(idle, "a place without a VM")
        before, warm, lone = uuids(), d.warm()[0]["domain"], idle()
        d.crash()
        virsh("destroy", warm)  # what ended while nobody looked is a place again
        d.start()
        same(uuids(), before)
        same(d.berth("exec", session, "print(x + 1)").stdout, "2\n")
        same([name for name in lone if name not in domains("--all")], [])
        d.wait_warm()
        same(d.run()["start"], "warm")
        written = definitions()
        d.wait_warm()
        same(d.run()["start"], "warm")
        d.wait_warm()
        same({path: definitions().get(path) for path in written}, written)
        # a drain leaves what somebody has
        drain = d.popen("drain")
        kept = next(vm["domain"] for vm in d.json("list") if vm["id"] == session)
        until(lambda: domains("--all") == [kept], "the session's alone")
        d.berth("destroy", session)
        until(lambda: domains("--all") == [], "the end of all")
        drain.communicate(timeout=60)
        d.berth("drain", "end")
        d.wait_warm()
        same(uuids(), {name: before[name] for name in domains("--all")})


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an administrator may do at any time, in each state of a VM: berth notices, settles the slot,
and whom it concerns gets one clear error. See guestlib.py."""

import subprocess
import sys
import tempfile
import time

from guestlib import (PREFIX, URI, Daemon, domains, kill_all, main, qemu_pids, same, until,
                      virsh)

ACTIONS = (("destroy",), ("suspend",), ("resume",), ("reset",), ("shutdown",), ("undefine",),
           ("managedsave",), ("desc", "--live", "--title", "mine"))


def act(action, domain):
    """The administrator does it; libvirt may refuse it, which is no affair of berth's."""
    subprocess.run(["virsh", "-q", "-c", URI, action[0], domain, *action[1:]],
                   capture_output=True, timeout=60, check=False)


def settled(d):
    """Every domain that there is, is one that berth knows; none is stuck."""
    slots = d.json("status")["slots"]
    return (slots["starting"] == 0 and slots["stopping"] == 0 and slots["stuck"] == 0
            and sorted(vm["domain"] for vm in d.json("list")) == sorted(domains()))


def serves(d):
    done = d.berth("run", "print('ok')")
    same((done.returncode, done.stdout, done.stderr), (0, "ok\n", ""))


def test_actions_on_a_warm_vm():
    with Daemon("--warm", "python=1") as d:
        for action in ACTIONS:
            d.wait_warm()
            act(action, d.warm()[0]["domain"])
            serves(d)
            until(lambda: settled(d), f"things to settle after {action}")


def test_actions_on_a_sandbox():
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        for action in ACTIONS:
            session = d.berth("create").stdout.strip()
            domain = next(vm["domain"] for vm in d.json("list") if vm["id"] == session)
            act(action, domain)
            if action[0] == "suspend":
                act(("resume",), domain)
            done = d.berth("exec", "-t", "5", session, "print('ok')")
            if done.returncode == 0:
                same(done.stdout, "ok\n")
            else:
                assert done.returncode in (124, 125), (action, done)
                same(done.stderr.count("\n"), 1)
            d.berth("destroy", session)
            until(lambda: settled(d), f"things to settle after {action}")
            serves(d)


def test_a_pause_that_berthd_missed_does_not_put_the_clock_back():
    with Daemon("--warm-default", "0") as d:
        session = d.berth("create").stdout.strip()
        domain = next(vm["domain"] for vm in d.json("list") if vm["id"] == session)
        d.crash()
        virsh("suspend", domain)
        time.sleep(5)  # what is measured
        virsh("resume", domain)
        d.start()
        for _ in range(5):  # an exec that takes as long as the pause would show nothing
            before = time.time()
            guest = float(d.berth("exec", session, "import time; print(time.time())").stdout)
            assert before - 0.5 < guest < time.time() + 0.5, (before, guest)
        d.berth("destroy", session)


def test_a_pause_does_not_put_the_clock_back():
    """Of a session: the guest's clock stands still meanwhile and is set again, and only that."""
    with Daemon("--warm-default", "0") as d:
        session = d.berth("create").stdout.strip()
        domain = next(vm["domain"] for vm in d.json("list") if vm["id"] == session)
        d.berth("exec", session, "import random, time; random.seed(1); first = time.time()")
        names = d.berth("exec", session, "print(open('/etc/machine-id').read())").stdout
        virsh("suspend", domain)
        time.sleep(5)  # what is measured
        virsh("resume", domain)

        def is_right():
            before = time.time()
            guest = float(d.berth("exec", session, "print(time.time())").stdout)
            return before - 0.5 < guest < time.time() + 0.5
        until(is_right, "the clock to be right", 30)
        same(d.berth("exec", session, "print(random.random())").stdout, "0.13436424411240122\n")
        same(d.berth("exec", session, "print(open('/etc/machine-id').read())").stdout, names)
        d.berth("destroy", session)


def test_destroy_during_a_run_frees_the_slot():
    with Daemon("--max-vms", "1", "--warm-default", "0") as d:
        running = d.popen("run", "import time; print('begun', flush=True); time.sleep(60)")
        same(running.stdout.readline(), "begun\n")
        waiting = d.popen("run", "print('next')")
        until(lambda: d.json("status")["waiters"], "the waiter")
        begin = time.monotonic()
        virsh("destroy", domains()[0])
        _, err = running.communicate(timeout=60)
        print(f"# told after {time.monotonic() - begin:.2f} s: {err.strip()}")
        same(running.returncode, 125)
        same(err.count("\n"), 1)
        # libvirt's event and the end of the channel race; both say the same
        assert "ended while" in err and "what the code did is unknown" in err, err
        out, err = waiting.communicate(timeout=120)
        same((waiting.returncode, out, err), (0, "next\n", ""))


def test_qemu_killed_during_a_run():
    with Daemon("--max-vms", "1", "--warm-default", "0") as d:
        running = d.popen("run", "import time; print('begun', flush=True); time.sleep(60)")
        same(running.stdout.readline(), "begun\n")
        kill_all(qemu_pids(d.domains()))
        _, err = running.communicate(timeout=60)
        same((running.returncode, err.count("\n")), (125, 1))
        serves(d)


FOREIGN = """<domain type='qemu'><name>{}</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64'>hvm</type></os><on_crash>destroy</on_crash></domain>"""


def test_a_domain_of_the_same_name_is_never_touched():
    with Daemon("--warm", "python=1") as d:
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(FOREIGN.format(f"{PREFIX}-shell-1"))
            file.flush()
            virsh("define", file.name)
        try:
            same(d.berth("run", "-l", "shell", "hostname").stdout, f"{PREFIX}-shell-2\n")
            d.crash()
            d.start()
            assert f"{PREFIX}-shell-1" in domains("--all")
        finally:
            virsh("undefine", f"{PREFIX}-shell-1")


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sandboxes that stand still: paused by themselves, by hand and by an administrator, woken by who
wants them, and what of their time goes on meanwhile. See guestlib.py."""

import signal
import statistics
import sys
import time

from guestlib import Daemon, main, same, until, virsh

# nothing but what the test makes takes a vCPU
NO_OTHERS = ("--warm-default", "0", "--snapshot-scope", "none")
CLOCK = "import time; print(time.time())"


def create(d, *options):
    done = d.berth("create", *options)
    same((done.returncode, done.stderr), (0, ""))
    return done.stdout.strip()


def vm_of(d, sandbox):
    return next(vm for vm in d.json("list") if vm["id"] == sandbox)


def virsh_state(d, sandbox):
    return virsh("domstate", vm_of(d, sandbox)["domain"]).strip()


def is_paused(d, sandbox):
    """As berth and libvirt have it."""
    return (vm_of(d, sandbox)["state"], virsh_state(d, sandbox)) == ("paused", "paused")


def vcpus(d):
    return d.json("status")["vcpus"]["held"]


def check_clock(d, sandbox):
    """The guest's clock is between the times before it was asked and after."""
    before = time.time()
    done = d.berth("exec", sandbox, CLOCK)
    same((done.returncode, done.stderr), (0, ""))
    assert before - 0.1 <= float(done.stdout) <= time.time() + 0.1, (before, done.stdout)


def stand_still():
    """The clocks of guest and host are to differ by more than a busy host takes to answer."""
    time.sleep(3)


def test_by_hand():
    with Daemon(*NO_OTHERS) as d:
        sandbox = create(d, "--tenant", "acme")
        same(d.berth("exec", sandbox, "kept = 42").returncode, 0)
        same(vcpus(d), 1)
        for _ in range(2):
            done = d.berth("pause", sandbox)
            same((done.returncode, done.stdout, done.stderr), (0, "", ""))
        assert is_paused(d, sandbox), d.json("list")
        same((vcpus(d), d.json("status")["slots"]["paused"]), (0, 1))
        stand_still()
        check_clock(d, sandbox)
        same(d.berth("exec", sandbox, "print(kept)").stdout, "42\n")
        same((vm_of(d, sandbox)["state"], virsh_state(d, sandbox)), ("claimed", "running"))
        same(d.berth("pause", sandbox).returncode, 0)
        for _ in range(2):
            same(d.berth("resume", sandbox).returncode, 0)
        same(virsh_state(d, sandbox), "running")
        metrics = d.berth("metrics").stdout
        assert "berth_pauses_total 2\n" in metrics and "berth_wakes_total 2\n" in metrics, metrics
        same(d.berth("pause", sandbox).returncode, 0)
        same(d.berth("destroy", sandbox).returncode, 0)
        assert "is gone" in d.berth("pause", sandbox).stderr


def test_every_request_wakes_it():
    with Daemon(*NO_OTHERS) as d:
        sandbox = create(d, "-l", "shell")
        with open(f"{d.folder}/file", "w", encoding="utf-8") as file:
            file.write("here\n")
        for request in (["put", sandbox, f"{d.folder}/file", "file"], ["ls", sandbox],
                        ["get", sandbox, "file", f"{d.folder}/back"], ["ps", sandbox],
                        ["exec", "-x", sandbox, "true"], ["exec", sandbox, "cat file"],
                        ["exec", "-d", sandbox, "true"], ["resume", sandbox]):
            same(d.berth("pause", sandbox).returncode, 0)
            assert is_paused(d, sandbox), request
            done = d.berth(*request)
            same((request, done.returncode, done.stderr), (request, 0, ""))
            same((request, virsh_state(d, sandbox)), (request, "running"))


def test_unused():
    """It is paused whenever nobody used it for that long, and not while something runs in it."""
    with Daemon(*NO_OTHERS, "--idle-pause-s", "2") as d:
        usual = create(d, "-l", "shell")
        sooner = create(d, "-l", "shell", "--idle-pause", "1")
        until(lambda: is_paused(d, usual) and is_paused(d, sooner), "both to be paused")
        same(vcpus(d), 0)
        done = d.berth("exec", sooner, "echo again")
        same((done.returncode, done.stdout), (0, "again\n"))
        until(lambda: is_paused(d, sooner), "it to be paused again")

        number = d.berth("exec", "-d", "-x", sooner, "sleep", "5").stdout.strip()
        began = time.monotonic()
        while time.monotonic() - began < 3:
            same(virsh_state(d, sooner), "running")
        same(d.berth("wait", sooner, number).returncode, 0)
        until(lambda: is_paused(d, sooner), "it to be paused when that has ended")
        assert "is paused: " in d.log() and "runs again: " in d.log(), d.log()


def begin(d, sandbox, script):
    """A command that is under way"""
    process = d.popen("exec", "-t", "300", "-x", sandbox, "sh", "-c", "echo begun; " + script)
    same(process.stdout.readline(), "begun\n")
    return process


def test_what_runs_stands_still():
    """Paused by hand: a time limit is the guest's, and nobody on the host takes it for overdue. Who
    gives up meanwhile is answered at once, and what he ran ends when it goes on. A sandbox that is not
    used ends after its idle time, one that runs something in the background does not."""
    with Daemon("--warm-default", "0", "--max-vms", "3") as d:
        sandbox = create(d, "-l", "shell")
        unused = create(d, "-l", "shell", "--idle-timeout", "10")
        working = create(d, "-l", "shell", "--idle-timeout", "10")
        number = d.berth("exec", "-d", "-t", "4", "-x", sandbox, "sleep", "100").stdout.strip()
        foreground = begin(d, sandbox, "sleep 2; echo ended")
        given_up, killed = begin(d, sandbox, "exec sleep 201"), begin(d, sandbox, "exec sleep 202")
        same(d.berth("pause", sandbox).returncode, 0)
        same(d.berth("exec", "-d", "-x", working, "sleep", "60").stdout, "1\n")
        given_up.send_signal(signal.SIGINT)
        same(given_up.wait(30), 130)
        killed.kill()
        killed.wait(30)
        time.sleep(15)  # the limit, and all the grace that the host gives it; longer than idle times
        assert is_paused(d, sandbox), d.json("list")
        same(foreground.poll(), None)
        assert unused not in [vm["id"] for vm in d.json("list")], d.json("list")
        same(vm_of(d, working)["state"], "claimed")
        same(d.berth("destroy", working).returncode, 0)
        same(d.berth("resume", sandbox).returncode, 0)
        until(lambda: d.berth("exec", "-x", sandbox, "pgrep", "-f", "sleep 20[12]$").returncode == 1,
              "the end of what nobody waits for")
        same(foreground.communicate(timeout=60)[0], "ended\n")
        same(foreground.returncode, 0)
        same(d.berth("wait", sandbox, number).returncode, 124)
        same(d.berth("exec", sandbox, "echo well").stdout, "well\n")


def test_vcpus_go_round():
    with Daemon(*NO_OTHERS, "--max-vms", "3", "--vcpus", "1",
                "--wait-timeout-s", "2") as d:
        first = create(d, "-l", "shell")
        same(d.berth("create", "-l", "shell").returncode, 126)
        same(d.berth("pause", first).returncode, 0)
        second = create(d, "-l", "shell")
        done = d.berth("exec", first, "echo no")
        same(done.returncode, 126)
        assert "1 of 1 vCPUs are held" in done.stderr, done.stderr
        waiting = d.popen("exec", first, "echo woken")
        until(lambda: d.json("status")["n_waiting"] == 1, "it to wait")
        same(d.berth("pause", second).returncode, 0)
        same(waiting.communicate(timeout=60)[0], "woken\n")
        same((vcpus(d), is_paused(d, second)), (1, True))


def test_virsh():
    with Daemon(*NO_OTHERS, "--vcpus", "1", "--max-vms", "2") as d:
        sandbox = create(d, "-l", "python")
        domain = vm_of(d, sandbox)["domain"]
        virsh("suspend", domain)
        until(lambda: is_paused(d, sandbox), "berth to see it")
        same(vcpus(d), 0)
        stand_still()
        virsh("resume", domain)
        until(lambda: vm_of(d, sandbox)["state"] == "claimed", "berth to see it")
        same(vcpus(d), 1)
        virsh("suspend", domain)
        until(lambda: is_paused(d, sandbox), "berth to see it")
        stand_still()
        check_clock(d, sandbox)  # the request wakes it
        virsh("suspend", domain)
        until(lambda: is_paused(d, sandbox), "berth to see it")
        other = create(d, "-l", "python")
        virsh("resume", domain)  # more than there is: it counts
        until(lambda: vcpus(d) == 2, "both to count")
        same(d.berth("destroy", other, sandbox).returncode, 0)


def test_wake_takes_no_longer_than_a_claim():
    """A figure, and a wide bound: other tests may run beside this one."""
    with Daemon("--max-vms", "3") as d:
        d.run()
        sandbox = create(d)
        d.berth("exec", sandbox, "1")
        wakes, claims = [], []
        for _ in range(15):
            d.wait_warm()
            same(d.berth("pause", sandbox).returncode, 0)
            begin = time.monotonic()
            same(d.berth("exec", sandbox, "1").returncode, 0)
            wakes.append(time.monotonic() - begin)
            begin = time.monotonic()
            result = d.run("1")
            claims.append(time.monotonic() - begin)
            assert result["warm_hit"], result
        wake, claim = statistics.median(wakes), statistics.median(claims)
        print(f"# exec that wakes {wake * 1000:.1f} ms, run on a warm VM {claim * 1000:.1f} ms")
        assert wake < 2 * claim + 0.02, (wakes, claims)


def test_killed_client_leaves_the_queue():
    with Daemon(*NO_OTHERS, "--max-vms", "2", "--vcpus", "1") as d:
        first = create(d, "-l", "shell")
        same(d.berth("pause", first).returncode, 0)
        create(d, "-l", "shell")
        waiting = d.popen("exec", first, "echo never")
        until(lambda: d.json("status")["n_waiting"] == 1, "it to wait")
        waiting.kill()
        waiting.communicate()
        until(lambda: d.json("status")["n_waiting"] == 0, "it to have left")
        assert is_paused(d, first)
        waiting = d.popen("resume", first)
        until(lambda: d.json("status")["n_waiting"] == 1, "it to wait")
        waiting.send_signal(2)
        same(waiting.wait(60), 130)
        until(lambda: d.json("status")["n_waiting"] == 0, "it to have left")


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults of the host: a full disk, a libvirtd that hangs or is full, too few descriptors, a clock that
jumps. See guestlib.py. One argument more: clock-jump.so."""

import contextlib
import glob
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from guestlib import (BERTHD, BUILD_IMAGES, LIMIT_S, LONG, ROOT, TEMPLATES, URI, Daemon,
                      domains, libvirtd_pids, main, may_meddle, need, same, until)

CLOCK_JUMP = os.path.abspath(sys.argv[3])
HANG_S = 60 if LONG else 12
PIDS = "/sys/fs/cgroup/pids"
MORE_DESCRIPTORS = 64 + 16  # than berthd has open when nothing goes on


@contextlib.contextmanager
def small_disk(size):
    """A folder that is a file system of its own, and what changes its size."""
    with tempfile.TemporaryDirectory(prefix="berth-disk-", dir="/var/tmp") as path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "berth-test", path],
                       check=True)
        try:
            yield path, lambda other: subprocess.run(
                ["mount", "-o", f"remount,size={other}", path], check=True)
        finally:
            subprocess.run(["umount", "-l", path], check=True)


def test_disk_full_while_a_snapshot_is_written():
    need(ROOT, "only root may mount a small disk")
    with small_disk("64m") as (folder, resize), \
            Daemon("--max-vms", "3", "--warm", "python=1", snapshots=folder) as d:
        until(lambda: d.template()["failures"] > 0, "a snapshot that fails")
        error = d.template()["last_error"]
        print("#", error)
        assert "No space left on device" in error and folder in error, error
        same(d.run()["start"], "cold")  # requests go on
        same(os.listdir(folder), [])  # nothing half made is left
        resize("1g")
        done = d.berth("template", "snapshot", "python")
        same((done.returncode, done.stderr), (0, ""))
        d.wait_warm()
        same(d.run()["start"], "warm")


def build_images(folder):
    """The layers are there in the system's cache: what is left to make is the initramfs."""
    agent = os.path.join(os.path.dirname(BERTHD), "../agent/berth-agent")
    return subprocess.run([BUILD_IMAGES, "--agent", agent, "--dir", folder], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=LIMIT_S, check=False)


def test_disk_full_or_read_only_while_an_image_is_written():
    need(ROOT, "only root may mount a small disk")
    with small_disk("1m") as (folder, resize):
        done = build_images(folder)
        error = done.stderr.splitlines()[-1]
        print("#", error)
        assert done.returncode != 0 and f"the disk of {folder} is full" in error, done
        left = [name for name in os.listdir(folder) if "initramfs" in name or "images.json" in name]
        same(left, [])
        resize("1m,ro")
        done = build_images(folder)
        error = done.stderr.splitlines()[-1]
        print("#", error)
        assert done.returncode != 0 and f"{folder} can't be written" in error, done
        resize("64m,rw")
        done = build_images(folder)
        same(done.returncode, 0)
        with Daemon("--warm", "python=0", images=folder) as d:
            same(d.run()["stdout"], "ok\n")


def test_libvirtd_hangs():
    need(may_meddle(), "only where this test may stop libvirtd")
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        results = []
        hung = libvirtd_pids()[0]
        os.kill(hung, signal.SIGSTOP)
        try:
            threads = [threading.Thread(target=lambda: results.append(d.json("run", "print(1)")))
                       for _ in range(2)]
            for thread in threads:
                thread.start()
            end = time.monotonic() + HANG_S
            while time.monotonic() < end:  # it answers whatever libvirt does
                begin = time.monotonic()
                same(d.berth("status").returncode, 0)
                same(d.berth("list").returncode, 0)
                print(f"# status and list took {time.monotonic() - begin:.2f} s")
                time.sleep(2)
        finally:
            os.kill(hung, signal.SIGCONT)
        for thread in threads:
            thread.join()
        for result in results:  # done, or one error after which a retry is safe
            error = result["error"]
            print(f"# {error['message'] if error else result['stdout']!r}")
            assert result["stdout"] == "1\n" if error is None else error["retryable"], result
        d.wait_warm()
        d.wait_slots(claimed=0, free=2)
        same(d.run()["stdout"], "ok\n")


def set_max_clients(number):
    subprocess.run(["virt-admin", "-c", "libvirtd:///system", "server-clients-set", "libvirtd",
                    "--max-clients", str(number)], check=True, capture_output=True)


def count_clients():
    text = subprocess.run(["virt-admin", "-c", "libvirtd:///system", "server-clients-info",
                           "libvirtd"], check=True, capture_output=True, text=True).stdout
    return {key.strip(): int(value) for key, value in
            (line.split(":") for line in text.splitlines() if ":" in line)}


@contextlib.contextmanager
def full_libvirtd():
    """As many clients as it takes, for good: whoever comes now is left waiting by it."""
    before = count_clients()
    limit = max(before["nclients"], before["nclients_unauth_max"] + 1)
    others = [subprocess.Popen(["virsh", "-c", URI, "event", "--loop", "--event", "lifecycle"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
              for _ in range(limit - before["nclients"])]
    try:
        until(lambda: count_clients()["nclients"] >= limit, "the clients", 30)
        set_max_clients(limit)
        yield
    finally:
        set_max_clients(before["nclients_max"])
        for other in others:
            other.kill()
            other.wait()


def test_libvirtd_takes_no_more_clients():
    need(may_meddle(), "only where this test may set libvirtd's limits")
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        with full_libvirtd():  # whoever is in goes on
            same(d.run()["start"], "warm")
            d.wait_warm()
        d.crash()
        with full_libvirtd():
            d.begin()
            until(lambda: "max_clients" in d.log(), "what it waits for", 30)
            same(d.process.poll(), None)
        until(lambda: d.berth("status").returncode == 0, "berthd", 60)
        d.wait_warm()
        same(d.run()["start"], "warm")


def test_clock_jumps():
    with tempfile.NamedTemporaryFile("w") as jump:
        def set_clock(seconds):
            jump.seek(0)
            jump.write(f"{seconds:12d}")
            jump.flush()

        def clock_of_guest(told):
            return float(told) - time.time()

        set_clock(0)
        with Daemon("--warm", "python=1", more_env={"LD_PRELOAD": CLOCK_JUMP,
                                                    "BERTH_CLOCK_JUMP": jump.name}) as d:
            session = d.berth("create").stdout.strip()
            for hours in (1, -48):
                d.wait_warm()
                set_clock(hours * 3600)
                told = d.run("import time; print(time.time())")
                same(told["start"], "warm")
                off = clock_of_guest(told["stdout"]) - hours * 3600
                print(f"# {hours} h: the guest's clock is off by {off:.2f} s when the run is told")
                assert -2 < off < 0.1, off
                same(d.berth("exec", session, "print('there')").stdout, "there\n")
                assert all(0 <= vm["age_s"] < 3600 for vm in d.json("list")), d.json("list")
            d.wait_warm()
            d.crash()
            d.start()
            d.wait_warm()
            assert all(vm["age_s"] >= 0 for vm in d.json("list")), d.json("list")
            same(d.berth("exec", session, "print('there')").stdout, "there\n")
            same(d.berth("destroy", session).returncode, 0)


def run_at_once(d, count, code):
    done = []
    threads = [threading.Thread(target=lambda: done.append(d.berth("run", code)))
               for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = [each for each in done if each.returncode != 0]
    for line in sorted({f"# {each.returncode}: {each.stderr.strip()}" for each in failed}):
        print(line)
    for each in failed:
        assert each.returncode == 125 and each.stderr.count("\n") == 1, each
    return len(failed)


def test_too_few_descriptors():
    with Daemon("--max-vms", "8", "--vcpus", "8") as d:
        same(d.run()["stdout"], "ok\n")
        d.wait_slots(claimed=0, free=8)
        pid = d.process.pid
        limit = len(os.listdir(f"/proc/{pid}/fd")) + MORE_DESCRIPTORS
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[1]))
        run_at_once(d, 12, "print(1)")
        same(d.process.poll(), None)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        same(d.run()["stdout"], "ok\n")
        d.wait_slots(claimed=0, free=8)


def check_starved(starve):
    """GLib ends a process that gets no memory or no thread. What berthd held is found again by the
    next one."""
    with Daemon("--max-vms", "4", "--warm", "python=1") as d:
        d.wait_warm()
        session = d.berth("create").stdout.strip()
        same(d.berth("exec", session, "open('kept', 'w').write('yes')").returncode, 0)
        d.wait_warm()
        starve(d.process.pid)
        failed = run_at_once(d, 32, "print('x' * 1000000)")
        print(f"# {failed} of 32 runs failed, berthd ended with {d.process.poll()}")
        if d.process.poll() is None:
            d.crash()
        d.start()
        same(d.berth("exec", session, "print(open('kept').read())").stdout, "yes\n")
        same(d.run()["stdout"], "ok\n")
        same(d.berth("destroy", session).returncode, 0)
        d.wait_slots(claimed=0, free=4)
    return failed


def test_too_little_memory():
    def starve(pid):
        resource.prlimit(pid, resource.RLIMIT_DATA, (1, resource.RLIM_INFINITY))
    assert check_starved(starve) > 0, "it needed no memory"


def test_too_few_processes():
    """Threads count as processes; what is there already stays. A berthd that has all of its threads
    needs none for runs; one that lacks some ends, and the next one goes on."""
    need(ROOT and os.path.isdir(PIDS), "needs a cgroup that bounds processes (cgroup v1)")
    group = tempfile.mkdtemp(prefix="berth-test-", dir=PIDS)

    def starve(pid):
        for name, value in (("cgroup.procs", pid), ("pids.max", 1)):
            with open(os.path.join(group, name), "w", encoding="ascii") as file:
                file.write(str(value))

    try:
        failed = check_starved(starve)
    finally:
        with open(os.path.join(group, "pids.events"), encoding="ascii") as file:
            refused = int(file.read().split()[1])
        os.rmdir(group)
    print(f"# {refused} threads refused")
    assert refused > 0 or failed == 0, f"{failed} runs failed, and not for want of a thread"


def python_domains():
    return [name for name in domains() if "-python-" in name]


def test_template_edited_into_nonsense():
    """A running pool has read its templates; the next berthd says what is wrong with one, and serves
    the others."""
    with tempfile.TemporaryDirectory(prefix="berth-templates-", dir="/var/tmp") as folder:
        for path in glob.glob(os.path.join(TEMPLATES, "*.xml")):
            shutil.copy(path, folder)
        broken = os.path.join(folder, "python.xml")
        with Daemon("--warm", "python=1", "--template-dirs", folder, "--warm-default", "0") as d:
            d.wait_warm()
            session = d.berth("create").stdout.strip()
            same(d.berth("exec", session, "open('kept', 'w').write('yes')").returncode, 0)
            with open(broken, "w", encoding="ascii") as file:
                file.write("<domain><os>nonsense")
            d.wait_warm()
            same(d.run()["start"], "warm")
            d.wait_warm()
            checked = d.berth("template", "validate", broken)
            print(f"# {checked.returncode}: {checked.stderr.strip()}")
            same((checked.returncode != 0, broken in checked.stderr), (True, True))
            d.crash()
            d.start()
            same(d.run("echo ok", "-l", "shell")["stdout"], "ok\n")
            refused = d.berth("run", "print(1)")
            print(f"# {refused.returncode}: {refused.stderr.strip()}")
            same((refused.returncode != 0, refused.stderr.count("\n")), (True, 1))
            told = [line for line in d.berth("doctor").stdout.splitlines() if broken in line]
            print(f"# {told}")
            same((len(told), told[0].split()[0]), (1, "MISSING"))
            # what was made of it goes on: a session has its language in its mark
            kept = d.berth("exec", session, "print(open('kept').read())")
            same((kept.returncode, kept.stdout, kept.stderr), (0, "yes\n", ""))
            # of shell a snapshot is being made, whose VM comes and goes beside this
            same(python_domains(), [vm["domain"] for vm in d.json("list") if vm["id"] == session])
            same(d.berth("destroy", session).returncode, 0)
            same(python_domains(), [])
            shutil.copy(os.path.join(TEMPLATES, "python.xml"), folder)
            d.crash()
            d.start()
            same(d.run()["stdout"], "ok\n")


if __name__ == "__main__":
    sys.exit(main(globals()))

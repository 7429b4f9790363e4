#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many runs with random faults on one berthd, which ends up as it began. See guestlib.py. One
argument more: heap-in-use.so."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading

from guestlib import LIMIT_S, LONG, URI, Daemon, domains, main, same, until

WORKERS = 4
FIRST = 40  # what berthd keeps for good, it has by then
RUNS = 2000 if LONG else 40
# What berthd remembers of a run until it has many (the proof of its VM, how its sandbox ended) takes
# 0.6 KiB; a library fills a cache now and then.
KEPT_BYTES = RUNS * 1024 + 65536
SEED = int(os.environ.get("BERTH_SEED", random.SystemRandom().randrange(1 << 32)))
BEGUN = "import time; print('begun', flush=True); time.sleep(60)"


class Soak:
    """Each fault is a method that returns what is wrong, or None."""

    def __init__(self, daemon, seed):
        self.daemon, self.chance, self.lock = daemon, random.Random(seed), threading.Lock()
        self.left, self.counts, self.wrong = 0, {}, []

    def expect(self, status, out, *arguments):
        done = self.daemon.berth("run", *arguments)
        return None if (done.returncode, done.stdout) == (status, out) else (arguments, done)

    def python(self):
        return self.expect(0, "1\n", "print(1)")

    def shell(self):
        return self.expect(0, "1\n", "-l", "shell", "echo 1")

    def status(self):
        return self.expect(3, "", "import sys; sys.exit(3)")

    def exception(self):
        return self.expect(1, "", "1 / 0")

    def killed_child(self):
        return self.expect(137, "", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    def time_limit(self):
        return self.expect(124, "", "-t", "1", "while True: pass")

    def much_output(self):
        return self.expect(0, "x" * 300000, "print('x' * 300000, end='')")

    def session(self):
        made = self.daemon.berth("create")
        name = made.stdout.strip()
        done = self.daemon.berth("exec", name, "print(1)")
        gone = self.daemon.berth("destroy", name)
        outcome = (made.returncode, done.returncode, done.stdout, gone.returncode)
        return None if outcome == (0, 0, "1\n", 0) else (made, done, gone)

    def client_killed(self):
        run = self.daemon.popen("run", BEGUN)
        begun = run.stdout.readline()
        run.send_signal(signal.SIGKILL)
        run.communicate(timeout=LIMIT_S)
        return None if begun == "begun\n" else begun

    def refused(self):
        done = self.daemon.berth("run", "-m", "900000", "print(1)")
        return None if done.returncode == 2 and done.stderr.count("\n") == 1 else done

    def domain_destroyed(self):
        made = self.daemon.berth("create")
        name = made.stdout.strip()
        run = self.daemon.popen("exec", "-t", "100", name, BEGUN)
        begun = run.stdout.readline()
        domain = [vm["domain"] for vm in self.daemon.json("list") if vm["id"] == name]
        subprocess.run(["virsh", "-q", "-c", URI, "destroy", *domain], check=False,
                       capture_output=True, timeout=LIMIT_S)
        _, err = run.communicate(timeout=LIMIT_S)
        fine = begun == "begun\n" and run.returncode == 125 and err.count("\n") == 1
        return None if fine else (made, begun, run.returncode, err)

    def work(self):
        faults = [self.shell, self.status, self.exception, self.killed_child, self.time_limit,
                  self.much_output, self.session, self.client_killed, self.refused,
                  self.domain_destroyed]
        while True:
            with self.lock:
                if self.left == 0:
                    return
                self.left -= 1
                fault = self.chance.choice([*faults, *[self.python] * len(faults)])
                self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1
            problem = fault()
            if problem is not None:
                self.wrong.append((fault.__name__, problem))

    def go(self, count):
        self.left = count
        threads = [threading.Thread(target=self.work) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        same(self.wrong[:3], [])


class Counted(Daemon):
    """A berthd that tells how much of its heap is in use: of each thing that is not freed, whatever
    the allocators hold ready."""

    def begin(self):
        self.heap = os.path.join(self.folder, "heap-in-use")
        self.more_env = {"LD_PRELOAD": os.path.abspath(sys.argv[3]), "BERTH_HEAP_IN_USE": self.heap,
                         "G_SLICE": "always-malloc",
                         "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
        super().begin()

    def heap_in_use(self):
        """Told up to the end-of-file: the descriptor that it comes by is closed then."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(LIMIT_S)
            client.connect(self.heap)
            with client.makefile(encoding="ascii") as told:
                return int(told.read())

    def resources(self):
        """Bytes of its heap, descriptors, threads; and the domains that are there."""
        proc = f"/proc/{self.process.pid}"
        return (self.heap_in_use(), len(os.listdir(f"{proc}/fd")),
                len(os.listdir(f"{proc}/task")), sorted(domains()))


def quiet(d, threads):
    d.wait_slots(claimed=0, free=WORKERS)
    d.wait_warm(2)
    until(lambda: len(domains()) == 2, "no domain but the warm ones")
    # GLib's idle threads end by themselves, after 15 s and more
    until(lambda: d.resources()[2] <= threads, "the end of idle threads", 120)
    return d.resources()


def test_ends_as_it_began():
    print(f"# BERTH_SEED={SEED}, {RUNS} runs")
    with Counted("--max-vms", str(WORKERS), "--vcpus", "8", "--warm", "python=2",
                 "--warm-default", "0") as d:
        soak = Soak(d, SEED)
        d.wait_warm(2)
        threads = d.resources()[2]
        soak.go(FIRST)
        # a snapshot costs a descriptor and some heap for good: chance may not have asked for it yet
        same(soak.shell(), None)
        until(lambda: d.template("shell")["snapshot"] == "valid", "the snapshot of shell")
        before = quiet(d, threads)
        soak.counts.clear()
        soak.go(RUNS)
        after = quiet(d, threads)
        print(f"# {soak.counts}")
        print(f"# heap in use, descriptors, threads: {before[:3]} before, {after[:3]} after")
        same(after[1], before[1])
        same(len(after[3]), len(before[3]))
        assert after[0] - before[0] < KEPT_BYTES, (before, after)


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the command itself takes, from exec to exit: beside the least client that there can be of the same socket
(bench-least), and beside a program that does nothing, in turn. On the host without VMs, where a run takes a
moment. Usage: bench-command.py BERTH BERTHD BENCH-LEAST. BERTH_BENCH_RUNS=30: ten times so many of each."""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

BERTH, BERTHD, LEAST = (os.path.abspath(path) for path in sys.argv[1:4])
RUNS = 10 * int(os.environ.get("BERTH_BENCH_RUNS", "30"))
NOTHING = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1)]


def timed(command):
    """ms from exec to exit, and ms of the processor"""
    begin = time.monotonic()
    _, status, used = os.wait4(os.posix_spawn(command[0], command, os.environ, file_actions=NOTHING), 0)
    taken = time.monotonic() - begin
    assert status == 0, (command, status)
    return taken * 1000, (used.ru_utime + used.ru_stime) * 1000


def compare(title, ours, least):
    pairs = [(*timed(ours), *timed(least)) for _ in range(RUNS)]
    taken, used, least_taken, least_used = (list(values) for values in zip(*pairs))
    print(f"{title:34} {statistics.median(taken):6.2f} ms, the least client {statistics.median(least_taken):6.2f}; more: "
          f"{statistics.median(a - b for a, b in zip(taken, least_taken)):5.2f} (target 5), of the processor "
          f"{statistics.mean(used) - statistics.mean(least_used):5.2f}", flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")
        with subprocess.Popen([BERTHD, "--foreground", "--socket", path, "--config", "/dev/null", "--socket-group", ""],
                              stderr=subprocess.PIPE, text=True) as berthd:
            assert "ready" in berthd.stderr.readline()
            os.environ["BERTH_SOCKET"] = path
            for _ in range(3):
                timed([LEAST, path, "run"])
            compare("berth --version", [BERTH, "--version"], ["/bin/true"])
            compare("berth status", [BERTH, "status"], [LEAST, path, "status"])
            compare("berth run", [BERTH, "run", "-q", "-l", "shell", ":"], [LEAST, path, "run"])
            berthd.send_signal(signal.SIGTERM)
            berthd.stderr.read()


main()

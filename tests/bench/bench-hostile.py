#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How fast a sandbox is beside a guest that means harm, as a ratio to how fast it is beside an honest
one that boots and computes as long: an emulated CPU that is busy takes one of the host's, whatever
it does. Medians. Usage: bench-hostile.py BERTH BERTHD HOSTILE-INIT AGENT. BERTH_BENCH_RUNS=30: a
tenth of it is how often each is met."""

import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guests"))
from guestlib import Daemon  # noqa: E402
from hostilelib import Others, make_hostile_images, make_images  # noqa: E402

HOSTILE, AGENT = (os.path.abspath(path) for path in sys.argv[3:5])
MODES = ("honest", "no-credit", "length", "other-request", "any-frame", "never-ends", "noise")
ROUNDS = max(int(os.environ.get("BERTH_BENCH_RUNS", "30")) // 10, 1)
LIMIT_S = 3


def speeds_beside(d, other, images, mode):
    if mode == "honest":
        make_images(images, AGENT)
    else:
        make_hostile_images(images, HOSTILE, mode)
    run = subprocess.Popen(d.command("run", "-t", str(LIMIT_S), "while True: pass"),
                           env=d.environ(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    speeds = []
    while run.poll() is None:
        speeds.append(other.speed(1))
    return speeds


def main():
    with tempfile.TemporaryDirectory(prefix="berth-hostile-", dir="/var/tmp") as images:
        os.chmod(images, 0o755)
        make_images(images, AGENT)
        with Daemon("--warm-default", "0", "--snapshot-scope", "none", images=images) as d:
            other = Others(d)
            other.speed(3)  # the first ones are slower
            alone, beside = [], {mode: [] for mode in MODES}
            for _ in range(ROUNDS):
                for mode in MODES:
                    alone.append(other.speed(1))
                    beside[mode] += speeds_beside(d, other, images, mode)
    medians = {mode: statistics.median(speeds) for mode, speeds in beside.items()}
    print(f"{'alone: execs':40} {statistics.median(alone):9.2f} /s")
    print(f"{'beside an honest guest: execs':40} {medians['honest']:9.2f} /s")
    for mode in MODES[1:]:
        print(f"{'  beside ' + mode + ', to that':40} {medians[mode] / medians['honest']:9.2f} x"
              "    (target 0.8)")


if __name__ == "__main__":
    main()

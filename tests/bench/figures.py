#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a host does with berth, in the few figures that two hosts are compared by: medians, a line each.
Usage: figures.py BERTH BERTHD. BERTH_BENCH_RUNS=5: of each. See tests/host/table, which asks several releases."""

import glob
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guests"))
from guestlib import PREFIX, Daemon, virsh  # noqa: E402

RUNS = int(os.environ.get("BERTH_BENCH_RUNS", "5"))


def show(name, values, unit):
    print(f"figure\t{name}\t{statistics.median(values):.1f}\t{unit}", flush=True)


def starts(d, how, *options):
    """How long each start takes that is one of this kind, from admission to a guest that is ready for code; ms"""
    found = []
    while len(found) < RUNS:
        run = d.run("print(6*7)", *options)
        assert run["stdout"] == "42\n", run
        if run["start"] == how:
            found.append(run["timing"]["start_ms"])
    return found


def warm(d):
    """The whole of `berth run`, a process of its own; ms"""
    found = []
    while len(found) < RUNS:
        d.wait_warm()
        begin = time.monotonic()
        done = d.berth("run", "print(6*7)")
        found.append((time.monotonic() - begin) * 1000)
        assert done.stdout == "42\n", done
    return found


def shares(d):
    """Of the processes of idle warm VMs, each page divided among those who have it; MiB"""
    d.berth("pool", "set", "python", "5")
    d.wait_warm(5)
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                is_ours = f"guest={PREFIX}-".encode() in file.read()
            if is_ours:
                with open(os.path.join(os.path.dirname(path), "smaps_rollup"), encoding="ascii") as file:
                    found += [int(line.split()[1]) / 1024 for line in file if line.startswith("Pss:")]
        except FileNotFoundError:
            pass  # one that has just ended
    assert len(found) >= 5, found
    return found


def main():
    versions = dict(line.split(": ", 1) for line in virsh("version").splitlines() if ": " in line)
    print(f"# libvirt {versions['Using library'].split()[-1]}, QEMU {versions['Running hypervisor'].split()[-1]}, "
          f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {RUNS} of each", flush=True)
    with Daemon("--max-vms", "8", "--vcpus", "32", "--warm", "python=0", "--warm-default", "0") as d:
        show("cold boot", starts(d, "cold", "--cold"), "ms")
        d.berth("template", "snapshot", "python")
        show("clone", starts(d, "clone"), "ms")
        d.berth("pool", "set", "python", "1")
        show("warm run", warm(d), "ms")
        if os.geteuid() == 0:
            show("idle PSS", shares(d), "MiB")


if __name__ == "__main__":
    main()

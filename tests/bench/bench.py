#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What berth takes, as a ratio to bare libvirt (bench-bare) in the same run. Medians; a shared machine
is noisy, so look at the ratios. Usage: bench.py BERTH BERTHD BENCH-BARE BENCH-CLIENT.
BERTH_BENCH_RUNS=30: of each kind."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guests"))
from guestlib import (BERTH, IMAGES, LIMIT_S, PREFIX, URI, Daemon, domains,  # noqa: E402
                      until, virsh)

BARE, CLIENT = (os.path.abspath(path) for path in sys.argv[3:5])
RUNS = int(os.environ.get("BERTH_BENCH_RUNS", "30"))
BOOTS = max(RUNS // 10, 1)


def numbers(command):
    """NAME -> its numbers"""
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=True)
    found = {}
    for line in done.stdout.splitlines():
        name, value = line.split()
        found.setdefault(name, []).append(value)
    return found


def median(values):
    return statistics.median(float(value) for value in values)


def show(name, value, unit, target=""):
    print(f"{name:58} {value:9.2f} {unit:4} {target}", flush=True)


def snapshot_of(d):
    return os.path.join(d.snapshots, next(name for name in os.listdir(d.snapshots)
                                          if name.startswith("python-")
                                          and not name.endswith(".part")))


def warm_runs(d):
    """To the first byte and to the answer, of a connected client."""
    first, answer = [], []
    while len(first) < RUNS:
        d.wait_warm()
        found = numbers([CLIENT, d.socket, "1", "0"])
        if found["start"] == ["warm"]:
            first += found["first-byte"]
            answer += found["answer"]
    return median(first), median(answer)


def process_runs(d):
    taken = []
    for _ in range(RUNS):
        d.wait_warm()
        begin = time.monotonic()
        subprocess.run([BERTH, "run", "-l", "python", "print(1)"], env=d.environ(), check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=LIMIT_S)
        taken.append((time.monotonic() - begin) * 1000)
    return median(taken)


def missed_runs(d):
    d.berth("pool", "drain")
    until(lambda: not domains(), "the drain")
    results = [d.run("print(1)") for _ in range(RUNS)]
    assert all(result["start"] == "clone" for result in results), results[-1]
    d.berth("pool", "fill")
    return median(result["timing"]["start_ms"] for result in results)


def sustained(d, count):
    d.wait_warm()
    begin = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: d.run("print(1)"), range(count)))
    return count / (time.monotonic() - begin)


def bare_sustained(d, count):
    """Two at a time, one for each core of the machine that the target was set on."""
    begin = time.monotonic()
    command = [BARE, IMAGES, snapshot_of(d), str(count // 2), "0"]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                  env={**os.environ, "BERTH_BENCH_NAME": f"berthbare-{n}"})
                 for n in range(2)]
    for process in processes:
        assert process.wait(1200) == 0
    return count / (time.monotonic() - begin)


def shell_script(d, count):
    """A shell script with virsh: define, start, wait for the console, destroy, undefine."""
    xml = d.berth("template", "show", "python").stdout

    def one(number):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            # also in the path of its console's log, which only one may write
            text = xml.replace(f"{PREFIX}-python-1", f"berthscript-{number}")
            uuid = text.split("<uuid>")[1].split("</uuid>")[0]
            file.write(text.replace(uuid, f"{number:08d}-0000-4000-8000-000000000000"))
            file.flush()
            script = f"""virsh -q define {file.name} && virsh -q start berthscript-{number} &&
{BARE} --serve berthscript-{number}; virsh -q destroy berthscript-{number}
virsh -q undefine berthscript-{number}"""
            subprocess.run(["bash", "-c", script], check=True, stdout=subprocess.DEVNULL,
                           timeout=600, env={**os.environ, "LIBVIRT_DEFAULT_URI": URI})

    begin = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(1, count + 1)))
    return count / (time.monotonic() - begin)


def proportional_mb(d):
    """PSS of ten idle warm VMs; MiB."""
    d.berth("pool", "set", "python", "10")
    d.wait_warm(10)
    found = []
    for name in domains():
        pid = subprocess.run(["pgrep", "-f", f"guest={name},"], capture_output=True, text=True,
                             check=True).stdout.split()[0]
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            found += [int(line.split()[1]) / 1024 for line in file if line.startswith("Pss:")]
    return median(found)


def main():
    print(f"# {RUNS} of each, {BOOTS} boots; load {os.getloadavg()[0]:.1f} at the beginning")
    with Daemon("--max-vms", "12", "--vcpus", "32", "--warm", "python=1", "--warm-default", "0") as d:
        d.wait_warm()
        bare = {name: median(values) for name, values
                in numbers([BARE, IMAGES, snapshot_of(d), str(RUNS), str(BOOTS)]).items()}
        for name, value in bare.items():
            show(f"bare libvirt: {name}", value, "ms")
        first, answer = warm_runs(d)
        show("warm hit: call to first byte", first, "ms")
        show("  to bare claim (resume + one agent round trip)", first / bare["claim"], "x",
             "(target 1.3)")
        show("warm hit: call to answer, VM gone", answer, "ms")
        show("warm hit: berth run, exec to exit", process_runs(d), "ms", "(target 30)")
        clone = missed_runs(d)
        show("miss: admission to a clone ready for code", clone, "ms")
        show("  to bare clone", clone / bare["clone"], "x", "(target 1.15)")
        show("  to bare boot", clone / bare["boot"], "x", "(target 0.1)")
        d.berth("pool", "set", "python", "4")
        ours = sustained(d, 2 * RUNS)
        show("sustained runs, 4 at a time", ours, "/s")
        d.berth("pool", "set", "python", "0")
        until(lambda: not domains(), "the end of the warm VMs")
        show("  to bare clones, 2 at a time", ours / bare_sustained(d, RUNS), "x", "(target 0.9)")
        show("  to a shell script with virsh, 4 at a time", ours / shell_script(d, 2 * BOOTS), "x",
             "(target 8)")
        if os.geteuid() == 0:
            show("idle warm python VM, PSS of ten", proportional_mb(d), "MiB", "(target 45)")
        assert virsh("version")


if __name__ == "__main__":
    main()

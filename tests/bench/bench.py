#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What berth takes, as a ratio to bare libvirt (bench-bare) in the same run. Medians; a shared machine
is noisy, so look at the ratios. Usage: bench.py BERTH BERTHD BENCH-BARE BENCH-CLIENT BENCH-SESSION.
BERTH_BENCH_RUNS=30: of each kind. BERTH_BENCH_ONLY=sessions: only what programs do in sandboxes that
live, which takes two minutes; forks: only copies of one, the same; reach: only what they connect to, on this
host, one minute; claims: only warm hits, misses and what a cycle takes of the processor; many: only
BERTH_BENCH_VMS=200 paused warm VMs, some minutes (BERTH_TEST_LONG=1: beside all the others)."""

import contextlib
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guests"))
from guestlib import (BERTH, IMAGES, LIMIT_S, PREFIX, URI, Daemon, domains, find_pids,  # noqa: E402
                      until, virsh)

BARE, CLIENT, SESSION = (os.path.abspath(path) for path in sys.argv[3:6])
RUNS = int(os.environ.get("BERTH_BENCH_RUNS", "30"))
BOOTS = max(RUNS // 10, 1)
ROUNDS = min(RUNS, 5)
STREAMS, STREAM_S = 10, 10
IDLE_S = 30


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


TABLE = []


def show(name, value, unit, target=""):
    print(f"{name:58} {value:9.2f} {unit:5} {target}", flush=True)


def beside(what, ours, unit, limit="", bare=None, by_hand="", hand=None):
    """A row of README.md's table: what berth takes, what the least does that could do the same, and what people
    would do without it"""
    digits = 0 if ours >= 100 else 1
    number = lambda name, value: f"{name}: {value:.{digits}f} {unit}" if value is not None else ""  # noqa: E731
    ratio = f"{ours / bare:.2f}" if bare else ""
    TABLE.append((what, f"{ours:.{digits}f} {unit}", number(limit, bare), ratio, number(by_hand, hand)))


def show_table():
    if not TABLE:
        return
    print("\n| what | berth | the limit, in the same run | ratio | by hand |\n| --- | --- | --- | --- | --- |")
    for row in TABLE:
        print("| " + " | ".join(row) + " |")


def snapshot_of(d):
    return os.path.join(d.snapshots, next(name for name in os.listdir(d.snapshots)
                                          if name.startswith("python-")
                                          and not name.endswith(".part")))


def client_runs(d, how):
    """Of a connected client: ms to the first byte, and to the answer"""
    found = numbers([CLIENT, d.socket, "1", "0"])
    assert found["start"] == [how], found
    return float(found["first-byte"][0]), float(found["answer"][0])


def timed(environ, *command):
    """ms from exec to exit"""
    nothing = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1)]
    begin = time.monotonic()
    _, status = os.waitpid(os.posix_spawn(command[0], command, environ, file_actions=nothing), 0)
    taken = (time.monotonic() - begin) * 1000
    assert status == 0, (command, status)
    return taken


def show_claims(d):
    """Warm hits and misses, each beside bare libvirt's in the same seconds"""
    rounds = []
    for _ in range(RUNS):
        bare = {name: float(values[0]) for name, values in
                numbers([BARE, IMAGES, snapshot_of(d), "1", "0", "0"]).items()}
        d.wait_warm()
        first, answer = client_runs(d, "warm")
        d.wait_warm()
        rounds.append(bare | {"first": first, "answer": answer, "command": timed(
            d.environ(), BERTH, "run", "-q", "-l", "python", "print(1)"), "hand": timed(
                os.environ, sys.executable, "-c", "print(1)")})
    of = lambda name: median(one[name] for one in rounds)  # noqa: E731
    to = lambda ours, bare: median(one[ours] / one[bare] for one in rounds)  # noqa: E731
    for name in ("clone", "clone-byte", "claim", "claim-byte", "destroy"):
        show(f"bare libvirt: {name}", of(name), "ms")
    show("warm hit: call to first byte", of("first"), "ms")
    show("  to bare resume and first byte of the same interpreter", to("first", "claim-byte"), "x", "(target 1.2)")
    show("  to bare resume and one agent round trip", to("first", "claim"), "x", "(target 1.3)")
    show("warm hit: call to answer", of("answer"), "ms")
    show("warm hit: berth run, exec to exit", of("command"), "ms", "(target 30)")
    beside("code in a warm sandbox, call to first byte", of("first"), "ms",
           "a paused clone is resumed, and its interpreter prints", of("claim-byte"))
    beside("`berth run`, exec to exit", of("command"), "ms", by_hand="`python3` on this host, no sandbox", hand=of("hand"))
    d.berth("pool", "drain")
    until(lambda: not domains(), "the drain")
    rounds = []
    for _ in range(RUNS):
        bare = {name: float(values[0]) for name, values in
                numbers([BARE, IMAGES, snapshot_of(d), "1", "0", "0"]).items()}
        result = d.run("print(1)")
        assert result["start"] == "clone", result
        until(lambda: not domains(), "its end")
        rounds.append(bare | {"first": client_runs(d, "clone")[0], "ready": result["timing"]["start_ms"]})
        until(lambda: not domains(), "its end")
    d.berth("pool", "fill")
    show("miss: admission to a clone ready for code", of("ready"), "ms")
    show("  to bare clone", to("ready", "clone"), "x", "(target 1.15)")
    show("miss: call to first byte", of("first"), "ms")
    show("  to bare clone", to("first", "clone"), "x", "(target 1.3)")
    show("  to bare clone and its first byte", to("first", "clone-byte"), "x")
    beside("where none is warm: call to a sandbox ready for code", of("ready"), "ms",
           "a clone is started and answers", of("clone"))
    beside("where none is warm: call to first byte", of("first"), "ms", "that clone prints", of("clone-byte"))


def sustained(d, count, at_once):
    d.wait_warm()
    begin = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda _: d.run("print(1)"), range(count)))
    return count / (time.monotonic() - begin)


def bare_sustained(d, count):
    """Two at a time, one for each core of the machine that the target was set on."""
    begin = time.monotonic()
    command = [BARE, IMAGES, snapshot_of(d), "0", "0", "0", str(count // 2)]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                  env={**os.environ, "BERTH_BENCH_NAME": f"berthbare-{n}"})
                 for n in range(2)]
    for process in processes:
        assert process.wait(1200) == 0
    return count / (time.monotonic() - begin)


def cpu_ms(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def watched_qemus():
    """A dict that gets what the QEMUs have used that ran meanwhile; ms, by pid"""
    used, ended = {}, threading.Event()

    def look():
        while not ended.wait(0.02):
            for pid in find_pids("-f", f"guest={PREFIX}-") + find_pids("-f", "guest=berthbare"):
                with contextlib.suppress(OSError):
                    used[pid] = cpu_ms(pid)

    thread = threading.Thread(target=look)
    thread.start()
    yield used
    ended.set()
    thread.join()


def show_cycles(d):
    """What each process takes of the processor for a clone, its run and its end"""
    d.berth("pool", "drain")
    until(lambda: not domains(), "the drain")
    libvirt = find_pids("-x", "libvirtd") or find_pids("-x", "virtqemud")
    for title, count, cycle in (
            ("a bare cycle", RUNS, lambda: numbers([BARE, IMAGES, snapshot_of(d), "0", "0", "0", "1"])),
            ("a run that misses", RUNS, lambda: d.run("print(1)"))):
        before = sum(cpu_ms(pid) for pid in libvirt), cpu_ms(d.process.pid)
        with watched_qemus() as used:
            for _ in range(count):
                cycle()
            until(lambda: not domains(), "the last one's end")
        show(f"CPU time of {title}: QEMU", sum(used.values()) / count, "ms")
        show("  libvirtd", (sum(cpu_ms(pid) for pid in libvirt) - before[0]) / count, "ms")
        if title != "a bare cycle":
            show("  berthd", (cpu_ms(d.process.pid) - before[1]) / count, "ms")
    d.berth("pool", "fill")


def show_sustained(d):
    ours = 0
    for at_once in (1, 2, 8, 4):
        d.berth("pool", "set", "python", str(at_once))
        ours = sustained(d, RUNS, at_once)
        show(f"sustained runs, {at_once} at a time", ours, "/s")
    d.berth("pool", "set", "python", "0")
    until(lambda: not domains(), "the end of the warm VMs")
    bare, script = bare_sustained(d, RUNS), shell_script(d, 2 * BOOTS)
    show("  4 at a time to bare clones, 2 at a time", ours / bare, "x", "(target 0.9)")
    show("  to a shell script with virsh, 4 at a time", ours / script, "x", "(target 8)")
    beside("runs, one VM each, 4 at a time", ours, "/s", "clones, 2 at a time", bare,
           "a script with virsh boots each, 4 at a time", script)


def shell_script(d, count):
    """A shell script with virsh: define, start, wait for the console, destroy, undefine."""
    xml = d.berth("template", "show", "python").stdout

    def one(number):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            # also in the path of its console's log, which only one may write; without berth's mark, by
            # which berthd ends what it does not know
            text = re.sub("<metadata>.*</metadata>", "", xml, flags=re.DOTALL)
            text = text.replace(f"{PREFIX}-python-1", f"berthscript-{number}")
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


def memory_mb(pid, key):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key + ":")) / 1024


def proportional_mb(d):
    """PSS of ten idle warm VMs; MiB."""
    d.berth("pool", "set", "python", "10")
    d.wait_warm(10)
    return median(memory_mb(find_pids("-f", f"guest={name},")[0], "Pss") for name in domains())


MANY, FEW = int(os.environ.get("BERTH_BENCH_VMS", "200")), 4
MEMORY_MB = 192  # of a guest of python


def fitting():
    """As many VMs as there is memory for: each has 60 MiB or less of its own"""
    with open("/proc/meminfo", encoding="ascii") as file:
        free_kb = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:"))
    return min(MANY, free_kb // 1024 // 60)


def hit_ms(d, warm):
    """Of hits, each with as many warm VMs as there are to be; ms to the first byte"""
    taken = []
    for _ in range(RUNS):
        until(lambda: (slots := d.json("status")["slots"])["warm"] == warm and not slots["starting"]
              and not slots["stopping"], f"{warm} warm VMs")
        taken.append(client_runs(d, "warm")[0])
    return median(taken)


def show_many():
    """What a host full of paused warm VMs costs, beside one that has few"""
    count = fitting()
    budgets = ("--max-vms", str(count + FEW), "--memory-mb", str((count + FEW) * MEMORY_MB), "--vcpus", "16")
    with Daemon(*budgets, "--warm", f"python={FEW}", "--warm-default", "0") as d:
        d.wait_warm(FEW)
        few = hit_ms(d, FEW)
        begin = time.monotonic()
        d.berth("pool", "set", "python", str(count))
        while (warm := d.json("status")["slots"]["warm"]) < count:
            assert time.monotonic() - begin < 5 * count, warm
            time.sleep(1)
        filled = time.monotonic() - begin
        used = cpu_ms(d.process.pid)
        time.sleep(IDLE_S)
        used = cpu_ms(d.process.pid) - used
        share = sum(memory_mb(find_pids("-f", f"guest={name},")[0], "Pss") for name in domains())
        listed = median(timed(d.environ(), BERTH, "list") for _ in range(RUNS))
        many = hit_ms(d, count)
        show("paused warm VMs", count, "", "(target 200)")
        show("  until they stand by", filled, "s")
        show("  their memory, PSS", share, "MiB")
        show("  berthd's memory, RSS", memory_mb(d.process.pid, "Rss"), "MiB", "(target 64)")
        show("  berthd's CPU time while nobody asks", used / IDLE_S / 10, "%", "(target 1)")
        show("  berth list, exec to exit", listed, "ms", "(target 100)")
        show(f"  warm hit: call to first byte with {FEW}", few, "ms")
        show("  warm hit: call to first byte", many, "ms")
        show(f"  to that with {FEW}", many / few, "x", "(target 1.5)")


def session(d):
    """exec (ms), put and get (MiB/s) of a connected program, in a sandbox that has run before; and
    bare libvirt's in the same minute, for what else the machine does to weigh the same on both"""
    found = numbers([BARE, IMAGES, snapshot_of(d), "1", "0", "1"])
    sandbox = d.berth("create").stdout.strip()
    d.wait_warm()  # the next one is cloned meanwhile
    numbers([SESSION, "exec", d.socket, "2", sandbox])
    found |= {f"our {name}": values for what, count in (("exec", "10"), ("echo", "20"), ("wake", "5"), ("files", "3"))
              for name, values in numbers([SESSION, what, d.socket, count, sandbox]).items()}
    d.berth("destroy", sandbox)
    return {name: median(values) for name, values in found.items()}


def streams(d):
    """What berthd takes while many sandboxes write all they can: MiB at most, with its share of what
    others map too, and with all of that; cores; MiB/s of all"""
    sandboxes = [d.berth("create").stdout.strip() for _ in range(STREAMS)]
    begin, before = time.monotonic(), cpu_ms(d.process.pid) / 1000
    share = resident = 0
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(numbers, [SESSION, "stream", d.socket, str(STREAM_S), *sandboxes])
        while not found.done():
            share = max(share, memory_mb(d.process.pid, "Pss"))
            resident = max(resident, memory_mb(d.process.pid, "Rss"))
            time.sleep(0.1)
    cores = (cpu_ms(d.process.pid) / 1000 - before) / (time.monotonic() - begin)
    d.berth("destroy", *sandboxes)
    return share, resident, cores, median(found.result()["stream"])


def metric(d, name):
    text = subprocess.run([BERTH, "metrics"], env=d.environ(), check=True, capture_output=True, text=True,
                          timeout=LIMIT_S).stdout
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def pauses(d):
    """How long all sources of forks stood still; seconds"""
    return metric(d, "berth_fork_pause_seconds_sum")


def private_mb(d, ids):
    """What each has that nobody else maps; median, MiB"""
    names = [vm["domain"] for vm in d.json("list") if vm["id"] in ids]
    pids = [find_pids("-f", f"guest={name},")[0] for name in names]
    return median(memory_mb(pid, "Private_Clean") + memory_mb(pid, "Private_Dirty") for pid in pids)


def descendants(d, source):
    """ms and MiB of a fork's copy, of the source and of one that is a fork of a fork of a fork, in turn"""
    generations = [source]
    for _ in range(3):
        generations.append(d.berth("fork", generations[-1]).stdout.strip())
    found = {source: [], generations[-1]: []}
    for _ in range(ROUNDS):
        for one, values in found.items():
            before = metric(d, "berth_fork_bytes_total")
            took = forks(d, one, 1)["child-answer"]
            values.append((took, (metric(d, "berth_fork_bytes_total") - before) / (1 << 20)))
    d.berth("destroy", *generations[1:])
    until(lambda: len(domains()) == 1, "their end")
    return [median(value) for values in found.values() for value in zip(*values)]


def children_memory(d, source):
    """Private MiB of an idle clone, of ten children that have answered, and the difference they began with"""
    before = metric(d, "berth_fork_bytes_total")
    children = d.berth("fork", source, "-n", "10").stdout.split()
    difference = (metric(d, "berth_fork_bytes_total") - before) / (1 << 20)
    child = private_mb(d, children)
    d.berth("destroy", *children)
    clones = [d.berth("create").stdout.strip() for _ in range(4)]
    clone = private_mb(d, clones)
    d.berth("destroy", *clones)
    return clone, child, difference


def forks(d, source, count):
    """ms of one fork: what bench-session tells, and "pause", how long its source stood still"""
    before, others = pauses(d), len(domains())
    found = numbers([SESSION, "fork", d.socket, str(count), source])
    until(lambda: len(domains()) == others, "the children's end")
    return {name: median(values) for name, values in found.items()} | {"pause": (pauses(d) - before) * 1000}


def fork_round(d, source):
    """Ratios to a bare clone in the same minute, and the milliseconds that they are of. What the source's
    pause takes is a figure of its own, and what follows it a child's."""
    bare = {name: median(values) for name, values
            in numbers([BARE, IMAGES, snapshot_of(d), "3", "0", "0"]).items()}
    one, ten = forks(d, source, 1), forks(d, source, 10)
    asleep = {name: median(values) for name, values in numbers([SESSION, "rise", d.socket, "1", source]).items()}
    clone, code = bare["clone"], bare["clone"] + bare["first-exec"]
    return {"clone": clone, "pause": one["pause"], "pause-x": one["pause"] / clone,
            "child": one["child-answer"] - one["pause"], "child-x": (one["child-answer"] - one["pause"]) / clone,
            "child-code-x": (one["child-exec"] - one["pause"]) / code, "fork": one["child-answer"],
            "ten": (ten["children"] - ten["pause"]) / 10, "ten-x": (ten["children"] - ten["pause"]) / 10 / clone,
            "hibernate": asleep["hibernate"], "hibernate-x": asleep["hibernate"] / clone,
            "wake": asleep["rise-answer"], "wake-x": asleep["rise-answer"] / clone, "wake-code-x": asleep["rise-exec"] / code}


def show_forks(d):
    d.berth("pool", "set", "python", "0")
    until(lambda: not domains(), "the end of the warm VMs")
    source = d.berth("create").stdout.strip()
    assert d.berth("exec", source, "kept = 1").returncode == 0
    forks(d, source, 1)
    rounds = [fork_round(d, source) for _ in range(ROUNDS)]
    of = lambda name: median(one[name] for one in rounds)  # noqa: E731
    for name, title, unit, target in (
            ("clone", "a bare clone: to its first answer", "ms", ""),
            ("fork", "fork: the call, and the child's first answer", "ms", ""),
            ("pause", "  its source stands still", "ms", ""), ("pause-x", "    to bare clone", "x", "(target 1.2)"),
            ("child", "  the child, from then to its first answer", "ms", ""),
            ("child-x", "    to bare clone", "x", "(target 1.3)"),
            ("child-code-x", "    to its first code, to a bare clone's", "x", ""),
            ("ten", "  ten children and their first answers, each", "ms", ""),
            ("ten-x", "    to bare clone", "x", "(target 1.2)"),
            ("hibernate", "hibernate: the call", "ms", ""), ("hibernate-x", "  to bare clone", "x", "(target 2.0)"),
            ("wake", "wake: to its first answer", "ms", ""), ("wake-x", "  to bare clone", "x", "(target 1.3)"),
            ("wake-code-x", "  to its first code, to a bare clone's", "x", "")):
        show(title, of(name), unit, target)
    for what, name in (("fork: a child's first answer, from when its source goes on", "child"),
                       ("ten children of a fork, each", "ten"), ("hibernate", "hibernate"), ("wake, to the first answer", "wake")):
        beside(what, of(name), "ms", "a clone is started and answers", of("clone"))
    first, first_mb, last, last_mb = descendants(d, source)
    show("fork of a fork of a fork: to the child's first answer", last, "ms",
         f"(the source's own {first:.0f}; difference {last_mb:.1f} MiB, {first_mb:.1f})")
    clone, child, difference = children_memory(d, source)
    show("ten children: each one's private memory", child, "MiB",
         f"(an idle clone's {clone:.1f}, the difference {difference:.1f})")
    assert d.berth("exec", source, "print(kept)").stdout == "1\n"
    d.berth("destroy", source)
    d.berth("pool", "set", "python", "1")


def printing(d):
    """How much berthd grows by ten execs in the background of one sandbox that print all they can;
    MiB"""
    sandbox = d.berth("create").stdout.strip()
    before = most = memory_mb(d.process.pid, "Pss")
    for _ in range(STREAMS):
        d.berth("exec", "-d", "-t", "300", "-x", sandbox, "yes")
    end = time.monotonic() + STREAM_S
    while time.monotonic() < end:
        most = max(most, memory_mb(d.process.pid, "Pss"))
        time.sleep(0.1)
    d.berth("destroy", sandbox)
    return most - before


def show_sessions(d):
    rounds = [session(d) for _ in range(ROUNDS)]
    for name, bare, unit, title, target, row in (
            ("exec", "live-exec", "ms", "the bare agent's", 1.3, "code"),
            ("command", "live-command", "ms", "the bare agent's", 1.3, "a command"),
            ("echo", "ping", "ms", "a bare agent's round trip", 2, None),
            ("wake", "wake", "ms", "bare resume + one agent round trip", 1.3, "one that is paused answers"),
            ("put", "stream-in", "MiB/s", "a bare virStream moves in", 0.7, "a file is put"),
            ("get", "stream-out", "MiB/s", "a bare virStream moves out", 0.7, "a file is got")):
        show(f"live session: {name}", median(one["our " + name] for one in rounds), unit)
        show(f"  {title}", median(one[bare] for one in rounds), unit)
        show("  ratio", median(one["our " + name] / one[bare] for one in rounds), "x",
             f"(target {target})")
        if row:
            beside(f"in a session: {row}", median(one["our " + name] for one in rounds), unit,
                   title, median(one[bare] for one in rounds))
    show(f"{STREAMS} execs in the background that print: berthd grows by", printing(d), "MiB",
         "(target 1)")
    share, resident, cores, together = streams(d)
    show(f"{STREAMS} sessions that stream, together", together, "MiB/s")
    show("  berthd's memory at most, PSS", share, "MiB", "(target 20)")
    show("    RSS, with all of the libraries' files", resident, "MiB")
    show("  berthd's CPU time, in cores", cores, "", f"(target {max(os.cpu_count() - 1, 1)})")


REACH_MIB, REACH_DIALS = 32, 60
HOST = socket.gethostname()  # a name, for in a sandbox an address of the loopback is its own
DIAL = """
import os, socket, sys, time
def dial(host, port, count):
    address = socket.gethostbyname(host)
    taken = []
    for _ in range(count):
        begin = time.monotonic()
        with socket.socket() as s: s.settimeout(30); s.connect((address, port)); s.recv(1)
        taken.append((time.monotonic() - begin) * 1000)
    return sorted(taken)[count // 2]
def inside(count):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if (pid := os.fork()) == 0:
            while True:
                with listener.accept()[0] as peer: peer.sendall(b"h")
        try: return dial("127.0.0.1", listener.getsockname()[1], count)
        finally: os.kill(pid, 9); os.waitpid(pid, 0)
"""
DOWNLOAD = """
def download(host, port):
    room = bytearray(1 << 20); begin = time.monotonic(); size = 0
    with socket.create_connection((host, port), 30) as s:
        while got := s.recv_into(room): size += got
    return size / (1 << 20) / (time.monotonic() - begin)
"""


@contextlib.contextmanager
def server(serve):
    """On this host's own address: its port"""
    with socket.create_server((socket.gethostbyname(HOST), 0), backlog=64) as listener:
        def run():
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer, contextlib.suppress(OSError):
                        serve(peer)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def serve_bytes(peer):
    piece = bytes(1 << 20)
    for _ in range(REACH_MIB):
        peer.sendall(piece)


def show_reach():
    """What a program in a sandbox waits for, that connects to a server of this host"""
    options = ("--network-allow", "*:*", "--network-private", socket.gethostbyname(HOST))
    own = {}
    exec(DIAL, own)  # the same code, by this host itself
    with Daemon("--warm", "python=1", "--warm-default", "0", *options) as d, server(lambda peer: peer.sendall(b"h")) as greeter, \
            server(serve_bytes) as source:
        d.wait_warm()
        sandbox = d.berth("create", "--allow", f"{HOST}:{greeter},{source}").stdout.strip()
        rounds = []
        for _ in range(ROUNDS):
            bare = numbers([BARE, IMAGES, snapshot_of(d), "1", "0", "1"])
            said = d.berth("exec", "-t", "200", sandbox, DIAL + DOWNLOAD +
                           f"dial('{HOST}', {greeter}, 9); print(dial('{HOST}', {greeter}, {REACH_DIALS}), "
                           f"inside({REACH_DIALS}), download('{HOST}', {source}))").stdout
            rounds.append((*(median(bare[name]) for name in ("ping", "ping-again", "stream-in")),
                           own["dial"](HOST, greeter, REACH_DIALS), *(float(word) for word in said.split())))
        ping, again, stream, host, dialled, inside, speed = (list(values) for values in zip(*rounds))
        show("reach: a connection and its first byte", median(dialled), "ms")
        show("  the host's own to the same server", median(host), "ms")
        show("  what is more, to a bare channel round trip", median((a - b) / c for a, b, c in zip(dialled, host, ping)),
             "x", "(target 3)")
        show("  to a server in the sandbox itself", median(inside), "ms")
        show("  what is more than that, to a bare channel round trip",
             median((a - b) / c for a, b, c in zip(dialled, inside, ping)), "x")
        show("  to one that follows another", median((a - b) / c for a, b, c in zip(dialled, inside, again)), "x")
        show("reach: download", median(speed), "MiB/s")
        show("  to what a bare virStream moves in", median(a / b for a, b in zip(speed, stream)), "x", "(target 0.7)")
        beside("a program's connection, to its first byte", median(dialled), "ms",
               "the same to a server in the sandbox itself", median(inside))
        beside("a program's download", median(speed), "MiB/s", "a virStream to the agent", median(stream))
        d.berth("destroy", sandbox)


def main():
    print(f"# {RUNS} of each, {BOOTS} boots; load {os.getloadavg()[0]:.1f} at the beginning")
    only = os.environ.get("BERTH_BENCH_ONLY")
    if only in (None, "reach"):
        show_reach()
    if only == "many" or (only is None and os.environ.get("BERTH_TEST_LONG") == "1"):
        show_many()
    if only in ("reach", "many"):
        return
    with Daemon("--max-vms", "12", "--vcpus", "32", "--warm", "python=1", "--warm-default", "0") as d:
        d.wait_warm()
        if only == "claims":
            show_claims(d)
            show_cycles(d)
            return
        if only != "forks":
            show_sessions(d)
        if only != "sessions":
            show_forks(d)
        if only:
            return
        show_claims(d)
        show_cycles(d)
        show_sustained(d)
        if os.geteuid() == 0:
            idle = proportional_mb(d)
            show("idle warm python VM, PSS of ten", idle, "MiB", "(target 45)")
            beside("memory of a warm VM, of ten", idle, "MiB")
        assert virsh("version")


if __name__ == "__main__":
    main()
    show_table()

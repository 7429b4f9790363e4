#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What one user who means harm costs berthd and the others: for each way of doing it, how much memory
berthd grows by at most, and how long another user's Status takes meanwhile: a connection, its
authentication, the call and its answer, as `berth status` does it; what the start of a program
costs is not berthd's. On the host without VMs, whose door is the real one. Usage: bench-attacks.py
BERTHD, as root: the two are two users. BERTH_BENCH_RUNS=30: so many times ten calls are counted for
each attack."""

import array
import contextlib
import os
import random
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

BERTHD = os.path.abspath(sys.argv[1])
CALLS = 10 * int(os.environ.get("BERTH_BENCH_RUNS", "30"))
ATTACKER, OTHER, GROUP = 65534, 1, 65534
MIB = 1 << 20
SIGNATURES = {"Status": b"", "Run": b"a{sv}", "Destroy": b"s"}


def align(data, to):
    return data + b"\0" * (-len(data) % to)


def field(code, kind, value):
    text = struct.pack("<I", len(value)) if kind != b"g" else bytes([len(value)])
    return bytes([code, 1]) + kind + b"\0" + text + value + b"\0"


def call(method, serial, body=b"", signature=None, size=None):
    """A method call's bytes; size: of a body that is announced."""
    fields = b""
    for one in (field(1, b"o", b"/org/berth/Berth1"), field(2, b"s", b"org.berth.Berth1.Manager"),
                field(3, b"s", method.encode()),
                field(8, b"g", SIGNATURES[method] if signature is None else signature)):
        fields = align(fields, 8) + one
    head = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body) if size is None else size, serial,
                       len(fields))
    return align(head + fields, 8) + body


def run_of(size):
    """The options of a Run whose code waits, and has size bytes."""
    code = b"sleep 1000 #".ljust(size, b"#")
    entry = struct.pack("<I", 4) + b"code\0" + b"\x02ay\0"
    entry = align(entry, 4) + struct.pack("<I", size) + code
    return struct.pack("<II", len(entry), 0) + entry


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    for limit in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
        client.setsockopt(socket.SOL_SOCKET, limit, struct.pack("ll", 30, 0))
    client.connect(path)
    client.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
    client.recv(256)
    client.sendall(b"BEGIN\r\n")
    return client


# ---- the attacks: each is done over and over, by several processes ----

def only_computing(_):
    """No attack: what two processes cost the other user that have nothing to do with berthd."""
    until = time.monotonic() + 1
    while time.monotonic() < until:
        pass


def unfinished_messages(path):
    clients = []
    for size in (100 * MIB, MIB, 60 * 1024) * 20:
        with contextlib.suppress(OSError):
            client = connect(path)
            clients.append(client)
            client.sendall(call("Run", 1, size=size) + b"#" * min(size - 1, MIB))
    time.sleep(1)


def descriptors(path):
    client = connect(path)
    client.sendall(call("Run", 1, size=MIB))
    fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [2] * 250))]
    for _ in range(100):
        client.sendmsg([b"#"], fds)


def trees(path):
    client = connect(path)
    for size in (60 * 1024, MIB, 16 * MIB):
        with contextlib.suppress(OSError):
            values = b"\1y\0\0" * (size // 4)
            client.sendall(call("Run", 1, struct.pack("<I", len(values)) + values, b"av"))


def waiting_runs(path):
    clients = [connect(path) for _ in range(4)]
    for serial in range(1, 101):
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(call("Run", serial, run_of(MIB)))
    time.sleep(1)


def many_waiters(path):
    clients = [connect(path) for _ in range(8)]
    for serial in range(1, 201):
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(call("Run", serial, run_of(64)))
    time.sleep(1)


def unread_answers(path):
    client = connect(path)
    for serial in range(1, 100000):
        client.sendall(call("Status", serial))


def calls_without_end(path):
    client = connect(path)
    until = time.monotonic() + 2
    serial = 0
    while time.monotonic() < until:
        serial += 1
        client.sendall(call("Status", serial))
        client.recv(1 << 20)


def connections(path):
    clients = []
    for _ in range(300):
        with contextlib.suppress(OSError):
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            client.setblocking(False)
            client.send(b"\0AUTH " + b"A" * 60)
            clients.append(client)


def noise(path):
    client = connect(path)
    chance = random.Random(os.getpid())
    for serial in range(1, 1000):
        message = bytearray(call("Destroy", serial, struct.pack("<I", 4) + b"none\0"))
        for _ in range(chance.randrange(4)):
            message[chance.randrange(len(message))] = chance.randrange(256)
        client.sendall(message)


ATTACKS = (only_computing, unfinished_messages, descriptors, trees, waiting_runs, many_waiters, unread_answers,
           calls_without_end, connections, noise)


def become(uid):
    os.setgroups([])
    os.setgid(GROUP)
    os.setuid(uid)


def start_attack(attack, path):
    pid = os.fork()
    if pid > 0:
        return pid
    try:
        become(ATTACKER)
        while True:
            with contextlib.suppress(OSError):
                attack(path)
    finally:
        os._exit(1)


def memory_kib(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def ask_status(path):
    with connect(path) as client:
        client.sendall(call("Status", 1))
        head = client.recv(16, socket.MSG_WAITALL)
        assert len(head) == 16 and head[1] == 2, head  # an answer, and no error
        body, _, fields = struct.unpack("<III", head[4:])
        rest = body + fields + -fields % 8
        assert len(client.recv(rest, socket.MSG_WAITALL)) == rest


def status_times(path, count):
    """The second user's; milliseconds"""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            become(OTHER)
            for _ in range(count):
                begin = time.monotonic()
                ask_status(path)
                os.write(writer, struct.pack("d", 1000 * (time.monotonic() - begin)))
            os._exit(0)
        except BaseException as problem:  # pylint: disable=broad-exception-caught
            print("status:", repr(problem), file=sys.stderr, flush=True)
            os._exit(1)
    os.close(writer)
    with open(reader, "rb") as file:
        times = [time for (time,) in struct.iter_unpack("d", file.read())]
    _, status = os.waitpid(pid, 0)
    assert status == 0 and len(times) == count, status
    return sorted(times)


def tell(name, grown_kib, times):
    print(f"{name:24} {grown_kib / 1024:8.1f} MiB   median {statistics.median(times):7.1f} ms   "
          f"p99 {times[len(times) * 99 // 100]:7.1f} ms   most {times[-1]:7.1f} ms", flush=True)


def measure(name, path, pid, start_kib, attack=None):
    forget_peak(pid)
    attackers = [start_attack(attack, path) for _ in range(2)] if attack else []
    try:
        times = status_times(path, CALLS)
    finally:
        for attacker in attackers:
            os.kill(attacker, signal.SIGKILL)
            os.waitpid(attacker, 0)
    tell(name, memory_kib(pid, "VmHWM:") - start_kib, times)


def main():
    if os.geteuid() != 0:
        print("SKIP: two users are needed, and only root can be both")
        return
    with tempfile.TemporaryDirectory(prefix="berth-attacks-", dir="/var/tmp") as folder:
        os.chmod(folder, 0o711)
        path = os.path.join(folder, "s")
        daemon = subprocess.Popen(
            [BERTHD, "--foreground", "--config", "/dev/null", "--socket-group", "nogroup", "--socket",
             path, "--snapshot-scope", "none", "--warm-default", "0", "--max-vms", "4"],
            stderr=subprocess.PIPE, text=True)
        while "berthd ready" not in daemon.stderr.readline():
            pass
        log = subprocess.Popen(["cat"], stdin=daemon.stderr, stdout=subprocess.DEVNULL)
        status_times(path, 20)
        start_kib = memory_kib(daemon.pid, "VmRSS:")
        measure("nobody", path, daemon.pid, start_kib)
        wanted = os.environ.get("BERTH_BENCH_ONLY", "")
        for attack in (one for one in ATTACKS if wanted in one.__name__):
            measure(attack.__name__.replace("_", " "), path, daemon.pid, start_kib, attack)
            time.sleep(1)
        measure("nobody again", path, daemon.pid, start_kib)
        print("target: 64 MiB, p99 100 ms; memory is beside %d MiB before" % (start_kib / 1024))
        daemon.terminate()
        assert daemon.wait(60) == 0, daemon.returncode
        log.wait(10)


if __name__ == "__main__":
    main()

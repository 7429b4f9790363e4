#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Published ports, on real guests: servers inside, clients here, fair ones and others. See guestlib.py.
"""

import contextlib
import functools
import hashlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from guestlib import BERTHD, LIMIT_S, PREFIX, ROOT, URI, Daemon, keep, main, same, until

BIG = 20 * 1024 * 1024
ECHO = """
import socket, threading
def serve(fd):
    try:
        while piece := fd.recv(65536):
            fd.sendall(piece)
    except OSError:
        pass
    fd.close()
listener = socket.create_server(("127.0.0.1", 7), backlog=300)
print("listens", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
""".replace("7)", "7007)")
# never answers, never reads
DEAF = """
import socket, time
listener = socket.create_server(("127.0.0.1", 7008), backlog=300)
print("listens", flush=True)
held = []
while True:
    held.append(listener.accept())
"""
# says something to each that comes, one after the other
GREETER = """
import socket
listener = socket.create_server(("127.0.0.1", 7009), backlog=300)
print("listens", flush=True)
while True:
    fd = listener.accept()[0]
    fd.sendall(b"h")
    fd.close()
"""


class KeptDaemon(Daemon):
    """Under what systemd is to a berthd: it keeps descriptors, and hands them to the next one."""

    def __enter__(self):
        self.kept = {}
        self.notify_folder = tempfile.TemporaryDirectory(prefix="berth-ports-")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(os.path.join(self.notify_folder.name, "notify"))
        threading.Thread(target=self.hear, daemon=True).start()
        return super().__enter__()

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        for fd in self.kept.values():
            os.close(fd)
        self.notify.close()
        self.notify_folder.cleanup()

    def hear(self):
        with contextlib.suppress(OSError):
            while True:
                text, fds, _, _ = socket.recv_fds(self.notify, 4096, 8)
                lines = dict(line.split("=", 1) for line in text.decode().splitlines())
                if "FDSTORE" in lines:
                    self.kept[lines["FDNAME"]] = fds[0]
                elif "FDSTOREREMOVE" in lines:
                    os.close(self.kept.pop(lines["FDNAME"]))

    def begin(self):
        fds = list(self.kept.values())

        def place():
            for number, fd in enumerate(fds):
                os.dup2(fd, 200 + number)
            for number in range(len(fds)):
                os.dup2(200 + number, 3 + number)
                os.set_inheritable(3 + number, True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", 'export LISTEN_PID=$$; exec "$@"', "sh", BERTHD, "--foreground",
                 "--socket", self.socket, "--config", "/dev/null", "--uri", URI, "--socket-group", "",
                 "--image-dir", self.images, "--snapshot-dir", self.snapshots, "--name-prefix",
                 PREFIX, "--max-vms", "2", *self.options], stderr=log, preexec_fn=place,
                pass_fds=[3 + number for number in range(len(fds))],
                env={**os.environ, "LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": ":".join(self.kept),
                     "NOTIFY_SOCKET": os.path.join(self.notify_folder.name, "notify")})


@functools.cache
def daemon():
    return keep(KeptDaemon("--warm-default", "0"))


@functools.cache
def session():
    """With an echo server at 7007, a deaf one at 7008, one that greets at 7009, a web server at 8000."""
    done = daemon().berth("create", "-l", "python", "-m", "384")
    same(done.returncode, 0)
    name = done.stdout.strip()
    for code in (ECHO, DEAF, GREETER):
        exec_number = start(name, "python3", "-c", code)
        until(lambda number=exec_number: "listens" in daemon().berth("logs", name, number).stdout,
              "a server inside")
    text = (f"import os; os.makedirs('web'); open('web/big', 'wb').write(os.urandom({BIG})); "
            "import hashlib; print(hashlib.sha256(open('web/big', 'rb').read()).hexdigest())")
    daemon().sum = daemon().berth("exec", name, text).stdout.strip()
    start(name, "python3", "-u", "-m", "http.server", "-d", "web", "-b", "127.0.0.1", "8000")
    return name


def start(name, *words):
    done = daemon().berth("exec", "-d", "-t", "1200", "-x", name, *words)
    same((done.returncode, done.stderr), (0, ""))
    return done.stdout.strip()


def publish(port, name=None):
    done = daemon().berth("port", name or session(), "add", str(port))
    same((done.returncode, done.stderr), (0, ""))
    return done.stdout.strip()


def withdraw(port):
    same(daemon().berth("port", session(), "remove", str(port)).returncode, 0)


def ports(name=None):
    return json.loads(daemon().berth("port", name or session(), "--json").stdout)


def dial(address):
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=LIMIT_S)


def refuses(address):
    try:
        dial(address).close()
    except ConnectionRefusedError:
        return True
    return False


def take_all(fd):
    parts = []
    while part := fd.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def echo(address, text):
    with dial(address) as fd:
        threading.Thread(target=lambda: (fd.sendall(text), fd.shutdown(socket.SHUT_WR)),
                         daemon=True).start()
        return take_all(fd)


def resident_kib():
    with open(f"/proc/{daemon().process.pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def download(address):
    web = http.client.HTTPConnection(*address.split(":"), timeout=LIMIT_S)
    web.request("GET", "/big")
    answer = web.getresponse()
    same(answer.status, 200)
    return answer.read()


def test_echo():
    address = publish(7007)
    text = os.urandom(3_000_000)
    assert echo(address, text) == text
    assert daemon().berth("exec", session(), "print(6*7)").stdout == "42\n"
    withdraw(7007)


def test_download_and_figures():
    """Byte for byte, while code runs; and how fast, beside a bare stream of the same bytes."""
    name = session()
    until(lambda: not refuses_inside(8000), "the web server inside")
    address = publish(8000)
    busy = daemon().popen("exec", name, "import time; time.sleep(3); print('ran')")
    same(hashlib.sha256(download(address)).hexdigest(), daemon().sum)
    same(busy.communicate(timeout=LIMIT_S)[0], "ran\n")
    through_port, bare = [], []
    for _ in range(3):
        begin = time.monotonic()
        same(len(download(address)), BIG)
        through_port.append(BIG / 1e6 / (time.monotonic() - begin))
        begin = time.monotonic()
        done = subprocess.run(daemon().command("exec", "-x", name, "cat", "web/big"),
                              env=daemon().environ(), stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=LIMIT_S, check=True)
        same(len(done.stdout), BIG)
        bare.append(BIG / 1e6 / (time.monotonic() - begin))
    print(f"# 20 MiB: {statistics.median(through_port):.1f} MB/s through a port with http.server, "
          f"{statistics.median(bare):.1f} MB/s as an exec's output")
    withdraw(8000)


def refuses_inside(port):
    code = f"import socket; socket.create_connection(('127.0.0.1', {port})).close()"
    return daemon().berth("exec", session(), code).returncode != 0


def test_set_up_time():
    """Of a connection, until the server's first byte is here; and of an answer on one that is open."""
    greeter, address = publish(7009), publish(7007)
    times, trips = [], []
    with dial(address) as open_one:
        open_one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(60):
            begin = time.monotonic()
            with dial(greeter) as fd:
                same(fd.recv(1), b"h")
                times.append(time.monotonic() - begin)
            begin = time.monotonic()
            open_one.sendall(b"y")
            same(open_one.recv(1), b"y")
            trips.append(time.monotonic() - begin)
    print(f"# connection and first byte {statistics.median(times) * 1e3:.2f} ms, an answer on an open one "
          f"{statistics.median(trips) * 1e3:.2f} ms (medians of 60)")
    withdraw(7009)
    withdraw(7007)


def test_hundred_at_once():
    address = publish(7007)
    peers = [dial(address) for _ in range(100)]
    for number, fd in enumerate(peers):
        fd.sendall(b"%05d" % number)
    for number, fd in enumerate(peers):
        same(fd.recv(5, socket.MSG_WAITALL), b"%05d" % number)
    same(ports()[0]["connections"], 100)
    for fd in peers:
        fd.close()
    until(lambda: ports()[0]["connections"] == 0, "the end of all")
    same(ports()[0]["last"], "done")
    withdraw(7007)


def test_nobody_listens():
    address = publish(9)
    with contextlib.suppress(ConnectionResetError), dial(address) as fd:
        same(fd.recv(1), b"")
    until(lambda: ports()[0]["refused"] == 1, "the count")
    same(ports()[0]["last"], "refused")
    withdraw(9)


def test_slow_and_deaf_ones():
    """A server that reads nothing, a client that reads nothing, a client that ends its half: others
    are served meanwhile, and berthd's memory stays."""
    deaf, address = publish(7008), publish(7007)
    before = resident_kib()
    pushers = [dial(deaf) for _ in range(10)]
    readers = [dial(address) for _ in range(10)]
    stop = time.monotonic() + 3
    for fd in pushers + readers:
        fd.setblocking(False)
    while time.monotonic() < stop:
        for fd in pushers + readers:
            with contextlib.suppress(BlockingIOError):
                fd.send(b"z" * 100_000)
    half = dial(address)
    half.shutdown(socket.SHUT_WR)
    same(half.recv(1), b"")
    text = os.urandom(500_000)
    assert echo(address, text) == text
    assert resident_kib() - before < 40 * 1024, resident_kib() - before
    for fd in [half, *pushers, *readers]:
        fd.close()
    withdraw(7008)
    withdraw(7007)


def test_berthd_is_killed():
    """Its connections end, its listening sockets live on: the next one serves them."""
    address, d = publish(7007), daemon()
    until(lambda: len(d.kept) == 1, "what berthd has kept")
    with dial(address) as fd:
        fd.sendall(b"x")
        same(fd.recv(1), b"x")
        d.crash()
        with contextlib.suppress(ConnectionResetError):
            same(fd.recv(1), b"")
    waiting = dial(address)  # the kernel has it until there is a berthd
    waiting.sendall(b"w")
    d.start()
    same(waiting.recv(1), b"w")
    waiting.close()
    same([(port["port"], port["address"]) for port in ports()], [(7007, address)])
    assert echo(address, b"again") == b"again"
    withdraw(7007)
    assert refuses(address)
    until(lambda: not d.kept, "nothing kept")


def test_ends_with_its_sandbox():
    d = daemon()
    made = json.loads(d.berth("create", "-l", "shell", "--publish", "80", "--json").stdout)
    address = made["ports"][0]["address"]
    with contextlib.suppress(ConnectionResetError), dial(address) as fd:
        same(fd.recv(1), b"")
    same(d.berth("destroy", made["sandbox_id"]).returncode, 0)
    assert refuses(address)
    until(lambda: not d.kept, "nothing kept")


def test_run():
    d = daemon()
    code = ("import http.server, threading\n"
            "server = http.server.HTTPServer(('127.0.0.1', 8080), http.server.SimpleHTTPRequestHandler)\n"
            "print('up', flush=True)\n"
            "server.handle_request()\n")
    process = d.popen("run", "--publish", "8080", "-t", "100", code)
    told = process.stderr.readline()
    assert "port 8080 of the sandbox is at 127.0.0.1:" in told, told
    same(process.stdout.readline(), "up\n")
    web = http.client.HTTPConnection(*told.split()[-1].split(":"), timeout=LIMIT_S)
    web.request("GET", "/nothing-here")
    same(web.getresponse().status, 404)
    web.close()
    same(process.wait(LIMIT_S), 0)
    process.communicate()


def test_as_an_ordinary_user():
    """Who may not listen at a port of the system gets told so by the kernel, not by root."""
    if not ROOT:
        return
    d = daemon()
    for path in (d.folder, os.path.dirname(d.socket)):
        os.chmod(path, 0o755)
    os.chmod(d.socket, 0o666)

    def demote():
        os.setgid(65534)
        os.setuid(65534)

    def berth(*arguments):
        return subprocess.run(d.command(*arguments), env=d.environ(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT_S, check=False,
                              preexec_fn=demote)
    same(berth("port", session()).returncode, 125)  # root's, and none of theirs
    name = berth("create", "-l", "shell").stdout.strip()
    done = berth("port", name, "add", "80:80")
    same((done.returncode, "Permission denied" in done.stderr), (125, True))
    address = berth("port", name, "add", "80").stdout.strip()
    with contextlib.suppress(ConnectionResetError), dial(address) as fd:
        same(fd.recv(1), b"")
    same(berth("destroy", name).returncode, 0)
    assert refuses(address)


if __name__ == "__main__":
    sys.exit(main(globals()))

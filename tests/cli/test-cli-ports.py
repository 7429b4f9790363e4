#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""berth port, and --publish of create and run: the command and berthd on a host without VMs, whose
sandboxes all have this host's loopback as theirs (tests/host). Usage: test-cli-ports.py BERTH
FAKE-BERTHD. Prints TAP."""

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

_spec = importlib.util.spec_from_file_location(
    "test_cli", os.path.join(os.path.dirname(os.path.abspath(__file__)), "test-cli.py"))
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
BERTHD, LIMIT_S, SHELL, same, one_line, until = (_cli.BERTHD, _cli.LIMIT_S, _cli.SHELL, _cli.same,
                                                 _cli.one_line, _cli.until)


@contextlib.contextmanager
def sandbox(d, *options):
    name = d.berth("create", "-l", "shell", "-q", *options)[1].strip()
    assert name, "no sandbox"
    try:
        yield name
    finally:
        d.berth("destroy", name)


def serve_one(fd):
    with fd, contextlib.suppress(ConnectionError):
        while piece := fd.recv(65536):
            fd.sendall(piece.upper())


@contextlib.contextmanager
def server():
    """What listens in the sandbox: upper case of what it is told, to each. Its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=300) as listener:
        def accept():
            with contextlib.suppress(OSError):
                while True:
                    fd, _ = listener.accept()
                    threading.Thread(target=serve_one, args=(fd,), daemon=True).start()
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(LIMIT_S)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def dial(address):
    if address.startswith("unix:"):
        fd = socket.socket(socket.AF_UNIX)
        fd.settimeout(LIMIT_S)
        fd.connect(address.removeprefix("unix:"))
        return fd
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=LIMIT_S)


def ask(address, text=b"hello"):
    with dial(address) as fd:
        fd.sendall(text)
        fd.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := fd.recv(65536):
            answer += piece
        return answer


def refuses(address):
    try:
        dial(address).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    return False


def done(told):
    status, out, err = told
    same((status, err), (0, ""))
    return out


def test_add_list_remove(d):
    with sandbox(d) as name, server() as port:
        same(done(d.berth("port", name)).split(), ["PORT", "ADDRESS", "OPEN", "TOTAL", "REFUSED", "LAST"])
        address = done(d.berth("port", name, "add", str(port))).strip()
        assert address.startswith("127.0.0.1:"), address
        same(ask(address), b"HELLO")
        until(lambda: d.json("port", name)[1][0]["connections"] == 0)
        entry = d.json("port", name)[1][0]
        same((entry["port"], entry["address"], entry["total"], entry["refused"], entry["last"]),
             (port, address, 1, 0, "done"))
        same((entry["sent"], entry["received"]), (5, 5))
        assert address in done(d.berth("port", name))
        done(d.berth("port", name, "remove", str(port)))
        assert refuses(address)
        same(d.json("port", name), (0, []))
        status, _, err = d.berth("port", name, "remove", str(port))
        same(status, 2)
        one_line(err, "is not published")


def test_a_hundred_at_once(d):
    with sandbox(d) as name, server() as port:
        address = done(d.berth("port", name, "add", str(port))).strip()
        peers = [dial(address) for _ in range(100)]
        for number, fd in enumerate(peers):
            fd.sendall(b"abc%d" % number)
        for number, fd in enumerate(peers):
            same(fd.recv(100), b"ABC%d" % number)
        same(d.json("port", name)[1][0]["connections"], 100)
        for fd in peers:
            fd.close()
        until(lambda: d.json("port", name)[1][0]["connections"] == 0)


def test_nobody_listens(d):
    with sandbox(d) as name:
        address = done(d.berth("port", name, "add", str(free_port()))).strip()
        with dial(address) as fd:
            with contextlib.suppress(ConnectionResetError):
                same(fd.recv(1), b"")
        until(lambda: d.json("port", name)[1][0]["refused"] == 1)
        same(d.json("port", name)[1][0]["last"], "refused")


def test_places(d):
    with sandbox(d) as name, server() as port, tempfile.TemporaryDirectory() as folder:
        local = free_port()
        path = os.path.join(folder, "sock")
        addresses = done(d.berth("port", name, "add", f"{local}:{port}", f"127.0.0.2:{port}",
                                 f"[::1]:{port}", f"localhost::{port}", f"unix:{path}:{port}"))
        addresses = addresses.split()
        same(addresses[0], f"127.0.0.1:{local}")
        assert addresses[1].startswith("127.0.0.2:") and addresses[2].startswith("[::1]:"), addresses
        assert addresses[3].startswith("127.0.0.1:") and addresses[4] == "unix:" + path, addresses
        for address in addresses:
            same(ask(address), b"HELLO")
        status, _, err = d.berth("port", name, "add", f"{local}:{port}")
        same(status, 125)
        one_line(err, f"127.0.0.1 port {local}", "Address already in use", "another LOCAL port")
        status, _, err = d.berth("port", name, "add", f"unix:{path}:{port}")
        same(status, 125)
        one_line(err, path, "another path")
        done(d.berth("port", name, "remove", f"{local}:{port}"))
        done(d.berth("port", name, "remove", f"unix:{path}:{port}"))
        assert not os.path.exists(path)
        done(d.berth("port", name, "remove", str(port)))
        same(d.json("port", name)[1], [])


def test_nothing_but_a_socket_is_taken_away(d):
    """The path of a Unix socket is what who bound it says, and where it leads may have changed."""
    with tempfile.TemporaryDirectory() as folder, sandbox(d) as name:
        made, other = os.path.join(folder, "made"), os.path.join(folder, "other")
        os.mkdir(made)
        os.mkdir(other)
        theirs = os.path.join(other, "s")
        open(theirs, "w").close()
        done(d.berth("port", name, "add", f"unix:{made}/s:80"))
        os.rename(made, made + ".away")
        os.symlink(other, made)
        done(d.berth("port", name, "remove", "80"))
        assert os.path.exists(theirs), "a file of others is gone"


def test_path_left_behind(d):
    with tempfile.TemporaryDirectory() as folder, server() as port:
        path = os.path.join(folder, "sock")
        with sandbox(d) as name:
            done(d.berth("port", name, "add", f"unix:{path}:{port}"))
        assert refuses("unix:" + path) and os.path.exists(path)
        with sandbox(d) as name:
            same(ask(done(d.berth("port", name, "add", f"unix:{path}:{port}")).strip()), b"HELLO")
        os.unlink(path)
        with open(path, "wb"):
            pass
        with sandbox(d) as name:
            same(d.berth("port", name, "add", f"unix:{path}:{port}")[0], 125)
        assert os.path.isfile(path)


def test_no_places(d):
    for text in ("0", "65536", "x", "1:2:3:4", "[::1:80", "::", "unix:/x", "unix::80", "1.2.3:80",
                 "[1.2.3.4]:80", "80:", "127.0.0.1:0:80", ""):
        status, _, err = d.berth("port", "some-id", "add", text)
        same((text, status), (text, 2))
        one_line(err, "is no port")
    same(d.berth("port")[0], 2)
    same(d.berth("port", "id", "add")[0], 2)
    same(d.berth("port", "id", "take", "1")[0], 2)
    status, _, err = d.berth("port", "there-is-none", "add", "80")
    same(status, 125)
    one_line(err, "there-is-none", "gone")


def test_as_many_as_may_be(d):
    with sandbox(d) as name:
        done(d.berth("port", name, "add", *["80"] * 16))
        status, _, err = d.berth("port", name, "add", "80")
        same(status, 2)
        one_line(err, "16 ports", "remove")


def test_create(d):
    with server() as port:
        status, made = d.json("create", "-l", "shell", "--publish", str(port))
        same(status, 0)
        name, address = made["sandbox_id"], made["ports"][0]["address"]
        same((made["ports"][0]["port"], ask(address)), (port, b"HELLO"))
        with dial(address) as held:
            held.sendall(b"x")
            same(held.recv(1), b"X")
            done(d.berth("destroy", name))
            with contextlib.suppress(ConnectionResetError):
                same(held.recv(1), b"")
        assert refuses(address)
        status, out, err = d.berth("create", "-l", "shell", "--publish", f"127.0.0.3:{port}")
        one_line(err, f"port {port} of the sandbox is at 127.0.0.3:")
        same(ask(err.split()[-1]), b"HELLO")
        done(d.berth("destroy", out.strip()))
    same(d.berth("create", "-l", "shell", "--publish", "x")[0], 2)
    same(d.json("list")[1], [])


def test_run(d):
    with server() as port, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sock")
        process = d.popen(*SHELL, "--publish", f"unix:{path}:{port}", "echo runs; read x",
                          stdin=subprocess.PIPE)
        same(process.stdout.readline(), b"runs\n")
        same(ask("unix:" + path), b"HELLO")
        _, err = process.communicate(b"on\n", timeout=LIMIT_S)
        same(process.returncode, 0)
        assert f"port {port} of the sandbox is at unix:{path}" in err.decode(), err
        assert not os.path.exists(path)
        status, result = d.json(*SHELL, "-q", "--publish", str(port), "true")
        same((status, result["ports"][0]["port"]), (0, port))


def test_somebody_elses(d):
    _cli.needs_root()
    with sandbox(d) as name:
        def demote():
            os.setgid(65534)
            os.setuid(65534)
        os.chmod(d.folder.name, 0o755)
        os.chmod(os.path.dirname(d.socket), 0o755)
        os.chmod(d.socket, 0o666)
        status, _, err = d.berth("port", name, "add", "8080", preexec_fn=demote)
        same(status, 125)
        one_line(err, "gone")


def test_a_slow_peer_and_a_half_open_one(d):
    with sandbox(d) as name, server() as port:
        address = done(d.berth("port", name, "add", str(port))).strip()
        with dial(address) as slow, dial(address) as half:
            half.shutdown(socket.SHUT_WR)
            same(half.recv(1), b"")
            slow.settimeout(0.5)
            sent = 0
            with contextlib.suppress(socket.timeout):
                while sent < 64 * 1024 * 1024:
                    sent += slow.send(b"x" * 65536)
            same(ask(address), b"HELLO")


def test_metrics_and_log(d):
    with sandbox(d) as name, server() as port:
        address = done(d.berth("port", name, "add", str(port))).strip()
        ask(address)
        until(lambda: 'berth_port_connections_total{outcome="done"}' in d.berth("metrics")[1])
        assert 'berth_port_bytes_total{direction="sent"}' in d.berth("metrics")[1]
        d.wait_for(f"port {port} of sandbox {name} is published at {address}")
        done(d.berth("port", name, "remove", str(port)))
        d.wait_for(f"port {port} of sandbox {name} is published no more at {address}")


class Keeper:
    """What systemd is to berthd: keeps descriptors that it is told to keep."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(LIMIT_S)
        self.kept = {}

    def take(self, wanted):
        while True:
            text, fds, _, _ = socket.recv_fds(self.socket, 4096, 8)
            lines = dict(line.split("=", 1) for line in text.decode().splitlines())
            if "FDSTORE" in lines:
                self.kept[lines["FDNAME"]] = fds[0]
            elif "FDSTOREREMOVE" in lines:
                os.close(self.kept.pop(lines["FDNAME"]))
            if wanted in lines:
                return


def test_kept_by_systemd(d):
    """A berthd that is killed leaves its listening sockets with systemd. That of a sandbox that is
    not there any more (as here: this host keeps none) is given up by the next berthd."""
    del d
    with tempfile.TemporaryDirectory() as folder, server() as port:
        keeper = Keeper(folder)
        os.environ["NOTIFY_SOCKET"] = keeper.path
        try:
            with _cli.Daemon("--max-vms", "2") as own:
                name = own.berth("create", "-l", "shell")[1].strip()
                address = done(own.berth("port", name, "add", str(port))).strip()
                keeper.take("FDSTORE")
                same(list(keeper.kept), [f"port.{name}.1.{port}"])
                own.process.send_signal(signal.SIGKILL)
                own.process.wait(LIMIT_S)
                dial(address).close()  # somebody listens still
                start_with(own, keeper)
                keeper.take("FDSTOREREMOVE")
                same(keeper.kept, {})
                until(lambda: refuses(address))
        finally:
            del os.environ["NOTIFY_SOCKET"]


def test_kept_by_a_slow_systemd(d):
    """More than its queue takes, before it reads: nothing is lost."""
    del d
    with tempfile.TemporaryDirectory() as folder:
        keeper = Keeper(folder)
        os.environ["NOTIFY_SOCKET"] = keeper.path
        try:
            with _cli.Daemon("--max-vms", "2") as own:
                counts = []
                for _ in range(2):
                    name = own.berth("create", "-l", "shell")[1].strip()
                    done(own.berth("port", name, "add", *["80"] * 16))
                while len(keeper.kept) < 32:
                    keeper.take("FDSTORE")
                    counts.append(len(keeper.kept))
                same(counts, list(range(1, 33)))
        finally:
            del os.environ["NOTIFY_SOCKET"]


def start_with(own, keeper):
    """As systemd does: descriptors from 3 on, their names, and whom they are for."""
    fds = list(keeper.kept.values())
    script = 'export LISTEN_PID=$$; exec "$@"'
    environ = {**os.environ, "LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": ":".join(keeper.kept)}

    def place():
        for number, fd in enumerate(fds):
            os.dup2(fd, 3 + number)
            os.set_inheritable(3 + number, True)
    with open(own.log_path, "wb") as log:
        own.process = subprocess.Popen(
            ["sh", "-c", script, "sh", BERTHD, "--foreground", "--socket", own.socket, "--config",
             "/dev/null", "--socket-group", "", *_cli.COLD, "--image-dir", own.folder.name],
            stderr=log, env=environ, preexec_fn=place, pass_fds=[3 + i for i in range(len(fds))])
    own.wait_for("berthd ready on")


if __name__ == "__main__":
    sys.exit(_cli.main(globals()))

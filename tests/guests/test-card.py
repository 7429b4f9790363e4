#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A template with a network card of libvirt's own: VMs stay clones, and each has an address of its own. Beside
a libvirtd and in a network namespace of the test's own, with a bridge, a server of DHCP and one of HTTP on it."""

import atexit
import contextlib
import functools
import http.server
import json
import os
import shutil
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))

if "BERTH_OWN_LIBVIRTD" not in os.environ:
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        print("1..0 # SKIP it takes root and /dev/net/tun")
        sys.exit(0)
    os.execv(f"{HERE}/own-libvirtd", ["own-libvirtd", "--tun", sys.executable, *sys.argv])

# pylint: disable=wrong-import-position
from guestlib import LONG, TEMPLATES, Daemon, keep, main, need, same, until, virsh  # noqa: E402

HOST, PORT = "10.77.0.1", 8000
NETWORK = "<network><name>test</name><forward mode='bridge'/><bridge name='br0'/></network>"
CARD = "<interface type='network'><source network='test'/><link state='up'/></interface>"
NAT, OWN_CARD = "192.168.122.1", "<interface type='network'><source network='default'/></interface>"
DEFAULT = (f"<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/><ip address='{NAT}' "
           "netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip></network>")
LOOK = ("import json, socket, urllib.request as u\n"
        f"s = socket.create_connection(('{HOST}', {PORT}), 10); own = s.getsockname()[0]; s.close()\n"
        "print(json.dumps([own, open('/sys/class/net/eth0/address').read().strip(), open('/etc/resolv.conf').read(),\n"
        f"                  u.urlopen('http://{HOST}:{PORT}/', timeout=10).read().decode()]))\n")


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


GIVEN, SILENT = {}, threading.Event()


def serve_addresses():
    """DHCP (RFC 2131): whoever asks has an address, the same each time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as fd:
        fd.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        fd.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # libvirt's own network has a server, too
        fd.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"br0")
        fd.bind(("", 67))
        while True:
            query = fd.recv(2000)
            if SILENT.is_set():
                continue
            mac, kind = query[28:34], query[242]
            address = GIVEN.setdefault(mac, f"10.77.0.{10 + len(GIVEN)}")
            own = socket.inet_aton(HOST)
            said = (b"\x02" + query[1:16] + socket.inet_aton(address) + query[20:236] + query[236:240] +
                    bytes([53, 1, 2 if kind == 1 else 5, 1, 4, 255, 255, 255, 0, 3, 4]) + own + b"\x06\x04" + own +
                    b"\x36\x04" + own + b"\x33\x04" + struct.pack(">I", 3600) + b"\xff")
            fd.sendto(said, ("255.255.255.255", 68))


@functools.cache
def daemon():
    for words in ("ip link add br0 type bridge", f"ip addr add {HOST}/24 dev br0", "ip link set br0 up",
                  "ip route add default dev br0"):
        subprocess.run(words.split(), check=True, timeout=30)
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(NETWORK)
        file.flush()
        virsh("net-define", file.name)
    virsh("net-start", "test")
    threading.Thread(target=serve_addresses, daemon=True).start()
    server = socketserver.ThreadingTCPServer((HOST, PORT), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tempfile.mkdtemp(prefix="berth-card-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with open(os.path.join(TEMPLATES, "python.xml")) as file:
        python = file.read()
    for name, card in (("card", CARD), ("nat", OWN_CARD)):
        with open(os.path.join(folder, name + ".xml"), "w") as file:
            file.write(python.replace("name='python' language", f"name='{name}' language")
                       .replace("</devices>", card + "</devices>"))
    return keep(Daemon("--template-dirs", f"{TEMPLATES}:{folder}", "--warm", "card=2", "--warm-default", "0",
                       "--max-vms", "4"))


@contextlib.contextmanager
def sandbox():
    done = daemon().berth("create", "-l", "card", "--json")
    made = json.loads(done.stdout)
    assert made.get("error") is None, made
    yield made
    daemon().berth("destroy", made["sandbox_id"])


def look(made):
    done = daemon().berth("exec", "-t", "60", made["sandbox_id"], LOOK)
    same((done.returncode, done.stderr), (0, ""))
    return json.loads(done.stdout)


def test_each_clone_has_its_own():
    daemon().wait_warm(2, "card")
    with sandbox() as one, sandbox() as other:
        seen = [look(made) for made in (one, other)]
        for address, _, resolvers, said in seen:
            assert address.startswith("10.77.0."), address
            same((f"nameserver {HOST}\n" in resolvers, said), (True, "hello"))
        assert seen[0][0] != seen[1][0] and seen[0][1] != seen[1][1], seen
        xml = virsh("dumpxml", next(vm["domain"] for vm in daemon().json("list") if vm["id"] == one["sandbox_id"]))
        same(("<source network='test'" in xml, seen[0][1] in xml), (True, True))


def test_run():
    """One that stood by, and a clone that is made for it; nothing of them is left."""
    daemon().wait_warm(2, "card")
    warm = daemon().json("run", "-l", "card", LOOK)
    daemon().berth("pool", "set", "card", "0")
    until(lambda: not daemon().warm(), "the end of those that stood by")
    clone = daemon().json("run", "-l", "card", LOOK)
    daemon().berth("pool", "set", "card", "2")
    same([(result["error"], result["exit_code"], result["start"]) for result in (warm, clone)],
         [(None, 0, "warm"), (None, 0, "clone")])
    print("# with card and address in", [result["timing"]["start_ms"] for result in (warm, clone)], "ms")
    until(lambda: not [vm for vm in daemon().json("list") if vm["state"] == "run"], "the run's end")


def test_what_goes_not_with_it():
    """Two ways out would be one too many, and a copy would have the other's address."""
    done = daemon().berth("run", "-l", "card", "--allow", "example.org", "1")
    assert done.returncode == 2 and "have a network card" in done.stderr, done.stderr
    with sandbox() as made:
        done = daemon().berth("fork", made["sandbox_id"])
        assert done.returncode != 0 and "it has a network card" in done.stderr, done.stderr


def test_restart():
    """A session keeps its card, and its connections; one that stands by gets one from the next berthd."""
    with sandbox() as made:
        before = look(made)
        daemon().wait_warm(1, "card")
        daemon().crash()
        daemon().start()
        same(look(made)[:2], before[:2])
        daemon().wait_warm(1, "card")
        with sandbox() as other:
            assert look(other)[0] not in ("", before[0])


def test_no_network():
    """A request fails in words where libvirt's network is down, and the next one does not where it is up again."""
    virsh("net-destroy", "test")
    done = daemon().berth("run", "-l", "card", "1")
    same(done.returncode, 125)
    assert "network card can't be plugged in" in done.stderr, done.stderr
    virsh("net-start", "test")
    until(lambda: daemon().berth("run", "-l", "card", "print(1)").stdout == "1\n", "a run")


def test_addresses_are_used_again():
    """Any number of VMs has no more of them than there are places for VMs."""
    for _ in range(3):
        same(daemon().json("run", "-l", "card", "1")["error"], None)
    assert len(GIVEN) <= 4, GIVEN


def test_libvirts_own_nat():
    """The network that each libvirt comes with: its dnsmasq gives the address, and its host answers."""
    need(LONG and shutil.which("dnsmasq"), "it takes dnsmasq, and boots once more; --long does")
    if "default" not in virsh("net-list", "--all", "--name").split():
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(DEFAULT)
            file.flush()
            virsh("net-define", file.name)
    daemon()
    virsh("net-start", "default")
    server = socketserver.ThreadingTCPServer((NAT, PORT), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    run = daemon().json("run", "-l", "nat", LOOK.replace(HOST, NAT))
    same((run["error"], run["stderr"]), (None, ""))
    address, _, resolvers, said = json.loads(run["stdout"])
    same((address.startswith("192.168.122."), f"nameserver {NAT}\n" in resolvers, said), (True, True, "hello"))
    virsh("net-destroy", "default")


def test_nobody_gives_one():
    """A network without DHCP: the request ends in words, of what another try may mend"""
    need(LONG, "each of its tries waits for 15 s; --long waits for them")
    SILENT.set()
    error = daemon().json("run", "-l", "card", "1")["error"]
    SILENT.clear()
    same((error["code"], error["retryable"]), ("UNAVAILABLE", True))
    assert "nobody gives it an address" in error["message"], error


if __name__ == "__main__":
    if shutil.which("ip") is None:
        print("1..0 # SKIP it takes ip")
        sys.exit(0)
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's hook of berth in a libvirtd that has it: domains of an administrator's, with a template's mark
and without, while berthd works, is full, hangs and is not there. Arguments: BERTH BERTHD HOOK."""

import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOCKET = "/run/berth/berthd.sock"

if "BERTH_OWN_LIBVIRTD" not in os.environ:
    if os.geteuid() != 0:
        print("1..0 # SKIP only root has libvirt's hooks")
        sys.exit(0)
    HOOKS = tempfile.mkdtemp()
    with open(f"{HOOKS}/berth", "w", encoding="utf-8") as script:
        script.write(f"#!{os.path.abspath(sys.argv[3])}\n")
    os.chmod(f"{HOOKS}/berth", 0o755)
    try:
        sys.exit(subprocess.run([f"{HERE}/own-libvirtd", "--hooks", HOOKS, sys.executable, *sys.argv],
                                check=False).returncode)
    finally:
        os.unlink(f"{HOOKS}/berth")
        os.rmdir(HOOKS)

# pylint: disable=wrong-import-position
from guestlib import BERTH, URI, Daemon, main, same, until, virsh  # noqa: E402

MARK = "<berth:template xmlns:berth='urn:berth:domain:1' name='python'/>"


class HookDaemon(Daemon):
    """Where the hook's command looks for it."""

    def begin(self):
        self.socket = SOCKET
        super().begin()

    def claimed(self):
        return self.json("status")["slots"]["claimed"]


def define(name, metadata=MARK, memory_mb=64, more=""):
    """A domain of nobody's: firmware alone, which is never let run."""
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(f"<domain type='qemu'><name>{name}</name><metadata>{metadata}</metadata>"
                   f"<memory unit='MiB'>{memory_mb}</memory><vcpu>1</vcpu>"
                   "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>"
                   f"<controller type='usb' model='none'/><memballoon model='none'/>{more}</devices></domain>")
        file.flush()
        virsh("define", file.name)


def start(name):
    """Of virsh: its end, what it says, and how long it takes."""
    began = time.monotonic()
    done = subprocess.run(["virsh", "-q", "-c", URI, "start", "--paused", name], capture_output=True, text=True,
                          timeout=120, check=False)
    return done.returncode, done.stderr, time.monotonic() - began


def end(*names):
    for name in names:
        subprocess.run(["virsh", "-q", "-c", URI, "destroy", name], capture_output=True, check=False)
        virsh("undefine", name)


def test_a_marked_domain_is_counted():
    with HookDaemon("--warm-default", "0") as daemon:
        define("mine-1")
        same(start("mine-1")[:2], (0, ""))
        same(daemon.claimed(), 1)
        same([vm["domain"] for vm in daemon.json("list")], ["mine-1"])
        define("other", metadata="")
        same(start("other")[:2], (0, ""))
        same(daemon.claimed(), 1)
        virsh("destroy", "mine-1")
        until(lambda: daemon.claimed() == 0, "the place to be given back", 5)
        same(start("mine-1")[:2], (0, ""))
        daemon.crash()  # another one finds it
        daemon.start()
        until(lambda: daemon.claimed() == 1, "it to be counted again", 20)
        end("mine-1", "other")
        until(lambda: daemon.claimed() == 0, "the place to be given back", 5)


def test_it_waits_its_turn():
    with HookDaemon("--warm-default", "0", "--domain-wait-s", "3") as daemon:
        for name in ("wait-1", "wait-2", "wait-3"):
            define(name)
        define("wait-other", metadata="")
        same([start(name)[0] for name in ("wait-1", "wait-2")], [0, 0])
        status, said, took = start("wait-3")
        print(f"# refused after {took:.1f} s: {' '.join(said.split())}")
        same((status, "2 of 2 VMs" in said, 3 <= took < 10), (1, True, True))
        same((start("wait-other")[0], daemon.claimed()), (0, 2))
        waiting = subprocess.Popen(["virsh", "-q", "-c", URI, "start", "--paused", "wait-3"])
        until(lambda: daemon.json("status")["n_waiting"] == 1, "it to wait")
        virsh("destroy", "wait-1")
        same(waiting.wait(30), 0)
        same(daemon.claimed(), 2)
        # a start that fails behind its admission keeps no place
        virsh("destroy", "wait-3")
        until(lambda: daemon.claimed() == 1, "a place")
        define("wait-4", more="<disk type='file'><source file='/nowhere'/><target dev='vda'/></disk>")
        same(start("wait-4")[0], 1)
        until(lambda: daemon.claimed() == 1, "its place", 30)
        end("wait-1", "wait-2", "wait-3", "wait-4", "wait-other")


def test_berthd_that_is_not_there():
    """Nobody's domain waits for it; a marked one is refused, and told what to do."""
    define("gone-1")
    define("gone-other", metadata="")
    same(start("gone-other")[:2], (0, ""))
    status, said, _ = start("gone-1")
    print(f"# without a berthd: {' '.join(said.split())}")
    same((status, "berth" in said), (1, True))
    with HookDaemon("--warm-default", "0") as daemon:
        virsh("destroy", "gone-other")
        daemon.process.send_signal(signal.SIGSTOP)
        times = []
        for _ in range(3):
            status, said, took = start("gone-other")
            same((status, said), (0, ""))
            times.append(took)
            virsh("destroy", "gone-other")
        status, said, took = start("gone-1")
        print(f"# with one that hangs: {min(times):.2f} s for another's domain, {took:.1f} s: {' '.join(said.split())}")
        same((status, "does not answer" in said, took < 20), (1, True, True))
        daemon.process.send_signal(signal.SIGCONT)
    end("gone-1", "gone-other")


def test_own_vms_pass():
    with HookDaemon("--warm-default", "0") as daemon:
        result = daemon.berth("run", "-t", "60", "print(6*7)")
        same((result.returncode, result.stdout), (0, "42\n"))


if __name__ == "__main__":
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/usr/local/bin"], check=True)
    os.symlink(BERTH, "/usr/local/bin/berth")
    sys.exit(main(globals()))

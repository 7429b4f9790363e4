#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A KVM that libvirt offers, that a QEMU starts with and that runs no kernel: berthd sees it by the first
guest, and goes on without it. Only where the machine has such a one (setup moves it to /dev/kvm.broken)."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

if "BERTH_OWN_LIBVIRTD" not in os.environ:
    if os.geteuid() != 0 or not os.path.exists("/dev/kvm.broken"):
        print("1..0 # SKIP no KVM that runs no kernel here")
        sys.exit(0)
    os.execv(f"{HERE}/own-libvirtd", ["own-libvirtd", "--kvm", sys.executable, *sys.argv])

os.environ.pop("BERTH_TEST_VIRT_TYPE", None)
# pylint: disable=wrong-import-position
from guestlib import Daemon, main, same  # noqa: E402


def test_the_first_guest_shows_it():
    """A request that meets it is served; what it costs, it costs once."""
    with Daemon("--warm-default", "0", "--uri", "qemu:///system") as first:
        same(first.json("status")["libvirt"]["virt_type"], "kvm")
        result = first.berth("run", "print(6*7)", "-t", "60")
        same((result.returncode, result.stdout), (0, "42\n"))
        info = first.json("status")["libvirt"]
        same(info["virt_type"], "qemu")
        same("no kernel runs with it" in info["kvm_problem"], True)
        text = first.berth("status").stdout
        same([line for line in text.splitlines() if "KVM can't be used" in line] != [], True)
        doctor = [line for line in first.berth("doctor").stdout.splitlines() if " kvm: " in line]
        same((len(doctor), doctor[0].startswith("MISSING")), (1, True))
        same(first.berth("run", "print(6*7)", "-t", "60").stdout, "42\n")
        told = [line for line in first.log().splitlines() if "until berthd is started again" in line]
        same(len(told), 1)


def test_its_snapshots_are_made_without_it():
    """What stands by for the next request is made by the emulation that it gets."""
    with Daemon("--warm", "python=1", "--uri", "qemu:///system", own_snapshots=True) as second:
        second.wait_warm()
        same(second.template()["snapshot"], "valid")
        same(second.json("status")["libvirt"]["virt_type"], "qemu")
        same(second.berth("run", "print(6*7)", "-t", "60").stdout, "42\n")


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What holds a guest that has broken out into its QEMU: libvirt's confinement, read from the running
processes of a cold boot and of a clone. As root, on qemu:///system. See guestlib.py."""

import functools
import glob
import os
import stat
import sys
import xml.etree.ElementTree

from guestlib import ROOT, URI, Daemon, keep, main, same, virsh

READONLY_RAM = (8, 2)  # QEMU from here on can open it so: rom=off of memory-backend-file


class Process:
    """The QEMU of a domain."""

    def __init__(self, domain):
        self.domain = domain
        with open(f"/run/libvirt/qemu/{domain}.pid", encoding="ascii") as file:
            self.proc = f"/proc/{int(file.read())}"

    def read(self, name):
        with open(f"{self.proc}/{name}", encoding="utf-8") as file:
            return file.read()

    @functools.cached_property
    def status(self):
        return {key: value.split() for key, value in
                (line.split(":", 1) for line in self.read("status").splitlines())}

    def files(self):
        """Of each open regular file: path and whether it was opened for writing."""
        for fd in os.listdir(f"{self.proc}/fd"):
            if stat.S_ISREG(os.stat(f"{self.proc}/fd/{fd}").st_mode):
                flags = int(self.read(f"fdinfo/{fd}").split("flags:")[1].split()[0], 8)
                yield os.readlink(f"{self.proc}/fd/{fd}"), flags & os.O_ACCMODE != os.O_RDONLY

    def sockets(self):
        links = (os.readlink(path) for path in glob.glob(f"{self.proc}/fd/*"))
        return {link[8:-1] for link in links if link.startswith("socket:[")}


def test_kvm_that_was_asked_for():
    """Who sets virt_type gets it or an error, and never another one without a word. First: its
    daemons come before the one that is kept."""
    with Daemon("--warm-default", "0") as free:
        works = free.json("status")["libvirt"]["virt_type"] == "kvm"
    with Daemon("--virt-type", "kvm", "--warm-default", "0") as forced:
        error = forced.json("run", "print(1)")["error"]
        print("#", error)
        same(error is None, works)
        if error is not None:
            same((error["code"], "\n" in error["message"]), ("CONFIG", False))


@functools.cache
def daemon():
    return keep(Daemon("--warm", "python=1", own_snapshots=True))


@functools.cache
def processes():
    """Of a session that was booted and of a warm clone, in this order."""
    session = daemon().berth("create", "-m", "256").stdout.strip()
    daemon().wait_warm()
    cold = next(vm for vm in daemon().json("list") if vm["id"] == session)
    return [Process(vm["domain"]) for vm in (cold, daemon().warm()[0])]


def qemu_user():
    """As libvirt runs QEMU, by its own word: what qemu.conf says, even if that is root."""
    tree = xml.etree.ElementTree.fromstring(virsh("capabilities"))
    labels = [label for model in tree.iter("secmodel") if model.findtext("model") == "dac"
              for label in model.iter("baselabel")]
    return [part.lstrip("+") for part in labels[0].text.split(":")]


def test_user_and_privileges():
    uid, gid = qemu_user()
    for process in processes():
        same(process.status["Uid"], [uid] * 4)
        same(process.status["Gid"], [gid] * 4)
        if uid != "0":
            assert "0" not in process.status["Groups"], process.status
            for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                same(process.status[name], ["0" * 16])
        same(process.status["NoNewPrivs"], ["1"])
        same(process.status["Seccomp"], ["2"])


def test_mount_namespace():
    for process in processes():
        assert os.readlink(f"{process.proc}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
        dev = os.listdir(f"{process.proc}/root/dev")
        assert not [name for name in dev if name.startswith(("sd", "vd", "nvme", "mem", "kmsg"))], dev


def test_no_network_socket():
    for process in processes():
        sockets = process.sockets()
        assert sockets, "its monitor is one"
        for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"):
            lines = process.read(f"net/{table}").splitlines()[1:]
            inodes = {line.split()[8 if table == "packet" else 9] for line in lines}
            same(sockets & inodes, set())


def qemu_version():
    line = virsh("version").split("hypervisor: QEMU ")[1].split()[0]
    return tuple(int(part) for part in line.split("."))


def test_files_are_not_its_own():
    uid = int(qemu_user()[0])
    for process in processes():
        files = dict(process.files())
        ram = [path for path in files if path.startswith(daemon().snapshots)]
        images = [path for path in files if path.endswith(".erofs")]
        writable = {path for path, is_writable in files.items() if is_writable}
        assert images, files
        if qemu_version() < READONLY_RAM:  # looked at before each clone instead, see design.md
            writable -= set(ram)
        same(writable, {f"/run/libvirt/qemu/{process.domain}.pid"})
        for path in images + glob.glob(f"{daemon().snapshots}/*/*"):
            owner = os.stat(path)
            if path.endswith("/ram") and qemu_version() < READONLY_RAM:
                continue
            assert owner.st_uid != uid or uid == 0, (path, owner)
            same(owner.st_mode & (stat.S_IWGRP | stat.S_IWOTH), 0)


def test_cpu_limit():
    """The first domain that berth starts tells whether libvirt can, each one after it has it."""
    clone = processes()[1]
    controllers = [line.split(":")[1:] for line in clone.read("cgroup").splitlines()]
    held = {name for names, path in controllers if path.startswith("/machine")
            for name in names.split(",")}
    print(f"# libvirt holds it by the controllers {sorted(held)}")
    lines = [line.split(":") for line in virsh("schedinfo", clone.domain).splitlines() if ":" in line]
    values = {name.strip(): value.strip() for name, value in lines}
    same((values["global_period"], values["global_quota"], values["cpu_shares"]),
         ("100000", "150000", "1024"))


def test_kvm_only_where_it_works():
    """Libvirt offers KVM as soon as the host has the device; whether a QEMU can use it is another
    thing. Guests run either way, and who asks is told which."""
    info = daemon().json("status")["libvirt"]
    doctor = daemon().berth("doctor").stdout
    lines = [line for line in doctor.splitlines() if " kvm: " in line]
    print(f"# {info['virt_type']}: {lines}")
    same(len(lines), 1)
    same(lines[0].startswith("MISSING"), "kvm_problem" in info)
    for process in processes():
        same(f"-accel\0{info['virt_type'].replace('qemu', 'tcg')}" in process.read("cmdline"), True)
    same([name for name in virsh("list", "--all", "--name").split() if "probe" in name], [])


if __name__ == "__main__":
    if not ROOT or URI != "qemu:///system":
        print("1..0 # SKIP libvirt confines QEMU on qemu:///system, and only root may look at it")
        sys.exit(0)
    sys.exit(main(globals()))

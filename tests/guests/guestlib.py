# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests on real guests stand on: a berthd of their own, watched through libvirt (virsh), and
TAP. Their arguments: BERTH BERTHD. BERTH_TEST_LONG=1: the long form. BERTH_TEST_ONLY=WORD,...: only
tests with one of these words in their name. BERTH_TEST_IMAGES=DIR: with these images. BERTH_TEST_PREFIX=NAME:
the domains' names begin with it, instead of with the test's own name: tests run beside each other. BERTH_TEST_VIRT_TYPE=qemu: without KVM, where
the machine has one that boots no guest."""

import atexit
import contextlib
import fcntl
import functools
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

BERTH, BERTHD = (os.path.abspath(path) for path in sys.argv[1:3])
ROOT = os.geteuid() == 0
URI = os.environ.get("BERTH_URI", "qemu:///system" if ROOT else "qemu:///session")
CACHE = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
IMAGES = os.environ.get("BERTH_TEST_IMAGES") or (
    "/var/cache/berth/images" if ROOT else os.path.join(CACHE, "berth/images"))
BUILD_IMAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../images/build")
TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../domain-templates")
NAME = os.path.basename(sys.argv[0]).removeprefix("test-").removesuffix(".py").removeprefix("template-")
PREFIX = os.environ.get("BERTH_TEST_PREFIX", "g" + NAME)
MARK_URI = "urn:berth:domain:1"
LOGS = "/var/log/libvirt/qemu" if ROOT else os.path.join(CACHE, "libvirt/qemu/log")
LIMIT_S = 240
VIRT_TYPE = os.environ.get("BERTH_TEST_VIRT_TYPE")
LONG = bool(os.environ.get("BERTH_TEST_LONG"))
KEPT = contextlib.ExitStack()


def virsh(*arguments):
    return subprocess.run(["virsh", "-q", "-c", URI, *arguments], capture_output=True, text=True,
                          timeout=60, check=True).stdout


def domains(*options):
    return [name for name in virsh("list", "--name", *options).split() if name.startswith(f"{PREFIX}-")]


def mark(domain):
    """berth's own of it, as libvirt writes it"""
    return virsh("metadata", domain, "--uri", MARK_URI)


def logs():
    """What virtlogd wrote of our domains: libvirt's own log of each and its console."""
    return [os.path.basename(path) for path in glob.glob(f"{LOGS}/{PREFIX}-*")]


def until(condition, what, limit=LIMIT_S):
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


class Events:
    """How many domains of ours ran at once, by libvirt's own events."""

    def __enter__(self):
        self.running, self.most = set(domains()), 0
        self.process = subprocess.Popen(["virsh", "-c", URI, "event", "--loop", "--event",
                                         "lifecycle"], stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self.read)
        self.thread.start()
        return self

    def read(self):
        for line in self.process.stdout:
            if f"'{PREFIX}-" not in line:
                continue
            name = line.split("domain '")[1].split("'")[0]
            if ": Started" in line:
                self.running.add(name)
            elif ": Stopped" in line:
                self.running.discard(name)
            self.most = max(self.most, len(self.running))

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        self.thread.join(30)


@functools.cache
def shared_folder():
    """Where one test's snapshot saves the next one a boot."""
    folder = tempfile.mkdtemp(prefix="berth-guests-", dir="/var/tmp")
    os.chmod(folder, 0o711)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class Daemon:
    """A berthd with places of its own; its folder is one that QEMU's user may walk through."""

    count = 0  # of those that this test has at once: what is left behind is asked when the last one goes

    def __init__(self, *options, images=IMAGES, own_snapshots=False, snapshots=None, more_env=None):
        self.options = (*(["--virt-type", VIRT_TYPE] if VIRT_TYPE else []), *options)
        self.images, self.more_env = images, more_env or {}
        self.own_snapshots, self.snapshots = own_snapshots, snapshots

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="berth-warm-", dir="/var/tmp")
        os.chmod(self.folder, 0o711)
        self.socket = os.path.join(self.folder, "run", "berthd.sock")
        if self.snapshots is None:
            self.snapshots = os.path.join(self.folder if self.own_snapshots else shared_folder(),
                                          "snapshots")
        self.log_path = os.path.join(self.folder, "log")
        self.start()
        Daemon.count += 1
        return self

    def start(self):
        self.begin()
        until(lambda: self.berth("status").returncode == 0, "berthd", 60)

    def begin(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BERTHD, "--foreground", "--socket", self.socket, "--config", "/dev/null",
                 "--uri", URI, "--socket-group", "", "--image-dir", self.images,
                 "--snapshot-dir", self.snapshots,
                 "--checkpoint-dir", os.path.join(self.folder, "checkpoints"), "--name-prefix", PREFIX, "--max-vms", "2",
                 *self.options], stderr=log, env={**os.environ, **self.more_env})

    def crash(self):
        self.process.kill()
        self.process.wait(30)

    def __exit__(self, kind, *_):
        if kind is not None:
            text = self.berth("status").stdout + self.log()
            print("#", text.replace("\n", "\n# "))
        self.process.terminate()
        self.process.wait(120)
        Daemon.count -= 1
        left = [] if Daemon.count else domains("--all")
        for name in left:  # for the tests after this one
            subprocess.run(["virsh", "-q", "-c", URI, "destroy", name], capture_output=True,
                           check=False)
            subprocess.run(["virsh", "-q", "-c", URI, "undefine", "--managed-save", name],
                           capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None:
            assert left == [], f"left behind: {left}"
            assert Daemon.count or logs() == [], f"left behind: {logs()}"
            assert self.process.returncode == 0, self.process.returncode

    def log(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def environ(self):
        return {**os.environ, "BERTH_SOCKET": self.socket}

    @staticmethod
    def command(*arguments):
        return [BERTH, *arguments]

    def berth(self, *arguments, stdin=None):
        given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run(self.command(*arguments), env=self.environ(), capture_output=True, text=True,
                              timeout=LIMIT_S, check=False, **given)

    def popen(self, *arguments):
        return subprocess.Popen(self.command(*arguments), env=self.environ(), text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def json(self, *arguments):
        return json.loads(self.berth(*arguments, "--json").stdout)

    def run(self, code="print('ok')", *options):
        result = self.json("run", *options, code)
        assert result["error"] is None and result["exit_code"] == 0, result
        return result

    def template(self, name="python"):
        return self.json("status")["templates"][name]

    def wait_warm(self, count=1, name="python"):
        until(lambda: self.template(name)["warm"] >= count, f"{count} warm VMs of {name}")

    def wait_slots(self, claimed, free):
        """A run is answered before libvirt has let go of its domain, which holds the slot."""
        def slots():
            now = self.json("status")["slots"]
            return now["claimed"], now["free"]
        until(lambda: slots() == (claimed, free), f"{claimed} slots claimed and {free} free")

    def snapshot_names(self):
        return sorted(name.rsplit("-", 1)[0] for name in os.listdir(self.snapshots)
                      if not name.endswith(".part"))

    def warm(self):
        return [vm for vm in self.json("list") if vm["state"] == "warm"]

    def has_other_warm(self, first):
        return any(vm["id"] != first for vm in self.warm())

    def domains(self):
        """The names of this berthd's own, whoever else tests on this machine."""
        return sorted(vm["domain"] for vm in self.json("list") if vm["domain"])


def find_pids(*pattern):
    found = subprocess.run(["pgrep", *pattern], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def qemu_pids(names):
    return [pid for name in names for pid in find_pids("-f", f"^[^ ]*qemu-system[^ ]* .*guest={name},")]


def kill_all(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def libvirtd_pids():
    return find_pids("-x", "-u", "0", "libvirtd")


def may_meddle():
    """Whether libvirtd is a test's own: root's, and nobody's service."""
    return ROOT and not os.path.isdir("/run/systemd/system")


def start_libvirtd(d):
    """One that a test of may_meddle() has ended."""
    subprocess.Popen(["setsid", "tini", "-s", "--", "libvirtd"], stdin=subprocess.DEVNULL,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: d.json("status")["libvirt"]["connected"], "the connection", 60)


def same(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


class Skip(Exception):
    """This test can't be done here; its text says why."""


def need(condition, reason):
    if not condition:
        raise Skip(reason)


def keep(daemon):
    """Enters a daemon that many tests share; main() leaves it after the last one."""
    return KEPT.enter_context(daemon)


def take_prefix():
    """(a file that is kept open) Who else had the domains of this prefix would end them."""
    lock = open(os.path.join(tempfile.gettempdir(), f"berth-guests-{PREFIX}-{os.geteuid()}"), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another test has the prefix {PREFIX}: set BERTH_TEST_PREFIX")
    return lock


def main(tests):
    if not os.path.exists(os.path.join(IMAGES, "images.json")):
        print("1..0 # SKIP no image in", IMAGES)
        return 0
    lock = take_prefix()
    tests = [(name, test) for name, test in tests.items() if name.startswith("test_")]
    wanted = os.environ.get("BERTH_TEST_ONLY", "").split(",")
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for number, (name, test) in enumerate(tests, 1):
        if not any(word in name for word in wanted):
            print(f"ok {number} {name} # SKIP not asked for")
            continue
        begin = time.monotonic()
        try:
            test()
            print(f"ok {number} {name} # {time.monotonic() - begin:.0f} s", flush=True)
        except Skip as reason:
            print(f"ok {number} {name} # SKIP {reason}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("# " + traceback.format_exc().replace("\n", "\n# "))
            print(f"not ok {number} {name}", flush=True)
    KEPT.close()
    lock.close()
    return 1 if failed else 0

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files in and out of real guests: as whom, how large, beside what, and what is left of one that was
cut. Usage: test-files-guests.py BERTH BERTHD. Prints TAP."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

BERTH, BERTHD = (os.path.abspath(path) for path in sys.argv[1:3])
ROOT = os.geteuid() == 0
URI = os.environ.get("BERTH_URI", "qemu:///system" if ROOT else "qemu:///session")
IMAGES = "/var/cache/berth/images" if ROOT else os.path.join(
    os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "berth/images")
LIMIT_S = 240
MIB = 1024 * 1024
LARGE = 200 * MIB


class Daemon:
    """A berthd with places of its own; its folder is one that QEMU's user may walk through."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="berth-files-", dir="/var/tmp")
        os.chmod(self.folder, 0o711)
        self.socket = os.path.join(self.folder, "run", "berthd.sock")
        self.log_path = os.path.join(self.folder, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [BERTHD, "--foreground", "--socket", self.socket, "--config", "/dev/null",
                 "--uri", URI, "--socket-group", "", "--image-dir", IMAGES, "--snapshot-dir",
                 os.path.join(self.folder, "snapshots"), "--name-prefix", "berthfiles",
                 "--max-vms", "2"], stderr=log)
        end = time.monotonic() + 60
        while "berthd ready" not in self.log():
            assert time.monotonic() < end and self.process.poll() is None, self.log()
            time.sleep(0.05)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print("#", self.log().replace("\n", "\n# "))
        self.process.terminate()
        self.process.wait(120)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def peak_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(next(line for line in status if line.startswith("VmHWM:")).split()[1])

    def popen(self, *arguments, **options):
        return subprocess.Popen([BERTH, *arguments], env={**os.environ, "BERTH_SOCKET": self.socket},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **options)

    def berth(self, *arguments):
        """(status, stdout, stderr)"""
        process = self.popen(*arguments)
        out, err = process.communicate(timeout=LIMIT_S)
        return process.returncode, out, err

    @contextlib.contextmanager
    def sandbox(self, *options):
        status, out, err = self.berth("create", "-l", "shell", *options)
        same((status, err), (0, ""))
        try:
            yield out.strip()
        finally:
            self.berth("destroy", out.strip())


def until(condition, what):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def has_begun(put, name):
    """Whether it has read some of its file."""
    folder = f"/proc/{put.pid}/fd"
    for number in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"{folder}/{number}") == os.path.abspath(name):
                with open(f"{folder}info/{number}", encoding="ascii") as info:
                    return int(info.readline().split()[1]) > 0
    return False


def same(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def done(result):
    same(result, (0, "", ""))


def write(path, data, mode=0o644):
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_the_programs_user_owns_them(d):
    with d.sandbox() as name:
        write("tool", b"#!/bin/sh\necho runs\n", 0o755)
        done(d.berth("put", name, "tool", "bin/tool"))
        same(d.berth("exec", name, "bin/tool; stat -c '%u %g %a' bin bin/tool; pwd"),
             (0, "runs\n1000 1000 755\n1000 1000 755\n/home/user\n", ""))
        done(d.berth("put", name, "tool", "/tmp/tool"))
        done(d.berth("put", name, "tool", "/home/user/again"))
        same(d.berth("exec", name, "echo made > made; /tmp/tool; ./again"),
             (0, "runs\nruns\n", ""))
        same(d.berth("get", name, "made", "-"), (0, "made\n", ""))


def test_nothing_of_the_guests_own_can_be_had(d):
    with d.sandbox() as name:
        d.berth("exec", name, "ln -s / root; ln -s /proc/1/root magic; ln -s ../../etc etc; "
                "mkfifo fifo")
        for path in ("/etc/shadow", "/proc/1/environ", "root/etc/shadow", "magic/etc/shadow",
                     "etc/shadow", "/tmp/../etc/shadow", "fifo"):
            status, out, err = d.berth("get", name, path, "-")
            same((path, status, out, err.count("\n")), (path, 2, "", 1))


def test_a_large_file_in_constant_memory(d):
    with d.sandbox("-m", "1024") as name:
        with open("large", "wb") as file:
            for number in range(LARGE // MIB):
                file.write(hashlib.sha256(b"%d" % number).digest() * (MIB // 32))
        before = d.peak_kb()
        begun = time.monotonic()
        done(d.berth("put", name, "large", "large"))
        middle = time.monotonic()
        done(d.berth("get", name, "large", "back"))
        end = time.monotonic()
        print(f"# put {LARGE / MIB / (middle - begun):.0f} MiB/s, "
              f"get {LARGE / MIB / (end - middle):.0f} MiB/s")
        same(digest("back"), digest("large"))
        assert d.peak_kb() < before + 16 * 1024, f"berthd grew from {before} to {d.peak_kb()} kB"


def fill(path, size):
    """A file without holes: all of it has to be sent."""
    with open(path, "wb") as file:
        for begin in range(0, size, MIB):
            file.write(b"x" * min(MIB, size - begin))


def test_no_space_leaves_nothing(d):
    with d.sandbox() as name:
        fill("large", 400 * MIB)
        status, _, err = d.berth("put", name, "large", "folder/large")
        same((status, err.count("\n")), (2, 1))  # to try again would not help
        assert "no space is left" in err, err
        same(d.berth("ls", name), (0, "", ""))
        # also where it shows only on the way: each alone would fit
        size = int(d.berth("exec", name, "df -B1 --output=avail . | tail -1")[1])
        fill("half", size * 2 // 3)
        puts = [d.popen("put", name, "half", f"half{number}") for number in range(2)]
        results = sorted((process.wait(LIMIT_S), process.stderr.read().count("\n"))
                         for process in puts)
        assert results[1] == (2, 1), results
        assert "\n" not in d.berth("ls", name)[1].strip(), "a part of a file is left"
        same(d.berth("exec", name, "echo lives"), (0, "lives\n", ""))


def test_beside_an_exec(d):
    with d.sandbox() as name:
        write("file", b"text\n")
        flood = d.popen("exec", name, "while :; do echo yyyyyyyyyyyyyyyy; done", "-t", "20")
        same(flood.stdout.read(5), "yyyyy")
        done(d.berth("put", name, "file", "file"))
        same(d.berth("get", name, "file", "-"), (0, "text\n", ""))
        flood.kill()
        flood.communicate(timeout=LIMIT_S)


def test_a_cut_put_leaves_nothing(d):
    with d.sandbox("-m", "1024") as name:
        fill("large", LARGE)
        put = d.popen("put", name, "large", "folder/large")
        until(lambda: has_begun(put, "large"), "the first of the file")
        put.kill()
        put.communicate(timeout=LIMIT_S)
        until(lambda: int(d.berth("exec", name, "df -B1 --output=used . | tail -1")[1]) < 16 * MIB,
              "the space of a file's part")
        same(d.berth("ls", name), (0, "", ""))


def test_a_run_with_files(d):
    write("in.csv", b"1\n2\n")
    same(d.berth("run", "--upload", "in.csv:data/in.csv", "--download", "out.txt",
                 "n = sum(int(line) for line in open('data/in.csv')); "
                 "open('out.txt', 'w').write(str(n)); raise SystemExit(3)"), (3, "", ""))
    with open("out.txt", encoding="ascii") as file:
        same(file.read(), "3")
    same(d.berth("list")[1].count("claimed"), 0)


def main():
    tests = [(name[len("test_"):], value) for name, value in globals().items()
             if name.startswith("test_")]
    wanted = sys.argv[3:]
    tests = [test for test in tests if not wanted or test[0] in wanted]
    failed = 0
    print(f"1..{len(tests)}")
    with Daemon() as daemon:
        for number, (name, function) in enumerate(tests, 1):
            before = os.getcwd()
            with tempfile.TemporaryDirectory(prefix="berth-files-") as folder:
                os.chdir(folder)
                try:
                    function(daemon)
                    print(f"ok {number} {name}", flush=True)
                except Exception:  # pylint: disable=broad-except
                    failed += 1
                    print("# " + traceback.format_exc().replace("\n", "\n# "))
                    print(f"not ok {number} {name}", flush=True)
                finally:
                    os.chdir(before)
        if failed:
            print("# " + daemon.log().replace("\n", "\n# "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

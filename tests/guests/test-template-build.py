#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Templates that are built, on real guests; with indexes of Python's and Node.js's packages that stand in
for the world's, in test-reach.py's network namespaces. See guestlib.py."""

import contextlib
import functools
import hashlib
import importlib.util
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import zipfile

from guestlib import LONG, ROOT, TEMPLATES, Daemon, domains, keep, main, need, same, until
from templatelib import build, daemon, folder, inside, manifest, nothing_stays, options, put, run, there, words

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../build"))
from registrylib import serve  # noqa: E402

spec = importlib.util.spec_from_file_location("reach", os.path.join(HERE, "test-reach.py"))
reach = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reach)


@functools.cache
def net_daemon():
    need(ROOT and shutil.which("ip") and shutil.which("openssl"), "it takes root, ip and openssl to make networks")
    daemon()
    return keep(reach.NetDaemon("--network-allow", "*:*", "--warm-default", "0", *options()))


def wheel(name="tiny", version="1.0"):
    info, content = f"{name}-{version}.dist-info", io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(f"{name}/__init__.py", f"version = '{version}'\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return content.getvalue()


def package(name="tiny", version="1.0.0"):
    """Of npm"""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as file:
        for path, text in (("package.json", json.dumps({"name": name, "version": version, "bin": {"tiny": "bin.js"}})),
                           ("index.js", f"module.exports = '{version}'\n"),
                           ("bin.js", "#!/usr/bin/env node\nconsole.log('bin')\n")):
            member = tarfile.TarInfo("package/" + path)
            member.size, member.mode = len(text), 0o755
            file.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


SHOP = ("--run", "echo made > /opt/made; id -un > /opt/who; rm /usr/bin/tree; rm -r /etc/skel; mkdir /etc/skel",
        "--user", "nobody", "--run", "id -un > /tmp/who && test ! -w /opt", "--env", "GREETING=hi there")


def test_copy_and_run():
    put("data/sub/file", "hello\n")
    one = put("one", "#!/bin/sh\necho one\n")
    os.chmod(one, 0o755)
    copies = ("--copy", inside("in", "data") + ":/opt/data", "--copy", one + ":/usr/local/bin/one")
    said = build("shop", *copies, *SHOP)
    code = ("import os, subprocess\nprint(os.environ['GREETING'], os.path.exists('/usr/bin/tree'), os.listdir('/etc/skel'))\n"
            "print(subprocess.run('one; cat /opt/data/sub/file /opt/made /opt/who; ls /run /tmp; cat /etc/hostname',"
            " shell=True, capture_output=True, text=True).stdout)")
    lines = run("shop", code).split("\n")
    same((lines[0], lines[1:5]), ("hi there False []", ["one", "hello", "made", "root"]))
    told = manifest(said)
    with open(inside("images", told["path"]), "rb") as file:
        same(hashlib.sha256(file.read()).hexdigest(), told["sha256"])
    same([step["kind"] for step in told["steps"]], ["copy", "copy", "run", "run"])
    same(told["size"], os.stat(inside("images", told["path"])).st_size)
    files = there()
    same(len(files), 5)
    assert "which was there" in build("shop2", *copies, *SHOP)
    same(len(there()), len(files) + 3)
    put("data/sub/file", "changed\n")
    assert "which was there" not in build("shop", *copies, *SHOP)
    same(run("shop", "print(open('/opt/data/sub/file').read())"), "changed\n\n")
    same(run("shop2", "print(open('/opt/data/sub/file').read())"), "hello\n\n")
    same(daemon().berth("template", "validate", inside("templates", "shop.xml")).returncode, 0)
    with open(inside("templates", "shop.berthfile"), encoding="utf-8") as file:
        assert "user nobody\n" in file.read()
    assert "which was there" in build("shop3", "-f", inside("templates", "shop.berthfile"))


@contextlib.contextmanager
def another_host(name):
    """One with folders and a berthd of its own, which got that template by a registry"""
    need(shutil.which("docker-registry") and shutil.which("skopeo"), "it takes docker-registry and skopeo")
    images, templates, place = (os.path.join(folder(), "another", part) for part in ("images", "templates", "registry"))
    for path in (images, templates, place):
        os.makedirs(path)
    for file in os.listdir(inside("images")):
        if file != "built":
            os.symlink(os.path.join(inside("images"), file), os.path.join(images, file))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    registry = serve(place, port)
    try:
        where = ("--config", put("conf", "[berth]\n"), "--plain-registry", "-q")
        done = daemon().berth("template", "push", name, f"docker://127.0.0.1:{port}/test/{name}:1", "--dir", inside("images"),
                              "--templates", inside("templates"), *where)
        same((done.returncode, done.stderr), (0, ""))
        other = keep(Daemon("--image-dir", images, "--template-dirs", f"{TEMPLATES}:{templates}", "--warm-default", "0"))
        done = other.berth("template", "pull", name, f"docker://127.0.0.1:{port}/test/{name}:1", "--dir", images,
                           "--templates", templates, *where)
        same((done.returncode, done.stderr), (0, ""))
        same([file.split("-")[0] for file in os.listdir(os.path.join(images, "built")) if file.endswith(".erofs")], ["pulled"])
        yield other
    finally:
        registry.kill()
        registry.wait()


def test_another_host():
    """Two of them share one build."""
    need(LONG, "it boots twice more; --long does")
    build("shared", "--run", "echo made > /opt/made")
    with another_host("shared") as other:
        same(run("shared", "print(open('/opt/made').read())", at=other), "made\n\n")


def test_on_top_of_a_built_one():
    build("lower", "--run", "echo lower > /opt/lower")
    build("upper", "--from", "lower", "--run", "cat /opt/lower > /opt/upper; rm /opt/lower", "--memory", "256")
    same(run("upper", "import os\nprint(open('/opt/upper').read(), os.listdir('/opt'))"), "lower\n ['upper']\n")


def test_from_one_with_a_card():
    """What builds has none, so that its network need not even be there; what is built has it."""
    need(LONG, "it boots once more; --long does")
    with open(os.path.join(TEMPLATES, "python.xml"), encoding="utf-8") as file:
        text = file.read().replace("name='python' language", "name='card' language")
    with open(inside("templates", "card.xml"), "w", encoding="utf-8") as file:
        file.write(text.replace("</devices>", "<interface type='network'><source network='none'/></interface></devices>"))
    try:
        daemon().crash()
        daemon().start()
        build("above", "--from", "card", "--run", "python3 -c \"import socket; assert [name for _, name in socket.if_nameindex()] == ['lo']\"")
        with open(inside("templates", "above.xml"), encoding="utf-8") as file:
            assert "<source network='none'/>" in file.read().replace('"', "'")
    finally:
        os.remove(inside("templates", "card.xml"))


def test_failure_leaves_nothing():
    with nothing_stays():
        said = build("bad", "--run", "echo no >&2; exit 3", status=2)
        assert "step 1, run echo no" in said and "status 3\n  no\n" in said, said


def test_cut_leaves_nothing():
    """Killed while its VM boots, before and in each step, while it packs: what was begun is no more."""
    steps = ("--run", "true", "--run", "sleep 2", "--run", "head -c 20M /dev/urandom > /opt/x")
    for lines in range(5):
        with nothing_stays():
            process = subprocess.Popen(words("cut", *steps), env=daemon().environ(), stderr=subprocess.PIPE, text=True)
            until(domains, "its VM", 60)
            for _ in range(lines):
                process.stderr.readline()
            process.kill()
            process.wait(30)
            process.stderr.close()


def test_bombs():
    with nothing_stays():
        assert "No space left" in build("bomb", "--run", "head -c 10G /dev/zero > /opt/x", status=2)
    with nothing_stays():
        said = build("big", "--run", "head -c 30M /dev/urandom > /opt/x", "--max-size", "8", status=2)
        assert "packing what the steps made" in said, said
    # a step is root of its VM, and may have anything packed
    fake = ("printf '#!/bin/sh\\nhead -c 8192 /dev/zero >$2\\n' >/dev/shm/mkfs; chmod +x /dev/shm/mkfs; chroot /proc/1/root "
            "sh -c 'mount --bind /dev/shm/mkfs $(command -v mkfs.erofs)'")
    with nothing_stays():
        said = build("fake", "--run", fake, status=2)
        assert "no EROFS file system" in said, said


def test_prune():
    """A layer goes when no template names it any more, and no VM has it."""
    d = daemon()
    said = build("short", "--run", "echo > /opt/short")
    layer = inside("images", manifest(said)["path"])
    sandbox = d.berth("create", "-l", "short").stdout.strip()
    build("short", "--run", "echo > /opt/other")
    prune = ["template", "prune", "--dir", inside("images"), "--templates", inside("templates")]
    same((d.berth(*prune).returncode, os.path.exists(layer)), (0, True))
    same(d.berth("exec", sandbox, "import os; print(os.listdir('/opt'))").stdout, "['short']\n")
    d.berth("destroy", sandbox)
    until(lambda: not d.domains(), "the end of its VM", 30)
    named = [name for name in there() if name.split(".")[0] in open(inside("templates", "short.xml"), encoding="utf-8").read()]
    same((d.berth(*prune).returncode, os.path.exists(layer)), (0, False))
    assert named and set(named) <= set(there()), named


def test_pip_by_hand():
    begun = time.monotonic()
    said = build("pip", "--pip", put("tiny-1.0-py3-none-any.whl", wheel()))
    print(f"# a wheel: {time.monotonic() - begun:.1f} s; " + said.replace("\n", "; "))
    same(run("pip", "import tiny\nprint(tiny.version, tiny.__cached__)").split()[0], "1.0")
    assert "pip tiny 1.0" in manifest(said)["packages"], manifest(said)["packages"]


def test_npm_by_hand():
    said = build("npm", "--from", "javascript", "--npm", put("tiny-1.0.0.tgz", package()))
    same(run("npm", "console.log(require('tiny'), require('child_process').execSync('tiny') + '')"), "1.0.0 bin\n\n")
    assert "npm tiny 1.0.0" in manifest(said)["packages"], manifest(said)["packages"]


def test_indexes():
    at = net_daemon()
    www = os.path.join(reach.networks(), "www")
    for path, content in (("simple/small/small-2.0-py3-none-any.whl", wheel("small", version="2.0")),
                          ("simple/other/other-1.0-py3-none-any.whl", wheel("other")),
                          ("npm/tiny-2.0.0.tgz", package(version="2.0.0"))):
        os.makedirs(os.path.dirname(os.path.join(www, path)), exist_ok=True)
        with open(os.path.join(www, path), "wb") as file:
            file.write(content)
    with open(os.path.join(www, "npm/tiny"), "w", encoding="utf-8") as file:
        json.dump({"name": "tiny", "dist-tags": {"latest": "2.0.0"}, "versions": {"2.0.0": {
            "name": "tiny", "version": "2.0.0", "bin": {"tiny": "bin.js"},
            "dist": {"tarball": "http://www.test/npm/tiny-2.0.0.tgz"}}}}, file)
    conf = "build_pip=http://www.test/simple\nbuild_npm=http://www.test/npm\n"
    said = build("indexed", "--pip", "small==2.0", "--pip", "other", at=at, conf=conf)
    same(run("indexed", "import small, other\nprint(small.version, other.version)", at=at), "2.0 1.0\n")
    assert "pip other 1.0" in manifest(said)["packages"]
    build("indexed-js", "--from", "javascript", "--npm", "tiny", at=at, conf=conf)
    same(run("indexed-js", "console.log(require('tiny'))", at=at), "2.0.0\n")
    # the steps reach the index that they need, and nothing else
    said = build("else", "--run", "curl -s -m 5 http://other.test/hello", at=at, conf=conf, status=2)
    assert "step 1" in said
    build("more", "--run", "curl -s -m 20 http://other.test/hello > /opt/hello", at=at, conf=conf + "build_allow=other.test\n")


def test_warm_start():
    """A VM of a built template is as warm as one of python's."""
    d = daemon()
    build("warm", "--run", "echo > /opt/x")
    took = {"python": [], "warm": []}
    for name in took:
        d.berth("pool", "set", name, "1")
    for _ in range(9):
        for name, times in took.items():
            for each in took:
                until(lambda each=each: d.template(each)["warm"] >= 1, f"a warm VM of {each}", 120)
            d.wait_slots(0, 3)
            result = d.json("run", "-l", name, "print(1)")
            same((result["error"], result["start"]), (None, "warm"))
            times.append(result["timing"]["total_ms"])
    for name in took:
        d.berth("pool", "set", name, "0")
    python, built = (sorted(times)[4] for times in took.values())
    print(f"# warm run: python {python:.1f} ms, built {built:.1f} ms")
    until(lambda: not domains(), "the end of the warm VMs", 60)
    assert built < 2 * python + 20, took


if __name__ == "__main__":
    sys.exit(main(globals()))

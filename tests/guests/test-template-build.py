#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Templates that are built, on real guests; with indexes of Python's and Node.js's packages that stand in
for the world's, in test-reach.py's network namespaces. See guestlib.py."""

import contextlib
import functools
import glob
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile

from guestlib import LONG, ROOT, TEMPLATES, Daemon, domains, keep, main, need, qemu_pids, same, until
from templatelib import build, daemon, folder, inside, manifest, nothing_stays, options, put, registry, run, there, words

HERE = os.path.dirname(os.path.abspath(__file__))
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


def own_deb():
    """Of one program, which its archive alone has, and whose script makes a link to a manual page"""
    tree = inside("in", "deb")
    put("deb/usr/bin/tiny", "#!/bin/sh\necho tiny\n")
    os.chmod(inside("in", "deb", "usr/bin/tiny"), 0o755)
    put("deb/DEBIAN/postinst", "#!/bin/sh\nset -e\nln -s /opt/tiny.1.gz /usr/share/man/man1/tiny.1.gz\n")
    os.chmod(inside("in", "deb", "DEBIAN/postinst"), 0o755)
    put("deb/DEBIAN/control", "Package: tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: t <t@t.test>\nDescription: t\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, inside("in", "tiny_1.0_all.deb")], check=True, stdout=subprocess.DEVNULL)
    return inside("in", "tiny_1.0_all.deb")


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


class AnotherHost:
    """One with folders and a berthd of its own, which gets templates by a registry"""

    def __init__(self, address):
        self.address = address
        self.images, self.templates = (os.path.join(folder(), "another", part) for part in ("images", "templates"))
        for path in (self.images, self.templates):
            os.makedirs(path)
        for file in os.listdir(inside("images")):
            if file != "built":
                os.symlink(os.path.join(inside("images"), file), os.path.join(self.images, file))
        self.daemon = keep(Daemon("--image-dir", self.images, "--template-dirs", f"{TEMPLATES}:{self.templates}", "--warm-default", "0"))

    def get(self, name):
        """What the first host has of that name now"""
        where = (name, f"docker://{self.address}/test/{name}:1", "--config", put("conf", "[berth]\n"), "--plain-registry", "-q")
        for act, at, images, templates in (("push", daemon(), inside("images"), inside("templates")),
                                           ("pull", self.daemon, self.images, self.templates)):
            done = at.berth("template", act, *where, "--dir", images, "--templates", templates)
            same((done.returncode, done.stderr), (0, ""))

    def layers(self):
        return sorted(name for name in os.listdir(os.path.join(self.images, "built")) if name.endswith(".erofs"))


def test_another_host():
    """Two of them share one build; its VMs start warm, and a pull over it leaves what runs, and its layer."""
    need(LONG, "it boots thrice more; --long does")
    build("shared", "--run", "echo made > /opt/made")
    with registry() as address:
        other = AnotherHost(address)
        d = other.daemon
        other.get("shared")
        first = other.layers()
        same([name.split("-")[0] for name in first], ["pulled"])
        d.berth("pool", "set", "shared", "1")
        until(lambda: d.template("shared")["warm"] >= 1, "a warm VM", 120)
        result = d.json("run", "-l", "shared", "print(open('/opt/made').read())")
        same((result["error"], result["start"], result["stdout"]), (None, "warm", "made\n\n"))
        d.berth("pool", "set", "shared", "0")
        sandbox = d.berth("create", "-l", "shared").stdout.strip()
        build("shared", "--run", "echo again > /opt/made")
        other.get("shared")
        same(len(other.layers()), 2)
        same(run("shared", "print(open('/opt/made').read())", at=d), "again\n\n")
        prune = ("template", "prune", "-q", "--dir", other.images, "--templates", other.templates)
        same((d.berth(*prune).returncode, len(other.layers())), (0, 2))
        same(d.berth("exec", sandbox, "print(open('/opt/made').read())").stdout, "made\n\n")
        d.berth("destroy", sandbox)
        until(lambda: not d.domains(), "the end of its VM", 30)
        same(d.berth(*prune).returncode, 0)
        assert len(other.layers()) == 1 and other.layers() != first, other.layers()


def test_on_top_of_a_built_one():
    build("lower", "--run", "echo lower > /opt/lower")
    build("upper", "--from", "lower", "--run", "cat /opt/lower > /opt/upper; rm /opt/lower", "--memory", "256")
    same(run("upper", "import os\nprint(open('/opt/upper').read(), os.listdir('/opt'))"), "lower\n ['upper']\n")
    told = {one["name"]: one for one in daemon().json("template", "list")}
    same((told["upper"]["memory_mb"], told["upper"]["own_mb"]), (256, 1))
    assert told["upper"]["shared_mb"] >= told["python"]["shared_mb"] > 20, told
    status = daemon().json("run", "-l", "upper", "print([line for line in open('/proc/meminfo')][0].split()[1])")
    assert 200 << 10 < int(status["stdout"]) < 256 << 10, status


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


def test_by_hand():
    """Of Python and Debian"""
    begun = time.monotonic()
    said = build("pip", "--pip", put("tiny-1.0-py3-none-any.whl", wheel()), "--apt", own_deb())
    print(f"# a wheel and a .deb: {time.monotonic() - begun:.1f} s; " + said.replace("\n", "; "))
    same(run("pip", "import os, tiny\nprint(tiny.version, tiny.__cached__)\nos.system('tiny')").split()[::2], ["1.0", "tiny"])
    for package in ("pip tiny 1.0", "apt tiny 1.0"):
        assert package in manifest(said)["packages"], manifest(said)["packages"]


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


def debian_address():
    """The host's archive"""
    for path in ("/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))):
        with contextlib.suppress(OSError):
            found = re.search(r"^(?:URIs: *|deb +(?:\[[^]]*\] +)?)(http\S+/debian)/?\s", open(path, encoding="utf-8").read(), re.M)
            if found:
                return found.group(1)
    need(False, "no Debian archive in /etc/apt")


def download(place, *packages):
    """Packages of the guests' Debian with all that they need, whatever this host has"""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    for path in ("lists/partial", "archives/partial", "none"):
        os.makedirs(os.path.join(place, path))
    open(os.path.join(place, "status"), "wb").close()
    with open(os.path.join(place, "sources.list"), "w", encoding="utf-8") as file:
        file.write(f"deb [signed-by={keyring}] {debian_address()} trixie main\n")
    settings = {"Dir::State::lists": "lists", "Dir::State::status": "status", "Dir::Cache::archives": "archives",
                "Dir::Cache::pkgcache": "pkgcache", "Dir::Cache::srcpkgcache": "srcpkgcache", "Dir::Etc::sourcelist": "sources.list",
                "Dir::Etc::sourceparts": "none", "Dir::Etc::preferencesparts": "none"}
    words_of = ["apt-get", "-qq", "-y", "--no-install-recommends", "-o", "APT::Sandbox::User=root",
                *(word for key, name in settings.items() for word in ("-o", f"{key}={place}/{name}"))]
    subprocess.run([*words_of, "update"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*words_of, "--download-only", "install", *packages], check=True, stdout=subprocess.DEVNULL)
    return glob.glob(os.path.join(place, "archives", "*.deb"))


def put_archive(*debs):
    """A Debian archive of these alone, on the web server of test-reach.py's networks; a line of build_apt for it"""
    folder_of = os.path.join(reach.networks(), "www", "debian")
    os.makedirs(folder_of, exist_ok=True)
    entries = []
    for path in debs:
        name = os.path.basename(path).replace("%3a", "-").replace("+", "-").replace("~", "-")
        shutil.copy(path, os.path.join(folder_of, name))
        with open(path, "rb") as file:
            data = file.read()
        control = subprocess.run(["dpkg-deb", "-f", path], check=True, capture_output=True, text=True).stdout
        entries.append(f"{control.strip()}\nFilename: ./{name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n")
    text = "\n".join(entries)
    with open(os.path.join(folder_of, "Packages"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(folder_of, "Release"), "w", encoding="utf-8") as file:
        file.write(f"SHA256:\n {hashlib.sha256(text.encode()).hexdigest()} {len(text.encode())} Packages\n")
    return "build_apt=[trusted=yes] http://www.test/debian ./\n"


def test_archive():
    need(LONG, "BERTH_TEST_LONG=1 has a Debian archive")
    at = net_daemon()
    said = build("archived", "--from", "shell", "--apt", "tiny", at=at, conf=put_archive(own_deb()))
    same(run("archived", "tiny", at=at), "tiny\n")
    assert "apt tiny 1.0" in manifest(said)["packages"], manifest(said)["packages"]
    assert "Unable to locate package none" in build("none", "--apt", "none", at=at, conf=put_archive(own_deb()), status=2)


# name of the template: what is installed, its memory, a program that says 42
LANGUAGES = {
    "r": ("r-base-core", "512", ["Rscript", "-e", "cat(6 * 7, '\\n')"]),
    "java": ("openjdk-21-jdk-headless", "1024", ["java", "Main.java"]),
}
JAVA = "public class Main { public static void main(String[] a) { System.out.println(6 * 7); } }"


def test_languages():
    """R and Java, made by the mechanism that anybody has: what berth-template(5) says of them"""
    need(LONG, "BERTH_TEST_LONG=1 downloads them")
    at = net_daemon()
    conf = put_archive(*download(inside("in", "apt"), *(package for package, _, _ in LANGUAGES.values())))
    for name, (package, memory, command) in LANGUAGES.items():
        begun = time.monotonic()
        said = build(name, "--from", "shell", "--apt", package, "--memory", memory, "--build-memory", "3072", at=at, conf=conf,
                     limit=900)
        print(f"# {name}: {time.monotonic() - begun:.0f} s, {manifest(said)['size'] >> 20} MiB")
        begun = time.monotonic()
        done = at.berth("run", "-l", name, "-t", "300", "--upload", put("Main.java", JAVA) + ":Main.java", "-x", *command)
        same((done.returncode, done.stdout.strip()), (0, "42"))
        print(f"# {name}: a run {time.monotonic() - begun:.1f} s")


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


def proportional_mb(pids):
    """PSS of these processes, in the middle"""
    kib = [int(re.search(r"^Pss: +(\d+)", open(f"/proc/{pid}/smaps_rollup", encoding="ascii").read(), re.M).group(1)) for pid in pids]
    return sorted(kib)[len(kib) // 2] / 1024


def test_memory():
    """Ten warm VMs of a template with a layer of 200 MB that nobody reads take what python's take."""
    need(LONG, "BERTH_TEST_LONG=1 measures")
    daemon()
    build("heavy", "--run", "head -c 200M /dev/urandom > /opt/heavy", "--build-memory", "1024")
    took = {}
    d = keep(Daemon(*options(), "--max-vms", "11", "--warm-default", "0", "--memory-mb", "8192"))
    for name in ("python", "heavy"):
        d.berth("pool", "set", name, "10")
        until(lambda name=name: d.template(name)["warm"] >= 10, f"warm VMs of {name}", 300)
        took[name] = proportional_mb(qemu_pids(d.domains()))
        d.berth("pool", "set", name, "0")
        d.berth("pool", "drain", name)
        until(lambda: not d.domains(), "the end of the warm VMs", 120)
    print(f"# PSS of ten warm VMs, in the middle: python {took['python']:.1f} MiB, with 200 MB more {took['heavy']:.1f} MiB")
    assert took["heavy"] < took["python"] + 5, took


def test_boots():
    """A small wheel takes three cold boots, or a bit more where the machine is busy: three of both, in turn."""
    need(LONG, "BERTH_TEST_LONG=1 measures")
    d, boots, builds = daemon(), 0, 0
    for _ in range(3):
        begun = time.monotonic()
        same(d.berth("run", "--cold", "print(1)").stdout, "1\n")
        boots += time.monotonic() - begun
        begun = time.monotonic()
        build("boots", "--refresh", "--pip", put("tiny-1.0-py3-none-any.whl", wheel()))
        builds += time.monotonic() - begun
    print(f"# a wheel: {builds / 3:.1f} s, {builds / boots:.1f} cold boots of {boots / 3:.1f} s")
    assert builds < 3.5 * boots, (builds, boots)


if __name__ == "__main__":
    sys.exit(main(globals()))

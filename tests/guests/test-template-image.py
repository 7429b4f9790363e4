#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Templates of container images, on real guests: small ones that are written here byte by byte, with all
that a hostile one may have; with BERTH_TEST_LONG one that mmdebstrap and umoci made. See guestlib.py."""

import functools
import os
import shutil
import subprocess
import sys
import tarfile

from guestlib import LONG, main, need, same
from templatelib import build, daemon, folder, inside, manifest, nothing_stays, put, registry, run

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../build"))
from ocilib import Layout, entry, folder as oci_folder, layer, link  # noqa: E402

ATTRIBUTE = r"""
#include <stdio.h>
#include <sys/xattr.h>
int main (int argc, char **argv) {
  char value[64] = "";
  return argc != 3 || getxattr (argv[1], argv[2], value, 63) < 0 || puts (value) < 0;
}
"""
HELLO = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main (int argc, char **argv) {
  char folder[64], line[64] = "";
  printf ("%s %s %d:%d %s %s", argv[1], argv[2], getuid (), getgid (), getcwd (folder, 64), getenv ("GREETING"));
  printf (" %s %s\n", fgets (line, 64, stdin) ? line : "nothing", access ("/proc/1", F_OK) ? "alone" : "PID 1");
  return 7;
}
"""


def compiled(text, compiler="gcc", *options):
    need(shutil.which(compiler), f"there is no {compiler}")
    source, program = put("program.c", text), inside("in", "program")
    subprocess.run([compiler, *options, "-o", program, source], check=True)
    with open(program, "rb") as file:
        return file.read()


def content(path):
    need(os.path.exists(path), f"there is no {path}")
    with open(path, "rb") as file:
        return file.read()


def dump(layout, name="app.tar", **more):
    return "oci-archive:" + put(name, layout.archive(**more))


def busybox():
    tools = "sh cat ls find stat id env mkdir readlink echo test wc".split()
    return [oci_folder("bin"), entry("bin/busybox", content("/bin/busybox"), 0o755),
            *(link("bin/" + tool, "busybox") for tool in tools)]


def hostile():
    """What has no harmless meaning; where it ends up is inside."""
    return [entry("/absolute", "absolute"), entry("../../../../escape", "escape"), entry("a/../../../escape2", "e"),
            link("out", "/"), entry("out/through", "through"), link("up", "../../../../../../etc"), entry("up/passed", "x"),
            entry("dev/sda", None, 0o666, tarfile.BLKTYPE, device=(8, 0)),
            entry("node", None, 0o666, tarfile.CHRTYPE, device=(1, 1)),
            entry("setuid", "#!/bin/sh\nid -u\n", 0o6755), link("run", "/etc"), link("tmp", "/proc"), link("home", "nowhere")]


def many_layers():
    """20, of which each adds and takes away"""
    first = layer(*busybox(), oci_folder("etc"), entry("etc/passwd", "root:x:0:0::/:/bin/sh\nweb:x:4321:8765::/:/bin/sh"),
                  oci_folder("data"), oci_folder("data/opaque"), entry("data/opaque/low", "low"), entry("data/gone", "gone"),
                  entry("data/0", "0"), oci_folder("owned", 0o2750, uid=11, gid=4294967), entry("owned/f", "f", 0o640, uid=70000, gid=7),
                  entry("bin/attribute", compiled(ATTRIBUTE, "gcc", "-static"), 0o755),
                  entry("data/named", "n", xattrs={"user.note": "kept"}), entry("data/one", "one"))
    links = layer(entry("data/two", None, kind=tarfile.LNKTYPE, link="data/one"), link("data/soft", "../data/one"),
                  entry("data/.wh.gone", ""), entry("data/opaque/.wh..wh..opq", ""), entry("data/opaque/high", "high"))
    steps = [layer(entry(f"data/.wh.{number - 1}", ""), entry(f"data/{number}", str(number))) for number in range(1, 18)]
    return [first, links, *steps, layer(*hostile())]


@functools.cache
def many():
    config = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["id -u; id -g; pwd; echo $GREETING; cat; exit 3"], "User": "web",
              "WorkingDir": "/made/here", "Env": ["GREETING=hi there", "PATH=/bin"]}
    layout = Layout().image(many_layers(), config).image([layer(entry("other", "other"))], name="other")
    return build("many", "--oci", dump(layout, more=hostile()) + ":app", "--run", "echo step > /data/step")


def shell(code):
    return run("many", code)


def test_layers():
    said = many()
    lines = shell("cd /data; echo *; echo opaque/*; cat two soft; stat -c %h one; attribute named user.note").split("\n")
    same(lines[:5], ["17 named one opaque soft step two", "opaque/high", "oneone2", "kept", ""])
    same(shell("stat -c '%a %u %g' /owned; ls /owned 2>&1 | wc -l"), "2750 11 4294967\n1\n")
    told = manifest(said)
    assert "has sh 0" in told["image"] and "lacks" not in told["image"], told["image"]
    same(told["below"], [])


def test_hostile_names():
    """All of them are inside of the image, where the guest mounts it without devices and setuid."""
    many()
    before = sorted(os.listdir("/"))
    same(shell("cat /absolute /escape /escape2 /through"), "absoluteescapeethrough")
    lines = shell("/setuid; id -u; cat /node 2>&1; ls /dev/sda 2>&1 | wc -l; test -L /run || echo folder; ls -a /home").split("\n")
    same(lines[:2], ["4321", "4321"])
    assert "ermission denied" in lines[2] or "can't open" in lines[2], lines
    same(lines[4], "folder")
    same(sorted(os.listdir("/")), before)


def test_entry_point():
    many()
    done = daemon().berth("run", "-l", "many", stdin="typed\n")
    same((done.returncode, done.stdout), (3, "4321\n8765\n/made/here\nhi there\ntyped\n"))
    result = daemon().json("run", "-l", "many", "-e", "GREETING=mine")
    same((result["exit_code"], result["stdout"].split("\n")[3]), (3, "mine"))
    done = daemon().berth("run", "-l", "python", stdin="print(1)")
    same((done.returncode, done.stdout), (0, "1\n"))


def test_no_shell():
    """Of one program, of musl and its loader where they can be had: no language, and the entry point runs."""
    loader = "/lib/ld-musl-x86_64.so.1"
    if shutil.which("musl-gcc") and os.path.exists(loader):
        files = [oci_folder("lib"), entry(loader[1:], content(os.path.realpath(loader)), 0o755),
                 entry("hello", compiled(HELLO, "musl-gcc"), 0o755)]
    else:
        files = [entry("hello", compiled(HELLO, "gcc", "-static"), 0o755)]
    config = {"Entrypoint": ["/hello", "a b"], "Cmd": ["\ttab\n"], "User": "65532:0", "Env": ["GREETING=x=y"]}
    said = build("alone", "--oci", dump(Layout().image([layer(*files)], config)))
    done = daemon().berth("run", "-l", "alone", stdin="typed")
    same((done.returncode, done.stdout), (7, "a b \ttab\n 65532:0 / x=y typed alone\n"))
    same(daemon().berth("run", "-l", "alone", "-x", "/hello", "1", "2").stdout, "1 2 65532:0 /home/user x=y nothing alone\n")
    done = daemon().berth("run", "-l", "alone", "code")
    same(done.returncode, 2)
    assert "template alone has no language" in done.stderr, done.stderr
    assert "language none" in manifest(said)["image"]
    again = build("alone2", "--oci", "oci-archive:" + inside("in", "app.tar"), "--language", "python", status=2)
    assert "the image can't run python" in again, again


def size_of_folder():
    """Of all that a build could have left there"""
    return int(subprocess.run(["du", "-sb", folder()], capture_output=True, text=True, check=True).stdout.split()[0])


def test_bomb():
    """Of zeros: its VM is full, and nothing of it is here."""
    size = 256 << 20
    member, _ = entry("zeros", b"")
    member.size = size
    head = member.tobuf(tarfile.GNU_FORMAT)
    path = inside("in", "bomb")
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
    with open(path, "rb") as file:
        zeros = subprocess.run(["gzip", "-1", "-n"], stdin=file, capture_output=True, check=True).stdout
    os.unlink(path)
    layout = Layout()

    def swap(manifest_of):
        manifest_of["layers"] = [layout.add(zeros, "application/vnd.oci.image.layer.v1.tar+gzip")]
    layout.image([layer(entry("x", "x"))], change=swap)
    before = size_of_folder()
    with nothing_stays():
        said = build("bomb", "--oci", dump(layout), "--build-memory", "320", status=2)
        assert "no space left" in said, said
    assert size_of_folder() - before < 4 << 20


def test_from_registry():
    need(LONG, "it boots twice more; --long does")
    with registry() as address:
        path = Layout().image([layer(*busybox())], {"Cmd": ["/bin/sh", "-c", "echo far"], "Env": ["PATH=/bin"]}).write(inside("in", "far"))
        subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{path}:app", f"docker://{address}/far:1"], check=True)
        build("far", "--oci", f"docker://{address}/far:1", "--plain-registry")
    same(daemon().berth("run", "-l", "far").stdout, "far\n")


def test_mmdebstrap():
    """An image that Debian's own tools make, in which all languages are found"""
    need(LONG, "BERTH_TEST_LONG=1 makes one")
    need(shutil.which("umoci") and shutil.which("mmdebstrap"), "it takes mmdebstrap and umoci")
    layout, bundle = inside("in", "layout"), inside("in", "bundle")
    for command in (["init", "--layout", layout], ["new", "--image", layout + ":app"], ["unpack", "--image", layout + ":app", bundle]):
        subprocess.run(["umoci", *command], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mmdebstrap", "--variant=essential", "--include=python3,bash", "trixie", os.path.join(bundle, "rootfs")],
                   check=True)
    subprocess.run(["umoci", "repack", "--image", layout + ":app", bundle], check=True)
    subprocess.run(["umoci", "config", "--image", layout + ":app", "--config.entrypoint", "python3", "--config.cmd", "-c",
                    "--config.cmd", "import sys; print(sys.version_info[:2])"], check=True)
    said = build("debian", "--oci", f"oci:{layout}:app", "--build-memory", "2048")
    assert "has python 3.13" in manifest(said)["image"] and "has shell" in manifest(said)["image"]
    same(run("debian", "import sys; print(6*7, sys.executable)"), "42 /usr/bin/python3\n")
    same(daemon().berth("run", "-l", "debian").stdout, "(3, 13)\n")
    d = daemon()
    sandbox = d.berth("create", "-l", "debian").stdout.strip()
    same(d.berth("exec", sandbox, "x = 6").returncode, 0)
    same(d.berth("exec", sandbox, "print(x * 7)").stdout, "42\n")
    d.berth("destroy", sandbox)


if __name__ == "__main__":
    sys.exit(main(globals()))

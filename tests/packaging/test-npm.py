#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""images/npm with an npm of the test's own in PATH: what is pinned comes, what is not does not (TAP).

    test-npm.py SOURCE-ROOT
"""
import base64
import functools
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

SCRIPT = os.path.join(sys.argv[1], "images/npm")
FILES = {"bin/tool": "#!/bin/sh\n", "LICENSE": "free\n", "docs/long": "not wanted\n"}
LAYER = """# a comment
bash
npm tool@1.2.3 MIT {digest}
put /usr/bin bin/tool
put /usr/share/licenses/tool LICENSE
link /usr/bin/other ../lib/other
else python3
"""


@functools.cache
def package():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in FILES.items():
            entry = tarfile.TarInfo("package/" + name)
            entry.size, entry.mode = len(text), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return data.getvalue()


def digest_of(data):
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


class Place:
    """A folder with a package, an npm that hands it out, and a layer's file."""

    def __init__(self, folder, npm, digest=None):
        data = package()
        self.work = os.path.join(folder, "work")
        self.bin = os.path.join(folder, "bin")
        self.layer = os.path.join(folder, "layer")
        for path in (self.work, self.bin):
            os.mkdir(path)
        with open(os.path.join(folder, "tool-1.2.3.tgz"), "wb") as file:
            file.write(data)
        with open(self.layer, "w", encoding="utf-8") as file:
            file.write(LAYER.format(digest=digest or digest_of(data)))
        self.path = self.bin
        if npm:
            with open(os.path.join(self.bin, "npm"), "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\n" + npm.replace("FOLDER", folder))
            os.chmod(os.path.join(self.bin, "npm"), 0o755)
            self.path += os.pathsep + os.environ["PATH"]
        else:
            os.symlink(shutil.which("realpath"), os.path.join(self.bin, "realpath"))

    def run(self):
        return subprocess.run([SCRIPT, self.layer, self.work], capture_output=True, encoding="utf-8", timeout=60,
                              env={**os.environ, "PATH": self.path})

    def tree(self):
        return sorted(os.path.relpath(os.path.join(where, name), os.path.join(self.work, "tree"))
                      for where, _, names in os.walk(os.path.join(self.work, "tree")) for name in names)


HANDS_OUT = """echo "$@" >FOLDER/asked
while [ $# -gt 2 ]; do shift; done
cp FOLDER/tool-1.2.3.tgz "$1"
"""


def check_pinned(folder):
    place = Place(folder, HANDS_OUT)
    done = place.run()
    assert (done.returncode, done.stdout) == (0, ""), done
    with open(os.path.join(folder, "asked"), encoding="utf-8") as file:
        asked = file.read().split()
    assert asked[0] == "pack" and "--ignore-scripts" in asked and asked[-1] == "tool@1.2.3", asked
    assert place.tree() == ["usr/bin/other", "usr/bin/tool", "usr/share/licenses/tool/LICENSE"], place.tree()
    assert os.readlink(os.path.join(place.work, "tree/usr/bin/other")) == "../lib/other"
    with open(os.path.join(place.work, "json"), encoding="utf-8") as file:
        told = json.load(file)
    assert told == {"tool": {"version": "1.2.3", "license": "MIT", "integrity": digest_of(package())}}, told


def check_another_digest(folder):
    wanted = digest_of(b"something else")
    place = Place(folder, HANDS_OUT, wanted)
    done = place.run()
    assert done.returncode == 1, done
    assert f"tool@1.2.3 from npm is {digest_of(package())}, pinned is {wanted}" in done.stderr, done
    assert place.tree() == [], place.tree()


def check_unreachable(folder):
    done = Place(folder, "echo no route to the registry >&2; echo >&2\n"
                 "echo npm error A complete log of this run can be found in: /x/_logs/1-debug.log >&2\n"
                 "exit 1\n").run()
    assert (done.returncode, done.stdout) == (
        3, "npm could not fetch tool@1.2.3 (no route to the registry)\n"), done


def check_no_npm(folder):
    done = Place(folder, None).run()
    assert (done.returncode, done.stdout) == (3, "this host has no npm\n"), done


CHECKS = [("pinned", check_pinned), ("another digest", check_another_digest),
          ("unreachable", check_unreachable), ("no npm", check_no_npm)]


def main():
    status = 0
    print("1..%d" % len(CHECKS))
    for number, (name, check) in enumerate(CHECKS, 1):
        with tempfile.TemporaryDirectory(prefix="berth-npm-") as folder:
            try:
                check(folder)
                print("ok %d %s" % (number, name))
            except AssertionError as error:
                print("not ok %d %s" % (number, name))
                print("# " + str(error).replace("\n", "\n# "))
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the library's examples against a berthd, as their users would: C, Python, JavaScript, and
those that embed the server. With --guests a real one, else on a host without VMs. Prints TAP."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.geteuid() == 0
SESSION = ["created", "step 1", "step 2", "step 3", "exit status 3",
           "output SIX TIMES SEVEN", "out.txt SIX TIMES SEVEN true", "destroyed"]
OWN = {
    "check-asyncio.py": ["time limit", "many at once", "cancelled", "GONE",
                         "progress starting 0 berth-slow-1 it boots", "stream",
                         "background got word running 137 137 0", "warm 1", "waited"],
    "check-promises.js": ["progress starting 0 berth-slow-1", "boot it boots", "ran",
                          "file stream", "attached word", "background running 137", "warm 1", "drained 0"],
    "check-streams.py": ["got one", "other process ['got two', 'end'] 3", "line", "beside 50000 False",
                         "terminal 30 100", "resized ['25', '90']", "its end 5"],
}
EMBEDDED = ["serving", "output six times seven", "exit status 42", "stopped"]


class Skipped(Exception):
    """Why a test cannot be run here."""


def parse():
    parser = argparse.ArgumentParser()
    for name in ("examples", "server-examples", "sandbox", "embed", "berth", "berthd", "library", "server-library"):
        parser.add_argument("--" + name, required=True, type=os.path.abspath)
    for name in ("typelib", "server-typelib", "python", "gjs"):
        parser.add_argument("--" + name)
    parser.add_argument("--guests", action="store_true")
    return parser.parse_args()


def folders(*paths):
    return ":".join(os.path.dirname(os.path.abspath(path)) for path in paths)


class World:
    """Places of one test, and the settings of the berthd in them."""

    def __init__(self, arguments):
        self.a = arguments
        self.limit_s = 300 if arguments.guests else 30

    def __enter__(self):
        # a folder that QEMU's user may walk through
        self.folder = tempfile.mkdtemp(prefix="berth-lib-", dir="/var/tmp")
        os.chmod(self.folder, 0o711)
        self.socket = os.path.join(self.folder, "run", "berthd.sock")
        self.settings = {"socket": self.socket, "max_vms": "2", "warm_default": "0"}
        if self.a.guests:
            cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
            self.settings |= {
                "uri": os.environ.get("BERTH_URI",
                                      "qemu:///system" if ROOT else "qemu:///session"),
                "image_dir": "/var/cache/berth/images" if ROOT else
                             os.path.join(cache, "berth/images"),
                "snapshot_dir": os.path.join(self.folder, "snapshots"), "name_prefix": "berthlib"}
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def environ(self):
        environment = {**os.environ, "BERTH_SOCKET": self.socket, "PYTHONDONTWRITEBYTECODE": "1",
                       "BERTH_FAKE_QUIET": "1",
                       "PYTHONPATH": self.a.examples,
                       "G_DEBUG": "fatal-warnings",
                       "LD_LIBRARY_PATH": folders(self.a.library, self.a.server_library)}
        if self.a.typelib:
            environment["GI_TYPELIB_PATH"] = folders(self.a.typelib, self.a.server_typelib)
        return environment

    def run(self, *command):
        done = subprocess.run(command, env=self.environ(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=self.limit_s, check=False)
        return done.returncode, done.stdout.splitlines(), done.stderr

    def example(self, name, *arguments):
        """The command of an example's file"""
        folder = self.a.server_examples if name.startswith("embed") else self.a.examples
        path = os.path.join(folder, name)
        if name.endswith(".py"):
            if not self.a.python or not self.a.typelib:
                raise Skipped("needs python3-gi and introspection")
            return [self.a.python, path, *arguments]
        if name.endswith(".js"):
            if not self.a.gjs or not self.a.typelib:
                raise Skipped("needs gjs and introspection")
            return [self.a.gjs, "-m", path, *arguments]
        return [self.a.sandbox if name == "sandbox.c" else self.a.embed, *arguments]


class Daemon(World):
    """A berthd that runs meanwhile."""

    def __enter__(self):
        super().__enter__()
        options = [f"--{key.replace('_', '-')}={value}" for key, value in self.settings.items()]
        self.log_path = os.path.join(self.folder, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([self.a.berthd, "--foreground", "--config=/dev/null",
                                             "--socket-group=", *options], stderr=log)
        end = time.monotonic() + 60
        while "berthd ready" not in self.log():
            assert self.process.poll() is None and time.monotonic() < end, self.log()
            time.sleep(0.02)
        return self

    def __exit__(self, kind, *rest):
        if kind not in (None, Skipped):
            print("#", self.log().replace("\n", "\n# "))
        self.process.terminate()
        self.process.wait(120)
        super().__exit__(kind, *rest)

    def log(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()


def same(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def check_session(a, name):
    with Daemon(a) as daemon:
        status, lines, complaint = daemon.run(*daemon.example(name))
        same((status, [line.replace(" True", " true") for line in lines], complaint),
             (0, SESSION, ""))
        status, lines, _ = daemon.run(a.berth, "list", "--json")
        same((status, [line for line in lines if '"tenant": "example"' in line]), (0, []))


def check_own(a, name):
    """A program beside this one, which does what no example shows"""
    with Daemon(a) as daemon:
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
        same(daemon.run(*daemon.example(path)), (0, OWN[name], ""))


def check_failure(a, name):
    """Without a berthd: one line with a code that says what to do"""
    with World(a) as world:
        status, lines, complaint = world.run(*world.example(name))
        same((status, lines), (1, []))
        assert complaint.startswith("UNAVAILABLE: no berthd answers on "), complaint
        _, _, command = world.run(a.berth, "list")
        # the command says no other words
        assert complaint.splitlines()[0].startswith(
            command.strip().replace("berth: ", "UNAVAILABLE: ")), (complaint, command)
        assert "Traceback" not in complaint, complaint


def check_embedded(a, name):
    with World(a) as world:
        # no snapshot is made beside it: whether one is ready before the end is chance
        settings = [f"{key}={value}" for key, value in world.settings.items()]
        settings.append("snapshot_scope=none")
        same(world.run(*world.example(name, *settings)), (0, EMBEDDED, ""))
        same(os.path.exists(world.socket), False)


def check_bad_setting(a, name):
    with World(a) as world:
        status, lines, complaint = world.run(*world.example(name, "max_vms=many"))
        same((status, lines), (1, []))
        assert complaint.startswith("CONFIG: setting max_vms"), complaint


def tests(a):
    for name in ("sandbox.c", "sandbox.py", "sandbox.js"):
        yield f"session in {name}", check_session, name
        if not a.guests:
            yield f"no berthd for {name}", check_failure, name
    if not a.guests:
        yield "the asyncio wrapper", check_own, "check-asyncio.py"
        yield "promises", check_own, "check-promises.js"
    yield "streams", check_own, "check-streams.py"
    for name in ("embed.c", "embed.py"):
        yield f"embedded in {name}", check_embedded, name
        if not a.guests:
            yield f"a bad setting of {name}", check_bad_setting, name


def main():
    arguments = parse()
    todo = list(tests(arguments))
    failed = 0
    print("TAP version 13")
    print(f"1..{len(todo)}")
    for number, (title, function, name) in enumerate(todo, 1):
        try:
            function(arguments, name)
            print(f"ok {number} {title}")
        except Skipped as reason:
            print(f"ok {number} {title} # SKIP {reason}")
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("#", traceback.format_exc().replace("\n", "\n# "))
            print(f"not ok {number} {title}")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

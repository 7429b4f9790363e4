#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libberth and libberth-server show: the symbols that their version scripts name and their headers
declare, nothing else; what they load; headers that stand alone; an installation that a program can be
built against. Usage: test-interface.py LIBRARY SERVER_LIBRARY SOURCE_ROOT BUILD_ROOT. Prints TAP."""

import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile
import traceback

LIBRARY, SERVER_LIBRARY, SOURCE, BUILD = sys.argv[1:5]
FRONT = os.path.join(SOURCE, "plugin/libberth")
SERVER = os.path.join(SOURCE, "plugin/server")
MODEL = os.path.join(SOURCE, "plugin/model")
POOL = os.path.join(SOURCE, "pool")
PUBLIC = ["berth-admin.h", "berth-attachment.h", "berth-client.h", "berth-error.h", "berth-macros.h", "berth-program.h",
          "berth-result.h", "berth-spec.h", "berth.h"]
SERVER_PUBLIC = ["berth-server.h"]
# what libberth-server of the same version has of libberth beside what programs have
PRIVATE = {"berth_client_new_here"}
LIMIT_S = 60


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False,
                          **options)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def header(name):
    paths = [os.path.join(folder, name) for folder in (FRONT, SERVER, MODEL, POOL)]
    return next(path for path in paths if os.path.exists(path))


def same(got, wanted):
    assert got == wanted, f"too much: {sorted(got - wanted)}, missing: {sorted(wanted - got)}"


def symbols_in_map(path=os.path.join(FRONT, "libberth.map")):
    return set(re.findall(r"^ +(berth_\w+);$", read(path), re.M)) - PRIVATE


def symbols_in_server_map():
    return symbols_in_map(os.path.join(SERVER, "libberth-server.map"))


def exported(library):
    """name → version"""
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    names = [line.split()[-1].partition("@@") for line in lines if " A " not in line]
    return {name: version for name, _, version in names}


def test_exported_symbols():
    wanted = {name: "BERTH_1.0" for name in symbols_in_map()}
    assert exported(LIBRARY) == wanted | {name: "BERTH_PRIVATE_0" for name in PRIVATE}
    assert exported(SERVER_LIBRARY) == {name: "BERTH_SERVER_1.0" for name in symbols_in_server_map()}


def declared(names):
    found = set()
    for name in names:
        text = read(header(name))
        found |= set(re.findall(r"BERTH_AVAILABLE\s[^;]*?\b(berth_\w+) \(", text))
        found |= {kind + "_get_type" for kind in
                  re.findall(r"G_DECLARE_FINAL_TYPE \(\w+, (\w+),", text)}
    return found


def test_declared_symbols():
    same(declared(PUBLIC), symbols_in_map())
    same(declared(SERVER_PUBLIC), symbols_in_server_map())


def test_soname():
    for library, name in (LIBRARY, "libberth.so.0"), (SERVER_LIBRARY, "libberth-server.so.0"):
        assert f"soname: [{name}]" in run("readelf", "-d", library)


def loaded(library):
    """What the loader brings in for it, however far away: name → path"""
    return dict(re.findall(r"^\t(\S+) => (\S+) \(", run("ldd", library), re.M))


def test_loads_no_more_than_gio():
    loads = loaded(LIBRARY)
    beyond = set(loads) - set(loaded(loads["libgio-2.0.so.0"])) - {"libgio-2.0.so.0"}
    same({name.partition(".so")[0] for name in beyond}, {"libnettle"})


def test_server_has_its_client_from_the_library():
    assert os.path.samefile(loaded(SERVER_LIBRARY)["libberth.so.0"], LIBRARY)
    symbols = run("nm", SERVER_LIBRARY)
    for name in ("berth_client_get_type", "berth_spec_get_type", "berth_program_get_type"):
        # a type is registered once in a process
        assert not re.search(rf" [tT] {name}$", symbols, re.M), name


def test_headers_stand_alone():
    flags = run("pkg-config", "--cflags", "gio-2.0").split()
    has_cxx = subprocess.run(["cc", "-x", "c++", "-fsyntax-only", "-"], input=b"", check=False,
                             capture_output=True, timeout=LIMIT_S).returncode == 0
    public = PUBLIC + SERVER_PUBLIC
    for language, names in (("c", public), ("c++", ["berth.h", *SERVER_PUBLIC] if has_cxx else [])):
        run("cc", "-x", language, "-fsyntax-only", "-Wall", "-Werror", *flags, "-I", FRONT,
            "-I", SERVER, "-I", MODEL, "-I", POOL, "-",
            input="".join(f"#include <{name}>\n" for name in reversed(names)))


def test_every_function_is_documented():
    text = "".join(read(path) for path in glob.glob(os.path.join(FRONT, "*.c"))
                   + glob.glob(os.path.join(SERVER, "*.c")) + glob.glob(os.path.join(MODEL, "*.c"))
                   + [os.path.join(POOL, "berth-error.c")])
    documented = set(re.findall(r"^/\*\*\n \* (berth_\w+):", text, re.M))
    shown = symbols_in_map() | symbols_in_server_map()
    same(shown - documented, {name for name in shown if name.endswith("_get_type")})


def test_asyncio_wrapper_of_the_readme():
    _, _, wrapper = read(os.path.join(FRONT, "examples/berth_asyncio.py")).partition("\n")
    indented = "".join("    " + line if line.strip() else line
                       for line in wrapper.splitlines(keepends=True))
    assert indented in read(os.path.join(SOURCE, "README.md")), "README.md has another wrapper"


class Installed:
    """A root that the build was installed to"""

    def __init__(self, root):
        self.root = root
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root)
        (config,) = glob.glob(root + "/**/berth-1.0.pc", recursive=True)
        # a library in the system's own folder is where it is told, too
        self.environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(config),
                            "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1"}
        (self.prefix,) = self.pkg_config("--variable=prefix", "berth-1.0")
        (self.libdir,) = self.pkg_config("--variable=libdir", "berth-1.0")

    def pkg_config(self, *arguments):
        return run("pkg-config", *arguments, env=self.environment).split()

    def build(self, source, module):
        program = os.path.join(self.root, os.path.basename(source) + ".out")
        flags = [re.sub(f"^(-I|-L)({self.prefix}/.*berth-.*1.0|{self.libdir})$", rf"\g<1>{self.root}\2",
                        flag) for flag in self.pkg_config("--cflags", "--libs", module)]
        # ld looks for libberth.so beside libberth-server.so, which is not yet where it will be
        run("cc", "-Wall", "-Werror", source, "-o", program, *flags,
            f"-Wl,-rpath-link,{self.root}{self.libdir}")
        return program

    def run(self, *command):
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False,
                              env={**os.environ, "LD_LIBRARY_PATH": self.root + self.libdir,
                                   "BERTH_SOCKET": self.root + "/none"})


def test_installed():
    with tempfile.TemporaryDirectory(prefix="berth-install-") as root:
        installed = Installed(root)
        # whoever builds a program needs none of what the libraries are made of
        for module, needed in ("berth-1.0", "gio-2.0"), ("berth-server-1.0", "berth-1.0"):
            assert installed.pkg_config("--print-requires", "--print-requires-private",
                                        module) == [needed]
        done = installed.run(installed.build(os.path.join(FRONT, "examples/sandbox.c"), "berth-1.0"))
        assert done.returncode == 1 and done.stderr.startswith("UNAVAILABLE: "), done
        program = installed.build(os.path.join(SERVER, "examples/embed.c"), "berth-server-1.0")
        done = installed.run(program, "max_vms=many")
        assert done.returncode == 1 and done.stderr.startswith("CONFIG: "), done


def main():
    todo = [(name, function) for name, function in globals().items() if name.startswith("test_")]
    failed = 0
    print("TAP version 13")
    print(f"1..{len(todo)}")
    for number, (name, function) in enumerate(todo, 1):
        try:
            function()
            print(f"ok {number} {name}")
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("#", traceback.format_exc().replace("\n", "\n# "))
            print(f"not ok {number} {name}")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

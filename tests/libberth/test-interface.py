#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libberth shows: the symbols that its version script names and its headers declare, nothing
else; headers that stand alone; an installation that a program can be built against. Usage:
test-interface.py LIBRARY SOURCE_ROOT BUILD_ROOT. Prints TAP."""

import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile
import traceback

LIBRARY, SOURCE, BUILD = sys.argv[1:4]
FRONT = os.path.join(SOURCE, "plugin/libberth")
SERVER = os.path.join(SOURCE, "plugin/server")
MODEL = os.path.join(SOURCE, "plugin/model")
POOL = os.path.join(SOURCE, "pool")
PUBLIC = ["berth-admin.h", "berth-client.h", "berth-error.h", "berth-macros.h", "berth-program.h",
          "berth-result.h", "berth-server.h", "berth-spec.h", "berth.h"]
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


def symbols_in_map():
    return set(re.findall(r"^ +(berth_\w+);$", read(os.path.join(FRONT, "libberth.map")), re.M))


def test_exported_symbols():
    exported = set()
    for line in run("nm", "-D", "--defined-only", LIBRARY).splitlines():
        name = line.split()[-1]
        if name != "BERTH_1.0":
            assert name.endswith("@@BERTH_1.0"), f"{name} has no version"
            exported.add(name.partition("@")[0])
    same(exported, symbols_in_map())


def test_declared_symbols():
    declared = set()
    for name in PUBLIC:
        text = read(header(name))
        declared |= set(re.findall(r"BERTH_AVAILABLE\s[^;]*?\b(berth_\w+) \(", text))
        declared |= {kind + "_get_type" for kind in
                     re.findall(r"G_DECLARE_FINAL_TYPE \(\w+, (\w+),", text)}
    same(declared, symbols_in_map())


def test_soname():
    dynamic = run("readelf", "-d", LIBRARY)
    assert "soname: [libberth.so.0]" in dynamic, dynamic


def test_headers_stand_alone():
    flags = run("pkg-config", "--cflags", "gio-2.0").split()
    has_cxx = subprocess.run(["cc", "-x", "c++", "-fsyntax-only", "-"], input=b"", check=False,
                             capture_output=True, timeout=LIMIT_S).returncode == 0
    for language, names in (("c", PUBLIC), ("c++", ["berth.h"] if has_cxx else [])):
        run("cc", "-x", language, "-fsyntax-only", "-Wall", "-Werror", *flags, "-I", FRONT,
            "-I", SERVER, "-I", MODEL, "-I", POOL, "-",
            input="".join(f"#include <{name}>\n" for name in reversed(names)))


def test_every_function_is_documented():
    text = "".join(read(path) for path in glob.glob(os.path.join(FRONT, "*.c"))
                   + glob.glob(os.path.join(SERVER, "*.c")) + glob.glob(os.path.join(MODEL, "*.c"))
                   + [os.path.join(POOL, "berth-error.c")])
    documented = set(re.findall(r"^/\*\*\n \* (berth_\w+):", text, re.M))
    same(symbols_in_map() - documented,
         {name for name in symbols_in_map() if name.endswith("_get_type")})


def test_asyncio_wrapper_of_the_readme():
    _, _, wrapper = read(os.path.join(FRONT, "examples/berth_asyncio.py")).partition("\n")
    indented = "".join("    " + line if line.strip() else line
                       for line in wrapper.splitlines(keepends=True))
    assert indented in read(os.path.join(SOURCE, "README.md")), "README.md has another wrapper"


def test_installed():
    with tempfile.TemporaryDirectory(prefix="berth-install-") as root:
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root)
        (config,) = glob.glob(root + "/**/berth-1.0.pc", recursive=True)
        environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(config)}

        def pkg_config(*arguments):
            return run("pkg-config", *arguments, "berth-1.0", env=environment).split()

        # whoever builds a program needs none of what the library is made of
        assert pkg_config("--print-requires", "--print-requires-private") == ["gio-2.0"]
        (prefix,), (library,) = pkg_config("--variable=prefix"), pkg_config("--variable=libdir")
        library = root + library
        flags = [re.sub(f"^(-I|-L)({prefix}/.*berth-1.0|{library[len(root):]})$", rf"\g<1>{root}\2",
                        flag) for flag in pkg_config("--cflags", "--libs")]
        program = os.path.join(root, "example")
        run("cc", "-Wall", "-Werror", os.path.join(FRONT, "examples/sandbox.c"), "-o", program,
            *flags)
        done = subprocess.run([program], capture_output=True, text=True, timeout=LIMIT_S,
                              check=False, env={**os.environ, "LD_LIBRARY_PATH": library,
                                                "BERTH_SOCKET": root + "/none"})
        assert done.returncode == 1 and done.stderr.startswith("UNAVAILABLE: "), done


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

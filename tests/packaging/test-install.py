#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""meson install: everything that an installed berth needs is there, and names what is there (TAP).

    test-install.py BUILD-ROOT PREFIX
"""
import os
import re
import subprocess
import sys
import tempfile

BUILD, PREFIX = sys.argv[1:3]
WANTED = ("bin/berth", "sbin/berthd", "libexec/berth/berth-agent", "libexec/berth/berth-mcp", "libexec/berth/berth-build", "libexec/berth/berth-connector",
          "libexec/berth/berth-hook", "libexec/berth/berthd-stop",
          "libexec/berth/berthd-clear", "share/berth/images/build", "share/berth/images/pack",
          "share/berth/images/npm",          "share/berth/images/layers/base", "share/berth/agent/runners/javascript.js", "lib/systemd/system/berthd.socket",
          "lib/systemd/system/berthd.service", "lib/systemd/user/berthd.socket",
          "lib/systemd/user/berthd.service", "lib/systemd/system/berth-metrics.socket",
          "lib/systemd/system/berth-metrics@.service", "lib/systemd/system/berth-connector.socket",
          "lib/systemd/system/berth-connector@.service", "share/berth/monitoring/alerts.yml",
          "share/berth/monitoring/dashboard.json", "lib/sysusers.d/berth.conf", "lib/tmpfiles.d/berth.conf",
          "share/berth/templates/python.xml", "share/berth/templates/javascript.xml",
          "share/berth/templates/shell.xml", "share/berth/templates/berth.rng",
          "share/berth/templates/shared/guest.xml", "share/man/man1/berth.1", "share/man/man8/berthd.8",
          "share/man/man5/berth.conf.5", "share/man/man5/berth-template.5")


def check_files(destination):
    for name in WANTED:
        assert os.path.exists(destination + os.path.join(PREFIX, name)), "not installed: " + name


def check_programs_of_units(destination):
    seen = 0
    for kind in ("system", "user"):
        path = destination + os.path.join(PREFIX, "lib/systemd", kind, "berthd.service")
        with open(path, encoding="utf-8") as file:
            for program in re.findall(r"^Exec\w+=(\S+)", file.read(), re.M):
                if program.startswith(PREFIX):  # else the host has it
                    program = destination + program
                assert os.access(program, os.X_OK), "%s: no %s" % (path, program)
                seen += 1
    assert seen == 6, seen


def check_programs_run(destination):
    for name in ("bin/berth", "sbin/berthd"):
        done = subprocess.run([destination + os.path.join(PREFIX, name), "--version"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", timeout=60)
        assert done.returncode == 0 and re.fullmatch(r"berthd? [0-9.]+\n", done.stdout), done.stdout


def check_image_builder(destination):
    """It stands on its own: it asks for nothing of the checkout."""
    builder = destination + os.path.join(PREFIX, "share/berth/images/build")
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run([builder, "--prune", "--dir", empty], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              encoding="utf-8", timeout=60, env={**os.environ, "BERTH_IMAGES_SELF": "berth image"})
        assert done.returncode == 1, done
        assert done.stdout == "berth image: nothing was built in %s yet\n" % empty, done.stdout
    # what it packs into an initramfs, by the name that it looks for
    assert os.path.isdir(os.path.join(os.path.dirname(builder), "../agent/runners")), "no runners"


def check_nothing_of_the_build(destination):
    """No path of the machine that built it in what an administrator reads, and no test."""
    for where, _, names in os.walk(destination):
        for name in names:
            path = os.path.join(where, name)
            assert not name.startswith(("test-", "fake-", "bench-")), path
            if path.endswith((".service", ".socket", ".conf", ".xml", ".1", ".5", ".8", ".pc")):
                with open(path, encoding="utf-8") as file:
                    assert BUILD not in file.read(), path


def check_hook_without_berth(destination):
    """A package that is removed keeps its settings, and so the hook: without its program it lets every domain start."""
    hook = next(os.path.join(where, "berth") for where, _, names in os.walk(destination)
                if where.endswith("libvirt/hooks/qemu.d") and "berth" in names)
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as copy, open(hook, encoding="utf-8") as file:
        copy.write(file.read().replace(os.path.join(PREFIX, "libexec"), "/nonexistent"))
        copy.flush()
        done = subprocess.run(["sh", copy.name, "mine", "prepare", "begin", "-"], input="<domain/>", timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (0, ""), done
    assert os.access(hook, os.X_OK) and os.path.exists(destination + os.path.join(PREFIX, "libexec/berth/berth-hook"))


CHECKS = [("hook", check_hook_without_berth), ("files", check_files), ("units", check_programs_of_units), ("programs", check_programs_run), ("image-builder", check_image_builder),
          ("paths", check_nothing_of_the_build)]


def main():
    status = 0
    print("1..%d" % len(CHECKS))
    with tempfile.TemporaryDirectory(prefix="berth-install-") as destination:
        done = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", destination],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=120)
        assert done.returncode == 0, done.stdout
        for number, (name, check) in enumerate(CHECKS, 1):
            try:
                check(destination)
                print("ok %d %s" % (number, name))
            except AssertionError as error:
                print("not ok %d %s" % (number, name))
                print("# " + str(error).replace("\n", "\n# "))
                status = 1
    return status


sys.exit(main())

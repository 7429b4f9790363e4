#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's hook by itself: whom it lets through without asking anybody, and what that costs. Arguments: the
hook, and the command that it would ask with (which no test here runs: TAP)."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import tap  # noqa: E402

HOOK, COMMAND = sys.argv[1:3]
MARK = "<berth:template xmlns:berth='urn:berth:domain:1' name='python'/>"
OWN = "<berth:vm xmlns:berth=\"urn:berth:domain:1\" instance='i' id='a' template='python' state='run' created='1'/>"
XML = "<domain><name>mine</name><metadata>%s</metadata><devices>%s</devices></domain>"
LARGE = "<disk type='file'><source file='/x'/></disk>\n" * 2000  # 90 kB, more than a pipe holds
ASKED = "can't be run"  # the command is not installed where a build's hook looks for it


def call(xml, *words):
    began = time.perf_counter()
    done = subprocess.run([HOOK, "/etc/libvirt/hooks/qemu.d/berth", "mine", *words], input=xml, text=True,
                          capture_output=True, check=False, timeout=30)
    return done.returncode, done.stderr, time.perf_counter() - began


def test_no_mark():
    for metadata in ("", OWN, "<app:template xmlns:app='urn:x'/>"):
        for devices in ("", LARGE):
            assert call(XML % (metadata, devices), "prepare", "begin", "-")[:2] == (0, ""), metadata


def test_other_operations():
    for words in (("start", "begin", "-"), ("started", "begin", "-"), ("stopped", "end", "-"),
                  ("release", "end", "-"), ("reconnect", "begin", "-"), ("prepare",), ()):
        assert call(XML % (MARK, ""), *words)[:2] == (0, ""), words


def test_mark_asks():
    """Where there is nobody to be asked, nobody is held back, and that is said."""
    if os.path.exists(COMMAND):
        print("# an installed command would be asked")
        return
    for mark in (MARK, MARK.replace("'", '"')):
        for devices in ("", LARGE):
            status, said, _ = call(XML % (mark, devices), "prepare", "begin", "-")
            assert status == 0 and ASKED in said, said


def test_no_input():
    assert call("", "prepare", "begin", "-")[:2] == (0, "")
    with tempfile.TemporaryFile() as zeros:
        os.ftruncate(zeros.fileno(), 64 << 20)
        done = subprocess.run([HOOK, "x", "mine", "prepare", "begin", "-"], stdin=zeros, check=False, timeout=30)
        assert done.returncode == 0


def test_cost():
    """A domain that is not berth's waits for the start of a small program, and for no library of berth's; how long
    beside a cat of the same bytes is printed."""
    loaded = subprocess.run(["ldd", HOOK], capture_output=True, text=True, check=True).stdout
    assert not any(name in loaded for name in ("libglib", "libgio", "libvirt", "libxml2", "libberth")), loaded
    hook, cat = [], []
    for _ in range(50):
        hook.append(call(XML % ("", LARGE), "prepare", "begin", "-")[2])
        began = time.perf_counter()
        subprocess.run(["cat"], input=XML % ("", LARGE), text=True, capture_output=True, check=True, timeout=30)
        cat.append(time.perf_counter() - began)
    print(f"# {sorted(hook)[25] * 1000:.1f} ms median, a cat of the same {sorted(cat)[25] * 1000:.1f}")


if __name__ == "__main__":
    sys.exit(tap.run(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether AppArmor would let a clone's QEMU have its files, where no kernel with AppArmor is.

    apparmor.py DOMAIN-XML read|write

The profile is what libvirt's helper makes of the domain (a dry run), compiled by apparmor_parser with
the host's /etc/apparmor.d and, to see that the check can fail, without berth's rules.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

LOCAL = "local/abstractions/libvirt-qemu"


def run(*command, text=None):
    return subprocess.run(command, input=text, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", timeout=60).stdout


def flat_profile(base, xml):
    """The rules of the domain's profile, all that it includes in one text; compiled on the way."""
    name = "libvirt-" + re.search(r"<uuid>([^<]+)</uuid>", xml).group(1)
    helped = run("/usr/lib/libvirt/virt-aa-helper", "-d", "-c", "-u", name, text=xml)
    rules = [line for line in helped.split("\n") if re.match(r'  (deny )?"/', line)]
    assert rules, helped
    with open(os.path.join(base, "libvirt/TEMPLATE.qemu"), encoding="utf-8") as file:
        text = file.read().replace("LIBVIRT_TEMPLATE", name)
    end = text.rindex("}")
    path = os.path.join(base, "libvirt", name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text[:end] + "\n".join(rules) + "\n" + text[end:])
    run("apparmor_parser", "--skip-kernel-load", "--skip-cache", "--base", base, path)
    return run("apparmor_parser", "--preprocess", "--skip-kernel-load", "--base", base, path)


def as_regex(pattern):
    parts = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    depth = 0
    out = ""
    for token in re.findall(r"\*\*|.", pattern):
        depth += (token == "{") - (token == "}")
        out += parts[token] if token in parts and (token != "," or depth > 0) else re.escape(token)
    return out


def allowed(profile, path, owned=True):
    """The permissions that the file rules for @path give: what is denied is taken off."""
    given, taken = set(), set()
    for deny, owner, quoted, bare, modes in re.findall(
            r'^\s*(deny\s+)?(owner\s+)?(?:"([^"]+)"|(/\S*))\s+([a-zA-Z]+),', profile, re.M):
        if (not owner or owned) and re.fullmatch(as_regex(quoted or bare), path):
            (taken if deny else given).update(modes)
    return given - taken


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        xml = file.read()
    ram = re.search(r"mem-path=([^,']+)", xml).group(1)
    folder = os.path.dirname(ram)
    with tempfile.TemporaryDirectory() as temporary:
        base = os.path.join(temporary, "apparmor.d")
        shutil.copytree("/etc/apparmor.d", base, symlinks=True)
        profile = flat_profile(base, xml)
        # a clone: its memory, and the state by a descriptor that was opened for reading
        assert allowed(profile, ram) >= {"r"}, "no rule lets a clone have " + ram
        assert ("w" in allowed(profile, ram)) == (sys.argv[2] == "write"), allowed(profile, ram)
        assert allowed(profile, folder + "/state", owned=False) == {"r"}, allowed(profile, folder + "/state")
        # while it is recorded
        assert allowed(profile, folder + ".part/ram") >= {"r", "w"}
        assert "w" in allowed(profile, folder + ".part/state", owned=False)
        # and no more than that
        for other in (folder + "/manifest", folder, "/var/lib/berth/x", "/var/lib/berth/snapshots/a/b/ram",
                      "/etc/berth/berth.conf", "/run/berth/berthd.sock"):
            assert not allowed(profile, other) & set("rwaxmkl"), "%s: %s" % (other, allowed(profile, other))
        # what libvirt's helper knows by itself
        disk = re.search(r"<source file=['\"]([^'\"]+)", xml).group(1)
        assert "r" in allowed(profile, disk) and "w" not in allowed(profile, disk), allowed(profile, disk)
        with open(os.path.join(base, LOCAL), "w", encoding="utf-8"):
            pass
        assert not allowed(flat_profile(base, xml), ram), "the check does not see what is missing"
    print("allowed: %s of %s" % ("".join(sorted(allowed(profile, ram))), ram))


main()

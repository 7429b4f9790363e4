#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What 'berth template history' tells of layers. Arguments: BERTH-BUILD TEMPLATES."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

BUILD, TEMPLATES = (os.path.abspath(path) for path in sys.argv[1:3])
LAYER = "built-0123456789abcdef"


def history(folder, *arguments):
    return subprocess.run([BUILD, "history", *arguments, "--config", "/dev/null", "--dir", folder, "--templates",
                           os.path.join(folder, "templates")], capture_output=True, text=True, timeout=60, check=False)


def check(folder):
    shutil.copytree(TEMPLATES, os.path.join(folder, "templates"))
    with open(os.path.join(folder, "templates", "shell.xml"), encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(folder, "templates", "shell.xml"), "w", encoding="utf-8") as file:
        file.write(text.replace("<berth:layer name='base'/>", f"<berth:layer name='base'/><berth:layer name='{LAYER}'/>"))
    os.mkdir(os.path.join(folder, "built"))
    with open(os.path.join(folder, "built", LAYER + ".erofs"), "wb"):
        pass
    with open(os.path.join(folder, "built", LAYER + ".json"), "w", encoding="utf-8") as file:
        json.dump({"created": 1735689600, "size": 3 << 20, "steps": [{"kind": "pip", "values": ["numpy", "x\u001b[1m"]},
                                                                     {"kind": "run", "values": []}]}, file)
    done = history(folder, "shell")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0 and lines[1][:2] == ["base", "-"], done
    assert lines[2][:4] == [LAYER, "2025-01-01", "00:00", "3.0"] and "pip numpy x" in done.stdout, done
    assert "\u001b" not in done.stdout and done.stdout.rstrip().endswith("; run"), done
    told = json.loads(history(folder, "shell", "--json").stdout)
    assert [one["layer"] for one in told] == ["base", LAYER] and told[1]["size"] == 3 << 20, told
    done = history(folder, "none")
    assert done.returncode == 2 and "there is no template none" in done.stderr, done


print("1..1")
with tempfile.TemporaryDirectory() as place:
    check(place)
print("ok 1 history")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table in plugin/README.md says of each room what lint.py lets it include, and names all rooms."""
import importlib.util
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def load_rooms():
    spec = importlib.util.spec_from_file_location("lint", os.path.join(HERE, "lint.py"))
    lint = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lint)
    return lint.ROOMS


def short(path):
    return "agent" if path.startswith("agent/") else path.removeprefix("plugin/").rstrip("/")


def main():
    enforced = {short(room): {short(path) for path in below} - {short(room)}
                for room, (below, _) in load_rooms().items() if re.fullmatch(r"plugin/\w+/", room)}
    with open(os.path.join(HERE, "..", "..", "plugin", "README.md"), encoding="utf-8") as text:
        rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \| [^|]+ \|$", text.read(), re.M)
    told = {room: set(below.split(", ")) for room, below in rows if room != "room"}
    for room in sorted(enforced.keys() | told.keys()):
        if enforced.get(room) != told.get(room):
            print("%s: lint.py lets it include %s, plugin/README.md says %s"
                  % (room, enforced.get(room), told.get(room)))
    return enforced != told


if __name__ == "__main__":
    sys.exit(main())

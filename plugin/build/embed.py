#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a text as a C string: embed.py FILE OUT."""
import json
import sys

with open(sys.argv[1], encoding="ascii") as source:
    lines = source.read().splitlines(keepends=True)
with open(sys.argv[2], "w", encoding="ascii") as out:
    out.write("#pragma once\n\nstatic const char berth_build_guest_script[] =\n")
    out.writelines("  %s\n" % json.dumps(line) for line in lines)
    out.write("  ;\n")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a text as a C string: embed.py FILE OUT; OUT is build-X-Y.h, and the string berth_build_X_Y."""
import json
import os
import sys

with open(sys.argv[1], encoding="ascii") as source:
    lines = source.read().splitlines(keepends=True)
with open(sys.argv[2], "w", encoding="ascii") as out:
    name = "berth_" + os.path.basename(sys.argv[2]).removesuffix(".h").replace("-", "_")
    out.write(f"#pragma once\n\nstatic const char {name}[] =\n")
    out.writelines("  %s\n" % json.dumps(line) for line in lines)
    out.write("  ;\n")

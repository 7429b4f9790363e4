#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a file's bytes as a C array: embed.py FILE NAME OUT."""
import sys

with open(sys.argv[1], "rb") as source:
    content = source.read()
with open(sys.argv[3], "w", encoding="ascii") as out:
    out.write('#include "agent-shell.h"\n\nconst unsigned char %s[] = {\n' % sys.argv[2])
    for at in range(0, len(content), 16):
        out.write("  %s,\n" % ", ".join("0x%02x" % byte for byte in content[at:at + 16]))
    out.write("};\nconst size_t %s_size = sizeof %s;\n" % (sys.argv[2], sys.argv[2]))

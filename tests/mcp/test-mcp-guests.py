#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""npm's client of the Model Context Protocol with 'berth mcp' on real guests. See
tests/guests/guestlib.py and test-mcp-sdk.py."""

import importlib.util
import os
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../guests"))
from guestlib import BERTH, LIMIT_S, Daemon, Skip, domains, main, until  # noqa: E402  pylint: disable=C0413

_spec = importlib.util.spec_from_file_location("test_mcp_sdk", os.path.join(HERE, "test-mcp-sdk.py"))
_sdk = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_sdk)

# a picture of two by two points, as a program draws it without a library
PLOT = """
import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
with open("plot.png", "wb") as file:
    file.write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
               + chunk(b"IDAT", zlib.compress(b"\\0\\0\\xff\\0\\xff\\0")) + chunk(b"IEND", b""))
"""


def picture():
    def chunk(kind, data):
        return (len(data).to_bytes(4, "big") + kind + data
                + zlib.crc32(kind + data).to_bytes(4, "big"))
    head = (2).to_bytes(4, "big") * 2 + bytes((8, 0, 0, 0, 0))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress(b"\0\0\xff\0\xff\0")) + chunk(b"IEND", b""))


def test_the_client_of_npm():
    try:
        _sdk.fetch()
    except _sdk.Skipped as reason:
        raise Skip(str(reason)) from reason
    with Daemon() as d:
        told = _sdk.drive({**os.environ, "BERTH_SOCKET": d.socket}, "2025-11-25", BERTH, "python", "print(6*7)", PLOT,
                          "import time; print('begun', flush=True); time.sleep(60)", LIMIT_S)
        _sdk.check(told, "42\n", picture())
        until(lambda: d.json("status")["slots"]["claimed"] == 0, "the client's sandboxes to end")
        until(lambda: len(domains()) == 0 or d.json("status")["slots"]["warm"] == len(domains()),
              "their domains to go")


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sandboxes without a daemon, with asyncio: embed.py socket=/tmp/mine/berth.sock max_vms=2"""

import asyncio
import sys

import gi
gi.require_version("Berth", "1.0")
gi.require_version("BerthServer", "1.0")
from gi.repository import Berth, BerthServer, GLib

from berth_asyncio import call


async def run(client):
    program = Berth.Program.new("echo six times seven; exit 42")
    result = await call(client, "run", Berth.Spec.new("shell"), program)
    print("output", result.get_stdout().strip())
    print("exit status", result.get_exit_code())


async def main():
    server = BerthServer.Server.new(sys.argv[1:])
    await call(server, "start")
    print("serving")
    try:
        await run(server.get_client())
    finally:
        await call(server, "stop")
    print("stopped")


try:
    asyncio.run(main())
except GLib.Error as error:
    sys.exit(f"{Berth.error_get_code(error)}: {error.message}")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A session in a sandbox, with asyncio: create, exec with live output, destroy."""

import asyncio
import sys

import gi
gi.require_version("Berth", "1.0")
from gi.repository import Berth, GLib

from berth_asyncio import call

CODE = "for i in 1 2 3; do echo step $i; sleep 0.1; done; exit $STATUS"


async def show(stream):
    while data := (await call(stream, "read_bytes", 65536, GLib.PRIORITY_DEFAULT)).get_data():
        print(data.decode(errors="replace"), end="", flush=True)


async def work(client, sandbox):
    program = Berth.Program(code=GLib.Bytes.new(CODE.encode()), timeout_ms=60_000,
                            environment=["STATUS=3"])
    output = program.open_stdout()
    result, _ = await asyncio.gather(call(client, "exec", sandbox, program), show(output))
    print("exit status", result.get_exit_code())
    # FILES: put, get and ls of a sandbox come here
    result = await call(client, "exec", sandbox, Berth.Program.new("echo captured"))
    print("output", result.get_stdout().strip())


async def main():
    client = Berth.Client.new(None)
    sandbox = await call(client, "create", Berth.Spec(template="shell", tenant="example"))
    print("created")
    try:
        await work(client, sandbox)
    finally:
        await call(client, "destroy", sandbox)
    print("destroyed")


try:
    asyncio.run(main())
except GLib.Error as error:
    again = "; try again later" if Berth.error_is_retryable(error) else ""
    sys.exit(f"{Berth.error_get_code(error)}: {error.message}{again}")

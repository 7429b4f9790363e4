#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The streams of execs that run: written to and closed by another process of their owner, read slowly,
and a terminal's. With arguments SANDBOX EXEC it is that other process."""

import asyncio
import sys

import gi
gi.require_version("Berth", "1.0")
from gi.repository import Berth, GLib

from berth_asyncio import call


async def read_until(stream, end):
    text = b""
    while not text.endswith(end):
        more = (await call(stream, "read_bytes", 4096, GLib.PRIORITY_DEFAULT)).get_data()
        assert more, text
        text += more
    return text.decode()


async def start(client, sandbox, script, **properties):
    program = Berth.Program.new_for_command(["sh", "-c", script])
    program.set_timeout_ms(200_000)
    if "terminal" in properties:
        program.set_terminal(*properties["terminal"])
    return await call(client, "start", sandbox, program, Berth.StartFlags.KEEP_STDIN)


def attach(client, sandbox, exec_, terminal=None):
    """(the call, what is written for it, what it writes)"""
    attachment = Berth.Attachment.new(exec_)
    if terminal:
        attachment.set_terminal(*terminal)
    stdin, stdout = attachment.open_stdin(), attachment.open_stdout()
    return attachment, asyncio.create_task(call(client, "attach_streams", sandbox, attachment)), stdin, stdout


async def other(client, sandbox, exec_):
    _, attached, stdin, stdout = attach(client, sandbox, int(exec_))
    await call(stdin, "write_all", b"two\n", GLib.PRIORITY_DEFAULT)
    await call(stdin, "close", GLib.PRIORITY_DEFAULT)
    text = await read_until(stdout, b"end\n")
    _, end, _ = await attached
    print(text.splitlines()[-2:], end.get_exit_code())


async def two_writers(client, sandbox):
    exec_ = await start(client, sandbox, "while read x; do echo got $x; done; echo end; exit 3")
    _, attached, stdin, stdout = attach(client, sandbox, exec_)
    await call(stdin, "write_all", b"one\n", GLib.PRIORITY_DEFAULT)
    print((await read_until(stdout, b"\n")).strip())
    attached.cancel()  # it leaves what the program reads to the next one
    await asyncio.gather(attached, return_exceptions=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, sandbox, str(exec_), stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    print("other process", out.decode().strip())


async def slow_reader(client, sandbox):
    """It slows its own exec, and no other one."""
    code = Berth.Program.new("while :; do echo line; done")
    code.set_timeout_ms(200_000)
    unread = code.open_stdout()
    running = asyncio.create_task(call(client, "exec", sandbox, code))
    print((await read_until(unread, b"\n")).split()[0])  # and nothing more
    beside = Berth.Program.new_for_command(["seq", "50000"])
    out = (await call(client, "exec", sandbox, beside)).get_stdout()
    print("beside", out.split()[-1], running.done())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def terminal(client, sandbox):
    script = "trap 'stty size' WINCH; stty size; while :; do read x && exit 5; done"
    exec_ = await start(client, sandbox, script, terminal=(30, 100))
    attachment, attached, stdin, stdout = attach(client, sandbox, exec_, (30, 100))
    print("terminal", (await read_until(stdout, b"\n")).strip())
    attachment.set_terminal(25, 90)
    print("resized", (await read_until(stdout, b"25 90\r\n")).split()[-2:])
    await call(stdin, "write_all", b"x\r", GLib.PRIORITY_DEFAULT)
    _, end, _ = await attached
    print("its end", end.get_exit_code())


async def main():
    client = Berth.Client.new(None)
    if len(sys.argv) > 1:
        await other(client, *sys.argv[1:])
        return
    sandbox = await call(client, "create", Berth.Spec(template="shell"))
    await two_writers(client, sandbox)
    await slow_reader(client, sandbox)
    await terminal(client, sandbox)
    await call(client, "destroy", sandbox)


asyncio.run(main())

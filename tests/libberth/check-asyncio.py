#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What README.md's asyncio wrapper promises: many calls at once, time limits, cancelling, errors.
Run by test-examples.py against a berthd with two places."""

import asyncio
import os
import tempfile

import gi
gi.require_version("Berth", "1.0")
from gi.repository import Berth, Gio, GLib

from berth_asyncio import call


async def time_limit(client):
    try:
        async with asyncio.timeout(0.3):
            await call(client, "run", None, Berth.Program.new("sleep 60"))
    except TimeoutError:
        print("time limit")


async def many_at_once(client):
    programs = [Berth.Program.new(f"echo {number}") for number in range(30)]
    results = await asyncio.gather(*(call(client, "run", None, one) for one in programs))
    assert [result.get_stdout() for result in results] == [f"{n}\n" for n in range(30)]
    print("many at once")


async def cancelled_wait(client):
    sandboxes = [await call(client, "create", None) for _ in range(2)]
    waiting = asyncio.create_task(call(client, "create", None))
    while not (await call(client, "status")).unpack()["waiters"]:
        await asyncio.sleep(0.01)
    waiting.cancel()
    try:
        await waiting
    except asyncio.CancelledError:
        print("cancelled")
    for sandbox in sandboxes:
        await call(client, "destroy", sandbox)
    assert (await call(client, "status")).unpack()["slots"]["claimed"] == 0
    return sandboxes[0]


async def before_it_runs(client):
    """Heard on the main loop's thread, while this one awaits"""
    spec, heard = Berth.Spec(template="slow"), []
    spec.connect("progress", lambda _, *told: heard.append(told))
    log = spec.open_boot_log()
    _, text = await asyncio.gather(call(client, "run", spec, Berth.Program.new("true")),
                                   call(log, "read_bytes", 64, GLib.PRIORITY_DEFAULT))
    print("progress", *heard[0], text.get_data().decode().strip())


async def streams(client):
    sandbox = await call(client, "create", None)
    with tempfile.TemporaryDirectory() as folder:
        path = Gio.File.new_for_path(folder + "/f")
        path.replace_contents(b"streamed", None, False, Gio.FileCreateFlags.NONE, None)
        await call(client, "put_stream", sandbox, "f", path.read(None), 6, 0)
        output = path.replace(None, False, Gio.FileCreateFlags.NONE, None)
        await call(client, "get_stream", sandbox, "f", output, 0)
        output.close(None)
        print(path.load_contents(None).contents.decode())
    await call(client, "destroy", sandbox)


async def background(client):
    """Begun, read, written to, ended and found again, and paused between"""
    sandbox = await call(client, "create", None)
    code = "read line; echo got $line; exec sleep 60"
    exec_ = await call(client, "start", sandbox, Berth.Program.new_for_command(["sh", "-c", code]),
                       Berth.StartFlags.KEEP_STDIN)
    attachment = Berth.Attachment.new(exec_)
    stdin, stdout = attachment.open_stdin(), attachment.open_stdout()
    attached = asyncio.create_task(call(client, "attach_streams", sandbox, attachment))
    stdin.write_all(b"word\n", None)
    read = (await asyncio.to_thread(stdout.read_bytes, 64, None)).get_data()
    await call(client, "pause", sandbox)
    await call(client, "resume", sandbox)
    states = [entry["state"] for entry in (await call(client, "list_execs", sandbox)).unpack()]
    await call(client, "signal_exec", sandbox, exec_, 9)
    end = await call(client, "wait_exec", sandbox, exec_)
    _, same_end, lost = await attached
    print("background", read.decode().strip(), *states, end.get_exit_code(),
          same_end.get_exit_code(), lost)
    await call(client, "destroy", sandbox)


async def count_warm(client):
    return (await call(client, "status")).unpack()["templates"]["python"]["warm"]


async def steer(client):
    admin = Berth.Admin.new(client)
    await call(admin, "set_warm", "python", 1, 2)
    await call(admin, "act", Berth.AdminAction.FILL, None)
    assert "python" in [one.get("name") for one in (await call(admin, "list_templates")).unpack()]
    while await count_warm(client) != 1:
        await asyncio.sleep(0.01)
    print("warm 1")


async def errors(client, gone):
    try:
        await call(client, "exec", gone, Berth.Program.new("true"))
    except GLib.Error as error:
        assert error.matches(Berth.error_quark(), Berth.Error.GONE), error
        assert Berth.error_get_advice(error) == Berth.Advice.CREATE
        assert not Berth.error_is_retryable(error)
        print(Berth.error_get_code(error))


async def main():
    # debug complains of futures that nobody looked at; a busy machine is none of its business
    asyncio.get_running_loop().slow_callback_duration = 60
    client = Berth.Client.new(None)
    await time_limit(client)
    await many_at_once(client)
    await errors(client, await cancelled_wait(client))
    await before_it_runs(client)
    await streams(client)
    await background(client)
    await steer(client)
    # a call that waits, while another thread runs the main loop
    print(client.run(None, Berth.Program.new("echo waited"), None).get_stdout().strip())


asyncio.run(main(), debug=True)

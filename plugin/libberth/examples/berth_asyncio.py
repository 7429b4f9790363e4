# SPDX-License-Identifier: LGPL-2.1-or-later
import asyncio
import threading
from gi.repository import Gio, GLib

threading.Thread(target=GLib.MainLoop().run, daemon=True).start()

async def call(source, verb, *arguments):
    loop, cancellable = asyncio.get_running_loop(), Gio.Cancellable()
    future = loop.create_future()
    def done(_, result):
        try:
            answer, value = future.set_result, getattr(source, verb + "_finish")(result)
        except GLib.Error as error:
            answer, value = future.set_exception, error
        loop.call_soon_threadsafe(answer, value)
    getattr(source, verb + "_async")(*arguments, cancellable, done)
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError:
        cancellable.cancel()
        await asyncio.wait([future])  # until berth has ended what was asked
        future.exception()
        raise
    return future.result()

#!/usr/bin/env -S gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// A session in a sandbox, with promises: create, exec with live output, destroy.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';
import Berth from 'gi://Berth?version=1.0';

const CODE = 'for i in 1 2 3; do echo step $i; sleep 0.1; done; exit $STATUS';

for (const verb of ['create', 'exec', 'destroy'])
    Gio._promisify(Berth.Client.prototype, `${verb}_async`, `${verb}_finish`);
Gio._promisify(Gio.DataInputStream.prototype, 'read_line_async', 'read_line_finish_utf8');

async function printLines(stream) {
    const lines = Gio.DataInputStream.new(stream);

    for (;;) {
        const [line] = await lines.read_line_async(GLib.PRIORITY_DEFAULT, null);
        if (line === null)
            return;
        print(line);
    }
}

async function work(client, sandbox) {
    const program = Berth.Program.new(CODE);
    program.set_timeout_ms(60000);
    program.set_environment(['STATUS=3']);
    const output = program.open_stdout();

    const [result] = await Promise.all(
        [client.exec_async(sandbox, program, null), printLines(output)]);
    print(`exit status ${result.get_exit_code()}`);
    // FILES: put, get and ls of a sandbox come here
    const second = await client.exec_async(sandbox, Berth.Program.new('echo captured'), null);
    print(`output ${second.get_stdout().trim()}`);
}

async function main() {
    const client = Berth.Client.new(null);
    const spec = new Berth.Spec({template: 'shell', tenant: 'example'});
    const sandbox = await client.create_async(spec, null);
    print('created');
    try {
        await work(client, sandbox);
    } finally {
        await client.destroy_async(sandbox, null);
    }
    print('destroyed');
}

try {
    await main();
} catch (error) {
    printerr(`${Berth.error_get_code(error)}: ${error.message}`);
    System.exit(1);
}

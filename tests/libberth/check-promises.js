#!/usr/bin/env -S gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// What JavaScript can do with the library beyond the example's session: progress, a boot's console,
// streams, the pool. Run by test-examples.py against a berthd with two places.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Berth from 'gi://Berth?version=1.0';

for (const verb of ['create', 'run', 'put_stream', 'get_stream', 'destroy', 'status',
    'start', 'list_execs', 'attach_streams', 'signal_exec', 'wait_exec', 'pause', 'resume'])
    Gio._promisify(Berth.Client.prototype, `${verb}_async`, `${verb}_finish`);
for (const verb of ['act', 'set_warm', 'list_templates'])
    Gio._promisify(Berth.Admin.prototype, `${verb}_async`, `${verb}_finish`);
Gio._promisify(Gio.InputStream.prototype, 'read_bytes_async', 'read_bytes_finish');

const text = bytes => new TextDecoder().decode(bytes.toArray());
const client = Berth.Client.new(null);

const spec = new Berth.Spec({template: 'slow'});
const log = spec.open_boot_log();
const heard = [];
spec.connect('progress', (_, ...told) => heard.push(told.join(' ')));
const [result, console] = await Promise.all([
    client.run_async(spec, Berth.Program.new('echo ran'), null),
    log.read_bytes_async(64, GLib.PRIORITY_DEFAULT, null)]);
print(`progress ${heard[0]}`);
print(`boot ${text(console).trim()}`);
print(result.get_stdout().trim());

const sandbox = await client.create_async(null, null);
const input = Gio.MemoryInputStream.new_from_bytes(new TextEncoder().encode('streamed'));
const output = Gio.MemoryOutputStream.new_resizable();
await client.put_stream_async(sandbox, 'f', input, 6, 0, null);
await client.get_stream_async(sandbox, 'f', output, 0, null);
output.close(null);
print(`file ${text(output.steal_as_bytes())}`);

const sleeper = Berth.Program.new_for_command(['sh', '-c', 'read x; echo $x; exec sleep 60']);
const exec = await client.start_async(sandbox, sleeper, Berth.StartFlags.KEEP_STDIN, null);
const attachment = Berth.Attachment.new(exec);
const stdin = attachment.open_stdin();
const stdout = attachment.open_stdout();
const attached = client.attach_streams_async(sandbox, attachment, null);
stdin.write_all(new TextEncoder().encode('word\n'), null);
const word = text(await stdout.read_bytes_async(64, GLib.PRIORITY_DEFAULT, null)).trim();
await client.pause_async(sandbox, null);
await client.resume_async(sandbox, null);
const states = (await client.list_execs_async(sandbox, null)).recursiveUnpack().map(e => e.state);
await client.signal_exec_async(sandbox, exec, 9, null);
print(`attached ${word}`);
print(`background ${states} ${(await client.wait_exec_async(sandbox, exec, null)).get_exit_code()}`);
await attached;
await client.destroy_async(sandbox, null);

const admin = Berth.Admin.new(client);
const waitForWarm = async number => {
    while ((await client.status_async(null)).recursiveUnpack().templates.python.warm !== number)
        ;
    return number;
};
await admin.set_warm_async('python', 1, 2, null);
print(`warm ${await waitForWarm(1)}`);
await admin.act_async(Berth.AdminAction.DRAIN, null, null);
print(`drained ${await waitForWarm(0)}`);

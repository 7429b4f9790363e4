// SPDX-License-Identifier: LGPL-2.1-or-later
// npm's own client, unchanged, drives a 'berth mcp' and tells as JSON what came of it; it checks each
// result against its tool's outputSchema itself. drive.mjs SDK-FOLDER REVISION BERTH LANGUAGE CODE PLOT-CODE
// SLOW-CODE. Revisions that shake hands are the old client's, others the new one's.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [sdk, revision, berth, language, code, plot, slow] = process.argv.slice(2);
const is_modern = revision >= '2026-07-28';
const resolve = createRequire(pathToFileURL(sdk + '/')).resolve;
const load = (path) => import(pathToFileURL(resolve('@modelcontextprotocol/' + path)));
const { Client } = await load(is_modern ? 'client' : 'sdk/client/index.js');
const { StdioClientTransport } = await load(is_modern ? 'client/stdio' : 'sdk/client/stdio.js');

const client = new Client({ name: 'berth-test', version: '1' },
  is_modern ? { versionNegotiation: { mode: { pin: revision } } } : {});
const transport = new StdioClientTransport({ command: berth, args: ['mcp'], env: process.env });
const problems = [];
client.onerror = (error) => problems.push(String(error));
await client.connect(transport);

const told = { server: client.getServerVersion(), capabilities: client.getServerCapabilities() };
told.tools = (await client.listTools()).tools.map((tool) => tool.name);
const call = (name, args, options) =>
  client.callTool({ name, arguments: args }, ...(is_modern ? [] : [undefined]), options);
if (!is_modern)
  await client.ping();
told.run = await call('run_code', { language, code });
told.plot = await call('run_code', {
  language, code: plot, uploads: [{ path: 'in.txt', text: 'given' }], downloads: ['plot.png'],
});
told.created = await call('create_sandbox', { language });
const sandbox_id = told.created.structuredContent.sandbox_id;
told.put = await call('put_file', { sandbox_id, path: 'in.txt', text: 'given' });
told.exec = await call('exec_code', { sandbox_id, code });
told.got = await call('get_file', { sandbox_id, path: 'in.txt' });
told.started = await call('start_exec',
  { sandbox_id, command: ['sh', '-c', 'echo begun; exec sleep 60'] });
const exec = told.started.structuredContent.exec;
const log = () => call('exec_log', { sandbox_id, exec });
while (!(await log()).structuredContent.stdout.includes('begun'));
told.execs = await call('list_execs', { sandbox_id });
told.killed = await call('kill_exec', { sandbox_id, exec });
told.log = await call('exec_log', { sandbox_id, exec, wait: true });
told.files = await call('list_files', { sandbox_id });
told.status = await call('status', {});

const abort = new AbortController();
told.progress = [];
const watched = (progress) => {
  told.progress.push(progress.message);
  if (progress.message.includes('begun'))
    abort.abort();
};
told.aborted = await call('exec_code', { sandbox_id, code: slow },
  { signal: abort.signal, onprogress: watched }).then(() => 'no', (error) => String(error));
told.after = await call('exec_code', { sandbox_id, code });
told.ended = await call('end_sandbox', { sandbox_id });
told.gone = await call('exec_code', { sandbox_id, code });
told.wrong = await call('run_code', { language, code, timeout: 0 });
told.unknown = await call('nope', {}).then(() => 'no', (error) => error.code);
told.left = (await call('create_sandbox', { language })).structuredContent.sandbox_id;
await client.close();
told.problems = problems;
console.log(JSON.stringify(told));

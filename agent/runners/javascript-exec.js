// SPDX-License-Identifier: LGPL-2.1-or-later
// How the agent tells what to run, and is told of it; agent/agent-runner-session.c is the other end.
'use strict';

const { openSync, closeSync, writeSync, constants: { O_RDONLY, O_WRONLY } } = require('fs');
// what the user's code may change later
const { Buffer } = globalThis;

const CONTROL = 3;
const NOBODY = ['/dev/null', '/dev/null', '/dev/null'];

// The token, the paths of the streams and of the script, the exec's own environment, the code.
function read(message) {
  const fields = [];
  let at = 4;
  while (fields.length < 4) {
    const end = message.indexOf(0, at);
    fields.push(message.toString('utf8', at, end));
    at = end + 1;
  }
  const size = message.readUInt32LE(at);
  const env = message.toString('utf8', at + 4, at + 4 + size).split('\0').slice(0, -1)
    .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]);
  return { token: Buffer.from(message.subarray(0, 4)), paths: fields.slice(0, 3), path: fields[3],
    env, code: message.toString('utf8', at + 4 + size) };
}

// 'o': the streams are open, 'd': the exec is done.
function tell(kind, token, status) {
  const report = Buffer.alloc(6);
  report[0] = kind.charCodeAt(0);
  token.copy(report, 1);
  report[5] = status;
  writeSync(CONTROL, report);
}

function place(fd, path, flags) {
  const others = [];
  let got;
  try {
    closeSync(fd);
  } catch {
    // the user's code has closed it
  }
  // the lowest free number is given, and the user's code may have closed others, too
  while ((got = openSync(path, flags)) !== fd && others.length < 8)
    others.push(got);
  for (const other of others)
    closeSync(other);
}

// Where the streams are nobody's, by default.
function placeAll(paths = NOBODY) {
  place(0, paths[0], O_RDONLY);
  place(1, paths[1], O_WRONLY);
  place(2, paths[2], O_WRONLY);
}

module.exports = { CONTROL, placeAll, read, tell };
//# sourceURL=node:internal/exec

// SPDX-License-Identifier: LGPL-2.1-or-later
// How the agent tells what to run, and is told of it; agent/agent-runner-session.c is the other end.
'use strict';

const { openSync, closeSync, writeSync, constants: { O_RDONLY, O_WRONLY } } = require('fs');
const { Reflect: { apply }, Uint8Array } = globalThis;
const { utf8Slice } = world.Buffer.prototype;
const chdir = apply(world.Function.prototype.bind, world.process.chdir, [world.process]);

const CONTROL = 3;
const NOBODY = ['/dev/null', '/dev/null', '/dev/null'];

function readNumber(bytes, at) {
  return bytes[at] + bytes[at + 1] * 0x100 + bytes[at + 2] * 0x10000 + bytes[at + 3] * 0x1000000;
}

// The token, the paths of the streams and of the script, the folder to start in (none: where we are),
// a name that is not needed here, the exec's own environment, the code.
function read(message) {
  const fields = [];
  const text = (from, to) => apply(utf8Slice, message, [from, to]);
  let at = 4;
  while (fields.length < 6) {
    let end = at;
    while (message[end] !== 0)
      end++;
    fields.push(text(at, end));
    at = end + 1;
  }
  const size = readNumber(message, at);
  const env = text(at + 4, at + 4 + size).split('\0').slice(0, -1)
    .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]);
  return { token: [message[0], message[1], message[2], message[3]], paths: fields.slice(0, 3),
    path: fields[3], folder: fields[4], env,
    code: text(at + 4 + size) };
}

// 'o': the streams are open, 'd': the exec is done, 'h': the clock is to be hidden (1) or shown (0).
function tell(kind, token, status) {
  writeSync(CONTROL, new Uint8Array([kind.charCodeAt(0), ...token, status]));
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

// The agent has looked whether it is there.
function enter(folder) {
  try {
    if (folder !== '')
      chdir(folder);
  } catch {
    // it has gone since
  }
}

module.exports = { CONTROL, enter, placeAll, read, readNumber, tell };
//# sourceURL=node:internal/exec

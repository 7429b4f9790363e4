// SPDX-License-Identifier: LGPL-2.1-or-later
// Holds Node.js back while it starts, until the agent says that the script is there. Node.js runs a
// preloaded module before it looks at the script it was told to run, so what follows is Node.js
// running a script as it always does: no frame, name or module of ours is left.
'use strict';

const Module = require('module');
const v8 = require('v8');
const vm = require('vm');

const PARTS = ['./javascript-exec.js', './javascript-import.js', './javascript-session.js'];
const CONTROL = 3;
const SEED_SIZE = 32;
const PRELOAD = ['assert', 'buffer', 'child_process', 'crypto', 'events', 'fs', 'fs/promises', 'http',
  'https', 'net', 'os', 'path', 'perf_hooks', 'querystring', 'readline', 'stream', 'string_decoder',
  'timers/promises', 'url', 'util', 'v8', 'vm', 'worker_threads', 'zlib'];
const WRAPPER = ['exports', 'require', 'module', '__filename', '__dirname']; // a script's own names
const MODULE_SYNTAX = /^(Cannot use import statement outside a module|Unexpected token 'export'|Cannot use 'import\.meta' outside a module)/;
const NAMES_MAX = 64; // of a script that may be names: each costs a look at all of it

function receive(fs) {
  let message = Buffer.alloc(0);
  const piece = Buffer.alloc(65536);
  while (message.length < 4 || message.length < 4 + message.readUInt32LE(0)) {
    const count = fs.readSync(CONTROL, piece);
    if (count === 0)
      process.reallyExit(0);
    message = Buffer.concat([message, piece.subarray(0, count)]);
  }
  return { kind: String.fromCharCode(message[4]).toLowerCase(), seed: message.subarray(5),
    body: message.subarray(5 + SEED_SIZE) };
}

function setEnvironment(block) {
  for (const name of Object.keys(process.env))
    delete process.env[name];
  for (const entry of block.toString('utf8').split('\0').slice(0, -1)) {
    const equals = entry.indexOf('=');
    process.env[entry.slice(0, equals)] = entry.slice(equals + 1);
  }
}

// Math.random is V8's own and draws its seed at the first call, which is here: from 31 fresh bits,
// then as many numbers are skipped as 10 more say: two of 10,000 clones share their numbers once in
// 40,000 times. (More would be compiled on the way, which takes an emulated CPU a second. OpenSSL's
// generator reseeds by itself, for the agent lets the clock jump over the hour that it keeps a seed;
// see agent-identity.c.)
function reseed(seed) {
  v8.setFlagsFromString(`--random-seed=${(seed.readUInt32LE(0) >>> 1) || 1}`);
  for (let left = seed.readUInt16LE(4) & 0x3ff; left >= 0; left--)
    Math.random();
  v8.setFlagsFromString('--random-seed=0');
}

// What keeps it from being a script; empty: nothing.
function findProblem(code) {
  try {
    vm.compileFunction(code, WRAPPER);
    return '';
  } catch ({ message }) {
    return message;
  }
}

function isAsyncBody(code) {
  try {
    vm.compileFunction(`return async () => {'use strict';${code}\n}`);
    return true;
  } catch {
    return false;
  }
}

// In a script, await ( ) is a call of what nobody has named so: it can only fail.
function usesAwait(code, nameAwaits) {
  let left = NAMES_MAX;
  for (const named of nameAwaits(code)) {
    if (!findProblem(named))
      return true;
    if (--left === 0)
      break;
  }
  return false;
}

// What can be parsed as a script is one; else, what can be parsed as a module: it has await outside of
// functions, or import and export, too. What is neither is left to Node.js, which says why, of a
// module if it has what only modules have.
function findKind(code, { nameAwaits, rewrite }) {
  if (!/\b(import|export|await)\b/.test(code))
    return 'script';
  code = code.replace(/^#!.*/, '');
  const problem = findProblem(code);
  if (isAsyncBody(code))
    return problem || usesAwait(code, nameAwaits) ? 'await' : 'script';
  return problem && (MODULE_SYNTAX.test(problem) || isAsyncBody(rewrite(code))) ? 'module' : 'script';
}

function offerRequire(script) {
  const offers = { require: Module.createRequire(script), __filename: script,
    __dirname: require('path').dirname(script) };
  for (const name of Object.keys(offers))
    Object.defineProperty(globalThis, name,
      { value: offers[name], configurable: true, writable: true, enumerable: false });
}

// Where it is told what the program is, its file has that suffix instead, and Node.js sees it.
function findTold(fs, script) {
  const told = ['m', 'c'].map((letter) => script.replace(/(?=[jt]s$)/, letter));
  return fs.existsSync(script) ? undefined : told.find((name) => fs.existsSync(name));
}

// By a getter, which has returned when it is called: no frame of ours is in a traceback.
function runInstead(name) {
  const { value } = Object.getOwnPropertyDescriptor(Module, 'runMain');
  const whole = { value, configurable: true, enumerable: true, writable: true };
  process.argv[1] = name;
  Object.defineProperty(Module, 'runMain', { configurable: true, enumerable: true,
    get() {
      Object.defineProperty(Module, 'runMain', whole);
      return value.bind(Module, name);
    } });
}

function useModules(fs, syntax) {
  const script = process.argv[1];
  const told = findTold(fs, script);
  if (told) {
    runInstead(told);
    return;
  }
  if (script.endsWith('.ts')) // Node.js itself finds out what it is, and says what is wrong with it
    return;
  const kind = findKind(fs.readFileSync(script, 'utf8'), syntax);
  if (kind === 'script')
    return;
  const renamed = script.replace(/\.js$/, '.mjs');
  fs.renameSync(script, renamed);
  if (kind === 'await')
    offerRequire(renamed);
  runInstead(renamed);
}

function openStreams(exec, message) {
  const request = exec.read(message);
  exec.placeAll(request.paths);
  exec.tell('o', request.token, 0);
  return request;
}

// A script that prints, run as Node.js runs a script: what is loaded and compiled for the first one is
// the next one's. No random number is drawn, for a clone's are seeded once.
function rehearse(fs, exec, syntax, message) {
  const { token } = openStreams(exec, message);
  const path = require.resolve('./javascript-rehearsal.js');
  v8.setFlagsFromString('--random-seed=0');
  findKind(fs.readFileSync(path, 'utf8'), syntax);
  Module.runMain(path);
  forget(path);
  process.mainModule = undefined;
  exec.placeAll();
  exec.tell('d', token, 0);
}

// The streams and the environment of a run, in an interpreter that may have rehearsed.
function beginOnce(fs, exec, message) {
  const { env, folder } = openStreams(exec, message);
  fs.closeSync(CONTROL);
  exec.enter(folder);
  for (const [name, value] of env)
    process.env[name] = value;
}

// Instead of the script: what is run then comes over the control descriptor.
function startSession(begin) {
  const runMain = Module.runMain;
  Module.runMain = function () {
    Module.runMain = runMain;
    begin();
  };
}

function forget(name) {
  const path = require.resolve(name);
  for (const key of Object.keys(Module._pathCache))
    if (Module._pathCache[key] === path)
      delete Module._pathCache[key];
  module.children = module.children.filter((child) => child.filename !== path);
  delete require.cache[path];
}

// Ours, in a realm of its own, where no prototype is the user's. It is no module: what it requires
// of ours is in `parts`.
function load(fs, context, name, parts) {
  const path = require('path').join(__dirname, name); // Node.js remembers what it has resolved
  const part = { exports: {} };
  vm.compileFunction(fs.readFileSync(path, 'utf8'), ['require', 'module', 'world'],
    { filename: path, parsingContext: context })((what) => parts[what] ?? require(what), part, globalThis);
  parts[name] = part.exports;
}

// What makes blanks of types is loaded at its first use, which takes an emulated CPU a second; and says
// at that, where it is not Node.js that calls it, that it is new.
function loadTypes() {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    Module.stripTypeScriptTypes('let one: number = 1');
  } catch {
    // this Node.js has none, and says so of the script
  }
  process.emitWarning = emitWarning;
}

function wait() {
  const fs = require('fs');
  fs.writeSync(CONTROL, 'r');
  for (const name of PRELOAD)
    require(name);
  if (process.argv[1]?.endsWith('.ts'))
    loadTypes();
  const parts = { __proto__: null };
  const context = vm.createContext({ __proto__: null });
  for (const name of PARTS)
    load(fs, context, name, parts);
  const exec = parts['./javascript-exec.js'], syntax = parts['./javascript-import.js'];
  const beginSession = parts['./javascript-session.js'];
  try {
    fs.writeSync(CONTROL, 'R');
  } catch {
    // the message is there already, and the agent's end is closed behind it
  }
  let message = receive(fs);
  // or what rehearsals make hot is optimized just when the program begins: a second of an emulated CPU
  if (message.kind === 'p')
    v8.setFlagsFromString('--no-opt');
  while (message.kind === 'p') {
    rehearse(fs, exec, syntax, message.body);
    message = receive(fs);
  }
  reseed(message.seed);
  process.execArgv = [];
  forget(__filename);
  if (message.kind === 's') {
    startSession(() => beginSession(message.body));
    v8.setFlagsFromString('--opt');
    return;
  }
  if (message.kind === 'o') {
    beginOnce(fs, exec, message.body);
  } else {
    fs.closeSync(CONTROL);
    setEnvironment(message.body);
  }
  try {
    useModules(fs, syntax);
  } catch {
    // Node.js itself says what is wrong with the script
  }
  v8.setFlagsFromString('--opt');
}

// the threads that a program starts preload this, too
if (require('worker_threads').isMainThread)
  wait();

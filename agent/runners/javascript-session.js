// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs a session's execs, one after the other, in the global scope of this Node.js. V8 itself knows
// how: as the consoles of browsers do, it lets a later script declare a const, let or class again,
// and await outside of functions. That mode is reached through the inspector's own binding, called
// by the event loop, so that the user's code has no frame of anyone's below it.
//
// An exec ends when the event loop has nothing more to do, as a script does, or with an error that
// nobody catches; both are events of process. They are heard where the object's own methods are
// looked up, so no listener of ours is seen or removed. What the user has unref'd goes on behind it.
//
// This runs in a realm of its own (javascript.js makes it): its arrays, objects and strings have
// prototypes that the user's code never meets. Of the user's realm, `world`, it takes what it needs
// before any of their code runs, and calls methods by apply().
'use strict';

const fs = require('fs');
const net = require('net');
const Module = require('module');
const { dirname } = require('path');
const { pathToFileURL } = require('url');
const { inspect } = require('util');
const { randomBytes, randomInt, randomUUID } = require('crypto');
const { setFlagsFromString } = require('v8');
const { AsyncResource, executionAsyncId } = require('async_hooks');
const { Script, createContext } = require('vm');
const { CONTROL, enter, placeAll, read, readNumber, tell: tellAgent } = require('./javascript-exec.js');
const { NAME, rewrite } = require('./javascript-import.js');

const HEAD_SIZE = 4 + 1 + 32, KIND_RESEED = 0x53, KIND_RESEED_HIDDEN = 0x48; // 'S', 'H'
const HIDDEN_UNTIL = 978307200000; // a clock before 2001 is hidden
const HIDE_TRIES = 100, HIDE_LOOKS = 100; // a look takes a millisecond
const SOURCES_MAX = 8 << 20; // characters of old execs' code that errors can still show
const LEFT_POLL_MS = 20;
const UNHEARD = 'kEnhanceStackBeforeInspector';
const ERROR_DEPTH = 5; // of what Node.js shows of an error that nobody catches
const SOURCE_URL = /(?:^|\n)\/\/[#@] sourceURL=([^\s'"]+)\s*$/; // a name that the code gives itself
// What Node.js draws ahead: UUIDs, and numbers of randomInt()
const UUIDS_AHEAD = 128, INTEGERS_AHEAD = 1024;
const { writeSync, readFileSync } = fs;
const { Atomics: { wait }, BigInt, Date: { now }, Int32Array, JSON: { parse, stringify }, Map, Number, Object,
  Reflect, SharedArrayBuffer, Uint8Array, WeakSet } = globalThis;
const { apply, ownKeys } = Reflect;
const { Error, Function: { prototype: { bind } }, SyntaxError, clearInterval, console, process,
  setImmediate, setInterval } = world;
const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, setPrototypeOf } = Object;
const { asyncId } = AsyncResource.prototype;
const { emit: emitOf, listenerCount } = getPrototypeOf(getPrototypeOf(process));
const { destroy, ref, unref } = net.Socket.prototype;
const { runInContext, runInThisContext } = Script.prototype;
const { stripTypeScriptTypes } = Module;
const reallyExit = apply(bind, process.reallyExit, [process]);
const activeResourcesInfo = apply(bind, process.getActiveResourcesInfo, [process]);
const activeHandles = apply(bind, process._getActiveHandles, [process]);
const descriptors = ['stdout', 'stderr'].map((name) => getOwnPropertyDescriptor(process, name));

const sources = new Map(); // path -> code, oldest first
const streams = [null, null, null];
const ended = new WeakSet();
let control, connection, dispatch, exec = null;
let firstId = 0; // of asynchronous resources of the exec; smaller ones are of earlier execs
let lastRequest = 0;
let drawNumber = world.Math.random; // of the realm whose generator is in use

// How much keeps the event loop alive; the standard streams are listed, but don't.
function countActive() {
  const names = activeResourcesInfo(), handles = activeHandles();
  let count = 0;
  for (let i = 0; i < names.length; i++)
    count += names[i] !== 'PipeWrap';
  for (let i = 0; i < handles.length; i++)
    count += handles[i] instanceof net.Socket && !streams.includes(handles[i]);
  return count;
}

// ---- streams ----

function silence(stream, fd) {
  const write = stream._write, writev = stream._writev, final = stream._final;
  const isLate = () => {
    const id = executionAsyncId();
    return id > 0 && id < firstId;
  };
  const hidden = { configurable: true, enumerable: false, writable: true };
  defineProperty(stream, '_write', { ...hidden, value(chunk, encoding, done) {
    return isLate() ? done() : apply(write, this, [chunk, encoding, done]);
  } });
  defineProperty(stream, '_writev', { ...hidden, value(chunks, done) {
    return isLate() ? done() : apply(writev, this, [chunks, done]);
  } });
  // the object itself forgets that it was ended, where it is Node.js's own
  defineProperty(stream, '_final', { ...hidden, value(done) {
    ended.add(stream);
    return apply(final, this, [done]);
  } });
  stream._handle?.setBlocking?.(true);
  streams[fd] = stream;
  return stream;
}

function makeOutput(fd) {
  const stream = new net.Socket({ fd, readable: false, writable: true });
  stream._type = 'pipe';
  stream.fd = fd;
  stream._isStdio = true;
  stream.destroySoon = stream.destroy;
  stream._destroy = function (error, done) { done(error); };
  stream._handle?.unref?.();
  return silence(stream, fd);
}

function makeInput() {
  const stream = new net.Socket({ fd: 0, readable: true, writable: false, manualStart: true });
  stream._type = 'pipe';
  stream.fd = 0;
  stream.on('pause', () => {
    if (stream._handle?.reading) {
      stream._handle.reading = false;
      stream._handle.readStop();
    }
  });
  return stream;
}

const getters = [() => (streams[0] ??= makeInput()), () => streams[1], () => streams[2]];

// Objects of the user's may be frozen: what can't be set back is theirs then, and is no error. So
// these properties are set once and not for each exec: frozen, they still give the present stream.
function placeStream(fd) {
  const name = ['stdin', 'stdout', 'stderr'][fd];
  if (getOwnPropertyDescriptor(process, name)?.get !== getters[fd])
    Reflect.defineProperty(process, name, { configurable: true, enumerable: true, get: getters[fd] });
}

// The same object again where it lives: a logger of an earlier exec has it.
function setOutput(fd) {
  let stream = streams[fd];
  if (!stream)
    stream = silence(apply(descriptors[fd - 1].get, process, []), fd);
  else if (ended.has(stream) || stream.destroyed || stream.errored)
    stream = makeOutput(fd);
  placeStream(fd);
  Reflect.deleteProperty(stream, 'write');
  Reflect.set(console, fd === 1 ? '_stdout' : '_stderr', stream);
}

function leaveStreams() {
  if (streams[0])
    apply(destroy, streams[0], []);
  streams[0] = null;
  placeAll();
}

// ---- what the user's code sees ----

function setEnvironment(env) {
  const before = [];
  for (const [name, value] of env) {
    before.push([name, process.env[name]]);
    if (value === undefined)
      Reflect.deleteProperty(process.env, name);
    else
      Reflect.set(process.env, name, value);
  }
  return before;
}

function setArguments(path) {
  const { argv } = process;
  if (argv === null || typeof argv !== 'object')
    return;
  Reflect.set(argv, 'length', 1);
  Reflect.set(argv, 1, path);
}

// Names of a script's own: what its file is, and how it gets modules.
function offer(names) {
  for (const name of Object.keys(names))
    Reflect.defineProperty(world, name,
      { value: names[name], configurable: true, writable: true, enumerable: false });
}

function offerModule(path) {
  const module = new Module('.', null);
  module.filename = path;
  module.paths = Module._nodeModulePaths(dirname(path));
  // compiled for this path, so that import finds what is relative to it
  module._compile('module.exports = [require, (what, how) => import(what, how)]', path);
  const [require, load] = module.exports;
  module.exports = {};
  module.loaded = true;
  process.mainModule = require.main = module;
  load.meta = { __proto__: null, dirname: dirname(path), filename: path,
    url: pathToFileURL(path).href, resolve: (what) => pathToFileURL(require.resolve(what)).href };
  offer({ require, module, exports: module.exports, __filename: path, __dirname: dirname(path) });
  return load;
}

function remember(path, code) {
  let size = 0;
  sources.set(path, code);
  for (const old of sources.values())
    size += old.length;
  for (const old of sources.keys()) {
    if (size <= SOURCES_MAX)
      break;
    size -= sources.get(old).length;
    sources.delete(old);
  }
}

// ---- random numbers ----

// V8 seeds Math.random once in each realm. So that all who hold the function, under whatever name, get
// another generator's numbers when this interpreter goes on in another VM, it is one that asks.
function redirectRandom() {
  const { Math, Function: { prototype } } = world;
  const random = apply(bind, () => drawNumber(), [undefined]);
  setPrototypeOf(random, prototype);
  defineProperty(random, 'name', { value: 'random', configurable: true, enumerable: false, writable: false });
  defineProperty(Math, 'random', { value: random, configurable: true, enumerable: false, writable: true });
}

// The seed has 31 bits and 10 more of numbers that are skipped, as in javascript.js.
function reseedRandom(seed) {
  setFlagsFromString(`--random-seed=${(readNumber(seed, 0) % 0x7fffffff) + 1}`);
  const fresh = apply(runInContext, new Script('Math.random'), [createContext({ __proto__: null })]);
  for (let left = (seed[4] + seed[5] * 0x100) & 0x3ff; left >= 0; left--)
    fresh();
  setFlagsFromString('--random-seed=0');
  drawNumber = fresh;
}

// OpenSSL's generator reseeds itself when the clock is before its last seed. The agent hides the clock
// for a short while, for all of the guest sees it: who is too slow finds it shown again, and asks again.
function drawHidden() {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < HIDE_TRIES; tries++) {
    tell('h', 1);
    for (let looks = 0; looks < HIDE_LOOKS && now() >= HIDDEN_UNTIL; looks++)
      wait(cell, 0, 0, 1);
    const wasHidden = now() < HIDDEN_UNTIL;
    randomBytes(1);
    const isHidden = now() < HIDDEN_UNTIL;
    tell('h', 0);
    if (wasHidden && isHidden)
      return;
  }
  throw new RangeError('the clock is not hidden');
}

// The guest has had another identity since the last exec: OpenSSL's generator first, where it has a
// seed, then what was drawn ahead is thrown away. What a program made itself stays, as after a fork.
function reseed(seed, isHidden) {
  try {
    if (isHidden)
      drawHidden();
    else
      randomBytes(1);
    for (let i = 0; i < UUIDS_AHEAD; i++)
      randomUUID();
    for (let i = 0; i < INTEGERS_AHEAD; i++)
      randomInt(2);
    reseedRandom(seed);
  } catch {
    writeError("berth: this interpreter's random numbers are another sandbox's too and can't be seeded "
      + 'again: it is ended, and the session has a fresh one\n');
    reallyExit(1);
  }
}

// ---- errors ----

function sourceLine(path, line) {
  try {
    return (sources.get(path) ?? readFileSync(path, 'utf8')).split('\n')[line - 1];
  } catch {
    return undefined;
  }
}

// Where it was thrown: as V8 told, or as the first frame says.
function locate(error, details) {
  const path = details?.url || (error instanceof SyntaxError && exec?.path);
  if (details && path)
    return [path, details.lineNumber + 1, details.columnNumber + 1];
  const frame = /^ +at (?:.*\()?(?:file:\/\/)?(\/.*?):(\d+):(\d+)\)?$/m.exec(error?.stack);
  return frame ? [frame[1], +frame[2], +frame[3]] : null;
}

// Of an emitter that nobody listens to: the error has a function with its stack and where it was
// emitted, under a symbol of Node.js's own.
function unheardStack(error) {
  const isObject = error !== null && typeof error === 'object';
  const key = isObject ? Object.getOwnPropertySymbols(error).find((each) => each.description === UNHEARD) : undefined;
  return key && apply(error[key], error, []);
}

function locateUnheard() {
  const lines = process.binding('natives').events.split('\n');
  const at = lines.findIndex((line) => line.includes("throw er; // Unhandled 'error' event"));
  return at >= 0 ? [['node:events', at + 1, lines[at].indexOf('throw') + 1], lines[at]] : [null, undefined];
}

function findPlace(error, details) {
  const stack = unheardStack(error);
  if (stack) {
    error.stack = stack;
    return locateUnheard();
  }
  const place = locate(error, details);
  return [place, place ? sourceLine(place[0], place[1]) : undefined];
}

function describe(error, details) {
  const [place, source] = findPlace(error, details);
  let text = '';
  if (source !== undefined) {
    const indent = source.slice(0, place[2] - 1).replace(/[^\t]/g, ' ');
    text = `${place[0]}:${place[1]}\n${source}\n${indent}^\n`;
  }
  if (error instanceof Error || (error !== null && typeof error === 'object' && error.stack))
    text += `\n${inspect(error, { customInspect: false, depth: ERROR_DEPTH })}\n`;
  else
    text += `${typeof error === 'string' ? error : inspect(error)}\n`
      + '(Use `node --trace-uncaught ...` to show where the exception was thrown)\n';
  return `${text}\nNode.js ${process.version}\n`;
}

function writeError(text) {
  try {
    writeSync(2, text);
  } catch {
    // the user's code has closed it
  }
}

function failExec(error, details) {
  if (!exec)
    return;
  let text;
  try {
    text = describe(error, details);
  } catch {
    text = 'Uncaught exception\n';
  }
  writeError(text);
  endExec(1);
}

// ---- the life of an exec ----

function exitStatus() {
  const status = Number(process.exitCode ?? 0) & 0xff;
  Reflect.set(process, 'exitCode', undefined);
  return status;
}

function tell(kind, status) {
  try {
    tellAgent(kind, exec.token, status);
  } catch {
    // the user's code has closed it; who asks for this process's status gets the right one
    if (kind === 'd')
      reallyExit(status);
  }
}

function endExec(status) {
  clearInterval(exec.poll);
  setEnvironment(exec.before);
  Reflect.set(process, 'exitCode', undefined);
  leaveStreams();
  tell('d', status);
  exec = null;
  request('Runtime.releaseObjectGroup', { objectGroup: 'exec' });
  apply(ref, control, []);
}

// The event loop is empty.
function loopEnded(self, code) {
  if (apply(listenerCount, self, ['beforeExit']) > 0) {
    apply(emitOf, self, ['beforeExit', code]);
    if (countActive() > 0)
      return true;
  }
  if (!exec.isEvaluated)
    writeError(`Warning: Detected unsettled top-level await at ${exec.path}\n`);
  endExec(exec.isEvaluated ? exitStatus() : 13);
  return true;
}

function listen() {
  function emit(type, ...rest) {
    if (type === 'beforeExit' && exec)
      return loopEnded(this, rest[0]);
    if (type === 'uncaughtException' && apply(listenerCount, this, [type]) === 0) {
      failExec(rest[0], exec?.details);
      return true;
    }
    return apply(emitOf, this, [type, ...rest]);
  }
  defineProperty(getPrototypeOf(process), 'emit',
    { value: emit, configurable: true, writable: true, enumerable: false });
}

// What an earlier exec left in the event loop when it failed does not keep this one.
function ignoreLeft(count) {
  if (count === 0)
    return undefined;
  const poll = setInterval(() => {
    if (exec?.isEvaluated && countActive() <= count)
      endExec(exitStatus());
  }, LEFT_POLL_MS);
  apply(getPrototypeOf(poll).unref, poll, []);
  return poll;
}

function primitive({ type, value, unserializableValue }) {
  if (type === 'bigint')
    return BigInt(unserializableValue.slice(0, -1));
  return unserializableValue !== undefined ? Number(unserializableValue) : value;
}

function request(method, params) {
  apply(dispatch, connection, [stringify({ id: ++lastRequest, method, params })]);
}

// An error takes the way of every error that nobody catches.
function thrown(error) {
  process.emit('uncaughtExceptionMonitor', error, 'uncaughtException');
  process.emit('uncaughtException', error, 'uncaughtException');
}

function respond(message) {
  const { id, result } = parse(message);
  if (!exec || id !== exec.request)
    return;
  exec.isEvaluated = true;
  const details = result?.exceptionDetails;
  if (!details)
    return;
  exec.details = details;
  if (details.exception.objectId)
    request('Runtime.callFunctionOn', { objectId: details.exception.objectId, silent: true,
      functionDeclaration: `function () { 'use strict'; ${NAME}.thrown(this); }` });
  else
    thrown(primitive(details.exception));
  if (exec)
    exec.details = undefined;
}

function evaluate(code, path) {
  const own = SOURCE_URL.exec(code)?.[1];
  const expression = own ? rewrite(code) : `${rewrite(code)}\n//# sourceURL=${path}`;
  if (own)
    remember(own, code);
  exec.request = ++lastRequest;
  // a function of ours would be a frame below the code
  setImmediate(apply(bind, dispatch, [connection, stringify({ id: exec.request,
    method: 'Runtime.evaluate',
    params: { expression, replMode: true, awaitPromise: true, silent: true, objectGroup: 'exec' } })]));
}

// Types are blanks then: each line and column is where it was. What Node.js says of other code is told
// as of a file, without a frame of ours; undefined: the exec is over.
function withoutTypes(code, path) {
  try {
    if (!stripTypeScriptTypes)
      throw new Error("this Node.js takes no types away, 22.18 and later do: 'berth image build --refresh' on a host with npm");
    return stripTypeScriptTypes(code);
  } catch (error) {
    exec.isEvaluated = true;
    writeError(`${path}${`${error.stack}`.replace(/\n {4}at [^]*/, '')}\n\nNode.js ${process.version}\n`);
    endExec(1);
    return undefined;
  }
}

function beginExec(message, seed, isHidden) {
  const { token, paths, path, folder, env, code } = read(message);
  exec = { token, path, isEvaluated: false, details: undefined };
  placeAll(paths);
  if (seed)
    reseed(seed, isHidden);
  tell('o', 0);
  apply(unref, control, []);
  placeStream(0);
  setOutput(1);
  setOutput(2);
  exec.before = setEnvironment(env);
  enter(folder);
  setArguments(path);
  offer({ __filename: path });
  remember(path, code);
  firstId = apply(asyncId, new AsyncResource('exec'), []);
  exec.poll = ignoreLeft(countActive());
  const plain = path.endsWith('.ts') ? withoutTypes(code, path) : code;
  if (plain !== undefined)
    evaluate(plain, path);
}

function beginWhole(message) {
  const isHidden = message[4] === KIND_RESEED_HIDDEN;
  beginExec(message.subarray(HEAD_SIZE),
    isHidden || message[4] === KIND_RESEED ? message.subarray(5, HEAD_SIZE) : undefined, isHidden);
}

// Of a message, until it is whole.
function take(pieces, size, buffer) {
  let fill = 0, at = 0;
  pieces.push(buffer.slice(0, size));
  for (const piece of pieces)
    fill += piece.length;
  const whole = new Uint8Array(fill);
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  pieces.length = 0;
  if (fill < 4 || fill < 4 + readNumber(whole, 0))
    pieces.push(whole);
  else
    beginWhole(whole);
}

// What Node.js calls by name when something comes is found in the object itself.
function pin(object) {
  for (let from = getPrototypeOf(object); getPrototypeOf(from); from = getPrototypeOf(from))
    for (const key of ownKeys(from))
      if (key !== 'constructor' && !Object.hasOwn(object, key))
        defineProperty(object, key, { __proto__: null, configurable: true,
          ...getOwnPropertyDescriptor(from, key) });
}

function listenToAgent() {
  const pieces = [];
  const buffer = new Uint8Array(65536);
  const callback = (size) => take(pieces, size, buffer);
  control = new net.Socket({ fd: CONTROL, readable: true, writable: false, onread: { buffer, callback } });
  pin(control);
  control.on('close', () => reallyExit(0));
}

function begin(message) {
  const { Connection } = process.binding('inspector');
  const { path } = read(message);
  const load = offerModule(path);
  load.thrown = thrown;
  world.module.exports = Object.freeze(load);
  apply(runInThisContext, new Script(`const ${NAME} = module.exports; module.exports = {}`), []);
  world.exports = world.module.exports;
  connection = new Connection(respond);
  dispatch = connection.dispatch;
  redirectRandom();
  listenToAgent();
  listen();
  beginExec(message);
}

module.exports = begin;
//# sourceURL=node:internal/session

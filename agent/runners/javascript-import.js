// SPDX-License-Identifier: LGPL-2.1-or-later
// Turns a session's import and export statements into what can stand in a script: V8 compiles the
// code of an exec as one, so that its names are global, and a script has neither. Everything stays
// in its line. The code is not parsed, only cut into words, strings, regular expressions and the
// rest, which is enough to find the words that count. Whether a run is a module is found out with
// the same.
'use strict';

// What import is called then. No user has this name, and nothing lists it: it is a global constant,
// not a property of the global object.
const NAME = '\uff49\uff4d\uff50\uff4f\uff52\uff54';
const WORD = /#?[\p{ID_Start}$_\\][\p{ID_Continue}$\\\u200c\u200d]*/uy;
const NUMBER = /\.?\d[\w.]*/y;
const SPACE = /(?:\s|\/\/.*|\/\*[^]*?\*\/|^#!.*)+/y;
const STRING = /'(?:[^'\\\n]|\\[^])*'|"(?:[^"\\\n]|\\[^])*"/y;
const REGEX = /\/(?:[^\\/\n[]|\\.|\[(?:[^\\\]\n]|\\.)*\])+\/\w*/y;
const TEMPLATE = /(?:[^`\\$]|\\[^]|\$(?!\{))*(?:`|\$\{)/y;
const BEFORE_PARENTHESES = new Set(['if', 'while', 'for', 'with']); // and behind them a statement
const BEFORE_BLOCK = new Set(['else', 'do', 'try', 'finally', 'static']);
const BEFORE_REGEX = new Set(['return', 'typeof', 'case', 'in', 'of', 'delete', 'void', 'do', 'else',
  'instanceof', 'new', 'throw', 'await', 'yield']);

function match(pattern, code, at) {
  pattern.lastIndex = at;
  const found = pattern.exec(code);
  return found ? found[0] : '';
}

// Whether a slash here begins a regular expression and does not divide.
function mayBeRegex(pieces, isNewLine) {
  const previous = pieces[pieces.length - 1], before = pieces[pieces.length - 2];
  if (!previous)
    return true;
  if (previous.kind === 'word')
    return BEFORE_REGEX.has(previous.text);
  if (previous.kind !== 'mark' || previous.text === ']')
    return false;
  if (previous.text === ')')
    return BEFORE_PARENTHESES.has(pieces[previous.partner - 1]?.text);
  if (previous.text === '}')
    return isNewLine;
  // x++ / 2
  return !(/[+-]/.test(previous.text) && before?.text === previous.text && before.end === previous.at
    && (/word|number/.test(pieces[pieces.length - 3]?.kind) || /[)\]]/.test(pieces[pieces.length - 3]?.text)));
}

// Words, numbers, strings, templates' pieces and single marks, each with its place, its depth, the
// brace that it is in (its index, -1: none), and a bracket's partner.
function cut(code) {
  const pieces = [];
  const open = []; // indices
  const templates = []; // the depths at which } goes on with a template
  let at = 0, depth = 0, kind, text;
  while (at < code.length) {
    const space = match(SPACE, code, at);
    at += space.length;
    if (at >= code.length)
      break;
    let partner, parent = open.length > 0 ? open[open.length - 1] : -1;
    if ((text = match(WORD, code, at)))
      kind = 'word';
    else if ((text = match(NUMBER, code, at)))
      kind = 'number';
    else if ((text = match(STRING, code, at)))
      kind = 'string';
    else if (code[at] === '/' && mayBeRegex(pieces, space.includes('\n')) && (text = match(REGEX, code, at)))
      kind = 'regex';
    else if (code[at] === '`' || (code[at] === '}' && templates[templates.length - 1] === depth)) {
      if (code[at] === '}') {
        templates.pop();
        open.pop();
        depth--;
      }
      kind = 'template';
      text = code[at] + match(TEMPLATE, code, at + 1);
      if (text.endsWith('${')) {
        depth++;
        templates.push(depth);
        open.push(pieces.length);
      }
    } else {
      kind = 'mark';
      text = code[at];
      if ('([{'.includes(text)) {
        depth++;
        open.push(pieces.length);
      } else if (')]}'.includes(text)) {
        depth--;
        partner = open.pop();
        if (partner !== undefined)
          pieces[partner].partner = pieces.length;
      }
    }
    pieces.push({ kind, text, at, end: at + text.length, depth, parent, partner });
    at += text.length;
  }
  return pieces;
}

// { a, b as c } becomes { a, b: c }; returns the index behind it.
function readNames(pieces, index, names) {
  for (index++; pieces[index] && pieces[index].text !== '}'; index++) {
    if (pieces[index].text === ',')
      continue;
    const name = pieces[index].text;
    if (pieces[index + 1]?.text === 'as') {
      names.push(`${name}: ${pieces[index + 2]?.text}`);
      index += 2;
    } else
      names.push(name);
  }
  return index + 1;
}

// The index behind with { ... } or assert { ... }, if it is there.
function skipAttributes(pieces, index) {
  if (!/^(with|assert)$/.test(pieces[index]?.text) || pieces[index + 1]?.text !== '{')
    return index;
  while (pieces[index] && pieces[index].text !== '}')
    index++;
  return index + 1;
}

// An import statement from its word on: what takes its place, and the index behind; null if it is
// none.
function readImport(code, pieces, index) {
  const names = [];
  let star = '', at = index + 1;
  while (pieces[at] && pieces[at].kind !== 'string') {
    const { kind, text } = pieces[at];
    if (text === '{')
      at = readNames(pieces, at, names);
    else if (text === '*' && pieces[at + 1]?.text === 'as') {
      star = pieces[at + 2]?.text;
      at += 3;
    } else if (kind === 'word' && (text !== 'from' || pieces[at + 1]?.kind !== 'string')) {
      names.push(`default: ${text}`);
      at++;
    } else if (text === ',' || text === 'from')
      at++;
    else
      return null;
  }
  if (!pieces[at])
    return null;
  const end = skipAttributes(pieces, at + 1);
  const attributes = end > at + 1
    ? `, { ${pieces[at + 1].text}: ${code.slice(pieces[at + 2].at, pieces[end - 1].end)} }` : '';
  const call = `await ${NAME}(${pieces[at].text}${attributes})`;
  let text = call;
  if (star)
    text = `const ${star} = ${call}` + (names.length ? `, { ${names.join(', ')} } = ${star}` : '');
  else if (names.length)
    text = `const { ${names.join(', ')} } = ${call}`;
  return { text: pieces[end]?.text === ';' ? text : text + ';', next: end };
}

// There is nobody to export to: what is declared is declared.
function readExport(pieces, index) {
  const next = pieces[index + 1]?.text;
  if (next === 'default') {
    const isNamed = /^(class|function|async)$/.test(pieces[index + 2]?.text)
      && pieces.slice(index + 3, index + 6).some((piece, i, all) =>
        piece.kind === 'word' && !/^(function|extends)$/.test(piece.text)
        && !all.slice(0, i).some(({ text }) => text === '(' || text === 'extends'));
    return { text: isNamed ? '' : 'void ', next: index + 2 };
  }
  if (next !== '{' && next !== '*')
    return { text: '', next: index + 1 };
  let at = index + 1;
  while (pieces[at] && pieces[at].text !== '}' && pieces[at].kind !== 'string')
    at++;
  if (pieces[at + 1]?.text === 'from')
    at += 2;
  return { text: '', next: at + 1 };
}

// Whether this brace holds statements, and not the members of a class or an object.
function isBlock(pieces, brace) {
  const previous = pieces[brace - 1];
  let at = previous?.text === ')' ? previous.partner - 1 : -1;
  while (at > 0 && (pieces[at].text === '.' || (pieces[at].kind === 'word' && pieces[at].text !== 'extends')))
    at--;
  if (pieces[at]?.text === 'extends')
    return false;
  if (!previous || /^[;{})]$/.test(previous.text) || BEFORE_BLOCK.has(previous.text))
    return true;
  return previous.text === '>' && pieces[brace - 2]?.text === '=';
}

// Whether import ( here is no call but the name of a method: members have a body behind.
function isMethod(pieces, index) {
  const { parent } = pieces[index], { partner } = pieces[index + 1];
  return partner !== undefined && pieces[partner + 1]?.text === '{'
    && parent >= 0 && pieces[parent].text === '{' && !isBlock(pieces, parent);
}

function isMember(pieces, index) {
  const dot = pieces[index - 1], before = pieces[index - 2];
  // three of them spread what follows
  return dot?.text === '.' && !(before?.text === '.' && before.end === dot.at);
}

function findChange(code, pieces, index) {
  const piece = pieces[index], next = pieces[index + 1];
  if (piece.kind !== 'word' || isMember(pieces, index) || next?.text === ':')
    return null;
  if (piece.text === 'import' && (next?.text === '(' || next?.text === '.'))
    return isMethod(pieces, index) ? null : { text: NAME, next: index + 1 };
  if (piece.depth > 0)
    return null;
  if (piece.text === 'import')
    return readImport(code, pieces, index);
  return piece.text === 'export' ? readExport(pieces, index) : null;
}

function rewrite(code) {
  if (!/\b(import|export)\b/.test(code))
    return code;
  const pieces = cut(code);
  let text = '', at = 0;
  for (let index = 0; index < pieces.length;) {
    const change = findChange(code, pieces, index);
    if (!change) {
      index++;
      continue;
    }
    const end = pieces[change.next - 1].end;
    const old = code.slice(pieces[index].at, end);
    text += code.slice(at, pieces[index].at) + change.text + old.replace(/[^\n]/g, '');
    at = end;
    index = change.next;
  }
  return text + code.slice(at);
}

// The code, each time with one await in parentheses that could be called, indexed, or be part of a
// sum. It can still be parsed only where that is a name, and no word of the language.
function* nameAwaits(code) {
  const pieces = cut(code);
  for (let index = 0; index < pieces.length; index++) {
    const { kind, text, at, end } = pieces[index], next = pieces[index + 1];
    if (kind === 'word' && text === 'await' && !isMember(pieces, index)
        && (next?.kind === 'template' || /^[([+/-]$/.test(next?.text)))
      yield `${code.slice(0, at)}(await)${code.slice(end)}`;
  }
}

module.exports = { NAME, nameAwaits, rewrite };
//# sourceURL=node:internal/session/import

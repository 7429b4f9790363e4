#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""TypeScript on real guests: as Node.js itself runs it, a run's and a session's. See guestlib.py."""

import functools
import json
import os
import sys
import tempfile

from guestlib import IMAGES, Daemon, keep, main, need, same

TYPED = """interface Point { x: number; y?: number }

const double = <T extends Point>(point: T): number => (point.x as number) * 2;
console.log(double({ x: 21 }), process.argv.length, __filename.split('/').pop());
"""
FAILS = """type Name = string;

function greet(name: Name): never {
  throw new Error(`no ${name}`);
}
greet('one' satisfies Name);
"""


@functools.cache
def daemon():
    with open(os.path.join(IMAGES, "images.json"), encoding="utf-8") as file:
        need(json.load(file)["layers"]["javascript"].get("npm"),
             "its Node.js is Debian's, which takes no types away: this host had no npm when the image was built")
    return keep(Daemon("--warm-default", "0", "--max-vms", "2"))


def run_file(name, text):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return daemon().berth("run", path)


def test_run():
    d = daemon()
    done = d.berth("run", "-l", "typescript", TYPED)
    same((done.returncode, done.stdout, done.stderr), (0, "42 2 .main.ts\n", ""))
    done = run_file("a.ts", "import { sep } from 'node:path';\nconst one: string = sep;\nconsole.log(one, await 3);")
    same((done.returncode, done.stdout), (0, "/ 3\n"))
    done = run_file("a.cts", "const one: string = typeof require; console.log(one);")
    same((done.returncode, done.stdout), (0, "function\n"))
    done = run_file("a.mts", "const one: string = typeof require; console.log(one);")
    same((done.returncode, done.stdout), (0, "undefined\n"))


def test_errors():
    """By the lines of the source, in a run and in a session, without a frame of ours."""
    d = daemon()
    sandbox = d.berth("create", "-l", "typescript").stdout.strip()
    for done in (d.berth("run", "-l", "typescript", FAILS), d.berth("exec", sandbox, FAILS)):
        same(done.returncode, 1)
        assert ".main.ts:4\n" in done.stderr and ".main.ts:6:1" in done.stderr and "Error: no one" in done.stderr, done.stderr
        assert "berth" not in done.stderr, done.stderr
    for done in (d.berth("run", "-l", "typescript", "let one = 1;\nenum Kind { A }"),
                 d.berth("exec", sandbox, "let one = 1;\nenum Kind { A }")):
        same(done.returncode, 1)
        assert "enum Kind { A }" in done.stderr and "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX" in done.stderr, done.stderr
    d.berth("destroy", sandbox)


def test_session():
    d = daemon()
    sandbox = d.berth("create", "-l", "typescript").stdout.strip()
    same(d.berth("exec", sandbox, "interface A { x: number }\nconst a: A = { x: 6 };").stderr, "")
    done = d.berth("exec", sandbox, "const b: number = a.x * 7; console.log(b); const c = await Promise.resolve<string>('c')")
    same((done.stdout, done.stderr), ("42\n", ""))
    same(d.berth("exec", sandbox, "let d = x: 3").returncode, 1)
    same(d.berth("exec", sandbox, "console.log(c as string)").stdout, "c\n")
    d.berth("destroy", sandbox)


if __name__ == "__main__":
    sys.exit(main(globals()))

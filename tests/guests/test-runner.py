#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What public reports found that a program must not notice, on real guests: each in a run, in a session, or in
both, with its neighbours. tests/differential has most of it without a VM; here it is the guest's kernel, its
users, its interpreters and the command that decide. See guestlib.py."""

import functools
import json
import os
import subprocess
import sys
import tempfile

from guestlib import BERTH, KEPT, LIMIT_S, Daemon, keep, main, same, until

PY, JS, SH = "python", "javascript", "shell"


@functools.cache
def daemon():
    return keep(Daemon("--max-vms", "5", "--warm-default", "0", "--warm", "python=1", "--warm", "javascript=1",
                       "--warm", "shell=1"))


@functools.cache
def session(language):
    return daemon().berth("create", "-l", language).stdout.strip()


def berth(*arguments, text="", stdin=None, cwd=None):
    """(status, stdout, stderr)"""
    given = {"stdin": stdin} if stdin is not None else {"input": text}
    done = subprocess.run([BERTH, *arguments], env=daemon().environ(), capture_output=True, text=True, cwd=cwd,
                          timeout=LIMIT_S, check=False, errors="surrogateescape", **given)
    return done.returncode, done.stdout, done.stderr


def run(language, code, *options, text=""):
    return berth("run", "-t", "200", "-l", language, *options, code, text=text)


def execute(language, code, *options, text=""):
    return berth("exec", "-t", "200", *options, session(language), code, text=text)


def both(language, code, wanted, *options, text=""):
    """Where nothing is printed to stderr, it is empty in WANTED: (status, stdout)."""
    for way in (run, execute):
        same((way.__name__, code, way(language, code, *options, text=text)), (way.__name__, code, (*wanted, "")))


def check(done, status, out, *parts):
    """All of PARTS are in stderr."""
    assert done[:2] == (status, out), (done, status, out)
    for part in parts:
        assert part in done[2], (part, done)


def raw(*arguments):
    """What --json prints, as bytes"""
    return subprocess.run([BERTH, *arguments], env=daemon().environ(), stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=LIMIT_S, check=False).stdout


# ---- standard input ----

NAMES = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


def test_stdin_by_name():
    for name in NAMES:
        both(JS, f'process.stdout.write(require("fs").readFileSync("{name}", "utf8"))', (0, "a\nb\n"), text="a\nb\n")
        both(PY, f"print(repr(open('{name}').read()))", (0, "'a\\nb\\n'\n"), text="a\nb\n")
        both(SH, f"cat {name}", (0, "a\nb\n"), text="a\nb\n")


def test_stdin_by_name_that_is_empty():
    for name in NAMES:
        both(JS, f'console.log([require("fs").readFileSync("{name}", "utf8")])', (0, "[ '' ]\n"))
        both(PY, f"print([open('{name}').read()])", (0, "['']\n"))
        both(SH, f"cat {name}; wc -c < {name}", (0, "0\n"))


def test_stdin_twice_and_by_children():
    both(PY, "import os, subprocess\nprint([open(0, closefd=False).read(), open('/dev/stdin').read(),"
             " subprocess.run(['cat', '/dev/stdin'], capture_output=True).stdout])", (0, "['x', '', b'']\n"), text="x")
    both(JS, 'const c = require("child_process"); c.execSync("cat /dev/stdin", { stdio: "inherit" });\n'
             'console.log([require("fs").readFileSync("/dev/stdin", "utf8"), require("fs").readFileSync(0, "utf8")])',
         (0, "x\n[ '', '' ]\n"), text="x\n")
    both(SH, "(cat /dev/stdin); cat /dev/stdin; perl -e 'open(F, q(/dev/stdin)); print scalar(@x = <F>), qq(\\n)'", (0, "x\n0\n"),
         text="x\n")


def test_stdin_lines_as_they_are():
    text = "a\r\nb\rc\n"
    both(PY, "import sys; print(list(sys.stdin))", (0, "['a\\r\\n', 'b\\rc\\n']\n"), text=text)
    both(PY, "print([input(), input()])", (0, "['a\\r', 'b\\rc']\n"), text=text)
    both(PY, "import sys; print([sys.stdin.readline(), sys.stdin.read()])", (0, "['a\\r\\n', 'b\\rc\\n']\n"), text=text)
    both(PY, "import fileinput; print(list(fileinput.input('-')))", (0, "['a\\r\\n', 'b\\rc\\n']\n"), text=text)


def test_stdin_that_can_not_be_read():
    for verb in (["run", "-l", SH], ["exec", session(SH)]):
        for path, flags in (("/tmp", os.O_RDONLY), ("/", os.O_RDONLY), (__file__, os.O_WRONLY)):
            fd = os.open(path, flags)
            check(berth(*verb, "cat", stdin=fd), 2, "", "standard input")
            same(berth(*verb[:1], "-n", *verb[1:], "cat; echo read", stdin=fd), (0, "read\n", ""))
            os.close(fd)


def test_stdin_left_alone_in_a_loop():
    for verb in ("run -n -l shell", f"exec -n {session(SH)}"):
        done = subprocess.run(["/bin/sh", "-c", f'while read -r word; do "$0" {verb} "cat; echo $word"; done', BERTH],
                              input="a\nb\nc\n", env=daemon().environ(), capture_output=True, text=True,
                              timeout=LIMIT_S, check=False)
        same((done.stdout, done.stderr), ("a\nb\nc\n", ""))


# ---- javascript ----

def test_javascript_modules():
    for code, out in (
            ("await (async () => { console.log(1) })()", "1\n"),
            ("await (1, console.log(2))\nconsole.log(3)", "2\n3\n"),
            ("await [console.log(4)][0]", "4\n"),
            ("console.log(`${await 5}`)", "5\n"),
            ("console.log(`a${`b${await 6}`}c`)", "ab6c\n"),
            ('console.log((await import("os")).default.EOL === "\\n")', "true\n"),
            ('const { EOL } = await import("os"); console.log([EOL])', "[ '\\n' ]\n"),
            ("for (const x of await [7]) console.log(x)", "7\n"),
            ("let x; for (x of await [1]) console.log(x)", "1\n"),
            ("for await (const x of [8]) console.log(x)", "8\n"),
            ('import { dirname } from "path"; import { fileURLToPath } from "url"\n'
             "const __dirname = dirname(fileURLToPath(import.meta.url)); console.log(__dirname)", "/home/user\n"),
            ('import os from "os"\nconst module = 9; console.log(module, typeof os.EOL)', "9 string\n"),
            ('import "os"\nconst exports = 1, require = 2, __filename = 3\nconsole.log(exports, require, __filename)',
             "1 2 3\n")):
        same((code, run(JS, code)), (code, (0, out, "")))


def test_javascript_wasm_and_names_of_commonjs():
    wasm = "new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])"
    for code, out in (
            (f"const {{ module, instance }} = await WebAssembly.instantiate({wasm}); console.log(typeof module)", "object\n"),
            ("const exports = await Promise.resolve(1); console.log(exports)", "1\n"),
            ("const require = await 2; console.log(require)", "2\n"),
            ("const __filename = await 3, __dirname = await 4; console.log(__filename, __dirname)", "3 4\n")):
        both(JS, code, (0, out))


def test_javascript_files_are_what_their_name_says():
    with tempfile.TemporaryDirectory() as folder:
        for name, code, status, out, err in (
                ("m.mjs", "console.log(typeof require, await 1)", 0, "undefined 1\n", ""),
                ("n.mjs", "console.log(this)", 0, "undefined\n", ""),
                ("c.cjs", "const await = 2; console.log(typeof require, await)", 0, "function 2\n", ""),
                ("d.cjs", "import 'os'", 1, "", "Cannot use import statement outside a module")):
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(code)
            check(berth("run", path), status, out, err)


def test_javascript_methods_named_import():
    for code, out in (("class L { import (n) { return n } }; console.log(new L().import(1))", "1\n"),
                      ("console.log({ get import () { return 2 } }.import)", "2\n"),
                      ("console.log({ import: 3 }.import, { async import () {} }.import.name)", "3 import\n"),
                      ("class S { static import = 4; #import = 5; own () { return this.#import } }\n"
                       "console.log(S.import, new S().own())", "4 5\n")):
        both(JS, code, (0, out))


def test_javascript_prototypes():
    """Each in a session of several execs, all of which go on."""
    for code in ("Object.prototype.toJSON = function () { return 'spoilt' }",
                 "Object.defineProperty(Object.prototype, 'get', { value: 1, configurable: true })",
                 "Object.defineProperty(Object.prototype, 'set', { get () { throw 1 }, configurable: true })",
                 "Array.prototype.push = Array.prototype.map = Array.prototype[Symbol.iterator] = null",
                 "Map.prototype.get = String.prototype.replace = RegExp.prototype.exec = () => { throw 2 }",
                 "Promise.prototype.then = Function.prototype.call = Function.prototype.apply = null"):
        name = berth("create", "-l", JS)[1].strip()
        check(berth("exec", name, "const kept = 6"), 0, "")
        check(berth("exec", name, code), 0, "")
        for _ in range(2):
            check(berth("exec", name, "process.stdout.write(`${kept * 7}\\n`)"), 0, "42\n")
        berth("destroy", name)


def test_javascript_fetches_from_localhost():
    both(JS, 'const s = (await import("http")).createServer((q, r) => r.end("served")).listen(0, "127.0.0.1", async () => {\n'
             '  for (const host of ["localhost", "127.0.0.1"])\n'
             '    console.log(await (await fetch(`http://${host}:${s.address().port}`)).text());\n'
             '  s.close(); s.closeAllConnections() })', (0, "served\nserved\n"))
    both(PY, "import socket, threading, urllib.request, http.server as h\n"
             "class H(h.BaseHTTPRequestHandler):\n"
             "    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'served')\n"
             "    def log_message(self, *a): pass\n"
             "s = h.HTTPServer(('127.0.0.1', 0), H); threading.Thread(target=s.serve_forever, daemon=True).start()\n"
             "print(urllib.request.urlopen(f'http://localhost:{s.server_port}').read()); s.shutdown(); s.server_close()",
         (0, "b'served'\n"))


# ---- python ----

def test_python_wraps_its_streams():
    for code in ('import io, sys; sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8"); print("w")',
                 'import sys; sys.stdout = open(sys.stdout.fileno(), "w"); print("w")',
                 'import sys; sys.stdin = open(0); print("w")',
                 'import codecs, sys; sys.stdout = codecs.getwriter("utf-8")(sys.stdout.detach()); print("w")',
                 'import sys; sys.stdout.reconfigure(encoding="utf-16"); sys.stdout = sys.stderr = None'):
        out = "w\n" if "print" in code else ""
        same((code, run(PY, code)), (code, (0, out, "")))
        same((code, execute(PY, code)), (code, (0, out, "")))
        if "reconfigure" not in code:
            same(execute(PY, "import sys; print('n\u00e9xt', sys.stdin.read())", text="t"), (0, "n\u00e9xt t\n", ""))
        else:
            same(execute(PY, "import sys; sys.stdout.reconfigure(encoding='utf-8'); print('on')"), (0, "on\n", ""))


def test_python_modules_of_the_callers():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write("mine = True\n")
        for name in ("statistics", "queue", "csv", "textwrap", "decimal"):
            code = f"import {name}; print({name}.mine)"
            same(run(PY, code, "--upload", f"{path}:{name}.py"), (0, "True\n", ""))
            fresh = berth("create", "-l", PY)[1].strip()
            check(berth("put", fresh, path, f"{name}.py"), 0, "")
            same(berth("exec", fresh, code), (0, "True\n", ""))
            berth("destroy", fresh)


def test_python_modules_of_the_image():
    """They are compiled, and told by their source's time: no import reads the source to hash it."""
    code = "import importlib.util, json, os\nprint([open(importlib.util.cache_from_source(m.__file__), 'rb').read(8)[4] for m in (os, json)])"
    same(run(PY, code), (0, "[0, 0]\n", ""))


def test_python_lines_and_encodings():
    for mark in ("\f", "\u0085", "\u2028", "\v", "\x1c"):
        code = f"x = '''a{mark}b'''\ndef f():\n    return 1 / 0  # here\n"
        for way in (run, execute):
            check(way(PY, code + "f()"), 1, "", "line 3, in f", "return 1 / 0  # here")
        both(PY, code + "import inspect; print(inspect.getsource(f), end='')", (0, "def f():\n    return 1 / 0  # here\n"))
    both(PY, "# -*- coding: latin-1 -*-\nprint(ascii('\u00e9'))", (0, "'\\xc3\\xa9'\n"))


def test_python_ends():
    for code, status in (("raise SystemExit(2**32 + 5)", 5), ("import sys; sys.exit(2**32 + 5)", 5),
                         ("import sys; sys.exit(-1)", 255), ("import sys; sys.exit(2**63)", 255),
                         ("import sys; sys.exit(True)", 1)):
        both(PY, code, (status, ""))
    for code, status in (("class K(KeyboardInterrupt): pass\nraise K", 1), ("raise KeyboardInterrupt", 130),
                         ("class G(GeneratorExit): pass\nraise G", 1)):
        for way in (run, execute):
            check(way(PY, code), status, "", "Traceback", ", in <module>")


def test_python_faulthandler():
    code = "import faulthandler, sys\ndef f(): faulthandler.dump_traceback(sys.stdout)\nf()"
    status, out, err = run(PY, code)
    same((status, out.count("  File "), err), (0, 2, ""))
    same(run(PY, "import traceback, sys\ndef f(): traceback.print_stack(file=sys.stdout)\nf()")[1].count("  File "), 2)
    both(PY, "import traceback, sys\ndef f(): print(len(traceback.extract_stack()))\nf()", (0, "2\n"))
    both(PY, "import inspect, sys\nprint(len(inspect.stack()), sys._getframe().f_back)", (0, "1 None\n"))


def test_python_closes_descriptors():
    """It goes on with what it has."""
    check(execute(PY, "kept = 6"), 0, "")
    for code in ("import os; os.closerange(3, 256)", "import os; os.closerange(3, 5000)",
                 "import os, resource; os.closerange(0, resource.getrlimit(resource.RLIMIT_NOFILE)[1])",
                 "import os; [os.dup2(1, n) for n in range(3, 1024)]; os.closerange(3, 1024)"):
        same((code, execute(PY, code)), (code, (0, "", "")))
        same(execute(PY, "print(kept * 7)"), (0, "42\n", ""))
        same(run(PY, code + "; os._exit(3)"), (3, "", ""))


# ---- shell ----

def test_shell_words_taken_away():
    for code in ("enable -n .", "enable -n source eval exec exit trap :", ".() { false; }; source() { false; }",
                 "alias .=false source=false eval=false exec=false; shopt -s expand_aliases"):
        check(execute(SH, code), 0, "")
        same(execute(SH, "/bin/echo on"), (0, "on\n", ""))
        same(run(SH, code + "\n/bin/echo on"), (0, "on\n", ""))
        berth("exec", session(SH), "enable . source eval exec exit trap :; unalias -a; unset -f . source")


def test_shell_reads_only():
    for code in ("echo a; set -n\necho b", "echo a; set -o noexec\necho b", "v=1; echo a; set -n; echo same line\nexit 3",
                 "f() { set -n; }; echo a; f\necho b"):
        done = run(SH, code)
        same((code, execute(SH, code)), (code, done))
        same(execute(SH, "echo on $-"), (0, "on hB\n", ""))


def test_shell_traps():
    check(execute(SH, "trap 'echo returned' RETURN; trap 'echo failed' ERR"), 0, "")
    same(execute(SH, "echo on"), (0, "on\n", ""))
    same(execute(SH, "f() { :; }; declare -ft f; f"), (0, "returned\n", ""))
    same(execute(SH, "false"), (1, "failed\n", ""))
    same(execute(SH, "trap 'echo $BASH_COMMAND' DEBUG"), (0, "", ""))
    same(execute(SH, "true"), (0, "true\n", ""))
    same(execute(SH, "trap - DEBUG ERR RETURN"), (0, "trap - DEBUG ERR RETURN\n", ""))


def test_shell_goes_on_behind_an_error():
    for code, out, err in (("echo ${a b}; echo same\necho next", "next\n", "bad substitution"),
                           ("echo $((1/0)); echo same\necho next", "next\n", "division by 0"),
                           ("f() { a[1/0]=1; echo in; }\nf; echo same\necho next", "next\n", "division by 0"),
                           ("declare -i n=1.5; echo same\necho next", "next\n", "syntax error")):
        for way in (run, execute):
            check(way(SH, code), 0, out, err)
    for way in (run, execute):
        check(way(SH, "echo ${q?msg}; echo same\necho next"), 1, "", "q: msg")
    same(execute(SH, "echo fresh"), (0, "fresh\n", ""))


def test_shell_closes_descriptors():
    check(execute(SH, "kept=6"), 0, "")
    for code in ("for fd in {3..1023}; do exec {fd}>&-; done", "exec 1000>taken; echo x >&1000; cat taken",
                 "for fd in {0..1023}; do eval \"exec $fd>&-\"; done", "for fd in {990..1020}; do eval \"exec $fd>taken\"; done"):
        out = "x\n" if "cat" in code else ""
        same((code, execute(SH, code)), (code, (0, out, "")))
        same(execute(SH, "echo $((kept * 7))"), (0, "42\n", ""))


def test_shell_environment():
    both(SH, "f() { local FOO; declare -p FOO; declare -g FOO=2; }; f; echo $FOO; sh -c 'echo $FOO'",
         (0, "declare -x FOO\n2\n2\n"), "-e", "FOO=1")
    both(SH, "echo $SHELLOPTS", (0, "braceexpand:hashall:interactive-comments:posix\n"), "-e", "POSIXLY_CORRECT=1")
    both(SH, "v=\u00e9; echo ${#v} $((SECONDS / 1000)) $((RANDOM == 7 && RANDOM == 7)) $LINENO", (0, "2 5 0 1\n"),
         "-e", "LC_ALL=C", "-e", "SECONDS=5000", "-e", "RANDOM=7", "-e", "LINENO=9")
    both(SH, "set -x; echo a; set +x", (0, "+ echo a\na\n+ set +x\n"), "-e", "BASH_XTRACEFD=1")
    same(execute(SH, "v=\u00e9; echo ${#v} $((SECONDS < 5000)) ${FOO-unset} ${POSIXLY_CORRECT-unset} $SHELLOPTS"),
         (0, "1 1 unset unset braceexpand:hashall:interactive-comments\n", ""))


# ---- results, files, command ----

def test_results_nul_is_valid():
    code = "touch b a; find . -maxdepth 1 -name '[ab]' -print0 | sort -z; printf 'x\\0' >&2"
    for verb in (["run", "-l", SH], ["exec", session(SH)]):
        text = raw(*verb, "--json", code)
        assert b"\\u0000" in text and b"fffd" not in text.lower() and "\ufffd".encode() not in text, text
        result = json.loads(text)
        same((result["stdout"], result["stderr"]), ("./a\0./b\0", "x\0"))


def test_results_of_the_callers_environment():
    for language, setting, status, err in ((JS, "NODE_OPTIONS=--no-such-flag", 9, "--no-such-flag"),
                                           (JS, "NODE_OPTIONS=--require=/none.js", 1, "Cannot find module"),
                                           (PY, "PYTHONHASHSEED=abc", 1, "PYTHONHASHSEED"),
                                           (PY, "PYTHONHOME=/none", 1, "encodings")):
        result = json.loads(raw("run", "-l", language, "--json", "-e", setting, "1"))
        same((setting, result["exit_code"], result["error"]), (setting, status, None))
        assert err in result["stderr"], result
        # in a session the interpreter has started long ago, and the help says so
        same(execute(language, "1", "-e", setting)[0], 0)
    assert "interpreter reads only when it starts" in berth("exec", "--help")[1]


def test_files_that_can_not_be_carried():
    name = session(SH)
    check(berth("exec", name, "mkdir d; (cd d; echo 1 >a; echo 2 >\"$(printf 'b\\nc')\"; echo 3 >m; chmod 0 m; echo 4 >z)"), 0, "")
    with tempfile.TemporaryDirectory() as folder:
        status, _, err = berth("get", name, "d", folder + "/back")
        # the agent may read what its user forbade itself
        same((status, "all but" in err), (2, True))
        assert {"a", "z"} <= set(os.listdir(folder + "/back")), os.listdir(folder + "/back")
        os.makedirs(folder + "/up")
        for entry in ("a", "b\nc", "z"):
            with open(f"{folder}/up/{entry}", "w", encoding="utf-8") as file:
                file.write(entry)
        check(berth("put", name, folder + "/up", "up"), 2, "", "all but 1")
        same(berth("exec", name, "ls up"), (0, "a\nz\n", ""))
        # a run does not begin without one of its files
        check(berth("run", "-l", SH, "--upload", f"{folder}/up:up", "ls up"), 2, "", "up/b")


def test_files_whose_size_is_not_told():
    name = session(SH)
    for path in ("/proc/cpuinfo", "/proc/version", "/proc/meminfo"):
        check(berth("put", name, path, "c"), 0, "")
        status, out, _ = berth("exec", name, "wc -c <c")
        same((path, status, int(out) > 0), (path, 0, True))
        status, out, _ = run(SH, "wc -c <c", "--upload", f"{path}:c")
        same((path, status, int(out) > 0), (path, 0, True))
    check(berth("put", name, "-", "s", text="a stream"), 0, "")
    same(berth("get", name, "s", "-"), (0, "a stream", ""))


def test_command_words():
    name = session(SH)
    with tempfile.TemporaryDirectory() as folder:
        for entry in ("-f", "a:b"):
            with open(os.path.join(folder, entry), "w", encoding="utf-8") as file:
                file.write(entry)
        same(berth("put", name, "--", "-f", "-g", cwd=folder), (0, "", ""))
        same(berth("get", name, "--", "-g", "-h", cwd=folder), (0, "", ""))
        assert os.path.exists(os.path.join(folder, "-h"))
        check(berth("exec", name, "--", "-1"), 127, "", "-1")
        same(berth("exec", name, "--", "echo --"), (0, "--\n", ""))
        # --upload splits at the last colon, --download at the first, and help says so
        same(berth("run", "-l", SH, "--upload", "a:b:c", "cat c", cwd=folder), (0, "a:b", ""))
        same(berth("run", "-l", SH, "--download", "x:y:z", "echo 1 >x", cwd=folder)[0], 0)
        assert os.path.exists(os.path.join(folder, "y:z")), os.listdir(folder)
    status, out, _ = berth("run", "--help")
    same((status, out.count("LOCAL may have colons, GUEST has none")), (0, 2))
    for arguments in (("exec", "\udcff", "x"), ("destroy", "\udcff"), ("get", "\udcff", "a", "b")):
        done = berth(*arguments)
        assert done[0] > 0 and "CRITICAL" not in done[2], done


def test_destroyed_twice():
    for language in (SH, PY):
        name = berth("create", "-l", language)[1].strip()
        same(berth("destroy", name), (0, "", ""))
        check(berth("destroy", name), 0, "", name, "was gone already")
        check(berth("exec", name, "1"), 125, "", "destroyed")
    check(berth("destroy", "0" * 32), 125, "", "0" * 32)


# ---- the peer's suite ----

def test_full_disk_is_no_reason_to_try_again():
    name = session(SH)
    with tempfile.NamedTemporaryFile() as large:
        large.truncate(400 << 20)
        with open(large.name, "r+b") as file:
            for at in range(0, 400 << 20, 1 << 20):
                file.seek(at)
                file.write(os.urandom(4096) * 256)
        check(berth("put", name, large.name, "large"), 2, "", "no space is left")
        result = json.loads(raw("run", "-l", SH, "--json", "--upload", large.name + ":large", "true"))
        same((result["error"]["code"], result["error"]["retryable"]), ("INVALID", False))
    both(SH, "head -c 900M /dev/zero >full 2>/dev/null; echo $?; rm full", (0, "1\n"))


def test_spaces_of_their_own():
    both(SH, "for d in /tmp /dev/shm; do head -c 900M /dev/zero >$d/full 2>/dev/null; echo x >own && echo home; "
             "rm -f $d/full; done", (0, "home\nhome\n"))
    both(SH, "df --output=target / ~ /tmp /dev/shm | sed 1d | sort -u | wc -l", (0, "4\n"))


def test_tools_of_the_base_layer():
    both(SH, "ip -o addr show lo | grep -c 127.0.0.1; command -v nc ip >/dev/null; echo $?", (0, "1\n0\n"))
    both(SH, "nc -l -N 127.0.0.1 5555 </dev/null >got & sleep 0.5; echo sent | nc -N 127.0.0.1 5555; wait; cat got",
         (0, "sent\n"))


def test_boot_on_request_and_timing():
    result = json.loads(raw("run", "-l", PY, "--cold", "--json", "print(1)"))
    same((result["start"], result["stdout"]), ("cold", "1\n"))
    for key in ("wait_ms", "start_ms", "spawn_ms", "connect_ms", "claim_ms", "exec_ms", "total_ms"):
        assert result["timing"][key] >= 0, result
    check(berth("run", "-l", SH, "--boot-log", "--cold", "echo on"), 0, "on\n", "Linux version")


def test_idle_time_of_a_session():
    name = berth("create", "-l", SH, "--idle-timeout", "10")[1].strip()
    same(berth("exec", name, "echo on"), (0, "on\n", ""))
    vm = [vm for vm in json.loads(raw("list", "--json")) if vm["id"] == name]
    same(len(vm), 1)
    check(berth("create", "-l", SH, "--idle-timeout", "5"), 2, "", "10")
    berth("destroy", name)


def test_holes():
    name = session(SH)
    check(berth("exec", name, "truncate -s 50M hole; printf x >>hole"), 0, "")
    entry = [entry for entry in json.loads(raw("ls", name, "--json")) if entry["name"] == "hole"][0]
    same(entry["size"], (50 << 20) + 1)
    assert entry["allocated"] < 1 << 20, entry
    with tempfile.TemporaryDirectory() as folder:
        check(berth("get", name, "hole", folder + "/hole"), 0, "")
        status = os.stat(folder + "/hole")
        same(status.st_size, (50 << 20) + 1)
        assert status.st_blocks * 512 < 1 << 20, status


def test_umask_of_who_starts_berthd():
    """The last one: of two berthds by this name, the first to end takes the other's domains along."""
    KEPT.close()
    before = os.umask(0o077)
    try:
        with Daemon("--warm-default", "0", own_snapshots=True) as d:
            same(d.run("print('booted')")["stdout"], "booted\n")
            until(lambda: d.template()["snapshot"] == "valid", "a snapshot")
            same(d.run("print('cloned')")["start"], "clone")
    finally:
        os.umask(before)


if __name__ == "__main__":
    sys.exit(main(dict(globals())))

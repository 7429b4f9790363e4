#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rules of our code that a program can hold (TAP, a test for each rule).

    lint.py check SOURCE-ROOT              all of the tree
    lint.py bad SOURCE-ROOT                each file of tests/lint/bad breaks the rule that it is called by
    lint.py headers SOURCE-ROOT BUILD-ROOT every header compiles alone
    lint.py format SOURCE-ROOT FOLDER...   clang-format has nothing to change

Code that has a reason to break a rule says so: `/* lint: RULE: reason */`, which holds from the end
of its line to the end of its block; in the first ten lines of a file, on a line of its own, it holds
for all of it.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import errors

FUNCTION_LINES = 80
FILE_LINES = 800
NESTING = 4
CODE = ("agent", "pool", "plugin", "tests")
SCRIPTS = ("setup", "try", "check", ".ci/run", "images/build", "images/pack", "images/npm")
# The rules for code that runs in berthd: the agent ends its own processes, tests abort.
DAEMON = ("pool/", "plugin/")


class Source:
    """One file: its lines, and the same without comments, strings and characters."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8") as file:
            self.text = file.read()
        self.lines = self.text.split("\n")[:-1]
        self.code = blank(self.text).split("\n")[:len(self.lines)]
        self.is_c = path.endswith((".c", ".h"))
        self.is_header = path.endswith(".h")

    def is_waived(self, rule, number):
        waiver = re.compile(r"/\* lint: %s: \S.*\*/" % re.escape(rule))
        if any(waiver.fullmatch(line) for line in self.lines[:10]):
            return True
        indent = len(self.lines[number - 1]) - len(self.lines[number - 1].lstrip())
        for line in reversed(self.lines[:number]):
            if line.strip() and len(line) - len(line.lstrip()) < indent:
                indent = len(line) - len(line.lstrip())
            if line.rstrip() in ("{", "}"):
                return False
            if waiver.search(line) and len(line) - len(line.lstrip()) <= indent:
                return True
        return False

    def functions(self):
        """(name, first line, last line), of bodies whose braces stand alone in the first column."""
        start = None
        for number, line in enumerate(self.code, 1):
            if line.rstrip() == "{":
                start = number
            elif line.rstrip() == "}" and start is not None:
                yield start, number
                start = None
            elif line.startswith("}"):
                start = None

    def spot(self, number):
        return "%s:%d" % (self.path, number)


def blank(text):
    """Comments and literals become spaces; lines stay where they are."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|' r"'(?:\\.|[^'\\\n])*'", re.S)

    def hide(match):
        if text.rfind("\n", 0, match.start()) == -1:
            line = text[:match.start()]
        else:
            line = text[text.rfind("\n", 0, match.start()) + 1:match.start()]
        if re.match(r"\s*#\s*include\s*$", line):
            return match[0]
        return re.sub(r"[^\n]", " ", match[0])

    return token.sub(hide, text)


RULES = {}


def rule(name):
    def add(function):
        RULES[name] = function
        return function
    return add


def each_match(source, pattern):
    for number, line in enumerate(source.code, 1):
        if re.search(pattern, line):
            yield number, source.lines[number - 1].strip()


@rule("spdx")
def check_spdx(source):
    first = source.lines[1 if source.lines and source.lines[0].startswith("#!") else 0:][:1]
    if not first or "SPDX-License-Identifier: LGPL-2.1-or-later" not in first[0]:
        yield 1, "the first line is no SPDX-License-Identifier: LGPL-2.1-or-later"


@rule("goto")
def check_goto(source):
    if source.is_c:
        yield from each_match(source, r"\bgoto\b")


@rule("function-length")
def check_function_length(source):
    for start, end in source.functions() if source.is_c else ():
        if end - start - 1 > FUNCTION_LINES:
            yield start, "a function of %d lines; %d are enough" % (end - start - 1, FUNCTION_LINES)


@rule("file-length")
def check_file_length(source):
    if source.is_c and len(source.lines) > FILE_LINES:
        yield len(source.lines), "%d lines; %d are enough" % (len(source.lines), FILE_LINES)


@rule("nesting")
def check_nesting(source):
    for start, end in source.functions() if source.is_c else ():
        opened = [] # whether it is a block, whose brace stands alone, and no list of values
        for number in range(start + 1, end):
            line = source.code[number - 1]
            for brace in re.findall(r"[{}]", line):
                if brace == "}":
                    opened.pop()
                else:
                    opened.append(line.strip() == "{")
            if sum(opened) > NESTING:
                yield number, "blocks are nested deeper than %d" % NESTING
                break


@rule("libvirt-error")
def check_libvirt_error(source):
    if source.path.startswith(DAEMON) and not source.path.endswith("/berth-libvirt-error.c"):
        yield from each_match(source, r"\bvirGetLastError\w*")


@rule("error-deref")
def check_error_deref(source):
    """Where a caller does not want the error, there is none."""
    if source.path.startswith(DAEMON):
        yield from each_match(source, r"\(\*error\)->")


STOLEN = re.compile(r"g_steal_(?:pointer|fd|handle_id) \(&([\w.>-]+)\)")


def other_arguments(code, begin):
    """Of the call that has code[begin] in an argument: the text of the others."""
    others, depth = [], 0
    at = begin
    while at > 0 and depth >= 0 and code[at - 1] not in ";{}":
        at -= 1
        depth += {")": 1, "(": -1}.get(code[at], 0)
    if depth >= 0 or re.search(r"\b(?:if|while|for|switch|return) $", code[:at]):
        return ""
    start, depth = at + 1, 0
    for at in range(at + 1, len(code)):
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        if depth < 0 or (depth == 0 and code[at] == ","):
            if not start <= begin < at:
                others.append(code[start:at])
            start = at + 1
        if depth < 0:
            break
    return " ".join(others)


@rule("stolen-argument")
def check_stolen_argument(source):
    """Arguments of a call are made in any order: what one of them takes away, no other may read."""
    code = "\n".join(source.code) if source.is_c else ""
    for stolen in STOLEN.finditer(code):
        if re.search(r"(?<![\w.>])%s\b" % re.escape(stolen[1]), other_arguments(code, stolen.start())):
            number = code.count("\n", 0, stolen.start()) + 1
            yield number, source.lines[number - 1].strip()


@rule("no-abort")
def check_no_abort(source):
    is_main = re.search(r"^main \(", "\n".join(source.code), re.M)
    if source.path.startswith(DAEMON) and not is_main:
        yield from each_match(source, r"(?<!\w)(g_error|exit|abort) \(")


# Rooms whose code berthd runs, but the one file that is the way to a caller's descriptor.
CALLER_FD_ROOMS = tuple("plugin/%s/" % room for room in (
    "base", "model", "bus", "reach", "config", "connector", "template", "guest", "host", "snapshot",
    "checkpoint", "libvirt", "manager", "daemon", "server")) + ("pool/",)
CALLER_FD_WAY = "plugin/base/berth-caller-fd.c"
# What may wait for the other end, or takes the caller's open file description for berthd's own: its
# flags, its offset.
CALLER_FD_CALLS = re.compile(
    r"\b(?:p?readv?2?|p?writev?2?|splice|tee|vmsplice|sendfile|copy_file_range|aio_\w+|dprintf|fdopen|"
    r"lseek|ftruncate|g_unix_set_fd_nonblocking|g_unix_input_stream_new|g_unix_output_stream_new|"
    r"g_io_channel_unix_new|g_input_stream_(?:read|skip)\w*|g_output_stream_(?:write|splice|flush)\w*|"
    r"g_pollable_\w+_(?:read|write)\w*|g_unix_fd_list_(?:get|peek_fds|steal_fds)|"
    r"(?:fcntl|ioctl)(?= \([^;]*(?:F_SETFL|F_SETPIPE_SZ|FIONBIO)\b))"
    r"\s*\(")
CALLER_FD_SOCKETS = re.compile(r"\b(?:send|sendto|sendmsg|sendmmsg|recv|recvfrom|recvmsg|recvmmsg)\s*\(")


@rule("caller-fd")
def check_caller_fd(source):
    """A caller's descriptor is taken in one place, and read and written by one file. What else berthd
    reads or writes says whose it is; on a socket no call waits."""
    if not source.path.startswith(CALLER_FD_ROOMS) or source.path == CALLER_FD_WAY:
        return
    code = "\n".join(source.code)
    for pattern in (CALLER_FD_CALLS, CALLER_FD_SOCKETS):
        for match in pattern.finditer(code):
            end = code.find(";", match.end())
            if pattern is CALLER_FD_SOCKETS and re.search(r"\bMSG_DONTWAIT\b", code[match.end():end]):
                continue
            number = code.count("\n", 0, match.start()) + 1
            yield number, source.lines[number - 1].strip()


@rule("file-scope")
def check_file_scope(source):
    """State belongs to an object: nothing static but constants, ids of signals, guards of GOnce."""
    for number, line in enumerate(source.code, 1):
        match = re.match(r"\s*static (?!const\b|inline\b|gsize\b)[^(]*?(=|;|\[)", line)
        if not source.path.startswith(DAEMON) or match is None or " const " in line.split("=")[0]:
            continue
        if not re.search(r"\b(signals|properties|quark)\b", line):
            yield number, source.lines[number - 1].strip()


PROTOCOL = ("agent/berth-protocol.h", "agent/berth-path.h", "agent/berth-holes.h",
            "agent/berth-language.h", "agent/berth-replay.h")
VIRTUAL = ("libvirt", "libxml", "json-glib")
BOTTOM = ("plugin/base/", "plugin/model/", "plugin/config/", "plugin/bus/")
ROOMS = {
    # what lives there: what its quoted includes may begin with besides its own, which libraries it
    # does not know. The longest name that fits counts; arrows go down, so a room is named only above
    # those that it may use.
    "pool/": ((), VIRTUAL),
    "agent/": ((), VIRTUAL + ("glib", "gio", "gobject")),
    "plugin/base/": (("pool/",), VIRTUAL),
    "plugin/model/": (("plugin/base/", "pool/") + PROTOCOL, VIRTUAL),
    "plugin/reach/": (("plugin/base/", "pool/"), VIRTUAL),
    "plugin/config/": (("plugin/base/", "plugin/reach/", "pool/"), VIRTUAL),
    "plugin/connector/": (("plugin/config/", "plugin/reach/", "plugin/base/", "pool/"), VIRTUAL),
    "plugin/bus/": (BOTTOM + ("pool/",), VIRTUAL),
    "plugin/template/": (("plugin/base/", "plugin/model/", "plugin/reach/", "pool/") + PROTOCOL, ("libvirt",)),
    "plugin/guest/": (("plugin/base/", "plugin/model/", "pool/") + PROTOCOL, VIRTUAL),
    # whoever has the VMs, as the manager sees it: libvirt is one, and nobody above knows that it is
    "plugin/host/": (("plugin/model/", "plugin/config/", "pool/"), VIRTUAL),
    "plugin/snapshot/": (("plugin/host/", "plugin/template/", "plugin/base/", "plugin/config/", "pool/"),
                         VIRTUAL),
    "plugin/checkpoint/": (("plugin/snapshot/", "plugin/base/", "pool/"), VIRTUAL),
    "plugin/libvirt/": (("plugin/host/", "plugin/guest/", "plugin/snapshot/", "plugin/template/",
                         "plugin/base/", "plugin/model/", "plugin/config/", "pool/") + PROTOCOL, ()),
    "plugin/manager/": (("plugin/host/", "plugin/snapshot/", "plugin/checkpoint/", "plugin/template/",
                         "plugin/connector/",
                         "plugin/base/", "plugin/model/", "plugin/config/", "plugin/reach/", "pool/"),
                        VIRTUAL),
    "plugin/daemon/": (("plugin/manager/", "plugin/host/", "pool/") + BOTTOM, VIRTUAL),
    # clients: a program that asks berthd pays for nothing that berthd is made of
    "plugin/cli/": (("pool/",) + BOTTOM + PROTOCOL, ("libvirt", "libxml")),
    "plugin/libberth/": (("pool/",) + BOTTOM, VIRTUAL),
    "plugin/mcp/": (("plugin/libberth/", "pool/") + BOTTOM, VIRTUAL),
    # asks a berthd for a VM as any program does, and reads and writes templates itself
    "plugin/build/": (("plugin/libberth/", "plugin/template/", "pool/") + BOTTOM, ("libvirt",)),
    # a berthd in somebody else's program
    "plugin/server/": (("plugin/libberth/", "plugin/daemon/", "plugin/manager/", "plugin/host/", "pool/")
                       + BOTTOM, VIRTUAL),
}


@rule("layers")
def check_layers(source):
    room = max((name for name in ROOMS if source.path.startswith(name)), key=len, default=None)
    if not source.is_c or (room is None and not source.path.startswith("plugin/")):
        return
    if room is None:
        yield 1, "a room that tests/lint/lint.py does not know: say what it may use"
        return
    below, foreign = ROOMS[room]
    for number, line in enumerate(source.code, 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if match and match[1] == "<" and match[2].startswith(foreign):
            yield number, "%s does not know %s" % (room, match[2])
        elif match and match[1] == '"' and not resolve(source, match[2]).startswith((room, *below)):
            yield number, "%s may not include %s" % (room, match[2])


def resolve(source, name):
    """The path of a quoted include from the root: of this folder, already so, or of another room."""
    for base in (os.path.dirname(source.path), "", *ROOMS):
        path = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(ROOT, path)):
            return path
    # made by the build (gdbus-codegen, images): its own folder's, unless it names another
    return name if "/" in name else os.path.join(os.path.dirname(source.path), name)


@rule("enum-doc")
def check_enum_doc(source):
    """An enum in a header says what its values mean."""
    for number, line in enumerate(source.code, 1):
        if source.path.startswith(DAEMON) and source.is_header and line.startswith("typedef enum"):
            above = [text for text in source.lines[:number - 1] if text.strip()]
            if not above or not above[-1].rstrip().endswith("*/"):
                yield number, "an enum without a comment above it"


def find_sources(root):
    for folder in CODE:
        for place, folders, names in os.walk(os.path.join(root, folder)):
            if os.path.relpath(place, root) == "tests/lint/bad":
                folders.clear()
                continue
            folders.sort()
            for name in sorted(names):
                if name.endswith((".c", ".h", ".py")) or name == "meson.build":
                    yield os.path.relpath(os.path.join(place, name), root)
    yield from (name for name in SCRIPTS if os.path.exists(os.path.join(root, name)))


def findings(source, name):
    for number, text in RULES[name](source):
        if not source.is_waived(name, number):
            yield "%s: %s" % (source.spot(number), text)


class Tap:
    def __init__(self, count):
        self.number = self.failed = 0
        print("1..%d" % count)

    def tell(self, name, wrong):
        self.number += 1
        self.failed += bool(wrong)
        for text in wrong:
            print("# " + text)
        print("%s %d - %s" % ("not ok" if wrong else "ok", self.number, name), flush=True)


def check_tree(root):
    sources = [Source(root, path) for path in find_sources(root)]
    tap = Tap(len(RULES) + 1)
    for name in RULES:
        tap.tell(name, [text for source in sources for text in findings(source, name)])
    tap.tell("every error that asks for a retry says why that helps", errors.find_wrong(root))
    return tap.failed


def check_bad(root):
    """tests/lint/bad/RULE.c, or RULE--CASE.c, breaks RULE and no other; a line of it may say what path
    it has."""
    folder = os.path.join(root, "tests/lint/bad")
    names = sorted(os.listdir(folder))
    tap = Tap(len(names) + 1)
    for name in names:
        source = Source(root, os.path.join("tests/lint/bad", name))
        path = re.search(r"as if it were (\S+)", source.text)
        source.path = path[1] if path else source.path
        wanted = called_by(name)
        if wanted == "self-contained":
            found = set() if compiles(os.path.join(folder, name), ["cc"], root) else {wanted}
        else:
            found = {rule_name for rule_name in RULES if any(findings(source, rule_name))}
        tap.tell(name, [] if found == {wanted} else ["found: %s" % sorted(found)])
    missing = set(RULES) - {called_by(name) for name in names}
    tap.tell("a bad example for every rule", sorted(missing))
    return tap.failed


def called_by(name):
    return name.rsplit(".", 1)[0].split("--")[0]


def compiles(header, compiler, folder):
    told = subprocess.run([*compiler, "-fsyntax-only", "-x", "c", "-include", header, "/dev/null"],
                          cwd=folder, capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)
    return told.returncode == 0


def flags_by_folder(build):
    """folder → compiler and flags of a file in it, without that file"""
    flags = {}
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        for entry in json.load(file):
            path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
            command = shlex.split(entry["command"])
            # ccache may stand before the compiler
            start = next(at for at, word in enumerate(command) if word.startswith("-"))
            keep = command[:start] + [word for word in command[start:]
                                      if word.startswith(("-I", "-D", "-std", "-pthread"))]
            flags.setdefault(os.path.dirname(path), (keep, entry["directory"]))
    return flags


def check_headers(root, build):
    flags = flags_by_folder(build)
    headers = [path for path in find_sources(root) if path.endswith(".h")]
    tap = Tap(len(headers))
    for path in headers:
        header = os.path.join(root, path)
        if os.path.dirname(header) not in flags:
            tap.tell("%s # SKIP nothing of this folder is built" % path, [])
            continue
        compiler, folder = flags[os.path.dirname(header)]
        good = compiles(header, compiler, folder)
        tap.tell(path, [] if good else ["%s does not compile alone" % path])
    return tap.failed


def check_format(root, folders):
    if shutil.which("clang-format") is None:
        print("1..0 # SKIP clang-format is not installed")
        return 0
    tap = Tap(len(folders))
    for folder in folders:
        names = [path for path in find_sources(root)
                 if path.startswith(folder + "/") and not path.startswith("tests/lint/bad/")
                 and path.endswith((".c", ".h"))]
        told = subprocess.run(["clang-format", "--dry-run", "-Werror", *names], cwd=root, timeout=120,
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        wrong = sorted({line.split(":")[0] for line in told.stderr.splitlines() if ": error:" in line})
        tap.tell(folder, ["%s: run clang-format -i" % name for name in wrong])
    return tap.failed


if __name__ == "__main__":
    ROOT = os.path.abspath(sys.argv[2])
    CHECKS = {"check": check_tree, "bad": check_bad}
    if sys.argv[1] in CHECKS:
        sys.exit(1 if CHECKS[sys.argv[1]](ROOT) else 0)
    if sys.argv[1] == "headers":
        sys.exit(1 if check_headers(ROOT, sys.argv[3]) else 0)
    sys.exit(1 if check_format(ROOT, sys.argv[3:]) else 0)

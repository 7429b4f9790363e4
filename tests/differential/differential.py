# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs each program of cases/ under python3, node or bash itself and through the agent, and compares
what they print and how they end. arguments: AGENT RUNNERS CASES [WORD: only cases with it in their
name]. README.md tells how a case looks; `meant` lists the differences that are meant."""

import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agentpeer import COMMONJS, MODULE, ONCE, REHEARSAL, SESSION, Agent

PROGRAM, RUNNERS, CASES = (os.path.abspath(path) for path in sys.argv[1:4])
ONLY = sys.argv[4] if len(sys.argv) > 4 else ""
# warm is what a run from the pool is: its interpreter has rehearsed; once and run begin cold, run is
# told to come from an interpreter that is not loaded ahead
FLAGS = {"warm": ONCE, "once": ONCE, "run": 0, "session": SESSION}
REHEARSALS = {"python": b"pass\n", "javascript": b"0\n"}
INTERPRETERS = {"python": "/usr/bin/python3", "javascript": "/usr/bin/node", "shell": "/bin/bash"}
SCRIPTS = {"python": ".main.py", "javascript": ".main.js", "shell": ".main.sh"}
SUFFIXES = {".mjs": MODULE, ".cjs": COMMONJS}
LIMIT_S = 20
SHOWN_MAX = 1000  # characters of what differs
SECTION = re.compile(rb"^--- (\w+) ?(.*)$")
ENV = [b"PATH=/usr/local/bin:/usr/bin:/bin", b"USER=user", b"LOGNAME=user", b"SHELL=/bin/bash",
       b"LANG=C.UTF-8"]


class Case:
    """A file of cases/: a head of lines "name: value", and sections."""

    def __init__(self, path):
        self.language, name = path[len(CASES) + 1:].split("/")
        self.name = f"{self.language}/{name}"
        self.head = {"env": []}
        self.codes, self.files, self.stdin, self.reference = [], [], None, None
        with open(path, "rb") as file:
            self.parse(file.read())
        self.suffix = self.head.get("suffix")
        modes = "session" if len(self.codes) > 1 else "warm once run" if self.suffix else "warm session"
        self.modes = self.head.get("modes", modes)
        self.is_module = "module" in self.head or self.suffix == ".mjs"

    def parse(self, text):
        title, taken = None, []
        for line in text.split(b"\n"):
            found = SECTION.match(line)
            if found:
                self.take(title, taken)
                title, taken = found.groups(), []
            elif title is None:
                self.take_head(line.decode())
            else:
                taken.append(line)
        self.take(title, taken[:-1] + [b""] if taken[-1:] == [b""] else taken)

    def take_head(self, line):
        if not line or line.startswith("#"):
            return
        name, _, value = line.partition(": ")
        if name == "env":
            self.head["env"].append(value.encode())
        else:
            self.head[name] = value

    def take(self, title, lines):
        if title is None:
            return
        kind, name = title
        text = b"\n".join(lines) + (b"\n" if lines[-1:] != [b""] else b"")
        if "escapes" in self.head:
            text = re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes((int(found[1], 16),)), text)
        if kind in (b"code", b"exec"):
            self.codes.append(text)
        elif kind == b"file":
            self.files.append((name.decode(), text))
        elif kind == b"stdin":
            self.stdin = text
        elif kind == b"reference":
            self.reference = text
        else:
            raise ValueError(f"{self.name}: --- {kind.decode()}")


class Worker:
    """A home, and an agent for each language that was asked for."""

    def __init__(self, folder):
        self.folder = tempfile.mkdtemp(dir=folder)
        self.home = os.path.join(self.folder, "home")
        os.mkdir(self.home)
        self.runners = os.path.join(self.folder, "runners")
        shutil.copytree(RUNNERS, self.runners)
        self.agents = {}

    def agent(self, language):
        if language not in self.agents:
            self.agents[language] = Agent(PROGRAM, self.runners, self.folder, self.home, language)
        return self.agents[language]

    def furnish(self, case):
        """The folder itself stays: an interpreter stands by in it."""
        for entry in os.scandir(self.home):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
        for name, text in case.files:
            path = os.path.join(self.home, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(text)

    def refer(self, case):
        self.furnish(case)
        script = os.path.join(self.home, SCRIPTS[case.language])
        if case.language == "javascript":
            script = script[:-3] + (case.suffix or (".mjs" if case.is_module else ".js"))
        code = case.reference if case.reference is not None else b"".join(case.codes)
        with open(script, "wb") as file:
            file.write(code)
        env = dict(entry.split(b"=", 1) for entry in
                   ENV + [b"HOME=" + self.home.encode()] + case.head["env"])
        interpreter = INTERPRETERS[case.language]
        return self.wait(subprocess.Popen(
            [os.path.basename(interpreter), script], executable=interpreter, cwd=self.home, env=env,
            start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL if case.stdin is None else subprocess.PIPE), case.stdin)

    @staticmethod
    def wait(process, stdin):
        try:
            out, err = process.communicate(stdin, LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            return b"", b"", "timed out"
        status = process.returncode
        return out, err, status if status >= 0 else 128 - status

    def run(self, case, mode):
        agent = self.agent(case.language)
        agent.forget()
        if mode in ("warm", "session") and case.language in REHEARSALS:
            agent.run(REHEARSALS[case.language], SESSION | REHEARSAL)
        self.furnish(case)
        out, err, status = b"", b"", 0
        flags = FLAGS[mode] | SUFFIXES.get(case.suffix, 0)
        for code in case.codes:
            more, told, status = agent.run(code, flags, case.head["env"], case.stdin, LIMIT_S)
            out, err = out + more, err + told
        return out, err, status

    def compare(self, case):
        """What differs, as text for each mode."""
        wanted = self.refer(case)
        found = {}
        for mode in case.modes.split():
            got = self.run(case, mode)
            problem = describe(normalize(case, mode, wanted), normalize(case, mode, got))
            if problem:
                found[mode] = problem
        return found

    def stop(self):
        for agent in self.agents.values():
            agent.stop()


def normalize(case, mode, result):
    """Without addresses and process ids, and, in a session, without what depends on the way of the
    code through Node.js itself, where the event loop calls it and not the loader of modules."""
    out, err, status = result
    # whether the loader of modules has waited for a file is told in a frame of its own
    err = re.sub(rb"\n +at process\.processTicksAndRejections [^\n]*", b"", err)
    if case.language == "javascript" and mode == "session":
        err = re.sub(rb"\n +at [^\n]*node:internal[^\n]*", b"", err)
        err = re.sub(rb"at Object\.<anonymous> \((.*)\)", rb"at \1", err)
        # a rejection tells where its error was made, and not where it was thrown
        err = re.sub(rb"\n[ \t]*\^+(?=\n)", b"", err)
        err = re.sub(rb"file://(/[^\n]*\.main\.)mjs", rb"\1js", err)
    out, err = (re.sub(rb"\b0x[0-9a-f]{6,}", b"0xN", text) for text in (out, err))
    err = re.sub(rb" \d+ (?=(Killed|Terminated) )", b" N ", err)
    err = re.sub(rb"(?<=\(node:)\d+\)|(?<=\[)\d+\]", b"N", err)
    return out, err, status


def describe(wanted, got):
    text = ""
    for name, should, does in zip(("stdout", "stderr", "status"), wanted, got):
        if should != does:
            text += f"#   {name}: {shorten(should)}\n#   agent:  {shorten(does)}\n"
    return text


def shorten(value):
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}... {len(value)} bytes"


def read_meant():
    """{(case, mode): whether every version has the difference}"""
    meant = {}
    with open(os.path.join(os.path.dirname(CASES), "meant"), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, *modes = line.partition(": ")[0].split()
                for mode in modes:
                    meant[name, mode.rstrip("?")] = not mode.endswith("?")
    return meant


class Suite:
    """The workers, each with the next case when it is done with one."""

    def __init__(self, folder):
        self.folder, self.meant, self.failed = folder, read_meant(), 0
        self.local, self.workers, self.lock = threading.local(), [], threading.Lock()

    def worker(self):
        if not hasattr(self.local, "worker"):
            self.local.worker = Worker(self.folder)
            with self.lock:
                self.workers.append(self.local.worker)
        return self.local.worker

    def compare(self, case):
        try:
            return self.worker().compare(case)
        except Exception as error:  # a case that can't be run fails, and the others go on
            return {case.modes.split()[0]: f"#   {type(error).__name__}: {error}\n"}

    def tell(self, number, case, found):
        lines = ""
        for mode in case.modes.split():
            if mode in found and (case.name, mode) not in self.meant:
                lines += f"#  {mode}:\n{found[mode]}"
            elif self.meant.get((case.name, mode)) and mode not in found:
                lines += f"#  {mode}: the list of meant differences has it, and there is none\n"
        self.failed += bool(lines)
        print(f"{'not ' if lines else ''}ok {number} {case.name}\n{lines}", end="", flush=True)

    def run(self, cases):
        print(f"1..{len(cases)}")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for number, (case, found) in enumerate(zip(cases, pool.map(self.compare, cases)), 1):
                self.tell(number, case, found)
        for worker in self.workers:
            worker.stop()
        return self.failed


def main():
    # A shell's background job ignores SIGINT and SIGQUIT, nohup SIGHUP: what is compared with does not.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    cases = []
    for language, interpreter in INTERPRETERS.items():
        if os.access(interpreter, os.X_OK):
            folder = os.path.join(CASES, language)
            cases += [Case(os.path.join(folder, name)) for name in sorted(os.listdir(folder))]
    cases = [case for case in cases if ONLY in case.name]
    with tempfile.TemporaryDirectory(prefix="berth-differential-") as folder:
        failed = Suite(folder).run(cases)
    sys.exit(1 if failed else 0)


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What berth shows of a wait, and on a terminal: the progress line, boots, berth top. Usage:
test-cli-screen.py BERTH FAKE-BERTHD. Prints TAP."""

import contextlib
import importlib.util
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import time

_spec = importlib.util.spec_from_file_location(
    "test_cli", os.path.join(os.path.dirname(os.path.abspath(__file__)), "test-cli.py"))
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
BERTH, LIMIT_S, same, until = _cli.BERTH, _cli.LIMIT_S, _cli.same, _cli.until
SLOW = ("run", "-l", "slow")


class Screen:
    """berth with stderr on a terminal, and stdout there, too, or in a pipe."""

    def __init__(self, d, *arguments, both=False, environ=None):
        controller, terminal = pty.openpty()
        environment = {**d.environ(), "TERM": "xterm"}
        environment.pop("NO_COLOR", None)
        self.controller = controller
        self.bytes = b""
        self.process = subprocess.Popen(
            [BERTH, *arguments], env={**environment, **(environ or {})}, stdin=subprocess.DEVNULL,
            stdout=terminal if both else subprocess.PIPE, stderr=terminal)
        os.close(terminal)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        try:
            while True:
                self.bytes += os.read(self.controller, 4096)
        except OSError:
            pass  # nobody has the terminal any more

    def wait_for(self, part):
        until(lambda: part in self.text() or self.process.poll() is not None)
        assert part in self.text(), self.bytes

    def end(self):
        """(status, what was written to the pipe), when all is read"""
        out, _ = self.process.communicate(timeout=LIMIT_S)
        self.reader.join(LIMIT_S)
        os.close(self.controller)
        return self.process.returncode, (out or b"").decode()

    def text(self):
        """What a person sees now."""
        lines, column = [""], 0
        for token in re.findall(r"\x1b\[K|\x1b\[\d*m|\r|\n|[^\x1b\r\n]+|\x1b",
                                self.bytes.decode()):
            if token == "\x1b[K":
                lines[-1] = lines[-1][:column]
            elif token == "\n":
                lines.append("")
                column = 0
            elif token == "\r":
                column = 0
            elif not re.fullmatch(r"\x1b\[\d*m", token):
                assert "\x1b" not in token, self.bytes
                lines[-1] = lines[-1][:column] + token + lines[-1][column + len(token):]
                column += len(token)
        return "\n".join(lines)


def fill(d):
    return [d.berth("create")[1].strip() for _ in range(2)]


def test_the_line_tells_place_and_start_and_goes(d):
    ids = fill(d)
    first = Screen(d, *SLOW, "echo out; echo err >&2; exit 3")
    first.wait_for("berth: waiting for a place, number 1 in the queue (")
    second = Screen(d, "create", "-l", "slow")
    second.wait_for("number 2 in the queue")
    d.berth("destroy", ids[0])
    first.wait_for("berth: starting berth-slow-1 (")
    second.wait_for("number 1 in the queue")
    same((first.end(), first.text()), ((3, "out\n"), "err\n"))
    second.wait_for("starting")
    status, out = second.end()
    same((status, second.text()), (0, ""))
    d.berth("destroy", ids[1], out.strip())


@contextlib.contextmanager
def gate(d):
    """What a program waits by: it goes on at the end of the block."""
    fifo = os.path.join(d.folder.name, "gate")
    os.mkfifo(fifo)
    yield f"read line < {fifo}"
    with open(fifo, "w", encoding="ascii") as file:
        file.write("\n")
    os.unlink(fifo)


def test_the_line_goes_before_the_first_byte(d):
    with gate(d) as wait:
        screen = Screen(d, *SLOW, f"printf out; {wait}; echo", both=True)
        screen.wait_for("starting")
        until(lambda: screen.text() == "out")
    same((screen.end(), screen.text()), ((0, ""), "out\n"))
    assert re.fullmatch(rb"(\r\x1b\[K|\x1b\[2mberth: starting [^\r\n]*\x1b\[0m)*out\r\n",
                        screen.bytes), screen.bytes


def test_the_line_goes_when_a_silent_program_runs(d):
    with gate(d) as wait:
        screen = Screen(d, *SLOW, wait)
        screen.wait_for("starting")
        until(lambda: screen.text() == "")
        same(screen.process.poll(), None)
    same((screen.end(), screen.text()), ((0, ""), ""))


def test_the_line_goes_at_every_end(d):
    ids = fill(d)
    screen = Screen(d, "create", "--wait-timeout", "1")
    screen.wait_for("waiting")
    same(screen.end(), (126, ""))
    assert screen.text().startswith("berth: no place came free"), screen.text()
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        screen = Screen(d, "run", "true")
        screen.wait_for("waiting")
        screen.process.send_signal(number)
        same((screen.end(), screen.text()),
             ((status, ""), "berth: interrupted: the request is withdrawn\n"))
    d.berth("destroy", *ids)


def test_a_run_with_files_has_a_line(d):
    screen = Screen(d, *SLOW, "--download", "a", "echo x > a; echo done")
    screen.wait_for("starting")
    same((screen.end()[0], screen.text().count("starting")), (125, 0))


def test_no_line_where_none_is_wanted(d):
    for arguments in ([*SLOW, "true"], ["create", "-l", "slow"]):
        for silent in ("-q", "--json"):
            screen = Screen(d, *arguments, silent)
            same((screen.end()[0], screen.bytes), (0, b""))
    d.berth("destroy", *(vm["id"] for vm in d.json("list")[1]))
    screen = Screen(d, "run", "-l", "shell", "true")
    same((screen.end(), screen.bytes), ((0, ""), b""))
    screen = Screen(d, *SLOW, "true", environ={"TERM": "dumb"})
    same((screen.end(), screen.bytes), ((0, ""), b""))
    same(d.berth(*SLOW, "true"), (0, "", ""))


def test_no_colour_where_none_is_wanted(d):
    screen = Screen(d, *SLOW, "true", environ={"NO_COLOR": "1"})
    screen.wait_for("starting")
    screen.end()
    same(re.findall(rb"\x1b\[\d*m", screen.bytes), [])


def test_boot_log_is_on_stderr(d):
    for code in ([], ["-q"], ["--download", "/dev/null:/dev/null"]):
        out = d.berth(*SLOW, "--boot-log", *code, "echo out")
        same((code, out[:2]), (code, (125 if len(code) > 1 else 0, "out\n")))
        assert out[2].startswith("it boots\n"), out
    status, out, err = d.berth(*SLOW, "--boot-log", "--json", "echo out")
    same((status, json.loads(out)["stdout"], err), (0, "out\n", "it boots\n"))
    same(d.berth("run", "-l", "shell", "--boot-log", "echo out"), (0, "out\n", ""))
    # beside all of the program's own streams
    same(d.berth(*SLOW, "--boot-log", "cat", input="in\n"), (0, "in\n", "it boots\n"))
    same(d.berth("exec", "--boot-log", "id", "x")[0], 2)
    ids = fill(d)
    same(d.berth("run", "--no-wait", "--boot-log", "x")[0], 126)
    d.berth("destroy", *ids)


def test_boot_log_takes_the_lines_place(d):
    ids = fill(d)
    with gate(d) as wait:
        screen = Screen(d, *SLOW, "--boot-log", f"{wait}; echo out")
        d.berth("destroy", *ids)
        screen.wait_for("it boots")
        until(lambda: [vm["state"] for vm in d.json("list")[1]] == ["claimed"])
        same(screen.text(), "it boots\n")
    same((screen.end(), screen.text()), ((0, "out\n"), "it boots\n"))


class Top:
    """berth top on a terminal of its own."""

    def __init__(self, d, *arguments, rows=40, columns=100):
        self.controller, self.terminal = pty.openpty()
        termios.tcsetwinsize(self.terminal, (rows, columns))
        self.before = termios.tcgetattr(self.terminal)
        self.bytes = b""
        self.process = subprocess.Popen(
            [BERTH, "top", *arguments], env={**d.environ(), "TERM": "xterm"}, stdin=self.terminal,
            stdout=self.terminal, stderr=self.terminal)

    def lines(self):
        """What a person sees now."""
        os.set_blocking(self.controller, False)
        try:
            while part := os.read(self.controller, 65536):
                self.bytes += part
        except BlockingIOError:
            pass
        frame = self.bytes.decode().split("\x1b[H")[-1].split("\x1b[J")[0]
        return [line.rstrip("\r").removesuffix("\x1b[K") for line in frame.split("\n")]

    def wait_for(self, part):
        until(lambda: part in "\n".join(self.lines()) or self.process.poll() is not None)
        assert part in "\n".join(self.lines()), self.bytes

    def end(self, status):
        """The terminal is as it was; what is told on it."""
        same(self.process.wait(LIMIT_S), status)
        self.lines()
        same(termios.tcgetattr(self.terminal), self.before)
        os.close(self.controller)
        os.close(self.terminal)
        shown = self.bytes.decode()
        assert shown.startswith("\x1b[?1049h\x1b[?25l\x1b[H"), shown
        assert shown.count("\x1b[?25h\x1b[?1049l") == 1, shown
        return shown.split("\x1b[?25h\x1b[?1049l")[1]


def test_top_is_status_and_list_live(d):
    top = Top(d, "-d", "0.1")
    top.wait_for("2 of 2 free")
    same("\n".join(top.lines()), d.berth("status")[1] + "\n" + d.berth("list")[1])
    sandbox = d.berth("create")[1].strip()
    top.wait_for(sandbox)
    top.wait_for("1 of 2 free")  # which may be asked a moment before the list
    d.berth("destroy", sandbox)
    until(lambda: sandbox not in "\n".join(top.lines()))
    os.write(top.controller, b"xq")
    same(top.end(0), "")


def test_top_restores_the_terminal(d):
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 0)):
        top = Top(d)
        top.wait_for("2 of 2 free")
        top.process.send_signal(number)
        same((number, top.end(status)), (number, ""))
    top = Top(d)
    top.wait_for("2 of 2 free")
    assert termios.tcgetattr(top.terminal) != top.before
    os.write(top.controller, b"\x1a\x1cq")  # Ctrl-Z and Ctrl-\
    same(top.end(0), "")


def test_top_tells_why_it_ended(_):
    with _cli.Daemon("--max-vms", "2") as d:
        top = Top(d, "-d", "0.1")
        top.wait_for("2 of 2 free")
        d.process.kill()
        _cli.one_line(top.end(125).replace("\r\n", "\n"), "went away")


def test_top_fits_the_terminal(d):
    top = Top(d, rows=5, columns=20)
    top.wait_for("...")
    lines = top.lines()
    same((len(lines), lines[0], lines[4]), (5, "slots      2 of 2 fr", "..."))
    os.write(top.controller, b"q")
    same(top.end(0), "")


def test_top_in_batch(d):
    look = d.berth("status")[1] + "\n" + d.berth("list")[1]
    same(d.berth("top", "-n", "1"), (0, look, ""))
    begin = time.monotonic()
    same(d.berth("top", "-b", "-n", "3", "-d", "0.2"), (0, look + "\n" + look + "\n" + look, ""))
    assert time.monotonic() - begin >= 0.4
    screen = Screen(d, "top", "-b", "-n", "2", "-d", "0.1", both=True)
    same((screen.end(), screen.text()), ((0, ""), look + "\n" + look))
    process = d.popen("top")
    same(process.stdout.readline(), look.encode().splitlines(True)[0])
    process.stdout.close()
    same(process.wait(LIMIT_S), -signal.SIGPIPE)


def test_top_checks_its_options(d):
    for arguments, part in {("-d", "0"): "-d '0': give 0.1 to 3600 seconds", ("-n", "0"): "-n",
                            ("-n", "x"): "-n", ("x",): "too many"}.items():
        status, out, err = d.berth("top", *arguments)
        same((status, out), (2, ""))
        _cli.one_line(err, part)


if __name__ == "__main__":
    sys.exit(_cli.main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What berth shows on a terminal and takes away again: the progress line. Usage: test-cli-screen.py
BERTH FAKE-BERTHD. Prints TAP."""

import importlib.util
import os
import pty
import re
import signal
import subprocess
import sys
import threading

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


def test_the_line_goes_before_the_first_byte(d):
    screen = Screen(d, *SLOW, "printf out; sleep 1; echo", both=True)
    screen.wait_for("starting")
    same((screen.end(), screen.text()), ((0, ""), "out\n"))
    assert re.fullmatch(rb"(\r\x1b\[K|\x1b\[2mberth: starting [^\r\n]*\x1b\[0m)*out\r\n",
                        screen.bytes), screen.bytes


def test_the_line_goes_when_a_silent_program_runs(d):
    screen = Screen(d, *SLOW, "sleep 3")
    screen.wait_for("starting")
    until(lambda: screen.text() == "")
    same(screen.process.poll(), None)
    same((screen.end(), screen.text()), ((0, ""), ""))


def test_the_line_goes_at_every_end(d):
    ids = fill(d)
    screen = Screen(d, "create", "--wait-timeout", "1")
    screen.wait_for("waiting")
    same(screen.end(), (126, ""))
    assert screen.text().startswith("berth: at capacity"), screen.text()
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
    screen = Screen(d, "run", "-l", "shell", "sleep 0.1")
    same((screen.end(), screen.bytes), ((0, ""), b""))
    screen = Screen(d, *SLOW, "true", environ={"TERM": "dumb"})
    same((screen.end(), screen.bytes), ((0, ""), b""))
    same(d.berth(*SLOW, "true"), (0, "", ""))


def test_no_colour_where_none_is_wanted(d):
    screen = Screen(d, *SLOW, "true", environ={"NO_COLOR": "1"})
    screen.wait_for("starting")
    screen.end()
    same(re.findall(rb"\x1b\[\d*m", screen.bytes), [])


if __name__ == "__main__":
    sys.exit(_cli.main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""berth shell and berth exec -T: one's own terminal is a program's, and one's own again. Usage:
test-cli-terminal.py BERTH FAKE-BERTHD. Prints TAP."""

import fcntl
import functools
import importlib.util
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import tty

_spec = importlib.util.spec_from_file_location(
    "test_cli", os.path.join(os.path.dirname(os.path.abspath(__file__)), "test-cli.py"))
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
BERTH, LIMIT_S, same = _cli.BERTH, _cli.LIMIT_S, _cli.same
MODES = slice(0, 4)  # of what tcgetattr says: those that a program sets


class Terminal:
    """One that somebody sits at, and berth runs in."""

    def __init__(self, d, *arguments, environ=None, stdout=None):
        self.ours, self.its = pty.openpty()
        self.resize(30, 100)
        self.modes = termios.tcgetattr(self.its)
        self.before = self.modes[MODES]
        environment = {**d.environ(), "TERM": "xterm-test", **(environ or {})}
        self.process = subprocess.Popen(
            [BERTH, *arguments], env=environment, stdin=self.its, stdout=stdout or self.its,
            stderr=self.its, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.shown = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.ours, text.encode())

    def read(self):
        if select.select([self.ours], [], [], 0.05)[0]:
            self.shown += os.read(self.ours, 65536)

    def wait_for(self, text):
        """Until it is shown; what is before it is looked at no more."""
        end = time.monotonic() + LIMIT_S
        while text.encode() not in self.shown:
            assert time.monotonic() < end, (text, self.shown)
            self.read()
        before, self.shown = self.shown.split(text.encode(), 1)
        return before.decode()

    def end(self):
        """(status, the rest of what was shown), with the terminal's modes as they were"""
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None:
            assert time.monotonic() < end, self.shown
            self.read()
        while select.select([self.ours], [], [], 0)[0]:
            self.read()
        same(termios.tcgetattr(self.its)[MODES], self.before)
        os.close(self.its)
        os.close(self.ours)
        return self.process.returncode, self.shown.decode()

    def is_raw(self):
        return not termios.tcgetattr(self.its)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)


@functools.cache
def create(d):
    """One for all: commands stand beside each other."""
    return d.berth("create")[1].strip()


def begin(d, script, **options):
    """A script of the shell at a terminal, which is the script's by now"""
    terminal = Terminal(d, "exec", "-Tx", create(d), "sh", "-c", "echo o''n; " + script, **options)
    terminal.wait_for("on\r\n")
    assert terminal.is_raw()
    return terminal


def test_size_kind_and_status(d):
    terminal = begin(d, "tty >/dev/null && stty size; echo $TERM $COLORTERM; read x; exit 7",
                     environ={"COLORTERM": "truecolor"})
    terminal.wait_for("30 100\r\nxterm-test truecolor\r\n")
    terminal.type("\r")
    same(terminal.end(), (7, "\r\n"))


def test_kind_by_option(d):
    terminal = Terminal(d, "exec", "-e", "TERM=mine", "-Tx", create(d), "sh", "-c", "echo $TERM")
    terminal.wait_for("mine\r\n")
    same(terminal.end(), (0, ""))


def test_resize(d):
    terminal = begin(d, "trap w=told WINCH; echo ready; "
                     "while :; do read x || continue; echo $w; stty size; exit; done")
    terminal.wait_for("ready\r\n")
    terminal.resize(50, 132)
    # the size is on its way by another road than the keys
    while (50, 132) != told_size(terminal):
        terminal.read()
    terminal.type("\r")
    terminal.wait_for("told\r\n50 132\r\n")
    same(terminal.end()[0], 0)


def told_size(terminal):
    """Of the program's own terminal: the fake host's guests are processes of this machine."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if not file.read().startswith(b"sh\0-c\0echo o''n; trap w=told"):
                    continue
            with open(f"/proc/{pid}/fd/0", "rb") as file:
                size = fcntl.ioctl(file, termios.TIOCGWINSZ, b"\0" * 8)
            return struct.unpack("HHHH", size)[:2]
        except OSError:
            continue
    return None


def test_keys_are_the_programs(d):
    terminal = begin(d, "trap 'echo int' INT; trap 'echo quit' QUIT; cat; cat; cat; echo over")
    for key, told in ("\x03", "int\r\n"), ("\x1c", "quit\r\n"), ("\x04", "over\r\n"):
        terminal.type("x\n")
        terminal.wait_for("x\r\nx\r\n")  # typed, and told by the cat that the key is for
        terminal.type(key)
        terminal.wait_for(told)
    same(terminal.end()[0], 0)


def test_utf8_and_raw_bytes(d):
    terminal = begin(d, "stty raw -echo; echo ready; head -c 8 | od -An -tx1")
    terminal.wait_for("ready\n")
    terminal.type("é\x03\x00\x1b~\rx")
    terminal.wait_for("c3 a9 03 00 1b 7e 0d 78")
    same(terminal.end()[0], 0)


def test_way_out(d):
    terminal = begin(d, "stty -echo; read x; echo \"<$x>\"; trap '' INT QUIT; cat; cat; cat")
    terminal.type("~~a~.\r")
    terminal.wait_for("<~a~.>\r\n")
    terminal.type("~")
    terminal.type(".")
    same(terminal.end()[0], 129)


def terminals(d, state="running"):
    return [row for row in d.json("ps", create(d))[1]
            if row["kind"] == "terminal" and row["state"] == state]


def end_terminals(d):
    for row in terminals(d):
        same(d.berth("kill", "-s", "KILL", create(d), str(row["exec"]))[0], 0)
    _cli.until(lambda: not terminals(d))


def test_ends_of_berth(d):
    """By whatever signal: the terminal is as it was, and the program goes on."""
    end_terminals(d)
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130),
                           (signal.SIGHUP, -signal.SIGHUP), (signal.SIGQUIT, -signal.SIGQUIT)):
        terminal = begin(d, "stty raw; cat")
        terminal.process.send_signal(number)
        ended, rest = terminal.end()
        same(ended, status)
        _cli.until(lambda: [row["attached"] for row in terminals(d)] == [False])
        if status > 0:
            number = terminals(d)[0]["exec"]
            assert f"goes on, and 'berth attach {create(d)} {number}' shows it again" in rest, rest
        end_terminals(d)


def attach(d, exec, *options, **kwargs):
    return Terminal(d, "attach", *options, create(d), str(exec), **kwargs)


def test_leave_and_come_back(d):
    end_terminals(d)
    terminal = begin(d, "while read x; do echo \"<$x>\"; [ $x != end ] || exit 5; done")
    terminal.type("one\r")
    terminal.wait_for("<one>\r\n")
    terminal.type("~d")
    status, rest = terminal.end()
    number = terminals(d)[0]["exec"]
    same(status, 0)
    assert f"left: the program goes on, and 'berth attach {create(d)} {number}'" in rest, rest
    assert "detached" in d.berth("ps", create(d))[1]
    terminal = attach(d, number)
    same(terminal.wait_for("<one>\r\n"), "on\r\none\r\n")
    assert terminal.is_raw()
    assert "attached" in d.berth("ps", create(d))[1]
    terminal.type("end\r")
    same(terminal.end()[0], 5)
    # one that has ended is shown, and ends
    terminal = attach(d, number)
    terminal.wait_for("<end>\r\n")
    same(terminal.end()[0], 5)


def test_size_of_who_comes(d):
    end_terminals(d)
    _, number, _ = d.berth("exec", "-dTx", create(d), "sh", "-c",
                           "stty size; while read x; do stty size; done")
    # its size is another's as soon as one comes
    _cli.until(lambda: "24 80" in d.berth("logs", create(d), number.strip())[1])
    terminal = attach(d, number.strip())
    terminal.wait_for("24 80\r\n")
    terminal.type("\r")
    terminal.wait_for("30 100\r\n")
    terminal.type("\x04")
    same(terminal.end()[0], 0)


def test_second_who_comes(d):
    end_terminals(d)
    terminal = begin(d, "while read x; do echo \"<$x>\"; [ $x != end ] || exit 0; done")
    number = terminals(d)[0]["exec"]
    second = attach(d, number)
    status, rest = second.end()
    same(status, 2)
    assert "somebody types there already" in rest, rest
    looker = attach(d, number, "-r")
    looker.wait_for("on\r\n")
    looker.type("nothing of this\r")
    terminal.type("one\r")
    looker.wait_for("one\r\n<one>\r\n")
    looker.type("\x03")
    same(looker.end()[0], 130)
    looker = attach(d, number, "-r")
    looker.wait_for("<one>\r\n")
    looker.type("~d")
    same(looker.end()[0], 0)
    terminal.type("end\r")
    terminal.wait_for("<end>")
    same(terminal.end()[0], 0)


def test_no_way_to_leave_what_ends_with_us(d):
    """A sandbox of one's own: the key is the program's."""
    terminal = Terminal(d, "shell", "-e", "PS1=ready: ", "-e", "HOME=/")
    terminal.type("echo o''n\r")
    terminal.wait_for("on\r\n")
    terminal.type("~d\r")
    terminal.wait_for("~d: command not found")
    terminal.type("exit 3\r")
    same(terminal.end()[0], 3)


def test_end_of_berthd(_):
    with _cli.Daemon("--max-vms", "4") as daemon:
        terminal = begin(daemon, "printf '\\033[?1049h'; cat")
        terminal.wait_for("\x1b[?1049h")
        daemon.process.kill()
        status, rest = terminal.end()
        same(status, 125)
        assert "\x1b[?47l" in rest and "went away before" in rest, rest


def test_reader_goes_away(d):
    reads, writes = os.pipe()
    terminal = Terminal(d, "exec", "-Tx", create(d), "yes", stdout=writes)
    os.close(writes)
    same(os.read(reads, 3), b"y\r\n")
    os.close(reads)
    same(terminal.end()[0], -signal.SIGPIPE)


def answers(terminal, question, answer):
    """As a terminal does, when it comes to it"""
    terminal.wait_for(question)
    terminal.type(answer)


def nothing_is_typed(terminal):
    """A shell would find nothing of it: without echo, as what is typed ahead"""
    tty.setraw(terminal.its)
    same(select.select([terminal.its], [], [], 0)[0], [])
    termios.tcsetattr(terminal.its, termios.TCSANOW, terminal.modes)


def test_answers_are_not_the_shells(d):
    """A program asks, and does not stay for the answer, which comes late."""
    end_terminals(d)
    for leave in (False, True):
        terminal = begin(d, "printf '\\033[c\\033]11;?\\a'; " + ("cat" if leave else "exit 4"))
        if leave:
            terminal.wait_for("\x1b]11;?\x07")
            terminal.type("\r~d")
        terminal.wait_for("\x1b[5n")
        assert terminal.is_raw()
        terminal.type("\x1b[?62;4c")
        terminal.type("\x1b]11;rgb:0/0/0\x07\x1b[0n")
        terminal.process.wait(LIMIT_S)
        nothing_is_typed(terminal)
        same(terminal.end()[0], 0 if leave else 4)


def test_answers_of_a_terminal_that_gives_none(d):
    terminal = begin(d, "printf '\\033[c'")
    same(terminal.end()[0], 0)


def test_who_does_not_answer_is_not_asked(d):
    end_terminals(d)
    terminal = begin(d, "printf 'a\\033[c\\033[6nb\\033[31mc\\n'; cat")
    terminal.wait_for("a\x1b[c\x1b[6nb\x1b[31mc\r\n")
    number = terminals(d)[0]["exec"]
    for verb in (("attach", "-r"), ("logs", "-f")):
        looker = Terminal(d, *verb, create(d), str(number))
        looker.wait_for("ab\x1b[31mc")
        looker.type("\x03")
        same(looker.end()[0], 130)
    # what is no terminal has all of it
    same(d.berth("logs", create(d), str(number))[1], "on\r\na\x1b[c\x1b[6nb\x1b[31mc\r\n")
    terminal.type("\x04")
    answers(terminal, "\x1b[5n", "\x1b[0n")
    same(terminal.end()[0], 0)


def test_shell(d):
    """A sandbox of its own, gone afterwards; and one that exists, which stays."""
    terminal = Terminal(d, "shell", "-e", "PS1=ready: ", "-e", "HOME=/")
    terminal.type("echo $((6*7)) $BASH_VERSION; stty size\r")
    terminal.wait_for("30 100\r\n")
    terminal.type("exit 3\r")
    same(terminal.end()[0], 3)
    session = create(d)
    _cli.until(lambda: [vm["id"] for vm in d.json("list")[1]] == [session])
    terminal = Terminal(d, "shell", "-l", "python", session)
    terminal.type("print(6*7)\rexit()\r")
    terminal.wait_for(">>> ")
    terminal.wait_for("42\r\n")
    same(terminal.end()[0], 0)
    same([vm["id"] for vm in d.json("list")[1]], [session])


def is_stopped(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def test_stopped_from_elsewhere(d):
    """The terminal is its own again while berth stands still, and the program's when it goes on."""
    sandbox = d.berth("create", "-l", "shell")[1].strip()
    terminal = Terminal(d, "exec", "-Tx", sandbox, "sh", "-c", "echo up; read word; echo got $word")
    terminal.wait_for("up")
    _cli.until(terminal.is_raw)
    for number in (signal.SIGTSTP, signal.SIGTSTP, signal.SIGSTOP):
        os.kill(terminal.process.pid, number)
        _cli.until(lambda: is_stopped(terminal.process))
        if number == signal.SIGTSTP:
            same(termios.tcgetattr(terminal.its)[MODES], terminal.before)
        else:
            termios.tcsetattr(terminal.its, termios.TCSANOW,
                              terminal.before + termios.tcgetattr(terminal.its)[4:])
        os.kill(terminal.process.pid, signal.SIGCONT)
        _cli.until(terminal.is_raw)
    terminal.type("word\r")
    terminal.wait_for("got word")
    same(terminal.end()[0], 0)
    same(d.berth("destroy", sandbox)[0], 0)


def test_time_limit(d):
    terminal = Terminal(d, "exec", "-t", "1", "-Tx", create(d), "cat")
    status, rest = terminal.end()
    same((status, "after 1 s" in rest), (124, True))


def test_mistakes(d):
    session = create(d)
    no_terminal = "standard input is no terminal"
    for arguments, part in ((("exec", "-Tx", session, "true"), no_terminal),
                            (("shell",), no_terminal), (("shell", session), no_terminal),
                            (("exec", "-T", session, "true"), "give -x, too"),
                            (("exec", "-n", "-Tx", session, "true"), "-n"),
                            (("shell", "-m", "512", session), "exists already"),
                            (("shell", "-l", "no such"), "no name of a language"),
                            (("shell", session, "x"), "one argument too many")):
        status, out, err = d.berth(*arguments)
        same((status, out), (2, ""))
        _cli.one_line(err, part)


if __name__ == "__main__":
    # a shell's job in the background, or of nohup, has them ignored, and so would all that is started here
    for key_signal in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(key_signal, signal.SIG_DFL)
    sys.exit(_cli.main(globals()))

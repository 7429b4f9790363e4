#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""berth shell at a real terminal (tmux), in real guests. See guestlib.py."""

import functools
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

from guestlib import BERTH, LIMIT_S, Daemon, find_pids, keep, main, need, same, until

TMUX = ["tmux", "-L", f"berth-test-{os.getpid()}", "-f", "/dev/null"]
HOST = "host>"  # the prompt of the shell that berth is started from


@functools.cache
def daemon():
    return keep(Daemon("--warm-default", "0", "--max-vms", "3"))


def tmux(*arguments):
    return subprocess.run([*TMUX, *arguments], capture_output=True, text=True, timeout=LIMIT_S,
                          check=True).stdout


class Pane:
    """A terminal of 100 by 30 with a shell of this machine."""

    def __enter__(self):
        environment = {**daemon().environ(), "PS1": HOST + " ", "LC_ALL": "C.UTF-8"}
        subprocess.run([*TMUX, "new-session", "-d", "-x", "100", "-y", "30", "bash", "--norc",
                        "--noprofile"], env=environment, timeout=LIMIT_S, check=True)
        tmux("set-option", "-g", "window-size", "manual")
        self.wait_for(HOST)
        self.modes = self.ask_modes()
        return self

    def __exit__(self, *_):
        tmux("kill-server")

    @staticmethod
    def screen(*options):
        return tmux("capture-pane", "-p", *options)

    def wait_for(self, text):
        try:
            until(lambda: text in self.screen(), text)
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.screen()}") from None

    @staticmethod
    def keys(*keys):
        tmux("send-keys", *keys)

    def type(self, text, shown):
        self.keys("-l", text)
        self.keys("Enter")
        self.wait_for(shown)

    def clear(self):
        """Nothing that was shown before is taken for what comes."""
        tmux("send-keys", "-R")
        tmux("clear-history")

    def berth(self, *arguments, shown):
        self.clear()
        self.type(shlex.join([BERTH, *arguments]) + "; echo status=$?", shown)

    @staticmethod
    def berth_pid():
        """Of what the pane's shell runs"""
        pid, = find_pids("-P", tmux("display-message", "-p", "#{pane_pid}").strip())
        return pid

    def ask_modes(self):
        self.clear()
        self.type("echo modes=$(stty -g | md5sum | cut -c-32)", "\nmodes=")
        return next(line for line in self.screen().splitlines() if line.startswith("modes="))

    def end(self, status):
        """berth's, after which the terminal is as it was before"""
        self.wait_for(f"status={status}\n")
        same(self.ask_modes(), self.modes)


def test_shell():
    with Pane() as pane:
        pane.berth("shell", shown="user@")
        pane.type("PS1='guest> '; clear", "guest>")
        pane.type("tty; stty size; echo $((6 * 7))", "/dev/pts/0\n30 100\n42\n")
        pane.type("echo grün '→' $TERM", "grün → " + tmux("display-message", "-p",
                                                          "#{default-terminal}").strip())
        pane.type(r"printf '\033[1;32mgr%s\033[0m\n' een", "\ngreen\n")
        assert "\x1b[1m\x1b[32mgreen" in pane.screen("-e"), pane.screen("-e")
        tmux("resize-window", "-x", "90", "-y", "25")
        # the size comes by another road than the keys
        pane.type("until [ \"$(stty size)\" = '25 90' ]; do sleep 0.1; done; clear; echo now $(stty size)",
                  "now 25 90\n")
        for key, told in ("C-c", "int=130\n"), ("C-z", "int=148\n"):
            pane.type("clear; sleep 1000", "")
            until(lambda: "sleep" in daemon().berth("exec", "-x", only_sandbox(), "ps", "-o",
                                                    "comm=", "-u", "user").stdout, "sleep")
            pane.keys(key)
            pane.type("echo int=$?", told)
        pane.type("fg", "sleep 1000\n")
        until(lambda: "S+" in daemon().berth("exec", "-x", only_sandbox(), "ps", "-o", "stat=", "-C",
                                             "sleep").stdout, "sleep in the foreground")
        pane.keys("C-c")
        pane.type("clear; echo in''side", "inside\n")
        pane.type("seq 1000 | less", ":")
        pane.wait_for("\n23\n24\n:")
        assert "inside" not in pane.screen()
        pane.keys("G")
        pane.wait_for("1000\n(END)")
        pane.keys("q")
        pane.wait_for("inside\n")
        pane.type("top -d 1", "load average")
        pane.wait_for("PID USER")
        pane.keys("q")
        pane.wait_for("guest>")
        pane.keys("C-d")
        pane.end(0)
    until(lambda: all(vm["state"] != "claimed" for vm in daemon().json("list")),
          "the end of a sandbox that was the shell's")


def only_sandbox():
    vm, = (vm for vm in daemon().json("list") if vm["state"] == "claimed")
    return vm["id"]


def test_prompts():
    """Those of the languages, which read lines, keys and Ctrl-C as they do anywhere."""
    with Pane() as pane:
        pane.berth("shell", "-l", "python", shown=">>>")
        # a prompt takes keys when it stands there, and throws away what was typed before
        pane.type("x = 'é' * 3; print(x, 6 * 7)", "\nééé 42\n>>>")
        pane.keys("Up", "C-a")
        pane.type("print('again'); ", "\nagain\nééé 42\n>>>")
        pane.type("import time; print('be' 'gun'); time.sleep(1000)", "\nbegun\n")
        pane.keys("C-c")
        pane.wait_for("KeyboardInterrupt\n>>>")
        pane.keys("C-d")
        pane.end(0)
        pane.berth("shell", "-l", "javascript", shown="Welcome to Node")
        pane.wait_for("\n>")
        pane.type("[6 * 7, process.stdout.columns]", "[ 42, 100 ]\n>")
        pane.keys("-l", "not entered")
        pane.wait_for("> not entered")
        pane.keys("C-c")
        pane.type(".exit", "status=0\n")
        pane.end(0)


def test_exec_and_ends_of_berth():
    session = daemon().berth("create", "-l", "shell").stdout.strip()
    with Pane() as pane:
        pane.berth("exec", "-Tx", session, "less", "/etc/passwd", shown="/bin/bash")
        pane.keys("q")
        pane.end(0)
        for name, status in (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131):
            pane.berth("exec", "-Tx", session, "sh", "-c", "seq 1000 | less", shown="24\n")
            os.kill(pane.berth_pid(), name)
            pane.end(status)
            number, = detached(session)
            pane.berth("attach", session, number, shown="24\n")
            pane.keys("q")
            pane.end(0)
        pane.berth("shell", session, shown="user@")
        pane.type("trap '' INT; sleep 1000", "")
        pane.keys("Enter", "~", ".")
        pane.end(129)
    same(daemon().berth("destroy", session).returncode, 0)


def detached(session):
    """Numbers of terminals that nobody sits at"""
    return [str(row["exec"]) for row in daemon().json("ps", session)
            if row.get("attached") is False and row["state"] == "running"]


def test_reattach():
    """A shell and its full-screen programs outlive their terminal, and berthd."""
    session = daemon().berth("create", "-l", "shell").stdout.strip()
    with Pane() as pane:
        pane.berth("shell", session, shown="user@")
        pane.type("PS1='guest> '; clear; stty size", "30 100\nguest>")
        pane.keys("-l", "~d")
        pane.wait_for("left: the program goes on")
        pane.end(0)
        number, = detached(session)
        until(lambda: "detached" in daemon().berth("ps", session).stdout, "ps")
        pane.berth("attach", session, number, shown="guest>")
        pane.type("x=kept; echo $x $(stty size)", "kept 30 100\nguest>")
        # full-screen, by a terminal of another size, twice
        pane.type("seq 1000 | less", "\n28\n29\n:")
        os.kill(pane.berth_pid(), signal.SIGHUP)
        pane.end(129)
        tmux("resize-window", "-x", "90", "-y", "25")
        pane.berth("attach", session, number, shown="\n23\n24\n:")
        assert "\n25\n" not in pane.screen(), pane.screen()
        pane.keys("G")
        pane.wait_for("1000\n(END)")
        daemon().crash()
        pane.end(125)
        daemon().start()
        same(detached(session), [number])
        pane.berth("attach", session, number, shown="1000\n(END)")
        # one may type, another looks on
        refused = subprocess.run([BERTH, "attach", "-i", session, number], stdin=subprocess.PIPE,
                                 env=daemon().environ(), capture_output=True, text=True,
                                 timeout=LIMIT_S, check=False)
        same(refused.returncode, 2)
        pane.keys("q")
        pane.wait_for("guest>")
        pane.type("echo $x again", "kept again\nguest>")
        pane.type("top -d 1", "PID USER")
        pane.keys("Enter", "~", "d")
        pane.end(0)
        pane.berth("attach", "-r", session, number, shown="PID USER")
        pane.keys("C-c")
        pane.end(130)
        pane.berth("attach", session, number, shown="PID USER")
        pane.keys("q")
        pane.wait_for("guest>")
        pane.type("exit 9", "status=9")
        pane.end(9)
        same(detached(session), [])
    same(daemon().berth("destroy", session).returncode, 0)


def put_vim(session, folder):
    """This machine's, with what it is linked with: images have none. The command that runs it"""
    vim = shutil.which("vim.tiny") or shutil.which("vim.basic") or shutil.which("vim")
    need(vim, "there is no vim")
    told = subprocess.run(["ldd", os.path.realpath(vim)], capture_output=True, text=True, timeout=60, check=True)
    files = [word for line in told.stdout.splitlines() for word in line.split() if word.startswith("/")]
    need(sum(os.path.getsize(name) for name in files) < 40_000_000, "this vim is one for desktops")
    for name in files:
        shutil.copy(name, folder)
    shutil.copy(os.path.realpath(vim), os.path.join(folder, "vim"))
    same(daemon().berth("put", session, folder, "vim").returncode, 0)
    loader, = (os.path.basename(name) for name in files if "/ld-linux" in name)
    return ["vim/" + loader, "--library-path", "vim", "vim/vim", "-u", "NONE", "-i", "NONE", "-N"]


def test_vim():
    """It asks the terminal what it is, draws all of it, and is left in the middle of a word."""
    session = daemon().berth("create", "-l", "shell", "-m", "256").stdout.strip()
    with tempfile.TemporaryDirectory() as folder, Pane() as pane:
        vim = put_vim(session, folder)
        pane.berth("exec", "-Tx", session, *vim, "text", shown='"text"')
        until(lambda: pane.screen().count("\n~") == 28, "an empty file")
        pane.keys("i")
        pane.wait_for("-- INSERT --")
        pane.keys("-l", "grün und ")
        pane.wait_for("grün und")
        os.kill(pane.berth_pid(), signal.SIGHUP)
        pane.end(129)
        tmux("resize-window", "-x", "90", "-y", "25")
        number, = detached(session)
        pane.berth("attach", session, number, shown="grün und\n~\n")
        until(lambda: pane.screen().count("\n~") == 23, "a screen of the new size")
        pane.keys("-l", "blau")
        pane.keys("Escape")
        pane.type(":wq", "status=0\n")
        pane.end(0)
        same(daemon().berth("exec", "-x", session, "cat", "text").stdout, "grün und blau\n")
        # gone again before the terminal has answered
        pane.berth("exec", "-Tx", session, *vim, "-c", "q!", shown="status=0\n")
        pane.end(0)
        assert "^[[" not in pane.screen(), pane.screen()
    same(daemon().berth("destroy", session).returncode, 0)


def test_answers_are_not_typed_again():
    """What a program asked the terminal before is not asked again: the answer would be typed."""
    session = daemon().berth("create", "-l", "shell").stdout.strip()
    with Pane() as pane:
        pane.berth("exec", "-Tx", session, "bash", "--norc", shown="bash")
        pane.type(r"printf '\e[6n\e[c'; sleep 1; read -t 1 -n 100 -s x; echo ${#x} in''side", " inside\n")
        answers = pane.screen().count("^[[")  # as they were echoed
        assert answers > 0, pane.screen()
        pane.keys("Enter", "~", "d")
        pane.end(0)
        number, = detached(session)
        pane.berth("attach", session, number, shown=" inside\n")
        pane.type("echo cl''ean", "\nclean\n")
        same(pane.screen().count("^[["), answers)
        pane.type("exit", "status=0")
    same(daemon().berth("destroy", session).returncode, 0)


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the shells complete: the candidates against what --help says, and the functions of bash and
zsh in real shells on a terminal. Usage: test-cli-complete.py BERTH FAKE-BERTHD. Prints TAP."""

import importlib.util
import os
import pty
import re
import shutil
import signal
import sys

_spec = importlib.util.spec_from_file_location(
    "test_cli", os.path.join(os.path.dirname(os.path.abspath(__file__)), "test-cli.py"))
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
BERTH, same = _cli.BERTH, _cli.same
FUNCTIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../plugin/cli/completion")


def candidates(d, *words):
    status, out, err = d.berth("complete", *words)
    same((status, err), (0, ""))
    return [line.split("\t")[0] for line in out.splitlines()]


def verbs(d):
    lines = d.berth("--help")[1].split("Verbs:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in lines.splitlines()]


def test_every_verb_is_offered(d):
    same(candidates(d, ""), verbs(d))
    same(candidates(d), verbs(d))
    same(candidates(d, "st"), ["status"])
    same(candidates(d, "--"), ["--help", "--version"])
    same(candidates(d, "nonsense", ""), [])


def test_every_option_of_every_verb_is_offered(d):
    for verb in verbs(d):
        wanted = re.findall(r"^  (?:-\w, )?(--[\w-]+)", d.berth(verb, "--help")[1], re.M)
        assert "--socket" in wanted, wanted
        same((verb, candidates(d, verb, "-")), (verb, wanted))
    same(candidates(d, "run", "--", "-"), [":files"])


def test_every_word_of_a_synopsis_is_offered(d):
    same(candidates(d, "pool", ""), ["set", "fill", "drain"])
    same(candidates(d, "drain", ""), ["begin", "end"])
    same(candidates(d, "template", ""), ["build", "push", "pull", "list", "show", "validate", "snapshot", "remove", "history", "prune"])
    same(candidates(d, "template", "s"), ["show", "snapshot"])
    same(candidates(d, "template", "frame", ""), [])


def templates(d):
    return sorted(one["name"] for one in d.json("template", "list")[1])


def test_templates_are_those_of_berthd(d):
    for words in (["run", "-l"], ["run", "-ql"], ["create", "--language"], ["pool", "set"],
                  ["pool", "drain"], ["template", "show"], ["template", "--json", "show"]):
        same((words, sorted(candidates(d, *words, ""))), (words, templates(d)))
        same(candidates(d, *words, "x"), [])
    same(candidates(d, "run", "--language=py"), ["--language=python"])
    for words in (["template", "list"], ["template", "show", "python"], ["pool", "set", "python"],
                  ["run", "-m"]):
        same((words, candidates(d, *words, "")), (words, []))


def test_ids_are_those_of_sandboxes(d):
    first, second = (d.berth("create", "--tenant", "acme")[1].strip() for _ in range(2))
    both = sorted((first, second))
    for words in (["exec"], ["put"], ["get"], ["ls"], ["destroy"], ["destroy", first],
                  ["exec", "-t", "5"], ["exec", "--timeout=5", "-q"]):
        same((words, sorted(candidates(d, *words, ""))), (words, both))
    same(candidates(d, "exec", first[:-1] + "x"), [])
    same(d.berth("complete", "ls", first)[1], f"{first}\tpython acme\n")
    for words in (["exec", first], ["ls", first], ["list"]):
        same((words, candidates(d, *words, "")), (words, []))
    d.berth("destroy", first, second)


def test_files_are_left_to_the_shell(d):
    for words in (["run"], ["run", "-q"], ["put", "id"], ["get", "id", "there"], ["run", "--upload"],
                  ["template", "validate"], ["list", "--socket"]):
        same((words, candidates(d, *words, "")), (words, [":files"]))
    for words in (["run", "--upload", "a:b"], ["put", "id", "here", ""], ["run", "x", ""]):
        same((words, candidates(d, *words)), (words, []))


def test_the_berthd_of_the_line_is_asked(d):
    socket, d.socket = d.socket, "/nonexistent/berthd.sock"
    try:
        same(candidates(d, "run", "-l", ""), [])
        same(candidates(d, "run", "--socket", socket, "-l", "py"), ["python"])
        same(candidates(d, "run", "--socket=" + socket, "-l", "py"), ["python"])
    finally:
        d.socket = socket


def test_a_berthd_that_hangs_does_not_hang_the_shell(d):
    d.process.send_signal(signal.SIGSTOP)
    try:
        same(d.berth("complete", "run", "-l", ""), (-signal.SIGALRM, "", ""))
    finally:
        d.process.send_signal(signal.SIGCONT)


class Shell:
    """An interactive shell on a terminal of its own, in a folder with one file."""

    def __init__(self, d, argv, setup):
        self.folder = os.path.join(d.folder.name, "shell")
        os.makedirs(self.folder + "/bin", exist_ok=True)
        with open(self.folder + "/my file.txt", "wb"):
            pass
        if not os.path.exists(self.folder + "/bin/berth"):
            os.symlink(BERTH, self.folder + "/bin/berth")
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execvpe(argv[0], argv, {
                **d.environ(), "HOME": self.folder, "TERM": "dumb", "HISTFILE": "/dev/null",
                "PATH": self.folder + "/bin:" + os.environ["PATH"]})
        self.pid = pid
        self.send(setup + "\necho rea''dy\n")
        self.read_until("ready\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.terminal)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def send(self, text):
        os.write(self.terminal, text.encode())

    def read_until(self, end):
        got = b""
        while end.encode() not in got:
            got += os.read(self.terminal, 4096)
        return got.decode()

    def words(self, line):
        """What becomes of @line behind the tabulator: its words."""
        self.send(line + "\t")
        # to the begin of the line, where a command is put before it that shows it
        self.send("\x01printf '<%s>' \x05; echo en''d\n")
        shown = self.read_until("end\r\n").split("end\r\n")[0].split("\n")[-1]
        return re.findall(r"<([^>]*)>", shown)


def try_in_a_shell(d, shell):
    sandbox = d.berth("create")[1].strip()
    with shell:
        for line, wanted in {
                "berth sta": ["berth", "status"],
                "berth run --no-w": ["berth", "run", "--no-wait"],
                "berth run -l p": ["berth", "run", "-l", "python"],
                "berth run --language=p": ["berth", "run", "--language=python"],
                "berth template va": ["berth", "template", "validate"],
                "berth exec " + sandbox[:-1]: ["berth", "exec", sandbox],
                "berth run m": ["berth", "run", "my file.txt"],
                "berth template validate my": ["berth", "template", "validate", "my file.txt"],
                "berth run --upload a:b m": ["berth", "run", "--upload", "a:b", "my file.txt"],
                "berth run -e 'A=b c' --tas": ["berth", "run", "-e", "A=b c", "--task"],
        }.items():
            same((line, shell.words(line)), (line, wanted))
    d.berth("destroy", sandbox)


def test_in_bash(d):
    try_in_a_shell(d, Shell(d, ["bash", "--norc", "--noprofile", "-i"],
                            f"source {FUNCTIONS}/berth.bash"))


def test_in_zsh(d):
    if not shutil.which("zsh"):
        raise _cli.Skipped("no zsh here")
    os.makedirs(d.folder.name + "/functions")
    shutil.copy(FUNCTIONS + "/berth.zsh", d.folder.name + "/functions/_berth")
    try_in_a_shell(d, Shell(d, ["zsh", "-f", "-i"],
                            f"bindkey -e; fpath=({d.folder.name}/functions $fpath); "
                            "autoload -U compinit; compinit -u -D"))


if __name__ == "__main__":
    sys.exit(_cli.main(globals()))

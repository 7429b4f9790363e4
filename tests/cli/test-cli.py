#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command berth against the real berthd on a host without VMs (tests/host): exit
statuses, messages, JSON, streams, signals. Usage: test-cli.py BERTH FAKE-BERTHD. Prints TAP."""

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import traceback

BERTH, BERTHD = (os.path.abspath(path) for path in sys.argv[1:3])
LIMIT_S = 30
# every VM is somebody's and boots: no slot is a snapshot's or a warm VM's
COLD = ("--snapshot-scope", "none", "--warm-default", "0", "--memory-mb", "1024")
TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../domain-templates")

RESULT_KEYS = ["stdout", "stderr", "exit_code", "timed_out", "oom", "stdout_truncated",
               "stderr_truncated", "error", "template", "sandbox_id", "warm_hit", "start",
               "timing", "usage", "network", "destroy_unconfirmed"]
TIMING_KEYS = ["wait_ms", "claim_ms", "start_ms", "spawn_ms", "connect_ms", "exec_ms",
               "destroy_ms", "total_ms"]


class Skipped(Exception):
    """Why a test cannot be run here."""


class Daemon:
    """A berthd of its own, with its log."""

    def __init__(self, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="berth-cli-")
        self.socket = os.path.join(self.folder.name, "run", "berthd.sock")
        self.log_path = os.path.join(self.folder.name, "log")
        self.options = options

    def start(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [BERTHD, "--foreground", "--socket", self.socket, "--config", "/dev/null",
                 "--socket-group", "", *COLD, "--image-dir", self.folder.name,
                 "--checkpoint-dir", os.path.join(self.folder.name, "checkpoints"), *self.options],
                stderr=log)
        self.wait_for("berthd ready on " + self.socket)
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(LIMIT_S)
        self.folder.cleanup()

    def log(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def wait_for(self, text):
        until(lambda: text in self.log() or self.process.poll() is not None)
        assert text in self.log(), self.log()

    def environ(self):
        return {**os.environ, "BERTH_SOCKET": self.socket, "LC_ALL": "C"}

    def popen(self, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([BERTH, *arguments], env=self.environ(), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **options)

    def berth(self, *arguments, **options):
        """(status, stdout, stderr)"""
        if "input" in options:
            options["input"] = options["input"].encode()
        else:
            options.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run([BERTH, *arguments], env=self.environ(), capture_output=True,
                              timeout=LIMIT_S, **options, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def json(self, *arguments, **options):
        status, out, _ = self.berth(*arguments, "--json", **options)
        assert out.count("\n") == 1 and out.endswith("\n"), out
        return status, json.loads(out)


def until(condition):
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def same(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def needs_root():
    if os.geteuid() != 0:
        raise Skipped("needs root, to be another user")


def one_line(text, *parts):
    assert text.startswith(("berth: ", "berth template ")) and text.count("\n") == 1, text
    for part in parts:
        assert part in text, f"{part!r} is not in {text!r}"


SHELL = ("run", "-l", "shell")


def test_output_and_own_status(d):
    same(d.berth(*SHELL, "echo out; echo err >&2; exit 3"), (3, "out\n", "err\n"))
    same(d.berth(*SHELL, "true"), (0, "", ""))


def test_status_of_a_signal(d):
    same(d.berth(*SHELL, "kill -9 $$")[0], 137)
    same(d.berth(*SHELL, "kill -TERM $$")[0], 143)


def test_time_out_is_124(d):
    status, out, err = d.berth(*SHELL, "-t", "1", "echo so far; sleep 20")
    same((status, out), (124, "so far\n"))
    one_line(err, "time ran out after 1 s", "-t")
    same(d.berth(*SHELL, "-q", "-t", "1", "sleep 20"), (124, "", ""))


def test_time_out_with_a_status_of_its_own(d):
    code = "trap 'exit 7' TERM; sleep 20 & wait"
    same(d.berth(*SHELL, "-q", "-t", "1", code)[0], 7)
    status, result = d.json(*SHELL, "-t", "1", code)
    same((status, result["exit_code"], result["timed_out"]), (7, 7, True))


def test_out_of_memory(d):
    status, _, err = d.berth("run", "-l", "oom", "kill -9 $$")
    same(status, 137)
    one_line(err, "out of memory", "-m")


def test_every_error_code_has_its_status_and_one_line(d):
    wanted = {"invalid": 2, "no-capacity": 126, "wait-timed-out": 126, "queue-full": 126,
              "shutting-down": 125, "unavailable": 125, "start-timed-out": 125,
              "outcome-unknown": 125, "gone": 125, "denied": 125, "config": 125, "internal": 125}
    for nick, status in wanted.items():
        for verb in (("run",), ("create",)):
            code = ["true"] if verb == ("run",) else []
            got, out, err = d.berth(*verb, "-l", "fail-" + nick, *code)
            same((nick, got, out), (nick, status, ""))
            one_line(err, "fail-" + nick)


def test_messages_cannot_drive_the_terminal(d):
    _, _, err = d.berth("run", "-l", "fail-gone", "true")
    assert "\x1b" not in err and "?[31mfix it" in err, err


def test_json_cannot_drive_the_terminal(d):
    _, out, _ = d.berth(*SHELL, r"printf 'a\302\2331m'; printf '\033[31m\177' >&2", "--json")
    result = json.loads(out)
    same((result["stdout"], result["stderr"]), ("a\u009b1m", "\x1b[31m\x7f"))
    assert not any(ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 for c in out.rstrip("\n")), out


def test_what_may_be_reached(d):
    """It is asked for in a known form, as a part of what is allowed, and told."""
    status, result = d.json(*SHELL, "--allow", "example.org", "--allow", "*.Example.net:443", "true")
    same((status, result["network"]), (0, {"connections": 0, "refused": 0, "sent_bytes": 0, "received_bytes": 0}))
    same(set(d.json(*SHELL, "true")[1]["network"].values()), {None})
    for options, words in ((("--allow", "https://example.org"), "is no rule: give NAME"),
                           (("--allow", "example.org:22"), "network_allow has *:80,443"),
                           (("--allow", "*"), "--allow-all"), (("--allow-all",), "network_allow_all")):
        status, out, err = d.berth(*SHELL, *options, "true")
        same((status, out, err.count("\n")), (2, "", 1))
        assert words in err, err
    status, result = d.json("net", "0123456789abcdef0123456789abcdef")
    same((status, result["error"]["code"]), (125, "GONE"))


def test_what_a_user_and_a_template_may_reach(_):
    """A request is for a part of what settings, user and template allow, all three."""
    with tempfile.TemporaryDirectory(prefix="berth-templates-") as folder:
        with open(os.path.join(TEMPLATES, "shell.xml"), encoding="utf-8") as shipped:
            own = shipped.read().replace("name='shell'", "name='narrow'").replace(
                "<berth:layer", "<berth:network allow='*.example.org' deny='b.example.org'/><berth:layer", 1)
        with open(os.path.join(folder, "narrow.xml"), "w", encoding="utf-8") as file:
            file.write(own)
        with Daemon("--template-dirs", f"{TEMPLATES}:{folder}", "--uid-network-allow",
                    f"{os.geteuid()}=*.example.org {os.geteuid()}=example.net *=other.example") as d:
            for options, words in (((), None), (("--allow", "a.example.org"), None),
                                   (("--allow", "b.example.org"), "deny of the template has b.example.org:*"),
                                   (("--allow", "example.net"), "allow of the template has *.example.org:80,443"),
                                   (("--allow", "other.example"), "uid_network_allow has *.example.org:80,443 exa")):
                status, out, err = d.berth("run", "-l", "narrow", *options, "true")
                assert (status, out) == ((2, "") if words else (0, "")) and (words or "") in err, (options, err)
            same(d.berth("run", "-l", "shell", "--allow", "example.net", "true")[0], 0)


def test_json_of_a_run_is_complete(d):
    status, result = d.json(*SHELL, "printf 'a\"\\\\\\t\\001'; echo e >&2; exit 5")
    same(status, 5)
    same(list(result), RESULT_KEYS)
    same(list(result["timing"]), TIMING_KEYS)
    same((result["timing"]["spawn_ms"], result["timing"]["connect_ms"]), (2.0, 1.0))
    same(list(result["usage"]), ["cpu_ms", "memory_peak_mb"])
    same((result["stdout"], result["stderr"]), ('a"\\\t\x01', "e\n"))
    same((result["exit_code"], result["timed_out"], result["error"]), (5, False, None))
    same((result["template"], result["start"], result["warm_hit"]), ("shell", "cold", False))


def test_json_of_a_time_out(d):
    status, result = d.json(*SHELL, "-t", "1", "echo x; sleep 20")
    same((status, result["exit_code"], result["timed_out"]), (124, None, True))
    same((result["stdout"], list(result)), ("x\n", RESULT_KEYS))


def test_json_of_a_failure_has_the_same_keys(d):
    codes = {"fail-no-capacity": ("CAPACITY", True, 126), "fail-gone": ("GONE", False, 125),
             "fail-invalid": ("INVALID", False, 2),
             "fail-outcome-unknown": ("OUTCOME_UNKNOWN", False, 125)}
    for template, (code, retryable, wanted) in codes.items():
        status, result = d.json("run", "-l", template, "true")
        same(list(result), RESULT_KEYS)
        same((status, result["error"]["code"], result["error"]["retryable"]),
             (wanted, code, retryable))
        same((result["exit_code"], result["stdout"]), (None, ""))
        same(list(result["timing"]), TIMING_KEYS)
    status, result = d.json("run", "-t", "0", "true")
    same((status, result["error"]["code"], list(result)), (2, "INVALID", RESULT_KEYS))


def test_captured_output_is_utf8(d):
    same(d.json(*SHELL, "printf '\\377\\303\\244'")[1]["stdout"], "\ufffd\u00e4")
    # a NUL is a character of JSON and of UTF-8, as "find -print0" writes it
    same(d.json(*SHELL, "printf 'a\\0\\0b\\0'")[1]["stdout"], "a\0\0b\0")
    result = d.json(*SHELL, "printf '\\0' >&2; printf '\\0\\377\\033\\303\\244'")[1]
    same((result["stdout"], result["stderr"]), ("\0\ufffd\x1b\u00e4", "\0"))


def test_binary_output_is_unchanged(d):
    path = os.path.join(d.folder.name, "bytes")
    code = f"head -c 3000000 /dev/urandom | tee {path}; exit 0"
    done = subprocess.run([BERTH, *SHELL, code], env=d.environ(), stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=LIMIT_S, check=False)
    with open(path, "rb") as file:
        same((len(done.stdout), done.stdout == file.read()), (3000000, True))


def test_output_is_live(d):
    process = d.popen(*SHELL, "echo first; read line; echo second", stdin=subprocess.PIPE)
    same(process.stdout.readline(), b"first\n")
    process.stdin.write(b"go on\n")
    process.stdin.flush()
    same(process.stdout.readline(), b"second\n")
    same(process.wait(LIMIT_S), 0)


# Writes until its stdout has taken nothing for five rounds, each of which goes through the command
# by stderr and back by stdin: whoever carries stdout had its turn in between. Tells how much it was.
FULL_PROGRAM = r"""
import os
os.set_blocking(1, False)
total = rounds = 0
while rounds < 5 and total < 64 << 20:
    try:
        total, rounds = total + os.write(1, bytes(65536)), 0
    except BlockingIOError:
        rounds += 1
    os.write(2, b".\n")
    os.read(0, 1)
os.write(2, b"%d\n" % total)
"""


def test_a_slow_reader_slows_the_program(d):
    process = d.popen(*SHELL, f"exec {sys.executable} -c '{FULL_PROGRAM}'", stdin=subprocess.PIPE)
    while (line := process.stderr.readline()) == b".\n":
        process.stdin.write(b".")
        process.stdin.flush()
    assert int(line) < 16 << 20, f"the program ran {line} bytes ahead of its reader"
    out, _ = process.communicate(timeout=LIMIT_S)
    same((process.returncode, len(out)), (0, int(line)))


def test_stderr_flows_while_stdout_is_stuck(d):
    process = d.popen(*SHELL, "head -c 3000000 /dev/zero & echo here >&2; wait")
    same(process.stderr.readline(), b"here\n")
    process.stdout.read()
    process.wait(LIMIT_S)


def test_reader_goes_away(d):
    process = d.popen(*SHELL, "while echo y; do :; done")
    process.stdout.read(10)
    process.stdout.close()
    same(process.wait(LIMIT_S), -signal.SIGPIPE)
    same(d.berth(*SHELL, "--no-wait", "true")[0], 0)


def test_full_disk_is_told(d):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BERTH, *SHELL, "echo x"], env=d.environ(), stdout=full,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT_S,
                              check=False)
    same(done.returncode, 125)
    one_line(done.stderr.decode(), "standard output", "No space left")


def test_stdin_is_passed_on(d):
    same(d.berth(*SHELL, "cat; echo end", input="some\nlines"), (0, "some\nlinesend\n", ""))
    same(d.berth(*SHELL, "wc -c", input="x" * 1000000)[1].strip(), "1000000")


def test_stdin_that_stays_open_does_not_hold_the_end(d):
    reader, writer = os.pipe()
    same(d.berth(*SHELL, "echo done", stdin=reader), (0, "done\n", ""))
    os.close(writer)
    os.close(reader)


def test_stdin_that_is_not_read_does_no_harm(d):
    same(d.berth(*SHELL, "exec 0<&-; echo done", input="x" * 1000000), (0, "done\n", ""))


def test_no_stdin_is_end_of_file(d):
    same(d.berth(*SHELL, "cat; echo end"), (0, "end\n", ""))
    done = subprocess.run(["sh", "-c", '"$@" <&-', "sh", BERTH, *SHELL, "cat; echo end"],
                          env=d.environ(), capture_output=True, timeout=LIMIT_S, check=False)
    same((done.returncode, done.stdout), (0, b"end\n"))


def test_terminal_is_no_stdin_and_keeps_its_flags(d):
    controller, terminal = pty.openpty()
    flags = os.get_blocking(terminal)
    same(d.berth(*SHELL, "cat; echo end", stdin=terminal), (0, "end\n", ""))
    same(os.get_blocking(terminal), flags)
    same(d.berth("run", stdin=terminal)[0], 2)
    os.close(controller)
    os.close(terminal)


def test_code_on_stdin_leaves_none_for_the_program(d):
    same(d.berth(*SHELL, "-", input="echo code; cat"), (0, "code\n", ""))
    same(d.berth(*SHELL, input="echo code; cat"), (0, "code\n", ""))


def test_a_file_is_read_and_its_suffix_tells_the_language(d):
    folder = d.folder.name
    wanted = {".py": "python", ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript",
              ".sh": "shell", ".bash": "shell"}
    for suffix, language in wanted.items():
        path = os.path.join(folder, "script" + suffix)
        with open(path, "w", encoding="utf-8") as file:
            file.write("echo hello")
        status, result = d.json("run", path)
        same((status, result["stdout"], result["template"]), (0, "hello\n", language))
    path = os.path.join(folder, "script.txt")
    os.rename(os.path.join(folder, "script.py"), path)
    status, out, err = d.berth("run", path)
    same((status, out), (2, ""))
    one_line(err, "script.txt", "-l")
    same(d.berth(*SHELL, path)[:2], (0, "hello\n"))


def test_a_missing_file_is_not_code(d):
    status, _, err = d.berth("run", "no-such/script.py")
    same(status, 2)
    one_line(err, "no-such/script.py", "no such file")


def test_languages(d):
    same(d.json("run", "true")[1]["template"], "python")
    same(d.json("run", "-l", "raw", "true")[1]["template"], "shell")
    same(d.json("run", "-l", "own-template", "true")[1]["template"], "own-template")
    status, _, err = d.berth("run", "-l", "a/b", "true")
    same(status, 2)
    one_line(err, "a/b")


def test_code_that_starts_with_a_dash(d):
    same(d.berth(*SHELL, "--", "-x() { :; }; echo dash")[0] in (0, 2, 127), True)
    same(d.berth(*SHELL, "-x")[0], 2)


def test_environment(d):
    same(d.berth(*SHELL, "-e", "A=1=2", "-e", "B=\u00e4 b", 'echo "$A $B"')[1], "1=2 \u00e4 b\n")


def test_mistakes_are_found_before_berthd_is_asked(d):
    mistakes = {
        ("run", ""): "code",
        ("run", " \n\t"): "code",
        ("run", "-l", "python", "-t", "0", "x"): "-t",
        ("run", "-t", "86401", "x"): "-t",
        ("create", "--idle-timeout", "9.9"): "--idle-timeout '9.9': give 10 to 3600 seconds",
        ("create", "--idle-timeout", "3601"): "--idle-timeout '3601': give 10 to 3600 seconds",
        ("run", "--idle-timeout", "20", "x"): "--idle-timeout",
        ("run", "-t", "soon", "x"): "-t",
        ("run", "-t", "nan", "x"): "-t",
        ("run", "-m", "127", "x"): "-m",
        ("run", "-m", "1e3", "x"): "-m",
        ("run", "-e", "1A=x", "x"): "environment",
        ("run", "-w", "a\nb", "x"): "folder to start in: the path has a control character",
        ("run", "-w", "", "x"): "folder to start in: the path is empty",
        ("run", "-e", "A", "x"): "environment",
        ("run", "-e", "A=a\nb", "x"): "environment",
        ("run", "--tenant", "a b", "x"): "tenant",
        ("run", "--task", "", "x"): "task",
        ("run", "--no-wait", "--wait-timeout", "3", "x"): "--no-wait",
        ("run", "--wait-timeout", "-1", "x"): "--wait-timeout",
        ("run", "--upload", "a:b", "x"): "--upload",
        ("run", "x", "y"): "quote",
        ("create", "x"): "argument",
        ("create", "--memory", "1"): "-m",
        ("exec",): "which sandbox",
        ("exec", "id", ""): "code",
        ("destroy",): "which sandboxes",
        ("nonsense",): "no verb",
        (): "verb",
    }
    socket, d.socket = d.socket, "/nonexistent/berthd.sock"
    try:
        for arguments, part in mistakes.items():
            status, out, err = d.berth(*arguments)
            same((arguments, status, out), (arguments, 2, ""))
            one_line(err, part)
    finally:
        d.socket = socket


def test_code_limit(d):
    limit = 1024 * 1024
    same(d.berth(*SHELL, "-", input="#" * limit)[0], 0)
    same(d.berth(*SHELL, "-", input="\ufeff" + "#" * limit)[0], 0)
    status, _, err = d.berth(*SHELL, "-", input="#" * (limit + 1))
    same(status, 2)
    one_line(err, str(limit + 1), str(limit))
    same(d.berth(*SHELL, "-", input="a\0b")[0], 2)


def test_nothing_answers(d):
    socket, d.socket = d.socket, d.folder.name + "/none.sock"
    try:
        status, out, err = d.berth("run", "x")
        same((status, out, err),
             (125, "", f"berth: no berthd answers on {d.socket}: start it with 'berthd "
                       f"--foreground --socket {d.socket}'\n"))
        for verb in ("create", "list", "status", "doctor"):
            same(d.berth(verb)[0], 125)
        same(d.berth("destroy", "x")[0], 125)
        status, result = d.json("run", "x")
        same((status, result["error"]["code"], list(result)), (125, "UNAVAILABLE", RESULT_KEYS))
        same(d.json("status")[1]["error"]["code"], "UNAVAILABLE")
    finally:
        d.socket = socket


def test_socket_option_wins(d):
    socket, d.socket = d.socket, "/nonexistent/berthd.sock"
    try:
        same(d.berth(*SHELL, "--socket", socket, "true")[0], 0)
    finally:
        d.socket = socket


def fill(d):
    return [d.berth("create")[1].strip() for _ in range(2)]


def test_at_capacity(d):
    ids = fill(d)
    try:
        for arguments in (("run", "--no-wait", "x"), ("create", "--no-wait"),
                          ("run", "--wait-timeout", "0.2", "x")):
            status, _, err = d.berth(*arguments)
            same(status, 126)
            one_line(err, "2 of 2 VMs exist", "wait")
        result = d.json("create", "--no-wait")[1]
        assert "2 of 2 VMs exist" in result["error"].pop("message"), result
        same(result, {"sandbox_id": None, "error": {"code": "CAPACITY", "retryable": True}})
        waiting = d.popen("create")
        until(lambda: d.json("status")[1]["waiters"])
        same(waiting.poll(), None)
        same(d.json("status")[1]["waiters"][0]["waits_for"], "2 of 2 VMs exist")
        head, row = d.berth("status", "--explain")[1].split("waiting    1\n")[1].splitlines()[:2]
        same(head.split(), ["POSITION", "TEMPLATE", "TENANT", "TASK", "WAITS", "ABOUT", "FOR"])
        assert row.endswith("  2 of 2 VMs exist"), row
        assert "2 of 2 VMs exist" not in d.berth("status")[1]
        same(d.berth("destroy", ids.pop())[0], 0)
        ids.append(waiting.communicate(timeout=LIMIT_S)[0].decode().strip())
        same(waiting.returncode, 0)
    finally:
        same(d.berth("destroy", *ids)[0], 0)


def test_sandbox_life(d):
    status, out, err = d.berth("create", "--tenant", "acme", "-l", "shell")
    same((status, err, bool(re.fullmatch("[0-9a-f]{32}\n", out))), (0, "", True))
    sandbox = out.strip()
    same(d.berth("exec", sandbox, "echo $A", "-e", "A=1"), (0, "1\n", ""))
    same(d.berth("exec", sandbox, "-", input="cat; echo code"), (0, "code\n", ""))
    same(d.berth("exec", sandbox, "-t", "1", "sleep 20")[0], 124)
    status, result = d.json("exec", sandbox, "exit 4")
    same((status, result["exit_code"], result["sandbox_id"]), (4, 4, sandbox))
    vms = d.json("list")[1]
    same([(vm["id"], vm["tenant"], vm["holds_slot"]) for vm in vms], [(sandbox, "acme", True)])
    same(set(vms[0]), {"id", "domain", "template", "state", "tenant", "task", "holds_slot",
                       "age_s", "uid", "memory_mb", "exec_count"})
    lines = d.berth("list")[1].splitlines()
    same(lines[0].split(), ["ID", "DOMAIN", "TEMPLATE", "STATE", "TENANT", "TASK", "AGE",
                            "PRIVATE", "SHARED", "MiB"])
    columns = lines[1].split()
    same(columns[:6] + columns[7:], [sandbox, "berth-shell-1", "shell", "claimed", "acme", "-",
                                     "-", "-"])
    assert re.fullmatch(r"\d+s", columns[6]), columns
    same(d.berth("destroy", sandbox), (0, "", ""))
    status, _, err = d.berth("exec", sandbox, "x")
    same(status, 125)
    one_line(err, sandbox, "it was destroyed", "make a new one")
    status, _, err = d.berth("exec", "no/id", "x")
    same(status, 2)


def test_command(d):
    """A program as it stands: nothing of it is read as an option or by a shell."""
    sandbox = d.berth("create")[1].strip()
    for options in (("run", "-l", "shell", "-x"), ("exec", "-x", sandbox)):
        same(d.berth(*options, "printf", "%s|", "--json", "-x", "--", "$A", "a  b", ""),
             (0, "--json|-x|--|$A|a  b||", ""))
        same(d.berth(*options, "cat", input="piped"), (0, "piped", ""))
        same(d.berth(*options, "sh", "-c", "exit 7")[0], 7)
        same(d.berth(*options, "sh", "-c", "kill -TERM $$")[0], 128 + 15)
        same(d.berth(*options, "no-such-program")[0], 127)
        same(d.berth(*options, "/etc/passwd")[0], 126)
        same(d.berth(options[0], "-t", "1", *options[1:], "sleep", "20")[0], 124)
    same(d.berth("exec", "-e", "A=1", "-x", "--", sandbox, "env", "--", "printenv", "A"),
         (0, "1\n", ""))
    same(d.berth("run", "-x", "-l", "shell", "--", "echo", "--", "-n"), (0, "-- -n\n", ""))
    same(d.berth("run", "-x", "-l", "shell", "--", "echo"), (0, "\n", ""))
    # an argument of any bytes
    status, out, _ = d.berth("exec", "--json", "-x", sandbox, "printf", b"\xff\n\xc3\xa4")
    same((status, json.loads(out)["stdout"]), (0, "\ufffd\n\u00e4"))
    for arguments, parts in (
            (("exec", "-x", sandbox), ("-x", "which program")),
            (("run", "-x", "-l", "shell"), ("-x", "which program")),
            (("exec", "-x"), ("which sandbox",)),
            (("exec", "-x", sandbox, ""), ("command", "names no program")),
            (("exec", sandbox, "-x", "ls"), ("-x", sandbox, "in front")),
            (("exec", "-x", sandbox, "x" * 70000, "y" * 70000), ("command", "at most 4096 of 131072 bytes"))):
        status, _, err = d.berth(*arguments)
        same(status, 2)
        one_line(err, *parts)
    d.berth("destroy", sandbox)


def test_background(d):
    """Begun, listed, read, followed, waited for, signalled; it goes on when its caller goes."""
    sandbox = d.berth("create")[1].strip()
    status, out, err = d.berth("exec", "-d", "-x", sandbox, "sh", "-c",
                               "trap 'echo went; exit 3' USR1; echo out; echo err >&2; while :; do sleep 0.02; done")
    same((status, out, err), (0, "1\n", ""))
    while d.berth("logs", sandbox, "1") != (0, "out\n", "err\n"):
        time.sleep(0.02)
    same(d.json("ps", sandbox)[1][0]["state"], "running")
    lines = d.berth("ps", sandbox)[1].splitlines()
    same(lines[0].split(), ["EXEC", "STATE", "AGE", "CPU", "ms", "MEM", "MiB", "STATUS", "COMMAND"])
    same(lines[1].split()[:2] + lines[1].split()[5:8], ["1", "running", "-", "sh", "-c"])
    follower = d.popen("logs", "-f", sandbox, "1")
    waiter = d.popen("wait", sandbox, "1")
    same(follower.stdout.readline(), b"out\n")
    reader = d.popen("logs", "-f", sandbox, "1")
    same(reader.stdout.readline(), b"out\n")
    reader.send_signal(signal.SIGINT)  # ends the reading alone
    reader.communicate(timeout=LIMIT_S)
    same(reader.returncode, 130)
    same(d.berth("kill", "-s", "USR1", sandbox, "1"), (0, "", ""))
    same(follower.communicate(timeout=LIMIT_S)[0], b"went\n")
    same(follower.returncode, 0)
    waiter.communicate(timeout=LIMIT_S)
    same(waiter.returncode, 3)
    status, result = d.json("wait", sandbox, "1")
    same((status, result["exit_code"], result["sandbox_id"], result["error"]), (3, 3, sandbox, None))
    same(d.berth("wait", sandbox, "1")[0], 3)
    same(d.berth("logs", sandbox, "1")[:2], (0, "out\nwent\n"))
    same([(e["exec"], e["state"], e["exit_code"]) for e in d.json("ps", sandbox)[1]], [(1, "ended", 3)])
    # its standard input, and signals
    status, out, _ = d.berth("exec", "-d", "-i", "--json", "-x", sandbox, "cat")
    same((status, json.loads(out)), (0, {"sandbox_id": sandbox, "exec": 2, "error": None}))
    same(d.berth("attach", "-i", sandbox, "2", input="typed\n")[:2], (0, "typed\n"))
    same(d.berth("exec", "-d", "-x", sandbox, "sleep", "1000")[1], "3\n")
    same(d.berth("kill", "-s", "HUP", sandbox, "3"), (0, "", ""))
    same(d.berth("wait", sandbox, "3")[0], 128 + signal.SIGHUP)
    same(d.berth("kill", sandbox, "3"), (0, "", ""))
    # code has its turn, and a time limit holds
    same(d.berth("exec", "-d", "-t", "1", sandbox, "sleep 20")[1], "4\n")
    same(d.berth("exec", sandbox, "echo next")[1], "next\n")
    same(d.berth("wait", sandbox, "4")[0], 124)
    same(d.berth("destroy", sandbox)[0], 0)
    same(d.berth("wait", sandbox, "4")[0], 125)


def test_background_mistakes(d):
    sandbox = d.berth("create")[1].strip()
    for arguments, status, parts in (
            (("ps",), 2, ("which sandbox",)),
            (("logs", sandbox), 2, ("which exec",)),
            (("wait", sandbox, "1"), 2, ("exec 1", "berth ps")),
            (("kill", sandbox, "x"), 2, ("'x'", "berth ps")),
            (("kill", "-s", "NONE", sandbox, "1"), 2, ("-s", "NONE")),
            (("logs", "--since", "noon", sandbox, "1"), 2, ("--since", "noon")),
            (("exec", "--no-timeout", sandbox, "true"), 2, ("--no-timeout", "-d")),
            (("exec", "--log", "2", sandbox, "true"), 2, ("--log", "-d")),
            (("exec", "-d", "--log", "17", sandbox, "true"), 2, ("--log", "16")),
            (("exec", "-d", "--no-timeout", sandbox, "true"), 125, ("time limit", "background_unlimited")),
            (("ps", "0" * 32), 125, ("0" * 32,))):
        code, out, err = d.berth(*arguments)
        same((code, out), (status, ""))
        one_line(err, *parts)
    same(d.berth("ps", sandbox)[0], 0)
    same(d.berth("destroy", sandbox)[0], 0)


def test_commands_beside_code(d):
    """They run while code does, up to a limit; each ends by itself, all with the sandbox."""
    sandbox = d.berth("create")[1].strip()
    code = d.popen("exec", sandbox, "echo on; cat", stdin=subprocess.PIPE)
    same(code.stdout.readline(), b"on\n")
    same(d.berth("exec", "-x", sandbox, "echo", "beside"), (0, "beside\n", ""))
    commands = [d.popen("exec", "-x", sandbox, "sh", "-c", "echo on; cat", stdin=subprocess.PIPE)
                for _ in range(16)]
    for command in commands:
        same(command.stdout.readline(), b"on\n")
    status, _, err = d.berth("exec", "-x", sandbox, "true")
    same(status, 126)
    one_line(err, sandbox, "runs 16 commands", "when one of them has ended")
    first = commands.pop()
    same(first.communicate(b"in", timeout=LIMIT_S)[0], b"in")
    same(first.returncode, 0)
    second = commands.pop()
    second.send_signal(signal.SIGINT)  # its client goes, and so does it, alone
    second.communicate(timeout=LIMIT_S)
    same(second.returncode, 130)
    same(d.berth("exec", "-x", sandbox, "echo", "a place"), (0, "a place\n", ""))
    same(code.communicate(b"end", timeout=LIMIT_S)[0], b"end")
    same(code.returncode, 0)
    same(d.berth("destroy", sandbox)[0], 0)
    for command in commands:
        err = command.communicate(timeout=LIMIT_S)[1].decode()
        same(command.returncode, 125)
        one_line(err, "ended while its code ran", "it was destroyed")


def test_unreadable_standard_input(d):
    sandbox = d.berth("create")[1].strip()
    with tempfile.NamedTemporaryFile() as out:
        for options in (("run", "-l", "shell"), ("exec", sandbox)):
            folder = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
            status, _, err = d.berth(*options, "cat", stdin=folder)
            same(status, 2)
            one_line(err, "standard input", "folder", "-n")
            same(d.berth(*options, "-n", "cat; echo read", stdin=folder), (0, "read\n", ""))
            os.close(folder)
            with open(out.name, "wb") as unreadable:
                status, _, err = d.berth(*options, "cat", stdin=unreadable)
            same(status, 2)
            one_line(err, "standard input", "not open for reading")
    d.berth("destroy", sandbox)


def test_standard_input_left_alone(d):
    script = 'while read -r word; do "$0" run -n -l shell "cat; echo $word"; done'
    done = subprocess.run(["/bin/sh", "-c", script, BERTH], input=b"a\nb\nc\n", env=d.environ(),
                          capture_output=True, timeout=LIMIT_S, check=False)
    same((done.stdout, done.stderr), (b"a\nb\nc\n", b""))
    for arguments in (("run", "-n", "-"), ("run", "-n"), ("exec", "-n", "x")):
        status, _, err = d.berth(*arguments, input="1")
        same(status, 2)
        one_line(err, "-n leaves standard input alone")


def test_separator_anywhere(d):
    sandbox = d.berth("create")[1].strip()
    # to this shell it is no command, and so says that it was the code
    for arguments in (("--", sandbox, "-1"), (sandbox, "--", "-1"), ("-q", sandbox, "--", "-1")):
        status, _, err = d.berth("exec", *arguments)
        same((status, "-1" in err), (127, True))
    same(d.berth("exec", sandbox, "--", "echo --")[1], "--\n")
    status, _, err = d.berth("put", sandbox, "--", "-f", "-g")
    one_line(err, "-f", "No such file")
    d.berth("destroy", sandbox)


def test_arguments_of_any_bytes(d):
    raw = b"\xff\x80"
    sandbox = d.berth("create")[1].strip()
    for arguments in (("run", raw), ("run", "-l", raw, "x"), ("run", "-t", raw, "x"), ("run", "-m", raw, "x"),
                      ("run", "-e", raw, "x"), ("run", "-e", b"A=" + raw, "x"), ("run", "--tenant", raw, "x"),
                      ("run", "--task", raw, "x"), ("run", "--wait-timeout", raw, "x"),
                      ("run", "--upload", raw + b":x", "x"), ("run", "--max-size", raw, "x"), ("create", "-l", raw),
                      ("exec", raw, "x"), ("exec", "-e", raw, sandbox, "x"), ("put", raw, "/dev/null", "x"),
                      ("put", sandbox, raw, "x"), ("get", raw, "x", "y"), ("get", sandbox, raw, "y"), ("ls", raw),
                      ("ls", sandbox, raw), ("destroy", raw), ("pool", "set", raw, "1"), ("pool", "fill", raw),
                      ("template", "show", raw), ("template", "validate", raw), ("list", raw), ("top", "-d", raw),
                      ("status", "--socket", raw), ("--" + "x",), (raw,), ("run", b"--" + raw, "x")):
        done = subprocess.run([BERTH, *arguments], env=d.environ(), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=LIMIT_S, check=False)
        assert done.returncode > 0, (arguments, done)
        assert b"CRITICAL" not in done.stderr and b"WARNING" not in done.stderr, (arguments, done.stderr)
        assert done.stderr.startswith(b"berth: ") or arguments[0] == "run", (arguments, done.stderr)
    d.berth("destroy", sandbox)


def test_socket_in_any_script(_):
    with tempfile.TemporaryDirectory(prefix="berth-cli-") as folder:
        for name in ("jos\u00e9", "\u540d"):
            path = os.path.join(folder, name, "s")
            done = subprocess.run([BERTHD, "--socket", path, "--config", "/dev/null", "--socket-group", "",
                                   "--uri", "test:///refused"], env={**os.environ, "LC_ALL": "C.UTF-8"},
                                  capture_output=True, timeout=LIMIT_S, check=False)
            # it got as far as libvirt
            assert b"does not answer" in done.stderr, done.stderr


def test_destroyed_twice_is_no_error(d):
    sandbox = d.berth("create")[1].strip()
    same(d.berth("destroy", sandbox), (0, "", ""))
    status, out, err = d.berth("destroy", sandbox)
    same((status, out), (0, ""))
    one_line(err, sandbox, "was gone already", "it was destroyed")
    same(d.berth("exec", sandbox, "true")[0], 125)
    same(d.berth("destroy", "f" * 32)[0], 125)


def test_fork(d):
    sandbox = d.berth("create")[1].strip()
    status, out, err = d.berth("fork", sandbox)
    same((status, err, len(out.split())), (0, "", 1))
    status, made = d.json("fork", sandbox, "-n", "2", "--no-wait")[:2]
    same((status, made["sandbox_ids"], made["error"]["code"]), (126, [], "CAPACITY"))
    d.berth("destroy", out.strip())
    status, out, err = d.berth("fork", sandbox, "-n", "2", "--no-wait", "--all")
    same((status, out, err.count("\n")), (126, "", 1))
    status, out, err = d.berth("fork", sandbox, "-n", "2", "--no-wait")
    same((status, len(out.split()), err.count("\n")), (126, 1, 1))
    d.berth("destroy", out.strip())
    status, made = d.json("fork", sandbox, "--all")[:2]
    same((status, len(made["sandbox_ids"]), made["error"]), (0, 1, None))
    d.berth("destroy", *made["sandbox_ids"])
    status, made = d.json("fork", sandbox)[:2]
    same((status, len(made["sandbox_ids"]), made["error"]), (0, 1, None))
    for wrong in ((sandbox, "-n", "0"), (sandbox, "-n", "65"), (sandbox, "-n", "x"), (), (sandbox, "x")):
        status, out, err = d.berth("fork", *wrong)
        same((status, out, err.count("\n")), (2, "", 1))
    same(d.berth("fork", "f" * 32)[0], 125)
    same(d.berth("destroy", *(vm["id"] for vm in d.json("list")[1]))[0], 0)


def test_destroy_goes_on_after_a_failure(d):
    sandbox = d.berth("create")[1].strip()
    status, _, err = d.berth("destroy", "gone", sandbox)
    same(status, 125)
    one_line(err, "gone")
    same(d.json("list")[1], [])


def test_status_for_people(d):
    out = d.berth("status")[1]
    for part in ("slots      2 of 2 free; 0 claimed", "memory     0 of 1024 MiB held",
                 "waiting    0", "TEMPLATE", "python", "libvirt    test:///default, connected"):
        assert part in out, out
    status = d.json("status")[1]
    assert {"slots", "memory_mb", "vcpus", "waiters", "templates", "libvirt"} <= set(status), status


def test_doctor(d):
    status, out, _ = d.berth("doctor")
    same((status, out.splitlines()[0]),
         (0, "ok       libvirt: test:///default answers, libvirt 9.0.0"))
    with Daemon("--image-dir", "/nonexistent") as broken:
        status, out, _ = broken.berth("doctor")
        same(status, 1)
        assert "MISSING  image" in out and "mend it: build it with 'berth image build'" in out, out
        same(broken.json("doctor")[0], 1)


def test_image(d):
    """The verb becomes images/build, whose words and status are its own; no berthd is needed."""
    with tempfile.TemporaryDirectory() as folder:
        same(d.berth("image", "prune", "--dir", folder),
             (1, "", f"berth image: nothing was built in {folder} yet\n"))
        same(d.berth("image", "build", "--dir", folder, "--release", "sarge"),
             (1, "", "berth image: release sarge: known are trixie bookworm\n"))
    for arguments in ((), ("bild",), ("build", "python")):
        status, _, err = d.berth("image", *arguments)
        same(status, 2)
        one_line(err, "berth image")
    same(d.berth("image", "build", "--help")[0], 0)


def test_a_setting_that_never_works(d):
    """Its status is the one that systemd does not try again."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [BERTHD, "--foreground", "--socket", os.path.join(folder, "s"), "--config", "/dev/null",
             "--socket-group", "", "--template-dirs", folder], capture_output=True, text=True,
            timeout=LIMIT_S, check=False)
        same((done.returncode, done.stderr), (2, f"berthd: no template (*.xml) in {folder}\n"))


def test_metrics(d):
    same(d.berth("run", "-l", "shell", "true")[0], 0)
    status, out, err = d.berth("metrics")
    same((status, err), (0, ""))
    for line in ('berth_slots{state="total"} ', 'berth_warm{template="python"} 0\n',
                 'berth_execs_total{template="shell",outcome="ended"} '):
        assert line in out, out
    for line in out.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{\w+="[\w+.-]+"(,\w+="[\w+.-]+")*\})? '
                            r'\d+(\.\d+)?', line), line


def test_pool_verbs(_):
    with Daemon("--snapshot-scope", "shared", "--max-vms", "4") as d:
        def python():
            return d.json("status")[1]["templates"]["python"]
        same(d.berth("pool", "set", "python", "3"), (0, "", ""))
        until(lambda: (python()["min"], python()["max"], python()["warm"]) == (3, 3, 3))
        same(d.berth("pool", "set", "python", "1", "4"), (0, "", ""))
        until(lambda: (python()["min"], python()["max"]) == (1, 4))
        same(d.berth("pool", "drain", "python"), (0, "", ""))
        until(lambda: python()["warm"] == 0)
        same(d.json("list")[1], [])
        same(d.berth("pool", "fill"), (0, "", ""))
        until(lambda: python()["warm"] >= 1)
        for wrong in (["set", "python"], ["set", "python", "x"], ["set", "python", "4", "1"],
                      ["set", "cobol", "1"], ["drain", "cobol"], ["flood"], [], ["fill", "a", "b"]):
            status, out, err = d.berth("pool", *wrong)
            same((status, out), (2, ""))
            one_line(err)


def domain_xml(number, metadata="<b:template xmlns:b='urn:berth:domain:1' name='python'/>"):
    return (f"<domain><name>mine-{number}</name><uuid>11111111-2222-3333-4444-{number:012}</uuid>"
            f"<metadata>{metadata}</metadata><memory unit='KiB'>131072</memory><vcpu>1</vcpu></domain>")


def test_domain_admit(_):
    """What libvirt's hook asks: a place for a domain with a template's mark, or why there is none."""
    with Daemon("--max-vms", "2", "--domain-wait-s", "0") as d:
        for number in (1, 2):
            same(d.berth("domain", "admit", input=domain_xml(number)), (0, "", ""))
        same(sorted(vm["tenant"] + vm["task"] for vm in d.json("list")[1]), ["domainsmine-1", "domainsmine-2"])
        status, out, err = d.berth("domain", "admit", input=domain_xml(3))
        same((status, out), (126, ""))
        one_line(err, "2 of 2")
        same(d.berth("domain", "admit", input=domain_xml(4, "")), (0, "", ""))
        for text in ("", "<domain", "<a>\0</a>", "x" * (1024 * 1024 + 1)):
            same(d.berth("domain", "admit", input=text)[0], 2)
        for words in ([], ["dismiss"], ["admit", "it"]):
            same(d.berth("domain", *words, input=domain_xml(5))[0], 2)
        d.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        status, out, err = d.berth("domain", "admit", input=domain_xml(6))
        same((status, out), (125, ""))
        one_line(err, "berthd does not answer")
        assert time.monotonic() - began < 20, "it waits for a berthd that hangs"
        d.process.send_signal(signal.SIGCONT)


def test_drained_host(_):
    with Daemon("--snapshot-scope", "shared", "--max-vms", "4", "--warm", "shell=1") as d:
        def warm():
            return d.json("status")[1]["templates"]["shell"]["warm"]
        until(lambda: warm() == 1)
        kept = d.berth("create", "-l", "shell")[1].strip()
        drain = subprocess.Popen([BERTH, "drain"], env=d.environ(), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        for line in drain.stderr:
            if line == f"berth: 1 VM is left: {kept}\n":
                break
            assert " VMs are left" in line or " VM is left" in line, line
        assert d.berth("status")[1].startswith("DRAINED "), d.berth("status")
        same(d.json("status")[1]["admitting"], False)
        same(d.berth("exec", kept, "echo 1"), (0, "1\n", ""))
        status, out, err = d.berth(*SHELL, "--no-wait", "true")
        same((status, out), (125, ""))
        one_line(err, "an administrator drains this host")
        drain.send_signal(signal.SIGINT)
        same((drain.wait(LIMIT_S), drain.stdout.read()), (130, ""))
        same(d.json("status")[1]["admitting"], False)
        with subprocess.Popen([BERTH, *SHELL, "echo 2"], env=d.environ(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True) as waits:
            until(lambda: d.json("status")[1]["n_waiting"] == 1)
            assert "drains this host" in d.berth("status", "--explain")[1], d.berth("status", "--explain")
            same(d.berth("destroy", kept)[0], 0)
            status, out, err = d.berth("drain")
            same((status, out), (0, ""))
            same(d.json("list")[1], [])
            same(d.berth("drain", "end"), (0, "", ""))
            same(waits.communicate(timeout=LIMIT_S)[0], "2\n")
        until(lambda: warm() == 1)
        same(d.berth("drain", "begin"), (0, "", ""))
        same(d.json("status")[1]["admitting"], False)
        status, out, err = d.berth("drain", "stop")
        same((status, out), (2, ""))
        one_line(err, "berth drain [begin | end]")


def test_cold_takes_no_warm_vm(_):
    with Daemon("--snapshot-scope", "shared", "--max-vms", "3", "--warm", "shell=1") as d:
        def warm():
            return d.json("status")[1]["templates"]["shell"]["warm"]
        until(lambda: warm() == 1)
        same(d.json(*SHELL, "--cold", "true")[1]["start"], "cold")
        same(warm(), 1)
        result = d.json(*SHELL, "true")[1]
        same((result["start"], result["timing"]["spawn_ms"]), ("warm", 0.0))
        until(lambda: warm() == 1)
        status, out, err = d.berth("create", "--idle-timeout", "300.5")
        same((status, out), (2, ""))
        one_line(err, "300.5 s is more than the 300 s")
        session = d.berth("create", "-l", "shell", "--cold", "--idle-timeout", "10")[1].strip()
        same(d.json("exec", session, "true")[1]["start"], "cold")
        same(warm(), 1)
        # at capacity, too, and its own template's warm VM makes room for it
        others = [d.berth("create", "-l", "shell", "--cold")[1].strip() for _ in range(2)]
        same(warm(), 0)
        same(d.berth("destroy", session, *others)[0], 0)


def test_template_verbs(_):
    with tempfile.TemporaryDirectory() as folder:
        bad = os.path.join(folder, "bad.xml")
        with open(bad, "w", encoding="ascii") as file:
            file.write("<domain>\n</domain>\n")
        with Daemon("--snapshot-scope", "shared", "--template-dirs", f"{TEMPLATES}:{folder}") as d:
            def python():
                return next(one for one in d.json("template", "list")[1]
                            if one.get("name") == "python")
            status, out, _ = d.berth("template", "list")
            same(status, 0)
            assert out.startswith("TEMPLATE") and "/python.xml" in out, out
            assert f"left out: {bad}:" in out, out
            status, out, err = d.berth("template", "show", "python")
            same((status, err), (0, ""))
            assert out.startswith("<domain>"), out
            same(d.berth("template", "validate", TEMPLATES + "/python.xml"), (0, "", ""))
            same(python()["snapshot"], "none")
            same(d.berth("template", "snapshot", "python"), (0, "", ""))
            same((python()["snapshot"], python()["snapshot_mb"]), ("valid", 5))
            same(d.berth("template", "remove", "--snapshot", "python"), (0, "", ""))
            same((python()["snapshot"], python()["snapshot_mb"]), ("none", 0))
            status, out, err = d.berth("template", "remove", "python")
            same((status, out), (0, ""))
            one_line(err, "template remove: python: its snapshot", TEMPLATES + "/python.xml stays", "--templates")
            same(d.berth("template", "remove", "-q", "python"), (0, "", ""))
            same((python()["snapshot"], python()["snapshot_mb"]), ("none", 0))
            for wrong in (["show", "cobol"], ["show"], ["validate", bad], ["snapshot", "cobol"],
                          ["remove", "cobol"], ["frame"], []):
                status, out, err = d.berth("template", *wrong)
                same((status, out), (2, ""))
                one_line(err)


def test_template_remove(_):
    """One that was built goes, files and all, when nobody has a sandbox of it and nothing is built from it."""
    with tempfile.TemporaryDirectory() as folder:
        def put(name, text):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(text)

        def remove():
            return d.berth("template", "remove", "mine", "--templates", folder, "--dir", folder + "/image", "--config", conf)

        def there():
            return sorted(name for name in os.listdir(folder) if name.startswith("mine"))
        with open(TEMPLATES + "/python.xml", encoding="ascii") as file:
            put("mine.xml", file.read().replace("name='python'", "name='mine'"))
        put("mine.berthfile", "from python\n")
        put("conf", f"[berth]\ntemplate_dirs={TEMPLATES}:{folder}/other:{folder}\n")
        conf = os.path.join(folder, "conf")
        os.mkdir(os.path.join(folder, "other"))
        os.makedirs(os.path.join(folder, "image/built"))
        put("other/upper.berthfile", "run x\n from\tmine\n")
        put("pulled.berthfile", "# pulled from docker://x/y@sha256:0, where it was made of:\n# from mine\n")
        with Daemon("--template-dirs", f"{TEMPLATES}:{folder}") as d:
            status, out, err = remove()
            same((status, out), (2, ""))
            one_line(err, "template mine", "upper", "remove that first")
            os.unlink(os.path.join(folder, "other/upper.berthfile"))
            sandbox = d.berth("create", "-l", "mine")[1].strip()
            status, out, err = remove()
            same((status, out), (2, ""))
            one_line(err, "template mine has a sandbox", sandbox)
            same(d.berth("destroy", sandbox)[0], 0)
            same(d.berth("template", "remove", "--snapshot", "mine", "--templates", folder, "--config", "/dev/null")[0], 0)
            # what is built or pulled at the same time may be of this name, or stand on it
            held = os.open(os.path.join(folder, "image/built"), os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_SH)
            status, out, err = remove()
            same((status, out), (2, ""))
            one_line(err, "is being built, pulled or pushed")
            os.close(held)
            same(there(), ["mine.berthfile", "mine.xml"])
            same(remove(), (0, "", ""))
            same(there(), [])
            assert "mine" not in [one["name"] for one in d.json("template", "list")[1]]
            status, out, err = d.berth("create", "-l", "mine")
            same((status, out), (2, ""))
            one_line(err, "there is no template mine")
            status, _, err = remove()
            same(status, 2)
            one_line(err, "there is no template mine")


def test_template_remove_of_python(_):
    """It is below what says nothing of what is below, but for itself."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(TEMPLATES, folder, dirs_exist_ok=True)
        for name, text in (("python", "from python\nrun x\n"), ("upper", "run x\n"), ("image", "oci oci-archive:/x\n")):
            with open(os.path.join(folder, name + ".berthfile"), "w", encoding="ascii") as file:
                file.write(text)
        remove = ("template", "remove", "python", "--templates", folder, "--dir", folder + "/image", "--config", "/dev/null")
        with Daemon("--template-dirs", f"{TEMPLATES}:{folder}") as d:
            status, out, err = d.berth(*remove)
            same((status, out), (2, ""))
            one_line(err, "template python is what upper is built from")
            os.unlink(os.path.join(folder, "upper.berthfile"))
            same(d.berth(*remove), (0, "", ""))
            assert not os.path.exists(os.path.join(folder, "python.xml"))


def test_template_remove_of_nobody(_):
    """VMs that a snapshot is made of, that stand by, or begin to, are nobody's."""
    with tempfile.TemporaryDirectory() as folder:
        with open(TEMPLATES + "/shell.xml", encoding="ascii") as file, open(os.path.join(folder, "slow.xml"), "w", encoding="ascii") as copy:
            copy.write(file.read().replace("name='shell'", "name='slow'").replace("href='shared/", f"href='{TEMPLATES}/shared/"))
        with open(os.path.join(folder, "slow.berthfile"), "w", encoding="ascii") as file:
            file.write("from python\n")
        with Daemon("--snapshot-scope", "shared", "--template-dirs", f"{TEMPLATES}:{folder}", "--warm", "slow=2", "--max-vms", "4") as d:
            until(lambda: any(vm["state"] == "starting" for vm in d.json("list")[1]))
            same(d.berth("template", "remove", "slow", "--templates", folder, "--dir", folder, "--config", "/dev/null"), (0, "", ""))
            same(os.listdir(folder), ["built"])


def test_template_prune(_):
    """What is kept of a sandbox keeps its layers when its template is gone."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "built"))

        def there():
            return sorted(name for name in os.listdir(os.path.join(folder, "built")) if name.endswith(".erofs"))

        def prune():
            status, out, err = d.berth("template", "prune", "-q", "--templates", folder, "--dir", folder, "--config", "/dev/null")
            same((status, out, err), (0, "", ""))
            return there()
        for name in ("built-a", "built-b", "built-c"):
            with open(os.path.join(folder, "built", name + ".erofs"), "w", encoding="ascii") as file:
                file.write("layer")
        for name in ("a", "b"):
            with open(TEMPLATES + "/python.xml", encoding="ascii") as file, open(os.path.join(folder, name + ".xml"), "w", encoding="ascii") as copy:
                copy.write(file.read().replace("name='python'", f"name='mine-{name}'", 1).replace("href='shared/", f"href='{TEMPLATES}/shared/")
                           .replace("<berth:layer name='python'/>", f"<berth:layer name='built-{name}'/>"))
        with Daemon("--snapshot-scope", "shared", "--template-dirs", f"{TEMPLATES}:{folder}") as d:
            kept, asleep = (d.berth("create", "-l", "mine-" + name)[1].strip() for name in ("a", "b"))
            same(d.berth("checkpoint", kept, "before"), (0, "", ""))
            same(d.berth("destroy", kept)[0], 0)
            same(d.berth("hibernate", asleep), (0, "", ""))
            for name in ("a", "b"):
                os.unlink(os.path.join(folder, name + ".xml"))
            with open(os.path.join(folder, "gone.berthfile"), "w", encoding="ascii"):
                pass  # to be removed, so that berthd looks
            same(d.berth("template", "remove", "gone", "--templates", folder, "--dir", folder, "--config", "/dev/null"), (0, "", ""))
            assert not any(one["name"].startswith("mine-") for one in d.json("template", "list")[1])
            same(prune(), ["built-a.erofs", "built-b.erofs"])
            same(d.berth("checkpoint", "remove", kept, "before"), (0, "", ""))
            same(prune(), ["built-b.erofs"])
            same(d.berth("destroy", asleep)[0], 0)
            same(prune(), [])


def test_only_administrators_steer(_):
    needs_root()
    with Daemon() as d:
        os.chmod(os.path.dirname(d.socket), 0o755)
        os.chmod(d.folder.name, 0o755)
        os.chmod(d.socket, 0o666)
        status, _, err = d.berth("pool", "drain", user=65534)
        same(status, 125)
        one_line(err, "only root")


def interrupted(d, process, number, log):
    """What it tells; returns when berthd has logged it (log), or after its end (None)."""
    before = d.log().count(log) if log else 0
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT_S)
    until(lambda: log is None or d.log().count(log) > before)
    return process.returncode, out.decode(), err.decode()


def test_ctrl_c_ends_the_program(d):
    process = d.popen(*SHELL, "echo begun; sleep 100")
    same(process.stdout.readline(), b"begun\n")
    status, _, err = interrupted(d, process, signal.SIGINT, "fake: a program is cancelled")
    same(status, 130)
    one_line(err, "interrupted")
    same(d.berth(*SHELL, "--no-wait", "true")[0], 0)


def test_sigterm_ends_the_program(d):
    process = d.popen(*SHELL, "echo begun; sleep 100")
    process.stdout.readline()
    same(interrupted(d, process, signal.SIGTERM, "fake: a program is cancelled")[0], 143)


def test_sigkill_ends_the_program(d):
    process = d.popen(*SHELL, "echo begun; sleep 100")
    process.stdout.readline()
    same(interrupted(d, process, signal.SIGKILL, "fake: a program is cancelled")[0], -9)


def test_ctrl_c_as_json(d):
    process = d.popen(*SHELL, "--json", "sleep 100")
    until(lambda: d.json("status")[1]["slots"]["claimed"] == 1)
    status, out, _ = interrupted(d, process, signal.SIGINT, "fake: a program is cancelled")
    same((status, json.loads(out)["error"]["code"]), (130, "CANCELLED"))


def test_ctrl_c_withdraws_a_waiting_request(d):
    ids = fill(d)
    for arguments in (("run", "x"), ("create",)):
        process = d.popen(*arguments)
        until(lambda: d.json("status")[1]["waiters"])
        same(interrupted(d, process, signal.SIGINT, None)[0], 130)
        until(lambda: not d.json("status")[1]["waiters"])
    d.berth("destroy", *ids)


def test_second_ctrl_c_ends_at_once(d):
    """The first waits for what still holds the output, here until it hears from a FIFO."""
    fifo = os.path.join(d.folder.name, "fifo")
    os.mkfifo(fifo)
    code = f"setsid sh -c 'echo begun; read line < {fifo}; echo late' & sleep 100"
    for signals, rest in ((1, b"late\n"), (2, b"")):
        process = d.popen(*SHELL, code)
        same(process.stdout.readline(), b"begun\n")
        before = d.log().count("fake: a program is cancelled")
        process.send_signal(signal.SIGINT)
        until(lambda: d.log().count("fake: a program is cancelled") > before)
        if signals == 2:
            process.send_signal(signal.SIGINT)
            same(process.wait(LIMIT_S), 130)
        with open(fifo, "w", encoding="ascii") as file:
            file.write("\n")
        out, _ = process.communicate(timeout=LIMIT_S)
        same((signals, process.returncode, out), (signals, 130, rest))
    os.unlink(fifo)


def test_many_at_once(d):
    ids = fill(d)
    processes = [d.popen(*SHELL, f"echo {number}") for number in range(20)]
    until(lambda: len(d.json("status")[1]["waiters"]) == 20)
    d.berth("destroy", *ids)
    for number, process in enumerate(processes):
        out, err = process.communicate(timeout=LIMIT_S)
        same((process.returncode, out, err), (0, b"%d\n" % number, b""))
    same(d.json("status")[1]["slots"]["free"], 2)


def test_help_and_version(d):
    for arguments in ((), ("run",), ("create",), ("exec",), ("destroy",), ("list",), ("status",),
                      ("doctor",)):
        status, out, err = d.berth(*arguments, "--help")
        same((status, err), (0, ""))
        assert "xample" in out or arguments == ("doctor",), out
    assert "126" in d.berth("--help")[1]
    same(bool(re.fullmatch(r"berth \d+\.\d+\.\d+\n", d.berth("--version")[1])), True)


def test_berthd_goes_away_during_a_run(_):
    with Daemon() as d:
        status, _, err = d.berth("run", "-l", "vanish", "sleep 1")
        same(status, 125)
        one_line(err, "went away")
        same(d.json("run", "x")[1]["error"]["code"], "UNAVAILABLE")
        d.start()
        status, result = d.json("run", "-l", "vanish", "sleep 1")
        same((status, result["error"]["code"]), (125, "OUTCOME_UNKNOWN"))


def test_berthd_replaces_a_stale_socket(_):
    with Daemon() as d:
        d.process.kill()
        d.process.wait()
        assert os.path.exists(d.socket)
        d.start()
        same(d.berth(*SHELL, "true")[0], 0)


def berthd(*arguments):
    done = subprocess.run([BERTHD, *arguments], capture_output=True, timeout=LIMIT_S, check=False,
                          stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_berthd_respects_a_live_one(d):
    status, _, err = berthd("--config", "/dev/null", "--socket", d.socket)
    same(status, 1)
    assert err.startswith("berthd: socket " + d.socket) and err.count("\n") == 1, err
    same(d.berth(*SHELL, "true")[0], 0)


def test_berthd_leaves_a_foreign_file_alone(_):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        with open(path, "w", encoding="ascii") as file:
            file.write("precious")
        status, _, err = berthd("--config", "/dev/null", "--socket", path)
        same((status, open(path, encoding="ascii").read()), (1, "precious"))
        assert "no socket" in err, err


def test_berthd_checks_the_folder(_):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        status, _, err = berthd("--config", "/dev/null", "--socket", folder + "/s")
        same(status, 1)
        assert "everybody may write" in err, err
        if os.geteuid() == 0:
            os.chmod(folder, 0o755)
            os.chown(folder, 12345, -1)
            status, _, err = berthd("--config", "/dev/null", "--socket", folder + "/s")
            same(status, 1)
            assert "belongs to user 12345" in err, err


def test_users_do_not_see_each_other(_):
    needs_root()
    nobody = {"user": 65534, "group": 1, "extra_groups": []}
    with Daemon("--socket-group", "daemon", "--max-vms", "2") as d:
        os.chmod(d.folder.name, 0o755)
        roots = d.berth("create", "--tenant", "secret")[1].strip()
        status, out, _ = d.berth("create", **nobody)
        same(status, 0)
        theirs = out.strip()
        same([vm["id"] for vm in d.json("list", **nobody)[1]], [theirs])
        same({vm["id"] for vm in d.json("list")[1]}, {roots, theirs})
        for arguments in (("exec", "ID", "true"), ("destroy", "ID"), ("ls", "ID"), ("pause", "ID"),
                          ("hibernate", "ID"),                          ("resume", "ID"), ("exec", "-d", "ID", "true"), ("ps", "ID"),
                          ("logs", "ID", "1"), ("attach", "ID", "1"), ("wait", "ID", "1"),
                          ("kill", "ID", "1")):
            of_root, of_none = ([part.replace("ID", vm) for part in arguments]
                                for vm in (roots, "f" * 32))
            # nobody learns which sandboxes there are
            status, out, err = d.berth(*of_root, **nobody)
            same((status, out, err.replace(roots, "f" * 32)), d.berth(*of_none, **nobody))
            assert status == 125 and "f" * 32 not in err, (arguments, status, err)
        status, _, err = d.berth("exec", roots, "true", **nobody)
        same(status, 125)
        one_line(err, roots, "berth knows none of this id")
        same({vm["id"] for vm in d.json("list")[1]}, {roots, theirs})
        waiting = d.popen("create", "--tenant", "secret")
        until(lambda: d.json("status")[1]["waiters"])
        same(d.json("status")[1]["waiters"][0]["tenant"], "secret")
        same(d.json("status", **nobody)[1]["waiters"][0]["tenant"], "")
        same(d.berth("destroy", theirs)[0], 0)
        waiting.communicate(timeout=LIMIT_S)


def test_too_many_connections(_):
    """A user who has taken all of their own is told so, and takes nothing from another."""
    needs_root()
    with Daemon("--socket-group", "daemon") as d, contextlib.ExitStack() as connections:
        os.chmod(d.folder.name, 0o755)
        for _ in range(300):
            connection = connections.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(d.socket)
        d.wait_for("was refused")
        status, _, err = d.berth("status")
        same(status, 125)
        one_line(err, d.socket, "256 connections of yours", "close some")
        status, _, err = d.berth("status", user=65534, group=1, extra_groups=[])
        same((status, err), (0, ""))


def test_socket_of_others(d):
    needs_root()
    os.chmod(d.folder.name, 0o755)
    status, _, err = d.berth("run", "x", user=65534, group=65534, extra_groups=[])
    same(status, 125)
    one_line(err, "you may not use", d.socket)


def test_berthd_socket_is_private_or_the_groups(d):
    same(stat.S_IMODE(os.stat(d.socket).st_mode), 0o600)
    if os.geteuid() == 0:
        with Daemon("--socket-group", "daemon") as other:
            status = os.stat(other.socket)
            same((stat.S_IMODE(status.st_mode), status.st_gid), (0o660, 1))


def test_berthd_ends_cleanly(_):
    with Daemon() as d:
        d.berth("create")
        d.process.terminate()
        same(d.process.wait(LIMIT_S), 0)
        same(os.listdir(os.path.dirname(d.socket)), [])


def test_berthd_stop_ends_waiting_requests(_):
    with Daemon("--max-vms", "1") as d:
        d.berth("create")
        waiting = d.popen("create")
        until(lambda: d.json("status")[1]["waiters"])
        d.process.terminate()
        _, err = waiting.communicate(timeout=LIMIT_S)
        same(waiting.returncode, 125)
        one_line(err.decode(), "shutting down")


def test_berthd_does_not_start_without_libvirt(_):
    with tempfile.TemporaryDirectory() as folder:
        status, _, err = berthd("--config", "/dev/null", "--socket", folder + "/s", "--uri",
                                "test:///refused")
        same((status, err.count("\n"), os.listdir(folder)), (1, 1, []))
        assert "test:///refused" in err, err


def test_connecting_among_many(_):
    """The kernel turns away who does not wait where more connect than berthd takes in at once."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = os.path.join(folder, "s")
        listener.bind(path)
        listener.listen(0)
        with contextlib.ExitStack() as others:
            count = 0
            while True:
                other = others.enter_context(socket.socket(socket.AF_UNIX))
                other.setblocking(False)
                if other.connect_ex(path) != 0:
                    break
                count += 1
            berth = subprocess.Popen([BERTH, "status"], env={**os.environ, "BERTH_SOCKET": path},
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.PIPE, text=True)
            while berth.poll() is None and not is_connecting(berth.pid):
                time.sleep(0.01)
            listener.settimeout(LIMIT_S)
            assert berth.poll() is None, berth.communicate()
            for _ in range(count):
                listener.accept()[0].close()
            with listener.accept()[0] as accepted:
                same(accepted.recv(1), b"\0")  # as every client begins
            berth.communicate(timeout=LIMIT_S)


def is_connecting(pid):
    """Whether it is blocked in connect(2), as x86-64 numbers it."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
            return file.read().startswith("42 ")
    return False


def test_berthd_options(_):
    for arguments, part in {
            ("--max-vms", "4097"): "--max-vms: '4097' is not allowed: give 1 to 4096, or 0",
            ("--max-vms", "x"): "--max-vms",
            ("--nonsense",): "--nonsense",
            ("argument",): "argument",
            ("--config", "/nonexistent/berth.conf"): "/nonexistent/berth.conf",
            ("--socket", "relative.sock"): "--socket"}.items():
        status, out, err = berthd(*arguments)
        same((arguments, status, out, err.count("\n")), (arguments, 2, "", 1))
        assert part in err, err
    same(berthd("--version")[1].startswith("berthd "), True)


def test_berthd_has_its_own_umask(_):
    # QEMU, another user, walks through folders that berthd makes
    before = os.umask(0o077)
    try:
        with Daemon() as d:
            with open(f"/proc/{d.process.pid}/status", encoding="ascii") as status:
                assert "\nUmask:\t0022\n" in status.read()
    finally:
        os.umask(before)


def test_berthd_settings_are_defaults_then_file_then_options(_):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "berth.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write("[berth]\nmax_vms=7\nvcpus=3\n")
        out = berthd("--config", path, "--max-vms", "9", "--print-config")[1]
        for part in ("\n#max_vms=9\n", "\n#vcpus=3\n", "\n#idle_timeout_s=300\n"):
            assert part in out, out
        with open(path, "w", encoding="ascii") as file:
            file.write(re.sub("^#([a-z_]+=)", r"\1", out, flags=re.M))
        same(berthd("--config", path, "--print-config")[1], out)


def main(namespace):
    tests = [(name[len("test_"):], value) for name, value in namespace.items()
             if name.startswith("test_")]
    wanted = sys.argv[3:]
    tests = [test for test in tests if not wanted or test[0] in wanted]
    failed = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"1..{len(tests)}")
    with Daemon("--max-vms", "2") as daemon:
        for number, (name, function) in enumerate(tests, 1):
            try:
                function(daemon)
                print(f"ok {number} {name}", flush=True)
            except Skipped as reason:
                print(f"ok {number} {name} # SKIP {reason}", flush=True)
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print("# " + traceback.format_exc().replace("\n", "\n# "))
                print(f"not ok {number} {name}", flush=True)
        if failed:
            print("# " + daemon.log().replace("\n", "\n# "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""berth put, get and ls, and run with files: the command and berthd on a host without VMs whose
sandboxes have the real agent's files (tests/host). Usage: test-cli-files.py BERTH FAKE-BERTHD.
Prints TAP."""

import contextlib
import fcntl
import importlib.util
import json
import os
import pty
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import time

_spec = importlib.util.spec_from_file_location(
    "test_cli", os.path.join(os.path.dirname(os.path.abspath(__file__)), "test-cli.py"))
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
BERTH, LIMIT_S, SHELL, same, one_line, until = (_cli.BERTH, _cli.LIMIT_S, _cli.SHELL, _cli.same,
                                                _cli.one_line, _cli.until)
MIB = 1024 * 1024


@contextlib.contextmanager
def sandbox(d, language="shell"):
    """A sandbox, its id; and the working folder is a new one."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="berth-cli-files-") as folder:
        os.chdir(folder)
        name = d.berth("create", "-l", language)[1].strip()
        try:
            yield name
        finally:
            d.berth("destroy", name)
            os.chdir(before)


def write(path, text="text\n", mode=0o644):
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def names(d, name, path="."):
    return [entry["name"] for entry in d.json("ls", name, path)[1]]


def done(result):
    same(result, (0, "", ""))


def test_a_file_there_and_back(d):
    with sandbox(d) as name:
        write("program", "#!/bin/sh\n", 0o755)
        done(d.berth("put", name, "program", "bin/tool"))
        done(d.berth("get", name, "bin/tool", "back"))
        same((read("back"), mode_of("back")), ("#!/bin/sh\n", 0o755))
        same(sorted(os.listdir(".")), ["back", "program"])
        done(d.berth("get", name, "bin/../bin/tool", "back"))
        same(names(d, name), ["bin"])


def test_under_its_own_name(d):
    with sandbox(d) as name:
        write("file", "own\n")
        os.mkdir("out")
        done(d.berth("put", name, "file", "folder/"))
        same(names(d, name, "folder"), ["file"])
        done(d.berth("get", name, "folder/file", "out"))
        done(d.berth("get", name, "folder/file", "out/"))
        same((os.listdir("out"), read("out/file")), (["file"], "own\n"))


def test_standard_streams(d):
    with sandbox(d) as name:
        done(d.berth("put", name, "-", "file", input="piped\n"))
        same(d.berth("get", name, "file", "-"), (0, "piped\n", ""))
        done(d.berth("put", name, "-", "empty"))
        same(d.berth("get", name, "empty", "-"), (0, "", ""))
        status, _, err = d.berth("put", name, "-", "folder/", input="x")
        same(status, 2)
        one_line(err, "folder/", "name the file")


def test_binary_is_unchanged(d):
    with sandbox(d) as name:
        with open("bytes", "wb") as file:
            file.write(os.urandom(3000000))
        done(d.berth("put", name, "bytes", "bytes"))
        done(d.berth("get", name, "bytes", "back"))
        with open("bytes", "rb") as one, open("back", "rb") as other:
            same(one.read() == other.read(), True)


def test_holes_stay_holes(d):
    """Of what comes out: zeros take no space here; the end of a file may be one of them."""
    with sandbox(d) as name:
        done(d.berth("put", name, "-", "none"))
        same(d.berth("exec", name, "truncate -s 40000000 hole; printf begin >hole-to-end; "
                     "truncate -s 5000001 hole-to-end; { head -c 300000 /dev/zero; printf middle; "
                     "head -c 4500000 /dev/zero; printf x; } >both")[0], 0)
        sizes = {"hole": 40000000, "hole-to-end": 5000001, "both": 4800007, "none": 0}
        for file, size in sizes.items():
            done(d.berth("get", name, file, file))
            info = os.stat(file)
            same((file, info.st_size, info.st_blocks * 512 <= 65536), (file, size, True))
            with open(file, "rb") as bytes_:
                same(bytes_.read().replace(b"\0", b""), {"hole-to-end": b"begin",
                                                         "both": b"middlex"}.get(file, b""))
        done(d.berth("get", name, "hole-to-end", "both"))
        same(os.stat("both").st_size, 5000001)
        with open("piped", "wb") as piped:
            piped.write(b"before ")
            piped.flush()
            subprocess.run([BERTH, "get", name, "both", "-"], env=d.environ(), stdout=piped,
                           check=True, timeout=60)
        with open("piped", "rb") as piped:
            same(piped.read(), b"before " + b"\0" * 300000 + b"middle" + b"\0" * 4500000 + b"x")


def test_holes_of_ours(d):
    """Of what goes in: a hole is not sent, and takes nothing there; in what a folder has, too."""
    with sandbox(d) as name:
        os.mkdir("folder")
        for file in ("sparse", "folder/sparse"):
            with open(file, "wb") as out:
                for at in (8192, 2000000, 39999990):
                    out.seek(at)
                    out.write(b"0123456789")
        with open("empty", "wb") as out:
            out.truncate(400000000)
        with open("many", "wb") as out:
            for at in range(0, 1100 * 12288, 12288):
                out.seek(at)
                out.write(b"x")
        for file in ("sparse", "folder", "empty", "many"):
            done(d.berth("put", name, file, file))
        entries = {entry["name"]: entry for entry in d.json("ls", name)[1]
                   + d.json("ls", name, "folder/sparse")[1] if entry["type"] == "file"}
        same(sorted(entries), ["empty", "many", "sparse"])
        same(entries["empty"]["allocated"], 0)
        same(0 < entries["sparse"]["allocated"] <= 200000, True)
        for file in ("sparse", "folder/sparse", "many"):
            done(d.berth("get", name, file, "back"))
            with open(file, "rb") as one, open("back", "rb") as other:
                same(one.read() == other.read(), True)


def test_special_files_of_ours_are_not_replaced(d):
    with sandbox(d) as name:
        write("file", "x")
        done(d.berth("put", name, "file", "file"))
        done(d.berth("get", name, "file", "/dev/null"))
        same(stat.S_ISCHR(os.stat("/dev/null").st_mode), True)
        write("target", "old")
        os.symlink("target", "link")
        done(d.berth("get", name, "file", "link"))
        same((os.path.islink("link"), read("target")), (True, "x"))


def test_list(d):
    with sandbox(d) as name:
        write("b\x1b[31m", "12345", 0o640)
        done(d.berth("put", name, "b\x1b[31m", "sub/plain"))
        done(d.berth("put", name, "-", "\u00e4", input="x"))
        d.berth("exec", name, "mkfifo fifo; ln -s /etc link; printf x > \"$(printf 'n\\377\\033m')\"")
        status, out, err = d.berth("ls", name)
        same((status, err), (0, ""))
        same([line.split()[0][0] + line.split()[-1] for line in out.splitlines()],
             ["pfifo", "llink", "-n\ufffd?m", "dsub", "-\u00e4"])
        status, entries = d.json("ls", name, "sub")
        same((status, [list(entry) for entry in entries]),
             (0, [["name", "type", "size", "allocated", "mode", "mtime"]]))
        same([entries[0][key] for key in ("name", "type", "size", "mode")],
             ["plain", "file", 5, "0640"])
        same(0 < entries[0]["allocated"] <= 65536, True)
        same(abs(entries[0]["mtime"] - time.time()) < 60, True)
        same(names(d, name, "sub/plain"), ["plain"])
        same([entry["type"] for entry in d.json("ls", name)[1]],
             ["fifo", "symlink", "file", "directory", "file"])


def test_list_tells_what_is_taken(d):
    with sandbox(d) as name:
        done(d.berth("put", name, "-", "full", input="x" * 100000))
        same(d.berth("exec", name, "truncate -s 40000000 hole")[0], 0)
        entries = {entry["name"]: entry for entry in d.json("ls", name)[1]}
        same([entries[file]["size"] for file in ("full", "hole")], [100000, 40000000])
        same((100000 <= entries["full"]["allocated"] <= 200000, entries["hole"]["allocated"]),
             (True, 0))
        columns = [line.split() for line in d.berth("ls", name)[1].splitlines()]
        same([column[1:3] for column in columns],
             [["100000", str(entries["full"]["allocated"])], ["40000000", "0"]])


def test_list_of_nothing(d):
    with sandbox(d) as name:
        same(d.berth("ls", name), (0, "", ""))
        same(d.json("ls", name), (0, []))
        status, _, err = d.berth("ls", name, "missing")
        same(status, 2)
        one_line(err, "file 'missing'", "No such file")
        status, error = d.json("ls", name, "missing")
        same((status, error["error"]["code"]), (2, "INVALID"))


def test_a_large_folder(d):
    with sandbox(d) as name:
        done(d.berth("put", name, "-", "x"))
        d.berth("exec", name, "mkdir l; cd l; mkfifo $(seq 2300); echo 1 > 0; echo 2 > z")
        wanted = sorted([str(i) for i in range(2301)] + ["z"])
        same(names(d, name, "l"), wanted)
        same(d.berth("ls", name, "l")[1].count("\n"), 2302)
        done(d.berth("get", "-q", name, "l", "l"))  # what is not left out is on three pages
        same((sorted(os.listdir("l")), read("l/0"), read("l/z")), (["0", "z"], "1\n", "2\n"))


def test_folders_there_and_back(d):
    with sandbox(d) as name:
        write("tree/one", "1", 0o600)
        write("tree/sub/two", "2", 0o755)
        os.makedirs("tree/sub/empty")
        os.chmod("tree/sub", 0o700)
        done(d.berth("put", name, "tree", "there/tree"))
        done(d.berth("get", name, "there", "back"))
        same(subprocess.run(["diff", "-r", "tree", "back/tree"], check=False).returncode, 0)
        for path in ("one", "sub/two", "sub", "sub/empty"):
            same((path, mode_of("back/tree/" + path)), (path, mode_of("tree/" + path)))
        done(d.berth("get", name, "there/tree", "back"))  # onto what is there
        done(d.berth("get", name, ".", "all"))
        same(os.listdir("all"), ["there"])


def test_links_and_special_files_are_left_out(d):
    with sandbox(d) as name:
        write("tree/file")
        os.symlink("/etc/passwd", "tree/link")
        os.mkfifo("tree/fifo")
        status, _, err = d.berth("put", name, "tree", "tree")
        same(status, 0)
        one_line(err, "2 left out", "links are not followed")
        done(d.berth("put", "-q", name, "tree", "tree"))
        same(names(d, name, "tree"), ["file"])
        d.berth("exec", name, "cd tree; ln -s /etc/passwd link; ln -s .. loop; mkfifo fifo")
        status, _, err = d.berth("get", name, "tree", "back")
        same((status, os.listdir("back")), (0, ["file"]))
        one_line(err, "3 left out")
        done(d.berth("get", "-q", name, "tree", "back"))
        status, _, err = d.berth("get", name, "tree/link", "passwd")
        same((status, os.path.exists("passwd")), (2, False))
        one_line(err, "leads outside")
        os.symlink("tree", "alias")
        done(d.berth("put", "-q", name, "alias", "alias"))  # one that is named is followed
        same(names(d, name, "alias"), ["file"])


def test_what_cant_be_carried_is_named(d):
    """The rest of a folder is carried, also what comes behind it, and the status says so."""
    with sandbox(d) as name:
        for path in ("a", "b\nb", "c/d", "c/e\x01", "f"):
            write("tree/" + path, path)
        os.makedirs("tree/g\x7f/below")
        status, _, err = d.berth("put", name, "tree", "tree")
        same(status, 2)
        one_line(err, "all but 3", "tree/b", "tree/c/e", "tree/g", "control character")
        same((names(d, name, "tree"), names(d, name, "tree/c")), (["a", "c", "f"], ["d"]))
        d.berth("exec", name, "cd tree; printf x >\"$(printf 'b\\nb')\"; mkdir \"$(printf 'c/n\\nx')\"; "
                "for n in 1 2 3 4 5 6 7; do printf x >\"$(printf 'd\\001%d' $n)\"; done")
        status, _, err = d.berth("get", name, "tree", "back")
        same(status, 2)
        one_line(err, "all but 9", "tree/b", "tree/c/n", "; ...")
        same((sorted(os.listdir("back")), os.listdir("back/c")), (["a", "c", "f"], ["d"]))
        same(read("back/f"), "f")


# as anybody else, who reads no file whose mode says that nobody does
MORTAL = (["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else [])


def test_what_may_not_be_read_is_named(d):
    with sandbox(d) as name:
        for path in ("a", "b", "c"):
            write("tree/" + path, path)
        os.mkdir("tree/folder")
        for path in ("tree/b", "tree/folder"):
            os.chmod(path, 0)
        result = subprocess.run([*MORTAL, BERTH, "put", name, "tree", "tree"], env=d.environ(),
                                capture_output=True, text=True, timeout=LIMIT_S, check=False)
        same(result.returncode, 2)
        one_line(result.stderr, "all but 2", "tree/b: Permission denied",
                 "tree/folder: Permission denied")
        same(names(d, name, "tree"), ["a", "c"])
        os.rmdir("tree/folder")


def test_files_whose_size_is_not_told(d):
    """/proc says 0, /sys a page; what is there is carried."""
    with sandbox(d) as name:
        for path in ("/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"):
            if os.path.exists(path):
                done(d.berth("put", name, path, "file"))
                same(d.berth("get", name, "file", "-"), (0, read(path), ""))
        status, out, _ = d.berth(*SHELL, "--upload", "/proc/version:v", "cat v")
        same((status, out), (0, read("/proc/version")))
        with open("sparse", "wb") as file:
            file.truncate(4000)
        done(d.berth("put", name, "sparse", "sparse"))
        done(d.berth("get", name, "sparse", "back"))
        same(read("back"), "\0" * 4000)


def test_a_hostile_guest_writes_nowhere_else(d):
    with sandbox(d, "hostile") as name:
        os.mkdir("in")
        for number, path in enumerate(("..,evil", ",evil", "..,..,evil", "in,evil", "x/..", "x/.",
                                       "x/..,")):
            out = f"in/out{number}"
            status, _, err = d.berth("get", name, path, out)
            same((path, status, os.listdir(out)), (path, 2, []))
            one_line(err, "no folder")
        same(os.listdir("."), ["in"])
        done(d.berth("get", name, "evil", "in/good"))
        same((read("in/good/evil"), mode_of("in/good/evil") & 0o7000), ("evil\n", 0))


def test_a_hostile_guest_has_no_end(d):
    with sandbox(d, "hostile") as name:
        status, _, err = d.berth("get", name, "loop", "loop")
        same(status, 2)
        one_line(err, "128 deep")
        done(d.berth("get", name, "endless", "endless"))
        same(d.json("ls", name, "endless"), (0, []))


def test_what_is_cut_leaves_nothing(d):
    with sandbox(d, "hostile") as name:
        status, _, err = d.berth("get", name, "short", "out")
        same((status, os.listdir("out")), (125, []))
        one_line(err, "not what was sent")


def test_our_own_links_are_not_followed_within_a_folder(d):
    with sandbox(d) as name:
        write("tree/sub/file", "new")
        write("elsewhere/file", "old")
        done(d.berth("put", name, "tree", "tree"))
        os.mkdir("out")
        os.symlink("../elsewhere", "out/sub")
        status, _, err = d.berth("get", name, "tree", "out/../out")
        same(status, 0)  # to out/tree
        os.rename("out/tree", "tree2")
        os.mkdir("out/tree")
        os.symlink("../../elsewhere", "out/tree/sub")
        status, _, err = d.berth("get", name, "tree", "out")
        same((status, read("elsewhere/file")), (2, "old"))
        one_line(err, "out/tree/sub")
        os.unlink("out/tree/sub")
        os.mkdir("out/tree/sub")
        os.symlink("../../../elsewhere/file", "out/tree/sub/file")
        done(d.berth("get", name, "tree", "out"))
        same((read("elsewhere/file"), read("out/tree/sub/file")), ("old", "new"))


def test_sizes(d):
    with sandbox(d) as name:
        for size, status in ((MIB, 0), (MIB + 1, 2)):
            with open("file", "wb") as file:
                file.truncate(size)
            same(d.berth("put", "--max-size", "1", name, "file", "file")[0], status)
            same(d.berth("put", "--max-size", "1", name, "-", "piped", input="x" * size)[0],
                 status)
            done(d.berth("put", name, "file", f"large{size}"))
            same(d.berth("get", "--max-size", "1", name, f"large{size}", "back")[0], status)
            os.unlink("file")
        same(os.listdir("."), ["back"])
        status, _, err = d.berth("get", "--max-size", "1", name, f"large{MIB + 1}", "back2")
        one_line(err, str(MIB + 1), str(MIB))
        same(os.listdir("."), ["back"])


def test_a_folder_is_bounded(d):
    """A folder brings eight times a file's bound, also where several of its files are on their way together."""
    with sandbox(d) as name:
        os.mkdir("tree")
        for number in range(40):
            with open(f"tree/{number}", "wb") as file:
                file.write(os.urandom(250 << 10))
        done(d.berth("put", name, "tree", "tree"))
        status, _, err = d.berth("get", "--max-size", "1", name, "tree", "back")
        same(status, 2)
        one_line(err, "all but", "carry it in parts")
        brought = sum(os.path.getsize(f"back/{each}") for each in os.listdir("back"))
        assert 7 * MIB < brought <= 8 * MIB, brought


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))


def test_a_full_disk_of_ours(d):
    with sandbox(d) as name:
        done(d.berth("put", name, "-", "file", input="x" * 200000))
        result = subprocess.run([BERTH, "get", name, "file", "back"], env=d.environ(),
                                capture_output=True, timeout=LIMIT_S, check=False,
                                restore_signals=False, preexec_fn=limit_files)
        same((result.returncode, os.listdir(".")), (125, []))
        one_line(result.stderr.decode(), "back", "File too large")
        write("file", "x" * 200000)
        result = subprocess.run([BERTH, *SHELL, "--json", "--upload", "file:file", "--download",
                                 "file:back", "echo ran"], env=d.environ(), capture_output=True,
                                timeout=LIMIT_S, check=False, restore_signals=False,
                                preexec_fn=limit_files)
        told = json.loads(result.stdout)
        same((result.returncode, told["stdout"], told["exit_code"], told["error"]["code"],
              told["error"]["retryable"]), (125, "ran\n", 0, "OUTCOME_UNKNOWN", False))
        same(os.listdir("."), ["file"])


def test_a_run_is_not_to_be_repeated_for_a_file(d):
    """Its program has run: whoever follows the advice does not run it twice."""
    with sandbox(d):
        status, told = d.json("run", "-l", "hostile", "--download", "short", "true")
        same((status, told["exit_code"], told["error"]["code"], told["error"]["retryable"]),
             (125, 0, "OUTCOME_UNKNOWN", False))
        assert told["error"]["message"].endswith(
            "not what was sent: the program has run: look at what it did elsewhere before you run "
            "it again"), told


LARGE_MIB = 450  # takes a second and more, and is allowed


def start_large(d, name):
    """A file in the sandbox that takes long."""
    done(d.berth("put", name, "-", "x"))
    d.berth("exec", name, f"truncate -s {LARGE_MIB}M large")


def moves_a_file(process):
    """Whether it has read or written some of a file of this folder."""
    folder = f"/proc/{process.pid}/fd"
    for number in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"{folder}/{number}").startswith(os.getcwd() + "/"):
                with open(f"{folder}info/{number}", encoding="ascii") as info:
                    return int(info.readline().split()[1]) > 0
    return False


def kill_on_the_way(d, number, *arguments):
    """The status of a transfer that this signal ended; one that was faster is begun again."""
    for _ in range(20):
        process = d.popen(*arguments)
        until(lambda: process.poll() is not None or moves_a_file(process))
        process.send_signal(number)
        process.communicate(timeout=LIMIT_S)
        if process.returncode != 0:
            return process.returncode
    raise AssertionError("every transfer was done before the signal")


def test_killed_on_the_way(d):
    with sandbox(d) as name:
        start_large(d, name)
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
            same((kill_on_the_way(d, number, "get", name, "large", "back"), os.listdir(".")),
                 (status, []))
        with open("large", "wb") as file:  # no holes: all of it has to be sent
            for _ in range(LARGE_MIB):
                file.write(b"x" * MIB)
        for number, status in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
            same(kill_on_the_way(d, number, "put", name, "large", "folder/copy"), status)
            until(lambda: names(d, name) == ["large", "x"])


def in_pipe(pipe):
    """How many bytes wait to be read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def waits(process, arguments, writers):
    """Whether a transfer has come to where it waits for us. A FIFO has a writer then."""
    if arguments[0] == "get":
        return in_pipe(process.stdout) > 0
    if "fifo" not in arguments:
        return in_pipe(process.stdin) == 0
    with contextlib.suppress(OSError):  # nobody reads it yet
        writers.append(os.open("fifo", os.O_WRONLY | os.O_NONBLOCK))
    return bool(writers)


def test_interrupted_while_it_waits(d):
    """For standard input, for what a FIFO's writer writes, for a reader that does not read."""
    writers = []
    with sandbox(d) as name:
        start_large(d, name)
        os.mkfifo("fifo")
        for arguments in (("put", name, "-", "x2"), ("put", name, "fifo", "x2"),
                          ("get", name, "large", "-")):
            process = d.popen(*arguments, stdin=subprocess.PIPE)
            process.stdin.write(b"some of it")
            process.stdin.flush()
            until(lambda: waits(process, arguments, writers))
            same((arguments, process.poll()), (arguments, None))
            process.send_signal(signal.SIGINT)
            same((arguments, process.wait(LIMIT_S)), (arguments, 130))
            process.communicate()
        os.close(writers.pop())
        status, _, err = d.berth("get", name, "x", "fifo")
        same(status, 125)
        one_line(err, "fifo")
        writer = subprocess.Popen(["sh", "-c", "echo through > fifo"])
        done(d.berth("put", name, "fifo", "x2"))
        writer.wait(LIMIT_S)
        same(d.berth("get", name, "x2", "-"), (0, "through\n", ""))


def test_berthd_goes_away_on_the_way(_):
    with _cli.Daemon() as d, sandbox(d) as name:
        start_large(d, name)
        process = d.popen("get", name, "large", "-")
        process.stdout.read(1000)
        d.process.kill()
        _, err = process.communicate(timeout=LIMIT_S)
        same(process.returncode, 125)
        one_line(err.decode(), "went away")


def test_reader_goes_away(d):
    with sandbox(d) as name:
        start_large(d, name)
        process = d.popen("get", name, "large", "-")
        process.stdout.read(1000)
        process.stdout.close()
        same(process.wait(LIMIT_S), -signal.SIGPIPE)
        same(names(d, name), ["large", "x"])


def stderr_on_a_terminal(d, awaited, *arguments):
    """Its stdout is not read before this has come on the terminal."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen([BERTH, *arguments], env={**d.environ(), "TERM": "xterm"},
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    text = b""
    while awaited not in text:
        text += os.read(controller, 1000)
    while process.stdout.read(MIB):
        pass
    with contextlib.suppress(OSError):  # EIO: the terminal's other end is closed
        while part := os.read(controller, 1000):
            text += part
    os.close(controller)
    same(process.wait(LIMIT_S), 0)
    return text.decode()


def test_progress_is_for_a_terminal(d):
    with sandbox(d) as name:
        start_large(d, name)
        done(d.berth("get", name, "large", "/dev/null"))
        text = stderr_on_a_terminal(d, b" MB", "get", name, "large", "-")
        assert "large: " in text and text.endswith("\r\x1b[K"), text
        same(stderr_on_a_terminal(d, b"", "get", "-q", name, "large", "-"), "")


def test_mistakes(d):
    write_to = os.path.join(d.folder.name, "file")
    write(write_to)
    for arguments, part in {
            ("put",): "ID LOCAL GUEST", ("put", "id", "x"): "ID LOCAL GUEST",
            ("get", "id", "x"): "ID GUEST LOCAL", ("ls",): "ID [GUEST]",
            ("put", "id", "a", "b", "c"): "too many",
            ("put", "--max-size", "0", "id", "a", "b"): "--max-size",
            ("put", "--max-size", "1x", "id", "a", "b"): "--max-size",
            ("run", "--max-size", "0", "x"): "--max-size",
            ("run", "--upload", "x", "x"): "LOCAL:GUEST",
            ("run", "--upload", ":x", "x"): "LOCAL:GUEST",
            ("run", "--upload", "x:", "x"): "LOCAL:GUEST",
            ("run", "--upload", "/nonexistent:x", "x"): "No such file",
            ("run", "--upload", "-:x", "x"): "standard input",
            ("run", "--download", ":x", "x"): "GUEST",
            ("run", "--download", "x:", "x"): "GUEST",
            ("run", "--download", "x:-", "x"): "standard output",
            ("run", "--download", ".", "x"): "GUEST:LOCAL",
            ("create", "--upload", "x:y"): "--upload"}.items():
        status, out, err = d.berth(*arguments)
        same((arguments, status, out), (arguments, 2, ""))
        one_line(err, part)
    with sandbox(d) as name:
        for arguments, part in {
                ("put", name, "/nonexistent", "x"): "/nonexistent: No such file",
                ("put", name, write_to, "../x"): "leaves",
                ("put", name, write_to, "/etc/x"): "absolute",
                ("put", name, write_to, "x" * 256): "255",
                ("put", name, write_to, "a\nb"): "control",
                ("put", name, write_to, ""): "empty",
                ("put", name, write_to, "."): "Is a directory",
                ("get", name, "x", "nonexistent/y"): "x",
                ("ls", name, "../.."): "leaves"}.items():
            status, out, err = d.berth(*arguments)
            same((arguments, status, out), (arguments, 2, ""))
            one_line(err, part)
        done(d.berth("put", name, write_to, "file"))
        status, _, err = d.berth("get", name, "file", "nonexistent/y")
        same(status, 2)
        one_line(err, "nonexistent: No such file")
    for verb in (("put", "0" * 32, write_to, "x"), ("get", "0" * 32, "x", "y"), ("ls", "0" * 32)):
        status, _, err = d.berth(*verb)
        same(status, 125)
        one_line(err, "0" * 32, "make a new one")
        status, _, err = d.berth(verb[0], "no/id", *verb[2:])
        same(status, 2)


def test_somebody_elses(d):
    _cli.needs_root()
    with sandbox(d) as name:
        os.chmod(d.folder.name, 0o755)
        os.chmod(os.path.dirname(d.socket), 0o755)
        os.chmod(d.socket, 0o666)
        status, _, err = d.berth("ls", name, user=65534, group=65534, extra_groups=[])
        same(status, 125)
        one_line(err, "berth knows none of this id")


def test_run_with_files(d):
    with sandbox(d):
        write("in.txt", "in\n")
        write("tree/sub/file", "deep\n")
        write("a:b", "colon\n")
        status, out, err = d.berth(
            *SHELL, "--upload", "in.txt:data/in", "--upload", "tree:tree", "--upload", "a:b:c",
            "--download", "out", "--download", "tree:back", "--download", "data/in:copy:1",
            "cat data/in tree/sub/file c; echo made > out; exit 3")
        same((status, out, err), (3, "in\ndeep\ncolon\n", ""))
        same((read("out"), read("back/sub/file"), read("copy:1")), ("made\n", "deep\n", "in\n"))
        same([vm["template"] for vm in d.json("list")[1]], ["shell"])  # only the one beside it


def test_holes_of_a_runs_uploads(d):
    """Of what goes in with a run: as of put, also where the bytes of the next file follow."""
    with sandbox(d):
        for file in ("sparse", "tree/sparse", "empty"):
            os.makedirs(os.path.dirname(file) or ".", exist_ok=True)
            with open(file, "wb") as out:
                for at in (8192, 2000000, 39999990) if file != "empty" else ():
                    out.seek(at)
                    out.write(b"0123456789")
                out.truncate(40000000 if file != "empty" else 400000000)
        write("text", "next\n")
        # the agent of this host without VMs has told its version when the first is there
        options = [word for file in ("text", "sparse", "tree", "empty")
                   for word in ("--upload", f"{file}:{file}")]
        status, out, err = d.berth(*SHELL, *options, "--download", "sparse:back", "--download",
                                   "tree/sparse:back2", "cat text; stat -c '%s %b' sparse "
                                   "tree/sparse empty")
        same((status, err), (0, ""))
        same(out.splitlines()[0], "next")
        sizes = [[int(number) for number in line.split()] for line in out.splitlines()[1:]]
        same([size for size, _ in sizes], [40000000, 40000000, 400000000])
        same([blocks * 512 <= 200000 for _, blocks in sizes], [True, True, True])
        with open("sparse", "rb") as one, open("back", "rb") as other, open("back2", "rb") as third:
            bytes_ = one.read()
            same((other.read() == bytes_, third.read() == bytes_), (True, True))


def test_run_downloads_also_after_a_time_out(d):
    with sandbox(d):
        write("in")
        same(d.berth(*SHELL, "-q", "-t", "1", "--upload", "in:in", "--download", "out",
                     "echo so far > out; sleep 20")[0], 124)
        same(read("out"), "so far\n")


def test_run_tells_of_a_failed_download(d):
    with sandbox(d):
        write("in")
        for code, status in (("exit 0", 125), ("exit 4", 4)):
            got, out, err = d.berth(*SHELL, "--upload", "in:in", "--download", "missing",
                                    "--download", "in:copy", code)
            same((got, out), (status, ""))
            one_line(err, "--download missing", "No such file")
            same(read("copy"), "text\n")
        status, result = d.json(*SHELL, "--download", "missing", "echo x")
        same((status, list(result), result["stdout"], result["exit_code"]),
             (125, _cli.RESULT_KEYS, "x\n", 0))
        same((result["error"]["code"], list(result["timing"])), ("INVALID", _cli.TIMING_KEYS))


def test_run_tells_of_a_failed_upload(d):
    with sandbox(d) as name:
        write("in")
        status, out, err = d.berth(*SHELL, "--upload", "in:../in", "echo started")
        same((status, out), (2, ""))
        one_line(err, "--upload in:../in", "leaves")
        # its sandbox ends behind the answer
        until(lambda: [vm["id"] for vm in d.json("list")[1]] == [name])


def test_run_names_the_upload_that_the_guest_refuses(d):
    with sandbox(d):
        write("in")
        status, out, err = d.berth(*SHELL, "--upload", "in:a", "--upload", "in:a/b", "echo started")
        same((status, out), (2, ""))
        one_line(err, "--upload in:a/b: file 'a/b'")
        with open("big", "wb") as file:
            file.truncate(MIB + 1)
        status, _, err = d.berth(*SHELL, "--max-size", "1", "--upload", "big:big", "true")
        same(status, 2)
        one_line(err, "--upload big:big", "at most 1048576")


def test_run_with_files_in_part(d):
    """What can't be carried keeps nothing else from being."""
    with sandbox(d):
        write("tree/a", "a\n", 0o755)
        write("tree/b")
        os.symlink("a", "tree/link")
        status, out, err = d.berth(*SHELL, "--upload", "tree:tree", "ls tree")
        same((status, out), (0, "a\nb\n"))
        one_line(err, "1 left out", "tree/link")
        os.makedirs("back/tree/a")
        status, _, err = d.berth(*SHELL, "-q", "--upload", "tree:tree", "--download", "tree:back",
                                 "--download", "tree/a", "ln -s a tree/link")
        same((status, read("back/tree/b"), read("a"), mode_of("a")), (125, "text\n", "a\n", 0o755))
        one_line(err, "--download tree:back: 'tree': all but 1 could be carried: back/tree/a: Is a")
        same(sorted(os.listdir("back/tree")), ["a", "b"])


def test_run_of_a_hostile_guest(d):
    with sandbox(d):
        os.mkdir("in")
        for number, path in enumerate(("..,evil", ",evil", "in,evil", "x/..")):
            out = f"in/out{number}"
            status, _, err = d.berth("run", "-l", "hostile", "--download", f"{path}:{out}", "true")
            same((path, status, os.listdir(out)), (path, 125, []))
            one_line(err, "no folder")
        same(os.listdir("."), ["in"])
        for path, text in (("loop", "128 deep"), ("short", "not what was sent")):
            status, _, err = d.berth("run", "-l", "hostile", "--download", path, "true")
            same((path, status), (path, 125))
            one_line(err, text)
        done(d.berth("run", "-l", "hostile", "--download", "evil:in/good", "true"))
        same((read("in/good/evil"), mode_of("in/good/evil") & 0o7000), ("evil\n", 0))


def test_run_with_files_at_capacity(d):
    with sandbox(d), sandbox(d):
        status, _, err = d.berth(*SHELL, "--no-wait", "--download", "x", "true")
        same(status, 126)
        one_line(err, "2 of 2 VMs exist")


def test_a_killed_run_takes_its_sandbox_along(d):
    with sandbox(d) as name:
        write("in")
        for number, status in ((signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)):
            process = d.popen(*SHELL, "--upload", "in:in", "--download", "in:copy",
                              "echo runs; sleep 60")
            same(process.stdout.readline(), b"runs\n")
            process.send_signal(number)
            process.communicate(timeout=LIMIT_S)
            same(process.returncode, status)
            until(lambda: [vm["id"] for vm in d.json("list")[1]] == [name])
        same(sorted(os.listdir(".")), ["in"])


if __name__ == "__main__":
    sys.exit(_cli.main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""berthd as systemd starts it: what it tells, and the socket that it is given (TAP).

    test-systemd.py SOURCE-ROOT BUILD-ROOT FAKE-BERTHD BERTH
"""
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import traceback

SOURCE, BUILD, BERTHD, BERTH = sys.argv[1:5]
LIMIT_S = 60


class Manager:
    """Plays the service manager: hears what berthd tells, and listens for it."""

    def __init__(self, folder, abstract=False):
        self.folder = folder
        self.path = os.path.join(folder, "berthd.sock")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.settimeout(LIMIT_S)
        name = os.path.join(folder, "notify")
        self.notify.bind("\0" + name if abstract else name)
        self.name = "@" + name if abstract else name
        self.process = None

    def listen(self, path=None, kind=socket.SOCK_STREAM):
        listener = socket.socket(socket.AF_UNIX, kind)
        listener.bind(path or self.path)
        if kind == socket.SOCK_STREAM:
            listener.listen(16)
        return listener

    def start(self, *options, listeners=(), environment=None):
        """Descriptors from 3 on, as sd_listen_fds(3) has it; the shell's number stays the program's."""
        # where the descriptors are until the child's 3 is free
        fds = [listener.fileno() for listener in listeners]
        assert all(fd > 3 for fd in fds)
        script = "".join("exec %d<&%d; " % (3 + n, fd) for n, fd in enumerate(fds))
        script += 'LISTEN_PID=$$ LISTEN_FDS=%d exec "$0" "$@"' % len(fds)
        environment = dict(os.environ, NOTIFY_SOCKET=self.name, HOME=self.folder,
                           XDG_RUNTIME_DIR=self.folder, BERTH_SOCKET=self.path, **environment or {})
        self.process = subprocess.Popen(["sh", "-c", script, BERTHD, "--foreground", *options], env=environment,
                                        pass_fds=fds, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        encoding="utf-8")
        return self.process

    def hear(self):
        return self.notify.recv(4096).decode().split("\n")

    def wait_ready(self):
        while "READY=1" not in self.hear():
            pass

    def end(self, number=signal.SIGTERM):
        """None: it was told to end already, and a second signal would mean more."""
        if number is not None:
            self.process.send_signal(number)
        errors = self.process.communicate(timeout=LIMIT_S)[1]
        return self.process.returncode, errors

    def ask(self):
        done = subprocess.run([BERTH, "status", "--json", "--socket", self.path], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", timeout=LIMIT_S)
        return done.returncode, done.stdout


def check_tells(folder):
    for abstract in (False, True):
        manager = Manager(folder, abstract)
        manager.start("--socket", manager.path)
        manager.wait_ready()
        assert manager.ask()[0] == 0
        manager.process.send_signal(signal.SIGTERM)
        assert "STOPPING=1" in manager.hear()
        assert manager.end(None)[0] == 0
        os.unlink(os.path.join(folder, "notify")) if not abstract else None


def fill(manager):
    """Until nothing more fits into what the manager has not read yet."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        try:
            while True:
                other.sendto(b"OTHER=1", manager.notify.getsockname())
        except BlockingIOError:
            pass


def check_tells_who_reads_late(folder):
    """A manager that many tell at once, as when a host boots, hears that berthd is ready."""
    manager = Manager(folder)
    fill(manager)
    manager.start("--socket", manager.path)
    while "berthd ready on" not in manager.process.stderr.readline():
        assert manager.process.poll() is None
    assert manager.ask()[0] == 0  # what it tells when it is ready is told, or lost, by now
    manager.wait_ready()
    assert manager.end()[0] == 0


def check_leaves(folder):
    """SIGUSR1 is what a restart sends."""
    manager = Manager(folder)
    manager.start("--socket", manager.path)
    manager.wait_ready()
    status, errors = manager.end(signal.SIGUSR1)
    assert status == 0 and "its VMs stay" in errors, errors


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write("[berth]\n" + text)


def check_reload(folder):
    """Settings are read again while a program runs; a mistake in them changes nothing."""
    manager = Manager(folder)
    settings = os.path.join(folder, "berth.conf")

    def reload(text):
        write(settings, text)
        manager.process.send_signal(signal.SIGHUP)
        told = manager.hear()
        assert told[0] == "RELOADING=1" and told[1].startswith("MONOTONIC_USEC="), told
        assert manager.hear() == ["READY=1"]
        return json.loads(manager.ask()[1])["slots"]["total"]

    write(settings, "max_vms=2\nwarm_default=0\n")
    manager.start("--socket", manager.path, "--config", settings, "--memory-mb", "4096", "--vcpus", "16")
    manager.wait_ready()
    program = subprocess.Popen([BERTH, "run", "--socket", manager.path, "-l", "shell",
                                "echo begun; read -r x; echo got $x"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, encoding="utf-8")
    assert program.stdout.readline() == "begun\n"
    assert reload("max_vms=5\nwarm_default=0\nname_prefix=other\nidle_timeout_s=0\n") == 5
    assert reload("max_vms=many\n") == 5
    assert reload("max_vms=1\nwarm_default=0\n") == 1
    full = subprocess.run([BERTH, "run", "--socket", manager.path, "-l", "shell", "--no-wait", "true"],
                          capture_output=True, encoding="utf-8", timeout=LIMIT_S, check=False)
    assert full.returncode == 126, full
    assert program.communicate("more\n", timeout=LIMIT_S)[0] == "got more\n" and program.returncode == 0
    status, errors = manager.end()
    assert status == 0, errors
    assert "read again: max_vms, idle_timeout_s changed" in errors, errors
    assert "name_prefix changed, too, and holds from the next start" in errors, errors
    assert re.search(r"stay as they are: \S+/berth.conf: max_vms: 'many' is not allowed", errors), errors


def check_watchdog_before_ready(folder):
    """A start that takes longer than the watchdog allows is judged by READY=1 alone."""
    manager = Manager(folder)
    manager.start("--socket", manager.path, environment={"WATCHDOG_USEC": "2000"})
    assert "READY=1" in manager.hear()
    assert manager.hear() == ["WATCHDOG=1"]
    manager.process.kill()
    assert "bug" not in manager.end(None)[1]


def check_watchdog(folder):
    manager = Manager(folder)
    manager.start("--socket", manager.path, environment={"WATCHDOG_USEC": "200000"})
    manager.wait_ready()
    for _ in range(3):
        assert manager.hear() == ["WATCHDOG=1"]
    # a stopped process tells nothing: whatever came before it stopped is read first
    manager.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, manager.process.pid, os.WSTOPPED | os.WNOWAIT)
    manager.notify.setblocking(False)
    try:
        while manager.hear():
            pass
    except BlockingIOError:
        pass
    manager.notify.settimeout(0.5)
    try:
        assert False, manager.hear()
    except TimeoutError:
        pass
    manager.process.send_signal(signal.SIGCONT)
    manager.notify.settimeout(LIMIT_S)
    assert manager.hear() == ["WATCHDOG=1"]
    manager.end()


def check_watchdog_of_another(folder):
    """The variables were meant for the process that started berthd."""
    manager = Manager(folder)
    manager.start("--socket", manager.path, environment={"WATCHDOG_USEC": "50000", "WATCHDOG_PID": "1"})
    manager.wait_ready()
    assert manager.ask()[0] == 0  # takes longer than two rounds
    manager.process.send_signal(signal.SIGTERM)
    assert "STOPPING=1" in manager.hear()
    manager.end(None)


def check_activation(folder):
    """Who came before berthd did is served, the socket's file stays as it was made, and so again."""
    manager = Manager(folder)
    listener = manager.listen()
    os.chmod(manager.path, 0o640)
    early = subprocess.Popen([BERTH, "status", "--json", "--socket", manager.path], stdout=subprocess.PIPE,
                             encoding="utf-8")
    for number in (signal.SIGTERM, signal.SIGUSR1):
        manager.start(listeners=[listener])
        manager.wait_ready()
        assert manager.ask()[0] == 0
        assert stat.S_IMODE(os.stat(manager.path).st_mode) == 0o640
        status, errors = manager.end(number)
        assert status == 0, errors
        assert os.path.exists(manager.path)
        while "STOPPING=1" not in manager.hear():
            pass
    assert "slots" in early.communicate(timeout=LIMIT_S)[0] and early.returncode == 0
    listener.close()


def check_descriptor(folder):
    """No program that berthd might start gets the socket."""
    manager = Manager(folder)
    listener = manager.listen()
    manager.start(listeners=[listener])
    manager.wait_ready()
    with open("/proc/%d/fdinfo/3" % manager.process.pid, encoding="ascii") as info:
        flags = int(re.search(r"^flags:\s*(\d+)", info.read(), re.M).group(1), 8)
    assert flags & os.O_CLOEXEC, oct(flags)
    manager.end()
    listener.close()


def refused(folder, text, listeners, *options, **environment):
    manager = Manager(folder)
    manager.start(*options, listeners=listeners, environment=environment)
    errors = manager.process.communicate(timeout=LIMIT_S)[1]
    assert manager.process.returncode == 2 and text in errors and errors.count("\n") == 1, errors
    os.unlink(os.path.join(folder, "notify"))


def check_wrong_sockets(folder):
    def path(name):
        return os.path.join(folder, name)

    manager = Manager(folder)
    os.unlink(path("notify"))
    stream, other = manager.listen(path("a")), manager.listen(path("b"))
    datagram = manager.listen(path("c"), socket.SOCK_DGRAM)
    deaf = socket.socket(socket.AF_UNIX)
    deaf.bind(path("d"))
    internet = socket.socket(socket.AF_INET)
    internet.bind(("127.0.0.1", 0))
    internet.listen(1)
    nameless = socket.socket(socket.AF_UNIX)
    nameless.bind("\0" + path("e"))
    nameless.listen(1)
    refused(folder, "passes 2 sockets", [stream, other])
    for wrong in (datagram, deaf, internet, nameless):
        refused(folder, "something else than a listening Unix stream socket", [wrong])
    refused(folder, "setting socket=" + path("f"), [stream], "--socket", path("f"))


def check_units(folder):
    """systemd itself reads the units, as they are installed."""
    prefix = os.path.join(folder, "units")
    os.mkdir(prefix)
    shipped, made = SOURCE + "/packaging/systemd/", BUILD + "/packaging/systemd/"
    for name, source in (("berthd.socket", shipped + "berthd.socket"),
                         ("berthd.service", made + "system-berthd.service"),
                         ("berth-connector.socket", shipped + "berth-connector.socket"),
                         ("berth-connector@.service", made + "berth-connector@.service"),
                         ("berth-metrics.socket", shipped + "berth-metrics.socket"),
                         ("berth-metrics@.service", made + "berth-metrics@.service")):
        with open(source, encoding="utf-8") as file:
            text = file.read()
        # the programs are not installed here
        text = re.sub(r"^(ExecSt\w+)=\S+", r"\1=/bin/true", text, flags=re.M).replace("man:", "http://")
        with open(os.path.join(prefix, name), "w", encoding="utf-8") as file:
            file.write(text)
    units = ("berthd.service", "berthd.socket", "berth-connector.socket", "berth-connector@.service",
             "berth-metrics.socket", "berth-metrics@.service")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no",
                           *(os.path.join(prefix, unit) for unit in units)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          timeout=LIMIT_S)
    ours = [line for line in done.stdout.split("\n") if "berth" in line]
    assert not ours, done.stdout


def check_exposure(folder):
    """The figure that the document gives, and that no open point is missing there."""
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                           BUILD + "/packaging/systemd/system-berthd.service"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", timeout=LIMIT_S,
                          env=dict(os.environ, LC_ALL="C.UTF-8", SYSTEMD_COLORS="0", COLUMNS="300"))
    with open(SOURCE + "/packaging/systemd/README.md", encoding="utf-8") as file:
        document = file.read()
    figure = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert figure, done.stdout
    told = float(re.search(r"exposure level is \**([0-9.]+)", document).group(1))
    # another systemd weighs a little differently
    assert float(figure.group(1)) <= told + 0.2, "%s, the document says %s" % (figure.group(1), told)
    open_points = re.findall(r"^\u2717 (\S+?)(?:=\S*)? ", done.stdout, re.M)
    assert open_points, done.stdout
    missing = [point for point in open_points if "`%s" % point.split("=")[0] not in document]
    assert not missing, "packaging/systemd/README.md gives no reason for: " + ", ".join(missing)


CHECKS = [("tells", check_tells), ("tells-who-reads-late", check_tells_who_reads_late), ("leaves", check_leaves), ("reload", check_reload),
          ("watchdog", check_watchdog),
          ("watchdog-before-ready", check_watchdog_before_ready),
          ("watchdog-of-another", check_watchdog_of_another), ("activation", check_activation),
          ("descriptor", check_descriptor), ("wrong-sockets", check_wrong_sockets),
          ("units", check_units), ("exposure", check_exposure)]


def main():
    status = 0
    print("1..%d" % len(CHECKS))
    for number, (name, check) in enumerate(CHECKS, 1):
        if name in ("units", "exposure") and shutil.which("systemd-analyze") is None:
            print("ok %d %s # SKIP no systemd-analyze" % (number, name))
            continue
        try:
            with tempfile.TemporaryDirectory(prefix="berth-systemd-") as folder:
                check(folder)
            print("ok %d %s" % (number, name), flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            print("not ok %d %s" % (number, name))
            text = traceback.format_exc() + (getattr(error, "stdout", None) or "")
            print("\n".join("# " + line for line in text.split("\n")), flush=True)
            status = 1
    return status


sys.exit(main())

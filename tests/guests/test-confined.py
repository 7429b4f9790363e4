#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What code in a sandbox can't reach and can't use up: each attempt is made in a real guest, and must
end in the very error that the confinement gives, so that one that was never made is seen, too. A bomb
ends in an error of its own exec or in nothing, and the same session goes on. See guestlib.py."""

import functools
import glob
import json
import os
import sys

from guestlib import IMAGES, Daemon, keep, main, same

# In front of each set of attempts: what it says in the end is {attempt: error, or "done"}.
ATTEMPTS = """
import ctypes, errno, json, os
libc = ctypes.CDLL(None, use_errno=True)
outcomes = {}
def attempt(name, what, *arguments, **options):
    try:
        what(*arguments, **options)
        outcomes[name] = "done"
    except OSError as error:
        outcomes[name] = errno.errorcode[error.errno]
def call(number, *arguments):
    if libc.syscall(number, *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
def write(path, text=b"1"):
    with open(path, "wb", buffering=0) as file:
        file.write(text)
def read(path):
    with open(path, "rb", buffering=0) as file:
        file.read(1)
"""
TELL = "\nprint(json.dumps(outcomes))"


class Session:
    def __init__(self, daemon, language="python", *options):
        self.daemon = daemon
        done = daemon.berth("create", "-l", language, *options)
        same(done.returncode, 0)
        self.id = done.stdout.strip()

    def exec(self, code, limit_s=30):
        return self.daemon.json("exec", "-t", str(limit_s), self.id, code)

    def tell(self, code):
        """What the code printed; it must end well."""
        result = self.exec(code, limit_s=120)
        assert result["error"] is None and result["exit_code"] == 0, result
        return result["stdout"]

    def attempt(self, code, wanted):
        got = json.loads(self.tell(ATTEMPTS + code + TELL))
        same(got.keys(), wanted.keys())
        for name, outcome in got.items():
            assert outcome == wanted[name], f"{name}: {outcome}, wanted {wanted[name]}"


@functools.cache
def pool():
    """One berthd for all of the tests, with a session of each of both languages."""
    daemon = keep(Daemon("--warm-default", "0"))
    return daemon, Session(daemon), Session(daemon, "shell")


def python():
    return pool()[1]


def shell():
    return pool()[2]


def test_pid_1():
    python().attempt("""
import signal
pid1 = os.pidfd_open(1)
attempt("signal", os.kill, 1, signal.SIGKILL)
attempt("probe", os.kill, 1, 0)
attempt("pidfd signal", signal.pidfd_send_signal, pid1, signal.SIGKILL)
attempt("pidfd_getfd", call, 438, pid1, 0, 0)
attempt("ptrace attach", call, 101, 16, 1, 0, 0)
attempt("ptrace seize", call, 101, 0x4206, 1, 0, 0)
here = ctypes.create_string_buffer(8)
vector = ctypes.create_string_buffer(ctypes.addressof(here).to_bytes(8, "little") + b"\\x08", 16)
attempt("process_vm_readv", call, 310, 1, vector, 1, vector, 1, 0)
attempt("process_vm_writev", call, 311, 1, vector, 1, vector, 1, 0)
attempt("kcmp", call, 312, os.getpid(), 1, 0, 0, 0)
attempt("prlimit", call, 302, 1, 7, 0, ctypes.create_string_buffer(16))
attempt("priority", os.setpriority, os.PRIO_PROCESS, 1, 10)
attempt("affinity", os.sched_setaffinity, 1, {0})
attempt("scheduler", os.sched_setscheduler, 1, os.SCHED_IDLE, os.sched_param(0))
for name in ("", "mem", "environ", "fd", "root", "maps", "cmdline", "task", "ns/mnt", "oom_score_adj"):
    attempt("/proc/1/" + name, os.stat, "/proc/1/" + name)
""", {"signal": "EPERM", "probe": "EPERM", "pidfd signal": "EPERM", "pidfd_getfd": "EPERM",
      "ptrace attach": "EPERM", "ptrace seize": "EPERM", "process_vm_readv": "EPERM",
      "process_vm_writev": "EPERM", "kcmp": "EPERM", "prlimit": "EPERM", "priority": "EPERM", "affinity": "EPERM",
      "scheduler": "EPERM",
      **{"/proc/1/" + name: "ENOENT" for name in (
          "", "mem", "environ", "fd", "root", "maps", "cmdline", "task", "ns/mnt",
          "oom_score_adj")}})


def test_devices():
    python().attempt("""
import stat
outcomes["dev"] = sorted(os.listdir("/dev"))
outcomes["block"] = [name for name in os.listdir("/dev") if stat.S_ISBLK(os.lstat("/dev/" + name).st_mode)]
attempt("block node", os.mknod, "disk", 0o600 | stat.S_IFBLK, os.makedev(254, 0))
with open("/proc/devices") as file:
    majors = [line.split()[0] for line in file if "virtio-portsdev" in line]
outcomes["port driver"] = len(majors)
attempt("port node", os.mknod, "port", 0o600 | stat.S_IFCHR, os.makedev(int(majors[0]), 1))
attempt("memory node", os.mknod, "mem", 0o600 | stat.S_IFCHR, os.makedev(1, 1))
attempt("node in /dev", os.mknod, "/dev/mem", 0o600 | stat.S_IFCHR, os.makedev(1, 1))
attempt("terminal", read, "/dev/tty")
for name in ("vda", "vport0p1", "vport1p1", "vport2p1", "virtio-ports", "mem", "kmem", "port", "kmsg", "console",
             "ttyS0", "hvc0", "fuse", "loop-control", "kvm", "vhost-vsock"):
    attempt("/dev/" + name, os.stat, "/dev/" + name)
attempt("/proc/kcore", read, "/proc/kcore")
attempt("/proc/kpageflags", read, "/proc/kpageflags")
attempt("iopl", call, 172, 3)
attempt("ioperm", call, 173, 0x80, 1, 1)
""", {"dev": ["fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
              "tty", "urandom", "zero"],
      "block": [], "block node": "EPERM", "port driver": 1, "port node": "EPERM",
      "memory node": "EPERM", "node in /dev": "EACCES", "terminal": "ENXIO",
      **{"/dev/" + name: "ENOENT" for name in (
          "vda", "vport0p1", "vport1p1", "vport2p1", "virtio-ports", "mem", "kmem", "port", "kmsg",
          "console", "ttyS0", "hvc0", "fuse", "loop-control", "kvm", "vhost-vsock")},
      "/proc/kcore": "EACCES", "/proc/kpageflags": "EACCES", "iopl": "EPERM", "ioperm": "EPERM"})


def test_kernel():
    module = glob.glob(f"{IMAGES}/kernel-*/modules/overlay.ko")[0]
    daemon, session, _ = pool()
    same(daemon.berth("put", session.id, module, "real.ko").returncode, 0)
    session.attempt("""
log = ctypes.create_string_buffer(64)
attempt("log by syslog", call, 103, 3, log, 64)
attempt("log's size", call, 103, 10, 0, 0)
attempt("/proc/kmsg", read, "/proc/kmsg")
real = os.open("real.ko", os.O_RDONLY)
outcomes["a module"] = os.pread(real, 4, 0) == b"\\x7fELF"
attempt("finit_module", call, 313, real, b"", 0)
attempt("init_module", call, 175, 0, 0, b"")
attempt("delete_module", call, 176, b"erofs", 0)
attempt("kexec_load", call, 246, 0, 0, 0, 0)
attempt("reboot", call, 169, 0xfee1dead, 672274793, 0x1234567, 0)
attempt("bpf", call, 321, 0, ctypes.create_string_buffer(128), 128)
attempt("perf_event_open", call, 298, ctypes.create_string_buffer(b"\\0\\0\\0\\0\\x80", 128), 0, -1, -1, 0)
attempt("userfaultfd", call, 323, 0)
attempt("io_uring_setup", call, 425, 1, ctypes.create_string_buffer(120))
attempt("user-mode userfaultfd", call, 323, 1)
attempt("keyctl", call, 250, 0, -3, 0)
attempt("add_key", call, 248, b"user", b"mine", b"x", 1, -3)
attempt("modify_ldt", call, 154, 0, 0, 0)
attempt("fanotify_init", call, 300, 0x200, 0)
attempt("swapon", call, 167, b"real.ko", 0)
attempt("acct", call, 163, b"real.ko")
attempt("open_by_handle_at", call, 304, real, ctypes.create_string_buffer(b"\\x08", 64), 0)
attempt("sysrq", write, "/proc/sysrq-trigger", b"b")
with open("/proc/sys/kernel/modules_disabled") as file:
    outcomes["modules_disabled"] = file.read()
with open("/proc/sys/kernel/yama/ptrace_scope") as file:
    outcomes["ptrace_scope"] = file.read()
with open("/proc/self/status") as file:
    outcomes["Seccomp"] = [line.split()[1] for line in file if line.startswith("Seccomp:")]
for name in ("kallsyms", "modules", "iomem", "interrupts", "timer_list", "zoneinfo", "bus/pci/devices"):
    attempt("/proc/" + name, read, "/proc/" + name)
for name in ("cpuinfo", "meminfo", "stat", "uptime", "loadavg", "version", "filesystems", "mounts", "vmstat", "diskstats",
             "swaps", "net/dev", "sys/kernel/osrelease"):
    attempt("/proc/" + name, read, "/proc/" + name)
with open("/proc/cpuinfo") as file:
    outcomes["VMs in the VM"] = sorted({"svm", "vmx"} & set(file.read().split()))
""", {"log by syslog": "EPERM", "log's size": "EPERM", "/proc/kmsg": "EACCES", "a module": True,
      "finit_module": "EPERM", "init_module": "EPERM", "delete_module": "EPERM",
      "kexec_load": "EPERM", "reboot": "EPERM", "bpf": "EPERM", "perf_event_open": "EPERM", "io_uring_setup": "EPERM",
      "user-mode userfaultfd": "EPERM", "keyctl": "EPERM", "add_key": "EPERM", "modify_ldt": "EPERM",
      "fanotify_init": "EPERM", "Seccomp": ["2"], "userfaultfd": "EPERM", "swapon": "EPERM", "acct": "EPERM", "open_by_handle_at": "EPERM",
      "sysrq": "EACCES", "modules_disabled": "1\n", "ptrace_scope": "2\n", "VMs in the VM": [],
      **{"/proc/" + name: "EACCES" for name in ("kallsyms", "modules", "iomem", "interrupts", "timer_list", "zoneinfo",
                                                "bus/pci/devices")},
      **{"/proc/" + name: "done" for name in ("cpuinfo", "meminfo", "stat", "uptime", "loadavg", "version",
                                              "filesystems", "mounts", "vmstat", "diskstats", "swaps", "net/dev",
                                              "sys/kernel/osrelease")}})


def test_privileges():
    python().attempt("""
with open("/proc/self/status") as file:
    status = dict(line.rstrip("\\n").split(":", 1) for line in file)
for name in ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"):
    outcomes[name] = status[name].split()
attempt("setuid", os.setuid, 0)
attempt("setgid", os.setgid, 0)
attempt("setgroups", os.setgroups, [0])
for name, flag in (("user", 0x10000000), ("mount", 0x20000), ("pid", 0x20000000), ("net", 0x40000000),
                   ("uts", 0x4000000), ("ipc", 0x8000000), ("cgroup", 0x2000000)):
    attempt("unshare " + name, call, 272, flag)
attempt("clone user", call, 56, 0x10000011, 0, 0, 0, 0)
attempt("mount", call, 165, b"x", b"/tmp", b"tmpfs", 0, b"")
attempt("remount", call, 165, b"", b"/sys", b"", 32, b"")
attempt("umount", call, 166, b"/tmp", 2)
attempt("chroot", os.chroot, "/tmp")
attempt("pivot_root", call, 155, b"/tmp", b"/tmp")
attempt("fsopen", call, 430, b"tmpfs", 0)
attempt("capset", call, 126, ctypes.create_string_buffer(b"\\x22\\x05\\x08\\x20", 8),
        ctypes.create_string_buffer(b"\\xff" * 24, 24))
attempt("bounding set", call, 157, 24, 21, 0, 0, 0)
attempt("no_new_privs off", call, 157, 38, 0, 0, 0, 0)
attempt("real time", os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))
attempt("priority", os.setpriority, os.PRIO_PROCESS, 0, -5)
import resource
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 16, 1 << 16))
    outcomes["limits"] = "done"
except ValueError as error:
    outcomes["limits"] = str(error)
attempt("chown", os.chown, ".", 0, 0)
""", {"Uid": ["1000"] * 4, "Gid": ["1000"] * 4, "Groups": [], "NoNewPrivs": ["1"],
      **{name: ["0" * 16] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")},
      "setuid": "EPERM", "setgid": "EPERM", "setgroups": "EPERM", "unshare user": "EPERM",
      **{"unshare " + name: "EPERM" for name in ("mount", "pid", "net", "uts", "ipc", "cgroup")},
      "clone user": "EPERM", "mount": "EPERM", "remount": "EPERM", "umount": "EPERM",
      "chroot": "EPERM", "pivot_root": "EPERM", "fsopen": "EPERM", "capset": "EPERM",
      "bounding set": "EPERM", "no_new_privs off": "EINVAL", "real time": "EPERM",
      "priority": "EACCES", "limits": "not allowed to raise maximum limit", "chown": "EPERM"})


def test_setuid_programs():
    """Whatever the image has of them stays whoever called it."""
    shell().tell("""
set -u
cp /bin/sh own && chmod 6755 own && test "$(./own -c 'id -u')" = 1000
find / -xdev -perm /6000 -type f 2>/dev/null | while read -r program; do
  case $program in /home/*) continue ;; esac
  timeout 5 setsid -w "$program" --help </dev/null >/dev/null 2>&1
  test $? -lt 124 || { echo "$program hangs" >&2; exit 1; }
done
for program in su sudo newgrp sg mount umount passwd chsh chfn gpasswd; do
  path=$(type -P $program) || continue
  case $program in
    su) set -- -c 'echo 0 >escaped' root ;;
    sudo) set -- -n sh -c 'echo 0 >escaped' ;;
    sg) set -- root -c 'echo 0 >escaped' ;;
    mount) set -- -t tmpfs none /tmp ;;
    umount) set -- /tmp ;;
    newgrp) set -- root ;;
    *) set -- root ;;
  esac
  if echo 'id -g >group' | timeout 10 setsid -w "$path" "$@" >/dev/null 2>&1; then
    echo "$program $* worked" >&2; exit 1
  fi
done
test ! -e escaped && test ! -e group && mountpoint -q /tmp && rm -f own
""")


def test_processes_of_others():
    python().attempt("""
pids = [name for name in os.listdir("/proc") if name.isdigit()]
outcomes["own"] = str(os.getpid()) in pids
outcomes["others"] = [name for name in pids if os.stat("/proc/" + name).st_uid != 1000]
# every process of root's that there might be: none can be told from one that is not there
outcomes["found"] = [pid for pid in range(2, 64) if str(pid) not in pids and os.path.exists(f"/proc/{pid}/status")]
""", {"own": True, "others": [], "found": []})


WRITABLE = """/dev/full
/dev/null
/dev/pts/ptmx
/dev/random
/dev/shm
/dev/tty
/dev/urandom
/dev/zero
/home/user
/tmp
/var/tmp
"""


def test_files_of_others():
    # what is in the home and /tmp is the test's own
    same(shell().tell("""
find / -path /proc -prune -o -path '/home/user/*' -prune -o -path '/tmp/*' -prune -o \
  -writable ! -type l -print 2>/dev/null | grep -v '^/dev/pts/[0-9]' | sort"""), WRITABLE)
    # who may write these may watch the pressure
    same(shell().tell("find /proc/[a-z]* -path /proc/self -prune -o -path /proc/thread-self -prune -o "
                      "-writable -type f -print 2>/dev/null | sort"),
         "/proc/pressure/cpu\n/proc/pressure/io\n/proc/pressure/memory\n")
    python().attempt("""
attempt("list /root", os.listdir, "/root")
attempt("list /run/streams", os.listdir, "/run/streams")
attempt("add to /etc/passwd", write, "/etc/passwd")
attempt("hard link", os.link, "/usr/bin/su", "/var/tmp/su")
attempt("rename", os.rename, "/etc/passwd", "passwd")
attempt("remove a runner", os.remove, "/run/berth/python/session.py")
attempt("new library", write, "/usr/lib/python3/dist-packages/evil.py")
attempt("new preload", write, "/etc/ld.so.preload")
attempt("/sys", write, "/sys/kernel/mm/transparent_hugepage/enabled", b"never")
attempt("next pid", write, "/proc/sys/kernel/ns_last_pid", b"100")
attempt("/proc/sys", write, "/proc/sys/kernel/core_pattern", b"|/home/user/evil")
attempt("cgroup: new", os.mkdir, "/sys/fs/cgroup/mine")
with open("/proc/self/cgroup") as file:
    group = "/sys/fs/cgroup" + file.read().split("::")[1].strip()
outcomes["cgroup: below"] = group.count("/") > 4 and os.path.isdir(group)
attempt("cgroup: new below", os.mkdir, group + "/mine")
attempt("cgroup: leave", write, "/sys/fs/cgroup/cgroup.procs", b"0")
attempt("cgroup: pids.max", write, group + "/pids.max", b"max")
attempt("cgroup: memory.max", write, os.path.dirname(group) + "/memory.max", b"max")
attempt("oom_score_adj", write, "/proc/self/oom_score_adj", b"-1000")
""", {"list /root": "EACCES", "list /run/streams": "EACCES", "add to /etc/passwd": "EROFS", "hard link": "EXDEV", "rename": "EXDEV",
      "remove a runner": "EACCES", "new library": "EROFS", "new preload": "EROFS",
      "/sys": "EROFS", "/proc/sys": "EROFS", "next pid": "EROFS",
      "cgroup: new": "EACCES", "cgroup: below": True,
      "cgroup: new below": "EACCES", "cgroup: leave": "EACCES", "cgroup: pids.max": "EACCES",
      "cgroup: memory.max": "EACCES", "oom_score_adj": "EACCES"})


def test_mounts_are_restricted():
    """No set-user-ID program and no device works anywhere, and the system is read-only to root, too."""
    python().attempt("""
with open("/proc/self/mounts") as file:
    mounts = {words[1]: words[3].split(",") for words in map(str.split, file)}
for path in ("/", "/home/user", "/tmp", "/var/tmp", "/dev/shm", "/proc", "/proc/sys", "/sys", "/run", "/sys/fs/cgroup"):
    outcomes[path] = [flag for flag in ("ro", "nosuid", "nodev") if flag in mounts[path]]
outcomes["/dev"] = "nosuid" in mounts["/dev"]
with open("/etc/hosts") as file:
    outcomes["localhost"] = [line.split()[0] for line in file if "localhost" in line.split()[1:]]
""", {**{path: ["ro", "nosuid", "nodev"] for path in ("/", "/proc/sys", "/sys")},
      **{path: ["nosuid", "nodev"] for path in ("/home/user", "/tmp", "/var/tmp", "/dev/shm", "/proc", "/run",
                                                "/sys/fs/cgroup")},
      "/dev": True, "localhost": ["127.0.0.1"]})


def test_memory_of_another_interpreter():
    """What a program leaves running can't look into the interpreter of the exec that comes after it."""
    _, session, _ = pool()
    session.tell("""
import subprocess
watcher = subprocess.Popen(["python3", "-c", '''
import ctypes, errno, os, sys
sys.stdin.readline()
libc, outcomes = ctypes.CDLL(None, use_errno=True), set()
for pid in (name for name in os.listdir("/proc") if name.isdigit() and name != str(os.getpid())):
    try:
        open(f"/proc/{pid}/mem", "rb").close()
        outcomes.add("mem")
    except OSError as error:
        outcomes.add(errno.errorcode[error.errno])
    if libc.ptrace(0x4206, int(pid), 0, 0) == 0:
        outcomes.add("ptrace")
print(sorted(outcomes), flush=True)
'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
""")
    same(session.tell("print(watcher.communicate('go\\n')[0], end='')"), "['EACCES']\n")


def test_network_and_names():
    python().attempt("""
import socket, time
outcomes["interfaces"] = [name for _, name in socket.if_nameindex()]
def connect(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(5)
        s.connect(address)
attempt("host by default route", connect, socket.AF_INET, socket.SOCK_STREAM, ("10.0.2.2", 22))
attempt("world by UDP", connect, socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53))
attempt("world by IPv6", connect, socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 80))
attempt("host by vsock", connect, 40, socket.SOCK_STREAM, (2, 1024))
attempt("raw", socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)
attempt("multipath", socket.socket, socket.AF_INET, socket.SOCK_STREAM, 262)
attempt("packet", socket.socket, socket.AF_PACKET, socket.SOCK_RAW)
attempt("crypto", socket.socket, socket.AF_ALG, socket.SOCK_SEQPACKET)
with socket.create_server(("127.0.0.1", 0)) as server:
    attempt("loopback", connect, socket.AF_INET, socket.SOCK_STREAM, server.getsockname())
with socket.socket() as low:
    attempt("low port", low.bind, ("127.0.0.1", 80))
attempt("hostname", socket.sethostname, "mine")
attempt("domain name", call, 171, b"mine", 4)
attempt("clock", time.clock_settime, time.CLOCK_REALTIME, 1)
attempt("time of day", call, 164, ctypes.create_string_buffer(16), 0)
attempt("clock's pace", call, 159, ctypes.create_string_buffer(b"\\x02", 256))
""", {"interfaces": ["lo"], "host by default route": "ENETUNREACH", "world by UDP": "ENETUNREACH",
      "world by IPv6": "ENETUNREACH", "host by vsock": "EAFNOSUPPORT", "raw": "EPERM",
      "packet": "EAFNOSUPPORT", "multipath": "EPERM", "crypto": "EAFNOSUPPORT", "loopback": "done", "low port": "EACCES",
      "hostname": "EPERM", "domain name": "EPERM", "clock": "EPERM", "time of day": "EPERM",
      "clock's pace": "EPERM"})


def test_network_tools():
    same(shell().tell("""
ip -json address show | jq -r '.[] | .ifname, (.addr_info[] | .local)'
nc -lU ./socket >got & listener=$!
until [ -S ./socket ]; do sleep 0.05; done
printf 'over a socket' | nc -NU ./socket
wait $listener; cat got; rm got ./socket
ip link set lo down 2>/dev/null || echo; ip -brief link show lo | cut -d ' ' -f 1
"""), "lo\n127.0.0.1\n::1\nover a socket\nlo\n")


def test_shell_reaches_nothing():
    same(shell().tell("""
for command in 'kill -9 1' 'kill -0 1' 'cat /proc/1/cmdline' 'dmesg' 'cat /dev/kmsg' 'insmod x.ko' \
    'modprobe fuse' 'dd if=/dev/vda of=x count=1' 'mknod x b 254 0' 'unshare -Ur true' 'unshare -n true' \
    'mount -t proc proc /tmp' 'hostname mine' 'date -s 2001-01-01' 'sysctl -w kernel.sysrq=1' \
    'nsenter -t 1 -m true' 'chroot / true' 'renice -5 $$' 'curl -sm 5 http://192.0.2.1/' \
    'echo 1 >/proc/sys/kernel/sysrq' 'echo 0 >/sys/fs/cgroup/cgroup.procs' 'touch /etc/x' ; do
  (eval "$command") >/dev/null 2>&1 && echo "$command"
done
true"""), "")


def bomb(session, code, *ends, limit_s=60):
    """It ends in one of these ways, by default by itself, and the session goes on with the next exec within its time."""
    result = session.exec(code, limit_s)
    assert result["error"] is None, result
    end = ("timed out" if result["timed_out"] else "oom" if result["oom"] else result["exit_code"])
    print(f"# {code.strip()[:60]!r}: {end}, {result['timing']['total_ms']:.0f} ms")
    assert end in ends, (ends, result)
    if end == "oom":
        same(result["exit_code"], 137)
    answers(session)
    return result


def answers(session):
    result = session.exec("print(42)" if session is python() else "echo 42")
    assert (result["stdout"], result["exit_code"]) == ("42\n", 0), result
    print(f"#   then 42 in {result['timing']['total_ms']:.0f} ms")


def test_processes_without_end():
    bomb(python(), """
import os
while True:
    try: os.fork()
    except OSError: pass
""", "timed out", "oom", limit_s=5)
    bomb(python(), "import os\nwhile True: os.fork()", 1, "oom")
    # a child that nobody waits for
    bomb(python(), "import os\nwhile True:\n  if os.fork() == 0: os._exit(0)", 1, "oom")
    # grandchildren in sessions of their own that outlive the exec, and do nothing but that
    for _ in range(3):
        bomb(python(), """
import os, signal
while True:
    try: pid = os.fork()
    except OSError: break
    if pid == 0:
        os.setsid()
        signal.pause()
os._exit(0)
""", 0, "oom")
    bomb(shell(), ":(){ :|:& }; :", 0, 1, 254, "oom")
    answers(shell())


def test_threads_without_end():
    bomb(python(), """
import threading, time
while True: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
""", 1)


def test_memory_without_end():
    bomb(python(), "x = []\nwhile True: x.append(bytearray(1 << 20))", "oom")
    bomb(python(), "x = bytearray(1 << 40)", 1)
    bomb(python(), "x = [0]\nwhile True: x += x", 1, "oom")
    bomb(python(), """
import os
while True:
    if os.fork() == 0: # many small ones
        x = bytearray(b"x" * (4 << 20))
        while True: pass
""", "oom", 1)
    bomb(python(), """
import os # files that are in no folder
while True:
    fd = os.memfd_create("hog")
    for _ in range(1024): os.write(fd, b"x" * 65536)
""", "oom")
    bomb(python(), """
import ctypes # shared memory of System V outlives who made it
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
while True:
    id = libc.shmget(0, 8 << 20, 0o1600)
    address = libc.shmat(id, None, 0)
    if id < 0 or address in (None, 2 ** 64 - 1): raise OSError(ctypes.get_errno())
    ctypes.memset(address, 1, 8 << 20)
""", "oom", 1)
    bomb(python(), """
import ctypes # and so do its messages, for which there is room for less than the memory
libc = ctypes.CDLL(None, use_errno=True)
text = ctypes.create_string_buffer(b"\\1", 8192)
count = 0
while (queue := libc.msgget(0, 0o1600)) >= 0:
    while libc.msgsnd(queue, text, 8000, 0o4000) == 0: count += 1
print(count < 1000, ctypes.get_errno())
""", 0)
    bomb(python(), "def f(n): return f(n + 1)\nf(0)", 1)
    bomb(python(), "import sys\nsys.setrecursionlimit(1 << 30)\ndef f(n): return f(n + 1)\nf(0)",
         139, "oom", 1)
    bomb(shell(), "f() { f; }; f", 139, "oom", "timed out", limit_s=2)
    bomb(shell(), "x=x; while :; do x=$x$x; done", "oom", 2)


FILL = """
import os
size = 0
fd = os.open("{}/hog", os.O_CREAT | os.O_WRONLY, 0o600)
try:
    while True: size += os.write(fd, bytes(1 << 20))
except OSError as error:
    print(size >> 20, error.strerror)
os.close(fd)
"""


def test_space_without_end():
    full = {}
    for place in ("/tmp", "/home/user", "/var/tmp", "/dev/shm"):
        result = bomb(python(), FILL.format(place), 0, "oom")
        full[place] = result["stdout"].strip()
    print(f"# {full}")
    assert all("No space left" in end for end in full.values() if end), full
    bomb(python(), "import os\nos._exit(3)", 3)  # a fresh interpreter has room to start
    same(python().tell("""
import os
for place in ("/tmp", "/home/user", "/var/tmp", "/dev/shm"):
    os.remove(place + "/hog")
"""), "")
    # so many empty files that no inode is left
    bomb(python(), """
import os
os.mkdir("many")
try:
    for i in range(1 << 30): os.close(os.open(f"many/{i}", os.O_CREAT, 0o600))
except OSError as error: print(i, error.strerror)
""", 0, "oom")
    python().tell("import shutil\nshutil.rmtree('many')")


def test_spaces_are_apart():
    """What fills one by bytes or by files leaves the others' room."""
    for place in ("/tmp", "/dev/shm"):
        bomb(python(), FILL.format(place), 0)
        bomb(python(), f"""
import errno, os
os.mkdir("{place}/many")
try:
    for i in range(1 << 20): os.close(os.open(f"{place}/many/{{i}}", os.O_CREAT, 0o600))
except OSError as error: print(errno.errorcode[error.errno])
""", 0)
    same(python().tell("""
import os
for place in ("/tmp", "/dev/shm"):
    try: os.mkdir(place + "/more")
    except OSError as error: print(error.strerror)
with open("home-has-room", "wb") as file: print(file.write(bytes(32 << 20)) >> 20)
for i in range(2000): os.close(os.open(f"home-{i}", os.O_CREAT, 0o600))
"""), "No space left on device\nNo space left on device\n32\n")
    python().tell("""
import glob, os, shutil
for place in ("/tmp", "/dev/shm"):
    os.remove(place + "/hog")
    shutil.rmtree(place + "/many")
for name in glob.glob("home-*"): os.remove(name)
""")


def test_kernel_objects_without_end():
    bomb(python(), "import os\nwhile True: os.open('/dev/null', os.O_RDONLY)", 1)
    bomb(python(), """
import os # each holds 64 KiB that are not read
while True:
    r, w = os.pipe()
    os.set_blocking(w, False)
    os.write(w, bytes(65536))
""", 1, "oom")
    bomb(python(), "import os\nos._exit(3)", 3)  # what is open stays open in an interpreter
    bomb(python(), """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init()
os.makedirs("watched", exist_ok=True)
n = 0
while True:
    os.makedirs(f"watched/{n}", exist_ok=True)
    if libc.inotify_add_watch(fd, f"watched/{n}".encode(), 0xfff) < 0: raise OSError(ctypes.get_errno(), "no more")
    n += 1
""", 1, "oom")
    python().tell("import shutil\nshutil.rmtree('watched')")
    bomb(python(), """
import socket # datagrams that nobody reads
x = []
while True:
    x.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
    x[-1][0].setblocking(False)
    try:
        while True: x[-1][0].send(bytes(1 << 16))
    except BlockingIOError: pass
""", 1, "oom")
    bomb(python(), """
import signal, os
while True: signal.setitimer(signal.ITIMER_REAL, 1e-6)
""", 142)


def test_output_without_end():
    result = bomb(python(), "while True: print('x' * 1000)", "timed out", limit_s=5)
    same((len(result["stdout"]), result["stdout_truncated"]), (1000000, True))
    result = bomb(python(), "import os\nos.write(1, b'x' * (64 << 20))", 0)
    same((len(result["stdout"]), result["stdout_truncated"]), (1000000, True))


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What sandboxes reach with --allow, on real guests: berthd runs in a network namespace whose only neighbour
is another one, with the servers of reach-servers.py. No packet leaves them. See guestlib.py."""

import atexit
import base64
import contextlib
import functools
import hashlib
import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

from guestlib import BERTHD, IMAGES, LIMIT_S, PREFIX, ROOT, URI, Daemon, find_pids, keep, main, need, same, until

HERE = os.path.dirname(os.path.abspath(__file__))
SERVERS = os.path.join(HERE, "reach-servers.py")
OURS, THEIRS = f"{PREFIX[:6]}{os.getpid()}a", f"{PREFIX[:6]}{os.getpid()}b"
ALLOW = ("--allow", "www.test:80,443,7000,7001,7002,7003,7004,7005,7006", "--allow", "*.wild.test")

spec = importlib.util.spec_from_file_location("servers", SERVERS)
servers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(servers)


def do(*words):
    subprocess.run(words, check=True, timeout=60, stdin=subprocess.DEVNULL, capture_output=True)


def make_certificate(folder):
    """A CA of our own, and the server's certificate of it."""
    path = functools.partial(os.path.join, folder)
    do("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=CA", "-keyout", path("ca.key"),
       "-out", path("ca.pem"), "-days", "2")
    do("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=www.test", "-keyout", path("key"),
       "-out", path("csr"))
    with open(path("names"), "w") as names:
        names.write("subjectAltName=DNS:www.test,DNS:*.wild.test\n")
    do("openssl", "x509", "-req", "-in", path("csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
       "-CAcreateserial", "-days", "2", "-extfile", path("names"), "-out", path("certificate"))
    with open(path("both"), "w") as both:
        for name in ("certificate", "key"):
            with open(path(name)) as part:
                both.write(part.read())


def make_repository(folder):
    """What 'git clone' gets by plain HTTP"""
    source, bare = os.path.join(folder, "source"), os.path.join(folder, "www", "repo.git")
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@t.test", "-C", source)
    do("git", "init", "-q", source)
    with open(os.path.join(source, "file"), "w") as file:
        file.write("from git\n")
    do(*git, "add", "file")
    do(*git, "commit", "-q", "-m", "one")
    do("git", "clone", "-q", "--bare", source, bare)
    do("git", "-C", bare, "update-server-info")


def make_packages(folder):
    """An npm registry and an index of pip's, of files: a package each"""
    path = functools.partial(os.path.join, folder, "www")
    for name in ("npm", "simple/tiny"):
        os.makedirs(path(name))
    with tarfile.open(path("npm", "tiny-1.0.0.tgz"), "w:gz") as archive:
        for name, text in (("package.json", '{"name":"tiny","version":"1.0.0","main":"i.js"}'),
                           ("i.js", "module.exports = 'from npm'")):
            member = tarfile.TarInfo("package/" + name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    with open(path("npm", "tiny-1.0.0.tgz"), "rb") as archive:
        digest = base64.b64encode(hashlib.sha512(archive.read()).digest()).decode()
    with open(path("npm", "tiny"), "w") as file:
        json.dump({"name": "tiny", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {
            "name": "tiny", "version": "1.0.0",
            "dist": {"tarball": "http://www.test/npm/tiny-1.0.0.tgz", "integrity": "sha512-" + digest}}}}, file)
    wheel, info = "tiny-1.0-py3-none-any.whl", "tiny-1.0.dist-info/"
    with zipfile.ZipFile(path("simple/tiny", wheel), "w") as archive:
        archive.writestr("tiny.py", "WORDS = 'from pip'\n")
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(info + "RECORD", "")
    with open(path("simple/tiny", "index.html"), "w") as file:
        file.write(f"<!DOCTYPE html><a href='{wheel}'>{wheel}</a>")


def end_networks(process):
    process.stdin.close()
    process.wait(30)
    for name in (OURS, THEIRS):
        subprocess.run(["ip", "netns", "del", name], check=False)
    shutil.rmtree(f"/etc/netns/{OURS}", ignore_errors=True)


@functools.cache
def networks():
    """The two namespaces and the servers, until the end; the folder of their files"""
    folder = tempfile.mkdtemp(prefix="berth-reach-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.mkdir(os.path.join(folder, "www"))
    with open(os.path.join(folder, "www", "hello"), "w") as file:
        file.write("hello\n")
    make_certificate(folder)
    make_repository(folder)
    make_packages(folder)
    os.makedirs(f"/etc/netns/{OURS}")
    with open(f"/etc/netns/{OURS}/resolv.conf", "w") as file:
        file.write(f"nameserver {servers.PUBLIC}\nsearch wild.test\noptions timeout:1 attempts:1\n")
    do("ip", "netns", "add", OURS)
    do("ip", "netns", "add", THEIRS)
    do("ip", "-n", OURS, "link", "add", "v", "type", "veth", "peer", "name", "v", "netns", THEIRS)
    do("ip", "-n", OURS, "addr", "add", "44.0.0.1/24", "dev", "v")
    for address in (f"{servers.PUBLIC}/24", f"{servers.SECOND}/24", f"{servers.PRIVATE}/32"):
        do("ip", "-n", THEIRS, "addr", "add", address, "dev", "v")
    do("ip", "-n", OURS, "addr", "add", "2606:4700::1/64", "dev", "v", "nodad")
    do("ip", "-n", THEIRS, "addr", "add", f"{servers.PUBLIC6}/64", "dev", "v", "nodad")
    for name in (OURS, THEIRS):
        do("ip", "-n", name, "link", "set", "lo", "up")
        do("ip", "-n", name, "link", "set", "v", "up")
    do("ip", "-n", OURS, "route", "add", "default", "via", servers.PUBLIC)
    process = subprocess.Popen(["ip", "netns", "exec", THEIRS, sys.executable, SERVERS,
                                os.path.join(folder, "www"), os.path.join(folder, "both")],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(end_networks, process)
    same(process.stdout.readline(), "ready\n")
    return folder


class NetDaemon(Daemon):
    """A berthd inside, with names of the test's own"""

    uri, before = URI, ()

    def begin(self):
        networks()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", OURS, *self.before, BERTHD, "--foreground", "--socket", self.socket,
                 "--config", self.config(), "--uri", self.uri, "--socket-group", "", "--image-dir", self.images,
                 "--snapshot-dir", self.snapshots, "--name-prefix", PREFIX, "--max-vms", "3", *self.options],
                stderr=log, env={**os.environ, **self.more_env})

    def config(self):
        """Of settings that change meanwhile, which no option has"""
        path = os.path.join(self.folder, "berth.conf")
        if not os.path.exists(path):
            self.configure("")
        return path

    def configure(self, text):
        with open(os.path.join(self.folder, "berth.conf"), "w") as file:
            file.write("[berth]\n" + text)

    def reload(self):
        said = self.log().count("again")
        os.kill(self.process.pid, signal.SIGHUP)
        until(lambda: self.log().count("again") > said, "the settings", 30)


class UserDaemon(NetDaemon):
    """That of a user who is made for it, on a libvirtd of the user's own: no root anywhere"""

    uri = "qemu:///session"

    def __enter__(self):
        self.user = f"berth{os.getpid()}"
        # short: libvirt puts a socket of the domain below it, whose path has 107 bytes at most
        self.home = tempfile.mkdtemp(prefix="b", dir="/tmp")
        do("useradd", "--no-create-home", "--home-dir", self.home, self.user)
        os.chmod(self.home, 0o700)
        do("chown", f"{self.user}:", self.home)
        self.before = self.be()
        self.snapshots = os.path.join(self.home, "snapshots")
        return super().__enter__()

    def be(self):
        return ("setpriv", "--reuid", self.user, "--regid", self.user, "--init-groups", "env", f"HOME={self.home}", f"XDG_RUNTIME_DIR={self.home}",
                f"XDG_CACHE_HOME={self.home}/.cache", f"XDG_CONFIG_HOME={self.home}/.config")

    def begin(self):
        os.chmod(self.folder, 0o755)
        run_dir = os.path.dirname(self.socket)
        if not os.path.exists(run_dir):
            os.mkdir(run_dir, 0o700)
            do("chown", f"{self.user}:", run_dir)
        super().begin()

    def command(self, *arguments):
        return [*self.be(), *super().command(*arguments)]

    def __exit__(self, kind, *_):
        if kind is not None:
            print("#", self.log().replace("\n", "\n# "))
        self.process.terminate()
        self.process.wait(120)
        left = subprocess.run([*self.be(), "virsh", "-q", "-c", self.uri, "list", "--all", "--name"],
                              capture_output=True, text=True, timeout=60, check=True).stdout.split()
        for pid in find_pids("-u", self.user):  # the user's libvirtd waits for others for a while
            os.kill(pid, signal.SIGTERM)
        until(lambda: not find_pids("-u", self.user), "the end of what the user had", 30)
        do("userdel", self.user)
        for place in (self.home, self.folder):
            shutil.rmtree(place, ignore_errors=True)
        same(left, [])


@functools.cache
def daemon():
    return keep(NetDaemon("--network-allow", f"*:* [{servers.PUBLIC6}]:7000,7001", "--network-allow-all", "1", "--network-deny",
                          "denied.wild.test b.a.wild.test:443", "--network-connect-s", "3"))


def run(language, code, *options, allow=ALLOW):
    """(status, stdout, stderr)"""
    done = daemon().berth("run", "-l", language, "-t", "60", *allow, *options, code)
    return done.returncode, done.stdout, done.stderr


@contextlib.contextmanager
def session(*allow, language="python"):
    done = daemon().berth("create", "-l", language, *(allow or ALLOW))
    same((done.returncode, done.stderr), (0, ""))
    yield done.stdout.strip()
    daemon().berth("destroy", done.stdout.strip())


def execute(sandbox, code, *options):
    done = daemon().berth("exec", "-t", "60", *options, sandbox, code)
    return done.returncode, done.stdout, done.stderr


def decisions(sandbox):
    return daemon().json("net", sandbox)


def verdicts(sandbox):
    return {(each["name"], each["port"]): each["verdict"] for each in decisions(sandbox)}


FETCH = "import urllib.request as u; print(u.urlopen('http://%s/hello', timeout=20).read())"
DIAL = ("import socket\ntry:\n  s = socket.create_connection(('%s', %d), 10); s.settimeout(20)\n"
        "  s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); print(len(s.recv(1)))\n"
        "except OSError as e: print(type(e).__name__, e)\n")


def test_nothing_without():
    """As ever: no way anywhere, no name, no address beside the loopback's."""
    status, out, err = run("python", DIAL % ("www.test", 80) + DIAL % ("44.0.0.2", 80), allow=())
    same((status, err), (0, ""))
    assert out.splitlines()[0].startswith("gaierror"), out
    assert "unreachable" in out.splitlines()[1], out
    status, out, _ = run("shell", "cat /etc/resolv.conf; ip -4 -o addr | wc -l", allow=())
    same(out.strip(), "1")


def test_names():
    """A run in a warm clone reaches what it asked for, by name, and nothing else."""
    daemon().wait_warm()
    result = daemon().json("run", *ALLOW, FETCH % "www.test")
    same((result["stdout"], result["warm_hit"], result["exit_code"]), ("b'hello\\n'\n", True, 0))
    same((result["network"]["connections"], result["network"]["refused"]), (1, 0))
    assert result["network"]["received_bytes"] > 6, result
    with session() as sandbox:
        for name in ("www.test", "WWW.test", "a.wild.test", "b.a.wild.test"):
            same(execute(sandbox, FETCH % name)[:2], (0, "b'hello\\n'\n"))
        for name in ("other.test", "wild.test", "xwild.test"):
            status, out, _ = execute(sandbox, DIAL % (name, 80))
            assert out.startswith("gaierror") and "Name or service not known" in out, out
        status, out, _ = execute(sandbox, DIAL % ("www.test", 81))
        assert out.startswith("ConnectionRefusedError"), out
        status, out, _ = execute(sandbox, DIAL % ("198.19.1.1", 80))
        assert out.startswith("ConnectionRefusedError"), out
        status, out, _ = execute(sandbox, DIAL % ("denied.wild.test", 80))
        assert out.startswith("gaierror"), out
        status, out, _ = execute(sandbox, DIAL % ("b.a.wild.test", 443))
        assert out.startswith("ConnectionRefusedError"), out
        told = verdicts(sandbox)
        same(told[("www.test", 80)], "connected")
        same({key: told[key] for key in told if told[key] == "denied"},
             {("other.test", 0): "denied", ("wild.test", 0): "denied", ("xwild.test", 0): "denied",
              ("www.test", 81): "denied", ("198.19.1.1", 80): "denied", ("denied.wild.test", 0): "denied",
              ("b.a.wild.test", 443): "denied"})
        same({each["reason"] for each in decisions(sandbox) if each["name"].endswith("a.wild.test")},
             {"", "network_deny has it"})
        first = decisions(sandbox)[0]
        same((first["address"], first["open"]), (servers.PUBLIC, False))


def test_resolver_of_the_host():
    """Its search domains, and names that have an address of IPv6 alone"""
    code = DIAL.replace("GET / HTTP/1.0\\r\\n\\r\\n", "x")
    with session("--allow", "a", "--allow", "six.test:7000") as sandbox:
        same(execute(sandbox, FETCH % "a")[:2], (0, "b'hello\\n'\n"))
        same(execute(sandbox, code % ("six.test", 7000))[:2], (0, "1\n"))
        same({each["name"]: each["address"] for each in decisions(sandbox)},
             {"a": servers.SECOND, "six.test": servers.PUBLIC6})


def test_addresses_that_are_not_public():
    """Whatever a name says: not the host's own, no private one, not the loopback, no metadata server."""
    names = ("inside.test", "metadata.test", "loop.test", "self.test", "cname.test")
    with session(*(word for name in names + ("mixed.test",) for word in ("--allow", name))) as sandbox:
        for name in names:
            status, out, _ = execute(sandbox, DIAL % (name, 80))
            assert out.startswith("ConnectionResetError"), out
        same(execute(sandbox, FETCH % "mixed.test")[:2], (0, "b'hello\\n'\n"))
        same({name: verdicts(sandbox)[(name, 80)] for name in names}, {name: "denied" for name in names})


def test_rebinding():
    """A name that leads elsewhere the second time is looked at the second time."""
    with session("--allow", "rebind.test") as sandbox:
        same(execute(sandbox, FETCH % "rebind.test")[:2], (0, "b'hello\\n'\n"))
        status, out, _ = execute(sandbox, DIAL % ("rebind.test", 80))
        assert out.startswith("ConnectionResetError"), out
        same([each["verdict"] for each in decisions(sandbox)], ["connected", "denied"])


def test_no_answer():
    """A resolver that hangs or lies, an address where nobody is, a port where nobody listens"""
    lies = ("hang.test", "lies.test", "garbage.test")
    with session(*(word for name in lies + ("nowhere.test", "www.test:9") for word in ("--allow", name))) as sandbox:
        for name, port in (*((name, 80) for name in lies), ("nowhere.test", 80), ("www.test", 9)):
            begin = time.monotonic()
            status, out, _ = execute(sandbox, DIAL % (name, port))
            assert out.startswith("ConnectionResetError"), out
            assert time.monotonic() - begin < 20
        told = verdicts(sandbox)
        for name in lies:
            assert told[(name, 80)] in ("timed-out", "failed", "no-name"), (name, told)
        assert told[("nowhere.test", 80)] in ("timed-out", "unreachable"), told
        same(told[("www.test", 9)], "refused")


def test_https():
    with session(language="shell") as sandbox:
        with open(os.path.join(networks(), "ca.pem")) as ca:
            same(execute(sandbox, "cat > ca.pem <<'E'\n" + ca.read() + "E\n")[0], 0)
        same(execute(sandbox, "curl -sS -m 20 --cacert ca.pem https://www.test/hello")[:2], (0, "hello\n"))
        status, _, err = execute(sandbox, "curl -sS -m 20 https://www.test/hello")
        assert status == 60 and "certificate" in err, (status, err)


def test_redirect():
    status, _, err = run("shell", "curl -sS -m 20 -L http://www.test/redirect")
    assert status == 6 and "elsewhere.test" in err, (status, err)


def test_git():
    same(run("shell", "git clone -q http://www.test/repo.git && cat repo/file")[:2], (0, "from git\n"))


def test_git_over_https():
    with session(language="shell") as sandbox:
        with open(os.path.join(networks(), "ca.pem")) as ca:
            same(execute(sandbox, "cat > ca.pem <<'E'\n" + ca.read() + "E\n")[0], 0)
        same(execute(sandbox, "git -c http.sslCAInfo=$PWD/ca.pem clone -q https://www.test/repo.git && "
                     "cat repo/file")[:2], (0, "from git\n"))


def test_npm():
    code = ("const { execFileSync } = require('child_process')\n"
            "execFileSync('npm', ['install', '--no-audit', '--no-fund', '--registry', 'http://www.test/npm/', 'tiny'])\n"
            "console.log(require(process.cwd() + '/node_modules/tiny'))")
    same(run("javascript", code, "-t", "120", "-m", "512")[:2], (0, "from npm\n"))


def pip_of_the_release(folder):
    """What the layer of builders has, as an archive that runs: the host's own may be too old for the guest's Python."""
    path = os.path.join(folder, "builder")
    with open(os.path.join(IMAGES, "images.json")) as images:
        layer = json.load(images)["layers"]["builder"]["path"]
    do("fsck.erofs", f"--extract={path}", os.path.join(IMAGES, layer))
    return shutil.make_archive(os.path.join(folder, "pip"), "zip", os.path.join(path, "usr/lib/python3/dist-packages"), "pip")


def test_pip():
    code = ("import subprocess, sys\n"
            "subprocess.run([sys.executable, 'pip.zip/pip', 'install', '-q', '--index-url', 'http://www.test/simple/',\n"
            "                '--trusted-host', 'www.test', '--target', 'lib', 'tiny'], check=True)\n"
            "sys.path.insert(0, 'lib'); import tiny; print(tiny.WORDS)\n")
    with tempfile.TemporaryDirectory() as folder:
        archive = pip_of_the_release(folder)
        same(run("python", code, "-t", "120", "-m", "512", "--upload", f"{archive}:pip.zip"), (0, "from pip\n", ""))


def test_websocket():
    code = ("const s = new WebSocket('ws://www.test/socket'); let n = 0\n"
            "await new Promise((done, fail) => { s.onerror = fail; s.onclose = done\n"
            "  s.onopen = () => s.send('m0')\n"
            "  s.onmessage = m => { if (m.data !== 'm' + n) fail(m.data); else if (++n < 20) s.send('m' + n); else s.close() }})\n"
            "console.log(n)")
    same(run("javascript", code)[:2], (0, "20\n"))


def test_half_open_and_slow():
    """A peer that has ended its way is written to as ever, and one that is slow is waited for."""
    code = ("import socket\nd = lambda port: socket.create_connection(('www.test', port), 30)\n"
            "s = d(7004); print(s.recv(9), s.recv(9)); s.sendall(bytes(300000)); s.shutdown(socket.SHUT_WR)\n"
            "while d(7005).recv(99) != b'[300000]': pass\n"
            "s = d(7006); n = 0\nwhile b := s.recv(99): n += len(b)\nprint(n)\n")
    same(run("python", code)[:2], (0, "b'first' b''\n20\n"))


def test_ipv6():
    """An address has a rule of its own, by which it is reached, and no other is."""
    code = DIAL.replace("GET / HTTP/1.0\\r\\n\\r\\n", "x")
    allow = ("--allow", f"[{servers.PUBLIC6}]:7000")
    same(run("python", code % (servers.PUBLIC6, 7000), allow=allow)[:2], (0, "1\n"))
    status, out, _ = run("python", code % (servers.PUBLIC6, 7001) + code % ("2606:4700::3", 7000), allow=allow)
    assert out.splitlines()[0].startswith("ConnectionRefusedError") and "unreachable" in out.splitlines()[1], out


def test_javascript():
    code = "const r = await fetch('http://www.test/hello'); console.log(await r.text())"
    same(run("javascript", code)[:2], (0, "hello\n\n"))


def test_echo():
    """Bytes both ways for a while, and an end of one way that leaves the other."""
    code = ("import socket\ns = socket.create_connection(('www.test', 7000), 20)\n"
            "for i in range(50):\n  s.sendall(bytes([i]) * 1000); got = b''\n"
            "  while len(got) < 1000: got += s.recv(1000)\n  assert got == bytes([i]) * 1000\n"
            "s.sendall(b'last'); s.shutdown(socket.SHUT_WR); print(s.recv(100), s.recv(100))\n")
    same(run("python", code)[:2], (0, "b'last' b''\n"))


def test_download():
    """100 MB, whole"""
    code = ("import hashlib, time, urllib.request as u\nt = time.monotonic(); h = hashlib.sha256(); n = 0\n"
            "with u.urlopen('http://www.test/big') as r:\n"
            "  while b := r.read(1 << 20): h.update(b); n += len(b)\n"
            "print(n, h.hexdigest(), file=open('/dev/null', 'w')); print(n); print(time.monotonic() - t)\n")
    status, out, err = run("python", code, "-t", "200")
    same((status, out.splitlines()[:1], err), (0, ["104857600"], ""))
    print(f"# 100 MB in {float(out.splitlines()[1]):.1f} s")


def test_many():
    """200 connections at once"""
    code = ("import socket\na = [socket.create_connection(('www.test', 7000), 30) for i in range(200)]\n"
            "for i, s in enumerate(a): s.settimeout(30); s.sendall(b'%03d' % i)\n"
            "print(all(s.recv(3) == b'%03d' % i for i, s in enumerate(a)))\n")
    same(run("python", code)[:2], (0, "True\n"))


def resident_kib():
    """berthd, below 'ip netns exec', which becomes it"""
    with open(f"/proc/{daemon().process.pid}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_nobody_reads():
    """Neither a peer that reads nothing nor a guest that reads nothing makes berthd grow, and others go on."""
    code = ("import socket, select\n"
            "a = [socket.create_connection(('www.test', 7003), 30) for i in range(40)]\n"
            "b = [socket.create_connection(('www.test', 7001), 30) for i in range(40)]\n"
            "for s in b: s.setblocking(False)\n"
            "import time\nend = time.monotonic() + 5\n"
            "while time.monotonic() < end:\n"
            "  for s in select.select([], b, [], 0.2)[1]:\n    s.send(bytes(65536))\n"
            "print('still')\n")
    before = resident_kib()
    with session() as sandbox:
        slow = daemon().popen("exec", "-t", "60", sandbox, code)
        with session() as other:
            same(execute(other, FETCH % "www.test")[:2], (0, "b'hello\\n'\n"))
        same(slow.communicate(timeout=LIMIT_S)[0], "still\n")
        assert resident_kib() - before < 64 * 1024, (before, resident_kib())


def test_no_other_protocol():
    code = ("import socket\n"
            "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(10)\n"
            "try: u.connect((socket.gethostbyname('www.test'), 7000)); u.send(b'x'); print(u.recv(9))\n"
            "except OSError as e: print(type(e).__name__)\n"
            "try: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\nexcept OSError as e: print(type(e).__name__)\n"
            "try: socket.create_connection(('2606:4700::1', 80), 5)\nexcept OSError as e: print(type(e).__name__)\n")
    same(run("python", code)[:2], (0, "ConnectionRefusedError\nPermissionError\nOSError\n"))


def test_own_servers():
    """A program serves at the port that it connects to, and reaches both."""
    code = ("import socket, urllib.request as u\ns = socket.socket(); s.bind(('', 7000)); s.listen()\n"
            "c = socket.create_connection(('127.0.0.1', 7000)); p, _ = s.accept(); p.sendall(b'mine'); print(c.recv(9))\n"
            "d = socket.create_connection(('www.test', 7000)); d.sendall(b'theirs'); print(d.recv(9))\n")
    same(run("python", code)[:2], (0, "b'mine'\nb'theirs'\n"))


def test_long_name():
    name = servers.LONG
    same(len(name), 253)
    same(run("python", FETCH % name, allow=("--allow", name))[:2], (0, "b'hello\\n'\n"))


def test_what_may_be_asked_for():
    """A part of what the administrator allows"""
    status, _, err = run("python", "1", allow=("--allow", "denied.wild.test"))
    assert status == 2 and "network_deny has denied.wild.test" in err, (status, err)
    status, _, err = run("python", "1", allow=("--allow", "http://www.test"))
    assert status == 2 and "is no rule" in err, (status, err)
    same(run("python", FETCH % "other.test", allow=("--allow-all",))[:2], (0, "b'hello\\n'\n"))


def test_proxy():
    """The name goes to the proxy; what names network_no_proxy, and settings of before and after, go past it."""
    with session("--allow", "a.proxy.test", "--allow", "denied.proxy.test", "--allow", "www.test") as sandbox:
        same(verdicts(sandbox), {})
        daemon().configure(f"network_proxy=http://{servers.PUBLIC}:8080\nnetwork_no_proxy=www.test\n")
        daemon().reload()
        for name in ("a.proxy.test", "www.test"):
            same(execute(sandbox, FETCH % name)[:2], (0, "b'hello\\n'\n"))
        status, out, _ = execute(sandbox, DIAL % ("denied.proxy.test", 80))
        assert out.startswith("ConnectionResetError"), out
        daemon().configure("")
        daemon().reload()
        status, out, _ = execute(sandbox, DIAL % ("a.proxy.test", 443))
        assert out.startswith("ConnectionResetError"), out
        same([(each["name"], each["verdict"], each["reason"]) for each in decisions(sandbox)][:3],
             [("a.proxy.test", "connected", "through network_proxy"), ("www.test", "connected", ""),
              ("denied.proxy.test", "denied", "network_proxy says 403")])
        same(verdicts(sandbox)[("a.proxy.test", 443)], "no-name")


def test_as_an_ordinary_user():
    """On qemu:///session, from a warm clone, with a connector that has no files of the user's to read"""
    need(shutil.which("useradd") and shutil.which("setpriv"), "no way to make a user")
    with UserDaemon("--warm", "python=1") as d:
        d.wait_warm()
        result = d.json("run", "--allow", "www.test", "-t", "60", FETCH % "www.test")
        same((result["stdout"], result["exit_code"], result["start"]), ("b'hello\\n'\n", 0, "warm"))
        sandbox = d.berth("create", "--allow", "*.wild.test").stdout.strip()
        same(d.berth("exec", sandbox, FETCH % "a.wild.test").stdout, "b'hello\\n'\n")
        assert d.berth("exec", sandbox, DIAL % ("www.test", 80)).stdout.startswith("gaierror")
        pid, = find_pids("-u", d.user, "berth-connector")
        with open(f"/proc/{pid}/status") as lines:
            told = dict(line.split(":", 1) for line in lines)
        same((told["NoNewPrivs"].strip(), told["Seccomp"].strip()), ("1", "2"))
        assert any("connector" in line and line.startswith("ok") for line in d.berth("doctor").stdout.splitlines())
        same(d.berth("destroy", sandbox).returncode, 0)


def test_connector_ends():
    """What it does ends with it; the next connection starts it again."""
    with session() as sandbox:
        same(execute(sandbox, FETCH % "www.test")[:2], (0, "b'hello\\n'\n"))
        pid, = find_pids("-P", str(daemon().process.pid), "berth-connector")
        with open(f"/proc/{pid}/status") as lines:
            told = dict(line.split(":", 1) for line in lines)
        same((told["CapEff"].strip(), told["NoNewPrivs"].strip(), told["Seccomp"].strip()),
             ("0000000000000000", "1", "2"))
        assert told["Uid"].split()[0] != "0", told["Uid"]
        os.kill(pid, 9)
        until(lambda: execute(sandbox, FETCH % "www.test")[:2] == (0, "b'hello\\n'\n"), "the next connector", 20)


def test_berthd_ends():
    """Connections break with it; a session that is found again reaches what it could."""
    d = daemon()
    with session() as sandbox:
        done = d.berth("exec", "-d", "-t", "100", sandbox,
                       "import socket, time\ns = socket.create_connection(('www.test', 7003), 20); n = 0\n"
                       "try:\n  while b := s.recv(65536): n += len(b)\n  print('ended', n > 0)\n"
                       "except ConnectionResetError: print('reset', n > 0)\n")
        same(done.returncode, 0)
        until(lambda: any(each["received_bytes"] > 1000000 for each in decisions(sandbox)), "bytes", 30)
        d.crash()
        d.start()
        same(d.berth("logs", "-f", sandbox, done.stdout.strip()).stdout, "reset True\n")
        same(execute(sandbox, FETCH % "www.test")[:2], (0, "b'hello\\n'\n"))
        same([(each["name"], each["verdict"]) for each in decisions(sandbox)], [("www.test", "connected")])


if __name__ == "__main__":
    if not ROOT or shutil.which("ip") is None or shutil.which("openssl") is None:
        print("1..0 # SKIP it takes root, ip and openssl to make networks")
        sys.exit(0)
    sys.exit(main(globals()))

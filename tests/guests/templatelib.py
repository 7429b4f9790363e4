# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of templates that are built share: a folder with images and templates, a berthd, a build."""

import atexit
import contextlib
import functools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../build"))
from registrylib import serve  # noqa: E402

from guestlib import BERTH, IMAGES, TEMPLATES, Daemon, keep, need, same, until  # noqa: E402


@functools.cache
def folder():
    """What the test reads and writes: images, templates, and files to put into them"""
    path = tempfile.mkdtemp(prefix="berth-template-", dir="/var/tmp")
    os.chmod(path, 0o711)
    for name in ("images", "templates", "in"):
        os.mkdir(os.path.join(path, name))
    for name in os.listdir(IMAGES):
        if name != "built":
            os.symlink(os.path.join(IMAGES, name), os.path.join(path, "images", name))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def inside(*names):
    return os.path.join(folder(), *names)


def options():
    return ("--image-dir", inside("images"), "--template-dirs", f"{TEMPLATES}:{inside('templates')}")


@functools.cache
def daemon():
    with open(os.path.join(IMAGES, "images.json"), encoding="utf-8") as file:
        need("builder" in json.load(file)["layers"], "the image has no layer to build with: berth image build")
    return keep(Daemon(*options(), "--max-vms", "3", "--warm-default", "0"))


def words(name, *steps):
    return [BERTH, "template", "build", name, "--dir", inside("images"), "--templates", inside("templates"),
            "--config", inside("in", "conf"), *steps]


def build(name, *steps, at=None, conf="", status=0, limit=240):
    """What it said; its end has this status."""
    put("conf", "[berth]\n" + conf)
    done = subprocess.run(words(name, *steps), env=(at or daemon()).environ(), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=limit, check=False)
    assert done.returncode == status, (done.returncode, done.stderr)
    return done.stderr


def put(name, content):
    path = inside("in", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


def there():
    """All files of layers and templates"""
    return sorted(os.listdir(inside("templates")) + (os.listdir(inside("images", "built"))
                                                     if os.path.exists(inside("images", "built")) else []))


def manifest(said):
    layer = re.search(r"built-[0-9a-f]{16}", said).group()
    with open(inside("images", "built", layer + ".json"), encoding="utf-8") as file:
        return json.load(file)


def run(template, code, at=None):
    done = (at or daemon()).berth("run", "-l", template, "-t", "60", code)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def nothing_stays():
    before = there()
    yield
    same(there(), before)
    until(lambda: not daemon().domains(), "the end of the VM that built", 30)


@contextlib.contextmanager
def registry():
    """Debian's docker-registry on loopback, HOST:PORT"""
    need(shutil.which("docker-registry") and shutil.which("skopeo"), "it takes docker-registry and skopeo")
    place = inside("registry")
    os.makedirs(place)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = serve(place, port)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(place)

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images of a registry: Debian's docker-registry, alone in a network namespace with us. Arguments: FETCH-IMAGE."""

import glob
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from ocilib import Layout, entry, layer  # noqa: E402
from registrylib import FOLDER, PLACE, alone  # noqa: E402

FETCH = os.path.abspath(sys.argv[1])


def push(layout, name):
    path = layout.write(tempfile.mkdtemp(dir=FOLDER))
    subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{path}:app", PLACE + name], check=True)


def fetch(name, *options):
    return subprocess.run([FETCH, *options, PLACE + name], capture_output=True, timeout=120, check=False)


def folders():
    return glob.glob("/var/tmp/berth-build-*")


def test_fetch():
    layout = Layout().image([layer(entry("file", "content"))], {"Cmd": ["x"]})
    push(layout, "app:1")
    before = folders()
    done = fetch("app:1", "plain")
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        names = tar.getnames()
        assert "index.json" in names, names
        digest = next(name for name in layout.blobs if layout.blobs[name][:2] == b"\x1f\x8b")
        assert tar.extractfile("blobs/sha256/" + digest).read() == layout.blobs[digest]
    assert fetch("app:1", "plain").stdout == done.stdout
    assert folders() == before


def test_refused():
    before = folders()
    done = fetch("none:1", "plain")
    assert done.returncode == 1 and b"skopeo could not: " in done.stderr and done.stderr.count(b"\n") == 1, done.stderr
    done = fetch("app:1")
    assert done.returncode == 1 and b"HTTP" in done.stderr, done.stderr
    assert folders() == before


def test_killed():
    """Its folder goes, and skopeo with it."""
    push(Layout().image([layer(entry("file", os.urandom(30 << 20)))]), "large:1")
    before = folders()
    process = subprocess.Popen([FETCH, "plain", PLACE + "large:1"], stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not (found := [path for path in folders() if path not in before]) and process.poll() is None:
        assert time.monotonic() < end
    process.kill()
    process.wait()
    assert found, "it had ended before it was killed"
    while os.path.exists(found[0]):
        assert time.monotonic() < end, "its folder is still there"
        time.sleep(0.01)


if __name__ == "__main__":
    alone(lambda: tap.run(globals()))

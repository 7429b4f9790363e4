#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is taken of an archive before umoci sees any of it: plugin/build/image.py, as the VM runs it."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from ocilib import Layout, entry, layer, link  # noqa: E402

PROGRAM = os.path.join(HERE, "../../plugin/build/image.py")
LAYER = layer(entry("file", "content"))


def take(archive, reference=""):
    """What it says, the files that are there then, and what the image is run as."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "layout")
        done = subprocess.run([sys.executable, PROGRAM, "take", path, reference], input=archive, capture_output=True,
                              timeout=60, check=False)
        there = sorted(os.path.relpath(os.path.join(where, name), folder) for where, _, names in os.walk(folder) for name in names)
        chosen = None
        if done.returncode == 0:
            with open(os.path.join(path, "config.json"), encoding="utf-8") as file:
                chosen = json.load(file)
        return done.stderr.decode(), there, chosen


def refused(archive, words, reference=""):
    said, _, chosen = take(archive, reference)
    assert chosen is None and words in said and "Traceback" not in said, said


def test_taken():
    archive = Layout().image([LAYER], {"Cmd": ["x"]}).archive()
    for packed in (archive, gzip.compress(archive)):
        said, there, chosen = take(packed)
        assert (said, chosen) == ("", {"Cmd": ["x"]}), said
        assert all(name.startswith("layout/") for name in there), there


def test_other_names():
    """What is no part of a layout is left where it is."""
    more = [entry("../out", "out"), entry("/tmp/out", "out"), link("blobs/sha256/" + "0" * 64, "/etc/passwd"),
            entry("blobs/sha256/short", "x"), entry("./index.json/x", "x"),
            entry("dev", None, kind=tarfile.CHRTYPE, device=(1, 3)), entry("fifo", None, kind=tarfile.FIFOTYPE)]
    said, there, chosen = take(Layout().image([LAYER]).archive(more))
    assert chosen == {} and not said, said
    assert len(there) == 7, there


def test_wrong_kinds():
    """Numbers and lists where others stand, in a manifest, an index and a configuration"""
    def broken(**more):
        return Layout().image([LAYER], change=lambda manifest: manifest.update(more)).archive()
    refused(broken(layers=5), "its layers is of the wrong kind: 5")
    refused(broken(layers=[7]), "a part is named by something else")
    refused(broken(config=7), "a part is named by something else")
    layout = Layout().image([LAYER])
    layout.manifests[0]["annotations"] = []
    refused(layout.archive(), "its annotations is of the wrong kind", "app")
    layout.manifests = 5
    refused(layout.archive(), "its manifests is of the wrong kind: 5")
    refused(Layout().image([LAYER], config=["x"]).archive(), "its config is of the wrong kind")


def test_names():
    two = Layout().image([LAYER], {"Cmd": ["1"]}, "one").image([LAYER], {"Cmd": ["2"]}, "two")
    refused(two.archive(), "several: add one of these behind a colon: one two")
    assert take(two.archive(), "two")[2] == {"Cmd": ["2"]}
    refused(two.archive(), "nothing in it is called three", "three")
    refused(Layout().image([LAYER], architecture="arm64").archive(), "it is for linux on arm64")


def test_index_of_index():
    inner = Layout().image([LAYER], {"Cmd": ["amd"]}, None).image([LAYER], {"Cmd": ["arm"]}, None, architecture="arm64")
    inner.manifests[0]["platform"] = {"os": "linux", "architecture": "amd64"}
    inner.manifests[1]["platform"] = {"os": "linux", "architecture": "arm64"}
    index = "application/vnd.oci.image.index.v1+json"
    inner.manifests = [inner.add_json({"manifests": inner.manifests}, index)]
    assert take(inner.archive())[2] == {"Cmd": ["amd"]}
    deep = Layout().image([LAYER])
    for _ in range(6):
        deep.manifests = [deep.add_json({"manifests": deep.manifests}, index)]
    refused(deep.archive(), "indexes for ever")


def test_lies():
    for change, words in (
            (lambda manifest: manifest["layers"][0].update(size=10 ** 9), "bytes and says 1000000000"),
            (lambda manifest: manifest["layers"][0].update(size="1"), "bytes and says '1'"),
            (lambda manifest: manifest["layers"][0].update(digest="sha256:" + "0" * 64), "is missing, which it names"),
            (lambda manifest: manifest["layers"][0].update(digest="../../etc/passwd"), "something else than a sha256"),
            (lambda manifest: manifest["layers"].append(7), "something else than a sha256"),
            (lambda manifest: manifest.pop("config"), "something else than a sha256"),
            (lambda manifest: manifest["layers"][0].update(mediaType="x+zstd"), "tar and tar+gzip can be unpacked")):
        refused(Layout().image([LAYER], change=change).archive(), words)
    layout = Layout().image([LAYER])
    digest = next(iter(layout.blobs))
    layout.blobs[digest] = layout.blobs[digest][:-1] + b" "
    refused(layout.archive(), "is not what its digest says")
    refused(layer(entry("index.json", "[")), "is no JSON")
    refused(layer(entry("index.json", "[" * 100000)), "is no JSON")
    refused(layer(entry("index.json", " " * (5 << 20))), "more than 4194304 bytes")
    refused(layer(entry("manifest.json", "{}")), "no OCI layout")
    refused(b"\x1f\x8b" + b"no tar at all" * 100, "can't be read")


def test_python_without_its_library():
    """It is no language of the image's, and which modules are missing is said."""
    busybox = "/bin/busybox"
    if os.geteuid() != 0 or not os.access(busybox, os.X_OK) or subprocess.run([busybox, "true"], check=False).returncode != 0 or b"static" not in subprocess.run(
            ["file", "-L", busybox], capture_output=True, check=False).stdout:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "root")
        for name in ("bin", "usr/bin", "etc"):
            os.makedirs(os.path.join(root, name))
        os.chmod(folder, 0o755)
        shutil.copy(busybox, os.path.join(root, "bin/sh"))
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump({"Entrypoint": ["python3"]}, file)
        for said, words in (("3.13.5", "has python 3.13.5"), ("3.13.5\\nlogging\\ntokenize", "lacks python /usr/bin/python3 has no logging, tokenize"),
                            ("3.9.2", "lacks python /usr/bin/python3 is 3.9.2")):
            path = os.path.join(root, "usr/bin/python3")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\necho -e '{said}'\n")
            os.chmod(path, 0o755)
            told = subprocess.run([sys.executable, PROGRAM, "tell", folder, root], capture_output=True, text=True, check=True).stdout
            assert words in told, told
            assert told.startswith("has python") == ("language python" in told), told


if __name__ == "__main__":
    sys.exit(tap.run(globals()))

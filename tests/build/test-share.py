#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Templates in a registry, between two hosts, which are two folders here: what is sent, what comes, what is
refused. Layers are no file systems but for their first bytes: nobody mounts them. Arguments: BERTH-BUILD TEMPLATES."""

import functools
import glob
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from registrylib import PLACE, URL, Way, alone, inside  # noqa: E402

BUILD, TEMPLATES = (os.path.abspath(path) for path in sys.argv[1:3])
PIECE = 32 << 20
OCI = "application/vnd.oci.image.manifest.v1+json"
NEAR = "docker://127.0.0.1:5001/"  # the way that is watched, and cut


def layer(size, seed):
    data = bytearray(seed.encode() * (size // len(seed) + 1))[:size]
    data[1024:1028] = struct.pack("<I", 0xe0f5e1e2)
    data[-32:] = hashlib.sha256(seed.encode()).digest()
    return bytes(data)


BASE, PYTHON = layer(8192, "base"), layer(4096, "python")


class Host:
    """Images, templates, a berth.conf; no berthd, which is told of in vain."""

    def __init__(self, name, conf="", base=BASE):
        self.folder = inside(name)
        os.makedirs(self.path("images", "built"))
        shutil.copytree(TEMPLATES, self.path("shipped"))
        os.mkdir(self.path("own"))
        names = {}
        for layer_name, data in (("base", base), ("python", PYTHON)):
            names[layer_name] = self.add_layer("", f"{layer_name}-{hashlib.sha256(data).hexdigest()[:12]}", data)
        self.put("images/images.json", json.dumps({"format": 1, "kernel": {"path": "k", "sha256": "k"},
                                                   "initramfs": {"path": "i", "sha256": "i"}, "layers": names}))
        self.put("conf", f"[berth]\ntemplate_dirs={self.path('shipped')}:{self.path('own')}\nschema={TEMPLATES}/berth.rng\n{conf}")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def put(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        return self.path(name)

    def add_layer(self, folder, name, data, **about):
        entry = {"path": os.path.join(folder, name + ".erofs"), "sha256": hashlib.sha256(data).hexdigest(), **about}
        self.put("images/" + entry["path"], data)
        self.put(f"images/{folder}/{name}.json", json.dumps(entry))
        return entry

    def add_template(self, name, data, more="", language="python"):
        """As a build leaves it"""
        built = "built-" + hashlib.sha256(data).hexdigest()[:16]
        self.add_layer("built", built, data, created=1735689600, steps=[{"kind": "pip", "values": ["numpy"]}])
        text = open(self.path("shipped", "python.xml"), encoding="utf-8").read()
        stands = "".join(f"<berth:layer name='{os.path.basename(path)[:-6]}'/>"
                         for path in (glob.glob(self.path("images", "base-*.erofs")) + glob.glob(self.path("images", "python-*.erofs"))))
        text = text.replace("name='python' language='python'", f"name='{name}' language='{language}'")
        text = text.replace("<berth:layer name='base'/>", stands + f"<berth:layer name='{built}'/>").replace("<berth:layer name='python'/>", more)
        self.put(f"own/{name}.xml", text)
        self.put(f"own/{name}.berthfile", "from python\npip numpy\ncopy /etc/secret:/opt\n")

    def command(self, act, *arguments):
        return [BUILD, act, *arguments, "--config", self.path("conf"), "--dir", self.path("images"), "--templates",
                self.path("own"), "--socket", self.path("none")]

    def do(self, act, *arguments, status=0):
        more = ("--plain-registry",) if act in ("push", "pull") else ()
        done = subprocess.run(self.command(act, *arguments, *more), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == status, (done.returncode, done.stderr)
        return done.stderr

    def there(self):
        names = os.listdir(self.path("own")) + os.listdir(self.path("images", "built"))
        return sorted(name for name in names if name != ".pulled")

    def refused(self, *arguments, status=2):
        before = self.there()
        said = self.do("pull", *arguments, status=status)
        lines = [line for line in said.splitlines() if "MiB to fetch" not in line]
        assert len(lines) == 1 and lines[0].startswith("berth template pull: "), said
        assert self.there() == before, (before, self.there())
        return said


def until(is_so):
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


@functools.cache
def maker():
    host = Host("maker")
    host.add_template("large", layer(PIECE + 8192, "built"))
    host.add_template("science", layer(8192, "small"), "<berth:env name='A' value='b &amp; c'/><berth:network allow='a.test:80'/>")
    return host


@functools.cache
def way():
    return Way()


def manifest(name):
    place, tag = name.split(":")
    request = urllib.request.Request(f"{URL}{place}/manifests/{tag}", headers={"Accept": OCI})
    return urllib.request.urlopen(request).read()


def pieces(name):
    return [one["digest"] for one in json.loads(manifest(name))["layers"]]


def test_two_hosts():
    said = maker().do("push", "science", PLACE + "team/science:1")
    assert "@sha256:" in said, said
    other = Host("other", base=layer(8192, "another base"))
    way().asked.clear()
    other.do("pull", "science", NEAR + "team/science:1")
    # python's layer was there, and the other two were not
    sent = pieces("team/science:1")
    assert [piece for piece in sent if piece in way().asked] == [sent[0], sent[2]], way().asked
    xml = open(other.path("own", "science.xml"), encoding="utf-8").read()
    assert "value=\"b &amp; c\"" in xml and "a.test:80" in xml and "shared/guest.xml" in xml, xml
    layers = [line.split('"')[1] for line in xml.split("<berth:layer name=")[1:]]
    assert [name.split("-")[0] for name in layers] == ["pulled", "python", "pulled"], layers
    with open(other.path("images", "built", layers[2] + ".erofs"), "rb") as file:
        assert file.read() == layer(8192, "small")
    berthfile = open(other.path("own", "science.berthfile"), encoding="utf-8").read()
    assert all(line.startswith("#") for line in berthfile.splitlines()) and "# pip numpy" in berthfile, berthfile
    told = json.loads(subprocess.run(other.command("history", "science", "--json"), capture_output=True, check=True).stdout)
    assert told[2]["steps"][0]["values"] == ["numpy"] and told[2]["path"] == f"built/{layers[2]}.erofs", told
    way().asked.clear()
    other.do("pull", "again", NEAR + "team/science:1")
    assert not way().asked
    assert layers[2] in open(other.path("own", "again.xml"), encoding="utf-8").read()
    # and on: what was pulled is pushed as it is
    other.do("push", "again", PLACE + "team/again:1")
    assert pieces("team/again:1") == pieces("team/science:1")


def test_here():
    """Its own layers have names here."""
    maker().do("push", "science", PLACE + "here:1")
    maker().do("pull", "mine", NEAR + "here:1")
    xml = open(maker().path("own", "mine.xml"), encoding="utf-8").read()
    assert "built-" in xml and "pulled-" not in xml, xml


def test_cut():
    """What came is not fetched again; until all is there, nothing is."""
    maker().do("push", "large", PLACE + "cut:1")
    other = Host("cut")
    first, last = pieces("cut:1")[2:]
    way().asked.clear()
    came = other.path("images", "built", ".pulled", "layout", "blobs", "sha256", first.split(":")[1])
    way().cut.add(last)
    way().wait = lambda: until(lambda: os.path.exists(came))
    other.refused("large", NEAR + "cut:1")
    assert first in way().asked and last in way().asked
    way().cut.clear()
    way().wait = None
    way().asked.clear()
    other.do("pull", "large", NEAR + "cut:1")
    with open(glob.glob(other.path("images", "built", "pulled-*.erofs"))[0], "rb") as file:
        assert file.read() == layer(PIECE + 8192, "built")
    assert first not in way().asked and last in way().asked, way().asked
    assert not os.path.exists(other.path("images", "built", ".pulled", "layout"))


def test_two_at_once():
    """The second is told so, and takes nothing of the first."""
    maker().do("push", "science", PLACE + "twice:1")
    other = Host("twice")
    last = pieces("twice:1")[2]
    refused = []
    way().cut.add(last)
    way().wait = lambda: refused or refused.append(other.refused("other", PLACE + "twice:1"))
    other.refused("science", NEAR + "twice:1")
    way().cut.clear()
    way().wait = None
    assert "another template is being pulled" in refused[0], refused
    other.do("pull", "science", NEAR + "twice:1")
    other.do("pull", "other", NEAR + "twice:1")


def test_deep_stage():
    """What a skopeo that was taken over has left goes, however deep it is, and whatever a kill has left of that."""
    maker().do("push", "science", PLACE + "deep:1")
    other = Host("deep")
    stage = other.path("images", "built", ".pulled")
    for place in ("layout", "next", "aside-1"):
        for name in ("one", "two"):
            os.makedirs(os.path.join(stage, place, *[name] * 200))
    other.do("pull", "science", PLACE + "deep:1")
    assert os.listdir(stage) == [], os.listdir(stage)


def test_full_disk():
    """What came stays when the layers have no place, on either side, and that is what is said."""
    maker().do("push", "large", PLACE + "full:1")
    other = Host("full")
    built = other.path("images", "built")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", built], check=True)
    try:
        assert "No space left" in other.refused("large", NEAR + "full:1")
        subprocess.run(["mount", "-o", "remount,size=100m", built], check=True)
        way().asked.clear()
        other.do("pull", "large", NEAR + "full:1")
        assert not way().asked, way().asked
    finally:
        subprocess.run(["umount", "-l", built], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", "/var/tmp"], check=True)
    try:
        assert "No space left" in maker().do("push", "large", PLACE + "full:2", status=2)
    finally:
        subprocess.run(["umount", "-l", "/var/tmp"], check=True)


def test_image_is_built_again():
    """The image's layers that a template stands on stay."""
    maker().do("push", "science", PLACE + "again:1")
    other = Host("again")
    other.do("pull", "science", PLACE + "again:1")
    new = layer(4096, "new python")
    manifest_of = json.loads(open(other.path("images", "images.json"), encoding="utf-8").read())
    manifest_of["layers"]["python"] = other.add_layer("", f"python-{hashlib.sha256(new).hexdigest()[:12]}", new)
    other.put("images/images.json", json.dumps(manifest_of))
    prune = [os.path.join(HERE, "../../images/build"), "--prune", "-q", "--dir", other.path("images")]
    subprocess.run(prune, check=True)
    other.do("push", "science", PLACE + "again:2")
    assert pieces("again:2") == pieces("again:1")


def test_whose_layers():
    """While they are sent nobody else reads them."""
    other = Host("whose")
    other.add_template("science", layer(8192, "small"))
    os.mkdir(other.path("bin"))
    skopeo = other.put("bin/skopeo", "#!/bin/sh\nfor word; do case $word in oci:*) layout=${word#oci:}; layout=${layout%:*};; esac; done\n"
                       "cat $layout/index.json $layout/blobs/sha256/* >/dev/null && stat -c %a:%u:%g ${layout%/*} >&2; id -u >&2; false\n")
    os.chmod(skopeo, 0o755)
    for user in (["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"], []):
        done = subprocess.run([*user, *other.command("push", "science", PLACE + "whose:1")], capture_output=True, text=True, check=False,
                              env={**os.environ, "PATH": other.path("bin") + ":" + os.environ["PATH"]})
        mode, owner, group, uid = done.stderr.split("could not: ")[1].strip().replace("?", ":").split(":")
        assert (mode, owner, group) == (("700", "4242", "4242") if user else ("750", "0", uid)), done.stderr
        assert uid == "4242" if user else int(uid) > 60000, done.stderr


def test_killed():
    other = Host("killed")
    before, folders = other.there(), glob.glob("/var/tmp/berth-build-*")
    maker().do("push", "science", PLACE + "killed:1")
    way().cut.update(pieces("killed:1"))
    way().is_cut.clear()
    process = subprocess.Popen(other.command("pull", "science", NEAR + "killed:1", "--plain-registry"), stderr=subprocess.DEVNULL)
    assert way().is_cut.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    way().cut.clear()
    until(lambda: glob.glob("/var/tmp/berth-build-*") == folders)
    assert other.there() == before, other.there()
    other.do("pull", "science", NEAR + "killed:1")


def key(name):
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", inside(name)], check=True)
    subprocess.run(["openssl", "pkey", "-in", inside(name), "-pubout", "-out", inside(name + ".pub")], check=True)
    return inside(name)


def test_signed():
    mine, other_key = key("mine"), key("other-key")
    host = Host("signed", conf=f"template_keys={other_key}.pub:{mine}.pub\n")
    strict = Host("strict", conf=f"template_keys={mine}.pub\n")
    maker().add_template("signed", layer(4096, "signed"))
    maker().do("push", "signed", PLACE + "signed:1")
    assert "no signature" in strict.refused("signed", PLACE + "signed:1")
    maker().do("push", "signed", PLACE + "signed:1", "--sign", other_key)
    assert "by none of" in strict.refused("signed", PLACE + "signed:1", status=125)
    host.do("pull", "signed", PLACE + "signed:1")
    way().cut.add(f"sha256-{hashlib.sha256(manifest('signed:1')).hexdigest()}.berth")
    said = host.refused("signed", NEAR + "signed:1")
    assert "its signature can't be had" in said and "no signature" not in said, said
    way().cut.clear()
    said = maker().do("push", "signed", PLACE + "signed:1", "--sign", mine)
    strict.do("pull", "signed", PLACE + "signed:1")
    assert "give it this name" in strict.refused("science", PLACE + "signed:1")
    # the signature of one is none of another
    digest = said.split("@sha256:")[1].split(",")[0]
    maker().do("push", "science", PLACE + "signed:2")
    text = manifest(f"signed:sha256-{digest}.berth")
    sums = hashlib.sha256(manifest("signed:2")).hexdigest()
    put("signed", f"sha256-{sums}.berth", text)
    assert "by none of" in strict.refused("science", PLACE + "signed:2", status=125)
    # as anybody checks it
    signature = json.loads(text)["annotations"]["org.berth.signature"]
    statement = strict.put("statement", f"berth template 1\nsigned\nsha256:{digest}\n")
    subprocess.run(["base64", "-d"], input=signature.encode(), stdout=open(strict.path("sig"), "wb"), check=True)
    subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", mine + ".pub", "-rawin", "-in", statement, "-sigfile",
                    strict.path("sig")], check=True, stdout=subprocess.DEVNULL)
    assert "no private key" in maker().do("push", "signed", PLACE + "signed:3", "--sign", mine + ".pub", status=125)


def put(name, tag, text):
    request = urllib.request.Request(f"{URL}{name}/manifests/{tag}", data=text, method="PUT",
                                     headers={"Content-Type": OCI})
    urllib.request.urlopen(request).read()


# what is done to a template's element, and what its refusal says
ELEMENTS = {
    "include": ("<berth:env", "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='/etc/hostname' parse='text'/><berth:env",
                "is more than a <berth:template>"),
    "domain": ("<berth:env", "<disk xmlns='' type='file'><source file='/etc/shadow'/></disk><berth:env", "is more than a <berth:template>"),
    "doctype": ("<berth:template", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><berth:template", "a document type (<!DOCTYPE)"),
    "root": ("memory=", "user='0:0' memory=", "user='0:0'"),
    "text": ("</berth:template>", "text</berth:template>", "is more than a <berth:template>"),
    "mark": ("berth:template", "berth:vm", "is more than a <berth:template>"),
    "language": ("language=\"python\"", "language=\"cobol\"", "language='cobol'"),
    "lines": ("language=\"python\"", "language=\"x&#10;berth template pull: science: ok\"", "language='x?berth template pull"),
    "terminal": ("language=\"python\"", "language=\"&#x9b;2J&#x202e;\"", "language='?2J?'"),
    "deep": ("<berth:env", "<berth:env>" * 3000 + "</berth:env>" * 3000 + "<berth:env", "Excessive depth"),
}


def test_hostile_templates():
    other = Host("hostile")
    maker().do("push", "science", PLACE + "hostile:1")
    good = json.loads(manifest("hostile:1"))
    for number, (name, (old, new, words)) in enumerate(ELEMENTS.items()):
        own = json.loads(good["annotations"]["org.berth.template"])
        assert old in own["template"], (old, own["template"])
        own["template"] = own["template"].replace(old, new).replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "")
        put("hostile", f"t{number}", json.dumps({**good, "annotations": {"org.berth.template": json.dumps(own)}}).encode())
        said = other.refused("science", PLACE + f"hostile:t{number}")
        assert words in said, (name, said)
        assert all(character.isprintable() for character in said[:-1]), (name, said)
    assert not os.path.exists(other.path("images", "built", ".pulled"))


def test_hostile_blobs():
    """A registry's disk that says something else than its digest; a piece of the right size that is another."""
    other = Host("blobs")
    maker().do("push", "science", PLACE + "blobs:1")
    good = json.loads(manifest("blobs:1"))
    last = good["layers"][-1]["digest"].split(":")[1]
    path = inside("data", "docker/registry/v2/blobs/sha256", last[:2], last, "data")
    data = open(path, "rb").read()
    with open(path, "wb") as file:
        file.write(data[::-1])
    other.refused("science", PLACE + "blobs:1")
    with open(path, "wb") as file:
        file.write(data)
    own = json.loads(good["annotations"]["org.berth.template"])
    own["layers"][2]["sha256"] = "0" * 64
    put("blobs", "sum", json.dumps({**good, "annotations": {"org.berth.template": json.dumps(own)}}).encode())
    assert "not what its digest says" in other.refused("science", PLACE + "blobs:sum")
    own = json.loads(good["annotations"]["org.berth.template"])
    own["layers"][2]["size"] = 1 << 40
    put("blobs", "size", json.dumps({**good, "annotations": {"org.berth.template": json.dumps(own)}}).encode())
    assert "--max-size" in other.refused("science", PLACE + "blobs:size")
    assert "container image" in other.refused("science", PLACE + image("blobs"))
    # what was half there is whole by its digest, or goes
    stage = other.path("images", "built", ".pulled", "layout", "blobs", "sha256")
    os.makedirs(stage)
    with open(os.path.join(stage, last), "wb") as file:
        file.write(bytes(len(data)))
    os.symlink("/etc/passwd", os.path.join(stage, good["layers"][0]["digest"].split(":")[1]))
    assert "something else" in other.refused("science", PLACE + "blobs:1")
    other.do("pull", "science", PLACE + "blobs:1")


def image(name):
    """A container's"""
    from ocilib import Layout, entry, layer as oci_layer
    path = Layout().image([oci_layer(entry("file", "content"))]).write(inside(name + "-image"))
    subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{path}:app", PLACE + name + ":image"], check=True)
    return name + ":image"


def test_words():
    other = Host("words")
    other.put("own/mine.xml", "by hand")
    maker().do("push", "science", PLACE + "words:1")
    assert "built nor pulled" in other.refused("mine", PLACE + "words:1")
    for reference in ("oci:/x", "docker://", "docker://host", "docker://-x/y", "docker://h/../y:1", "docker://h/x --y"):
        assert "give docker://HOST/NAME:TAG" in other.refused("x", reference), reference
    assert "manifest unknown" in other.refused("x", PLACE + "words:none")
    assert "there is no template none" in maker().do("push", "none", PLACE + "words:1", status=2)
    digest = hashlib.sha256(manifest("words:1")).hexdigest()
    other.do("pull", "exact", PLACE + "words@sha256:" + digest)
    assert "NAME@sha256:DIGEST" in other.refused("exact", PLACE + "words:1@sha256:" + digest)
    assert "what comes of a push" in maker().do("push", "science", PLACE + "words@sha256:" + digest, status=2)


def test_too_much_to_send():
    """What no pull takes is not sent; nothing of it is written for that."""
    host = Host("much")
    host.add_template("large", layer((1 << 20) + 4096, "much"))
    assert "--max-size" in host.do("push", "large", PLACE + "much:1", "--max-size", "1", status=2)
    host.do("push", "large", PLACE + "much:1", "--max-size", "2")
    assert "--max-size" in host.refused("other", PLACE + "much:1", "--max-size", "1")
    host.add_template("wordy", layer(8192, "wordy"))
    host.put("own/wordy.berthfile", "run x" + "\\" * 250000)
    for name in glob.glob(host.path("images", "*-*.json")):
        with open(name, encoding="utf-8") as file:
            about = json.load(file)
        about["packages"] = ["\\" * 1000] * 60
        with open(name, "w", encoding="utf-8") as file:
            json.dump(about, file)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", "/var/tmp"], check=True)
    try:
        assert "more than the" in host.do("push", "wordy", PLACE + "much:2", status=2)
    finally:
        subprocess.run(["umount", "-l", "/var/tmp"], check=True)


if __name__ == "__main__":
    alone(lambda: tap.run(globals()))

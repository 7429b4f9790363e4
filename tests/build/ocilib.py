# SPDX-License-Identifier: LGPL-2.1-or-later
"""Container images written byte by byte, so that they can be as wrong as anybody's."""

import gzip
import hashlib
import io
import json
import os
import tarfile

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
REF = "org.opencontainers.image.ref.name"


def entry(name, content=None, mode=0o644, kind=tarfile.REGTYPE, link="", uid=0, gid=0, device=(0, 0), xattrs=None):
    """One member of a layer: a file where it has content, else a folder, or what kind says."""
    member = tarfile.TarInfo(name)
    data = content.encode() if isinstance(content, str) else content
    member.type = kind if data is not None or kind != tarfile.REGTYPE else tarfile.DIRTYPE
    member.size, member.mode, member.uid, member.gid, member.linkname = len(data or b""), mode, uid, gid, link
    member.devmajor, member.devminor = device
    member.pax_headers = {"SCHILY.xattr." + key: value for key, value in (xattrs or {}).items()}
    return member, data


def folder(name, mode=0o755, **rest):
    return entry(name, None, mode, tarfile.DIRTYPE, **rest)


def link(name, target, kind=tarfile.SYMTYPE):
    return entry(name, None, 0o777, kind, target)


def layer(*entries):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in entries:
            tar.addfile(member, io.BytesIO(data) if data is not None else None)
    return content.getvalue()


class Layout:
    """Parts by their digests, and an index of what they are."""

    def __init__(self):
        self.blobs, self.manifests = {}, []

    def add(self, data, kind, **more):
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data), **more}

    def add_json(self, value, kind, **more):
        return self.add(json.dumps(value).encode(), kind, **more)

    def image(self, layers, config=None, name="app", change=None, architecture="amd64"):
        """change: what is done to the manifest before it is written"""
        diffs = ["sha256:" + hashlib.sha256(data).hexdigest() for data in layers]
        about = {"os": "linux", "architecture": architecture, "config": config or {},
                 "rootfs": {"type": "layers", "diff_ids": diffs}}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.add_json(about, CONFIG),
                    "layers": [self.add(gzip.compress(data, 6, mtime=0), LAYER) for data in layers]}
        if change:
            change(manifest)
        more = {"annotations": {REF: name}} if name else {}
        self.manifests.append(self.add_json(manifest, MANIFEST, **more))
        return self

    def parts(self):
        yield "oci-layout", b'{"imageLayoutVersion": "1.0.0"}'
        yield "index.json", json.dumps({"schemaVersion": 2, "manifests": self.manifests}).encode()
        for digest, data in self.blobs.items():
            yield "blobs/sha256/" + digest, data

    def archive(self, more=()):
        return layer(*(entry(name, data) for name, data in self.parts()), *more)

    def write(self, path):
        """As a folder"""
        for name, data in self.parts():
            os.makedirs(os.path.dirname(os.path.join(path, name)), exist_ok=True)
            with open(os.path.join(path, name), "wb") as file:
                file.write(data)
        return path

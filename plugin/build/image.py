# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the VM does with a container image beside umoci: it takes the parts of a layout that are one, picks
the image that is meant, and tells what is in it. berth-build hands this text to python3 of the builder.

  take LAYOUT REFERENCE   a tar of an OCI layout on standard input
  tell LAYOUT ROOT        a line for each thing that a template keeps; values as in an address (%0a)
"""
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
REF = "org.opencontainers.image.ref.name"
NAME = "berth"
JSON_MAX = 4 << 20
PARTS_MAX = 2000
DEPTH_MAX = 4
# lowest versions that berth's runners are tested with
LOWEST = {"python": (3, 11), "javascript": (18,), "typescript": (22, 18), "shell": (5, 2)}
PROGRAMS = {"python": "python3", "javascript": "node", "typescript": "node", "shell": "bash", "ruby": "ruby", "sh": "sh"}
# the version, and what of the standard library a session's interpreter needs and is missing
ASK_PYTHON = """
import sys
print(*sys.version_info[:3], sep='.')
for name in '_socket concurrent.futures.thread fcntl linecache logging opcode threading tokenize traceback'.split():
    try:
        __import__(name)
    except ImportError:
        print(name)
"""
ASKS = {"python": ["-c", ASK_PYTHON], "javascript": ["--version"],
        "typescript": ["--version"], "shell": ["-c", "echo $BASH_VERSION $MACHTYPE"], "ruby": ["-e", "puts RUBY_VERSION"], "sh": ["-c", "echo 0"]}
HINTS = {"python": r"python[0-9.]*", "javascript": r"node(js)?|npm|npx", "typescript": "tsx|ts-node", "shell": "bash", "ruby": r"ruby[0-9.]*|irb", "sh": "sh"}
# what each machine makes anew, or root alone may enter
HIDDEN = r"/+(root|tmp|var/+tmp|run|dev|proc|sys|home/+user)(/|$)"
HOME = "/home/user"
NOBODY = 65534
SAID_MAX = 1 << 20
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def fail(text):
    sys.exit("the image: " + text)


def blob(layout, descriptor):
    """The path of a part, which is what its digest says."""
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    if not isinstance(digest, str) or not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        fail("a part is named by something else than a sha256 digest: %.80r" % (digest,))
    path = os.path.join(layout, "blobs/sha256", digest[7:])
    if not os.path.isfile(path):
        fail("%s is missing, which it names" % digest)
    if os.path.getsize(path) != descriptor.get("size"):
        fail("%s has %d bytes and says %.40r" % (digest, os.path.getsize(path), descriptor.get("size")))
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest[7:]:
            fail("%s is not what its digest says" % digest)
    return path


def load(path):
    if os.path.getsize(path) > JSON_MAX:
        fail("a description has more than %d bytes" % JSON_MAX)
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        fail("a description is no JSON: %.80s" % error)
    if not isinstance(value, dict):
        fail("a description is no object")
    return value


def receive(layout):
    """Of the tar only what a layout is made of, whatever else it has; names decide nothing else."""
    os.makedirs(os.path.join(layout, "blobs/sha256"))
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|*") as tar:
            for count, member in enumerate(tar):
                name = re.sub(r"^(\./)+", "", member.name)
                if count > PARTS_MAX:
                    fail("the archive has more than %d parts" % PARTS_MAX)
                if not member.isreg() or not re.fullmatch(r"index\.json|blobs/sha256/[0-9a-f]{64}", name):
                    continue
                with open(os.path.join(layout, name), "wb") as file:
                    copy(tar.extractfile(member), file)
    except tarfile.TarError as error:
        fail("the archive can't be read: %.80s" % error)


def copy(source, target):
    while piece := source.read(1 << 20):
        target.write(piece)


def get(value, key, kind):
    """Its member, where there is one, which must be of that kind; an empty one else"""
    member = value.get(key)
    if member is not None and not isinstance(member, kind):
        fail("its %s is of the wrong kind: %.80r" % (key, member))
    return kind() if member is None else member


def name_of(entry):
    return get(entry, "annotations", dict).get(REF)


def fits(descriptor):
    platform = descriptor.get("platform")
    if not isinstance(platform, dict):
        return True
    return (platform.get("os"), platform.get("architecture")) == ("linux", "amd64")


def pick(layout, index, reference, depth=0):
    """The one descriptor that is meant: by its name where one is given, and for this machine."""
    entries = [entry for entry in get(index, "manifests", list) if isinstance(entry, dict)]
    if reference:
        entries = [entry for entry in entries if reference in (name_of(entry), entry.get("digest"))]
        if not entries:
            fail("nothing in it is called %.80s" % reference)
    entries = [entry for entry in entries if fits(entry)]
    if not entries:
        fail("it has nothing for linux on amd64")
    if len(entries) > 1:
        names = sorted({str(name_of(entry) or entry.get("digest"))[:80] for entry in entries})
        fail("there are several: add one of these behind a colon: " + " ".join(names[:20]))
    if entries[0].get("mediaType") not in INDEXES:
        return entries[0]
    if depth == DEPTH_MAX:
        fail("its indexes name indexes for ever")
    return pick(layout, load(blob(layout, entries[0])), None, depth + 1)


def take(layout, reference):
    receive(layout)
    if not os.path.isfile(os.path.join(layout, "index.json")):
        fail("no index.json: it is no OCI layout (of another kind: skopeo copy KIND:FILE oci-archive:FILE.tar)")
    chosen = pick(layout, load(os.path.join(layout, "index.json")), reference)
    manifest = load(blob(layout, chosen))
    config = load(blob(layout, manifest.get("config")))
    if (config.get("os"), config.get("architecture")) != ("linux", "amd64"):
        fail("it is for %.20s on %.20s, this machine is linux on amd64" % (config.get("os"), config.get("architecture")))
    for layer in get(manifest, "layers", list):
        blob(layout, layer)
        kind = str(layer.get("mediaType"))
        if not re.search(r"tar(\+gzip|\.gzip)?$", kind):
            fail("a layer is %.80s, and tar and tar+gzip can be unpacked: skopeo copy --dest-compress-format gzip makes such" % kind)
        # umoci knows them by OCI's names
        layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if kind.endswith("gzip") else "")
    manifest["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json"
    text = json.dumps({"schemaVersion": 2, "config": manifest["config"], "layers": get(manifest, "layers", list)}).encode()
    digest = hashlib.sha256(text).hexdigest()
    with open(os.path.join(layout, "blobs/sha256", digest), "wb") as file:
        file.write(text)
    with open(os.path.join(layout, "index.json"), "w", encoding="utf-8") as file:
        json.dump({"schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + digest, "size": len(text),
            "annotations": {REF: NAME}}]}, file)
    with open(os.path.join(layout, "oci-layout"), "w", encoding="utf-8") as file:
        file.write('{"imageLayoutVersion": "1.0.0"}')
    with open(os.path.join(layout, "config.json"), "w", encoding="utf-8") as file:
        json.dump(get(config, "config", dict), file)


# ---- what is in it ----

def inside(root, command):
    """What a program of the image says, with no rights and no network; None where it can't be run."""
    def enter():
        if hasattr(os, "unshare"):  # Python 3.12
            os.unshare(os.CLONE_NEWNET)
        os.chroot(root)
        os.chdir("/")
        resource.setrlimit(resource.RLIMIT_FSIZE, (SAID_MAX, SAID_MAX))
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(command, preexec_fn=enter, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.DEVNULL,
                                  timeout=120, env={"PATH": PATH, "LANG": "C.UTF-8"}, check=False)
        except (OSError, subprocess.SubprocessError):
            return None
        said.seek(0)
        return said.read(200).decode("ascii", "replace").strip() if done.returncode == 0 else None


def find_language(root, language):
    """(version, None), (None, why not), or (None, None): it is not there."""
    where = {"sh": ["/bin/"], "shell": ["/usr/local/bin/", "/bin/"]}.get(language, ["/usr/local/bin/", "/usr/bin/"])
    for folder in where:
        path = folder + PROGRAMS[language]
        if not os.path.lexists(root + path):
            continue
        said = inside(root, [path, *ASKS[language]])
        number = re.search(r"[0-9]+(\.[0-9]+)*", said or "")
        if not number:
            return None, path + " can't be run"
        lowest = LOWEST.get(language, ())
        if tuple(int(part) for part in number.group().split(".")) < lowest:
            return None, "%s is %s, the lowest is %s" % (path, number.group(), ".".join(map(str, lowest)))
        missing = said.split()[1:] if language == "python" else []
        if missing:
            return None, "%s has no %s, of Python's library (Debian: python3, not python3-minimal)" % (path, ", ".join(missing))
        if language == "shell" and "musl" in said:
            return None, path + " is of musl, and a session's needs glibc's"
        return number.group(), None
    return None, None


def find_row(root, name, key, number):
    """A row of passwd or group, by its name or number"""
    path = os.path.join(root, "etc", name)
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            row = line.rstrip("\n").split(":")
            if len(row) > number and key in (row[0], row[2]):
                return row
    return None


def find_user(root, user):
    """UID:GID; nothing for root, who no program is"""
    name, _, group = user.partition(":")
    row = find_row(root, "passwd", name, 3)
    uid = name if re.fullmatch("[0-9]{1,9}", name) else row[2] if row else None
    gid = row[3] if row else "0" if uid else None
    if group:
        row = find_row(root, "group", group, 2)
        gid = group if re.fullmatch("[0-9]{1,9}", group) else row[2] if row else None
    if uid is None or gid is None or not re.fullmatch("[0-9]{1,9}:[0-9]{1,9}", uid + ":" + gid):
        fail("its user %.80s is not in its /etc/passwd or /etc/group" % user)
    return None if int(uid) == 0 else "%d:%d" % (int(uid), int(gid))


def texts(config, key):
    value = config.get(key) or []
    if not isinstance(value, list) or not all(isinstance(text, str) and "\0" not in text for text in value):
        fail("its %s is no list of texts" % key)
    return value


def say(word, value):
    print(word, urllib.parse.quote(value, safe="/:=,+@ "))


def tell_languages(root, entry):
    found = []
    for language in PROGRAMS:
        version, problem = find_language(root, language)
        if version:
            say("has", language + " " + version)
            found.append(language)
        elif problem:
            say("lacks", language + " " + problem)
    names = [os.path.basename(word) for word in entry[:3]]
    for name in names:
        for language in found:
            if re.fullmatch(HINTS[language], name) and language != "sh":
                return language
    return found[0] if found else "none"


def tell(layout, root):
    config = load(os.path.join(layout, "config.json"))
    entry = texts(config, "Entrypoint") + texts(config, "Cmd")
    user = find_user(root, config["User"]) if isinstance(config.get("User"), str) and config["User"] else None
    workdir = config.get("WorkingDir") or "/"
    if not isinstance(workdir, str) or not workdir.startswith("/"):
        fail("its working folder is no absolute path: %.80r" % (workdir,))
    if re.match(HIDDEN, workdir):
        workdir = HOME
    env = texts(config, "Env")
    if not any(text.startswith("PATH=") for text in env):
        env.insert(0, "PATH=" + PATH)
    say("language", tell_languages(root, entry))
    if user:
        say("user", user)
    say("workdir", workdir)
    for word in entry:
        say("entry", word)
    for text in env:
        if not text.startswith("HOME="):
            say("env", text)
    sys.stdout.flush()
    os.chroot(root)
    if workdir != HOME:
        os.makedirs(workdir, exist_ok=True)  # as containers have it


if sys.argv[1] == "take":
    take(sys.argv[2], sys.argv[3])
else:
    tell(sys.argv[2], sys.argv[3])

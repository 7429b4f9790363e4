# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the interpreter back while it starts, until the agent says that the script is there.

Python imports this module at the end of its own start, before it looks at the script it was told
to run. So the wait is here, and what follows is the interpreter running a script as it always
does: no frame, name or module of ours is left.
"""
import gc
import os
import sys

CONTROL = 3
SEED_SIZE = 32
PARTS = ("base.py", "classes.py", "streams.py", "errors.py", "session.py")

# What programs use most.
PRELOAD = (
    "re", "json", "math", "datetime", "collections", "functools", "itertools", "typing",
    "dataclasses", "pathlib", "string", "time", "io", "copy", "heapq", "bisect", "operator",
    "contextlib", "traceback", "textwrap", "threading", "subprocess", "shutil", "csv", "decimal",
    "fractions", "statistics", "base64", "hashlib", "struct", "glob", "argparse", "logging",
    "inspect", "urllib.parse", "queue", "signal", "socket", "concurrent.futures", "asyncio",
)


def preload():
    """Imports until a message comes; tells when all is loaded."""
    os.set_blocking(CONTROL, False)
    os.write(CONTROL, b"r")
    for name in PRELOAD:
        try:
            __import__(name)
        except ImportError:
            continue
        try:
            return os.read(CONTROL, 65536)
        except BlockingIOError:
            pass
    try:
        os.write(CONTROL, b"R")
    except BrokenPipeError:
        pass  # the message is there already, and the agent's end is closed behind it
    return b""


def receive(begun):
    """The whole message: a length of four bytes, then as much. Its first byte is its kind."""
    message = begun
    os.set_blocking(CONTROL, True)
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[:4], "little"):
        more = os.read(CONTROL, 65536)
        if not more:
            os._exit(0)
        message += more
    return message[4:5], message[5:]


def set_environment(block):
    os.environb.clear()
    for entry in block.split(b"\0")[:-1]:
        name, _, value = entry.partition(b"=")
        os.environb[name] = value


def reseed(seed):
    """What was seeded before this clone had random numbers of its own is seeded again."""
    random = sys.modules.get("random")
    if random is not None:
        random.seed(seed + os.urandom(32))


def add_user_site():
    """Packages that the user installed while this interpreter stood by."""
    import site

    path = site.getusersitepackages() if site.ENABLE_USER_SITE else None
    if path and path not in sys.path and os.path.isdir(path):
        site.addsitedir(path)


class Shadows:
    """Modules of the user's with the names of preloaded ones, which Python finds first: the folder
    of the script comes before its library."""

    def __init__(self, before):
        """Of the library's files, those that nothing but us has asked for yet."""
        self.loaded = {name: module for name, module in sys.modules.items()
                       if name not in before and (getattr(module, "__file__", None) or "").endswith(".py")}
        self.names = {name for name in self.loaded if "." not in name}
        self.library = os.path.dirname(os.__file__)
        self.is_first = True

    def find(self, folders):
        """The preloaded names that a folder before the library has."""
        found = set()
        for folder in folders:
            if folder == self.library:
                break
            try:
                entries = os.listdir(folder or ".")
            except OSError:
                continue
            for entry in entries:
                name, _, suffix = entry.partition(".")
                if name in self.names and (not suffix or suffix.endswith(("py", "pyc", "so"))):
                    found.add(name)
        return found

    def let(self, folders):
        """Nothing has been imported for the user before the first program: then a module of the
        library that needs one of these names gets the user's, too, as always. Later, only these are
        looked for again, unless they are in use."""
        found = self.find(folders)
        is_first, self.is_first = self.is_first, False
        if not found:
            return
        main = sys.modules["__main__"].__dict__
        used = [value for value in main.values() if type(value) is type(sys)]
        for name, module in list(self.loaded.items()):
            top = name.partition(".")[0]
            if not is_first and (top not in found or sys.modules.get(top) in used):
                continue
            if sys.modules.get(name) is module:
                del sys.modules[name]
            del self.loaded[name]
        self.names = {name for name in self.loaded if "." not in name}


def live_output():
    """Lines are told as they are printed, and no fork doubles what was printed before it."""
    stdout = sys.stdout
    stdout.reconfigure(line_buffering=True)

    def flush():
        try:
            stdout.flush()
        except Exception:
            pass

    os.register_at_fork(before=flush)


def let_last_words(script):
    """Python takes the main module apart name by name where it can't be collected as a whole, and
    what its classes and generators still say then misses them."""
    try:
        with open(script, "rb") as file:
            code = file.read()
    except OSError:
        return
    if b"__del__" in code or b"yield" in code:
        gc.unfreeze()


def load_part(here, name, given):
    """With builtins of its own: no name that the user changes is in them."""
    import builtins

    path = os.path.join(here, name)
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    names = {"__builtins__": dict(vars(builtins)), "__name__": name, **given}
    exec(code, names)
    return names


def load_session(here):
    """Each part has the functions of those before it."""
    given = {}
    for name in PARTS:
        part = load_part(here, name, given)
        own = {each: value for each, value in part.items() if getattr(value, "__globals__", None) is part}
        given.update(own)
        given["hide_all"](part)
    return given["begin"]


def wait():
    here = os.path.dirname(__file__)
    before = set(sys.modules)
    message = preload()
    begin_session = load_session(here)
    shadows = Shadows(before)
    # what is loaded by now lives as long as the interpreter: no collection need look at it
    gc.freeze()
    kind, message = receive(message)
    sys.path.remove(here)
    sys.path_importer_cache.pop(here, None)
    reseed(message[:SEED_SIZE])
    add_user_site()
    # the limit is against a caller's numbers in a server, and who runs code here is the caller
    sys.set_int_max_str_digits(0)
    kind = kind.lower()  # it has just been seeded
    if kind in (b"s", b"o", b"p"):
        del os.environ["PYTHONPATH"]

        def prepare(is_rehearsal):
            add_user_site()
            if is_rehearsal:
                shadows.find(sys.path)  # what an emulator has done once is faster then
            else:
                shadows.let(sys.path)

        begin_session(CONTROL, kind, message[SEED_SIZE:], prepare)
        return
    os.close(CONTROL)
    set_environment(message[SEED_SIZE:])
    shadows.let([".", *sys.path])
    let_last_words(sys.orig_argv[-1])
    if sys.stdout is not None:
        live_output()


def is_first():
    """Whether this is the interpreter that the agent started: later ones of its process have its path."""
    return os.path.dirname(__file__) in os.environ.get("PYTHONPATH", "").split(":")


def furnish():
    """Another interpreter of the same process has what it has without us."""
    sys.path.remove(os.path.dirname(__file__))
    if sys.version_info >= (3, 13):
        sys.path.insert(0, os.path.dirname(sys.orig_argv[-1]))
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)


if is_first():
    wait()
else:
    furnish()
# the one end that leaves no trace of this module: site takes it for one that does not exist
raise ImportError(name="sitecustomize")

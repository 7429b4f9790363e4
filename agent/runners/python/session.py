# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a session's execs, one after the other, in the global namespace of this interpreter.

Nothing here is in reach of the user's code. This module has builtins of its own, is not in
sys.modules, and holds what it needs, in C as far as the end of an exec depends on it: functions of
the standard library use the builtins that the user may have changed. Its frames are not seen, see
hide(). The user's code has no frame of anyone below it, for the loop is called where Python itself
looks at the path of its script: by C, with an empty stack.

A signal's handler of the user's may raise an exception at any place in here. So each step can be
done again, and is.
"""
import _random
import atexit
import concurrent.futures.thread
import errno
import fcntl
import gc
import importlib
import importlib.machinery
import linecache
import logging
import os
import sys
import threading
import tokenize
import types
from _socket import AF_UNIX, SOCK_STREAM
from _socket import socket as Socket
from posix import (O_RDONLY, O_WRONLY, _exit, chdir, close, closerange, fstat, getpid, putenv, read, unsetenv,
                   urandom, write)
from sys import getprofile, gettrace, setprofile, settrace
from time import tzset

SEED_SIZE = 32
CONTROL_ASIDE = 1000  # where no program expects a descriptor, below the usual limit of 1024
SOURCES_MAX = 8 << 20  # bytes of old execs' code that tracebacks can still show
TRIES_MAX = 100  # of a step that exceptions come into
GENERATORS_MAX = 8  # that modules named random had
ENVIRON = os.environ._data  # what os.environ and os.environb show
THREADS = threading._active  # ident -> Thread
SOURCES = linecache.cache
MAIN = sys.modules["__main__"]
NAMES = MAIN.__dict__
OWN_NAMES = globals()  # since Python 3.12 a hidden frame can't ask: the call fails
MODULES = sys.modules
invalidate_caches = importlib.invalidate_caches
CLASS_DICT = type.__dict__["__dict__"].__get__
SEED = _random.Random.seed
NOT_SEEDED = (b"berth: this interpreter's random numbers are another sandbox's too and can't be seeded "
              b"again: it is ended, and the session has a fresh one\n")
MONITORING = getattr(sys, "monitoring", None)  # since Python 3.12
TOOLS = 6  # that it may have
CONTROL_LOST = (b"berth: the program has closed a descriptor that its session needs (os.closerange?), and it can't "
                b"be had again: this interpreter ends, and the next exec has a fresh one\n")
CONNECT, DETACH = Socket.connect, Socket.detach
SUSPENDED = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)

sources = []  # (path, size) of what linecache holds
generators = []  # of the functions of the module random
mix_openssl = []  # ssl.RAND_add where it is loaded


class Session:
    """What changes from exec to exec."""
    control = -1
    inode = 0  # of it, by which it is told from what the user has put in its place
    comeback = b""
    pid = 0
    kind = b"s"
    token = b""
    seed = b""  # to be taken before the next exec; none: it has one
    prepare = None
    is_mended = False


def note_generators():
    """What is to be seeded again when this interpreter goes on in another VM: by now, for later no
    name of it may be the user's to give."""
    module = MODULES.get("random")
    generator = vars(module).get("_inst") if type(module) is types.ModuleType else None
    if issubclass(type(generator), _random.Random) and all(generator is not it for it in generators):
        generators.append(generator)
        del generators[:-GENERATORS_MAX]
    module = MODULES.get("_ssl")
    if not mix_openssl and type(module) is types.ModuleType:
        function = vars(module).get("RAND_add")
        if type(function) is types.BuiltinFunctionType and function.__name__ == "RAND_add":
            mix_openssl.append(function)


def reseed(seed):
    """The guest has had an identity since: what it shares with other clones is seeded again. Names of
    the user's are not asked for it, and the generators that a program made itself stay."""
    note_generators()
    for generator in generators:
        SEED(generator, int.from_bytes(seed + urandom(SEED_SIZE), "little"))
        object.__setattr__(generator, "gauss_next", None)
    for mix in mix_openssl:
        mix(seed + urandom(SEED_SIZE), float(SEED_SIZE))


def take_seed():
    """No code runs with another VM's numbers: rather none does."""
    for _ in range(TRIES_MAX):
        try:
            if Session.seed:
                reseed(Session.seed)
            Session.seed = b""
            return
        except BaseException:
            continue
    write(2, NOT_SEEDED)
    _exit(1)


def receive():
    """The next message: a length of four bytes, then as much."""
    message = b""
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[:4], "little"):
        try:
            piece = read(Session.control, 1 << 16)
        except OSError as error:
            if error.errno != errno.EBADF:
                continue
            piece = b""
        except BaseException:
            continue
        if not piece:
            _exit(0)
        message += piece
    Session.kind = message[4:5].lower()
    if message[4:5] != Session.kind:
        Session.seed = message[5:5 + SEED_SIZE]
    return message[5 + SEED_SIZE:]


def has_control():
    return fstat(Session.control).st_ino == Session.inode


def tell(kind, status=0):
    try:
        if has_control():
            write(Session.control, kind + Session.token + bytes((status,)))
            return
    except OSError:
        pass
    # the user's code has closed it; who asks for this process's status gets the right one
    if kind == b"d":
        _exit(status)


def text_of(path):
    return path.decode("utf-8", "surrogateescape")


def parse(message):
    stdin, stdout, stderr, script, folder, Session.comeback, rest = message[4:].split(b"\0", 6)
    size = 4 + int.from_bytes(rest[:4], "little")
    env = dict(entry.split(b"=", 1) for entry in rest[4:size].split(b"\0")[:-1])
    return message[:4], [stdin, stdout, stderr], text_of(script), folder, env, rest[size:]


def set_environment(env):
    """Sets these, drops those that are None; returns what undoes it."""
    before = {}
    for name, value in env.items():
        before[name] = ENVIRON.get(name)
        if value is None:
            ENVIRON.pop(name, None)
            unsetenv(name)
        else:
            ENVIRON[name] = value
            putenv(name, value)
    if b"TZ" in env:
        tzset()
    return before


def read_lines(code):
    """As linecache has the lines of a file: in the encoding that it declares, ended by what ends a
    line of Python, and all ended."""
    encoding = "utf-8"
    if b"coding" in code:  # or none is declared, and looking for it takes its time
        try:
            encoding = tokenize.detect_encoding(iter(code.splitlines(True)).__next__)[0]
        except (SyntaxError, StopIteration):
            pass
    text = code.decode(encoding, "replace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return [line + "\n" for line in lines]


def remember(path, code):
    """Lets tracebacks show the lines of functions whose exec is over."""
    SOURCES[path] = (len(code), None, read_lines(code), path)
    sources.append((path, len(code)))
    while sum(size for _, size in sources) > SOURCES_MAX:
        SOURCES.pop(sources.pop(0)[0], None)


def can_leave(path, code):
    """Whether Python itself would run the same, from the file."""
    if Session.kind != b"o":
        return False
    try:
        with open(path, "rb") as file:
            return file.read() == code
    except OSError:
        return False


def stop_watching():
    """Returns what the user's tools watch; what is no code of the user's is not watched."""
    watching = (gettrace(), getprofile(), [])
    # or an audit hook would hear of it
    if watching[0] is not None:
        settrace(None)
    if watching[1] is not None:
        setprofile(None)
    for tool in range(TOOLS if MONITORING else 0):
        if MONITORING.get_tool(tool) is not None and MONITORING.get_events(tool):
            watching[2].append((tool, MONITORING.get_events(tool)))
            MONITORING.set_events(tool, 0)
    return watching


def watch(tracer, profiler, tools):
    for tool, events in tools:
        MONITORING.set_events(tool, events)
    if tracer is not None:
        settrace(tracer)
    if profiler is not None:
        setprofile(profiler)


def trace_of(error):
    """Without our frames"""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals is OWN_NAMES:
        trace = trace.tb_next
    return trace


def run(path, code):
    """The program's status; None: Python itself has to run it, for it tells more of what it finds in
    a file, and faulthandler tells of frames that nothing else sees."""
    try:
        if b"faulthandler" in code and can_leave(path, code):
            return None
        program = compile(code, path, "exec", dont_inherit=True)
    except BaseException as error:
        return None if can_leave(path, code) else uncaught(error, trace_of(error))
    try:
        exec(program, NAMES)
        return 0
    except BaseException as error:
        return uncaught(error, trace_of(error))


def end_child(status):
    """A fork of the user's has come to the end of the code: it ends as a script does."""
    attempt(end_threads)
    _exit(finish_streams(status))


def after_fork():
    if attempt(has_control):
        attempt(close, Session.control)
    Session.control = -1


def set_names(path):
    sys.argv = [path]
    NAMES["__name__"] = "__main__"
    NAMES["__file__"] = path


def repeat(step, *arguments):
    """Until nothing comes between."""
    for _ in range(TRIES_MAX):
        try:
            return step(*arguments)
        except BaseException:
            if getpid() != Session.pid:
                _exit(1)
    _exit(1)


def begin_exec(work, paths, models):
    flush()
    keep_streams()
    while paths:
        fd = 3 - len(paths)
        redirect(fd, paths[0], O_RDONLY if fd == 0 else O_WRONLY)
        del paths[0]
    take_seed()
    tell(b"o")
    path, code = work
    set_streams(models)
    find_late_threads()
    set_names(path)
    attempt(remember, path, code)


def note_origins(path):
    if Session.kind == b"s":
        if not Session.is_mended:
            mend_inspect(hide_code)
            Session.is_mended = True
        note_classes(path)


def take_control(fd):
    """Out of the way of programs."""
    Session.inode = fstat(fd).st_ino
    try:
        Session.control = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, CONTROL_ASIDE)
    except (OSError, ValueError):  # the user's limit is lower
        Session.control = fd
    else:
        close(fd)


def mend_control():
    """The agent knows this process, and where."""
    if attempt(has_control):
        return
    try:
        socket = Socket(AF_UNIX, SOCK_STREAM)
        CONNECT(socket, b"\0" + Session.comeback)
        take_control(DETACH(socket))
    except OSError:
        Session.control = -1  # what is there is the user's
        attempt(write, 2, CONTROL_LOST)


def end_exec(status, path):
    flush()
    mend_control()
    leave_streams()
    attempt(note_generators)
    attempt(note_origins, path)
    if Session.kind == b"p":
        gc.collect()
        gc.freeze()  # what is here before the program is looked at by no collection of its
    tell(b"d", status)


def has_last_words():
    """Whether something that the program made may run code of its own when it goes."""
    for each in gc.get_objects():
        kind = type(each)
        if kind in SUSPENDED or (issubclass(kind, type) and "__del__" in CLASS_DICT(each)):
            return True
    return False


def drop_names():
    """At Python's end the main module goes as a whole: what has last words finds every name in its
    place. For that its names are looked at, too, which were here before the program; else they go
    one by one, which costs less."""
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, name, getattr(sys, f"__{name}__", None))
    if attempt(has_last_words):
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            sys.__dict__.pop(name, None)
        MODULES["__main__"] = None
        del OWN_NAMES["MAIN"], OWN_NAMES["NAMES"]
        gc.unfreeze()
    else:
        for name in list(NAMES):
            if name != "__builtins__":
                NAMES[name] = None
    gc.collect()


def count_ends():
    """What threading, atexit and what they call would find to do at the end."""
    return (threading._shutdown, len(THREADS), len(threading._threading_atexits),
            atexit._ncallbacks(), len(logging._handlerList))


def stop_main_thread():
    """From here on it is seen as ended: by a field of its own, since Python 3.13 by its handle."""
    handle = getattr(threading._main_thread, "_handle", None)
    if handle is None:
        threading._main_thread._is_stopped = True
    else:
        handle._set_done()


def end_threads():
    """Most programs leave nothing for it: looking costs an emulator 10 ms less than going through
    it, which is a fifth of a short run (measured)."""
    own = MODULES.get("threading", threading)  # the user's may have come before it
    if own is threading and attempt(count_ends) == NO_ENDS:
        stop_main_thread()
        concurrent.futures.thread._shutdown = True
        return
    if own is not threading:
        attempt(lambda: own._shutdown())
    try:
        threading._shutdown()
    except BaseException as error:
        attempt(tell_ignored, error, "Exception ignored on threading shutdown", threading)
    attempt(atexit._run_exitfuncs)


def end_once(status):
    """What a script does at its end, in Python's order. Nothing comes after it: the rest of the
    interpreter is left to the kernel."""
    attempt(end_threads)
    status = finish_streams(status)
    for step in (flush, drop_names, flush):
        attempt(step)
    # who waits for the end of the streams need not wait for that of the process
    attempt(closerange, 1, 3)
    tell(b"d", status)
    _exit(status)


NO_ENDS = count_ends()


def add_paths(env):
    extra = [path for path in text_of(env.get(b"PYTHONPATH", b"")).split(":") if path]
    sys.path[1:1] = extra
    return extra


def drop_paths(extra):
    for path in extra or ():
        sys.path.remove(path)


def loop(message, models):
    """Returns when Python itself has to run the script."""
    watching = (None, None, ())
    while True:
        Session.token, paths, path, folder, env, code = repeat(parse, message)
        repeat(begin_exec, (path, code), paths, models)
        before = repeat(set_environment, env)
        if folder:
            attempt(chdir, folder)
        extra = attempt(add_paths, env)
        attempt(Session.prepare, Session.kind == b"p")
        attempt(invalidate_caches)
        watch(*watching)
        status = run(path, code)
        watching = stop_watching()
        if getpid() != Session.pid:
            end_child(status)
        if status is None:
            close(Session.control)
            return
        if Session.kind == b"o":
            end_once(status)
        status = finish_streams(status)
        attempt(drop_paths, extra)
        repeat(set_environment, before)
        repeat(end_exec, status, path)
        del paths, path, folder, code, env, before, extra
        message = repeat(receive)


def begin(control, kind, message, prepare):
    """Arranges that the loop is entered when Python's own start is over."""
    script = text_of(message[4:].split(b"\0", 4)[3])
    models = (sys.stdin, sys.stdout, sys.stderr)
    take_control(control)
    Session.pid = getpid()
    Session.kind = kind
    Session.prepare = prepare
    note_generators()
    os.register_at_fork(before=flush, after_in_child=after_fork)

    def enter(path):
        if path != script:
            raise ImportError(path)
        sys.path_hooks.remove(enter)
        sys.path.insert(0, os.path.dirname(script))
        loader = NAMES["__loader__"]
        NAMES["__cached__"] = None
        NAMES["__loader__"] = importlib.machinery.SourceFileLoader("__main__", script)
        loop(message, models)
        del sys.path[0], NAMES["__cached__"], NAMES["__file__"]
        NAMES["__loader__"] = loader
        # no importer: it looks no further, for it counted the hooks before this one took itself away
        return None

    sys.path_hooks.insert(0, enter)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""The standard streams of a session's execs: the same objects for all, on other pipes each time."""
import codecs
import concurrent.futures.thread
import errno
import sys
import threading
from _io import BufferedReader, FileIO, TextIOWrapper
from _io import BufferedWriter as _BufferedWriter
from _thread import get_ident
from posix import O_CLOEXEC, O_RDONLY, O_WRONLY, close, dup2, set_inheritable
from posix import open as open_path
from sys import _current_frames

KEPT_MAX = 64  # streams that earlier execs put in the place of ours
THREADS = threading._active  # ident -> Thread
HAS_IGNORED_TEXT = sys.version_info >= (3, 13)
FLUSH_FAILED = f"Exception ignored {'while' if sys.version_info >= (3, 14) else 'on'} flushing sys.stdout"
STATUS_LOST = 120  # of Python, when it can't write what is still to be written
PRINT_UNRAISABLE = sys.__unraisablehook__
POOL_WORKER = concurrent.futures.thread._worker.__code__
CODECS = vars(codecs)
CODECS_BEFORE = dict(CODECS)
NONE = object()

late = {}  # threads of earlier execs: ident -> Thread or None
kept = []  # the user's streams: one that is let go closes what it stands on, the descriptor, too


class Streams:
    """Ours; None: there has to be a new one."""
    stdin = stdout = stderr = None


def is_late():
    ident = get_ident()
    # another thread may have got the number of one that is gone
    return ident in late and THREADS.get(ident) is late[ident]


class BufferedWriter(_BufferedWriter):
    """Drops what a thread of an earlier exec writes while a later one runs."""
    __slots__ = ()
    __module__ = "_io"

    @hide
    def write(self, data, take=_BufferedWriter.write):
        if late and is_late():
            return memoryview(data).nbytes
        return take(self, data)


def find_late_threads():
    late.clear()
    main = get_ident()
    for ident, frame in _current_frames().items():
        # a worker of a pool that has nothing to do works for whoever asks it next
        if ident != main and frame.f_code is not POOL_WORKER:
            late[ident] = THREADS.get(ident)


def make_output(fd, name, model, errors):
    raw = FileIO(fd, "wb", closefd=False)
    raw.name = name
    # through, so that two threads' unfinished lines are never in one buffer
    stream = TextIOWrapper(BufferedWriter(raw), model.encoding, errors, "\n", line_buffering=True,
                           write_through=True)
    stream.mode = "w"
    return stream


def make_input(model):
    raw = FileIO(0, "rb", closefd=False)
    raw.name = "<stdin>"
    # Python ends the lines of its standard streams at "\n" alone
    stream = TextIOWrapper(BufferedReader(raw), model.encoding, model.errors, "\n")
    stream.mode = "r"
    return stream


def decode_by_ours(make, *arguments):
    """Makes a stream, whose codec is Python code that uses names of this module's."""
    theirs = {name: CODECS.get(name, NONE) for name, value in CODECS_BEFORE.items()
              if CODECS.get(name, NONE) is not value}
    for name in theirs:
        CODECS[name] = CODECS_BEFORE[name]
    try:
        return make(*arguments)
    finally:
        for name, value in theirs.items():
            if value is NONE:
                CODECS.pop(name, None)
            else:
                CODECS[name] = value


def is_usable(stream):
    try:
        return stream is not None and not stream.closed and stream.buffer is not None
    except BaseException:
        return False


def keep_streams():
    """What stands in the place of one of ours may be made of it: it gets a new one in its place,
    and lives on, for a logger may have it. The descriptors are not the next exec's yet: it may
    close them."""
    for name in ("stdin", "stdout", "stderr"):
        left = getattr(sys, name, None)
        if left is not getattr(Streams, name):
            kept.append(left)
            setattr(Streams, name, None)
            setattr(sys, name, None)
    del kept[:-KEPT_MAX]


def set_streams(models):
    """The same objects again where they live: a logger of an earlier exec has them."""
    if not is_usable(Streams.stdout):
        Streams.stdout = decode_by_ours(make_output, 1, "<stdout>", models[1], models[1].errors)
    if not is_usable(Streams.stderr):
        Streams.stderr = decode_by_ours(make_output, 2, "<stderr>", models[2], "backslashreplace")
    Streams.stdin = decode_by_ours(make_input, models[0])
    sys.stdin = sys.__stdin__ = Streams.stdin
    sys.stdout = sys.__stdout__ = Streams.stdout
    sys.stderr = sys.__stderr__ = Streams.stderr


def flush():
    for name in ("stdout", "stderr"):
        attempt(lambda: getattr(sys, name).flush())
        attempt(lambda: getattr(Streams, name).flush())


def find_unraisable():
    """The type of what Python calls its hook with, which has no name in reach."""
    class Last:
        def __del__(self):
            raise ValueError

    found, hook = [], sys.unraisablehook
    sys.unraisablehook = found.append
    Last()
    sys.unraisablehook = hook
    return type(found[0])


def tell_ignored(error, text, what):
    """In Python's words, which are not those of every version."""
    if not HAS_IGNORED_TEXT:
        text = None
    told = (type(error), error, error.__traceback__, text, None if text else what)
    attempt(getattr(sys, "unraisablehook", None) or PRINT_UNRAISABLE, find_unraisable()(told))


def is_flushed(name, text=None):
    stream = getattr(sys, name, None)
    if stream is None or attempt(lambda: bool(stream.closed)):
        return True
    try:
        stream.flush()
        return True
    except BaseException as error:
        if text:
            attempt(tell_ignored, error, text, stream)
        return False


def finish_streams(status):
    """At the end of the code, whose status is another one when its last words are lost."""
    is_whole = is_flushed("stdout", FLUSH_FAILED)
    return status if is_flushed("stderr") and is_whole else STATUS_LOST


def redirect(fd, path, flags):
    try:
        new = open_path(path, flags | O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        # the program has left itself no more than what is open: its place is the only one
        attempt(close, fd)
        new = open_path(path, flags | O_CLOEXEC)
    if new == fd:
        set_inheritable(fd, True)
    else:
        dup2(new, fd)
        close(new)


def leave_streams():
    """Between execs: what a thread writes is nobody's."""
    for fd, flags in ((0, O_RDONLY), (1, O_WRONLY), (2, O_WRONLY)):
        try:
            redirect(fd, "/dev/null", flags)
        except OSError:  # none may be open: redirect() has closed it
            pass

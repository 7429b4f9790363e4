# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is told of an error that the code of a session's exec has not caught."""
import sys
import traceback
from _io import StringIO

SUGGESTION = ". Did you mean: "
HAS_LAST_EXC = sys.version_info >= (3, 12)
PRINT_ERROR = sys.__excepthook__
NONE = object()


def exit_status(value):
    """As Python itself does with what sys.exit() was called with."""
    if value is None:
        return 0
    if isinstance(value, int):
        # of what a long of C holds; -1 is what Python makes of any other number
        return value & 0xff if -(1 << 63) <= value < 1 << 63 else 0xff
    flush()
    attempt(lambda: print(value, end="", file=sys.stderr))
    attempt(lambda: print(file=sys.stderr, flush=True))
    return 1


def find_misnamed(error):
    """Of this error and those that it came of, what the interpreter itself raised about a name."""
    found, seen, left = [], set(), [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if type(each) in (NameError, AttributeError) and type(each.name) is str:
            found.append(each)
        left += (each.__cause__, each.__context__)
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions
    return found


def print_alone(error):
    """What C prints of it without those that it came of."""
    cause, context, is_hidden = error.__cause__, error.__context__, error.__suppress_context__
    stderr, sys.stderr = sys.stderr, StringIO()
    try:
        error.__cause__ = error.__context__ = None
        PRINT_ERROR(type(error), error, None)
        return sys.stderr.getvalue()
    finally:
        sys.stderr = stderr
        error.__cause__, error.__context__ = cause, context
        error.__suppress_context__ = is_hidden


def suggest(text, error):
    """With what Python offers for a name that is not there: before 3.12 what prints in C knows it,
    and the traceback module does not; what prints in C has not the lines of old execs. Only it is
    printed twice: it is no code of the user's that makes its text."""
    told = []
    for each in find_misnamed(error):
        told += print_alone(each).split("\n")
    for line in told:
        plain, mark, _ = line.rpartition(SUGGESTION)
        if mark and "\n" + plain + "\n" in text:
            text = text.replace("\n" + plain + "\n", "\n" + line + "\n", 1)
    return text


def show(kind, error, trace):
    hook = getattr(sys, "excepthook", NONE)
    if hook is NONE:
        attempt(lambda: print("sys.excepthook is missing", file=sys.stderr))
    elif hook is not PRINT_ERROR:
        hook(kind, error, trace)
        return
    # what prints in C shows the innermost frames, the traceback module the outermost
    limit = getattr(sys, "tracebacklimit", None)
    limit = -limit if isinstance(limit, int) and limit > 0 else None
    try:
        text = "".join(traceback.TracebackException(kind, error, trace, limit=limit,
                                                    compact=True).format())
        if not HAS_LAST_EXC:
            text = suggest(text, error)
        sys.stderr.write(text)
    except BaseException:
        PRINT_ERROR(kind, error, trace)
    attempt(lambda: sys.stderr.flush())


def uncaught(error, trace):
    """What Python does at the end of a script that has not caught this, and that sees this of it; its
    status."""
    if isinstance(error, SystemExit):
        return exit_status(error.code)
    error.__traceback__ = trace
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    if HAS_LAST_EXC:
        sys.last_exc = error
    try:
        flush()
        show(type(error), error, trace)
    except SystemExit as end:
        return exit_status(end.code)
    except BaseException as other:
        other.__context__ = None
        attempt(lambda: print("Error in sys.excepthook:", file=sys.stderr))
        attempt(PRINT_ERROR, type(other), other, other.__traceback__)
        attempt(lambda: print("\nOriginal exception was:", file=sys.stderr))
        attempt(PRINT_ERROR, type(error), error, trace)
    return 130 if type(error) is KeyboardInterrupt else 1

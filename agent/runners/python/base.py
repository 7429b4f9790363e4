# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the other parts stand on. Each part has names of its own and the functions of the parts before it, see
sitecustomize.py."""
import opcode
import types

RESUME = bytes((opcode.opmap["RESUME"], 0))  # at the start of a function
CO_GENERATOR = 0x20


def hide_code(code):
    """Takes the mark out of it behind which a frame counts as begun: tracebacks, the inspect module,
    warnings and f_back leave it out then, as they do with a frame that is being made."""
    if type(code) is not types.CodeType or code.co_flags & CO_GENERATOR:
        return code  # a generator's counts always
    text = bytearray(code.co_code)
    at = text.find(RESUME)
    while at >= 0 and at % 2:
        at = text.find(RESUME, at + 1)
    if at >= 0:
        text[at] = opcode.opmap["NOP"]
    return code.replace(co_code=bytes(text), co_consts=tuple(map(hide_code, code.co_consts)))


def hide(function):
    """No frame of it is seen."""
    function.__code__ = hide_code(function.__code__)
    return function


def attempt(step, *arguments):
    """Does what an exec can do without."""
    try:
        return step(*arguments)
    except BaseException:
        return None


def hide_all(names):
    for value in list(names.values()):
        if type(value) is types.FunctionType and value.__globals__ is names:
            hide(value)

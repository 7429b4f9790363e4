# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the classes of a session's execs were defined. A function knows its file; of a class, the
inspect module takes that of its module, and the main module's is the present exec's.

The function that looks for it stays what it is, with other code: it asks here first. Like
session.py, nothing here is in sys.modules or has builtins of the user's."""
import sys
import types
from _weakref import ref

MODULES = sys.modules
CLASS_DICT = type.__dict__["__dict__"].__get__
QUALNAME = type.__dict__["__qualname__"].__get__
DEPTH_MAX = 8  # of classes in classes

known = {}  # id -> (reference, path)


def main_names():
    """Not held: a run's end takes the module apart."""
    main = MODULES.get("__main__")
    return vars(main) if type(main) is types.ModuleType else {}


def is_of_main(value):
    return issubclass(type(value), type) and CLASS_DICT(value).get("__module__") == "__main__"


def forget(reference):
    for number, (other, _) in list(known.items()):
        if other is reference:
            del known[number]


def note_in(names, path, depth):
    for value in list(names.values()):
        if is_of_main(value) and id(value) not in known:
            known[id(value)] = (ref(value, forget), path)
            if depth > 0:
                note_in(CLASS_DICT(value), path, depth - 1)


def note_classes(path):
    """Those that are new since the exec of this path began."""
    note_in(main_names(), path, DEPTH_MAX)


def path_of_function(value):
    value = getattr(value, "__func__", value)
    return value.__code__.co_filename if type(value) is types.FunctionType else None


def find_by_methods(value, qualname):
    """A method of its own tells its file; what has another name was defined elsewhere."""
    for method in list(CLASS_DICT(value).values()):
        path = path_of_function(method)
        if path and path[:1] == "/" and method.__qualname__.startswith(qualname + "."):
            return path
    return None


def find(value):
    """The path of its exec; None: it is no class of an exec's."""
    if not is_of_main(value):
        return None
    qualname = QUALNAME(value)
    path = find_by_methods(value, qualname)
    head = qualname.partition(".<locals>")
    if path is None and head[1]:  # made by a function, when that is called
        path = path_of_function(main_names().get(head[0]))
    return path or known.get(id(value), (None, None))[1]


def mend_inspect(hide_code):
    """Gives inspect.getfile() its other code."""
    module = MODULES.get("inspect")
    getfile = vars(module).get("getfile") if type(module) is types.ModuleType else None
    if type(getfile) is not types.FunctionType or getfile.__code__.co_argcount != 1:
        return
    before = getfile.__code__
    other = types.FunctionType(before, getfile.__globals__)

    def getfile_of_session(object):
        look = "look"
        rest = "rest"
        return look(object) or rest(object)

    code = hide_code(getfile_of_session.__code__)
    stand_ins = {"look": find, "rest": other}
    consts = tuple(stand_ins.get(each, each) for each in code.co_consts)
    getfile.__code__ = code.replace(co_consts=consts, co_name=before.co_name, co_filename=before.co_filename,
                                    co_qualname=before.co_qualname, co_varnames=("object", "look", "rest"),
                                    co_firstlineno=before.co_firstlineno)

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every error that asks for the same request again stands in the file `errors`, with the reason why
that helps: a new one, or one whose code or words have changed, fails in lint.py until somebody has
decided that. What has another code asks for no retry (pool/berth-error.h), and is not listed.

    errors.py ROOT   writes the list anew, with the reasons that it has; what nothing makes goes
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
LIST = HERE / "errors"
TOKEN = re.compile(r"\bBERTH_ERROR_([A-Z_]+)\b")
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
SHOWN_MAX = 90  # characters of a message, which is the name of an error here
# the codes whose advice is to ask for the same again (pool/berth-error.c: WAIT and RETRY)
RETRYABLE = ("NO_CAPACITY", "WAIT_TIMED_OUT", "QUEUE_FULL", "SHUTTING_DOWN", "UNAVAILABLE",
             "START_TIMED_OUT")


def blank_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*(?=\n)", "", text, flags=re.S)


def enclosing(text, at):
    """Where the innermost parenthesis around `at` begins, and the name in front of it."""
    depth = 0
    for i in range(at - 1, -1, -1):
        if text[i] in ";{}":
            break
        depth += (text[i] == ")") - (text[i] == "(")
        if depth < 0:
            return i, re.search(r"(\w*)\s*$", text[:i])[1]
    return None, ""


def closing(text, begin):
    depth = 0
    for i in range(begin, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth == 0:
            return i
    return len(text)


def message(text, found):
    begin, _ = enclosing(text, found.start())
    end = closing(text, begin) if begin is not None else text.index(";", found.end())
    words = "".join(STRING.findall(text[found.end():end]))
    if not words:  # a table's row, a return: its own line
        line = text[text.rfind("\n", 0, found.start()) + 1:text.find("\n", found.end())]
        words = "= " + " ".join(line.split())
    return words[:SHOWN_MAX]


def makes(text, found):
    before = text[:found.start()].rstrip()
    if found[1] == "LAST" or before.endswith(("==", "!=")) or re.search(r"\bcase$", before):
        return False
    return enclosing(text, found.start())[1] != "g_error_matches"


def find_errors(root):
    found = set()
    for folder in ("plugin", "pool"):
        for path in sorted((root / folder).rglob("*.c")):
            if path.name == "berth-error.c":
                continue
            text = blank_comments(path.read_text())
            found |= {(token[1], f"{path.relative_to(root).as_posix()}: {message(text, token)}")
                      for token in TOKEN.finditer(text)
                      if token[1] in RETRYABLE and makes(text, token)}
    return found


def read_list():
    """(code, error) → why to ask again helps"""
    lines = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    return {(code, error): why for code, error, why in
            ((line.split("\t") + [""])[:3] for line in lines)}


def write_list(root):
    head = [line for line in LIST.read_text().splitlines() if line.startswith("#")]
    listed = read_list()
    rows = ["\t".join((*key, listed.get(key, ""))).rstrip("\t") for key in sorted(find_errors(root))]
    LIST.write_text("\n".join(head + rows) + "\n")


def find_wrong(root):
    """What is undecided, a line each"""
    found, listed = find_errors(pathlib.Path(root)), read_list()
    wrong = [f"{code} {error}: would it help to ask for the same again? Else it has another code. If it "
             "would, run 'tests/lint/errors.py .' and say in tests/lint/errors, behind a TAB, why"
             for code, error in sorted(found) if not listed.get((code, error))]
    blind = sorted(set(RETRYABLE) - {code for code, _ in found})
    return wrong + [f"no error of code {code} is found any more: see errors.py" for code in blind]


if __name__ == "__main__":
    write_list(pathlib.Path(sys.argv[1]))

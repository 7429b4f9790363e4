#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rooms are told three times: lint.py holds them, plugin/README.md has a table and a picture of
them, and each has a README.md of its own. All of that agrees (TAP).

Each example of bad-rooms/ breaks one of the rules here and no other, and is called by it, as those
of bad/ are by lint.py's; its rooms are EXAMPLE.
"""
import functools
import importlib.util
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
BAD = os.path.join(HERE, "bad-rooms")
# what a room may include, as the bad examples have it; "low" is outside, as pool and agent are
EXAMPLE = {"high": {"middle", "low"}, "middle": {"low"}}
# rooms without code that lint.py holds, or with tests alone
MORE_ROOMS = ("agent/runners", "images", "domain-templates", "packaging", "tests", "tests/agent",
              "tests/cli", "tests/guests", "tests/host", "tests/libberth", "tests/lint", "tests/manager",
              "tests/plugin", "tests/pool", "tests/template")
NODE = re.compile(r"(\w+)\[[^\[\]]+\]")
ARROW = re.compile(r"(\w+(?: & \w+)*) --> (\w+(?: & \w+)*)")
FRAME = re.compile(r"flowchart TD|subgraph \w+ \[[^\[\]]+\]|end")
FILE = re.compile(r"(?<![\w./*-])(?!Node\.js)\w[\w./-]*\.(?:c|h|py|js|xml|rng|in|txt|md|map|socket)\b")
TYPE = re.compile(r"`(Berth[A-Z]\w*)`")


def load_rooms():
    spec = importlib.util.spec_from_file_location("lint", os.path.join(HERE, "lint.py"))
    lint = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lint)
    return lint.ROOMS


def short(path):
    return "agent" if path.startswith("agent/") else path.removeprefix("plugin/").rstrip("/")


def called_by(name):
    return re.split(r"--|\.", name)[0]


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as text:
        return text.read()


def check_table(allowed, page):
    rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \| [^|]+ \|$", page, re.M)
    told = {room: set(below.split(", ")) for room, below in rows if room != "room"}
    for room in sorted(allowed.keys() | told.keys()):
        if allowed.get(room) != told.get(room):
            yield "%s: lint.py lets it include %s, the table says %s" % (
                room, allowed.get(room), told.get(room))


def draw(page):
    """The picture's rooms, its arrows, and its lines that are neither."""
    block = re.search(r"^```mermaid\n(.*?)^```$", page, re.M | re.S)
    rooms, arrows, odd = set(), set(), []
    for line in (block[1] if block else "no picture").splitlines():
        line = line.strip()
        node, arrow = NODE.fullmatch(line), ARROW.fullmatch(line)
        if node:
            rooms.add(node[1])
        elif arrow:
            arrows |= {(above, below) for above in arrow[1].split(" & ")
                       for below in arrow[2].split(" & ")}
        elif not FRAME.fullmatch(line):
            odd.append(line)
    return rooms, arrows, odd


def find_below(room, arrows):
    found, ahead = set(), [room]
    while ahead:
        here = ahead.pop()
        new = {below for above, below in arrows if above == here} - found
        found |= new
        ahead += new
    return found


def check_picture_line(allowed, page):
    yield from ("the picture has a line that is no room and no arrow: %s" % line
                for line in draw(page)[2])


def check_picture_room(allowed, page):
    every = allowed.keys() | set().union(*allowed.values())
    rooms = draw(page)[0]
    yield from ("the picture lacks %s" % room for room in sorted(every - rooms))
    yield from ("the picture has %s, which is no room" % room for room in sorted(rooms - every))


def check_picture_arrow(allowed, page):
    for above, below in sorted(draw(page)[1]):
        if below not in allowed.get(above, ()):
            yield "the picture draws %s --> %s, which lint.py does not allow" % (above, below)


def check_picture_way(allowed, page):
    arrows = draw(page)[1]
    for room in sorted(allowed):
        for below in sorted(allowed[room] - find_below(room, arrows)):
            yield "%s may include %s, and the picture has no way there: add %s --> %s" % (
                room, below, room, below)


PAGE_RULES = {
    "table": check_table,
    "picture-line": check_picture_line,
    "picture-room": check_picture_room,
    "picture-arrow": check_picture_arrow,
    "picture-way": check_picture_way,
}


def check_readme(folder):
    """A room's README.md; what it says is there, is there."""
    if not os.path.exists(os.path.join(ROOT, folder, "README.md")):
        yield ("%s has no README.md: ten lines as those of plugin/model/README.md, what lives here, what to "
               "read first, which types others use, what it must never do, where its tests are" % folder)
        return
    text = read(folder, "README.md")
    for name in sorted(set(FILE.findall(text))):
        if not any(os.path.exists(os.path.join(ROOT, base, name)) for base in (folder, "")):
            yield "%s/README.md names %s, which is not there" % (folder, name)
    for name in sorted(set(TYPE.findall(text)) - known_types()):
        yield "%s/README.md names %s, which no header has" % (folder, name)


@functools.lru_cache
def known_types():
    return {name for folder in ("agent", "pool", "plugin", "tests")
            for place, _, files in os.walk(os.path.join(ROOT, folder))
            for file in files if file.endswith(".h")
            for name in re.findall(r"\bBerth[A-Z]\w*", read(place, file))}


def find_bad(name):
    """The rules that an example breaks: a folder is a room, a file the page of all."""
    if os.path.isdir(os.path.join(BAD, name)):
        return {"readme"} if list(check_readme(os.path.join(BAD, name))) else set()
    return {rule for rule, check in PAGE_RULES.items() if list(check(EXAMPLE, read(BAD, name)))}


def main():
    rooms = load_rooms()
    allowed = {short(room): {short(path) for path in below} - {short(room)}
               for room, (below, _) in rooms.items() if re.fullmatch(r"plugin/\w+/", room)}
    page = read("plugin", "README.md")
    results = [(rule, list(check(allowed, page))) for rule, check in PAGE_RULES.items()]
    results.append(("readme", [wrong for folder in (*rooms, *MORE_ROOMS)
                               for wrong in check_readme(folder.rstrip("/"))]))
    examples = sorted(os.listdir(BAD))
    for name in examples:
        wanted, found = {called_by(name)}, find_bad(name)
        results.append((name, [] if found == wanted else ["found: %s" % sorted(found)]))
    missing = {*PAGE_RULES, "readme"} - {called_by(name) for name in examples}
    results.append(("a bad example for every rule", sorted(missing)))
    print("1..%d" % len(results))
    for number, (name, wrong) in enumerate(results, 1):
        for text in wrong:
            print("# " + text)
        print("%s %d - %s" % ("not ok" if wrong else "ok", number, name))
    return any(wrong for _, wrong in results)


if __name__ == "__main__":
    sys.exit(main())

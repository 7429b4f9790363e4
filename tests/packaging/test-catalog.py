#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every event of berthd has its text for journalctl -x, and each field that a text names is one that
events bring. One argument: the source tree."""

import os
import re
import sys

TOP = sys.argv[1]


def text(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def entries():
    """Of the catalogue: number -> text."""
    parts = re.split(r"^-- ([0-9a-f]{32})$", text("packaging", "systemd", "berth.catalog"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_event_is_explained():
    numbers = re.findall(r'^#define BERTH_EVENT_\w+ "([0-9a-f]{32})"$',
                         text("plugin", "base", "berth-event.h"), re.M)
    assert len(numbers) >= 10 and len(set(numbers)) == len(numbers), numbers
    assert sorted(numbers) == sorted(entries()), set(numbers) ^ set(entries())


def test_entries_are_whole():
    for number, entry in entries().items():
        head, _, body = entry.partition("\n\n")
        assert re.match(r"\nSubject: \S.*\nDefined-By: berth\nDocumentation: man:", head), (number, head)
        assert len(body.strip()) > 20, number


def test_fields_exist():
    known = set(re.findall(r'fields_add \(&fields, "(\w+)"', text("plugin", "base", "berth-event.c")))
    named = set(re.findall(r"@(\w+)@", text("packaging", "systemd", "berth.catalog")))
    assert named and named <= known, named - known


TESTS = [test_every_event_is_explained, test_entries_are_whole, test_fields_exist]
print(f"1..{len(TESTS)}")
FAILED = 0
for NUMBER, TEST in enumerate(TESTS, 1):
    try:
        TEST()
        print(f"ok {NUMBER} {TEST.__name__}")
    except Exception as error:  # pylint: disable=broad-except
        FAILED = 1
        print(f"not ok {NUMBER} {TEST.__name__}: {error}")
sys.exit(FAILED)

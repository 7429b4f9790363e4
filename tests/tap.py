# SPDX-License-Identifier: LGPL-2.1-or-later
"""What runs a program of plain test functions, and tells of each in TAP."""


def run(tests):
    """Those of globals() that are named test_...; the exit status"""
    tests = [(name, test) for name, test in tests.items() if name.startswith("test_")]
    print(f"1..{len(tests)}")
    failed = 0
    for number, (name, test) in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} {name}")
        except AssertionError as error:
            failed = 1
            print(f"# {error}".replace("\n", "\n# "))
            print(f"not ok {number} {name}")
    return failed

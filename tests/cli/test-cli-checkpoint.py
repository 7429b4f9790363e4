#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checkpoints, as the command shows them (TAP). test-cli-checkpoint.py BERTH FAKE-BERTHD"""

import importlib.util
import os
import sys

_spec = importlib.util.spec_from_file_location(
    "test_cli", os.path.join(os.path.dirname(os.path.abspath(__file__)), "test-cli.py"))
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
Daemon, one_line, same, until = _cli.Daemon, _cli.one_line, _cli.same, _cli.until


def create(d, *options):
    status, out, err = d.berth("create", *options)
    same((status, err), (0, ""))
    return out.strip()


def names(d, *arguments):
    return [one["name"] for one in d.json("checkpoint", "list", *arguments)[1]]


def test_kept_told_and_removed(d):
    sandbox, other = create(d, "--tenant", "acme"), create(d)
    same(d.berth("checkpoint", sandbox, "before"), (0, "", ""))
    same(d.berth("checkpoint", "create", sandbox, "after"), (0, "", ""))
    same(d.json("checkpoint", other, "before")[1]["sandbox_id"], other)
    same((names(d), names(d, sandbox)), (["before", "after", "before"], ["before", "after"]))
    status, out, err = d.berth("checkpoint", "list", sandbox)
    same((status, err, out.count("\n")), (0, "", 3))
    assert out.startswith("SANDBOX") and f"{sandbox}  before" in out, out
    status, out, err = d.berth("checkpoint", "show", sandbox, "before")
    same((status, err), (0, ""))
    assert f"name: before\nsandbox_id: {sandbox}\n" in out and "tenant: acme\n" in out, out
    same(d.json("checkpoint", "show", sandbox, "before")[1]["tenant"], "acme")
    assert "berth_checkpoints 3" in d.berth("metrics")[1]
    same(d.berth("checkpoint", "remove", sandbox, "before"), (0, "", ""))
    same(names(d, sandbox), ["after"])
    same(d.berth("destroy", sandbox, other)[0], 0)
    same(d.berth("checkpoint", "remove", sandbox, "after"), (0, "", ""))
    same(d.berth("checkpoint", "remove", other, "before"), (0, "", ""))
    same(names(d), [])


def test_gone_back_and_forked(_):
    with Daemon("--max-vms", "3") as d:
        sandbox = create(d)
        same(d.berth("checkpoint", sandbox, "before"), (0, "", ""))
        same(d.berth("rollback", sandbox, "before"), (0, "", ""))
        same(d.berth("exec", sandbox, "echo here"), (0, "here\n", ""))
        until(lambda: len(d.json("list")[1]) == 1)
        others = [create(d), create(d)]
        status, out, err = d.berth("rollback", sandbox, "before", "--no-wait")
        same((status, out), (126, ""))
        same(d.berth("exec", sandbox, "echo here"), (0, "here\n", ""))
        same(d.berth("destroy", sandbox, *others)[0], 0)
        status, out, err = d.berth("fork", sandbox, "--checkpoint", "before", "-n", "2")
        same((status, err, len(out.split())), (0, "", 2))
        for child in out.split():
            same(d.berth("exec", child, "echo here"), (0, "here\n", ""))


def test_complaints(d):
    sandbox = create(d)
    for arguments in (("checkpoint",), ("checkpoint", sandbox), ("checkpoint", "show", sandbox), ("rollback", sandbox)):
        status, out, err = d.berth(*arguments)
        same((status, out), (2, ""))
        one_line(err, "it is", arguments[0])
    for arguments in (("checkpoint", "show", sandbox, "none"), ("checkpoint", "remove", sandbox, "none"),
                      ("rollback", sandbox, "none"), ("fork", sandbox, "--checkpoint", "none"),
                      ("checkpoint", sandbox, "no/name")):
        status, out, err = d.berth(*arguments)
        same((arguments, status, out, err.count("\n")), (arguments, 2, "", 1))
    same(d.berth("checkpoint", "f" * 32, "before")[0], 125)
    same(d.berth("checkpoint", sandbox, "before")[0], 0)
    status, _, err = d.berth("checkpoint", sandbox, "before")
    same(status, 2)
    one_line(err, "has a checkpoint before already")
    same(d.berth("checkpoint", "remove", sandbox, "before")[0], 0)
    same(d.berth("destroy", sandbox)[0], 0)


if __name__ == "__main__":
    sys.exit(_cli.main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sandboxes that stand still, as the command shows them (TAP). test-cli-pause.py BERTH FAKE-BERTHD"""

import importlib.util
import os
import sys

_spec = importlib.util.spec_from_file_location(
    "test_cli", os.path.join(os.path.dirname(os.path.abspath(__file__)), "test-cli.py"))
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
Daemon, one_line, same, until = _cli.Daemon, _cli.one_line, _cli.same, _cli.until


def states(d):
    return {vm["id"]: vm["state"] for vm in d.json("list")[1]}


def create(d, *options):
    status, out, err = d.berth("create", *options)
    same((status, err), (0, ""))
    return out.strip()


def test_pause_and_resume(d):
    first, second = create(d), create(d)
    same(d.berth("pause", first, second), (0, "", ""))
    same(states(d), {first: "paused", second: "paused"})
    assert "0 claimed, 2 paused" in d.berth("status")[1]
    same(d.berth("exec", first, "echo woken"), (0, "woken\n", ""))
    same(states(d), {first: "claimed", second: "paused"})
    same(d.berth("resume", first, second), (0, "", ""))
    same(states(d), {first: "claimed", second: "claimed"})
    same(d.berth("destroy", first, second)[0], 0)


def test_hibernate_and_wake(d):
    first, second = create(d, "--tenant", "acme"), create(d)
    same(d.berth("hibernate", first, second), (0, "", ""))
    same(states(d), {first: "hibernated", second: "hibernated"})
    assert "0 claimed, 0 paused" in d.berth("status")[1] and "hibernated 2\n" in d.berth("status")[1]
    assert "berth_hibernated 2\n" in d.berth("metrics")[1]
    line, = (line for line in d.berth("list")[1].splitlines() if first in line)
    assert "hibernated" in line and "acme" in line, line
    shown = d.berth("top", "-b", "-n", "1")[1]
    assert "hibernated 2\n" in shown and line in shown, shown
    assert first in d.berth("complete", "exec", "")[1]
    same(d.berth("exec", first, "echo woken"), (0, "woken\n", ""))
    same(states(d), {first: "claimed", second: "hibernated"})
    same(d.berth("resume", second), (0, "", ""))
    same(states(d), {first: "claimed", second: "claimed"})
    same(d.berth("hibernate", first)[0], 0)
    same(d.berth("destroy", first, second)[0], 0)
    same(states(d), {})


def test_complaints(d):
    for verb in ("pause", "hibernate", "resume"):
        status, out, err = d.berth(verb)
        same((status, out), (2, ""))
        one_line(err, "which sandboxes?", f"berth {verb} ID...")
        sandbox = create(d)
        status, _, err = d.berth(verb, "f" * 32, "no/id", sandbox)
        same((status, err.count("\n")), (125, 2))
        same(states(d), {sandbox: {"pause": "paused", "hibernate": "hibernated", "resume": "claimed"}[verb]})
        same(d.berth("destroy", sandbox)[0], 0)
    for wrong in ("0.5", "3601", "x"):
        same(d.berth("create", "--idle-pause", wrong)[0], 2)
    for wrong in ("0.5", "604801", "x"):
        same(d.berth("create", "--idle-hibernate", wrong)[0], 2)


def test_unused(d):
    sandbox = create(d, "--idle-hibernate", "1")
    until(lambda: states(d) == {sandbox: "hibernated"})
    same(d.berth("destroy", sandbox)[0], 0)
    sandbox = create(d, "--idle-pause", "1")
    until(lambda: states(d) == {sandbox: "paused"})
    same(d.berth("exec", sandbox, "echo woken"), (0, "woken\n", ""))
    until(lambda: states(d) == {sandbox: "paused"})
    same(d.berth("destroy", sandbox)[0], 0)


def test_waits_for_vcpus(_):
    with Daemon("--vcpus", "1", "--max-vms", "3") as d:
        first = create(d)
        same(d.berth("pause", first)[0], 0)
        second = create(d)
        waiting = d.popen("exec", first, "echo woken")
        until(lambda: [w["waits_for"] for w in d.json("status")[1]["waiters"]]
              == ["1 of 1 vCPUs are held and this request needs 1"])
        same(states(d), {first: "paused", second: "claimed"})
        same(d.berth("pause", second)[0], 0)
        same(waiting.communicate(timeout=_cli.LIMIT_S)[0], b"woken\n")
        waiting = d.popen("resume", second)
        until(lambda: d.json("status")[1]["waiters"])
        waiting.send_signal(2)
        same(waiting.wait(_cli.LIMIT_S), 130)
        until(lambda: not d.json("status")[1]["waiters"])
        same(states(d), {first: "claimed", second: "paused"})


if __name__ == "__main__":
    sys.exit(_cli.main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What berthd counts, as monitoring gets it, and that what is shipped for monitoring asks for nothing
else (TAP). test-cli-metrics.py BERTH FAKE-BERTHD"""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys

_spec = importlib.util.spec_from_file_location(
    "test_cli", os.path.join(os.path.dirname(os.path.abspath(__file__)), "test-cli.py"))
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
BERTH, LIMIT_S, same = _cli.BERTH, _cli.LIMIT_S, _cli.same
MONITORING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/monitoring")


def ask(d, request, *options, end=True):
    """The answer to bytes on the socket that systemd's Accept=yes would hand over."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(request)
        if end:
            ours.shutdown(socket.SHUT_WR)
        done = subprocess.run([BERTH, "metrics", "--http", *options], env=d.environ(), stdin=theirs,
                              stdout=theirs, stderr=subprocess.PIPE, timeout=LIMIT_S, check=False)
        same((done.returncode, done.stderr), (0, b""))
        theirs.close()
        head, _, body = b"".join(iter(lambda: ours.recv(65536), b"")).decode().partition("\r\n\r\n")
    lines = head.split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:])
    return lines[0], fields, body


def test_metrics_by_http(d):
    status, fields, body = ask(d, b"GET /metrics HTTP/1.1\r\nHost: berth\r\n\r\n", end=False)
    same(status, "HTTP/1.1 200 OK")
    same(fields["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
    same(int(fields["Content-Length"]), len(body.encode()))
    assert "berth_slots" in body, body
    status, fields, body = ask(d, b"HEAD /metrics?x=y HTTP/1.0\n\n")
    same((status, body), ("HTTP/1.1 200 OK", ""))
    assert int(fields["Content-Length"]) > 1000, fields
    for request, wanted in ((b"GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
                            (b"POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
                            (b"GET /metrics\r\n\r\n", "400 Bad Request"), (b"", "400 Bad Request"),
                            (b"GET /metrics HTTP/1.1\r\n" + b"a" * 9000, "400 Bad Request")):
        status, _, body = ask(d, request)
        same(status, "HTTP/1.1 " + wanted)
        assert body.count("\n") == 1 and "berth_" not in body, body
    status, _, body = ask(d, b"GET /metrics HTTP/1.1\r\n\r\n", "--socket", "/nowhere/s")
    same(status, "HTTP/1.1 503 Service Unavailable")
    assert "/nowhere/s" in body, body


def told(d):
    """(names of gauges and counters, of histograms)"""
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", d.berth("metrics")[1], re.M))
    assert set(types.values()) == {"gauge", "counter", "histogram"}, types
    return ({name for name, kind in types.items() if kind != "histogram"},
            {name for name, kind in types.items() if kind == "histogram"})


def check_names(d, text, least):
    plain, histograms = told(d)
    allowed = plain | {name + suffix for name in histograms for suffix in ("_bucket", "_sum", "_count")}
    asked = set(re.findall(r"\bberth_\w+", text))
    assert len(asked) >= least, asked
    assert asked <= allowed, f"berthd has no {sorted(asked - allowed)}"


def test_names_of_the_alerts(d):
    with open(os.path.join(MONITORING, "alerts.yml"), encoding="utf-8") as file:
        check_names(d, file.read(), 7)


def test_names_of_the_dashboard(d):
    with open(os.path.join(MONITORING, "dashboard.json"), encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    same(sorted({panel["id"] for panel in panels}), list(range(1, len(panels) + 1)))
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    check_names(d, "\n".join(expressions), 15)
    plain, histograms = told(d)
    shown = "\n".join(expressions)
    same([name for name in sorted(plain | histograms) if name not in shown], [])


if __name__ == "__main__":
    sys.exit(_cli.main(globals()))

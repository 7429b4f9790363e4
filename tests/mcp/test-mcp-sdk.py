#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The client of npm's @modelcontextprotocol/sdk, that of the newer revisions (@modelcontextprotocol/client)
and the command line of its inspector, all unchanged, with 'berth mcp' (TAP). npm fetches them as
sdk/package-lock.json pins them and everything below, by version and sha512, into a folder of the build;
where that can't be, the tests are skipped.

    test-mcp-sdk.py BERTH FAKE-BERTHD     on a host without VMs; BERTH_TEST_SDK names the folder"""

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
_spec = importlib.util.spec_from_file_location("test_cli", os.path.join(HERE, "../cli/test-cli.py"))
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
same, until, Skipped = _cli.same, _cli.until, _cli.Skipped

FETCH_LIMIT_S = 200
PNG = b"\x89PNG\r\n\x1a\n"
TOOLS = ["run_code", "create_sandbox", "fork_sandbox", "checkpoint_sandbox", "list_checkpoints",
         "rollback_sandbox", "remove_checkpoint", "hibernate_sandbox", "exec_code", "start_exec",
         "list_execs", "exec_log", "kill_exec", "publish_port", "list_ports", "unpublish_port",
         "list_sandboxes", "end_sandbox", "put_file", "get_file", "list_files", "status"]


def fetch():
    """The folder that has it"""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Skipped("there is no " + program)
    folder = os.environ["BERTH_TEST_SDK"]
    with open(os.path.join(HERE, "sdk/package-lock.json"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    stamp = os.path.join(folder, "fetched")
    if os.path.exists(stamp) and open(stamp, encoding="ascii").read() == digest:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, "sdk", name), folder)
    environ = {**os.environ, "npm_config_cache": os.path.join(folder, "cache")}
    try:
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder,
                              env=environ, capture_output=True, text=True, timeout=FETCH_LIMIT_S,
                              stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired as error:
        raise Skipped("npm fetched nothing in time") from error
    # what came and is not what is pinned is no reason to pass over it
    assert "EINTEGRITY" not in done.stderr, done.stderr
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "ERR!" in line or "error" in line] or ["?"]
        raise Skipped("npm can't fetch it: " + lines[0][:100])
    shutil.rmtree(environ["npm_config_cache"], ignore_errors=True)
    with open(stamp, "w", encoding="ascii") as file:
        file.write(digest)
    return folder


def drive(environ, revision, berth, language, code, plot, slow, limit_s=_cli.LIMIT_S):
    done = subprocess.run(["node", os.path.join(HERE, "sdk/drive.mjs"), fetch(), revision, berth, language,
                           code, plot, slow], env=environ, capture_output=True, timeout=limit_s, check=False)
    same((done.returncode, done.stderr.decode()), (0, ""))
    return json.loads(done.stdout)


def check(told, printed, png):
    same((told["server"]["name"], told["capabilities"], told["tools"]), ("berth", {"tools": {}}, TOOLS))
    for name in ("run", "exec", "after"):
        same((told[name]["structuredContent"]["stdout"], told[name]["isError"]), (printed, False))
    image = told["plot"]["content"][1]
    same((image["type"], image["mimeType"]), ("image", "image/png"))
    same(base64.b64decode(image["data"]), png)
    same(told["got"]["structuredContent"]["text"], "given")
    number = told["started"]["structuredContent"]["exec"]
    same([(e["exec"], e["state"]) for e in told["execs"]["structuredContent"]["execs"]],
         [(number, "running")])
    same(told["killed"]["structuredContent"]["exec"], number)
    log = told["log"]["structuredContent"]
    same((log["running"], log["stdout"], log["exit_code"]), (False, "begun\n", 143))
    same([file["name"] for file in told["files"]["structuredContent"]["files"]], ["in.txt"])
    assert any("begun" in message for message in told["progress"]), told["progress"]
    assert "AbortError" in told["aborted"] or "abort" in told["aborted"].lower(), told["aborted"]
    same(told["ended"]["structuredContent"]["ended"], True)
    same((told["gone"]["isError"], told["gone"]["structuredContent"]["error"]["code"]), (True, "GONE"))
    same((told["wrong"]["isError"], told["wrong"]["structuredContent"]["error"]["code"]), (True, "INVALID"))
    same(told["unknown"], -32602)
    # a client that understands less than it is told says so
    same(told["problems"], [])


def inspect(environ, berth, method, *arguments, limit_s=_cli.LIMIT_S):
    """What the inspector's command line prints"""
    folder = os.path.join(fetch(), "node_modules/@modelcontextprotocol/inspector-cli/build")
    # it looks for its own package.json from where it stands
    done = subprocess.run(["node", "index.js", berth, "mcp", "--method", method, *arguments], env=environ,
                          cwd=folder, capture_output=True, timeout=limit_s, check=False)
    same((done.returncode, done.stderr.decode()), (0, ""))
    return json.loads(done.stdout)


def drive_and_check(d, revision):
    told = drive(d.environ(), revision, _cli.BERTH, "shell", "echo hi",
                 "printf '\\211PNG\\r\\n\\032\\n' > plot.png", "echo begun; exec sleep 60")
    check(told, "hi\n", PNG)
    # its last sandbox, which it left
    until(lambda: d.json("status")[1]["slots"]["claimed"] == 0)


def test_the_client_of_npm(d):
    drive_and_check(d, "2025-11-25")


def test_the_client_of_the_newer_revisions(d):
    drive_and_check(d, "2026-07-28")


def test_the_inspector(d):
    same([tool["name"] for tool in inspect(d.environ(), _cli.BERTH, "tools/list")["tools"]], TOOLS)
    told = inspect(d.environ(), _cli.BERTH, "tools/call", "--tool-name", "run_code", "--tool-arg",
                   "language=shell", "code=echo hi; exit 3", "timeout=20")
    result = told["structuredContent"]
    same((result["stdout"], result["exit_code"], told["isError"]), ("hi\n", 3, False))
    told = inspect(d.environ(), _cli.BERTH, "tools/call", "--tool-name", "end_sandbox", "--tool-arg",
                   "sandbox_id=none")
    same(told["isError"], True)


if __name__ == "__main__":
    sys.exit(_cli.main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""'berth mcp' against the real berthd on a host without VMs (tests/host): what each revision of the
protocol wants, every tool, what goes wrong, and what hostile clients send (TAP).
test-mcp.py BERTH FAKE-BERTHD"""

import base64
import contextlib
import importlib.util
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading

_spec = importlib.util.spec_from_file_location(
    "test_cli", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli/test-cli.py"))
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
BERTH, LIMIT_S, same, until = _cli.BERTH, _cli.LIMIT_S, _cli.same, _cli.until

LEGACY = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
MODERN = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"}}
TOOLS = ["run_code", "create_sandbox", "fork_sandbox", "checkpoint_sandbox", "list_checkpoints",
         "rollback_sandbox", "remove_checkpoint", "hibernate_sandbox", "exec_code", "start_exec",
         "list_execs", "exec_log", "kill_exec", "publish_port", "list_ports", "unpublish_port",
         "list_sandboxes", "end_sandbox", "put_file", "get_file", "list_files", "status"]
SLOTS = 2  # of the fake berthd
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


class Server:
    """A 'berth mcp', and what it says."""

    def __init__(self, daemon, *options, version="2025-11-25", initialize=True):
        self.process = subprocess.Popen([BERTH, "mcp", *options],
                                        env={**daemon.environ(), "G_DEBUG": "fatal-warnings"},
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said = queue.Queue()
        self.others = []
        self.next_id = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if initialize:
            self.ask("initialize", protocolVersion=version, capabilities={},
                     clientInfo={"name": "test", "version": "1"})
            self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _read(self):
        for line in self.process.stdout:
            self.said.put(json.loads(line))
        self.said.put(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            same(self.process.wait(LIMIT_S), 0)
        finally:
            self.process.kill()

    def raw(self, line):
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def say(self, message):
        self.raw(json.dumps(message).encode())

    def hear(self):
        message = self.said.get(timeout=LIMIT_S)
        assert message is not None, "the server has ended"
        return message

    def begin(self, method, params):
        self.next_id += 1
        self.say({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params})
        return self.next_id

    def answer_of(self, number):
        """What is said meanwhile is in self.others."""
        for message in self.others:
            if message.get("id") == number:
                self.others.remove(message)
                return message
        while True:
            message = self.hear()
            if message.get("id") == number:
                return message
            self.others.append(message)

    def ask(self, method, /, **params):
        answer = self.answer_of(self.begin(method, params))
        assert "result" in answer, answer
        return answer["result"]

    def error(self, method, params):
        answer = self.answer_of(self.begin(method, params))
        assert "result" not in answer, answer
        return answer["error"]

    def begin_call(self, name, arguments, token=None):
        params = {"name": name, "arguments": arguments}
        if token is not None:
            params["_meta"] = {"progressToken": token}
        return self.begin("tools/call", params)

    def result_of(self, number):
        return check_result(self.answer_of(number)["result"])

    def call(self, name, /, **arguments):
        """(structured content, other content items)"""
        structured, items = self.result_of(self.begin_call(name, arguments))
        assert "error" not in structured, structured
        return structured, items

    def fail(self, name, /, **arguments):
        structured, items = self.result_of(self.begin_call(name, arguments))
        same(sorted(structured), ["error"])
        same(sorted(structured["error"]), ["cause", "code", "remedy", "retryable"])
        same(items, [])
        return structured["error"]

    def cancel(self, number):
        self.say({"jsonrpc": "2.0", "method": "notifications/cancelled",
                  "params": {"requestId": number, "reason": "test"}})

    def sandbox(self, **arguments):
        return self.call("create_sandbox", language="shell", **arguments)[0]["sandbox_id"]


def check_result(result):
    """Its text says what its structured content says; isError is right. (structured, other items)"""
    first, *others = result["content"]
    same(first["type"], "text")
    same(json.loads(first["text"]), result["structuredContent"])
    same(result["isError"], "error" in result["structuredContent"])
    return result["structuredContent"], others


TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict,
         "array": list}


def check_schema(schema, value, where="$"):
    """As far as these schemas go"""
    assert isinstance(value, TYPES[schema["type"]]), f"{where}: {value!r} is no {schema['type']}"
    for name, inner in schema.get("properties", {}).items():
        if isinstance(value, dict) and name in value:
            check_schema(inner, value[name], f"{where}.{name}")
    for i, element in enumerate(value if isinstance(value, list) else []):
        check_schema(schema["items"], element, f"{where}[{i}]")
    for name in schema.get("required", []):
        assert name in value, f"{where}: no {name} in {value}"
    if "anyOf" in schema:
        assert any(all(name in value for name in either.get("required", []))
                   for either in schema["anyOf"]), f"{where}: {value}"
    if schema.get("additionalProperties") is False:
        assert set(value) <= set(schema.get("properties", {})), f"{where}: {value}"


# ---- revisions ----

def test_each_legacy_revision_shakes_hands(d):
    for version in LEGACY:
        with Server(d, initialize=False) as s:
            result = s.ask("initialize", protocolVersion=version, capabilities={},
                           clientInfo={"name": "t", "version": "1"})
            same(result["protocolVersion"], version)
            same(result["capabilities"], {"tools": {}})
            same(result["serverInfo"]["name"], "berth")
            assert "resultType" not in result, result
            same([tool["name"] for tool in s.ask("tools/list")["tools"]], TOOLS)


def test_an_unknown_revision_gets_the_newest_that_shakes_hands(d):
    for wanted in ("2099-01-01", "1.0", MODERN):
        with Server(d, initialize=False) as s:
            same(s.ask("initialize", protocolVersion=wanted)["protocolVersion"], LEGACY[0])


def test_nothing_but_ping_before_initialize(d):
    with Server(d, initialize=False) as s:
        same(s.ask("ping"), {})
        for method in ("tools/list", "tools/call"):
            error = s.error(method, {"name": "status"})
            same(error["code"], -32602)
            assert "initialize" in error["message"] and MODERN in error["message"], error
        same(s.error("initialize", {})["code"], -32602)
        same(s.error("initialize", {"protocolVersion": 3})["code"], -32602)
        same(s.ask("initialize", protocolVersion=LEGACY[0])["protocolVersion"], LEGACY[0])
        same(s.error("initialize", {"protocolVersion": LEGACY[0]})["code"], -32600)


def test_the_modern_revision_needs_no_handshake(d):
    with Server(d, initialize=False) as s:
        found = s.ask("server/discover", _meta=META)
        same(found["supportedVersions"], [MODERN, *LEGACY])
        same(found["resultType"], "complete")
        same(found["cacheScope"], "public")
        assert found["ttlMs"] > 0, found
        same(found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "berth")
        tools = s.ask("tools/list", _meta=META)
        same([tool["name"] for tool in tools["tools"]], TOOLS)
        same((tools["resultType"], tools["cacheScope"]), ("complete", "public"))
        result = s.ask("tools/call", name="run_code", _meta=META,
                       arguments={"language": "shell", "code": "echo modern"})
        same(result["resultType"], "complete")
        same(check_result(result)[0]["stdout"], "modern\n")


def test_what_the_modern_revision_refuses(d):
    with Server(d, initialize=False) as s:
        error = s.error("tools/list", {"_meta": {**META, next(iter(META)): "1900-01-01"}})
        same((error["code"], error["data"]),
             (-32022, {"supported": [MODERN, *LEGACY], "requested": "1900-01-01"}))
        same(s.error("tools/list", {"_meta": {next(iter(META)): MODERN}})["code"], -32602)
        for method in ("ping", "initialize", "logging/setLevel"):
            same(s.error(method, {"_meta": META})["code"], -32601)
    with Server(d) as s:
        same(s.error("server/discover", {})["code"], -32601)


def test_a_subscription_is_acknowledged_and_ends(d):
    with Server(d, initialize=False) as s:
        params = {"_meta": META, "notifications": {"toolsListChanged": True}}
        first = s.begin("subscriptions/listen", params)
        told = s.hear()
        same(told["method"], "notifications/subscriptions/acknowledged")
        same(told["params"], {"_meta": {"io.modelcontextprotocol/subscriptionId": first},
                              "notifications": {}})
        s.cancel(first)
        second = s.begin("subscriptions/listen", params)
        same(s.hear()["params"]["_meta"], {"io.modelcontextprotocol/subscriptionId": second})
        s.process.stdin.close()
        same(s.hear()["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], second)


def test_batches_belong_to_one_revision(d):
    batch = [{"jsonrpc": "2.0", "id": 1, "method": "ping"},
             {"jsonrpc": "2.0", "method": "notifications/initialized"}, 7,
             {"jsonrpc": "2.0", "id": "a", "method": "tools/call",
              "params": {"name": "run_code", "arguments": {"language": "shell", "code": "echo 1"}}}]
    with Server(d, version="2025-03-26") as s:
        s.say(batch)
        answers = s.hear()
        same([answer.get("id") for answer in answers], [1, None, "a"])
        same(answers[0]["result"], {})
        same(answers[1]["error"]["code"], -32600)
        same(answers[2]["result"]["structuredContent"]["stdout"], "1\n")
        s.say([{"jsonrpc": "2.0", "method": "notifications/initialized"}])
        for wrong in ([], 65 * batch[:1]):
            s.say(wrong)
            same(s.hear()["error"]["code"], -32600)
        same(s.ask("ping"), {})
    with Server(d) as s:
        s.say(batch)
        same(s.hear()["error"]["code"], -32600)
        same(s.ask("ping"), {})


# ---- tools ----

def test_what_tools_say_of_themselves(d):
    with Server(d) as s:
        tools = {tool["name"]: tool for tool in s.ask("tools/list")["tools"]}
        same(list(tools), TOOLS)
        for tool in tools.values():
            same(tool["inputSchema"]["type"], "object")
            same(tool["inputSchema"]["additionalProperties"], False)
            same(tool["outputSchema"]["type"], "object")
            for name, field in tool["inputSchema"]["properties"].items():
                assert field.get("description"), f"{tool['name']}: {name}"
            same(tool["annotations"]["openWorldHint"], False)
        hints = {name: (tool["annotations"]["readOnlyHint"], tool["annotations"]["destructiveHint"])
                 for name, tool in tools.items()}
        same([name for name in TOOLS if hints[name][0]],
             ["list_checkpoints", "list_execs", "exec_log", "list_ports", "list_sandboxes", "get_file", "list_files", "status"])
        same([name for name in TOOLS if hints[name][1]],
             ["rollback_sandbox", "remove_checkpoint", "exec_code", "start_exec", "kill_exec", "unpublish_port",
              "end_sandbox", "put_file"])
        same(s.error("tools/list", {"cursor": "x"})["code"], -32602)


def flags_of(d, verb):
    """Long options of the help, as names of arguments"""
    lines = [line.strip() for line in d.berth(verb, "--help")[1].split("\n")]
    options = [line[line.index("--"):].split()[0].split("=")[0] for line in lines if line.startswith("-")]
    return {option.removeprefix("--").replace("-", "_") for option in options}


def test_schemas_are_the_commands_options(d):
    """What the command has a flag for, a tool takes by the same name."""
    command_only = {"help", "socket", "json", "quiet", "no_wait", "no_stdin", "upload", "download",
                    "publish", "boot_log", "wait_gone", "max_size", "detach", "interactive", "no_timeout", "log",
                    "tty"}
    arguments = {"code", "stdin", "uploads", "downloads", "sandbox_id"}
    with Server(d) as s:
        tools = {tool["name"]: tool["inputSchema"]["properties"] for tool in s.ask("tools/list")["tools"]}
    same(sorted(set(tools["start_exec"]) ^ set(tools["exec_code"])),
         ["downloads", "log", "no_timeout", "stdin"])
    for tool, verb, more in (("run_code", "run", set()), ("create_sandbox", "create", set()),
                             ("exec_code", "exec", {"language"})):
        same(sorted(set(tools[tool]) - arguments), sorted(flags_of(d, verb) - command_only | more))
    same((tools["run_code"]["timeout"]["minimum"], tools["run_code"]["timeout"]["maximum"]),
         (1, 86400))
    same(tools["create_sandbox"]["idle_timeout"]["minimum"], 10)


def test_ports(d):
    """On the loopback alone, by numbers that list_ports tells."""
    with Server(d) as s:
        schema = {tool["name"]: tool["outputSchema"] for tool in s.ask("tools/list")["tools"]}
        sandbox = s.call("create_sandbox", language="shell")[0]["sandbox_id"]
        told = s.call("publish_port", sandbox_id=sandbox, port=8080)[0]
        check_schema(schema["publish_port"], told)
        first = told["published"]
        same(first["port"], 8080)
        host, port = first["address"].rsplit(":", 1)
        same(host, "127.0.0.1")
        socket.create_connection((host, int(port)), 10).close()
        second = s.call("publish_port", sandbox_id=sandbox, port=80)[0]["published"]
        told = s.call("list_ports", sandbox_id=sandbox)[0]
        check_schema(schema["list_ports"], told)
        same([each["number"] for each in told["ports"]], [first["number"], second["number"]])
        told = s.call("unpublish_port", sandbox_id=sandbox, number=first["number"])[0]
        check_schema(schema["unpublish_port"], told)
        same([each["port"] for each in s.call("list_ports", sandbox_id=sandbox)[0]["ports"]], [80])
        again = s.call("publish_port", sandbox_id=sandbox, port=8080, local_port=int(port))[0]
        same(again["published"]["address"], first["address"])
        for wrong in ({"port": 0}, {"port": 65536}, {"port": "80"}, {"port": 80, "address": "0.0.0.0"}):
            same(s.fail("publish_port", sandbox_id=sandbox, **wrong)["code"], "INVALID")
        s.call("end_sandbox", sandbox_id=sandbox)
        same(s.fail("list_ports", sandbox_id=sandbox)["code"], "GONE")


def test_a_run(d):
    with Server(d) as s:
        schema = {tool["name"]: tool["outputSchema"] for tool in s.ask("tools/list")["tools"]}
        told, items = s.call("run_code", language="shell", stdin="in\0put", env=["A=a b"], timeout=5,
                             code="cat; echo \" $A\"; echo err >&2; exit 3")
        same((told["stdout"], told["stderr"], told["exit_code"], items),
             ("in\0put a b\n", "err\n", 3, []))
        assert "sandbox_id" not in told, told
        check_schema(schema["run_code"], told)
        told, _ = s.call("run_code", language="shell", timeout=1, code="echo so far; exec sleep 20")
        same((told["timed_out"], told["stdout"], "exit_code" in told), (True, "so far\n", False))
        check_schema(schema["run_code"], told)
        same(s.call("run_code", language="oom", code="true")[0]["oom"], True)
        told, _ = s.call("run_code", language="shell", command=["printf", "%s|", "$A", "", "-x"])
        same((told["stdout"], told["exit_code"]), ("$A||-x|", 0))


def test_in_the_background(d):
    with Server(d) as s:
        schema = {tool["name"]: tool["outputSchema"] for tool in s.ask("tools/list")["tools"]}
        sandbox = s.call("create_sandbox", language="shell")[0]["sandbox_id"]
        told, _ = s.call("start_exec", sandbox_id=sandbox, timeout=60,
                         command=["sh", "-c", "echo begun; echo err >&2; exec sleep 50"])
        check_schema(schema["start_exec"], told)
        number = told["exec"]

        def log(exec_number, **options):
            told = s.call("exec_log", sandbox_id=sandbox, exec=exec_number, **options)[0]
            check_schema(schema["exec_log"], told)
            return told
        until(lambda: (log(number)["stdout"], log(number)["stderr"]) == ("begun\n", "err\n"))
        same((log(number)["running"], log(number)["lost_bytes"]), (True, 0))
        same(s.call("exec_code", sandbox_id=sandbox, code="echo beside")[0]["stdout"], "beside\n")
        told = s.call("list_execs", sandbox_id=sandbox)[0]
        check_schema(schema["list_execs"], told)
        same([(e["exec"], e["state"], e["kind"]) for e in told["execs"]],
             [(number, "running", "command")])
        told = s.call("kill_exec", sandbox_id=sandbox, exec=number)[0]
        check_schema(schema["kill_exec"], told)
        ended = log(number, wait=True)
        same((ended["running"], ended["exit_code"], ended["stdout"]), (False, 143, "begun\n"))

        short = s.call("start_exec", sandbox_id=sandbox, code="echo done; exit 3")[0]["exec"]
        ended = log(short, wait=True)
        same((ended["running"], ended["exit_code"], ended["stdout"]), (False, 3, "done\n"))
        failed = s.fail("exec_log", sandbox_id=sandbox, exec=99)
        same(failed["code"], "INVALID")
        for tool, wrong in (("exec_log", {"exec": 0}), ("kill_exec", {"exec": 1, "signal": 65}),
                            ("start_exec", {"code": "true", "stdin": "x"}), ("start_exec", {})):
            same(s.fail(tool, sandbox_id=sandbox, **wrong)["code"], "INVALID")
        s.call("end_sandbox", sandbox_id=sandbox)
        same(s.fail("list_execs", sandbox_id=sandbox)["code"], "GONE")


def test_forks(d):
    with Server(d) as s:
        schema = {tool["name"]: tool["outputSchema"] for tool in s.ask("tools/list")["tools"]}
        sandbox = s.call("create_sandbox", language="shell")[0]["sandbox_id"]
        same(s.fail("fork_sandbox", sandbox_id=sandbox, count=2, no_wait=True)["code"], "CAPACITY")
        told, _ = s.call("fork_sandbox", sandbox_id=sandbox)
        check_schema(schema["fork_sandbox"], told)
        child, = told["sandbox_ids"]
        same(s.call("exec_code", sandbox_id=child, code="echo child")[0]["stdout"], "child\n")
        same(s.fail("fork_sandbox", sandbox_id=sandbox, count=65)["code"], "INVALID")
    # it ends with the connection, as its source does
    until(lambda: d.json("list")[1] == [])


def test_checkpoints(d):
    with Server(d) as s:
        schema = {tool["name"]: tool["outputSchema"] for tool in s.ask("tools/list")["tools"]}

        def call(tool, **arguments):
            told = s.call(tool, sandbox_id=sandbox, **arguments)[0]
            check_schema(schema[tool], told)
            same(told["sandbox_id"], sandbox)
            return told

        sandbox = s.call("create_sandbox", language="shell")[0]["sandbox_id"]
        same(call("checkpoint_sandbox", name="before")["checkpoint"]["name"], "before")
        same([one["name"] for one in call("list_checkpoints")["checkpoints"]], ["before"])
        same(s.fail("rollback_sandbox", sandbox_id=sandbox, name="none")["code"], "INVALID")
        same(s.fail("checkpoint_sandbox", sandbox_id=sandbox, name="../x")["code"], "INVALID")
        same(call("rollback_sandbox", name="before")["name"], "before")
        same(call("exec_code", code="echo back")["stdout"], "back\n")
        same(call("remove_checkpoint", name="before")["name"], "before")
        same(call("list_checkpoints")["checkpoints"], [])
        same(call("hibernate_sandbox")["hibernated"], True)
        same([one["state"] for one in s.call("list_sandboxes")[0]["sandboxes"]], ["hibernated"])
        same(call("exec_code", code="echo awake")["stdout"], "awake\n")
    until(lambda: d.json("list")[1] == [])  # it still ends with the connection


def test_the_life_of_a_sandbox(d):
    with Server(d) as s:
        schema = {tool["name"]: tool["outputSchema"] for tool in s.ask("tools/list")["tools"]}
        made, _ = s.call("create_sandbox", language="shell", task="t-1", idle_timeout=60)
        check_schema(schema["create_sandbox"], made)
        sandbox = made["sandbox_id"]
        told, _ = s.call("exec_code", sandbox_id=sandbox, code="echo $0; exit 4")
        same((told["exit_code"], told["sandbox_id"]), (4, sandbox))
        told, _ = s.call("exec_code", sandbox_id=sandbox, command=["no-such-program"])
        same((told["exit_code"], told["sandbox_id"]), (127, sandbox))
        listed, _ = s.call("list_sandboxes")
        check_schema(schema["list_sandboxes"], listed)
        same([(one["sandbox_id"], one["task"], one["exec_count"]) for one in listed["sandboxes"]],
             [(sandbox, "t-1", 2)])
        status, _ = s.call("status")
        check_schema(schema["status"], status)
        same((status["slots"]["claimed"], "shell" in status["templates"]), (1, True))
        for _ in range(2):
            ended, _ = s.call("end_sandbox", sandbox_id=sandbox)
            check_schema(schema["end_sandbox"], ended)
        error = s.fail("exec_code", sandbox_id=sandbox, code="true")
        same((error["code"], error["retryable"]), ("GONE", False))
        assert "create_sandbox" in error["remedy"], error
        check_schema(schema["exec_code"], {"error": error})
        same(s.call("list_sandboxes")[0]["sandboxes"], [])


def test_errors_have_a_code_a_cause_and_a_remedy(d):
    codes = {"fail-invalid": "INVALID", "fail-no-capacity": "CAPACITY", "fail-wait-timed-out": "CAPACITY",
             "fail-config": "CONFIG", "fail-internal": "INTERNAL", "fail-denied": "DENIED",
             "fail-gone": "GONE", "fail-outcome-unknown": "OUTCOME_UNKNOWN"}
    with Server(d) as s:
        for template, code in codes.items():
            error = s.fail("run_code", language=template, code="true")
            same(error["code"], code)
            assert template in error["cause"] and error["remedy"].endswith("."), error
        same(s.fail("run_code", language="nope", code="x")["code"], "INVALID")
    with Server(d, "--socket", "/nowhere/s") as s:
        error = s.fail("status")
        assert "/nowhere/s" in error["cause"], error


def test_arguments_are_checked(d):
    wrong = [("run_code", {}, "code"), ("run_code", {"code": 1}, "a string"),
             ("run_code", {"code": "x", "timeout": 0.5}, "give 1 to 86400"),
             ("run_code", {"code": "x", "timeout": "5"}, "a number"),
             ("run_code", {"code": "x", "memory": 128.5}, "whole number"),
             ("run_code", {"code": "x", "env": "A=b"}, "array of strings"),
             ("run_code", {"code": "x", "env": [1]}, "array of strings"),
             ("run_code", {"code": "x", "env": ["A\0=b"]}, "U+0000"),
             ("run_code", {"code": "x", "env": ["=b"]}, "env"),
             ("run_code", {"code": "x", "cold": "yes"}, "true or false"),
             ("run_code", {"code": "x", "colour": 1}, "timeout"),
             ("run_code", {"code": " "}, "code"), ("run_code", {"code": "a\0b"}, "NUL"),
             ("run_code", {"code": "x", "command": ["ls"]}, "one of them"),
             ("run_code", {"command": []}, "no program"), ("run_code", {"command": True}, "strings"),
             ("exec_code", {"sandbox_id": "a", "command": ["ls"], "language": "shell"}, "no code"),
             ("run_code", {"code": "x", "language": "a/b"}, "letters"),
             ("run_code", {"code": "x", "uploads": [{"path": "a"}]}, "base64"),
             ("run_code", {"code": "x", "uploads": [{"text": "a"}]}, "path"),
             ("run_code", {"code": "x", "uploads": [{"path": "a", "base64": "A=="}]}, "alphabet"),
             ("run_code", {"code": "x", "uploads": [{"path": "a", "base64": "A A="}]}, "alphabet"),
             ("run_code", {"code": "x", "downloads": ["f"] * 65}, "64 at most"),
             ("exec_code", {"code": "x"}, "sandbox_id"),
             ("exec_code", {"code": "x", "sandbox_id": "a b"}, "sandbox id"),
             ("put_file", {"sandbox_id": "a", "path": "b", "text": "x", "base64": ""}, "one of them"),
             ("status", {"all": True}, "there are none")]
    with Server(d) as s:
        for tool, arguments, part in wrong:
            error = s.fail(tool, **arguments)
            same(error["code"], "INVALID")
            assert part in error["cause"], f"{arguments}: {error}"
        same(s.error("tools/call", {"name": "nope"})["code"], -32602)
        same(s.error("tools/call", {})["code"], -32602)
        same(s.error("tools/call", {"name": "status", "arguments": []})["code"], -32602)
        same(s.error("tools/call", {"name": "status", "arguments": None})["code"], -32602)


# ---- files ----

def test_files_go_there_and_come_back(d):
    with Server(d) as s:
        schema = {tool["name"]: tool["outputSchema"] for tool in s.ask("tools/list")["tools"]}
        sandbox = s.sandbox()
        put, _ = s.call("put_file", sandbox_id=sandbox, path="a/text", text="h\u00e9\n")
        check_schema(schema["put_file"], put)
        s.call("put_file", sandbox_id=sandbox, path="a/tool", text="#!/bin/sh\n", executable=True)
        s.call("put_file", sandbox_id=sandbox, path="bytes",
               base64=base64.b64encode(bytes(range(256))).decode())
        s.call("put_file", sandbox_id=sandbox, path="plot.dat", base64=base64.b64encode(PNG).decode())
        s.call("put_file", sandbox_id=sandbox, path="nul", text="a\0b")
        got, items = s.call("get_file", sandbox_id=sandbox, path="a/text")
        check_schema(schema["get_file"], got)
        same((got, items), ({"path": "a/text", "size": 4, "mime_type": "text/plain",
                             "text": "h\u00e9\n"}, []))
        got, items = s.call("get_file", sandbox_id=sandbox, path="bytes")
        same(got, {"path": "bytes", "size": 256, "mime_type": "application/octet-stream"})
        same((items[0]["type"], items[0]["resource"]["uri"]), ("resource", f"berth://{sandbox}/bytes"))
        same(base64.b64decode(items[0]["resource"]["blob"]), bytes(range(256)))
        got, items = s.call("get_file", sandbox_id=sandbox, path="plot.dat")
        same((got["mime_type"], items),
             ("image/png", [{"type": "image", "data": base64.b64encode(PNG).decode(),
                             "mimeType": "image/png"}]))
        same(s.call("get_file", sandbox_id=sandbox, path="nul")[1][0]["resource"]["blob"], "YQBi")
        listed, _ = s.call("list_files", sandbox_id=sandbox)
        check_schema(schema["list_files"], listed)
        same([(one["name"], one["type"]) for one in listed["files"]],
             [("a", "directory"), ("bytes", "file"), ("nul", "file"), ("plot.dat", "file")])
        same(listed["more"], False)
        listed, _ = s.call("list_files", sandbox_id=sandbox, path="a", after="text")
        same([(one["name"], one["mode"] & 0o777) for one in listed["files"]], [("tool", 0o755)])
        for path in ("nope", "../x", "a"):
            same(s.fail("get_file", sandbox_id=sandbox, path=path)["code"], "INVALID")


def test_a_long_text_is_cut_and_a_large_file_refused(d):
    with Server(d) as s:
        sandbox = s.sandbox()
        s.call("put_file", sandbox_id=sandbox, path="long", text="\u00e9" * 131072 + "x")
        got, _ = s.call("get_file", sandbox_id=sandbox, path="long")
        same((got["size"], got["text_truncated"], got["text"]), (262145, True, "\u00e9" * 131072))
        s.call("put_file", sandbox_id=sandbox, path="large", text="x" * (8 * 1024 * 1024 + 1))
        same(s.fail("get_file", sandbox_id=sandbox, path="large")["code"], "INVALID")
        told, _ = s.call("exec_code", sandbox_id=sandbox, code="true", downloads=["large", "long"])
        same(["error" in one for one in told["downloads"]], [True, False])


def test_files_go_along_with_a_run(d):
    with Server(d) as s:
        told, items = s.call(
            "run_code", language="shell", downloads=["plot.png", "out.txt", "nope", "folder"],
            uploads=[{"path": "in.txt", "text": "given"},
                     {"path": "p", "base64": base64.b64encode(PNG).decode()}],
            code="cat in.txt; cp in.txt out.txt; cp p plot.png; mkdir folder; cp p folder/b; exit 5")
        same((told["stdout"], told["exit_code"]), ("given", 5))
        files = {one["path"]: one for one in told["downloads"]}
        same(sorted(files), ["folder/b", "nope", "out.txt", "plot.png"])
        same((files["out.txt"]["text"], files["plot.png"]["mime_type"]), ("given", "image/png"))
        same(files["nope"]["error"]["code"], "INVALID")
        same([(item["type"], base64.b64decode(item["data"])) for item in items], [("image", PNG)] * 2)
        sandbox = s.sandbox()
        s.call("put_file", sandbox_id=sandbox, path="p", base64=base64.b64encode(PNG).decode())
        told, items = s.call("exec_code", sandbox_id=sandbox, code="cp p q.png", downloads=["q.png"])
        same((told["exit_code"], [item["mimeType"] for item in items]), (0, ["image/png"]))
        told, _ = s.call("run_code", language="shell", downloads=["large", "small"], code="echo 1 > small; "
                         "head -c 9000000 /dev/zero > large", uploads=[{"path": "x", "text": ""}])
        files = {one["path"]: one for one in told["downloads"]}
        same((files["large"]["error"]["code"], files["small"].get("text")), ("INVALID", "1\n"))


def test_output_has_a_bound(d):
    with Server(d) as s:
        told, _ = s.call("run_code", language="shell", code="seq 1 200000; echo end; printf '\\377'")
        assert told["stdout_truncated"] and not told["stderr_truncated"], told
        assert told["stdout"].startswith("1\n2\n") and told["stdout"].endswith("\nend\n\ufffd"), told
        assert 60000 < len(told["stdout"]) < 70000, len(told["stdout"])
        size = len("".join(f"{i}\n" for i in range(1, 200001))) + 5
        left_out = int(told["stdout"].split("[berth: ")[1].split(" ")[0])
        note = told["stdout"].split("\n[berth: ")[1].split("]\n")[0]
        same(left_out + len(told["stdout"]) - len("\n[berth: " + note + "]\n"), size)
        told, _ = s.call("run_code", language="shell", code="head -c 65536 /dev/zero | tr '\\0' x")
        same((told["stdout"], told["stdout_truncated"]), ("x" * 65536, False))
        # a cut between two characters takes none, one within takes that one
        for before, left_out in (("", 40000), ("x", 40002)):
            code = f"printf '{before}'; yes '\u00e9' | head -n 52768 | tr -d '\\n'"
            told, _ = s.call("run_code", language="shell", code=code)
            assert f"[berth: {left_out} bytes are left out" in told["stdout"], told["stdout"][32000:34000]
            assert "\ufffd" not in told["stdout"]


# ---- while it goes on ----

def progress_of(s, token, text):
    """Until a notification has this text; all of it so far."""
    so_far = ""
    last = 0
    while text not in so_far:
        message = s.hear()
        same((message["method"], message["params"]["progressToken"]), ("notifications/progress", token))
        assert message["params"]["progress"] > last, message
        last = message["params"]["progress"]
        so_far += message["params"]["message"]
    return so_far


def test_output_is_told_while_it_runs(d):
    fifo = os.path.join(d.folder.name, "go")
    os.mkfifo(fifo)
    with Server(d) as s:
        number = s.begin_call("run_code", {"language": "shell", "code": f"printf 'h\\303\\251'; cat {fifo}"},
                              token="t-1")
        progress_of(s, "t-1", "h\u00e9")
        with open(fifo, "w", encoding="utf-8") as pipe:
            pipe.write(" and on")
        told, _ = s.result_of(number)
        same(told["stdout"], "h\u00e9 and on")
        # without a token nobody is told: not before another that has one, and wrote later
        marker = os.path.join(d.folder.name, "marker")
        number = s.begin_call("run_code", {"language": "shell", "code": f"echo 1; touch {marker}; cat {fifo}"})
        until(lambda: os.path.exists(marker))
        os.mkfifo(fifo + "-2")
        other = s.begin_call("run_code", {"language": "shell", "code": f"echo 2; cat {fifo}-2"}, token="t-2")
        s.others.clear()
        progress_of(s, "t-2", "2\n")
        for one, path in ((number, fifo), (other, fifo + "-2")):
            with open(path, "w", encoding="utf-8"):
                pass
            s.result_of(one)
        same([message for message in s.others if "method" in message], [])
    os.unlink(fifo + "-2")
    os.unlink(marker)
    os.unlink(fifo)


def test_the_queue_is_told(d):
    with Server(d) as s:
        sandboxes = [s.sandbox() for _ in range(SLOTS)]
        number = s.begin_call("run_code", {"language": "shell", "code": "echo served"}, token=7)
        progress_of(s, 7, "number 1 in the queue")
        error = s.fail("run_code", language="shell", code="true", wait_timeout=0)
        same((error["code"], error["retryable"]), ("CAPACITY", True))
        s.call("end_sandbox", sandbox_id=sandboxes[0])
        same(s.result_of(number)[0]["stdout"], "served\n")


def test_cancelling_ends_what_it_began(d):
    marker = os.path.join(d.folder.name, "marker")
    with Server(d) as s:
        # one that runs in a VM of its own
        number = s.begin_call("run_code", {"language": "shell", "code": f"touch {marker}; exec sleep 60"})
        until(lambda: os.path.exists(marker))
        s.cancel(number)
        until(lambda: s.call("status")[0]["slots"]["claimed"] == 0)
        # one in a sandbox, which stays
        os.unlink(marker)
        sandbox = s.sandbox()
        number = s.begin_call("exec_code", {"sandbox_id": sandbox, "code": f"touch {marker}; exec sleep 60"})
        until(lambda: os.path.exists(marker))
        s.cancel(number)
        same(s.call("exec_code", sandbox_id=sandbox, code="echo still here")[0]["stdout"],
             "still here\n")
        # one that waits for a place
        more = [s.sandbox() for _ in range(SLOTS - 1)]
        number = s.begin_call("create_sandbox", {"language": "shell"}, token="w")
        progress_of(s, "w", "in the queue")
        s.cancel(number)
        until(lambda: s.call("status")[0]["n_waiting"] == 0)
        # what nobody knows, or has ended, is no error
        for other in ("x", 999999, None, 1.5, [], number):
            s.cancel(other)
        s.say({"jsonrpc": "2.0", "method": "notifications/cancelled"})
        same(len(s.call("list_sandboxes")[0]["sandboxes"]), 1 + len(more))
        answered = {message.get("id") for message in s.others}
        assert number not in answered, s.others
    os.unlink(marker)


def test_many_at_once(d):
    with Server(d) as s:
        numbers = {s.begin_call("run_code", {"language": "shell", "code": f"echo {i}"}): i
                   for i in range(60)}
        same(s.ask("ping"), {})
        for number, i in numbers.items():
            same(s.result_of(number)[0]["stdout"], f"{i}\n")
        sandboxes = [s.sandbox() for _ in range(SLOTS)]
        waiting = [s.begin_call("run_code", {"language": "shell", "code": "true"}) for _ in range(64)]
        error = s.fail("run_code", language="shell", code="true")
        same(error["code"], "CAPACITY")
        assert "64 calls" in error["cause"], error
        same(s.ask("ping"), {})
        for number in waiting[1:]:
            s.cancel(number)
        s.cancel(waiting[0])
        until(lambda: "error" not in s.result_of(s.begin_call("status", {}))[0])
        for sandbox in sandboxes:
            s.call("end_sandbox", sandbox_id=sandbox)


# ---- the end ----

def claimed(d):
    return d.json("status")[1]["slots"]["claimed"]


def test_sandboxes_end_with_their_client(d):
    marker = os.path.join(d.folder.name, "marker")
    with Server(d) as s:
        s.sandbox()
        s.begin_call("run_code", {"language": "shell", "code": f"touch {marker}; exec sleep 60"})
        until(lambda: os.path.exists(marker))
    until(lambda: claimed(d) == 0)
    os.unlink(marker)
    for number in (signal.SIGTERM, signal.SIGINT):
        with Server(d) as s:
            s.sandbox()
            s.process.send_signal(number)
            same(s.process.wait(LIMIT_S), 0)
        until(lambda: claimed(d) == 0)
    s = Server(d)
    s.sandbox()
    s.process.kill()
    s.process.wait(LIMIT_S)
    until(lambda: claimed(d) == 0)


def test_sandboxes_may_be_kept(d):
    with Server(d, "--keep") as s:
        sandbox = s.sandbox()
    same(d.berth("exec", sandbox, "echo kept")[1], "kept\n")
    with Server(d) as s:
        s.call("end_sandbox", sandbox_id=sandbox)
    same(claimed(d), 0)


def test_what_was_asked_is_answered_before_the_end(d):
    """As a pipe of a shell has it: the last line may lack its end."""
    lines = [{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": LEGACY[0]}},
             {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}]
    done = subprocess.run([BERTH, "mcp"], env=d.environ(), capture_output=True, timeout=LIMIT_S,
                          input="\r\n\n".join(map(json.dumps, lines)).encode(), check=False)
    same((done.returncode, done.stderr), (0, b""))
    same([json.loads(line)["id"] for line in done.stdout.splitlines()], [1, 2])


def test_a_client_that_does_not_read(d):
    """The server stops reading and keeps little; its end is no different."""
    process = subprocess.Popen([BERTH, "mcp"], env=d.environ(), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    os.set_blocking(process.stdin.fileno(), False)
    ask = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": META}})
    line = (ask + "\n").encode() * 64
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < 64 * 1024 * 1024:
            sent += os.write(process.stdin.fileno(), line)
    assert sent < 64 * 1024 * 1024, "it read on"
    process.stdout.close()
    process.stdin.close()
    same(process.wait(LIMIT_S), 0)


# ---- hostile input ----

def test_what_is_no_message(d):
    with Server(d) as s:
        for line in (b"{", b"nonsense", b"{\"a\": 1} x", b"[1,]", b"{\"a\":1,}", b"// comment", b"{'a': 1}",
                     b"\"\\x\"", b"\"a\tb\"", b"01", b"1.", b"1e999", b"\xff\xfe", b"{\"\\u0000\": 1}", b"nul",
                     b"[" * 100, b"[" * 1000000, b"[" + b"1," * 100000 + b"1]",
                     b"{\"a\":" * 40 + b"1" + b"}" * 40):
            s.raw(line)
            answer = s.hear()
            same((answer["error"]["code"], "id" in answer), (-32700, False))
        for message, number in (
                (7, None), ("x", None), (None, None), ({}, None), ({"jsonrpc": "2.0"}, None),
                ({"jsonrpc": "1.0", "id": 3, "method": "ping"}, 3),
                ({"jsonrpc": "2.0", "id": None, "method": "ping"}, None),
                ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, None),
                ({"jsonrpc": "2.0", "id": [], "method": "ping"}, None),
                ({"jsonrpc": "2.0", "id": "x" * 300, "method": "ping"}, None),
                ({"jsonrpc": "2.0", "id": "a\0", "method": "ping"}, None),
                ({"jsonrpc": "2.0", "id": 4, "method": 5}, 4),
                ({"jsonrpc": "2.0", "id": 5, "method": "ping", "params": []}, 5),
                ({"jsonrpc": "2.0", "id": 6}, 6)):
            s.say(message)
            answer = s.hear()
            same((answer["error"]["code"], answer.get("id")), (-32600, number))
        for message in ({"jsonrpc": "2.0", "id": 1, "result": {}}, {"jsonrpc": "2.0", "method": "nope"},
                        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}):
            s.say(message)
        same(s.error("nope", {})["code"], -32601)
        same(s.error("resources/list", {})["code"], -32601)
        same(s.ask("ping"), {})


def test_a_line_that_is_too_long(d):
    with Server(d) as s:
        s.raw(b"{\"a\": \"" + b"x" * (17 * 1024 * 1024) + b"\"}")
        answer = s.hear()
        same(answer["error"]["code"], -32600)
        assert "16 MiB" in answer["error"]["message"], answer
        same(s.ask("ping"), {})


def test_an_id_that_is_in_use(d):
    marker = os.path.join(d.folder.name, "marker")
    with Server(d) as s:
        number = s.begin_call("run_code", {"language": "shell", "code":
                                           f"touch {marker}; while [ -e {marker} ]; do sleep 0.1; done; echo 1"})
        until(lambda: os.path.exists(marker))
        s.say({"jsonrpc": "2.0", "id": number, "method": "ping"})
        answer = s.hear()
        same(("id" in answer, answer["error"]["code"]), (False, -32600))
        assert f"id {number}" in answer["error"]["message"], answer
        # another type is another id
        s.say({"jsonrpc": "2.0", "id": str(number), "method": "ping"})
        same(s.hear(), {"jsonrpc": "2.0", "id": str(number), "result": {}})
        os.unlink(marker)
        same(s.result_of(number)[0]["stdout"], "1\n")


def test_ids_and_tokens_come_back_as_they_were(d):
    with Server(d) as s:
        for number in (0, -1, 2**53 + 1, "", "\u00e9\"\n", "x" * 256):
            s.say({"jsonrpc": "2.0", "id": number, "method": "ping"})
            same(s.hear()["id"], number)


if __name__ == "__main__":
    sys.exit(_cli.main(globals()))

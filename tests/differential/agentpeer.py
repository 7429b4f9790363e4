# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host for an agent that runs without a VM: what berth-protocol.h says, as far as an exec needs."""

import os
import socket
import struct
import subprocess
import time

MAGIC = b"berth-1\xff"
HELLO, EXEC, READY, HELLO_REPLY, DATA, CREDIT, EXIT, ERROR = 1, 3, 33, 32, 16, 17, 36, 37
RESET, STDIN, SESSION, ONCE, REHEARSAL, MODULE, COMMONJS = 1, 1, 2, 4, 8, 16, 32
LANGUAGES = {"python": 1, "javascript": 2, "shell": 3}
CREDIT_BYTES = 1 << 20
LIMIT_S = 60  # of every wait; an exec has a limit of its own


class Agent:
    """One agent, whose interpreter of a language stands by."""

    def __init__(self, program, runners, folder, home, language):
        self.path = os.path.join(folder, language + ".sock")
        self.process = subprocess.Popen([program, "--socket", self.path, "--home", home, "--runners",
                                         runners, "--language", language], stdin=subprocess.DEVNULL)
        self.language = LANGUAGES[language]
        self.request = 0
        self.socket = None
        self.connect()

    def connect(self):
        end = time.monotonic() + LIMIT_S
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(LIMIT_S)
            try:
                self.socket.connect(self.path)
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.005)
        self.greet(0)

    def greet(self, flags):
        """With RESET, what runs ends, and so do the interpreters of sessions."""
        self.send(HELLO, MAGIC + struct.pack("<III", 2, 2, flags) + os.urandom(16))
        self.expect(HELLO_REPLY)

    def forget(self):
        self.greet(RESET)

    def send(self, kind, payload):
        self.request += 1
        self.socket.sendall(struct.pack("<III", kind, self.request, len(payload)) + payload)
        return self.request

    def send_data(self, request, stream, data):
        payload = struct.pack("<I", stream) + data
        self.socket.sendall(struct.pack("<III", DATA, request, len(payload)) + payload)

    def receive_bytes(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError("the agent is gone")
            data += piece
        return data

    def receive(self):
        kind, request, size = struct.unpack("<III", self.receive_bytes(12))
        return kind, request, self.receive_bytes(size)

    def expect(self, wanted):
        while True:
            kind, _, payload = self.receive()
            if kind == wanted:
                return payload
            if kind == ERROR:
                raise ValueError(payload[4:].decode())

    def run(self, code, flags, env=(), stdin=None, limit_s=20):
        """stdout, stderr and the status, 128+N for signal N; -1, b"", what it says: an ERROR."""
        block = b"".join(entry + b"\0" for entry in env)
        flags |= STDIN if stdin is not None else 0
        request = self.send(EXEC, struct.pack("<IIIIIIII", self.language, flags, limit_s * 1000,
                                              len(code), len(env), len(block), CREDIT_BYTES,
                                              CREDIT_BYTES))
        for at in range(0, len(code), 60000):
            self.send_data(request, 3, code[at:at + 60000])
        if block:
            self.send_data(request, 4, block)
        return self.collect(request, stdin)

    def collect(self, request, stdin):
        streams = {1: b"", 2: b""}
        left = stdin
        while True:
            kind, about, payload = self.receive()
            if about != request:
                continue
            if kind == DATA:
                stream = payload[0]
                streams[stream] += payload[4:]
                self.give(request, stream, len(payload) - 4)
            elif kind == CREDIT and left is not None:
                left = self.feed(request, left, struct.unpack("<II", payload)[1])
            elif kind == EXIT:
                ended, status, signal = struct.unpack("<IiI", payload[:12])
                status = 128 + signal if signal else status
                return streams[1], streams[2], "timed out" if ended & 1 else status
            elif kind == ERROR:
                return b"", payload[4:], -1

    def give(self, request, stream, count):
        payload = struct.pack("<II", stream, count)
        if count:
            self.socket.sendall(struct.pack("<III", CREDIT, request, len(payload)) + payload)

    def feed(self, request, left, credit):
        while left and credit:
            piece, left = left[:min(credit, 60000)], left[min(credit, 60000):]
            credit -= len(piece)
            self.send_data(request, 0, piece)
        if not left:
            self.send_data(request, 0, b"")
            return None
        return left

    def stop(self):
        self.socket.close()
        self.process.terminate()
        return self.process.wait(LIMIT_S)

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What test-reach.py lets sandboxes reach: servers that it runs in a network namespace of its own, each on
an address of that. Arguments: FOLDER (of files), CERTIFICATE (with its key). Says "ready" when all listen.

80 HTTP with a WebSocket at /socket, 443 HTTPS, 7000 echo (of IPv6, too), 7001 nothing is ever read, 7002 nothing
is ever said, 7003 bytes without end, 7004 says "first", ends its way and reads on, 7005 how much that has read,
7006 twenty bytes, slowly;
8080 a proxy: CONNECT of "NAME:PORT" is the server at that port, and of denied.proxy.test refused;
names by UDP at 53: NAMES, and rebind.test, whose address is another one each time, cname.test, which is another
name of inside.test; of those that lie lies.test is answered for another name, garbage.test by no message."""

import base64
import functools
import hashlib
import http.server
import os
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time

PUBLIC, SECOND, PRIVATE, PUBLIC6 = "44.0.0.2", "44.0.0.3", "10.9.9.9", "2606:4700::2"
NAMES = {"www.test": [PUBLIC], "a.wild.test": [SECOND], "b.a.wild.test": [SECOND], "other.test": [PUBLIC],
         "inside.test": [PRIVATE], "metadata.test": ["169.254.169.254"], "loop.test": ["127.0.0.1"],
         "self.test": ["44.0.0.1"], "six.test": [], "mixed.test": [PRIVATE, PUBLIC], "nowhere.test": ["44.0.0.99"]}
LONG = ".".join(["a" * 63] * 3 + ["b" * 56, "test"])


class Web(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://elsewhere.test/")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/socket":
            self.serve_socket()
        elif self.path == "/big":
            self.send_response(200)
            self.send_header("Content-Length", str(100 << 20))
            self.end_headers()
            piece = bytes(range(256)) * 1024
            for _ in range(400):
                self.wfile.write(piece)
        else:
            super().do_GET()

    def serve_socket(self):
        """Frames of text come back, each shorter than 126 bytes (RFC 6455)."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            mask = self.rfile.read(4)
            text = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(head[1] & 127)))
            self.wfile.write(bytes([head[0], len(text)]) + text)
            if head[0] & 15 == 8:
                return

    def log_message(self, *_):
        pass


READ = []


class Raw(socketserver.BaseRequestHandler):
    def handle(self):
        port = self.server.server_address[1]
        if port == 7000:
            while True:
                data = self.request.recv(65536)
                if not data:
                    break
                self.request.sendall(data)
        elif port == 7003:
            while True:
                self.request.sendall(bytes(65536))
        elif port == 7004:
            self.request.sendall(b"first")
            self.request.shutdown(socket.SHUT_WR)
            size = 0
            while data := self.request.recv(65536):
                size += len(data)
            READ.append(size)
        elif port == 7005:
            self.request.sendall(str(READ).encode())
        elif port == 7006:
            for i in range(20):
                self.request.sendall(b"s")
                time.sleep(0.05)
        else:
            threading.Event().wait()


class Proxy(socketserver.StreamRequestHandler):
    """Whatever the name is, it knows the server at the port."""

    def handle(self):
        method, to, _ = self.rfile.readline().split()
        while self.rfile.readline().strip():
            pass
        name, port = to.decode().rsplit(":", 1)
        if method != b"CONNECT" or name == "denied.proxy.test":
            self.wfile.write(b"HTTP/1.1 403 No\r\n\r\n")
            return
        with socket.create_connection((PUBLIC, int(port))) as server:
            self.wfile.write(b"HTTP/1.1 200 Yes\r\n\r\n")
            back = threading.Thread(target=self.carry, args=(server, self.request))
            back.start()
            self.carry(self.request, server)
            back.join()

    @staticmethod
    def carry(source, sink):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class Threads6(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_):
        pass


def answer(query, state):
    """One question, its addresses; none where the name has none."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
        at += query[at] + 1
    name, kind = ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])[0]
    if name == "rebind.test" and kind == 1:
        state["asked"] = state.get("asked", 0) + 1
        addresses = [PUBLIC if state["asked"] == 1 else PRIVATE]
    elif name == "hang.test":
        return None
    elif name == "garbage.test":
        return query[:2] + b"\xff" * 40
    elif name == "lies.test":
        other = b"\x03www\x04test\x00" + query[at + 1:at + 5]
        return (query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + other + b"\xc0\x0c" +
                struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(PUBLIC))
    elif name == "cname.test" and kind == 1:
        inside = b"\x06inside\x04test\x00"
        return (query[:2] + struct.pack(">HHHHH", 0x8180, 1, 2, 0, 0) + query[12:at + 5] + b"\xc0\x0c" +
                struct.pack(">HHIH", 5, 1, 0, len(inside)) + inside + inside +
                struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(PRIVATE))
    else:
        addresses = [PUBLIC] if name == LONG else NAMES.get(name)
    code = 0 if addresses is not None or name == "rebind.test" else 3
    records = addresses if kind == 1 and addresses else []
    if name == "six.test" and kind == 28:
        return (query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + query[12:at + 5] + b"\xc0\x0c" +
                struct.pack(">HHIH", 28, 1, 0, 16) + socket.inet_pton(socket.AF_INET6, PUBLIC6))
    head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0)
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(a) for a in records)
    return head + query[12:at + 5] + body


def serve_names():
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("", 53))
    state = {}
    while True:
        query, peer = names.recvfrom(1024)
        said = answer(query, state)
        if said is not None:
            names.sendto(said, peer)


def main():
    folder, certificate = sys.argv[1:]
    web = functools.partial(Web, directory=folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    servers = [Threads(("", port), Raw) for port in range(7000, 7007)]
    servers.append(Threads6((PUBLIC6, 7000), Raw))
    servers += [Threads(("", 8080), Proxy), Threads(("", 80), web), Threads(("", 443), web)]
    servers[-1].socket = context.wrap_socket(servers[-1].socket, server_side=True)
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=serve_names, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()

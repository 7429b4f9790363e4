# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's docker-registry, alone with us in namespaces of network and mounts, and a way to it that can be cut."""

import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

FOLDER = os.environ.get("BERTH_ALONE")  # when we are, below
NEEDED = ("ip", "docker-registry", "skopeo", "setpriv", "prlimit", "openssl")
PLACE = "docker://127.0.0.1:5000/"
URL = "http://127.0.0.1:5000/v2/"


def inside(*names):
    return os.path.join(FOLDER, *names)


def serve(folder, port=5000):
    """The registry, which is there when it answers."""
    config = os.path.join(folder, "config")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n")
    with open(os.path.join(folder, "log"), "wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=10).read()
            return process
        except OSError:
            assert time.monotonic() < end and process.poll() is None, "the registry did not begin"
            time.sleep(0.05)


class Way(http.server.ThreadingHTTPServer):
    """Port 5001: what is asked for there is written down; of a blob in cut, half comes, after wait."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 5001), Handler)
        self.asked, self.cut, self.is_cut, self.wait = [], set(), threading.Event(), None
        threading.Thread(target=self.serve_forever, daemon=True).start()


    def handle_error(self, *_):
        pass  # who asked is gone


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rsplit("/", 1)[-1]
        if "/blobs/" in self.path:
            self.server.asked.append(name)
        request = urllib.request.Request("http://127.0.0.1:5000" + self.path, headers=dict(self.headers))
        try:
            answer = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        data = answer.read()
        self.send_response(answer.status)
        for key in ("Content-Type", "Docker-Content-Digest", "Docker-Distribution-Api-Version"):
            if answer.headers[key]:
                self.send_header(key, answer.headers[key])
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if name in self.server.cut and self.server.wait:
            self.server.wait()
        self.wfile.write(data[:len(data) // 2] if name in self.server.cut else data)
        if name in self.server.cut:
            self.wfile.flush()
            self.server.is_cut.set()
            self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def alone(main):
    """Runs main with a registry, in a namespace; or says why it can't."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in NEEDED):
        print("1..0 # SKIP it takes root and " + ", ".join(NEEDED))
    elif FOLDER:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        os.mkdir(inside("scratch"))
        os.chmod(inside("scratch"), 0o1777)
        subprocess.run(["mount", "--bind", inside("scratch"), "/var/tmp"], check=True)  # and no other build's folders
        registry = serve(FOLDER)
        try:
            failed = main()
        finally:
            registry.kill()
            registry.wait()
            shutil.rmtree(FOLDER)
        sys.exit(failed)
    else:
        folder = tempfile.mkdtemp(prefix="berth-registry-", dir="/tmp")
        os.chmod(folder, 0o755)
        os.execvpe("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv], {**os.environ, "BERTH_ALONE": folder})

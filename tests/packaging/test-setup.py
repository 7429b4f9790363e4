#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ./setup does in a folder that others may write to, for an ordinary user without a folder of its
own under /run. In a mount namespace with a /tmp of its own, as root, who can be two users. Usage:
test-setup.py SOURCE_ROOT"""

import os
import shutil
import subprocess
import sys
import tempfile
import traceback

SETUP = os.path.join(sys.argv[1], "setup")
USER, OTHER = 65534, 1
STEP = """. "$1/setup"
setup_healthy() { false; }
setup_libvirt() { :; }
setup_places
"""


class Host:
    """A namespace's /tmp is what this test makes of it: it is entered once, for good."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="berth-setup-", dir="/var/tmp")
        os.chmod(self.folder, 0o755)
        shutil.copy(SETUP, self.folder)
        self.home = os.path.join(self.folder, "home")
        os.makedirs(os.path.join(self.folder, "build"))
        os.makedirs(self.home)
        for path in (self.home, os.path.join(self.folder, "build")):
            os.chown(path, USER, USER)
        self.victim = os.path.join(self.home, "victim")
        with open(self.victim, "w", encoding="ascii") as file:
            file.write("mine")
        os.chown(self.victim, USER, USER)
        # of a user who was there first
        trap = f"/tmp/berth-{USER}"
        os.mkdir(trap)
        os.chown(trap, OTHER, OTHER)
        os.chmod(trap, 0o1777)
        for name in ("berthd.pid", "berthd.sock.pid", "berthd.log", "berthd.sock"):
            os.symlink(self.victim, os.path.join(trap, name))
            os.lchown(os.path.join(trap, name), OTHER, OTHER)

    def step(self, words):
        return subprocess.run(
            ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "env", "-i",
             "PATH=" + os.environ["PATH"], "HOME=" + self.home, "bash", "-c", STEP + words, "setup",
             self.folder], capture_output=True, text=True, timeout=60, check=False)

    def state(self):
        return os.path.join(self.home, ".local/state/berth")


def test_folder_of_another(host):
    done = host.step("setup_berthd")
    assert done.returncode != 0, done
    assert f"/tmp/berth-{USER} belongs to another user: set BERTH_SOCKET" in done.stderr, done.stderr
    with open(host.victim, encoding="ascii") as file:
        assert file.read() == "mine"


def test_process_id_of_another_program(host):
    """What the file names is berth's own only where it is this very program."""
    victim = subprocess.Popen(
        ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "sleep", "60"])
    try:
        os.makedirs(host.state(), exist_ok=True)
        path = os.path.join(host.state(), f"_tmp_berth-{USER}_berthd.sock.pid")
        for text in (f"{victim.pid}\n", f"{victim.pid} \n", f"{victim.pid} /no/such\n", "1 /\n", ""):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            done = host.step("echo \"$setup_pid\"; setup_own_berthd || echo none")
            assert done.stdout == f"{path}\nnone\n", (text, done)
        with open(path, "w", encoding="ascii") as file:  # the test sees what it names
            file.write(f"{victim.pid} {os.path.realpath(shutil.which('sleep'))}\n")
        os.chown(path, USER, USER)
        assert host.step("setup_own_berthd").stdout == f"{victim.pid}\n"
    finally:
        victim.kill()
        victim.wait()


def enter():
    """Begins again where /tmp is empty; what is needed from below the old one is taken along."""
    script = "mount -t tmpfs -o mode=1777 tmpfs /tmp && exec \"$@\""
    inside = ["unshare", "--mount", "--propagation", "private", "bash", "-c", script, "bash"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode != 0:
        print("1..0 # SKIP no mount namespace is to be had here")
        return 0
    with tempfile.TemporaryDirectory(prefix="berth-setup-", dir="/var/tmp") as folder:
        shutil.copy(SETUP, folder)
        script = shutil.copy(__file__, folder)
        return subprocess.run([*inside, sys.executable, script, folder], check=False,
                              env={**os.environ, "BERTH_TEST_INSIDE": "yes"}).returncode


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP two users are needed, and only root can be both")
        return 0
    if "BERTH_TEST_INSIDE" not in os.environ:
        return enter()
    tests = (test_folder_of_another, test_process_id_of_another_program)
    host = Host()
    failed = 0
    print(f"1..{len(tests)}")
    try:
        for number, test in enumerate(tests, 1):
            try:
                test(host)
                print(f"ok {number} {test.__name__}")
            except Exception:  # pylint: disable=broad-exception-caught
                failed = 1
                print("# " + traceback.format_exc().replace("\n", "\n# "))
                print(f"not ok {number} {test.__name__}")
    finally:
        shutil.rmtree(host.folder)
    return failed


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images whose first process means harm, and a sandbox that works beside them."""

import os
import shutil
import subprocess
import time

from guestlib import BUILD_IMAGES, same

MARKER = b"hostile-mode="


def make_images(folder, init):
    """The images with this first process."""
    subprocess.run([BUILD_IMAGES, "--agent", init, "--dir", folder, "-q"], check=True)


def make_hostile_images(folder, hostile, mode):
    init = os.path.join(folder, "init")
    shutil.copy(hostile, init)
    with open(init, "r+b") as file:
        place = file.read().index(MARKER) + len(MARKER)
        file.seek(place)
        file.write(mode.encode().ljust(24))
    make_images(folder, init)


class Others:
    """A session on good images, of a berthd that got the hostile ones after it was made."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.id = daemon.berth("create").stdout.strip()

    def speed(self, seconds):
        """Execs of it in a second."""
        end, count = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            done = self.daemon.berth("exec", self.id, "print(sum(range(20000)))")
            same((done.returncode, done.stdout), (0, "199990000\n"))
            count += 1
        return count / seconds

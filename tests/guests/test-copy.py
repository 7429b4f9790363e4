#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two VMs that go on from one state: they share no random number, and the clock of each is right
(invariant 7). An administrator makes them with virsh save and virsh restore. See guestlib.py."""

import json
import os
import random
import re
import sys
import time

from guestlib import LONG, Daemon, domains, main, need, same, until, virsh

# What draws once before the state is saved, so that every generator has been used
DRAW = {
    "python": """
import json, os, random, secrets, ssl, time, uuid
keep = globals().get("keep") or random.random
print(json.dumps({"numbers": [n for _ in range(50) for n in
                              (random.random(), keep(), random.gauss(0, 1), ssl.RAND_bytes(16).hex(),
                               os.urandom(16).hex(), str(uuid.uuid4()), secrets.token_hex(16))],
                  "time": time.time()}))
""",
    "javascript": """
var c = require('crypto');
globalThis.keep ??= Math.random;
var numbers = [];
for (let i = 0; i < 200; i++)
  numbers.push(Math.random(), keep(), c.randomBytes(16).toString('hex'), c.randomUUID(),
    c.randomInt(2 ** 47), Buffer.from(c.webcrypto.getRandomValues(new Uint8Array(16))).toString('hex'));
numbers.push(c.generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).toString('hex'));
console.log(JSON.stringify({ numbers, time: Date.now() / 1000 }));
""",
}


def draw(d, session, language):
    begin = time.time()
    done = d.berth("exec", session, DRAW[language])
    same((done.returncode, done.stderr), (0, ""))
    drawn = json.loads(done.stdout)
    assert begin - 0.05 <= drawn["time"] <= time.time(), (begin, drawn["time"], time.time())
    same(len(set(drawn["numbers"])), len(drawn["numbers"]))
    return set(drawn["numbers"])


def make(d, language, *options):
    session = d.berth("create", "-l", language, *options).stdout.strip()
    return session, next(vm["domain"] for vm in d.json("list") if vm["id"] == session)


def save(d, domain):
    """Where libvirt's own user may write."""
    path = os.path.join(d.folder, "saved")
    virsh("save", domain, path)
    return path


def without_limit(xml):
    """Of memory: with one in its XML, libvirt raises what QEMU may lock, which a root without
    CAP_SYS_RESOURCE can't."""
    return re.sub(r"<memtune>.*?</memtune>", "", xml, flags=re.S)


def restore(path):
    xml = without_limit(virsh("save-image-dumpxml", "--security-info", path))
    with open(path + ".xml", "w", encoding="utf-8") as file:
        file.write(xml)
    virsh("restore", "--xml", path + ".xml", path)


def serves(d, session):
    return d.berth("exec", session, "1").returncode == 0


def test_a_saved_session_comes_back():
    with Daemon("--warm-default", "0") as d:
        session, domain = make(d, "python", "--tenant", "acme")
        same(d.berth("exec", session, "x = 41; open('kept', 'w').write('yes')").returncode, 0)
        path = save(d, domain)
        d.wait_slots(claimed=0, free=2)
        gone = d.berth("exec", session, "1")
        same((gone.returncode, gone.stderr.count("\n")), (125, 1))
        assert "virsh restore" in gone.stderr, gone.stderr
        time.sleep(1)  # the guest's clock is to be behind
        restore(path)
        until(lambda: serves(d, session), "the session")
        d.wait_slots(claimed=1, free=1)
        begin = time.time()
        done = d.berth("exec", session, "import time; print(x + 1, open('kept').read(), time.time())")
        same(done.stdout.split()[:2], ["42", "yes"])
        assert begin - 0.05 <= float(done.stdout.split()[2]) <= time.time(), (begin, done.stdout)
        same([vm["tenant"] for vm in d.json("list") if vm["id"] == session], ["acme"])
        same(d.berth("destroy", session).returncode, 0)
        until(lambda: not domains(), "the end of the domain")


def test_a_paused_one_comes_back_paused():
    with Daemon("--warm-default", "0") as d:
        session, domain = make(d, "python")
        same(d.berth("exec", session, "x = 41").returncode, 0)
        same(d.berth("pause", session).returncode, 0)
        path = save(d, domain)
        d.wait_slots(claimed=0, free=2)
        restore(path)
        until(lambda: [vm["state"] for vm in d.json("list")] == ["paused"], "the session")
        same(virsh("domstate", domain).strip(), "paused")
        same(d.berth("exec", session, "print(x + 1)").stdout, "42\n")
        same(d.berth("destroy", session).returncode, 0)
        until(lambda: not domains(), "the end of the domain")


def test_what_was_loaded_comes_back():
    """A clone, a copy, and one that was hibernated: what libvirt saves of each, it can restore."""
    need(LONG, "only with BERTH_TEST_LONG=1")
    with Daemon("--max-vms", "5", "--warm", "python=1") as d:
        d.wait_warm()
        woken, _ = make(d, "python")
        same(d.berth("exec", woken, "x = 41").returncode, 0)
        child = d.berth("fork", woken).stdout.strip()
        same(d.berth("hibernate", woken).returncode, 0)
        same(d.berth("exec", woken, "print(x)").stdout, "41\n")
        clone, _ = make(d, "python")
        same(d.berth("exec", clone, "x = 41").returncode, 0)
        for session in (clone, child, woken):
            path = save(d, next(vm["domain"] for vm in d.json("list") if vm["id"] == session))
            until(lambda one=session: not serves(d, one), "its end")
            restore(path)
            until(lambda one=session: serves(d, one), "the session")
            same(d.berth("exec", session, "print(x + 1)").stdout, "42\n")
            same(d.berth("destroy", session).returncode, 0)


def check_copies(language):
    with Daemon("--warm-default", "0") as d:
        session, domain = make(d, language)
        drawn = draw(d, session, language)
        path = save(d, domain)
        for is_away in (False, False, True):
            until(lambda: not domains(), "the end of the last one")
            if is_away:
                d.crash()
            restore(path)
            if is_away:
                d.start()
            until(lambda: serves(d, session), "the session")
            more = draw(d, session, language)
            same(len(drawn & more), 0)
            drawn |= more
            virsh("destroy", domain)
            until(lambda: not serves(d, session), "its end")


def test_copies_of_python_share_no_random_number():
    check_copies("python")


def test_copies_of_javascript_share_no_random_number():
    check_copies("javascript")


def test_a_session_that_berthd_finds_again_keeps_its_name():
    with Daemon("--warm-default", "0") as d:
        session, _ = make(d, "shell")
        ask = "hostname; cat /etc/machine-id; echo $HOSTNAME"
        before = d.berth("exec", session, ask).stdout
        d.crash()
        d.start()
        same(d.berth("exec", session, ask).stdout, before)
        same(d.berth("destroy", session).returncode, 0)


def test_a_session_that_berthd_finds_again_keeps_its_numbers():
    """No copy can have them: the process that had it when it was made has it still."""
    with Daemon("--warm-default", "0") as d:
        session, domain = make(d, "python")
        same(d.berth("exec", session, "import random; random.seed(7)").returncode, 0)
        until(lambda: " process=" in virsh("dumpxml", domain), "its mark")
        d.crash()
        d.start()
        done = d.berth("exec", session, "print(random.random())")
        same(done.stdout.split(), [str(random.Random(7).random())])
        same(d.berth("destroy", session).returncode, 0)


def test_what_is_restored_at_once_is_not_ended():
    """While the end of its last life is under way."""
    with Daemon("--warm-default", "0") as d:
        session, domain = make(d, "python")
        same(d.berth("exec", session, "x = 41").returncode, 0)
        for _ in range(3):
            restore(save(d, domain))
            until(lambda: serves(d, session), "the session")
            same(d.berth("exec", session, "print(x + 1)").stdout, "42\n")
            d.wait_slots(claimed=1, free=1)
        same(d.berth("destroy", session).returncode, 0)


def test_a_second_domain_of_a_session_is_ended():
    """Whoever made it: only one can be found by its id."""
    with Daemon("--warm-default", "0") as d:
        session, domain = make(d, "shell", "--cold")
        same(d.berth("exec", session, "x=42").returncode, 0)
        mark = re.search(r"<berth:vm .*?/>", virsh("dumpxml", domain)).group()
        xml = without_limit(virsh("dumpxml", "--inactive", "--security-info", domain))
        xml = re.sub(r"<uuid>.*?</uuid>|<log file.*?/>", "", re.sub(r"<berth:vm .*?/>", mark, xml))
        path = os.path.join(d.folder, "copy.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(xml.replace(f"<name>{domain}<", f"<name>{domain}-copy<"))
        virsh("create", path)
        until(lambda: domains() == [domain], "the end of the copy")
        same(d.berth("exec", session, "echo $x").stdout, "42\n")
        same(d.berth("destroy", session).returncode, 0)


if __name__ == "__main__":
    sys.exit(main(globals()))

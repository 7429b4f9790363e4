#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is found again after berthd died under load (invariant 8). See guestlib.py. One argument more:
mark-fails.so."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

from guestlib import (BERTH, LIMIT_S, LONG, Daemon, domains, find_pids, kill_all, libvirtd_pids, main, mark,
                      may_meddle, need, qemu_pids, same, start_libvirtd, until, virsh)

ROUNDS = 100 if LONG else 3
KILLS = 100 if LONG else 5
SEED = int(os.environ.get("BERTH_SEED", random.SystemRandom().randrange(1 << 32)))


class Load:
    """Runs without end on a few threads. A berthd that dies ends some; none may be answered wrongly."""

    def __init__(self, daemon, threads=3):
        self.daemon, self.stop, self.ids, self.wrong = daemon, False, [], []
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def work(self, number):
        count = 0
        while not self.stop:
            count += 1
            word = f"{number}-{count}"
            done = subprocess.run([BERTH, "run", f"print('{word}')"], capture_output=True,
                                  text=True, stdin=subprocess.DEVNULL, timeout=LIMIT_S,
                                  env={**os.environ, "BERTH_SOCKET": self.daemon.socket},
                                  check=False)
            if done.returncode == 0 and done.stdout != word + "\n":
                self.wrong.append((word, done.stdout, done.stderr))
            elif done.returncode not in (0, 125):
                self.wrong.append((word, done.returncode, done.stderr))
            elif done.returncode == 125:
                if done.stderr.count("\n") != 1:
                    self.wrong.append((word, done.stderr))
                time.sleep(0.2)

    def __exit__(self, *_):
        self.stop = True
        for thread in self.threads:
            thread.join()


def test_mark_that_libvirt_did_not_take():
    """A session says that it is one, though libvirt failed when it was to: it is found again."""
    need(len(sys.argv) > 3, "only with the library that makes libvirt fail, which no package has")
    with Daemon("--warm-default", "0", "--max-vms", "2") as d:
        before = d.more_env
        d.crash()
        d.more_env = {"LD_PRELOAD": os.path.abspath(sys.argv[3]), "BERTH_MARK_FAILS": "2"}
        d.start()
        session = d.berth("create", "-l", "shell").stdout.strip()
        domain, = (vm["domain"] for vm in d.json("list") if vm["id"] == session)
        until(lambda: 'state="session"' in mark(domain), "the mark")
        d.crash()
        d.more_env = before
        d.start()
        same(d.berth("exec", session, "echo here").stdout, "here\n")


def test_berthd_killed_under_load():
    chance = random.Random(SEED)
    print(f"# BERTH_SEED={SEED}, {ROUNDS} rounds")
    with Daemon("--max-vms", "4", "--warm", "python=1") as d:
        d.wait_warm()
        session = d.berth("create", "--tenant", "acme", "--task", "kept").stdout.strip()
        same(d.berth("exec", session, "open('count', 'w').write('0')").returncode, 0)
        claimed = {session}
        with Load(d) as load:
            for count in range(1, ROUNDS + 1):
                time.sleep(chance.uniform(0.1, 3))
                claimed |= {vm["id"] for vm in d.json("list") if vm["state"] == "claimed"}
                d.crash()
                d.start()
                # what had run somebody's code is nobody's warm VM now
                warm = {vm["id"] for vm in d.json("list") if vm["state"] == "warm"}
                assert not warm & claimed, (warm, claimed)
                done = d.berth("exec", session,
                               "n = int(open('count').read()) + 1; "
                               "open('count', 'w').write(str(n)); print(n)")
                same((done.returncode, done.stdout, done.stderr), (0, f"{count}\n", ""))
        same(load.wrong, [])
        # once it is quiet, the books are libvirt's
        until(lambda: d.domains() == sorted(domains()), "the same domains here and there")
        d.wait_slots(claimed=1, free=3)
        same(d.berth("destroy", session).returncode, 0)
        same(d.run()["stdout"], "ok\n")


def test_warm_vms_serve_again_without_a_boot():
    with Daemon("--warm", "python=2") as d:
        d.wait_warm(2)
        before = {vm["id"] for vm in d.warm()}
        d.crash()
        d.start()
        d.wait_warm(2)
        same({vm["id"] for vm in d.warm()}, before)
        same(d.run("print(1)")["start"], "warm")


def test_a_warm_vm_that_was_resumed_is_not_used_again():
    """What paused it after was not berth, and what ran in it nobody knows: whatever its guest says."""
    with Daemon("--warm", "python=2") as d:
        d.wait_warm(2)
        touched, other = d.warm()
        d.crash()
        virsh("resume", touched["domain"])
        virsh("suspend", touched["domain"])
        d.start()
        d.wait_warm(2)
        now = {vm["id"] for vm in d.warm()}
        assert other["id"] in now and touched["id"] not in now, (now, touched, other)


def test_paused_sessions_stay_paused():
    """However berthd ended: a session that stands still does so afterwards, by whomever it was
    paused, and goes on where it was, with the right time."""
    with Daemon("--warm-default", "0", "--snapshot-scope", "none", "--vcpus", "2", "--max-vms",
                "4") as d:
        sessions = [d.berth("create", "-l", "python", "--tenant", "acme").stdout.strip()
                    for _ in range(2)]
        for number, session in enumerate(sessions):
            same(d.berth("exec", session, f"kept = {number}").returncode, 0)
        job = d.berth("exec", "-d", "-t", "600", "-x", sessions[0], "sleep", "600").stdout.strip()
        domain = {vm["id"]: vm["domain"] for vm in d.json("list")}
        same(d.berth("pause", sessions[0]).returncode, 0)
        virsh("suspend", domain[sessions[1]])

        def paused():
            return sorted((vm["id"], vm["state"]) for vm in d.json("list"))
        wanted = sorted((session, "paused") for session in sessions)
        until(lambda: paused() == wanted, "berth to see both paused")
        for end in (d.crash, lambda: (os.kill(d.process.pid, signal.SIGUSR1), d.process.wait(60))):
            end()
            d.start()
            same(paused(), wanted)
            same(d.json("status")["vcpus"]["held"], 0)
            same([virsh("domstate", domain[session]).strip() for session in sessions],
                 ["paused", "paused"])
        assert "found sandbox" in d.log() and "again, paused" in d.log(), d.log()
        virsh("resume", domain[sessions[1]])  # by an administrator: it is greeted then
        until(lambda: paused() == sorted([(sessions[0], "paused"), (sessions[1], "claimed")]),
              "berth to see one running")
        same(d.json("status")["vcpus"]["held"], 1)
        for number, session in enumerate(sessions):
            before = time.time()
            done = d.berth("exec", session, "import time; print(kept, time.time())")
            same((done.returncode, done.stderr), (0, ""))
            kept, now = done.stdout.split()
            same(kept, str(number))
            assert before - 0.1 <= float(now) <= time.time() + 0.1, (before, now)
        same([(entry["exec"], entry["state"]) for entry in d.json("ps", sessions[0])],
             [(int(job), "running")])
        same(d.berth("pause", sessions[0]).returncode, 0)  # and again
        d.crash()
        d.start()
        same(d.berth("destroy", *sessions).returncode, 0)


def test_berthd_leaves_on_sigusr1():
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        session = d.berth("create").stdout.strip()
        same(d.berth("exec", session, "x = 41").returncode, 0)
        d.wait_warm()
        before = {vm["id"] for vm in d.json("list")}
        d.process.send_signal(signal.SIGUSR1)
        same(d.process.wait(60), 0)
        d.start()
        d.wait_warm()
        same({vm["id"] for vm in d.json("list")}, before)
        same(d.berth("exec", session, "print(x + 1)").stdout, "42\n")  # the interpreter lives on


def test_host_rebooted():
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        session = d.berth("create").stdout.strip()
        # libvirtd 9.0 itself can crash if a QEMU dies that it is just starting: none is, then
        d.wait_warm()
        pids = qemu_pids(d.domains())
        d.crash()
        kill_all(pids)
        until(lambda: not domains(), "the end of the domains")
        assert domains("--all")  # the definitions are left
        d.start()
        done = d.berth("exec", session, "print(1)")
        same(done.returncode, 125)
        assert "gone" in done.stderr, done.stderr
        same(d.run()["stdout"], "ok\n")
        until(lambda: d.domains() == sorted(domains()), "the same domains here and there")


def kill_one(d, chance):
    """False: there was none."""
    pids = qemu_pids(d.domains())
    if not pids:
        return False
    try:
        os.kill(chance.choice(pids), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def test_qemu_killed_under_load():
    """In whatever state it is. libvirtd 9.0 itself can crash if a QEMU dies that it is just starting:
    it is started again then, and berth goes on."""
    need(may_meddle(), "only where this test may start libvirtd")
    chance = random.Random(SEED)
    print(f"# BERTH_SEED={SEED}, {KILLS} kills")
    kills = crashes = 0
    with Daemon("--max-vms", "4", "--warm", "python=1") as d:
        d.wait_warm()
        with Load(d) as load:
            while kills < KILLS:
                time.sleep(chance.uniform(0, 1))
                kills += kill_one(d, chance)
                if not libvirtd_pids():
                    crashes += 1
                    start_libvirtd(d)
        print(f"# libvirtd crashed {crashes} times")
        same(load.wrong, [])
        if not libvirtd_pids():
            start_libvirtd(d)
        d.berth("pool", "fill")
        d.wait_slots(claimed=0, free=4)
        d.wait_warm()
        until(lambda: d.domains() == sorted(domains()), "the same domains here and there")
        same(d.run()["stdout"], "ok\n")


def test_libvirtd_restarted():
    need(may_meddle(), "only where this test may start libvirtd")
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        session = d.berth("create").stdout.strip()
        same(d.berth("exec", session, "open('kept', 'w').write('yes')").returncode, 0)
        for _ in range(20 if LONG else 2):
            for pid in libvirtd_pids():
                os.kill(pid, signal.SIGTERM)
            until(lambda: not libvirtd_pids(), "libvirtd's end", 30)
            # a session that is there needs no libvirtd
            same(d.berth("exec", session, "print(open('kept').read())").stdout, "yes\n")
            start_libvirtd(d)
            same(d.run()["stdout"], "ok\n")
        same(d.berth("destroy", session).returncode, 0)
        until(lambda: d.domains() == sorted(domains()), "the same domains here and there")
        assert virsh("version")


def virtlogd_pids():
    return find_pids("-x", "-u", "0", "virtlogd")


def test_virtlogd_restarted():
    need(may_meddle() and virtlogd_pids(), "only where this test may start virtlogd")
    with Daemon("--warm", "python=1") as d:
        d.wait_warm()
        session = d.berth("create").stdout.strip()
        for _ in range(20 if LONG else 1):
            d.wait_warm()
            for pid in virtlogd_pids():
                os.kill(pid, signal.SIGTERM)
            until(lambda: not virtlogd_pids(), "virtlogd's end", 30)
            # what is there does not need it; what is to start says that it is away
            same(d.berth("exec", session, "print('there')").stdout, "there\n")
            same(d.run()["stdout"], "ok\n")
            away = d.berth("run", "-l", "shell", "echo no")
            print(f"# {away.returncode}: {away.stderr.strip()}")
            same((away.returncode, away.stderr.count("\n")), (125, 1))
            assert "virtlogd" in away.stderr, away.stderr
            subprocess.run(["virtlogd", "-d", "-p", "/run/berth/virtlogd.pid"], check=True)
            until(virtlogd_pids, "virtlogd", 30)
            same(d.run("echo ok", "-l", "shell")["stdout"], "ok\n")
        d.berth("pool", "fill")
        d.wait_warm()
        same(d.berth("destroy", session).returncode, 0)
        until(lambda: d.domains() == sorted(domains()), "the same domains here and there")


def run_to_its_end_without_libvirtd(d):
    """A run whose program ends while libvirtd does nothing; libvirtd is still stopped then."""
    process = subprocess.Popen([BERTH, "run", "input(); print('done')"], env=d.environ(), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    until(lambda: any(vm["state"] == "claimed" for vm in d.json("list")), "the run")
    stopped = libvirtd_pids()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    same((process.communicate("\n", timeout=60)[0], process.returncode), ("done\n", 0))
    return stopped


def go_on(pids):
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def test_answer_does_not_wait_for_the_end_of_its_vm():
    """Nor does anybody else wait for a libvirtd that hangs, also when berthd has given it up."""
    need(may_meddle(), "only where this test may stop libvirtd")
    stopped = []
    with Daemon("--max-vms", "1") as d:
        try:
            stopped = run_to_its_end_without_libvirtd(d)
            slots = d.json("status")["slots"]
            same((slots["free"], slots["stopping"]), (0, 1))
            assert d.berth("run", "--no-wait", "1").returncode in (125, 126)
            until(lambda: not d.json("status")["libvirt"]["connected"], "the loss of libvirtd")
            refused = d.berth("run", "--no-wait", "1")
            same((refused.returncode, "not reachable" in refused.stderr), (125, True))
        finally:
            go_on(stopped)
        same(d.run("print(1)")["stdout"], "1\n")


def test_berthd_dies_behind_the_answer():
    need(may_meddle(), "only where this test may stop libvirtd")
    stopped = []
    with Daemon("--max-vms", "1", "--warm-default", "0") as d:
        try:
            stopped = run_to_its_end_without_libvirtd(d)
            d.crash()
        finally:
            go_on(stopped)
        d.start()
        same(d.json("list"), [])
        d.wait_slots(0, 1)


def test_wait_gone():
    with Daemon("--max-vms", "1") as d:
        result = d.json("run", "--wait-gone", "print(1)")
        same((result["exit_code"], result["destroy_unconfirmed"]), (0, False))
        assert result["timing"]["destroy_ms"] > 0, result
        same([vm for vm in d.json("list") if vm["id"] == result["sandbox_id"]], [])


def test_run_with_files_does_not_outlive_berthd():
    """Its VM is a run's: berthd that died before it ended it does so at its next start."""
    with Daemon("--max-vms", "1", "--warm-default", "0") as d:
        process = subprocess.Popen([BERTH, "run", "--upload", f"{__file__}:x", "input()"],
                                   env=d.environ(), stdin=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        until(lambda: any(vm["state"] == "claimed" for vm in d.json("list")), "the run")
        d.crash()
        same(process.wait(60), 125)
        process.stdin.close()
        d.start()
        same(d.json("list"), [])


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks the model of admission in every order of events (TAP).

    test-model.py states MODEL VM-STATES    the model's life of a VM is the code's
    test-model.py check MODEL               properties hold, and each mutation breaks one

Each check is `spin -a`, a C compiler, and the verifier, bounded in time and memory.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SECONDS = 120
MEGABYTES = 800
# What is checked: name, macros of the model, liveness property (None: assertions and deadlocks).
HOLD = [
    ("never more than there is, nothing lost, nothing given twice, no deadlock", "-DCANCELS", None),
    ("caps of tenants", "-DCAP_SMALL=1 -DCANCELS", None),
    ("caps of users", "-DNAMES -DCAP_USER=1 -DNO_NOISE", None),
    ("users in turn, whatever names they have", "-DNAMES -DSAME_SIZE -DNO_NOISE", None),
    ("two messages on their way", "-DINBOX=2 -DNO_NOISE", None),
    ("owners' VMs that are paused, and woken in turn", "-DPAUSES -DNO_NOISE", None),
    ("who waits for its own VM to run gets that at last", "-DPAUSES -DNO_NOISE", "woken"),
    ("the big request is admitted at last", "-DNO_NOISE", "big"),
    ("a small request is admitted at last", "-DNO_NOISE", "small"),
]
BREAK = [
    ("a place that is given back before its VM is gone", "-DCANCELS -DMUTATE_EARLY_RELEASE", None),
    ("a slot that is lost when a VM was stuck", "-DCANCELS -DMUTATE_LOST_SLOT", None),
    ("a slot that is given back at every GONE", "-DCANCELS -DMUTATE_DOUBLE_RELEASE", None),
    ("nobody is woken when a VM is gone", "-DCANCELS -DMUTATE_LOST_WAKE_UP", None),
    ("turns of names and not of users", "-DNAMES -DSAME_SIZE -DNO_NOISE -DMUTATE_NAMES_COUNT", None),
    ("an old request that waits for memory keeps vCPUs, too, from those that hold it",
     "-DPAUSES -DNO_NOISE -DMUTATE_OLD_KEEPS_VCPUS", None),
    ("no age limit for the big request", "-DNO_NOISE -DMUTATE_NO_AGE_LIMIT", "big"),
]

# The same of a place of domains, and the lives in it.
PLACE_HOLD = [("no life is hit by what was meant for another, and no end is missed", "", None)]
PLACE_BREAK = [
    ("a place that is taken while a call for its last life is under way", "-DMUTATE_TAKEN_AT_ONCE", None),
    ("an end that is matched by the uuid alone", "-DMUTATE_BY_UUID", None),
    ("an end without a number that is taken for the life of now", "-DMUTATE_UNKNOWN_IS_OURS", None),
    ("a domain that is there again after libvirt was away, in another life", "-DMUTATE_ACTIVE_IS_ENOUGH", None),
]


def code_edges(path):
    with open(path, encoding="utf-8") as file:
        head, *rows = [line.split() for line in file]
    events = head[3:]
    return {(row[0], event, to) for row in rows for event, to in zip(events, row[1:]) if to != "-"}


def model_edges(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    body = text[text.index("inline next_state"):]
    body = body[:body.index("\n}")]
    # Spin has one name space: the states that are called like an event have a _
    edges = re.findall(r":: s == (\w+) && e == (\w+) -> s = (\w+)", body)
    assert len(edges) == body.count("->") - 1, "a line of next_state() is none that is compared"
    return {(state.rstrip("_"), event, to.rstrip("_")) for state, event, to in edges}


def check_states(model, states):
    print("1..1")
    wrong = code_edges(states) ^ model_edges(model)
    for edge in sorted(wrong):
        print("# only in one of code and model: %s + %s -> %s" % edge)
    print(("not ok" if wrong else "ok") + " 1 - the model's states are the code's")
    return 1 if wrong else 0


def run(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, check=False)


def build(model, macros, kind, level, folder):
    """The verifier of this model, made once; or why it could not be made."""
    pan = os.path.join(folder, "pan")
    if os.path.exists(pan):
        return pan, None
    os.makedirs(folder, exist_ok=True)
    made = run(["spin", "-a", *macros.split(), model], folder)
    if not os.path.exists(os.path.join(folder, "pan.c")):
        return None, made.stdout.strip()[-300:]
    built = run([os.environ.get("CC", "cc"), level, "-w", "-DMEMLIM=%d" % MEGABYTES, *kind,
                 "-o", "pan", "pan.c"], folder)
    return (pan, None) if built.returncode == 0 else (None, built.stderr[-300:])


def verify(model, macros, property_name, level, folder):
    """The number of errors, and a line about the search; None where it was not complete."""
    kind = ["-DNFAIR=3"] if property_name else ["-DSAFETY", "-DNOCLAIM"]
    search = ["-a", "-f", "-N", property_name] if property_name else []
    place = os.path.join(folder, re.sub(r"\W", "_", macros + kind[0]))
    pan, reason = build(model, macros, kind, level, place)
    if pan is None:
        return None, reason
    told = run([pan, "-m1000000", *search], folder).stdout
    errors = re.search(r"errors: (\d+)", told)
    states = re.search(r"(\d+) states, stored", told)
    memory = re.search(r"([\d.]+)\s+total actual memory usage", told)
    time = re.search(r"elapsed time ([\d.]+)", told)
    if errors is None or "max search depth too small" in told:
        return None, told[-300:]
    if errors[1] == "0" and "Search not completed" in told:
        return None, told[-300:]
    return int(errors[1]), "%s states, %s MB, %s s" % (
        states and states[1], memory and memory[1], time[1] if time else "0")


def check_case(model, case, wanted, folder):
    name, macros, property_name = case
    try:
        # a mutation is found soon: making the verifier takes longer than running it
        level = "-O0" if wanted else "-O1"
        errors, detail = verify(model, macros, property_name, level, folder)
    except subprocess.TimeoutExpired:
        errors, detail = None, "not done after %d s" % SECONDS
    print("# %s: %s" % (macros, detail.replace("\n", "\n# ")))
    return errors is not None and (errors > 0) == wanted, ("found: " if wanted else "") + name


def check_model(model):
    if shutil.which("spin") is None:
        print("1..0 # SKIP spin is not installed (./setup packages test)")
        return 0
    hold, broken = (PLACE_HOLD, PLACE_BREAK) if "place" in os.path.basename(model) else (HOLD, BREAK)
    cases = [(case, False) for case in hold] + [(case, True) for case in broken]
    failed = 0
    print("1..%d" % len(cases))
    with tempfile.TemporaryDirectory(prefix="berth-model-") as folder:
        for number, (case, wanted) in enumerate(cases, 1):
            good, name = check_case(model, case, wanted, folder)
            failed += not good
            print("%s %d - %s" % ("ok" if good else "not ok", number, name), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    paths = [os.path.abspath(path) for path in sys.argv[2:]]
    sys.exit(check_states(*paths) if sys.argv[1] == "states" else check_model(*paths))

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual pages say what the programs say, and no message recommends what does not exist (TAP).

    test-manual.py SOURCE-ROOT BERTH BERTHD PAGE...
"""
import os
import re
import shutil
import subprocess
import sys

SOURCE, BERTH, BERTHD = sys.argv[1:4]
PAGES = {os.path.basename(path): path for path in sys.argv[4:]}
ENV = dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="100", HOME="/nonexistent")
# Commands of others that a message may name in quotes: those of packages that berth depends on.
OTHERS = {"ls"}
# Units of others, of libvirt's packages.
UNITS = {"libvirtd"}


def output_of(*command):
    return subprocess.run(command, env=ENV, check=True, stdout=subprocess.PIPE, encoding="utf-8",
                          stdin=subprocess.DEVNULL, timeout=60).stdout


def words(text):
    return " ".join(text.replace("\u2026", "...").replace("\u2010", "-").split())


def rendered(page):
    return words(output_of("man", "--no-hyphenation", "--no-justification", "-P", "cat", "-l", PAGES[page]))


def verbs():
    text = output_of(BERTH, "--help").split("Verbs:\n", 1)[1].split("\n\n", 1)[0]
    return [line.split()[0] for line in text.split("\n")]


def help_of(verb):
    return output_of(BERTH, verb, "--help")


def options_of(text):
    return set(re.findall(r"^  (?:-\w, )?(--[a-z][a-z-]*)", text, re.M))


def setting_blocks():
    blocks = output_of(BERTHD, "--print-config").split("\n\n")
    return [match.groups() for match in
            (re.fullmatch(r"# (.*)\n# allowed: (.*)\n#(\w+)=.*", block.strip("\n")) for block in blocks) if match]


def check_warnings():
    for page, path in PAGES.items():
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l", path], env=ENV,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", timeout=60)
        assert done.returncode == 0 and not done.stderr, "%s: %s" % (page, done.stderr)


def check_warnings_are_seen():
    """The check above finds what it looks for."""
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l", "-"], env=ENV,
                          input=".TH X 1\n.SH NAME\nx \\- \\fY\n.XY\n", stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, encoding="utf-8", timeout=60)
    assert "warning" in done.stderr, done.stderr


def check_verbs():
    page = rendered("berth.1")
    assert len(verbs()) > 10
    for verb in verbs():
        usage, rest = help_of(verb).split("\n\n", 1)
        rest = rest.replace(rest[rest.index("Help Options:"):rest.index("Application Options:")], "")
        for line in usage.split("\n")[1:] + rest.split("\n"):
            # an option and what it does are apart in the page
            for part in re.split(r"  +", line.strip()):
                if part and part != "Application Options:":
                    assert words(part) in page, "berth.1 does not have of %s: %s" % (verb, part)


def check_help_verb():
    for verb in verbs():
        assert output_of(BERTH, "help", verb) == help_of(verb), verb
    done = subprocess.run([BERTH, "help", "nonsense"], stderr=subprocess.PIPE, encoding="utf-8", timeout=60)
    assert done.returncode == 2 and "'nonsense' is no verb" in done.stderr, done


def check_settings():
    page = rendered("berth.conf.5")
    found = setting_blocks()
    assert len(found) > 20
    for what, allowed, key in found:
        for part in (what[1:], "Allowed: " + allowed, key + "="):
            assert words(part) in page, "berth.conf.5 does not have of %s: %s" % (key, part)
    page = rendered("berthd.8")
    for option in options_of(output_of(BERTHD, "--help")):
        assert option in page, "berthd.8 does not have " + option


def check_template():
    """Every element and attribute that the schema lets a template have."""
    page = rendered("berth-template.5")
    with open(os.path.join(SOURCE, "domain-templates/berth.rng"), encoding="utf-8") as file:
        schema = file.read()
    schema = schema[schema.index("<define name='template'>"):schema.index("<define name='vm'>")]
    names = re.findall(r"<(?:attribute|element) name='([a-z-]+)'", schema)
    assert "memory" in names and "layer" in names, names
    for name in names:
        assert re.search(r"(?<![a-z-])%s(?![a-z-])" % name, page), "berth-template.5 does not tell of " + name


def literals(text):
    """The strings of C code, with those that the compiler joins joined, and /* */ left out."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    for match in re.finditer(r'"(?:[^"\\\n]|\\.)*"(?:\s*(?:G_GUINT64_FORMAT\s*)?"(?:[^"\\\n]|\\.)*")*', text):
        parts = re.findall(r'"((?:[^"\\\n]|\\.)*)"', match.group())
        yield "".join(parts).replace("\\n", "\n").replace('\\"', '"')


def all_literals():
    for folder in ("plugin", "pool"):
        for where, _, files in os.walk(os.path.join(SOURCE, folder)):
            for name in sorted(files):
                if name.endswith((".c", ".h")):
                    with open(os.path.join(where, name), encoding="utf-8") as file:
                        for literal in literals(file.read()):
                            yield name, literal


def complain_of_command(command, known):
    """(nullable) what of a quoted command does not exist"""
    parts = command.split()
    if parts[0] == "berth":
        if len(parts) == 1 or parts[1] in ("VERB", "help") or parts[1].startswith("--"):
            return None
        if parts[1] not in known["options"]:
            return "no such verb"
        wanted = {part for part in parts[2:] if re.fullmatch(r"--?[a-z][a-z-]*", part)}
        return ", ".join(sorted(wanted - known["options"][parts[1]] - {"--help"})) or None
    if parts[0] == "berthd":
        wanted = {part for part in parts[1:] if re.fullmatch(r"--[a-z][a-z-]*", part)}
        return ", ".join(sorted(wanted - known["berthd"])) or None
    if parts[0] == "systemctl":
        unit = [part for part in parts[2:] if not part.startswith("-")][-1]
        return None if unit.removesuffix(".service") in known["units"] else "no such unit"
    return None if parts[0] in OTHERS else "a command that nobody has checked"


def known_things():
    options = {}
    for verb in verbs():
        text = help_of(verb)
        options[verb] = options_of(text) | set(re.findall(r"^  (-\w), ", text, re.M))
    daemon = options_of(output_of(BERTHD, "--help-all"))
    units = set(UNITS)
    folder = os.path.join(SOURCE, "packaging/systemd")
    for name in os.listdir(folder):
        units.add(name.removesuffix(".in").removesuffix(".service"))
    return {"options": options, "berthd": daemon, "units": units}


def recommended(literal):
    """Commands in quotes, and those that an example's line begins with."""
    return re.findall(r"'((?:berthd?|systemctl|journalctl|virsh|ls|apt-get|apt|usermod|chmod|modprobe) [^'\n]*)",
                      literal)


def check_commands():
    known = known_things()
    seen = 0
    for name, literal in all_literals():
        for command in recommended(literal):
            what = complain_of_command(command, known)
            assert what is None, "%s recommends '%s': %s" % (name, command, what)
            seen += 1
    assert seen > 10, "found no recommended commands: the search is broken"


def check_settings_named():
    """What a message tells to set, raise or lower is a setting."""
    keys = {key for _, _, key in setting_blocks()}
    seen = 0
    for name, literal in all_literals():
        for first, second in re.findall(r"\b(?:set|raise|lower) ([a-z]+(?:_[a-z]+)+)(?: or ([a-z]+(?:_[a-z]+)+))?", literal):
            for key in filter(None, (first, second)):
                assert key in keys, "%s: there is no setting %s" % (name, key)
                seen += 1
    assert seen > 0, "found no settings in messages: the search is broken"


def check_complaints():
    """The checks above find what they look for."""
    known = known_things()
    for command in ("berth nonsense", "berth run --nonsense", "berthd --nonsense", "systemctl start nonsense",
                    "virsh nonsense"):
        assert complain_of_command(command, known), command
    for command in ("berth run -l LANG", "berth VERB --help", "berthd --foreground --socket X"):
        assert complain_of_command(command, known) is None, command


CHECKS = [("page/warnings", check_warnings), ("page/warnings-are-seen", check_warnings_are_seen),
          ("page/verbs", check_verbs), ("page/settings", check_settings), ("page/template", check_template),
          ("help/verb", check_help_verb), ("messages/commands", check_commands),
          ("messages/settings", check_settings_named), ("messages/complaints", check_complaints)]


def main():
    status = 0
    print("1..%d" % len(CHECKS))
    for number, (name, check) in enumerate(CHECKS, 1):
        if name.startswith("page/") and (not PAGES or shutil.which("man") is None):
            print("ok %d %s # SKIP no man" % (number, name))
            continue
        try:
            check()
            print("ok %d %s" % (number, name), flush=True)
        except AssertionError as error:
            print("not ok %d %s" % (number, name))
            print("\n".join("# " + line for line in str(error).split("\n")), flush=True)
            status = 1
    return status


sys.exit(main())

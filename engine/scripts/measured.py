"""What scripts that measure share: the options that say what of it, and where it goes, into a file whose other words people
write."""

import argparse
import platform
from pathlib import Path


def write(file, text, what=""):
    """Puts a text between the marks of a file, those of `what` where it has several, and all that stands around them stays; a
    file without these marks gets it at its end."""
    begin, end = f"<!-- measured{what} -->\n", f"<!-- end of what was measured{what} -->\n"
    before, after = file.read_text(encoding="utf-8") if file.exists() else "", ""
    if begin in before and end in before:
        before, rest = before.split(begin, 1)
        after = rest.split(end, 1)[1]
    elif before:
        before = before.rstrip("\n") + "\n\n"
    file.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def among(known):
    """What an option takes that is some of these names, with commas between them."""

    def name(text):
        if text not in known:
            raise argparse.ArgumentTypeError(f"there is no `{text}`; there are `{'`, `'.join(known)}`")
        return text

    return several(name)


def at_least(least):
    """What an option takes that is a whole number from this one on."""

    def number(text):
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} on, found `{text}`")
        return int(text)

    return number


def several(kind):
    """What an option takes that is some of these, with commas between them."""
    return lambda text: [kind(each) for each in text.split(",")]


def cpu():
    """The machine's processor by name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())

"""Puts what was measured, and on what machine, into a file whose other words people write."""

import platform
from pathlib import Path


def write(file, text, what=""):
    """Puts a text between the marks of a file, those of `what` where it has several, and all that stands around them stays; a
    file without marks gets the text alone."""
    begin, end = f"<!-- measured{what} -->\n", f"<!-- end of what was measured{what} -->\n"
    before, after = "", ""
    old = file.read_text(encoding="utf-8") if file.exists() else ""
    if begin in old and end in old:
        before, rest = old.split(begin, 1)
        after = rest.split(end, 1)[1]
    file.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def cpu():
    """The machine's processor by name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())

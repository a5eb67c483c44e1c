"""The text on which models are compared: from Debian's package jargon-text, which is in the public domain, chapters 4 to 9 and
appendices A and B, a line to a paragraph. Fetching it needs apt-get and dpkg-deb, not root."""

import gzip
import re
import tempfile
from pathlib import Path

from peer import WORK, completed

# Tokens of a window.
WINDOW = 512


def text_file(windows=None):
    """The text, fetched once, or its beginning of about so many windows."""
    file = WORK / "jargon.txt"
    if not file.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            completed("apt-get", "download", "-qq", "jargon-text", cwd=folder)
            completed("dpkg-deb", "-x", next(Path(folder).glob("*.deb")), folder)
            packed = Path(folder) / "usr/share/doc/jargon-text/jargon.txt.gz"
            book = gzip.decompress(packed.read_bytes()).decode()
        partial = file.with_suffix(".partial")
        partial.write_text("\n".join(paragraphs(book)) + "\n", encoding="utf-8")
        partial.rename(file)
    return first_windows(file, windows) if windows else file


def paragraphs(book):
    for first, after in [(r"Chapter\s4", r"Chapter\s10"), (r"Appendix\sA", r"Appendix\sC")]:
        part = re.search(rf"^{first}\..*?(?=^{after}\.)", book, re.S | re.M).group()
        for paragraph in re.split(r"\n\s*\n", part):
            words = paragraph.split()
            if words:
                yield " ".join(words) + "\n"


def first_windows(text, count):
    file = WORK / f"jargon-{count}-windows.txt"
    file.write_text(text.read_text(encoding="utf-8")[: count * WINDOW * 5], encoding="utf-8")
    return file

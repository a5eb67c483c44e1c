"""Puts what was measured into a file whose other words people write."""

BEGIN, END = "<!-- measured -->\n", "<!-- end of what was measured -->\n"


def write(file, text):
    """Puts a text between the marks of a file, and all that stands around them stays; a file without marks gets the text alone."""
    before, after = "", ""
    old = file.read_text(encoding="utf-8") if file.exists() else ""
    if BEGIN in old and END in old:
        before, rest = old.split(BEGIN, 1)
        after = rest.split(END, 1)[1]
    file.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")

"""What scripts of hostile clients share: bytes on a connection from an address of one's own, and what comes back."""

import argparse
import json
import socket
import sys
import time

LOCAL = "Host: localhost"
CHAT = "POST /v1/chat/completions HTTP/1.1"


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, good, what):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok' if good else 'FAILED'}: {what}", flush=True)


def connected(server, text="", source="127.0.0.2", timeout=30):
    """A connection from that address on which `text` was said."""
    connection = socket.create_connection(server.address, timeout, (source, 0))
    connection.sendall(text.encode() if isinstance(text, str) else text)
    return connection


def head(lines):
    return "".join(f"{line}\r\n" for line in lines) + "\r\n"


def chat(tokens, content="Tell a very long story.", **fields):
    fields |= {"messages": [{"role": "user", "content": content}], "max_tokens": tokens, "temperature": 0}
    body = json.dumps(fields)
    return head([CHAT, LOCAL, "Connection: close", f"Content-Length: {len(body)}"]) + body


def rest(connection):
    """All that comes until the end; of a reset what came before it."""
    text = b""
    try:
        while piece := connection.recv(1 << 16):
            text += piece
    except OSError:
        pass
    connection.close()
    return text.decode(errors="replace")


def status(text):
    """Of the last head: interim responses are skipped."""
    while text.startswith("HTTP/1.1 100"):
        text = text.partition("\r\n\r\n")[2]
    return int(text.split()[1]) if text.startswith("HTTP/1.1 ") else None


def health(server, source="127.0.0.9"):
    """The status that somebody from there gets, and after how long."""
    began = time.monotonic()
    try:
        text = rest(connected(server, head(["GET /health HTTP/1.1", LOCAL, "Connection: close"]), source, 10))
    except OSError as error:
        text = str(error)
    return status(text), time.monotonic() - began


def run(description, parts):
    """Runs what the command line asks for of `parts`, each of which gets the checks and whether it is the long run."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    names = [part.__name__ for part in parts]
    parser.add_argument("--only", default=",".join(names), metavar="NAME,...", help="of " + ", ".join(names))
    args = parser.parse_args()
    check, began = Checks(), time.monotonic()
    for part in parts:
        if part.__name__ in args.only.split(","):
            print(f"-- {part.__name__.replace('_', ' ')}", flush=True)
            part(check, args.long)
    print(f"{check.passed} passed, {check.failed} failed, in {time.monotonic() - began:.0f} s")
    sys.exit(bool(check.failed))

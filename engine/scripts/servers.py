"""Servers that a load is put on: one that runs already, `nibble serve`, or llama.cpp's."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

from peer import NIBBLE, PROGRAM, THREADS

START_S = 300
PROGRAM_OF_NIBBLE = os.environ.get("NIBBLE_BINARY") or NIBBLE


class Server:
    """A server at an address. What was started here is ended by `stop`."""

    def __init__(self, name, address, process=None, log=None, folder=None):
        self.name, self.address, self.process, self.log = name, address, process, log
        # It is gone when this is.
        self.folder = folder

    def get(self, path):
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        connection.request("GET", path)
        response = connection.getresponse()
        status, body = response.status, response.read().decode()
        connection.close()
        return status, body

    def metrics(self):
        """Figures without labels, by name."""
        lines = (line.split() for line in self.get("/metrics")[1].splitlines() if not line.startswith("#") and "{" not in line)
        return {name: float(value) for name, value in lines}

    def wait_until_well(self):
        if not self.becomes_well():
            sys.exit(f"{PROGRAM}: {self.name} does not start:\n{self.tail()}")
        return self

    def becomes_well(self):
        """False when it ends first, or takes too long."""
        end = time.monotonic() + START_S
        while time.monotonic() < end and (self.process is None or self.process.poll() is None):
            try:
                if self.get("/health")[0] == 200:
                    return True
            except OSError:
                pass
            time.sleep(0.1)
        return False

    def tail(self):
        if self.log is None:
            return ""
        self.log.seek(0)
        return "\n".join(self.log.read().splitlines()[-10:])

    def stop(self):
        """Ends what was started here; the code that it ends with."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def at(url):
    parts = urllib.parse.urlsplit(url)
    return Server(url, (parts.hostname, parts.port or 80)).wait_until_well()


def nibble(*options, in_group=None, grace=1, before=(), environment=None):
    """Our server; `in_group` is what its process does first, such as to enter a control group, `before` stands before its
    command, and `environment` is added to ours. Its conversations go with it, unless that says where they are."""
    port, log, folder = free_port(), tempfile.TemporaryFile("w+"), tempfile.TemporaryDirectory()
    database = {"NIBBLE_DATABASE": f"{folder.name}/nibble.db"}
    command = [*before, PROGRAM_OF_NIBBLE, "serve", "--addr", f"127.0.0.1:{port}", "--grace", grace, *options]
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        preexec_fn=in_group,
        env={**os.environ, **database, **(environment or {})},
    )
    return Server("nibble", ("127.0.0.1", port), process, log, folder)


def llama_server(peer, file, slots, context, attention):
    """llama.cpp's server which computes so many chats at once, each with so long a context."""
    port, log = free_port(), tempfile.TemporaryFile("w+")
    options = ["--threads", THREADS, "--parallel", slots, "--ctx-size", slots * context, "--flash-attn", attention]
    process = peer.start(
        "llama-server", "--model", peer.path(file), "--host", "127.0.0.1", "--port", port, *options, output=log
    )
    return Server("llama-server", ("127.0.0.1", port), process, log)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

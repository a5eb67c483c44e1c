#!/usr/bin/env python3
"""The end of the program in the midst of everything: it takes no longer than its grace and five seconds.

    deploy/test/abuse/endings.py [--only NAME,...]
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "engine/scripts"))
import servers
from hostile import CHAT, LOCAL, chat, connected, head, run

GRACE_S, END_S = 2, 5


def ends(check, server, state):
    """SIGTERM in this state."""
    server.process.send_signal(signal.SIGTERM)
    ended(check, server, state)


def ended(check, server, state):
    """That it comes to its end in time from now on."""
    began = time.monotonic()
    try:
        code = server.process.wait(60)
    except subprocess.TimeoutExpired:
        server.process.kill()
        code = server.process.wait()
    took = time.monotonic() - began
    limit = GRACE_S + END_S
    check(code == 0 and took < limit, f"SIGTERM {state}: ends with {code} in {took:.1f} s of {limit}")


def serving(check, _):
    idle, body = "", head([CHAT, LOCAL, "Content-Length: 1000"]) + "{"
    words = "word " * 7000
    for state, texts, after in [
        ("beside idle clients", [idle] * 50, 0.2),
        ("beside slow heads and bodies", ["GET / HTTP/1.1\r\nX: "] * 50 + [body] * 50, 0.2),
        ("beside a streamed answer", [chat(5000, stream=True)], 1),
        ("beside long prompts", [chat(5, words + str(index), stream=True) for index in range(8)], 1),
        ("beside prompts of 2 MB", [chat(5, "0123456789" * 200_000)] * 8, 0.5),
    ]:
        with servers.nibble(grace=GRACE_S) as server:
            server.wait_until_well()
            held = [connected(server, text) for text in texts]
            time.sleep(after)
            ends(check, server, state)
            del held


def loading(check, _):
    with servers.nibble("--packed", "off", grace=GRACE_S) as server:
        begins_to_load(server)
        ends(check, server, "while the model is loaded")


def begins_to_load(server):
    """Waits for it, without moving the place where the server writes on."""
    end = time.monotonic() + 20
    while b"loading" not in os.pread(server.log.fileno(), 4096, 0) and time.monotonic() < end:
        time.sleep(0.001)


def first_process(check, _):
    """As in a container, where the system ends nothing that does not listen itself."""
    if os.geteuid() or not shutil.which("unshare"):
        print("skipped: a namespace for a first process takes root and unshare")
        return
    with servers.nibble("--packed", "off", grace=GRACE_S, before=["unshare", "--pid", "--fork", "--kill-child"]) as server:
        begins_to_load(server)
        outer = server.process.pid
        inner = Path(f"/proc/{outer}/task/{outer}/children").read_text(encoding="utf-8").split()
        os.kill(int(inner[0]), signal.SIGTERM)
        ended(check, server, "to a first process that loads")


def download(check, _):
    """A hub that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as hub, tempfile.TemporaryDirectory() as home:
        where = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.getsockname()[1]}", "NIBBLE_HOME": home}
        where |= {"HF_HUB_OFFLINE": "", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        with servers.nibble("--model", "owner/name", grace=GRACE_S, environment=where) as server:
            hub.settimeout(20)
            connection, _ = hub.accept()
            ends(check, server, "while the model is fetched")
            connection.close()


run(__doc__, [serving, loading, first_process, download])

#!/usr/bin/env python3
"""Hostile clients on the network: who say nothing, say it little by little or only half of it, with heads of two meanings, or
too many at a time.

    deploy/test/abuse/peers.py [--long] [--only NAME,...]

It takes a minute: 1,100 silent clients at 1,024 descriptors, 100 slow heads and 100 slow bodies, 3,000 that idle; with --long
400 of each and 10,000. Clients come from several addresses of 127.0.0.0/8, so it runs on Linux.
"""

import os
import resource
import socket
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "engine/scripts"))
import servers
from hostile import CHAT, LOCAL, chat, connected, head, health, rest, run, status

HEAD_S, BODY_PAUSE_S = 15, 15
FULL_S = 1.0
HUGE = "Content-Length: 1000000000000000"
FRAMING = [
    (400, ["GET / HTTP/1.1", LOCAL, LOCAL]),
    (400, ["GET / HTTP/1.1", LOCAL, "Host: evil.example"]),
    (400, ["GET / HTTP/1.1"]),
    (421, ["GET / HTTP/1.1", "Host: evil.example"]),
    (421, ["GET http://evil.example/ HTTP/1.1", LOCAL]),
    (200, ["GET http://localhost/health HTTP/1.1", LOCAL]),
    (400, [CHAT, LOCAL, "Transfer-Encoding: identity, chunked"]),
    (400, [CHAT, LOCAL, "Transfer-Encoding: identity"]),
    (400, [CHAT, LOCAL, "Transfer-Encoding: chunked", "Transfer-Encoding: identity"]),
    (400, [CHAT, LOCAL, "Content-Length: 5", "Content-Length: 6"]),
    (400, [CHAT, LOCAL, "Content-Length: -1"]),
    (413, [CHAT, LOCAL, HUGE]),
    (413, ["POST /api/send HTTP/1.1", LOCAL, HUGE]),
    (413, [CHAT, LOCAL, HUGE, "Expect: 100-continue"]),
    (400, ["OPTIONS * HTTP/1.1", LOCAL]),
    (400, ["CONNECT localhost:80 HTTP/1.1", LOCAL]),
    (400, ["GET / HTTP/1.1", LOCAL, "no colon"]),
    (400, ["GET / HTTP/9.9", LOCAL]),
    (400, ["GET  /\x00 HTTP/1.1", LOCAL]),
    (431, ["GET / HTTP/1.1", LOCAL, *["X: y"] * 150]),
    (431, ["GET / HTTP/1.1", LOCAL, *["X: y"] * 1000]),
    (431, ["GET / HTTP/1.1", LOCAL, "X: " + "y" * 40_000]),
    (431, ["GET / HTTP/1.1", LOCAL, "X: " + "y" * 400_000]),
    (414, ["GET /" + "y" * 10_000 + " HTTP/1.1", LOCAL]),
    (431, ["GET /" + "y" * 66_000 + " HTTP/1.1", LOCAL]),
]


def resident_mb(server):
    lines = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "VmSwap"))) / 1024


def descriptors(soft, hard):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def started(*options, setup=None):
    with servers.nibble(*options, in_group=setup) as server:
        yield server.wait_until_well()


def framing(check, _):
    with started() as server:
        for expected, lines in FRAMING:
            text = rest(connected(server, head(lines), timeout=5))
            shown = " | ".join(lines)[:90]
            check(status(text) == expected, f"{status(text)} for {shown}")
        check(health(server)[0] == 200, "the server is well after these")


def half_closed(check, _):
    with started() as server:
        for fields in ({}, {"stream": True}):
            connection = connected(server, chat(20, **fields))
            connection.shutdown(socket.SHUT_WR)
            text = rest(connection)
            whole = "[DONE]" in text if fields else '"finish_reason"' in text
            check(status(text) == 200 and whole, f"a client that has said all gets its answer, {fields or 'in one piece'}")
        for fields in ({}, {"stream": True}):
            connection = connected(server, chat(5000, **fields))
            began = wait_for_running(server, 1)
            connection.close()
            took = wait_for_running(server, 0)
            check(began < 5 and took < 1, f"one that leaves is noticed in {took:.2f} s, {fields or 'in one piece'}")


def wait_for_running(server, count):
    """The seconds until so many answers run, 10 at most."""
    began = time.monotonic()
    while server.metrics()["nibble_requests_running"] != count and time.monotonic() - began < 10:
        time.sleep(0.02)
    return time.monotonic() - began


def silent(check, _):
    """More clients who say nothing than the system has descriptors for."""
    count = 1100
    with started(setup=descriptors(1024, 1024)) as server:
        held = [connected(server, source=f"127.0.0.{2 + index % 3}") for index in range(count)]
        for source in ("127.0.0.9", "127.0.0.2"):
            code, took = health(server, source)
            check(code == 200 and took < FULL_S, f"beside {count} silent clients {source} gets {code} in {took:.2f} s")
        text = rest(connected(server, chat(5)))
        check(status(text) == 200, "and an answer")
        open_now = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        check(open_now < 1024, f"{open_now} descriptors of 1,024 are open")
        for connection in held:
            connection.close()
    with started(setup=descriptors(256, 4096)) as server:
        limits = Path(f"/proc/{server.process.pid}/limits").read_text(encoding="utf-8")
        soft = next(line.split()[3] for line in limits.splitlines() if line.startswith("Max open files"))
        check(soft == "4096", f"the soft limit of descriptors is {soft} of 4096")


def drip(connections, piece, until):
    """Says a little on each now and then, until a time; those that are closed fall silent."""
    while time.monotonic() < until:
        for connection in connections:
            try:
                connection.sendall(piece)
            except OSError:
                pass
        time.sleep(2)


def slow(check, long):
    """Heads that come byte by byte, bodies that stop, and answers that go on beside them."""
    count = 400 if long else 100
    with started() as server:
        began = time.monotonic()
        heads = [connected(server, "GET / HTTP/1.1\r\nX: ", "127.0.0.2") for _ in range(count)]
        bodies = [connected(server, head([CHAT, LOCAL, "Content-Length: 1000"]) + "{", "127.0.0.3") for _ in range(count)]
        speaker = threading.Thread(target=drip, args=(heads, b"x", began + HEAD_S + 3))
        speaker.start()
        answers, worst = Counter(), 0
        while time.monotonic() - began < BODY_PAUSE_S:
            worst = max(worst, health(server)[1])
            text = rest(connected(server, chat(100, stream=True), "127.0.0.4"))
            answers["whole" if "[DONE]" in text else text[:100]] += 1
        check(worst < FULL_S, f"beside {count} slow heads and {count} slow bodies health takes at most {worst:.2f} s")
        check(set(answers) == {"whole"}, f"answers beside them: {dict(answers)}")
        said = Counter(status(rest(connection)) for connection in bodies)
        check(said == {408: count}, f"the slow bodies got {dict(said)}")
        said = Counter(status(rest(connection)) for connection in heads)
        took = time.monotonic() - began
        check(said == {None: count} and took < HEAD_S + 10, f"the slow heads were closed, all within {took:.1f} s")
        speaker.join()


def many(check, long):
    """Many who idle: what they cost, and what is left of it."""
    count = 10_000 if long else 3_000
    spare = 200
    count = min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - spare)
    with started() as server:
        health(server)
        before = resident_mb(server)
        alive = head(["GET /health HTTP/1.1", LOCAL])
        held = [connected(server, alive, f"127.0.0.{2 + index % 8}") for index in range(count)]
        code, took = health(server)
        during = resident_mb(server)
        check(code == 200 and took < FULL_S, f"beside {count} that idle another one gets {code} in {took:.2f} s")
        for connection in held:
            connection.close()
        time.sleep(3)
        after = resident_mb(server)
        kept = f"{before:.0f} MB before, {during:.0f} MB with them, {after:.0f} MB after"
        check(during - before < 64 and after - before < 12, f"memory: {kept}")


def no_threads(check, _):
    """A lack of threads is the server's, not the client's."""
    with started() as server:
        pid = server.process.pid
        # Long enough for the preparation of one to meet that of the next, and asked once, so that the model has its room.
        long = chat(1, "word " * 2000)
        rest(connected(server, long))
        time.sleep(1)
        unlimited = resource.prlimit(pid, resource.RLIMIT_AS)
        size = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
        # Room for what requests are made of, but for no other thread that renders.
        resource.prlimit(pid, resource.RLIMIT_AS, (size + (12 << 20), unlimited[1]))
        asking = [connected(server, long) for _ in range(8)]
        texts = [rest(connection) for connection in asking]
        resource.prlimit(pid, resource.RLIMIT_AS, unlimited)
        said = Counter(status(text) for text in texts)
        wait = all("retry-after" in text for text in texts if status(text) == 503)
        # Threads that have ended leave their memory to the next.
        what = f"without threads to be had: {dict(said)}, Retry-After: {wait}"
        check(said[503] and set(said) <= {200, 503} and wait, what)
        text = rest(connected(server, chat(1)))
        check(status(text) == 200, f"with one again: {status(text)}")


# More than a shell often gives.
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
run(__doc__, [framing, half_closed, silent, slow, many, no_threads])

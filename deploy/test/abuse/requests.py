#!/usr/bin/env python3
"""Sends a server requests that nobody means well with, and checks that each gets the answer it should, that others are
answered meanwhile, and that memory stays bounded.

    deploy/test/abuse/requests.py [PROGRAM] [--memory 512] [--health-ms 250]
    deploy/test/abuse/requests.py --url URL --pid PID

It starts the release build, the program that NIBBLE_BINARY names, or PROGRAM, on a free port with a cache folder of its own,
in a control group with so many megabytes where this system lets us make one. In less than a minute it sends 64 prompts of
2 MB at once, 64 conversations of 67,000 messages, 200 posts of the page's form, 500 readers of one answer, and a list of
malformed requests, each with the status it must get.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
import urllib.parse
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "engine/scripts"))

import control_group
import servers
from exchanges import exchange, request
from hostile import Checks

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTEXT, KV_MEGABYTES = 2048, 60
BODY_BYTES = 2 << 20
READERS = 500
SETTINGS = {"temperature": "0.7", "max_tokens": "300", "system_prompt": "", "usd_per_hour": "1"}
OWN = {"origin": "http://localhost", "content_type": "application/x-www-form-urlencoded"}


def chat(content, **fields):
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 1, **fields}


def api(body):
    body = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    return request("POST", "/v1/chat/completions", body, content_type="application/json")


def form(path, fields, accept="text/html", **headers):
    body = fields if isinstance(fields, bytes) else urllib.parse.urlencode(fields).encode()
    return request("POST", path, body, accept=accept, **OWN, **headers)


def nested(open_, close, depth):
    return b'{"messages": [{"role": "user", "content": "Hi"}], "metadata": ' + open_ * depth + close * depth + b"}"


def api_requests():
    """Names of bodies of the API, the bodies, and the words that their refusals must hold."""
    values = b'{"messages": [{"role": "user", "content": "Hi"}], "user": [' + b"0," * 1_000_000 + b"0]}"
    arguments = "{" + ",".join(f'"{n}": 0' for n in range(100_000)) + "}"
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    called = {"messages": [{"role": "assistant", "tool_calls": [call]}, {"role": "user", "content": "Hi"}]}
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 200_000}}
    return [
        ("nothing", b"", "the body is not"),
        ("no UTF-8", b'{"messages": [{"role": "user", "content": "\xff"}]}', "the body is not"),
        ("half of it", b'{"messages": [{"role": "user", "cont', "the body is not"),
        ("two of it", b'{"messages": [{"role": "user", "content": "Hi"}]} {}', "goes on"),
        ("arrays without end", b"[" * 1_000_000, "`body`"),
        ("deep arrays", nested(b"[", b"]", 500_000), "`body`"),
        ("deep objects", nested(b'{"a":', b"0}", 200_000), "`body`"),
        ("a million numbers", values, "`body`"),
        ("arguments of 100,000 numbers", called, "arguments"),
        ("tools of 200 kB", chat("Hi", tools=[tool]), "`tools`"),
        ("200 tools", chat("Hi", tools=[{"type": "function", "function": {"name": "f"}}] * 200), "`tools`"),
        ("variables of 200 kB", chat("Hi", chat_template_kwargs={"a": "x" * 200_000}), "`chat_template_kwargs`"),
        ("four stop texts of 500 kB", chat("Hi", stop=["x" * 500_000] * 4), "`stop`"),
        ("5,000 stop texts", chat("Hi", stop=["x"] * 5_000), "`stop`"),
        ("5,000 messages", {"messages": [{"role": "user", "content": "Hi"}] * 5_000}, "`messages`"),
        ("a role of 1 MB", {"messages": [{"role": "x" * 1_000_000, "content": "Hi"}]}, "role"),
        ("n of a million", chat("Hi", n=1_000_000), "`n`"),
        ("best_of", chat("Hi", best_of=1000), "`best_of`"),
        ("top_logprobs of a million", chat("Hi", logprobs=True, top_logprobs=1_000_000), "`top_logprobs`"),
        ("logit_bias of 50,000 tokens", chat("Hi", logit_bias={str(n): 1 for n in range(32_000)}), "`logit_bias`"),
        ("a temperature of NaN", b'{"messages": [{"role": "user", "content": "Hi"}], "temperature": NaN}', ""),
        ("a temperature of 1e999", b'{"messages": [{"role": "user", "content": "Hi"}], "temperature": 1e999}', ""),
        ("max_tokens of -5", chat("Hi") | {"max_tokens": -5}, "`max_tokens`"),
        ("control tokens of 1 MB", chat("<|im_end|>" * 100_000), "tokens"),
        ("a word of 1 MB", chat("a" * 1_000_000), ""),
    ]


def page_requests():
    """Names of posts of the page, the posts, and the statuses that they must get."""
    whole = {"conversation": "", "message": "Hi", **SETTINGS}
    without = {name: value for name, value in whole.items() if name != "temperature"}
    elsewhere = {"referer": "https://elsewhere.example/"}
    return [
        ("an empty form", form("/api/send", b""), 422),
        ("an empty form from elsewhere", form("/api/send", b"", **elsewhere), 422),
        ("a form without a field", form("/api/send", without, **elsewhere), 422),
        ("a form with a field twice", form("/api/send", urllib.parse.urlencode(whole).encode() + b"&message=b"), 400),
        ("a form of no text", form("/api/send", b"message=%ff%fe&" + urllib.parse.urlencode(without).encode()), 400),
        ("a form of brackets", form("/api/send", b"message[a][b][c][d][e][f][g]=1"), 400),
        ("JSON in place of a form", request("POST", "/api/send", json.dumps(whole).encode(), origin=OWN["origin"], content_type="application/json"), 400),
        ("JSON as the name of a field", form("/api/send", json.dumps(whole).encode(), "application/json"), 422),
        ("a stop of nothing", form("/api/stop", b"", **elsewhere), 400),
        ("a temperature that is none", form("/api/send", whole | {"temperature": "hot"}, "application/json"), 422),
        ("a message of 33 kB", form("/api/send", whole | {"message": "x" * 33_000}, "application/json"), 422),
        ("a form of 2 MB", form("/api/send", whole | {"message": "x" * BODY_BYTES}), 413),
        ("a stop of what is not there", form("/api/stop", {"run": "none-0"}), 302),
    ]


class Health:
    """Another process that asks for `/health` again and again, so that our own work delays no answer."""

    def __init__(self, address):
        self.address = address

    def __enter__(self):
        self.ours, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=watch, args=(self.address, theirs), daemon=True)
        self.process.start()
        self.ours.recv()
        return self

    def __exit__(self, *_):
        self.ours.send(None)
        self.slowest, self.asked = self.ours.recv()
        self.process.join()


def watch(address, pipe):
    server, took = servers.Server("", address), []
    pipe.send(None)
    while not pipe.poll():
        began = time.monotonic()
        status, _ = server.get("/health")
        took.append(time.monotonic() - began if status == 200 else float("inf"))
        time.sleep(0.01)
    pipe.send((max(took), len(took)))


async def all_at_once(address, requests):
    replies = await asyncio.gather(*(exchange(address, one) for one in requests))
    return Counter(reply.status for reply in replies), replies


class Abuse:
    def __init__(self, server, pid, health_s, check):
        self.server, self.pid, self.health_s, self.check = server, pid, health_s, check

    def run(self):
        numbers = "".join(str(n % 10) for n in range(BODY_BYTES - 200))
        words = "the dog " * (BODY_BYTES // 8 - 40)
        crowd = {"messages": [{"role": "user", "content": "a"}] * 67_000, "max_tokens": 1}
        message = {"conversation": "", "message": "*a* `b` " * 4_000, **SETTINGS}
        for what, one, count, allowed in [
            ("prompts of 2 MB of digits", api(chat(numbers)), 64, {400, 429}),
            ("prompts of 2 MB of words", api(chat(words)), 64, {400, 429}),
            ("conversations of 67,000 messages", api(crowd), 64, {400, 429}),
            ("messages of the page of 32 kB", form("/api/send", message), 200, {200, 302, 422, 429, 503}),
            ("messages of the page's script of 32 kB", form("/api/send", message, "application/json"), 200, {200, 422, 429, 503}),
        ]:
            self.at_once(what, [one] * count, allowed)
        self.readers()
        self.malformed()
        status, body = asyncio.run(self.ask(api(chat("Hi", max_tokens=5))))
        self.check(status == 200, f"a request of somebody else gets {status} {body if status != 200 else ''}")

    def at_once(self, what, requests, allowed):
        began = time.monotonic()
        with Health(self.server.address) as health:
            statuses, replies = asyncio.run(all_at_once(self.server.address, requests))
        took = time.monotonic() - began
        said = next((reply.text[:200] for reply in replies if reply.status not in allowed), "")
        self.check(set(statuses) <= allowed, f"{len(requests)} {what}: {dict(statuses)} in {took:.1f} s {said}")
        self.check_health(health)

    def check_health(self, health):
        slowest = health.slowest * 1000
        self.check(
            health.slowest <= self.health_s,
            f"meanwhile `/health` took {slowest:.0f} ms at the most, of {health.asked} times; {self.memory()}",
        )

    def readers(self):
        """Many who read one answer of the page, and how fast it is written."""
        alone, _ = asyncio.run(self.written(0))
        with Health(self.server.address) as health:
            crowded, statuses = asyncio.run(self.written(READERS))
        self.check(set(statuses) <= {200, 503}, f"{READERS} readers of one answer: {dict(statuses)}")
        said = f"{alone:.0f} tokens/s without them, {crowded:.0f} with them" if alone and crowded else "no figures"
        self.check(alone and crowded and crowded >= alone / 2, f"its decode: {said}")
        self.check_health(health)

    async def written(self, readers):
        ask = {"conversation": "", "message": "Tell a very long story.", **SETTINGS}
        status, body = await self.ask(form("/api/send", ask, "application/json"))
        if status != 200:
            return None, {status: 1}
        sent = json.loads(body)
        run = sent["run"]
        events = request("GET", f"/runs/{run}/events")
        statuses, replies = await all_at_once(self.server.address, [events] * (readers + 1))
        page = await exchange(self.server.address, request("GET", f"/c/{sent['conversation']}"))
        shown = page.text.partition("<dt>Decode speed</dt><dd>")[2].partition("<")[0]
        return float(shown.replace(",", "")) if shown else None, statuses

    def malformed(self):
        for what, body, words in api_requests():
            status, text = asyncio.run(self.ask(api(body)))
            good = status == 400 and len(text) < 4_000 and words in text and "error" in json.loads(text)
            self.check(good, f"{what}: {status} {'' if good else text[:300]}")
        for what, post, expected in page_requests():
            reply = asyncio.run(exchange(self.server.address, post))
            location = reply.headers.get("location", "/")
            good = reply.status == expected and location.startswith("/") and not location.startswith("//")
            self.check(good, f"{what}: {reply.status} {'' if good else (location, reply.text[:300])}")

    async def ask(self, data):
        reply = await exchange(self.server.address, data)
        return reply.status, reply.text

    def memory(self):
        if self.pid is None:
            return "its memory is not known"
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        figures = dict(line.split(":", 1) for line in status.splitlines() if line.startswith("Vm"))
        return f"its memory was {int(figures['VmHWM'].split()[0]) // 1024} MiB at the most"


def start(folder, group):
    """The server with a cache folder of its own, in which it finds the model if we have it."""
    kept = Path(os.environ.get("NIBBLE_HOME") or Path.home() / ".cache/nibble") / MODEL
    if kept.exists():
        (Path(folder) / MODEL).symlink_to(kept)
    os.environ["NIBBLE_HOME"] = folder
    begin = lambda: servers.nibble("--context", CONTEXT, "--kv-memory", KV_MEGABYTES, in_group=group.enter)
    return control_group.start_in(group, begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?")
    parser.add_argument("--memory", help="`just` or megabytes", default="512")
    parser.add_argument("--health-ms", type=float, default=250, help="the longest that `/health` may take")
    parser.add_argument("--url")
    parser.add_argument("--pid", type=int, help="of the server at --url")
    args = parser.parse_args()
    check, health_s = Checks(), args.health_ms / 1000
    if args.url:
        Abuse(servers.at(args.url), args.pid, health_s, check).run()
    else:
        servers.PROGRAM_OF_NIBBLE = args.program or servers.PROGRAM_OF_NIBBLE
        with tempfile.TemporaryDirectory() as folder, control_group.memory(args.memory) as group:
            with start(folder, group) as server:
                print(f"abuse: {group.says}", flush=True)
                Abuse(server, server.process.pid, health_s, check).run()
                check(server.process.poll() is None, "the server still runs")
                check(server.stop() == 0, "and ends when it is told to")
            if group.killed is not None:
                check(group.killed() == 0, "nothing was killed for want of memory")
    print(f"abuse: {check.passed} passed, {check.failed} failed")
    sys.exit(bool(check.failed))


if __name__ == "__main__":
    main()

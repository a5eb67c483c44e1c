#!/usr/bin/env python3
"""Conversations outlast what befalls the program and its disk: it is killed at random moments, ten times or with `--long` a
hundred, its disk fills up, and it is copied while it writes.

    deploy/test/abuse/conversations.py [--long] [--only NAME,...]
"""

import contextlib
import html
import http.client
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "engine/scripts"))
import servers
from hostile import run

BROWSERS = 4
# What was streamed so long before a kill is to be there after it.
OLD_S = 0.5
FORM = {"temperature": "0", "system_prompt": "", "usd_per_hour": "1"}
# How an answer ends by itself.
ENDS = {"complete", "max_tokens", "repetition"}
LONG = "Tell me a long story about the sea, with many words and no lists."


class Browser:
    """Known by its cookie, as a page's script talks to the server."""

    def __init__(self):
        self.cookie = None

    def request(self, server, method, path, form=None, accept="application/json"):
        connection = http.client.HTTPConnection(*server.address, timeout=30)
        headers = {"Accept": accept, "Origin": f"http://{server.address[0]}:{server.address[1]}"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, form and urllib.parse.urlencode(form), headers)
        response = connection.getresponse()
        if given := response.getheader("Set-Cookie"):
            self.cookie = given.split(";")[0]
        return response

    def page(self, server, path):
        return self.request(server, "GET", path, accept="text/html").read().decode()

    def send(self, server, question, conversation="", accept="application/json"):
        """The answer of the server and its status."""
        form = {**FORM, "max_tokens": random.choice([10, 100, 300]), "message": question, "conversation": conversation}
        response = self.request(server, "POST", "/api/send", form, accept)
        return response.status, response.read().decode()


class Asked:
    """A question that the server took, and what a reader saw of its answer, each with its time."""

    def __init__(self, browser, conversation, run, question):
        self.browser, self.conversation, self.run, self.question = browser, conversation, run, question
        self.seen, self.done = [], None

    def follow(self, server):
        response = self.browser.request(server, "GET", f"/runs/{self.run}/events", accept="text/event-stream")
        name, settled = "", ""
        while line := response.readline().decode():
            kind, _, value = line.rstrip("\n").partition(": ")
            if kind == "event":
                name = value
            elif kind == "data" and name == "text":
                data = json.loads(value)
                settled = (settled if data["at"] else "") + data["html"]
                self.seen.append((time.monotonic(), letters(settled + data["tail"])))
            elif kind == "data" and name == "done":
                self.done = time.monotonic()
                return


def letters(text):
    """Of a text or its HTML, without what marks it up."""
    return re.sub(r"[\W\d_]", "", html.unescape(re.sub(r"<[^>]*>", "", text)))


def asks(server, browser, asked, ended):
    """Asks and reads until the server is gone, now in a new conversation, now in the one before."""
    conversation = ""
    with contextlib.suppress(OSError, http.client.HTTPException):
        while not ended.is_set():
            question = f"{LONG} {random.randrange(10**12)}"
            status, text = browser.send(server, question, conversation)
            if status != 200:
                time.sleep(0.1)
                continue
            reply = json.loads(text)
            one = Asked(browser, reply["conversation"], reply["run"], question)
            asked.append(one)
            one.follow(server)
            conversation = random.choice(["", one.conversation])


def rows(file):
    """Text and state of each answer, by its name."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        return {name: (text, state) for name, text, state in database.execute("SELECT id, text, state FROM messages")}


def killed(server, browsers, seconds):
    """What the server took until it was killed, and when that was."""
    asked, ended = [], threading.Event()
    threads = [threading.Thread(target=asks, args=(server, browser, asked, ended)) for browser in browsers]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    when = time.monotonic()
    server.process.kill()
    ended.set()
    server.process.wait()
    for thread in threads:
        thread.join()
    return asked, when


def holds(text, part):
    """Whether all letters of `part` are there in their order: links and marks have more of them."""
    rest = iter(text)
    return all(letter in rest for letter in part)


class Count:
    """What was there after the kills, and what was not."""

    def __init__(self):
        self.questions = self.letters = self.interrupted = self.ended = 0
        self.lost, self.kept = [], {}

    def look(self, server, file, asked, when):
        found = rows(file)
        for one in asked:
            text, state = found.get(one.run, ("", "missing"))
            page = one.browser.page(server, f"/c/{one.conversation}")
            if one.question not in page:
                self.lost.append(f"the question of {one.run}, {state}")
            seen = [seen for at, seen in one.seen if at < when - OLD_S]
            if seen and not holds(letters(text), seen[-1]):
                self.lost.append(f"words of {one.run}, {state}: {len(letters(text))} letters of {len(seen[-1])}")
            expected = {"interrupted"} if one.done is None else set(ENDS)
            if one.done is not None and one.done > when - OLD_S:
                expected.add("interrupted")
            if one.done is None:
                # Its end may have been written down and not told any more.
                expected |= ENDS
            if state not in expected:
                self.lost.append(f"the end of {one.run}: {state}")
            if state == "interrupted" and "Interrupted:" not in page:
                self.lost.append(f"the word that {one.run} was interrupted")
            self.questions += 1
            self.letters += len(seen[-1]) if seen else 0
            self.interrupted += state == "interrupted"
            self.ended += state in ENDS
        for name, before in self.kept.items():
            if found.get(name) != before:
                self.lost.append(f"what was there of {name} before")
        self.kept = found


def kills(check, long):
    count, browsers = Count(), [Browser() for _ in range(BROWSERS)]
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/nibble.db"
        begin = lambda: servers.nibble(environment={"NIBBLE_DATABASE": file}).wait_until_well()
        server = begin()
        for browser in browsers:
            browser.page(server, "/")
        for _ in range(100 if long else 10):
            asked, when = killed(server, browsers, random.uniform(0.05, 3))
            server = begin()
            count.look(server, file, asked, when)
        server.stop()
        check(not os.path.exists(f"{file}-wal"), "after an end in peace all is in one file")
    what = f"{count.questions} questions, {count.letters} letters, {count.interrupted} answers interrupted, {count.ended} ended"
    check(count.interrupted > 0, f"kills: {what}")
    check(not count.lost, f"nothing is lost: {count.lost[:5]}")


@contextlib.contextmanager
def small_disk():
    """A folder on a disk of 2 MiB; nothing where there can be none."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False)
        try:
            yield folder if mounted.returncode == 0 else None
        finally:
            if mounted.returncode == 0:
                subprocess.run(["umount", "--lazy", folder], check=False)


def full_disk(check, _):
    with small_disk() as folder:
        if folder is None:
            print("skipped: a small disk takes root")
            return
        file, ballast = f"{folder}/nibble.db", Path(folder, "ballast")
        with servers.nibble(environment={"NIBBLE_DATABASE": file}) as server:
            server.wait_until_well()
            browser = Browser()
            browser.page(server, "/")
            reply = json.loads(browser.send(server, LONG)[1])
            one = Asked(browser, reply["conversation"], reply["run"], LONG)
            fill(ballast)
            typed = "why " * 7000
            status, page = browser.send(server, typed, accept="text/html")
            check(status == 503 and "is full" in page and file in page, f"a question on a full disk: {status}, by name")
            check(typed.strip() in page, "what was typed stays on the page")
            one.follow(server)
            check(one.done is not None, "the answer reaches its reader")
            check(browser.request(server, "GET", "/").status == 200, "pages are served")
            ballast.unlink()
            end = time.monotonic() + 20
            while rows(file).get(one.run, ("", ""))[1] not in ENDS and time.monotonic() < end:
                time.sleep(0.2)
            text, state = rows(file)[one.run]
            check(state in ENDS and holds(letters(text), one.seen[-1][1]), f"it is written down: {state}")
            check(len(rows(file)) == 2, "nothing of what was refused is there")
            check(browser.send(server, "And now?")[0] == 200, "questions are taken again")


def fill(file):
    """Takes what the disk has left."""
    with contextlib.suppress(OSError), open(file, "wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 512)


def read_only_disk(check, _):
    with small_disk() as folder:
        if folder is None:
            print("skipped: a small disk takes root")
            return
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with servers.nibble(environment={"NIBBLE_DATABASE": f"{folder}/nibble.db"}) as server:
            code = server.process.wait(60)
            said = server.tail()
        named = f"{folder}/nibble.db" in said and "Read-only file system" in said and "--database memory" in said
        check(code == 1 and named, f"a start on a read-only disk: {said}")


def backups(check, _):
    with tempfile.TemporaryDirectory() as folder:
        file, copy = f"{folder}/nibble.db", f"{folder}/copy.db"
        where = {**os.environ, "NIBBLE_DATABASE": file}
        command = lambda *words: subprocess.run(
            [servers.PROGRAM_OF_NIBBLE, *words], env=where, capture_output=True, text=True, check=False
        )
        with servers.nibble(environment=where) as server:
            server.wait_until_well()
            browser = Browser()
            reply = json.loads(browser.send(server, LONG)[1])
            one = Asked(browser, reply["conversation"], reply["run"], LONG)
            made = command("backup", copy)
            check(made.returncode == 0, f"a backup while an answer is written: {made.stderr}")
            check(rows(copy)[one.run][1] == "running", "it has the answer as it was")
            again = command("backup", copy)
            check(again.returncode == 1 and copy in again.stderr, f"another into its place: {again.stderr}")
            refused = command("restore", copy)
            check(refused.returncode == 1 and "in use" in refused.stderr, f"while a server runs: {refused.stderr}")
            one.follow(server)
        restored = command("restore", copy)
        check(restored.returncode == 0 and ".before-1" in restored.stdout, f"restored: {restored.stdout}{restored.stderr}")
        with servers.nibble(environment=where) as server:
            server.wait_until_well()
            page = browser.page(server, f"/c/{one.conversation}")
            check(LONG in page and "Interrupted:" in page, "the conversation is as it was")


run(__doc__, [kills, full_disk, read_only_disk, backups])

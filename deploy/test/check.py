"""Checks of a running site, from outside: what a browser gets and when it arrives.

python3 check.py site URL CA                     the page, the API, streaming, headers and compression through Caddy
python3 check.py ask URL CA                      begins a conversation and prints its address with the visitor's cookie
python3 check.py remembers URL CA CONVERSATION   what `ask` began, and printed, is there
python3 check.py speed URL CA                    prints decode speed in tokens/s
python3 check.py fill URL CA TOKENS              one answer to a prompt that fills a context of so many tokens
python3 check.py board PROMETHEUS BOARD          every query of the board has data
"""

import http.client
import json
import re
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request

FORM = {
    "conversation": "",
    "message": "Write a long story about a lighthouse.",
    "temperature": "0.2",
    "max_tokens": "400",
    "system_prompt": "",
    "usd_per_hour": "1",
}


class Site:
    def __init__(self, url, authority):
        self.url = urllib.parse.urlsplit(url)
        self.tls = ssl.create_default_context(cafile=authority)

    def send(self, method, path, body=None, **headers):
        connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.tls, timeout=600)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, headers)
        return connection.getresponse()

    def post_form(self, path, fields, accept="text/html", **headers):
        return self.send(
            "POST",
            path,
            urllib.parse.urlencode(fields),
            Content_Type="application/x-www-form-urlencoded",
            Origin=f"https://{self.url.netloc}",
            Accept=accept,
            **headers,
        )

    def chat(self, prompt, **fields):
        fields = {"messages": [{"role": "user", "content": prompt}], "temperature": 0, **fields}
        return self.send("POST", "/v1/chat/completions", json.dumps(fields))


def arrivals(response):
    """The pieces of a body with the time at which each came."""
    pieces = []
    while piece := response.read1(1 << 16):
        pieces.append((time.monotonic(), piece))
    return pieces


def comes_piece_by_piece(what, response):
    pieces = arrivals(response)
    spread = pieces[-1][0] - pieces[0][0]
    # Were it held back anywhere, all would come at the end.
    early = sum(1 for at, _ in pieces if at < pieces[0][0] + 0.8 * spread)
    assert len(pieces) >= 10 and early >= 5 and spread > 0.2, f"{what}: {len(pieces)} pieces in {spread:.2f} s"
    print(f"ok: {what} comes in {len(pieces)} pieces over {spread:.2f} s")
    return b"".join(piece for _, piece in pieces).decode()


def check_site(site):
    started = time.monotonic()
    page = site.send("GET", "/", Accept_Encoding="gzip")
    assert page.status == 200, page.status
    names = [name.lower() for name, _ in page.getheaders()]
    for name in ["content-security-policy", "x-content-type-options", "referrer-policy", "permissions-policy"]:
        assert names.count(name) == 1, f"`{name}` comes {names.count(name)} times"
    assert "strict-transport-security" not in names, "localhost is not bound to https for good"
    assert page.getheader("Content-Encoding") == "gzip", "the page is not compressed"
    print(f"ok: the page, compressed, every security header once ({time.monotonic() - started:.2f} s)")

    version = subprocess.run(
        ["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version}", site.url.geturl()],
        capture_output=True, text=True, check=True,
    ).stdout
    assert version == "2", f"HTTP/{version}"
    print("ok: HTTP/2")

    assert site.send("GET", "/metrics").status == 404, "/metrics is open to the world"
    print("ok: /metrics is not open to the world")

    posted = site.post_form("/api/send", FORM)
    assert posted.status == 302, posted.status
    path = posted.getheader("Location").split("#")[0]
    cookie = posted.getheader("Set-Cookie").partition(";")[0]
    live = site.send("GET", path, Accept_Encoding="gzip", Cookie=cookie)
    compressed, caching = live.getheader("Content-Encoding"), live.getheader("Cache-Control")
    assert compressed is None, f"a page that streams is compressed with {compressed}, in spite of `{caching}`"
    html = comes_piece_by_piece("the page without JavaScript", live)
    assert "<dt>Decode speed</dt>" in html and "</html>" in html, html[-500:]
    assert site.send("GET", path, Accept_Encoding="gzip", Cookie=cookie).getheader("Content-Encoding") == "gzip"
    print("ok: the same page, complete, is compressed")

    posted = site.post_form("/api/send", FORM, accept="application/json", Cookie=cookie)
    run = json.load(posted)["run"]
    events = site.send("GET", f"/runs/{run}/events", Accept_Encoding="gzip", Accept="text/event-stream", Cookie=cookie)
    assert events.getheader("Content-Encoding") is None, "events are compressed"
    assert "event: done" in comes_piece_by_piece("the page's event stream", events)

    stream = site.chat("Tell me about the sea.", max_tokens=400, stream=True)
    assert stream.getheader("Content-Encoding") is None
    assert "[DONE]" in comes_piece_by_piece("the API's stream", stream)

    # A client that leaves frees the model: the next question does not wait for 1500 tokens.
    left = site.chat("Count to a thousand.", max_tokens=1500, stream=True)
    left.read1(100)
    left.close()
    answer = json.load(site.chat("Hi", max_tokens=2))
    queued = answer["nibble"]["queued_s"]
    assert queued < 2, f"the next question waited {queued} s"
    print(f"ok: a client that leaves through the proxy frees the model ({queued:.2f} s)")


def ask(site):
    reply = site.post_form("/api/send", {**FORM, "max_tokens": "20"})
    assert reply.status in (302, 303), reply.status
    path = reply.getheader("Location").partition("#")[0]
    cookie = reply.getheader("Set-Cookie").partition(";")[0]
    # The page goes on until the answer has ended.
    site.send("GET", path, Cookie=cookie).read()
    print(f"{path},{cookie}")


def remembers(site, conversation):
    path, cookie = conversation.split(",")
    page = site.send("GET", path, Cookie=cookie)
    text = page.read().decode()
    assert page.status == 200 and FORM["message"] in text, f"{page.status}: {text}"
    assert site.send("GET", path).status == 404, "a conversation is shown to whoever asks"
    print("ok: the conversation is there, for its owner alone")


def speed(site):
    speeds = []
    for _ in range(3):
        answer = json.load(site.chat("Tell me about the sea.", max_tokens=100))
        speeds.append(answer["nibble"]["decode_tokens_per_second"])
    print(f"{sorted(speeds)[1]:.1f}")


def fill(site, tokens):
    # "word " is one token of the default model; the template takes some thirty.
    answer = json.load(site.chat("word " * (tokens - 80), max_tokens=40))
    assert "usage" in answer, answer
    usage = answer["usage"]
    assert usage["total_tokens"] > tokens * 0.95, usage
    print(f"ok: {usage['total_tokens']} of {tokens} tokens of context are used")


def query(prometheus, expression, **parameters):
    path = "query_range" if parameters else "query"
    parameters = urllib.parse.urlencode({"query": expression, **parameters})
    with urllib.request.urlopen(f"{prometheus}/api/v1/{path}?{parameters}") as answer:
        return json.load(answer)["data"]["result"]


def board(prometheus, path):
    panels = json.load(open(path))["panels"]
    # Only where there is a quota.
    optional = re.compile("nibble_cgroup")
    empty = []
    for panel in panels:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "1m")
            now = time.time()
            found = query(prometheus, expression, start=now - 600, end=now, step=5)
            if not found and not optional.search(expression):
                empty.append(f"{panel['title']}: {expression}")
    assert not empty, "no data: " + "; ".join(empty)
    print(f"ok: the queries of all {len(panels)} panels of the board return data")


match sys.argv[1:]:
    case ["site", url, authority]:
        check_site(Site(url, authority))
    case ["ask", url, authority]:
        ask(Site(url, authority))
    case ["remembers", url, authority, conversation]:
        remembers(Site(url, authority), conversation)
    case ["speed", url, authority]:
        speed(Site(url, authority))
    case ["fill", url, authority, tokens]:
        fill(Site(url, authority), int(tokens))
    case ["board", prometheus, path]:
        board(prometheus, path)
    case _:
        sys.exit(__doc__)

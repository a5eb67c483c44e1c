"""HTTP exchanges as a load needs them: many at once for little CPU time.

While an exchange goes on it only keeps what arrives and when; what that was is read afterwards. A connection carries one
request, so that its end is the reply's, and whoever leaves closes it.
"""

import asyncio
import json
import time


class Exchange(asyncio.Protocol):
    """One request and the pieces of its reply, each with the time at which it came."""

    def __init__(self, request):
        self.request = request
        self.pieces = []
        self.began = None
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.began = time.monotonic()
        transport.write(self.request)

    def data_received(self, data):
        self.pieces.append((time.monotonic(), data))

    def connection_lost(self, error):
        if not self.ended.done():
            self.ended.set_result(error)


async def exchange(address, request, leave=None):
    """A reply; where the client leaves before its end, as soon as `leave` is done, what had come by then."""
    transport, kept = await asyncio.get_running_loop().create_connection(lambda: Exchange(request), *address)
    leaving = [asyncio.ensure_future(leave)] if leave else []
    try:
        await asyncio.wait([kept.ended, *leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        transport.abort()
        for waiting in leaving:
            waiting.cancel()
    ended = kept.ended.done()
    return Reply(kept, left=not ended, error=kept.ended.result() if ended else None)


class Reply:
    """What came back: a status, headers in lower case, and a body in pieces with their times."""

    def __init__(self, kept, left=False, error=None):
        self.began, self.left, self.error = kept.began, left, error
        raw = b"".join(piece for _, piece in kept.pieces)
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if head and len(lines[0].split()) > 1 else None
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        arrivals, at = [], -len(head) - 4
        for when, piece in kept.pieces:
            at += len(piece)
            arrivals.append((at, when))
        chunked = self.headers.get("transfer-encoding") == "chunked"
        # A body is whole when its last chunk has come, or as many bytes as were promised.
        self.pieces, self.whole = chunks(body, arrivals) if chunked else ([(self.began, body)], True)
        if not chunked and "content-length" in self.headers:
            self.whole = len(body) == int(self.headers["content-length"])

    @property
    def text(self):
        return b"".join(piece for _, piece in self.pieces).decode(errors="replace")

    def events(self):
        """Server-sent events as pairs of the time at which each was whole and its text."""
        rest = b""
        for when, piece in self.pieces:
            *whole, rest = (rest + piece).split(b"\n\n")
            for event in whole:
                yield when, event.decode()


def chunks(body, arrivals):
    """The chunks of a body, each with the time at which its end came, and whether the last one is there."""
    found, at, arrival = [], 0, 0
    while (line := body.find(b"\r\n", at)) >= 0:
        size = int(body[at:line], 16)
        if size == 0:
            return found, True
        end = line + 2 + size
        if end > len(body):
            break
        while arrivals[arrival][0] < end:
            arrival += 1
        found.append((arrivals[arrival][1], body[line + 2 : end]))
        at = end + 2
    return found, False


# The page knows whoever sends this for the one who began what was begun with it.
COOKIE = f"nibble={'5' * 32}"


def request(method, path, body=b"", **headers):
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close", f"content-length: {len(body)}", f"cookie: {COOKIE}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chat_request(messages, max_tokens, stream=True, caller=None, **fields):
    """A chat completion by OpenAI's API; `caller` is an address that a proxy would name."""
    fields |= {"messages": messages, "max_tokens": max_tokens, "stream": stream}
    if stream:
        fields["stream_options"] = {"include_usage": True}
    headers = {"x_forwarded_for": caller} if caller else {}
    return request("POST", "/v1/chat/completions", json.dumps(fields).encode(), content_type="application/json", **headers)


class StreamedAnswer:
    """The figures of a streamed chat completion."""

    def __init__(self, reply):
        self.status, self.began = reply.status, reply.began
        self.times, self.text, self.failure, usage = [], "", None, None
        # Of the last event, which comes also where the tokens are no text that a server would send.
        self.done, self.ended = False, None
        for when, event in reply.events():
            self.ended = when
            data = event.removeprefix("data: ")
            if event.startswith(":"):
                continue
            if data == "[DONE]":
                self.done = True
            elif data == event:
                self.failure = event[:300]
            else:
                usage = self.read(json.loads(data), when) or usage
        if self.status != 200:
            self.failure = reply.text[:300]
        elif not self.done and not self.failure and not reply.left:
            self.failure = "the stream ended before it was done"
        self.prompt_tokens = usage and usage["prompt_tokens"]
        self.tokens = usage["completion_tokens"] if usage else len(self.times)

    def read(self, chunk, when):
        if "error" in chunk:
            self.failure = chunk["error"].get("message", "an error")
            return None
        for choice in chunk.get("choices", []):
            if piece := choice.get("delta", {}).get("content"):
                self.times.append(when)
                self.text += piece
        return chunk.get("usage")

    @property
    def first_token_s(self):
        return self.times[0] - self.began if self.times else None

    @property
    def token_s(self):
        """Mean time of a token after the first."""
        if len(self.times) < 2 or self.tokens < 2:
            return None
        return (self.times[-1] - self.times[0]) / (self.tokens - 1)

    @property
    def token_with_wait_s(self):
        """Mean time of a token, the wait for the first among it."""
        return (self.times[-1] - self.began) / self.tokens if self.times else None

    def gaps(self):
        """Times between tokens, each with its end."""
        return [(after - before, after) for before, after in zip(self.times, self.times[1:])]

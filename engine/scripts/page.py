"""The page as a reader without JavaScript has it: forms that are sent as they are filled in, pages, files, and the tables of
charts."""

import http.client
import html
import json
import re
import sys
import urllib.parse
from html.parser import HTMLParser

from exchanges import COOKIE
from peer import PROGRAM

# A page into which lanes or answers stream says something every second.
SILENCE_S = 60


class Reader:
    """One reader of a server's page, known by a cookie."""

    def __init__(self, server):
        self.server = server

    def get(self, path):
        """The whole of a page or file, to the end of what streams into it."""
        status, _, body = self.exchange("GET", path)
        if status != 200:
            sys.exit(f"{PROGRAM}: `{path}` was answered by {status}: {reason(body)}")
        return body

    def post(self, path, fields):
        """Sends a form; where it leads."""
        status, location, body = self.exchange("POST", path, fields)
        if status not in (302, 303):
            sys.exit(f"{PROGRAM}: the form of `{path}` was answered by {status}: {reason(body)}")
        return location.split("#")[0]

    def script(self, path, fields):
        """What the page's script is answered to a form."""
        status, _, body = self.exchange("POST", path, fields, "application/json")
        if status != 200:
            sys.exit(f"{PROGRAM}: the form of `{path}` was answered by {status}: {reason(body)}")
        return json.loads(body)

    def form(self, path, action):
        """The fields of a page's form as the page fills them in."""
        page = self.get(path)
        head = re.search(rf'<form[^>]*\baction="{re.escape(action)}"[^>]*>', page)
        if not head:
            sys.exit(f"{PROGRAM}: `{path}` has no form for `{action}`")
        named = re.search(r'\bid="([^"]+)"', head[0])
        found = Fields(action, named and named[1])
        found.feed(page)
        return found.fields

    def exchange(self, method, path, fields=None, accept="text/html"):
        connection = http.client.HTTPConnection(*self.server.address, timeout=SILENCE_S)
        headers = {"cookie": COOKIE, "accept": accept, "host": "localhost"}
        if fields is not None:
            headers |= {"content-type": "application/x-www-form-urlencoded", "origin": "http://localhost"}
        connection.request(method, path, fields and urllib.parse.urlencode(fields), headers)
        response = connection.getresponse()
        answered = response.status, response.getheader("location") or "", response.read().decode()
        connection.close()
        return answered


class Fields(HTMLParser):
    """What a browser would send of the form with this action, whose fields may stand elsewhere and name it."""

    def __init__(self, action, name):
        super().__init__()
        self.action, self.name, self.fields = action, name, {}
        self.inside, self.select, self.text = False, None, None

    def handle_starttag(self, tag, attributes):
        has = dict(attributes)
        name, value = has.get("name"), has.get("value") or ""
        if tag == "form":
            self.inside = has.get("action") == self.action
        elif tag == "option":
            if self.select and (self.select not in self.fields or "selected" in has):
                self.fields[self.select] = value
        elif name is None or not (has["form"] == self.name if "form" in has else self.inside):
            return
        elif tag == "input":
            if "checked" in has or has.get("type") not in ("checkbox", "radio", "file", "submit"):
                self.fields[name] = value
        elif tag == "select":
            self.select = name
        elif tag == "textarea":
            self.text, self.fields[name] = name, ""

    def handle_endtag(self, tag):
        if tag == "form":
            self.inside = False
        elif tag == "select":
            self.select = None
        elif tag == "textarea":
            self.text = None

    def handle_data(self, data):
        if self.text:
            self.fields[self.text] += data


def table_of(page, title):
    """The rows behind the chart of this title, each a list of texts; none where it has no numbers."""
    _, found, rest = page.partition(f"<figcaption>{title}</figcaption>")
    if not found:
        sys.exit(f"{PROGRAM}: there is no chart `{title}`")
    table = rest.partition("</figure>")[0]
    cells = lambda row: [words(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
    rows = [cells(row) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.S)]
    return [row for row in rows[1:] if row]


def reason(body):
    """Why something was refused: what a page says aloud, or else what was sent."""
    aloud = [words(text) for text in re.findall(r'role="alert"[^>]*>(.*?)</p>', body, re.S)]
    return " ".join(filter(None, aloud)) or body[:300]


def words(markup):
    return html.unescape(re.sub(r"<[^>]*>", "", markup)).strip()

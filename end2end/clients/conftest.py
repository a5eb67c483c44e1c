"""What the tests of every client share: the servers that `check` starts, and what a test that passed shows of its client."""

import json
import os
import urllib.request

import pytest

# LiteLLM fetches prices from the internet otherwise.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

QUESTION = "What is 2 + 2?"
# More than any context that the default model has here.
TOO_LONG = "word " * 20_000


class Server:
    """A running server, and the name of the model that it has loaded."""

    def __init__(self, url):
        self.url = url
        self.v1 = f"{url}/v1"
        with urllib.request.urlopen(f"{self.v1}/models") as response:
            self.model = json.load(response)["data"][0]["id"]


@pytest.fixture(scope="session")
def server():
    return Server(os.environ["NIBBLE_URL"])


@pytest.fixture(scope="session")
def caller():
    return Server(os.environ["NIBBLE_CALLER_URL"])


def pytest_configure(config):
    config.addinivalue_line("markers", "shows(feature, …, client=CLIENT): features of a client, the module's own, that work")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    marker = item.get_closest_marker("shows")
    if marker and call.when == "call" and outcome.get_result().passed and "NIBBLE_SHOWN" in os.environ:
        client = marker.kwargs.get("client") or item.module.CLIENT
        with open(os.environ["NIBBLE_SHOWN"], "a") as shown:
            shown.writelines(f"{client}\t{feature}\n" for feature in marker.args)

"""What clients learn of the probabilities of tokens, and more answers than one."""

import json
import math
import os
import urllib.request
from pathlib import Path

import litellm
import openai
import pytest
from langchain_openai import ChatOpenAI
from lm_eval.compare import BOUND, own

MESSAGES = [{"role": "user", "content": "What is 2 + 2?"}]


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server.v1, api_key="unused", max_retries=0)


@pytest.mark.shows("logprobs", client="openai")
def test_tokens_of_a_chat_have_logprobs(client, server):
    reply = client.chat.completions.create(
        model=server.model, messages=MESSAGES, temperature=0, max_tokens=20, logprobs=True, top_logprobs=3
    )
    tokens = reply.choices[0].logprobs.content
    assert len(tokens) >= reply.usage.completion_tokens - 1
    assert "".join(token.token for token in tokens).startswith(reply.choices[0].message.content[:5])
    for token in tokens:
        assert len(token.top_logprobs) == 3 and bytes(token.bytes).decode(errors="replace") == token.token
        # What is drawn greedily is the likeliest.
        assert token.logprob == token.top_logprobs[0].logprob <= 0
        assert sum(math.exp(top.logprob) for top in token.top_logprobs) <= 1.0001


@pytest.mark.shows("logprobs", client="openai")
def test_tokens_of_a_text_have_the_logprobs_that_its_continuation_had(client, server):
    fields = {"model": server.model, "temperature": 0, "logprobs": 1}
    written = client.completions.create(**fields, prompt="One, two, three,", max_tokens=4).choices[0]
    told = client.completions.create(
        **fields, prompt="One, two, three," + written.text, echo=True, max_tokens=1
    ).choices[0].logprobs
    assert told.token_logprobs[0] is None
    at = told.text_offset.index(len("One, two, three,"))
    again = told.token_logprobs[at : at + len(written.logprobs.token_logprobs)]
    assert again == pytest.approx(written.logprobs.token_logprobs, abs=1e-3)


@pytest.mark.shows("logprobs", client="litellm")
def test_litellm(server):
    reply = litellm.completion(
        model=f"openai/{server.model}", api_base=server.v1, api_key="unused", messages=MESSAGES, max_tokens=5, logprobs=True
    )
    assert len(reply.choices[0].logprobs.content) == 5


@pytest.mark.shows("logprobs", client="langchain-openai")
def test_langchain(server):
    chat = ChatOpenAI(base_url=server.v1, api_key="unused", model=server.model, max_tokens=5, logprobs=True, max_retries=0)
    assert len(chat.invoke("What is 2 + 2?").response_metadata["logprobs"]["content"]) == 5


@pytest.mark.shows("several answers", client="openai")
def test_more_answers_than_one_share_their_question(client, server):
    reply = client.chat.completions.create(
        model=server.model, messages=MESSAGES, temperature=1, seed=1, max_tokens=12, n=3
    )
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in reply.choices}) > 1
    one = client.chat.completions.create(model=server.model, messages=MESSAGES, max_tokens=12)
    assert reply.usage.prompt_tokens == one.usage.prompt_tokens


def ids(server, text):
    body = json.dumps({"content": text}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{server.url}/tokenize", data=body)) as response:
        return json.load(response)["tokens"]


def loglikelihoods(server, prompts):
    """What lm-eval's `local-completions`, whose packages are more than 150 MB, sends and reads of the answer."""
    fields = {"model": server.model, "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True}
    body = json.dumps({**fields, "prompt": prompts}).encode()
    request = urllib.request.Request(f"{server.v1}/completions", data=body)
    with urllib.request.urlopen(request) as response:
        choices = sorted(json.load(response)["choices"], key=lambda choice: choice["index"])
    told = []
    for prompt, choice in zip(prompts, choices, strict=True):
        logprobs = choice["logprobs"]
        # The last one is of the token that follows.
        tokens, likeliest = logprobs["token_logprobs"][:-1], logprobs["top_logprobs"][:-1]
        assert len(tokens) == len(prompt)
        assert all(max(top.values()) >= token - 1e-4 for token, top in zip(tokens[1:], likeliest[1:]))
        told.append(tokens)
    return told


def test_what_lm_eval_sends_is_answered_with_loglikelihoods(server):
    """Two contexts with their continuations, as token ids."""
    context = ids(server, "The capital of France is")
    right, wrong = (context + ids(server, text) for text in (" Paris", " seven"))
    of_right, of_wrong = loglikelihoods(server, [right, wrong])
    begins = len(context)
    assert sum(of_right[begins:]) > sum(of_wrong[begins:])
    # Alone it has the same ones as in company.
    assert loglikelihoods(server, [right]) == [of_right]


def test_loglikelihoods_are_those_of_our_own_perplexity(server):
    here = Path(__file__).parent
    program = os.environ.get("NIBBLE_BINARY", here / "../../target/release/nibble")
    docs = [json.loads(line) for line in (here / "lm_eval/texts.jsonl").read_text().splitlines()]
    for doc in docs:
        text = doc["context"] + doc["continuation"]
        expected, counted = own(str(program), text, doc["tokens"])
        (told,) = loglikelihoods(server, [ids(server, text)])
        assert len(told) == doc["tokens"]
        assert sum(told[-counted:]) == pytest.approx(expected, rel=BOUND)

"""Answers of the default model that must be of a form, drawn at temperature 1, by a validator that is not ours."""

import json
import os
import pathlib
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import openai
import pytest

SCHEMAS = json.loads((pathlib.Path(__file__).parent / "schemas.json").read_text())
# Where an answer is cut off it is asked for again, with another seed: at temperature 1 one may well be long.
MAX_TOKENS = [96] + 5 * [600]
# Values of these may hold values of their own kind, and a small model at this temperature may nest them for ever.
ENDLESS = {"a list by reference", "a tree"}


@pytest.fixture(scope="module")
def client():
    return openai.OpenAI(
        base_url=f"{os.environ['NIBBLE_URL']}/v1", api_key="unused", max_retries=0
    )


def answer(client, schema, seed, max_tokens):
    reply = client.chat.completions.create(
        model=client.models.list().data[0].id,
        messages=[{"role": "user", "content": "Answer in JSON, with an example."}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "form", "strict": True, "schema": schema},
        },
        temperature=1,
        seed=seed,
        max_tokens=max_tokens,
    )
    (choice,) = reply.choices
    return choice.message.content, choice.finish_reason


def may_become_json(text):
    """Whether a text is the beginning of a JSON value: brackets match, and what stands outside of texts is of JSON."""
    open_brackets, within, escaped = [], False, False
    for character in text:
        if within:
            within = character != '"' or escaped
            escaped = character == "\\" and not escaped
        elif character == '"':
            within = True
        elif character in "{[":
            open_brackets.append(character)
        elif character in "}]":
            if not open_brackets or open_brackets.pop() != {"}": "{", "]": "["}[character]:
                return False
        elif character not in " \n\t,:-+.0123456789eEtrufalsn":
            return False
    return bool(open_brackets) or within or not text.strip()[-1:] in "}]"


def test_every_answer_is_what_its_schema_allows(client):
    assert len(SCHEMAS) >= 200

    def check(indexed):
        """The name of a schema of which no answer was whole."""
        at, case = indexed
        for times, max_tokens in enumerate(MAX_TOKENS):
            text, reason = answer(client, case["schema"], at + len(SCHEMAS) * times, max_tokens)
            if reason == "stop":
                jsonschema.validate(json.loads(text), case["schema"], jsonschema.Draft202012Validator)
                return None
            assert may_become_json(text), (case["name"], text)
        return case["name"]

    with ThreadPoolExecutor(8) as threads:
        never_whole = {name for name in threads.map(check, enumerate(SCHEMAS)) if name}
    assert never_whole <= ENDLESS


def test_a_schema_that_cannot_be_kept_to_is_refused_with_its_place(client):
    schema = {"type": "object", "properties": {"a": {"not": {"type": "string"}}}}
    with pytest.raises(openai.BadRequestError) as refused:
        answer(client, schema, 0, MAX_TOKENS[0])
    assert "`/properties/a/not`" in str(refused.value)


def test_a_choice_and_a_pattern(client):
    def one(**form):
        reply = client.chat.completions.create(
            model=client.models.list().data[0].id,
            messages=[{"role": "user", "content": "Is the sky blue?"}],
            temperature=1,
            max_tokens=20,
            extra_body=form,
        )
        return reply.choices[0].message.content

    assert one(guided_choice=["yes", "no"]) in ("yes", "no")
    assert one(structured_outputs={"choice": ["maybe", "never"]}) in ("maybe", "never")
    digits = one(guided_regex="[0-9]{4}")
    assert len(digits) == 4 and digits.isdigit()
    assert one(grammar='root ::= "it is " ("blue" | "grey")') in ("it is blue", "it is grey")

"""OpenAI's own Python client against running servers: with the default model, and with one that always calls tools."""

import json
import os
import threading

import openai
import pytest

QUESTION = [{"role": "user", "content": "What is 2 + 2?"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather now",
            "parameters": {"type": "object", "properties": {"where": {"type": "string"}}},
        },
    },
    {"type": "function", "function": {"name": "now"}},
]


def client_of(variable):
    url = os.environ[variable]
    return openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)


@pytest.fixture(scope="module")
def client():
    return client_of("NIBBLE_URL")


@pytest.fixture(scope="module")
def caller():
    return client_of("NIBBLE_CALLER_URL")


@pytest.fixture(scope="module")
def model(client):
    (model,) = client.models.list().data
    assert client.models.retrieve(model.id).id == model.id
    return model.id


def test_an_answer_comes_in_one_piece(client, model):
    reply = client.chat.completions.create(
        model=model, messages=QUESTION, temperature=0, max_tokens=40
    )
    (choice,) = reply.choices
    assert "4" in choice.message.content
    assert choice.finish_reason == "stop"
    usage = reply.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens > 5
    metrics = reply.model_extra["nibble"]
    assert 0 < metrics["time_to_first_token_s"] <= metrics["total_s"]
    assert metrics["decode_tokens_per_second"] > 0


def test_a_streamed_answer_has_the_same_text_and_its_usage(client, model):
    settings = {"model": model, "messages": QUESTION, "temperature": 0, "max_tokens": 40}
    whole = client.chat.completions.create(**settings)
    chunks = list(
        client.chat.completions.create(
            **settings, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    pieces = [c.choices[0].delta.content for c in chunks if c.choices]
    assert "".join(piece or "" for piece in pieces) == whole.choices[0].message.content
    assert len([piece for piece in pieces if piece]) > 2
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_max_tokens_and_stop_texts_end_an_answer(client, model):
    reply = client.chat.completions.create(
        model=model, messages=QUESTION, temperature=0, max_completion_tokens=3
    )
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 3
    reply = client.chat.completions.create(
        model=model, messages=QUESTION, temperature=0, max_tokens=40, stop=["4"]
    )
    assert reply.choices[0].finish_reason == "stop"
    assert "4" not in reply.choices[0].message.content


def test_the_same_seed_gives_the_same_answer(client, model):
    def answer(seed):
        reply = client.chat.completions.create(
            model=model, messages=QUESTION, temperature=1, seed=seed, max_tokens=30
        )
        return reply.choices[0].message.content

    assert answer(1) == answer(1)
    assert len({answer(seed) for seed in range(4)}) > 1


def test_errors_arrive_as_the_clients_exceptions(client, model):
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=model, messages=QUESTION, temperature=3)
    assert refused.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "word " * 20_000}]
        )
    assert "context" in refused.value.message


def test_calls_of_tools_come_whole_and_streamed_and_go_back(caller):
    settings = {"model": caller.models.list().data[0].id, "tools": TOOLS, "temperature": 0}
    (choice,) = caller.chat.completions.create(messages=QUESTION, **settings).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me see."
    weather, now = choice.message.tool_calls
    assert (weather.function.name, json.loads(weather.function.arguments)) == (
        "weather",
        {"where": "Zürich"},
    )
    assert (now.function.name, now.function.arguments) == ("now", "{}")

    with caller.chat.completions.stream(messages=QUESTION, **settings) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert streamed.finish_reason == "tool_calls"
    assert streamed.message.content == choice.message.content
    functions = [(call.function.name, call.function.arguments) for call in (weather, now)]
    assert [(c.function.name, c.function.arguments) for c in streamed.message.tool_calls] == functions

    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "fine"} for call in (weather, now)
    ]
    messages = [*QUESTION, choice.message, *results]
    reply = caller.chat.completions.create(messages=messages, **settings)
    assert reply.choices[0].finish_reason == "tool_calls"


def test_tools_are_refused_where_the_model_cannot_read_them(client, caller, model):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=model, messages=QUESTION, tools=TOOLS)
    assert model in refused.value.message
    with pytest.raises(openai.BadRequestError) as refused:
        caller.chat.completions.create(
            model="caller_qwen", messages=QUESTION, tools=TOOLS, tool_choice="required"
        )
    assert refused.value.param == "tool_choice"


def test_a_client_that_goes_away_frees_the_model(client, model):
    story = [{"role": "user", "content": "Write a very long story."}]
    stream = client.chat.completions.create(
        model=model, messages=story, temperature=0, stream=True, max_tokens=8000
    )
    next(iter(stream))
    stream.close()
    answered = threading.Event()

    def ask():
        client.chat.completions.create(
            model=model, messages=QUESTION, temperature=0, max_tokens=5
        )
        answered.set()

    threading.Thread(target=ask, daemon=True).start()
    assert answered.wait(timeout=30), "the abandoned answer still holds the model"

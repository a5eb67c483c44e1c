"""Anthropic's own Python client against running servers: with the default model, one that always calls tools, and one
that always thinks."""

import os

import anthropic
import pytest

CLIENT = "anthropic"

QUESTION = [{"role": "user", "content": "What is 2 + 2?"}]
WEATHER = {
    "name": "weather",
    "description": "The weather now",
    "input_schema": {"type": "object", "properties": {"where": {"type": "string"}}},
}
NOW = {"name": "now", "input_schema": {"type": "object", "properties": {}}}


def client_of(variable):
    return anthropic.Anthropic(base_url=os.environ[variable], api_key="unused", max_retries=0)


def ask(variable, **fields):
    client = client_of(variable)
    (model,) = client.models.list().data
    fields = {"model": model.id, "max_tokens": 40, "messages": QUESTION, **fields}
    return client, fields


@pytest.mark.shows("messages", "usage")
def test_a_message_comes_in_one_piece():
    client, fields = ask("NIBBLE_URL", extra_body={"temperature": 0})
    message = client.messages.create(**fields)
    (block,) = message.content
    assert block.type == "text" and "4" in block.text
    assert message.stop_reason == "end_turn"
    counted = client.messages.count_tokens(model=fields["model"], messages=QUESTION)
    usage = message.usage
    assert counted.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


@pytest.mark.shows("stream")
def test_a_streamed_message_is_the_same():
    client, fields = ask("NIBBLE_URL", extra_body={"temperature": 0})
    whole = client.messages.create(**fields)
    with client.messages.stream(**fields) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == whole.content[0].text == message.content[0].text
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == whole.usage.output_tokens


@pytest.mark.shows("stop")
def test_limits_and_stop_sequences_end_an_answer():
    client, fields = ask("NIBBLE_URL", extra_body={"temperature": 0})
    assert client.messages.create(**{**fields, "max_tokens": 2}).stop_reason == "max_tokens"
    stopped = client.messages.create(**fields, stop_sequences=["no such text", "4"])
    assert stopped.stop_reason == "stop_sequence"
    assert stopped.stop_sequence == "4"
    assert "4" not in "".join(block.text for block in stopped.content)


def test_an_answer_that_was_begun_is_gone_on_with():
    client, fields = ask("NIBBLE_URL", extra_body={"temperature": 0})
    begun = [*QUESTION, {"role": "assistant", "content": "2 + 2 ="}]
    message = client.messages.create(**{**fields, "messages": begun})
    assert message.content[0].text.strip().startswith("4")


@pytest.mark.shows("tools")
def test_tools_are_called_and_their_results_read():
    client, fields = ask("NIBBLE_CALLER_URL", tools=[WEATHER, NOW])
    message = client.messages.create(**fields)
    calls = [block for block in message.content if block.type == "tool_use"]
    assert calls and message.stop_reason == "tool_use"
    with client.messages.stream(**fields) as stream:
        streamed = stream.get_final_message()
    again = [block for block in streamed.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in again] == [(call.name, call.input) for call in calls]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"} for call in calls]
    answered = [
        *QUESTION,
        {"role": "assistant", "content": [block.model_dump() for block in message.content]},
        {"role": "user", "content": results},
    ]
    client.messages.create(**{**fields, "messages": answered})


@pytest.mark.shows("thinking")
def test_thoughts_are_blocks_of_their_own():
    client, fields = ask("NIBBLE_THINKER_URL", max_tokens=200)
    thought, *_ = client.messages.create(**fields).content
    assert thought.type == "thinking" and thought.thinking
    with client.messages.stream(**fields) as stream:
        assert stream.get_final_message().content[0].type == "thinking"


@pytest.mark.shows("errors")
def test_errors_have_the_clients_own_classes():
    client, fields = ask("NIBBLE_URL")
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(**{**fields, "model": "claude"})
    with pytest.raises(anthropic.BadRequestError) as refused:
        client.messages.create(**fields, tool_choice={"type": "any"})
    assert refused.value.body["error"]["type"] == "invalid_request_error"

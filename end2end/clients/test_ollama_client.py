"""Ollama's own Python client against running servers: with the default model, one that always calls tools, and one that
always thinks."""

import os

import ollama
import pytest

CLIENT = "ollama"

QUESTION = [{"role": "user", "content": "What is 2 + 2?"}]
GREEDY = {"temperature": 0, "num_predict": 40}


def client_of(variable):
    client = ollama.Client(host=os.environ[variable])
    (model,) = client.list().models
    return client, model.model


def test_the_model_is_listed_shown_and_running():
    client, model = client_of("NIBBLE_URL")
    assert "completion" in client.show(model).capabilities
    (running,) = client.ps().models
    assert running.model == model and running.context_length > 0


@pytest.mark.shows("chat", "stream", "usage")
def test_chats_are_the_same_whole_and_streamed():
    client, model = client_of("NIBBLE_URL")
    whole = client.chat(model, QUESTION, options=GREEDY)
    assert "4" in whole.message.content and whole.done_reason == "stop"
    assert whole.eval_count > 0 and whole.total_duration >= whole.eval_duration > 0
    parts = list(client.chat(model, QUESTION, options=GREEDY, stream=True))
    assert "".join(part.message.content for part in parts) == whole.message.content
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].prompt_eval_count == whole.prompt_eval_count


@pytest.mark.shows("completions")
def test_text_is_gone_on_with():
    client, model = client_of("NIBBLE_URL")
    raw = client.generate(model, "One, two, three,", raw=True, options={**GREEDY, "num_predict": 3})
    assert "four" in raw.response and raw.done_reason == "length"
    laid_out = client.generate(model, "What is 2 + 2?", system="Be brief.", options=GREEDY)
    assert "4" in laid_out.response


@pytest.mark.shows("tools")
def test_tools_are_called_and_their_results_read():
    client, model = client_of("NIBBLE_CALLER_URL")
    assert "tools" in client.show(model).capabilities

    def weather(where: str) -> str:
        """The weather now"""
        return where

    def now() -> str:
        """What time it is"""
        return "noon"

    reply = client.chat(model, QUESTION, tools=[weather, now], options={"num_predict": 100})
    assert reply.message.tool_calls
    names = [call.function.name for call in reply.message.tool_calls]
    results = [{"role": "tool", "tool_name": name, "content": "rain"} for name in names]
    client.chat(model, [*QUESTION, reply.message, *results], tools=[weather, now], options={"num_predict": 5})


@pytest.mark.shows("thinking")
def test_thoughts_are_apart():
    client, model = client_of("NIBBLE_THINKER_URL")
    assert "thinking" in client.show(model).capabilities
    assert client.chat(model, QUESTION, think=True, options={"num_predict": 50}).message.thinking


@pytest.mark.shows("embeddings")
def test_texts_are_embedded_and_cut_off_where_they_are_too_long():
    client, model = client_of("NIBBLE_URL")
    reply = client.embed(model, ["text", "word " * 20_000])
    assert len(reply.embeddings) == 2 and reply.prompt_eval_count > 1000
    assert abs(sum(value * value for value in reply.embeddings[0]) - 1) < 1e-3
    with pytest.raises(ollama.ResponseError):
        client.embed(model, "word " * 20_000, truncate=False)


@pytest.mark.shows("errors")
def test_what_is_not_there_is_refused():
    client, model = client_of("NIBBLE_URL")
    for refused in [
        lambda: client.pull("llama3"),
        lambda: client.delete("llama3"),
        lambda: client.chat("llama3", QUESTION),
    ]:
        with pytest.raises(ollama.ResponseError):
            refused()

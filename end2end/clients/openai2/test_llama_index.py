"""LlamaIndex's `OpenAILike`."""

import openai
import pytest
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

from conftest import QUESTION, TOO_LONG

CLIENT = "llama-index-llms-openai-like"


def chat(server, **fields):
    fields = {"model": server.model, "temperature": 0, "max_tokens": 40, "max_retries": 0, **fields}
    return OpenAILike(api_base=server.v1, api_key="unused", is_chat_model=True, **fields)


def asked(text=QUESTION):
    return [ChatMessage(role="user", content=text)]


@pytest.mark.shows("chat", "stream", "usage", "stop")
def test_an_answer_is_the_same_whole_and_streamed(server):
    whole = chat(server).chat(asked())
    assert "4" in whole.message.content
    assert whole.raw.usage.completion_tokens > 0
    parts = list(chat(server).stream_chat(asked()))
    assert "".join(part.delta for part in parts) == whole.message.content
    stopped = chat(server, additional_kwargs={"stop": ["4"]}).chat(asked())
    assert "4" not in stopped.message.content


@pytest.mark.shows("completions")
def test_text_is_completed(server):
    completing = OpenAILike(
        model=server.model, api_base=server.v1, api_key="unused", temperature=0, max_tokens=3, max_retries=0
    )
    assert "four" in completing.complete("One, two, three,").text


@pytest.mark.shows("errors")
def test_errors_are_told_apart(server):
    with pytest.raises(openai.NotFoundError):
        chat(server, model="gpt-4o").chat(asked())
    with pytest.raises(openai.BadRequestError) as refused:
        chat(server).chat(asked(TOO_LONG))
    assert refused.value.code == "context_length_exceeded"

"""LangChain's `ChatOpenAI` and `OpenAI`."""

import openai
import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_openai import ChatOpenAI, OpenAI

from conftest import QUESTION, TOO_LONG

CLIENT = "langchain-openai"


def chat(server, **fields):
    fields = {"model": server.model, "temperature": 0, "max_tokens": 40, "max_retries": 0, **fields}
    return ChatOpenAI(base_url=server.v1, api_key="unused", **fields)


@pytest.mark.shows("chat", "stream", "usage", "stop")
def test_an_answer_is_the_same_whole_and_streamed(server):
    whole = chat(server).invoke(QUESTION)
    assert "4" in whole.content
    parts = list(chat(server, stream_usage=True).stream(QUESTION))
    assert "".join(part.content for part in parts) == whole.content
    streamed = sum(part.usage_metadata["output_tokens"] for part in parts if part.usage_metadata)
    assert streamed == whole.usage_metadata["output_tokens"] > 0
    assert "4" not in chat(server).invoke(QUESTION, stop=["4"]).content


@pytest.mark.shows("completions")
def test_a_batch_of_completions_is_what_each_is_alone(server):
    fields = {"model": server.model, "temperature": 0, "max_tokens": 8, "max_retries": 0}
    llm = OpenAI(base_url=server.v1, api_key="unused", **fields)
    # As many as it sends in one request.
    prompts = [f"{number}, {number + 1}, {number + 2}," for number in range(20)]
    together = llm.batch(prompts)
    assert len(together) == 20
    for index in (0, 15, 16, 19):
        assert together[index] == llm.invoke(prompts[index]) != ""


@pytest.mark.shows("errors")
def test_errors_are_told_apart(server):
    with pytest.raises(openai.NotFoundError):
        chat(server, model="gpt-4o").invoke(QUESTION)
    with pytest.raises(ContextOverflowError):
        chat(server).invoke(TOO_LONG)


@pytest.mark.shows("tools")
def test_tools_are_called(caller):
    def weather(where: str) -> str:
        """The weather now"""
        return where

    def now() -> str:
        """What time it is"""
        return "noon"

    reply = chat(caller).bind_tools([weather, now]).invoke(QUESTION)
    assert [call["name"] for call in reply.tool_calls] == ["weather", "now"]

"""Pydantic AI's agents, by OpenAI's chat completions."""

import asyncio

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError, UsageLimitExceeded
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import UsageLimits

from conftest import QUESTION, TOO_LONG

CLIENT = "pydantic-ai"


def agent(server, model=None, **settings):
    provider = OpenAIProvider(base_url=server.v1, api_key="unused")
    settings = {"temperature": 0, "max_tokens": 40, **settings}
    return Agent(OpenAIChatModel(model or server.model, provider=provider), model_settings=settings)


@pytest.mark.shows("chat", "stream", "usage", "stop")
def test_an_answer_is_the_same_whole_and_streamed(server):
    async def streamed():
        async with agent(server).run_stream(QUESTION) as stream:
            return "".join([text async for text in stream.stream_text(delta=True)]), stream.usage.output_tokens

    whole = agent(server).run_sync(QUESTION)
    assert "4" in whole.output
    assert asyncio.run(streamed()) == (whole.output, whole.usage.output_tokens)
    assert "4" not in agent(server, stop_sequences=["4"]).run_sync(QUESTION).output


@pytest.mark.shows("errors")
def test_errors_are_told_apart(server):
    with pytest.raises(ModelHTTPError) as refused:
        agent(server, "gpt-4o").run_sync(QUESTION)
    assert (refused.value.status_code, refused.value.body["code"]) == (404, "model_not_found")
    with pytest.raises(ModelHTTPError) as refused:
        agent(server).run_sync(TOO_LONG)
    assert (refused.value.status_code, refused.value.body["code"]) == (400, "context_length_exceeded")


@pytest.mark.shows("tools")
def test_tools_are_called(caller):
    calling, called = agent(caller), set()

    @calling.tool_plain
    def weather(where: str) -> str:
        """The weather now"""
        called.add(("weather", where))
        return "warm"

    @calling.tool_plain
    def now() -> str:
        """What time it is"""
        called.add(("now",))
        return "noon"

    # This model calls them again whatever they return.
    with pytest.raises(UsageLimitExceeded):
        calling.run_sync(QUESTION, usage_limits=UsageLimits(request_limit=1))
    assert called == {("weather", "Zürich"), ("now",)}

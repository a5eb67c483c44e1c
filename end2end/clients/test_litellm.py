"""LiteLLM, through which many programs reach any server that speaks OpenAI's form."""

import litellm
import pytest

from conftest import QUESTION, TOO_LONG

CLIENT = "litellm"


@pytest.fixture
def ask(server):
    def ask(text=QUESTION, model=server.model, **fields):
        return litellm.completion(
            model=f"openai/{model}",
            api_base=server.v1,
            api_key="unused",
            messages=[{"role": "user", "content": text}],
            **{"temperature": 0, "max_tokens": 40, "num_retries": 0, **fields},
        )

    return ask


@pytest.mark.shows("chat", "stream", "usage", "stop")
def test_an_answer_is_the_same_whole_and_streamed(ask):
    whole = ask()
    assert "4" in whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "stop"
    chunks = list(ask(stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens > 0
    stopped = ask(stop=["4"])
    assert stopped.choices[0].finish_reason == "stop" and "4" not in stopped.choices[0].message.content


@pytest.mark.shows("errors")
def test_errors_are_told_apart(ask):
    with pytest.raises(litellm.NotFoundError):
        ask(model="gpt-4o")
    with pytest.raises(litellm.ContextWindowExceededError):
        ask(TOO_LONG)
    with pytest.raises(litellm.BadRequestError):
        ask(temperature=3)


@pytest.mark.shows("tools")
def test_tools_are_called(caller):
    parameters = {"type": "object", "properties": {"where": {"type": "string"}}}
    tools = [
        {"type": "function", "function": {"name": "weather", "parameters": parameters}},
        {"type": "function", "function": {"name": "now"}},
    ]
    reply = litellm.completion(
        model=f"openai/{caller.model}",
        api_base=caller.v1,
        api_key="unused",
        messages=[{"role": "user", "content": QUESTION}],
        tools=tools,
    )
    assert [call.function.name for call in reply.choices[0].message.tool_calls] == ["weather", "now"]

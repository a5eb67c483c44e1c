"""Structured output as each client asks for it: the default model could not do it unless it was made to."""

import json

import anthropic
import litellm
import llm
import ollama
import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

QUESTION = "Tell me of a city."


class City(BaseModel):
    """A city"""

    name: str = Field(max_length=20)
    population: int = Field(ge=0, le=99_999_999)
    is_capital: bool


SCHEMA = City.model_json_schema()
MESSAGES = [{"role": "user", "content": QUESTION}]


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server.v1, api_key="unused", max_retries=0)


@pytest.mark.shows("structured output", client="openai")
def test_openai(client, server):
    fields = {"model": server.model, "max_completion_tokens": 200}
    parsed = client.chat.completions.parse(**fields, messages=MESSAGES, response_format=City)
    assert isinstance(parsed.choices[0].message.parsed, City)
    reply = client.responses.parse(model=server.model, input=QUESTION, text_format=City, max_output_tokens=200)
    assert isinstance(reply.output_parsed, City)
    loose = client.chat.completions.create(**fields, messages=MESSAGES, response_format={"type": "json_object"})
    assert loose.choices[0].finish_reason == "length" or isinstance(json.loads(loose.choices[0].message.content), dict)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            **fields,
            messages=MESSAGES,
            response_format={"type": "json_schema", "json_schema": {"name": "odd", "schema": {"type": "strange"}}},
        )


@pytest.mark.shows("structured output", client="litellm")
def test_litellm(server):
    fields = {"model": f"openai/{server.model}", "api_base": server.v1, "api_key": "unused", "max_tokens": 200}
    reply = litellm.completion(**fields, messages=MESSAGES, response_format=City)
    City.model_validate_json(reply.choices[0].message.content)


@pytest.mark.shows("structured output", client="langchain-openai")
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_langchain(server, method):
    chat = ChatOpenAI(base_url=server.v1, api_key="unused", model=server.model, max_tokens=200, max_retries=0)
    assert isinstance(chat.with_structured_output(City, method=method).invoke(QUESTION), City)


@pytest.mark.shows("structured output", client="pydantic-ai")
@pytest.mark.parametrize("output", [City, NativeOutput(City)])
def test_pydantic_ai(server, output):
    provider = OpenAIProvider(base_url=server.v1, api_key="unused")
    agent = Agent(OpenAIChatModel(server.model, provider=provider), output_type=output)
    assert isinstance(agent.run_sync(QUESTION, model_settings={"max_tokens": 200}).output, City)


@pytest.mark.shows("structured output", client="llm")
def test_llm(server, tmp_path, monkeypatch):
    model = {"model_id": "nibble", "model_name": server.model, "api_base": server.v1, "supports_schema": True}
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([model]))
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    reply = llm.get_model("nibble").prompt(QUESTION, schema=City, max_tokens=200)
    City.model_validate_json(reply.text())


@pytest.mark.shows("structured output", client="ollama")
def test_ollama(server):
    reply = ollama.Client(host=server.url).chat(server.model, MESSAGES, format=SCHEMA, options={"num_predict": 200})
    City.model_validate_json(reply.message.content)


@pytest.mark.shows("structured output", client="anthropic")
def test_anthropic(server):
    client = anthropic.Anthropic(base_url=server.url, api_key="unused", max_retries=0)
    message = client.messages.create(
        model=server.model,
        max_tokens=200,
        messages=MESSAGES,
        tools=[{"name": "city", "description": "A city", "input_schema": SCHEMA}],
        tool_choice={"type": "tool", "name": "city"},
    )
    City.model_validate(next(block for block in message.content if block.type == "tool_use").input)

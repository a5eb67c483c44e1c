"""OpenAI's own Python client against running servers: with the default model, one that always calls tools, and one
that always thinks."""

import json
import os
import threading

import openai
import pytest

CLIENT = "openai"

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
def thinker():
    return client_of("NIBBLE_THINKER_URL")


@pytest.fixture(scope="module")
def model(client):
    (model,) = client.models.list().data
    assert client.models.retrieve(model.id).id == model.id
    return model.id


@pytest.mark.shows("chat", "usage")
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


@pytest.mark.shows("stream")
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


@pytest.mark.shows("stop")
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


@pytest.mark.shows("errors")
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


@pytest.mark.shows("tools")
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


def test_a_model_that_was_never_told_of_tools_calls_one_where_it_must(client, model):
    places = {"where": {"enum": ["Rome", "Oslo"]}}
    schema = {"type": "object", "properties": places, "required": ["where"], "additionalProperties": False}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    fields = {"tools": tools, "tool_choice": "required", "parallel_tool_calls": False}
    [choice] = client.chat.completions.create(model=model, messages=QUESTION, **fields).choices
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    assert json.loads(call.function.arguments)["where"] in places["where"]["enum"]


@pytest.mark.shows("thinking")
def test_a_thought_comes_beside_the_answer_whole_and_streamed_and_goes_back(thinker):
    settings = {"model": thinker.models.list().data[0].id, "temperature": 0}
    reply = thinker.chat.completions.create(messages=QUESTION, **settings)
    (choice,) = reply.choices
    assert (choice.message.reasoning_content, choice.message.content) == ("Hm, café?", "Fine then.")
    assert reply.usage.completion_tokens_details.reasoning_tokens == 7

    chunks = list(thinker.chat.completions.create(messages=QUESTION, stream=True, **settings))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    text = "".join(delta.content or "" for delta in deltas)
    assert (thought, text) == ("Hm, café?", "Fine then.")

    messages = [*QUESTION, choice.message.to_dict(), *QUESTION]
    for effort, tokens in (("high", 7), ("none", 0)):
        reply = thinker.chat.completions.create(messages=messages, reasoning_effort=effort, **settings)
        assert reply.choices[0].message.content == "Fine then."
        assert reply.usage.completion_tokens_details.reasoning_tokens == tokens


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


@pytest.mark.shows("completions")
def test_text_is_completed_whole_and_streamed(client, model):
    fields = {"model": model, "prompt": "One, two, three,", "temperature": 0, "max_tokens": 4}
    whole = client.completions.create(**fields, echo=True)
    assert whole.choices[0].text.startswith("One, two, three, four")
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == 4
    parts = list(client.completions.create(**fields, stream=True))
    assert "One, two, three," + "".join(part.choices[0].text for part in parts) == whole.choices[0].text
    both = client.completions.create(**{**fields, "prompt": ["One, two, three,", "A, B, C,"]})
    assert [choice.index for choice in both.choices] == [0, 1]
    assert "D" in both.choices[1].text


def test_tokens_are_completed_as_their_text_is(client, model):
    tokenized = client.post("/../tokenize", body={"prompt": "One, two, three,"}, cast_to=dict)
    fields = {"model": model, "temperature": 0, "max_tokens": 4}
    by_tokens = client.completions.create(**fields, prompt=tokenized["tokens"])
    by_text = client.completions.create(**fields, prompt="One, two, three,")
    assert by_tokens.choices[0].text == by_text.choices[0].text


@pytest.mark.shows("responses")
def test_responses_are_the_same_whole_and_streamed(client, model):
    fields = {"model": model, "input": "What is 2 + 2?", "temperature": 0, "max_output_tokens": 40}
    whole = client.responses.create(**fields)
    assert "4" in whole.output_text and whole.status == "completed"
    with client.responses.stream(**fields) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text == whole.output_text
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    with pytest.raises(openai.BadRequestError):
        client.responses.create(**fields, previous_response_id=whole.id)


def test_responses_call_tools_and_think(caller, thinker):
    tools = [{"type": "function", **tool["function"]} for tool in TOOLS]
    fields = {"model": caller.models.list().data[0].id, "tools": tools}
    reply = caller.responses.create(**fields, input="What is 2 + 2?")
    calls = [item for item in reply.output if item.type == "function_call"]
    assert calls and json.loads(calls[0].arguments) is not None
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "rain"} for call in calls
    ]
    before = [{"role": "user", "content": "What is 2 + 2?"}, *reply.output]
    caller.responses.create(**fields, input=[*before, *results], max_output_tokens=5)
    thought = thinker.responses.create(
        model=thinker.models.list().data[0].id, input="What is 2 + 2?", max_output_tokens=50
    )
    assert thought.output[0].type == "reasoning" and thought.output[0].content[0].text


def test_logprobs_come_whole_and_streamed_and_say_what_is_likeliest(client, model):
    settings = {"model": model, "messages": QUESTION, "temperature": 0, "max_tokens": 20}
    settings |= {"logprobs": True, "top_logprobs": 3}
    (choice,) = client.chat.completions.create(**settings).choices
    tokens = choice.logprobs.content
    assert "".join(token.token for token in tokens) == choice.message.content
    assert all(token.logprob == token.top_logprobs[0].logprob <= 0 for token in tokens)
    chunks = client.chat.completions.create(**settings, stream=True)
    streamed = [chunk.choices[0].logprobs for chunk in chunks]
    streamed = [token for logprobs in streamed if logprobs for token in logprobs.content]
    assert streamed == tokens


def test_several_answers_are_read_of_one_prompt(client, model):
    settings = {"model": model, "messages": QUESTION, "temperature": 1, "max_tokens": 20}
    reply = client.chat.completions.create(**settings, seed=7, n=3)
    alone = [client.chat.completions.create(**settings, seed=7 + i) for i in range(3)]
    texts = [answer.choices[0].message.content for answer in alone]
    assert [choice.message.content for choice in reply.choices] == texts
    assert reply.usage.prompt_tokens == alone[0].usage.prompt_tokens


def test_the_logprobs_of_a_prompt_are_those_of_its_tokens(client, model):
    """What lm-eval's `local-completions` asks and how it adds it up."""
    context, rest = [504, 3575, 282, 4649], [314, 7042]
    settings = {"model": model, "temperature": 0, "logprobs": 1, "echo": True, "seed": 1234}
    one = client.completions.create(**settings, prompt=[context + rest], max_tokens=1)
    none = client.completions.create(**settings, prompt=context + rest, max_tokens=0)
    scored, alone = one.choices[0].logprobs, none.choices[0].logprobs
    assert scored.token_logprobs[0] is None and len(scored.tokens) == 7
    assert alone.token_logprobs == scored.token_logprobs[:-1]
    assert none.choices[0].text == "".join(alone.tokens)
    assert alone.text_offset[-1] == len("".join(alone.tokens[:-1]))
    for logprob, top in zip(scored.token_logprobs[1:], scored.top_logprobs[1:]):
        # Compared as lm-eval does to know what is likeliest.
        assert logprob in top.values() and max(top.values()) <= 0


def test_texts_with_one_meaning_are_near(client, model):
    texts = ["A cat sleeps.", "A kitten is asleep.", "Interest rates rose by 2 %."]
    reply = client.embeddings.create(model=model, input=texts)
    cat, kitten, rates = [item.embedding for item in reply.data]

    def product(one, other):
        return sum(a * b for a, b in zip(one, other))

    assert abs(product(cat, cat) - 1) < 1e-3
    assert product(cat, kitten) > product(cat, rates)
    short = client.embeddings.create(model=model, input=texts[0], dimensions=8)
    assert len(short.data[0].embedding) == 8 < len(cat)

"""Embeddings as each client asks for them."""

import litellm
import ollama
import openai
import pytest
from langchain_openai import OpenAIEmbeddings

TEXTS = ["The cat sleeps on the sofa.", "A cat is sleeping on a couch.", "Interest rates rose in March."]


def check(vectors):
    """Near in meaning is near."""
    one, two, other = vectors

    def cosine(a, b):
        product = sum(x * y for x, y in zip(a, b, strict=True))
        return product / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5

    assert len(one) > 100
    assert cosine(one, two) > cosine(one, other)


@pytest.mark.shows("embeddings", client="openai")
def test_openai(server):
    client = openai.OpenAI(base_url=server.v1, api_key="unused", max_retries=0)
    # The client asks for base64 unless it is told otherwise.
    reply = client.embeddings.create(model=server.model, input=TEXTS)
    check([item.embedding for item in reply.data])
    plain = client.embeddings.create(model=server.model, input=TEXTS[0], encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(reply.data[0].embedding, abs=1e-6)
    assert reply.usage.prompt_tokens > plain.usage.prompt_tokens > 0


@pytest.mark.shows("embeddings", client="litellm")
def test_litellm(server):
    reply = litellm.embedding(
        model=f"openai/{server.model}", api_base=server.v1, api_key="unused", input=TEXTS, encoding_format="float"
    )
    check([item["embedding"] for item in reply.data])


@pytest.mark.shows("embeddings", client="langchain-openai")
def test_langchain(server):
    embeddings = OpenAIEmbeddings(
        base_url=server.v1, api_key="unused", model=server.model, check_embedding_ctx_length=False, max_retries=0
    )
    check(embeddings.embed_documents(TEXTS))


@pytest.mark.shows("embeddings", client="ollama")
def test_ollama(server):
    check(ollama.Client(host=server.url).embed(server.model, TEXTS).embeddings)

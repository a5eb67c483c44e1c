"""LlamaIndex's `OpenAILikeEmbedding`."""

import pytest
from llama_index.embeddings.openai_like import OpenAILikeEmbedding

CLIENT = "llama-index-embeddings-openai-like"


@pytest.mark.shows("embeddings")
def test_texts_are_embedded(server):
    embed = OpenAILikeEmbedding(model_name=server.model, api_base=server.v1, api_key="unused", max_retries=0)
    one, two = embed.get_text_embedding_batch(["one", "two"])
    assert len(one) == len(two) > 100 and one != two

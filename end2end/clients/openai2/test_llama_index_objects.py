"""LlamaIndex's structured output, by calls of tools and by a schema for the answer."""

import pytest
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel, Field

CLIENT = "llama-index-llms-openai-like"


class City(BaseModel):
    """A city"""

    name: str = Field(max_length=20)
    population: int = Field(ge=0, le=99_999_999)


@pytest.mark.shows("structured output")
@pytest.mark.parametrize("fields", [{"is_function_calling_model": True}, {"should_use_structured_outputs": True}])
def test_an_answer_is_what_was_asked_for(server, fields):
    chat = OpenAILike(
        model=server.model, api_base=server.v1, api_key="unused", is_chat_model=True, max_tokens=200, max_retries=0, **fields
    )
    fields = {"tool_required": True} if "is_function_calling_model" in fields else {}
    city = chat.structured_predict(City, PromptTemplate("Tell me of a city."), llm_kwargs=fields)
    assert isinstance(city, City)

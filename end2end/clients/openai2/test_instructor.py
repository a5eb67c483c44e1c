"""Instructor, in each of its modes that the server makes the model keep to."""

import instructor
import openai
import pytest
from pydantic import BaseModel, Field

CLIENT = "instructor"


class City(BaseModel):
    """A city"""

    name: str = Field(max_length=20)
    population: int = Field(ge=0, le=99_999_999)


@pytest.mark.shows("structured output")
@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.TOOLS_STRICT, instructor.Mode.JSON_SCHEMA])
def test_an_answer_is_what_was_asked_for(server, mode):
    client = instructor.from_openai(openai.OpenAI(base_url=server.v1, api_key="unused", max_retries=0), mode=mode)
    messages = [{"role": "user", "content": "Tell me of a city."}]
    city = client.chat.completions.create(
        model=server.model, messages=messages, response_model=City, max_retries=0, max_tokens=200
    )
    assert isinstance(city, City)

"""`llm`, by the file in which it is told of models that speak OpenAI's form."""

import json

import llm
import openai
import pytest

from conftest import QUESTION, TOO_LONG

CLIENT = "llm"


@pytest.fixture
def model(server, tmp_path, monkeypatch):
    names = {"nibble": server.model, "unknown": "gpt-4o"}
    models = [{"model_id": id, "model_name": name, "api_base": server.v1} for id, name in names.items()]
    # JSON is YAML.
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps(models))
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    return llm.get_model


@pytest.mark.shows("chat", "stream", "usage", "stop")
def test_an_answer_is_the_same_whole_and_streamed(model):
    options = {"temperature": 0, "max_tokens": 40}
    whole = model("nibble").prompt(QUESTION, stream=False, **options)
    assert "4" in whole.text()
    streamed = model("nibble").prompt(QUESTION, stream=True, **options)
    parts = list(streamed)
    assert len(parts) > 2 and "".join(parts) == whole.text()
    assert streamed.usage().output == whole.usage().output > 0
    assert "4" not in model("nibble").prompt(QUESTION, stop="4", **options).text()


@pytest.mark.shows("errors")
def test_errors_are_told_apart(model):
    with pytest.raises(openai.NotFoundError):
        model("unknown").prompt(QUESTION).text()
    with pytest.raises(openai.BadRequestError) as refused:
        model("nibble").prompt(TOO_LONG).text()
    assert refused.value.code == "context_length_exceeded"

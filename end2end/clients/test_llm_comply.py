"""llm-comply, which holds answers against the published forms of OpenAI and Anthropic: what it asks that the model can do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = "llm-comply"

ASKED = {
    "openai-chat": [
        "chat-basic-response", "chat-system-prompt", "chat-multi-turn", "chat-streaming-response", "chat-streaming-usage",
    ],
    "open-responses": [
        "basic-response", "system-prompt", "multi-turn", "streaming-response", "streaming-usage", "assistant-phase",
        "response-output-phase-schema",
    ],
    "anthropic": [
        "anth-basic-response", "anth-system-prompt", "anth-multi-turn", "anth-streaming-response", "anth-streaming-usage",
        "anth-error-handling",
    ],
}


@pytest.mark.shows("conformance")
def test_answers_have_the_published_forms(server):
    program = Path(sys.executable).with_name("llm-comply")
    for form, tests in ASKED.items():
        fields = ["--format", form, "-f", ",".join(tests), "-m", server.model, "-k", "unused"]
        run = subprocess.run([program, "-u", server.v1, *fields, "--json"], capture_output=True, text=True)
        results = json.loads(run.stdout)["results"]
        assert [result["id"] for result in results] == tests
        assert [result for result in results if result["status"] != "passed"] == []

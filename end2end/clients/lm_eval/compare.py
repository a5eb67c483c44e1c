"""Compares what lm-eval found of each text with `nibble perplexity` of the same: its arguments are the program and the folder of
lm-eval's results."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

# Both sum the same logprobs, which the API sends as f32.
BOUND = 1e-3


def own(program: str, text: str, tokens: int) -> tuple[float, int]:
    """The log-likelihood of the tokens that count, which are the last ones, and how many these are."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        fields = ["--file", file.name, "--context", str(tokens), "--json"]
        report = json.loads(subprocess.check_output([program, "perplexity", *fields], stderr=subprocess.DEVNULL))
    assert report["windows"] == 1, report
    return -report["nll"] * report["tokens"], report["tokens"]


def main() -> None:
    program, results = sys.argv[1:]
    (samples,) = Path(results).rglob("samples_*.jsonl")
    found = [json.loads(line) for line in samples.read_text().splitlines()]
    assert len(found) == len(Path(__file__).with_name("texts.jsonl").read_text().splitlines())
    for sample in found:
        doc = sample["doc"]
        expected, _ = own(program, doc["context"] + doc["continuation"], doc["tokens"])
        told = float(sample["filtered_resps"][0][0])
        print(f"{doc['tokens']} tokens: {told:.4f}, by ourselves {expected:.4f}")
        if abs(told - expected) > BOUND * abs(expected):
            sys.exit(f"lm-eval has {told} for the text that begins with {doc['context'][:40]!r}, we {expected}")


if __name__ == "__main__":
    main()

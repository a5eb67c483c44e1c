#!/usr/bin/env python3
"""Hostile and broken model files: every one is an error in words or a model that loads, within a time and a memory, and never
a signal or a panic. Packing that is killed leaves nothing that the next start does not remove.

    deploy/test/abuse/files.py [--long]

40 altered model files, 64 hostile templates and 12 kills; with --long 1,000 altered files. A minute, of which the kills take half.
The files are made from engine/tests/fixtures/tiny.gguf, with a seed that is printed; NIBBLE_SEED repeats a run.
"""

import json
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("NIBBLE_BINARY", ROOT / "target/release/nibble")
TINY = (ROOT / "engine/tests/fixtures/tiny.gguf").read_bytes()
SECONDS, MEGABYTES, ADDRESS_SPACE_MB = 15, 400, 4_000
KILLS, TEMPLATES = 12, 64
TEXT, ARRAY = 8, 9
# Bytes of GGUF's types of values, by their numbers.
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def fail(what):
    sys.exit(f"abuse: files: {what}")


def run(*args):
    """The exit code and what was said, where the program kept its bounds."""
    limit = ADDRESS_SPACE_MB << 20
    # Away from the caches of whoever runs this.
    environment = {**os.environ, "NIBBLE_HOME": os.devnull, "RUST_BACKTRACE": "0"}
    with tempfile.TemporaryFile() as said:
        program = subprocess.Popen(
            [PROGRAM, *map(str, args)], stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        )
        ends = time.monotonic() + SECONDS
        while True:
            pid, status, usage = os.wait4(program.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > ends:
                program.kill()
                fail(f"{args} did not end within {SECONDS} s")
            time.sleep(0.01)
        program.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        words = said.read().decode(errors="replace")
    if program.returncode not in (0, 1) or "panicked" in words:
        fail(f"{args} ended with {program.returncode}: {words[-2000:]}")
    if program.returncode == 1 and not words.strip():
        fail(f"{args} failed without a word")
    if usage.ru_maxrss > MEGABYTES << 10:
        fail(f"{args} took {usage.ru_maxrss >> 10} MB, of {MEGABYTES}: {words[-2000:]}")
    return program.returncode, words


def answer(model):
    return run("generate", "--model", model, "--packed", "off", "--prompt", "Hello", "--max-tokens", "2", "--threads", "1")


def end_of_value(file, at, kind):
    """Where a value ends that begins at a place."""
    if kind == TEXT:
        return at + 8 + struct.unpack_from("<Q", file, at)[0]
    if kind != ARRAY:
        return at + SIZES[kind]
    kind, count = struct.unpack_from("<IQ", file, at)
    at += 12
    for _ in range(count):
        at = end_of_value(file, at, kind)
    return at


def header(file):
    """Places of the values by their keys, and where the description of the tensors begins and ends."""
    tensors, keys = struct.unpack_from("<QQ", file, 8)
    at, values = 24, {}
    for _ in range(keys):
        length = struct.unpack_from("<Q", file, at)[0]
        key = file[at + 8 : at + 8 + length].decode()
        kind = struct.unpack_from("<I", file, at + 8 + length)[0]
        start = at + 8 + length + 4
        at = values[key] = end_of_value(file, start, kind)
        values[key] = (start, at)
    begin = at
    for _ in range(tensors):
        at += 8 + struct.unpack_from("<Q", file, at)[0]
        at += 4 + 8 * struct.unpack_from("<I", file, at)[0] + 12
    return values, begin, at


def with_template(template):
    """The tiny model with another template; the data stays a multiple of 32 bytes from the start."""
    values, _, end = header(TINY)
    start, behind = values["tokenizer.chat_template"]
    text = template.encode()
    head = TINY[:start] + struct.pack("<Q", len(text)) + text + TINY[behind:end]
    padded = lambda length: length + -length % 32
    return head.ljust(padded(len(head)), b"\0") + TINY[padded(end) :]


def altered(draw):
    """The tiny model with a mistake or a few, most of them before the data."""
    file = bytearray(TINY)
    _, _, end = header(TINY)
    for _ in range(draw.choice([1, 1, 2, 5])):
        at = draw.randrange(end if draw.random() < 0.9 else len(file))
        match draw.randrange(5):
            case 0:
                file[at] ^= 1 << draw.randrange(8)
            case 1:
                number = draw.choice([0, 1, 1 << 31, 1 << 32, 1 << 62, (1 << 64) - 1, draw.getrandbits(64)])
                file[at : at + 8] = struct.pack("<Q", number)
            case 2:
                del file[at : at + draw.randrange(1, 40)]
            case 3:
                file[at:at] = draw.randbytes(draw.randrange(1, 40))
            case 4:
                del file[draw.choice([at, draw.randrange(len(file))]) :]
        if len(file) < 8:
            break
        end = min(end, len(file))
    return bytes(file)


def hostile_templates():
    """Deep ones in all ways there are, and such as ask for much memory or time."""
    chains = [("-", "1"), ("not ", "1"), ("(", "1"), ("[", "1"), ("{1:", "1"), ("f(", "1"), ("~ ", "1")]
    tails = [".a", "[0]", "()", "|upper", " is odd", "+1", "**1", " or 1", " < 1", " if 1 else 1", "~1", " in 1"]
    for deep in (400, 38_000):
        yield from ("{{ " + part * deep + end + " }}" for part, end in chains)
        yield from ("{{ 1" + part * deep + " }}" for part in tails)
        yield "{% if 1 %}" * deep
        yield "{% if 1 %}" + "{% elif 1 %}" * deep + "{% endif %}"
        yield "{% for a in b %}" * deep
    grown = "{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = NEXT %}{% endfor %}{{ ns.x == ns.x }}"
    parts = ["[ns.x]", "[ns.x, ns.x]", "ns.x + [i]", "ns.x * 2", "[ns]", "{'a': ns.x}", "ns.x | batch(1)", "[ns.x].copy"]
    yield from (grown.replace("NEXT", part) for part in parts)
    wide = 1_000_000_000
    yield from (
        "{{ " + part + " }}"
        for part in [
            f"'{{:>{wide}}}'.format('x')", f"'%{wide}d' % 1", f"'a' * {wide}", f"[1] * {wide}", f"'a'.center({wide})",
            f"'a' | indent({wide})", f"range({wide}) | list", f"1 | tojson(indent={wide})", "('{0}' * 9999).format('a' * 9999)",
            "'a'.replace('', 'b' * 9999999)", "''.join(['a' * 9999] * 9999)", "strftime_now('%Y' * 999999)",
        ]
    )


def refuse_what_is_no_file(folder):
    os.mkfifo(folder / "pipe.gguf")
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(folder / "socket.gguf"))
        for path, found in [(folder / "pipe.gguf", "pipe"), (folder / "socket.gguf", "socket"), (Path("/dev/zero"), "device")]:
            code, words = answer(path)
            if code != 1 or found not in words or str(path) not in words:
                fail(f"`{path}` is not refused by name: {words}")


def write_floats(folder):
    """A folder of some 130 million weights, all 0: its file is mostly a hole."""
    hidden, wide, layers, vocabulary = 1024, 4096, 8, 4096
    shape = dict(hidden_size=hidden, intermediate_size=wide, num_hidden_layers=layers, num_attention_heads=16,
                 vocab_size=vocabulary, max_position_embeddings=512, tie_word_embeddings=True)
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], **shape}))
    tensors = {"model.embed_tokens": (vocabulary, hidden), "model.norm": (hidden,)}
    for layer in range(layers):
        of = lambda name: f"model.layers.{layer}.{name}"
        tensors |= {of(f"self_attn.{name}_proj"): (hidden, hidden) for name in "qkvo"}
        tensors |= {of(f"mlp.{name}_proj"): (wide, hidden) for name in ("gate", "up")}
        tensors |= {of("mlp.down_proj"): (hidden, wide), of("input_layernorm"): (hidden,), of("post_attention_layernorm"): (hidden,)}
    said, at = {}, 0
    for name, of in tensors.items():
        end = at + 2 * of[0] * (of[1] if len(of) == 2 else 1)
        said[name + ".weight"], at = dict(dtype="BF16", shape=of, data_offsets=[at, end]), end
    text = json.dumps(said).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)


def kill_while_packing(folder, draw):
    """Kills at moments from the start of packing to its end; then packs, and looks at what is there."""
    model, out = folder / "floats", folder / "out"
    model.mkdir()
    write_floats(model)
    command = [PROGRAM, "pack", model, "--out", out / "packed", "--threads", "2"]
    quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    out.mkdir()
    begun = time.monotonic()
    subprocess.run(command, check=True, **quiet)
    took, left = time.monotonic() - begun, 0
    for _ in range(KILLS):
        (out / "packed").unlink(missing_ok=True)
        program = subprocess.Popen(command, **quiet)
        time.sleep(draw.uniform(0.05, 1) * took)
        program.send_signal(signal.SIGKILL)
        program.wait()
        left += any(path.name != "packed" for path in out.iterdir())
        subprocess.run(command, check=True, **quiet)
        found = sorted(path.name for path in out.iterdir())
        if found != ["packed"]:
            fail(f"after a kill and a start there are {found}")
    return f"{KILLS} kills while packing ({took:.1f} s), {left} of which left something behind"


def main():
    seed = int(os.environ.get("NIBBLE_SEED", time.time()))
    print(f"seed {seed}")
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        refuse_what_is_no_file(folder)
        model = folder / "model.gguf"
        model.write_bytes(with_template("{{ messages[0].content }}"))
        if (outcome := answer(model))[0] != 0:
            fail(f"a sound model does not load: {outcome}")
        refused, count = 0, 1_000 if "--long" in sys.argv[1:] else 40
        for _ in range(count):
            model.write_bytes(altered(draw))
            refused += answer(model)[0]
        print(f"{count} altered model files, {refused} refused")
        refused, templates = 0, list(hostile_templates())
        assert len(templates) == TEMPLATES, len(templates)
        for template in templates:
            model.write_bytes(with_template(template))
            refused += answer(model)[0]
        print(f"{TEMPLATES} hostile templates, {refused} refused")
        print(kill_while_packing(folder, draw))


main()

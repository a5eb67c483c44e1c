#!/usr/bin/env python3
"""Writes a GGUF of the shape of a model with random weights, to compare engines on one file: F16, Q4_0, Q4_1, or Q4_K with some
Q6_K as files called Q4_K_M have them where rows are multiples of 256. It has no vocabulary, or with --vocabulary that of another
file and its chat template, so that servers can chat with it.

    pip install gguf numpy
    engine/scripts/random_gguf.py llama-3.2-1b q4_0 OUT.gguf [--vocabulary FILE.gguf]
"""

import argparse
import sys
from typing import NamedTuple

import numpy as np
from gguf import GGML_QUANT_SIZES, GGUFReader, GGUFValueType, GGUFWriter
from gguf import GGMLQuantizationType as Kind



class Shape(NamedTuple):
    architecture: str
    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    head_dim: int
    theta: float
    # Whether the output head is the embedding.
    tied: bool
    vocabulary: int


SHAPES = {
    "llama-3.2-1b": Shape("llama", 16, 2048, 8192, 32, 8, 64, 5e5, True, 128_256),
    "llama-3.1-8b": Shape("llama", 32, 4096, 14336, 32, 8, 128, 5e5, False, 128_256),
    # As its makers' own files are, which have the head twice.
    "qwen2.5-0.5b": Shape("qwen2", 24, 896, 4864, 14, 2, 64, 1e6, False, 151_936),
    # Four layers as wide as those of Qwen3 0.6B, with the vocabulary of the default model.
    "qwen3-small": Shape("qwen3", 4, 1024, 3072, 16, 8, 128, 1e6, True, 49_152),
}


def halves(data, at, numbers):
    """The same f16s in every block."""
    numbers = np.frombuffer(np.array(numbers, np.float16).tobytes(), np.uint8)
    data[:, at : at + len(numbers)] = numbers


def blocks(random, rows, cols, kind):
    """Rows of random blocks, or numbers, whose scales keep the activations near 1 from layer to layer."""
    if kind == Kind.F16:
        return (random.standard_normal((rows, cols), np.float32) / np.sqrt(cols)).astype(np.float16)
    length, size = GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (rows * cols // length, size), np.uint8)
    scale = 0.2 / np.sqrt(cols)
    match kind:
        case Kind.Q4_0:
            halves(data, 0, [scale])
        case Kind.Q4_1:
            halves(data, 0, [scale, -8 * scale])
        case Kind.Q4_K:
            halves(data, 0, [scale / 32, scale / 4])
        case Kind.Q6_K:
            data[:, 192:208] = data[:, 192:208] % 16 + 8
            halves(data, 208, [scale / 64])
    return data.reshape(rows, -1)


def kind_of(name, mix, layers):
    """The type of a tensor in a file of this mix."""
    if mix != "q4_k_m":
        return Kind[mix.upper()]
    if not name.startswith("blk."):
        return Kind.Q6_K
    layer, tensor = int(name.split(".")[1]), name.split(".")[2]
    eighth = layers // 8
    more = layer < eighth or layer >= 7 * eighth or (layer - eighth) % 3 == 2
    return Kind.Q6_K if more and tensor in ("attn_v", "ffn_down") else Kind.Q4_K


def add_vocabulary(writer, file, size):
    """The tokenizer of another file, filled up with tokens that no text has."""
    fill = {
        "tokenizer.ggml.tokens": lambda index: f"<|unused_{index}|>",
        "tokenizer.ggml.scores": lambda index: 0.0,
        # Never a text's own, as the specification numbers types.
        "tokenizer.ggml.token_type": lambda index: 5,
    }
    for name, field in GGUFReader(file).fields.items():
        if not name.startswith("tokenizer."):
            continue
        value = field.contents()
        if name in fill and len(value) > size:
            sys.exit(f"random_gguf.py: `{name}` of {file} has {len(value)} entries, and this shape {size} tokens")
        if name in fill:
            value += [fill[name](index) for index in range(len(value), size)]
        if field.types[0] == GGUFValueType.ARRAY:
            writer.add_array(name, value)
        else:
            writer.add_key_value(name, value, field.types[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("kind", choices=["f16", "q4_0", "q4_1", "q4_k_m"])
    parser.add_argument("out")
    parser.add_argument("--vocabulary")
    args = parser.parse_args()
    architecture, layers, hidden, ffn, heads, kv_heads, head_dim, theta, tied, vocabulary = SHAPES[args.shape]
    if args.kind == "q4_k_m" and (hidden % 256 or ffn % 256):
        parser.error(f"rows of {args.shape} are no multiples of 256, as those of q4_k_m are")
    random = np.random.default_rng(0)

    writer = GGUFWriter(args.out, architecture)
    writer.add_block_count(layers)
    writer.add_context_length(131_072)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(theta)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocabulary)
    if args.vocabulary:
        add_vocabulary(writer, args.vocabulary, vocabulary)
    else:
        writer.add_tokenizer_model("no_vocab")

    matrices = {"token_embd": (vocabulary, hidden)}
    if not tied:
        matrices["output"] = (vocabulary, hidden)
    norms = {"output_norm": hidden}
    for layer in range(layers):
        prefix = f"blk.{layer}."
        norms |= {prefix + "attn_norm": hidden, prefix + "ffn_norm": hidden}
        if architecture == "qwen3":
            norms |= {prefix + "attn_q_norm": head_dim, prefix + "attn_k_norm": head_dim}
        matrices |= {
            prefix + "attn_q": (heads * head_dim, hidden),
            prefix + "attn_k": (kv_heads * head_dim, hidden),
            prefix + "attn_v": (kv_heads * head_dim, hidden),
            prefix + "attn_output": (hidden, heads * head_dim),
            prefix + "ffn_gate": (ffn, hidden),
            prefix + "ffn_up": (ffn, hidden),
            prefix + "ffn_down": (hidden, ffn),
        }
    for name, (rows, cols) in matrices.items():
        kind = kind_of(name, args.kind, layers)
        writer.add_tensor(name + ".weight", blocks(random, rows, cols, kind), raw_dtype=kind)
    for name, length in norms.items():
        writer.add_tensor(name + ".weight", np.ones(length, np.float32))
    if architecture == "qwen2":
        for name, (rows, _) in matrices.items():
            if name.endswith(("attn_q", "attn_k", "attn_v")):
                writer.add_tensor(name + ".bias", 0.1 * random.standard_normal(rows, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()

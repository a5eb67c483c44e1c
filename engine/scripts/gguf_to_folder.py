#!/usr/bin/env python3
"""Writes a GGUF model as a folder in the layout of the Hugging Face hub, its weights as the floats they stand for.

    pip install gguf numpy safetensors
    engine/scripts/gguf_to_folder.py SmolLM2-135M-Instruct.Q4_1.gguf FOLDER

For tests: the folder gives the tokens of the file, and its logits but for the rounding of floats to int4.
"""

import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.numpy import save_file

LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OTHER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def name_of(name: str) -> str:
    parts = name.removesuffix(".weight").split(".")
    return f"model.layers.{parts[1]}.{LAYER[parts[2]]}.weight" if parts[0] == "blk" else OTHER[parts[0]] + ".weight"


def main() -> None:
    source, folder = map(Path, sys.argv[1:])
    reader = GGUFReader(source)
    field = lambda key: reader.fields[key].contents()
    heads = {"attn_q": field("llama.attention.head_count"), "attn_k": field("llama.attention.head_count_kv")}
    tensors = {}
    for tensor in reader.tensors:
        weights = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        count = heads.get(tensor.name.split(".")[-2])
        if count:
            # From pairs side by side to halves.
            weights = weights.reshape(count, -1, 2, weights.shape[1]).swapaxes(1, 2).reshape(weights.shape)
        tensors[name_of(tensor.name)] = np.ascontiguousarray(weights)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")

    write = lambda name, value: (folder / name).write_text(json.dumps(value, ensure_ascii=False))
    tokens, kinds = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": field("llama.embedding_length"),
        "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"),
        "num_attention_heads": heads["attn_q"],
        "num_key_value_heads": heads["attn_k"],
        "vocab_size": len(tokens),
        "max_position_embeddings": field("llama.context_length"),
        "rms_norm_eps": field("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": field("llama.rope.freq_base"),
        "tie_word_embeddings": "lm_head.weight" not in tensors,
        "eos_token_id": field("tokenizer.ggml.eos_token_id"),
    }
    write("config.json", config)
    special = {id: text for id, text in enumerate(tokens) if kinds[id] in (2, 3)}
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [{"id": id, "content": text, **usual} for id, text in special.items()]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "vocab": {text: id for id, text in enumerate(tokens)},
            "merges": field("tokenizer.ggml.merges"),
        },
    }
    write("tokenizer.json", tokenizer)
    named = {name: tokens[field(f"tokenizer.ggml.{name}_token_id")] for name in ("bos", "eos")}
    write("tokenizer_config.json", {f"{name}_token": text for name, text in named.items()})
    (folder / "chat_template.jinja").write_text(field("tokenizer.chat_template"))
    write("generation_config.json", {"eos_token_id": config["eos_token_id"]})


if __name__ == "__main__":
    main()

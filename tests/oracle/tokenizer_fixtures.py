"""tokenizer.json files of the kinds that models have, from vocabularies trained on the spot."""

import copy
import json

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
BYTES = {**GPT2, "use_regex": False}
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*"
          r"|\s*[\r\n]|\s+(?!\S)|\s+")
GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
            r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def regex(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def literal(text, behavior, invert=False):
    return {"type": "Split", "pattern": {"String": text}, "behavior": behavior, "invert": invert}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def added(id, content, **flags):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": True, **flags}


def template(*pieces):
    """Each piece a special token (content, id), or None for the text."""
    def piece(p, text):
        return {"Sequence": {"id": text, "type_id": 0}} if p is None else {"SpecialToken": {"id": p[0], "type_id": 0}}

    return {"type": "TemplateProcessing", "single": [piece(p, "A") for p in pieces],
            "pair": [piece(p, "A") for p in pieces] + [piece(p, "B") for p in pieces],
            "special_tokens": {p[0]: {"id": p[0], "ids": [p[1]], "tokens": [p[0]]} for p in pieces if p}}


def _trained(text, pre_tokenizer, **options):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(show_progress=False, **options)
    tokenizer.train_from_iterator([text], trainer)
    return json.loads(tokenizer.to_str())


def byte_level_base(text):
    """Three special tokens, the 256 bytes and what GPT-2's words merge to."""
    return _trained(text, pre_tokenizers.ByteLevel(add_prefix_space=False), vocab_size=3000,
                    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                    special_tokens=["<|end|>", "<|start|>", "<|pad|>"])


def sentencepiece_base(text):
    """<unk>, <s>, </s>, <0x00> to <0xFF>, then common characters and merges over ▁."""
    root = _trained(text, pre_tokenizers.Metaspace(split=True), vocab_size=3000, limit_alphabet=300)
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + sorted(
        root["model"]["vocab"], key=root["model"]["vocab"].get)
    model = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
             "vocab": {token: id for id, token in enumerate(tokens)}, "merges": root["model"]["merges"]}
    return {**root, "model": model, "pre_tokenizer": None, "added_tokens": [
        added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")]}


def byte_level_variants(base):
    """name -> tokenizer.json, lossless all of them."""
    def variant(pre_tokenizer, model=None, **fields):
        root = {**copy.deepcopy(base), "pre_tokenizer": pre_tokenizer, "decoder": GPT2, "post_processor": GPT2, **fields}
        root["model"].update(model or {})
        return root

    bos = {"type": "Sequence", "processors": [GPT2, template(("<|start|>", 1), None, ("<|end|>", 0))]}
    old_merges = [" ".join(merge) for merge in base["model"]["merges"]]
    return {
        "gpt2": variant(GPT2),
        "gpt2_old": variant(GPT2, model={"merges": old_merges, "continuing_subword_prefix": "", "end_of_word_suffix": ""}),
        "smollm": variant(sequence({"type": "Digits", "individual_digits": True}, GPT2)),
        "llama3": variant(sequence(regex(LLAMA3), BYTES), model={"ignore_merges": True}, post_processor=bos),
        "qwen2": variant(sequence(regex(QWEN2), BYTES), normalizer={"type": "NFC"}),
        "cl100k": variant(sequence(regex(CL100K, "Removed", invert=True), BYTES)),
        "gpt4o": variant(sequence(regex(GPT4O), BYTES)),
        "deepseek": variant(sequence(regex(r"\p{N}{1,3}"), regex("[一-龥぀-ゟ゠-ヿ]+"), regex(DEEPSEEK), BYTES)),
    }


# Cuts whose result differs for every property, behaviour and escape.
CUTS = {
    "whitespace": {"type": "Whitespace"},
    "whitespace_split": {"type": "WhitespaceSplit"},
    "punctuation": {"type": "Punctuation", "behavior": "Isolated"},
    "punctuation_default": {"type": "Punctuation"},
    "digits": {"type": "Digits", "individual_digits": False},
    **{f"{name}_{behavior}": regex(pattern, behavior)
       for name, pattern in {"space": r"\s", "word": r"\w+", "class": r"[\s\w.]", "boundary": r"\b"}.items()
       for behavior in ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]},
    **{f"literal_{behavior}": literal("e", behavior)
       for behavior in ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]},
    "inverted": regex(r"\p{L}+|\d", "Removed", invert=True),
    "inverted_contiguous": regex(r"\p{Ll}", "Contiguous", invert=True),
    "empty": regex(r"x*", "Isolated"),
    "lines": regex(r"^.|.$", "Isolated"),
    "not_word": regex(r"\W+|\S\D\S", "Isolated"),
    "scripts": regex(r"\p{Han}+|\p{Greek}|\p{Katakana}|\p{^L}\u00e9", "Isolated"),
    "names": regex(r"\p{Uppercase_Letter}|\p{Punctuation}+|\h{4}|\p{White_Space}", "Isolated"),
    "interval": regex(r"a{,2}b|\p{N}{2,}|o{2}|\x41|\x{e9}|{", "Isolated"),
}


def sentencepiece_variants(base):
    """name -> tokenizer.json."""
    prepend = {"type": "Prepend", "prepend": "▁"}
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    back = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}

    def variant(normalizer=None, pre_tokenizer=None, decoder=None, model=None, **fields):
        root = {**copy.deepcopy(base), "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "decoder": decoder,
                "post_processor": template(("<s>", 1), None), **fields}
        root["model"].update(model or {})
        return root

    llama2 = dict(normalizer={"type": "Sequence", "normalizers": [prepend, spaces]},
                  decoder={"type": "Sequence", "decoders": [*back, strip]})
    size = len(base["model"]["vocab"])  # tokenizers numbers new tokens from here on, whatever the file says
    gemma_tokens = base["added_tokens"] + [added(base["model"]["vocab"].get(token, id), token, special=False)
                                           for id, token in [(None, "▁the"), (None, "\n\n"), (size, "<b>")]]
    mixed_flags = base["added_tokens"] + [
        added(size, "<left>", lstrip=True), added(size + 1, "<right>", rstrip=True),
        added(size + 2, "foo", single_word=True), added(size + 3, "Élève", normalized=True, special=False),
        added(size + 4, "<both>", lstrip=True, rstrip=True), added(size + 5, "<bo", special=False),
        added(size + 6, "Modelling", normalized=True, special=False, single_word=True)]
    return {
        "llama2": variant(**llama2),
        "llama2_flags": variant(**llama2, added_tokens=mixed_flags),
        "lowercase_flags": variant(normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
                                   added_tokens=mixed_flags, pre_tokenizer={"type": "WhitespaceSplit"}),
        "gemma": variant(normalizer=spaces, pre_tokenizer=literal(" ", "MergedWithPrevious"), added_tokens=gemma_tokens,
                         decoder={"type": "Sequence", "decoders": back}),
        **{f"metaspace_{scheme}_{split}": variant(pre_tokenizer=metaspace(scheme, split), decoder=metaspace(scheme, split))
           for scheme in ["always", "first", "never"] for split in [True, False]},
        "metaspace_old": variant(pre_tokenizer={"type": "Metaspace", "replacement": "▁", "add_prefix_space": True},
                                 decoder={"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}),
        "no_fallback": variant(**llama2, model={"byte_fallback": False, "fuse_unk": False}),
        "no_fallback_fused": variant(**llama2, model={"byte_fallback": False}),
        "dropped": variant(**llama2, model={"byte_fallback": False, "unk_token": None}),
        "few_bytes": variant(**llama2, model={"vocab": {
            token: id for token, id in base["model"]["vocab"].items() if not token.startswith("<0xE")}}),
        **{form: variant(normalizer={"type": form}, pre_tokenizer={"type": "WhitespaceSplit"})
           for form in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase"]},
        "strip": variant(normalizer={"type": "Strip", "strip_left": True, "strip_right": True}),
        "replace_regex": variant(normalizer={"type": "Replace", "pattern": {"Regex": r"\s+|\d"}, "content": "▁"},
                                 decoder={"type": "Replace", "pattern": {"Regex": "▁+"}, "content": "-"}),
        **{f"cut_{name}": variant(pre_tokenizer=cut) for name, cut in CUTS.items()},
    }

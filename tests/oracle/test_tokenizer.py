"""`lowp tokenize` against the tokenizers package, sentencepiece and transformers."""

import json
import math
import subprocess

import pytest
import tokenizers

import tokenizer_fixtures as fixtures
import tokenizer_texts as texts

MEGABYTE = 1_000_000


@pytest.fixture(scope="session")
def tokenize(lowp_command):
    """tokenize(directory, text) -> ids; tokenize(directory, ids) -> text. Bytes go through unchanged."""

    def run(directory, given, *flags):
        decode = not isinstance(given, str)
        data = " ".join(map(str, given)).encode() if decode else given.encode()
        result = subprocess.run([lowp_command, "tokenize", directory, "--decode" if decode else "--ids", *flags],
                                input=data, capture_output=True, timeout=120)
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout.decode() if decode else list(map(int, result.stdout.split()))

    return run


@pytest.fixture(scope="session")
def mixed_text():
    return texts.mixed(MEGABYTE)


@pytest.fixture(scope="session")
def byte_level(mixed_text):
    return fixtures.byte_level_variants(fixtures.byte_level_base(mixed_text[: MEGABYTE // 2]))


@pytest.fixture(scope="session")
def sentencepiece_style(mixed_text):
    return fixtures.sentencepiece_variants(fixtures.sentencepiece_base(mixed_text[: MEGABYTE // 2]))


def write(directory, root):
    text = json.dumps(root, ensure_ascii=False)
    (directory / "tokenizer.json").write_text(text, encoding="utf-8")
    return tokenizers.Tokenizer.from_str(text)


def first_difference(got, expected, oracle):
    """What to show of two long lists that differ; None if they do not."""
    if got == expected:
        return None
    at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
    def around(ids):
        return [oracle.id_to_token(i) for i in ids[max(0, at - 3) : at + 5]]

    return f"{len(got)} against {len(expected)} ids, first at {at}: {around(got)} against {around(expected)}"


def compare(tokenize, directory, root, text, lossless=False):
    oracle = write(directory, root)
    for flags, special in [([], True), (["--no-special"], False)]:
        expected = oracle.encode(text, add_special_tokens=special).ids
        difference = first_difference(tokenize(directory, text, *flags), expected, oracle)
        assert difference is None, difference
        assert tokenize(directory, expected, *flags) == oracle.decode(expected, skip_special_tokens=not special)
    if lossless:
        assert tokenize(directory, expected) == text


NAMES = ["gpt2", "gpt2_old", "smollm", "llama3", "qwen2", "cl100k", "gpt4o", "deepseek"]


@pytest.mark.parametrize("name", NAMES)
def test_byte_level_equals_tokenizers_on_a_megabyte(tokenize, byte_level, mixed_text, tmp_path, name):
    assert list(byte_level) == NAMES
    # NFC is not undone by decoding.
    compare(tokenize, tmp_path, byte_level[name], mixed_text, lossless=name != "qwen2")


@pytest.mark.parametrize("name", ["llama2", "gemma"])
def test_byte_fallback_equals_tokenizers_on_a_megabyte(tokenize, sentencepiece_style, mixed_text, tmp_path, name):
    compare(tokenize, tmp_path, sentencepiece_style[name], mixed_text, lossless=True)


FLAGGED = """ <left>  x  <left> <right>  y<right>\tfoo foobar barfoo foo.bar foo_ _foo é-foo Élève ÉLÈVE élève
<both>  <both> <bo <both <bothx <s>hi</s> <s> </s>  <unk>model models  model</s>Modelling ModelLing modelling
"""


def test_cuts_normalizers_and_added_tokens_equal_tokenizers(tokenize, sentencepiece_style, tmp_path):
    text = FLAGGED + texts.mixed(30_000)[-25_000:] + FLAGGED
    failures = []
    for name, root in sentencepiece_style.items():
        try:
            if name.startswith("cut_"):
                oracle = write(tmp_path, root)
                difference = first_difference(tokenize(tmp_path, text), oracle.encode(text).ids, oracle)
                assert difference is None, difference
            else:
                compare(tokenize, tmp_path, root, text)
        except AssertionError as error:
            failures.append(f"{name}: {str(error)[:600]}")
    assert not failures, "\n".join(failures)


def test_every_character_equals_tokenizers(tokenize, byte_level, tmp_path):
    text = texts.every_character()
    for name in ["qwen2", "deepseek"]:
        oracle = write(tmp_path, byte_level[name])
        difference = first_difference(tokenize(tmp_path, text), oracle.encode(text).ids, oracle)
        assert difference is None, f"{name}: {difference}"


@pytest.fixture(scope="session")
def sentencepiece_models(tmp_path_factory, mixed_text):
    """kind -> directory with a tokenizer.model."""
    import sentencepiece

    root = tmp_path_factory.mktemp("sentencepiece")
    (root / "text").write_text(texts.english(200_000) + mixed_text[500_000:600_000], encoding="utf-8")
    for kind, options in {"bpe": {"split_digits": True}, "unigram": {}, "bare": {"add_dummy_prefix": False}}.items():
        (root / kind).mkdir()
        sentencepiece.SentencePieceTrainer.train(
            input=str(root / "text"), model_prefix=str(root / kind / "tokenizer"), vocab_size=1200, byte_fallback=True,
            model_type="unigram" if kind == "unigram" else "bpe", normalization_rule_name="identity",
            remove_extra_whitespaces=False, max_sentence_length=20000, character_coverage=0.99,
            user_defined_symbols=["<sep>"], control_symbols=["<ctl>"], minloglevel=2, num_threads=1, **options)
    return root


@pytest.mark.parametrize("kind", ["bpe", "unigram", "bare"])
def test_model_file_equals_sentencepiece(tokenize, sentencepiece_models, mixed_text, kind):
    import sentencepiece

    directory = sentencepiece_models / kind
    processor = sentencepiece.SentencePieceProcessor(model_file=str(directory / "tokenizer.model"))
    text = mixed_text[300_000:500_000] + mixed_text[-3000:]
    ids = processor.encode(text)
    got = tokenize(directory, text, "--no-special")
    if kind == "unigram":
        # Versions choose differently among cuts whose scores, sums in fp32, round to the same: each has the best score
        # but for n roundings of the sum. Over a long text that is more than scores differ by, so parts are compared.
        def score(cut):
            return math.fsum(map(processor.get_score, cut))

        for part in [text, *(text[at : at + 250] for at in range(0, len(text), 500))]:
            cut, best = tokenize(directory, part, "--no-special"), score(processor.encode(part))
            assert score(cut) == pytest.approx(best, rel=2 * len(cut) * 2.0**-24)
            assert processor.decode(cut) == part
    else:
        assert got == ids
    assert tokenize(directory, text) == [processor.bos_id(), *got]
    assert tokenize(directory, ids) == text == processor.decode(ids)


@pytest.mark.parametrize("legacy", [True, False])
def test_model_file_with_config_equals_transformers(tokenize, sentencepiece_models, tmp_path, legacy):
    import transformers

    config = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": True, "legacy": legacy,
              "bos_token": "<s>", "eos_token": {"content": "</s>", "__type": "AddedToken"}, "unk_token": "<unk>",
              "added_tokens_decoder": {"1200": {"content": "<new>", "special": True}}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.model").write_bytes((sentencepiece_models / "bpe" / "tokenizer.model").read_bytes())
    oracle = transformers.AutoTokenizer.from_pretrained(tmp_path)
    # SentencePiece puts its space before a text that starts with one too; transformers 5 does not.
    for text in ["Hello there 123", "<s>Hi</s>there<ctl>x <new>y", "two  spaces", "</s>", "", "é🙂漢\n\n"]:
        ids = oracle(text)["input_ids"]
        assert tokenize(tmp_path, text) == ids, text
        assert tokenize(tmp_path, ids, "--no-special") == oracle.decode(ids, skip_special_tokens=True)


def import_tokenizer(run_lowp, directory, metadata):
    """A tiny model with these tokenizer keys as GGUF, imported; its directory."""
    import gguf_models

    vocabulary = metadata["tokens"]
    model = gguf_models.random_model("llama", vocab_size=len(vocabulary))

    def add(writer):
        writer.add_tokenizer_model(metadata["model"])
        writer.add_token_list(vocabulary)
        writer.add_token_types(metadata["types"])
        for key in ["pre", "scores", "merges"]:
            if key in metadata:
                {"pre": writer.add_tokenizer_pre, "scores": writer.add_token_scores,
                 "merges": writer.add_token_merges}[key](metadata[key])
        writer.add_bos_token_id(metadata["bos"])
        writer.add_eos_token_id(metadata["eos"])
        if "unknown" in metadata:
            writer.add_unk_token_id(metadata["unknown"])

    gguf_models.write_gguf(directory / "model.gguf", model, metadata=add)
    run_lowp("import", directory / "model.gguf", "-o", directory / "model")
    return directory / "model"


def test_sentencepiece_vocabulary_of_gguf(tokenize, run_lowp, sentencepiece_models, mixed_text, tmp_path):
    import sentencepiece
    import transformers

    file = sentencepiece_models / "bpe" / "tokenizer.model"
    processor = sentencepiece.SentencePieceProcessor(model_file=str(file))
    ids = range(processor.get_piece_size())
    kinds = [(processor.is_unknown, 2), (processor.is_control, 3), (processor.is_byte, 6)]
    directory = import_tokenizer(run_lowp, tmp_path, {
        "model": "llama", "bos": 1, "eos": 2, "unknown": 0, "tokens": [processor.id_to_piece(i) for i in ids],
        "scores": [processor.get_score(i) for i in ids],
        "types": [next((kind for test, kind in kinds if test(i)), 4 if processor.id_to_piece(i) == "<sep>" else 1)
                  for i in ids]})
    text = mixed_text[300_000:400_000].replace("<sep>", "").replace("</s>", "").replace("<s>", "").replace("<unk>", "")
    expected = [processor.bos_id(), *processor.encode(text)]
    assert tokenize(directory, text) == expected
    assert tokenize(directory, expected, "--no-special") == text
    assert transformers.AutoTokenizer.from_pretrained(directory)(text)["input_ids"] == expected
    special = "a<s>b</s> <ctl>c<sep>d"
    assert tokenize(directory, special) == transformers.AutoTokenizer.from_pretrained(directory)(special)["input_ids"]


@pytest.mark.parametrize("name, pre", [("gpt2", "gpt-2"), ("smollm", "smollm"), ("llama3", "llama-bpe"),
                                       ("qwen2", "qwen2"), ("gpt4o", "gpt-4o")])
def test_byte_level_vocabulary_of_gguf(tokenize, run_lowp, byte_level, mixed_text, tmp_path, name, pre):
    import transformers

    root = byte_level[name]
    tokens = sorted(root["model"]["vocab"], key=root["model"]["vocab"].get)
    directory = import_tokenizer(run_lowp, tmp_path, {
        "model": "gpt2", "pre": pre, "bos": 1, "eos": 0, "tokens": tokens,
        "types": [3 if i < 3 else 1 for i in range(len(tokens))],
        "merges": [" ".join(merge) for merge in root["model"]["merges"]]})
    text = "<|start|>x<|end|>" + mixed_text[450_000:550_000]
    expected = write(tmp_path, root).encode(text, add_special_tokens=False).ids
    begin = [1] if name == "llama3" else []
    assert tokenize(directory, text) == begin + expected
    assert transformers.AutoTokenizer.from_pretrained(directory)(text)["input_ids"] == begin + expected


def test_demo_model(tokenize, run_lowp, demo_gguf, mixed_text, tmp_path):
    import transformers

    run_lowp("import", demo_gguf, "-o", tmp_path / "model")
    imported = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    text = "<|im_start|>user\\nHello<|im_end|>\\n" + mixed_text
    ids = tokenize(tmp_path / "model", text)
    difference = first_difference(ids, imported(text)["input_ids"], imported.backend_tokenizer)
    assert difference is None, difference
    # transformers reads the GGUF itself, but does not know that this model takes digits one by one.
    oracle = transformers.AutoTokenizer.from_pretrained(demo_gguf.parent, gguf_file=demo_gguf.name)
    words = "".join(c for c in text if not c.isnumeric())
    difference = first_difference(tokenize(tmp_path / "model", words), oracle(words)["input_ids"], oracle.backend_tokenizer)
    assert difference is None, difference
    assert tokenize(tmp_path / "model", tokenize(tmp_path / "model", texts.english(100_000))) == texts.english(100_000)
    assert imported.decode(ids) == tokenize(tmp_path / "model", ids)

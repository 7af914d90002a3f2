"""`lowp eval` and `lowp generate` against transformers, on small random models with a tokenizer."""

import json
import math

import numpy as np
import pytest
import torch

TEXT = "The quick brown fox jumps over the lazy dog. Füchse, 狐狸 and 🦊 jump, too.\n" * 40
SIZES = dict(vocab_size=400, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, bos_token_id=0, eos_token_id=0)
CONTEXT, TOKENS = 32, 300


@pytest.fixture(scope="session", autouse=True)
def needs_torch_commands(lowp_command):
    if not (lowp_command.parent / "liblowp_commands.so").is_file():
        pytest.skip("this build has no torch")


def make_tokenizer():
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=SIZES["vocab_size"], special_tokens=["<end>"],
                                             initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([TEXT], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


def make_model(seed, scale=0.15):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**SIZES)).eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * scale)
    model.generation_config.eos_token_id = None  # a random model may stop at once
    return model


@pytest.fixture(scope="module")
def fixture(tmp_path_factory):
    """Two models, each in a directory with the tokenizer, and a text file."""
    root = tmp_path_factory.mktemp("eval")
    tokenizer = make_tokenizer()
    models = {}
    for seed, name in enumerate(["first", "second"]):
        models[name] = make_model(seed)
        models[name].save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    (root / "text").write_text(TEXT, encoding="utf-8")
    return root, models, tokenizer


@torch.inference_mode()
def log_probabilities(model, ids):
    windows = torch.tensor(ids).split(CONTEXT)
    rows = [model(window[None]).logits[0, :-1].double().log_softmax(-1) for window in windows]
    targets = torch.cat([window[1:] for window in windows])
    return torch.cat(rows), targets


def expected_scores(model, reference, ids):
    q, targets = log_probabilities(model, ids)
    p, _ = log_probabilities(reference, ids)
    losses = -q[torch.arange(len(targets)), targets]
    divergence = (p.exp() * (p - q)).sum(-1)
    return {
        "perplexity": math.exp(losses.mean()),
        "perplexity_error": math.exp(losses.mean()) * losses.std().item() / math.sqrt(len(losses)),
        "kl_mean": divergence.mean().item(),
        "kl_p99": np.quantile(divergence.numpy(), 0.99, method="inverted_cdf"),
        "top1": (p.argmax(-1) == q.argmax(-1)).double().mean().item(),
    }


def test_scores_equal_those_of_transformers(fixture, run_lowp):
    root, models, tokenizer = fixture
    ids = tokenizer(TEXT)["input_ids"][:TOKENS]
    output = run_lowp("eval", root / "first", root / "second", "--against", root / "second", "--text", root / "text",
                      "--tokens", TOKENS, "--context", CONTEXT, "--threads", 2, "--json").stdout
    rows = json.loads(output)["models"]
    for row, name in zip(rows, models, strict=True):
        for key, value in expected_scores(models[name], models["second"], ids).items():
            assert row[key] == pytest.approx(value, rel=2e-4, abs=1e-6), (name, key)
        assert row["tokens"] == TOKENS and row["context"] == CONTEXT and row["threads"] == 2
        assert row["tokens_per_second"] > 0 and row["peak_rss_bytes"] > 1 << 20
        assert row["size_bytes"] == 4 * sum(p.numel() for p in models[name].parameters())
        assert row["bits_per_weight"] == 32 and row["scheme"] == "float32"
    assert rows[1]["kl_mean"] == 0 and rows[1]["top1"] == 1


def test_one_model_gives_one_object(fixture, run_lowp):
    root, _, _ = fixture
    options = ["--text", root / "text", "--context", CONTEXT, "--tokens", 64, "--json"]
    plain = json.loads(run_lowp("eval", root / "first", *options).stdout)
    assert plain["kl_mean"] is None and plain["top1"] is None
    quantized = json.loads(run_lowp("eval", root / "first", *options, "--quantize", "W8A16",
                                    "--against", root / "first").stdout)
    assert quantized["scheme"] == "W8A16"
    assert 0 < quantized["kl_mean"] < 0.05
    assert quantized["perplexity"] == pytest.approx(plain["perplexity"], rel=0.05)
    assert quantized["size_bytes"] < plain["size_bytes"]


def test_each_scheme_is_a_further_model(fixture, run_lowp):
    root, _, _ = fixture
    output = run_lowp("eval", root / "first", "--quantize", "W8A16", "--quantize", "W4A16:32", "--text", root / "text",
                      "--context", CONTEXT, "--tokens", 64, "--json").stdout
    assert [row["scheme"] for row in json.loads(output)["models"]] == ["float32", "W8A16", "W4A16"]


def test_tensor_scheme_overrides_quantize_and_reaches_the_head(fixture, run_lowp):
    root, _, _ = fixture

    def evaluate(*quantize):
        return json.loads(run_lowp("eval", root / "first", *quantize, "--text", root / "text", "--context", CONTEXT,
                                   "--tokens", 64, "--json").stdout)

    plain = evaluate("--quantize", "W4A16:32")
    overridden = evaluate("--quantize", "W8A16", "--tensor-scheme", "model=W4A16:32", "--tensor-scheme", "model=MXFP8")
    assert (overridden["scheme"], overridden["perplexity"]) == ("W4A16", plain["perplexity"])
    head = evaluate("--quantize", "W4A16:32", "--tensor-scheme", "lm_head=W8A16")
    assert head["scheme"] == "mixed"
    assert head["perplexity"] != plain["perplexity"]


@pytest.mark.parametrize("options, message", [
    (["--tokens", 10**6], "the text is too short"),
    (["--context", 256], "--context too long"),
    (["--quantize", "W4A17"], "W4A16"),
    (["--quantize", "W4A16:x"], "bad group size"),
    (["--quantize", "W4A16:48"], "do not fit W4A16"),
    (["--quantize", "W8A16", "--tensor-scheme", "head=W8A16"], "no layer matches, got 're:head'"),
    (["--quantize", "W8A16", "--tensor-scheme", "lm_head"], "expected EXPRESSION=SCHEME"),
    (["--tensor-scheme", "lm_head=W8A16"], "--tensor-scheme requires --quantize"),
])
def test_bad_options_are_named(fixture, run_lowp, options, message):
    root, _, _ = fixture
    result = run_lowp("eval", root / "first", "--text", root / "text", *options, check=False)
    assert result.returncode != 0
    assert message in result.stderr


def test_a_broken_checkpoint_is_named(fixture, run_lowp, tmp_path):
    from safetensors.torch import load_file, save_file

    root, _, _ = fixture
    for file in (root / "first").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(root / "first" / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    for changed, message in [
        ({k: v for k, v in weights.items() if k != name}, name),
        ({**weights, "model.extra.weight": torch.zeros(2)}, "unexpected tensor model.extra.weight"),
        ({**weights, name: torch.zeros(3, 64)}, f"bad shape of {name}, got (3, 64), expected (128, 64)"),
    ]:
        save_file(changed, tmp_path / "model.safetensors")
        result = run_lowp("eval", tmp_path, "--text", root / "text", check=False)
        assert result.returncode == 1
        assert message in result.stderr


@pytest.mark.parametrize("change, message", [
    ({"model_type": "mamba"}, "model_type"),
    ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0}}, "rope_type"),
    ({"hidden_act": "relu"}, "hidden_act"),
    ({"num_key_value_heads": 3}, "num_key_value_heads"),
    ({"hidden_size": "64"}, "hidden_size"),
    ({"vocab_size": None}, "vocab_size"),
])
def test_unsupported_configurations_are_named(fixture, run_lowp, tmp_path, change, message):
    root, _, _ = fixture
    for file in (root / "first").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    result = run_lowp("generate", tmp_path, "--prompt", "x", check=False)
    assert result.returncode == 1
    assert "config.json" in result.stderr and message in result.stderr


def generate(run_lowp, directory, *options):
    return json.loads(run_lowp("generate", directory, *options, "--json").stdout)


def test_greedy_text_is_that_of_transformers(fixture, run_lowp):
    root, models, tokenizer = fixture
    prompt = "The lazy 🦊"
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    expected = models["first"].generate(ids, max_new_tokens=40, do_sample=False, pad_token_id=0)[0, ids.shape[1]:]
    result = generate(run_lowp, root / "first", "--prompt", prompt, "--max-tokens", 40)
    assert result["tokens"] == expected.tolist()
    assert result["text"] == tokenizer.decode(expected, skip_special_tokens=True)
    assert result["prompt_tokens"] == ids.shape[1] and not result["stopped"]
    streamed = run_lowp("generate", root / "first", "--prompt", prompt, "--max-tokens", 40)
    assert streamed.stdout == result["text"] + "\n"
    assert "tokens/s" in streamed.stderr


def test_generation_stops_at_the_end_of_text(fixture, run_lowp, tmp_path):
    root, _, _ = fixture
    tokens = generate(run_lowp, root / "first", "--prompt", "The", "--max-tokens", 12)["tokens"]
    for file in (root / "first").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    stop = tokens[5]
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [399, stop]}))
    result = generate(run_lowp, tmp_path, "--prompt", "The", "--max-tokens", 12)
    assert result["stopped"] and result["tokens"] == tokens[: tokens.index(stop)]
    assert generate(run_lowp, tmp_path, "--prompt", "The", "--max-tokens", 12, "--ignore-eos")["tokens"] == tokens


def test_sampling_follows_its_options(fixture, run_lowp):
    root, _, _ = fixture
    base = ["--prompt", "The", "--max-tokens", 30]

    def tokens(*options):
        return generate(run_lowp, root / "first", *base, *options)["tokens"]

    greedy = tokens()
    assert tokens("--temperature", 2, "--top-k", 1) == greedy
    assert tokens("--temperature", 2, "--top-p", 1e-9) == greedy
    drawn = tokens("--temperature", 2, "--seed", 1)
    assert drawn == tokens("--temperature", 2, "--seed", 1)
    assert drawn != tokens("--temperature", 2, "--seed", 2) and drawn != greedy


def test_a_prompt_that_does_not_fit_is_an_error(fixture, run_lowp):
    root, _, _ = fixture
    result = run_lowp("generate", root / "first", "--prompt", "x", "--max-tokens", 128, check=False)
    assert result.returncode == 1
    assert "expected at most 128" in result.stderr

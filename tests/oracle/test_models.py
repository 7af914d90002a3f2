"""The decoder against transformers: small random models of each architecture, made on the fly."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROBE = ROOT / os.environ.get("LOWP_MODEL_PROBE", "build/release/tests/models/model_probe")
DEVICE = os.environ.get("LOWP_MODEL_DEVICE", "cpu")
pytestmark = pytest.mark.skipif(not PROBE.is_file(), reason="no built model_probe: run make build")

SIZES = dict(vocab_size=320, hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=None)
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
GEMMA = dict(head_dim=32, query_pre_attn_scalar=24, sliding_window=8, tie_word_embeddings=True)
GEMMA_LAYERS = ["sliding_attention", "full_attention"] * 2

# name: (class of transformers, config fields)
MODELS = {
    "llama2": ("Llama", dict(num_key_value_heads=4)),
    "llama3": ("Llama", dict(rope_parameters=LLAMA3)),
    "llama_linear": ("Llama", dict(rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0})),
    "llama_biases": ("Llama", dict(attention_bias=True, mlp_bias=True, head_dim=24)),
    "smollm2": ("Llama", dict(hidden_size=72, num_attention_heads=9, num_key_value_heads=3,
                              rope_parameters={"rope_type": "default", "rope_theta": 1e5},
                              tie_word_embeddings=True)),
    "qwen2": ("Qwen2", dict(tie_word_embeddings=True)),
    "qwen2_sliding": ("Qwen2", dict(use_sliding_window=True, sliding_window=8, max_window_layers=2)),
    "qwen3": ("Qwen3", dict(head_dim=32)),
    "mistral": ("Mistral", dict(sliding_window=8)),
    "mistral_full": ("Mistral", dict(sliding_window=None)),
    "gemma3": ("Gemma3", GEMMA),
    "gemma3_scaled": ("Gemma3", dict(**GEMMA, final_logit_softcapping=3.0, layer_types=GEMMA_LAYERS, rope_parameters={
        "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e3}})),
}
PROMPT = [1, 17, 250, 33, 319, 0, 64, 64, 201, 5, 128, 99, 301, 12, 77, 18, 44, 203, 9, 150]
STEPS = 64


def make_model(name):
    import transformers

    kind, fields = MODELS[name]
    config_class = getattr(transformers, "Gemma3TextConfig" if kind == "Gemma3" else f"{kind}Config")
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}ForCausalLM")(config_class(**{**SIZES, **fields})).eval()
    # The default initialization gives almost equal logits, norms of one and biases of zero.
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.15)
    return model


def probe(directory, ids, logits, steps=STEPS, dtype="float32", scheme="none"):
    command = [str(PROBE), str(directory), str(logits), str(steps), dtype, DEVICE, scheme, *map(str, ids)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def read(path, like):
    return torch.from_numpy(np.fromfile(path, np.float32)).view_as(like)


@torch.inference_mode()
def logits_of(model):
    return model(torch.tensor([PROMPT])).logits[0].float()


@torch.inference_mode()
def greedy(model, ids, steps):
    cache, new = None, []
    step = torch.tensor([ids])
    for _ in range(steps):
        out = model(step, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        new.append(int(out.logits[0, -1].argmax()))
        step = torch.tensor([new[-1:]])
    return new


@pytest.mark.parametrize("name", MODELS)
def test_logits_and_greedy_tokens_equal_those_of_transformers(name, tmp_path):
    model = make_model(name)
    model.save_pretrained(tmp_path)
    with torch.inference_mode():
        expected = model(torch.tensor([PROMPT])).logits[0]
    result = probe(tmp_path, PROMPT, tmp_path / "logits")
    assert result.returncode == 0, result.stderr
    for file in ("logits", "logits.autograd", "logits.decode", "logits.step"):
        got = read(tmp_path / file, expected)
        assert (got - expected).norm() <= 1e-4 * expected.norm(), file
        assert (got - expected).abs().max() <= 1e-4 * expected.abs().max(), file
    assert [int(token) for token in result.stdout.split()] == greedy(model, PROMPT, STEPS)


def bf16_model(name, directory):
    """Saves a model of bf16 weights; returns its logits in fp32 arithmetic, and how far transformers' in
    bf16 are from them."""
    model = make_model(name).bfloat16()
    model.save_pretrained(directory)
    rounded = logits_of(model)
    exact = logits_of(model.float())
    return exact, (rounded - exact).norm()


@pytest.mark.parametrize("name", MODELS)
def test_bf16_is_as_exact_as_transformers(name, tmp_path):
    exact, noise = bf16_model(name, tmp_path)
    result = probe(tmp_path, PROMPT, tmp_path / "logits", steps=1, dtype="bfloat16")
    assert result.returncode == 0, result.stderr
    for file in ("logits", "logits.decode", "logits.step"):
        assert (read(tmp_path / file, exact) - exact).norm() <= 1.25 * noise, file


# Few rows and many go through different kernels, and stacked projections through one.
@pytest.mark.parametrize("scheme, name", [
    ("W8A16", "smollm2"), ("W4A16:32", "qwen3"), ("W4A16_ASYM:32", "gemma3"), ("W4A16_FLOAT_ZERO:32", "smollm2"),
    ("FP8_WEIGHT_ONLY", "qwen3"), ("MXFP4", "gemma3"), ("MXFP6", "qwen3"), ("NVFP4", "qwen3"), ("W8A8", "smollm2"),
    ("FP8_DYNAMIC", "gemma3"), ("MXFP8", "qwen3"), ("W8A16", "llama_biases")])
def test_decoding_in_low_precision_equals_the_whole_sequence(scheme, name, tmp_path):
    exact, noise = bf16_model(name, tmp_path)
    result = probe(tmp_path, PROMPT, tmp_path / "logits", steps=1, dtype="bfloat16", scheme=scheme)
    assert result.returncode == 0, result.stderr
    whole = read(tmp_path / "logits", exact)
    assert (whole - exact).norm() > noise  # the weights were quantized
    # Codes of activations flip where bf16 rounds otherwise, so that part of their error differs.
    bound = (whole - exact).norm() if scheme in ("W8A8", "FP8_DYNAMIC", "MXFP8") else 1.5 * noise
    for file in ("logits.decode", "logits.step"):
        assert (read(tmp_path / file, exact) - whole).norm() <= bound, file

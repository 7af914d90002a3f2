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


def probe(directory, ids, logits, steps=STEPS, dtype="float32"):
    command = [str(PROBE), str(directory), str(logits), str(steps), dtype, *map(str, ids)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


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
    for file in ("logits", "logits.autograd"):
        got = torch.from_numpy(np.fromfile(tmp_path / file, np.float32)).view_as(expected)
        assert (got - expected).norm() <= 1e-4 * expected.norm(), file
        assert (got - expected).abs().max() <= 1e-4 * expected.abs().max(), file
    assert [int(token) for token in result.stdout.split()] == greedy(model, PROMPT, STEPS)

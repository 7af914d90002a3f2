"""lowp import: transformers loads what it writes, with the weights of the file; nothing is half written."""

import hashlib
import json
import resource
import signal
import subprocess
import time

import gguf
import gguf_models
import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file

Q = gguf_models.Q
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}

VARIANTS = {
    "llama": ("llama", dict(rms_norm_eps=1e-5)),
    "llama-tied": ("llama", dict(tie_word_embeddings=True)),
    "llama-biases": ("llama", dict(attention_bias=True, mlp_bias=True)),
    "llama-llama3": ("llama", dict(rope_parameters=LLAMA3)),
    "llama-llama3-32": ("llama", dict(rope_parameters={**LLAMA3, "factor": 32.0})),
    "llama-linear": (
        "llama",
        dict(rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=2.5)),
    ),
    "mistral": ("mistral", dict(sliding_window=None)),
    "qwen2": ("qwen2", dict(rope_parameters=dict(rope_type="default", rope_theta=1e6))),
    "qwen3": ("qwen3", dict(head_dim=128, tie_word_embeddings=True)),
    "gemma3": (
        "gemma3_text",
        dict(num_hidden_layers=7, sliding_window=16, query_pre_attn_scalar=64, pad_token_id=None),
    ),
}


def load(directory, dtype):
    return transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=dtype, local_files_only=True
    ).eval()


@pytest.fixture
def llama(tmp_path):
    path = tmp_path / "model.gguf"
    gguf_models.write_gguf(path, gguf_models.random_model("llama"))
    return path


@pytest.mark.parametrize("variant", VARIANTS)
def test_transformers_loads_the_same_model(variant, run_lowp, tmp_path):
    """Weights bit for bit, logits to the last bit of fp32 sums, configuration where it matters."""
    model_type, options = VARIANTS[variant]
    original = gguf_models.random_model(model_type, **options)
    path, out = tmp_path / "model.gguf", tmp_path / "out"
    gguf_models.write_gguf(path, original)
    run_lowp("import", path, "-o", out, "--no-tokenizer")
    stored = load_file(out / "model.safetensors")
    expected = original.state_dict()
    if original.config.tie_word_embeddings:
        expected.pop("lm_head.weight")
    assert stored.keys() == expected.keys()
    for name, values in expected.items():
        assert stored[name].equal(values.to(torch.bfloat16)), name

    imported = load(out, torch.float32)
    assert load(out, "auto").dtype == torch.bfloat16
    ids = torch.arange(60).remainder(64).reshape(1, -1)
    with torch.no_grad():
        torch.testing.assert_close(
            imported(ids).logits, original(ids).logits, rtol=1e-5, atol=1e-5
        )
    for key in ("rms_norm_eps", "tie_word_embeddings", "max_position_embeddings", "head_dim"):
        assert getattr(imported.config, key) == getattr(original.config, key), key
    if variant == "gemma3":
        assert imported.config.rope_parameters == original.config.rope_parameters
        assert imported.config.layer_types == original.config.layer_types
        assert imported.config.sliding_window == 16


@pytest.mark.parametrize("model_type", ["llama", "qwen2", "qwen3", "gemma3_text"])
def test_agrees_with_the_gguf_loader_of_transformers(model_type, run_lowp, tmp_path):
    """An independent reading of the same file: every parameter, from Q8_0 blocks."""
    # transformers does not read the head dimension of qwen3 from the file.
    head_dim = 128 if model_type == "qwen3" else 64
    original = gguf_models.random_model(model_type, sliding_window=16, head_dim=head_dim)
    gguf_models.write_gguf(tmp_path / "model.gguf", original, Q.Q8_0)
    run_lowp("import", tmp_path / "model.gguf", "-o", tmp_path / "out", "--no-tokenizer")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="model.gguf", dtype=torch.float32, local_files_only=True
    )
    mine = load(tmp_path / "out", torch.bfloat16).state_dict()
    assert mine.keys() == theirs.state_dict().keys()
    for name, values in theirs.state_dict().items():
        assert mine[name].equal(values.to(torch.bfloat16)), name


def test_shards(run_lowp, llama, tmp_path):
    whole, split = tmp_path / "whole", tmp_path / "split"
    run_lowp("import", llama, "-o", whole, "--no-tokenizer")
    result = run_lowp(
        "import", llama, "-o", split, "--no-tokenizer", "--max-shard-size", "600KB", "--json"
    )
    summary = json.loads(result.stdout)
    index = json.loads((split / "model.safetensors.index.json").read_text())
    expected = load_file(whole / "model.safetensors")
    sizes = {name: values.nbytes for name, values in expected.items()}
    assert index["metadata"]["total_size"] == sum(sizes.values()) == summary["bytes"]
    assert index["weight_map"].keys() == expected.keys()
    shards = sorted(set(index["weight_map"].values()))
    count = len(shards)
    assert count > 2
    assert shards == [f"model-{i:05}-of-{count:05}.safetensors" for i in range(1, count + 1)]
    assert set(summary["files"]) == {path.name for path in split.iterdir()}
    for shard in shards:
        weights = load_file(split / shard)
        assert sum(values.nbytes for values in weights.values()) <= 600_000
        for name, values in weights.items():
            assert index["weight_map"][name] == shard and values.equal(expected[name])
    assert load(split, "auto").state_dict()["model.norm.weight"].equal(expected["model.norm.weight"])
    listing = json.loads(run_lowp("inspect", split, "--json").stdout)
    assert listing["bytes"] == summary["bytes"]
    (split / shards[1]).unlink()
    missing = run_lowp("inspect", split, check=False)
    assert missing.returncode == 1 and shards[1] in missing.stderr


def test_special_tokens_and_sampling(run_lowp, tmp_path):
    def metadata(writer):
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_uint32("tokenizer.ggml.eot_token_id", 3)
        writer.add_float32("general.sampling.temp", 0.6)
        writer.add_int32("general.sampling.top_k", 20)

    model = gguf_models.random_model("qwen3")
    gguf_models.write_gguf(tmp_path / "model.gguf", model, metadata=metadata)
    run_lowp("import", tmp_path / "model.gguf", "-o", tmp_path / "out", "--no-tokenizer")
    generation = load(tmp_path / "out", "auto").generation_config
    assert generation.bos_token_id == 1 and generation.eos_token_id == [2, 3]
    assert generation.do_sample and generation.top_k == 20
    assert generation.temperature == 0.6  # not 0.6000000238418579


def test_threads_do_not_change_bytes(run_lowp, llama, tmp_path):
    digests = set()
    for threads in (1, 4):
        out = tmp_path / str(threads)
        run_lowp("import", llama, "-o", out, "--no-tokenizer", "--threads", threads)
        digests.add(hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_output_that_is_not_empty(run_lowp, llama, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "model-00001-of-00002.safetensors").write_text("of another model")
    refused = run_lowp("import", llama, "-o", out, "--no-tokenizer", check=False)
    assert refused.returncode == 1 and "--force" in refused.stderr
    assert len(list(out.iterdir())) == 2
    run_lowp("import", llama, "-o", out, "--no-tokenizer", "--force")
    assert sorted(path.name for path in out.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "notes.txt",
    ]


def write_changed(path, change=None, metadata=None, model_type="llama", **options):
    gguf_models.write_gguf(
        path, gguf_models.random_model(model_type, **options), metadata=metadata, change=change
    )


def only(name, replacement):
    """A change of the tensor `name` alone."""
    return lambda *tensor: replacement(*tensor) if tensor[0] == name else tensor


def set_int(key, value):
    return lambda writer: writer.kv_data[0][key].__setattr__("value", value)


UNSUITABLE = {
    "missing": (dict(change=only("blk.1.ffn_up.weight", lambda *_: None)), "blk.1.ffn_up.weight"),
    "extra": (
        dict(change=only("blk.1.ffn_up.weight", lambda _, data, kind: ("blk.1.x", data, kind))),
        "blk.1.ffn_up.weight",
    ),
    "shape": (
        dict(change=only("blk.0.attn_v.weight", lambda name, data, kind: (name, data[1:], kind))),
        "has shape [127, 256], expected [128, 256]",
    ),
    "type": (
        dict(
            change=only(
                "blk.0.attn_v.weight",
                lambda name, data, _: (name, np.zeros((128, 84), dtype=np.uint8), Q.Q2_K),
            )
        ),
        "has type Q2_K",
    ),
    "split": (dict(metadata=lambda writer: writer.add_uint16("split.count", 3)), "model in parts"),
    "experts": (dict(metadata=lambda writer: writer.add_expert_count(8)), "expert_count"),
    "heads": (dict(metadata=set_int("llama.attention.head_count_kv", 3)), "head_count_kv"),
    "zero": (dict(metadata=set_int("llama.block_count", 0)), "value is 0, expected an integer"),
    "layers": (dict(metadata=set_int("llama.block_count", 2**31 - 1)), "blk.2.attn_norm.weight"),
    "epsilon": (
        dict(metadata=set_int("llama.attention.layer_norm_rms_epsilon", float("nan"))),
        "expected a finite number above 0",
    ),
    "architecture": (
        dict(metadata=set_int("general.architecture", "phi3")),
        "expected one of llama, qwen2, qwen3, gemma3",
    ),
    "bos": (dict(metadata=lambda writer: writer.add_bos_token_id(64)), "expected an integer from 0"),
    "yarn-like": (
        dict(metadata=lambda writer: writer.add_string("llama.rope.scaling.type", "longrope")),
        "longrope",
    ),
    "tokenizer": ({}, "--no-tokenizer"),
}


@pytest.mark.parametrize("case", UNSUITABLE)
def test_models_that_cannot_be_imported(case, run_lowp, tmp_path):
    options, message = UNSUITABLE[case]
    write_changed(tmp_path / "model.gguf", **options)
    arguments = [] if case == "tokenizer" else ["--no-tokenizer"]
    out = tmp_path / "out"
    result = run_lowp("import", tmp_path / "model.gguf", "-o", out, *arguments, check=False)
    assert result.returncode == 1
    assert str(tmp_path / "model.gguf") in result.stderr
    assert message in result.stderr and "unexpected error" not in result.stderr, result.stderr
    assert not out.exists()


def test_output_that_cannot_be_made(run_lowp, llama, tmp_path):
    (tmp_path / "file").write_text("")
    result = run_lowp("import", llama, "-o", tmp_path / "file" / "out", "--no-tokenizer", check=False)
    assert result.returncode == 1 and str(tmp_path / "file") in result.stderr


def test_full_disk_leaves_nothing(lowp_command, llama, tmp_path):
    """A limit on the size of files stands for a full disk."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    out = tmp_path / "out"
    result = subprocess.run(
        [lowp_command, "import", llama, "-o", out, "--no-tokenizer"],
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert result.returncode == 1 and "model.safetensors" in result.stderr
    assert not out.exists()


def test_demo_model_bit_for_bit(run_lowp, demo_gguf, tmp_path):
    out = tmp_path / "out"
    summary = json.loads(run_lowp("import", demo_gguf, "-o", out, "--json").stdout)
    assert summary["parameters"] == 134515008 and summary["tensors"] == 272

    reader = gguf.GGUFReader(demo_gguf)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 30)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    config = transformers.AutoConfig.from_pretrained(out)
    with safe_open(out / "model.safetensors", "pt") as weights:
        assert len(weights.keys()) == len(tensors)
        for name in weights.keys():
            tensor = tensors[names.get_name(name, (".weight",))]
            values = gguf.dequantize(tensor.data, tensor.tensor_type)
            if heads := gguf_models.interleaved_heads(config, name):
                values = gguf_models.deinterleave(values, heads)
            expected = torch.from_numpy(np.array(values)).to(torch.bfloat16)
            assert weights.get_tensor(name).view(torch.int16).equal(expected.view(torch.int16)), name

    model = load(out, "auto")
    tokenizer = transformers.AutoTokenizer.from_pretrained(out, local_files_only=True)
    prompt = [{"role": "user", "content": "What is the capital of France?"}]
    ids = tokenizer.apply_chat_template(
        prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = model.generate(**ids, max_new_tokens=8, do_sample=False)
    text = tokenizer.decode(answer[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
    assert text == "The capital of France is Paris."


def test_killed_import_shows_no_incomplete_file(lowp_command, demo_gguf, tmp_path):
    """SIGKILL at random moments: what has its final name is whole, and config.json comes last."""
    rng = np.random.default_rng(0)
    start = time.monotonic()
    command = [lowp_command, "import", demo_gguf, "-o"]
    subprocess.run([*command, tmp_path / "whole"], check=True, capture_output=True)
    duration = time.monotonic() - start
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    for i, delay in enumerate(rng.uniform(0, duration, 5)):
        out = tmp_path / str(i)
        process = subprocess.Popen([*command, out], stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait()
        found = [path for path in out.iterdir() if path.suffix != ".partial"] if out.exists() else []
        for path in found:
            assert path.read_bytes() == whole[path.name], (path.name, delay)
        if out / "config.json" in found:
            assert len(found) == len(whole)

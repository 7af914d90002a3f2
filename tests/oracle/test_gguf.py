"""GGUF blocks and metadata against the gguf package."""

import json
import struct

import gguf
import gguf_models
import numpy as np
import pytest
from safetensors.torch import load_file


@pytest.mark.parametrize("qtype", gguf_models.TYPES, ids=lambda qtype: qtype.name)
def test_values_equal_the_gguf_package(qtype, run_lowp, tmp_path):
    """Every matrix as one type; bf16 is the package's fp32 rounded by torch, f32 its own."""
    model = gguf_models.random_model("llama", num_hidden_layers=1)
    expected = gguf_models.write_gguf(tmp_path / "model.gguf", model, qtype)
    for dtype in ("bf16", "f32"):
        out = tmp_path / dtype
        run_lowp("import", tmp_path / "model.gguf", "-o", out, "--dtype", dtype, "--no-tokenizer")
        weights = load_file(out / "model.safetensors")
        assert weights.keys() == expected.keys()
        for name, tensor in weights.items():
            assert tensor.equal(expected[name].to(tensor.dtype)), name


def test_extreme_blocks(run_lowp, tmp_path):
    """Random bytes throughout: fp16 scales are subnormal, infinite and NaN too."""
    model = gguf_models.random_model("llama", num_hidden_layers=1)
    rng = np.random.default_rng(1)

    for qtype in gguf_models.TYPES[1:]:
        stored = {}

        def scramble(name, data, kind):
            if kind == qtype and "attn_q" not in name and "attn_k" not in name:
                data = rng.integers(0, 256, data.view(np.uint8).shape, dtype=np.uint8)
                if kind == gguf_models.Q.F16:
                    data = data.view(np.float16)
                with np.errstate(all="ignore"):
                    stored[name] = gguf.dequantize(data, kind)
            return name, data, kind

        path = tmp_path / f"{qtype.name}.gguf"
        gguf_models.write_gguf(path, model, qtype, change=scramble)
        out = tmp_path / qtype.name
        run_lowp("import", path, "-o", out, "--dtype", "f32", "--no-tokenizer")
        weights = load_file(out / "model.safetensors")
        assert len(stored) == 7
        for name, values in (
            ("model.embed_tokens.weight", stored["token_embd.weight"]),
            ("model.layers.0.mlp.down_proj.weight", stored["blk.0.ffn_down.weight"]),
            ("model.layers.0.self_attn.v_proj.weight", stored["blk.0.attn_v.weight"]),
        ):
            np.testing.assert_array_equal(weights[name].numpy(), values, err_msg=f"{qtype} {name}")


def test_inspect_reads_what_the_gguf_package_wrote(run_lowp, tmp_path):
    def metadata(writer):
        writer.add_string("text", "naïve 漢字 🙂\n")
        writer.add_array("few", [1, -2, 3])
        writer.add_array("many", [f"token {i}" for i in range(1000)])
        writer.add_bool("flag", True)
        writer.add_float64("pi", 3.141592653589793)
        writer.add_uint64("large", 2**63)

    path = tmp_path / "model.gguf"
    model = gguf_models.random_model("qwen3")
    gguf_models.write_gguf(path, model, gguf_models.Q.Q6_K, metadata)
    found = json.loads(run_lowp("inspect", path, "--json").stdout)
    reader = gguf.GGUFReader(path)
    assert found["format"] == "GGUF v3" and found["ok"]
    assert found["tensor_count"] == len(reader.tensors)
    for mine, theirs in zip(found["tensors"], reader.tensors, strict=True):
        assert mine["name"] == theirs.name
        assert mine["dtype"] == theirs.tensor_type.name
        assert mine["shape"] == theirs.shape.tolist()[::-1]
        assert mine["bytes"] == theirs.n_bytes
    total = sum(int(tensor.n_bytes) for tensor in reader.tensors)
    count = sum(int(tensor.n_elements) for tensor in reader.tensors)
    assert found["bytes"] == total and found["parameters"] == count
    assert found["bits_per_weight"] == pytest.approx(8 * total / count)
    assert found["metadata"]["many"] == {"array_of": "string", "length": 1000}
    for key in ("text", "few", "flag", "pi", "large", "qwen3.block_count"):
        assert found["metadata"][key] == reader.get_field(key).contents(), key
    text = run_lowp("inspect", path).stdout
    assert "blk.1.ffn_down.weight" in text and "many" in text


def test_alignment_of_the_file_is_followed(run_lowp, tmp_path):
    path = tmp_path / "model.gguf"
    model = gguf_models.random_model("llama", num_hidden_layers=1)
    expected = gguf_models.write_gguf(
        path, model, gguf_models.Q.Q4_0, lambda writer: writer.add_custom_alignment(256)
    )
    run_lowp("import", path, "-o", tmp_path / "out", "--no-tokenizer", "--dtype", "f32")
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert all(weights[name].equal(values) for name, values in expected.items())


@pytest.mark.parametrize("command", ["inspect", "import"])
def test_broken_files_are_named(command, run_lowp, tmp_path):
    """The header's own tests are in gguf_test.cpp; this is how the command shows an error."""
    path = tmp_path / "model.gguf"
    gguf_models.write_gguf(path, gguf_models.random_model("llama", num_hidden_layers=1))
    data = path.read_bytes()
    out = tmp_path / "out"
    broken = {
        "truncated": (data[:-1], "data section has"),
        "magic": (b"GGML" + data[4:], "magic"),
        "version": (data[:4] + struct.pack("<I", 9) + data[8:], "version is 9"),
        "count": (data[:8] + struct.pack("<Q", 2**60) + data[16:], "tensor count is 1152921504606846976"),
        "empty": (b"", "magic needs 4 bytes"),
    }
    for name, (content, message) in broken.items():
        bad = tmp_path / f"{name}.gguf"
        bad.write_bytes(content)
        arguments = [command, bad] + (["-o", out] if command == "import" else [])
        result = run_lowp(*arguments, check=False)
        assert result.returncode == 1, name
        assert message in result.stderr and str(bad) in result.stderr, name
        assert not out.exists(), name
    failed = run_lowp("inspect", tmp_path / "magic.gguf", "--json", check=False)
    assert failed.returncode == 1 and json.loads(failed.stdout)["ok"] is False

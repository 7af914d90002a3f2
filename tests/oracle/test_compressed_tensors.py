"""Checkpoints of `lowp quantize` against the compressed-tensors package and transformers: the package
decompresses them and transformers loads them, both bit-equal to `lowp dequantize`."""

import json

import pytest
import safetensors.torch
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationConfig, preset_name_to_scheme
from compressed_tensors.utils.match import match_name, match_targets
from transformers import (
    AutoModelForCausalLM,
    CompressedTensorsConfig,
    LlamaConfig,
    LlamaForCausalLM,
)

# scheme of lowp -> (extra arguments, preset of compressed-tensors or None, activations of the preset)
SCHEMES = {
    "W8A8": ([], "W8A8"),
    "W8A16": ([], None),
    "W8A16 g64": (["--group-size", "64"], None),
    "W4A16": ([], "W4A16"),
    "W4A16 g32": (["--group-size", "32"], None),
    "W4A16_ASYM": ([], "W4A16_ASYM"),
    "W4A8": ([], "W4A8"),
    "W4A8 g32": (["--group-size", "32"], None),
    "W4A8_ASYM": ([], None),
    "W4AFP8": ([], "W4AFP8"),
    "W2A16 g32": (["--group-size", "32"], None),
    "W3A16_ASYM g64": (["--group-size", "64"], None),
    "W5A16_ASYM": ([], None),
    "W6A8": ([], None),
    "W7A8_ASYM g64": (["--group-size", "64"], None),
    "FP8": ([], None),
    "FP8_DYNAMIC": ([], "FP8_DYNAMIC"),
    "FP8_BLOCK": ([], "FP8_BLOCK"),
    "FP8_WEIGHT_ONLY": ([], None),
    "MXFP8": ([], "MXFP8"),
    "MXFP8A16": ([], "MXFP8A16"),
    "MXFP6": ([], "MXFP6A16"),
    "MXFP4": ([], "MXFP4A16"),
    "NVFP4": ([], "NVFP4A16"),
}


def bits(tensor):
    views = {torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32}
    return tensor.contiguous().view(views[tensor.dtype])


def assert_same_bits(a, b, name):
    assert a.dtype == b.dtype and a.shape == b.shape, name
    different = (bits(a) != bits(b)).sum().item()
    assert different == 0, f"{name}: {different} of {a.numel()} differ"


def read_tensors(directory):
    tensors = {}
    for path in sorted(directory.glob("*.safetensors")):
        tensors.update(safetensors.torch.load_file(path))
    return tensors


def make_llama(directory, dtype, **options):
    torch.manual_seed(1)
    config = LlamaConfig(
        hidden_size=256,
        intermediate_size=384,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=320,
        max_position_embeddings=128,
        **options,
    )
    model = LlamaForCausalLM(config).to(dtype)
    with torch.no_grad():
        weight = model.model.layers[0].self_attn.q_proj.weight
        weight[3] = 0  # blocks of zeros, large and tiny numbers
        weight[4] *= 2.0**6
        weight[5] *= 2.0**-20
        weight[6, :32] *= 2.0**-30
        model.model.layers[0].mlp.up_proj.weight.zero_()
    model.save_pretrained(directory, max_shard_size="400KB")
    return directory


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """A random Llama in bf16, several shards; heads and columns of 256 and 384."""
    return make_llama(tmp_path_factory.mktemp("llama"), torch.bfloat16, tie_word_embeddings=False)


def quantize(run_lowp, source, output, scheme, *arguments):
    run_lowp("quantize", source, "-o", output, "--scheme", scheme.split()[0], "-q", *arguments)
    return output


def decompress(directory):
    """Every linear weight as compressed-tensors makes it from the files."""
    config = json.loads((directory / "config.json").read_text())["quantization_config"]
    config = QuantizationConfig.model_validate(config)
    tensors = read_tensors(directory)
    targets = {target: group for group in config.config_groups.values() for target in group.targets}
    weights = {}
    for name in tensors:
        if not name.endswith(".weight_scale"):
            continue
        module = name.removesuffix(".weight_scale")
        assert not any(match_name(module, pattern) for pattern in config.ignore)
        scheme = targets[match_targets(module, torch.nn.Linear(1, 1), targets)[0]]
        state = {
            key.removeprefix(module + "."): value
            for key, value in tensors.items()
            if key.startswith(module + ".")
        }
        compressor = BaseCompressor.get_value_from_registry(scheme.format)
        weights[module + ".weight"] = compressor.decompress(state, scheme)["weight"]
    return weights


def dequantize(run_lowp, directory, output, dtype="bf16"):
    run_lowp("dequantize", directory, "-o", output, "--dtype", dtype, "-q")
    return read_tensors(output)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_package_decompresses_to_our_bits(run_lowp, llama, tmp_path, scheme):
    output = quantize(run_lowp, llama, tmp_path / "q", scheme, *SCHEMES[scheme][0])
    theirs = decompress(output)
    ours = dequantize(run_lowp, output, tmp_path / "d")
    source = read_tensors(llama)
    assert len(theirs) == 14
    assert ours.keys() == source.keys()
    for name, tensor in ours.items():
        assert_same_bits(tensor, theirs.get(name, source[name]), name)
        if name in theirs and "layers.1." in name:
            error = (tensor.float() - source[name].float()).norm() / source[name].float().norm()
            assert error < (0.5 if scheme.startswith("W2") else 0.2), name  # e2m1 has about 0.1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_transformers_loads_our_bits(run_lowp, llama, tmp_path, scheme):
    output = quantize(run_lowp, llama, tmp_path / "q", scheme, *SCHEMES[scheme][0])
    options = {}
    if "A16_ASYM" in scheme:
        # transformers 5.23 builds the module on the meta device, where compressed-tensors 0.20 forgets to
        # pack zero points: no asymmetric checkpoint loads, its own neither, unless it is dequantized at once.
        options["quantization_config"] = CompressedTensorsConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(output, dtype=torch.bfloat16, **options)
    logits = model(torch.arange(8)[None]).logits  # decompresses
    assert logits.isfinite().all()
    ours = dequantize(run_lowp, output, tmp_path / "d")
    state = model.state_dict()
    for name, tensor in ours.items():
        assert_same_bits(tensor, state[name], name)


@pytest.mark.parametrize("scheme", [name for name, (_, preset) in SCHEMES.items() if preset])
def test_config_is_the_packages_preset(run_lowp, llama, tmp_path, scheme):
    arguments, preset = SCHEMES[scheme]
    output = quantize(run_lowp, llama, tmp_path / "q", scheme, *arguments)
    text = (output / "config.json").read_text()
    raw = json.loads(text)
    assert text == json.dumps(raw, indent=2, sort_keys=True) + "\n"
    config = QuantizationConfig.model_validate(raw["quantization_config"])
    assert config.quantization_status == "compressed"
    assert config.ignore == ["lm_head"]
    (group,) = config.config_groups.values()
    expected = preset_name_to_scheme(preset, ["Linear"])
    assert group.format == config.format
    for side in ("weights", "input_activations"):
        theirs, ours = getattr(expected, side), getattr(group, side)
        assert (theirs is None) == (ours is None), side
        if theirs is None:
            continue
        # An observer says how a scale was found; zp_dtype is written out where the package infers it.
        exclude = {"observer", "observer_kwargs", "zp_dtype"}
        assert ours.model_dump(exclude=exclude) == theirs.model_dump(exclude=exclude), side


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("scheme", ["W8A8", "W4A16_ASYM", "FP8_DYNAMIC", "NVFP4"])
def test_scales_have_the_weights_dtype(run_lowp, tmp_path, scheme, dtype):
    source = make_llama(tmp_path / "s", dtype)
    output = quantize(run_lowp, source, tmp_path / "q", scheme)
    tensors = read_tensors(output)
    scale = tensors["model.layers.1.mlp.down_proj.weight_scale"]
    assert scale.dtype == (torch.float8_e4m3fn if scheme == "NVFP4" else dtype)
    theirs = decompress(output)
    ours = dequantize(run_lowp, output, tmp_path / "d", "f32" if dtype == torch.float32 else "bf16")
    for name, tensor in theirs.items():
        if dtype == torch.float16 or scheme == "NVFP4":  # the package rounds to these on its way
            assert torch.allclose(ours[name].float(), tensor.float(), rtol=2**-7, atol=1e-6), name
        else:
            assert_same_bits(ours[name], tensor, name)


def test_formulas_of_int8_by_hand(run_lowp, llama, tmp_path):
    """Scale amax / 127.5 in bf16, code round(x * bf16(1 / scale)), all arithmetic in bf16."""
    output = quantize(run_lowp, llama, tmp_path / "q", "W8A8")
    tensors, source = read_tensors(output), read_tensors(llama)
    for name in ("model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"):
        w = source[name + ".weight"]
        scale = (w.abs().amax(1, keepdim=True) / 127.5).clamp_min(2.0**-23)
        assert_same_bits(tensors[name + ".weight_scale"], scale, name)
        error = (tensors[name + ".weight"].float() * scale.float() - w.float()).abs()
        # Half a step, and one at the end of the range, where 127.5 steps meet code 127.
        assert (error <= scale.float() * 1.01).all()


def test_fused_layers_share_one_global_scale(run_lowp, llama, tmp_path):
    for scheme, suffix in (("NVFP4", "weight_global_scale"), ("FP8", "weight_scale")):
        tensors = read_tensors(quantize(run_lowp, llama, tmp_path / scheme, scheme))
        source = read_tensors(llama)
        for layer in range(2):
            prefix = f"model.layers.{layer}."
            for fused in (("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
                          ("mlp.gate_proj", "mlp.up_proj")):
                scales = [tensors[f"{prefix}{name}.{suffix}"] for name in fused]
                assert all(torch.equal(scale, scales[0]) for scale in scales)
                amax = max(source[f"{prefix}{name}.weight"].float().abs().max() for name in fused)
                expected = torch.tensor(2688.0) / amax if scheme == "NVFP4" else (amax / 448).bfloat16()
                assert torch.equal(scales[0], expected.reshape(1))


def test_overrides_and_ignored_layers(run_lowp, llama, tmp_path):
    output = quantize(
        run_lowp, llama, tmp_path / "q", "W4A16", "--group-size", "64",
        "--ignore", "model.layers.1.mlp.up_proj", "re:.*layers.0.*o_proj",
        "--tensor-scheme", ".*down_proj=W8A16", "re:.*v_proj$=FP8_DYNAMIC",
    )
    config = json.loads((output / "config.json").read_text())["quantization_config"]
    assert config["format"] == "mixed-precision"
    assert config["ignore"] == sorted(
        ["lm_head", "model.layers.1.mlp.up_proj", "model.layers.0.self_attn.o_proj"])
    targets = [group["targets"] for group in config["config_groups"].values()]
    assert targets[0] == ["Linear"]
    assert sorted(map(sorted, targets[1:])) == [
        [f"model.layers.{i}.mlp.down_proj" for i in range(2)],
        [f"model.layers.{i}.self_attn.v_proj" for i in range(2)],
    ]
    theirs = decompress(output)
    ours = dequantize(run_lowp, output, tmp_path / "d")
    model = AutoModelForCausalLM.from_pretrained(output, dtype=torch.bfloat16)
    model(torch.arange(4)[None])
    source = read_tensors(llama)
    for name, tensor in ours.items():
        assert_same_bits(tensor, theirs.get(name, source[name]), name)
        assert_same_bits(tensor, model.state_dict()[name], name)


def test_head_is_quantized_when_asked(run_lowp, llama, tmp_path):
    output = quantize(run_lowp, llama, tmp_path / "q", "W8A16", "--quantize-lm-head")
    assert "lm_head.weight_packed" in read_tensors(output)
    config = json.loads((output / "config.json").read_text())["quantization_config"]
    assert config["ignore"] == []
    model = AutoModelForCausalLM.from_pretrained(output, dtype=torch.bfloat16)
    model(torch.arange(4)[None])
    ours = dequantize(run_lowp, output, tmp_path / "d")
    assert_same_bits(ours["lm_head.weight"], model.state_dict()["lm_head.weight"], "lm_head")


def test_tied_head_is_ignored(run_lowp, tmp_path):
    source = make_llama(tmp_path / "s", torch.bfloat16, tie_word_embeddings=True)
    output = quantize(run_lowp, source, tmp_path / "q", "FP8_DYNAMIC")
    config = json.loads((output / "config.json").read_text())["quantization_config"]
    assert config["ignore"] == ["lm_head"]
    model = AutoModelForCausalLM.from_pretrained(output, dtype=torch.bfloat16)
    assert model(torch.arange(4)[None]).logits.isfinite().all()


def test_we_read_what_the_package_wrote(run_lowp, llama, tmp_path):
    """Weights compressed by the package, W4A16_ASYM and FP8_BLOCK, its config.json included."""
    from compressed_tensors.compressors import ModelCompressor
    from compressed_tensors.quantization import apply_quantization_config
    from compressed_tensors.quantization.utils import calculate_qparams

    for preset in ("W4A16_ASYM", "FP8_BLOCK"):
        model = LlamaForCausalLM.from_pretrained(llama, dtype=torch.bfloat16)
        config = QuantizationConfig(
            config_groups={"group_0": preset_name_to_scheme(preset, ["Linear"])}, ignore=["lm_head"])
        apply_quantization_config(model, config)
        for module in model.modules():
            scheme = getattr(module, "quantization_scheme", None)
            if scheme is None:
                continue
            n, k = module.weight.shape
            args = scheme.weights
            shape = (n // 128, 128, k // 128, 128) if preset == "FP8_BLOCK" else (n, 1, k // 128, 128)
            blocks = module.weight.detach().reshape(shape)
            scale, zero = calculate_qparams(blocks.amin((1, 3)), blocks.amax((1, 3)), args)
            module.weight_scale.data.copy_(scale)
            if not args.symmetric:
                module.weight_zero_point.data.copy_(zero)
        compressor = ModelCompressor.from_pretrained_model(model)
        compressor.compress_model(model)
        output = tmp_path / preset
        output.mkdir()
        state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        safetensors.torch.save_file(state, output / "model.safetensors", {"format": "pt"})
        (output / "config.json").write_text((llama / "config.json").read_text())
        compressor.update_config(output)
        ours = dequantize(run_lowp, output, tmp_path / f"{preset}-d")
        for name, tensor in decompress(output).items():
            assert_same_bits(ours[name], tensor, name)


def test_smollm2(run_lowp, demo_gguf, tmp_path):
    """A real model, imported, NVFP4: its 576 columns are no power of two."""
    run_lowp("import", demo_gguf, "-o", tmp_path / "s", "-q")
    output = quantize(run_lowp, tmp_path / "s", tmp_path / "q", "NVFP4")
    ours = dequantize(run_lowp, output, tmp_path / "d")
    theirs = decompress(output)
    assert len(theirs) == 30 * 7
    for name, tensor in theirs.items():
        assert_same_bits(ours[name], tensor, name)
    model = AutoModelForCausalLM.from_pretrained(output, dtype=torch.bfloat16)
    model(torch.arange(4)[None])
    state = model.state_dict()
    for name, tensor in ours.items():
        assert_same_bits(tensor, state[name], name)


@pytest.mark.parametrize("change, message", [
    ({"quant_method": "gptq"}, "quant_method"),
    ({"kv_cache_scheme": {"num_bits": 8}}, "kv_cache_scheme"),
    ({"config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 3}}}}, "group_0"),
    ({"config_groups": []}, "config_groups"),
    ({"ignore": [1]}, "ignore"),
])
def test_foreign_configs_are_refused_by_field(run_lowp, llama, tmp_path, change, message):
    output = quantize(run_lowp, llama, tmp_path / "q", "W8A8")
    config = json.loads((output / "config.json").read_text())
    config["quantization_config"].update(change)
    (output / "config.json").write_text(json.dumps(config))
    result = run_lowp("dequantize", output, "-o", tmp_path / "d", check=False)
    assert result.returncode == 1
    assert message in result.stderr and "config.json" in result.stderr


def test_damaged_tensors_are_refused_by_name(run_lowp, llama, tmp_path):
    name = "model.layers.0.mlp.down_proj.weight_"
    damages = {
        "scale": lambda t: t[:-1],
        "shape": lambda t: t + 1000,
        "packed": lambda t: t.float(),
        "zero_point": None,
    }
    for suffix, damage in damages.items():
        output = quantize(run_lowp, llama, tmp_path / suffix, "W4A16_ASYM")
        for path in output.glob("*.safetensors"):
            tensors = safetensors.torch.load_file(path)
            if name + suffix not in tensors:
                continue
            tensor = tensors.pop(name + suffix)
            if damage:
                tensors[name + suffix] = damage(tensor).contiguous()
            safetensors.torch.save_file(tensors, path)
            index = output / "model.safetensors.index.json"
            if not damage:
                json_index = json.loads(index.read_text())
                del json_index["weight_map"][name + suffix]
                index.write_text(json.dumps(json_index))
        result = run_lowp("dequantize", output, "-o", tmp_path / f"d-{suffix}", check=False)
        assert result.returncode == 1
        assert name + suffix in result.stderr
        assert not (tmp_path / f"d-{suffix}").exists()

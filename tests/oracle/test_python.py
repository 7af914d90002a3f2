"""lowp.quantize_ over torch modules: against torchao's tensors, under torch.compile, and by itself."""

import copy

import ml_dtypes
import numpy as np
import pytest
import torch

lowp = pytest.importorskip("lowp", reason="the operators are not built", exc_type=ImportError)

torchao = pytest.importorskip("torchao")
from torchao.prototype.mx_formats.config import ScaleCalculationMode  # noqa: E402
from torchao.prototype.mx_formats.mx_tensor import MXTensor, to_mx  # noqa: E402
from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor  # noqa: E402
from torchao.quantization import quant_api as ao  # noqa: E402
from torchao.quantization.granularity import PerAxis, PerGroup, PerRow, PerTensor  # noqa: E402
from torchao.quantization.quant_primitives import MappingType  # noqa: E402

N, K = 64, 256

# config -> smallest SQNR of the layer's output in dB, from torchao's own tests.
CONFIGS = {
    "W8A8": (lowp.Int8DynamicActivationInt8WeightConfig(), 20),
    "W8A8_ASYMMETRIC": (
        lowp.Int8DynamicActivationInt8WeightConfig(act_mapping_type=lowp.MappingType.ASYMMETRIC),
        20,
    ),
    "W8A8_PER_TENSOR": (
        lowp.Int8DynamicActivationInt8WeightConfig(granularity=lowp.PerTensor()),
        20,
    ),
    "W8A16": (lowp.Int8WeightOnlyConfig(), 20),
    "W8A16_GROUP": (lowp.Int8WeightOnlyConfig(granularity=lowp.PerGroup(64)), 20),
    "W4A16": (lowp.Int4WeightOnlyConfig(32, lowp.MappingType.SYMMETRIC), 18),
    "W4A16_ASYM": (lowp.Int4WeightOnlyConfig(32, lowp.MappingType.ASYMMETRIC), 18),
    "W4A16_FLOAT_ZERO": (lowp.Int4WeightOnlyConfig(32), 18),
    "W4A8": (
        lowp.Int8DynamicActivationInt4WeightConfig(act_mapping_type=lowp.MappingType.SYMMETRIC),
        18,
    ),
    "W4A8_ASYMMETRIC": (lowp.Int8DynamicActivationInt4WeightConfig(), 18),
    "W4A8_ASYM": (lowp.Int8DynamicActivationInt4WeightConfig(32, lowp.MappingType.ASYMMETRIC), 18),
    "W4AFP8": (lowp.Float8DynamicActivationInt4WeightConfig(32), 18),
    "W1A16_ASYM": (
        lowp.IntxWeightOnlyConfig(torch.int1, lowp.PerGroup(8), lowp.MappingType.ASYMMETRIC), 0,
    ),
    "W2A16": (lowp.IntxWeightOnlyConfig(torch.int2, lowp.PerGroup(16)), 6),
    "W2A16_ASYM": (
        lowp.IntxWeightOnlyConfig(torch.int2, lowp.PerGroup(32), lowp.MappingType.ASYMMETRIC), 7,
    ),
    "W3A16": (lowp.IntxWeightOnlyConfig(torch.int3), 11),
    "W4A16_ROW": (lowp.IntxWeightOnlyConfig(torch.int4), 17),
    "W5A8": (lowp.Int8DynamicActivationIntxWeightConfig(torch.int5), 23),
    "W6A8_ASYM": (
        lowp.Int8DynamicActivationIntxWeightConfig(
            torch.int6, lowp.PerRow(), lowp.MappingType.ASYMMETRIC, lowp.MappingType.SYMMETRIC
        ),
        28,
    ),
    "W7A16": (lowp.IntxWeightOnlyConfig(torch.int7, lowp.PerGroup(64)), 33),
    "FP8": (lowp.Float8DynamicActivationFloat8WeightConfig(), 25),
    "FP8_DYNAMIC": (lowp.Float8DynamicActivationFloat8WeightConfig(lowp.PerRow()), 25),
    "FP8_BLOCK": (lowp.Float8DynamicActivationFloat8WeightConfig(lowp.PerBlock()), 25),
    "FP8_WEIGHT_ONLY": (lowp.Float8WeightOnlyConfig(), 25),
    "MXFP8": (lowp.MXDynamicActivationMXWeightConfig(), 25),
    "MXFP8A16": (lowp.MXFP8WeightOnlyConfig(), 25),
    "MXFP6": (lowp.MXFP6WeightOnlyConfig(), 26),
    "MXFP6_E3M2": (lowp.MXFP6WeightOnlyConfig("e3m2"), 20),
    "MXFP4": (lowp.MXFP4WeightOnlyConfig(), 12),
    "NVFP4": (lowp.NVFP4WeightOnlyConfig(), 15),
}


def make_model(dtype=torch.float32):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(K, N), torch.nn.ReLU(), torch.nn.Linear(N, 32, bias=False)]
    return torch.nn.Sequential(*layers).to(dtype)


def sqnr(got, expected):
    got, expected = got.double(), expected.double()
    return float(20 * torch.log10(expected.norm() / (got - expected).norm()))


def quantized_tensors(config, weight):
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
    linear.weight.data.copy_(weight)
    return lowp.nn.Linear(linear, config).tensors()


def torchao_weight(config, weight):
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
    linear.weight.data.copy_(weight)
    torchao.quantize_(linear, config)
    return linear.weight


def assert_same_bits(got, expected):
    assert got.shape == expected.shape
    assert torch.equal(got.contiguous().view(torch.uint8), expected.contiguous().view(torch.uint8))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_accuracy_of_a_layer(name, dtype):
    config, floor = CONFIGS[name]
    model = make_model(dtype)
    x = torch.randn(128, K, dtype=dtype)
    with torch.no_grad():
        expected = model[0](x)
        reports = lowp.quantize_(model, config, lambda _, name: name == "0")
        assert reports[0].skipped == "" and reports[1].skipped == "the filter leaves it out"
        assert sqnr(model[0](x), expected) > floor
        assert reports[0].sqnr_db > floor and reports[0].bits_per_weight < 9.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("ours, theirs", [(lowp.PerRow(), PerRow()), (lowp.PerTensor(), PerTensor())])
def test_int8_equals_torchao(ours, theirs, dtype):
    weight = torch.randn(N, K).to(dtype)
    got = quantized_tensors(lowp.Int8WeightOnlyConfig(ours), weight)
    expected = torchao_weight(ao.Int8WeightOnlyConfig(granularity=theirs), weight)
    assert_same_bits(got["codes"], expected.qdata)
    scale = expected.scale.float().flatten()
    assert torch.equal(got["scale"].flatten(), scale.expand(N) if scale.numel() == 1 else scale)


@pytest.mark.parametrize("ours, theirs", [(lowp.PerRow(), PerRow()), (lowp.PerTensor(), PerTensor())])
def test_float8_equals_torchao(ours, theirs):
    weight = torch.randn(N, K)  # of bfloat16, torchao rounds the scale
    got = quantized_tensors(lowp.Float8WeightOnlyConfig(ours), weight)
    expected = torchao_weight(ao.Float8WeightOnlyConfig(granularity=theirs), weight)
    assert_same_bits(got["codes"], expected.qdata)
    assert torch.equal(got["scale"].flatten(), expected.scale.flatten())


@pytest.mark.parametrize("mode", ["FLOOR", "CEIL", "EVEN", "RCEIL"])
@pytest.mark.parametrize("config", [lowp.MXDynamicActivationMXWeightConfig, lowp.MXFP8WeightOnlyConfig, lowp.MXFP4WeightOnlyConfig])
def test_mx_equals_torchao(config, mode):
    weight = torch.randn(N, K, dtype=torch.bfloat16)
    fp4 = config is lowp.MXFP4WeightOnlyConfig
    got = quantized_tensors(config(lowp.ScaleCalculationMode[mode]), weight)
    expected = MXTensor.to_mx(
        weight,
        torch.float4_e2m1fn_x2 if fp4 else torch.float8_e4m3fn,
        32,
        ScaleCalculationMode[mode],
    )
    assert_same_bits(got["codes"], expected.qdata)
    assert_same_bits(got["scale"], expected.scale.view(torch.uint8).view(got["scale"].dtype))


@pytest.mark.parametrize("mode", ["FLOOR", "CEIL", "EVEN", "RCEIL"])
@pytest.mark.parametrize("element", ["e2m3", "e3m2"])
def test_mxfp6_equals_torchao_and_ml_dtypes(element, mode):
    weight = torch.randn(N, K, dtype=torch.bfloat16)
    got = quantized_tensors(lowp.MXFP6WeightOnlyConfig(element, lowp.ScaleCalculationMode[mode]), weight)
    scale, _ = to_mx(weight, f"fp6_{element}", 32, ScaleCalculationMode[mode])
    assert_same_bits(got["scale"].view(torch.uint8), scale.view(torch.uint8))
    # Four codes in three bytes, the first in the lowest bits.
    b = got["codes"].view(N, K // 4, 3).int()
    word = b[..., 0] | b[..., 1] << 8 | b[..., 2] << 16
    codes = torch.stack([word >> shift & 63 for shift in (0, 6, 12, 18)], -1).reshape(N, K // 32, 32)
    power = torch.exp2(got["scale"].view(torch.uint8).double() - 127)[..., None]
    kind = ml_dtypes.float6_e2m3fn if element == "e2m3" else ml_dtypes.float6_e3m2fn
    largest = 7.5 if element == "e2m3" else 28.0
    scaled = (weight.double().view(N, K // 32, 32) / power).clamp(-largest, largest).numpy()
    expected = torch.from_numpy(scaled.astype(np.float32).astype(kind).view(np.uint8))
    assert torch.equal(codes, expected.int() & 63)


@pytest.mark.parametrize("dynamic", [True, False])
def test_nvfp4_equals_torchao(dynamic):
    weight = torch.randn(N, K)
    got = quantized_tensors(lowp.NVFP4WeightOnlyConfig(dynamic), weight)
    scale = weight.abs().max() / (448.0 * 6.0) if dynamic else None
    expected = NVFP4Tensor.to_nvfp4(weight, per_tensor_scale=scale)
    assert_same_bits(got["codes"], expected.qdata)
    assert_same_bits(got["scale"], expected.scale.view(torch.float8_e4m3fn).view(N, K // 16))
    assert got["tensor_scale"].item() == (scale.item() if dynamic else 1.0)


@pytest.mark.parametrize("group", [32, 128])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_int4_with_float_zero_is_the_published_rule(group, dtype):
    """scale = max(max - min, 1e-6) / 15, code = round((x - min) / scale) - 8 (MSLK's, torchao's int4)."""
    weight = torch.randn(N, K).to(dtype)
    got = quantized_tensors(lowp.Int4WeightOnlyConfig(group), weight)
    groups = weight.float().view(N, -1, group)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    scale = (high - low).clamp_min(1e-6) / 15
    codes = ((groups - low) / scale).round().clamp(0, 15).view(N, K).to(torch.int32) - 8
    packed = (codes[:, ::2] & 15) | (codes[:, 1::2] & 15) << 4
    assert torch.equal(got["codes"], packed.to(torch.uint8))
    assert torch.equal(got["scale"], scale[..., 0].to(dtype))
    assert torch.equal(got["zero"], (low + scale * 8)[..., 0].to(dtype))


def unpack_stream(codes, bits):
    """(N, K * bits / 8) bytes to (N, K): code + 2^(bits - 1) at bit i * bits, lowest bit first."""
    stream = np.unpackbits(codes.numpy(), axis=1, bitorder="little").reshape(len(codes), -1, bits)
    return torch.from_numpy(stream.astype(np.int64) @ (1 << np.arange(bits)) - (1 << bits - 1))


@pytest.mark.parametrize("group", [8, 32, None])
@pytest.mark.parametrize("mapping", ["SYMMETRIC", "ASYMMETRIC"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bits", [1, 2, 3, 5, 6, 7])
def test_intx_equals_torchao(bits, dtype, mapping, group):
    weight = (torch.randn(N, K) * torch.logspace(-2, 1, N)[:, None]).to(dtype)
    weight[3] = 0
    weight_dtype = getattr(torch, f"int{bits}")
    ours = lowp.PerGroup(group) if group else lowp.PerRow()
    theirs = PerGroup(group) if group else PerAxis(0)
    config = lowp.IntxWeightOnlyConfig(weight_dtype, ours, lowp.MappingType[mapping])
    got = quantized_tensors(config, weight)
    expected = torchao_weight(
        ao.IntxWeightOnlyConfig(weight_dtype, theirs, MappingType[mapping]), weight
    )
    assert torch.equal(unpack_stream(got["codes"], bits), expected.qdata.long())
    assert torch.equal(got["scale"].float(), expected.scale.float())
    zero_point = got.get("zero_point", torch.zeros_like(got["scale"]))
    assert torch.equal(zero_point.float(), expected.zero_point.float())
    linear = torch.nn.Linear(K, N, bias=False, dtype=dtype)
    linear.weight.data.copy_(weight)
    assert torch.equal(lowp.nn.Linear(linear, config).dequantize(dtype), expected.dequantize())


@pytest.mark.parametrize("rows", [1, 3, 9])
@pytest.mark.parametrize("mapping", ["SYMMETRIC", "ASYMMETRIC"])
@pytest.mark.parametrize("bits", [2, 3, 5, 6])
def test_intx_layers_equal_torchao(bits, mapping, rows):
    """Products in fp32; torchao multiplies the dequantized operands."""
    x = torch.randn(rows, K)
    dtype = getattr(torch, f"int{bits}")
    for ours, theirs in (
        (
            lowp.IntxWeightOnlyConfig(dtype, lowp.PerGroup(64), lowp.MappingType[mapping]),
            ao.IntxWeightOnlyConfig(dtype, PerGroup(64), MappingType[mapping]),
        ),
        (
            lowp.Int8DynamicActivationIntxWeightConfig(dtype, lowp.PerGroup(32), lowp.MappingType[mapping]),
            ao.Int8DynamicActivationIntxWeightConfig(dtype, PerGroup(32), MappingType[mapping]),
        ),
    ):
        expected, got = make_model()[:1], make_model()[:1]
        torchao.quantize_(expected, theirs)
        lowp.quantize_(got, ours)
        with torch.no_grad():
            assert sqnr(got(x), expected(x)) > 110


@pytest.mark.parametrize(
    "config, text",
    [
        (lowp.IntxWeightOnlyConfig(torch.float16), "weight_dtype is not known, got torch.float16"),
        (lowp.IntxWeightOnlyConfig(torch.int3, lowp.PerGroup(12)), "got 12, expected a multiple of 8"),
        (
            lowp.IntxWeightOnlyConfig(torch.int3, lowp.PerRow(), lowp.MappingType.FLOAT_ZERO),
            "expected SYMMETRIC or ASYMMETRIC",
        ),
        (
            lowp.IntxWeightOnlyConfig(torch.int8, lowp.PerRow(), lowp.MappingType.ASYMMETRIC),
            "8-bit weights, got MappingType.ASYMMETRIC",
        ),
        (lowp.Int8DynamicActivationIntxWeightConfig(torch.int8), "expected SYMMETRIC and PerRow"),
    ],
)
def test_intx_refuses(config, text):
    with pytest.raises(ValueError, match=text):
        lowp.quantize_(make_model(), config)


def test_intx_of_columns_that_end_within_a_byte_is_skipped():
    model = torch.nn.Sequential(torch.nn.Linear(20, 8))
    report = lowp.quantize_(model, lowp.IntxWeightOnlyConfig(torch.int3))[0]
    assert report.skipped.startswith("its 20 columns are not a multiple of 8")


@pytest.fixture
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("name", CONFIGS)
def test_compiles_without_graph_breaks_for_any_number_of_rows(name):
    model = make_model()
    lowp.quantize_(model, CONFIGS[name][0])
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
    with torch.no_grad():
        for rows in (3, 7, 20):
            x = torch.randn(rows, K)
            assert torch.equal(compiled(x), model(x))


@pytest.mark.usefixtures("fresh_compiler")
def test_compiles_with_inductor():
    # One layer: nothing for a C++ compiler to do, which would take a minute.
    model = torch.nn.Sequential(torch.nn.Linear(K, N, dtype=torch.bfloat16))
    lowp.quantize_(model, lowp.Int8WeightOnlyConfig())
    compiled = torch.compile(model, fullgraph=True)
    x = torch.randn(5, K, dtype=torch.bfloat16)
    with torch.no_grad():
        assert torch.equal(compiled(x), model(x))


def test_exports():
    model = make_model()
    lowp.quantize_(model, lowp.Int4WeightOnlyConfig(32))
    x = torch.randn(5, K)
    with torch.no_grad():
        program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("rows")},))
        assert torch.equal(program.module()(x), model(x))


@pytest.mark.parametrize("name", CONFIGS)
def test_state_moves_with_the_module(name):
    model = make_model()
    lowp.quantize_(model, CONFIGS[name][0])
    x = torch.randn(4, K)
    with torch.no_grad():
        expected = model(x)
        assert torch.equal(copy.deepcopy(model)(x), expected)
        other = make_model()
        lowp.quantize_(other, CONFIGS[name][0])
        for buffer in other.buffers():
            buffer.view(torch.uint8).zero_()
        other.load_state_dict(model.state_dict())
        assert torch.equal(other(x), expected)
        model.bfloat16()
        assert model[0].tensors()["codes"].dtype == other[0].tensors()["codes"].dtype
        assert model(x.bfloat16()).dtype == torch.bfloat16
        assert sqnr(model(x.bfloat16()), expected) > 25


def test_gradients_are_those_of_the_dequantized_weight():
    model = make_model()
    lowp.quantize_(model, lowp.Float8WeightOnlyConfig())
    linear = model[0]
    x = torch.randn(4, 3, K, requires_grad=True)
    dy = torch.randn(4, 3, N)
    linear(x).backward(dy)
    torch.testing.assert_close(x.grad, dy @ linear.dequantize())
    torch.testing.assert_close(linear.bias.grad, dy.sum((0, 1)))


def test_reports_what_it_skips():
    model = torch.nn.Sequential(
        torch.nn.Linear(96, 8), torch.nn.Linear(64, 8), torch.nn.Linear(64, 8).double()
    )
    reports = lowp.quantize_(model, lowp.Int4WeightOnlyConfig(group_size=64))
    assert reports[0].skipped.endswith("the group of 64; groups that fit: 32, 16")
    assert reports[1].scheme == "W4A16_FLOAT_ZERO" and reports[1].bits_per_weight == 5.0
    assert "float64" in reports[2].skipped
    again = lowp.quantize_(model, lowp.Int8WeightOnlyConfig())
    assert again[1].skipped == "it is quantized already: W4A16_FLOAT_ZERO"
    assert "scheme=W4A16_FLOAT_ZERO" in repr(model)


def test_refuses_what_is_no_config():
    with pytest.raises(TypeError, match="config is not known, got 'W8A16'"):
        lowp.quantize_(make_model(), "W8A16")
    with pytest.raises(ValueError, match="expected a module that holds it"):
        lowp.quantize_(torch.nn.Linear(K, N), lowp.Int8WeightOnlyConfig())


def test_a_wrong_library_is_an_import_error(monkeypatch, tmp_path):
    from lowp import _library

    monkeypatch.setenv("LOWP_LIBRARY", str(tmp_path))
    with pytest.raises(ImportError, match="LOWP_LIBRARY names no library"):
        _library.find_library()

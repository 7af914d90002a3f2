"""linear_w8a8 with all it can do to activations and results, SmoothQuant and static scales: against torchao."""

import copy
import itertools

import pytest
import torch

lowp = pytest.importorskip("lowp", reason="the operators are not built", exc_type=ImportError)
pytest.importorskip("torchao")
from torchao.prototype.smoothquant import SmoothQuantConfig  # noqa: E402
from torchao.quantization import quant_api as ao  # noqa: E402
from torchao.quantization.granularity import PerRow, PerTensor  # noqa: E402
from torchao.quantization.quant_primitives import (  # noqa: E402
    MappingType,
    choose_qparams_affine,
    quantize_affine,
)

ops = torch.ops.lowp
N, K = 70, 200
EPS = torch.finfo(torch.float32).eps
ACTIVATIONS = {
    None: lambda y: y,
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda y: torch.nn.functional.gelu(y, approximate="tanh"),
    "silu": torch.nn.functional.silu,
}


def quantized_weight():
    torch.manual_seed(0)
    codes, scale, _ = ops.quantize_int8(torch.randn(N, K), [1, -1])
    return codes, scale, codes.sum(1, dtype=torch.int32)


def int8_by_torchao(x, mapping, per_tensor, static):
    """Codes, scale and zero point of x, float32."""
    block = list(x.shape) if per_tensor or static else [1, x.shape[1]]
    kind = MappingType.ASYMMETRIC if mapping == "asymmetric" else MappingType.SYMMETRIC
    if static:
        scale, zero = static[0].view(1, 1), (torch.zeros(1, dtype=torch.int8) if static[1] is None else static[1]).view(1, 1)
    else:
        scale, zero = choose_qparams_affine(
            x, kind, block, torch.int8, -128, 127, eps=EPS, scale_dtype=torch.float32, zero_point_dtype=torch.int8, keepdim=True
        )  # fmt: skip
    codes = quantize_affine(x, block, scale, zero, torch.int8, -128, 127)
    return codes, scale, zero


def expected(codes, scale, zero, weight, bias):
    """The exact integer sum, then the epilogue's steps, each rounded to float32."""
    w, w_scale, _ = weight
    total = (codes.long() - zero.long()) @ w.long().T
    return total.float() * scale * w_scale.T + bias


@pytest.mark.parametrize("pre_scaled", [False, True])
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("per_tensor", [False, True])
@pytest.mark.parametrize("mapping", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("rows", [1, 3, 19])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_activations_become_torchaos_codes(dtype, rows, mapping, per_tensor, static, pre_scaled):
    torch.manual_seed(rows)
    x = (torch.randn(rows, K) + 0.5).to(dtype)
    bias = torch.randn(N)
    weight = quantized_weight()
    options = {"activation_mapping": mapping, "activation_per_tensor": per_tensor}
    values = x.float()
    if pre_scaled:
        options["activation_pre_scale"] = torch.rand(K) + 0.1
        values = values * options["activation_pre_scale"]
    given = None
    if static:
        zero = torch.tensor([-11], dtype=torch.int8) if mapping == "asymmetric" else None
        given = torch.tensor([0.017]), zero
        options["activation_scale"], options["activation_zero_point"] = given
    codes = int8_by_torchao(values, mapping, per_tensor, given)
    exact = expected(*codes, weight, bias)
    assert torch.equal(ops.linear_w8a8(x, *weight, bias, **options), exact.to(dtype))
    if static:  # the codes themselves are as good
        del options["activation_per_tensor"]
        options.pop("activation_pre_scale", None)
        assert torch.equal(ops.linear_w8a8(codes[0], *weight, bias, **options), exact)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("rows", [1, 4, 33])
def test_epilogue(rows, activation):
    torch.manual_seed(rows)
    x, bias, weight = torch.randn(rows, K), torch.randn(N), quantized_weight()
    exact = expected(*int8_by_torchao(x, "symmetric", False, None), weight, bias)
    result = ACTIVATIONS[activation](exact.double())
    error = 0 if activation in (None, "relu") else 1e-6 * (exact.abs() + result.abs())
    got = ops.linear_w8a8(x, *weight, bias, output_activation=activation)
    assert bool(((got - result).abs() <= error + 2.0**-24 * result.abs()).all())

    scale = torch.tensor([0.11])
    codes = ops.linear_w8a8(x, *weight, bias, output_activation=activation, out_scale=scale)
    assert codes.dtype == torch.int8
    low, high = (((result + e).float() * (1 / scale)).round().clamp(-128, 127) for e in (-error, error))
    assert bool(((codes >= low) & (codes <= high)).all())
    out = torch.empty(rows, N, dtype=torch.int8)
    ops.linear_w8a8.out(x, *weight, bias, output_activation=activation, out_scale=scale, out=out)
    assert torch.equal(out, codes)


def test_codes_feed_the_next_layer():
    weight, x = quantized_weight(), torch.randn(5, K)
    scale = torch.tensor([0.05])
    codes = ops.linear_w8a8(x, *weight, output_activation="relu", out_scale=scale)
    next_codes, next_scale, _ = ops.quantize_int8(torch.randn(16, N), [1, -1])
    following = next_codes, next_scale, next_codes.sum(1, dtype=torch.int32)
    got = ops.linear_w8a8(codes, *following, activation_scale=scale)
    assert got.dtype == torch.float32
    assert torch.equal(got, expected(codes, scale, torch.zeros(1), following, 0))


ONE, ZERO = torch.ones(1), torch.zeros(1, dtype=torch.int8)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"activation_scale": torch.ones(2)}, r"activation_scale .*got \(2,\), expected \(1,\)"),
        ({"activation_scale": -ONE}, "activation_scale is not a scale, got -1"),
        ({"activation_scale": ONE * float("nan")}, "activation_scale is not a scale"),
        ({"activation_zero_point": ZERO}, "activation_zero_point does not go with"),
        ({"activation_scale": ONE, "activation_mapping": "asymmetric"}, "activation_zero_point does not go with"),
        ({"activation_pre_scale": torch.ones(K - 1)}, "activation_pre_scale has the wrong shape"),
        ({"activation_pre_scale": torch.ones(K).half()}, "activation_pre_scale has the wrong dtype"),
        ({"output_activation": "tanh"}, "output_activation is not known, got 'tanh'"),
        ({"out_scale": ONE * 0}, "out_scale is not a scale, got 0"),
    ],
)
def test_refuses(options, text):
    with pytest.raises(RuntimeError, match=text):
        ops.linear_w8a8(torch.randn(2, K), *quantized_weight(), **options)


def test_refuses_codes_that_mean_nothing():
    weight, x = quantized_weight(), torch.ones(2, K, dtype=torch.int8)
    with pytest.raises(RuntimeError, match="activation_scale is missing"):
        ops.linear_w8a8(x, *weight)
    with pytest.raises(RuntimeError, match="activation_pre_scale does not go with x, got int8"):
        ops.linear_w8a8(x, *weight, activation_scale=ONE, activation_pre_scale=torch.ones(K))
    out = torch.empty(2, N, dtype=torch.int8)
    with pytest.raises(RuntimeError, match="out_scale does not go with out, got none"):
        ops.linear_w8a8.out(x, *weight, activation_scale=ONE, out=out)
    with pytest.raises(RuntimeError, match="x has the wrong dtype, got int8"):
        ops.linear_w8a16(x, *weight[:2])


def test_opcheck():
    weight, x = quantized_weight(), torch.randn(3, K)
    options = {"activation_scale": ONE, "activation_pre_scale": torch.rand(K), "output_activation": "silu"}
    torch.library.opcheck(ops.linear_w8a8.default, (x, *weight), options)
    torch.library.opcheck(ops.linear_w8a8.default, (x, *weight), {"out_scale": ONE})
    torch.library.opcheck(ops.linear_w8a8.default, (x.char(), *weight), {"activation_scale": ONE})


def make_model(dtype):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(K, N), torch.nn.ReLU(), torch.nn.Linear(N, 32, bias=False))
    return model.to(dtype)


def batches(dtype):
    torch.manual_seed(1)
    outliers = torch.ones(K)
    outliers[::37] = 40.0
    return [(torch.randn(9, K) * outliers).to(dtype) for _ in range(3)]


def sqnr(got, expected):
    got, expected = got.double(), expected.double()
    return float(20 * torch.log10(expected.norm() / (got - expected).norm()))


BASES = {
    "dynamic": (lowp.Int8DynamicActivationInt8WeightConfig(), ao.Int8DynamicActivationInt8WeightConfig(version=2)),
    "dynamic_per_tensor": (
        lowp.Int8DynamicActivationInt8WeightConfig(act_granularity=lowp.PerTensor()),
        ao.Int8DynamicActivationInt8WeightConfig(version=2, granularity=[PerTensor(), PerRow()]),
    ),
    "static": (
        lowp.Int8StaticActivationInt8WeightConfig(),
        ao.Int8StaticActivationInt8WeightConfig(granularity=[PerTensor(), PerRow()]),
    ),
    "static_asymmetric": (
        lowp.Int8StaticActivationInt8WeightConfig(act_mapping_type=lowp.MappingType.ASYMMETRIC),
        ao.Int8StaticActivationInt8WeightConfig(
            granularity=[PerTensor(), PerRow()], act_mapping_type=MappingType.ASYMMETRIC
        ),
    ),
}


@pytest.mark.parametrize("alpha", [0.5, None])
@pytest.mark.parametrize("base", BASES)
def test_smooth_quant_is_torchaos(base, alpha):
    model, data = make_model(torch.float32), batches(torch.float32)
    ours, theirs = BASES[base]
    expected_model = copy.deepcopy(model)
    ao.quantize_(expected_model, SmoothQuantConfig(theirs, "prepare", alpha))
    for batch in data:
        expected_model(batch)
    ao.quantize_(expected_model, SmoothQuantConfig(theirs, "convert", alpha))
    got = copy.deepcopy(model)
    config = lowp.SmoothQuantConfig(ours, alpha)
    reports = lowp.quantize_(got, config, calibrate=lambda: [got(batch) for batch in data])
    assert [report.scheme for report in reports] == ["W8A8", "W8A8"]
    for mine, its in zip((got[0], got[2]), (expected_model[0].weight, expected_model[2].weight)):
        assert (mine.weight_codes.int() - its.qdata.int()).abs().max() <= 1  # 1 where a product is a tie
        torch.testing.assert_close(mine.weight_scale, its.scale.float(), rtol=1e-6, atol=0)
        if alpha is not None:
            torch.testing.assert_close(mine.activation_pre_scale, its.act_pre_scale.float(), rtol=1e-6, atol=0)
        if base.startswith("static"):
            torch.testing.assert_close(mine.activation_scale, its.act_quant_scale.view(1), rtol=1e-6, atol=0)
        if base == "static_asymmetric":
            assert torch.equal(mine.activation_zero_point, its.act_quant_zero_point.view(1).to(torch.int8))
    assert sqnr(got(data[0]), expected_model(data[0])) > 45


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("base", BASES)
def test_smoothing_helps_with_outliers(base, dtype):
    model, data = make_model(dtype), batches(dtype)
    quality = {}
    for alpha in (0.5, None):
        got = copy.deepcopy(model)
        config = lowp.SmoothQuantConfig(BASES[base][0], alpha)
        lowp.quantize_(got, config, calibrate=lambda: [got(batch) for batch in data])
        quality[alpha] = sqnr(got(data[0]), model(data[0]))
    assert quality[0.5] > 20 and quality[0.5] > quality[None] + 3


def test_module_keeps_and_uses_its_scales():
    model, data = make_model(torch.float32), batches(torch.float32)
    got = copy.deepcopy(model)
    config = lowp.SmoothQuantConfig(BASES["static_asymmetric"][0])
    lowp.quantize_(got, config, calibrate=lambda: [got(batch) for batch in data])
    layer, x = got[0], data[0]
    again = copy.deepcopy(layer)
    for name, buffer in again.named_buffers():
        if name.startswith("activation"):
            buffer.zero_()
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again(x), layer(x))
    assert layer.bfloat16().activation_scale.dtype == torch.float32
    assert sqnr(layer.dequantize(), model[0].weight) > 20
    x = x.clone().requires_grad_()
    again(x).sum().backward()
    assert torch.allclose(x.grad, again.dequantize().sum(0).expand_as(x), rtol=1e-4, atol=1e-4)


def test_calibration_refuses_and_reports():
    model = make_model(torch.float32)
    with pytest.raises(ValueError, match="calibrate does not go with the config"):
        lowp.quantize_(model, lowp.SmoothQuantConfig())
    with pytest.raises(ValueError, match="calibrate does not go with the config"):
        lowp.quantize_(model, lowp.Int8WeightOnlyConfig(), calibrate=lambda: None)
    with pytest.raises(ValueError, match="act_quant_scale is missing"):
        lowp.quantize_(model, lowp.Int8StaticActivationInt8WeightConfig())
    with pytest.raises(ValueError, match="smoothing_factor does not go with the config"):
        lowp.nn.Linear(model[0], lowp.Int8WeightOnlyConfig(), torch.ones(K))
    reports = lowp.quantize_(
        model, lowp.SmoothQuantConfig(), lambda _, name: name == "2", calibrate=lambda: model[0](torch.randn(1, K))
    )
    assert [report.skipped for report in reports] == ["the filter leaves it out", "no batch of the calibration reached it"]
    assert not any(itertools.chain.from_iterable(m._forward_pre_hooks for m in model.modules()))

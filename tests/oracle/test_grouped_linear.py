"""The grouped linear operators: each expert's rows as the plain operator makes them, bit for bit."""

import itertools

import pytest
import torch

lowp = pytest.importorskip("lowp", reason="the operators are not built", exc_type=ImportError)
from lowp._weights import format_of  # noqa: E402

ops = torch.ops.lowp
EXPERTS, N, K = 5, 200, 256

CONFIGS = {
    "w8a8": lowp.Int8DynamicActivationInt8WeightConfig(),
    "w8a8_asymmetric": lowp.Int8DynamicActivationInt8WeightConfig(act_mapping_type=lowp.MappingType.ASYMMETRIC),
    "w8a16": lowp.Int8WeightOnlyConfig(),
    "w8a16_group": lowp.Int8WeightOnlyConfig(lowp.PerGroup(64)),
    "w4a16": lowp.Int4WeightOnlyConfig(32, lowp.MappingType.SYMMETRIC),
    "w4a16_asymmetric": lowp.Int4WeightOnlyConfig(64, lowp.MappingType.ASYMMETRIC),
    "w4a16_float_zero": lowp.Int4WeightOnlyConfig(128),
    "w4a8": lowp.Int8DynamicActivationInt4WeightConfig(),
    "w4a8_asymmetric": lowp.Int8DynamicActivationInt4WeightConfig(32, lowp.MappingType.ASYMMETRIC),
    "fp8_tensor": lowp.Float8DynamicActivationFloat8WeightConfig(),
    "fp8_row": lowp.Float8DynamicActivationFloat8WeightConfig(lowp.PerRow()),
    "fp8_block": lowp.Float8DynamicActivationFloat8WeightConfig(lowp.PerBlock()),
    "fp8_weight_only": lowp.Float8WeightOnlyConfig(),
    "fp8_weight_only_tensor": lowp.Float8WeightOnlyConfig(lowp.PerTensor()),
    "fp8_weight_only_block": lowp.Float8WeightOnlyConfig(lowp.PerBlock()),
    "mxfp8": lowp.MXDynamicActivationMXWeightConfig(),
    "mxfp8_weight_only": lowp.MXFP8WeightOnlyConfig(),
    "mxfp6": lowp.MXFP6WeightOnlyConfig(),
    "mxfp4": lowp.MXFP4WeightOnlyConfig(),
    "nvfp4": lowp.NVFP4WeightOnlyConfig(),
}

# Rows of each expert: few, none, one group alone, many (each on all threads), all of these.
SIZES = [[1, 0, 3, 1, 0], [0, 0, 0, 0, 0], [0, 0, 9, 0, 0], [300, 2, 0, 17, 1], [4, 5, 6, 7, 64]]
BEHIND = 3  # rows of x that no expert has


@pytest.fixture(scope="module", params=CONFIGS)
def module(request):
    torch.manual_seed(0)
    weight = torch.randn(EXPERTS, N, K) * torch.logspace(-1, 1, EXPERTS)[:, None, None]
    return lowp.nn.GroupedLinear(weight, CONFIGS[request.param], torch.randn(EXPERTS, N))


def rows_of(sizes):
    ends = list(itertools.accumulate(sizes))
    return torch.tensor(ends, dtype=torch.int32), [slice(a, b) for a, b in zip([0, *ends], ends)]


def expert_by_expert(module, x, rows):
    out = x.new_zeros(x.shape[0], module.out_features)
    for expert, own in enumerate(rows):
        if own.start == own.stop:
            continue
        buffers = {f"weight_{name}": t[expert] for name, t in module.tensors().items()}
        bias = None if module.bias is None else module.bias[expert]
        out[own] = format_of(module.config).linear(x[own], buffers, bias)
    return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_is_each_expert_by_itself(module, sizes, dtype):
    offsets, rows = rows_of(sizes)
    torch.manual_seed(1)
    x = torch.randn(sum(sizes) + BEHIND, K).to(dtype)
    got = module(x, offsets)
    assert got.dtype == dtype
    assert torch.equal(got, expert_by_expert(module, x, rows))
    assert not got[sum(sizes):].any()


def test_threads_do_not_change_the_result(module):
    offsets, _ = rows_of(SIZES[3])
    x = torch.randn(sum(SIZES[3]), K, dtype=torch.bfloat16)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 7):
            torch.set_num_threads(threads)
            results.append(module(x, offsets))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


@pytest.mark.parametrize("shape", [(1, 1, 32), (3, 130, 96), (2, 384, 64), (4, 300, 128)])
@pytest.mark.parametrize("name", ["w8a8", "fp8_block", "fp8_weight_only_block", "fp8_tensor", "mxfp4"])
def test_other_shapes(name, shape):
    experts, n, k = shape
    torch.manual_seed(0)
    module = lowp.nn.GroupedLinear(torch.randn(shape), CONFIGS[name])
    offsets, rows = rows_of([7 - expert for expert in range(experts)])
    wide = torch.randn(int(offsets[-1]), 2 * k)
    x = wide[:, k:]  # rows apart
    assert torch.equal(module(x, offsets), expert_by_expert(module, x, rows))


def test_is_the_product(module):
    """Against float64, with what torchao's own tests ask of the coarsest of these formats."""
    offsets, rows = rows_of(SIZES[4])
    x = torch.randn(int(offsets[-1]), K)
    weight = module.dequantize().double()
    exact = torch.cat([x[own].double() @ weight[i].T + module.bias[i].double() for i, own in enumerate(rows)])
    error = module(x, offsets).double() - exact
    assert 20 * torch.log10(exact.norm() / error.norm()) > 20


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bf16_is_the_product(dtype):
    torch.manual_seed(0)
    weight, bias = torch.randn(EXPERTS, N, K, dtype=torch.bfloat16), torch.randn(EXPERTS, N)
    offsets, rows = rows_of(SIZES[3])
    x = torch.randn(int(offsets[-1]), K, dtype=dtype)
    got = ops.grouped_linear_bf16(x, offsets, weight, bias).double()
    for expert, own in enumerate(rows):
        w, b = weight[expert].double(), bias[expert].double()
        exact = x[own].double() @ w.T + b
        size = x[own].double().abs() @ w.abs().T + b.abs()
        bound = size * K * 2.0**-24 + exact.abs() * torch.finfo(dtype).eps
        assert bool(((got[own] - exact).abs() <= bound).all())
        assert torch.equal(got[own], ops.linear_bf16(x[own], weight[expert], bias[expert]).double())


OFFSETS = torch.tensor([1, 3], dtype=torch.int32)


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda x, o, w, s: (x, o.long(), w, s), "offsets has the wrong dtype, got int64, expected int32"),
        (lambda x, o, w, s: (x, o[:1], w, s), r"offsets has the wrong shape, got \(1,\), expected \(2,\)"),
        (lambda x, o, w, s: (x, o.flip(0), w, s), "got 1 at 1 after 3, expected 3 to 3"),
        (lambda x, o, w, s: (x, o - 2, w, s), "got -1 at 0 after 0, expected 0 to 3"),
        (lambda x, o, w, s: (x, o + 1, w, s), "got 4 at 1 after 2, expected 2 to 3"),
        (lambda x, o, w, s: (x[None], o, w, s), r"x is not a matrix, got \(1, 3, 16\)"),
        (lambda x, o, w, s: (x[:, 1:], o, w, s), "x does not fit the weight"),
        (lambda x, o, w, s: (x, o, w[0], s), r"weight is not a matrix .*expected \(experts, N, K\)"),
        (lambda x, o, w, s: (x, o, w, s[0]), r"expected \(2, 4, groups\), groups a divisor of 16"),
        (lambda x, o, w, s: (x, o, w, s.double()), "weight_scale has the wrong dtype"),
        (lambda x, o, w, s: (x, o, w, s, torch.ones(4)), r"bias .*got \(4,\), expected \(2, 4\)"),
    ],
)
def test_refuses(change, text):
    x, weight, scale = torch.randn(3, 16), torch.ones(2, 4, 16, dtype=torch.int8), torch.ones(2, 4, 1)
    with pytest.raises(RuntimeError, match=text):
        ops.grouped_linear_w8a16(*change(x, OFFSETS, weight, scale))


def test_module_refuses():
    with pytest.raises(ValueError, match="W4AFP8 has no grouped form"):
        lowp.nn.GroupedLinear(torch.randn(2, 8, 128), lowp.Float8DynamicActivationInt4WeightConfig())
    with pytest.raises(ValueError, match="not a multiple of the group"):
        lowp.nn.GroupedLinear(torch.randn(2, 8, 24), lowp.MXFP4WeightOnlyConfig())
    module = lowp.nn.GroupedLinear(torch.randn(2, 8, 32), lowp.MXFP4WeightOnlyConfig())
    with pytest.raises(RuntimeError, match="there is no gradient"):
        module(torch.randn(3, 32, requires_grad=True), OFFSETS)


def test_opcheck():
    offsets = torch.tensor([1, 1, 3, 3, 3], dtype=torch.int32)
    x, weight = torch.randn(3, K), torch.randn(EXPERTS, N, K)
    torch.library.opcheck(ops.grouped_linear_bf16.default, (x, offsets, weight.bfloat16()))
    module = lowp.nn.GroupedLinear(weight, CONFIGS["w4a8"])
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(x, offsets), module(x, offsets))


class Experts(torch.nn.Module):
    """Two grouped layers and a router, which is a plain one."""

    def __init__(self, dtype):
        super().__init__()
        torch.manual_seed(0)
        self.router = torch.nn.Linear(K, EXPERTS, dtype=dtype)
        self.up = lowp.nn.GroupedLinear(torch.randn(EXPERTS, N, K, dtype=dtype), bias=torch.randn(EXPERTS, N, dtype=dtype))
        self.down = lowp.nn.GroupedLinear(torch.randn(EXPERTS, 96, N, dtype=dtype) / 16)

    def forward(self, x, offsets):
        return self.down(torch.relu(self.up(x, offsets)), offsets)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_quantize_takes_grouped_layers(dtype):
    model = Experts(dtype)
    offsets, _ = rows_of(SIZES[4])
    x = torch.randn(int(offsets[-1]) + BEHIND, K).to(dtype)
    with torch.no_grad():
        expected = model(x, offsets)
        reports = lowp.quantize_(model, lowp.Int8WeightOnlyConfig())
        assert [(r.name, r.experts, r.scheme) for r in reports] == [
            ("router", 0, "W8A16"), ("up", EXPERTS, "W8A16"), ("down", EXPERTS, "W8A16")
        ]  # fmt: skip
        assert all(r.sqnr_db > 30 and 8 < r.bits_per_weight < 8.5 for r in reports)
        got = model(x, offsets)
    assert got.dtype == dtype and not got[int(offsets[-1]) :].any()
    error = got.double() - expected.double()
    assert 20 * torch.log10(expected.double().norm() / error.norm()) > 30
    assert lowp.quantize_(model, lowp.Int8WeightOnlyConfig())[1].skipped == "it is quantized already: W8A16"


def test_quantize_lists_grouped_layers_that_it_cannot_take():
    model = Experts(torch.float32)
    reports = lowp.quantize_(model, lowp.MXFP4WeightOnlyConfig())
    assert [bool(r.skipped) for r in reports] == [False, False, True]  # 200 columns are no multiple of 32
    reports = lowp.quantize_(model, lowp.SmoothQuantConfig(), calibrate=lambda: None)
    assert reports[2].skipped == "SmoothQuant has no grouped form"
    with pytest.raises(ValueError, match="model is a linear layer itself, got GroupedLinear"):
        lowp.quantize_(model.down, lowp.Int8WeightOnlyConfig())


def test_plain_grouped_layer_has_gradients():
    model = Experts(torch.float32)
    offsets, rows = rows_of([2, 0, 3, 1, 1])
    x = torch.randn(9, K, requires_grad=True)
    model.up(x, offsets).square().sum().backward()
    for expert, own in enumerate(rows):
        part = x.detach()[own].requires_grad_()
        weight = model.up.weight.detach()[expert].requires_grad_()
        torch.nn.functional.linear(part, weight, model.up.bias[expert].detach()).square().sum().backward()
        assert torch.allclose(x.grad[own], part.grad, rtol=1e-5, atol=1e-4)
        assert torch.allclose(model.up.weight.grad[expert], weight.grad, rtol=1e-5, atol=1e-4)
    assert not x.grad[7:].any()
    assert model.bfloat16().up.weight.dtype == torch.bfloat16

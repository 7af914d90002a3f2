"""linear_w4a8 and linear_w4afp8 on the GPU against their formulas in double precision. Needs a Hopper
GPU: scripts/gpu.sh test."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
ops = torch.ops.lowp

# Of float8 sums, as in test_scaled_mm.py; at most four steps of 32 columns go before fp32 takes over.
TENSOR_CORE_EPSILON = 2.0**-13


def weight_of(n, k, group, zeros=None, scale_dtype=torch.bfloat16, seed=0):
    """codes, scale, zero_point, zero on the GPU."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 256, (n, k // 2), dtype=torch.uint8, generator=generator)
    scale = (torch.rand(n, k // group, generator=generator) * 0.01 + 1e-4).to(scale_dtype)
    point = torch.randint(-8, 8, (n, k // group), dtype=torch.int8, generator=generator) if zeros == "point" else None
    zero = (torch.randn(n, k // group, generator=generator) * 0.01).to(scale_dtype) if zeros == "float" else None
    return tuple(None if t is None else t.cuda() for t in (codes, scale, point, zero))


def parts_of(weight):
    """(code - zero_point) * scale and zero, (N, K) in double precision."""
    codes, scale, point, zero = weight
    n, half = codes.shape
    low, high = (codes & 15).to(torch.int16), (codes >> 4).to(torch.int16)
    values = torch.stack([(low ^ 8) - 8, (high ^ 8) - 8], -1).view(n, scale.shape[1], -1).double()
    if point is not None:
        values = values - point.double()[..., None]
    values = values * scale.double()[..., None]
    shift = torch.zeros_like(values) if zero is None else zero.double()[..., None].expand_as(values)
    return values.reshape(n, -1), shift.reshape(n, -1)


def check_int8(out, x, weight, bias, mapping):
    codes, scale, x_point = ops.quantize_int8(x, [1, -1], mapping)
    q, s = codes.double(), scale.double()
    point = x_point.double() if mapping == "asymmetric" else torch.zeros_like(s)
    values, shift = parts_of(weight)
    exact = s * ((q - point) @ (values + shift).t())
    # fp32: the sum of a group is exact, what follows rounds once or twice a unit of at least 32 columns.
    size = s * ((q.abs() + point.abs()) @ (values.abs() + shift.abs()).t())
    if bias is not None:
        exact = exact + bias.double()
        size = size + bias.double().abs()
    bound = size * (3 * (x.shape[1] // 32 + 4)) * 2.0**-24 + exact.abs() * torch.finfo(out.dtype).eps + 1e-30
    assert out.dtype == x.dtype and bool(((out.double() - exact).abs() <= bound).all())


def check_fp8(out, x, weight, bias):
    codes, scale = ops.quantize_fp8(x, [1, -1])
    q, s = codes.float().double(), scale.double()
    values, _ = parts_of(weight)
    exact = s * (q @ values.t())
    size = s * (q.abs() @ values.abs().t())
    if bias is not None:
        exact = exact + bias.double()
        size = size + bias.double().abs()
    bound = size * (5 * TENSOR_CORE_EPSILON + (x.shape[1] // 32 + 4) * 2.0**-23) + exact.abs() * torch.finfo(out.dtype).eps + 1e-30
    assert out.dtype == x.dtype and bool(((out.double() - exact).abs() <= bound).all())


def row_sums(weight):
    return sum(parts_of(weight)).sum(1).float()


SHAPES = [(1, 16, 128), (2, 130, 64), (16, 272, 384), (33, 48, 1056), (64, 512, 256), (65, 130, 192), (128, 72, 4096),
          (129, 136, 640), (300, 1040, 2048), (5, 7, 18), (100, 33, 1000)]


def group_of(k, group):
    return group if group and k % group == 0 else k


@pytest.mark.parametrize("group", [32, 64, 128, 96, 0, 16])
@pytest.mark.parametrize("m, n, k", SHAPES)
def test_int8(m, n, k, group):
    torch.manual_seed(m)
    group = group_of(k, group)
    turn = 0
    for zeros in (None, "point", "float"):
        for mapping in ("symmetric", "asymmetric"):
            for dtype in (torch.bfloat16, torch.float16, torch.float32):
                x = (torch.randn(m, k, device="cuda") * 3 + 1).to(dtype)
                weight = weight_of(n, k, group, zeros, [torch.bfloat16, torch.float32][turn % 2])
                bias = [None, torch.randn(n, device="cuda"), torch.randn(n, device="cuda").bfloat16()][turn % 3]
                out = torch.full((m, n), float("nan"), device="cuda", dtype=dtype)
                sums = row_sums(weight) if mapping == "asymmetric" else None
                codes, scale, point, zero = weight
                ops.linear_w4a8.out(x, codes, scale, sums, point, zero, bias, mapping, out=out)
                check_int8(out, x, weight, bias, mapping)
                turn += 1


@pytest.mark.parametrize("group", [32, 64, 128, 96, 0, 16])
@pytest.mark.parametrize("m, n, k", SHAPES)
def test_fp8(m, n, k, group):
    torch.manual_seed(m)
    group = group_of(k, group)
    for turn, dtype in enumerate((torch.bfloat16, torch.float16, torch.float32)):
        x = (torch.randn(m, k, device="cuda") * 3 + 1).to(dtype)
        weight = weight_of(n, k, group, None, [torch.bfloat16, torch.float32][turn % 2])
        bias = [None, torch.randn(n, device="cuda"), torch.randn(n, device="cuda").bfloat16()][turn]
        out = torch.full((m, n), float("nan"), device="cuda", dtype=dtype)
        ops.linear_w4afp8.out(x, weight[0], weight[1], None, None, bias, out=out)
        check_fp8(out, x, weight, bias)


# Every code with every place: products of one-hot rows of x are the weight's numbers.
@pytest.mark.parametrize("m", [16, 32, 64, 128, 256])
def test_every_code_arrives(m):
    n, k = 256, 256
    weight = weight_of(n, k, 128, None, torch.float32)
    weight = (weight[0], torch.ones_like(weight[1]), None, None)
    values = parts_of(weight)[0].float()
    for first in range(0, k, m):
        x = torch.zeros(m, k, device="cuda")
        rows = torch.arange(min(m, k - first), device="cuda")
        x[rows, first + rows] = 127.5  # scale 1 for int8's 255 steps
        expected = values[:, first:first + len(rows)].t()
        out = ops.linear_w4a8(x, weight[0], weight[1])[: len(rows)]
        assert torch.equal(out, 127 * expected)
        x[rows, first + rows] = 448.0
        out = ops.linear_w4afp8(x, weight[0], weight[1])[: len(rows)]
        assert torch.equal(out, 448 * expected)


@pytest.mark.parametrize("m, n, k", [(1, 8192, 8192), (48, 4096, 14336), (128, 8192, 4096), (513, 4096, 14336), (2048, 4096, 1024)])
def test_large(m, n, k):
    torch.manual_seed(0)
    x = torch.randn(m, k, device="cuda").bfloat16()
    weight = weight_of(n, k, 128)
    check_int8(ops.linear_w4a8(x, *weight[:2]), x, weight, None, "symmetric")
    check_fp8(ops.linear_w4afp8(x, *weight[:2]), x, weight, None)
    again = [ops.linear_w4a8(x, *weight[:2]) for _ in range(3)]
    assert all(torch.equal(out, again[0]) for out in again)


def test_shapes_of_x():
    weight = weight_of(48, 64, 32)[:2]
    for op in (ops.linear_w4a8, ops.linear_w4afp8):
        x = torch.randn(2, 3, 128, device="cuda")[..., ::2]
        assert torch.equal(op(x, *weight), op(x.contiguous(), *weight))
        wide = torch.randn(9, 128, device="cuda")
        assert torch.equal(op(wide[:, :64], *weight), op(wide[:, :64].contiguous(), *weight))
        assert op(torch.randn(0, 64, device="cuda"), *weight).shape == (0, 48)


@pytest.mark.parametrize("m", [20, 200])
@pytest.mark.parametrize("zeros", [None, "point"])
def test_graph(m, zeros):
    codes, scale, point, _ = weight_of(272, 512, 128, zeros)
    x = torch.randn(m, 512, device="cuda").bfloat16()
    out = torch.empty(m, 272, device="cuda", dtype=torch.bfloat16)

    def call():
        ops.linear_w4a8.out(x, codes, scale, None, point, out=out)

    call()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    x.copy_(torch.randn(m, 512))
    graph.replay()
    assert torch.equal(out, ops.linear_w4a8(x, codes, scale, None, point))


@pytest.mark.parametrize("m, k, group, expected", [(1, 64, 32, "sm90_few_rows"), (128, 64, 64, "sm90_few_rows"),
                                                   (129, 64, 32, "sm90"), (65, 60, 30, "cuda"), (65, 64, 16, "cuda")])
def test_what_runs(m, k, group, expected):
    weight = weight_of(32, k, group)[:2]
    x = torch.randn(m, k, device="cuda")
    assert ops.linear_w4a8.implementation(x, *weight) == expected
    assert ops.linear_w4afp8.implementation(x, *weight) == expected


@pytest.mark.parametrize(
    "change, text",
    [
        (dict(x=torch.randn(4, 32)), "got .4, 32., expected a last dimension of 64"),
        (dict(weight_scale=torch.ones(48)), "weight_scale"),
        (dict(weight_row_sums=torch.ones(48).int()), "weight_row_sums .* got int32"),
        (dict(bias=torch.ones(3)), "bias"),
        (dict(activation_mapping="none"), "activation_mapping is not known, got 'none'"),
        (dict(activation_mapping="asymmetric"), "weight_row_sums are missing"),
    ],
)
def test_refusals(change, text):
    codes, scale = weight_of(48, 64, 32)[:2]
    arguments = dict(x=torch.randn(4, 64), weight=codes, weight_scale=scale)
    for name, value in (arguments | change).items():
        arguments[name] = value.cuda() if torch.is_tensor(value) else value
    with pytest.raises(RuntimeError, match=text):
        ops.linear_w4a8(**arguments)


def test_float8_activations_take_no_zeros():
    codes, scale, point, _ = weight_of(48, 64, 32, "point")
    with pytest.raises(RuntimeError, match="zero points or zeros"):
        ops.linear_w4afp8(torch.randn(4, 64, device="cuda"), codes, scale, point)

"""linear_mxfp8 on the GPU: x quantized as the CPU does it, then the product of both dequantized operands.

Bound of an element: the operands are exact in bf16; fp32 sums, whose order is free and of which the
tensor cores cut off the last bits: 4 K 2^-24 sum |x||w|; one rounding of the result.
"""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
ops = torch.ops.lowp
EPS = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11, torch.float32: 2.0**-24}


def operands(m, n, k, dtype=torch.bfloat16):
    x = (torch.randn(m, k) * torch.logspace(-2, 1, m)[:, None]).to(dtype)
    return x, ops.quantize_mx(torch.randn(n, k) * torch.logspace(-2, 1, n)[:, None])


def assert_close(out, x, weight, bias=None, mode="rceil"):
    wide = ops.dequantize_mx(*ops.quantize_mx(x.reshape(-1, x.shape[-1]), "e4m3", mode)).double().cuda()
    dense = ops.dequantize_mx(*weight).double().cuda()
    expected = wide @ dense.T
    norm = wide.abs() @ dense.abs().T
    if bias is not None:
        expected = expected + bias.double()
    assert out.dtype == x.dtype and out.shape == (*x.shape[:-1], dense.shape[0])
    bound = norm * (4 * x.shape[-1] * 2.0**-24) + expected.abs() * EPS[out.dtype]
    error = (out.double().reshape(expected.shape) - expected).abs()
    assert bool((error <= bound).all()), f"{int((~(error <= bound)).sum())} of {error.numel()} wrong"


def check(m, n, k, dtype=torch.bfloat16, with_bias=False):
    x, weight = operands(m, n, k, dtype)
    bias = torch.randn(n, device="cuda").to(dtype) if with_bias else None
    out = torch.full((m, n), float("nan"), device="cuda", dtype=dtype)
    ops.linear_mxfp8.out(x.cuda(), *(t.cuda() for t in weight), bias, out=out)
    assert_close(out, x, weight, bias)


@pytest.mark.parametrize("m", [1, 3, 64, 127, 128, 129, 255, 300, 513])
@pytest.mark.parametrize("n, k", [(8, 32), (1, 64), (129, 96), (520, 1056), (257, 2048)])
def test_shapes(m, n, k):
    torch.manual_seed(m)
    check(m, n, k, with_bias=m % 2 == 1)


@pytest.mark.parametrize("dtype", list(EPS))
def test_dtypes(dtype):
    torch.manual_seed(0)
    check(200, 301, 544, dtype, with_bias=True)
    check(200, 304, 544, dtype)


def test_many_tiles():
    torch.manual_seed(0)
    check(2050, 8200, 256)


@pytest.mark.parametrize("mode", ["floor", "ceil", "even", "rceil"])
def test_scaling_modes(mode):
    torch.manual_seed(0)
    x, weight = operands(70, 72, 128)
    out = ops.linear_mxfp8(x.cuda(), *(t.cuda() for t in weight), scaling_mode=mode)
    assert_close(out, x, weight, mode=mode)


def test_shapes_of_x():
    torch.manual_seed(0)
    x, weight = operands(24, 48, 256)
    on_gpu = [t.cuda() for t in weight]
    assert_close(ops.linear_mxfp8(x.cuda().view(2, 3, 4, 256), *on_gpu), x.view(2, 3, 4, 256), weight)
    wide = torch.randn(24, 512, device="cuda").bfloat16()
    assert_close(ops.linear_mxfp8(wide[:, 3:259], *on_gpu), wide[:, 3:259].cpu(), weight)
    assert_close(ops.linear_mxfp8(wide[::2, :256], *on_gpu), wide[::2, :256].cpu(), weight)
    empty = ops.linear_mxfp8(torch.empty(0, 256, device="cuda", dtype=torch.bfloat16), *on_gpu)
    assert empty.shape == (0, 48)


def test_nan_reaches_its_row_or_column():
    torch.manual_seed(0)
    x, (codes, scale) = operands(140, 136, 544)
    x[3, 100] = float("nan")
    scale.view(torch.uint8)[5, 16] = 255
    out = ops.linear_mxfp8(x.cuda(), codes.cuda(), scale.cuda()).isnan().cpu()
    expected = torch.zeros(140, 136, dtype=torch.bool)
    expected[3] = expected[:, 5] = True
    assert torch.equal(out, expected)


def test_same_bits_every_time():
    x, weight = operands(600, 1000, 1152)
    on_gpu = [t.cuda() for t in (x, *weight)]
    first = ops.linear_mxfp8(*on_gpu)
    assert all(torch.equal(ops.linear_mxfp8(*on_gpu), first) for _ in range(5))


def test_graph():
    x, weight = operands(256, 512, 512)
    on_gpu = [t.cuda() for t in weight]
    given = x.cuda()
    out = torch.empty(256, 512, device="cuda", dtype=torch.bfloat16)
    ops.linear_mxfp8.out(given, *on_gpu, out=out)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        ops.linear_mxfp8.out(given, *on_gpu, out=out)
    x, _ = operands(256, 1, 512)
    given.copy_(x)
    graph.replay()
    assert_close(out, x, weight)


@pytest.mark.parametrize(
    "change, text",
    [
        (dict(x=(4, 64)), "x does not fit the weight"),
        (dict(scale=(8, 2)), "weight_scale has the wrong shape"),
        (dict(k=48), "weight is not a matrix of whole blocks"),
        (dict(mode="up"), "scaling_mode is not known"),
    ],
)
def test_what_it_does_not_take(change, text):
    k = change.get("k", 128)
    x = torch.ones(*change.get("x", (4, k)), device="cuda", dtype=torch.bfloat16)
    codes = torch.zeros(8, k, device="cuda", dtype=torch.uint8).view(torch.float8_e4m3fn)
    scale = torch.zeros(*change.get("scale", (8, k // 32)), device="cuda", dtype=torch.uint8)
    with pytest.raises(RuntimeError, match=text):
        ops.linear_mxfp8(x, codes, scale.view(torch.float8_e8m0fnu), scaling_mode=change.get("mode", "rceil"))

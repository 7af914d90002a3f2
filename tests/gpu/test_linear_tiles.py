"""Linear layers with quantized weights for many rows of x: the kernel of tensor cores.

The formats and the bound are those of test_linear_weight_only.py; here are the shapes that the tiles
make interesting, and what only a product of decoded weights has: times the identity it is the weight.
"""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)
from test_linear_weight_only import FORMATS, WIDE_GROUPS, activations, assert_close, check

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
ALL = FORMATS | WIDE_GROUPS


def is_tiles(weight, m, dtype=torch.bfloat16):
    x = torch.empty(m, weight.dense.shape[1], device="cuda", dtype=dtype)
    return weight.op.implementation(x, *weight.on_gpu) == "sm90_tiles"


# Rows of x that fill a tile of 64, 128 or 256, and one more or less, or several tiles of fewer each.
@pytest.mark.parametrize("m", [129, 191, 192, 255, 256, 257, 300, 700])
@pytest.mark.parametrize("name", list(ALL))
def test_tiles(name, m):
    torch.manual_seed(m)
    weight = ALL[name](264, 1152)
    assert is_tiles(weight, m)
    check(weight, m, with_bias=m % 2 == 1)


# Every way to divide the work over warpgroups: few rows of x and few of W, many of both, more tiles than
# multiprocessors; vectors of scales that rows of W do not begin with.
@pytest.mark.parametrize("shape", [(1024, 1152), (8192, 1152), (14336, 544), (600, 4128)])
@pytest.mark.parametrize("m", [90, 128, 256, 512])
@pytest.mark.parametrize("name", ["int8_row", "int4_g32", "int4_g32_point", "fp8_block", "nvfp4"])
def test_ways(name, m, shape):
    torch.manual_seed(m)
    check(FORMATS[name](*shape), m, with_bias=m % 128 > 0)


# Few tiles and many columns: K is split, its steps unevenly, partial sums meet in a workspace.
@pytest.mark.parametrize("shape", [(1, 4128), (257, 8224), (1000, 4128)])
@pytest.mark.parametrize("m", [129, 300])
@pytest.mark.parametrize("name", ["int8_row", "int4_g32", "int4_g32_point", "int4_g32_zero", "fp8_block", "mxfp8", "mxfp4", "nvfp4"])
def test_split_columns(name, m, shape):
    torch.manual_seed(m)
    weight = FORMATS[name](*shape)
    assert is_tiles(weight, m)
    check(weight, m, with_bias=m % 2 == 1)
    check(weight, m, torch.float16)


# Many tiles for each multiprocessor, and a number of steps that is odd or smaller than the ring.
@pytest.mark.parametrize("shape", [(4096, 4096), (8192, 576), (11008, 96), (520, 32)])
@pytest.mark.parametrize("name", ["int8_row", "int4_g32", "int4_g32_zero", "fp8_row", "mxfp4", "nvfp4"])
def test_shapes(name, shape):
    torch.manual_seed(0)
    check(FORMATS[name](*shape), 1030, with_bias=True)


@pytest.mark.parametrize("n", [1, 7, 129, 257])
@pytest.mark.parametrize("name", ["int8_row", "int4_g32", "fp8_block", "nvfp4"])
def test_ragged_columns(name, n):
    torch.manual_seed(n)
    check(FORMATS[name](n, 544), 300, with_bias=True)
    check(FORMATS[name](n, 544), 300, torch.float16)


# Rows of codes that the copy engine does not take.
@pytest.mark.parametrize("k", [8, 24, 40, 1000])
@pytest.mark.parametrize("name", ["int8_row", "fp8_row"])
def test_rows_of_codes_that_are_not_aligned(name, k):
    torch.manual_seed(k)
    check(FORMATS[name](200, k), 300)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", list(ALL))
def test_identity_gives_the_weight(name, dtype):
    """Bit for bit the dequantized weight. A float zero may be added before or after a rounding to
    fp32, which moves the second rounding at a tie."""
    torch.manual_seed(0)
    weight = ALL[name](136, 1152)
    assert is_tiles(weight, 1152, dtype)
    out = weight(torch.eye(1152, device="cuda", dtype=dtype))
    expected = weight.dense.float().to(dtype).T.cuda()
    if name.endswith("zero"):
        assert_close(out, torch.eye(1152, device="cuda", dtype=dtype), weight)
        assert bool((out == expected).float().mean() > 0.999)
    else:
        assert torch.equal(out, expected)


@pytest.mark.parametrize("name", list(ALL))
def test_same_bits_every_time(name):
    torch.manual_seed(0)
    weight = ALL[name](1000, 1152)
    x = activations(600, 1152)
    first = weight(x)
    assert all(torch.equal(weight(x), first) for _ in range(5))


# Many, since scales that are overwritten while they are read spoil one launch in hundreds.
@pytest.mark.parametrize("m", [128, 192])
@pytest.mark.parametrize("name", ["int8_group", "int4_g32", "int4_g32_point", "mxfp4", "nvfp4"])
def test_same_bits_in_many_launches(name, m):
    torch.manual_seed(0)
    weight = ALL[name](14336, 1152)
    x = activations(m, 1152)
    first = weight(x).view(torch.int16)
    out = torch.empty(m, 14336, device="cuda", dtype=torch.bfloat16)
    wrong = torch.zeros((), device="cuda", dtype=torch.int64)
    for _ in range(1000):
        out.fill_(float("nan"))
        weight.op.out(x, *weight.on_gpu, out=out)
        wrong += (out.view(torch.int16) != first).any()
    assert wrong.item() == 0


@pytest.mark.parametrize("name", ["int4_g32", "int8_group", "fp8_block", "mxfp8", "mxfp4", "nvfp4"])
def test_nan_of_a_scale_reaches_its_column(name):
    torch.manual_seed(0)
    weight = FORMATS[name](136, 544)
    scale = weight.on_gpu[1]
    flat = scale.view(torch.uint8).view(-1) if scale.element_size() == 1 else scale.view(-1)
    flat[-1] = 255 if scale.element_size() == 1 else float("nan")
    out = weight(activations(300, 544))
    column = out.isnan().all(0)
    assert bool(column[-1]) and not bool(out[:, : 128 if name == "fp8_block" else -1].isnan().any())


def test_graph():
    weight = FORMATS["int4_g32"](512, 512)
    x = activations(256, 512)
    out = torch.empty(256, 512, device="cuda", dtype=torch.bfloat16)
    weight.op.out(x, *weight.on_gpu, out=out)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        weight.op.out(x, *weight.on_gpu, out=out)
    x.copy_(activations(256, 512))
    graph.replay()
    assert_close(out, x, weight)

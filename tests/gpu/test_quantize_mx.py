"""quantize_mx and quantize_mx_both on the GPU against the CPU's, bit for bit."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)
from gpu_testing import assert_equal_codes, wide_rows

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
ops = torch.ops.lowp
ELEMENTS = ["e4m3", "e5m2", "e2m3", "e3m2", "e2m1"]
MODES = ["floor", "ceil", "even", "rceil"]
DTYPES = [torch.bfloat16, torch.float16, torch.float32]


def assert_equal_bytes(got, expected):
    """Scales and codes, NaN included: the GPU's NaN codes are the reference's."""
    assert got.shape == expected.shape and got.dtype == expected.dtype
    got, expected = got.cpu().view(torch.uint8), expected.view(torch.uint8)
    same = got == expected
    assert bool(same.all()), f"{int((~same).sum())} of {same.numel()} bytes differ"


def poisoned(x, call):
    """call(x, out...) into outputs that hold other bytes."""
    return [torch.full_like(result.view(torch.uint8), 0xA5).view(result.dtype) for result in call(x)]


def assert_equal_to_cpu(x, *args, **kwargs):
    expected = ops.quantize_mx(x.cpu(), *args, **kwargs)
    codes, scale = poisoned(x, lambda x: ops.quantize_mx(x, *args, **kwargs))
    ops.quantize_mx.out(x, *args, **kwargs, codes=codes, scale=scale)
    assert codes.device == x.device
    assert_equal_bytes(scale, expected[1])
    assert_equal_bytes(codes, expected[0])


def assert_both_equal_to_cpu(x, *args, **kwargs):
    expected = ops.quantize_mx_both(x.cpu(), *args, **kwargs)
    got = poisoned(x, lambda x: ops.quantize_mx_both(x, *args, **kwargs))
    names = ("codes", "scale", "codes_t", "scale_t")
    ops.quantize_mx_both.out(x, *args, **kwargs, **dict(zip(names, got)))
    for one, other in zip(got, expected):
        assert_equal_bytes(one, other)


def with_specials(x):
    """Blocks of zeros, of negative zeros, with NaN, Inf, subnormals, and with the largest number."""
    x = x.clone()
    largest, smallest = torch.finfo(x.dtype).max, torch.finfo(x.dtype).smallest_normal
    x[0] = 0
    x[1] = -0.0
    x[2, 5] = float("nan")
    x[3, 7] = float("inf")
    x[4, 9] = float("-inf")
    x[5] *= smallest / x[5].abs().max()
    x[6, 11] = largest
    x[7, 13] = -largest
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_elements_modes_and_layouts(element, dtype):
    x = with_specials(wide_rows(160, 288, dtype))
    for mode in MODES:
        for dim in (0, 1):
            for swizzled in (False, True):
                assert_equal_to_cpu(x, element, mode, 32, dim, swizzled)
        assert_both_equal_to_cpu(x, element, mode, mode == "rceil")


@pytest.mark.parametrize("element", ELEMENTS)
def test_every_bfloat16(element):
    """All 2^16 inputs: in blocks that span few exponents, and each below the amax of its block."""
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.int16)
    for mode in MODES:
        assert_equal_to_cpu(bits.view(torch.bfloat16).reshape(64, 1024).cuda(), element, mode)
        assert_both_equal_to_cpu(bits.view(torch.bfloat16).reshape(512, 128).cuda(), element, mode)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_midpoints_of_codes(element, dtype):
    """Codes, the points halfway between them and their neighbours, under a scale of 1."""
    magnitudes = torch.arange(1 << {"e4m3": 7, "e5m2": 7, "e2m1": 3}.get(element, 5), dtype=torch.uint8)
    ones = torch.full((magnitudes.numel(), 1), 127, dtype=torch.uint8).view(torch.float8_e8m0fnu)
    if element == "e2m1":
        packed = (magnitudes[::2] | magnitudes[1::2] << 4).reshape(1, -1)
        values = ops.dequantize_mx(packed, ones[:1], element).flatten()
    else:
        codes = magnitudes.view({"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}.get(element, torch.uint8))
        values = ops.dequantize_mx(codes.reshape(-1, 1), ones, element).flatten()
    values = values[values.isfinite()]
    middles = (values[1:] + values[:-1]) / 2
    points = torch.cat([values, middles]).to(dtype)
    step = points.view(torch.int32 if dtype == torch.float32 else torch.int16)
    points = torch.cat([(step + d).clamp(min=0).view(dtype) for d in (-1, 0, 1)])
    points = torch.cat([points, -points])
    x = torch.zeros(-(-points.numel() // 31) * 32, dtype=dtype).reshape(-1, 32)
    x[:, 0] = values.max()
    flat = torch.zeros(x.shape[0] * 31, dtype=dtype)
    flat[: points.numel()] = points
    x[:, 1:] = flat.reshape(-1, 31)
    for mode in MODES:
        assert_equal_to_cpu(x.cuda(), element, mode)


# One warp, its edges, one group of threads, its edges; widths whose scales are not whole words.
@pytest.mark.parametrize("rows, cols", [(1, 32), (1, 992), (3, 1056), (8, 1024), (129, 4128), (7, 8192)])
def test_shapes_along_rows(rows, cols):
    for dtype in DTYPES:
        x = wide_rows(rows, cols, dtype)
        assert_equal_to_cpu(x)
        assert_equal_to_cpu(x, "e2m1", "rceil", 32, 1, True)


# Whole tiles, ragged ones, scales that are not whole words; columns that take the plain kernel.
@pytest.mark.parametrize("rows, cols", [(32, 8), (128, 128), (160, 136), (416, 264), (96, 1), (64, 100), (1024, 512)])
def test_shapes_along_columns(rows, cols):
    for dtype in DTYPES:
        x = wide_rows(rows, cols, dtype)
        assert_equal_to_cpu(x, "e4m3", "rceil", 32, 0)
        assert_equal_to_cpu(x, "e2m1", "floor", 32, 0, True)


@pytest.mark.parametrize("rows, cols", [(32, 32), (128, 128), (160, 96), (256, 416), (384, 1024)])
def test_shapes_along_both(rows, cols):
    for element in ("e4m3", "e2m1"):
        for swizzled in (False, True):
            assert_both_equal_to_cpu(wide_rows(rows, cols), element, "rceil", swizzled)


@pytest.mark.parametrize("block_size", [1, 2, 16, 48, 96])
def test_other_blocks(block_size):
    x = with_specials(wide_rows(96, 96))
    for element in ("e4m3", "e3m2", "e2m1"):
        if element == "e2m1" and block_size == 1:
            continue
        for dim in (0, 1):
            for swizzled in (False, True):
                assert_equal_to_cpu(x, element, "rceil", block_size, dim, swizzled)


def test_strided_and_misaligned():
    wide = wide_rows(128, 2048)
    for x in (wide[:, :1024], wide[:, 3:1027], wide[::2], wide[:, 8:1032]):
        for dim in (0, 1):
            assert_equal_to_cpu(x, "e4m3", "rceil", 32, dim)
            assert_equal_to_cpu(x, "e2m1", "rceil", 32, dim, True)
        assert_both_equal_to_cpu(x)


def test_many_blocks():
    """Random data over many groups of threads, checked on the GPU against its own other layouts."""
    x = wide_rows(2048, 4096)
    codes, scale, codes_t, scale_t = ops.quantize_mx_both(x)
    assert_equal_codes(codes, ops.quantize_mx(x.cpu())[0])
    for got, expected in zip((codes, scale), ops.quantize_mx(x)):
        assert torch.equal(got.view(torch.uint8), expected.view(torch.uint8))
    for got, expected in zip((codes_t, scale_t), ops.quantize_mx(x.t().contiguous())):
        assert torch.equal(got.view(torch.uint8), expected.view(torch.uint8))
    swizzled = ops.quantize_mx_both(x, swizzled=True)
    assert torch.equal(swizzled[1].view(torch.uint8), ops.swizzle_scales(scale).view(torch.uint8))
    assert torch.equal(swizzled[3].view(torch.uint8), ops.swizzle_scales(scale_t).view(torch.uint8))


@pytest.mark.parametrize("rows, cols", [(2176, 2048), (2048, 2176), (4224, 1024)])
@pytest.mark.parametrize("element", ["e4m3", "e2m1"])
def test_large_along_columns(element, rows, cols):
    """Scales that leave the tiles in bands: equal to the rows of x and of its transpose."""
    x = torch.randn(rows, cols, device="cuda").bfloat16()
    expected = (*ops.quantize_mx(x, element), *ops.quantize_mx(x.T.contiguous(), element))
    got = poisoned(x, lambda x: ops.quantize_mx_both(x, element))
    ops.quantize_mx_both.out(x, element, **dict(zip(("codes", "scale", "codes_t", "scale_t"), got)))
    columns = poisoned(x, lambda x: ops.quantize_mx(x, element, dim=0))
    ops.quantize_mx.out(x, element, dim=0, codes=columns[0], scale=columns[1])
    for result, wanted in zip((*got, *columns), (*expected, *expected[2:])):
        assert_equal_bytes(result, wanted.cpu())


def test_empty():
    for shape in ((0, 64), (64, 0)):
        x = torch.empty(shape, device="cuda", dtype=torch.bfloat16)
        for dim in (0, 1):
            for got, expected in zip(ops.quantize_mx(x, dim=dim), ops.quantize_mx(x.cpu(), dim=dim)):
                assert got.shape == expected.shape
        assert ops.quantize_mx_both(x)[2].shape == shape[::-1]


def test_stream_and_graph():
    x = torch.randn(64, 512, device="cuda").bfloat16()
    codes, scale = ops.quantize_mx(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        ops.quantize_mx.out(x, codes=codes, scale=scale)
    x.copy_(torch.randn(64, 512))
    graph.replay()
    assert_equal_codes(codes, ops.quantize_mx(x.cpu())[0])


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda x: ops.quantize_mx(x.double()), "got float64, expected float32 or float16 or bfloat16"),
        (lambda x: ops.quantize_mx(x, block_size=48), "block_size does not fit x, got 48"),
        (lambda x: ops.quantize_mx(x, dim=2), "dim is not x's, got 2, expected 0 or 1"),
        (lambda x: ops.quantize_mx(x[:20], dim=0), "a divisor of 20"),
        (lambda x: ops.quantize_mx(x.t()), "strided columns"),
        (lambda x: ops.quantize_mx_both(x[:, :40].contiguous()), "a divisor of 40"),
        (lambda x: ops.quantize_mx.out(x, codes=x, scale=x), "codes has the wrong dtype"),
        (
            lambda x: ops.quantize_mx.out(x, codes=ops.quantize_mx(x)[0], scale=ops.quantize_mx(x.cpu())[1]),
            "scale is not on the GPU",
        ),
    ],
)
def test_refusals(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(torch.ones(64, 128, device="cuda", dtype=torch.bfloat16))

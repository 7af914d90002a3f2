"""quantize_fp8 on the GPU against the CPU's, bit by bit. Needs a GPU: scripts/gpu.sh test."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)
from gpu_testing import DTYPES, assert_equal_codes, assert_equal_values, wide_rows

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
quantize_fp8 = torch.ops.lowp.quantize_fp8
ROW, COLUMN, TENSOR = [1, -1], [-1, 1], [-1, -1]


def assert_equal_to_cpu(x, block=ROW, *arguments, **named):
    codes, scale = quantize_fp8(x, block, *arguments, **named)
    if "static_scale" in named:
        named["static_scale"] = named["static_scale"].cpu()
    expected_codes, expected_scale = quantize_fp8(x.cpu(), block, *arguments, **named)
    assert codes.device == x.device and scale.device == x.device
    assert_equal_values(scale, expected_scale)
    assert_equal_codes(codes, expected_codes)


# Widths of each launch (1, 4 and 8 vectors a thread), its edges, and rows that are not vectors.
@pytest.mark.parametrize(
    "cols", [8, 64, 256, 264, 1016, 1024, 1032, 4096, 8192, 8200, 14336, 65536, 65544, 1, 7, 513, 4099]
)
@pytest.mark.parametrize("rows", [1, 5])
def test_rows(rows, cols):
    assert_equal_to_cpu(wide_rows(rows, cols, seed=cols))


BLOCKS = [ROW, COLUMN, TENSOR, [1, 128], [1, 32], [1, 8], [1, 200], [1, 512], [128, 128], [16, 256], [1, 7],
          [3, 5], [128, 1], [64, -1], [-1, 64], [1000, 1000]]  # fmt: skip


@pytest.mark.parametrize("shape", [(300, 1160), (1, 40000), (257, 131), (40000, 1), (3, 5)], ids=str)
@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_blocks(block, shape):
    """Every kind of block on matrices that it divides and does not, of vectors and of odd rows."""
    assert_equal_to_cpu(wide_rows(*shape), block)


@pytest.mark.parametrize("element", ["e4m3", "e5m2"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block", [ROW, COLUMN, TENSOR, [1, 128], [128, 128], [1, 512]], ids=str)
def test_dtypes(block, dtype, element):
    x = wide_rows(520, 1032, dtype)
    for scale_dtype in DTYPES:
        assert_equal_to_cpu(x, block, element, scale_dtype)
    assert_equal_to_cpu(x, block, element, power_of_two=True)
    assert_equal_to_cpu(x[:, 1:], block, element)
    scale = quantize_fp8(x, block)[1]
    for factor in (0.01, 1.0, 100.0):
        assert_equal_to_cpu(x, block, element, static_scale=scale * torch.rand_like(scale) * factor)


@pytest.mark.parametrize("block", [ROW, COLUMN, TENSOR, [1, 128], [64, 64]], ids=str)
@pytest.mark.parametrize("element", ["e4m3", "e5m2"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_every_16_bit_number(dtype, element, block):
    """In rows whose amax spans the exponents, NaN and Inf included, and all together."""
    numbers = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(dtype)
    by_exponent = numbers.reshape(2, 256, 128).transpose(0, 1).reshape(256, 256).contiguous()
    for x in (by_exponent, by_exponent.T.contiguous(), numbers.reshape(64, 1024)):
        assert_equal_to_cpu(x.cuda(), block, element)
    finite = numbers[numbers.isfinite()][: 62 * 1024].reshape(62, 1024)
    assert_equal_to_cpu(finite.cuda(), block, element)
    assert_equal_to_cpu(finite.cuda(), block, element, power_of_two=True)


@pytest.mark.parametrize("element", ["e4m3", "e5m2"])
@pytest.mark.parametrize("block", [ROW, TENSOR, [1, 128], COLUMN], ids=str)
@pytest.mark.parametrize("amax", [0.0, 1e-44, 1e-38, 2.0**-61, 2.0**-60, 1.0, 2.0**99, 2.0**101, 3e38])
def test_range_of_exact_quotient(amax, block, element):
    torch.manual_seed(0)
    x = (torch.rand(16, 2048, device="cuda", dtype=torch.float64) * 2 - 1) * amax
    x[:, 0] = amax
    x[:, 1] = -0.0
    assert_equal_to_cpu(x.bfloat16(), block, element)
    assert_equal_to_cpu(x.float(), block, element)
    assert_equal_to_cpu(x.float(), block, element, power_of_two=True)


@pytest.mark.parametrize("block", [ROW, COLUMN, TENSOR, [1, 128], [128, 128]], ids=str)
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), -float("nan")])
def test_infinity_and_nan(value, block):
    """Inf makes the scale Inf, finite elements 0 and Inf NaN; NaN makes all of its block NaN."""
    x = torch.ones(512, 1024, device="cuda", dtype=torch.bfloat16)
    x[3, 700] = value
    assert_equal_to_cpu(x, block)


@pytest.mark.parametrize("block", [ROW, COLUMN, TENSOR, [1, 128], [64, 64], [1, 512]], ids=str)
def test_strided_and_misaligned_rows(block):
    wide = wide_rows(160, 4096)
    for x in (wide[:, :1024], wide[:, 3:1027], wide[::2], wide[:, 8:1032:1][::3]):
        assert_equal_to_cpu(x, block)


@pytest.mark.parametrize("block", [ROW, COLUMN, TENSOR, [1, 128]], ids=str)
def test_empty(block):
    for shape in ((0, 64), (64, 0), (0, 0)):
        assert_equal_to_cpu(torch.empty(shape, device="cuda", dtype=torch.bfloat16), block)


@pytest.mark.parametrize("block", [ROW, COLUMN, TENSOR, [1, 128]], ids=str)
def test_more_than_2_to_31_elements(block):
    """The quarters of each row are the same, so that what a quarter gives is known."""
    rows, quarter = 33100, 16256
    part = torch.randn(rows, quarter, device="cuda", dtype=torch.bfloat16)
    codes, scale = quantize_fp8(part.repeat(1, 4), block)
    expected_codes, expected_scale = quantize_fp8(part, block)
    assert torch.equal(codes.view(torch.uint8), expected_codes.view(torch.uint8).repeat(1, 4))
    assert torch.equal(scale, expected_scale.repeat(1, scale.shape[1] // expected_scale.shape[1]))


def test_out_form_and_stream():
    x = torch.randn(64, 512, device="cuda").bfloat16()
    for block in (ROW, COLUMN, TENSOR):
        expected = quantize_fp8(x, block)
        codes, scale = torch.empty_like(expected[0]), torch.empty_like(expected[1])
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        y = x.clone()
        torch.cuda.synchronize()
        with torch.cuda.stream(side):
            torch.cuda._sleep(10_000_000)
            y.mul_(2)
            quantize_fp8.out(y, block, codes=codes, scale=scale)
        torch.cuda.current_stream().wait_stream(side)
        assert torch.equal(scale, expected[1] * 2)
        assert_equal_codes(codes, expected[0])


@pytest.mark.parametrize("block", [ROW, COLUMN, TENSOR], ids=str)
def test_graph(block):
    x = torch.randn(64, 512, device="cuda").bfloat16()
    codes, scale = quantize_fp8(x, block)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        quantize_fp8.out(x, block, codes=codes, scale=scale)
    x.copy_(torch.randn(64, 512))
    graph.replay()
    assert_equal_codes(codes, quantize_fp8(x.cpu(), block)[0])


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda x: quantize_fp8(x.double(), ROW), "x has the wrong dtype, got float64"),
        (lambda x: quantize_fp8(x, [1]), "block has the wrong length"),
        (lambda x: quantize_fp8(x, ROW, "e4m4"), "expected one of e4m3, e5m2"),
        (lambda x: quantize_fp8(x.T, ROW), "x has strided columns"),
        (lambda x: quantize_fp8(x, ROW, static_scale=torch.ones(4, 1)), "static_scale is not on the GPU"),
        (lambda x: quantize_fp8(x, ROW, static_scale=torch.ones(4, 2, device="cuda")), "static_scale has the wrong"),
    ],
)
def test_refuses(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(torch.ones(4, 128, device="cuda"))

"""quantize_fp8 on the GPU against the CPU's. Needs a Hopper GPU: scripts/gpu.sh test."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)
from gpu_testing import assert_equal_codes

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
quantize_fp8 = torch.ops.lowp.quantize_fp8
ROW = [1, -1]


def assert_equal_to_cpu(x):
    codes, scale = quantize_fp8(x, ROW)
    expected_codes, expected_scale = quantize_fp8(x.cpu(), ROW)
    assert codes.device == x.device and scale.device == x.device
    assert torch.equal(scale.cpu().nan_to_num(-1.0), expected_scale.nan_to_num(-1.0))
    assert_equal_codes(codes, expected_codes)


# Widths of each launch (1, 4 and 8 vectors a thread), its edges, and of the element-wise kernel.
@pytest.mark.parametrize(
    "cols", [8, 64, 1016, 1024, 1032, 4096, 8192, 8200, 14336, 65536, 65544, 1, 7, 513, 4099]
)
@pytest.mark.parametrize("rows", [1, 5])
def test_equals_cpu(rows, cols):
    torch.manual_seed(cols)
    x = torch.randn(rows, cols, device="cuda") * torch.logspace(-8, 8, rows, device="cuda")[:, None]
    assert_equal_to_cpu(x.bfloat16())


def test_every_bfloat16():
    """All 2^16 inputs, in rows whose amax spans the exponents, NaN and Inf included."""
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.int16)
    by_exponent = bits.view(torch.bfloat16).reshape(2, 256, 128).transpose(0, 1).reshape(256, 256)
    assert_equal_to_cpu(by_exponent.contiguous().cuda())
    assert_equal_to_cpu(bits.view(torch.bfloat16).reshape(64, 1024).cuda())


@pytest.mark.parametrize("amax", [0.0, 1e-38, 2.0**-61, 2.0**-60, 1.0, 2.0**100, 2.0**101, 3e38])
def test_range_of_exact_quotient(amax):
    torch.manual_seed(0)
    x = (torch.rand(4, 2048, device="cuda", dtype=torch.float64) * 2 - 1) * amax
    x[:, 0] = amax
    x[:, 1] = -0.0
    assert_equal_to_cpu(x.bfloat16())


def test_infinity():
    """The scale is Inf: finite elements become 0, Inf NaN."""
    x = torch.ones(2, 1024, device="cuda", dtype=torch.bfloat16)
    x[0, 5] = float("inf")
    x[1, 700] = float("-inf")
    assert_equal_to_cpu(x)


def test_strided_and_misaligned_rows():
    torch.manual_seed(0)
    wide = torch.randn(16, 4096, device="cuda", dtype=torch.bfloat16)
    assert_equal_to_cpu(wide[:, :1024])
    assert_equal_to_cpu(wide[:, 3:1027])
    assert_equal_to_cpu(wide[::2])


def test_empty():
    codes, scale = quantize_fp8(torch.empty(0, 64, device="cuda", dtype=torch.bfloat16), ROW)
    assert codes.shape == (0, 64) and scale.shape == (0, 1)


def test_out_form_and_stream():
    x = torch.randn(64, 512, device="cuda").bfloat16()
    expected = quantize_fp8(x, ROW)
    codes, scale = torch.empty_like(expected[0]), torch.empty_like(expected[1])
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.cuda._sleep(10_000_000)
        x.mul_(2)
        quantize_fp8.out(x, ROW, codes=codes, scale=scale)
    torch.cuda.current_stream().wait_stream(side)
    assert torch.equal(scale, expected[1] * 2)
    assert_equal_codes(codes, expected[0])


def test_graph():
    x = torch.randn(64, 512, device="cuda").bfloat16()
    codes, scale = quantize_fp8(x, ROW)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        quantize_fp8.out(x, ROW, codes=codes, scale=scale)
    x.copy_(torch.randn(64, 512))
    graph.replay()
    assert_equal_codes(codes, quantize_fp8(x.cpu(), ROW)[0])


@pytest.mark.parametrize(
    "change, text",
    [
        (dict(x=torch.float32), "got float32, expected bfloat16"),
        (dict(block=[1, 64]), r"block .* got \(1, 64\), expected \(1, -1\)"),
        (dict(element="e5m2"), "got e5m2, expected e4m3"),
        (dict(scale_dtype=torch.bfloat16), "got bfloat16, expected float32"),
    ],
)
def test_what_the_gpu_does_not_take(change, text):
    x = torch.ones(4, 128, device="cuda", dtype=change.pop("x", torch.bfloat16))
    block = change.pop("block", ROW)
    with pytest.raises(RuntimeError, match=text):
        quantize_fp8(x, block, **change)

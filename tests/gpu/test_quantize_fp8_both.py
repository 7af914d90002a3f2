"""quantize_fp8_both on the GPU: rows and columns at once, each bit-equal to the CPU's."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)
from gpu_testing import DTYPES, assert_equal_codes, assert_equal_values, wide_rows

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
quantize_fp8_both = torch.ops.lowp.quantize_fp8_both


def assert_equal_to_cpu(x, *arguments, **named):
    got = quantize_fp8_both(x, *arguments, **named)
    expected = quantize_fp8_both(x.cpu(), *arguments, **named)
    for i in range(4):
        (assert_equal_values if i % 2 else assert_equal_codes)(got[i], expected[i])


SHAPES = [(128, 128), (256, 384), (1, 1), (1, 300), (300, 1), (129, 127), (8, 1032), (1032, 8), (520, 1160), (1000, 1003)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("group_size", [-1, 128])
def test_shapes(group_size, shape):
    x = wide_rows(*shape)
    assert_equal_to_cpu(x, group_size)
    assert_equal_to_cpu(x.T.contiguous(), group_size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("element", ["e4m3", "e5m2"])
@pytest.mark.parametrize("group_size", [-1, 128])
def test_dtypes(group_size, element, dtype):
    x = wide_rows(392, 1160, dtype)
    for power_of_two in (False, True):
        assert_equal_to_cpu(x, group_size, element, power_of_two)
        assert_equal_to_cpu(x[:, 3:1100], group_size, element, power_of_two)
        assert_equal_to_cpu(x[::2, :1024], group_size, element, power_of_two)


@pytest.mark.parametrize("group_size", [-1, 128])
def test_hard_values(group_size):
    x = wide_rows(264, 520)
    x[5] = 0.0
    x[:, 9] = -0.0
    x[17, 33], x[200, 3], x[201, 400] = float("nan"), float("inf"), float("-inf")
    assert_equal_to_cpu(x, group_size)
    assert_equal_to_cpu(x, group_size, power_of_two=True)
    numbers = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    assert_equal_to_cpu(numbers.view(256, 256).cuda(), group_size)


@pytest.mark.parametrize("group_size", [-1, 128])
def test_empty(group_size):
    for shape in ((0, 64), (64, 0)):
        assert_equal_to_cpu(torch.empty(shape, device="cuda"), group_size)


@pytest.mark.parametrize("group_size", [-1, 128])
def test_large(group_size):
    """Many tiles: equal to the plain operator on the GPU."""
    x = torch.randn(8192, 4096, device="cuda").bfloat16()
    block = [1, group_size]
    got = quantize_fp8_both(x, group_size)
    expected = (*torch.ops.lowp.quantize_fp8(x, block), *torch.ops.lowp.quantize_fp8(x.T.contiguous(), block))
    for a, b in zip(got, expected):
        assert torch.equal(a.view(torch.uint8), b.view(torch.uint8))


@pytest.mark.parametrize("group_size", [-1, 128])
def test_graph(group_size):
    """Launches that overlap, captured and replayed on other values."""
    x = torch.randn(2048, 4096, device="cuda").bfloat16()
    results = quantize_fp8_both(x, group_size)
    outputs = dict(zip(("codes", "scale", "codes_t", "scale_t"), results))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        quantize_fp8_both.out(x, group_size, **outputs)
    for _ in range(3):
        x.copy_(torch.randn(2048, 4096))
        graph.replay()
        for got, expected in zip(results, quantize_fp8_both(x, group_size)):
            assert torch.equal(got.view(torch.uint8), expected.view(torch.uint8))


def test_refuses():
    with pytest.raises(RuntimeError, match="group_size is not known, got 64, expected 128"):
        quantize_fp8_both(torch.ones(4, 128, device="cuda"), 64)

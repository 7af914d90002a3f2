"""quantize_nvfp4 on the GPU against the CPU's, bit for bit."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)
from gpu_testing import assert_equal_codes, assert_equal_values, wide_rows

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
ops = torch.ops.lowp
RECIPES = ["inference", "training"]
DTYPES = [torch.bfloat16, torch.float16, torch.float32]


def assert_equal_to_cpu(x, recipe="inference", floor=None, static=None, swizzled=False):
    on_cpu = None if static is None else static.cpu()
    expected = ops.quantize_nvfp4(x.cpu(), recipe, floor, on_cpu, swizzled)
    got = [torch.full_like(one.view(torch.uint8), 0xA5).view(one.dtype).cuda() for one in expected]
    codes, block_scale, tensor_scale = got
    ops.quantize_nvfp4.out(
        x, recipe, floor, static, swizzled, codes=codes, block_scale=block_scale, tensor_scale=tensor_scale
    )
    assert_equal_values(tensor_scale, expected[2])
    assert_equal_codes(block_scale, expected[1])
    assert_equal_codes(codes, expected[0])


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_recipes(recipe, dtype):
    x = wide_rows(160, 528, dtype)
    narrow = torch.randn(160, 528, device="cuda").to(dtype)
    for swizzled in (False, True):
        for values in (x, narrow):
            assert_equal_to_cpu(values, recipe, swizzled=swizzled)
            for floor in (0.0, 2.0**-9, 2.0**-6, 1.0):
                assert_equal_to_cpu(values, recipe, floor, swizzled=swizzled)
            for scale in (1.0, 3e-4, 0.7, 1e30, 1e-38, 0.0):
                assert_equal_to_cpu(values, recipe, None, torch.tensor([scale], device="cuda"), swizzled)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_bfloat16(recipe):
    """All 2^16 inputs under several tensor scales; by themselves they make the scale NaN."""
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.int16)
    x = bits.view(torch.bfloat16).reshape(64, 1024).cuda()
    assert_equal_to_cpu(x, recipe)
    assert_equal_to_cpu(x.nan_to_num(0.0, 0.0, 0.0), recipe)
    for scale in (1.0, 0.3, 1e-20, 1e20, float("inf"), float("nan")):
        assert_equal_to_cpu(x, recipe, None, torch.tensor([scale], device="cuda"))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("value", [0.0, -0.0, float("nan"), float("inf"), 1e-40, 1e-45, 3e38])
def test_special_values(recipe, value):
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.zeros(8, 64, device="cuda", dtype=dtype)
        x[3, 17] = value
        assert_equal_to_cpu(x, recipe)
        x[0, :16] = 1.0
        assert_equal_to_cpu(x, recipe)
        x[:] = value
        assert_equal_to_cpu(x, recipe)


def test_midpoints_of_codes():
    """Under scales of 1: every e2m1 number, the middles between them, and the fp32 next to those."""
    numbers = torch.tensor([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6])
    bits = numbers.view(torch.int32)
    points = torch.cat([(bits + d).clamp(min=0).view(torch.float32) for d in (-2, -1, 0, 1, 2)])
    points = torch.cat([points.clamp(max=6), -points.clamp(max=6)])
    x = torch.zeros(points.numel(), 16)
    x[:, 0] = 6
    x[:, 5] = points
    x[:, 8] = points
    assert_equal_to_cpu(x.cuda(), "inference", None, torch.ones(1, device="cuda"))
    assert_equal_to_cpu(x.cuda(), "training", None, torch.ones(1, device="cuda"))


# One warp, one group of threads and their edges; more partial maxima than the workspace holds.
@pytest.mark.parametrize("rows, cols", [(1, 16), (1, 1008), (3, 1040), (16, 8192), (129, 4112), (3000, 8192)])
def test_shapes(rows, cols):
    x = wide_rows(rows, cols)
    assert_equal_to_cpu(x)
    assert_equal_to_cpu(x, "training", swizzled=True)


def test_amax_anywhere():
    """The tensor's largest magnitude at the ends of warps, of groups of threads, of the tensor."""
    x = torch.randn(64, 8192, device="cuda").bfloat16()
    for at in (0, 7, 8, 255, 2047, 2048, 64 * 8192 - 1, 300_001):
        one = x.clone()
        one.view(-1)[at] = -1000.0
        assert float(ops.quantize_nvfp4(one)[2]) == float(torch.tensor(1000.0) / 2688)


def test_strided_and_misaligned():
    wide = wide_rows(128, 2048)
    for x in (wide[:, :1024], wide[:, 3:1027], wide[::2], wide.float()[:, 1:17]):
        assert_equal_to_cpu(x)
        assert_equal_to_cpu(x, swizzled=True)


def test_empty():
    for shape in ((0, 64), (64, 0)):
        x = torch.empty(shape, device="cuda", dtype=torch.bfloat16)
        for got, expected in zip(ops.quantize_nvfp4(x), ops.quantize_nvfp4(x.cpu())):
            assert got.shape == expected.shape
        assert_equal_values(ops.quantize_nvfp4(x)[2], ops.quantize_nvfp4(x.cpu())[2])


def test_graph():
    x = torch.randn(64, 512, device="cuda").bfloat16()
    codes, block_scale, tensor_scale = ops.quantize_nvfp4(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        ops.quantize_nvfp4.out(x, codes=codes, block_scale=block_scale, tensor_scale=tensor_scale)
    x.copy_(torch.randn(64, 512) * 5)
    graph.replay()
    expected = ops.quantize_nvfp4(x.cpu())
    assert_equal_codes(codes, expected[0])
    assert_equal_values(tensor_scale, expected[2])


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda x: ops.quantize_nvfp4(x.double()), "got float64, expected float32 or bfloat16 or float16"),
        (lambda x: ops.quantize_nvfp4(x[:, :24].contiguous()), "got 24, expected a multiple of 16"),
        (lambda x: ops.quantize_nvfp4(x, "fast"), "one of inference, training"),
        (lambda x: ops.quantize_nvfp4(x, static_tensor_scale=torch.ones(1)), "static_tensor_scale is not on the GPU"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(torch.ones(64, 128, device="cuda", dtype=torch.bfloat16))

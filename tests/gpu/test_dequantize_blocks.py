"""dequantize_mx, dequantize_nvfp4 and the swizzling of scales on the GPU against the CPU's."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)
from gpu_testing import assert_equal_codes, assert_equal_values

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
ops = torch.ops.lowp
ELEMENTS = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}
DTYPES = [torch.bfloat16, torch.float16, torch.float32]


def random_bytes(rows, cols, dtype=torch.uint8):
    torch.manual_seed(rows * cols)
    return torch.randint(0, 256, (rows, cols), dtype=torch.uint8).view(dtype)


def assert_mx_equal_to_cpu(codes, scale, element, dtype):
    expected = ops.dequantize_mx(codes, scale, element, dtype)
    assert_equal_values(ops.dequantize_mx(codes.cuda(), scale.cuda(), element, dtype), expected)
    wide = torch.full((expected.shape[0], expected.shape[1] + 5), 7.0, device="cuda", dtype=dtype)
    ops.dequantize_mx.out(codes.cuda(), scale.cuda(), element, out=wide[:, 3:-2])
    assert_equal_values(wide[:, 3:-2], expected)
    assert bool((wide[:, :3] == 7).all()) and bool((wide[:, -2:] == 7).all())


@pytest.mark.parametrize("element", ["e4m3", "e5m2", "e2m3", "e3m2", "e2m1"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_mx_every_code_and_scale(element, dtype):
    """Each code under each scale byte, bits above an fp6's set too."""
    codes = torch.arange(256, dtype=torch.uint8).repeat(256, 1).view(ELEMENTS.get(element, torch.uint8))
    bytes_a_block = 16 if element == "e2m1" else 32
    scale = torch.arange(256, dtype=torch.uint8)[:, None].repeat(1, 256 // bytes_a_block)
    assert_mx_equal_to_cpu(codes, scale.view(torch.float8_e8m0fnu), element, dtype)


@pytest.mark.parametrize("block_size", [1, 2, 8, 12, 24, 48])
def test_mx_other_blocks(block_size):
    scale = random_bytes(5, 96 * 4 // block_size, torch.float8_e8m0fnu)
    assert_mx_equal_to_cpu(random_bytes(5, 384, torch.float8_e4m3fn), scale, "e4m3", torch.bfloat16)
    if block_size > 1:
        assert_mx_equal_to_cpu(random_bytes(5, 192), scale, "e2m1", torch.float32)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tensor_scale", [1.0, 3e-4, 1e-38, 0.0, float("inf"), float("nan")])
def test_nvfp4(dtype, tensor_scale):
    """Each pair of codes under each block scale."""
    codes = torch.arange(256, dtype=torch.uint8).repeat(256, 1)
    block_scale = torch.arange(256, dtype=torch.uint8)[:, None].repeat(1, 32).view(torch.float8_e4m3fn)
    scale = torch.tensor([tensor_scale])
    expected = ops.dequantize_nvfp4(codes, block_scale, scale, dtype)
    operands = codes.cuda(), block_scale.cuda(), scale.cuda()
    assert_equal_values(ops.dequantize_nvfp4(*operands, dtype), expected)
    wide = torch.full((256, 517), 7.0, device="cuda", dtype=dtype)
    ops.dequantize_nvfp4.out(*operands, out=wide[:, 3:-2])
    assert_equal_values(wide[:, 3:-2], expected)
    assert bool((wide[:, :3] == 7).all()) and bool((wide[:, -2:] == 7).all())


@pytest.mark.parametrize("rows, cols", [(1, 1), (128, 4), (129, 5), (300, 224), (31, 3), (1000, 257)])
def test_swizzle(rows, cols):
    for dtype in (torch.uint8, torch.float8_e8m0fnu, torch.float8_e4m3fn):
        scale = random_bytes(rows, cols, dtype)
        expected = ops.swizzle_scales(scale)
        out = torch.full(expected.shape, 0xA5, device="cuda", dtype=torch.uint8).view(dtype)
        ops.swizzle_scales.out(scale.cuda(), out=out)
        assert_equal_codes(out.view(torch.uint8), expected.view(torch.uint8))
        back = ops.unswizzle_scales(out, rows, cols)
        assert back.dtype == dtype and back.is_cuda
        assert_equal_codes(back.view(torch.uint8), scale.view(torch.uint8))


def test_empty():
    none = torch.empty(0, 4, device="cuda", dtype=torch.uint8)
    assert ops.swizzle_scales(none).shape == (0, 16)
    assert ops.unswizzle_scales(none.new_empty(0, 16), 0, 4).shape == (0, 4)
    codes = torch.empty(0, 64, device="cuda", dtype=torch.float8_e4m3fn)
    assert ops.dequantize_mx(codes, codes.new_empty(0, 2).view(torch.float8_e8m0fnu)).shape == (0, 64)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda b: ops.swizzle_scales(b.float()), "float8_e8m0fnu or float8_e4m3fn or uint8"),
        (lambda b: ops.swizzle_scales(b.t()), "scale is not contiguous"),
        (lambda b: ops.unswizzle_scales(b, 64, 64), r"got \(64, 64\), expected \(32, 256\)"),
        (lambda b: ops.unswizzle_scales(b, -1, 64), "not a shape"),
        (lambda b: ops.dequantize_mx(b, b, "e2m1"), "float8_e8m0fnu"),
        (lambda b: ops.dequantize_mx(b, b.cpu().view(torch.float8_e8m0fnu), "e2m1"), "scale is not on the GPU"),
        (lambda b: ops.dequantize_nvfp4(b[:, :12].contiguous(), b, b), "a multiple of 8 bytes"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(torch.zeros(64, 64, device="cuda", dtype=torch.uint8))

"""quantize_int8, quantize_int4 and the dequantize operators on the GPU against the CPU's, bit by bit."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)
from gpu_testing import DTYPES, assert_equal_codes, assert_equal_values, wide_rows

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
ops = torch.ops.lowp
ROW, COLUMN, TENSOR = [1, -1], [-1, 1], [-1, -1]
INT8 = ["symmetric", "symmetric_no_clipping_err", "asymmetric"]
INT4 = ["symmetric", "asymmetric", "float_zero"]


def assert_equal_results(got, expected):
    for on_gpu, on_cpu in zip(got, expected, strict=True):
        if on_cpu.is_floating_point() and on_cpu.dtype.itemsize > 1:
            assert_equal_values(on_gpu, on_cpu)
        else:
            assert_equal_codes(on_gpu, on_cpu)


def hard(dtype):
    """Rows of ordinary numbers, zeros, one sign alone, NaN, Inf, the smallest and the largest."""
    x = wide_rows(520, 1040, dtype)
    x[1] = 0.0
    x[2] = -0.0
    x[3] = x[3].abs()
    x[4] = -x[4].abs()
    x[5, 17], x[6, 18], x[7, 19], x[8, 20] = (float(v) for v in ("nan", "-nan", "inf", "-inf"))
    x[9] = torch.finfo(dtype).max
    x[9, ::2] *= -1
    x[10] = torch.finfo(dtype).smallest_normal
    x[11] = torch.finfo(dtype).smallest_normal / 64
    return x


@pytest.mark.parametrize("block", [ROW, COLUMN, TENSOR, [1, 16], [1, 104], [4, 520], [52, 1], [1, 13]], ids=str)
@pytest.mark.parametrize("mapping", INT8)
@pytest.mark.parametrize("dtype", DTYPES)
def test_int8(dtype, mapping, block):
    for x in (hard(dtype), hard(dtype)[52:], wide_rows(52, 1057, dtype)[:, 17:]):
        on_cpu = x.cpu()
        for scale_dtype, eps in ((torch.float32, 2.0**-23), (torch.bfloat16, 2.0**-23), (torch.float16, 0.0)):
            assert_equal_results(
                ops.quantize_int8(x, block, mapping, scale_dtype, eps),
                ops.quantize_int8(on_cpu, block, mapping, scale_dtype, eps),
            )


@pytest.mark.parametrize("group_size", [2, 8, 26, 16, 208, 520, 1040])
@pytest.mark.parametrize("mapping", INT4)
@pytest.mark.parametrize("dtype", DTYPES)
def test_int4(dtype, mapping, group_size):
    for x in (hard(dtype), wide_rows(5, 1057, dtype)[:, 17:]):
        on_cpu = x.cpu()
        for scale_dtype in DTYPES:
            assert_equal_results(
                ops.quantize_int4(x, group_size, mapping, scale_dtype),
                ops.quantize_int4(on_cpu, group_size, mapping, scale_dtype),
            )


@pytest.mark.parametrize("shape", [(130, 1040), (7, 1030), (1, 8), (0, 16)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("element", ["e4m3", "e5m2"])
def test_dequantize_fp8(element, dtype, shape):
    for block in (ROW, COLUMN, TENSOR, [1, 128], [128, 128], [3, 5]):
        codes, scale = ops.quantize_fp8(wide_rows(*shape), block, element)
        numbers = torch.arange(codes.numel(), device="cuda").to(torch.uint8).view(codes.dtype).view(shape)
        for some in (codes, numbers):
            got = ops.dequantize_fp8(some, scale, block, dtype)
            assert_equal_values(got, ops.dequantize_fp8(some.cpu(), scale.cpu(), block, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mapping", INT8)
@pytest.mark.parametrize("block", [ROW, COLUMN, TENSOR, [1, 8], [1, 13], [20, 65]], ids=str)
def test_dequantize_int8(block, mapping, dtype):
    codes, scale, zero_point = ops.quantize_int8(hard(torch.float32), block, mapping)
    zero_point = zero_point if zero_point.numel() else None
    got = ops.dequantize_int8(codes, scale, block, zero_point, dtype)
    expected = ops.dequantize_int8(codes.cpu(), scale.cpu(), block, None if zero_point is None else zero_point.cpu(), dtype)
    assert_equal_values(got, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mapping", INT4)
@pytest.mark.parametrize("group_size", [2, 8, 26, 208, 1040])
def test_dequantize_int4(group_size, mapping, dtype):
    codes, scale, zero_point, zero = ops.quantize_int4(hard(torch.float32), group_size, mapping)
    zeros = [z if z.numel() else None for z in (zero_point, zero)]
    got = ops.dequantize_int4(codes, scale, *zeros, dtype)
    expected = ops.dequantize_int4(codes.cpu(), scale.cpu(), *(z if z is None else z.cpu() for z in zeros), dtype)
    assert_equal_values(got, expected)


def test_dequantize_into_strided_rows():
    x = wide_rows(33, 512)
    codes, scale = ops.quantize_fp8(x, ROW)
    for start in (0, 8, 3):
        wide = torch.full((33, 1024), 7.0, device="cuda", dtype=torch.bfloat16)
        ops.dequantize_fp8.out(codes, scale, ROW, out=wide[:, start : start + 512])
        assert torch.equal(wide[:, start : start + 512], ops.dequantize_fp8(codes, scale, ROW, torch.bfloat16))
        assert bool((wide[:, :start] == 7).all()) and bool((wide[:, start + 512 :] == 7).all())


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda x: ops.quantize_int8(x, [1, 7]), "block does not divide the matrix"),
        (lambda x: ops.quantize_int8(x, ROW, "half"), "mapping is not known"),
        (lambda x: ops.quantize_int4(x, 3), "group_size does not fit x"),
        (lambda x: ops.dequantize_int8(x, x, ROW), "codes has the wrong dtype"),
        (lambda x: ops.dequantize_fp8(ops.quantize_fp8(x, ROW)[0], torch.ones(4, 1), ROW), "scale is not on the GPU"),
    ],
)
def test_refuses(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(torch.ones(4, 128, device="cuda"))

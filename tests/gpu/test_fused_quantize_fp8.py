"""The operators that compute a tensor and quantize it, against double precision.

What is quantized is y in fp32, rounded to its dtype. The GPU's y lies within a relative `epsilon` of
the exact one, so that after rounding it lies between two known numbers, nearly always one and the
same. Scales and codes are monotonic in y: they lie between those of the two.
"""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)
from gpu_testing import DTYPES, assert_equal_codes, assert_equal_values

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
ops = torch.ops.lowp
ROW, GROUP = [1, -1], [1, 128]


def check(got, exact, epsilon, tiny, dtype, block, element, power_of_two):
    codes, scale = (t.cpu() for t in got)
    width = exact.abs() * epsilon + tiny
    low, high = ((exact + side * width).float().to(dtype) for side in (-1, 1))
    quantize = lambda y, **named: ops.quantize_fp8(y, block, element, **named)  # noqa: E731
    smallest = torch.where(low.sign() == high.sign(), torch.minimum(low.abs(), high.abs()), 0).to(dtype)
    largest = torch.maximum(low.abs(), high.abs())
    assert bool((quantize(smallest, power_of_two=power_of_two)[1] <= scale).all())
    assert bool((scale <= quantize(largest, power_of_two=power_of_two)[1]).all())
    from_low, from_high = (quantize(y, static_scale=scale)[0].float() for y in (low, high))
    assert bool((from_low <= codes.float()).all()) and bool((codes.float() <= from_high).all())
    assert float((from_low != from_high).float().mean()) < 0.02  # the bound says something


CASES = [(5, 1024, ROW), (5, 4096, ROW), (33, 14336, ROW), (7, 8200, ROW), (3, 20000, ROW), (9, 131, ROW),
         (64, 1024, GROUP), (3, 4096, GROUP), (33, 14336, GROUP), (5, 1160, GROUP), (4, 3001, GROUP), (2, 40960, ROW),
         (2, 40960, GROUP)]  # fmt: skip


@pytest.mark.parametrize("rows, cols, block", CASES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_silu_mul(dtype, rows, cols, block):
    torch.manual_seed(cols)
    gate, up = (torch.randn(rows, cols, device="cuda") * 4 for _ in range(2))
    gate[0, ::7] *= 30  # e^-x beyond fp32's range, and far below 1
    gate, up = gate.to(dtype), up.to(dtype)
    wide, factor = gate.double().cpu(), up.double().cpu()
    exact = wide * torch.sigmoid(wide) * factor
    # expf and the quotient 2 ulp, sum and product half an ulp each; above 2^126, e^87.3, the quotient is 0.
    tiny = factor.abs() * 2.0**-119
    for element in ("e4m3", "e5m2"):
        for power_of_two in (False, True):
            got = ops.silu_mul_quantize_fp8(gate, up, block, element, power_of_two)
            check(got, exact, 5 * 2.0**-23, tiny, dtype, block, element, power_of_two)


@pytest.mark.parametrize("rows, cols, block", CASES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rms_norm(dtype, rows, cols, block):
    torch.manual_seed(cols)
    x = (torch.randn(rows, cols, device="cuda") * torch.logspace(-3, 3, rows, device="cuda")[:, None]).to(dtype)
    for weight_dtype, offset in ((dtype, 0.0), (torch.float32, 1.0)):
        weight = (torch.rand(cols, device="cuda") + 0.5).to(weight_dtype)
        wide = x.double().cpu()
        factor = (wide.square().mean(1, keepdim=True) + 1e-6).rsqrt()
        exact = wide * factor * (weight.double().cpu() + offset)
        # A sum of at most 96 sums of squares in a row, then ten levels of pairs, half of that through
        # the root; six more roundings.
        for element, power_of_two in (("e4m3", False), ("e5m2", True)):
            got = ops.rms_norm_quantize_fp8(x, weight, 1e-6, block, element, power_of_two, offset)
            check(got, exact, (106 / 2 + 6) * 2.0**-24, 0.0, dtype, block, element, power_of_two)


def test_blocks_and_strided_rows_of_silu_mul():
    """The product in registers gives what the product in memory would."""
    torch.manual_seed(0)
    wide = torch.randn(260, 2100, device="cuda").bfloat16()
    for gate, up in ((wide[:, :1024], wide[:, 1024:2048]), (wide[:, 3:1027], wide[:, 1030:2054])):
        rows = ops.silu_mul_quantize_fp8(gate.contiguous(), up.contiguous(), ROW)
        for a, b in zip(ops.silu_mul_quantize_fp8(gate, up, ROW), rows):
            assert torch.equal(a.view(torch.uint8), b.view(torch.uint8))
        for block in ([128, 128], [-1, -1], [3, 50], [1, 64]):
            codes, scale = ops.silu_mul_quantize_fp8(gate, up, block)
            values = ops.dequantize_fp8(codes, scale, block)
            exact = torch.nn.functional.silu(gate.float()) * up.float()
            # Half a step of e4m3 (2^-4), of bf16 before, and e4m3's smallest step.
            bound = exact.abs() * (2.0**-4 + 2.0**-7) + scale.max() * 2.0**-9
            assert bool(((values - exact).abs() <= bound).all())


def test_nan_and_empty():
    gate = torch.ones(4, 256, device="cuda", dtype=torch.bfloat16)
    gate[0], gate[3] = 0.0, 0.0
    gate[1, 5], gate[2, 7] = float("nan"), float("inf")
    up = torch.ones_like(gate)
    for block in (ROW, GROUP):
        got = ops.silu_mul_quantize_fp8(gate, up, block)
        expected = ops.silu_mul_quantize_fp8(gate.cpu(), up.cpu(), block)
        assert_equal_codes(got[0], expected[0])
        assert_equal_values(got[1], expected[1])
        got = ops.rms_norm_quantize_fp8(gate, up[0], 1e-6, block)
        expected = ops.rms_norm_quantize_fp8(gate.cpu(), up[0].cpu(), 1e-6, block)
        assert_equal_codes(got[0], expected[0])
        assert_equal_values(got[1], expected[1])
        for shape in ((0, 256), (4, 0)):
            empty = torch.empty(shape, device="cuda")
            assert ops.silu_mul_quantize_fp8(empty, empty, block)[0].shape == shape
            assert ops.rms_norm_quantize_fp8(empty, empty.new_ones(shape[1]), 1e-6, block)[0].shape == shape


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda x: ops.silu_mul_quantize_fp8(x, x.half(), ROW), "up has the wrong dtype"),
        (lambda x: ops.silu_mul_quantize_fp8(x, x[:, :4], ROW), "up has the wrong shape"),
        (lambda x: ops.rms_norm_quantize_fp8(x, x[0, :4], 1e-6, ROW), "weight has the wrong shape"),
        (lambda x: ops.rms_norm_quantize_fp8(x, x[0], 1e-6, [128, 128]), "block is not within a row"),
    ],
)
def test_refuses(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(torch.ones(4, 256, device="cuda"))

"""scaled_mm on the CPU: every legal pair of recipes equals dequantizing and multiplying in float64."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)

scaled_mm = torch.ops.lowp.scaled_mm
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
BLOCKS = {"tensor": (None, None), "row": (1, None), "1x128": (1, 128), "128x128": (128, 128), "1x32": (1, 32), "1x16": (1, 16)}
PAIRS = [("tensor", "tensor"), ("row", "row"), ("1x128", "128x128"), ("1x128", "1x128"), ("128x128", "1x128")]
EPSILON = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
FP4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], dtype=torch.float64)


def spread(scale, block, rows, cols):
    for dim, (size, extent) in enumerate(zip(block, (rows, cols)), start=scale.dim() - 2):
        scale = scale.repeat_interleave(size or extent, dim)
    return scale[..., :rows, :cols]


def operand(rows, cols, recipe, dtype=E4M3, batch=(), seed=0):
    """Random codes and scales, and the values in float64."""
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.uint8:
        codes = torch.randint(0, 256, (*batch, rows, cols // 2), dtype=dtype, generator=generator)
        values = FP4[torch.stack((codes & 15, codes >> 4), -1).flatten(-2).long()]
    else:
        codes = torch.randn(*batch, rows, cols, generator=generator).mul(4).to(dtype)
        values = codes.double()
    block = BLOCKS[recipe]
    shape = (*batch, *(-(-extent // (size or extent)) for size, extent in zip(block, (rows, cols))))
    if recipe == "1x32":
        scale = torch.randint(120, 134, shape, dtype=torch.uint8, generator=generator).view(torch.float8_e8m0fnu)
        wide = scale.float().double()
    else:
        scale = torch.rand(shape, generator=generator) + 0.01
        scale = scale.to(E4M3) if recipe == "1x16" else scale
        wide = scale.double()
    return codes, scale, values * spread(wide, block, rows, cols)


def expect_product(got, a, b, bias=None):
    expected = a @ b.transpose(-1, -2)
    magnitude = a.abs() @ b.abs().transpose(-1, -2)
    if bias is not None:
        expected, magnitude = expected + bias.double(), magnitude + bias.double().abs()
    bound = magnitude * ((a.shape[-1] + 8) * 2.0**-23)
    bound = bound + EPSILON[got.dtype] * (expected.abs() + bound) + 2.0**-25
    assert bool(((got.double() - expected).abs() <= bound).all())


@pytest.mark.parametrize("m, n, k", [(1, 16, 16), (3, 130, 128), (5, 33, 300), (70, 140, 260)])
@pytest.mark.parametrize("recipes", PAIRS, ids="-".join)
def test_product(recipes, m, n, k):
    for dtypes in ((E4M3, E4M3), (E5M2, E4M3), (E5M2, E5M2)):
        a, scale_a, a_values = operand(m, k, recipes[0], dtypes[0], seed=1)
        b, scale_b, b_values = operand(n, k, recipes[1], dtypes[1], seed=2)
        for out_dtype, bias in ((None, None), (torch.float32, torch.randn(n)), (torch.float16, torch.randn(n).bfloat16())):
            got = scaled_mm(a, b, scale_a, scale_b, *recipes, bias, out_dtype)
            assert got.dtype == (out_dtype or torch.bfloat16)
            expect_product(got, a_values, b_values, bias)


FP4_CODES = torch.uint8


@pytest.mark.parametrize("m", [1, 3, 70])
@pytest.mark.parametrize("recipe, dtype_a, dtype_b", [
    ("1x32", E4M3, E4M3), ("1x32", E5M2, E4M3), ("1x32", E5M2, E5M2), ("1x32", FP4_CODES, FP4_CODES), ("1x16", FP4_CODES, FP4_CODES),
])
@pytest.mark.parametrize("swizzled", [False, True])
def test_small_blocks(recipe, dtype_a, dtype_b, swizzled, m):
    a, scale_a, a_values = operand(m, 192, recipe, dtype_a, seed=1)
    b, scale_b, b_values = operand(140, 192, recipe, dtype_b, seed=2)
    if swizzled:
        scale_a, scale_b = swizzle(scale_a), swizzle(scale_b)
    tensor_scales = (None, None)
    if recipe == "1x16":
        tensor_scales = (torch.tensor([0.5]), torch.tensor([3.0]))
        a_values = a_values * 1.5
    got = scaled_mm(a, b, scale_a, scale_b, recipe, recipe, None, torch.float32, False, *tensor_scales, swizzled)
    expect_product(got, a_values, b_values)


def swizzle(scale):
    """numerics 7.1, element by element."""
    rows, cols = scale.shape
    tiles = -(-cols // 4)
    out = torch.zeros(-(-rows // 128) * tiles * 512, dtype=torch.uint8)
    r, c = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    at = ((r // 128) * tiles + c // 4) * 512 + (r % 32) * 16 + (r % 128) // 32 * 4 + c % 4
    out[at.flatten()] = scale.view(torch.uint8).flatten()
    return out.view(scale.dtype)


@pytest.mark.parametrize("b_batched", [False, True])
@pytest.mark.parametrize("recipes", PAIRS, ids="-".join)
def test_batch_and_strides(recipes, b_batched):
    a, scale_a, a_values = operand(9, 256, recipes[0], batch=(3,), seed=1)
    b, scale_b, b_values = operand(140, 256, recipes[1], batch=(3,) if b_batched else (), seed=2)
    got = scaled_mm(a, b, scale_a, scale_b, *recipes)
    assert got.shape == (3, 9, 140)
    expect_product(got, a_values, b_values)
    wide = torch.zeros(3, 9, 300).to(E4M3)
    wide[..., :256] = a
    columns = scale_a.transpose(1, 2).contiguous().transpose(1, 2)
    expect_product(scaled_mm(wide[..., :256], b, columns, scale_b, *recipes), a_values, b_values)


@pytest.mark.parametrize("recipe, dtype", [("1x32", E4M3), ("1x32", E5M2), ("1x32", FP4_CODES), ("1x16", FP4_CODES), ("row", E5M2)])
def test_rows_apart(recipe, dtype):
    a, scale_a, a_values = operand(9, 192, recipe, dtype, seed=1)
    b, scale_b, b_values = operand(24, 192, recipe, dtype, seed=2)
    apart = []
    for codes in (a, b):
        wide = torch.full((codes.shape[0], codes.shape[1] + 40), 0x7F, dtype=torch.uint8)
        wide[:, :codes.shape[1]] = codes.view(torch.uint8)
        apart.append(wide.view(dtype)[:, :codes.shape[1]])
    assert scaled_mm.implementation(*apart, scale_a, scale_b, recipe, recipe) != "reference"
    expect_product(scaled_mm(*apart, scale_a, scale_b, recipe, recipe), a_values, b_values)


def test_empty():
    a, scale_a, _ = operand(4, 64, "tensor")
    b, scale_b, _ = operand(16, 64, "tensor")
    bias = torch.randn(16)
    assert scaled_mm(a[:0], b, scale_a, scale_b, "tensor", "tensor").shape == (0, 16)
    got = scaled_mm(a[:, :0], b[:, :0], scale_a, scale_b, "tensor", "tensor", bias, torch.float32)
    assert torch.equal(got, bias.expand(4, 16))


@pytest.mark.parametrize("recipes, dtype, expected", [
    (("row", "row"), E4M3, "linear_fp8"), (("1x128", "128x128"), E4M3, "linear_fp8"), (("1x128", "1x128"), E4M3, "linear_fp8"),
    (("row", "row"), E5M2, "linear_fp8"), (("1x32", "1x32"), E4M3, "linear_mxfp8"), (("1x32", "1x32"), E5M2, "linear_bf16"),
    (("1x32", "1x32"), FP4_CODES, "linear_mxfp4"), (("1x16", "1x16"), FP4_CODES, "linear_nvfp4"),
])
def test_what_runs(recipes, dtype, expected):
    a, scale_a, _ = operand(4, 256, recipes[0], dtype)
    b, scale_b, _ = operand(16, 256, recipes[1], dtype)
    assert scaled_mm.implementation(a, b, scale_a, scale_b, *recipes) == expected


@pytest.mark.parametrize("left", BLOCKS)
@pytest.mark.parametrize("right", BLOCKS)
def test_pairs(left, right):
    """Every pair that numerics does not list is an error."""
    legal = left == right != "128x128" or {left, right} == {"1x128", "128x128"}
    dtypes = [torch.uint8 if recipe == "1x16" else E4M3 for recipe in (left, right)]
    a, scale_a, _ = operand(4, 256, left, dtypes[0])
    b, scale_b, _ = operand(16, 256, right, dtypes[1])
    if legal:
        scaled_mm(a, b, scale_a, scale_b, left, right)
        return
    with pytest.raises(RuntimeError, match=f"do not go together, got {left} and {right}"):
        scaled_mm(a, b, scale_a, scale_b, left, right)


@pytest.mark.parametrize("change, text", [
    (dict(scale_a=torch.ones(4, 2)), r"scale_a does not fit a, got \(4, 2\), expected \(4, 1\)"),
    (dict(b=torch.zeros(16, 32).to(E4M3)), "b does not fit a"),
    (dict(a=torch.zeros(4, 64)), "a .* got float32"),
    (dict(bias=torch.ones(3)), "bias"),
    (dict(tensor_scale_a=torch.ones(1)), "tensor_scale_a belongs to recipe 1x16"),
    (dict(implementation="lowp"), "implementation is not known, got 'lowp'"),
])
def test_refusals(change, text):
    a, scale_a, _ = operand(4, 64, "row")
    b, scale_b, _ = operand(16, 64, "row")
    arguments = dict(a=a, b=b, scale_a=scale_a, scale_b=scale_b, recipe_a="row", recipe_b="row")
    with pytest.raises(RuntimeError, match=text):
        scaled_mm(**(arguments | change))

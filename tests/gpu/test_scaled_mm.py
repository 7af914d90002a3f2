"""scaled_mm on the GPU against float64. Needs a Hopper GPU: scripts/gpu.sh test."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
scaled_mm = torch.ops.lowp.scaled_mm
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
PAIRS = [("tensor", "tensor"), ("row", "row"), ("1x128", "128x128"), ("1x128", "1x128"), ("128x128", "1x128")]
BLOCKS = {"tensor": (None, None), "row": (1, None), "1x128": (1, 128), "128x128": (128, 128)}
EPSILON = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
# What one step of 32 columns may lose in the tensor core, of the magnitude of what it adds to.
TENSOR_CORE_EPSILON = 2.0**-13


def spread(scale, block, rows, cols):
    """A scale a block as a scale an element."""
    for dim, (size, extent) in enumerate(zip(block, (rows, cols)), start=scale.dim() - 2):
        scale = scale.repeat_interleave(size or extent, dim)
    return scale[..., :rows, :cols]


def operand(rows, cols, recipe, dtype=E4M3, batch=(), seed=0):
    """Random codes with a scale of its own for each block; the values in float64."""
    generator = torch.Generator("cuda").manual_seed(seed)
    codes = torch.randn(*batch, rows, cols, device="cuda", generator=generator).mul(4).to(dtype)
    block = BLOCKS[recipe]
    shape = [-(-extent // (size or extent)) for size, extent in zip(block, (rows, cols))]
    scale = torch.rand(*batch, *shape, device="cuda", generator=generator) + 0.01
    return codes, scale, codes.double() * spread(scale.double(), block, rows, cols)


def expect_product(got, a, b, bias=None, fast=False):
    """The error of sums in the tensor core, and of one rounding."""
    assert not got.isnan().any()
    expected = a @ b.transpose(-1, -2)
    magnitude = a.abs() @ b.abs().transpose(-1, -2)
    if bias is not None:
        expected = expected + bias.double()
        magnitude = magnitude + bias.double().abs()
    columns = a.shape[-1]
    steps = columns / 32 if fast else min(columns / 32, 4)
    bound = magnitude * ((steps + 1) * TENSOR_CORE_EPSILON + (columns + 8) * 2.0**-23)
    bound = bound + EPSILON[got.dtype] * (expected.abs() + bound) + 2.0**-25
    error = (got.double() - expected).abs()
    assert bool((error <= bound).all()), f"{(error / bound).max().item():.2f} of the bound"


def families(*arguments, **more):
    """What may be insisted on for this product: at least lowp's own kernels."""
    taken = []
    for family in ("lowp", "cublaslt"):
        try:
            scaled_mm.implementation(*arguments, implementation=family, **more)
            taken.append(family)
        except RuntimeError as error:
            assert "no implementation takes this product" in str(error) and family == "cublaslt"
    return taken


SHAPES = [(1, 16, 16), (3, 256, 128), (16, 272, 400), (17, 48, 1040), (64, 512, 256), (65, 130, 64), (128, 256, 512),
          (300, 400, 272), (520, 1032, 896)]


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("m, n, k", SHAPES)
@pytest.mark.parametrize("recipes", PAIRS, ids="-".join)
def test_product(recipes, m, n, k, fast):
    a, scale_a, a_values = operand(m, k, recipes[0], seed=1)
    b, scale_b, b_values = operand(n, k, recipes[1], seed=2)
    dtypes = [(torch.bfloat16, None), (torch.float32, torch.float32), (torch.float16, torch.bfloat16),
              (torch.bfloat16, torch.bfloat16), (torch.float16, torch.float16), (torch.float32, None)]
    for dtype, bias_dtype in dtypes:
        bias = None if bias_dtype is None else torch.randn(n, device="cuda").to(bias_dtype)
        arguments = (a, b, scale_a, scale_b, *recipes, bias, dtype, fast)
        for family in families(*arguments):
            out = torch.full((m, n), float("nan"), device="cuda", dtype=dtype)
            scaled_mm.out(*arguments, implementation=family, out=out)
            expect_product(out, a_values, b_values, bias, fast)
            assert torch.equal(scaled_mm(*arguments, implementation=family), out)


@pytest.mark.parametrize("dtypes", [(E5M2, E4M3), (E4M3, E5M2)])
@pytest.mark.parametrize("m", [5, 200])
@pytest.mark.parametrize("recipes", PAIRS, ids="-".join)
def test_float8_types(recipes, m, dtypes):
    a, scale_a, a_values = operand(m, 512, recipes[0], dtypes[0], seed=1)
    b, scale_b, b_values = operand(336, 512, recipes[1], dtypes[1], seed=2)
    expect_product(scaled_mm(a, b, scale_a, scale_b, *recipes), a_values, b_values)


@pytest.mark.parametrize("b_batched", [False, True])
@pytest.mark.parametrize("m", [8, 200])
@pytest.mark.parametrize("recipes", PAIRS, ids="-".join)
def test_batch(recipes, m, b_batched):
    a, scale_a, a_values = operand(m, 256, recipes[0], batch=(3,), seed=1)
    b, scale_b, b_values = operand(272, 256, recipes[1], batch=(3,) if b_batched else (), seed=2)
    got = scaled_mm(a, b, scale_a, scale_b, *recipes)
    assert got.shape == (3, m, 272)
    expect_product(got, a_values, b_values)


def test_one_matrix_for_a_whole_batch():
    a, scale_a, a_values = operand(200, 256, "row", seed=1)
    b, scale_b, b_values = operand(272, 256, "row", batch=(3,), seed=2)
    got = scaled_mm(a.expand(3, 200, 256), b, scale_a.expand(3, 200, 1), scale_b, "row", "row")
    expect_product(got, a_values, b_values)


def test_strides():
    """Padded rows, and scales in the order of torch._scaled_mm."""
    a, scale_a, a_values = operand(200, 256, "1x128", seed=1)
    b, scale_b, b_values = operand(272, 256, "128x128", seed=2)
    wide = torch.zeros(200, 512, device="cuda").to(E4M3)
    wide[:, :256] = a
    got = scaled_mm(wide[:, :256], b, scale_a.t().contiguous().t(), scale_b.t().contiguous().t(), "1x128", "128x128")
    assert torch.equal(got, scaled_mm(a, b, scale_a, scale_b, "1x128", "128x128"))
    expect_product(got, a_values, b_values)


@pytest.mark.parametrize("m", [2, 200])
def test_non_finite(m):
    """NaN of a spoils its row, NaN of b its column; infinite scales and sums beyond fp16 are infinite."""
    a, scale_a, _ = operand(m, 256, "row", seed=1)
    b, scale_b, _ = operand(272, 256, "row", seed=2)
    clean = scaled_mm(a, b, scale_a, scale_b, "row", "row")
    nan = torch.tensor(float("nan"), device="cuda").to(E4M3)
    a[1, 100], b[7, 255] = nan, nan
    got = scaled_mm(a, b, scale_a, scale_b, "row", "row")
    expected = torch.zeros_like(clean, dtype=torch.bool)
    expected[1], expected[:, 7] = True, True
    assert torch.equal(got.isnan(), expected)
    assert torch.equal(got[~expected], clean[~expected])
    a[1, 100] = 1.0
    scale_a[1] = float("inf")
    assert not scaled_mm(a, b, scale_a, scale_b, "row", "row")[1].isfinite().any()
    big = scaled_mm(a[:1], b[:1], scale_a[:1] * 1e30, scale_b[:1], "row", "row", out_dtype=torch.float16)
    assert big.isinf().all()


def test_empty():
    a, scale_a, _ = operand(4, 64, "tensor")
    b, scale_b, _ = operand(16, 64, "tensor")
    bias = torch.randn(16, device="cuda")
    assert scaled_mm(a[:0], b, scale_a, scale_b, "tensor", "tensor").shape == (0, 16)
    assert scaled_mm(a, b[:0], scale_a, scale_b, "tensor", "tensor").shape == (4, 0)
    got = scaled_mm(a[:, :0], b[:, :0], scale_a, scale_b, "tensor", "tensor", bias, torch.float32)
    assert torch.equal(got, bias.expand(4, 16))
    assert scaled_mm(a[:, :0], b[:, :0], scale_a, scale_b, "tensor", "tensor").eq(0).all()


def test_more_than_2_31_outputs():
    a, scale_a, a_values = operand(70000, 16, "row", seed=1)
    b, scale_b, b_values = operand(32768, 16, "row", seed=2)
    got = scaled_mm(a, b, scale_a, scale_b, "row", "row")
    for rows in (slice(0, 100), slice(65500, 65600), slice(69900, 70000)):
        expect_product(got[rows], a_values[rows], b_values)


@pytest.mark.parametrize("family", ["auto", "lowp", "cublaslt"])
def test_stream_and_graph(family):
    a, scale_a, _ = operand(100, 256, "row", seed=1)
    b, scale_b, _ = operand(272, 256, "row", seed=2)
    expected = scaled_mm(a, b, scale_a, scale_b, "row", "row", implementation=family)
    out = torch.zeros_like(expected)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        scaled_mm.out(a, b, scale_a, scale_b, "row", "row", implementation=family, out=out)
    out.zero_()
    graph.replay()
    assert torch.equal(out, expected)


# (recipe of both, rows, columns, dtypes, batch) and which of lowp's kernels would run, or why none does; what
# "auto" takes where that is another.
@pytest.mark.parametrize(
    "recipes, m, k, dtypes, batch, expected, chosen",
    [
        (("tensor", "tensor"), 64, 128, (E4M3, E4M3), (), "sm90_few_rows", None),
        (("row", "row"), 1, 16, (E4M3, E5M2), (), "sm90_few_rows", None),
        (("1x128", "128x128"), 64, 128, (E4M3, E4M3), (), "sm90_few_rows", None),
        (("1x128", "1x128"), 64, 128, (E4M3, E4M3), (), "sm90", None),
        (("128x128", "1x128"), 64, 128, (E4M3, E4M3), (), "sm90", None),
        (("row", "row"), 65, 128, (E4M3, E4M3), (), "sm90", "cublaslt"),
        (("tensor", "tensor"), 65, 128, (E4M3, E5M2), (), "sm90", "cublaslt"),
        (("1x128", "128x128"), 65, 128, (E4M3, E4M3), (), "sm90", None),
        (("row", "row"), 64, 128, (E5M2, E4M3), (2,), "sm90", None),
        (("row", "row"), 64, 128, (E5M2, E5M2), (), "e5m2 by e5m2", None),
        (("row", "row"), 64, 120, (E4M3, E4M3), (), "rows are not 16 bytes aligned", None),
    ],
)
def test_what_runs(recipes, m, k, dtypes, batch, expected, chosen):
    a, scale_a, _ = operand(m, k, recipes[0], dtypes[0], batch)
    b, scale_b, _ = operand(32, k, recipes[1], dtypes[1], batch)
    arguments = (a, b, scale_a, scale_b, *recipes)
    if not expected.startswith("sm90"):
        with pytest.raises(RuntimeError, match=expected):
            scaled_mm(*arguments)
        return
    assert scaled_mm.implementation(*arguments) == (chosen or expected)
    assert scaled_mm.implementation(*arguments, implementation="lowp") == expected


def test_what_runs_by_size():
    for rows, expected in [(4096, "sm90"), (8192, "cublaslt")]:
        a, scale_a, _ = operand(rows, 4096, "1x128")
        b, scale_b, _ = operand(rows, 4096, "128x128")
        assert scaled_mm.implementation(a, b, scale_a, scale_b, "1x128", "128x128") == expected
    a, scale_a, _ = operand(128, 12288, "row")
    b, scale_b, _ = operand(128, 12288, "row")
    arguments = (a, b, scale_a, scale_b, "row", "row")
    assert scaled_mm.implementation(*arguments, use_fast_accum=True) == "sm90"
    assert scaled_mm.implementation(*arguments) == "cublaslt"


def rows_beside(scale):
    """Scales of 1x128 as cuBLASLt takes them."""
    return scale.t().contiguous().t()


@pytest.mark.parametrize(
    "recipes, m, n, k, bias, out_dtype, change, expected",
    [
        (("tensor", "tensor"), 128, 256, 128, None, torch.bfloat16, None, "cublaslt"),
        (("row", "row"), 128, 256, 128, torch.bfloat16, torch.bfloat16, None, "cublaslt"),
        (("row", "row"), 1, 16, 16, None, torch.bfloat16, None, "cublaslt"),
        (("1x128", "128x128"), 128, 256, 512, None, torch.bfloat16, "rows beside", "cublaslt"),
        (("1x128", "1x128"), 128, 256, 512, None, torch.bfloat16, "rows beside", "cublaslt"),
        (("1x128", "128x128"), 128, 256, 512, None, torch.bfloat16, None, "cublaslt"),
        (("1x128", "128x128"), 136, 144, 400, None, torch.bfloat16, None, "cublaslt"),
        (("1x128", "1x128"), 136, 144, 400, None, torch.bfloat16, None, "cublaslt"),
        (("128x128", "1x128"), 256, 144, 784, None, torch.bfloat16, None, "cublaslt"),
        (("row", "row"), 128, 256, 128, torch.float32, torch.float32, None, "a bias of an fp32 output"),
        (("row", "row"), 128, 256, 128, torch.float16, torch.bfloat16, None, "a bias of another dtype"),
        (("row", "row"), 128, 248, 128, None, torch.bfloat16, None, "no multiple of 16"),
        (("row", "row"), 128, 256, 136, None, torch.bfloat16, None, "no multiple of 16"),
        (("row", "row"), 128, 256, 128, None, torch.bfloat16, "batch", "a batch"),
    ],
)
def test_what_cublaslt_takes(recipes, m, n, k, bias, out_dtype, change, expected):
    batch = (2,) if change == "batch" else ()
    a, scale_a, a_values = operand(m, k, recipes[0], batch=batch, seed=1)
    b, scale_b, b_values = operand(n, k, recipes[1], batch=batch, seed=2)
    if change == "rows beside":
        scale_a = rows_beside(scale_a)
        scale_b = rows_beside(scale_b) if recipes[1] == "1x128" else scale_b
    bias = None if bias is None else torch.randn(n, device="cuda").to(bias)
    arguments = (a, b, scale_a, scale_b, *recipes, bias, out_dtype)
    if expected != "cublaslt":
        with pytest.raises(RuntimeError, match=expected):
            scaled_mm(*arguments, implementation="cublaslt")
        return
    assert scaled_mm.implementation(*arguments, implementation="cublaslt") == expected
    expect_product(scaled_mm(*arguments, implementation="cublaslt"), a_values, b_values, bias)


@pytest.mark.parametrize(
    "change, text",
    [
        (dict(recipe_b="1x128"), "recipe_a and recipe_b do not go together, got row and 1x128"),
        (dict(recipe_a="column"), "recipe_a is not known, got 'column'"),
        (dict(scale_a=torch.ones(1, 4)), "scale_a .* CUDA"),
        (dict(b=torch.ones(8, 32)), "b .* got float32"),
        (dict(bias=torch.ones(3)), "bias"),
        (dict(implementation="fastest"), "implementation is not known, got 'fastest'"),
    ],
)
def test_refusals(change, text):
    a, scale_a, _ = operand(4, 64, "row")
    b, scale_b, _ = operand(16, 64, "row")
    arguments = dict(a=a, b=b, scale_a=scale_a, scale_b=scale_b, recipe_a="row", recipe_b="row")
    for name, value in change.items():
        arguments[name] = value.cuda() if torch.is_tensor(value) and name != "scale_a" else value
    with pytest.raises(RuntimeError, match=text):
        scaled_mm(**arguments)

"""linear_fp8 on the GPU: scaled_mm of what quantize_fp8 gives, within its bounds of float64."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)
from test_scaled_mm import expect_product, spread

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
linear_fp8 = torch.ops.lowp.linear_fp8
quantize_fp8 = torch.ops.lowp.quantize_fp8
# weight_block and the block of x that goes with it
RECIPES = {"tensor": ([-1, -1], [-1, -1]), "row": ([1, -1], [1, -1]), "block": ([128, 128], [1, 128])}


def quantized(x, block):
    """Codes, scale, and the values in float64."""
    codes, scale = quantize_fp8(x, block)
    sizes = [extent if size == -1 else size for size, extent in zip(block, x.shape)]
    return codes, scale, codes.double() * spread(scale.double(), sizes, *x.shape)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("m, n, k", [(1, 16, 16), (2, 130, 64), (16, 272, 400), (33, 48, 1040), (64, 512, 256),
                                     (65, 130, 64), (300, 1040, 272), (1, 8192, 1024)])
@pytest.mark.parametrize("recipe", RECIPES)
def test_product(recipe, m, n, k, dtype):
    torch.manual_seed(m)
    weight_block, x_block = RECIPES[recipe]
    weight, weight_scale, weight_values = quantized(torch.randn(n, k, device="cuda"), weight_block)
    x = torch.randn(m, k, device="cuda").to(dtype)
    values = quantized(x, x_block)[2]
    for bias in (None, torch.randn(n, device="cuda"), torch.randn(n, device="cuda").bfloat16()):
        out = torch.full((m, n), float("nan"), device="cuda", dtype=dtype)
        linear_fp8.out(x, weight, weight_scale, weight_block, bias, out=out)
        expect_product(out, values, weight_values, bias, fast=True)
        assert torch.equal(linear_fp8(x, weight, weight_scale, weight_block, bias), out)


def test_shapes_of_x():
    weight, scale, _ = quantized(torch.randn(48, 64, device="cuda"), [1, -1])
    x = torch.randn(2, 3, 128, device="cuda")[..., ::2]
    expected = linear_fp8(x.contiguous().view(6, 64), weight, scale, [1, -1])
    assert torch.equal(linear_fp8(x, weight, scale, [1, -1]), expected.view(2, 3, 48))
    assert linear_fp8(x[:0], weight, scale, [1, -1]).shape == (0, 3, 48)


def test_rows_do_not_depend_on_others():
    """What a decoding loop relies on, within one kernel."""
    weight, scale, _ = quantized(torch.randn(272, 512, device="cuda"), [1, -1])
    x = torch.randn(16, 512, device="cuda").bfloat16()
    together = linear_fp8(x, weight, scale, [1, -1])
    assert torch.equal(together[3:4], linear_fp8(x[3:4], weight, scale, [1, -1]))


def test_nan_and_infinity_spoil_their_row():
    weight, scale, _ = quantized(torch.randn(272, 512, device="cuda"), [1, -1])
    for m in (4, 100):
        x = torch.randn(m, 512, device="cuda").bfloat16()
        clean = linear_fp8(x, weight, scale, [1, -1])
        x[1, 5], x[2, 6] = float("nan"), float("inf")
        got = linear_fp8(x, weight, scale, [1, -1])
        assert not got[1:3].isfinite().any()
        assert torch.equal(got[3:], clean[3:]) and torch.equal(got[0], clean[0])


def test_graph():
    weight, scale, _ = quantized(torch.randn(272, 512, device="cuda"), [1, -1])
    x = torch.randn(20, 512, device="cuda").bfloat16()
    out = linear_fp8(x, weight, scale, [1, -1])
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        linear_fp8.out(x, weight, scale, [1, -1], out=out)
    x.copy_(torch.randn(20, 512))
    graph.replay()
    assert torch.equal(out, linear_fp8(x, weight, scale, [1, -1]))


def test_x_changes_under_the_kernel():
    """The product starts before x is quantized: it must wait for the codes."""
    weight, scale, _ = quantized(torch.randn(4096, 4096, device="cuda"), [1, -1])
    xs = [torch.randn(8, 4096, device="cuda").bfloat16() for _ in range(20)]
    expected = []
    for x in xs:
        expected.append(linear_fp8(x, weight, scale, [1, -1]))
        torch.cuda.synchronize()
    got = [linear_fp8(x, weight, scale, [1, -1]) for x in xs]
    assert all(torch.equal(a, b) for a, b in zip(got, expected))


@pytest.mark.parametrize("m, block, expected", [(1, [1, -1], "sm90_few_rows"), (64, [128, 128], "sm90_few_rows"),
                                                (65, [1, -1], "cublaslt"), (65, [128, 128], "sm90")])
def test_what_runs(m, block, expected):
    weight, scale, _ = quantized(torch.randn(128, 128, device="cuda"), block)
    assert linear_fp8.implementation(torch.randn(m, 128, device="cuda"), weight, scale, block) == expected


@pytest.mark.parametrize(
    "change, text",
    [
        (dict(x=torch.randn(4, 32)), "got .4, 32., expected a last dimension of 64"),
        (dict(weight_scale=torch.ones(48)), "weight_scale"),
        (dict(weight_block=[1, 32]), r"weight_block is not known, got \(1, 32\)"),
        (dict(bias=torch.ones(3)), "bias"),
        (dict(x=torch.randn(4, 60), weight=torch.zeros(48, 60).to(torch.float8_e4m3fn)), "a multiple of 16"),
    ],
)
def test_refusals(change, text):
    weight, scale, _ = quantized(torch.randn(48, 64, device="cuda"), [1, -1])
    arguments = dict(x=torch.randn(4, 64), weight=weight, weight_scale=scale, weight_block=[1, -1])
    for name, value in (arguments | change).items():
        arguments[name] = value.cuda() if torch.is_tensor(value) else value
    with pytest.raises(RuntimeError, match=text):
        linear_fp8(**arguments)

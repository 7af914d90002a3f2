"""scaled_mm of MX and NVFP4 operands on the GPU, against float64 products of the dequantized ones.

Bound of an element: operands are exact in bf16; fp32 sums, whose order is free and of which the tensor
cores cut off the last bits: 4 K 2^-24 sum |a||b|; one rounding of the result.
"""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
scaled_mm = torch.ops.lowp.scaled_mm
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
EPS = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=torch.float64)
KINDS = ["mxfp8", "mxfp4", "nvfp4"]


def swizzle(scale):
    rows, cols = scale.shape
    padded = torch.zeros(-(-rows // 128) * 128, -(-cols // 4) * 4, dtype=torch.uint8, device=scale.device)
    padded[:rows, :cols] = scale.view(torch.uint8)
    tiles = padded.view(padded.shape[0] // 128, 4, 32, padded.shape[1] // 4, 4).permute(0, 3, 2, 1, 4)
    return tiles.contiguous().view(-1)


class Operand:
    """Random codes and scales, every finite code among them, and the values in float64."""

    def __init__(self, kind, rows, k, dtype=E4M3, batch=(), seed=0):
        generator = torch.Generator("cuda").manual_seed(seed)

        def integers(low, high, *shape):
            return torch.randint(low, high, (*batch, *shape), generator=generator, device="cuda", dtype=torch.uint8)

        block = 16 if kind == "nvfp4" else 32
        self.recipe = f"1x{block}"
        if kind == "mxfp8":
            codes = integers(0, 256, rows, k)
            finite = codes.view(dtype).float().isfinite()
            self.codes = torch.where(finite, codes, 0).view(dtype)
            values = self.codes.double()
        else:
            self.codes = integers(0, 256, rows, k // 2)
            nibbles = torch.stack([self.codes & 15, self.codes >> 4], -1).flatten(-2).long()
            table = torch.cat([E2M1, -E2M1]).cuda()
            values = table[nibbles]
        if kind == "nvfp4":
            self.scale = integers(0, 127, rows, k // block).view(E4M3)
            self.tensor_scale = torch.rand(1, generator=generator, device="cuda") + 0.5
            factors = self.scale.double() * self.tensor_scale.double()
        else:
            self.scale = integers(110, 135, rows, k // block).view(torch.float8_e8m0fnu)
            self.tensor_scale = None
            factors = torch.exp2(self.scale.view(torch.uint8).double() - 127)
        self.values = values * factors.repeat_interleave(block, -1)

    def swizzled_scale(self):
        plain = self.scale.view(-1, *self.scale.shape[-2:])
        return torch.cat([swizzle(matrix) for matrix in plain]).view(self.scale.dtype)


def multiply(a, b, bias=None, dtype=torch.bfloat16, swizzled=False, implementation="lowp"):
    shape = torch.broadcast_shapes(a.values.shape[:-2], b.values.shape[:-2]) + (a.values.shape[-2], b.values.shape[-2])
    out = torch.full(shape, float("nan"), device="cuda", dtype=dtype)
    scales = (x.swizzled_scale() if swizzled else x.scale for x in (a, b))
    scaled_mm.out(a.codes, b.codes, *scales, a.recipe, b.recipe, bias, tensor_scale_a=a.tensor_scale,
                  tensor_scale_b=b.tensor_scale, swizzled=swizzled, implementation=implementation, out=out)
    return out


def choice(a, b, bias=None, dtype=torch.bfloat16, implementation="auto"):
    return scaled_mm.implementation(a.codes, b.codes, a.scale, b.scale, a.recipe, b.recipe, bias, dtype,
                                    tensor_scale_a=a.tensor_scale, tensor_scale_b=b.tensor_scale,
                                    implementation=implementation)


def families(a, b, bias, dtype):
    """lowp's kernel takes everything; decoding first, what cuBLASLt multiplies."""
    try:
        choice(a, b, bias, dtype, "emulated")
        return ["lowp", "emulated"]
    except RuntimeError as error:
        assert "sm90_decoded" in str(error)
        return ["lowp"]


def assert_product(out, a, b, bias=None):
    expected = a.values @ b.values.transpose(-1, -2)
    norm = a.values.abs() @ b.values.abs().transpose(-1, -2)
    if bias is not None:
        expected = expected + bias.double()
    bound = norm * (4 * a.values.shape[-1] * 2.0**-24) + expected.abs() * EPS[out.dtype] * 1.01
    inside = (out.double() - expected).abs() <= bound
    if out.dtype == torch.float16:
        inside |= out.isinf() & (expected.abs() + bound >= 65520)
    assert bool(inside.all()), f"{int((~inside).sum())} of {inside.numel()} wrong"


def check(kind, m, n, k, dtype=torch.bfloat16, bias_dtype=None, **options):
    a, b = Operand(kind, m, k, seed=1), Operand(kind, n, k, seed=2)
    bias = None if bias_dtype is None else torch.randn(n, device="cuda").mul(100).to(bias_dtype)
    for family in families(a, b, bias, dtype):
        out = multiply(a, b, bias, dtype, implementation=family, **options)
        assert_product(out, a, b, bias)
        assert torch.equal(multiply(a, b, bias, dtype, implementation=family, **options), out)


@pytest.mark.parametrize("swizzled", [False, True])
@pytest.mark.parametrize(
    "m, n, k", [(1, 8, 32), (3, 1, 64), (130, 257, 96), (300, 136, 544), (513, 1030, 1056), (2050, 4100, 256)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_product(kind, m, n, k, swizzled):
    check(kind, m, n, k, swizzled=swizzled)


@pytest.mark.parametrize("bias_dtype", [None, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("dtype", list(EPS))
@pytest.mark.parametrize("kind", KINDS)
def test_dtypes(kind, dtype, bias_dtype):
    check(kind, 200, 301, 512, dtype, bias_dtype)
    check(kind, 200, 304, 512, dtype, bias_dtype)


@pytest.mark.parametrize("dtypes", [(E5M2, E4M3), (E4M3, E5M2), (E5M2, E5M2)])
def test_float8_types(dtypes):
    a, b = Operand("mxfp8", 200, 512, dtypes[0], seed=1), Operand("mxfp8", 336, 512, dtypes[1], seed=2)
    for family in ("lowp", "emulated"):
        assert_product(multiply(a, b, dtype=torch.float32, implementation=family), a, b)


@pytest.mark.parametrize("swizzled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_batches(kind, swizzled):
    a, b = Operand(kind, 70, 192, batch=(3,), seed=1), Operand(kind, 72, 192, batch=(3,), seed=2)
    assert_product(multiply(a, b, swizzled=swizzled), a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_of_a_scale_reaches_its_row(kind):
    a, b = Operand(kind, 140, 544, seed=1), Operand(kind, 136, 544, seed=2)
    a.scale.view(torch.uint8)[5, -1] = 255
    b.scale.view(torch.uint8)[7, 0] = 255
    expected = torch.zeros(140, 136, dtype=torch.bool, device="cuda")
    expected[5] = expected[:, 7] = True
    for family in ("lowp", "emulated"):
        assert torch.equal(multiply(a, b, dtype=torch.float32, implementation=family).isnan(), expected)


def test_graph():
    a, b = Operand("nvfp4", 140, 544, seed=1), Operand("nvfp4", 136, 544, seed=2)
    for family in ("lowp", "emulated"):
        expected = multiply(a, b, implementation=family)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = multiply(a, b, implementation=family)
        graph.replay()
        assert torch.equal(out, expected)


# What runs, or why nothing does.
@pytest.mark.parametrize(
    "m, n, bias, dtype, batch, implementation, expected",
    [
        (64, 64, None, torch.bfloat16, (), "auto", "sm90_blocks"),
        (64, 64, None, torch.bfloat16, (), "lowp", "sm90_blocks"),
        (64, 64, None, torch.bfloat16, (), "emulated", "sm90_decoded"),
        (2048, 2048, None, torch.bfloat16, (), "auto", "sm90_decoded"),
        (2048, 2048, torch.bfloat16, torch.bfloat16, (), "auto", "sm90_decoded"),
        (2048, 2048, torch.float32, torch.bfloat16, (), "auto", "sm90_blocks"),
        (2048, 2048, None, torch.float16, (), "auto", "sm90_blocks"),
        (2048, 2044, None, torch.bfloat16, (), "auto", "sm90_blocks"),
        (2048, 2048, None, torch.bfloat16, (2,), "auto", "sm90_blocks"),
        (64, 64, torch.float32, torch.bfloat16, (), "emulated", "a bias of another dtype than the output"),
        (64, 60, None, torch.bfloat16, (), "emulated", "n is no multiple of 8"),
        (64, 64, None, torch.bfloat16, (2,), "emulated", "a batch"),
    ],
)
def test_choice(m, n, bias, dtype, batch, implementation, expected):
    a, b = Operand("mxfp8", m, 64, batch=batch, seed=1), Operand("mxfp8", n, 64, batch=batch, seed=2)
    bias = None if bias is None else torch.zeros(n, device="cuda", dtype=bias)
    if expected.startswith("sm90"):
        assert choice(a, b, bias, dtype, implementation) == expected
    else:
        with pytest.raises(RuntimeError, match=expected):
            choice(a, b, bias, dtype, implementation)

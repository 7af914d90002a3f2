"""Dimensions and scale layouts of the MX and NVFP4 quantize operators, against torchao and torch."""

import pytest
import torch

lowp = pytest.importorskip("lowp", reason="the operators are not built", exc_type=ImportError)
ops = torch.ops.lowp
E8M0, E4M3 = torch.float8_e8m0fnu, torch.float8_e4m3fn


def bytes_of(tensor):
    return tensor.contiguous().view(torch.uint8)


def assert_same(got, expected):
    assert got.shape == expected.shape and got.dtype == expected.dtype
    assert torch.equal(bytes_of(got), bytes_of(expected))


def random_scale(rows, cols, dtype=torch.uint8):
    return torch.randint(0, 256, (rows, cols), dtype=torch.uint8).view(dtype)


@pytest.mark.parametrize("rows, cols", [(128, 4), (1, 1), (100, 3), (300, 9), (256, 64)])
def test_swizzle_as_torchao(rows, cols):
    from torchao.prototype.mx_formats.utils import to_blocked

    for dtype in (torch.uint8, E8M0, E4M3):
        scale = random_scale(rows, cols, dtype)
        swizzled = ops.swizzle_scales(scale)
        assert swizzled.shape == (32 * -(-rows // 128), 16 * -(-cols // 4))
        assert torch.equal(bytes_of(swizzled).flatten(), to_blocked(bytes_of(scale)).flatten())
        assert_same(ops.unswizzle_scales(swizzled, rows, cols), scale)


@pytest.mark.parametrize("element", ["e4m3", "e5m2", "e2m3", "e2m1"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_mx_along_each_dimension(element, dtype):
    x = torch.randn(192, 96).to(dtype)
    rows = ops.quantize_mx(x, element, "floor")
    cols = ops.quantize_mx(x.t().contiguous(), element, "floor")
    for got, expected in zip(ops.quantize_mx(x, element, "floor", dim=0), cols):
        assert_same(got, expected)
    for got, expected in zip(ops.quantize_mx(x, element, "floor", dim=-1), rows):
        assert_same(got, expected)
    for got, expected in zip(ops.quantize_mx_both(x, element, "floor"), (*rows, *cols)):
        assert_same(got, expected)
    codes, scale, codes_t, scale_t = ops.quantize_mx_both(x, element, "floor", True)
    for got, expected in zip((codes, codes_t), (rows[0], cols[0])):
        assert_same(got, expected)
    for got, expected in zip((scale, scale_t), (rows[1], cols[1])):
        assert_same(got, ops.swizzle_scales(expected))
    assert_same(ops.quantize_mx(x, element, "floor", 16, 0, True)[1],
                ops.swizzle_scales(ops.quantize_mx(x.t().contiguous(), element, "floor", 16)[1]))


@pytest.mark.parametrize("recipe", ["inference", "training"])
def test_nvfp4_swizzled(recipe):
    x = torch.randn(130, 80)
    plain = ops.quantize_nvfp4(x, recipe)
    swizzled = ops.quantize_nvfp4(x, recipe, swizzled=True)
    assert_same(swizzled[0], plain[0])
    assert_same(swizzled[1], ops.swizzle_scales(plain[1]))
    assert_same(swizzled[2], plain[2])


def test_empty():
    assert ops.swizzle_scales(random_scale(0, 4)).shape == (0, 16)
    assert ops.unswizzle_scales(random_scale(32, 0), 5, 0).shape == (5, 0)
    for shape in ((0, 64), (64, 0)):
        assert ops.quantize_mx_both(torch.empty(shape), swizzled=True)[2].shape == shape[::-1]


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: ops.swizzle_scales(torch.ones(4, 4)), "got float32, expected float8_e8m0fnu or"),
        (lambda: ops.swizzle_scales(random_scale(4, 4)[0]), "scale is not a matrix"),
        (lambda: ops.swizzle_scales(random_scale(4, 8).t()), "scale is not contiguous"),
        (lambda: ops.unswizzle_scales(random_scale(32, 16), 129, 4), r"expected \(64, 16\)"),
        (lambda: ops.unswizzle_scales(random_scale(32, 16), -1, 4), "not a shape"),
        (lambda: ops.swizzle_scales.out(random_scale(4, 4), out=random_scale(4, 16)), "out has the wrong shape"),
        (lambda: ops.quantize_mx(torch.ones(32, 32), dim=2), "dim is not x's, got 2"),
        (lambda: ops.quantize_mx(torch.ones(30, 32), dim=0), "a divisor of 30"),
        (lambda: ops.quantize_mx_both(torch.ones(32, 40)), r"\[lowp::quantize_mx_both\] block_size"),
    ],
)  # fmt: skip
def test_refusals(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()


@pytest.mark.parametrize(
    "op, arguments",
    [
        (ops.quantize_mx, (torch.ones(32, 64), "e2m1", "rceil", 32, 0, True)),
        (ops.quantize_mx_both, (torch.ones(32, 64), "e3m2", "even", True)),
        (ops.quantize_nvfp4, (torch.ones(32, 64), "training", None, None, True)),
        (ops.swizzle_scales, (random_scale(30, 5),)),
        (ops.unswizzle_scales, (random_scale(32, 32), 30, 5)),
    ],
    ids=["quantize_mx", "quantize_mx_both", "quantize_nvfp4", "swizzle_scales", "unswizzle_scales"],
)
def test_opcheck(op, arguments):
    """Schema, fake kernels with static and dynamic shapes, and tracing agree with the operator."""
    torch.library.opcheck(op.default, arguments)

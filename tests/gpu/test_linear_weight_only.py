"""Linear layers whose weight alone is quantized, on the GPU, against products in float64.

Bound of an element: what rounding the weight to x's dtype, its scale included, may change,
2 eps sum |x||w|, of code * scale + zero both parts; fp32 sums, whose order is free: K 2^-24 of the same, a few times for what the
tensor cores cut off; one rounding of the result.
"""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
ops = torch.ops.lowp
EPS = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}  # of one rounding: half a ulp
TINY = {torch.bfloat16: 2.0**-133, torch.float16: 2.0**-25}


class Weight:
    """Arguments of the operator behind x, on the CPU, and the weight they stand for in float64."""

    def __init__(self, name, arguments, dense, magnitude=None):
        self.op = getattr(ops, name)
        self.arguments = arguments
        self.dense = dense.double()
        self.magnitude = self.dense.abs() if magnitude is None else magnitude
        self.on_gpu = [a.cuda() if isinstance(a, torch.Tensor) else a for a in arguments]

    def __call__(self, x, bias=None):
        return self.op(x, *self.on_gpu, bias=bias)


def random_weight(n, k):
    """Rows of different magnitude; a row of zeros, if there are several."""
    weight = torch.randn(n, k) * torch.logspace(-3, 1, n)[:, None]
    if n > 2:
        weight[n // 2] = 0
    return weight


def int8(n, k, block=(1, -1)):
    codes, scale, _ = ops.quantize_int8(random_weight(n, k), list(block))
    dense = ops.dequantize_int8(codes, scale, list(block))
    if block == (-1, -1):
        scale = scale.expand(n, 1).contiguous()
    return Weight("linear_w8a16", [codes, scale], dense)


def int4(n, k, group, mapping="symmetric", scale_dtype=torch.bfloat16):
    codes, scale, point, zero = ops.quantize_int4(random_weight(n, k), group, mapping, torch.bfloat16)
    scale, zero = scale.to(scale_dtype), zero.to(scale_dtype)
    values = torch.stack([codes & 15, codes >> 4], -1).reshape(n, k).to(torch.int16)
    values = ((values ^ 8) - 8).double().reshape(n, -1, group)
    if point.numel():
        values = values - point.double()[..., None]
    dense = values * scale.double()[..., None]
    magnitude = dense.abs()
    if zero.numel():
        dense = dense + zero.double()[..., None]
        magnitude = magnitude + zero.double().abs()[..., None]
    point, zero = (t if t.numel() else None for t in (point, zero))
    return Weight("linear_w4a16", [codes, scale, point, zero], dense.reshape(n, k), magnitude.reshape(n, k))


def fp8(n, k, block=(1, -1)):
    codes, scale = ops.quantize_fp8(random_weight(n, k), list(block))
    return Weight("linear_fp8_weight_only", [codes, scale, list(block)],
                  ops.dequantize_fp8(codes, scale, list(block)))


def mxfp8(n, k):
    codes, scale = ops.quantize_mx(random_weight(n, k), "e4m3")
    return Weight("linear_mxfp8_weight_only", [codes, scale], ops.dequantize_mx(codes, scale, "e4m3"))


def mxfp4(n, k):
    codes, scale = ops.quantize_mx(random_weight(n, k), "e2m1")
    return Weight("linear_mxfp4", [codes, scale], ops.dequantize_mx(codes, scale, "e2m1"))


def nvfp4(n, k):
    codes, scale, tensor_scale = ops.quantize_nvfp4(random_weight(n, k))
    return Weight("linear_nvfp4", [codes, scale, tensor_scale],
                  ops.dequantize_nvfp4(codes, scale, tensor_scale))


FORMATS = {
    "int8_row": lambda n, k: int8(n, k),
    "int8_tensor": lambda n, k: int8(n, k, (-1, -1)),
    "int8_group": lambda n, k: int8(n, k, (1, 32)),
    "int4_g32": lambda n, k: int4(n, k, 32),
    "int4_g32_fp32": lambda n, k: int4(n, k, 32, scale_dtype=torch.float32),
    "int4_g32_point": lambda n, k: int4(n, k, 32, "asymmetric"),
    "int4_g32_zero": lambda n, k: int4(n, k, 32, "float_zero"),
    "fp8_row": lambda n, k: fp8(n, k),
    "fp8_tensor": lambda n, k: fp8(n, k, (-1, -1)),
    "fp8_block": lambda n, k: fp8(n, k, (128, 128)),
    "mxfp8": mxfp8,
    "mxfp4": mxfp4,
    "nvfp4": nvfp4,
}
WIDE_GROUPS = {
    "int4_g128": lambda n, k: int4(n, k, 128),
    "int4_g128_fp32": lambda n, k: int4(n, k, 128, scale_dtype=torch.float32),
    "int4_g128_point": lambda n, k: int4(n, k, 128, "asymmetric"),
    "int4_g128_zero": lambda n, k: int4(n, k, 128, "float_zero"),
    "int4_g384": lambda n, k: int4(n, k, 384),
    "int8_g128": lambda n, k: int8(n, k, (1, 128)),
}


def assert_close(got, x, weight, bias=None):
    """Within the bound above of the float64 product; NaN where the product is, and infinite where it is
    beyond the dtype's largest number (some products of 544 terms are, in fp16)."""
    dtype = x.dtype
    wide, dense = x.double(), weight.dense.to(x.device)
    expected = wide @ dense.T
    norm = wide.abs() @ weight.magnitude.to(x.device).T
    if bias is not None:
        expected = expected + bias.double()
    eps = EPS[dtype]
    bound = norm * (2 * eps + 4 * x.shape[-1] * 2.0**-24) + expected.abs() * eps
    bound = bound + TINY[dtype] * (1 + wide.abs().sum(-1, keepdim=True))
    assert got.dtype == dtype and got.shape == expected.shape
    error = (got.double() - expected).abs()
    beyond = (expected.abs() + bound > torch.finfo(dtype).max) & (got.double() == expected.sign() * float("inf"))
    wrong = ~((error <= bound) | beyond)
    assert not bool(wrong.any()), (
        f"{int(wrong.sum())} of {wrong.numel()} wrong, first at {wrong.nonzero()[0].tolist()}: "
        f"{got[wrong][0].item()} for {expected[wrong][0].item()}"
    )


def activations(m, k, dtype=torch.bfloat16):
    x = torch.randn(m, k, device="cuda") * torch.logspace(-2, 2, max(m, 1), device="cuda")[:m, None]
    return x.to(dtype)


def check(weight, m, dtype=torch.bfloat16, with_bias=False):
    n, k = weight.dense.shape
    x = activations(m, k, dtype)
    bias = torch.randn(n, device="cuda").to(dtype) if with_bias else None
    out = torch.full((m, n), float("nan"), device="cuda", dtype=dtype)
    weight.op.out(x, *weight.on_gpu, bias=bias, out=out)
    assert_close(out, x, weight, bias)


# Every count of tiles of 8 rows, cut ones, more than one chunk of 64.
@pytest.mark.parametrize("m", [1, 2, 7, 8, 9, 16, 17, 31, 33, 64, 65, 128, 150, 300])
@pytest.mark.parametrize("name", ["int8_row", "int4_g32", "int4_g128", "fp8_row", "mxfp8", "mxfp4", "nvfp4"])
def test_rows(name, m):
    torch.manual_seed(m)
    check((FORMATS | WIDE_GROUPS)[name](200, 896), m, with_bias=m % 2 == 1)


@pytest.mark.parametrize("m", [1, 5, 12, 24, 50, 100])
@pytest.mark.parametrize("name", list(FORMATS))
def test_formats(name, m):
    torch.manual_seed(m)
    check(FORMATS[name](144, 544), m)


@pytest.mark.parametrize("m", [1, 16, 30, 64])
@pytest.mark.parametrize("name", list(WIDE_GROUPS))
def test_wide_groups(name, m):
    torch.manual_seed(m)
    check(WIDE_GROUPS[name](144, 1152), m)


@pytest.mark.parametrize("m", [1, 9, 40, 90])
@pytest.mark.parametrize("name", list(FORMATS))
def test_float16(name, m):
    torch.manual_seed(m)
    check(FORMATS[name](72, 672), m, torch.float16, with_bias=True)


# Rows and columns that fill no tile and no step; K split over a cluster; several tiles a block.
@pytest.mark.parametrize("shape", [(1, 32), (3, 96), (15, 160), (17, 4128), (513, 2080), (129, 8224), (4099, 544), (35003, 288)])
@pytest.mark.parametrize("m", [1, 3, 13, 30, 61, 127])
@pytest.mark.parametrize("name", ["int8_row", "int4_g32", "fp8_block", "nvfp4"])
def test_ragged_shapes(name, m, shape):
    torch.manual_seed(m)
    check(FORMATS[name](*shape), m)


@pytest.mark.parametrize("shape", [(576, 1536), (1536, 576), (4096, 4096), (8192, 1024), (1024, 8192), (1024, 14336)])
@pytest.mark.parametrize("m", [1, 4, 8, 16, 32, 64, 128])
@pytest.mark.parametrize("name", ["int8_row", "int4_g32", "mxfp4"])
def test_shapes_of_models(name, m, shape):
    torch.manual_seed(m)
    check(FORMATS[name](*shape), m)


# Rows of codes that are no multiple of 16 bytes, groups that share 16 bytes.
@pytest.mark.parametrize("m", [1, 6])
def test_any_shape(m):
    torch.manual_seed(m)
    for weight in [int8(7, 37), int8(5, 40, (1, 8)), int4(9, 44, 22), int4(9, 96, 24, "asymmetric"),
                   int4(9, 96, 6, "float_zero"), fp8(6, 131), fp8(130, 200, (128, 128)), nvfp4(3, 48)]:
        check(weight, m, with_bias=True)
        check(weight, m, torch.float16)


@pytest.mark.parametrize("name", ["int8_row", "int4_g32", "fp8_row", "mxfp8", "mxfp4", "nvfp4"])
def test_shapes_of_x(name):
    torch.manual_seed(0)
    weight = FORMATS[name](48, 256)
    wide = activations(24, 512)
    for x in [wide[:, :256], wide[:, 3:259], wide[::3, :256], wide[:, ::2], wide.T[:256].T[:7],
              wide[:, :256].reshape(2, 3, 4, 256), wide[0, :256],
              wide[0, :256].expand(5, 256)]:
        assert_close(weight(x), x, weight)
    for shape in [(0, 256), (3, 0, 256)]:
        assert weight(torch.empty(shape, device="cuda", dtype=torch.bfloat16)).shape == (*shape[:-1], 48)
    assert bool((weight(torch.zeros(5, 256, device="cuda", dtype=torch.bfloat16)) == 0).all())


@pytest.mark.parametrize("m", [1, 8, 12, 40])
@pytest.mark.parametrize("name", ["int8_row", "int4_g128", "int4_g32", "fp8_row", "mxfp8", "mxfp4", "nvfp4"])
def test_nan_and_infinity_of_x(name, m):
    """They reach their own row and no other."""
    torch.manual_seed(m)
    weight = (FORMATS | WIDE_GROUPS)[name](96, 384)
    x = activations(m, 384)
    x[m // 2, 100] = float("nan")
    got = weight(x)
    assert bool(got[m // 2].isnan().all())
    others = torch.arange(m, device="cuda") != m // 2
    assert_close(got[others], x[others], weight)
    x[m // 2, 100] = float("inf")
    got = weight(x)[m // 2]
    code = weight.dense[:, 100].cuda()
    assert torch.equal(got[code > 0], torch.full_like(got[code > 0], float("inf")))
    assert torch.equal(got[code < 0], torch.full_like(got[code < 0], -float("inf")))
    assert bool(got[code == 0].isnan().all())


@pytest.mark.parametrize("m", [1, 12, 40])
@pytest.mark.parametrize("name", ["int8_row", "int4_g128", "int4_g32", "fp8_row", "fp8_block", "mxfp8", "mxfp4", "nvfp4"])
def test_nan_of_scale_and_code(name, m):
    """A scale that is NaN makes its rows NaN and no others; so does a code that is."""
    torch.manual_seed(m)
    weight = (FORMATS | WIDE_GROUPS)[name](256, 256)
    x = activations(m, 256)
    expected = weight(x)
    scale = weight.on_gpu[1]
    rows = slice(128, 256) if name == "fp8_block" else slice(5, 6)
    bytes_of = scale.view(torch.uint8) if scale.element_size() == 1 else None
    row = 1 if name == "fp8_block" else 5
    if bytes_of is None:
        scale[row, -1] = float("nan")
    else:
        bytes_of[row, -1] = 0xFF
    got = weight(x)
    assert bool(got[:, rows].isnan().all())
    keep = torch.ones(256, dtype=torch.bool, device="cuda")
    keep[rows] = False
    assert torch.equal(got[:, keep], expected[:, keep])
    if name == "fp8_row":
        codes = weight.on_gpu[0].view(torch.uint8)
        codes[9, 17], codes[11, 255] = 0x7F, 0xFF
        assert torch.equal(weight(x).isnan().all(0).nonzero().flatten().cpu(), torch.tensor([5, 9, 11]))


@pytest.mark.parametrize("element, codes", [("e2m1", 16), ("e4m3", 256)])
def test_scales_of_mx_at_the_ends(element, codes):
    """Every e8m0 from 2^-127 to 2^127: bf16 rounds below its range, fp16 beyond both ends."""
    op = {"e2m1": ops.linear_mxfp4, "e4m3": ops.linear_mxfp8_weight_only}[element]
    codes = torch.arange(codes, dtype=torch.uint8).repeat(255, 1)
    if element == "e4m3":
        codes[:, [0x7F, 0xFF]] = 0  # NaN
        codes = codes.view(torch.float8_e4m3fn)
    scale = torch.arange(255, dtype=torch.uint8)[:, None].view(torch.float8_e8m0fnu)
    for dtype in [torch.bfloat16, torch.float16]:
        k = 32 if element == "e2m1" else 256
        scales = scale.repeat(1, k // 32)
        dense = ops.dequantize_mx(codes, scales, element).to(dtype)
        finite = dense.isfinite().all(1)  # Inf times the zeros of x is NaN
        for columns in torch.arange(k).split(64):
            x = torch.eye(k, dtype=dtype)[columns]
            got = op(x.cuda(), codes.cuda(), scales.cuda())
            assert torch.equal(got.cpu().T[finite], dense[finite][:, columns])


@pytest.mark.parametrize("m", [1, 12, 40, 100])
def test_deterministic(m):
    torch.manual_seed(m)
    weight = int4(1000, 8192, 128)
    x = activations(m, 8192)
    first = weight(x)
    for _ in range(20):
        assert torch.equal(weight(x), first)


@pytest.mark.parametrize("m", [1, 12, 40])
def test_graph_and_stream(m):
    torch.manual_seed(m)
    weight = int4(1000, 4096, 128)
    x = activations(m, 4096)
    out = weight(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        weight.op.out(x, *weight.on_gpu, out=out)
    for _ in range(3):
        x.copy_(activations(m, 4096))
        graph.replay()
        assert_close(out, x, weight)


def test_fake_and_implementation():
    weight = int4(96, 256, 128)
    x = activations(3, 256)
    hopper = torch.cuda.get_device_capability()[0] == 9
    assert weight.op.implementation(x, *weight.on_gpu) == ("sm90_rows" if hopper else "cuda_rows")
    compiled = torch.compile(lambda x: weight(x) + 1, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x), weight(x) + 1)


@pytest.mark.parametrize(
    "change, text",
    [
        (dict(x=torch.float32), r"\[lowp::linear_w4a16\] x has the wrong dtype, got float32, expected bfloat16 or float16"),
        (dict(k=128), r"x does not fit the weight, got \(3, 128\), expected a last dimension of 256"),
        (dict(weight=0), "weight is not on the GPU"),
        (dict(weight=1), "weight_scale is not on the GPU"),
        (dict(bias=torch.float32), "bias has the wrong dtype, got float32, expected bfloat16"),
        (dict(out=(3, 95)), r"out does not fit x and the weight, got \(3, 95\)"),
    ],
)
def test_argument_errors(change, text):
    weight = int4(96, 256, 128)
    x = torch.ones(3, change.get("k", 256), device="cuda", dtype=change.get("x", torch.bfloat16))
    arguments = list(weight.on_gpu)
    if "weight" in change:
        arguments[change["weight"]] = weight.arguments[change["weight"]]
    bias = torch.zeros(96, device="cuda", dtype=change["bias"]) if "bias" in change else None
    out = torch.empty(change.get("out", (3, 96)), device="cuda", dtype=x.dtype)
    with pytest.raises(RuntimeError, match=text):
        weight.op.out(x, *arguments, bias=bias, out=out)

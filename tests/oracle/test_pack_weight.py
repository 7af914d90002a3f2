"""Packed weights: the layout against torch's permute, the way back, and layers that hold them."""

import copy

import pytest
import torch

lowp = pytest.importorskip("lowp", reason="the operators are not built", exc_type=ImportError)
ops = torch.ops.lowp

CODES = (torch.uint8, torch.int8, torch.float8_e4m3fn)
SCALES = (torch.float8_e4m3fn, torch.float8_e8m0fnu, torch.int8, torch.bfloat16, torch.float32)
CONFIGS = {"NVFP4": lowp.NVFP4WeightOnlyConfig(), "MXFP4": lowp.MXFP4WeightOnlyConfig()}


def random_bits(rows, cols, dtype):
    torch.manual_seed(rows + cols)
    size = torch.empty(0, dtype=dtype).element_size()
    return torch.randint(0, 256, (rows * cols * size,), dtype=torch.uint8).view(dtype).view(rows, cols)


def bits_of(tensor):
    return tensor.view({1: torch.uint8, 2: torch.int16, 4: torch.int32}[tensor.element_size()])


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(bits_of(a), bits_of(b))


@pytest.mark.parametrize("rows, cols", [(8, 4), (64, 260), (800, 1032), (0, 8), (8, 0)])
def test_layout_is_a_permutation_and_comes_back(rows, cols):
    for dtype in CODES:
        codes = random_bits(rows, cols, dtype)
        packed = ops.pack_weight(codes)
        expected = bits_of(codes).view(rows // 8, 8, cols // 4, 4).permute(0, 2, 1, 3)
        assert packed.dtype == dtype and torch.equal(bits_of(packed), expected)
        if cols:
            assert same_bits(ops.unpack_weight(packed), codes)
    for dtype in SCALES:
        scale = random_bits(rows, cols, dtype)
        packed = ops.pack_scale(scale)
        expected = bits_of(scale).view(rows // 8, 8, cols).permute(0, 2, 1)
        assert packed.dtype == dtype and torch.equal(bits_of(packed), expected)
        assert same_bits(ops.unpack_scale(packed), scale)


def test_opcheck():
    codes, scale = random_bits(16, 32, torch.uint8), random_bits(16, 4, torch.float32)
    packed, packed_scale = ops.pack_weight(codes), ops.pack_scale(scale)
    for op, tensor in (
        (ops.pack_weight, codes), (ops.unpack_weight, packed), (ops.pack_scale, scale), (ops.unpack_scale, packed_scale),
    ):  # fmt: skip
        torch.library.opcheck(op.default, (tensor,))
        out = torch.empty_like(op(tensor))
        assert op.out(tensor, out=out) is None
        assert same_bits(out, op(tensor))


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda w: ops.pack_weight(w[:12]), r"got \(12, 64\), expected two dimensions, rows a multiple of 8"),
        (lambda w: ops.pack_weight(w[:, :62].contiguous()), r"got \(16, 62\), .*, columns of 4 bytes or a multiple"),
        (lambda w: ops.pack_weight(w.T), "contiguous"),
        (lambda w: ops.pack_weight(w.float()), "weight has the wrong dtype"),
        (lambda w: ops.pack_scale(w.double()), "scale has the wrong dtype"),
        (lambda w: ops.pack_scale(w.float()[:9]), "scale cannot be packed"),
        (lambda w: ops.unpack_weight(w), "weight is not packed"),
        (lambda w: ops.unpack_weight(w.view(2, 16, 4, 8)), "weight is not packed"),
        (lambda w: ops.unpack_scale(w.float()), "scale is not packed"),
        (lambda w: ops.linear_mxfp4(torch.ones(1, 128), ops.pack_weight(w), e8m0(16, 4)), "weight_scale has the wrong shape"),
        (lambda w: ops.linear_mxfp4(torch.ones(1, 128), w, ops.pack_scale(e8m0(16, 4))), "weight_scale has the wrong shape"),
        (lambda w: ops.linear_w4a16(torch.ones(1, 128), ops.pack_weight(w), torch.ones(16, 4)), "weight is not a matrix"),
        (lambda w: ops.linear_mxfp8(torch.ones(1, 64), ops.pack_weight(w.view(torch.float8_e4m3fn)), e8m0(16, 2)), "weight is not a matrix"),
    ],
)  # fmt: skip
def test_refuses(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(random_bits(16, 64, torch.uint8))


def e8m0(*shape):
    return torch.full(shape, 127, dtype=torch.uint8).view(torch.float8_e8m0fnu)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_packed_layer_is_the_same_layer(name):
    torch.manual_seed(0)
    plain = lowp.nn.Linear(torch.nn.Linear(160, 48, dtype=torch.bfloat16), CONFIGS[name])
    layer = copy.deepcopy(plain)
    assert not layer.is_packed
    assert layer.pack() and layer.pack() and layer.is_packed
    assert layer.weight_codes.shape == (6, 20, 8, 4)
    for rows in (1, 3, 7):
        x = torch.randn(rows, 160, dtype=torch.bfloat16)
        with torch.no_grad():
            got, expected = layer(x), plain(x)
        if rows > 4:
            assert torch.equal(got, expected)
        else:
            assert (got - expected).abs().max() <= expected.abs().max() * 2**-7
    assert torch.equal(layer.dequantize(), plain.dequantize())
    for key, tensor in plain.state_dict().items():
        assert same_bits(layer.state_dict()[key], tensor)
    other = lowp.nn.Linear(torch.nn.Linear(160, 48, dtype=torch.bfloat16), CONFIGS[name])
    assert other.pack()
    other.load_state_dict(plain.state_dict())
    assert other.is_packed and torch.equal(other.dequantize(), plain.dequantize())
    other.bias = None
    assert not other.to("meta").is_packed
    layer.unpack()
    assert not layer.is_packed and same_bits(layer.weight_codes, plain.weight_codes)
    assert same_bits(layer.weight_scale, plain.weight_scale)


def test_layers_that_stay_plain():
    ragged = lowp.nn.Linear(torch.nn.Linear(64, 12), lowp.MXFP4WeightOnlyConfig())
    int8 = lowp.nn.Linear(torch.nn.Linear(64, 16), lowp.Int8WeightOnlyConfig())
    for layer in (ragged, int8):
        assert not layer.pack() and not layer.is_packed and layer.weight_codes.dim() == 2


def test_compiles_without_graph_breaks():
    layer = lowp.nn.Linear(torch.nn.Linear(64, 16), lowp.NVFP4WeightOnlyConfig())
    layer.pack()
    x = torch.randn(2, 64)
    with torch.no_grad():
        assert torch.equal(torch.compile(layer, fullgraph=True, backend="aot_eager")(x), layer(x))

"""Conversions, scale rules and packing against ml_dtypes, torch, torchao and compressed-tensors.

Conversions run over a stride of the 2^32 fp32 bit patterns; LOWP_EXHAUSTIVE=1 runs over all of them.
Bit patterns are compared everywhere. Where lowp differs from an oracle on purpose, the test says so
and pins our side.
"""

import ctypes
import os

import ml_dtypes
import numpy as np
import pytest
import torch
from numpy.ctypeslib import ndpointer

EXHAUSTIVE = os.environ.get("LOWP_EXHAUSTIVE", "0") not in ("", "0")
CHUNK = 1 << 24
# A prime: every low-order pattern meets every exponent. 262,000 inputs.
STRIDE = 1 if EXHAUSTIVE else 16381

# DType, Mapping, MxScaleMode, Nvfp4Recipe and Fp8Rule by their numbers.
DTYPE = {"e2m1": 1, "e2m3": 2, "e3m2": 3, "e5m2": 6, "e4m3": 7, "e8m0": 8}
DTYPE |= {"fp16": 11, "bf16": 12, "fp32": 15}
FLOOR, CEIL, EVEN, RCEIL = range(4)
INFERENCE, TRAINING = range(2)
FP8_INFERENCE, FP8_TRAINING, FP8_TRAINING_POW2, FP8_BLOCKWISE, FP8_POW2 = range(5)

ELEMENTS = {  # name: ml_dtypes type, bits, max, emax
    "e4m3": (ml_dtypes.float8_e4m3fn, 8, 448.0, 8),
    "e5m2": (ml_dtypes.float8_e5m2, 8, 57344.0, 15),
    "e2m3": (ml_dtypes.float6_e2m3fn, 6, 7.5, 2),
    "e3m2": (ml_dtypes.float6_e3m2fn, 6, 28.0, 4),
    "e2m1": (ml_dtypes.float4_e2m1fn, 4, 6.0, 2),
}
TORCH = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "e4m3": torch.float8_e4m3fn,
    "e5m2": torch.float8_e5m2,
}


class Formats:
    """The functions of formats_c over numpy arrays: Formats.encode calls lowp_encode."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))

    def __getattr__(self, name):
        function = getattr(self.library, "lowp_" + name)
        function.restype = None

        def call(*arguments):
            function(*(self._convert(a) for a in arguments))

        return call

    @staticmethod
    def _convert(argument):
        if isinstance(argument, np.ndarray):
            assert argument.flags.c_contiguous
            return ctypes.c_void_p(argument.ctypes.data)
        if isinstance(argument, float):
            return ctypes.c_float(argument)
        return ctypes.c_int64(argument)


@pytest.fixture(scope="module")
def formats(lowp_command):
    path = lowp_command.parent / "tests" / "formats" / "libformats_c.so"
    if not path.is_file():
        pytest.skip(f"{path} is not built")
    return Formats(path)


def encode(formats, name, x):
    codes = np.empty(x.shape, np.uint16 if name in ("bf16", "fp16") else np.uint8)
    formats.encode(DTYPE[name], x, x.size, codes)
    return codes


def decode(formats, name, codes):
    x = np.empty(codes.shape, np.float32)
    formats.decode(DTYPE[name], codes, codes.size, x)
    return x


def bits(x):
    return x.view(np.uint32)


def assert_same(ours, theirs, inputs=None):
    """Equal arrays; for floats equal bits, but any NaN equals any NaN."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    same = ours == theirs
    if ours.dtype == np.float32:
        same = (bits(ours) == bits(theirs)) | (np.isnan(ours) & np.isnan(theirs))
    if not same.all():
        at = np.unravel_index(np.argmin(same), same.shape)
        given = "" if inputs is None else f" for {inputs[at]!r}"
        pytest.fail(f"{(~same).sum()} of {same.size} differ, first {ours[at]!r}, expected "
                    f"{theirs[at]!r} at {at}{given}")  # fmt: skip


def interesting_floats():
    """Zero, Inf, NaN, subnormals, the ends of fp32, and the neighbourhood of every power of two."""
    exponents = (np.arange(256, dtype=np.uint32) << 23)[:, None]
    mantissas = np.arange(1 << 11, dtype=np.uint32) << 12
    near = np.concatenate([mantissas, mantissas + 1, mantissas + 0xFFF, mantissas + 0x800])
    positive = (exponents + near).ravel()
    return np.concatenate([positive, positive | 0x80000000]).view(np.float32)


def float32_inputs():
    """Chunks of all fp32 bit patterns, or of a stride through them and the interesting ones."""
    if not EXHAUSTIVE:
        yield interesting_floats()
    for start in range(0, 1 << 32, CHUNK * STRIDE):
        stop = min(1 << 32, start + CHUNK * STRIDE)
        yield np.arange(start, stop, STRIDE, dtype=np.uint64).astype(np.uint32).view(np.float32)


def expected_codes(name, x):
    """numerics 1.2 by ml_dtypes, which does not saturate e4m3 and has its own NaN codes."""
    ml, width, largest, _ = ELEMENTS[name]
    nan = np.isnan(x)
    codes = np.clip(np.where(nan, np.float32(0), x), -largest, largest).astype(ml).view(np.uint8)
    if width == 8:
        nan_codes = (0x7F | (bits(x) >> 24 & 0x80)).astype(np.uint8)
    else:  # no NaN code: the largest number
        nan_codes = np.full(x.shape, (1 << (width - 1)) - 1, np.uint8)
    return np.where(nan, nan_codes, codes)


# --- Conversions -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ELEMENTS)
def test_fp32_to_element(formats, name):
    for x in float32_inputs():
        assert_same(encode(formats, name, x), expected_codes(name, x), x)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["e4m3", "e5m2"])
def test_fp32_to_float8_as_torch(formats, name):
    largest = ELEMENTS[name][2]
    for x in float32_inputs():
        clamped = torch.from_numpy(x).clamp(-largest, largest)
        theirs = clamped.to(TORCH[name]).view(torch.uint8).numpy()
        ours = encode(formats, name, x)
        number = ~np.isnan(x)
        assert_same(ours[number], theirs[number], x[number])
        assert_same(ours[~number] & 0x7F, theirs[~number] & 0x7F)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_fp32_to_16_bits(formats, name):
    for x in float32_inputs():
        ours = encode(formats, name, x)
        if name == "fp16":
            with np.errstate(over="ignore"):
                theirs = x.astype(np.float16).view(np.uint16)
        else:
            with np.errstate(invalid="ignore"):
                theirs = x.astype(ml_dtypes.bfloat16).view(np.uint16)
        number = ~np.isnan(x)
        assert_same(ours[number], theirs[number], x[number])
        # NaN keeps sign and upper payload and turns quiet, as the CPU's instructions have it.
        pattern = bits(x[~number])
        if name == "fp16":
            expected = (pattern >> 16 & 0x8000) | 0x7E00 | (pattern >> 13 & 0x3FF)
        else:
            expected = pattern >> 16 | 0x40
        assert_same(ours[~number], expected.astype(np.uint16))
        torch_codes = torch.from_numpy(x).to(TORCH[name]).view(torch.int16).numpy()
        assert_same(ours[number], torch_codes[number].view(np.uint16), x[number])


@pytest.mark.parametrize("source", ["bf16", "fp16"])
@pytest.mark.parametrize("name", ELEMENTS)
def test_every_16_bit_input(formats, source, name):
    codes = np.arange(1 << 16, dtype=np.uint16)
    x = decode(formats, source, codes)
    kind = ml_dtypes.bfloat16 if source == "bf16" else np.float16
    assert_same(x, codes.view(kind).astype(np.float32), codes)
    assert_same(encode(formats, name, x), expected_codes(name, x), x)
    number = ~np.isnan(x)
    assert_same(encode(formats, source, x)[number], codes[number])


@pytest.mark.parametrize("name", ELEMENTS)
def test_every_code(formats, name):
    ml, width, _, _ = ELEMENTS[name]
    codes = np.arange(1 << width, dtype=np.uint8)
    x = decode(formats, name, codes)
    assert_same(x, codes.view(ml).astype(np.float32), codes)
    finite = np.isfinite(x)
    assert_same(encode(formats, name, x)[finite], codes[finite])


def test_every_scale_byte(formats):
    codes = np.arange(256, dtype=np.uint8)
    theirs = codes.view(ml_dtypes.float8_e8m0fnu).astype(np.float32)
    assert_same(decode(formats, "e8m0", codes), theirs)


# --- MX ----------------------------------------------------------------------------------------


def mx_scale(formats, name, mode, amax):
    scale = np.empty(amax.shape, np.uint8)
    formats.mx_scale(DTYPE[name], mode, bits(amax), amax.size, scale)
    return scale


def positive(chunks):
    for x in chunks:
        x = x[bits(x) < 0x80000000]
        if x.size:
            yield x


@pytest.mark.slow
@pytest.mark.parametrize("name", ELEMENTS)
def test_mx_rceil_is_the_smallest_scale_that_holds_amax(formats, name):
    largest = ELEMENTS[name][2]
    for amax in positive(float32_inputs()):
        byte = mx_scale(formats, name, RCEIL, amax)
        finite = np.isfinite(amax)
        assert (byte[~finite] == 255).all()
        exponent = byte[finite].astype(np.int32) - 127
        wide = amax[finite].astype(np.float64)
        assert (wide <= np.ldexp(largest, exponent)).all()
        assert ((wide > np.ldexp(largest, exponent - 1)) | (exponent == -127)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ELEMENTS)
def test_mx_floor_ceil_even_by_definition(formats, name):
    ml, _, _, emax = ELEMENTS[name]
    mantissa_bits = ml_dtypes.finfo(ml).nmant
    for amax in positive(float32_inputs()):
        amax = amax[np.isfinite(amax)]
        wide = amax.astype(np.float64)
        fraction, power = np.frexp(wide)  # amax = fraction * 2^power, fraction in [0.5, 1) or 0
        power = np.where(wide == 0, -1000, power)
        normal = amax >= np.finfo(np.float32).smallest_normal
        for mode, exponent in (
            (FLOOR, power - 1),
            (CEIL, np.where(fraction == 0.5, power - 1, power)),
            # Half of the last mantissa bit of the element more, ties upward.
            (EVEN, power - 1 + (fraction >= 1 - 2.0 ** -(mantissa_bits + 2))),
        ):
            expected = np.clip(exponent - emax, -127, 127) + 127
            expected = np.where((mode == EVEN) & (exponent == 128), 255, expected)
            byte = mx_scale(formats, name, mode, amax)
            assert_same(byte[normal], expected[normal].astype(np.uint8), amax[normal])
            assert (byte[~normal] == 0).all()


def mx(formats, name, mode, x):
    codes = np.empty(x.shape, np.uint8)
    scale = np.empty(x.shape[0], np.uint8)
    value = np.empty(x.shape, np.float32)
    formats.mx(DTYPE[name], mode, x, *x.shape, codes, scale, value)
    return codes, scale, value


def block_data(size, seed=0, dtype="fp32", scale_span=16):
    """Blocks (2048, size) of normal values, magnitudes over 2^+-span, with planted edge cases."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((2048, size)).astype(np.float32)
    span = generator.integers(-scale_span, scale_span + 1, (2048, 1))
    x = np.ldexp(x, span).astype(np.float32)
    x[::17, ::3] = 0
    x[5] = 0
    x[6] = -0.0
    x[7] = 1.0
    x[8] = -3.0
    x[9, 1:] = 0
    x[10] = np.abs(x[10])
    x[11] = -np.abs(x[11])
    return torch.from_numpy(x).to(TORCH[dtype]).float().numpy()


def torchao_mx(name, mode, x, dtype):
    from torchao.prototype.mx_formats.config import ScaleCalculationMode
    from torchao.prototype.mx_formats.constants import DTYPE_FP6_E2M3, DTYPE_FP6_E3M2
    from torchao.prototype.mx_formats.mx_tensor import to_mx

    element = {
        "e4m3": torch.float8_e4m3fn,
        "e5m2": torch.float8_e5m2,
        "e2m3": DTYPE_FP6_E2M3,
        "e3m2": DTYPE_FP6_E3M2,
        "e2m1": torch.float4_e2m1fn_x2,
    }[name]
    kind = [getattr(ScaleCalculationMode, n) for n in ("FLOOR", "CEIL", "EVEN", "RCEIL")][mode]
    scale, data = to_mx(torch.from_numpy(x).to(TORCH[dtype]), element, x.shape[1], kind)
    data = data.view(torch.uint8).numpy()
    if name == "e2m1":
        data = np.stack([data & 15, data >> 4], -1).reshape(x.shape)
    return data, scale.view(torch.uint8).numpy().ravel()


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("mode", [FLOOR, CEIL, EVEN, RCEIL])
@pytest.mark.parametrize("name", ELEMENTS)
def test_mx_blocks_as_torchao(formats, name, mode, dtype):
    x = block_data(32, dtype=dtype, scale_span=60)
    codes, scale, value = mx(formats, name, mode, x)
    their_codes, their_scale = torchao_mx(name, mode, x, dtype)
    assert_same(scale, their_scale)
    assert_same(codes, their_codes, x)
    element = codes.view(ELEMENTS[name][0]).astype(np.float32)
    factor = np.ldexp(np.float32(1), scale.astype(np.int32) - 127)[:, None]
    assert_same(value, element * factor)


@pytest.mark.parametrize("mode", [FLOOR, CEIL, EVEN, RCEIL])
@pytest.mark.parametrize("name", ELEMENTS)
def test_mx_scales_as_torchao(formats, name, mode):
    """Single amaxes over the range of fp32. torchao 0.18 differs in three places. Inf, and an amax
    that kEven rounds to 2^128: ours is 255, not the byte below. RCEIL goes through a fp32 log2
    there, which is one too low for amaxes just over max * 2^k."""
    amax = np.abs(interesting_floats())[::7]
    # One amax a block; pairs, because torchao packs two e2m1 in a byte.
    theirs = torchao_mx(name, mode, np.repeat(amax[:, None], 2, axis=1), "fp32")[1]
    ours = mx_scale(formats, name, mode, amax.copy())
    ml, _, largest, _ = ELEMENTS[name]
    carried = bits(amax) + (1 << (22 - ml_dtypes.finfo(ml).nmant)) >= 0x7F800000
    ours_only = np.isinf(amax) | ((mode == EVEN) & carried)
    assert (ours[ours_only] == 255).all()
    differ = (ours != theirs) & ~ours_only
    if mode != RCEIL:
        assert not differ.any(), amax[differ]
    ulps_over = (bits(amax[differ]) - bits(np.float32(largest))) & 0x7FFFFF
    assert ((ulps_over >= 1) & (ulps_over <= 4)).all(), amax[differ]
    assert (ours[differ] == theirs[differ] + 1).all()


@pytest.mark.parametrize("name", ["e2m1", "e2m3"])
def test_mx_even_as_compressed_tensors(formats, name):
    """Its scales of MXFP4 and MXFP6 are our EVEN. (Its MXFP8 rounds amax to one mantissa bit, not
    to e4m3's three: the scale is one higher from 1.75 * 2^E on.)"""
    from compressed_tensors.quantization.utils.mxfp_utils import generate_mx_scales

    amax = np.abs(interesting_floats())
    amax = amax[(amax >= 2.0**-120) & (amax < 2.0**126)]
    theirs = generate_mx_scales(torch.from_numpy(amax), ELEMENTS[name][1]).to(torch.uint8).numpy()
    assert_same(mx_scale(formats, name, EVEN, amax), theirs, amax)


@pytest.mark.parametrize("mode", [FLOOR, CEIL, EVEN, RCEIL])
@pytest.mark.parametrize("name", ELEMENTS)
def test_mx_edge_blocks(formats, name, mode):
    x = np.zeros((6, 32), np.float32)
    x[1, 3] = np.nan
    x[2, 4] = -np.inf
    x[3, 5] = 2.0**-149
    x[4, :] = np.float32(ELEMENTS[name][2]) * np.float32(2.0**-127)
    x[5, :] = np.finfo(np.float32).max
    codes, scale, value = mx(formats, name, mode, x)
    assert list(scale[:4]) == [0, 255, 255, 0]
    assert np.isnan(value[1:3]).all()
    assert (value[0] == 0).all() and (codes[0] & 0x1F == 0).all()
    assert (value[3] == 0).all()  # below half of the smallest element at 2^-127
    if mode in (FLOOR, RCEIL):
        assert scale[4] == 0
        assert_same(value[4], x[4])
    assert np.isfinite(value[3:5]).all()


# --- NVFP4 -------------------------------------------------------------------------------------


def nvfp4(formats, recipe, x, floor, tensor):
    codes = np.empty(x.shape, np.uint8)
    scale = np.empty(x.shape[0], np.uint8)
    value = np.empty(x.shape, np.float32)
    formats.nvfp4(recipe, float(floor), tensor, x, *x.shape, codes, scale, value)
    return codes, scale, value


def tensor_scale(formats, recipe, amax):
    tensor = np.empty(2, np.float32)
    formats.nvfp4_tensor_scale(recipe, float(amax), tensor)
    return tensor


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_nvfp4_inference_as_torchao(formats, dtype, levels):
    from torchao.prototype.mx_formats.nvfp4_tensor import nvfp4_quantize, per_tensor_amax_to_scale

    for span in (0, 4, 12):
        x = block_data(16, seed=span, dtype=dtype, scale_span=span)
        data = torch.from_numpy(x).to(TORCH[dtype])
        theirs = None
        tensor = np.ones(2, np.float32)
        if levels == 2:
            theirs = per_tensor_amax_to_scale(data.abs().max())
            tensor = tensor_scale(formats, INFERENCE, np.abs(x).max())
            assert tensor[0] == theirs.float().item()
        their_scale, packed = nvfp4_quantize(data, 16, theirs)
        packed = packed.view(torch.uint8).numpy()
        codes, scale, value = nvfp4(formats, INFERENCE, x, 2.0**-6, tensor)
        assert_same(scale, their_scale.view(torch.uint8).numpy().ravel())
        assert_same(codes, np.stack([packed & 15, packed >> 4], -1).reshape(x.shape), x)
        element = codes.view(ml_dtypes.float4_e2m1fn).astype(np.float32)
        block = scale.view(ml_dtypes.float8_e4m3fn).astype(np.float32)[:, None]
        assert_same(value, element * block * tensor[0])


def test_nvfp4_training_recipe(formats):
    """torchao's training kernels need a GPU: the recipe written out in numpy."""
    one = np.float32(1)
    for span in (0, 4, 12, 40):
        x = block_data(16, seed=span, scale_span=span)
        amax = np.abs(x).max()
        codes, scale, value = nvfp4(formats, TRAINING, x, 0.0, tensor_scale(formats, TRAINING, amax))
        encode_scale = np.float32(2688) / amax
        block = np.abs(x).max(1) * (encode_scale * (one / np.float32(6)))
        expected = np.minimum(block, np.float32(448)).astype(ml_dtypes.float8_e4m3fn)
        assert_same(scale, expected.view(np.uint8))
        with np.errstate(divide="ignore"):
            factor = one / (expected.astype(np.float32) * (one / encode_scale))
        factor = np.minimum(factor, np.finfo(np.float32).max)[:, None]
        with np.errstate(over="ignore"):
            assert_same(codes, expected_codes("e2m1", x * factor), x)
        element = codes.view(ml_dtypes.float4_e2m1fn).astype(np.float32)
        wide = expected.astype(np.float32)[:, None]
        assert_same(value, element * wide * (amax / np.float32(2688)))


def test_nvfp4_edges(formats):
    zero = np.zeros((1, 16), np.float32)
    for recipe, floor, byte in ((INFERENCE, 2.0**-6, 0x08), (TRAINING, 0.0, 0)):
        tensor = tensor_scale(formats, recipe, 0.0)
        assert np.isfinite(tensor).all()
        codes, scale, value = nvfp4(formats, recipe, zero, floor, tensor)
        assert scale[0] == byte and (codes == 0).all() and (value == 0).all()
        # NaN and Inf: the block's scale is NaN; with a dynamic tensor scale, the tensor's too.
        x = np.ones((2, 16), np.float32)
        x[0, 3] = np.nan
        _, scale, value = nvfp4(formats, recipe, x, floor, np.ones(2, np.float32))
        assert np.isnan(value[0]).all() and np.isfinite(value[1]).all() and scale[0] == 0x7F
        _, _, value = nvfp4(formats, recipe, x, floor, tensor_scale(formats, recipe, np.nan))
        assert np.isnan(value).all()
    # A block whose scale underflows e4m3: scale 0, codes saturate, value 0.
    x = np.full((1, 16), 2.0**-20, np.float32)
    codes, scale, value = nvfp4(formats, TRAINING, x, 0.0, tensor_scale(formats, TRAINING, 2688.0))
    assert scale[0] == 0 and (codes == 7).all() and (value == 0).all()


# --- Affine ------------------------------------------------------------------------------------

SYMMETRIC, NO_CLIPPING, ASYMMETRIC, NOT_PRESERVED = range(4)
RANGES = [(-128, 127), (0, 255), (-8, 7), (0, 15), (-64, 63), (-2, 1)]


def affine(formats, mapping, x, parameters, codes_in, low, high, eps):
    codes = np.empty(x.shape, np.int32)
    scale = np.empty(x.shape[0], np.float32)
    zero = np.empty(x.shape[0], np.int32)
    value = np.empty(x.shape, np.float32)
    formats.affine(mapping, DTYPE[parameters], DTYPE[codes_in], low, high, float(eps), x, *x.shape,
                   codes, scale, zero, value)  # fmt: skip
    return codes, scale, zero, value


@pytest.mark.parametrize("low,high", RANGES)
@pytest.mark.parametrize("scale_dtype", ["fp32", "same"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("mapping", [SYMMETRIC, NO_CLIPPING, ASYMMETRIC, NOT_PRESERVED])
def test_affine_as_torchao(formats, mapping, dtype, scale_dtype, low, high):
    from torchao.quantization.quant_primitives import (
        MappingType,
        _choose_qparams_affine_dont_preserve_zero,
        choose_qparams_affine,
        dequantize_affine,
        quantize_affine,
    )

    if mapping == NO_CLIPPING and low == 0:
        pytest.skip("torchao divides by 0; the test of edges has ours")
    eps = 2.0**-23
    codes_in = "fp32" if scale_dtype == "fp32" else dtype
    x = block_data(32, dtype=dtype, scale_span=6)
    data = torch.from_numpy(x).to(TORCH[dtype])
    integer = torch.int8 if low < 0 else torch.uint8
    kind = [MappingType.SYMMETRIC, MappingType.SYMMETRIC_NO_CLIPPING_ERR, MappingType.ASYMMETRIC,
            MappingType.ASYMMETRIC][mapping]  # fmt: skip
    choose = choose_qparams_affine
    if mapping == NOT_PRESERVED:
        choose = _choose_qparams_affine_dont_preserve_zero
    their_scale, their_zero = choose(
        data, kind, (1, 32), integer, low, high, eps=eps,
        scale_dtype=torch.float32 if scale_dtype == "fp32" else None, zero_point_dtype=torch.int32,
    )  # fmt: skip
    their_codes = quantize_affine(data, (1, 32), their_scale, their_zero, integer, low, high)
    codes, scale, zero, value = affine(formats, mapping, x, dtype, codes_in, low, high, eps)
    assert_same(scale, their_scale.float().numpy().ravel())
    assert_same(zero, their_zero.numpy().ravel())
    # Where 1 / scale overflows fp16, 0 * Inf is NaN there, and its code whatever NaN casts to.
    usable = np.isfinite((1.0 / their_scale).float().numpy().ravel())
    at_zero = ~usable[:, None] & (x == 0)
    assert usable.mean() > 0.99 and (codes == zero[:, None])[at_zero].all()
    assert_same(codes[usable], their_codes.to(torch.int32).numpy()[usable], x[usable])
    out = TORCH[dtype]
    their_value = dequantize_affine(
        their_codes, (1, 32), their_scale, their_zero, integer, low, high, output_dtype=out
    ).float()
    value = torch.from_numpy(value).to(out).float()
    assert_same(value.numpy()[usable], their_value.numpy()[usable])


def test_affine_edges(formats):
    """numerics 16: zeros, NaN and Inf in a block; absent sides of a range."""
    x = np.zeros((4, 8), np.float32)
    x[1, 2] = np.nan
    x[1, 3] = 5
    x[2, 2] = np.inf
    x[2, 3] = 5
    x[3] = np.arange(8)
    for mapping in (SYMMETRIC, NO_CLIPPING, ASYMMETRIC, NOT_PRESERVED):
        codes, scale, zero, value = affine(formats, mapping, x, "fp32", "fp32", -128, 127, 0.25)
        assert scale[0] == 0.25 and (codes[0] == zero[0]).all() and (value[0] == 0).all()
        assert np.isnan(scale[1]) and (codes[1] == zero[1]).all()
        assert np.isinf(scale[2]) and (codes[2] == zero[2]).all()
        assert (zero >= -128).all() and (zero <= 127).all()
    _, scale, _, _ = affine(formats, NO_CLIPPING, x, "fp32", "fp32", 0, 15, 0.0625)
    assert scale[3] == np.float32(7) / np.float32(15)
    _, scale, _, _ = affine(formats, NO_CLIPPING, -x, "fp32", "fp32", -1, 0, 0.0625)
    assert scale[3] == 7


@pytest.mark.parametrize("low,high", [(0, 15), (-8, 7), (0, 255)])
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_tinygemm_as_torchao(formats, dtype, low, high):
    from torchao.quantization.quant_primitives import (
        MappingType,
        _choose_qparams_affine_tinygemm,
        _dequantize_affine_tinygemm,
        _quantize_affine_tinygemm,
    )

    x = block_data(32, dtype=dtype, scale_span=6)
    data = torch.from_numpy(x).to(TORCH[dtype])
    integer = torch.int32
    their_scale, their_zero = _choose_qparams_affine_tinygemm(
        data, MappingType.ASYMMETRIC, (1, 32), integer, low, high, eps=1e-6
    )
    their_codes = _quantize_affine_tinygemm(
        data, (1, 32), their_scale, their_zero, integer, low, high
    )
    their_value = _dequantize_affine_tinygemm(
        their_codes, (1, 32), their_scale, their_zero, integer, low, high,
        output_dtype=TORCH[dtype],
    )  # fmt: skip
    codes = np.empty(x.shape, np.int32)
    scale, zero = np.empty((2, x.shape[0]), np.float32)
    value = np.empty(x.shape, np.float32)
    formats.tinygemm(DTYPE[dtype], low, high, 1e-6, x, *x.shape, codes, scale, zero, value)
    assert_same(scale, their_scale.float().numpy().ravel())
    assert_same(zero, their_zero.float().numpy().ravel())
    assert_same(codes, their_codes.numpy(), x)
    assert_same(value, their_value.float().numpy())


def test_int4_weights(formats):
    """The rules of MSLK's int4_row_quantize_zp and int4_row_quantize, written in torch."""
    x = block_data(128, scale_span=4)
    data = torch.from_numpy(x)
    codes = np.empty(x.shape, np.int32)
    scale, zero = np.empty((2, x.shape[0]), np.float32)
    formats.int4_float_zero(x, *x.shape, codes, scale, zero)
    low, high = data.amin(1, True), data.amax(1, True)
    their_scale = torch.clamp(high - low, min=1e-6) / 15
    assert_same(scale, their_scale.numpy().ravel())
    assert_same(zero, (low + their_scale * 8).numpy().ravel())
    their_codes = ((data - low) / their_scale).round().clamp(0, 15) - 8
    assert_same(codes, their_codes.int().numpy(), x)

    formats.int4_fp8(x, *x.shape, codes, scale)
    their_scale = torch.clamp(data.abs().amax(1, True), min=1e-6) / 8
    assert_same(scale, their_scale.numpy().ravel())
    assert_same(codes, (data / their_scale).round().clamp(-8, 7).int().numpy(), x)


# --- Float8 scales -----------------------------------------------------------------------------


def fp8_scale(formats, name, rule, amax, arithmetic="fp32"):
    scale = np.empty(amax.shape, np.float32)
    formats.fp8_scale(DTYPE[name], rule, DTYPE[arithmetic], amax, amax.size, scale)
    return scale


def amaxes(dtype="fp32"):
    x = np.abs(interesting_floats())[::3].copy()
    return torch.from_numpy(x).to(TORCH[dtype]).float().numpy()


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", ["e4m3", "e5m2"])
def test_fp8_inference_scale(formats, name, dtype):
    """torchao divides in the input's type: our arithmetic of that type gives its bytes. It leaves a
    scale of 0 as it is; ours becomes 1."""
    from torchao.quantization.quant_primitives import _choose_scale_float8

    amax = amaxes(dtype)
    data = torch.from_numpy(amax).to(TORCH[dtype])[:, None].expand(-1, 2).contiguous()
    theirs = _choose_scale_float8(data, [1, 2], TORCH[name]).numpy().ravel()
    theirs = np.where(theirs == 0, np.float32(1), theirs)
    assert_same(fp8_scale(formats, name, FP8_INFERENCE, amax, dtype), theirs, amax)


def test_fp8_scale_rounded_to_a_power_of_two(formats):
    """2^round(log2(scale)) in fp64; torchao's fp32 log2 may be off next to the border of sqrt(2)."""
    amax = amaxes()
    amax = amax[(amax > 0) & np.isfinite(amax)]
    scale = fp8_scale(formats, "e4m3", FP8_INFERENCE, amax)
    expected = np.exp2(np.round(np.log2(scale.astype(np.float64)))).astype(np.float32)
    assert_same(fp8_scale(formats, "e4m3", FP8_POW2, amax), expected, amax)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["e4m3", "e5m2"])
def test_fp8_training_scale(formats, name):
    """With powers of two: floor by the bits. torchao's exp2(floor(log2)) in fp32 is one power too
    high where the scale is just below one."""
    from torchao.float8.float8_utils import amax_to_scale

    for amax in positive(float32_inputs()):
        theirs = amax_to_scale(torch.from_numpy(amax), TORCH[name]).numpy()
        assert_same(fp8_scale(formats, name, FP8_TRAINING, amax), theirs, amax)
        number = np.isfinite(amax)
        fraction, power = np.frexp(theirs[number])
        expected = np.ldexp(np.float32(0.5), power)
        ours = fp8_scale(formats, name, FP8_TRAINING_POW2, amax)
        assert_same(ours[number], expected, amax[number])
        assert np.isnan(ours[np.isnan(amax)]).all() and (ours[np.isinf(amax)] == 0).all()


def test_fp8_training_powers_as_torchao_for_bf16(formats):
    from torchao.float8.float8_utils import amax_to_scale

    amax = decode(formats, "bf16", np.arange(0x7F80, dtype=np.uint16))
    theirs = amax_to_scale(torch.from_numpy(amax), torch.float8_e4m3fn, True).numpy()
    assert_same(fp8_scale(formats, "e4m3", FP8_TRAINING_POW2, amax), theirs, amax)


def test_fp8_blockwise_training_scale(formats):
    amax = amaxes()
    with np.errstate(invalid="ignore"):
        wide = np.maximum(amax, np.float32(1e-12)).astype(np.float64)
        theirs = (448.0 / wide).astype(np.float32)
    assert_same(fp8_scale(formats, "e4m3", FP8_BLOCKWISE, amax), theirs, amax)


@pytest.mark.parametrize("name", ["e4m3", "e5m2"])
def test_fp8_codes_as_torchao(formats, name):
    from torchao.quantization.quant_primitives import (
        _dequantize_affine_float8,
        _quantize_affine_float8,
    )

    x = block_data(32, scale_span=10)
    scale = fp8_scale(formats, name, FP8_INFERENCE, np.abs(x).max(1))
    codes = np.empty(x.shape, np.uint8)
    value = np.empty(x.shape, np.float32)
    formats.fp8_quantize(DTYPE[name], x, scale, *x.shape, codes, value)
    their_scale = torch.from_numpy(scale)[:, None]
    theirs = _quantize_affine_float8(torch.from_numpy(x), their_scale, TORCH[name])
    assert_same(codes, theirs.view(torch.uint8).numpy(), x)
    assert_same(value, _dequantize_affine_float8(theirs, their_scale).numpy())


def test_fp8_edges(formats):
    """A block of zeros: scale 1; NaN: the block is NaN; Inf: the finite elements become 0."""
    x = np.zeros((3, 4), np.float32)
    x[1] = [1, np.nan, 2, 3]
    x[2] = [1, np.inf, -2, 3]
    scale = fp8_scale(formats, "e4m3", FP8_INFERENCE, np.abs(x).max(1))
    codes = np.empty(x.shape, np.uint8)
    value = np.empty(x.shape, np.float32)
    formats.fp8_quantize(DTYPE["e4m3"], x, scale, *x.shape, codes, value)
    assert scale[0] == 1 and np.isnan(scale[1]) and np.isinf(scale[2])
    assert (codes[0] == 0).all() and np.isnan(value[1]).all()
    assert list(codes[2] & 0x7F) == [0, 0x7F, 0, 0]  # the sign of Inf / Inf is the CPU's choice


# --- Packing and layout ------------------------------------------------------------------------


@pytest.mark.parametrize("width", range(1, 9))
def test_words_as_compressed_tensors(formats, width):
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32

    generator = np.random.default_rng(width)
    for count in (1, 7, 32, 33, 64, 100, 576):
        codes = generator.integers(-(1 << width >> 1), 1 << width >> 1, count).astype(np.int8)
        theirs = pack_to_int32(torch.from_numpy(codes)[None], width).numpy().ravel()
        words = np.empty(theirs.shape, np.int32)
        formats.pack_words(codes, count, width, words)
        assert_same(words, theirs)


@pytest.mark.parametrize("width", range(1, 8))
def test_bit_stream_as_numpy(formats, width):
    for count in (1, 5, 8, 64, 77):
        codes = np.random.default_rng(count).integers(0, 1 << width, count).astype(np.uint8)
        stream = np.empty((count * width + 7) // 8, np.uint8)
        formats.pack_bit_stream(codes, count, width, stream)
        single = np.unpackbits(codes[:, None], axis=1, bitorder="little")[:, :width].ravel()
        assert_same(stream, np.packbits(single, bitorder="little"))


@pytest.mark.parametrize("rows,cols", [(1, 1), (128, 4), (129, 5), (300, 18), (32, 64)])
def test_swizzle_as_torchao(formats, rows, cols):
    from torchao.prototype.mx_formats.utils import to_blocked

    scale = np.random.default_rng(rows).integers(0, 256, (rows, cols)).astype(np.uint8)
    theirs = to_blocked(torch.from_numpy(scale)).numpy().ravel()
    ours = np.empty(theirs.shape, np.uint8)
    formats.swizzle(scale, rows, cols, ours)
    assert_same(ours, theirs)

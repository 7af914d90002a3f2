"""The quantize and dequantize kernels against torchao, bit for bit, at every ISA level.

quantize_tool runs a kernel on a matrix in a file; LOWP_ISA caps the level. Codes, scales and the
dequantized values must equal torchao's. Where lowp differs on purpose, or torchao's own code needs
a package that is not here, the test says so and holds the kernel against the formula in numpy.
"""

import os
import subprocess

import ml_dtypes
import numpy as np
import pytest
import torch
from torchao.prototype.mx_formats.config import ScaleCalculationMode
from torchao.prototype.mx_formats.constants import DTYPE_FP6_E2M3, DTYPE_FP6_E3M2
from torchao.prototype.mx_formats.mx_tensor import to_dtype, to_mx
from torchao.prototype.mx_formats.nvfp4_tensor import nvfp4_quantize, per_tensor_amax_to_scale
from torchao.quantization.quant_primitives import (
    MappingType,
    _choose_scale_float8,
    _dequantize_affine_float8,
    _quantize_affine_float8,
    choose_qparams_affine,
    dequantize_affine,
    quantize_affine,
)

ROWS, COLS = 128, 1024
LEVELS = ("scalar", "avx2", "avx512")
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
# Mapping, MxScaleMode, Nvfp4Recipe by their numbers.
SYMMETRIC, NO_CLIPPING_ERROR, ASYMMETRIC, _, FLOAT_ZERO = range(5)
MAPPINGS = {
    SYMMETRIC: MappingType.SYMMETRIC,
    NO_CLIPPING_ERROR: MappingType.SYMMETRIC_NO_CLIPPING_ERR,
    ASYMMETRIC: MappingType.ASYMMETRIC,
}
EPSILON = 2.0**-23


def weight(dtype):
    """A matrix like a layer's: outliers, rows of small and of large numbers, zeros, one sign."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(ROWS, COLS, generator=generator) * 0.02
    x[torch.rand(ROWS, COLS, generator=generator) < 1e-3] *= 50
    x[5] *= 1e-4
    x[6] *= 1e4
    x[7] = 0
    x[8, 128:256] = 0
    x[9] = x[9].abs() + 1
    x[10] = -x[10].abs()
    return x.to(DTYPES[dtype])


def raw(tensor):
    """The bytes of a tensor as numpy."""
    return tensor.reshape(-1).contiguous().view(torch.uint8).numpy()


def unpack_nibbles(codes):
    """(rows, cols / 2) bytes to (rows, cols) codes 0 to 15, even column from the low nibble."""
    return np.stack([codes & 0xF, codes >> 4], axis=-1).reshape(codes.shape[0], -1)


class Result:
    """What quantize_tool wrote: result.codes and so on, as bytes."""

    def __init__(self, prefix):
        self._prefix = prefix

    def read(self, name, dtype=np.uint8):
        return np.fromfile(f"{self._prefix}.{name}", dtype=dtype)


@pytest.fixture
def quantize(tmp_path, lowp_command):
    """quantize(operation, x, dtype, **options): the Result, which is the same at every level."""
    tool = lowp_command.parent / "tests" / "kernels" / "quantize_tool"
    if not tool.is_file():
        pytest.skip(f"{tool} is not built")

    def run(operation, x, dtype, **options):
        source = tmp_path / "x"
        raw(x).tofile(source)
        words = [operation, source, dtype, *x.shape, "out"]
        words += [f"{name}={value}" for name, value in options.items()]
        for level in LEVELS:
            folder = tmp_path / level
            folder.mkdir()
            environment = {**os.environ, "LOWP_ISA": level}
            subprocess.run([tool, *map(str, words)], check=True, env=environment, cwd=folder)
        for level in LEVELS[1:]:
            for file in (tmp_path / LEVELS[0]).iterdir():
                other = tmp_path / level / file.name
                assert other.read_bytes() == file.read_bytes(), f"{level} {file.name}"
        return Result(tmp_path / LEVELS[0] / "out")

    return run


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("block", [(1, COLS), (ROWS, COLS), (1, 64)], ids=["row", "tensor", "group"])
def test_int8(quantize, dtype, mapping, block):
    x = weight(dtype)
    scale, zero_point = choose_qparams_affine(
        x, MAPPINGS[mapping], block, torch.int8, eps=EPSILON, scale_dtype=torch.float32,
        zero_point_dtype=torch.int8,
    )  # fmt: skip
    codes = quantize_affine(x, block, scale, zero_point, torch.int8)
    values = dequantize_affine(
        codes, block, scale, zero_point, torch.int8, output_dtype=DTYPES[dtype]
    )
    got = quantize(
        "int8", x, dtype, block_rows=block[0], block_cols=block[1], mapping=mapping,
        scale_dtype=dtype,
    )  # fmt: skip
    np.testing.assert_array_equal(got.read("scale"), raw(scale))
    if mapping == ASYMMETRIC:
        np.testing.assert_array_equal(got.read("zero_point"), raw(zero_point))
    np.testing.assert_array_equal(got.read("codes"), raw(codes))
    np.testing.assert_array_equal(got.read("values"), raw(values))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mapping", [SYMMETRIC, ASYMMETRIC])
@pytest.mark.parametrize("group", [32, 128])
def test_int4(quantize, dtype, mapping, group):
    x, block = weight(dtype), (1, group)
    scale, zero_point = choose_qparams_affine(
        x, MAPPINGS[mapping], block, torch.int8, quant_min=-8, quant_max=7, eps=EPSILON,
        scale_dtype=torch.float32, zero_point_dtype=torch.int8,
    )  # fmt: skip
    codes = quantize_affine(x, block, scale, zero_point, torch.int8, -8, 7)
    values = dequantize_affine(
        codes, block, scale, zero_point, torch.int8, -8, 7, output_dtype=DTYPES[dtype]
    )
    got = quantize("int4", x, dtype, block_cols=group, mapping=mapping, scale_dtype=dtype)
    np.testing.assert_array_equal(got.read("scale"), raw(scale))
    if mapping == ASYMMETRIC:
        np.testing.assert_array_equal(got.read("zero_point"), raw(zero_point))
    nibbles = unpack_nibbles(got.read("codes").reshape(ROWS, -1))
    np.testing.assert_array_equal(nibbles, codes.numpy() & 0xF)
    np.testing.assert_array_equal(got.read("values"), raw(values))


@pytest.mark.parametrize("dtype", DTYPES)
def test_int4_float_zero(quantize, dtype):
    """torchao's Int4Tensor calls a CUDA package for this: the formula in torch instead."""
    group = 32
    x = weight(dtype)
    groups = x.float().reshape(-1, group)
    least, most = groups.amin(1, keepdim=True), groups.amax(1, keepdim=True)
    scale = torch.clamp(most - least, min=1e-6) / 15
    zero = least + scale * 8
    codes = torch.clamp(torch.round((groups - least) / scale), 0, 15).to(torch.int32) - 8
    stored_scale, stored_zero = scale.to(x.dtype).float(), zero.to(x.dtype).float()
    values = (codes * stored_scale + stored_zero).to(x.dtype)
    got = quantize("int4", x, dtype, block_cols=group, mapping=FLOAT_ZERO, scale_dtype=dtype)
    np.testing.assert_array_equal(got.read("scale"), raw(stored_scale))
    np.testing.assert_array_equal(got.read("zero"), raw(stored_zero))
    nibbles = unpack_nibbles(got.read("codes").reshape(ROWS, -1))
    np.testing.assert_array_equal(nibbles.reshape(-1, group), codes.numpy() & 0xF)
    np.testing.assert_array_equal(got.read("values"), raw(values))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("element", ["F8_E4M3", "F8_E5M2"])
@pytest.mark.parametrize(
    "block", [(1, COLS), (ROWS, COLS), (1, 128), (128, 128)], ids=["row", "tensor", "group", "block"]
)
def test_fp8(quantize, dtype, element, block):
    x = weight(dtype)
    float8 = {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}[element]
    scale = _choose_scale_float8(x, block, float8)
    # On purpose: a block of zeros has scale 1 here, 0 (and so NaN codes) in torchao.
    scale[scale == 0] = 1
    codes = _quantize_affine_float8(x, scale, float8)
    values = _dequantize_affine_float8(codes, scale, DTYPES[dtype])
    got = quantize(
        "fp8", x, dtype, block_rows=block[0], block_cols=block[1], element=element,
        scale_dtype=dtype,
    )  # fmt: skip
    np.testing.assert_array_equal(got.read("scale"), raw(scale))
    np.testing.assert_array_equal(got.read("codes"), raw(codes))
    np.testing.assert_array_equal(got.read("values"), raw(values))


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
@pytest.mark.parametrize("mode", range(4), ids=["floor", "ceil", "even", "rceil"])
@pytest.mark.parametrize("element", ["F8_E4M3", "F8_E5M2", "F6_E2M3", "F6_E3M2", "F4"])
def test_mx(quantize, dtype, mode, element):
    x = weight(dtype)
    x[11, :32] = x[11, :32] * 1e-30  # torchao limits smaller scales, on purpose we do not
    x[12, 3] = torch.nan
    torchao_element = {
        "F8_E4M3": torch.float8_e4m3fn,
        "F8_E5M2": torch.float8_e5m2,
        "F6_E2M3": DTYPE_FP6_E2M3,
        "F6_E3M2": DTYPE_FP6_E3M2,
        "F4": torch.float4_e2m1fn_x2,
    }[element]
    modes = ["FLOOR", "CEIL", "EVEN", "RCEIL"]
    scale, codes = to_mx(x, torchao_element, 32, getattr(ScaleCalculationMode, modes[mode]))
    values = to_dtype(codes, scale, torchao_element, 32, DTYPES[dtype])
    got = quantize("mx", x, dtype, block_cols=32, mode=mode, element=element)
    np.testing.assert_array_equal(got.read("scale"), raw(scale))
    assert got.read("scale").reshape(ROWS, -1)[12, 0] == 255
    # The codes of a NaN block are free.
    mask = np.ones((ROWS, COLS), bool)
    mask[12, :32] = False
    per_byte = 2 if element == "F4" else 1
    expected = raw(codes).reshape(ROWS, COLS // per_byte)
    code_mask = mask[:, ::per_byte]
    np.testing.assert_array_equal(
        got.read("codes").reshape(expected.shape)[code_mask], expected[code_mask]
    )
    got_values = torch.from_numpy(got.read("values")).view(DTYPES[dtype]).reshape(ROWS, COLS)
    assert got_values[12, :32].isnan().all()
    np.testing.assert_array_equal(raw(got_values[mask]), raw(values.reshape(ROWS, COLS)[mask]))


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
@pytest.mark.parametrize("two_levels", [True, False])
def test_nvfp4_inference(quantize, dtype, two_levels):
    x = weight(dtype)
    tensor_scale = per_tensor_amax_to_scale(x.abs().amax()) if two_levels else torch.tensor(1.0)
    scale, codes = nvfp4_quantize(x, 16, tensor_scale if two_levels else None)
    options = {} if two_levels else {"tensor_scale": 1}
    got = quantize("nvfp4", x, dtype, **options)
    np.testing.assert_array_equal(got.read("tensor_scale", np.float32), [tensor_scale.item()])
    np.testing.assert_array_equal(got.read("scale"), raw(scale))
    np.testing.assert_array_equal(got.read("codes"), raw(codes))
    numbers = unpack_nibbles(got.read("codes").reshape(ROWS, -1)).view(ml_dtypes.float4_e2m1fn)
    factors = np.repeat(scale.float().numpy().reshape(ROWS, -1), 16, axis=1)
    values = torch.from_numpy(numbers.astype(np.float32) * factors * tensor_scale.numpy())
    np.testing.assert_array_equal(got.read("values"), raw(values.to(DTYPES[dtype])))


def test_nvfp4_training(quantize):
    """TransformerEngine's recipe in numpy: no package here has it on a CPU."""
    x = weight("BF16").float().numpy()
    one, largest = np.float32(1), np.float32(np.finfo(np.float32).max)
    encode = min(np.float32(2688) / np.abs(x).max(), largest)
    amax = np.abs(x).reshape(ROWS, -1, 16).max(-1)
    scale = np.minimum(amax * (encode * (one / np.float32(6))), np.float32(448))
    scale = scale.astype(ml_dtypes.float8_e4m3fn)
    with np.errstate(divide="ignore"):
        factor = np.minimum(one / (scale.astype(np.float32) * (one / encode)), largest)
    scaled = np.clip(x.reshape(ROWS, -1, 16) * factor[..., None], -6, 6)
    codes = scaled.astype(ml_dtypes.float4_e2m1fn).view(np.uint8).reshape(ROWS, COLS)
    got = quantize("nvfp4", weight("BF16"), "BF16", recipe=1, floor=0)
    np.testing.assert_array_equal(got.read("scale"), scale.view(np.uint8).reshape(-1))
    np.testing.assert_array_equal(unpack_nibbles(got.read("codes").reshape(ROWS, -1)), codes)

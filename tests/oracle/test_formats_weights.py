"""NF4, UIntx, trained integer weights and grouped scale layouts against torchao."""

import numpy as np
import pytest
import torch
from test_formats import DTYPE, TORCH, assert_same, block_data, formats  # noqa: F401


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_nf4_as_torchao(formats, dtype):  # noqa: F811
    """torchao leaves x / 0 = NaN in a block of zeros to torch.min; ours codes it as zero."""
    from torchao.quantization import NF4Tensor

    x = block_data(64, dtype=dtype, scale_span=4)
    zeros = ~x.any(axis=1)
    data = torch.from_numpy(x).to(TORCH[dtype])
    theirs = NF4Tensor.from_tensor(data.flatten(), 64, 256)
    amax = np.abs(x).max(1)
    codes = np.empty(x.shape, np.uint8)
    value = np.empty(x.shape, np.float32)
    formats.nf4(DTYPE[dtype], x, amax, x.shape[0], codes, value)
    packed = theirs.quantized_data.numpy()
    their_codes = np.stack([packed >> 4, packed & 15], -1).reshape(x.shape)
    assert (codes[zeros] == 7).all()
    assert_same(codes[~zeros], their_codes[~zeros], x[~zeros])
    their_value = theirs.nf4[codes.astype(np.int64)] * data.abs().amax(1, True)
    assert_same(value, their_value.float().numpy())

    scales = data.abs().amax(1)
    mean = scales.mean()
    deviation = (scales - mean).float().numpy()
    largest = np.abs(deviation).reshape(-1, 256).max(1)
    scale_codes = np.empty(amax.shape, np.int8)
    factor = np.empty(largest.shape, np.float32)
    scale_value = np.empty(amax.shape, np.float32)
    formats.nf4_scales(DTYPE[dtype], deviation, largest, largest.size, mean.float().item(),
                       scale_codes, factor, scale_value)  # fmt: skip
    assert_same(scale_codes, theirs.quantized_scalers.numpy())
    assert_same(factor, theirs.quantization_factor.float().numpy())
    their_value = theirs.dequantize_scalers(
        theirs.quantized_scalers, theirs.quantization_factor, 256
    )
    assert_same(scale_value, their_value.float().numpy())


@pytest.mark.parametrize("width", range(1, 8))
def test_uintx_by_definition(formats, width):  # noqa: F811
    """The rule of torchao's Metal kernels in torch; a constant group is 0 / 0 there."""
    x = block_data(64, scale_span=6)
    data = torch.from_numpy(x)
    low, high = data.amin(1, True), data.amax(1, True)
    codes = np.empty(x.shape, np.int32)
    scale, zero = np.empty((2, x.shape[0]), np.float32)
    formats.uintx(width, x, low.numpy(), high.numpy(), *x.shape, codes, scale, zero)
    varied = (low != high).numpy().ravel()
    last = (1 << width) - 1
    their_scale = (high - low) / last
    zero_point = -(low / their_scale).round()
    their_codes = ((data / their_scale).round() + zero_point).clamp(0, last).nan_to_num(0).int()
    assert_same(scale[varied], their_scale.numpy().ravel()[varied])
    assert_same(codes[varied], their_codes.numpy()[varied], x[varied])
    assert_same(zero[varied], (-zero_point * their_scale).numpy().ravel()[varied])
    assert (scale[~varied] == 1).all() and (codes[~varied] == 0).all()
    assert (zero[~varied] == x[~varied, 0]).all()


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_int8_training_as_torchao(formats, dtype):  # noqa: F811
    from torchao.prototype.quantized_training.int8 import quantize_int8_rowwise

    x = block_data(64, dtype=dtype, scale_span=6)
    their_codes, their_scale = quantize_int8_rowwise(torch.from_numpy(x).to(TORCH[dtype]))
    codes = np.empty(x.shape, np.int32)
    scale = np.empty(x.shape[0], np.float32)
    formats.int8_training(DTYPE[dtype], x, np.abs(x).max(1), *x.shape, codes, scale)
    assert_same(scale, their_scale.float().numpy())
    assert_same(codes, their_codes.int().numpy(), x)


def test_bitnet_as_torchao(formats):  # noqa: F811
    from torchao.prototype.quantized_training.bitnet import (
        get_bitnet_scale,
        quantize_bitnet_weight,
    )

    x = block_data(64, scale_span=1)
    for data in (x, np.zeros_like(x)):
        weight = torch.from_numpy(data)
        scale = get_bitnet_scale(weight)
        codes = np.empty(data.shape, np.int32)
        formats.bitnet(data, data.size, scale.item(), codes)
        assert_same(codes, quantize_bitnet_weight(weight, scale).int().numpy(), data)


ENDS = [[128, 256], [5, 5, 135, 391], [1], [0, 300, 300, 332]]


@pytest.mark.parametrize("ends", ENDS)
def test_row_groups_as_torchao(formats, ends):  # noqa: F811
    from torchao.prototype.moe_training.kernels.mxfp8.quant import torch_to_blocked_2d_M_groups

    offsets = np.int32(ends)
    scale = np.random.default_rng(0).integers(1, 256, (ends[-1], 8)).astype(np.uint8)
    theirs, _ = torch_to_blocked_2d_M_groups(torch.from_numpy(scale), torch.from_numpy(offsets))
    ours = np.zeros(theirs.numel(), np.uint8)
    formats.swizzle_row_groups(scale, offsets, len(ends), 8, ours)
    assert_same(ours, theirs.numpy().ravel())


@pytest.mark.parametrize("ends", ENDS)
def test_column_groups_as_torchao(formats, ends):  # noqa: F811
    from torchao.prototype.moe_training.kernels.mxfp8.quant import torch_to_blocked_2d_K_groups

    offsets = np.int32(ends)
    scale = np.random.default_rng(0).integers(1, 256, (130, ends[-1])).astype(np.uint8)
    theirs, _ = torch_to_blocked_2d_K_groups(torch.from_numpy(scale), torch.from_numpy(offsets))
    ours = np.zeros(theirs.numel(), np.uint8)
    formats.swizzle_col_groups(scale, offsets, len(ends), 130, ours)
    assert_same(ours, theirs.numpy().ravel())


@pytest.mark.parametrize("signs", [0, 0xFFFF, 0xD7E8, 0x1234])
def test_random_hadamard_as_torchao(formats, signs):  # noqa: F811
    from torchao.prototype.moe_training.nvfp4_training.hadamard_utils import get_rht_matrix

    vector = tuple(-1 if signs >> i & 1 else 1 for i in range(16))
    matrix = get_rht_matrix(vector, "cpu", torch.float64, 16)
    # Multiples of 1/32 up to 8: every sum is exact, whatever the order.
    x = np.random.default_rng(signs).integers(-256, 257, (512, 16)).astype(np.float32) / 32
    theirs = (torch.from_numpy(x).double() @ matrix).to(torch.bfloat16).float().numpy()
    formats.random_hadamard(x, x.shape[0], signs)
    assert (x == theirs).all()

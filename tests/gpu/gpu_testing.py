"""What the GPU tests share: comparison of codes, and inputs that hold every case at once."""

import torch

DTYPES = [torch.bfloat16, torch.float16, torch.float32]


def assert_equal_codes(got, expected):
    """Bit-equal, wherever the two are; float8 NaN is any NaN code."""
    got, expected = got.cpu(), expected.cpu()
    assert got.dtype == expected.dtype and got.shape == expected.shape
    same = got.contiguous().view(torch.uint8) == expected.contiguous().view(torch.uint8)
    if got.dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
        same |= got.float().isnan() & expected.float().isnan()
    assert bool(same.all()), f"{int((~same).sum())} of {same.numel()} bytes differ"


def assert_equal_values(got, expected):
    """Equal numbers of one dtype, NaN equal to NaN."""
    got, expected = got.cpu(), expected.cpu()
    assert got.dtype == expected.dtype and got.shape == expected.shape
    assert torch.equal(got.isnan(), expected.isnan())
    assert torch.equal(got.nan_to_num(0.0), expected.nan_to_num(0.0))


def wide_rows(rows, cols, dtype=torch.bfloat16, seed=0):
    """Random rows whose magnitudes go from 1e-8 to 1e8, on the GPU."""
    torch.manual_seed(seed)
    scale = torch.logspace(-8, 8, max(rows, 1), device="cuda")[:rows, None]
    return (torch.randn(rows, cols, device="cuda") * scale).to(dtype)

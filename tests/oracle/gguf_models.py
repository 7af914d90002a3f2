"""Small random models as GGUF files, written with the gguf package, and the weights that they hold."""

import gguf
import numpy as np
import torch

Q = gguf.GGMLQuantizationType

# Types that the package cannot quantize to: any bytes make a block, but for its fp16 scales.
SCALE_OFFSETS = {Q.Q4_K: (0, 2), Q.Q5_K: (0, 2), Q.Q6_K: (208,)}


def encode(values, qtype, rng):
    """values (rows, cols) fp32 as the bytes of `qtype`: quantized, or random blocks of K-quants."""
    if qtype not in SCALE_OFFSETS:
        return gguf.quantize(values.astype(np.float32), qtype)
    block, size = gguf.GGML_QUANT_SIZES[qtype]
    data = rng.integers(0, 256, (values.size // block, size), dtype=np.uint8)
    for offset in SCALE_OFFSETS[qtype]:
        scales = rng.normal(0, 1e-3, len(data)).astype(np.float16)
        data[:, offset : offset + 2] = scales.view(np.uint8).reshape(-1, 2)
    return data.reshape(values.shape[0], -1)


def interleave(values, heads):
    """llama.cpp's permutation of q and k: the two halves of a head, row by row."""
    return (
        values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
        .swapaxes(1, 2)
        .reshape(values.shape)
    )


def to_bf16(values):
    return torch.from_numpy(np.array(values, dtype=np.float32)).to(torch.bfloat16)

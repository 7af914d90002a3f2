"""The schemes' arithmetic in plain PyTorch, as fake quantization of a transformers model, and its perplexity.
No arithmetic of ours is used here."""

import math

import ml_dtypes
import numpy as np
import torch

CONTEXT = 512


def groups(w, g):
    """(N, K) -> (N, K / g, g) in fp32."""
    return w.float().reshape(*w.shape[:-1], -1, g)


def bf16(x):
    return x.to(torch.bfloat16).float()


def symmetric(x, g, qmax_half, lo, hi, scale_round):
    x = groups(x, g)
    scale = scale_round(x.abs().amax(-1, keepdim=True) / qmax_half).clamp_min(2.0**-23)
    return (torch.clamp(torch.round(x * (1 / scale)), lo, hi) * scale).flatten(-2)


def int8_rows(x, scale_round=bf16):
    return symmetric(x, x.shape[-1], 127.5, -128, 127, scale_round)


def int4_symmetric(w, g):
    return symmetric(w, g, 7.5, -8, 7, bf16)


def int4_asymmetric(w, g):
    w = groups(w, g)
    low, high = w.amin(-1, keepdim=True).clamp_max(0), w.amax(-1, keepdim=True).clamp_min(0)
    scale = bf16(bf16(high - low) / 15).clamp_min(2.0**-23)
    zero = torch.clamp(-8 - torch.round(low / scale), -8, 7)
    code = torch.clamp(torch.round(w * (1 / scale)) + zero, -8, 7)
    return ((code - zero) * scale).flatten(-2)


def int4_float_zero(w, g):
    w = groups(w, g)
    low, high = w.amin(-1, keepdim=True), w.amax(-1, keepdim=True)
    scale = (high - low).clamp_min(1e-6) / 15
    code = torch.clamp(torch.round((w - low) / scale), 0, 15) - 8
    return (code * bf16(scale) + bf16(low + 8 * scale)).flatten(-2)


def intx(w, bits, g, asymmetric):
    """torchao's intx of a bf16 weight: every step of the quantizer rounded to bf16."""
    w = groups(w, g)
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    low, high = w.amin(-1, keepdim=True).clamp_max(0), w.amax(-1, keepdim=True).clamp_min(0)
    if asymmetric:
        scale = bf16(bf16(high - low) / (qmax - qmin)).clamp_min(2.0**-126)
        zero = torch.clamp(qmin - torch.round(bf16(low / scale)), qmin, qmax)
    else:
        scale = bf16(torch.maximum(-low, high) / ((qmax - qmin) / 2)).clamp_min(2.0**-126)
        zero = torch.zeros_like(scale)
    code = torch.clamp(torch.round(bf16(w * bf16(1 / scale))) + zero, qmin, qmax)
    return ((code - zero) * scale).flatten(-2)


def e4m3(x):
    return x.clamp(-448, 448).to(torch.float8_e4m3fn).float()


def fp8_rows(x):
    scale = x.float().abs().amax(-1, keepdim=True) / 448
    scale = torch.where(scale == 0, 1.0, scale)
    return e4m3(x.float() / scale) * scale


def fp8_blocks(w):
    """128x128, edge blocks cut."""
    out = torch.empty_like(w, dtype=torch.float32)
    for r in range(0, w.shape[0], 128):
        for c in range(0, w.shape[1], 128):
            tile = w[r : r + 128, c : c + 128].float()
            scale = tile.abs().max() / 448
            out[r : r + 128, c : c + 128] = e4m3(tile / scale) * scale
    return out


def fp8_groups(x):
    """1x128, the last group cut."""
    return torch.cat([fp8_rows(part) for part in x.split(128, dim=-1)], dim=-1)


def smallest_power(amax, largest):
    """The smallest 2^k with amax <= largest * 2^k."""
    return torch.exp2(torch.ceil(torch.log2(amax.double() / largest))).float()


def e2m1(x):
    return torch.from_numpy(x.numpy().astype(ml_dtypes.float4_e2m1fn).astype(np.float32))


def mxfp8(x):
    x = groups(x, 32)
    scale = smallest_power(x.abs().amax(-1, keepdim=True).clamp_min(2.0**-100), 448)
    return (e4m3(x / scale) * scale).flatten(-2)


def mxfp4(w):
    w = groups(w, 32)
    scale = smallest_power(w.abs().amax(-1, keepdim=True).clamp_min(2.0**-100), 6)
    return (e2m1((w / scale).clamp(-6, 6)) * scale).flatten(-2)


def mxfp6(w, element, largest):
    w = groups(w, 32)
    scale = smallest_power(w.abs().amax(-1, keepdim=True).clamp_min(2.0**-100), largest)
    scaled = (w / scale).clamp(-largest, largest).float().numpy()
    return (torch.from_numpy(scaled.astype(element).astype(np.float32)) * scale).flatten(-2)


def nvfp4(w):
    tensor = w.float().abs().max() / 2688
    blocks = groups(w, 16)
    scale = (blocks.abs().amax(-1, keepdim=True) / 6 / tensor).clamp(2.0**-6, 448)
    scale = e4m3(scale) * tensor
    return (e2m1((blocks / scale).clamp(-6, 6)) * scale).flatten(-2)


def same(x):
    return x.float()


# scheme as `--quantize` takes it: rounding of the weights
WEIGHTS = {
    "W8A16": int8_rows,
    "W4A16:64": lambda w: int4_symmetric(w, 64),
    "W4A16_ASYM:32": lambda w: int4_asymmetric(w, 32),
    "W4A16_FLOAT_ZERO:32": lambda w: int4_float_zero(w, 32),
    "W3A16_ASYM:32": lambda w: intx(w, 3, 32, True),
    "MXFP8A16": mxfp8,
    "MXFP6": lambda w: mxfp6(w, ml_dtypes.float6_e2m3fn, 7.5),
    "MXFP4": mxfp4,
    "NVFP4": nvfp4,
}
# the same: (weights, activations)
WEIGHTS_AND_ACTIVATIONS = {
    "W8A8": (int8_rows, lambda x: int8_rows(x, same)),
    "W5A8:64": (lambda w: intx(w, 5, 64, False), lambda x: int8_rows(x, same)),
    "FP8_DYNAMIC": (fp8_rows, fp8_rows),
    "FP8_BLOCK": (fp8_blocks, fp8_groups),
    "MXFP8": (mxfp8, mxfp8),
}


class FakeQuantizedLinear(torch.nn.Module):
    def __init__(self, linear, weights, activations):
        super().__init__()
        self.weight, self.activations = weights(linear.weight.data), activations

    def forward(self, x):
        return (self.activations(x) @ self.weight.T).to(x.dtype)


def replace_linears(model, weights, activations=same):
    """lm_head too, with its own weight: bf16 products and sums in fp32, which torch itself has no fast
    way for without AVX-512."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.Linear):
                rounding = (same, same) if name == "lm_head" else (weights, activations)
                setattr(module, name, FakeQuantizedLinear(child, *rounding))


@torch.inference_mode()
def perplexity(model, ids):
    total, count = 0.0, 0
    for start in range(0, len(ids), CONTEXT):
        window = torch.tensor(ids[start : start + CONTEXT])[None]
        logits = model(window, use_cache=False).logits[0, :-1].float()
        total += torch.nn.functional.cross_entropy(logits, window[0, 1:], reduction="sum").item()
        count += window.shape[1] - 1
    return math.exp(total / count)


def load(directory):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.bfloat16)

"""Shapes and dtypes of the operators' results, for torch.compile and torch.export."""

import torch

_FP8_DTYPES = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}


def _blocks(x, block):
    """Number of blocks along each side of a matrix; -1 is the whole side, blocks are cut."""
    return [
        (1 if size == -1 else (extent + size - 1) // size) for extent, size in zip(x.shape, block)
    ]


def _linear(x, weight, *_args, **_kwargs):
    rows = weight.shape[0] * 8 if weight.dim() == 4 else weight.shape[0]  # packed ones have four
    return x.new_empty((*x.shape[:-1], rows))


def _linear_w8a8(x, weight, *args, out_scale=None, **_kwargs):
    if out_scale is None and len(args) > 9:
        out_scale = args[9]
    dtype = torch.float32 if x.dtype == torch.int8 else x.dtype
    return x.new_empty((*x.shape[:-1], weight.shape[0]), dtype=dtype if out_scale is None else torch.int8)


def _grouped_linear(x, offsets, weight, *_args, **_kwargs):
    return x.new_empty((x.shape[0], weight.shape[1]))


def _quantize_int8(x, block, mapping="symmetric", scale_dtype=None, eps=2.0**-23):
    shape = _blocks(x, block)
    zero_shape = shape if mapping == "asymmetric" else (0, 0)
    return (
        x.new_empty(x.shape, dtype=torch.int8),
        x.new_empty(shape, dtype=torch.float32),
        x.new_empty(zero_shape, dtype=torch.int8),
    )


def _quantize_int4(x, group_size, mapping="symmetric", scale_dtype=None, eps=2.0**-23):
    rows, cols = x.shape
    shape = (rows, cols // group_size)
    return (
        x.new_empty((rows, cols // 2), dtype=torch.uint8),
        x.new_empty(shape, dtype=torch.float32),
        x.new_empty(shape if mapping == "asymmetric" else (0, 0), dtype=torch.int8),
        x.new_empty(shape if mapping == "float_zero" else (0, 0), dtype=torch.float32),
    )


def _quantize_intx(x, bits, group_size, mapping="symmetric", scale_dtype=None, eps=None):
    rows, cols = x.shape
    shape = (rows, cols // group_size)
    return (
        x.new_empty((rows, cols // 8 * bits), dtype=torch.uint8),
        x.new_empty(shape, dtype=torch.float32),
        x.new_empty(shape if mapping == "asymmetric" else (0, 0), dtype=torch.int8),
    )


def _quantize_fp8(x, block, element="e4m3", scale_dtype=None, static_scale=None, power_of_two=False):
    return (
        x.new_empty(x.shape, dtype=_FP8_DTYPES[element]),
        x.new_empty(_blocks(x, block), dtype=torch.float32),
    )


def _quantize_fp8_both(x, group_size=-1, element="e4m3", power_of_two=False):
    results = []
    for shape in (x.shape, x.shape[::-1]):
        # -1: one group a row, but none where rows are empty.
        groups = (shape[1] > 0) if group_size == -1 else (shape[1] + group_size - 1) // group_size
        results.append(x.new_empty(shape, dtype=_FP8_DTYPES[element]))
        results.append(x.new_empty((shape[0], int(groups) if group_size == -1 else groups), dtype=torch.float32))
    return tuple(results)


def _silu_mul_quantize_fp8(gate, up, block, element="e4m3", power_of_two=False):
    return _quantize_fp8(gate, block, element)


def _rms_norm_quantize_fp8(x, weight, eps, block, element="e4m3", power_of_two=False, weight_offset=0.0):
    return _quantize_fp8(x, block, element)


def _swizzled(rows, cols):
    return 32 * ((rows + 127) // 128), 16 * ((cols + 3) // 4)


def _quantize_mx(x, element="e4m3", scaling_mode="rceil", block_size=32, dim=1, swizzled=False):
    rows, cols = x.shape if dim in (1, -1) else reversed(x.shape)
    packed = 2 if element == "e2m1" else 1
    scales = rows, cols // block_size
    return (
        x.new_empty((rows, cols // packed), dtype=_FP8_DTYPES.get(element, torch.uint8)),
        x.new_empty(_swizzled(*scales) if swizzled else scales, dtype=torch.float8_e8m0fnu),
    )


def _quantize_mx_both(x, element="e4m3", scaling_mode="rceil", swizzled=False):
    return (
        *_quantize_mx(x, element, swizzled=swizzled),
        *_quantize_mx(x, element, dim=0, swizzled=swizzled),
    )


def _quantize_nvfp4(
    x, recipe="inference", block_scale_floor=None, static_tensor_scale=None, swizzled=False
):
    rows, cols = x.shape
    scales = rows, cols // 16
    return (
        x.new_empty((rows, cols // 2), dtype=torch.uint8),
        x.new_empty(_swizzled(*scales) if swizzled else scales, dtype=torch.float8_e4m3fn),
        x.new_empty((1,), dtype=torch.float32),
    )


def _pack_fp6(codes):
    rows, cols = codes.shape
    return codes.new_empty((rows, cols // 4 * 3))


def _unpack_fp6(packed):
    rows, cols = packed.shape
    return packed.new_empty((rows, cols // 3 * 4))


def _pack_weight(weight):
    rows, cols = weight.shape
    return weight.new_empty((rows // 8, cols // 4, 8, 4))


def _unpack_weight(weight):
    return weight.new_empty((weight.shape[0] * 8, weight.shape[1] * 4))


def _pack_scale(scale):
    rows, groups = scale.shape
    return scale.new_empty((rows // 8, groups, 8))


def _unpack_scale(scale):
    return scale.new_empty((scale.shape[0] * 8, scale.shape[1]))


def _swizzle_scales(scale):
    return scale.new_empty(_swizzled(*scale.shape))


def _unswizzle_scales(swizzled, rows, cols):
    return swizzled.new_empty((rows, cols))


def _dequantize(codes, scale, *_args, dtype=None, **_kwargs):
    return codes.new_empty(codes.shape, dtype=dtype or torch.float32)


def _dequantize_packed(codes, scale, *_args, dtype=None, **_kwargs):
    rows, cols = codes.shape
    return codes.new_empty((rows, cols * 2), dtype=dtype or torch.float32)


def _dequantize_intx(codes, scale, bits, zero_point=None, dtype=None):
    rows, cols = codes.shape
    return codes.new_empty((rows, cols // bits * 8), dtype=dtype or torch.float32)


def _dequantize_mx(codes, scale, element="e4m3", dtype=None):
    fake = _dequantize_packed if element == "e2m1" else _dequantize
    return fake(codes, scale, dtype=dtype)


def _with_dtype(fake, position):
    """The same with `dtype` as an argument that may be positional."""

    def call(*args, dtype=None):
        if len(args) > position:
            args, dtype = args[:position], args[position]
        return fake(*args, dtype=dtype)

    return call


def _scaled_mm(a, b, *_args, out_dtype=None, **_kwargs):
    dtype = out_dtype or (_args[5] if len(_args) > 5 else None)
    return a.new_empty((*a.shape[:-1], b.shape[-2]), dtype=dtype or torch.bfloat16)


def _like_first(x, *_args, **_kwargs):
    return x.new_empty(x.shape)


def _add_rms_norm(residual, x, *_args, **_kwargs):
    return x.new_empty(x.shape)


def _rotary(q, k, v, cos, *_args, **_kwargs):
    head_dim = 2 * cos.shape[1]
    by_head = (k.shape[1] // head_dim, k.shape[0], head_dim)
    return q.new_empty(q.shape), k.new_empty(by_head), v.new_empty(by_head)


def _score_logits(logits, targets, reference=None):
    rows = logits.shape[0]
    compared = 0 if reference is None else rows
    return (
        logits.new_empty((rows,), dtype=torch.float32),
        logits.new_empty((compared,), dtype=torch.float32),
        logits.new_empty((compared,), dtype=torch.uint8),
    )


_LINEARS = (
    "bf16", "w8a8", "w8a16", "w4a16", "w4a8", "w4afp8", "wna16", "wna8", "fp8", "fp8_weight_only", "mxfp8", "mxfp8_weight_only", "mxfp6", "mxfp4", "nvfp4",
)  # fmt: skip

_GROUPED_LINEARS = (
    "bf16", "w8a8", "w8a16", "w4a16", "w4a8", "fp8", "fp8_weight_only", "mxfp8", "mxfp8_weight_only", "mxfp6", "mxfp4", "nvfp4",
)  # fmt: skip

_FAKES = {
    **{f"linear_{name}": _linear for name in _LINEARS},
    "linear_w8a8": _linear_w8a8,
    **{f"grouped_linear_{name}": _grouped_linear for name in _GROUPED_LINEARS},
    "quantize_int8": _quantize_int8,
    "quantize_int4": _quantize_int4,
    "quantize_intx": _quantize_intx,
    "quantize_fp8": _quantize_fp8,
    "quantize_fp8_both": _quantize_fp8_both,
    "silu_mul_quantize_fp8": _silu_mul_quantize_fp8,
    "rms_norm_quantize_fp8": _rms_norm_quantize_fp8,
    "quantize_mx": _quantize_mx,
    "quantize_mx_both": _quantize_mx_both,
    "quantize_nvfp4": _quantize_nvfp4,
    "pack_fp6": _pack_fp6,
    "unpack_fp6": _unpack_fp6,
    "pack_weight": _pack_weight,
    "unpack_weight": _unpack_weight,
    "pack_scale": _pack_scale,
    "unpack_scale": _unpack_scale,
    "swizzle_scales": _swizzle_scales,
    "unswizzle_scales": _unswizzle_scales,
    "dequantize_int8": _with_dtype(_dequantize, 4),
    "dequantize_int4": _with_dtype(_dequantize_packed, 4),
    "dequantize_intx": _dequantize_intx,
    "dequantize_fp8": _with_dtype(_dequantize, 3),
    "dequantize_mx": _dequantize_mx,
    "dequantize_nvfp4": _with_dtype(_dequantize_packed, 3),
    "scaled_mm": _scaled_mm,
    "rms_norm": _like_first,
    "add_rms_norm": _add_rms_norm,
    "rotary": _rotary,
    "gated_activation": _like_first,
    "score_logits": _score_logits,
    "attention_decode": _like_first,
}


def register_fakes():
    """Registers the fakes of every operator and of its `out` form, which returns nothing."""
    for name, fake in _FAKES.items():
        packet = getattr(torch.ops.lowp, name)
        torch.library.register_fake(packet.default, fake)
        torch.library.register_fake(packet.out, lambda *_args, **_kwargs: None)
    torch.library.register_fake(torch.ops.lowp.decode_advance.default, lambda *_args, **_kwargs: None)

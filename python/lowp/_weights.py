"""What each config does to a weight: which operator makes its tensors, which ones use them."""

import functools

import torch

from . import configs as c
from ._library import load_libraries

load_libraries()
ops = torch.ops.lowp
# Overloads by name: torch need not choose one at each call.
_LINEAR_W8A8 = ops.linear_w8a8.default
_LINEAR_W8A16 = ops.linear_w8a16.default
_LINEAR_W4A16 = ops.linear_w4a16.default
_LINEAR_W4A8 = ops.linear_w4a8.default
_LINEAR_WNA16 = ops.linear_wna16.default
_LINEAR_WNA8 = ops.linear_wna8.default
_LINEAR_W4AFP8 = ops.linear_w4afp8.default
_LINEAR_FP8 = ops.linear_fp8.default
_LINEAR_FP8_WEIGHT_ONLY = ops.linear_fp8_weight_only.default
_LINEAR_MXFP8 = ops.linear_mxfp8.default
_LINEAR_MXFP8_WEIGHT_ONLY = ops.linear_mxfp8_weight_only.default
_LINEAR_MXFP6 = ops.linear_mxfp6.default
_LINEAR_MXFP4 = ops.linear_mxfp4.default
_LINEAR_NVFP4 = ops.linear_nvfp4.default

_WEIGHT_BLOCKS = {c.PerTensor: [-1, -1], c.PerRow: [1, -1], c.PerBlock: [128, 128]}
_FP8_SCHEMES = {c.PerTensor: "FP8", c.PerRow: "FP8_DYNAMIC", c.PerBlock: "FP8_BLOCK"}
_INT4_SCHEMES = {
    c.MappingType.SYMMETRIC: "W4A16",
    c.MappingType.ASYMMETRIC: "W4A16_ASYM",
    c.MappingType.FLOAT_ZERO: "W4A16_FLOAT_ZERO",
}
_INT4_INT8_SCHEMES = {c.MappingType.SYMMETRIC: "W4A8", c.MappingType.ASYMMETRIC: "W4A8_ASYM"}


class Format:
    """A scheme of one config: `quantize` gives the tensors by name, `dequantize` takes them.

    `linear` takes them as a module's buffers, weight_codes and so on: its cost on the host is what a
    short kernel waits for, so it neither renames them nor has torch choose among overloads.
    `grouped_linear` takes those of several experts, stacked; None where there is no such operator.
    """

    scheme: str
    group_size = 0
    devices = ("cpu", "cuda")
    takes_smoothing = False
    packs = False  # whether `linear` takes pack_weight's codes and pack_scale's scale

    def activation_tensors(self):
        """What the module holds beside the weight: scales of activations that are known before."""
        return {}

    def why_not(self, out_features, in_features):
        """Why a weight of this shape does not fit; empty if it does."""
        if self.group_size and in_features % self.group_size:
            fitting = [g for g in (256, 128, 64, 32, 16) if in_features % g == 0]
            fits = ", ".join(map(str, fitting)) or "none of 16 to 256"
            return (
                f"its {in_features} columns are not a multiple of the group of {self.group_size}; "
                f"groups that fit: {fits}"
            )
        return ""


class Int8(Format):
    def __init__(self, config):
        self.static = isinstance(config, c.Int8StaticActivationInt8WeightConfig)
        self.dynamic = isinstance(config, c.Int8DynamicActivationInt8WeightConfig)
        self.scheme = "W8A8" if self.dynamic or self.static else "W8A16"
        self.block = _WEIGHT_BLOCKS.get(type(config.granularity))
        if isinstance(config.granularity, c.PerGroup):
            self.group_size = config.granularity.group_size
            self.block = [1, self.group_size]
        if self.scheme == "W8A8":
            self.takes_smoothing = True
            self.mapping = config.act_mapping_type.value
            self.per_tensor = self.dynamic and isinstance(config.act_granularity, c.PerTensor)
        if self.static:
            self.scale, self.zero_point = config.act_quant_scale, config.act_quant_zero_point
            if self.scale is None:
                raise ValueError(
                    "[lowp.quantize_] act_quant_scale is missing, got None, expected a number or a "
                    "SmoothQuantConfig around the config"
                )
        if self.static or (self.dynamic and self.per_tensor):
            self.grouped_linear = None

    def activation_tensors(self):
        if not self.static:
            return {}
        tensors = {"scale": torch.tensor([self.scale], dtype=torch.float32)}
        if self.mapping == "asymmetric":
            tensors["zero_point"] = torch.tensor([self.zero_point], dtype=torch.int8)
        return tensors

    def quantize(self, weight):
        codes, scale, _ = ops.quantize_int8(weight, self.block, scale_dtype=weight.dtype)
        if self.block == [-1, -1]:  # the product wants one a row
            scale = scale.expand(weight.shape[0], 1).contiguous()
        tensors = {"codes": codes, "scale": scale}
        if self.scheme == "W8A8":
            tensors["row_sums"] = codes.sum(1, dtype=torch.int32)
        return tensors

    def linear(self, x, b, bias):
        codes, scale = b["weight_codes"], b["weight_scale"]
        if self.scheme == "W8A8":
            return _LINEAR_W8A8(
                x, codes, scale, b["weight_row_sums"], bias, self.mapping, self.per_tensor,
                b.get("activation_scale"), b.get("activation_zero_point"), b.get("activation_pre_scale"),
            )  # fmt: skip
        return _LINEAR_W8A16(x, codes, scale, bias)

    def grouped_linear(self, x, offsets, b, bias):
        codes, scale = b["weight_codes"], b["weight_scale"]
        if self.dynamic:
            return ops.grouped_linear_w8a8(
                x, offsets, codes, scale, b["weight_row_sums"], bias, self.mapping
            )
        return ops.grouped_linear_w8a16(x, offsets, codes, scale, bias)

    def dequantize(self, t, dtype):
        block = [1, self.group_size] if self.group_size else [1, -1]
        return ops.dequantize_int8(t["codes"], t["scale"], block, dtype=dtype)


class Int4(Format):
    def __init__(self, config):
        self.scheme = _INT4_SCHEMES[config.mapping_type]
        self.group_size = config.group_size
        self.mapping = config.mapping_type.value

    def quantize(self, weight):
        codes, scale, zero_point, zero = ops.quantize_int4(
            weight, self.group_size or weight.shape[1], self.mapping, weight.dtype
        )
        # The values are bfloat16's already; so stored, they are half the bytes to read.
        stored = torch.bfloat16 if weight.dtype == torch.bfloat16 else torch.float32
        tensors = {"codes": codes, "scale": scale.to(stored)}
        if self.mapping == "asymmetric":
            tensors["zero_point"] = zero_point
        if self.mapping == "float_zero":
            tensors["zero"] = zero.to(stored)
        return tensors

    def linear(self, x, b, bias):
        zero_point, zero = b.get("weight_zero_point"), b.get("weight_zero")
        return _LINEAR_W4A16(x, b["weight_codes"], b["weight_scale"], zero_point, zero, bias)

    def grouped_linear(self, x, offsets, b, bias):
        zero_point, zero = b.get("weight_zero_point"), b.get("weight_zero")
        return ops.grouped_linear_w4a16(
            x, offsets, b["weight_codes"], b["weight_scale"], zero_point, zero, bias
        )

    def dequantize(self, t, dtype):
        zero = t["zero"].float() if "zero" in t else None
        return ops.dequantize_int4(
            t["codes"], t["scale"].float(), t.get("zero_point"), zero, dtype=dtype
        )


class Int4Int8(Int4):
    def __init__(self, config):
        if config.mapping_type not in _INT4_INT8_SCHEMES:
            raise ValueError(
                f"[lowp.quantize_] mapping_type of int4 weights with int8 activations is not known, got "
                f"{config.mapping_type}, expected SYMMETRIC or ASYMMETRIC"
            )
        self.scheme = _INT4_INT8_SCHEMES[config.mapping_type]
        self.group_size = config.group_size
        self.mapping = config.mapping_type.value
        self.activation_mapping = config.act_mapping_type.value

    def quantize(self, weight):
        tensors = super().quantize(weight)
        if self.activation_mapping == "asymmetric":
            values = self.dequantize(tensors, torch.float32)
            tensors["row_sums"] = values.sum(1, dtype=torch.float64).float()
        return tensors

    def linear(self, x, b, bias):
        return _LINEAR_W4A8(
            x, b["weight_codes"], b["weight_scale"], b.get("weight_row_sums"),
            b.get("weight_zero_point"), None, bias, self.activation_mapping,
        )  # fmt: skip

    def grouped_linear(self, x, offsets, b, bias):
        return ops.grouped_linear_w4a8(
            x, offsets, b["weight_codes"], b["weight_scale"], b.get("weight_row_sums"),
            b.get("weight_zero_point"), None, bias, self.activation_mapping,
        )  # fmt: skip


class Int4Float8(Int4):
    scheme = "W4AFP8"
    mapping = "symmetric"

    def __init__(self, config):
        self.group_size = config.group_size

    def linear(self, x, b, bias):
        return _LINEAR_W4AFP8(x, b["weight_codes"], b["weight_scale"], None, None, bias)

    grouped_linear = None


def _group_size(granularity):
    """0: the row."""
    return granularity.group_size if isinstance(granularity, c.PerGroup) else 0


class Intx(Format):
    """Weights of 1 to 7 bits with and without int8 activations; the other widths have own formats."""

    devices = ("cpu",)
    grouped_linear = None

    def __init__(self, bits, granularity, mapping_type, activation_mapping=None):
        self.bits = bits
        self.mapping = mapping_type.value
        self.activation_mapping = activation_mapping
        self.group_size = _group_size(granularity)
        if self.group_size % 8:
            raise ValueError(
                f"[lowp.quantize_] group_size of {bits}-bit weights, got {self.group_size}, expected "
                "a multiple of 8"
            )
        asymmetric = "_ASYM" if mapping_type == c.MappingType.ASYMMETRIC else ""
        self.scheme = f"W{bits}{'A8' if activation_mapping else 'A16'}{asymmetric}"

    def why_not(self, out_features, in_features):
        if in_features % 8:
            return (
                f"its {in_features} columns are not a multiple of 8, of which {self.bits} bytes hold the codes"
            )
        return super().why_not(out_features, in_features)

    def quantize(self, weight):
        group_size = self.group_size or weight.shape[1]
        codes, scale, zero_point = ops.quantize_intx(
            weight, self.bits, group_size, self.mapping, weight.dtype
        )
        # As of int4.
        stored = torch.bfloat16 if weight.dtype == torch.bfloat16 else torch.float32
        tensors = {"codes": codes, "scale": scale.to(stored)}
        if self.mapping == "asymmetric":
            tensors["zero_point"] = zero_point
        if self.activation_mapping == "asymmetric":
            values = self.dequantize(tensors, torch.float32)
            tensors["row_sums"] = values.sum(1, dtype=torch.float64).float()
        return tensors

    def linear(self, x, b, bias):
        codes, scale, zero_point = b["weight_codes"], b["weight_scale"], b.get("weight_zero_point")
        if self.activation_mapping is None:
            return _LINEAR_WNA16(x, codes, scale, self.bits, zero_point, None, bias)
        return _LINEAR_WNA8(
            x, codes, scale, self.bits, b.get("weight_row_sums"), zero_point, bias,
            self.activation_mapping,
        )  # fmt: skip

    def dequantize(self, t, dtype):
        return ops.dequantize_intx(
            t["codes"], t["scale"].float(), self.bits, t.get("zero_point"), dtype
        )


class Float8(Format):
    def __init__(self, config):
        self.dynamic = isinstance(config, c.Float8DynamicActivationFloat8WeightConfig)
        kind = type(config.granularity)
        self.scheme = _FP8_SCHEMES[kind] if self.dynamic else "FP8_WEIGHT_ONLY"
        self.block = _WEIGHT_BLOCKS[kind]

    def quantize(self, weight):
        codes, scale = ops.quantize_fp8(weight, self.block)
        return {"codes": codes, "scale": scale}

    def linear(self, x, b, bias):
        op = _LINEAR_FP8 if self.dynamic else _LINEAR_FP8_WEIGHT_ONLY
        return op(x, b["weight_codes"], b["weight_scale"], self.block, bias)

    def grouped_linear(self, x, offsets, b, bias):
        op = ops.grouped_linear_fp8 if self.dynamic else ops.grouped_linear_fp8_weight_only
        return op(x, offsets, b["weight_codes"], b["weight_scale"], self.block, bias)

    def dequantize(self, t, dtype):
        return ops.dequantize_fp8(t["codes"], t["scale"], self.block, dtype)


_MX_SCHEMES = {
    c.MXDynamicActivationMXWeightConfig: "MXFP8",
    c.MXFP8WeightOnlyConfig: "MXFP8A16",
    c.MXFP4WeightOnlyConfig: "MXFP4",
}


class Mx(Format):
    group_size = 32

    def __init__(self, config):
        self.scheme = _MX_SCHEMES[type(config)]
        self.element = "e2m1" if self.scheme == "MXFP4" else "e4m3"
        self.packs = self.scheme == "MXFP4"
        self.mode = config.scaling_mode.value

    def quantize(self, weight):
        codes, scale = ops.quantize_mx(weight, self.element, self.mode)
        return {"codes": codes, "scale": scale}

    def linear(self, x, b, bias):
        codes, scale = b["weight_codes"], b["weight_scale"]
        if self.scheme == "MXFP8":
            return _LINEAR_MXFP8(x, codes, scale, bias, self.mode)
        op = _LINEAR_MXFP4 if self.scheme == "MXFP4" else _LINEAR_MXFP8_WEIGHT_ONLY
        return op(x, codes, scale, bias)

    def grouped_linear(self, x, offsets, b, bias):
        codes, scale = b["weight_codes"], b["weight_scale"]
        if self.scheme == "MXFP8":
            return ops.grouped_linear_mxfp8(x, offsets, codes, scale, bias, self.mode)
        fp4 = self.scheme == "MXFP4"
        op = ops.grouped_linear_mxfp4 if fp4 else ops.grouped_linear_mxfp8_weight_only
        return op(x, offsets, codes, scale, bias)

    def dequantize(self, t, dtype):
        return ops.dequantize_mx(t["codes"], t["scale"], self.element, dtype)


class Mxfp6(Format):
    devices = ("cpu",)
    group_size = 32

    def __init__(self, config):
        if config.element not in ("e2m3", "e3m2"):
            raise ValueError(
                f"[lowp.quantize_] element of MXFP6 is not known, got {config.element!r}, expected 'e2m3' "
                "or 'e3m2'"
            )
        self.scheme = "MXFP6" if config.element == "e2m3" else "MXFP6_E3M2"
        self.element = config.element
        self.mode = config.scaling_mode.value

    def quantize(self, weight):
        codes, scale = ops.quantize_mx(weight, self.element, self.mode)
        return {"codes": ops.pack_fp6(codes), "scale": scale}

    def linear(self, x, b, bias):
        return _LINEAR_MXFP6(x, b["weight_codes"], b["weight_scale"], bias, self.element)

    def grouped_linear(self, x, offsets, b, bias):
        codes, scale = b["weight_codes"], b["weight_scale"]
        return ops.grouped_linear_mxfp6(x, offsets, codes, scale, bias, self.element)

    def dequantize(self, t, dtype):
        return ops.dequantize_mx(ops.unpack_fp6(t["codes"]), t["scale"], self.element, dtype)


class Nvfp4(Format):
    scheme = "NVFP4"
    group_size = 16
    packs = True

    def __init__(self, config):
        self.dynamic_scale = config.use_dynamic_per_tensor_scale

    def quantize(self, weight):
        one = None if self.dynamic_scale else torch.ones(1, device=weight.device)
        codes, scale, tensor_scale = ops.quantize_nvfp4(weight, static_tensor_scale=one)
        return {"codes": codes, "scale": scale, "tensor_scale": tensor_scale}

    def linear(self, x, b, bias):
        return _LINEAR_NVFP4(
            x, b["weight_codes"], b["weight_scale"], b["weight_tensor_scale"], bias
        )

    def grouped_linear(self, x, offsets, b, bias):
        return ops.grouped_linear_nvfp4(
            x, offsets, b["weight_codes"], b["weight_scale"], b["weight_tensor_scale"], bias
        )

    def dequantize(self, t, dtype):
        return ops.dequantize_nvfp4(t["codes"], t["scale"], t["tensor_scale"], dtype)


def _bits_of(dtype):
    for bits in range(1, 9):
        if dtype == getattr(torch, f"int{bits}"):
            return bits
    raise ValueError(
        f"[lowp.quantize_] weight_dtype is not known, got {dtype}, expected torch.int1 to torch.int8"
    )


def _check_intx_mapping(mapping_type):
    if mapping_type not in (c.MappingType.SYMMETRIC, c.MappingType.ASYMMETRIC):
        raise ValueError(
            f"[lowp.quantize_] mapping type of intx weights is not known, got {mapping_type}, expected "
            "SYMMETRIC or ASYMMETRIC"
        )


def _check_int8(mapping_type, granularity, expected):
    if mapping_type != c.MappingType.SYMMETRIC or not isinstance(granularity, expected):
        names = " or ".join(kind.__name__ for kind in expected)
        raise ValueError(
            f"[lowp.quantize_] 8-bit weights, got {mapping_type} and {granularity}, expected SYMMETRIC "
            f"and {names}"
        )


def _intx_weight_only(config):
    bits = _bits_of(config.weight_dtype)
    _check_intx_mapping(config.mapping_type)
    if bits == 8:
        _check_int8(config.mapping_type, config.granularity, (c.PerRow, c.PerGroup))
        return Int8(c.Int8WeightOnlyConfig(config.granularity))
    if bits == 4:
        group_size = _group_size(config.granularity)
        return Int4(c.Int4WeightOnlyConfig(group_size, config.mapping_type))
    return Intx(bits, config.granularity, config.mapping_type)


def _int8_intx(config):
    bits = _bits_of(config.weight_dtype)
    _check_intx_mapping(config.weight_mapping_type)
    granularity, mapping = config.weight_granularity, config.weight_mapping_type
    if bits == 8:
        _check_int8(mapping, granularity, (c.PerRow,))
        return Int8(c.Int8DynamicActivationInt8WeightConfig(granularity, config.act_mapping_type))
    if bits == 4:
        group_size = _group_size(granularity)
        return Int4Int8(
            c.Int8DynamicActivationInt4WeightConfig(group_size, mapping, config.act_mapping_type)
        )
    return Intx(bits, granularity, mapping, config.act_mapping_type.value)


@functools.singledispatch
def format_of(config):
    raise TypeError(f"[lowp.quantize_] config is not known, got {config!r}, expected one of lowp's")


for _config, _format in {
    c.Int8DynamicActivationInt8WeightConfig: Int8,
    c.Int8StaticActivationInt8WeightConfig: Int8,
    c.Int8WeightOnlyConfig: Int8,
    c.Int4WeightOnlyConfig: Int4,
    c.Int8DynamicActivationInt4WeightConfig: Int4Int8,
    c.IntxWeightOnlyConfig: _intx_weight_only,
    c.Int8DynamicActivationIntxWeightConfig: _int8_intx,
    c.Float8DynamicActivationInt4WeightConfig: Int4Float8,
    c.Float8DynamicActivationFloat8WeightConfig: Float8,
    c.Float8WeightOnlyConfig: Float8,
    c.MXDynamicActivationMXWeightConfig: Mx,
    c.MXFP8WeightOnlyConfig: Mx,
    c.MXFP6WeightOnlyConfig: Mxfp6,
    c.MXFP4WeightOnlyConfig: Mx,
    c.NVFP4WeightOnlyConfig: Nvfp4,
}.items():
    format_of.register(_config, _format)

"""How to quantize a linear layer: the configs of the C++ API, by torchao's names where it has one."""

import dataclasses
import enum
from typing import Optional, Union

import torch


@dataclasses.dataclass(frozen=True)
class PerTensor:
    """One scale for the weight, or for all activations."""


@dataclasses.dataclass(frozen=True)
class PerRow:
    """One scale a row of the weight, or a token of the activations."""


@dataclasses.dataclass(frozen=True)
class PerBlock:
    """One scale for 128x128 of the weight and for 1x128 of the activations."""


@dataclasses.dataclass(frozen=True)
class PerGroup:
    """One scale for `group_size` consecutive input features."""

    group_size: int = 128


class MappingType(enum.Enum):
    SYMMETRIC = "symmetric"  # value = code * scale
    ASYMMETRIC = "asymmetric"  # value = (code - zero_point) * scale
    FLOAT_ZERO = "float_zero"  # value = code * scale + zero; torchao's int4 for bfloat16


class ScaleCalculationMode(enum.Enum):
    FLOOR = "floor"
    CEIL = "ceil"
    EVEN = "even"
    RCEIL = "rceil"


@dataclasses.dataclass(frozen=True)
class Int8DynamicActivationInt8WeightConfig:
    """int8 weights; activations to int8 at run time, per token or all alike. Scheme W8A8."""

    granularity: Union[PerRow, PerTensor] = PerRow()  # of the weight
    act_mapping_type: MappingType = MappingType.SYMMETRIC
    act_granularity: Union[PerRow, PerTensor] = PerRow()


@dataclasses.dataclass(frozen=True)
class Int8StaticActivationInt8WeightConfig:
    """int8 weights; activations to int8 with a scale known before: given here, or by calibration. Scheme W8A8."""

    act_quant_scale: Optional[float] = None
    act_quant_zero_point: int = 0  # with ASYMMETRIC
    granularity: Union[PerRow, PerTensor] = PerRow()  # of the weight
    act_mapping_type: MappingType = MappingType.SYMMETRIC


@dataclasses.dataclass(frozen=True)
class SmoothQuantConfig:
    """Moves outliers of the activations into the weight before both become int8 (arXiv 2211.10438).

    Column j of x is divided, and that of the weight multiplied, by max|x_j|^alpha / max|w_j|^(1 - alpha);
    with alpha None neither is. quantize_ takes it with `calibrate`.
    """

    base_config: Union[Int8DynamicActivationInt8WeightConfig, Int8StaticActivationInt8WeightConfig] = (
        Int8DynamicActivationInt8WeightConfig()
    )
    alpha: Optional[float] = 0.5


@dataclasses.dataclass(frozen=True)
class Int8WeightOnlyConfig:
    """int8 weights. Scheme W8A16."""

    granularity: Union[PerRow, PerTensor, PerGroup] = PerRow()


@dataclasses.dataclass(frozen=True)
class Int4WeightOnlyConfig:
    """int4 weights in groups. Schemes W4A16_FLOAT_ZERO (as torchao), W4A16, W4A16_ASYM."""

    group_size: int = 128
    mapping_type: MappingType = MappingType.FLOAT_ZERO


@dataclasses.dataclass(frozen=True)
class Int8DynamicActivationInt4WeightConfig:
    """int4 weights in groups; activations to int8 per token at run time. Schemes W4A8, W4A8_ASYM."""

    group_size: int = 32
    mapping_type: MappingType = MappingType.SYMMETRIC  # of the weight: or ASYMMETRIC
    act_mapping_type: MappingType = MappingType.ASYMMETRIC  # or SYMMETRIC


@dataclasses.dataclass(frozen=True)
class IntxWeightOnlyConfig:
    """Weights of 1 to 8 bits, on the CPU. Schemes W1A16 to W8A16, and _ASYM.

    `weight_dtype` is torch.int1 to torch.int8; groups of 1 to 3 and 5 to 7 bits are a multiple of 8.
    """

    weight_dtype: torch.dtype = torch.int8
    granularity: Union[PerRow, PerGroup] = PerRow()
    mapping_type: MappingType = MappingType.SYMMETRIC  # or ASYMMETRIC, but for 8 bits


@dataclasses.dataclass(frozen=True)
class Int8DynamicActivationIntxWeightConfig:
    """The same; activations to int8 per token at run time. Schemes W1A8 to W8A8, and _ASYM."""

    weight_dtype: torch.dtype = torch.int8  # of 8 bits: per row and symmetric
    weight_granularity: Union[PerGroup, PerRow] = PerGroup(32)
    weight_mapping_type: MappingType = MappingType.SYMMETRIC  # or ASYMMETRIC
    act_mapping_type: MappingType = MappingType.ASYMMETRIC  # or SYMMETRIC


@dataclasses.dataclass(frozen=True)
class Float8DynamicActivationInt4WeightConfig:
    """int4 weights in groups; activations to float8_e4m3fn per token at run time. Scheme W4AFP8."""

    group_size: int = 128


@dataclasses.dataclass(frozen=True)
class Float8DynamicActivationFloat8WeightConfig:
    """float8_e4m3fn on both sides. Schemes FP8, FP8_DYNAMIC, FP8_BLOCK."""

    granularity: Union[PerTensor, PerRow, PerBlock] = PerTensor()


@dataclasses.dataclass(frozen=True)
class Float8WeightOnlyConfig:
    """float8_e4m3fn weights. Scheme FP8_WEIGHT_ONLY."""

    granularity: Union[PerRow, PerTensor, PerBlock] = PerRow()


@dataclasses.dataclass(frozen=True)
class MXDynamicActivationMXWeightConfig:
    """MXFP8 on both sides. Scheme MXFP8."""

    scaling_mode: ScaleCalculationMode = ScaleCalculationMode.RCEIL


@dataclasses.dataclass(frozen=True)
class MXFP8WeightOnlyConfig:
    """MXFP8 weights. Scheme MXFP8A16."""

    scaling_mode: ScaleCalculationMode = ScaleCalculationMode.RCEIL


@dataclasses.dataclass(frozen=True)
class MXFP6WeightOnlyConfig:
    """MXFP6 weights, on the CPU alone. Schemes MXFP6 (e2m3, which compressed-tensors can store) and
    MXFP6_E3M2."""

    element: str = "e2m3"  # or "e3m2"
    scaling_mode: ScaleCalculationMode = ScaleCalculationMode.RCEIL


@dataclasses.dataclass(frozen=True)
class MXFP4WeightOnlyConfig:
    """MXFP4 weights. Scheme MXFP4."""

    scaling_mode: ScaleCalculationMode = ScaleCalculationMode.RCEIL


@dataclasses.dataclass(frozen=True)
class NVFP4WeightOnlyConfig:
    """NVFP4 weights; the scale of the tensor is 1 without `use_dynamic_per_tensor_scale`."""

    use_dynamic_per_tensor_scale: bool = True

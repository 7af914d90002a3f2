"""Low-precision quantization and inference for PyTorch: operators, configs, ``quantize_``.

Importing loads the operators (``torch.ops.lowp``); they are what computes, nothing here does.
"""

from . import nn
from ._fakes import register_fakes
from .configs import (
    Float8DynamicActivationFloat8WeightConfig,
    Float8DynamicActivationInt4WeightConfig,
    Float8WeightOnlyConfig,
    Int4WeightOnlyConfig,
    Int8DynamicActivationInt4WeightConfig,
    Int8DynamicActivationInt8WeightConfig,
    Int8DynamicActivationIntxWeightConfig,
    Int8StaticActivationInt8WeightConfig,
    Int8WeightOnlyConfig,
    IntxWeightOnlyConfig,
    MappingType,
    MXDynamicActivationMXWeightConfig,
    MXFP4WeightOnlyConfig,
    MXFP6WeightOnlyConfig,
    MXFP8WeightOnlyConfig,
    NVFP4WeightOnlyConfig,
    PerBlock,
    PerGroup,
    PerRow,
    PerTensor,
    ScaleCalculationMode,
    SmoothQuantConfig,
)
from .quantize import LayerReport, quantize_

register_fakes()

__version__ = "0.1.0"
__all__ = [
    "Float8DynamicActivationFloat8WeightConfig",
    "Float8DynamicActivationInt4WeightConfig",
    "Float8WeightOnlyConfig",
    "Int4WeightOnlyConfig",
    "Int8DynamicActivationInt4WeightConfig",
    "Int8DynamicActivationInt8WeightConfig",
    "Int8DynamicActivationIntxWeightConfig",
    "Int8StaticActivationInt8WeightConfig",
    "Int8WeightOnlyConfig",
    "IntxWeightOnlyConfig",
    "LayerReport",
    "MXDynamicActivationMXWeightConfig",
    "MXFP4WeightOnlyConfig",
    "MXFP6WeightOnlyConfig",
    "MXFP8WeightOnlyConfig",
    "MappingType",
    "NVFP4WeightOnlyConfig",
    "PerBlock",
    "PerGroup",
    "PerRow",
    "PerTensor",
    "ScaleCalculationMode",
    "SmoothQuantConfig",
    "nn",
    "quantize_",
]

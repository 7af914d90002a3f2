"""What a few batches say of a layer's activations."""

import dataclasses

import torch

from . import configs as c

ops = torch.ops.lowp


class ColumnRanges:
    """Least and largest value of each column of what a layer is given: a forward pre-hook."""

    def __init__(self):
        self.low = self.high = None

    @torch.no_grad()
    def __call__(self, module, arguments):
        x = arguments[0].detach()
        if x.numel() == 0:
            return
        low, high = torch.aminmax(x.flatten(0, -2), dim=0)
        self.low = low if self.low is None else torch.minimum(self.low, low)
        self.high = high if self.high is None else torch.maximum(self.high, high)


def observe(layers, calibrate):
    """Calls calibrate(); the ColumnRanges of each layer meanwhile."""
    ranges = [ColumnRanges() for _ in layers]
    hooks = [layer.register_forward_pre_hook(seen) for layer, seen in zip(layers, ranges)]
    try:
        calibrate()
    finally:
        for hook in hooks:
            hook.remove()
    return ranges


def smoothing_factor(ranges, weight, alpha):
    """(in_features) float32, or None without alpha."""
    if alpha is None:
        return None
    eps = torch.finfo(torch.float32).eps
    x_amax = torch.maximum(-ranges.low, ranges.high).float()
    w_amax = weight.detach().abs().amax(0).float()
    return (x_amax + eps).pow(alpha) / (w_amax + eps).pow(1 - alpha)


def without_static_scale(config):
    """A config that stands for it before calibration."""
    if isinstance(config, c.Int8StaticActivationInt8WeightConfig):
        return dataclasses.replace(config, act_quant_scale=1.0)
    return config


def with_static_scale(config, ranges, factor):
    """The config with the scale and zero point that the ranges, divided by the factor, need."""
    if not isinstance(config, c.Int8StaticActivationInt8WeightConfig):
        return config
    divisor = 1 if factor is None else factor
    ends = torch.stack([(ranges.low.float() / divisor).amin(), (ranges.high.float() / divisor).amax()])
    mapping = config.act_mapping_type.value
    _, scale, zero_point = ops.quantize_int8(ends[None], [-1, -1], mapping)
    return dataclasses.replace(
        config,
        act_quant_scale=scale.item(),
        act_quant_zero_point=zero_point.item() if zero_point.numel() else 0,
    )

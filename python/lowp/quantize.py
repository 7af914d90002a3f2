"""quantize_: exchanges the linear layers of a model for quantized ones."""

import dataclasses

import torch

from ._calibrate import observe, smoothing_factor, with_static_scale, without_static_scale
from ._weights import format_of
from .configs import SmoothQuantConfig
from .nn import GroupedLinear, Linear

_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


@dataclasses.dataclass
class LayerReport:
    """What quantize_ did to one layer: `scheme`, or why it was `skipped`."""

    name: str
    out_features: int
    in_features: int
    scheme: str = ""
    group_size: int = 0
    bits_per_weight: float = 0.0
    sqnr_db: float = 0.0
    skipped: str = ""
    experts: int = 0  # of a GroupedLinear


def _why_not(module, form):
    if isinstance(module, (Linear, GroupedLinear)) and module.scheme:
        return f"it is quantized already: {module.scheme}"
    if module.weight.dtype not in _DTYPES:
        return f"its weight is {module.weight.dtype}, not float32, float16 or bfloat16"
    if module.weight.device.type not in form.devices:
        places = "the CPU or a GPU" if "cuda" in form.devices else "the CPU"
        return f"its weight is on {module.weight.device}, not on {places}"
    if isinstance(module, GroupedLinear):
        return module.why_not(form)
    return form.why_not(module.out_features, module.in_features)


def _sqnr_db(original, dequantized):
    noise = (original.double() - dequantized.double()).norm()
    return float(20 * torch.log10(original.double().norm() / noise))


def _measure(report, original, quantized):
    weight_bytes = sum(
        t.nbytes for name, t in quantized.tensors().items() if name != "row_sums"
    )
    report.scheme = quantized.scheme
    report.group_size = format_of(quantized.config).group_size
    report.bits_per_weight = 8 * weight_bytes / original.numel()
    report.sqnr_db = _sqnr_db(original, quantized.dequantize())


def _exchange(model, name, module, config, factor, report):
    if isinstance(module, GroupedLinear):
        quantized = GroupedLinear(module.weight, config, module.bias)
    else:
        quantized = Linear(module, config, factor)
    _measure(report, module.weight.detach(), quantized)
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, quantized)


def _smooth(model, config, calibrate, layers):
    """Observes the layers, then quantizes each by what came."""
    ranges = observe([module for _, module, _ in layers], calibrate)
    for (name, module, report), seen in zip(layers, ranges):
        if seen.low is None:
            report.skipped = "no batch of the calibration reached it"
            continue
        factor = smoothing_factor(seen, module.weight, config.alpha)
        base = with_static_scale(config.base_config, seen, factor)
        _exchange(model, name, module, base, factor, report)


def quantize_(model, config, filter_fn=None, calibrate=None):
    """Quantizes, in place, every torch.nn.Linear and lowp.nn.GroupedLinear of `model` that
    `filter_fn(module, name)` takes.

    A SmoothQuantConfig needs `calibrate`, a function that runs the model on a few batches.
    Returns a list of LayerReport, one for each linear layer in the model's order. A layer that
    cannot be quantized stays as it is, with the reason. Raises TypeError for an unknown config, and
    ValueError if `model` is itself a linear layer, which cannot be exchanged in place, or if
    `calibrate` does not go with the config.
    """
    smooth = isinstance(config, SmoothQuantConfig)
    if smooth != (calibrate is not None):
        raise ValueError(
            f"[lowp.quantize_] calibrate does not go with the config, got {calibrate} with {config}, "
            "expected a function with SmoothQuantConfig alone"
        )
    form = format_of(without_static_scale(config.base_config) if smooth else config)
    if isinstance(model, (torch.nn.Linear, GroupedLinear)):
        raise ValueError(
            f"[lowp.quantize_] model is a linear layer itself, got {type(model).__name__}, expected a module "
            "that holds it: use lowp.nn.Linear(linear, config) or lowp.nn.GroupedLinear"
        )
    reports = []
    taken = []
    for name, module in list(model.named_modules()):
        if not isinstance(module, (torch.nn.Linear, Linear, GroupedLinear)):
            continue
        report = LayerReport(name, module.out_features, module.in_features)
        report.experts = getattr(module, "experts", 0)
        reports.append(report)
        if filter_fn is not None and not filter_fn(module, name):
            report.skipped = "the filter leaves it out"
        else:
            report.skipped = _why_not(module, form)
        if not report.skipped and smooth and report.experts:
            report.skipped = "SmoothQuant has no grouped form"
        if not report.skipped:
            taken.append((name, module, report))
    if smooth:
        _smooth(model, config, calibrate, taken)
    else:
        for name, module, report in taken:
            _exchange(model, name, module, config, None, report)
    return reports

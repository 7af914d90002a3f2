"""Quantization on the GPU: bandwidth, against a device copy and compiled torch.

Bytes are those that must move: the input read as often as its scales ask for, codes and scales written.

    PYTHONPATH=python python3 bench/gpu_quantize_fp8.py --out result.json
"""

import functools

import torch
import torch._dynamo

import lowp  # noqa: F401 (loads the operators)
import gpu_common

ops = torch.ops.lowp
LARGE, WIDE = (16384, 4096), (16384, 14336)
SHORT = [(1, 4096), (64, 4096), (512, 4096)]
MAX = 448.0
ROW, COLUMN, TENSOR, GROUP, TILE = [1, -1], [-1, 1], [-1, -1], [1, 128], [128, 128]


def torch_quantize(x, block=ROW, largest=MAX):
    """The arithmetic of quantize_fp8 in torch, whose compiler fuses what it can of it."""
    rows, cols = (extent if size == -1 else size for size, extent in zip(block, x.shape))
    wide = x.float().view(x.shape[0] // rows, rows, x.shape[1] // cols, cols)
    scale = wide.abs().amax((1, 3), keepdim=True) / largest
    scale = torch.where(scale == 0, 1.0, scale)
    codes = (wide / scale).clamp(-MAX, MAX).to(torch.float8_e4m3fn).view(x.shape)
    return codes, scale[:, 0, :, 0]


def torch_quantize_both(x, group_size):
    return (*torch_quantize(x, [1, group_size]), *torch_quantize(x.T.contiguous(), [1, group_size]))


def torch_quantize_int8(x):
    scale = (x.float().abs().amax(1, keepdim=True) / 127.5).clamp_min(2.0**-23)
    return (x.float() * (1.0 / scale)).round().clamp(-128, 127).to(torch.int8), scale


def torch_silu_mul(gate, up, block):
    return torch_quantize((torch.nn.functional.silu(gate.float()) * up.float()).to(gate.dtype), block)


def torch_rms_norm(x, weight, block):
    norm = x.float() * (x.float().square().mean(1, keepdim=True) + 1e-6).rsqrt()
    return torch_quantize((norm * weight.float()).to(x.dtype), block)


def out_of(operator, *arguments, names=("codes", "scale")):
    """Calls of the operator's out form into results of its own."""
    results = operator(*arguments)
    outputs = dict(zip(names, results))
    return lambda: operator.out(*arguments, **outputs)


class Case:
    """make(x) gives a call of ours and one of torch's; bytes_each: moved for an element."""

    def __init__(self, name, bytes_each, make, shapes=(LARGE,), dtype=torch.bfloat16):
        self.name, self.bytes_each, self.make, self.shapes, self.dtype = name, bytes_each, make, shapes, dtype


def fp8(block, element="e4m3"):
    return lambda x: (out_of(ops.quantize_fp8, x, block, element), lambda compiled: compiled(torch_quantize)(x, block))


def both(group_size):
    names = ("codes", "scale", "codes_t", "scale_t")
    return lambda x: (
        out_of(ops.quantize_fp8_both, x, group_size, names=names),
        lambda compiled: compiled(torch_quantize_both)(x, group_size),
    )


def int8(mapping):
    names = ("codes", "scale", "zero_point") if mapping == "asymmetric" else ("codes", "scale")
    return lambda x: (
        out_of(ops.quantize_int8, x, ROW, mapping, names=names),
        (lambda compiled: compiled(torch_quantize_int8)(x)) if mapping == "symmetric" else None,
    )


def int4(mapping):
    def make(x):
        results = dict(zip(("codes", "scale", "zero_point", "zero"), ops.quantize_int4(x, 128, mapping)))
        outputs = {name: tensor for name, tensor in results.items() if tensor.numel()}
        return (lambda: ops.quantize_int4.out(x, 128, mapping, **outputs)), None

    return make


def dequantize(quantize, name):
    def make(x):
        codes, scale = quantize(x)[:2]
        arguments = (codes, scale) if name == "int4" else (codes, scale, ROW)
        return (lambda: getattr(ops, f"dequantize_{name}").out(*arguments, out=x)), None

    return make


def silu_mul(block):
    def make(x):
        up = torch.randn_like(x)
        return (
            out_of(ops.silu_mul_quantize_fp8, x, up, block),
            lambda compiled: compiled(torch_silu_mul)(x, up, block),
        )

    return make


def rms_norm(block):
    def make(x):
        weight = torch.rand(x.shape[1], device="cuda", dtype=x.dtype)
        return (
            out_of(ops.rms_norm_quantize_fp8, x, weight, 1e-6, block),
            lambda compiled: compiled(torch_rms_norm)(x, weight, block),
        )

    return make


CASES = [
    Case("rows", 3, fp8(ROW), (WIDE, LARGE, *SHORT)),
    Case("tensor", 5, fp8(TENSOR), (WIDE, LARGE, *SHORT)),
    Case("columns", 5, fp8(COLUMN), (WIDE, LARGE, *SHORT)),
    Case("1x128", 3, fp8(GROUP), (WIDE, LARGE, *SHORT)),
    Case("128x128", 3, fp8(TILE), (WIDE, LARGE, (512, 4096))),
    Case("rows, e5m2", 3, fp8(ROW, "e5m2")),
    Case("rows, fp16", 3, fp8(ROW), dtype=torch.float16),
    Case("rows, fp32", 5, fp8(ROW), dtype=torch.float32),
    Case("tensor, fp32", 9, fp8(TENSOR), dtype=torch.float32),
    Case("rows and columns", 6, both(-1), (WIDE, LARGE, (512, 4096))),
    Case("1x128 both ways", 4, both(128), (WIDE, LARGE, (512, 4096))),
    Case("silu_mul, rows", 5, silu_mul(ROW), (WIDE, LARGE, (64, 14336))),
    Case("silu_mul, 1x128", 5, silu_mul(GROUP), (WIDE, LARGE)),
    Case("rms_norm, rows", 3, rms_norm(ROW), (LARGE, (16384, 8192), (64, 4096))),
    Case("rms_norm, 1x128", 3, rms_norm(GROUP), (LARGE,)),
    Case("int8 rows", 3, int8("symmetric"), (WIDE, LARGE, (64, 4096))),
    Case("int8 rows, asymmetric", 3, int8("asymmetric")),
    Case("int4 g128", 2.5, int4("symmetric")),
    Case("int4 g128, asymmetric", 2.5, int4("asymmetric")),
    Case("int4 g128, float zero", 2.5, int4("float_zero")),
    Case("dequantize fp8 rows", 3, dequantize(lambda x: ops.quantize_fp8(x, ROW), "fp8")),
    Case("dequantize int8 rows", 3, dequantize(lambda x: ops.quantize_int8(x, ROW), "int8")),
    Case("dequantize int4 g128", 2.5, dequantize(lambda x: ops.quantize_int4(x, 128), "int4")),
]

# Every shape and block is compiled for itself; beyond the default of 8 it would run uncompiled.
torch._dynamo.config.recompile_limit = 64


@functools.cache
def compiled(function):
    """Static shapes: dynamic ones would be slower."""
    return torch.compile(function, dynamic=False)


def copy_milliseconds(moved, timer, buffers):
    halves = [torch.empty(2, int(moved) // 2, device="cuda", dtype=torch.uint8) for _ in range(buffers)]
    return timer(lambda i: halves[i][0].copy_(halves[i][1]), buffers)


def measure(case, shape, with_torch=True):
    torch.manual_seed(0)
    short = shape[0] <= 512
    timer = gpu_common.graph_milliseconds if short else gpu_common.milliseconds
    moved = case.bytes_each * shape[0] * shape[1]
    buffers = gpu_common.buffer_count(moved)
    calls = [case.make(torch.randn(shape, device="cuda").to(case.dtype)) for _ in range(buffers)]
    times = {
        "lowp": timer(lambda i: calls[i][0](), buffers),
        "copy": copy_milliseconds(moved, timer, buffers),
    }
    if calls[0][1] and with_torch and not short:
        times["torch_compiled"] = timer(lambda i: calls[i][1](compiled), buffers)
    result = {
        "case": case.name,
        "rows": shape[0],
        "cols": shape[1],
        "bytes": moved,
        "milliseconds": times,
        "terabytes_per_second": {name: moved / time / 1e9 for name, time in times.items()},
        "of_copy": times["copy"] / times["lowp"],
    }
    if "torch_compiled" in times:
        result["speedup_over_torch_compiled"] = times["torch_compiled"] / times["lowp"]
    return result


def run(with_torch=True):
    return [measure(case, shape, with_torch) for case in CASES for shape in case.shapes]


if __name__ == "__main__":
    gpu_common.main("gpu_quantize_fp8", __doc__, run)

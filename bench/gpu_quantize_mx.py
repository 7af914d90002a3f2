"""bf16 to MX formats and NVFP4 on the GPU: bandwidth, against a device copy and compiled torch.

Bytes are those that must move: the input read (twice where an NVFP4 tensor scale is not given),
codes and scales written.

    PYTHONPATH=python python3 bench/gpu_quantize_mx.py --out result.json
"""

import torch

import lowp  # noqa: F401 (loads the operators)
import gpu_common

ROWS, COLS = 16384, 7168
BUFFERS = 3
ops = torch.ops.lowp


def torch_mxfp8(x):
    """The arithmetic of quantize_mx, RCEIL, in torch operations; blocks along the last dimension."""
    blocks = x.unflatten(-1, (-1, 32))
    bits = blocks.abs().amax(-1, keepdim=True).float().view(torch.int32)
    exponent = (bits >> 23) - 8 + ((bits & 0x7FFFFF) > 0x600000).int()
    scale = torch.where(bits >= 0x7F800000, 255, exponent.clamp(min=0))
    factor = ((254 - scale) << 23).view(torch.float32)
    codes = (blocks.float() * factor).clamp(-448, 448).to(torch.float8_e4m3fn)
    return codes.flatten(-2), scale.squeeze(-1).to(torch.uint8)


compiled_dim1 = torch.compile(torch_mxfp8)
compiled_dim0 = torch.compile(lambda x: torch_mxfp8(x.t()))
compiled_both = torch.compile(lambda x: (*torch_mxfp8(x), *torch_mxfp8(x.t())))


def times_of(inputs, call, out_call):
    outputs = [call(x) for x in inputs]
    return outputs, gpu_common.milliseconds(lambda i: out_call(inputs[i], outputs[i]), BUFFERS)


def quantize_mx(inputs, element, dim, swizzled):
    arguments = (element, "rceil", 32, dim, swizzled)
    return times_of(
        inputs,
        lambda x: ops.quantize_mx(x, *arguments),
        lambda x, out: ops.quantize_mx.out(x, *arguments, codes=out[0], scale=out[1]),
    )


def quantize_both(inputs, element, swizzled):
    names = ("codes", "scale", "codes_t", "scale_t")
    return times_of(
        inputs,
        lambda x: ops.quantize_mx_both(x, element, "rceil", swizzled),
        lambda x, out: ops.quantize_mx_both.out(x, element, "rceil", swizzled, **dict(zip(names, out))),
    )


def quantize_nvfp4(inputs, static, swizzled):
    scale = torch.full((1,), 0.002, device="cuda") if static else None
    names = ("codes", "block_scale", "tensor_scale")
    return times_of(
        inputs,
        lambda x: ops.quantize_nvfp4(x, "inference", None, scale, swizzled),
        lambda x, out: ops.quantize_nvfp4.out(x, "inference", None, scale, swizzled, **dict(zip(names, out))),
    )


def dequantize(inputs, call, out_call):
    packed = [call(x) for x in inputs]
    return inputs, gpu_common.milliseconds(lambda i: out_call(packed[i], inputs[i]), BUFFERS)


def dequantize_mx(inputs, element):
    return dequantize(
        [x.clone() for x in inputs],
        lambda x: ops.quantize_mx(x, element),
        lambda packed, out: ops.dequantize_mx.out(*packed, element, out=out),
    )


def dequantize_nvfp4(inputs):
    return dequantize(
        [x.clone() for x in inputs],
        ops.quantize_nvfp4,
        lambda packed, out: ops.dequantize_nvfp4.out(*packed, out=out),
    )


def moved(inputs, bits, dims=1, reads=1):
    return inputs[0].numel() * (2 * reads * 8 + bits * dims) // 8


# name -> (call, bits written an element and dimension, dimensions, reads, compiled peer)
CASES = {
    "mxfp8 dim 1": (lambda x: quantize_mx(x, "e4m3", 1, False), 8.25, 1, 1, compiled_dim1),
    "mxfp8 dim 1 swizzled": (lambda x: quantize_mx(x, "e4m3", 1, True), 8.25, 1, 1, None),
    "mxfp8 dim 0": (lambda x: quantize_mx(x, "e4m3", 0, False), 8.25, 1, 1, compiled_dim0),
    "mxfp8 dim 0 swizzled": (lambda x: quantize_mx(x, "e4m3", 0, True), 8.25, 1, 1, None),
    "mxfp8 both": (lambda x: quantize_both(x, "e4m3", False), 8.25, 2, 1, compiled_both),
    "mxfp8 both swizzled": (lambda x: quantize_both(x, "e4m3", True), 8.25, 2, 1, None),
    "mxfp6 e2m3 dim 1": (lambda x: quantize_mx(x, "e2m3", 1, False), 8.25, 1, 1, None),
    "mxfp6 e3m2 dim 1": (lambda x: quantize_mx(x, "e3m2", 1, False), 8.25, 1, 1, None),
    "mxfp4 dim 1": (lambda x: quantize_mx(x, "e2m1", 1, False), 4.25, 1, 1, None),
    "mxfp4 both": (lambda x: quantize_both(x, "e2m1", False), 4.25, 2, 1, None),
    "nvfp4 static": (lambda x: quantize_nvfp4(x, True, False), 4.5, 1, 1, None),
    "nvfp4": (lambda x: quantize_nvfp4(x, False, False), 4.5, 1, 2, None),
    "nvfp4 swizzled": (lambda x: quantize_nvfp4(x, False, True), 4.5, 1, 2, None),
    "dequantize mxfp8": (lambda x: dequantize_mx(x, "e4m3"), 8.25, 1, 1, None),
    "dequantize mxfp4": (lambda x: dequantize_mx(x, "e2m1"), 4.25, 1, 1, None),
    "dequantize nvfp4": (dequantize_nvfp4, 4.5, 1, 1, None),
}


def measure(name, inputs):
    call, bits, dims, reads, compiled = CASES[name]
    outputs, time = call(inputs)
    size = int(moved(inputs, bits, dims, reads))
    times = {"lowp": time, "copy": size / gpu_common.copy_terabytes_per_second(size) / 1e9}
    result = {"case": name, "rows": ROWS, "cols": COLS, "bytes": size, "milliseconds": times}
    if compiled is not None:
        times["torch_compiled"] = gpu_common.milliseconds(lambda i: compiled(inputs[i]), BUFFERS)
        result["speedup_over_torch_compiled"] = times["torch_compiled"] / time
        result["codes_equal_compiled_torch"] = all(
            torch.equal(ours.view(torch.uint8), theirs.contiguous().view(torch.uint8))
            for ours, theirs in zip(outputs[0], compiled(inputs[0]))
        )
    result["terabytes_per_second"] = {name: size / time / 1e9 for name, time in times.items()}
    result["of_copy"] = times["copy"] / time
    return result


def run():
    inputs = [torch.randn(ROWS, COLS, device="cuda").bfloat16() for _ in range(BUFFERS)]
    return [measure(name, inputs) for name in CASES]


if __name__ == "__main__":
    gpu_common.main("gpu_quantize_mx", __doc__, run)

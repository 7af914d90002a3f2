"""Linear layers with quantized weights for many rows of x: lowp, bf16 torch, and torch's int4 product.

Every format decodes its weight inside of the product; the peers are torch's bf16 linear on the same
shape and, for int4, aten's _weight_int4pack_mm (tinygemm, what torchao calls).

    PYTHONPATH=python python3 bench/gpu_linear_tiles.py --out result.json
"""

import torch
import torch.nn.functional as F

import lowp  # noqa: F401 (loads the operators)
import gpu_common

ROWS = [128, 256, 512, 1024, 2048, 8192]
SHAPE = (8192, 8192)  # N, K
MANY_ROWS = 8192
GROUP = 128
ops = torch.ops.lowp


def int4(weight, mapping="symmetric", scale_dtype=torch.bfloat16):
    codes, scale, point, zero = ops.quantize_int4(weight, GROUP, mapping, torch.bfloat16)
    optional = [t.cuda() if t.numel() else None for t in (point, zero.to(scale_dtype))]
    return ops.linear_w4a16, [codes.cuda(), scale.to(scale_dtype).cuda(), *optional]


def int8(weight, block=(1, -1)):
    codes, scale, _ = ops.quantize_int8(weight, list(block))
    return ops.linear_w8a16, [codes.cuda(), scale.cuda()]


def fp8(weight, block=(1, -1)):
    codes, scale = ops.quantize_fp8(weight, list(block))
    return ops.linear_fp8_weight_only, [codes.cuda(), scale.cuda(), list(block)]


def mxfp8(weight):
    return ops.linear_mxfp8_weight_only, [t.cuda() for t in ops.quantize_mx(weight, "e4m3")]


def mxfp4(weight):
    return ops.linear_mxfp4, [t.cuda() for t in ops.quantize_mx(weight, "e2m1")]


def nvfp4(weight):
    return ops.linear_nvfp4, [t.cuda() for t in ops.quantize_nvfp4(weight)]


FORMATS = {
    "int4_g128": int4,
    "int4_g128_zero_point": lambda w: int4(w, "asymmetric"),
    "int4_g128_float_zero": lambda w: int4(w, "float_zero"),
    "int8_row": int8,
    "int8_g128": lambda w: int8(w, (1, GROUP)),
    "fp8_row": fp8,
    "fp8_128x128": lambda w: fp8(w, (128, 128)),
    "mxfp8": mxfp8,
    "mxfp4": mxfp4,
    "nvfp4": nvfp4,
}


def activations(m, k, count):
    return [torch.randn(m, k, device="cuda").bfloat16() for _ in range(count)]


def time_lowp(op, arguments, m):
    """The codes are rotated with x and out; the scales are small."""
    n, k = SHAPE
    count = gpu_common.buffer_count(arguments[0].nbytes + 2 * m * (n + k))
    codes = [arguments[0].clone() for _ in range(count)]
    xs = activations(m, k, count)
    outs = [torch.empty(m, n, device="cuda", dtype=torch.bfloat16) for _ in range(count)]
    return gpu_common.milliseconds(lambda i: op.out(xs[i], codes[i], *arguments[1:], out=outs[i]), count)


def time_bf16(m):
    n, k = SHAPE
    count = gpu_common.buffer_count(2 * (n * k + m * (n + k)))
    weights = activations(n, k, count)
    xs = activations(m, k, count)
    return gpu_common.milliseconds(lambda i: F.linear(xs[i], weights[i]), count)


def time_tinygemm(m):
    n, k = SHAPE
    count = gpu_common.buffer_count(n * k // 2)
    codes = torch.randint(0, 256, (n, k // 2), device="cuda", dtype=torch.uint8)
    packed = [torch.ops.aten._convert_weight_to_int4pack(codes, 8) for _ in range(count)]
    scale_and_zero = torch.rand(k // GROUP, n, 2, device="cuda").bfloat16()
    xs = activations(m, k, count)
    return gpu_common.milliseconds(
        lambda i: torch.ops.aten._weight_int4pack_mm(xs[i], packed[i], GROUP, scale_and_zero),
        count, samples=5, launches=2)


def measure(name, op, arguments, m):
    n, k = SHAPE
    times = {"lowp": time_lowp(op, arguments, m), "torch_bf16": time_bf16(m)}
    if name == "int4_g128":
        times["torch_int4pack"] = time_tinygemm(m)
    return {
        "format": name,
        "m": m,
        "n": n,
        "k": k,
        "implementation": op.implementation(activations(m, k, 1)[0], *arguments),
        "milliseconds": times,
        "teraflops": {peer: 2 * m * n * k / time / 1e9 for peer, time in times.items()},
        "speedup": {peer: time / times["lowp"] for peer, time in times.items() if peer != "lowp"},
    }


def run():
    weight = torch.randn(*SHAPE) * 0.02
    results = []
    for name, quantize in FORMATS.items():
        op, arguments = quantize(weight)
        for m in ROWS if name == "int4_g128" else (128, 256, 512, MANY_ROWS):
            results.append(measure(name, op, arguments, m))
    return results


if __name__ == "__main__":
    gpu_common.main("gpu_linear_tiles", __doc__, run)

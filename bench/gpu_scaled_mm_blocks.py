"""Products of MX and NVFP4 operands on Hopper, which has no instruction for them, against torch's bf16.

Both operands are decoded to bf16, exactly, so bf16's rate is the ceiling: before the product where there are
many rows and columns, else inside of the tile ("fused"). linear_mxfp8 quantizes x first.

    PYTHONPATH=python python3 bench/gpu_scaled_mm_blocks.py --out result.json
"""

import torch
import torch.nn.functional as F

import lowp  # noqa: F401 (loads the operators)
import gpu_common

SHAPES = [(8192, 8192, 8192), (4096, 4096, 4096), (16384, 14336, 4096), (1024, 8192, 8192), (256, 8192, 8192)]  # M, N, K
KINDS = ["mxfp8", "mxfp4", "nvfp4"]
BUFFERS = 2
ops = torch.ops.lowp


def quantize(kind, x):
    if kind == "nvfp4":
        return ops.quantize_nvfp4(x)
    return (*ops.quantize_mx(x, "e4m3" if kind == "mxfp8" else "e2m1"), None)


def time_lowp(kind, a, b, out, implementation="auto"):
    recipe = "1x16" if kind == "nvfp4" else "1x32"
    sides = [(quantize(kind, x), quantize(kind, y)) for x, y in zip(a, b)]

    def launch(i):
        (codes_a, scale_a, tensor_a), (codes_b, scale_b, tensor_b) = sides[i]
        ops.scaled_mm.out(codes_a, codes_b, scale_a, scale_b, recipe, recipe, tensor_scale_a=tensor_a,
                          tensor_scale_b=tensor_b, implementation=implementation, out=out)

    return gpu_common.milliseconds(launch, BUFFERS)


def measure(m, n, k):
    a, b = ([torch.randn(rows, k, device="cuda").bfloat16() for _ in range(BUFFERS)] for rows in (m, n))
    out = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
    bf16 = gpu_common.milliseconds(lambda i: F.linear(a[i], b[i]), BUFFERS)
    weight = ops.quantize_mx(b[0])
    linear = gpu_common.milliseconds(lambda i: ops.linear_mxfp8.out(a[i], *weight, out=out), BUFFERS)
    fused = {f"{kind}, fused": time_lowp(kind, a, b, out, "lowp") for kind in KINDS}
    times = {kind: time_lowp(kind, a, b, out) for kind in KINDS} | fused | {"linear_mxfp8": linear, "torch_bf16": bf16}
    return {
        "m": m,
        "n": n,
        "k": k,
        "milliseconds": times,
        "teraflops": {name: 2 * m * n * k / time / 1e9 for name, time in times.items()},
        "of_bf16": {name: bf16 / time for name, time in times.items()},
    }


if __name__ == "__main__":
    gpu_common.main("gpu_scaled_mm_blocks", __doc__, lambda: [measure(*shape) for shape in SHAPES])

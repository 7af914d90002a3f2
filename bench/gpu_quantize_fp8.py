"""Row-wise bf16 to float8 on the GPU: bandwidth, against a device copy and compiled torch.

Bytes are those that must move: the input read, codes and scales written.

    PYTHONPATH=python python3 bench/gpu_quantize_fp8.py --out result.json
"""

import torch

import lowp  # noqa: F401 (loads the operators)
import gpu_common

SHAPES = [(16384, 14336), (16384, 4096)]
BUFFERS = 4
MAX = 448.0


def torch_quantize(x, largest=MAX):
    wide = x.float()
    scale = wide.abs().amax(1, keepdim=True) / largest
    scale = torch.where(scale == 0, 1.0, scale)
    return (wide / scale).clamp(-MAX, MAX).to(torch.float8_e4m3fn), scale


compiled_quantize = torch.compile(torch_quantize)


def measure(rows, cols):
    inputs = [torch.randn(rows, cols, device="cuda").bfloat16() for _ in range(BUFFERS)]
    outputs = [torch.ops.lowp.quantize_fp8(x, [1, -1]) for x in inputs]
    moved = rows * cols * 3 + rows * 4

    def ours(i):
        codes, scale = outputs[i]
        torch.ops.lowp.quantize_fp8.out(inputs[i], [1, -1], codes=codes, scale=scale)

    times = {
        "lowp": gpu_common.milliseconds(ours, BUFFERS),
        "copy": moved / gpu_common.copy_terabytes_per_second(moved) / 1e9,
        "torch_compiled": gpu_common.milliseconds(lambda i: compiled_quantize(inputs[i]), BUFFERS),
    }
    # Eager torch divides by a tensor as IEEE says. By a number it multiplies by its reciprocal on CUDA
    # (BinaryDivTrueKernel.cu), and the compiler's code does so everywhere.
    codes, scale = torch_quantize(inputs[0], torch.full((), MAX, device="cuda"))
    equal = torch.equal(codes.view(torch.uint8), outputs[0][0].view(torch.uint8))
    return {
        "rows": rows,
        "cols": cols,
        "bytes": moved,
        "milliseconds": times,
        "terabytes_per_second": {name: moved / time / 1e9 for name, time in times.items()},
        "of_copy": times["copy"] / times["lowp"],
        "speedup_over_torch_compiled": times["torch_compiled"] / times["lowp"],
        "codes_equal_eager_torch": equal and torch.equal(scale, outputs[0][1]),
    }


if __name__ == "__main__":
    gpu_common.main("gpu_quantize_fp8", __doc__, lambda: [measure(rows, cols) for rows, cols in SHAPES])

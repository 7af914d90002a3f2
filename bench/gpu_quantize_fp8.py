"""Row-wise bf16 to float8 on the GPU: bandwidth, against a device copy and compiled torch.

Each sample times ten launches over buffers that together exceed the L2 cache, queued behind a
pause so that the host is never waited for; the median of the samples counts. Bytes are those that
must move: the input read, codes and scales written.

    PYTHONPATH=python python3 bench/gpu_quantize_fp8.py --out result.json
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess

import torch

import lowp  # noqa: F401 (loads the operators)

SHAPES = [(16384, 14336), (16384, 4096)]
BUFFERS = 4
LAUNCHES = 10
SAMPLES = 30
MAX = 448.0


def milliseconds(launch):
    """Median time of launch(i), i choosing the buffer."""
    for i in range(2 * BUFFERS):
        launch(i % BUFFERS)
    samples = []
    for _ in range(SAMPLES):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(2_000_000)  # a millisecond: the launches queue up meanwhile
        start.record()
        for i in range(LAUNCHES):
            launch(i % BUFFERS)
        end.record()
        torch.cuda.synchronize()
        samples.append(start.elapsed_time(end) / LAUNCHES)
    return statistics.median(samples)


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

    # A copy that moves as many bytes: half of them read, half written.
    halves = [torch.empty(2, moved // 2, device="cuda", dtype=torch.uint8) for _ in range(BUFFERS)]
    times = {
        "lowp": milliseconds(ours),
        "copy": milliseconds(lambda i: halves[i][0].copy_(halves[i][1])),
        "torch_compiled": milliseconds(lambda i: compiled_quantize(inputs[i])),
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


def commit():
    if given := os.environ.get("LOWP_COMMIT"):
        return given
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    return found.stdout.strip() or None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", help="write the JSON here too")
    arguments = parser.parse_args()
    result = {
        "benchmark": "gpu_quantize_fp8",
        "device": torch.cuda.get_device_name(),
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "results": [measure(rows, cols) for rows, cols in SHAPES],
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        os.makedirs(os.path.dirname(arguments.out) or ".", exist_ok=True)
        with open(arguments.out, "w", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()

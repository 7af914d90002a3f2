"""int4 weights with 8-bit activations on the GPU, the whole call, beside bf16 and lowp's other linear layers.

The card is limited by its power: candidates take turns in short bursts, with a pause before each.

    PYTHONPATH=python python3 bench/gpu_linear_w4a8.py --out result.json
"""

import torch

import gpu_common
import lowp  # noqa: F401 (loads the operators)

FEW = [(1, 16, 64, 128), [(8192, 8192), (14336, 4096)]]  # M; N, K
MANY = [(256, 8192, 8192), (512, 8192, 8192), (2048, 8192, 8192), (8192, 8192, 8192), (512, 14336, 4096)]  # M, N, K
GROUPS = (128, 32)
ops = torch.ops.lowp


def int4_weight(n, k, group, mapping="symmetric"):
    codes, scale, point, _ = ops.quantize_int4(torch.randn(n, k, device="cuda").bfloat16(), group, mapping, torch.bfloat16)
    return codes, scale.bfloat16(), point


def calls_for(m, n, k, count):
    """name -> (call of the number of its buffers, how many there are)."""
    bf16 = max(2, count // 4)
    x = torch.randn(m, k, device="cuda").bfloat16()
    out = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
    wide = [torch.randn(n, k, device="cuda").bfloat16() for _ in range(bf16)]
    int8 = [ops.quantize_int8(wide[i % bf16], [1, -1])[:2] for i in range(count // 2 + 1)]
    sums = [codes.sum(1, dtype=torch.int32) for codes, _ in int8]
    fp8 = [ops.quantize_fp8(wide[i % bf16], [1, -1]) for i in range(count // 2 + 1)]
    int4 = {group: [int4_weight(n, k, group)[:2] for _ in range(count)] for group in GROUPS}
    shifted = [int4_weight(n, k, 128, "asymmetric") for _ in range(count)]
    calls = {
        "torch bf16": (lambda i: torch.mm(x, wide[i].t(), out=out), bf16),
        "linear_w8a8": (lambda i: ops.linear_w8a8.out(x, *int8[i], sums[i], out=out), len(int8)),
        "linear_fp8": (lambda i: ops.linear_fp8.out(x, *fp8[i], [1, -1], out=out), len(fp8)),
        "linear_w4a16 g128": (lambda i: ops.linear_w4a16.out(x, *int4[128][i], out=out), count),
        "linear_w4a8 g128, zero points": (
            lambda i: ops.linear_w4a8.out(x, *shifted[i][:2], None, shifted[i][2], out=out), count),
    }
    for group in GROUPS:
        weights = int4[group]
        calls[f"linear_w4a8 g{group}"] = (lambda i, w=weights: ops.linear_w4a8.out(x, *w[i], out=out), count)
        calls[f"linear_w4afp8 g{group}"] = (lambda i, w=weights: ops.linear_w4afp8.out(x, *w[i], out=out), count)
    return calls


def result(m, n, k, times):
    peer = times["torch bf16"]
    row = {"m": m, "k": k, "n": n, "microseconds": {name: round(1e3 * time, 1) for name, time in times.items()},
           "tflops": {name: round(2 * m * n * k / time / 1e9) for name, time in times.items()},
           "speedup": {name: round(peer / time, 3) for name, time in times.items() if name != "torch bf16"}}
    print(m, n, k, row["microseconds"], row["speedup"], flush=True)
    return row


def run():
    results = []
    for n, k in FEW[1]:
        for m in FEW[0]:
            calls = calls_for(m, n, k, gpu_common.buffer_count(n * k // 2))
            times = {name: gpu_common.graph_milliseconds(call, buffers, 15) for name, (call, buffers) in calls.items()}
            results.append(result(m, n, k, times))
    for m, n, k in MANY:
        calls = calls_for(m, n, k, 2)
        times = gpu_common.interleaved_milliseconds({name: call for name, (call, _) in calls.items()}, 2)
        results.append(result(m, n, k, times))
    return results


if __name__ == "__main__":
    gpu_common.main("gpu_linear_w4a8", __doc__, run)

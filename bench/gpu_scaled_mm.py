"""8-bit matrix products on the GPU against torch's: float8 of each recipe, and int8.

The card is limited by its power: candidates take turns in short bursts, with a pause before each.

    PYTHONPATH=python python3 bench/gpu_scaled_mm.py --out result.json
"""

import torch

import gpu_common
import lowp  # noqa: F401 (loads the operators)

SHAPES = [(8192, 8192, 8192), (4096, 4096, 4096), (16384, 4096, 14336), (16384, 14336, 4096)]  # M, K, N
FEW_ROWS = [(8192, 8192), (14336, 4096), (4096, 14336)]  # N, K
ops = torch.ops.lowp


def quantized(rows, cols, block):
    return ops.quantize_fp8(torch.randn(rows, cols, device="cuda").bfloat16(), block)


def columns_first(scale):
    """The order that torch._scaled_mm takes scales of 1x128 in."""
    return scale.t().contiguous().t()


def products(m, k, n):
    """Candidates by group, the first of each torch's; a call takes the number of its buffers."""
    count = gpu_common.buffer_count(m * k + n * k) if m * n * k < 2**39 else 2
    x = [torch.randn(m, k, device="cuda").bfloat16() for _ in range(count)]
    w = [torch.randn(n, k, device="cuda").bfloat16() for _ in range(count)]
    out = [torch.empty(m, n, device="cuda", dtype=torch.bfloat16) for _ in range(count)]
    row = [(ops.quantize_fp8(a, [1, -1]), ops.quantize_fp8(b, [1, -1])) for a, b in zip(x, w)]
    one = torch.ones(1, 1, device="cuda")
    a_blocks = ops.quantize_fp8(x[0], [1, 128])[1]
    b_blocks = ops.quantize_fp8(w[0], [128, 128])[1]
    b_columns = ops.quantize_fp8(w[0], [1, 128])[1]

    def theirs(scale_a, scale_b, fast=False):
        def call(i):
            a, b = row[i][0][0], row[i][1][0]
            torch._scaled_mm(a, b.t(), scale_a=scale_a(i), scale_b=scale_b(i), out_dtype=torch.bfloat16,
                             use_fast_accum=fast, out=out[i])
        return call

    def ours(recipes, scale_a, scale_b, fast=False):
        """What is chosen, and lowp's own kernel where that is another."""
        def call(i, implementation="auto"):
            ops.scaled_mm.out(row[i][0][0], row[i][1][0], scale_a(i), scale_b(i), *recipes, use_fast_accum=fast,
                              implementation=implementation, out=out[i])
        chosen = ops.scaled_mm.implementation(row[0][0][0], row[0][1][0], scale_a(0), scale_b(0), *recipes, use_fast_accum=fast)
        own = {} if chosen.startswith("sm90") else {"lowp's kernel": lambda i: call(i, "lowp")}
        return {"lowp": call, **own}

    def torch_columns(scale, transposed=False):
        ordered = columns_first(scale).t() if transposed else columns_first(scale)
        return lambda i: ordered

    a_row, b_row = (lambda i: row[i][0][1]), (lambda i: row[i][1][1])
    tensor = lambda i: one  # noqa: E731
    integers = [(a[0].view(torch.int8), b[0].view(torch.int8)) for a, b in row]
    int_out = torch.empty(m, n, device="cuda", dtype=torch.int32)
    int_weight = [ops.quantize_int8(b, [1, -1]) for b in w]
    sums = [codes.sum(1, dtype=torch.int32) for codes, *_ in int_weight]
    return count, {
        "row": {"torch": theirs(a_row, lambda i: row[i][1][1].t(), True), **ours(("row", "row"), a_row, b_row, True)},
        "tensor": {"torch": theirs(tensor, tensor, True), **ours(("tensor", "tensor"), tensor, tensor, True)},
        "row, exact sums": {"torch": theirs(a_row, lambda i: row[i][1][1].t()), **ours(("row", "row"), a_row, b_row)},
        "1x128 by 128x128": {
            "torch": theirs(torch_columns(a_blocks), lambda i: b_blocks.t()),
            **ours(("1x128", "128x128"), lambda i: a_blocks, lambda i: b_blocks)},
        "1x128 by 1x128": {
            "torch": theirs(torch_columns(a_blocks), torch_columns(b_columns, transposed=True)),
            **ours(("1x128", "1x128"), lambda i: a_blocks, lambda i: b_columns)},
        "linear": {
            "torch bf16": lambda i: torch.mm(x[i], w[i].t(), out=out[i]),
            "fp8 row": lambda i: ops.linear_fp8.out(x[i], row[i][1][0], row[i][1][1], [1, -1], out=out[i]),
            "fp8 128x128": lambda i: ops.linear_fp8.out(x[i], row[i][1][0], b_blocks, [128, 128], out=out[i]),
            "w8a8": lambda i: ops.linear_w8a8.out(x[i], int_weight[i][0], int_weight[i][1], sums[i], out=out[i])},
        "int8": {
            "torch _int_mm": lambda i: torch._int_mm(integers[i][0], integers[i][1].t(), out=int_out),
            "w8a8, quantization included":
                lambda i: ops.linear_w8a8.out(x[i], int_weight[i][0], int_weight[i][1], sums[i], out=out[i])},
    }


def measure(m, k, n):
    count, groups = products(m, k, n)
    flops = 2 * m * n * k
    results = []
    for name, calls in groups.items():
        times = gpu_common.interleaved_milliseconds(calls, count)
        peer = next(iter(times))
        results.append({
            "m": m, "k": k, "n": n, "product": name, "milliseconds": times,
            "tflops": {key: round(flops / time / 1e9) for key, time in times.items()},
            "speedup": {key: round(times[peer] / time, 3) for key, time in times.items() if key != peer},
        })
        print(m, k, n, name, results[-1]["tflops"], results[-1]["speedup"], flush=True)
    return results


def measure_few_rows(n, k):
    """The whole call, quantization included, weights rotating through memory."""
    count = gpu_common.buffer_count(n * k)
    weights = [quantized(n, k, [1, -1]) for _ in range(count)]
    integers = [ops.quantize_int8(torch.randn(n, k, device="cuda"), [1, -1])[:2] for _ in range(count)]
    sums = [codes.sum(1, dtype=torch.int32) for codes, _ in integers]
    wide = [torch.randn(n, k, device="cuda").bfloat16() for _ in range(3)]
    results = []
    for m in (1, 16, 64):
        x = torch.randn(m, k, device="cuda").bfloat16()
        out = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
        codes, scale = ops.quantize_fp8(x, [1, -1])
        calls = {
            "torch bf16": (lambda i: torch.mm(x, wide[i].t(), out=out), 3),
            "torch fp8, without quantization": (lambda i: torch._scaled_mm(
                codes, weights[i][0].t(), scale_a=scale, scale_b=weights[i][1].t(), out_dtype=torch.bfloat16,
                use_fast_accum=True, out=out), count),
            "scaled_mm, without quantization": (lambda i: ops.scaled_mm.out(
                codes, weights[i][0], scale, weights[i][1], "row", "row", use_fast_accum=True, out=out), count),
            "linear_fp8": (lambda i: ops.linear_fp8.out(x, *weights[i], [1, -1], out=out), count),
            "linear_w8a8": (lambda i: ops.linear_w8a8.out(x, *integers[i], sums[i], out=out), count),
        }
        times = {name: gpu_common.graph_milliseconds(call, buffers) for name, (call, buffers) in calls.items()}
        results.append({"m": m, "k": k, "n": n, "microseconds": {key: round(1e3 * time, 1) for key, time in times.items()}})
        print(results[-1], flush=True)
    return results


def run():
    few = [result for n, k in FEW_ROWS for result in measure_few_rows(n, k)]
    return few + [result for shape in SHAPES for result in measure(*shape)]


if __name__ == "__main__":
    gpu_common.main("gpu_scaled_mm", __doc__, run)

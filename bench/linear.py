#!/usr/bin/env python3
"""Linear layers against torch: lowp's kernels (`lowp bench`) and torch's own operators on the same shapes,
threads and minutes, weights rotated over more memory than most caches hold. Writes results/linear_<level>.json,
by the machine's instruction set.

Ratios are to torch's bf16 linear (oneDNN): above 1 is faster than it. `share_of_limit` is the time that reading
the weight, or multiplying from registers, takes on this machine with these threads, over the time taken.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import torch

import common

COLD_BYTES = 256 << 20
SHAPES = [(4096, 4096), (4096, 14336), (14336, 4096), (576, 1536), (1536, 576)]  # (N, K)
ROWS = [1, 2, 4, 8, 16, 32, 64, 512, 2048]
QUICK_SHAPES = [(4096, 4096), (1536, 576)]
QUICK_ROWS = [1, 16, 512]
OPERATIONS = (
    "bf16,w8a16,w4a16,w8a8,w4a8,fp8,fp8_weight_only,mxfp8,mxfp8_weight_only,mxfp6,mxfp4,nvfp4,w2a16,w3a16,w6a16,w2a8,w3a8"
)
KEPT = ("operation", "implementation", "m", "n", "k", "seconds", "weight_gb_per_second", "gflop_per_second",
        "share_of_limit")


def group_of(k):
    return 128 if k % 128 == 0 else 64


def measure(function, weights, seconds):
    """Median time of function(weight), weights taken in turn."""
    times = []
    start = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < seconds:
        weight = weights[len(times) % len(weights)]
        before = time.perf_counter()
        function(weight)
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def copies(weight, nbytes):
    return [weight.clone() for _ in range(max(1, min(1024, COLD_BYTES // nbytes)))]


def torch_bf16(m, n, k, seconds):
    x = torch.randn(m, k, dtype=torch.bfloat16)
    weights = copies(torch.randn(n, k, dtype=torch.bfloat16), n * k * 2)
    return measure(lambda w: torch.nn.functional.linear(x, w), weights, seconds)


def torch_int_mm(m, n, k, seconds):
    """The product alone: activations are quantized already, no scale is applied."""
    x = torch.randint(-128, 127, (m, k), dtype=torch.int8)
    weights = copies(torch.randint(-128, 127, (n, k), dtype=torch.int8), n * k)
    return measure(lambda w: torch._int_mm(x, w.T), weights, seconds)


def torch_int8pack(m, n, k, seconds):
    x = torch.randn(m, k, dtype=torch.bfloat16)
    scale = torch.ones(n, dtype=torch.bfloat16)
    weights = copies(torch.randint(-128, 127, (n, k), dtype=torch.int8), n * k)
    return measure(lambda w: torch._weight_int8pack_mm(x, w, scale), weights, seconds)


def torch_int4pack(m, n, k, seconds):
    x = torch.randn(m, k, dtype=torch.bfloat16)
    scales = torch.ones(k // group_of(k), n, 2, dtype=torch.bfloat16)
    packed = torch._convert_weight_to_int4pack_for_cpu(torch.randint(0, 15, (n, k), dtype=torch.int32), 2)
    weights = copies(packed, n * k // 2)
    return measure(lambda w: torch._weight_int4pack_mm_for_cpu(x, w, group_of(k), scales), weights, seconds)


# peer: (function, the operation of lowp it is held against, the most rows it is timed with: it takes seconds)
PEERS = {
    "torch bf16 linear": (torch_bf16, "bf16", 1 << 30),
    "torch _int_mm": (torch_int_mm, "w8a8", 1 << 30),
    "torch _weight_int8pack_mm": (torch_int8pack, "w8a16", 64),
    "torch _weight_int4pack_mm_for_cpu": (torch_int4pack, "w4a16", 64),
}


def lowp_bench(lowp, shape, rows, threads, seconds):
    """What `lowp bench` says of one shape."""
    n, k = shape
    command = [lowp, "bench", "--operation", OPERATIONS, "--shape", f"{n}x{k}", "--rows",
               ",".join(map(str, rows)), "--threads", threads, "--seconds", seconds, "--group-size", group_of(k),
               "--json"]
    output = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def compare(result, peers, threads):
    """A row of the results: one of lowp's timings beside those of the peers on its shape."""
    row = {"threads": threads, **{key: result[key] for key in KEPT}}
    row["ratio_to_torch_bf16"] = peers["torch bf16 linear"] / result["seconds"]
    for name, (_, operation, _) in PEERS.items():
        if operation == result["operation"] and name in peers:
            row["peer"] = name
            row["peer_seconds"] = peers[name]
            row["ratio_to_peer"] = peers[name] / result["seconds"]
    return row


def measure_shape(lowp, shape, all_rows, threads, seconds):
    """(what `lowp bench` says, the rows of the results)"""
    n, k = shape
    ours = lowp_bench(lowp, shape, all_rows, threads, seconds)
    rows = []
    for m in all_rows:
        peers = {
            name: function(m, n, k, seconds)
            for name, (function, _, most) in PEERS.items() if m <= most
        }
        rows += [compare(result, peers, threads) for result in ours["results"] if result["m"] == m]
    return ours, rows


def print_row(row):
    print(f"{row['threads']:3} threads  {row['operation']:16} M={row['m']:<4} {row['n']}x{row['k']}: "
          f"{row['seconds'] * 1e6:9.1f} us, {row['share_of_limit']:.2f} of the limit, "
          f"{row['ratio_to_torch_bf16']:.2f}x torch bf16, {row.get('ratio_to_peer', 0):.2f}x peer", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lowp", required=True, help="the command")
    parser.add_argument("--threads", default=f"2,{len(os.sched_getaffinity(0))}", help="2,16")
    parser.add_argument("--seconds", type=float, help="spent on each measurement")
    parser.add_argument("--quick", action="store_true", help="few shapes, in about a minute on 16 cores")
    arguments = parser.parse_args()
    shapes, all_rows = (QUICK_SHAPES, QUICK_ROWS) if arguments.quick else (SHAPES, ROWS)
    seconds = arguments.seconds or (0.1 if arguments.quick else 0.5)
    rows = []
    limits = []
    for threads in sorted(set(map(int, arguments.threads.split(",")))):
        torch.set_num_threads(threads)
        for shape in shapes:
            ours, measured = measure_shape(arguments.lowp, shape, all_rows, threads, seconds)
            for row in measured:
                print_row(row)
            rows += measured
            limits.append({"threads": threads, "shape": f"{shape[0]}x{shape[1]}", **ours["limits"]})
            # Written as it comes: what is done counts if time runs out.
            common.write_result(f"linear_{ours['isa']}",
                                {**common.environment(["torch"]), "limits": limits, "rows": rows})


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Linear layers against torch: lowp's kernels (`lowp bench`) and torch's own operators on the same shapes,
threads and minutes, weights rotated over more memory than the caches hold. Writes results/linear.json.

Ratios are to torch's bf16 linear (oneDNN): above 1 is faster than it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import torch

import common

COLD_BYTES = 256 << 20
SHAPES = [(4096, 4096), (1536, 576), (576, 1536)]
ROWS = [1, 16, 512]
GROUP = 128


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
    group = GROUP if k % GROUP == 0 else 64
    scales = torch.ones(k // group, n, 2, dtype=torch.bfloat16)
    packed = torch._convert_weight_to_int4pack_for_cpu(torch.randint(0, 15, (n, k), dtype=torch.int32), 2)
    weights = copies(packed, n * k // 2)
    return measure(lambda w: torch._weight_int4pack_mm_for_cpu(x, w, group, scales), weights, seconds)


# peer: (function, the operation of lowp it is held against)
PEERS = {
    "torch bf16 linear": (torch_bf16, "bf16"),
    "torch _int_mm": (torch_int_mm, "w8a8"),
    "torch _weight_int8pack_mm": (torch_int8pack, "w8a16"),
    "torch _weight_int4pack_mm_for_cpu": (torch_int4pack, "w4a16"),
}
OPERATIONS = "bf16,w8a16,w4a16,w8a8,w4a8,fp8,fp8_weight_only,mxfp8,mxfp4,nvfp4"


def lowp_bench(lowp, shape, m, threads, seconds):
    n, k = shape
    group = GROUP if k % GROUP == 0 else 64
    command = [lowp, "bench", "--operation", OPERATIONS, "--shape", f"{n}x{k}", "--rows", m, "--threads",
               threads, "--seconds", seconds, "--group-size", group, "--json"]
    output = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lowp", required=True, help="the command")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=0.5, help="spent on each measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = []
    for shape in SHAPES:
        for m in ROWS:
            n, k = shape
            ours = lowp_bench(arguments.lowp, shape, m, arguments.threads, arguments.seconds)
            peers = {name: function(m, n, k, arguments.seconds) for name, (function, _) in PEERS.items()}
            bf16 = peers["torch bf16 linear"]
            for result in ours["results"]:
                row = {key: result[key] for key in ("operation", "implementation", "m", "n", "k", "seconds",
                                                    "weight_gb_per_second", "gflop_per_second")}
                row["read_gb_per_second"] = ours["read_gb_per_second"]
                row["ratio_to_torch_bf16"] = bf16 / result["seconds"]
                for name, (_, operation) in PEERS.items():
                    if operation == result["operation"]:
                        row["peer"] = name
                        row["peer_seconds"] = peers[name]
                        row["ratio_to_peer"] = peers[name] / result["seconds"]
                rows.append(row)
                print(f"{row['operation']:16} M={m:<4} {n}x{k}: {result['seconds'] * 1e6:9.1f} us, "
                      f"{row['ratio_to_torch_bf16']:.2f}x torch bf16, {row.get('ratio_to_peer', 0):.2f}x peer")
    common.write_result("linear", {**common.environment(["torch"]), "threads": arguments.threads, "rows": rows})


if __name__ == "__main__":
    sys.exit(main())

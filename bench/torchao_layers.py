#!/usr/bin/env python3
"""One linear layer, called from Python as users call it: torch's in bf16, quantized by torchao (eager, and compiled with
max-autotune and freezing), and quantized by lowp's `quantize_` (eager). Weights rotate over more memory than most
caches hold. Writes results/torchao_layers_<level>.json; what torchao refuses stands there with its reason.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
import warnings

import torch
import torch._inductor.config
import torchao.quantization as ao

import common
import lowp

COLD_BYTES = 256 << 20
MOST_LAYERS = 8
SHAPE = (4096, 4096)  # (N, K)
ROWS = [1, 16, 512]


def torchao_int4():
    from torchao.prototype.quantization.int4.inference_workflow import PrototypeInt4WeightOnlyConfig

    return PrototypeInt4WeightOnlyConfig(group_size=128, set_inductor_config=False)


# scheme: (lowp's config, torchao's)
SCHEMES = {
    "W8A8": (lowp.Int8DynamicActivationInt8WeightConfig, ao.Int8DynamicActivationInt8WeightConfig),
    "W8A16": (lowp.Int8WeightOnlyConfig, ao.Int8WeightOnlyConfig),
    "W4A16": (lambda: lowp.Int4WeightOnlyConfig(128), torchao_int4),
    "W3A16": (
        lambda: lowp.IntxWeightOnlyConfig(torch.int3, lowp.PerGroup(128)),
        lambda: ao.IntxWeightOnlyConfig(torch.int3, ao.PerGroup(128)),
    ),
    "FP8_WEIGHT_ONLY": (lowp.Float8WeightOnlyConfig, ao.Float8WeightOnlyConfig),
    "FP8_DYNAMIC": (
        lambda: lowp.Float8DynamicActivationFloat8WeightConfig(lowp.PerRow()),
        lambda: ao.Float8DynamicActivationFloat8WeightConfig(granularity=ao.PerRow()),
    ),
}


def layers(quantize, nbytes):
    """Enough layers that their weights, `nbytes` each, do not stay in a cache."""
    n, k = SHAPE
    made = []
    for _ in range(max(1, min(MOST_LAYERS, COLD_BYTES // nbytes))):
        model = torch.nn.Sequential(torch.nn.Linear(k, n, bias=False, dtype=torch.bfloat16)).eval()
        quantize(model)
        made.append(model)
    return made


def median_seconds(functions, x, seconds):
    for function in functions:
        function(x)
    times = []
    turn = itertools.cycle(functions)
    start = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < seconds:
        function = next(turn)
        before = time.perf_counter()
        function(x)
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def compiled(models):
    """One graph a layer, as a model of that many layers would have."""
    torch._dynamo.reset()
    return [torch.compile(model, mode="max-autotune-no-cudagraphs", dynamic=False) for model in models]


def attempt(run):
    """(seconds, None), or (None, what stands in the way)."""
    try:
        return run(), None
    except Exception as error:  # noqa: BLE001  whatever a peer raises is its answer
        return None, f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"


def measure(scheme, ours, theirs, rows, seconds):
    n, k = SHAPE
    bits = 4 if scheme.startswith("W4") else 3 if scheme.startswith("W3") else 8
    nbytes = n * k * bits // 8
    mine = layers(lambda model: lowp.quantize_(model, ours()), nbytes)
    peers, refusal = attempt(lambda: layers(lambda model: ao.quantize_(model, theirs()), nbytes))
    for m in rows:
        x = torch.randn(m, k, dtype=torch.bfloat16)
        row = {"scheme": scheme, "m": m, "n": n, "k": k, "lowp_seconds": median_seconds(mine, x, seconds)}
        for name, wrap in {"eager": lambda models: models, "max_autotune": lambda models: compiled(models[:2])}.items():
            taken, reason = (None, refusal) if refusal else attempt(lambda: median_seconds(wrap(peers), x, seconds))
            row[f"torchao_{name}_seconds"] = taken
            if reason:
                row[f"torchao_{name}_refusal"] = reason
        yield row


def measure_all(schemes, seconds):
    n, k = SHAPE
    plain = layers(lambda model: None, n * k * 2)
    bf16 = {m: median_seconds(plain, torch.randn(m, k, dtype=torch.bfloat16), seconds) for m in ROWS}
    for scheme in schemes:
        for row in measure(scheme, *SCHEMES[scheme], ROWS, seconds):
            yield {**row, "torch_bf16_seconds": bf16[row["m"]]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lowp", required=True, help="the command, which says the instruction set")
    parser.add_argument("--threads", default=f"{len(os.sched_getaffinity(0))}", help="2,16")
    parser.add_argument("--seconds", type=float, default=0.5, help="spent on each measurement")
    parser.add_argument("--schemes", default=",".join(SCHEMES))
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch._inductor.config.freezing = True
    torch.manual_seed(0)
    env = subprocess.run([arguments.lowp, "env", "--json"], check=True, capture_output=True, text=True).stdout
    level = json.loads(env)["cpu"]["isa"]
    rows = []
    with torch.no_grad():
        for threads in map(int, arguments.threads.split(",")):
            torch.set_num_threads(threads)
            torch._inductor.config.cpp.threads = threads
            for row in measure_all(arguments.schemes.split(","), arguments.seconds):
                rows.append({"threads": threads, **row})
                print(rows[-1], flush=True)
                common.write_result(f"torchao_layers_{level}",
                                    {**common.environment(["torch", "torchao"]), "rows": rows})


if __name__ == "__main__":
    sys.exit(main())

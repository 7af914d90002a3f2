"""What a call of a linear layer costs the host, on tiny CUDA tensors: lowp.nn.Linear beside torch.nn.Linear.

A sample is the time to send 200 calls to an idle GPU, which is then waited for. The layers take
turns, for the host's speed drifts: other machines share it. The median counts, and that of the
ratios to torch in the same turn. bench/host_cost.cpp measures the C++ modules so; where it is built,
its numbers are here too.

    PYTHONPATH=python python3 bench/gpu_host_cost.py --out result.json
"""

import json
import pathlib
import statistics
import subprocess
import time

import torch

import lowp
import gpu_common

MODULES = pathlib.Path(__file__).parents[1] / "build" / "release" / "bench" / "host_cost_bench"
SIZE = 128
CALLS, SAMPLES = 200, 30
CONFIGS = {
    "W8A8": lowp.Int8DynamicActivationInt8WeightConfig(),
    "W8A16": lowp.Int8WeightOnlyConfig(),
    "W4A16": lowp.Int4WeightOnlyConfig(128, lowp.MappingType.SYMMETRIC),
    "FP8_DYNAMIC": lowp.Float8DynamicActivationFloat8WeightConfig(lowp.PerRow()),
    "FP8_WEIGHT_ONLY": lowp.Float8WeightOnlyConfig(),
    "MXFP8": lowp.MXDynamicActivationMXWeightConfig(),
    "MXFP4": lowp.MXFP4WeightOnlyConfig(),
    "NVFP4": lowp.NVFP4WeightOnlyConfig(),
}


def microseconds(module, x):
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(CALLS):
        module(x)
    return (time.perf_counter() - start) / CALLS * 1e6


def modules():
    """The C++ modules: (*, in_features) through lowp::nn::Linear beside torch::nn::Linear."""
    if not MODULES.exists():
        return []
    output = subprocess.run([MODULES, "cuda"], check=True, capture_output=True, text=True).stdout
    return [{"layer": f"C++ {name}", **numbers} for name, numbers in json.loads(output).items()]


@torch.no_grad()
def run():
    x = torch.randn(1, SIZE, device="cuda").bfloat16()
    plain = torch.nn.Linear(SIZE, SIZE, bias=False, device="cuda", dtype=torch.bfloat16)
    layers = {"torch.nn.Linear": plain}
    layers.update({name: lowp.nn.Linear(plain, config) for name, config in CONFIGS.items()})
    turns = [{name: microseconds(layer, x) for name, layer in layers.items()} for _ in range(1 + SAMPLES)][1:]
    return [
        {"layer": name, "microseconds": statistics.median(turn[name] for turn in turns),
         "of_torch": statistics.median(turn[name] / turn["torch.nn.Linear"] for turn in turns)}
        for name in layers
    ] + modules()


if __name__ == "__main__":
    gpu_common.main("gpu_host_cost", __doc__, run)

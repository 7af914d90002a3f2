"""What a call of a linear layer costs the host, on tiny CUDA tensors: lowp.nn.Linear beside torch.nn.Linear.

A sample is the time to send 200 calls to an idle GPU, which is then waited for; the median counts.
bench/host_cost.cpp measures the C++ modules so.

    PYTHONPATH=python python3 bench/gpu_host_cost.py --out result.json
"""

import statistics
import time

import torch

import lowp
import gpu_common

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


@torch.no_grad()
def microseconds(module, x):
    for _ in range(CALLS):
        module(x)
    times = []
    for _ in range(SAMPLES):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(CALLS):
            module(x)
        times.append((time.perf_counter() - start) / CALLS * 1e6)
    return statistics.median(times)


def run():
    x = torch.randn(1, SIZE, device="cuda").bfloat16()
    plain = torch.nn.Linear(SIZE, SIZE, bias=False, device="cuda", dtype=torch.bfloat16)
    base = microseconds(plain, x)
    results = [{"layer": "torch.nn.Linear", "microseconds": base}]
    for name, config in CONFIGS.items():
        try:
            time_us = microseconds(lowp.nn.Linear(plain, config), x)
        except RuntimeError as error:  # a scheme that this build has no CUDA operator for
            results.append({"layer": name, "error": str(error).splitlines()[0]})
            continue
        results.append({"layer": name, "microseconds": time_us, "of_torch": time_us / base})
    return results


if __name__ == "__main__":
    gpu_common.main("gpu_host_cost", __doc__, run)

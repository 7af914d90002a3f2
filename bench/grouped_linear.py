#!/usr/bin/env python3
"""The linear layers of a mixture of experts: lowp's grouped operators against a loop over torch's bf16
linear (oneDNN) and torch._grouped_mm, on the same rows, threads and minutes. The experts together hold more
memory than the caches. Writes results/grouped_linear_LEVEL.json, LEVEL the instructions that lowp chose.

Ratios above 1: lowp is faster.
"""

import argparse
import statistics
import sys
import time

import torch

import common

sys.path.insert(0, str(common.ROOT / "python"))
import lowp  # noqa: E402

# name: experts, chosen per token, N, K of the first layer of an expert
MODELS = {"OLMoE-1B-7B": (64, 8, 1024, 2048), "Mixtral-8x7B, a quarter of N": (8, 2, 3584, 4096)}
TOKENS = [1, 16, 128, 512]
CONFIGS = {
    "w8a8": lowp.Int8DynamicActivationInt8WeightConfig(),
    "w8a16": lowp.Int8WeightOnlyConfig(),
    "w4a16": lowp.Int4WeightOnlyConfig(128, lowp.MappingType.SYMMETRIC),
    "w4a8": lowp.Int8DynamicActivationInt4WeightConfig(128),
    "fp8": lowp.Float8DynamicActivationFloat8WeightConfig(lowp.PerRow()),
    "fp8_weight_only": lowp.Float8WeightOnlyConfig(),
    "mxfp8": lowp.MXDynamicActivationMXWeightConfig(),
    "mxfp8_weight_only": lowp.MXFP8WeightOnlyConfig(),
    "mxfp4": lowp.MXFP4WeightOnlyConfig(),
    "nvfp4": lowp.NVFP4WeightOnlyConfig(),
}


def measure(function, seconds):
    times = []
    start = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        function()
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def route(tokens, experts, chosen):
    """Ends of the experts' rows; every token chooses at random."""
    generator = torch.Generator().manual_seed(tokens)
    choices = torch.stack([torch.randperm(experts, generator=generator)[:chosen] for _ in range(tokens)])
    return torch.bincount(choices.flatten(), minlength=experts).cumsum(0).to(torch.int32)


def torch_loop(x, weight, offsets):
    out = x.new_empty(x.shape[0], weight.shape[1])
    begin = 0
    for expert, end in enumerate(offsets.tolist()):
        if end > begin:
            out[begin:end] = torch.nn.functional.linear(x[begin:end], weight[expert])
        begin = end
    return out


def peers(x, weight, offsets, seconds):
    grouped = lambda: torch._grouped_mm(x, weight.transpose(1, 2), offs=offsets)
    times = {"torch bf16 linear, a loop": measure(lambda: torch_loop(x, weight, offsets), seconds)}
    try:
        grouped()
    except (RuntimeError, NotImplementedError) as error:
        print(f"no torch._grouped_mm: {error}")
    else:
        times["torch._grouped_mm"] = measure(grouped, seconds)
    return times


def inputs(tokens, experts, chosen, k):
    return torch.randn(tokens * chosen, k, dtype=torch.bfloat16), route(tokens, experts, chosen)


def operations(weight, quick):
    """name, function(x, offsets); weights are quantized when their turn comes."""
    yield "bf16", lambda x, offsets: torch.ops.lowp.grouped_linear_bf16(x, offsets, weight)
    for name, config in CONFIGS.items():
        if not quick or name in ("w8a8", "w4a16"):
            yield name, lowp.nn.GroupedLinear(weight, config)


def measure_model(model, threads, seconds, quick):
    experts, chosen, n, k = MODELS[model]
    weight = torch.randn(experts, n, k, dtype=torch.bfloat16)
    cases = {tokens: inputs(tokens, experts, chosen, k) for tokens in TOKENS}
    plain = {}
    for name, run in operations(weight, quick):
        for count in threads:
            torch.set_num_threads(count)
            for tokens, (x, offsets) in cases.items():
                key = count, tokens
                plain[key] = plain.get(key) or peers(x, weight, offsets, seconds)
                taken = measure(lambda: run(x, offsets), seconds)
                row = {"model": model, "operation": f"grouped {name}", "experts": experts, "n": n, "k": k,
                       "tokens": tokens, "rows": x.shape[0], "threads": count, "seconds": taken}
                row |= {f"ratio_to_{peer}": peer_seconds / taken for peer, peer_seconds in plain[key].items()}
                ratios = ", ".join(f"{peer_seconds / taken:.2f}x {peer}" for peer, peer_seconds in plain[key].items())
                print(f"{name:16} {tokens:4} tokens, {count} threads, {model}: {taken * 1e3:8.3f} ms, {ratios}", flush=True)
                yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[torch.get_num_threads()])
    parser.add_argument("--seconds", type=float, default=0.5, help="spent on each measurement")
    parser.add_argument("--quick", action="store_true", help="the first model and three operations alone")
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    level = torch.ops.lowp.linear_bf16.implementation(torch.ones(8, 64).bfloat16(), torch.ones(8, 64).bfloat16())
    rows = []
    for model in list(MODELS)[: 1 if arguments.quick else None]:
        rows += measure_model(model, arguments.threads, arguments.seconds, arguments.quick)
    common.write_result(f"grouped_linear_{level}", {**common.environment(["torch"]), "rows": rows})


if __name__ == "__main__":
    sys.exit(main())

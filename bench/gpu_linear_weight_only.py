"""Linear layers whose weight alone is quantized, few rows of x to many: time against torch's bf16.

Peers: torch.nn.functional.linear in bf16, aten's _weight_int4pack_mm (tinygemm) for int4. The weights
rotate through more memory than the L2 cache holds. Bytes are the weight's with its scales, x and the
result, each once.

    PYTHONPATH=python python3 bench/gpu_linear_weight_only.py --out result.json
"""

import torch
import torch.nn.functional as F

import lowp  # noqa: F401 (loads the operators)
import gpu_common

ops = torch.ops.lowp
# (N, K): a square one, Llama 3 8B's up and down, 70B's shard, DeepSeek V3's, SmolLM2 135M's.
SHAPES = [(8192, 8192), (14336, 4096), (4096, 14336), (1024, 8192), (7168, 2048), (1536, 576)]
ROWS = [1, 2, 4, 8, 16, 32, 64, 128]
SAMPLES = 9


def bytes_on_gpu(n, k):
    return torch.randint(0, 256, (n, k), device="cuda", dtype=torch.uint8)


def exponents(n, k):
    return torch.randint(110, 122, (n, k), device="cuda", dtype=torch.uint8).view(torch.float8_e8m0fnu)


def e4m3(n, k):
    return torch.randn(n, k, device="cuda").to(torch.float8_e4m3fn)


def positive_e4m3(n, k):
    return torch.rand(n, k, device="cuda").to(torch.float8_e4m3fn)


# Name: arguments of the operator behind x, and the operator.
FORMATS = {
    "w4a16_g128": (lambda n, k: (bytes_on_gpu(n, k // 2), torch.rand(n, max(k // 128, 1), device="cuda").bfloat16()
                                 if k % 128 == 0 else torch.rand(n, k // 32, device="cuda").bfloat16()),
                   ops.linear_w4a16),
    "w8a16": (lambda n, k: (bytes_on_gpu(n, k).view(torch.int8), torch.rand(n, 1, device="cuda")), ops.linear_w8a16),
    "fp8": (lambda n, k: (e4m3(n, k), torch.rand(n, 1, device="cuda"), [1, -1]), ops.linear_fp8_weight_only),
    "mxfp8": (lambda n, k: (e4m3(n, k), exponents(n, k // 32)), ops.linear_mxfp8_weight_only),
    "mxfp4": (lambda n, k: (bytes_on_gpu(n, k // 2), exponents(n, k // 32)), ops.linear_mxfp4),
    "nvfp4": (lambda n, k: (bytes_on_gpu(n, k // 2), positive_e4m3(n, k // 16), torch.ones(1, device="cuda")),
              ops.linear_nvfp4),
}


def size_of(weight):
    return sum(t.numel() * t.element_size() for t in weight if isinstance(t, torch.Tensor))


def rotating(make, n, k):
    first = make(n, k)
    return [first] + [make(n, k) for _ in range(gpu_common.buffer_count(size_of(first)) - 1)]


def microseconds(launch, weights):
    return 1e3 * gpu_common.graph_milliseconds(lambda i: launch(*weights[i]), len(weights), SAMPLES)


def activations(m, k):
    return torch.randn(m, k, device="cuda").bfloat16()


def tinygemm_weight(n, k):
    packed = torch.ops.aten._convert_weight_to_int4pack(bytes_on_gpu(n, k // 2), 8)
    return packed, torch.rand(k // 128, n, 2, device="cuda").bfloat16()


def peers(n, k):
    """Microseconds by peer and number of rows."""
    dense = rotating(lambda n, k: (torch.randn(n, k, device="cuda").bfloat16(),), n, k)
    times = {"bf16": {m: microseconds(lambda w, x=activations(m, k): F.linear(x, w), dense) for m in ROWS}}
    del dense
    if k % 1024 == 0:
        packed = rotating(tinygemm_weight, n, k)
        multiply = torch.ops.aten._weight_int4pack_mm
        times["tinygemm"] = {
            m: microseconds(lambda w, s, x=activations(m, k): multiply(x, w, 128, s), packed) for m in ROWS if m <= 64
        }
    return times


def measure(name, n, k, peer_times):
    make, op = FORMATS[name]
    weights = rotating(make, n, k)
    for m in ROWS:
        x, out = activations(m, k), torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
        time = microseconds(lambda *weight: op.out(x, *weight, out=out), weights)
        others = {peer: times[m] for peer, times in peer_times.items()
                  if m in times and (peer == "bf16" or name.startswith("w4a16"))}
        yield {
            "format": name, "m": m, "n": n, "k": k,
            "implementation": op.implementation(x, *weights[0]),
            "microseconds": {"lowp": time, **others},
            "terabytes_per_second": (size_of(weights[0]) + 2 * m * (n + k)) / time / 1e6,
            "speedup": {peer: other / time for peer, other in others.items()},
        }


def run():
    results = []
    for n, k in SHAPES:
        peer_times = peers(n, k)
        for name in FORMATS:
            results += measure(name, n, k, peer_times)
    return results


if __name__ == "__main__":
    gpu_common.main("gpu_linear_weight_only", __doc__, run)

"""The decoder's fused operators on the GPU: one token, shapes of real models, against torch.

Times are of launches in one CUDA graph over rotating buffers. The peer of a fused operator is what
eager torch needs for the same; that of attention is scaled_dot_product_attention.

    PYTHONPATH=python python3 bench/gpu_decoder.py --out result.json
"""

import torch
import torch.nn.functional as F

import lowp  # noqa: F401 (loads the operators)
import gpu_common

ops = torch.ops.lowp
# name: hidden, intermediate, heads, key-value heads, head_dim
MODELS = {
    "SmolLM2-135M": (576, 1536, 9, 3, 64),
    "Llama-3.1-8B": (4096, 14336, 32, 8, 128),
}
POSITIONS = [128, 1024, 8192]
BUFFERS = 16


def bf16(*shape):
    return torch.randn(*shape, device="cuda").bfloat16()


def row(model, operation, ours, peer, moved, **more):
    times = {"lowp": gpu_common.graph_milliseconds(ours, BUFFERS) * 1e3,
             "torch": gpu_common.graph_milliseconds(peer, BUFFERS) * 1e3}
    return {"model": model, "operation": operation, **more, "bytes": moved, "microseconds": times,
            "gigabytes_per_second": moved / times["lowp"] / 1e3, "speedup": times["torch"] / times["lowp"]}


def norm(model, hidden):
    x, residual, weight, out = ([bf16(1, hidden) for _ in range(BUFFERS)] for _ in range(4))

    def peer(i):
        residual[i].add_(x[i])
        F.rms_norm(residual[i], (hidden,), weight[i][0], 1e-6)

    return row(model, "add_rms_norm",
               lambda i: ops.add_rms_norm.out(residual[i], x[i], weight[i][0], 1e-6, 0.0, out=out[i]), peer, hidden * 10)


def gate(model, inner):
    both, out = [bf16(1, 2 * inner) for _ in range(BUFFERS)], [bf16(1, inner) for _ in range(BUFFERS)]
    halves = [x.split(inner, 1) for x in both]
    return row(model, "gated_activation", lambda i: ops.gated_activation.out(*halves[i], out=out[i]),
               lambda i: F.silu(halves[i][0]) * halves[i][1], inner * 6)


def rotation(model, heads, kv_heads, head_dim):
    room, position = 1024, torch.tensor([700], device="cuda")
    angles = torch.randn(room, head_dim // 2, device="cuda")
    cos, sin = angles.cos(), angles.sin()
    sizes = [heads * head_dim, kv_heads * head_dim, kv_heads * head_dim]
    qkv = [bf16(1, sum(sizes)).split(sizes, 1) for _ in range(BUFFERS)]
    outs = [bf16(1, sizes[0]) for _ in range(BUFFERS)]
    caches = [bf16(2, kv_heads, room, head_dim) for _ in range(BUFFERS)]

    def turn(x, c, s):
        a, b = x.view(1, -1, head_dim).float().chunk(2, -1)
        return torch.cat([a * c - b * s, b * c + a * s], -1).bfloat16()

    def peer(i):
        c, s = cos.index_select(0, position)[:, None], sin.index_select(0, position)[:, None]
        q, k, v = qkv[i]
        turn(q, c, s)
        caches[i][0].index_copy_(1, position, turn(k, c, s).transpose(0, 1))
        caches[i][1].index_copy_(1, position, v.view(1, -1, head_dim).transpose(0, 1))

    return row(model, "rotary", lambda i: ops.rotary.out(*qkv[i], cos, sin, None, None, 1e-6, 0.0, position, q_out=outs[i],
                                                         k_out=caches[i][0], v_out=caches[i][1]), peer, sum(sizes) * 4)


def attention(model, heads, kv_heads, head_dim, positions):
    caches = [bf16(2, kv_heads, positions, head_dim) for _ in range(BUFFERS)]
    q, out = [bf16(heads, head_dim) for _ in range(BUFFERS)], [bf16(heads, head_dim) for _ in range(BUFFERS)]
    key_range = torch.tensor([0, positions], device="cuda")
    scale = head_dim**-0.5

    def peer(i):
        keys, values = caches[i][:, None]
        F.scaled_dot_product_attention(q[i][None, :, None], keys, values, scale=scale, enable_gqa=True)

    return row(model, "attention_decode",
               lambda i: ops.attention_decode.out(q[i], *caches[i], scale, key_range, out=out[i]), peer,
               caches[0].nbytes, positions=positions)


def advance(model, vocabulary):
    logits, state = [bf16(1, vocabulary) for _ in range(BUFFERS)], torch.zeros(7, dtype=torch.int64, device="cuda")
    return row(model, "decode_advance", lambda i: ops.decode_advance(logits[i], state), lambda i: logits[i].argmax(),
               vocabulary * 2)


def run():
    results = []
    for model, (hidden, inner, heads, kv_heads, head_dim) in MODELS.items():
        results += [norm(model, hidden), gate(model, inner), rotation(model, heads, kv_heads, head_dim)]
        results += [attention(model, heads, kv_heads, head_dim, n) for n in POSITIONS]
    results += [advance("SmolLM2-135M", 49152), advance("Llama-3.1-8B", 128256)]
    return results


if __name__ == "__main__":
    gpu_common.main("gpu_decoder", __doc__, run)

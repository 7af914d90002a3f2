"""The decoder's fused operators on the GPU against the CPU's."""

import math

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)
from gpu_testing import assert_equal_values

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
ops = torch.ops.lowp
DTYPES = [torch.bfloat16, torch.float16, torch.float32]
# fp32 sums of up to 64 terms a thread, then of threads in a tree, half of it after the square root;
# two more products. In ulps of fp32.
FP32_ULPS = 48


def randn(*shape, dtype=torch.float32, scale=1.0):
    return (torch.randn(*shape) * scale).to(dtype)


def cuda(arguments):
    return [a.cuda() if isinstance(a, torch.Tensor) else a for a in arguments]


def assert_close_in(dtype, got, expected, magnitude=None, ulps=FP32_ULPS):
    """Within `ulps` fp32 errors of `magnitude`, by default the result's, and one ulp of `dtype`."""
    assert got.is_cuda and got.dtype == dtype and expected.dtype == dtype and got.shape == expected.shape
    got, expected = got.cpu().double(), expected.double()
    magnitude = expected.abs() if magnitude is None else magnitude.double()
    rounding = 0.0 if dtype == torch.float32 else torch.finfo(dtype).eps
    bound = expected.abs() * rounding + magnitude * ulps * 2.0**-24 + torch.finfo(dtype).smallest_normal
    error = (got - expected).abs()
    assert bool((error <= bound).all()), f"{float((error / bound).max())} of the bound"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows, cols", [(1, 576), (3, 64), (5, 2048), (2, 8192), (1, 20000), (7, 1), (4, 77), (0, 8)])
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_rms_norm(dtype, rows, cols, offset):
    torch.manual_seed(cols)
    x, weight = randn(rows, cols, dtype=dtype, scale=3.0), randn(cols, dtype=dtype)
    expected = ops.rms_norm(x, weight, 1e-5, offset)
    assert_close_in(dtype, ops.rms_norm(x.cuda(), weight.cuda(), 1e-5, offset), expected)

    residual = randn(rows, cols, dtype=dtype)
    on_gpu = residual.cuda()
    expected = ops.add_rms_norm(residual, x, weight, 1e-5, offset)
    assert_close_in(dtype, ops.add_rms_norm(on_gpu, x.cuda(), weight.cuda(), 1e-5, offset), expected)
    assert_equal_values(on_gpu, residual)


def test_rms_norm_of_strided_and_misaligned_rows():
    torch.manual_seed(0)
    wide, weight = randn(6, 300, dtype=torch.bfloat16), randn(64)
    for x in (wide[:, :64], wide[:, 3:67], wide[::2, 8:72]):
        expected = ops.rms_norm(x, weight, 1e-6)
        strided = wide.cuda().as_strided(x.size(), x.stride(), x.storage_offset())
        assert_close_in(torch.bfloat16, ops.rms_norm(strided, weight.cuda(), 1e-6), expected)


def test_norms_of_zero_nan_and_infinity():
    x = torch.zeros(4, 64)
    x[1, 3], x[2, 5], x[3, 7] = float("nan"), float("inf"), 1e-30
    got = ops.rms_norm(x.cuda(), torch.ones(64, device="cuda"), 1e-6)
    assert_equal_values(got[:3], ops.rms_norm(x, torch.ones(64), 1e-6)[:3])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["silu", "gelu_tanh"])
@pytest.mark.parametrize("rows, cols", [(1, 1536), (5, 96), (3, 7), (0, 8)])
def test_gated_activation(dtype, activation, rows, cols):
    torch.manual_seed(cols)
    both = randn(rows, 2 * cols, dtype=dtype, scale=4.0)
    gate, up = both[:, :cols], both[:, cols:]
    expected = ops.gated_activation(gate, up, activation)
    on_gpu = both.cuda()
    got = ops.gated_activation(on_gpu[:, :cols], on_gpu[:, cols:], activation)
    assert_close_in(dtype, got, expected, magnitude=(gate.double() * up.double()).abs())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tokens, heads, kv_heads, head_dim", [(1, 9, 3, 64), (7, 4, 4, 24), (2, 2, 1, 256)])
@pytest.mark.parametrize("normed", [False, True])
def test_rotary(dtype, tokens, heads, kv_heads, head_dim, normed):
    torch.manual_seed(head_dim)
    qkv = randn(tokens, (heads + 2 * kv_heads) * head_dim, dtype=dtype)
    sizes = [heads * head_dim, kv_heads * head_dim, kv_heads * head_dim]
    angles = torch.randn(tokens, head_dim // 2)
    norms = [randn(head_dim, dtype=dtype), randn(head_dim, dtype=dtype)] if normed else [None, None]
    rest = [angles.cos(), angles.sin(), *norms, 1e-6, 1.0]
    expected = ops.rotary(*qkv.split(sizes, 1), *rest)
    got = ops.rotary(*qkv.cuda().split(sizes, 1), *cuda(rest))
    for result, reference in zip(got, expected):
        # The two products of a sum may cancel: each is below twice the largest element of its head.
        largest = reference.double().abs().amax(-1, keepdim=True).expand(reference.shape) * 2
        assert_close_in(dtype, result, reference, magnitude=largest, ulps=FP32_ULPS if normed else 2)
    assert_equal_values(got[2], expected[2])


def test_rotary_at_a_position_in_device_memory():
    torch.manual_seed(0)
    head_dim, room, tokens, begin = 64, 40, 3, 17
    q, k, v = (randn(tokens, n * head_dim, dtype=torch.bfloat16) for n in (4, 2, 2))
    angles = torch.randn(room, head_dim // 2)
    caches = [torch.zeros(2, room, head_dim, dtype=torch.bfloat16) for _ in range(2)]
    position = torch.tensor([begin])
    arguments = [q, k, v, angles.cos(), angles.sin(), None, None, 1e-6, 0.0, position]
    out = torch.empty_like(q)
    ops.rotary.out(*arguments, q_out=out, k_out=caches[0], v_out=caches[1])
    by_hand = ops.rotary(q, k, v, angles.cos()[begin:begin + tokens], angles.sin()[begin:begin + tokens])
    assert torch.equal(out, by_hand[0]) and torch.equal(caches[0][:, begin:begin + tokens], by_hand[1])
    assert caches[0][:, :begin].count_nonzero() == 0 and caches[1][:, begin + tokens:].count_nonzero() == 0

    gpu_caches = [torch.zeros_like(cache, device="cuda") for cache in caches]
    gpu_out = torch.empty_like(out, device="cuda")
    ops.rotary.out(*cuda(arguments), q_out=gpu_out, k_out=gpu_caches[0], v_out=gpu_caches[1])
    for got, expected in zip([gpu_out, *gpu_caches], [out, *caches]):
        assert_close_in(torch.bfloat16, got, expected, ulps=2)
    written = [cache.clone() for cache in gpu_caches]
    # Beyond the cache nothing is written.
    ops.rotary.out(*cuda(arguments[:-1]), torch.tensor([room], device="cuda"), q_out=gpu_out,
                   k_out=gpu_caches[0], v_out=gpu_caches[1])
    for got, expected in zip(gpu_caches, written):
        assert_equal_values(got, expected)


def attention_in_fp64(q, keys, values, scale):
    group = q.shape[0] // keys.shape[0]
    keys, values = (x.double().repeat_interleave(group, 0) for x in (keys, values))
    weights = torch.softmax(torch.einsum("hd,hsd->hs", q.double(), keys) * scale, -1)
    return torch.einsum("hs,hsd->hd", weights, values)


def assert_attends(got, q, keys, values, scale):
    expected = attention_in_fp64(q, keys, values, scale)
    # exp(score) has the score's error, of a sum over D, as its relative one; __expf adds 2^-21.
    largest_score = float((q.double().abs().amax() * keys.double().abs().amax() * scale * q.shape[1]).clamp(min=1))
    ulps = 16 + 4 * largest_score
    magnitude = values.double().abs().amax().expand(expected.shape)
    assert_close_in(q.dtype, got, expected.to(q.dtype), magnitude=magnitude, ulps=ulps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("heads, kv_heads, head_dim", [(9, 3, 64), (8, 8, 128), (32, 8, 128), (14, 2, 64), (4, 1, 256),
                                                       (20, 1, 96), (4, 2, 24)])
@pytest.mark.parametrize("positions", [1, 31, 64, 65, 300, 2500])
def test_attention_decode(dtype, heads, kv_heads, head_dim, positions):
    torch.manual_seed(positions)
    q = randn(heads, head_dim, dtype=dtype)
    cache = randn(2, kv_heads, positions + 5, head_dim, dtype=dtype)
    keys, values = cache[0][:, :positions], cache[1][:, :positions]
    on_gpu = cache.cuda()
    scale = 1 / math.sqrt(head_dim)
    got = ops.attention_decode(q.cuda(), on_gpu[0][:, :positions], on_gpu[1][:, :positions], scale)
    assert_attends(got, q, keys, values, scale)


@pytest.mark.parametrize("first, end", [(0, 1), (0, 64), (13, 14), (100, 700), (0, 1024), (1023, 1024)])
def test_attention_decode_reads_the_range_on_the_device(first, end):
    torch.manual_seed(end)
    q, cache = randn(8, 64, dtype=torch.bfloat16), randn(2, 2, 1024, 64, dtype=torch.bfloat16)
    on_gpu = cache.cuda()
    # What is outside the range is not to be seen.
    on_gpu[:, :, :first] = float("nan")
    on_gpu[:, :, end:] = float("nan")
    key_range = torch.tensor([first, end], device="cuda")
    got = ops.attention_decode(q.cuda(), on_gpu[0], on_gpu[1], 0.125, key_range)
    assert_attends(got, q, cache[0][:, first:end], cache[1][:, first:end], 0.125)
    expected = ops.attention_decode(q, cache[0], cache[1], 0.125, key_range.cpu())
    assert_attends(expected.cuda(), q, cache[0][:, first:end], cache[1][:, first:end], 0.125)


def test_attention_decode_of_large_and_nan_scores():
    q, cache = torch.ones(4, 64), torch.ones(2, 2, 200, 64)
    cache[0, 0, 150] = 100.0  # takes all the weight
    cache[1, 0, 150] = 7.0
    cache[0, 1, 3, 5] = float("nan")
    got = ops.attention_decode(q.cuda(), *cache.cuda(), 1.0)
    assert torch.equal(got[:2].cpu(), torch.full((2, 64), 7.0)) and bool(got[2:].isnan().all())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("vocabulary", [1, 77, 1000, 49152])
def test_decode_advance(dtype, vocabulary):
    torch.manual_seed(vocabulary)
    logits = randn(1, vocabulary, dtype=dtype, scale=3.0)
    state = torch.tensor([5, 9, 0, 10, 2, 10, 5])
    on_gpu = state.cuda()
    for window in (0, 8, 100):
        ops.decode_advance(logits, state, window)
        ops.decode_advance(logits.cuda(), on_gpu, window)
        assert torch.equal(on_gpu.cpu(), state)
    assert state[0] == state[6] == int(logits.float().argmax()) and state[1] == 12
    logits[0, vocabulary // 2] = float("nan")
    ops.decode_advance(logits, state, 8)
    ops.decode_advance(logits.cuda(), on_gpu, 8)
    assert torch.equal(on_gpu.cpu(), state) and state.tolist() == [0, 13, 0, 14, 6, 14, -1]


def test_decode_advance_takes_the_first_of_equal_logits():
    logits = torch.zeros(1, 5000, device="cuda")
    logits[0, [4000, 123, 2222]] = 2.0
    state = torch.zeros(7, dtype=torch.int64, device="cuda")
    ops.decode_advance(logits, state)
    assert state[6] == 123


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows, vocabulary", [(1, 1), (3, 77), (5, 1000), (4, 49152), (0, 8)])
def test_score_logits(dtype, rows, vocabulary):
    torch.manual_seed(vocabulary)
    logits = randn(rows, vocabulary, dtype=dtype, scale=3.0)
    reference = (logits.float() + randn(rows, vocabulary)).to(dtype)
    targets = torch.randint(0, vocabulary, (rows,))
    expected = ops.score_logits(logits, targets, reference)
    got = ops.score_logits(logits.cuda(), targets.cuda(), reference.cuda())
    # fp32: of a logarithm up to about 16, and of logits of about 12.
    for result, reference in zip(got[:2], expected[:2]):
        assert_close_in(torch.float32, result, reference, magnitude=torch.full(reference.shape, 32.0))
    assert torch.equal(got[2].cpu(), expected[2])
    assert_close_in(torch.float32, ops.score_logits(logits.cuda(), targets.cuda())[0], expected[0],
                    magnitude=torch.full(expected[0].shape, 32.0))


def test_score_logits_of_nan_and_of_a_target_out_of_range():
    logits = torch.randn(3, 100, device="cuda")
    logits[0, 40] = float("nan")
    targets = torch.tensor([3, 100, -1], device="cuda")
    likelihood, divergence, _ = ops.score_logits(logits, targets, torch.randn(3, 100, device="cuda"))
    assert likelihood.isnan().all() and divergence.isnan().tolist() == [True, False, False]


def test_a_graph_serves_all_positions():
    """What a decoding step records reads position and range anew each time it is replayed."""
    torch.manual_seed(0)
    head_dim, room = 64, 300
    angles = torch.randn(room, head_dim // 2)
    cos, sin = angles.cos().cuda(), angles.sin().cuda()
    qkv = torch.randn(1, 8 * head_dim, device="cuda").bfloat16()
    caches = [torch.zeros(2, room, head_dim, device="cuda", dtype=torch.bfloat16) for _ in range(2)]
    state = torch.zeros(7, dtype=torch.int64, device="cuda")
    out, attended = (torch.empty(1, 4 * head_dim, device="cuda", dtype=torch.bfloat16) for _ in range(2))

    def step():
        q, k, v = qkv.split([4 * head_dim, 2 * head_dim, 2 * head_dim], 1)
        ops.rotary.out(q, k, v, cos, sin, None, None, 1e-6, 0.0, state[1:2], q_out=out, k_out=caches[0], v_out=caches[1])
        ops.attention_decode.out(out.view(4, head_dim), *caches, 0.125, state[2:4], out=attended.view(4, head_dim))
        ops.decode_advance(qkv, state)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    state.copy_(torch.tensor([0, 0, 0, 1, 0, 1, 0]))
    for position in range(room):
        qkv.copy_(torch.randn(1, 8 * head_dim))
        graph.replay()
        assert state[1] == position + 1
        if position % 59 == 0:
            expected = ops.attention_decode(out.view(4, head_dim), *(c[:, :position + 1] for c in caches), 0.125)
            difference = (attended.view(4, head_dim).float() - expected.float()).abs()
            assert bool((difference <= expected.float().abs() * 2.0**-7 + 2.0**-14).all())


@pytest.mark.parametrize("call, text", [
    (lambda x: ops.rms_norm(x, torch.ones(8), 1e-6), "weight is not on the GPU"),
    (lambda x: ops.rms_norm(x.int(), x[0], 1e-6), "x has the wrong dtype, got int32"),
    (lambda x: ops.rms_norm(x, x[0, :7], 1e-6), r"weight .*got \(7,\), expected \(8,\)"),
    (lambda x: ops.attention_decode(x, x[None], x[None].half(), 1.0), "values has the wrong dtype"),
    (lambda x: ops.attention_decode(x, x[None, :, :4], x[None], 1.0), "keys does not fit q"),
    (lambda x: ops.attention_decode(x[:, :4], x[None, :, :4].contiguous(), x[None, :, :4].contiguous(), 1.0),
     "not laid out for the GPU, got heads of 4"),
    (lambda x: ops.decode_advance(x[:1], torch.zeros(6, dtype=torch.int64, device="cuda")), "state has the wrong shape"),
    (lambda x: ops.score_logits(x, torch.zeros(4, dtype=torch.int64)), "targets is not on the GPU"),
])
def test_refusals(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(torch.ones(4, 8, device="cuda"))

"""The operators against double-precision torch, their argument checks, and torch's own opcheck."""

import functools

import pytest
import torch

lowp = pytest.importorskip("lowp", reason="the operators are not built", exc_type=ImportError)
ops = torch.ops.lowp

N, K = 24, 256


def weight(dtype=torch.float32):
    torch.manual_seed(0)
    return torch.randn(N, K, dtype=dtype) * torch.logspace(-1, 1, N)[:, None].to(dtype)


def row_sums(codes):
    return codes.sum(1, dtype=torch.int32)


def linear_cases():
    """name -> (operator, arguments after x, the weight they stand for, what x becomes)."""
    w = weight()
    same = lambda x: x
    cases = {"bf16": (ops.linear_bf16, (w.bfloat16(),), w.bfloat16(), same)}

    codes, scale, _ = ops.quantize_int8(w, [1, -1])
    int8 = ops.dequantize_int8(codes, scale, [1, -1])
    cases["w8a16"] = (ops.linear_w8a16, (codes, scale), int8, same)
    sums = row_sums(codes)

    def int8_rows(x, mapping="symmetric"):
        q, s, z = ops.quantize_int8(x.flatten(0, -2), [1, -1], mapping)
        return ops.dequantize_int8(q, s, [1, -1], z if z.numel() else None).view(x.shape)

    def fp8_rows(x):
        q, s = ops.quantize_fp8(x.flatten(0, -2), [1, -1])
        return ops.dequantize_fp8(q, s, [1, -1]).view(x.shape)

    cases["w8a8"] = (ops.linear_w8a8, (codes, scale, sums), int8, int8_rows)
    cases["w8a8_asymmetric"] = (
        functools.partial(ops.linear_w8a8, activation_mapping="asymmetric"),
        (codes, scale, sums),
        int8,
        lambda x: int8_rows(x, "asymmetric"),
    )
    grouped, grouped_scale, _ = ops.quantize_int8(w, [1, 64])
    grouped_w = ops.dequantize_int8(grouped, grouped_scale, [1, 64])
    cases["w8a16_group"] = (ops.linear_w8a16, (grouped, grouped_scale), grouped_w, same)

    for mapping in ("symmetric", "asymmetric", "float_zero"):
        codes, scale, zero_point, zero = ops.quantize_int4(w, 32, mapping)
        zero_point = zero_point if zero_point.numel() else None
        zero = zero if zero.numel() else None
        value = ops.dequantize_int4(codes, scale, zero_point, zero)
        cases[f"w4a16_{mapping}"] = (
            ops.linear_w4a16, (codes, scale, zero_point, zero), value, same
        )  # fmt: skip
        cases[f"w4afp8_{mapping}"] = (
            ops.linear_w4afp8, (codes, scale, zero_point, zero), value, fp8_rows
        )  # fmt: skip
        cases[f"w4a8_{mapping}"] = (
            ops.linear_w4a8, (codes, scale, None, zero_point, zero), value, int8_rows
        )  # fmt: skip
        sums = value.double().sum(1).float()
        cases[f"w4a8_{mapping}_asymmetric"] = (
            functools.partial(ops.linear_w4a8, activation_mapping="asymmetric"),
            (codes, scale, sums, zero_point, zero),
            value,
            lambda x: int8_rows(x, "asymmetric"),
        )

    for bits in (1, 2, 3, 4, 5, 6, 7):
        for mapping in ("symmetric", "asymmetric"):
            codes, scale, zero_point = ops.quantize_intx(w, bits, 32, mapping)
            zero_point = zero_point if zero_point.numel() else None
            value = ops.dequantize_intx(codes, scale, bits, zero_point)
            name = f"{bits}_{mapping}"
            cases[f"wna16_{name}"] = (ops.linear_wna16, (codes, scale, bits, zero_point), value, same)
            cases[f"wna8_{name}"] = (
                ops.linear_wna8, (codes, scale, bits, None, zero_point), value, int8_rows
            )  # fmt: skip
            sums = value.double().sum(1).float()
            cases[f"wna8_{name}_asymmetric"] = (
                functools.partial(ops.linear_wna8, activation_mapping="asymmetric"),
                (codes, scale, bits, sums, zero_point),
                value,
                lambda x: int8_rows(x, "asymmetric"),
            )
    zero = torch.randn(N, K // 32)  # of the stored codes, 4 more than the others
    value = ops.dequantize_intx(*ops.quantize_intx(w, 3, 32)[:2], 3)
    value = value + (4 * ops.quantize_intx(w, 3, 32)[1] + zero).repeat_interleave(32, 1)
    cases["wna16_zero"] = (
        ops.linear_wna16, (*ops.quantize_intx(w, 3, 32)[:2], 3, None, zero), value, same
    )  # fmt: skip

    for block, x_block in (([-1, -1], [-1, -1]), ([1, -1], [1, -1]), ([128, 128], [1, 128])):
        codes, scale = ops.quantize_fp8(w, block)
        value = ops.dequantize_fp8(codes, scale, block)

        def fp8(x, x_block=x_block):
            q, s = ops.quantize_fp8(x.flatten(0, -2), x_block)
            return ops.dequantize_fp8(q, s, x_block).view(x.shape)

        name = "x".join(map(str, block))
        cases[f"fp8_{name}"] = (ops.linear_fp8, (codes, scale, block), value, fp8)
        cases[f"fp8_weight_only_{name}"] = (
            ops.linear_fp8_weight_only, (codes, scale, block), value, same
        )  # fmt: skip

    codes, scale = ops.quantize_mx(w)

    def mxfp8(x):
        q, s = ops.quantize_mx(x.flatten(0, -2))
        return ops.dequantize_mx(q, s).view(x.shape)

    value = ops.dequantize_mx(codes, scale)
    cases["mxfp8"] = (ops.linear_mxfp8, (codes, scale), value, mxfp8)
    cases["mxfp8_weight_only"] = (ops.linear_mxfp8_weight_only, (codes, scale), value, same)
    codes, scale = ops.quantize_mx(w, "e2m1")
    value = ops.dequantize_mx(codes, scale, "e2m1")
    cases["mxfp4"] = (ops.linear_mxfp4, (codes, scale), value, same)
    packed = (ops.pack_weight(codes), ops.pack_scale(scale))
    cases["mxfp4_packed"] = (ops.linear_mxfp4, packed, value, same)
    for element in ("e2m3", "e3m2"):
        codes, scale = ops.quantize_mx(w, element)
        value = ops.dequantize_mx(codes, scale, element)
        packed = (ops.pack_fp6(codes), scale)
        cases[f"mxfp6_{element}"] = (
            functools.partial(ops.linear_mxfp6, element=element), packed, value, same
        )  # fmt: skip
    cases["mxfp6"] = (ops.linear_mxfp6, *cases["mxfp6_e2m3"][1:])
    codes, scale, tensor_scale = ops.quantize_nvfp4(w)
    value = ops.dequantize_nvfp4(codes, scale, tensor_scale)
    cases["nvfp4"] = (ops.linear_nvfp4, (codes, scale, tensor_scale), value, same)
    packed = (ops.pack_weight(codes), ops.pack_scale(scale), tensor_scale)
    cases["nvfp4_packed"] = (ops.linear_nvfp4, packed, value, same)
    return cases


CASES = linear_cases()
PLAIN_CASES = [name for name, case in CASES.items() if not isinstance(case[0], functools.partial)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("rows", [1, 3, 40])
@pytest.mark.parametrize("name", CASES)
def test_linear_is_the_product(name, rows, dtype):
    op, arguments, w, activations = CASES[name]
    torch.manual_seed(rows)
    x = torch.randn(rows, K).to(dtype)
    bias = torch.randn(N)
    got = op(x, *arguments, bias=bias)
    assert got.dtype == dtype and got.shape == (rows, N)
    values = activations(x).double()
    exact = values @ w.double().T + bias.double()
    # fp32 sums of K products, at worst with x in bf16 (AVX-512 BF16), and one rounding of the result.
    size = values.abs() @ w.double().abs().T + bias.double().abs()
    x_in_bf16 = 2.0**-8 if dtype != torch.bfloat16 else 0
    bound = size * (K * 2.0**-24 + x_in_bf16) + exact.abs() * torch.finfo(dtype).eps
    assert bool(((got.double() - exact).abs() <= bound).all())


@pytest.mark.parametrize("name", ["w8a16", "w8a8", "w4a8_symmetric", "wna16_3_symmetric", "wna8_2_symmetric", "fp8_1x-1", "mxfp8", "mxfp6", "nvfp4", "nvfp4_packed"])
def test_linear_takes_any_layout_of_x(name):
    op, arguments, _, _ = CASES[name]
    torch.manual_seed(0)
    x = torch.randn(4, 6, K)
    expected = op(x, *arguments)
    assert expected.shape == (4, 6, N)
    assert torch.equal(op(x[:, 2:4], *arguments), expected[:, 2:4])
    wide = torch.randn(5, 2 * K)
    assert torch.equal(op(wide[:, :K], *arguments), op(wide[:, :K].contiguous(), *arguments))
    across = torch.randn(K, 5).T
    assert torch.equal(op(across, *arguments), op(across.contiguous(), *arguments))
    assert op(x[0, 0], *arguments).shape == (N,)
    assert op(x[:0], *arguments).shape == (0, 6, N)


@pytest.mark.parametrize("name", PLAIN_CASES)
def test_out_form_and_query(name):
    op, arguments, _, _ = CASES[name]
    x = torch.randn(3, K)
    out = torch.empty(3, N)
    assert op.out(x, *arguments, out=out) is None
    assert torch.equal(out, op(x, *arguments))
    assert op.implementation(x, *arguments) in ("reference", "avx2") or op.implementation(
        x, *arguments
    ).startswith(("avx_vnni", "avx512", "amx"))


def codes_and_scale():
    return CASES["w8a16"][1]


BAD = {
    "x is int": (lambda x, w, s: (x.int(), w, s), "x has the wrong dtype, got int32, expected float32"),
    "x is a scalar": (lambda x, w, s: (torch.tensor(1.0), w, s), "x has no dimensions"),
    "x is short": (lambda x, w, s: (x[:, 1:], w, s), r"got \(3, 255\), expected a last dimension of 256"),
    "weight is float": (lambda x, w, s: (x, w.float(), s), "weight has the wrong dtype, got float32"),
    "weight is 3-D": (lambda x, w, s: (x, w[None], s), r"weight is not a matrix .*got \(1, 24, 256\)"),
    "weight is strided": (
        lambda x, w, s: (x[:, :128], w[:, :128], s),
        r"weight is not contiguous, got strides \(256, 1\)",
    ),
    "scale of other rows": (lambda x, w, s: (x, w, s[1:]), r"weight_scale has the wrong shape"),
    "scale of odd groups": (lambda x, w, s: (x, w, s.expand(N, 7)), r"groups a divisor of 256"),
    "scale is bf16": (lambda x, w, s: (x, w, s.bfloat16()), "weight_scale has the wrong dtype"),
    "bias is long": (lambda x, w, s: (x, w, s, torch.ones(N + 1)), r"bias .*got \(25,\), expected \(24,\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_linear_refuses(name):
    change, text = BAD[name]
    with pytest.raises((RuntimeError, NotImplementedError), match=text):
        ops.linear_w8a16(*change(torch.randn(3, K), *codes_and_scale()))


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda w: ops.quantize_int8(w, [1, 7]), r"block does not divide the matrix, got \(1, 7\)"),
        (lambda w: ops.quantize_int8(w, [1]), "block has the wrong length"),
        (lambda w: ops.quantize_int8(w, [0, -1]), "block is not positive"),
        (lambda w: ops.quantize_int8(w, [1, -1], "half"), "mapping is not known, got 'half'"),
        (lambda w: ops.quantize_int8(w.T, [1, -1]), "x has strided columns"),
        (lambda w: ops.quantize_int8(w[0], [1, -1]), "x is not a matrix"),
        (lambda w: ops.quantize_int8(w.double(), [1, -1]), "got float64"),
        (lambda w: ops.quantize_int8(w, [1, -1], scale_dtype=torch.int8), "scale_dtype"),
        (lambda w: ops.quantize_int4(w, 3), "group_size does not fit x, got 3"),
        (lambda w: ops.quantize_int4(w, 512), "an even divisor of 256"),
        (lambda w: ops.quantize_intx(w, 8, 32), "bits is out of range, got 8"),
        (lambda w: ops.quantize_intx(w, 3, 12), "group_size does not fit x, got 12"),
        (lambda w: ops.quantize_intx(w, 3, 32, "float_zero"), "mapping is not known"),
        (lambda w: ops.quantize_fp8(w, [1, -1], "e4m4"), "expected one of e4m3, e5m2"),
        (lambda w: ops.quantize_fp8_both(w, 64), "group_size is not known, got 64, expected 128"),
        (lambda w: ops.quantize_mx(w, block_size=48), "block_size does not fit x"),
        (lambda w: ops.quantize_mx(w, scaling_mode="up"), "one of floor, ceil, even, rceil"),
        (lambda w: ops.quantize_nvfp4(w[:, :24].contiguous()), "multiple of 16"),
        (lambda w: ops.dequantize_int8(w, w, [1, -1]), "codes has the wrong dtype"),
    ],
)
def test_quantize_refuses(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(weight())


@pytest.mark.parametrize("mapping, columns", [("symmetric", 131071), ("asymmetric", 65793)])
def test_w8a8_takes_columns_up_to_what_int32_sums(mapping, columns):
    def call(k):
        w = torch.full((1, k), -128, dtype=torch.int8)
        sums = torch.full((1,), -128 * k, dtype=torch.int32)
        return ops.linear_w8a8(torch.ones(1, k), w, torch.ones(1, 1), sums, activation_mapping=mapping)

    assert call(columns).item() == pytest.approx(-128 * columns, rel=1e-2)
    with pytest.raises(RuntimeError, match=f"too many columns, got {columns + 1}, expected at most {columns}"):
        call(columns + 1)


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda x, w, s: (x, w, s[:, :3]), "groups a divisor of 256"),
        (lambda x, w, s: (x, w, s.half()), "weight_scale has the wrong dtype"),
        (lambda x, w, s: (x, w, s, s[:, 0].double()), "weight_row_sums has the wrong dtype"),
        (lambda x, w, s: (x, w, s, None, s.char(), s), "weight_zero_point and weight_zero exclude"),
        (lambda x, w, s: (x, w, s, None, None, None, None, "asymmetric"), "weight_row_sums are missing"),
        (lambda x, w, s: (x, w, s, None, None, None, None, "odd"), "activation_mapping is not known"),
        (lambda x, w, s: (x, w.char(), s), "weight has the wrong dtype"),
    ],
)
def test_w4a8_refuses(change, text):
    codes, scale = CASES["w4a8_symmetric"][1][:2]
    with pytest.raises(RuntimeError, match=text):
        ops.linear_w4a8(*change(torch.randn(3, K), codes, scale))


@pytest.mark.parametrize("name", ["wna16", "wna8"])
@pytest.mark.parametrize(
    "change, text",
    [
        (lambda x, w, s, b: (x, w, s, 0), "bits is out of range, got 0, expected 1 to 7"),
        (lambda x, w, s, b: (x, w, s, 8), "bits is out of range, got 8"),
        (lambda x, w, s, b: (x, w, s, 5), "weight does not hold eight codes"),
        (lambda x, w, s, b: (x, w, s, 2), "a last dimension of 384"),
        (lambda x, w, s, b: (x, w[:, :-3].contiguous(), s, b), r"got \(3, 256\)"),
        (lambda x, w, s, b: (x, w[:, ::2], s, b), "weight is not contiguous"),
        (lambda x, w, s, b: (x, w.char(), s, b), "weight has the wrong dtype"),
        (lambda x, w, s, b: (x, w, s[:, :3], b), "groups a divisor of 256"),
        (lambda x, w, s, b: (x, w, s.repeat(1, 8), b), "implies a group that ends within a byte, got 4"),
        (lambda x, w, s, b: (x, w, s.half(), b), "weight_scale has the wrong dtype"),
    ],
)
def test_intx_refuses(name, change, text):
    codes, scale = CASES["wna16_3_symmetric"][1][:2]
    with pytest.raises(RuntimeError, match=text):
        getattr(ops, f"linear_{name}")(*change(torch.randn(3, K), codes, scale, 3))


X, HEADS, CACHE = torch.ones(2, 8), torch.ones(4, 16), torch.ones(2, 5, 16)
ANGLES = torch.ones(2, 4)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: ops.rms_norm(X, torch.ones(7), 1e-6), r"weight .*got \(7,\), expected \(8,\)"),
        (lambda: ops.rms_norm(X.int(), torch.ones(8), 1e-6), "x has the wrong dtype, got int32"),
        (lambda: ops.rms_norm(X[0], torch.ones(8), 1e-6), "x is not a matrix"),
        (lambda: ops.add_rms_norm(X[:1].clone(), X, torch.ones(8), 1e-6), "residual has the wrong shape"),
        (lambda: ops.gated_activation(X, X[:, :4], "silu"), "up has the wrong shape"),
        (lambda: ops.silu_mul_quantize_fp8(X, X[:, :4], [1, -1]), "up has the wrong shape"),
        (lambda: ops.silu_mul_quantize_fp8(X, X.half(), [1, -1]), "up has the wrong dtype, got float16"),
        (lambda: ops.rms_norm_quantize_fp8(X, torch.ones(8), 1e-6, [2, 4]), "block is not within a row"),
        (lambda: ops.gated_activation(X, X, "relu"), "got 'relu', expected one of"),
        (lambda: ops.attention_decode(HEADS, CACHE[:, :, :8], CACHE, 1.0), "keys does not fit q"),
        (lambda: ops.attention_decode(HEADS[:3], CACHE, CACHE, 1.0), "KV a divisor of H"),
        (lambda: ops.attention_decode(HEADS, CACHE, CACHE[:, :4], 1.0), "values has the wrong shape"),
        (lambda: ops.attention_decode(HEADS, CACHE.bfloat16(), CACHE, 1.0), "keys has the wrong dtype"),
        (lambda: ops.attention_decode(HEADS, CACHE[:, ::2], CACHE[:, ::2], 1.0), "heads that are not contiguous"),
        (lambda: ops.rotary(X, X, X, ANGLES[:, :3].contiguous(), ANGLES), "sin has the wrong shape"),
        (lambda: ops.rotary(X[:1], X, X, ANGLES[:1], ANGLES[:1]), "k has the wrong shape"),
        (lambda: ops.rotary(X, X, X[:, :4], ANGLES, ANGLES), "v has the wrong shape"),
        (lambda: ops.rotary(X, X, X, ANGLES, ANGLES, torch.ones(4)), "q_weight has the wrong shape"),
        (lambda: rotary_at(4), "position is out of range, got 4, expected 0 to 3"),
        (lambda: rotary_at(-1), "position is out of range, got -1"),
        (lambda: ops.attention_decode(HEADS, CACHE, CACHE, 1.0, torch.tensor([2, 6])), "got 2 to 6, expected 0 <= first"),
        (lambda: ops.attention_decode(HEADS, CACHE, CACHE, 1.0, torch.tensor([3, 3])), "got 3 to 3, expected 0 <= first"),
        (lambda: ops.decode_advance(X, torch.zeros(7, dtype=torch.int64)), r"logits .*got \(2, 8\), expected \(1, 8\)"),
        (lambda: ops.decode_advance(X[:1], torch.zeros(6, dtype=torch.int64)), "state has the wrong shape"),
    ],
)
def test_fused_operators_refuse(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()


def rotary_at(position):
    """Two tokens into caches of five positions, of one head of 8."""
    outs = [torch.zeros(2, 8), torch.zeros(1, 5, 8), torch.zeros(1, 5, 8)]
    angles = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    x = torch.arange(16.0).view(2, 8)
    arguments = [x, x + 1, x + 2, angles.cos(), angles.sin(), None, None, 1e-6, 0.0, torch.tensor([position])]
    ops.rotary.out(*arguments, q_out=outs[0], k_out=outs[1], v_out=outs[2])
    return arguments, outs


@pytest.mark.parametrize("position", [0, 2, 3])
def test_rotary_at_a_position(position):
    (q, k, v, cos, sin, *_), (q_out, keys, values) = rotary_at(position)
    new = slice(position, position + 2)
    expected = ops.rotary(q, k, v, cos[new].contiguous(), sin[new].contiguous())
    assert torch.equal(q_out, expected[0])
    for cache, tokens in ((keys, expected[1]), (values, expected[2])):
        assert torch.equal(cache[:, new], tokens) and cache.count_nonzero() == tokens.count_nonzero()


@pytest.mark.parametrize("first, end", [(0, 1), (0, 33), (7, 20), (32, 33)])
def test_attention_to_a_range_of_keys(first, end):
    q, cache = torch.randn(4, 16), torch.randn(2, 2, 33, 16)
    got = ops.attention_decode(q, *cache, 0.25, torch.tensor([first, end]))
    assert torch.equal(got, ops.attention_decode(q, *cache[:, :, first:end], 0.25))


def test_decode_advance_chooses_and_moves_on():
    logits = torch.tensor([[1.0, 5.0, -2.0, 5.0]])
    state = torch.tensor([3, 9, 0, 10, 0, 10, 3])
    for expected in ([1, 10, 0, 11, 0, 11, 1], [1, 11, 0, 12, 1, 12, 1]):
        ops.decode_advance(logits, state, 11)
        assert state.tolist() == expected
    logits[0, 2] = float("nan")
    ops.decode_advance(logits, state)
    assert state.tolist() == [0, 12, 0, 13, 0, 13, -1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_quantize_takes_strided_rows(dtype):
    wide = torch.randn(8, 512).to(dtype)
    for quantize in (
        lambda x: ops.quantize_int8(x, [1, -1]),
        lambda x: ops.quantize_int4(x, 32),
        lambda x: ops.quantize_intx(x, 3, 32),
        lambda x: ops.quantize_fp8(x, [1, -1]),
        ops.quantize_mx,
        ops.quantize_nvfp4,
    ):
        for got, expected in zip(quantize(wide[:, 64:320]), quantize(wide[:, 64:320].contiguous())):
            assert torch.equal(got.view(torch.uint8), expected.view(torch.uint8))


def test_threads_do_not_change_the_result():
    before = torch.get_num_threads()
    x = torch.randn(32, K)
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append([op(x, *arguments) for op, arguments, _, _ in CASES.values()])
        for one, two in zip(*results):
            assert torch.equal(one, two)
    finally:
        torch.set_num_threads(before)


def equal_bytes(got, expected):
    return all(torch.equal(a.view(torch.uint8), b.view(torch.uint8)) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("group_size", [-1, 128])
def test_quantize_fp8_both_is_each(group_size, dtype, power_of_two):
    w = weight(dtype)
    for x in (w, w[:, 3:200], w[:0], w[:, :0]):
        transposed = x.new_empty(x.shape[::-1]).copy_(x.T)
        each = (ops.quantize_fp8(y, [1, group_size], power_of_two=power_of_two) for y in (x, transposed))
        assert equal_bytes(ops.quantize_fp8_both(x, group_size, power_of_two=power_of_two), sum(each, ()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("block", [[1, -1], [1, 128]])
def test_fused_quantize_fp8_is_its_parts(block, dtype):
    gate, up, gain = weight(dtype), weight(dtype).flip(0), torch.rand(K)
    product = ops.gated_activation(gate, up)
    assert equal_bytes(ops.silu_mul_quantize_fp8(gate, up, block, "e5m2"), ops.quantize_fp8(product, block, "e5m2"))
    norm = ops.rms_norm(gate, gain, 1e-6, 1.0)
    fused = ops.rms_norm_quantize_fp8(gate, gain, 1e-6, block, power_of_two=True, weight_offset=1.0)
    assert equal_bytes(fused, ops.quantize_fp8(norm, block, power_of_two=True))


def test_power_of_two_scales_of_fp8():
    """Training's scales (torchao.float8), inverted: 448 / amax rounded down to a power of two."""
    w = weight(torch.bfloat16)
    codes, scale = ops.quantize_fp8(w, [1, -1], power_of_two=True)
    factor = torch.exp2(torch.floor(torch.log2(448.0 / w.double().abs().amax(1, keepdim=True))))
    assert torch.equal(1 / scale.double(), factor)
    expected = (w.float() * factor.float()).clamp(-448, 448).to(torch.float8_e4m3fn)
    assert torch.equal(codes.view(torch.uint8), expected.view(torch.uint8))


def opcheck_cases():
    w = weight()
    x = torch.randn(3, K)
    yield from ((CASES[n][0], (x, *CASES[n][1])) for n in PLAIN_CASES)
    yield ops.quantize_int8, (w, [1, -1], "asymmetric")
    yield ops.quantize_int4, (w, 32, "float_zero")
    yield ops.quantize_intx, (w, 5, 32, "asymmetric", torch.bfloat16)
    yield ops.quantize_fp8, (w, [128, 128])
    yield ops.quantize_fp8_both, (w,)
    yield ops.quantize_fp8_both, (w, 128, "e5m2", True)
    yield ops.silu_mul_quantize_fp8, (w, w, [1, 128])
    yield ops.rms_norm_quantize_fp8, (w, torch.ones(K), 1e-6, [1, -1])
    yield ops.quantize_mx, (w, "e2m1")
    yield ops.quantize_nvfp4, (w,)
    codes, scale, _ = ops.quantize_int8(w, [1, -1])
    yield ops.dequantize_int8, (codes, scale, [1, -1])
    yield ops.dequantize_int4, ops.quantize_int4(w, 32)[:2]
    yield ops.dequantize_intx, (*ops.quantize_intx(w, 3, 32)[:2], 3, None, torch.bfloat16)
    yield ops.dequantize_fp8, (*ops.quantize_fp8(w, [1, -1]), [1, -1])
    yield ops.dequantize_mx, (*ops.quantize_mx(w, "e2m1"), "e2m1", torch.bfloat16)
    yield ops.dequantize_nvfp4, ops.quantize_nvfp4(w)
    yield ops.rms_norm, (x, torch.ones(K), 1e-6)
    yield ops.gated_activation, (x, x)
    yield ops.score_logits, (x, torch.zeros(3, dtype=torch.int64), x)
    yield ops.attention_decode, (HEADS, CACHE, CACHE, 1.0, torch.tensor([1, 4]))
    yield ops.decode_advance, (x[:1], torch.zeros(7, dtype=torch.int64))


@pytest.mark.parametrize(
    "op, arguments",
    list(opcheck_cases()),
    ids=lambda value: str(value) if isinstance(value, torch._ops.OpOverloadPacket) else "",
)
def test_opcheck(op, arguments):
    """Schema, fake kernels with static and dynamic shapes, and tracing agree with the operator."""
    checks = ["test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic"]
    # torch's check of the schema multiplies its inputs, which float8 cannot be.
    tensors = [a for a in arguments if isinstance(a, torch.Tensor)]
    if not any(str(t.dtype).startswith("torch.float8") for t in tensors):
        checks.append("test_schema")
    torch.library.opcheck(op.default, arguments, test_utils=checks)

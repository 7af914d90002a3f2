"""linear_w8a8 on the GPU against the CPU's, bit for bit. Needs a Hopper GPU: scripts/gpu.sh test."""

import pytest
import torch

import lowp  # noqa: F401 (loads the operators)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
linear_w8a8 = torch.ops.lowp.linear_w8a8


def weight_of(n, k, seed=0):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(-128, 128, (n, k), dtype=torch.int8, generator=generator)
    scale = torch.rand(n, 1, generator=generator) * 0.01 + 1e-4
    return codes, scale, codes.sum(1, dtype=torch.int32)


def expected_on_gpu(x, weight, bias, mapping):
    """The formula in exact integers, for sizes that the CPU takes long for."""
    codes, scale, zero_point = torch.ops.lowp.quantize_int8(x, [1, -1], mapping)
    acc = codes.double() @ weight[0].double().t()
    if mapping == "asymmetric":
        acc -= zero_point.double() * weight[2].double()
    y = acc.float() * scale * weight[1].t()
    return (y if bias is None else y + bias.float()).to(x.dtype)


def cuda(tensors):
    return tuple(tensor.cuda() for tensor in tensors)


SHAPES = [(1, 16, 16), (2, 130, 64), (16, 272, 400), (33, 48, 1040), (64, 512, 256), (65, 130, 64), (300, 1040, 272),
          (5, 7, 9), (100, 33, 1001), (1, 1, 1)]


@pytest.mark.parametrize("mapping", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("m, n, k", SHAPES)
def test_equals_cpu(m, n, k, dtype, mapping):
    torch.manual_seed(m)
    x = (torch.randn(m, k) * 3 + 1).to(dtype)
    weight = weight_of(n, k)
    for bias in (None, torch.randn(n), torch.randn(n).bfloat16()):
        expected = linear_w8a8(x, *weight, bias, mapping)
        out = torch.full((m, n), float("nan"), device="cuda", dtype=dtype)
        on_gpu = None if bias is None else bias.cuda()
        linear_w8a8.out(x.cuda(), *cuda(weight), on_gpu, mapping, out=out)
        assert torch.equal(out.cpu(), expected)


@pytest.mark.parametrize("mapping", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("m, n, k", [(1, 4096, 4096), (48, 8192, 4096), (513, 4096, 14336), (2048, 4096, 1024)])
def test_large(m, n, k, mapping):
    torch.manual_seed(0)
    x = torch.randn(m, k, device="cuda").bfloat16()
    weight = cuda(weight_of(n, k))
    assert torch.equal(linear_w8a8(x, *weight, None, mapping), expected_on_gpu(x, weight, None, mapping))


def test_shapes_of_x():
    weight = weight_of(48, 64)
    x = torch.randn(2, 3, 128)[..., ::2]
    assert torch.equal(linear_w8a8(x.cuda(), *cuda(weight)).cpu(), linear_w8a8(x, *weight))
    wide = torch.randn(9, 128)
    assert torch.equal(linear_w8a8(wide.cuda()[:, :64], *cuda(weight)).cpu(), linear_w8a8(wide[:, :64], *weight))
    assert linear_w8a8(torch.randn(0, 64, device="cuda"), *cuda(weight)).shape == (0, 48)


def test_graph():
    weight = cuda(weight_of(272, 512))
    x = torch.randn(20, 512, device="cuda").bfloat16()
    out = torch.empty(20, 272, device="cuda", dtype=torch.bfloat16)
    linear_w8a8.out(x, *weight, out=out)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        linear_w8a8.out(x, *weight, out=out)
    x.copy_(torch.randn(20, 512))
    graph.replay()
    assert torch.equal(out, linear_w8a8(x, *weight))


@pytest.mark.parametrize("m, k, expected", [(1, 64, "sm90_few_rows"), (64, 64, "sm90_few_rows"), (65, 64, "sm90"), (65, 60, "cuda")])
def test_what_runs(m, k, expected):
    weight = cuda(weight_of(32, k))
    assert linear_w8a8.implementation(torch.randn(m, k, device="cuda"), *weight) == expected


@pytest.mark.parametrize(
    "change, text",
    [
        (dict(x=torch.randn(4, 32)), "got .4, 32., expected a last dimension of 64"),
        (dict(weight_scale=torch.ones(48)), "weight_scale"),
        (dict(weight_row_sums=torch.ones(48)), "weight_row_sums .* got float32"),
        (dict(bias=torch.ones(3)), "bias"),
        (dict(activation_mapping="none"), "activation_mapping is not known, got 'none'"),
    ],
)
def test_refusals(change, text):
    weight, scale, sums = cuda(weight_of(48, 64))
    arguments = dict(x=torch.randn(4, 64), weight=weight, weight_scale=scale, weight_row_sums=sums)
    for name, value in (arguments | change).items():
        arguments[name] = value.cuda() if torch.is_tensor(value) else value
    with pytest.raises(RuntimeError, match=text):
        linear_w8a8(**arguments)

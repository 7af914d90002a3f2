"""lowp.nn.Linear and lowp.quantize_ on the GPU, against the same on the CPU."""

import copy
import io
import math

import pytest
import torch

import lowp
from gpu_testing import assert_equal_codes

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
N, K = 256, 512

CONFIGS = {
    "W8A8": lowp.Int8DynamicActivationInt8WeightConfig(),
    "W8A8_PER_TENSOR": lowp.Int8DynamicActivationInt8WeightConfig(granularity=lowp.PerTensor()),
    "W8A8_ASYMMETRIC": lowp.Int8DynamicActivationInt8WeightConfig(act_mapping_type=lowp.MappingType.ASYMMETRIC),
    "W8A16": lowp.Int8WeightOnlyConfig(),
    "W8A16_GROUP": lowp.Int8WeightOnlyConfig(granularity=lowp.PerGroup(64)),
    "W4A16": lowp.Int4WeightOnlyConfig(64, lowp.MappingType.SYMMETRIC),
    "W4A16_ASYM": lowp.Int4WeightOnlyConfig(64, lowp.MappingType.ASYMMETRIC),
    "W4A16_FLOAT_ZERO": lowp.Int4WeightOnlyConfig(128),
    "W4A8": lowp.Int8DynamicActivationInt4WeightConfig(act_mapping_type=lowp.MappingType.SYMMETRIC),
    "W4A8_ASYMMETRIC": lowp.Int8DynamicActivationInt4WeightConfig(),
    "W4A8_ASYM": lowp.Int8DynamicActivationInt4WeightConfig(64, lowp.MappingType.ASYMMETRIC),
    "W4AFP8": lowp.Float8DynamicActivationInt4WeightConfig(),
    "FP8": lowp.Float8DynamicActivationFloat8WeightConfig(),
    "FP8_DYNAMIC": lowp.Float8DynamicActivationFloat8WeightConfig(lowp.PerRow()),
    "FP8_BLOCK": lowp.Float8DynamicActivationFloat8WeightConfig(lowp.PerBlock()),
    "FP8_WEIGHT_ONLY": lowp.Float8WeightOnlyConfig(),
    "MXFP8": lowp.MXDynamicActivationMXWeightConfig(),
    "MXFP8A16": lowp.MXFP8WeightOnlyConfig(),
    "MXFP4": lowp.MXFP4WeightOnlyConfig(),
    "NVFP4": lowp.NVFP4WeightOnlyConfig(),
    "NVFP4_ONE": lowp.NVFP4WeightOnlyConfig(use_dynamic_per_tensor_scale=False),
}
# The GPU rounds a dequantized weight to bf16 where the CPU keeps fp32, and both round the result: a
# relative 2^-9 each, added up without cancellation.
BOUND = 2.0**-7


def make_model(dtype=torch.bfloat16):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(K, N), torch.nn.ReLU(), torch.nn.Linear(N, 128, bias=False)]
    return torch.nn.Sequential(*layers).to(dtype)


@pytest.fixture(params=CONFIGS)
def pair(request):
    """A model quantized on the CPU, the same quantized on the GPU, and their reports."""
    on_cpu, on_gpu = make_model(), make_model().cuda()
    config = CONFIGS[request.param]
    reports = lowp.quantize_(on_cpu, config), lowp.quantize_(on_gpu, config)
    return on_cpu, on_gpu, reports


def assert_near(got, expected, bound=BOUND):
    got, expected = got.detach().double().cpu(), expected.detach().double().cpu()
    assert got.shape == expected.shape
    assert (got - expected).norm() <= bound * expected.norm(), f"{(got - expected).norm() / expected.norm()}"


def assert_same_tensors(got, expected):
    for a, b in zip(got.modules(), expected.modules()):
        if isinstance(a, lowp.nn.Linear):
            assert a.tensors().keys() == b.tensors().keys()
            for name, tensor in a.tensors().items():
                assert_equal_codes(tensor, b.tensors()[name])


@torch.no_grad()
def test_weights_are_quantized_where_they_are(pair):
    on_cpu, on_gpu, reports = pair
    assert all(tensor.is_cuda for tensor in on_gpu.state_dict().values())
    assert_same_tensors(on_gpu, on_cpu)
    for a, b in zip(*reports):
        assert (a.scheme, a.skipped, a.bits_per_weight) == (b.scheme, b.skipped, b.bits_per_weight)
        assert math.isclose(a.sqnr_db, b.sqnr_db, abs_tol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 5, 64, 300])
def test_outputs_are_those_of_the_cpu(pair, rows):
    on_cpu, on_gpu, _ = pair
    for i, width in ((0, K), (2, N)):
        x = torch.randn(rows, width).bfloat16()
        got = on_gpu[i](x.cuda())
        assert got.is_cuda and got.dtype == torch.bfloat16
        assert_near(got, on_cpu[i](x))


@torch.no_grad()
def test_modules_move_and_copy(pair):
    on_cpu, on_gpu, _ = pair
    x = torch.randn(4, K).bfloat16()
    expected = on_gpu(x.cuda())
    moved = copy.deepcopy(on_cpu).cuda()
    assert_same_tensors(moved, on_gpu)
    assert torch.equal(moved(x.cuda()), expected)
    back = copy.deepcopy(on_gpu).cpu()
    assert_same_tensors(back, on_cpu)
    assert torch.equal(back(x), on_cpu(x))
    assert torch.equal(copy.deepcopy(on_gpu)(x.cuda()), expected)

    file = io.BytesIO()
    torch.save(on_cpu.state_dict(), file)
    file.seek(0)
    for parameter in moved.state_dict().values():
        parameter.view(torch.uint8).zero_()
    moved.load_state_dict(torch.load(file))
    assert torch.equal(moved(x.cuda()), expected)


def test_gradients_are_those_of_the_dequantized_weight(pair):
    layer = pair[1][0]
    x = torch.randn(6, K, device="cuda").bfloat16().requires_grad_()
    dy = torch.randn(6, N, device="cuda").bfloat16()
    layer(x).backward(dy)
    assert_near(x.grad, dy.float() @ layer.dequantize().float())
    assert_near(layer.bias.grad, dy.float().sum(0))


@torch.no_grad()
def test_compiled_modules_give_the_same(pair):
    on_gpu = pair[1]
    x = torch.randn(4, K, device="cuda").bfloat16()
    torch._dynamo.reset()
    compiled = torch.compile(on_gpu, backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(x), on_gpu(x))


@torch.no_grad()
def test_inductor():
    model = make_model().cuda()
    lowp.quantize_(model, CONFIGS["W4A16_FLOAT_ZERO"])
    x = torch.randn(4, K, device="cuda").bfloat16()
    torch._dynamo.reset()
    assert_near(torch.compile(model, fullgraph=True)(x), model(x))


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 64])
def test_graphs_capture_the_module(pair, rows):
    on_gpu = pair[1]
    x = torch.randn(rows, K, device="cuda").bfloat16()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        on_gpu(x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = on_gpu(x)
    x.copy_(torch.randn(rows, K))
    graph.replay()
    assert torch.equal(out, on_gpu(x))


@torch.no_grad()
def test_a_call_does_not_wait_for_the_gpu(pair):
    """With the GPU busy for half a second, the call returns before it is done."""
    on_gpu = pair[1]
    x = torch.randn(2, K, device="cuda").bfloat16()
    on_gpu(x)
    torch.cuda.synchronize()
    done = torch.cuda.Event()
    torch.cuda._sleep(1_000_000_000)
    on_gpu(x)
    done.record()
    assert not done.query()
    torch.cuda.synchronize()


@pytest.mark.parametrize("name", ["W8A16", "W4A16", "FP8_WEIGHT_ONLY", "MXFP4", "NVFP4"])
def test_activations_elsewhere_are_refused(name):
    model = make_model().cuda()
    lowp.quantize_(model, CONFIGS[name])
    with pytest.raises(RuntimeError, match="GPU|CPU|CUDA|device"):
        model(torch.zeros(1, K).bfloat16())

"""Small random models as GGUF files: written with the gguf package as llama.cpp's converter does it."""

import gguf
import numpy as np
import torch
import transformers

Q = gguf.GGMLQuantizationType

TYPES = [Q.F32, Q.F16, Q.BF16, Q.Q8_0, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q4_K, Q.Q5_K, Q.Q6_K]

# The package does not quantize to these. Any bytes are a block of theirs, but its fp16 scales, here
# at their offsets, must be finite.
K_QUANT_SCALES = {Q.Q4_K: (0, 2), Q.Q5_K: (0, 2), Q.Q6_K: (208,)}

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma3_text": gguf.MODEL_ARCH.GEMMA3,
}


def random_model(model_type, **options):
    """A transformers model in fp32 whose weights are bf16 numbers. K-quants divide its rows."""
    torch.manual_seed(0)
    sizes = dict(
        vocab_size=64,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=256,
        initializer_range=0.1,
    )
    config = transformers.AutoConfig.for_model(model_type, **{**sizes, **options})
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or name.endswith(".bias"):
                parameter.normal_(0, 0.5)
            # bf16, and coarse enough that 1 + weight, which Gemma's files hold, is exact in fp32.
            parameter.copy_((parameter * 1024).round() / 1024)
            parameter.copy_(parameter.to(torch.bfloat16))
    return model.eval()


def encode(values, qtype, rng):
    """values (n, k) fp32 as rows of bytes: quantized to `qtype`, for K-quants random blocks."""
    if qtype not in K_QUANT_SCALES:
        return gguf.quantize(values.astype(np.float32), qtype)
    block, size = gguf.GGML_QUANT_SIZES[qtype]
    blocks = rng.integers(0, 256, (values.size // block, size), dtype=np.uint8)
    for offset in K_QUANT_SCALES[qtype]:
        scales = rng.normal(0, 1e-3, len(blocks)).astype(np.float16)
        blocks[:, offset : offset + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(values.shape[0], -1)


def interleave(values, heads):
    """llama.cpp's permutation of the rows of q and k: the halves of each head alternate."""
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def deinterleave(values, heads):
    pairs = values.reshape(heads, values.shape[0] // heads // 2, 2, *values.shape[1:])
    return pairs.swapaxes(1, 2).reshape(values.shape)


def interleaved_heads(config, name):
    if config.model_type not in ("llama", "mistral"):
        return 0
    if ".q_proj." in name:
        return config.num_attention_heads
    return config.num_key_value_heads if ".k_proj." in name else 0


def add_metadata(writer, config):
    theta = config.rope_parameters
    if config.model_type == "gemma3_text":
        writer.add_sliding_window(config.sliding_window)
        theta = theta["full_attention"]
    else:
        if theta["rope_type"] == "linear":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(theta["factor"])
    if config.model_type in ("qwen3", "gemma3_text"):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if config.model_type in ("llama", "mistral"):
        writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_freq_base(theta["rope_theta"])
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def add_llama3_factors(writer, model):
    """rope_freqs.weight: by how much Llama 3's scaling divides each frequency."""
    theta = model.config.rope_parameters["rope_theta"]
    exponents = torch.arange(0, model.config.head_dim, 2, dtype=torch.float32)
    plain = 1.0 / theta ** (exponents / model.config.head_dim)
    factors = plain / model.model.rotary_emb.inv_freq
    writer.add_tensor("rope_freqs.weight", factors.numpy().astype(np.float32))


def write_gguf(path, model, qtype=Q.F32, metadata=None, change=None):
    """Writes `model` with its matrices as `qtype`; returns each parameter as the file has it, fp32.

    metadata(writer) adds keys; change(name, data, qtype) -> (name, data, qtype) or None, which drops
    the tensor, makes a file that is wrong.
    """
    config = model.config
    arch = ARCHITECTURES[config.model_type]
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    add_metadata(writer, config)
    if metadata:
        metadata(writer)
    rng = np.random.default_rng(0)
    expected = {}
    for name, parameter in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = parameter.numpy()
        heads = interleaved_heads(config, name)
        if heads:
            values = interleave(values, heads)
        plus_one = config.model_type == "gemma3_text" and "norm" in name
        if plus_one:
            values = values + 1
        kind = qtype if values.ndim == 2 else Q.F32
        data = encode(values, kind, rng)
        stored = gguf.dequantize(data, kind)
        expected[name] = deinterleave(stored, heads) if heads else stored - plus_one
        tensor = (names.get_name(name, (".weight", ".bias")), data, kind)
        if change:
            tensor = change(*tensor)
        if tensor:
            writer.add_tensor(tensor[0], tensor[1], raw_dtype=tensor[2])
    if model.config.model_type == "llama" and config.rope_parameters["rope_type"] == "llama3":
        add_llama3_factors(writer, model)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return {name: torch.from_numpy(np.array(values)) for name, values in expected.items()}

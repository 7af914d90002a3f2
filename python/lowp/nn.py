"""Modules that hold quantized weights."""

import torch

from ._weights import format_of, ops


class _Backward(torch.autograd.Function):
    """The low-precision product, with the gradient of the dequantized weight."""

    @staticmethod
    def forward(ctx, x, bias, module):
        ctx.module = module
        ctx.bias_dtype = None if bias is None else bias.dtype
        return module.product(x, bias)

    @staticmethod
    def backward(ctx, dy):
        dx = dbias = None
        if ctx.needs_input_grad[0]:
            dx = dy @ ctx.module.dequantize(dy.dtype)
        if ctx.needs_input_grad[1]:
            dbias = dy.flatten(0, -2).sum(0).to(ctx.bias_dtype)
        return dx, dbias, None


class _QuantizedModule(torch.nn.Module):
    """Holds tensors in buffers: weight_codes and so on, and activation_scale and so on."""

    def _set_tensors(self, tensors, activation_tensors):
        self._names = list(tensors)
        for name, tensor in tensors.items():
            self.register_buffer(f"weight_{name}", tensor)
        for name, tensor in activation_tensors.items():
            self.register_buffer(f"activation_{name}", tensor.to(tensors["codes"].device))

    @property
    def scheme(self):
        return self._format.scheme

    def tensors(self):
        """The tensors of the quantized weight by name: codes, scale and what the scheme has beside them."""
        return {name: getattr(self, f"weight_{name}") for name in self._names}

    def _apply(self, fn, recurse=True):
        """Moves the buffers with the module but keeps their dtypes."""

        def keep_dtype(tensor):
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        for name, buffer in self._buffers.items():
            setattr(self, name, keep_dtype(buffer))
        for parameter in self._parameters.values():
            if parameter is not None:
                parameter.data = fn(parameter.data)
        return self


class Linear(_QuantizedModule):
    """A linear layer whose weight is quantized: plain tensors, in the buffers weight_codes and so on.

    x is (*, in_features) in float32, float16 or bfloat16 where the module is, the result
    (*, out_features) of its dtype. The dtypes of codes and scales do not follow the module's. The weight has no gradient;
    those of x and bias are as for the dequantized weight.
    """

    def __init__(self, linear, config, smoothing_factor=None):
        """Quantizes the weight of a torch.nn.Linear.

        smoothing_factor (in_features): x is divided by it before it is quantized, the weight multiplied.
        """
        super().__init__()
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        self.config = config
        self._format = format_of(config)
        weight = linear.weight.detach().contiguous()
        activation_tensors = self._format.activation_tensors()
        if smoothing_factor is not None:
            if not self._format.takes_smoothing:
                raise ValueError(
                    f"[lowp.nn.Linear] smoothing_factor does not go with the config, got {config}, "
                    "expected int8 weights and activations"
                )
            factor = smoothing_factor.float()
            weight = (weight.float() * factor).to(weight.dtype)
            activation_tensors["pre_scale"] = 1 / factor
        self._set_tensors(self._format.quantize(weight), activation_tensors)
        self.bias = linear.bias
        self.train(linear.training)

    @property
    def is_packed(self):
        return self._buffers["weight_codes"].dim() == 4

    def pack(self):
        """Puts the weight in the layout that the AVX2 kernels read fastest, once, for the products to come.

        `tensors`, `state_dict` and the others see the plain one. False where it stays as it is: formats
        other than MXFP4 and NVFP4, rows that are no multiple of 8, layers on a GPU.
        """
        codes, scale = self._buffers["weight_codes"], self._buffers["weight_scale"]
        if self.is_packed or not self._format.packs or codes.shape[0] % 8 or not codes.is_cpu:
            return self.is_packed
        self.weight_codes, self.weight_scale = ops.pack_weight(codes), ops.pack_scale(scale)
        return True

    def unpack(self):
        if self.is_packed:
            self.weight_codes = ops.unpack_weight(self.weight_codes)
            self.weight_scale = ops.unpack_scale(self.weight_scale)

    def tensors(self):
        tensors = super().tensors()
        if self.is_packed:
            tensors["codes"] = ops.unpack_weight(tensors["codes"])
            tensors["scale"] = ops.unpack_scale(tensors["scale"])
        return tensors

    def _apply(self, fn, recurse=True):
        if self.is_packed and not fn(torch.empty(0)).is_cpu:
            self.unpack()
        return super()._apply(fn, recurse)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.is_packed:
            destination.update({f"{prefix}weight_{name}": tensor for name, tensor in self.tensors().items()})

    def _load_from_state_dict(self, *args):
        packed = self.is_packed
        self.unpack()
        super()._load_from_state_dict(*args)
        if packed:
            self.pack()

    def dequantize(self, dtype=torch.float32):
        """The values that the layer multiplies x with, (out_features, in_features)."""
        values = self._format.dequantize(self.tensors(), dtype)
        pre_scale = self._buffers.get("activation_pre_scale")
        return values if pre_scale is None else (values * pre_scale).to(dtype)

    def product(self, x, bias):
        return self._format.linear(x, self._buffers, bias)

    def forward(self, x):
        bias = self._parameters.get("bias")
        if torch.is_grad_enabled() and (x.requires_grad or (bias is not None and bias.requires_grad)):
            return _Backward.apply(x, bias, self)
        return self._format.linear(x, self._buffers, bias)

    def extra_repr(self):
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, scheme={self.scheme}"
        )


class GroupedLinear(_QuantizedModule):
    """The linear layers of a mixture of experts. Quantized, they are for the CPU and without gradients.

    forward(x, offsets): x (tokens, in_features) sorted by expert, offsets (experts) int32 the end of
    each expert's rows; returns (tokens, out_features) of x's dtype, 0 behind the last offset.
    """

    def __init__(self, weight, config=None, bias=None):
        """weight (experts, out_features, in_features), bias (experts, out_features).

        Each expert's weight is quantized by itself; without a config the weight is a parameter.
        """
        super().__init__()
        self.experts, self.out_features, self.in_features = weight.shape
        self.config = config
        self._names = []
        self._format = None if config is None else format_of(config)
        if config is None:
            self.weight = weight if isinstance(weight, torch.nn.Parameter) else torch.nn.Parameter(weight)
            self.bias = None if bias is None else torch.nn.Parameter(bias)
            return
        if problem := self.why_not(self._format):
            raise ValueError(f"[lowp.nn.GroupedLinear] the weight cannot be quantized, got {tuple(weight.shape)}: {problem}")
        experts = [self._format.quantize(expert.contiguous()) for expert in weight.detach()]
        self._set_tensors({name: torch.stack([e[name] for e in experts]) for name in experts[0]}, {})
        self.bias = None if bias is None else torch.nn.Parameter(bias.detach(), requires_grad=False)

    @property
    def scheme(self):
        return "" if self._format is None else self._format.scheme

    def why_not(self, form):
        """Why the weight cannot be quantized to a format; empty if it can."""
        if form.grouped_linear is None:
            return f"scheme {form.scheme} has no grouped form with this config"
        return form.why_not(self.out_features, self.in_features)

    def dequantize(self, dtype=torch.float32):
        """The weights' values, (experts, out_features, in_features)."""
        tensors = self.tensors()
        of_expert = ({name: t[i] for name, t in tensors.items()} for i in range(self.experts))
        return torch.stack([self._format.dequantize(t, dtype) for t in of_expert])

    def forward(self, x, offsets):
        if self._format is None:
            return self._plain(x, offsets)
        if torch.is_grad_enabled() and x.requires_grad:
            raise RuntimeError(
                "[lowp.nn.GroupedLinear] there is no gradient, got x that requires one, expected torch.no_grad()"
            )
        return self._format.grouped_linear(x, offsets, self._buffers, self.bias)

    def _plain(self, x, offsets):
        if not torch.is_grad_enabled() and x.is_cpu and x.dtype == self.weight.dtype == torch.bfloat16:
            return ops.grouped_linear_bf16(x, offsets, self.weight, self.bias)
        parts = []
        begin = 0
        for expert, end in enumerate(offsets.tolist()):
            bias = None if self.bias is None else self.bias[expert]
            parts.append(torch.nn.functional.linear(x[begin:end], self.weight[expert], bias))
            begin = end
        return torch.cat([*parts, x.new_zeros(x.shape[0] - begin, self.out_features)])

    def extra_repr(self):
        return (
            f"experts={self.experts}, in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}" + (f", scheme={self.scheme}" if self.scheme else "")
        )

"""Modules that hold quantized weights."""

import torch

from ._weights import format_of


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


class Linear(torch.nn.Module):
    """A linear layer whose weight is quantized: plain tensors, in the buffers weight_codes and so on.

    x is (*, in_features) in float32, float16 or bfloat16 where the module is, the result
    (*, out_features) of its dtype. The dtypes of codes and scales do not follow the module's. The weight has no gradient;
    those of x and bias are as for the dequantized weight.
    """

    def __init__(self, linear, config):
        """Quantizes the weight of a torch.nn.Linear."""
        super().__init__()
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        self.config = config
        self._format = format_of(config)
        self._names = []
        for name, tensor in self._format.quantize(linear.weight.detach().contiguous()).items():
            self.register_buffer(f"weight_{name}", tensor)
            self._names.append(name)
        self.bias = linear.bias
        self.train(linear.training)

    @property
    def scheme(self):
        return self._format.scheme

    def tensors(self):
        """The tensors of the quantized weight by name: codes, scale and what the scheme has beside them."""
        return {name: getattr(self, f"weight_{name}") for name in self._names}

    def dequantize(self, dtype=torch.float32):
        """The weight's values, (out_features, in_features)."""
        return self._format.dequantize(self.tensors(), dtype)

    def product(self, x, bias):
        return self._format.linear(x, self._buffers, bias)

    def forward(self, x):
        bias = self._parameters.get("bias")
        if torch.is_grad_enabled() and (x.requires_grad or (bias is not None and bias.requires_grad)):
            return _Backward.apply(x, bias, self)
        return self._format.linear(x, self._buffers, bias)

    def _apply(self, fn, recurse=True):
        """Moves the buffers with the module but keeps their dtypes."""

        def keep_dtype(tensor):
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        for name in self._names:
            buffer = f"weight_{name}"
            setattr(self, buffer, keep_dtype(getattr(self, buffer)))
        if self.bias is not None:
            self.bias.data = fn(self.bias.data)
        return self

    def extra_repr(self):
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, scheme={self.scheme}"
        )

"""A perceptron whose hidden units are normalised in training, as one operation."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from skspectralnet._network import ACTIVATIONS, MLP, columns_of, linear

_ATEN = torch.ops.aten
# The gradient of a unit's value by that of its activation a = act(y).
_SLOPES = {
    "identity": lambda grad, y, a: grad,
    "logistic": lambda grad, y, a: _ATEN.sigmoid_backward(grad, a),
    "tanh": lambda grad, y, a: _ATEN.tanh_backward(grad, a),
    "relu": lambda grad, y, a: _ATEN.threshold_backward(grad, a, 0),
    "gelu": lambda grad, y, a: _ATEN.gelu_backward(grad, y),
    "silu": lambda grad, y, a: _ATEN.silu_backward(grad, y),
}


class _Kept(NamedTuple):
    """What the gradient of a batch needs."""

    own: "_Weights"  # the parameters, in their type
    layers: list  # a _Layer for each hidden one
    last: torch.Tensor  # the inputs of the last layer, (b, n)
    weights: list  # of all layers, in the type of the products


class _Layer(NamedTuple):
    """What the gradient of a hidden layer needs; (b, n) tensors, but for statistics."""

    inputs: torch.Tensor
    sums: torch.Tensor  # h
    mean: torch.Tensor  # of each unit over the batch
    inverse: torch.Tensor  # one over the root of its variance
    normalised: torch.Tensor  # y
    outputs: torch.Tensor  # a


class _Weights(NamedTuple):
    """Views of one vector: of the parameters, or of their gradient."""

    weights: list  # (n_outputs, n_inputs) of each layer
    gains: list  # (n_outputs,) of each hidden layer
    shifts: list
    bias: torch.Tensor  # of the outputs


class BatchNormMLP(nn.Module):
    r"""A multilayer perceptron whose hidden units are normalised while it trains.

    Before its activation a hidden unit h becomes :math:`y = \gamma (h - m) / \sqrt{v +
    \epsilon} + \beta` with the mean m and the variance v over the batch (Ioffe and
    Szegedy, 2015). :meth:`folded` puts running means of both into the weights: what
    is applied afterwards is a plain perceptron, each row on its own.

    All parameters are one vector and all layers one operation, the gradient of which
    is written out: a step of a small network is otherwise spent on a hundred calls
    (benchmarks/roofline.py).

    Parameters
    ----------
    mlp : MLP
        Its weights are copied. Its hidden biases are left out: the mean takes them off.
    """

    _EPSILON = 1e-5
    _MOMENTUM = 0.05

    def __init__(self, mlp):
        super().__init__()
        self.activation = mlp.activation
        units = [len(bias) for bias in mlp.biases]
        self._shapes = [
            *((units[i], w.shape[1]) for i, w in enumerate(mlp.weights)),
            *((n,) for n in 2 * units[:-1]),
            (units[-1],),
        ]
        self.n_hidden = len(units) - 1
        flat = torch.empty(
            sum(map(math.prod, self._shapes)), dtype=torch.float32, device="cpu"
        )
        views = self.split(flat)
        for mine, given in zip(views.weights, mlp.weights, strict=True):
            mine.copy_(given.detach())
        for gain, shift in zip(views.gains, views.shifts, strict=True):
            gain.fill_(1.0)
            shift.zero_()
        views.bias.copy_(mlp.biases[-1].detach())
        self.flat = nn.Parameter(flat)
        means = flat.new_zeros(sum(units[:-1]))
        self.register_buffer("means", means)
        self.register_buffer("variances", torch.ones_like(means))

    def split(self, flat):
        """Views of a vector of the length of the parameters, as _Weights."""
        sizes = [math.prod(shape) for shape in self._shapes]
        views = [
            part.view(shape)
            for part, shape in zip(flat.split(sizes), self._shapes, strict=True)
        ]
        n, last = self.n_hidden, self.n_hidden + 1
        return _Weights(
            views[:last], views[last : last + n], views[last + n : -1], views[-1]
        )

    def forward(self, x, dtype=torch.float32):
        """Map (b, n_inputs) to (b, n_outputs); counts the batch in training mode.

        Parameters
        ----------
        x : tensor of shape (b, n_inputs)
            No gradient passes to it.
        dtype : torch.dtype, default=torch.float32
            In which products are taken; float32 or bfloat16.

        Returns
        -------
        tensor of shape (b, n_outputs), of the type of the parameters
        """
        return _Layers.apply(x, self.flat, self, dtype)

    def folded(self):
        """The perceptron that gives the same outputs by the running means."""
        mlp = MLP((), self.activation)
        with torch.no_grad():
            weights, gains, shifts, bias = self.split(self.flat.detach().clone())
            for i, (mean, variance) in enumerate(self.running()):
                factor = gains[i] / (variance + self._EPSILON).sqrt()
                mlp.weights.append(nn.Parameter(weights[i] * factor[:, None]))
                mlp.biases.append(nn.Parameter(shifts[i] - mean * factor))
            mlp.weights.append(nn.Parameter(weights[-1].clone()))
            mlp.biases.append(nn.Parameter(bias.clone()))
        return mlp

    def running(self):
        """Views of the running mean and variance of each hidden layer."""
        sizes = [shape[0] for shape in self._shapes[: self.n_hidden]]
        return list(
            zip(self.means.split(sizes), self.variances.split(sizes), strict=True)
        )

    def applied(self, x, dtype):
        """The outputs, and what their gradient needs."""
        flat = self.flat.detach()
        own = self.split(flat)
        weights = own.weights
        if dtype != flat.dtype:
            weights = self.split(flat.to(dtype)).weights
        act, layers, x = ACTIVATIONS[self.activation], [], x.to(dtype)
        for i, (mean, variance) in enumerate(self.running()):
            sums = linear(x, weights[i])
            normalised, *statistics = torch.native_batch_norm(
                sums,
                own.gains[i],
                own.shifts[i],
                mean,
                variance,
                self.training,
                self._MOMENTUM,
                self._EPSILON,
            )
            outputs = act(normalised)
            layers.append(_Layer(x, sums, *statistics, normalised, outputs))
            x = outputs
        outputs = linear(x, weights[-1]).to(own.bias.dtype) + own.bias
        return outputs, _Kept(own, layers, x, weights)

    def gradient(self, grad, kept):
        """The gradient by the parameters, (n_parameters,), of that by the outputs."""
        own, flat = kept.own, torch.empty_like(self.flat)
        found, slope = self.split(flat), _SLOPES[self.activation]
        found.bias.copy_(grad.sum(dim=0))
        grad = grad.to(kept.last.dtype)
        _product(grad, kept.last, found.weights[-1])
        for i in reversed(range(self.n_hidden)):
            layer = kept.layers[i]
            grad = slope(grad @ kept.weights[i + 1], layer.normalised, layer.outputs)
            grad, gain, shift = _ATEN.native_batch_norm_backward(
                grad,
                layer.sums,
                own.gains[i],
                None,
                None,
                layer.mean,
                layer.inverse,
                True,
                self._EPSILON,
                [True, True, True],
            )
            found.gains[i].copy_(gain)
            found.shifts[i].copy_(shift)
            _product(grad, layer.inputs, found.weights[i])
        return flat


class _Layers(torch.autograd.Function):
    """All layers of a BatchNormMLP, and their gradient."""

    @staticmethod
    def forward(ctx, x, flat, network, dtype):
        outputs, ctx.kept = network.applied(x, dtype)
        ctx.network = network
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return None, ctx.network.gradient(grad, ctx.kept), None, None


def _product(grad, inputs, out):
    """Write ``grad.T @ inputs`` over `out`, a part of the columns at a time."""
    for part, of_out in zip(*columns_of(inputs, out), strict=True):
        of_out.copy_(grad.T @ part)

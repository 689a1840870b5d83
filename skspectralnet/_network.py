"""The networks: a perceptron, the orthonorm layer, and the maps made of them."""

import itertools
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# Steeper units in the first layer than the usual variance-preserving ones: finer
# functions of the inputs from the first step (benchmarks/shapes.py). Those of tanh bend
# over the width of a unit, those of the others at a point, whatever their slope.
_FIRST_LAYER_GAIN, _TANH_GAIN = 2.0, 4.0
# Entries of a batch that a layer multiplies at once.
_WHOLE_ENTRIES = 2**22
# Of the form in which a map is stored; raised where that changes.
_STATE_VERSION = 1

ACTIVATIONS = {
    "identity": lambda x: x,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
}


def loaded(array):
    """A float64 tensor on the CPU with values of its own.

    numpy copies them: a model is also unpickled in forked processes, where loops of
    torch wait for threads that were not forked. The memory is torch's and the order
    that of the array: where a tensor begins and which entries are neighbours decide
    about the last bits of products.
    """
    array = np.array(array, dtype=np.float64)
    strides = [n_bytes // array.itemsize for n_bytes in array.strides]
    tensor = torch.empty_strided(
        array.shape, strides, dtype=torch.float64, device="cpu"
    )
    tensor.numpy()[...] = array
    return tensor


def linear(x, weight, bias=None):
    """The same as ``F.linear``; of wide batches a part of the columns at a time.

    The product, and that of the gradient, make copies of what they multiply: beside
    1,000 rows of 30,000 columns another 100 MiB.

    Parameters
    ----------
    x : tensor of shape (b, n_inputs)
    weight : tensor of shape (n_outputs, n_inputs)
    bias : tensor of shape (n_outputs,), default=None

    Returns
    -------
    tensor of shape (b, n_outputs)
    """
    if x.numel() <= _WHOLE_ENTRIES:
        return F.linear(x, weight, bias)
    for part, of_part in zip(*columns_of(x, weight), strict=True):
        product = F.linear(part, of_part)
        bias = product if bias is None else bias + product
    return bias


def columns_of(x, *others):
    """Parts of the columns of a batch, and the same columns of other matrices."""
    size = max(_WHOLE_ENTRIES // len(x), 1)
    return [matrix.split(size, dim=1) for matrix in (x, *others)]


class MLP(nn.Module):
    """Dense layers with an activation between them, none after the last.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, hidden layers, outputs.
    activation : str, a key of ``ACTIVATIONS``
    generator : torch.Generator or None
        Draws the weights; with None they are zero (to be loaded).
    rows : tensor of shape (layer_sizes[1], layer_sizes[0]), default=None
        One row of data for each unit of the first layer, where its activation is to
        begin. With few columns this decides whether the units can tell apart what
        lies close together: biases drawn without regard to the data leave most of
        them linear over it.
    """

    def __init__(self, layer_sizes, activation, generator=None, rows=None):
        super().__init__()
        self.activation = activation
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for fan_in, fan_out in itertools.pairwise(layer_sizes):
            weight = torch.zeros(fan_out, fan_in, dtype=torch.float32, device="cpu")
            bias = torch.zeros(fan_out, dtype=torch.float32, device="cpu")
            if generator is not None:
                bound = math.sqrt(3.0 / fan_in)
                weight.uniform_(-bound, bound, generator=generator)
                bias.uniform_(-bound, bound, generator=generator)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(bias))
        if rows is not None:
            with torch.no_grad():
                gain = _TANH_GAIN if activation == "tanh" else _FIRST_LAYER_GAIN
                first = self.weights[0].mul_(gain)
                self.biases[0].copy_(-(first * rows).sum(dim=1))

    def frozen(self):
        """The same network on the CPU, in float64, without gradients: to be applied."""
        self.zero_grad(set_to_none=True)  # before they are converted too
        self.to(device="cpu", dtype=torch.float64).requires_grad_(False)
        return self

    def with_constant(self):
        """The same network with the constant 1 before its outputs, in float64."""
        state = self.to_arrays()
        for name, value in (("weights", 0.0), ("biases", 1.0)):
            last = state[name][-1]
            state[name][-1] = np.concatenate([np.full_like(last[:1], value), last])
        return MLP.from_arrays(state)

    def to_arrays(self):
        """Activation and weights as numpy arrays on the CPU: they load without the
        device or torch's own unpickling."""
        return {
            "activation": self.activation,
            "weights": [w.detach().cpu().numpy() for w in self.weights],
            "biases": [b.detach().cpu().numpy() for b in self.biases],
        }

    @classmethod
    def from_arrays(cls, state):
        """The network in float64 that `to_arrays` described."""
        mlp = cls((), state["activation"])
        for mine, stored in (
            (mlp.weights, state["weights"]),
            (mlp.biases, state["biases"]),
        ):
            mine.extend(nn.Parameter(loaded(array)) for array in stored)
        return mlp

    def features(self, x):
        """The last hidden layer, (b, layer_sizes[-2])."""
        act = ACTIVATIONS[self.activation]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = act(linear(x, weight, bias))
        return x

    def forward(self, x):
        """Map (b, n_inputs) to (b, n_outputs)."""
        return F.linear(self.features(x), self.weights[-1], self.biases[-1])

    def set_last_layer(self, weight, bias):
        """Replace the last layer by arrays of its shape."""
        with torch.no_grad():
            for mine, given in ((self.weights[-1], weight), (self.biases[-1], bias)):
                mine.copy_(torch.tensor(given, dtype=mine.dtype, device=mine.device))


def placed_mlp(read, n_rows, layer_sizes, activation, generator):
    """A perceptron with random weights, its first layer placed at random rows.

    Parameters
    ----------
    read : callable
        Array of shape (m, n_inputs) of the rows with m numbers.
    n_rows : int
    layer_sizes : tuple of int
        Units of the hidden layers and outputs.
    activation : str
    generator : torch.Generator

    Returns
    -------
    MLP
        On the CPU.
    """
    chosen = torch.randint(
        n_rows, (layer_sizes[0],), generator=generator, device="cpu"
    ).numpy()
    rows = torch.tensor(read(chosen), dtype=torch.float32, device="cpu")
    return MLP((rows.shape[1], *layer_sizes), activation, generator, rows)


def orthonormalizer(outputs, row_weights):
    r"""The matrix that makes a batch of outputs orthonormal.

    With :math:`\tilde Y^T D \tilde Y + \epsilon I = L L^T` it is
    :math:`M = \sqrt{b}\, L^{-T}`, so that :math:`(\tilde Y M)^T D (\tilde Y M) = b I`:
    the Cholesky form of the orthonorm layer of Shaham et al. (2018), Section 3.1.

    Parameters
    ----------
    outputs : tensor of shape (b, q)
        Gradients pass through it when it requires them.
    row_weights : tensor of shape (b,)
        The diagonal of D.

    Returns
    -------
    tensor of shape (q, q), float64
    """
    outputs = outputs.to(torch.float64)
    gram = outputs.T @ (row_weights[:, None] * outputs)  # (q, q)
    return orthonormalizer_of(gram, len(outputs))


def orthonormalizer_of(gram, n_rows):
    r"""The same of b rows whose :math:`\tilde Y^T D \tilde Y` is given.

    Parameters
    ----------
    gram : tensor of shape (q, q), float64
    n_rows : int
    """
    eye = torch.eye(len(gram), dtype=torch.float64, device=gram.device)
    size = gram.detach().diagonal().mean()
    # A jitter relative to the outputs' own size keeps value and gradient finite
    # where columns coincide; rank loss is told apart later, from the alignment.
    for jitter in (1e-8, 1e-6, 1e-4, 1e-2):
        factor, info = torch.linalg.cholesky_ex(gram + (jitter * size + 1e-30) * eye)
        if int(info) == 0:
            break
    inverse = torch.linalg.solve_triangular(factor, eye, upper=False)
    return math.sqrt(n_rows) * inverse.T


class Orthonorm(nn.Module):
    """The orthonorm layer with its matrix fixed: what remains of it after training.

    The matrix is a buffer: it is saved with the weights and is not trained.

    Parameters
    ----------
    matrix : array of shape (n_inputs, n_outputs)
    """

    def __init__(self, matrix):
        super().__init__()
        self.register_buffer("matrix", loaded(matrix))

    def forward(self, outputs):
        """Multiply (b, n_inputs) outputs by the matrix, in float64."""
        return outputs.to(torch.float64) @ self.matrix


def pulled_in(z, reach):
    """The same as :func:`skspectralnet._rows.pulled_in` of a (b, d) tensor."""
    if reach is None:
        return z
    ratio = (z.norm(dim=1, keepdim=True) / reach).clamp(min=1.0)
    return z * ((1.0 + ratio.log()) / ratio)


def put_back(z, reach):
    """The inverse of :func:`pulled_in`."""
    if reach is None:
        return z
    ratio = (z.norm(dim=1, keepdim=True) / reach).clamp(min=1.0)
    return z * ((ratio - 1.0).exp() / ratio)


class RowMap(nn.Module):
    """A learned map of rows, each on its own: centre and scale, then a perceptron.

    All of it in float64, so that a row gives the same result alone and in a batch.

    Parameters
    ----------
    units : Units
        Centre, scale and reach of the rows.
    mlp : MLP
        From standardised rows to outputs.
    """

    def __init__(self, units, mlp):
        super().__init__()
        center, scale, self.reach = units
        self.register_buffer("center", loaded(center))
        self.register_buffer("scale", loaded(scale))
        self.mlp = mlp.frozen()

    def forward(self, x):
        """Map (b, n_features) rows to (b, n_outputs)."""
        if x.shape[1] != len(self.center):
            raise ValueError(
                f"The network takes rows of {len(self.center)} columns, and the stages "
                f"before it have made {x.shape[1]}."
            )
        z = (x.to(torch.float64) - self.center).div_(self.scale)
        return self.mlp(pulled_in(z, self.reach))

    def __getstate__(self):
        return {
            "_state_version": _STATE_VERSION,
            "center": self.center.cpu().numpy(),
            "scale": float(self.scale),
            "reach": self.reach,
            "mlp": self.mlp.to_arrays(),
        }

    def __setstate__(self, state):
        version = state.get("_state_version", 0)  # absent before there was one
        if version > _STATE_VERSION:
            raise ValueError(
                f"This {type(self).__name__} was written with state version {version}; "
                f"this skspectralnet reads those up to {_STATE_VERSION}. Upgrade "
                "skspectralnet."
            )
        mlp = MLP.from_arrays(state["mlp"])
        units = state["center"], state["scale"], state.get("reach")
        RowMap.__init__(self, units, mlp)


class SpectralMap(RowMap):
    """The learned map from a row to its spectral embedding, each row on its own.

    Centre and scale, the multilayer perceptron, the orthonorm layer: what `predict`
    and `transform` apply.

    Parameters
    ----------
    units : Units
    mlp : MLP
    matrix : array of shape (n_outputs, n_components)
        Of the orthonorm layer.
    """

    def __init__(self, units, mlp, matrix):
        super().__init__(units, mlp)
        self.orthonorm = Orthonorm(matrix)

    def forward(self, x):
        """Map (b, n_features) rows to (b, n_components) eigenvector values."""
        return self.orthonorm(super().forward(x))

    def flip_signs(self, signs):
        """Multiply the components by the given signs, an array of 1 and -1."""
        self.orthonorm.matrix.mul_(
            torch.tensor(signs, dtype=torch.float64, device="cpu")
        )

    def __getstate__(self):
        matrix = self.orthonorm.matrix.cpu().numpy()
        return {**super().__getstate__(), "matrix": matrix}

    def __setstate__(self, state):
        super().__setstate__(state)
        self.orthonorm = Orthonorm(state["matrix"])


class CodeMap(RowMap):
    """A trained autoencoder: rows to codes and back, each row on its own.

    Parameters
    ----------
    units : Units
    encoder : MLP
        From standardised rows to codes.
    decoder : MLP
        From codes to standardised rows.
    """

    def __init__(self, units, encoder, decoder):
        super().__init__(units, encoder)
        self.decoder = decoder.frozen()

    def decode(self, z):
        """Map (b, n_components) codes to (b, n_features) rows in the units of X."""
        rows = put_back(self.decoder(z.to(torch.float64)), self.reach)
        return rows * self.scale + self.center

    def __getstate__(self):
        return {**super().__getstate__(), "decoder": self.decoder.to_arrays()}

    def __setstate__(self, state):
        super().__setstate__(state)
        self.decoder = MLP.from_arrays(state["decoder"]).frozen()

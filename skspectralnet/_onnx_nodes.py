"""What a fitted model does with rows, as nodes of an ONNX graph."""

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from onnx import TensorProto
from scipy.special import erfcx

from skspectralnet._assignment import LOG_TIE, Centers, Rotation
from skspectralnet._drift import FARTHEST
from skspectralnet._hierarchy import Merged
from skspectralnet._network import SpectralMap
from skspectralnet._probability import LEAST_LOG

_TYPES = {
    np.dtype(np.float64): TensorProto.DOUBLE,
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.int64): TensorProto.INT64,
}
# Of t in :func:`_gelu`: the middle of the places of a polynomial of that degree, by
# which no value is off by more than 3e-13.
_TAIL_MIDDLE, _TAIL_DEGREE = 4.0, 20


class Nodes:
    """Adds nodes to the graph of a conversion; tensors are known by their names.

    Parameters
    ----------
    scope : skl2onnx.common._topology.Scope
    container : skl2onnx.common._container.ModelComponentContainer
    """

    def __init__(self, scope, container):
        self._scope = scope
        self._container = container

    def add(self, kind, *inputs, **attributes):
        """Add a node of one output and return the name of that.

        Parameters
        ----------
        kind : str
            An operator of ONNX.
        *inputs : str or ndarray
            Arrays are stored as constants.
        **attributes : object
            Of the operator.
        """
        names = [n if isinstance(n, str) else self._constant(n) for n in inputs]
        found = self._scope.get_unique_variable_name(kind.lower())
        name = self._scope.get_unique_operator_name(kind)
        self._container.add_node(kind, names, [found], name=name, **attributes)
        return found

    def _constant(self, value):
        value = np.asarray(value)
        name = self._scope.get_unique_variable_name("constant")
        kind = _TYPES[value.dtype]
        self._container.add_initializer(name, kind, value.shape, value.ravel())
        return name

    def reduced(self, kind, x, axis=1, keepdims=1):
        """Reduce a tensor over one axis."""
        # From this version of ONNX on the axes are an input.
        first = 13 if kind == "ReduceSum" else 18
        if self._container.target_opset >= first:
            return self.add(kind, x, np.array([axis]), keepdims=keepdims)
        return self.add(kind, x, axes=[axis], keepdims=keepdims)

    def cast(self, x, dtype):
        """The same numbers in a type of numpy."""
        return self.add("Cast", x, to=_TYPES[np.dtype(dtype)])

    def put(self, x, variable):
        """Make a tensor an output."""
        self._container.add_node(
            "Identity",
            [x],
            [variable.full_name],
            name=self._scope.get_unique_operator_name("Identity"),
        )


def unit_rows(nodes, rows):
    """Rows of float64 divided by their lengths; those of zeros as they are."""
    for kind in ("ReduceMax", "ReduceL2"):  # squares may be beyond floats
        size = nodes.reduced(kind, nodes.add("Abs", rows))
        is_zero = nodes.add("Equal", size, np.zeros(1))
        rows = nodes.add("Div", rows, nodes.add("Where", is_zero, np.ones(1), size))
    return rows


def mapped(nodes, rows, network, dtype):
    """What a network makes of rows.

    Parameters
    ----------
    nodes : Nodes
    rows : str
        Of any float type.
    network : RowMap
    dtype : dtype
        In which the perceptron is applied. Centre and scale, and the orthonorm
        matrix, are always applied in float64: there is where digits are lost.

    Returns
    -------
    str
        Of float64.
    """
    center, scale = network.center.numpy(), network.scale.numpy()
    z = nodes.add("Sub", nodes.cast(rows, np.float64), center)
    z = nodes.add("Div", z, scale.reshape(1))
    if network.reach is not None:
        z = _pulled_in(nodes, z, network.reach)
    z = nodes.cast(z, dtype)
    layers = network.mlp.to_arrays()
    weights, biases = (
        [array.astype(dtype) for array in layers[name]]
        for name in ("weights", "biases")
    )
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        h = nodes.add("Gemm", z, weight, bias, transB=1)
        z = _ACTIVATIONS[layers["activation"]](nodes, h, dtype)
    z = nodes.add("Gemm", z, weights[-1], biases[-1], transB=1)
    z = nodes.cast(z, np.float64)
    if isinstance(network, SpectralMap):
        z = nodes.add("MatMul", z, network.orthonorm.matrix.numpy())
    return z


def _pulled_in(nodes, z, reach):
    """The same as :func:`skspectralnet._rows.pulled_in`."""
    length = nodes.reduced("ReduceL2", z)
    ratio = nodes.add("Max", nodes.add("Div", length, np.array([reach])), np.ones(1))
    nearer = nodes.add("Add", nodes.add("Log", ratio), np.ones(1))
    return nodes.add("Mul", z, nodes.add("Div", nearer, ratio))


def _gelu(nodes, h, dtype):
    r"""x times the probability that a standard normal number is below x.

    :math:`\max(x, 0) - |x|\, e^{-x^2/2} p(t)` with :math:`p(t) =
    \mathrm{erfcx}(|x| / \sqrt 2) / 2` as a polynomial in :math:`t = (|x| - 4) /
    (|x| + 4)`: the runtime has no error function of float64. The substitution is that
    of M. M. Shepherd, J. G. Laframboise, "Chebyshev approximation of (1 + 2x)
    exp(x^2) erfc x", Mathematics of Computation 36 (1981).
    """

    def number(value):
        return np.array([value], dtype=dtype)

    size = nodes.add("Abs", h)
    below = nodes.add("Sub", size, number(_TAIL_MIDDLE))
    t = nodes.add("Div", below, nodes.add("Add", size, number(_TAIL_MIDDLE)))
    *others, last = _tail()
    p = number(last)
    for coefficient in others[::-1]:
        p = nodes.add("Add", nodes.add("Mul", p, t), number(coefficient))
    square = nodes.add("Mul", nodes.add("Mul", size, size), number(-0.5))
    tail = nodes.add("Mul", nodes.add("Mul", size, p), nodes.add("Exp", square))
    return nodes.add("Sub", nodes.add("Relu", h), tail)


def _tail():
    """Coefficients of the polynomial p of :func:`_gelu`, ascending."""

    def half_tail(t):
        size = _TAIL_MIDDLE * (1.0 + t) / np.maximum(1.0 - t, np.finfo(float).tiny)
        return 0.5 * erfcx(size / np.sqrt(2.0))

    found = Chebyshev.interpolate(half_tail, _TAIL_DEGREE)
    return found.convert(kind=Polynomial).coef


_ACTIVATIONS = {
    "identity": lambda nodes, h, dtype: h,
    "logistic": lambda nodes, h, dtype: nodes.add("Sigmoid", h),
    "tanh": lambda nodes, h, dtype: nodes.add("Tanh", h),
    "relu": lambda nodes, h, dtype: nodes.add("Relu", h),
    "gelu": _gelu,
    "silu": lambda nodes, h, dtype: nodes.add("Mul", h, nodes.add("Sigmoid", h)),
}


# --- clusters


def clusters(nodes, assignment, Z, dtype):
    """The cluster of each row.

    Parameters
    ----------
    nodes : Nodes
    assignment : Centers, Rotation, Mixture or Merged
    Z : str
        The embedding, of float64, (n_samples, n_components).
    dtype : dtype
        Of the embedding that a user sees: what rounding there is in it.

    Returns
    -------
    str
        Of int64, (n_samples,).
    """
    if isinstance(assignment, Merged):
        fine = clusters(nodes, assignment.fine, Z, dtype)
        return nodes.add("Gather", assignment.groups.astype(np.int64), fine)
    if isinstance(assignment, Centers):
        centers = assignment.centers.astype(np.float64)
        across = nodes.add("MatMul", Z, -2.0 * centers.T)
        away = nodes.add("Add", across, np.square(centers).sum(axis=1))
        return nodes.add("ArgMin", away, axis=1, keepdims=0)
    if isinstance(assignment, Rotation):
        turned = nodes.add("Abs", _turned(nodes, assignment, Z))
        tie = 1.0 - 256 * float(np.finfo(dtype).eps)
        largest = nodes.reduced("ReduceMax", turned)
        lower = nodes.add("Less", turned, nodes.add("Mul", largest, np.array([tie])))
        lower = nodes.add("Cast", lower, to=TensorProto.INT32)
        return nodes.add("ArgMin", lower, axis=1, keepdims=0)
    logs = log_strengths(nodes, assignment, Z, 1.0)
    return nodes.add("ArgMax", logs, axis=1, keepdims=0)


def probabilities(nodes, model, Z, found, dtype):
    """The membership of each row in each cluster: `predict_proba`.

    Parameters
    ----------
    nodes : Nodes
    model : SpectralNetClustering
    Z : str
        The embedding, of float64.
    found : str
        The cluster of each row.
    dtype : dtype
        Of what is returned.

    Returns
    -------
    str
        (n_samples, n_clusters); the first of the largest entries is `found`.
    """
    sharpness, assignment = model._sharpness, model._assignment
    logs = log_strengths(nodes, assignment, Z, sharpness.scale)
    logs = nodes.add("Max", logs, np.array([LEAST_LOG]))
    logs = nodes.add("Mul", logs, np.array([sharpness.power]))
    logs = nodes.add("Sub", logs, nodes.reduced("ReduceMax", logs))
    shares = nodes.add("Exp", logs)
    shares = nodes.add("Div", shares, nodes.reduced("ReduceSum", shares))
    shares = nodes.cast(shares, dtype)
    largest = nodes.reduced("ReduceMax", shares)
    first = nodes.add("ArgMax", shares, axis=1, keepdims=1)
    found = nodes.add("Reshape", found, np.array([-1, 1]))
    tied = nodes.add("Not", nodes.add("Equal", first, found))
    own = nodes.add("Equal", found, np.arange(model.n_clusters_).reshape(1, -1))
    next_one = np.array([1.0 + np.finfo(dtype).eps], dtype=dtype)
    larger = nodes.add("Mul", largest, next_one)
    return nodes.add("Where", nodes.add("And", own, tied), larger, shares)


def log_strengths(nodes, assignment, Z, scale):
    """The `log_strengths` of an assignment, of float64, (n_samples, n_clusters)."""
    if isinstance(assignment, Merged):
        return _of_strongest(nodes, assignment, Z, scale)
    if isinstance(assignment, Centers):
        squares = _squares(nodes, Z, assignment.centers.astype(np.float64))
    elif isinstance(assignment, Rotation):
        leading = _leading(nodes, assignment, Z)
        turned = _turned(nodes, assignment, Z)
        along = nodes.add("Mul", turned, turned)
        squares = nodes.add("Sub", nodes.reduced("ReduceSumSquare", leading), along)
        squares = nodes.add("Max", squares, np.zeros(1))
    else:
        return _of_gaussians(nodes, assignment, Z)
    far = nodes.add("Div", squares, np.array([scale]))
    return nodes.add("Neg", nodes.add("Log", nodes.add("Add", far, np.ones(1))))


def _squares(nodes, Z, points):
    """*Squared* distances of rows to points."""
    across = nodes.add("MatMul", Z, -2.0 * points.T)
    squares = nodes.add("Add", across, np.square(points).sum(axis=1))
    squares = nodes.add("Add", squares, nodes.reduced("ReduceSumSquare", Z))
    return nodes.add("Max", squares, np.zeros(1))


def _leading(nodes, rotation, Z):
    """The components that are turned."""
    first = np.arange(len(rotation.rotation))
    return nodes.add("Gather", Z, first, axis=1)


def _turned(nodes, rotation, Z):
    return nodes.add("MatMul", _leading(nodes, rotation, Z), rotation.rotation)


def _of_gaussians(nodes, mixture, Z):
    factors, centers = mixture.factors, mixture.centers
    n_clusters, n_components = centers.shape
    wide = factors.transpose(1, 0, 2).reshape(n_components, -1)
    shift = np.einsum("jc,jcd->jd", centers, factors).ravel()
    scaled = nodes.add("Sub", nodes.add("MatMul", Z, wide), shift)
    scaled = nodes.add("Reshape", scaled, np.array([0, n_clusters, n_components]))
    squares = nodes.reduced("ReduceSumSquare", scaled, axis=2, keepdims=0)
    diagonals = np.diagonal(factors, axis1=1, axis2=2)
    constant = mixture.log_weights + np.log(diagonals).sum(axis=1)
    logs = nodes.add("Add", nodes.add("Mul", squares, np.array([-0.5])), constant)
    logs = nodes.add("Sub", logs, nodes.reduced("ReduceMax", logs))
    is_largest = nodes.add("Greater", logs, np.array([-LOG_TIE]))
    return nodes.add("Where", is_largest, np.zeros(1), logs)


def _of_strongest(nodes, merged, Z, scale):
    """Of the strongest part of each cluster."""
    fine = log_strengths(nodes, merged.fine, Z, scale)
    largest = []
    for group in range(int(merged.groups.max()) + 1):
        parts = nodes.add(
            "Gather", fine, np.flatnonzero(merged.groups == group), axis=1
        )
        largest.append(nodes.reduced("ReduceMax", parts))
    return nodes.add("Concat", *largest, axis=1)


def outside(nodes, rows, model):
    """Which rows `predict` labels -1.

    Parameters
    ----------
    nodes : Nodes
    rows : str
        As they were given, of any float type.
    model : SpectralNetClustering
        Fitted with a `contamination`.

    Returns
    -------
    str
        Of bool, (n_samples,).
    """
    typicality = model._typicality
    landmarks = typicality.landmarks
    rows = nodes.cast(rows, np.float64)
    if model._stages.metric == "cosine":
        rows = unit_rows(nodes, rows)
    far = landmarks.scale * FARTHEST
    rows = nodes.add("Max", rows, landmarks.center - far)
    rows = nodes.add("Min", rows, landmarks.center + far)
    rows = nodes.add("Sub", rows, landmarks.center)
    rows = nodes.add("Div", rows, np.array([landmarks.scale]))
    squares = _squares(nodes, rows, landmarks.points.astype(np.float64))
    away = nodes.add("Add", nodes.add("Sqrt", squares), typicality.reaches)
    away = nodes.reduced("ReduceMin", away, keepdims=0)
    scores = nodes.add("Div", away, np.array([-typicality.middle]))
    return nodes.add("Less", scores, np.array([model.offset_]))

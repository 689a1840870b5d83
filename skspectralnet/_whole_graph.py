"""The spectral stage on one graph of all rows: edges, regression, alignment."""

from typing import NamedTuple

import numpy as np
import torch
from scipy import linalg, sparse
from torch.nn import functional as F

from skspectralnet._affinity import gamma_of_scales, self_tuning_weights
from skspectralnet._eigen import (
    RitzPairs,
    cut_at_gap,
    graph_eigenpairs,
    grassmann_distance,
    inner_product,
    laplacian_product,
    nearest_basis,
    rayleigh_ritz,
    residuals,
    subspace_bound,
)
from skspectralnet._graph import nearest_neighbors, squared_lengths, symmetric_graph
from skspectralnet._losses import (
    LOSSES,
    SMOOTHNESS,
    edge_form,
    regression_loss,
    row_gram,
)
from skspectralnet._network import MLP, orthonormalizer, placed_mlp
from skspectralnet._tensors import forward_in_blocks, to_tensor
from skspectralnet._training import train

# Eigenvectors learned beside those asked for, and eigenvalues known beyond them to
# find a gap.
_GUARDS, _BEYOND = 2, 8
# Outputs beside the components where there are no eigenvectors to learn.
_RANDOM_GUARDS = 5
# Rows of a step of regression; each is one end of an edge.
_REGRESSION_ROWS = 512
# Of the closed form of the last layer, relative to each feature.
_RIDGE = 1e-6
# Steps of an epoch: a power of the rows over a number, within bounds.
_STEPS_POWER, _STEPS_SHARE, _LEAST_STEPS, _MOST_STEPS = 0.75, 30.0, 1, 80
# Steps and rows of an epoch of the spectral loss, and those that decide when it ends.
_EPOCH_STEPS, _MONITORED_EDGES = 25, 4096
# Polishing: epochs, and the learning rate as a share of the one given.
POLISH_EPOCHS, _POLISH_RATE = 10, 0.02


class ApproximationError(NamedTuple):
    """How far learned eigenvectors are from those of the graph, over its rows.

    Fields
    ------
    distance : float or None
        Squared Grassmann distance between the spans of the first `n_vectors` learned
        and exact eigenvectors, in the inner product of the Laplacian, the trivial one
        included: 0 for the same span, at most `n_vectors`. None where the exact
        ones were not solved for.
    bound : float
        An upper bound of it from the residuals and the gap (Davis and Kahan, 1970):
        safe but mostly far too large.
    n_vectors : int
        The number asked for, or the nearest one after which the spectrum has a gap.
    residuals : ndarray of shape (n_vectors_learned,)
        Of each learned eigenpair on the whole graph, the trivial one included.
    exact_eigenvalues : ndarray or None
        Of the graph, the trivial one included, and a few more than were asked for.
    distance_before_polish : float or None
        The distance after regression alone.
    n_connected : int or None
        Connected components of the graph.
    """

    distance: float | None
    bound: float
    n_vectors: int
    residuals: np.ndarray
    exact_eigenvalues: np.ndarray | None
    distance_before_polish: float | None
    n_connected: int | None


class GraphFit(NamedTuple):
    """What the stage has learned."""

    mlp: MLP  # with the constant before its outputs
    pairs: RitzPairs  # the trivial one, then ascending
    largest_degree: float
    error: ApproximationError


class Polished(NamedTuple):
    """The better one of a network and the same after polishing."""

    mlp: MLP
    fit: GraphFit  # of it; `error` has the distance of the network given
    interrupted: bool


class EdgeBatch(NamedTuple):
    """Both ends of some edges: rows i of the first half belong to those of the second.

    The functions u = s y have the same difference form for every Laplacian.
    """

    inputs: torch.Tensor  # (2 e, n_inputs)
    nodes: torch.Tensor  # (2 e,) int64
    scales: torch.Tensor  # (2 e, 1), s: ones, or the root of mean over own degree
    masses: torch.Tensor  # (2 e,), of u in the inner product

    def functions(self, outputs):
        """The outputs with a constant before them, scaled: (2 e, 1 + q), float64."""
        outputs = F.pad(outputs.to(torch.float64), (1, 0), value=1.0)
        return outputs * self.scales


class GraphReader:
    r"""Draws edges of one graph of all rows, each as often as its weight.

    An end of a drawn edge is row i with probability :math:`d_i / \sum d`. The mean of
    :func:`~skspectralnet._losses.edge_form` over the draws is the Laplacian form of
    the whole graph, and that of :func:`~skspectralnet._losses.row_gram` the Gram
    matrix in its inner product, both divided by the total mass (times the mean degree
    for ``"unnormalized"``): no bias from the batch.

    Parameters
    ----------
    inputs : Rows
        What the network sees.
    nodes : ndarray of int of shape (n_nodes,)
        The rows of `inputs` that the graph joins.
    graph : CSR array of shape (n_nodes, n_nodes)
        Symmetric; every row has an edge.
    task : SpectralTask
    """

    def __init__(self, inputs, nodes, graph, task):
        self.inputs, self.nodes, self.graph, self.task = inputs, nodes, graph, task
        upper = sparse.triu(graph, k=1).tocoo()
        self.ends = np.stack(upper.coords)  # (2, n_edges)
        self.shares = np.cumsum(upper.data)
        self.shares /= self.shares[-1]
        self.degrees = np.asarray(graph.sum(axis=1)).ravel()
        relative = self.degrees.mean() / self.degrees
        ones = np.ones_like(relative)
        symmetric = task.laplacian == "symmetric"
        self._scales = np.sqrt(relative) if symmetric else ones
        self._masses = relative if task.laplacian == "unnormalized" else ones

    def draw(self, n_edges, generator):
        """Numbers of some edges, by weight, with replacement."""
        places = torch.rand(
            n_edges, generator=generator, dtype=torch.float64, device="cpu"
        ).numpy()
        edges = np.searchsorted(self.shares, places, side="right")
        return np.minimum(edges, len(self.shares) - 1)

    def read(self, edges):
        """The EdgeBatch of some edges."""
        nodes = self.ends[:, edges].ravel()
        return EdgeBatch(
            self.tensor(self.read_inputs(nodes), torch.float32),
            self.tensor(nodes, torch.int64),
            self.tensor(self._scales[nodes, None], torch.float64),
            self.tensor(self._masses[nodes], torch.float64),
        )

    def read_inputs(self, nodes):
        """What the network sees of some nodes, (b, n_inputs)."""
        return self.inputs.batch(self.nodes[nodes])

    def tensor(self, array, dtype):
        """A copy on the device of the task."""
        return to_tensor(array, device=self.task.device, dtype=dtype)

    def outputs(self, mlp, method="forward"):
        """What a network makes of all nodes, (n_nodes, n_outputs), float64."""
        return forward_in_blocks(
            mlp.double(),
            self.read_inputs,
            len(self.nodes),
            device=self.task.device,
            method=method,
        )


def neighbor_affinity(points, affinity, n_neighbors, *, gamma, random_state):
    """The symmetric graph of all rows and their nearest neighbours.

    Parameters
    ----------
    points : {ndarray, CSR array} of shape (n_samples, n_features)
    affinity : {"self_tuning", "nearest_neighbors", "rbf"}
        ``"rbf"`` between neighbours only, here.
    n_neighbors : int
        Below n_samples.
    gamma : float or None
        Of ``"rbf"``, in units of one over a squared distance; None takes the median
        distance to the last neighbour.
    random_state : RandomState

    Returns
    -------
    CSR array of shape (n_samples, n_samples)
    """
    found = nearest_neighbors(points, n_neighbors, random_state=random_state)
    if affinity == "nearest_neighbors":
        return symmetric_graph(found.indices, np.ones(found.indices.shape))
    squared = torch.from_numpy(squared_lengths(points, found.indices))
    if affinity == "self_tuning":
        weights = self_tuning_weights(torch.from_numpy(found.indices), squared)
    else:
        gamma = gamma_of_scales(squared.amax(dim=1)) if gamma is None else gamma
        weights = torch.exp(-gamma * squared)
    return symmetric_graph(found.indices, weights.numpy())


def overruled(graph, nodes, inverse, constraints, n_neighbors, random_state):
    """A graph without the edges between rows known to be apart, and with known ones.

    Rows that belong together get edges of weight 1 to about `n_neighbors` random ones
    of their group, not to all: a graph of all pairs would grow with their square.

    Parameters
    ----------
    graph : CSR array of shape (n_nodes, n_nodes)
    nodes : ndarray of int of shape (n_nodes,)
        Row of each node.
    inverse : ndarray of int of shape (n_samples,)
        Node of each row.
    constraints : Constraints
    n_neighbors : int
    random_state : RandomState
    """
    coo = graph.tocoo()
    rows, columns = coo.coords
    kept = ~constraints.rows_apart(nodes[rows], nodes[columns])
    n_pairs = n_neighbors * int(np.sum(constraints.groups >= 0))
    pairs = inverse[constraints.sample_together(n_pairs, random_state)]
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    first, second = pairs.T
    known = sparse.coo_array((np.ones(len(pairs)), (first, second)), shape=graph.shape)
    known = sparse.csr_array(known + known.T)
    others = sparse.csr_array(
        (coo.data[kept], (rows[kept], columns[kept])), shape=graph.shape
    )
    return sparse.csr_array(others - others.multiply(known) + known)


def epoch_steps(n_rows):
    """Steps of an epoch of regression."""
    wanted = round(n_rows**_STEPS_POWER / _STEPS_SHARE)
    return int(np.clip(wanted, _LEAST_STEPS, _MOST_STEPS))


def exact_pairs(reader, random_state):
    """The exact eigenpairs of a graph, a few more than asked for."""
    n_vectors = min(reader.task.n_components + _BEYOND, len(reader.nodes))
    return graph_eigenpairs(
        reader.graph, n_vectors, reader.task.laplacian, random_state
    )


def regression_targets(pairs, task):
    """The eigenpairs to learn: those asked for or up to a gap, and two.

    Constant vectors are left out: every map has a constant.
    """
    cut = cut_at_gap(pairs.eigenvalues, task.n_components)
    vectors = pairs.vectors[:, : max(cut, task.n_components) + _GUARDS]
    varying = np.ptp(vectors, axis=0) > 1e-6 * np.abs(vectors).max()
    varying[1] |= not varying.any()
    values = pairs.eigenvalues[: vectors.shape[1]][varying]
    return pairs._replace(eigenvalues=values, vectors=vectors[:, varying])


def n_outputs(task):
    """Outputs of a network without targets: the components asked for, and guards."""
    return task.n_components + _RANDOM_GUARDS


def new_network(reader, hidden_layer_sizes, n_outputs, activation, generator):
    """A perceptron with random weights, its first layer placed at rows of the graph.

    Returns
    -------
    MLP
    """
    layers, n_nodes = (*hidden_layer_sizes, n_outputs), len(reader.nodes)
    mlp = placed_mlp(reader.read_inputs, n_nodes, layers, activation, generator)
    return mlp.to(reader.task.device)


def regress(reader, targets, mlp, schedule, *, generator, **hooks):
    """Teach a network eigenvectors of a graph.

    By gradient steps, then the last layer once more in closed form.

    Parameters
    ----------
    reader : GraphReader
    targets : Eigenpairs
    mlp : MLP
        Trained in place: its outputs are then the vectors, in their own size.
    schedule : Schedule
        Of one cycle.
    generator : torch.Generator
    **hooks
        `interrupts` and `epochs` of the training.

    Returns
    -------
    History
    """
    vectors = targets.vectors
    center, spread = vectors.mean(axis=0), vectors.std(axis=0)
    spread[spread == 0.0] = 1.0
    # Each by its own spread: the loss would not see the small ones otherwise.
    scaled = reader.tensor((vectors - center) / spread, torch.float32)
    n_edges = min(_REGRESSION_ROWS, 2 * len(reader.nodes)) // 2

    def losses():
        for _ in range(schedule.n_steps):
            batch = reader.read(reader.draw(n_edges, generator))
            missed = mlp(batch.inputs) - scaled[batch.nodes]
            missed = missed * batch.scales.to(missed.dtype)
            yield regression_loss(missed, batch.masses.to(missed.dtype))

    history = train(mlp, losses, schedule, **hooks)
    mlp.set_last_layer(*_last_layer(reader, mlp, targets))
    return history


def _last_layer(reader, mlp, targets):
    r"""The last layer that minimises the regression loss over the whole graph.

    With the features H of the layer before, a constant among them, :math:`L V = M V
    \Lambda` and c the weight of the change along edges it solves

    .. math:: (H^T M H + c H^T L H) A = H^T M V (I + c \Lambda)
    """
    task = reader.task
    state = MLP.from_arrays(mlp.to_arrays())
    H = np.column_stack([reader.outputs(state, "features"), np.ones(len(reader.nodes))])
    masses, _ = inner_product(reader.degrees, task.laplacian)
    size = reader.degrees.mean() if task.laplacian == "unnormalized" else 1.0
    change = 2.0 * SMOOTHNESS / size
    weighted = masses[:, None] * H
    form = H.T @ laplacian_product(reader.graph, H, task.laplacian)
    matrix = weighted.T @ H + change * form
    cross = (weighted.T @ targets.vectors) * (1.0 + change * targets.eigenvalues)
    lengths = np.sqrt(np.diag(matrix))
    lengths[lengths == 0.0] = 1.0  # a unit that is silent on all rows
    scaled = matrix / np.outer(lengths, lengths) + _RIDGE * np.eye(len(matrix))
    solution = linalg.solve(scaled, cross / lengths[:, None], assume_a="pos")
    solution /= lengths[:, None]
    return solution[:-1].T, solution[-1]


def fit_edges(reader, mlp, schedule, *, generator, n_steps=_EPOCH_STEPS, **hooks):
    """Train a network on the spectral loss over drawn edges.

    Parameters
    ----------
    reader : GraphReader
    mlp : MLP
        Trained in place.
    schedule : Schedule
        Its end and its best weights are decided by the loss over a fixed draw of
        edges.
    generator : torch.Generator
    n_steps : int
        Of an epoch.
    **hooks
        `interrupts` and `epochs` of the training.

    Returns
    -------
    History
    """
    task, n_edges = reader.task, max(reader.task.batch_size // 2, 1)
    mlp.to(task.device)
    loss_of = joint_loss if task.orthonorm == "joint" else alternating_loss

    def batches():
        while True:
            yield reader.read(reader.draw(n_edges, generator))

    def losses():
        drawn = batches()
        return (loss_of(mlp, drawn, task) for _ in range(n_steps))

    n_fixed = min(_MONITORED_EDGES, 8 * reader.ends.shape[1])
    fixed = reader.read(reader.draw(n_fixed, generator))

    def validate():
        with torch.no_grad():
            return float(joint_loss(mlp, iter([fixed]), task))

    return train(mlp, losses, schedule, validate=validate, **hooks)


def polished(reader, mlp, pairs, schedule, *, generator, **hooks):
    """A network after a short training on the spectral loss, if that brings it nearer.

    Parameters
    ----------
    reader : GraphReader
    mlp : MLP
    pairs : Eigenpairs
        The exact ones, of the graph of `reader` or of a sample of its rows.
    schedule : Schedule
    generator : torch.Generator
    **hooks
        `interrupts` and `epochs` of the training, of `POLISH_EPOCHS` at most.

    Returns
    -------
    Polished
        The distances are None where the exact vectors are not those of `reader`.
    """
    known = len(pairs.vectors) == len(reader.nodes)
    n_steps = min(epoch_steps(len(reader.nodes)), _EPOCH_STEPS)
    candidate = MLP.from_arrays(mlp.to_arrays()).float()
    schedule = schedule._replace(
        max_iter=POLISH_EPOCHS,
        learning_rate=_POLISH_RATE * schedule.learning_rate,
        tol=0.0,
        n_iter_no_change=POLISH_EPOCHS,
        policy="one_cycle",
        n_steps=n_steps,
    )
    history = fit_edges(
        reader,
        candidate,
        schedule,
        n_steps=n_steps,
        generator=generator,
        **hooks,
    )
    exact = pairs if known else None
    fits = [align_to_graph(reader, one, exact) for one in (mlp, candidate)]
    if known:
        before, after = (fit.error.distance for fit in fits)
    else:
        before, after = (float(fit.pairs.eigenvalues.sum()) for fit in fits)
    best, fit = (mlp, fits[0]) if before <= after else (candidate, fits[1])
    error = fit.error._replace(distance_before_polish=fits[0].error.distance)
    return Polished(best, fit._replace(error=error), history.interrupted)


def joint_loss(mlp, batches, task):
    """The loss of the next edges, orthonormalised by their own factor."""
    batch = next(batches)
    U = batch.functions(mlp(batch.inputs))
    return _loss(U, batch.masses, orthonormalizer(U, batch.masses), task)


def alternating_loss(mlp, batches, task):
    """The loss of the next edges, orthonormalised by the factor of those before."""
    with torch.no_grad():
        other = next(batches)
        U = other.functions(mlp(other.inputs))
        matrix = orthonormalizer(U, other.masses)
    batch = next(batches)
    U = batch.functions(mlp(batch.inputs))
    return _loss(U, batch.masses, matrix, task)


def _loss(U, masses, matrix, task):
    """The spectral loss of orthonormalised functions; 1 for each that is lost."""
    missing = edge_form(U) - row_gram(U, masses)
    form = matrix.T @ missing @ matrix
    eye = torch.eye(len(form), dtype=form.dtype, device=form.device)
    return LOSSES[task.loss](form + eye)


def align_to_graph(reader, mlp, pairs):
    """The learned eigenpairs on the whole graph, and how far off they are.

    Where the exact eigenvectors are known, the outputs are combined to the orthonormal
    functions nearest to them: the Rayleigh-Ritz pairs would mix neighbouring ones,
    because the roughness of a network adds more to a form than close eigenvalues
    differ. Where they are not known, or the outputs cannot follow one of them, the
    Rayleigh-Ritz pairs are taken.

    Parameters
    ----------
    reader : GraphReader
    mlp : MLP
        On the CPU.
    pairs : Eigenpairs or None
        The exact ones.

    Returns
    -------
    GraphFit
        Its functions have mean square 1 in the inner product.
    """
    task, graph = reader.task, reader.graph
    mlp = mlp.with_constant().frozen()
    Y = reader.outputs(mlp)  # (n_nodes, 1 + q)
    masses, _ = inner_product(reader.degrees, task.laplacian)
    total = masses.sum()
    weighted = masses[:, None] * Y
    gram = weighted.T @ Y / total
    form = Y.T @ laplacian_product(graph, Y, task.laplacian) / total
    coefficients = None
    if pairs is not None:
        cut = cut_at_gap(pairs.eigenvalues, task.n_components)
        cross = weighted.T @ pairs.vectors[:, : max(cut, task.n_components)] / total
        coefficients = nearest_basis(gram, cross)
    if coefficients is None:
        eigenvalues, coefficients = rayleigh_ritz(gram, form)
    else:
        eigenvalues = np.einsum("ij,ij->j", coefficients, form @ coefficients)
        # The trivial vector stays the first one: it can be left out.
        order = np.append(0, 1 + np.argsort(eigenvalues[1:], kind="stable"))
        eigenvalues = np.maximum(eigenvalues[order], 0.0)
        coefficients = coefficients[:, order]
    error = _error(reader, Y @ coefficients, eigenvalues, pairs)
    found = RitzPairs(eigenvalues, coefficients)
    return GraphFit(mlp, found, float(reader.degrees.max()), error)


def _error(reader, Y, eigenvalues, pairs):
    """The ApproximationError of aligned functions."""
    task = reader.task
    masses, _ = inner_product(reader.degrees, task.laplacian)
    known = eigenvalues if pairs is None else pairs.eigenvalues
    cut = min(cut_at_gap(known, task.n_components), Y.shape[1])
    missed = residuals(reader.graph, Y, eigenvalues, task.laplacian)
    distance = None
    if pairs is not None:
        exact = pairs.vectors[:, :cut]
        distance = grassmann_distance(Y[:, :cut], exact, masses)
    following = known[cut] if len(known) > cut else np.inf
    return ApproximationError(
        distance=distance,
        bound=subspace_bound(missed[:cut], eigenvalues[:cut], following),
        n_vectors=cut,
        residuals=missed[: task.n_components],
        exact_eigenvalues=None if pairs is None else pairs.eigenvalues,
        distance_before_polish=None,
        n_connected=None if pairs is None else pairs.n_connected,
    )

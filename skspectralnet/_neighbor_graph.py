"""One graph of all rows: given or of their neighbours, and its edges by weight."""

from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional as F

from skspectralnet._affinity import batch_affinity, gamma_of_scales, self_tuning_weights
from skspectralnet._defaults import AUTO_WIDTH
from skspectralnet._distinct import distinct_rows
from skspectralnet._eigen import inner_product, laplacian_product, residuals
from skspectralnet._graph import (
    nearest_neighbors,
    repeated_graph,
    squared_lengths,
    symmetric_graph,
)
from skspectralnet._input import of_weights
from skspectralnet._losses import edge_form, lost_form, row_gram
from skspectralnet._network import orthonormalizer
from skspectralnet._ranks import added_up, joined_edge_form, least_of_all
from skspectralnet._rows import rows_of_a_block, standardised
from skspectralnet._spectral import check_edges, in_units, standardised_gamma
from skspectralnet._tasks import warn
from skspectralnet._tensors import (
    Blocks,
    forward_in_blocks,
    read_batch,
    to_numpy,
    to_tensor,
)

# Up to this many rows the whole graph is solved for its eigenvectors; beyond, the
# neighbour graph of as many random rows.
_SOLVED_ROWS = 200_000
# A callable affinity gets all rows at once, at most this many.
_MOST_CALLABLE_ROWS = 20_000
TOO_FEW_DISTINCT = (
    "The network's outputs are the same for all rows: X needs more distinct rows for "
    "an embedding."
)


class GraphTask(NamedTuple):
    """What the stage is to do, every default resolved that does not need the graph."""

    n_components: int
    affinity: object  # a name or a callable
    gamma: float | None  # in the units of the points; None: by the median distance
    n_neighbors: int  # fewer where there are fewer distinct rows
    n_neighbors_asked: bool  # whether to warn of that
    batch_size: int
    laplacian: str
    orthonorm: str
    loss: str
    init: str
    hidden_layer_sizes: tuple | None  # None: by the rows of the graph
    activation: str
    tol: float
    n_iter_no_change: int
    device: torch.device
    until_near: bool = False  # whether regression ends where the vectors are near
    graph: object = None  # the CSR array given to fit, or None
    group: object = None  # ProcessGroup of the ranks that hold parts of the graph


class EdgeBatch(NamedTuple):
    """Both ends of some edges: rows i of the first half belong to those of the second.

    The functions u = s y have the same difference form for every Laplacian.
    """

    inputs: torch.Tensor  # (2 e, n_inputs)
    nodes: torch.Tensor  # (2 e,) int64
    scales: torch.Tensor  # (2 e, 1), s: ones, or the root of mean over own degree
    row_weights: torch.Tensor  # (2 e,), of u in the inner product
    share: float = 1.0  # of the edges of this rank in the weight of all
    group: object = None  # ProcessGroup

    def functions(self, outputs):
        """The outputs with a constant before them, scaled: (2 e, 1 + q), float64."""
        outputs = F.pad(outputs.to(torch.float64), (1, 0), value=1.0)
        return outputs * self.scales

    def factor(self, outputs):
        """What makes the functions of these rows orthonormal, and the form of what is
        lost.

        Two matrices of shape (1 + q, 1 + q); gradients pass through both.
        """
        U = self.functions(outputs)
        matrix = orthonormalizer(U, self.row_weights)
        return matrix, lost_form(row_gram(U, self.row_weights), matrix)

    def own_form(self, outputs):
        """The Laplacian form of functions orthonormalised by their own factor.

        Over the edges that all ranks of a group have drawn.
        """
        U = self.functions(outputs)
        if self.group is not None:
            return joined_edge_form(U, self.row_weights, self.share, self.group)
        matrix = orthonormalizer(U, self.row_weights)
        missing = edge_form(U) - row_gram(U, self.row_weights)
        form = matrix.T @ missing @ matrix
        return form + torch.eye(len(form), dtype=form.dtype, device=form.device)

    def form(self, outputs, matrix):
        """The Laplacian form of functions times a given matrix."""
        return edge_form(self.functions(outputs) @ matrix)


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
    task : GraphTask
    """

    def __init__(self, inputs, nodes, graph, task):
        self.inputs, self.nodes, self.graph, self.task = inputs, nodes, graph, task
        self.n_nodes = len(nodes)
        self._list_edges(sparse.triu(graph, k=1).tocoo())
        degrees = graph.sum(axis=1)
        self._weigh(degrees, degrees.mean())

    def _list_edges(self, edges):
        """Those of a COO array, each of which is drawn as often as its weight."""
        self.ends = np.stack(edges.coords)  # (2, n_edges)
        self.cumulative = np.cumsum(edges.data)
        self.cumulative /= self.cumulative[-1]

    def _weigh(self, degrees, mean):
        """What functions are multiplied by at each node, and in inner products."""
        self.degrees, relative = degrees, mean / degrees
        ones = np.ones_like(relative)
        symmetric = self.task.laplacian == "symmetric"
        self._scales = np.sqrt(relative) if symmetric else ones
        self._row_weights = relative if self.task.laplacian == "unnormalized" else ones

    def draw(self, n_edges, generator):
        """Numbers of some edges, by weight, with replacement."""
        places = torch.rand(
            n_edges, generator=generator, dtype=torch.float64, device="cpu"
        ).numpy()
        edges = np.searchsorted(self.cumulative, places, side="right")
        return np.minimum(edges, len(self.cumulative) - 1)

    def read(self, edges):
        """The EdgeBatch of some edges."""
        nodes = self.ends[:, edges].ravel()
        return EdgeBatch(
            read_batch(self.inputs, self.nodes[nodes], device=self.task.device),
            self.tensor(nodes, torch.int64),
            self.tensor(self._scales[nodes, None], torch.float64),
            self.tensor(self._row_weights[nodes], torch.float64),
        )

    def read_inputs(self, nodes):
        """What the network sees of some nodes, (b, n_inputs), float64."""
        return self.inputs.batch(self.nodes[nodes])

    def tensor(self, array, dtype):
        """A copy on the device of the task."""
        return to_tensor(array, device=self.task.device, dtype=dtype)

    def outputs(self, mlp, method="forward"):
        """What a network makes of all nodes, (n_nodes, n_outputs), float64."""
        return forward_in_blocks(
            mlp.double(),
            Blocks(self.read_inputs, len(self.nodes), rows_of_a_block(self.inputs.X)),
            device=self.task.device,
            method=method,
        )

    @property
    def largest_degree(self):
        return float(self.degrees.max())

    def forms(self, Y):
        """The Gram matrix and the Laplacian form of functions over all nodes.

        Both divided by the total weight of the nodes.

        Parameters
        ----------
        Y : ndarray of shape (n_nodes, q)
        """
        row_weights = inner_product(self.degrees, self.task.laplacian)
        total = row_weights.sum()
        weighted = row_weights[:, None] * Y
        gram = weighted.T @ Y / total
        return gram, Y.T @ self._laplacian_product(Y) / total

    def _laplacian_product(self, Y):
        return laplacian_product(self.graph, self.degrees, Y, self.task.laplacian)

    def residuals(self, Y, eigenvalues):
        """How far functions are from being eigenvectors of these eigenvalues, (q,)."""
        return residuals(self.graph, Y, eigenvalues, self.task.laplacian)


class GraphPart(NamedTuple):
    """Some nodes of a graph with all of their edges, for one rank of several.

    The far ends of edges that belong to other ranks come after the own nodes.
    """

    inputs: object  # {ndarray, CSR} of shape (n_own + n_others, n_inputs)
    graph: object  # CSR array of shape (n_own, n_own + n_others)
    degrees: np.ndarray  # (n_own + n_others,), above 0


class PartReader(GraphReader):
    """Draws edges of the part of a graph that a rank has.

    What is summed up over nodes is so over those of all ranks, which call each method
    that does together, as they do the constructor.

    Parameters
    ----------
    inputs : Rows
        Of the part.
    part : GraphPart
    task : GraphTask
        With a group.
    """

    def __init__(self, inputs, part, task):
        self.inputs, self.nodes = inputs, np.arange(len(inputs))
        self.graph, self.task, n_own = part.graph, task, part.graph.shape[0]
        total = added_up(part.degrees[:n_own].sum(), task.group)
        self.n_nodes = int(added_up(n_own, task.group))
        check_edges(total, lambda: total)
        self._share = float(part.degrees[:n_own].sum()) / total
        self._list_edges(self.graph.tocoo())
        self._weigh(part.degrees, total / self.n_nodes)

    def read(self, edges):
        """The EdgeBatch of some edges."""
        return super().read(edges)._replace(share=self._share, group=self.task.group)

    @property
    def largest_degree(self):
        return -least_of_all(-float(self.degrees.max()), self.task.group)

    def forms(self, Y):
        """The Gram matrix and the Laplacian form of functions over all nodes.

        Parameters
        ----------
        Y : ndarray of shape (n_own + n_others, q)
            Of the nodes of this rank and the far ends of its edges.
        """
        own, row_weights = self._own(Y)
        gram = own.T @ (row_weights[:, None] * own)
        form = own.T @ self._laplacian_product(Y)
        total, gram, form = self._summed(row_weights.sum(), gram, form)
        return gram / total, form / total

    def residuals(self, Y, eigenvalues):
        """As :func:`~skspectralnet._eigen.residuals`, over the nodes of all ranks."""
        own, row_weights = self._own(Y)
        weights = row_weights[:, None]
        missed = self._laplacian_product(Y) - eigenvalues * weights * own
        squares = np.sum(missed**2 / weights, axis=0), np.sum(weights * own**2, axis=0)
        missed, lengths = self._summed(*squares)
        return np.sqrt(missed / lengths)

    def _own(self, Y):
        """The functions at the nodes of this rank, and the weights of these."""
        n_own = self.graph.shape[0]
        row_weights = inner_product(self.degrees[:n_own], self.task.laplacian)
        return Y[:n_own], row_weights

    def _summed(self, *parts):
        """Arrays added up over all ranks."""
        parts = [torch.as_tensor(part, dtype=torch.float64) for part in parts]
        return [added_up(part, self.task.group).numpy() for part in parts]


class Graphs(NamedTuple):
    """The graph of all rows, and the one that is solved: that or a sample of it."""

    whole: GraphReader
    solved: GraphReader
    n_neighbors: int


def build_graphs(inputs, points, task, constraints, rng):
    """The graph of all rows, given or of their neighbours, as Graphs."""
    nodes = inverse = np.arange(len(inputs))
    multiplicities = None
    n_neighbors, graph, given = task.n_neighbors, task.graph, task.graph is not None
    if not given:
        standard = standardised(points, AUTO_WIDTH)
        # Copies of a row would fill the lists of each other.
        nodes, inverse = distinct = distinct_rows(standard)
        multiplicities = distinct.multiplicities(points.multiplicities)
        if len(nodes) < 2:
            raise ValueError(TOO_FEW_DISTINCT)
        n_neighbors = _below(len(nodes), task)
        graph = _graph_of(points, standard, nodes, n_neighbors, task, rng)
    n_before = graph.nnz
    if constraints is not None:
        graph = constrained_graph(graph, nodes, inverse, constraints, n_neighbors, rng)
    of_pairs = callable(task.affinity)
    graph = repeated_graph(graph, multiplicities, all_pairs=of_pairs)
    linked = np.flatnonzero(graph.sum(axis=1) > 0)
    check_edges(len(linked), lambda: n_before, given=given)
    if len(linked) < len(nodes):
        nodes, graph = nodes[linked], sparse.csr_array(graph[linked][:, linked])
        multiplicities = of_weights(multiplicities, linked)
    whole = GraphReader(inputs, nodes, graph, task)
    if given or len(nodes) <= _SOLVED_ROWS:
        return Graphs(whole, whole, n_neighbors)
    some = np.sort(rng.permutation(len(nodes))[:_SOLVED_ROWS])
    graph = _graph_of(points, standard, nodes[some], n_neighbors, task, rng)
    many = of_weights(multiplicities, some)
    graph = repeated_graph(graph, many, all_pairs=of_pairs)
    return Graphs(whole, GraphReader(inputs, nodes[some], graph, task), n_neighbors)


def _below(n_distinct, task):
    """Neighbours of a row, fewer than there are distinct rows."""
    if task.n_neighbors < n_distinct:
        return task.n_neighbors
    if task.n_neighbors_asked:
        warn(
            f"n_neighbors={task.n_neighbors} is not below the {n_distinct} "
            f"distinct rows; {n_distinct - 1} are used.",
            UserWarning,
        )
    return n_distinct - 1


def _graph_of(points, standard, nodes, n_neighbors, task, rng):
    """The affinities between the rows of `nodes`."""
    if callable(task.affinity):
        return _called(points, nodes, task)
    gamma = standardised_gamma(task.gamma, points.scale)
    if len(nodes) < standard.shape[0]:
        standard = standard[nodes]
    return neighbor_affinity(
        standard, task.affinity, n_neighbors, gamma=gamma, random_state=rng
    )


def _called(points, nodes, task):
    """The weights of a callable affinity between some rows, as a CSR array."""
    if len(nodes) > _MOST_CALLABLE_ROWS:
        raise ValueError(
            f"A callable affinity gets all {len(nodes)} rows at once with "
            f"neighbors_in='data', and {_MOST_CALLABLE_ROWS} are too many for that "
            "already. Use neighbors_in='batch' or pass the graph to fit."
        )
    batch = read_batch(points, nodes, device=task.device)
    affinity = batch_affinity(
        in_units(batch, points), task.affinity, n_neighbors=len(nodes) - 1
    )
    return sparse.csr_array(to_numpy(affinity.matrix).astype(np.float64))


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


def constrained_graph(graph, nodes, inverse, constraints, n_neighbors, random_state):
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

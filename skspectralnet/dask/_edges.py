"""The graph of all rows, divided among ranks: each has some nodes with their edges."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from dask import delayed
from scipy import sparse

from skspectralnet._affinity import VANISHED, bridges
from skspectralnet._neighbor_graph import GraphPart
from skspectralnet._spectral import standardised_gamma
from skspectralnet.dask._cluster import SMALL, given_up_on_error, joined
from skspectralnet.dask._shards import rows_together, stacked

# The least width of a neighbourhood, as a share of the usual one.
_LEAST_WIDTH = 1e-6


class Weighing(NamedTuple):
    """How neighbours become edges, and whose they are."""

    affinity: str
    gamma: float  # of "rbf", of standardised points
    width: float  # of the usual neighbourhood
    mean_count: float  # rows that a node is, in the mean
    bounds: np.ndarray  # (n_ranks + 1,), the first node of each rank, and their number

    @property
    def n_ranks(self):
        return len(self.bounds) - 1

    def split(self, numbers):
        """Ascending numbers of nodes, divided by the rank that has them."""
        return np.split(numbers, np.searchsorted(numbers, self.bounds[1:-1]))


class Owned(NamedTuple):
    """The nodes of a rank and the neighbours of each."""

    inputs: object  # {ndarray, CSR} of shape (m, n_inputs), what the network sees
    counts: np.ndarray  # (m,), rows that each is
    numbers: np.ndarray  # (m, k), of the neighbours; -1: none
    squared: np.ndarray  # (m, k), *squared* distances; infinite: none


class Others(NamedTuple):
    """Nodes of other ranks, as one rank needs them."""

    numbers: np.ndarray  # (m,), ascending
    inputs: object  # {ndarray, CSR} of shape (m, n_inputs)
    counts: np.ndarray  # (m,)
    widths: np.ndarray  # (m,), distances to their last neighbours


class Listed(NamedTuple):
    """The edges from the nodes of a rank to their neighbours."""

    numbers: np.ndarray  # (n_others,), of the nodes of other ranks among these
    inputs: object  # {ndarray, CSR} of shape (n_others, n_inputs)
    graph: object  # CSR array of shape (n_own, n_own + n_others), not symmetric


class Inward(NamedTuple):
    """The edges from nodes of other ranks that list those of a rank."""

    numbers: np.ndarray  # (m,), ascending, of the nodes that list
    inputs: object  # {ndarray, CSR} of shape (m, n_inputs)
    ends: np.ndarray  # (2, n_edges), places in `numbers`, numbers of those listed
    weights: np.ndarray  # (n_edges,)


class Half(NamedTuple):
    """A GraphPart that lacks the degrees of the nodes of other ranks."""

    part: GraphPart
    numbers: np.ndarray  # (n_own + n_others,), the others ascending


def divided_graph(client, found, recipe, most_ranks):
    """The graph of all rows as a GraphPart for each rank.

    A rank has nodes of consecutive numbers: those of some cells, which lie near each
    other, so that few edges lead to other ranks. There are as many ranks as are asked
    for, but fewer where they would have fewer nodes than a batch.

    Parameters
    ----------
    client : Client
    found : Neighborhoods
    recipe : Recipe
    most_ranks : int

    Returns
    -------
    list of Future
    """
    parts = client.compute(_tasks(found, weighing_of(found, recipe, most_ranks)))
    with given_up_on_error(client, *parts):
        # Not before all are there: ranks that begin wait for the others only so long.
        client.gather(client.map(_is_there, parts, pure=False))
    return parts


def weighing_of(found, recipe, most_ranks):
    """How the neighbours that were found become the edges of at most so many ranks."""
    n_nodes, task = int(found.cells.starts[-1]), recipe.task
    n_ranks = int(np.clip(n_nodes // task.batch_size, 1, most_ranks))
    gamma = standardised_gamma(task.gamma, recipe.points.scale)
    return Weighing(
        affinity=task.affinity,
        gamma=found.width**-2 if gamma is None else gamma,
        width=found.width,
        mean_count=found.cells.n_rows / n_nodes,
        bounds=np.linspace(0, n_nodes, n_ranks + 1).astype(np.int64),
    )


def _is_there(part):
    """Whether a part is: its error else."""
    return True


def _tasks(found, weighing):
    n_ranks, ranks = weighing.n_ranks, range(weighing.n_ranks)

    def sent(function, *each):
        """What each rank has for each, by the one that gets it."""
        made = [
            delayed(function, nout=n_ranks)(*args, rank, weighing)
            for rank, args in enumerate(zip(*each, strict=True))
        ]
        return [[of_rank[rank] for of_rank in made] for rank in ranks]

    owned = [_owned_task(found, *ends) for ends in pairwise(weighing.bounds.tolist())]
    wanted = sent(wanted_by, owned)
    others = sent(others_of, owned, wanted)
    listed = [
        delayed(listed_by)(mine, theirs, rank, weighing)
        for rank, (mine, theirs) in enumerate(zip(owned, others, strict=True))
    ]
    inward = sent(outward_of, owned, listed)
    halves = [
        delayed(half_of)(*args, rank, weighing)
        for rank, args in enumerate(zip(owned, listed, inward, strict=True))
    ]
    degrees = sent(degrees_of, halves)
    return [delayed(whole_of)(*args) for args in zip(halves, degrees, strict=True)]


def _owned_task(found, first, stop):
    starts, pieces = found.cells.starts.tolist(), []
    for cell, (a, b) in enumerate(pairwise(starts)):
        some = slice(max(first, a) - a, min(stop, b) - a)
        if some.start < some.stop:
            pieces.append(
                delayed(owned_of)(found.cells.nodes[cell], found.lists[cell], some)
            )
    return joined(pieces, SMALL, stacked)


def owned_of(nodes, lists, some):
    """The Owned of a slice of the Nodes of a cell and their Lists."""
    inputs = nodes.points if nodes.inputs is None else nodes.inputs
    return Owned(inputs[some], nodes.counts[some], *(x[some] for x in lists))


def wanted_by(owned, rank, weighing):
    """The numbers of the neighbours that each of the other ranks has, ascending."""
    numbers = np.unique(owned.numbers[owned.numbers >= 0])
    split = weighing.split(numbers)
    split[rank] = numbers[:0]
    return tuple(split)


def others_of(owned, wanted, rank, weighing):
    """The nodes that each rank wants of this one, as Others."""
    widths, first = _widths(owned, weighing), weighing.bounds[rank]
    return tuple(
        Others(n, *(x[n - first] for x in (owned.inputs, owned.counts, widths)))
        for n in wanted
    )


def _widths(owned, weighing):
    """Distances of nodes to their last neighbours."""
    last = np.where(np.isfinite(owned.squared), owned.squared, 0.0).max(axis=1)
    return np.maximum(np.sqrt(last), _LEAST_WIDTH * weighing.width)


def listed_by(owned, others, rank, weighing):
    """The Listed of a rank.

    Parameters
    ----------
    owned : Owned
    others : list of Others
        Of each rank, those that are listed here.
    rank : int
    weighing : Weighing
    """
    others, n_own = stacked(others), len(owned.counts)
    numbers, first = owned.numbers, weighing.bounds[rank]
    is_own = (first <= numbers) & (numbers < weighing.bounds[rank + 1])
    columns = n_own + np.searchsorted(others.numbers, numbers)
    columns = np.where(is_own, numbers - first, columns)
    there = numbers >= 0
    columns[~there] = 0
    widths = np.concatenate([_widths(owned, weighing), others.widths])
    weights = np.where(there, _weights(owned, columns, widths, weighing), 0.0)
    counts = np.concatenate([owned.counts, others.counts]) / weighing.mean_count
    weights *= 0.5 * (counts[:n_own, None] + counts[columns])
    pointers = np.arange(0, columns.size + 1, columns.shape[1])
    graph = sparse.csr_array(
        (weights.ravel(), columns.ravel(), pointers), shape=(n_own, len(counts))
    )
    graph.eliminate_zeros()
    return Listed(others.numbers, others.inputs, graph)


def _weights(owned, columns, widths, weighing):
    """Those of the edges to the neighbours, (m, k), as of a graph in one memory."""
    squared = owned.squared
    if weighing.affinity == "nearest_neighbors":
        return np.ones(squared.shape)
    if weighing.affinity == "rbf":
        return np.exp(-weighing.gamma * squared)
    weights = np.exp(-(squared / widths[: len(squared), None]) / widths[columns])
    held = weights > VANISHED
    if not held.all():
        rows, places = bridges(columns, squared, held, len(widths))
        weights[rows, places] = 1.0
    return weights


def outward_of(owned, listed, rank, weighing):
    """The edges to the nodes of each of the other ranks, as their Inward."""
    n_own, first = len(owned.counts), weighing.bounds[rank]
    edges = listed.graph[:, n_own:].tocoo()
    rows, columns = edges.coords
    to, found = listed.numbers[columns], []
    for low, high in pairwise(weighing.bounds):
        some = (low <= to) & (to < high)
        sources, at = np.unique(rows[some], return_inverse=True)
        ends = np.stack([at.ravel(), to[some]])
        found.append(
            Inward(first + sources, owned.inputs[sources], ends, edges.data[some])
        )
    return tuple(found)


def half_of(owned, listed, inward, rank, weighing):
    """The symmetric edges of a rank's nodes, :math:`W = (A + A^T) / 2`, as a Half.

    Nodes without an edge are left out.

    Parameters
    ----------
    owned : Owned
    listed : Listed
    inward : list of Inward
        From each of the other ranks.
    rank : int
    weighing : Weighing
    """
    first, n_own = weighing.bounds[rank], len(owned.counts)
    numbers, at = np.unique(
        np.concatenate([listed.numbers, *(edges.numbers for edges in inward)]),
        return_index=True,
    )
    inputs = rows_together([listed.inputs, *(edges.inputs for edges in inward)])[at]
    own, out = listed.graph[:, :n_own], listed.graph[:, n_own:].tocoo()
    rows = [out.coords[0], *(edges.ends[1] - first for edges in inward)]
    columns = [listed.numbers[out.coords[1]]]
    columns += [edges.numbers[edges.ends[0]] for edges in inward]
    weights = np.concatenate([out.data, *(edges.weights for edges in inward)])
    ends = np.concatenate(rows), np.searchsorted(numbers, np.concatenate(columns))
    across = sparse.coo_array((weights, ends), shape=(n_own, len(numbers)))
    graph = 0.5 * sparse.hstack([own + own.T, across], format="csr")
    return _linked(graph, owned.inputs, inputs, (first + np.arange(n_own), numbers))


def _linked(graph, own, others, numbers):
    """A Half without the nodes that have no edge.

    Parameters
    ----------
    graph : CSR array of shape (n_own, n_own + n_others)
    own, others : {ndarray, CSR} of shape (n, n_inputs)
    numbers : (ndarray, ndarray)
    """
    graph = sparse.csr_array(graph)
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    kept = np.flatnonzero(degrees > 0)
    reached = np.flatnonzero(np.diff(graph[:, len(degrees) :].tocsc().indptr))
    columns = np.append(kept, len(degrees) + reached)
    part = GraphPart(
        rows_together([own[kept], others[reached]]),
        sparse.csr_array(graph[kept][:, columns]),
        degrees[kept],
    )
    return Half(part, np.append(numbers[0][kept], numbers[1][reached]))


def degrees_of(half, rank, weighing):
    """The degrees of the nodes that have edges to each of the other ranks, ascending.

    A graph is symmetric: these are the ones that the other rank lacks.
    """
    graph, degrees = half.part.graph, half.part.degrees
    others = half.numbers[graph.shape[0] :]
    ends = graph.shape[0] + np.searchsorted(others, weighing.bounds)
    edges = [graph[:, low:high] for low, high in pairwise(ends)]
    return tuple(degrees[np.diff(some.indptr) > 0] for some in edges)


def whole_of(half, degrees):
    """The GraphPart of a Half, with the degrees that the other ranks have sent."""
    return half.part._replace(degrees=np.concatenate([half.part.degrees, *degrees]))

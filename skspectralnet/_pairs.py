"""Rows and their neighbours for the siamese network, and where training begins."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from skspectralnet import _defaults
from skspectralnet._calls import is_forked
from skspectralnet._constraints import groups_of, of_distinct
from skspectralnet._distinct import distinct_rows
from skspectralnet._eigen import graph_eigenpairs
from skspectralnet._graph import nearest_neighbors, symmetric_graph
from skspectralnet._rows import Rows, center_and_scale, row_blocks, standardised

# Rows whose neighbours say how far apart neighbours are.
_SAMPLED_ROWS = 2000
# init="spectral": eigenvectors of the neighbour graph of at most this many rows. Parts
# of it with a smaller share of its rows say nothing about the others.
_MOST_ROWS, _LEAST_PART = 20_000, 0.01
# Eigenvalues that differ by less are equal.
_EQUAL = 1e-6


class Pairs(NamedTuple):
    """Rows and which of them attract each other.

    Equal rows are one: copies would fill each other's lists and teach nothing.
    """

    rows: Rows  # distinct, with how often each occurs
    partners: np.ndarray  # (n_distinct, k) int64
    constraints: object  # Constraints or None
    n_neighbors: int  # 0 where all rows are equal
    recall: float  # of the search


class Start(NamedTuple):
    """Where some rows are to be when training begins."""

    rows: np.ndarray  # (s,)
    places: np.ndarray  # (s, n_components), float32, of standard deviation 1


def find_pairs(X, weights, n_neighbors, algorithm, constraints, rng):
    """Distinct rows and their neighbours, without what is known to be apart.

    With how often each occurs, or the weights of rows as if they occurred so often.
    """
    if algorithm == "pynndescent" and is_forked():
        raise ValueError(  # numba ends the process
            "neighbors_algorithm='pynndescent' cannot be used in a forked process: fit "
            "before the fork or in a process that was spawned, or take 'exact' or "
            "'cells'."
        )
    rows = Rows(X, *center_and_scale(X, weights), weights)
    points = standardised(rows, _defaults.AUTO_WIDTH)
    distinct = distinct_rows(points, groups_of(constraints))
    if len(distinct.first) == 1:
        partners = np.zeros((len(rows), 1), dtype=np.int64)
        return Pairs(rows, partners, constraints, 0, 1.0)
    if len(distinct.first) < len(rows):
        rows, points = rows.only(distinct), points[distinct.first]
        constraints = of_distinct(constraints, *distinct)
    n_neighbors = min(n_neighbors, len(rows) - 1)
    found = nearest_neighbors(
        points,
        n_neighbors,
        algorithm=algorithm,
        exact_rows=_defaults.EXACT_ROWS,
        random_state=rng,
    )
    partners = found.indices
    if constraints is not None:
        partners = constraints.allowed_neighbors(partners)
    return Pairs(rows, partners, constraints, n_neighbors, found.recall)


def anchor_draws(rows, multiplicities, rng):
    """A function of a size that draws as many of some rows, each as often as it occurs.

    Parameters
    ----------
    rows : ndarray of int of shape (m,)
    multiplicities : ndarray of shape (n_distinct,) or None
        Of all rows; None: each occurs as often.
    rng : RandomState
    """
    if multiplicities is None:
        return lambda size: rows[rng.randint(len(rows), size=size)]
    cumulative = np.cumsum(multiplicities[rows])

    def draw(size):
        places = rng.uniform(high=cumulative[-1], size=size)
        found = np.searchsorted(cumulative, places, side="right")
        return rows[np.minimum(found, len(rows) - 1)]

    return draw


def neighbor_differences(pairs):
    """Root mean square difference, per column, of some rows to each neighbour.

    Without the rows that are pulled in: one of them is as far as many others together.
    """
    chosen = np.linspace(0, len(pairs.rows) - 1, min(len(pairs.rows), _SAMPLED_ROWS))
    chosen = chosen.astype(np.int64)
    k, n_columns = pairs.partners.shape[1], pairs.rows.shape[1]
    found = []
    for block in row_blocks((len(chosen), k * n_columns)):
        rows, partners = pairs.rows.batch(chosen[block]), pairs.partners[chosen[block]]
        if pairs.rows.reach is not None:
            near = np.linalg.norm(rows, axis=1) < pairs.rows.reach
            rows, partners = rows[near], partners[near]
        apart = pairs.rows.batch(partners.ravel()) - np.repeat(rows, k, axis=0)
        found.append(np.sqrt(np.mean(np.square(apart), axis=1)))
    return np.concatenate(found)


def _before_ties(eigenvalues):
    """How many are below the last one, but at least two.

    Parts that are alike have equal ones; it is chance whose vectors come first.
    """
    return max(int(np.searchsorted(eigenvalues, eigenvalues[-1] - _EQUAL)), 2)


def spectral_start(pairs, n_components, rng):
    r"""Eigenvectors of the neighbour graph, in as many dimensions as asked for.

    As many as `n_components` beyond those of eigenvalue 0, of which every connected
    part of the graph has one: the parts are told apart, and each is unfolded. More
    than `n_components` are brought to them by a random orthogonal projection. Equal
    eigenvalues are all among them or none.

    Returns
    -------
    Start or None
        Without the rows of small parts; None where all parts are small.
    """
    rows, partners = np.arange(len(pairs.rows)), pairs.partners
    if len(rows) > _MOST_ROWS:
        rows = np.sort(rng.permutation(len(rows))[:_MOST_ROWS])
        partners = nearest_neighbors(
            pairs.rows.batch(rows, np.float32), partners.shape[1], random_state=rng
        ).indices
    graph = symmetric_graph(partners, np.ones(partners.shape))
    parts = connected_components(graph, directed=False)[1]
    sizes = np.bincount(parts)
    large = np.flatnonzero(sizes[parts] >= max(2, _LEAST_PART * len(rows)))
    if len(large) == 0:
        return None
    n_vectors = min(len(np.unique(parts[large])) + n_components + 1, len(large))
    graph = sparse.csr_array(graph[large][:, large])
    lowest = graph_eigenpairs(graph, n_vectors, "random_walk", rng)
    vectors = lowest.vectors[:, 1 : _before_ties(lowest.eigenvalues)]
    if vectors.shape[1] > n_components:
        normal = rng.normal(size=(vectors.shape[1], n_components))
        vectors = vectors @ np.linalg.qr(normal)[0]
    size = vectors.std(axis=0)
    vectors = np.clip(vectors / np.where(size > 0, size, 1.0), -5.0, 5.0)
    places = np.zeros((len(large), n_components), dtype=np.float32)
    places[:, : vectors.shape[1]] = vectors
    return Start(rows[large], places)

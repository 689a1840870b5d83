"""How many clusters there are: what it costs to leave them, and what to divide them."""

import copy
from dataclasses import dataclass

import numpy as np

from skspectralnet._constraints import of_rows
from skspectralnet._defaults import (
    LARGE_GRAPH,
    LARGE_GRAPH_CLUSTERS,
    LEARNED_ROWS,
    MOST_CLUSTERS,
    components_of,
)
from skspectralnet._divisions import LEAST_PIECE, Support, least_side
from skspectralnet._eigen import eigengaps, graph_eigenpairs
from skspectralnet._graph import pieces
from skspectralnet._input import of_weights
from skspectralnet._selection import (
    CRITERION_NEIGHBORS,
    SOLVED_ROWS,
    clusters_of_vectors,
    criterion_graph,
    some_rows,
)
from skspectralnet._stages import fit_learner

# A difference of more than _CLEAR standard errors is not by chance, though the cheapest
# of many cuts is sought; one of _EVEN at most is none, and the smaller number is taken.
_CLEAR, _EVEN = 3.0, 0.5
# The search begins with the _FIRST best numbers of clusters by each of two rankings of
# the gaps. Then those beside the _AROUND best are looked at, until none of them is new.
_FIRST, _AROUND = 5, 3
# Neighbours of a row as a share of all rows, where these are few.
_NEIGHBOR_SHARE = 0.1

ROWS, LEARNED, GRAPH = "rows", "learned", "graph"


@dataclass(frozen=True, eq=False, repr=False)
class ClusterSupport:
    """The numbers of clusters that a fit has compared, the one taken first.

    Parameters
    ----------
    n_clusters : ndarray of shape (n_numbers,), int64
        The first one was taken, the others follow by their supports.
    supports : ndarray of shape (n_numbers,)
        What cutting each cluster in two would cost, less what it costs to cut each
        from all others, as a share of the weight of the graph.
    errors : ndarray of shape (n_numbers,)
        Standard error of the difference between a support and that of the number
        taken; for the first one of the support itself.
    space : {"rows", "learned", "graph"}
        Whose neighbour graph it was: that of the rows behind the encoder, of a space
        learned from them, or the one given.
    n_rows : int
        Nodes of the graph: rows that differ, at most 4,096 where none was given.
    """

    n_clusters: np.ndarray
    supports: np.ndarray
    errors: np.ndarray
    space: str
    n_rows: int

    def __repr__(self):
        lines = [
            f"{self.n_clusters[0]} clusters, by {self.n_rows} nodes ({self.space})"
        ]
        for number, support, error in zip(
            self.n_clusters[:5], self.supports, self.errors, strict=False
        ):
            lines.append(f"  {number:<5} {support:+.4f} +- {error:.4f}")
        return "\n".join(lines)


def found_number(encoded, wanted, constraints, graph, rng, fit_task):
    """The ClusterSupport of the rows of a fit.

    The graph is one of neighbours of the codes. Where there is no clear sign of more
    than one cluster in it, and the fit may learn a space, it is one of that space: a
    structure in many columns that neighbours do not see may be seen there, and what has
    none has none there either.

    Parameters
    ----------
    encoded : Encoded
    wanted : StageParameters
    constraints : Constraints or None
        Of the rows of `encoded`.
    graph : CSR array or None
        As given: then it is judged.
    rng : RandomState
        A copy of it is used.
    fit_task : FitTask

    Returns
    -------
    ClusterSupport
    """
    least = max(1, 0 if constraints is None else constraints.n_labels)
    if graph is not None:
        with_edges = np.flatnonzero(np.diff(graph.indptr))
        return cluster_support(graph[with_edges][:, with_edges], least, GRAPH)
    rows = encoded.rows[some_rows(len(encoded.rows), SOLVED_ROWS)]
    weights = of_weights(encoded.weights, rows)
    some = encoded._replace(codes=encoded.codes[rows], directed=None, weights=weights)
    found = cluster_support(_neighbors(some.codes, weights), least, ROWS)
    if found.n_clusters[0] > 1 or not _learns(wanted, found.n_rows):
        return found
    if isinstance(wanted.metric_learner, str):
        wanted = wanted._replace(metric_learner="siamese")
    known, rng = of_rows(constraints, rows), copy.deepcopy(rng)
    task = fit_task.holding()  # the fit itself warns
    points = fit_learner(some, wanted, known, rng, task).points
    return cluster_support(_neighbors(points, weights), least, LEARNED)


def _learns(wanted, n_rows):
    """Whether a space may be learned from `n_rows` different rows."""
    learner = wanted.metric_learner
    if learner == "auto":
        return n_rows >= LEARNED_ROWS
    return learner is not None and n_rows > 1


def _neighbors(points, weights):
    """The graph of the criterion; of few rows, each has fewer neighbours."""
    share = round(_NEIGHBOR_SHARE * points.shape[0])
    n_neighbors = int(np.clip(share, 2, CRITERION_NEIGHBORS))
    return criterion_graph(points, weights, n_neighbors)[0]


def cluster_support(graph, least, space):
    r"""Compare numbers of clusters on one graph.

    .. math:: S(K) = \frac{1}{w} \sum_{c=1}^{K}
              \left( \min_{a \subset c} \frac{w(a, c \setminus a)}{4 p_a (1 - p_a)}
              - w(c, \bar c) \right)

    over the K clusters of the leading eigenvectors, with :math:`p_a` the share that a
    has of the degrees inside c, and w the weight of all edges. The minimum is d / 4
    times the normalized cut of Shi and Malik (2000, Eq. (2)), with d the degrees inside
    c, and is sought, as there, along the second eigenvector of c. A cluster is a part
    that is cheaper to leave than to divide (as in Oveis Gharan and Trevisan, SODA 2014,
    who compare the conductances of both). Of something without clusters, K parts are
    not: a chain that costs 1 to cut anywhere has S = 2 - K.

    Parameters
    ----------
    graph : CSR array of shape (n_nodes, n_nodes), symmetric, or None
        None: all rows are equal.
    least : int
        The smallest number.
    space : str
        What the graph is of.

    Returns
    -------
    ClusterSupport
        With the number of the highest support first, or a smaller one that is behind it
        by at most half a standard error; with the number of pieces of the graph, where
        that is not higher by three standard errors.
    """
    n_rows = 1 if graph is None else graph.shape[0]
    most = min(MOST_CLUSTERS, n_rows // LEAST_PIECE)
    if n_rows > LARGE_GRAPH:
        most = min(most, LARGE_GRAPH_CLUSTERS)
    if most <= least:
        nothing = np.full(1, np.nan)
        return ClusterSupport(np.array([least]), nothing, nothing, space, n_rows)
    n_vectors = min(components_of(most), n_rows - 1)
    same = np.random.RandomState(0)  # no part of the fit: it takes no number of its own
    pairs = graph_eigenpairs(graph, n_vectors, "random_walk", same)
    base = int(np.clip(_n_pieces(graph), least, most))
    parts = _climbed(Support(graph), pairs, {least, base}, (least, most))
    return _ranked(parts, base, space)


def _n_pieces(graph):
    """Pieces of the graph that are not some rows at the rim of another."""
    sizes = np.bincount(pieces(graph)[1])
    return np.count_nonzero(sizes >= least_side(graph.shape[0]))


def _ranked(parts, base, space):
    """The ClusterSupport of numbers and their parts; more than `base` need a reason."""
    numbers = np.array(sorted(parts), dtype=np.int64)
    supports = np.array([parts[k].sum() for k in numbers])
    best = numbers[supports.argmax()]
    behind = supports.max() - supports
    errors = np.array([_error(parts, k, best) for k in numbers])
    first = numbers[behind <= _EVEN * errors][0]
    ahead = parts[first].sum() - parts[base].sum()
    if ahead <= _CLEAR * _error(parts, first, base):
        first = base
    order = np.lexsort((-supports, numbers != first))
    errors = np.array([_error(parts, k, first) for k in numbers[order]])
    errors[0] = float(np.std(parts[first]) * np.sqrt(len(parts[first])))
    n_rows = len(parts[first])
    return ClusterSupport(numbers[order], supports[order], errors, space, n_rows)


def _error(parts, first, second):
    """Standard error of the difference of two sums over rows."""
    difference = parts[first] - parts[second]
    return float(np.std(difference) * np.sqrt(len(difference)))


def _climbed(judge, pairs, first, bounds):
    """The parts of the supports of the numbers that are looked at: {number: (n,)}."""
    least, most = bounds
    open_ones = first | _at_gaps(pairs.eigenvalues, least, most)
    parts = {}
    while open_ones:
        for k in sorted(open_ones):
            # As the clusters of a map are found.
            decays = pairs.eigenvalues[: components_of(k)]
            parts[k] = judge.parts(clusters_of_vectors(pairs.vectors, decays, k))
        best = sorted(parts, key=lambda k: -parts[k].sum())[:_AROUND]
        beside = {k + step for k in best for step in (-1, 1)}
        open_ones = {k for k in beside if least <= k <= most} - set(parts)
    return parts


def _at_gaps(eigenvalues, least, most):
    """The numbers where the eigenvalues rise most, and where so for their size.

    By Weyl's law the eigenvalues of something without clusters are a power of their
    number: their logarithms rise by a constant over k.
    """
    numbers, gaps = eigengaps(eigenvalues, most)
    gaps = gaps[numbers >= least]
    numbers = numbers[numbers >= least]
    found = [numbers[np.argsort(-g)[:_FIRST]] for g in (gaps, gaps * numbers)]
    return {int(k) for k in np.concatenate(found)}
